// The page around the window, when it stands in a frame: what it may ask, what it is told.

const framed = parent !== window;
const waiting = new Map();
let asked = 0;

export const inFrame = framed;

/** Tell the page around us. It learns only what it must: that the window wants to close, how many lines are new. */
export function tell(type, values = {}) {
  if (framed) parent.postMessage({ allears: type, ...values }, "*");
}

/** A fresh identity token from the shop's page; it is signed by the shop's server, so where it comes from is not trusted. */
export function identity() {
  return new Promise((resolve, reject) => {
    const ask = ++asked;
    waiting.set(ask, resolve);
    tell("identity", { ask });
    setTimeout(() => waiting.delete(ask) && reject(new Error("no identity")), 15_000);
  });
}

export function listen(events) {
  addEventListener("message", ({ source, data }) => {
    if (!framed || source !== parent || typeof data?.allears !== "string") return;
    if (data.allears === "identity" && typeof data.token === "string") {
      waiting.get(data.ask)?.(data.token);
      waiting.delete(data.ask);
    } else events[data.allears]?.(data);
  });
}
