// Files of a line. They are fetched with the visitor's session; only raster images are shown, all else is a download,
// so that no file can act as a page of ours.

import { el, icon } from "./dom.js";
import { size, t } from "./texts.js";

const SHOWN = ["image/png", "image/jpeg", "image/gif", "image/webp"];
/** Larger images are a download: a phone should not fetch them unasked. Bytes. */
const SHOWN_UP_TO = 6 * 1024 * 1024;

/** Previews that the page already holds, by upload token: a picture just sent needs no fetching. */
const previews = new Map();

export const remember = (upload, address) => previews.set(upload, address);
export const isPicture = (file) => SHOWN.includes(file.type) && file.size <= SHOWN_UP_TO;

export function attachments(line, fetch) {
  return el("ul", { className: "files" }, ...line.files.map((file, n) => el("li", {}, one(line, file, n, fetch))));
}

function one(line, file, n, fetch) {
  if (file.state !== "kept") return el("span", { className: "file bad" }, icon("warn"), el("span", {}, file.name), el("small", {}, t("fileRefused")));
  const get = () => fetch(line.seq, n);
  return isPicture(file) ? picture(file, line.seq ? get : null) : card(file, line.seq ? get : null);
}

function picture(file, get) {
  const image = el("img", { alt: file.name, className: "loading" });
  const node = el("button", { type: "button", className: "picture", title: t("download", file.name) }, image);
  const show = (address) => {
    image.onload = () => image.classList.remove("loading");
    image.onerror = () => node.replaceWith(card(file, get));
    image.src = address;
  };
  if (previews.has(file.upload)) show(previews.get(file.upload));
  else if (get) get().then((blob) => show(URL.createObjectURL(blob))).catch(() => node.replaceWith(card(file, get)));
  if (get) node.onclick = () => save(file, get, node);
  return node;
}

function card(file, get) {
  const node = el("button", { type: "button", className: "file", disabled: !get, title: t("download", file.name) });
  node.append(icon("file"), el("span", {}, file.name), el("small", {}, size(file.size)));
  if (get) node.onclick = () => save(file, get, node);
  return node;
}

async function save(file, get, node) {
  try {
    const address = URL.createObjectURL(await get());
    const anchor = el("a", { href: address, download: file.name });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  } catch {
    node.after(el("small", { className: "bad", role: "alert" }, t("fileGone")));
  }
}
