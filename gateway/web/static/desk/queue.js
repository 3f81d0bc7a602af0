// The list: who waits, how long, how grave.

import { get } from "./api.js";
import * as call from "./call.js";
import { $, fill, h, icon, sync, toast } from "./dom.js";
import { reason } from "./handing.js";
import { isUnread, now, setClock, state } from "./state.js";
import { clock, day, due, sameDay, waited } from "./time.js";
import { language, sorry, t, value } from "./words.js";

export const VIEWS = ["waiting", "mine", "bot", "all", "closed"];
let reading = null;
let again = false;
let open = () => {};

export function build(onOpen, setPassword = null) {
  open = onOpen;
  const list = h("div", { class: "lines", id: "lines", role: "listbox", "aria-label": t("queue"), tabindex: "0" });
  fill(
    $("queue"),
    h("div", { class: "views", role: "tablist", "aria-label": t("views") },
      VIEWS.map((view) => h("button", {
        role: "tab", class: "view", id: `view-${view}`, "aria-controls": "lines",
        "aria-selected": String(view === state.view && !state.search), onclick: () => show(view),
      }, t(`view_${view}`), h("span", { class: "count", id: `count-${view}` })))),
    setPassword ? h("div", { class: "found" }, t("no_password"), " ", h("button", { class: "link", onclick: setPassword }, t("set_one"))) : null,
    h("div", { class: "found", id: "found", hidden: true }),
    list,
  );
  render();
}

export function show(view) {
  Object.assign(state, { view, search: "", pages: 1 });
  const field = $("search");
  if (field) field.value = "";
  mark();
  read();
}

export function find(text) {
  Object.assign(state, { search: text.trim(), pages: 1 });
  mark();
  read();
}

function mark() {
  for (const view of VIEWS) $(`view-${view}`)?.setAttribute("aria-selected", String(view === state.view && !state.search));
}

// One reading at a time; a signal that comes meanwhile means one more afterwards.
export async function read() {
  if (reading) {
    again = true;
    return reading;
  }
  reading = readPages();
  try {
    await reading;
  } catch (problem) {
    if (problem.status !== 401 && problem.code !== "offline") toast(sorry(problem), "bad");
  } finally {
    reading = null;
  }
  if (again) {
    again = false;
    setTimeout(read, 200);
  }
  return null;
}

async function readPages() {
  const lines = [];
  let cursor = "";
  for (let page = 0; page < state.pages; page += 1) {
    const query = new URLSearchParams(state.search ? { q: state.search } : { view: state.view, cursor });
    const answer = await get(`conversations?${query}`);
    setClock(answer.now);
    lines.push(...answer.items);
    cursor = answer.cursor;
    if (!cursor) break;
  }
  Object.assign(state, { lines, cursor });
  render();
  if (state.view === "waiting" && !state.search) count(lines.length, cursor);
}

function count(n, cursor) {
  $("count-waiting").textContent = n ? `${n}${cursor ? "+" : ""}` : "";
  document.title = `${n ? `(${n}) ` : ""}${state.me.company[language()]} · ${t("desk")}`;
}

export function render() {
  const found = $("found");
  found.hidden = !state.search;
  fill(found, t("searching", state.search), h("button", { class: "link", onclick: () => show(state.view) }, t("clear")));
  const list = $("lines");
  // What depends on the clock is part of the signature: a line is made anew when its words change.
  sync(list, state.lines, (line) => line.id, signature, make);
  list.querySelectorAll(".line").forEach((el) => el.setAttribute("aria-selected", String(el.dataset.key === state.open)));
  if (state.open) list.setAttribute("aria-activedescendant", `line-${state.open}`);
  if (!state.lines.length) list.append(h("p", { class: "empty" }, t(state.search ? "empty_search" : `empty_${state.view}`)));
  if (state.cursor) list.append(h("button", { class: "quiet wide", onclick: () => { state.pages += 1; read(); } }, t("more")));
}

function signature(line) {
  const waits = waiting(line);
  return JSON.stringify([line, isUnread(line), waits && waited(line.waiting_since), waits && line.due_at && due(line.due_at).text, t("desk")]);
}

const waiting = (line) => line.waiting_since && !["closed", "resolved", "withdrawn"].includes(line.status);

const SHORT = { "zh-Hans": "简", "zh-Hant": "繁", en: "EN" };

function make(line) {
  const unread = isUnread(line);
  return h("div", {
    class: `line ${line.urgency || "normal"}${unread ? " unread" : ""}`, id: `line-${line.id}`, role: "option",
    "aria-selected": String(line.id === state.open), onclick: () => open(line.id),
  },
  h("div", { class: "line-top" },
    h("span", { class: "name", dir: "auto" }, line.sender_name || t("anonymous")),
    unread ? h("span", { class: "dot", title: t("unread") }, h("span", { class: "visually-hidden" }, t("unread"))) : null,
    h("span", { class: "when" }, waiting(line) ? t("waiting_for", waited(line.waiting_since)) : stamp(line.last_at))),
  line.summary && line.summary !== line.last_text ? h("div", { class: "about", dir: "auto" }, line.summary) : null,
  h("div", { class: "words", dir: "auto" }, line.last_text || line.summary),
  h("div", { class: "tags" },
    line.on_call ? call.badge() : null,
    line.urgency === "urgent" ? h("span", { class: "tag urgent" }, value("urgent")) : null,
    waiting(line) && line.due_at ? dueTag(line.due_at) : null,
    line.category ? h("span", { class: "tag" }, value(line.category, state.me.categories)) : null,
    line.handoff_reason ? h("span", { class: "tag soft" }, reason(line.handoff_reason)) : null,
    h("span", { class: "tag soft" }, value(line.channel), line.language ? ` · ${SHORT[line.language] ?? line.language}` : ""),
    line.owner && line.owner !== "bot" ? h("span", { class: "tag owner" }, line.owner === state.me.agent.id ? t("owner_me") : line.owner_name) : null));
}

export function dueTag(iso) {
  const { text, state: how } = due(iso);
  return h("span", { class: `tag due ${how}` }, text);
}

const stamp = (iso) => (sameDay(iso, now()) ? clock(iso) : day(iso));

// The neighbour of the open conversation, `by` lines down.
export function neighbour(by) {
  const at = state.lines.findIndex((line) => line.id === state.open);
  const next = at < 0 ? (by > 0 ? 0 : state.lines.length - 1) : at + by;
  return state.lines[next]?.id;
}

export const searchBox = () =>
  h("label", { class: "search" },
    icon("search"),
    h("input", {
      id: "search", type: "search", placeholder: t("search"), "aria-label": t("search"), autocomplete: "off",
      oninput: debounce((event) => find(event.target.value), 250),
    }));

function debounce(act, ms) {
  let timer = 0;
  return (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(event), ms);
  };
}
