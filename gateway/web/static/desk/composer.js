// Where an agent writes. Drafts stay with their conversation until they are accepted.

import { conversationPath, newKey, post, upload } from "./api.js";
import { $, fill, h, icon, toast } from "./dom.js";
import * as conversation from "./conversation.js";
import { claim, hasEnded, reopen } from "./actions.js";
import { isMine, state } from "./state.js";
import { sorry, t } from "./words.js";

const TYPING_EVERY = 3000;
const drafts = new Map();
let told = 0;

// { mode, reply: {text, files, key, sent}, note: {…} } of the open conversation.
function draft() {
  const id = state.open;
  if (!drafts.has(id)) {
    const empty = () => ({ text: sessionStorage.getItem(`draft:${id}`) ?? "", files: [], key: "", asKey: "" });
    drafts.set(id, { mode: "reply", reply: empty(), note: { ...empty(), text: "" } });
  }
  return drafts.get(id);
}

const current = () => draft()[draft().mode];

export function build() {
  return h("form", { class: "composer", id: "composer", onsubmit: send, ondragover: (e) => e.preventDefault(), ondrop: dropped });
}

export function render() {
  const box = $("composer");
  if (!box || !state.data) return;
  const { mode } = draft();
  const locked = mode === "reply" && !isMine();
  box.dataset.mode = mode;
  fill(box,
    h("div", { class: "modes", role: "tablist" }, ["reply", "note"].map((name) => h("button", {
      type: "button", role: "tab", "aria-selected": String(name === mode), class: "mode", onclick: () => to(name),
    }, t(name)))),
    h("textarea", {
      id: "words", rows: "3", dir: "auto", placeholder: t(mode === "reply" ? "reply_placeholder" : "note_placeholder"),
      "aria-label": t(mode), disabled: locked, oninput: typed, onkeydown: keys, onpaste: pasted, value: current().text,
    }),
    mode === "reply" ? h("div", { class: "files", id: "files" }) : null,
    h("div", { class: "foot" },
      locked ? lock() : [
        mode === "reply" ? h("label", { class: "ghost", title: t("attach") }, icon("clip"),
          h("input", { type: "file", multiple: true, class: "visually-hidden", "aria-label": t("attach"), onchange: (e) => attach(e.target.files) })) : null,
        h("span", { class: "hint" }, t("send_hint")),
        h("button", { class: "primary", id: "send", type: "submit" }, mode === "reply" ? t("send") : t("save_note")),
      ]));
  files();
  grow();
}

function lock() {
  if (hasEnded()) {
    return [
      h("span", { class: "hint locked" }, t("reply_ended")),
      h("button", { type: "button", class: "secondary", onclick: () => reopen() }, t("reopen")),
    ];
  }
  return [
    h("span", { class: "hint locked" }, t("reply_locked")),
    h("button", { type: "button", class: "primary", onclick: () => claim() }, t("claim")),
  ];
}

export function to(mode) {
  draft().mode = mode;
  render();
  $("words")?.focus();
}

function typed(event) {
  current().text = event.target.value;
  if (draft().mode === "reply") keepDraft();
  grow();
  if (draft().mode === "reply" && isMine() && Date.now() - told > TYPING_EVERY) {
    told = Date.now();
    // Best effort: a lost hint costs nothing, and a lost hold shows at the next refresh.
    post(conversationPath(state.open, "typing"), { fence: state.data.conversation.fence }).catch(() => conversation.read());
  }
}

function keepDraft() {
  try {
    sessionStorage.setItem(`draft:${state.open}`, draft().reply.text);
  } catch { /* the draft then lives only as long as the page */ }
}

function grow() {
  const area = $("words");
  if (!area) return;
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight + 2, innerHeight * 0.4)}px`;
}

function keys(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    $("composer").requestSubmit();
  }
}

function pasted(event) {
  if (event.clipboardData?.files.length && draft().mode === "reply") {
    event.preventDefault();
    attach(event.clipboardData.files);
  }
}

function dropped(event) {
  event.preventDefault();
  if (isMine() && draft().mode === "reply") attach(event.dataTransfer.files);
}

async function attach(chosen) {
  const id = state.open;
  const list = draft().reply.files;
  for (const file of [...chosen].slice(0, state.me.limits.files - list.length)) {
    const item = { name: file.name, size: file.size, state: "uploading" };
    list.push(item);
    files();
    try {
      item.kept = await upload(conversationPath(id, "files"), file);
      item.state = "kept";
    } catch (problem) {
      list.splice(list.indexOf(item), 1);
      toast(sorry(problem), "bad");
    }
    files();
  }
}

function files() {
  const box = $("files");
  if (!box) return;
  const list = draft().reply.files;
  fill(box, list.map((item) => h("span", { class: "chip" }, icon("file"), h("span", { dir: "auto" }, item.name),
    item.state === "uploading" ? h("span", { class: "soft" }, t("uploading")) : h("span", { class: "soft" }, conversation.size(item.size)),
    h("button", { type: "button", class: "ghost small", "aria-label": `${t("remove")} ${item.name}`, onclick: () => { list.splice(list.indexOf(item), 1); files(); } }, icon("x")))));
}

// The same words again are the same thing said: they keep their key until the server has accepted them.
function keyFor(item, content) {
  if (item.asKey !== content) Object.assign(item, { asKey: content, key: newKey() });
  return item.key;
}

async function send(event) {
  event.preventDefault();
  const id = state.open;
  const { mode } = draft();
  const item = current();
  const text = item.text.trim();
  const kept = item.files.filter((file) => file.state === "kept").map((file) => file.kept);
  if ((!text && !kept.length) || item.busy || item.files.some((file) => file.state === "uploading")) return;
  item.busy = true;
  $("send").disabled = true;
  const key = keyFor(item, JSON.stringify([text, kept.map((file) => file.digest)]));
  try {
    if (mode === "reply") await post(conversationPath(id, "reply"), { fence: state.data.conversation.fence, key, text, files: kept });
    else await post(conversationPath(id, "note"), { key, text });
    Object.assign(item, { text: "", files: [], asKey: "", key: "" });
    if (mode === "reply") sessionStorage.removeItem(`draft:${id}`);
    else draft().mode = "reply";
  } catch (problem) {
    toast(sorry(problem), "bad");
  } finally {
    item.busy = false;
  }
  if (state.open !== id) return;
  await conversation.read();
  render();
  $("talk").scrollTop = $("talk").scrollHeight;
  $("words")?.focus();
}
