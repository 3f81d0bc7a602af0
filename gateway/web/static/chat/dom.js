// Making elements. Text is always text: nothing in this window is ever parsed as HTML.

export const $ = (id) => document.getElementById(id);

/** An element with properties and children; strings become text. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

const PATHS = {
  send: "M4.5 12h13M12 5.500l6.500 6.500-6.500 6.500",
  clip: "M20 11.500l-8.200 8.200a5.200 5.200 0 0 1-7.400-7.400l8.600-8.600a3.500 3.500 0 0 1 5 5l-8.600 8.600a1.700 1.700 0 0 1-2.500-2.500l7.800-7.800",
  close: "M6 6l12 12M18 6L6 18",
  down: "M12 5v14M5.500 12.500L12 19l6.500-6.500",
  file: "M13.500 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8.500L13.500 3zM13.500 3v5.500H19",
  check: "M5 12.500l4.500 4.500L19 7.500",
  clock: "M12 7.500V12l3 2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z",
  warn: "M12 8v5M12 16.500v.01M10.300 4L2.700 17.200A2 2 0 0 0 4.400 20h15.200a2 2 0 0 0 1.700-2.800L13.700 4a2 2 0 0 0-3.400 0z",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.500 20.500a7.500 7.500 0 0 1 15 0",
};

/** A line drawing of 24 units, in the colour of the text. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

const LINK = /https?:\/\/[^\s<>"'“”‘’（）()【】「」，。；：！？、]+/gi;

/** Text with its web addresses as links; only http and https, and the page behind learns nothing of this one. */
export function linked(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const address = match[0].replace(/[.,;:!?*_~\]}]+$/, "");
    const anchor = link(address);
    if (!anchor) continue;
    parts.push(text.slice(from, match.index), anchor);
    from = match.index + address.length;
  }
  parts.push(text.slice(from));
  return parts.filter((part) => part !== "");
}

/** Addresses of more characters are shown without their query, which is for machines; the site is always shown. */
const LONG = 56;

function link(address) {
  try {
    const url = new URL(address);
    if (url.protocol !== "http:" && url.protocol !== "https:") return null;
    const properties = { href: url.href, title: address, target: "_blank", rel: "noopener noreferrer nofollow ugc" };
    return el("a", properties, address.length > LONG ? `${url.host}${decodeURI(url.pathname)}…` : address);
  } catch {
    return null;
  }
}

/** Dark or light letters, whichever can be read on a `#rrggbb` ground (WCAG relative luminance). */
export function letters(color) {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  const light = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return 1.05 / (light + 0.05) >= (light + 0.05) / 0.0525 ? "#ffffff" : "#0b1220";
}
