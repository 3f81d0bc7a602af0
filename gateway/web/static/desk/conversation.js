// One conversation: who has it, what was said, what is still to be said.

import { allEvidence } from "./fields.js";
import { conversationPath, get, post } from "./api.js";
import { pieces, spanOf, unitOffsets, light } from "./evidence.js";
import { $, fill, h, icon, sync, toast } from "./dom.js";
import * as call from "./call.js";
import * as composer from "./composer.js";
import * as recording from "./recording.js";
import * as actions from "./actions.js";
import * as handing from "./handing.js";
import { isMine, markSeen, now, setClock, state } from "./state.js";
import { clock, day, full, sameDay, waited, due } from "./time.js";
import { sorry, t, value } from "./words.js";

const NEAR_END = 120;
let typingTimer = 0;

export function build() {
  fill($("conversation"), h("div", { class: "blank" },
    h("h2", {}, t("choose")), h("p", {}, t("choose_hint"))));
}

export function frame() {
  fill($("conversation"),
    h("div", { class: "head", id: "head" }),
    h("div", { class: "talk", id: "talk", role: "log", "aria-label": t("conversation"), tabindex: "0" },
      h("div", { id: "earlier" }), h("div", { id: "entries" }), h("div", { id: "call" }), h("div", { id: "pending" }),
      h("div", { id: "typing", class: "typing", "aria-live": "polite" })),
    composer.build());
}

// Reads the open conversation again. Lines that were loaded before stay.
export async function read({ whole = false } = {}) {
  const id = state.open;
  if (!id) return;
  let data;
  try {
    data = await get(conversationPath(id));
  } catch (problem) {
    if (state.open === id && problem.status === 404) fill($("conversation"), h("div", { class: "blank" }, h("h2", {}, t("gone"))));
    else if (problem.status !== 401 && problem.code !== "offline") toast(sorry(problem), "bad");
    return;
  }
  if (state.open !== id) return;
  setClock(data.now);
  if (!whole && state.data?.conversation.id === id) {
    const first = data.entries[0]?.seq ?? 0;
    data.entries = [...state.data.entries.filter((entry) => entry.seq < first), ...data.entries];
  }
  const wasMine = isMine();
  state.data = data;
  markSeen(id, data.conversation.last_seq);
  render({ toEnd: whole });
  if (wasMine !== isMine()) composer.render();
}

export function render({ toEnd = false } = {}) {
  if (!state.data) return;
  const talk = $("talk");
  const atEnd = toEnd || talk.scrollHeight - talk.scrollTop - talk.clientHeight < NEAR_END;
  head();
  const { entries, pending, record } = state.data;
  const byMessage = spansByMessage(record);
  const changed = changes(entries);
  fill($("earlier"), entries[0]?.seq > 1 ? h("button", { class: "quiet wide", onclick: earlier }, t("earlier")) : null);
  sync($("entries"), withDays(withoutDrafts(entries)), (item) => item.key ?? item.seq,
    (item) => JSON.stringify([item, byMessage.get(item.key), changed.get(item.seq), t("desk"), spoken(item, byMessage), item.notice === "approval" && handing.isOpen(item)]),
    (item) => (item.day ? h("div", { class: "day" }, day(item.day)) : entry(item, byMessage, changed.get(item.seq))));
  call.render();
  const said = new Set(entries.map((item) => item.key));
  sync($("pending"), pending.filter((send) => !said.has(send.key)), (send) => send.id, (send) => JSON.stringify([send, t("desk")]), pendingBubble);
  if (atEnd) talk.scrollTop = talk.scrollHeight;
}

async function earlier() {
  const id = state.open;
  const before = state.data.entries[0].seq;
  const talk = $("talk");
  const below = talk.scrollHeight - talk.scrollTop;
  const data = await get(`${conversationPath(id)}?before=${before}`);
  if (state.open !== id) return;
  state.data.entries = [...data.entries, ...state.data.entries];
  render();
  talk.scrollTop = talk.scrollHeight - below;
}

// What a call said while it ran has versions: the last one stands for them, the call itself while it runs.
function withoutDrafts(entries) {
  if (state.data.conversation.channel !== "phone") return entries;
  const last = new Map(entries.filter((item) => item.refers_to).map((item) => [item.refers_to, item.seq]));
  const isDraft = (item) => item.kind === "inbound" && ((last.get(item.refers_to || item.seq) ?? item.seq) !== item.seq || (state.data.call && !item.attachments?.length));
  return entries.filter((item) => !isDraft(item));
}

// A day's heading before its first line. Timeline keys are taken by entries, so these have one of their own.
function withDays(entries) {
  const items = [];
  let last = null;
  for (const item of entries) {
    if (!last || !sameDay(last, item.at)) items.push({ key: `day-${item.seq}`, day: item.at });
    items.push({ ...item, key: item.key || `seq-${item.seq}` });
    last = item.at;
  }
  return items;
}

function spansByMessage(record) {
  const found = new Map();
  if (!record) return found;
  for (const { message, evidence, field } of allEvidence(record)) {
    if (!found.has(message)) found.set(message, []);
    found.get(message).push({ evidence, field });
  }
  return found;
}

// What a line's recordings say, and what became of them.
const spoken = (item, byMessage) => (item.attachments ?? []).map((file) => [recording.recordingOf(file), byMessage.get(file.digest)]);

// seq → "edited" or "deleted", for lines that a later one changes.
function changes(entries) {
  const changed = new Map();
  for (const item of entries) if (item.refers_to) changed.set(item.refers_to, item.deleted ? "was_deleted" : "edited");
  return changed;
}

const SIDE = { inbound: "customer", outbound: "ours", note: "note" };

function entry(item, byMessage, change) {
  const found = byMessage.get(item.key) ?? [];
  if (item.kind === "notice") return notice(item);
  const isBot = item.kind === "outbound" && item.author === "bot";
  const who = item.kind === "inbound" ? item.author_name || t("customer") : item.author_name || (isBot ? t("bot") : t("agent"));
  const speaks = (item.attachments ?? []).some(recording.recordingOf);
  return h("article", { class: `bubble ${SIDE[item.kind]}${isBot ? " bot" : ""}${change ? " changed" : ""}${speaks ? " speaks" : ""}`, data: { seq: item.seq } },
    h("header", {},
      h("span", { class: "who", dir: "auto" }, who),
      isBot ? h("span", { class: "badge" }, t("bot")) : null,
      item.kind === "note" ? h("span", { class: "badge" }, t("internal_note")) : null,
      item.machine ? h("span", { class: "badge" }, t(`m_${item.machine}`)) : null,
      change ? h("span", { class: "badge" }, t(change)) : null,
      item.refers_to && !item.deleted ? h("span", { class: "badge" }, t("edit_of")) : null,
      h("time", { datetime: item.at, title: full(item.at) }, clock(item.at))),
    item.subject ? h("p", { class: "soft small", dir: "auto" }, item.subject) : null,
    item.deleted ? h("p", { class: "text soft" }, t("deleted")) : text(item, found),
    item.covered && mayReveal() ? h("button", { class: "quiet small", onclick: (event) => reveal(item, event.target) }, t("reveal")) : null,
    item.choice && item.kind === "inbound" ? h("p", { class: "soft small" }, `${t("pressed")}: ${item.choice}`) : null,
    item.placeholder && item.placeholder !== item.text ? h("p", { class: "text soft" }, item.placeholder) : null,
    item.whole ? h("details", { class: "whole" }, h("summary", {}, t("show_whole")), h("p", { class: "text soft", dir: "auto" }, item.whole)) : null,
    (item.attachments ?? []).map((file) => (recording.recordingOf(file) ? recording.player(item, file, byMessage.get(file.digest) ?? []) : attachment(item, file))),
    (item.buttons ?? []).length ? h("div", { class: "buttons" }, item.buttons.map(([label]) => h("span", { class: "tag soft" }, label))) : null);
}

const mayReveal = () => ["lead", "admin"].includes(state.me?.agent.role);

// The numbers under the cover, for one look: the next reading of the page covers them again, the journal keeps who looked.
async function reveal(item, button) {
  try {
    const { text } = await post(conversationPath(state.open, "original"), { seq: item.seq });
    const shown = button.closest(".bubble").querySelector(".text");
    fill(shown, text);
    button.remove();
  } catch (problem) {
    toast(sorry(problem), "bad");
  }
}

function text(item, found) {
  if (!item.text) return null;
  const offsets = found.length ? unitOffsets(item.text) : null;
  const spans = found.flatMap(({ evidence, field }) => {
    const span = spanOf(item.text, evidence, offsets);
    return span ? [{ start: span[0], end: span[1], field }] : [];
  });
  return h("p", { class: "text", dir: "auto" }, pieces(item.text, spans).map((piece) => (piece.fields.length
    ? h("mark", {
      data: { fields: piece.fields.join(" ") },
      onmouseenter: () => piece.fields.forEach((field) => light(field, true)),
      onmouseleave: () => piece.fields.forEach((field) => light(field, false)),
    }, piece.text)
    : piece.text)));
}

const IMAGES = ["image/png", "image/jpeg", "image/gif", "image/webp"];

function attachment(item, file) {
  const name = file.name || t("attach");
  if (file.state === "pending") return h("p", { class: "file soft" }, icon("file"), name, " · ", t("file_pending"));
  if (file.state !== "kept") return h("p", { class: "file soft" }, icon("file"), name, " · ", t("file_refused", file.reason ?? ""));
  const url = `/desk/api/${conversationPath(state.open, "files")}/${item.seq}/${file.digest}`;
  const link = h("a", { class: "file", href: url, download: name }, icon("file"), h("span", { dir: "auto" }, name), h("span", { class: "soft" }, size(file.size)));
  if (!IMAGES.includes(file.type)) return link;
  return h("figure", {}, h("a", { href: url, download: name }, h("img", { src: url, alt: name, loading: "lazy" })), link);
}

export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1048576 ? `${Math.round(bytes / 1024)} kB` : `${(bytes / 1048576).toFixed(1)} MB`;
}

function notice(item) {
  if (item.notice === "linked") return h("div", { class: "notice" }, h("a", { href: `#/c/${encodeURIComponent(item.choice)}` }, t("n_linked")));
  if (item.notice === "rerouted") {
    return h("div", { class: "notice" }, h("a", { href: `#/c/${encodeURIComponent(item.choice)}` }, t(`n_rerouted_${item.text}`)), " · ", h("time", { datetime: item.at }, clock(item.at)));
  }
  if (item.notice === "approval" || item.notice === "action") {
    return h("div", { class: `notice ${item.notice}` }, handing.action(item, h("time", { datetime: item.at }, clock(item.at))));
  }
  const reason = item.notice === "handed_off" && item.choice ? ` · ${handing.reason(item.choice)}` : "";
  const summary = handing.summary(item);
  return h("div", { class: `notice ${item.notice}` },
    h("span", {}, t(`n_${item.notice}`, item.author_name || t("system")), reason, " · ", h("time", { datetime: item.at }, clock(item.at))), summary);
}

function pendingBubble(send) {
  const bad = send.state === "dead" || send.state === "unknown" || send.state === "superseded";
  const isBot = send.kind !== "human";
  return h("article", { class: `bubble ours pending ${send.state}${isBot ? " bot" : ""}` },
    h("header", {}, h("span", { class: "who", dir: "auto" }, send.author || t("agent")), isBot ? h("span", { class: "badge" }, t("bot")) : null,
      h("time", { datetime: send.created_at }, clock(send.created_at))),
    h("p", { class: "text", dir: "auto" }, send.text),
    send.attachments.map((file) => h("p", { class: "file soft" }, icon("file"), file.name, " ", size(file.size))),
    h("p", { class: `fate ${bad ? "bad" : ""}` }, t(`send_${send.state}`),
      send.tries > 1 ? ` · ${t("try_n", send.tries)}` : "",
      send.state === "waiting" && send.next_at && send.tries ? ` · ${t("next_try", clock(send.next_at))}` : "",
      send.error ? h("span", { class: "reason" }, send.error) : null));
}

// The owner's words beside it say the same.
const TOLD_BY_OWNER = ["waiting_agent", "waiting_bot", "new"];

function head() {
  const { conversation, record } = state.data;
  const waits = record && !["closed", "resolved", "withdrawn"].includes(conversation.status);
  const promise = record?.standing.deadlines.first_response_by;
  fill($("head"),
    h("button", { class: "ghost only-phone", onclick: () => actions.toQueue(), "aria-label": t("back") }, icon("back")),
    h("div", { class: "title" },
      h("h2", { dir: "auto" }, conversation.sender_name || t("anonymous")),
      h("div", { class: "sub" },
        conversation.number ? h("span", { class: "number" }, conversation.number) : null,
        h("span", {}, value(conversation.channel)),
        TOLD_BY_OWNER.includes(conversation.status) ? null : h("span", { class: "tag soft" }, value(conversation.status)),
        waits && promise && conversation.status === "waiting_agent" ? h("span", { class: `tag due ${due(promise).state}` }, due(promise).text) : null,
        conversation.window_closes_at ? replyWindow(conversation.window_closes_at) : null)),
    h("div", { class: `owner ${isMine() ? "mine" : ""}`, id: "owner" }, ownerText(conversation)),
    h("div", { class: "acts" }, actions.buttons()),
    h("button", { class: "ghost not-wide", onclick: () => actions.toRecord(), "aria-label": t("record") }, icon("info")));
}

// Some platforms take a reply only for so long after the customer's last message.
function replyWindow(iso) {
  const left = new Date(iso) - now();
  const how = left < 0 ? "late" : left < 3600000 ? "soon" : "fine";
  return h("span", { class: `tag due ${how}` }, left < 0 ? t("window_over") : t("window_left", waited(now() - left)));
}

function ownerText(conversation) {
  const { owner, lease_until: until } = conversation;
  if (owner === "bot" && actions.hasEnded()) return "";
  if (owner === "bot") return t("owner_bot");
  if (!owner) return t("owner_nobody");
  const who = owner === state.me.agent.id ? t("owner_me") : t("owner_other", state.data.owner_name || owner);
  if (!until) return who;
  const left = new Date(until) - now();
  return `${who} · ${left > 0 ? t("lease_left", waited(now() - left)) : t("lease_over")}`;
}

export function typing(frame) {
  if (frame.conversation !== state.open || (frame.typing === "agent" && frame.name === state.me.agent.name)) return;
  $("typing").textContent = frame.typing === "agent" ? t("agent_types", frame.name || t("agent")) : t("customer_types");
  clearTimeout(typingTimer);
  typingTimer = setTimeout(() => { if ($("typing")) $("typing").textContent = ""; }, 5000);
}

export function tick() {
  if (state.data && $("head")) head();
}
