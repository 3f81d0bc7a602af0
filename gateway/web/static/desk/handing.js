// What the bot hands over: why, what it knows, what it asks a person to agree to. Told in the reader's language.

import { conversationPath, post } from "./api.js";
import { h, toast } from "./dom.js";
import { state } from "./state.js";
import { has, sorry, t, value } from "./words.js";

// Why a person was called. "request" is here the wish for a person, not the kind of message.
export const reason = (code) => (has(`h_${code}`) ? t(`h_${code}`) : value(code));

// "language:zh-Hans" → "speaks 简体中文"; a category by its label; an author's own word as it is.
export function skill(code) {
  const [kind, rest] = code.split(/:(.*)/s);
  if (kind === "language" && rest) return t("skill_language", value(rest));
  return state.me.categories[code] ? value(code, state.me.categories) : value(code);
}

const SAID = {
  reason,
  category: (code) => value(code, state.me.categories),
  wants: value,
  mood: value,
  risk: value,
  missing: (code) => (has(`f_${code}s`) ? t(`f_${code}s`) : t(`missing_${code}`)),
};

// The summary as labelled facts; older hand-offs have only their line.
export function summary(item) {
  if (!item.facts?.length) return item.text ? h("span", { class: "summary", dir: "auto" }, item.text) : null;
  return h("dl", { class: "summary facts" }, item.facts.flatMap(([name, values]) => [
    h("dt", {}, t(`s_${name}`)),
    h("dd", { dir: "auto" }, values.map((one) => (SAID[name] ?? String)(one)).join(t("list_and"))),
  ]));
}

// Whether nobody has decided about a request for approval yet.
export function isOpen(item) {
  const [key] = item.choice.split(" ");
  return !state.data.entries.some((other) => other.notice === "action" && other.choice.startsWith(`${key} `));
}

// An action: asked, approved, done … A request for approval has its two buttons while nobody has decided.
export function action(item, time) {
  const [key, status] = item.choice.split(" ");
  const open = item.notice === "approval" && isOpen(item);
  const head = item.notice === "approval" ? t("n_approval") : t(`act_${status}`, item.author_name);
  return [
    h("strong", {}, head), " · ", time,
    item.text ? h("span", { class: "summary", dir: "auto" }, item.text) : null,
    open ? h("span", { class: "approve" },
      h("button", { class: "primary small", onclick: (event) => decide(event.target, key, true) }, t("approve")),
      h("button", { class: "secondary small", onclick: (event) => decide(event.target, key, false) }, t("decline"))) : null,
  ];
}

async function decide(button, key, approve) {
  const both = button.parentElement.querySelectorAll("button");
  both.forEach((one) => { one.disabled = true; });
  try {
    await post(conversationPath(state.open, "approval"), { action: key, approve });
  } catch (problem) {
    both.forEach((one) => { one.disabled = false; });
    toast(sorry(problem), "bad");
  }
}
