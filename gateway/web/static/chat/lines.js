// The conversation on the screen: stored lines by their number, then what is still on its way.

import { el, icon, linked } from "./dom.js";
import { attachments } from "./files.js";
import { day, t, time } from "./texts.js";

/** Lines of one author within so many milliseconds stand together. */
const TOGETHER = 300_000;

export class Lines {
  #log;
  #actions;
  #lines = new Map();
  #pending = [];
  #nodes = new Map();

  /** `actions`: choose(button), retry(item), discard(item), withoutFiles(item), fetch(seq, n). */
  constructor(log, actions) {
    this.#log = log;
    this.#actions = actions;
  }

  get first() {
    return Math.min(...this.#lines.keys());
  }

  get empty() {
    return this.#lines.size === 0 && this.#pending.length === 0;
  }

  /** Take lines in; whoever has a number already is put in its place again, never beside it. */
  take(events) {
    for (const event of events) {
      const earlier = event.refers_to ? this.#lines.get(event.refers_to) : null;
      if (earlier) this.#lines.set(earlier.seq, { ...earlier, text: event.text || "", deleted: event.deleted });
      else this.#lines.set(event.seq, { files: [], ...this.#lines.get(event.seq), ...event });
    }
    this.draw();
  }

  /** The gateway has stored a message of ours; its line may come later by the live line. */
  accepted(item, seq) {
    if (!this.#lines.has(seq)) {
      const { id, at, text, files } = item;
      this.#lines.set(seq, { type: "message", seq, at, author: "me", id, text, files: files.map((file) => ({ ...file, state: "kept" })) });
    }
    this.draw();
  }

  /** What is not stored yet. */
  waiting(items) {
    this.#pending = items;
    this.draw();
  }

  /** Forget what was drawn, for another language. */
  redraw() {
    this.#nodes.clear();
    this.#log.replaceChildren();
    this.draw();
  }

  draw() {
    const stored = [...this.#lines.values()].sort((a, b) => a.seq - b.seq);
    const mine = new Set(stored.map((line) => line.id).filter(Boolean));
    const pending = this.#pending.filter((item) => !mine.has(item.id));
    const all = [...stored, ...pending.map((item) => ({ ...item, type: "message", author: "me", item }))];
    const wanted = this.#rows(all);
    const keys = new Set(wanted.map(({ key }) => key));
    for (const [key, { node }] of this.#nodes) {
      if (!keys.has(key)) {
        node.remove();
        this.#nodes.delete(key);
      }
    }
    let at = this.#log.firstElementChild;
    for (const { key, print, make } of wanted) {
      let drawn = this.#nodes.get(key);
      if (!drawn || drawn.print !== print) {
        const node = make();
        drawn?.node.replaceWith(node);
        if (at === drawn?.node) at = node;
        drawn = { node, print };
        this.#nodes.set(key, drawn);
      }
      if (drawn.node !== at) this.#log.insertBefore(drawn.node, at);
      else at = at.nextElementSibling;
    }
  }

  /** What stands in the log, top to bottom: a key, a print of what it shows, and how to make it. */
  #rows(all) {
    const rows = [];
    let before = null;
    all.forEach((line, index) => {
      const at = new Date(line.at);
      if (!before || day(new Date(before.at)) !== day(at)) {
        rows.push({ key: `day ${at.toDateString()}`, print: day(at), make: () => el("p", { className: "day" }, day(at)) });
        before = null;
      }
      const next = all[index + 1];
      const place = {
        opens: !together(before, line),
        closes: !together(line, next),
        last: index === all.length - 1,
      };
      const key = line.id ? `me ${line.id}` : `seq ${line.seq}`;
      const print = JSON.stringify([line, place]);
      rows.push({ key, print, make: () => (line.type === "status" ? status(line) : this.#message(line, at, place)) });
      before = line;
    });
    return rows;
  }

  #message(line, at, { opens, closes, last }) {
    const node = el("div", { className: `line ${line.author}` });
    node.classList.toggle("opens", opens);
    node.classList.toggle("closes", closes);
    node.classList.toggle("waiting", Boolean(line.item));
    if (line.language) node.lang = line.language;
    const who = name(line);
    if (opens && line.author !== "me") node.append(face(line), el("p", { className: "name" }, ...signed(line, who)));
    else node.append(el("span", { className: "hidden" }, `${who}: `));
    if (line.deleted) node.append(el("div", { className: "bubble gone" }, t("withdrawn")));
    else if (line.text) node.append(el("div", { className: "bubble" }, ...linked(line.text)));
    if (line.files?.length && !line.deleted) node.append(attachments(line, this.#actions.fetch));
    node.append(...this.#below(line, at, closes));
    if (last && line.buttons?.length) node.append(this.#choices(line.buttons));
    return node;
  }

  #choices(buttons) {
    const make = (button) =>
      el("button", { type: "button", className: "choice", onclick: () => this.#actions.choose(button) }, button.label);
    return el("div", { className: "choices" }, ...buttons.map(make));
  }

  #below(line, at, closes) {
    const item = line.item;
    if (!item) {
      if (!closes) return [];
      const stamp = el("time", { dateTime: at.toISOString() }, time(at));
      const sent = line.author === "me" ? [icon("check"), el("span", { className: "hidden" }, t("sent"))] : [];
      return [el("p", { className: "stamp" }, stamp, ...sent)];
    }
    if (item.state !== "refused") {
      return [el("p", { className: "stamp" }, icon("clock"), navigator.onLine ? t("sending") : t("waiting"))];
    }
    const button = (text, act) => el("button", { type: "button", className: "link", onclick: act }, text);
    const again = item.where === "attachments"
      ? button(t("withoutFiles"), () => this.#actions.withoutFiles(item))
      : button(t("retry"), () => this.#actions.retry(item));
    return [
      el("p", { className: "stamp bad" }, icon("warn"), `${t("refused")}. ${item.reason || ""}`),
      el("p", { className: "stamp" }, again, button(t("discard"), () => this.#actions.discard(item))),
    ];
  }
}

function together(a, b) {
  if (!a || !b || a.type !== "message" || b.type !== "message") return false;
  return a.author === b.author && (a.name || "") === (b.name || "") && new Date(b.at) - new Date(a.at) < TOGETHER;
}

export function name(line) {
  if (line.author === "me") return t("you");
  return line.name || t(line.author === "bot" ? "bot" : "agent");
}

function signed(line, who) {
  return line.author === "bot" ? [who, el("span", { className: "tag" }, t("automatic"))] : [who];
}

function face(line) {
  const node = el("span", { className: "face", ariaHidden: "true" });
  if (line.author === "agent") node.append(line.name ? [...line.name][0].toUpperCase() : icon("person"));
  return node;
}

/** What a status says in words; "" for one that this window does not know. */
export function said(line) {
  return t(line.status, line.name || t("agent")) || "";
}

function status(line) {
  const text = said(line);
  return el("p", { className: `event ${line.status}`, hidden: !text }, text);
}
