// Elements from data. Every child that is not an element becomes a text node, so nobody's words can become markup.

export function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") el.className = value;
    else if (name === "data") Object.assign(el.dataset, value);
    else if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else if (name === "value") el.value = value;
    else el.setAttribute(name, value === true ? "" : String(value));
  }
  el.append(...flat(children));
  return el;
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== "");
}

export function fill(parent, ...children) {
  parent.replaceChildren(...flat(children));
  return parent;
}

export const $ = (id) => document.getElementById(id);

// Brings a container's children to `items` in order; an element is made anew only when its signature has changed,
// so that focus, selection and scroll survive a refresh.
export function sync(parent, items, keyOf, signatureOf, make) {
  const old = new Map();
  for (const child of [...parent.children]) {
    if (child.dataset.key === undefined) child.remove();
    else old.set(child.dataset.key, child);
  }
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    const signature = signatureOf(item);
    let el = old.get(key);
    old.delete(key);
    if (!el || el.signature !== signature) {
      const fresh = make(item);
      fresh.dataset.key = key;
      fresh.signature = signature;
      if (el) {
        const focused = el.contains(document.activeElement);
        if (at === el) at = fresh;
        el.replaceWith(fresh);
        if (focused) (fresh.matches("[tabindex],button,a") ? fresh : fresh.querySelector("[tabindex],button,a"))?.focus();
      }
      el = fresh;
    }
    if (at === el) at = el.nextElementSibling;
    else parent.insertBefore(el, at);
  }
  for (const el of old.values()) el.remove();
}

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  back: "M15 5l-7 7 7 7",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16.5 16.5L21 21",
  clip: "M20 11l-8.5 8.5a5 5 0 0 1-7-7L13 4a3.5 3.5 0 0 1 5 5l-8.5 8.5a2 2 0 0 1-2.8-2.8L14 7.500",
  send: "M4 12l16-8-6 16-3-7z",
  info: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 11v5M12 8v.01",
  edit: "M4 20l1-4L16 5l3 3L8 19z",
  help: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM9.500 9.500a2.500 2.500 0 1 1 3.500 2.300c-.7.3-1 .8-1 1.700M12 17v.01",
  file: "M7 3h7l4 4v14H7zM14 3v4h4",
  sound: "M4 10v4M8 7v10M12 4v16M16 7v10M20 10v4",
  x: "M6 6l12 12M18 6L6 18",
  moon: "M20 14.500A8 8 0 0 1 9.500 4a8 8 0 1 0 10.500 10.500z",
  gear: "M4 7h10M18 7h2M4 17h2M10 17h10M16 4.500v5M8 14.500v5",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

// Politely said to everyone; a problem is also said at once to screen readers.
export function toast(text, kind = "info") {
  const el = h("div", { class: `toast ${kind}` }, text);
  $("toasts").append(el);
  if (kind === "bad") $("alert").textContent = text;
  setTimeout(() => el.remove(), kind === "bad" ? 9000 : 4000);
}
