// The page around the window, when it stands in a frame: what it may ask, what it is told.

const framed = parent !== window;
const waiting = new Map();
let asked = 0;

export const inFrame = framed;

/** Tell the page around us. It learns only what it must: that the window wants to close, how many lines are new. */
export function tell(type, values = {}) {
  if (framed) parent.postMessage({ allears: type, ...values }, "*");
}

/** Ask the page around us; its answer, or null when it has none within some seconds. */
function ask(type, seconds) {
  return new Promise((resolve) => {
    const number = ++asked;
    waiting.set(number, resolve);
    tell(type, { ask: number });
    setTimeout(() => waiting.delete(number) && resolve(null), seconds * 1000);
  });
}

/** A fresh identity token from the shop's page; it is signed by the shop's server, so where it comes from is not trusted. */
export async function identity() {
  const token = await ask("identity", 15);
  if (typeof token !== "string") throw new Error("no identity");
  return token;
}

/** What the page around us keeps for us, by name. */
export async function memory() {
  const kept = await ask("memory", 2);
  return kept && typeof kept === "object" ? kept : {};
}

export function listen(events) {
  addEventListener("message", ({ source, data }) => {
    if (!framed || source !== parent || typeof data?.allears !== "string") return;
    events[data.allears]?.(data);
  });
}

addEventListener("message", ({ source, data }) => {
  if (!framed || source !== parent || data?.allears !== "answer") return;
  waiting.get(data.ask)?.(data.value);
  waiting.delete(data.ask);
});
