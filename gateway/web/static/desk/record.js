// The record with its evidence, the bot's reasons, and the journal.

import { correct, settleDoubt, unlink } from "./actions.js";
import * as contact from "./contact.js";
import { light, show } from "./evidence.js";
import { CORRECTABLE, confidence, fieldId, sections } from "./fields.js";
import { $, fill, h, icon } from "./dom.js";
import { size } from "./conversation.js";
import { reason, skill } from "./handing.js";
import { hear } from "./recording.js";
import { state } from "./state.js";
import { due, full } from "./time.js";
import { has, t, value } from "./words.js";

const TABS = ["record", "why", "journal"];
const DATES = new Set(["occurred_at", "provider_at", "received_at"]);
//: Values that are somebody's words or codes of others: never translated.
const VERBATIM = new Set(["products", "order_numbers", "tracking_numbers", "places", "people", "urls", "names", "phones", "doubts",
  "emails", "on_behalf_of", "outcome", "repeat_of", "incident", "ticket", "satisfaction", "repeats", "chasers"]);

let shown = "";

export function render() {
  const pane = $("record");
  const signature = JSON.stringify([state.data?.conversation.id, state.data?.record, state.data?.traces, state.data?.journal, state.data?.contact, state.tab, t("desk")]);
  if (signature === shown) return;
  shown = signature;
  if (!state.data) return fill(pane);
  const content = { record: recordTab, why: whyTab, journal: journalTab }[state.tab]();
  const kept = pane.querySelector(".sheet")?.scrollTop ?? 0;
  fill(pane,
    h("div", { class: "tabs", role: "tablist" },
      h("button", { class: "ghost only-narrow", onclick: () => { document.body.dataset.pane = "conversation"; }, "aria-label": t("back") }, icon("back")),
      TABS.map((tab) => h("button", { role: "tab", class: "tab", "aria-selected": String(tab === state.tab), onclick: () => { state.tab = tab; render(); } }, t(tab)))),
    h("div", { class: "sheet", role: "tabpanel" }, content));
  pane.querySelector(".sheet").scrollTop = kept;
}

function recordTab() {
  const { record } = state.data;
  if (!record) return [h("p", { class: "empty" }, t("no_record")), contact.section()];
  const { deadlines } = record.standing;
  return [
    h("div", { class: "card-head" },
      h("div", { class: "number big" }, record.number),
      h("div", { class: "soft small" }, t("revision", record.revision))),
    record.what.summary ? h("p", { class: "summary", dir: "auto" }, record.what.summary) : null,
    h("div", { class: "promises" }, promise("respond_by", deadlines.first_response_by, record, isAnswered()), promise("resolve_by", deadlines.resolve_by, record)),
    contact.section(),
    sections(record).map(([name, fields]) => section(name, fields.filter(([field, values]) => values.length || CORRECTABLE.includes(field)))),
    record.arrival.attachments.length ? h("section", {}, h("h3", {}, t("evidence_files")),
      h("ul", { class: "plain" }, record.arrival.attachments.map((file) => h("li", { dir: "auto" }, file.name, " ", h("span", { class: "soft" }, `${file.type} · ${size(file.size)}`))))) : null,
  ];
}

const isAnswered = () => state.data.journal.some((line) => line.what === "replied" && line.body?.kind === "human");

function promise(word, iso, record, kept = false) {
  if (!iso) return null;
  if (kept) return h("div", { class: "promise kept" }, h("span", { class: "soft" }, t(word)), h("strong", {}, t("answered")));
  const over = ["closed", "resolved", "withdrawn"].includes(record.standing.status);
  const { text, state: how } = due(iso);
  return h("div", { class: `promise ${over ? "" : how}` }, h("span", { class: "soft" }, t(word)), h("strong", {}, over ? full(iso) : text), over ? null : h("span", { class: "soft small" }, full(iso)));
}

function section(name, fields) {
  if (!fields.length) return null;
  return h("section", {}, h("h3", {}, t(name)), h("dl", { class: "fields" }, fields.flatMap(([field, values]) => [
    h("dt", {}, t(`f_${field}`)),
    h("dd", {}, values.map((found, index) => item(field, found, index)), CORRECTABLE.includes(field) ? corrector(field, values[0]?.value) : null),
  ])));
}

//: Fields that tie the case to others, and what the desk calls the tie.
const LINKS = { repeat_of: "repeat", incident: "incident" };

function linked(field, other) {
  const { standing } = state.data.record;
  const why = standing[field === "incident" ? "incident_because" : "repeat_because"] ?? [];
  return [
    h("span", { class: "value plain", dir: "auto" }, other),
    why.length ? h("span", { class: "soft small" }, why.join(" · ")) : null,
    h("button", { class: "ghost small", type: "button", onclick: () => unlink(LINKS[field]) }, t("unlink")),
  ];
}

// A number that was not heard well: what it may have been, and whoever listens says what it was.
function asked(found, shown) {
  const box = h("input", { type: "text", maxlength: "200", class: "said", "aria-label": t("number_said"), placeholder: t("number_said") });
  const isWhole = !found.value.includes("…");
  const tell = () => box.value.trim() && settleDoubt(found.value, box.value.trim());
  box.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); tell(); } });
  return h("div", { class: "doubt" }, shown,
    h("div", { class: "answers" },
      isWhole ? h("button", { class: "secondary small", type: "button", onclick: () => settleDoubt(found.value, found.value) }, t("doubt_yes")) : null,
      box,
      h("button", { class: "secondary small", type: "button", onclick: tell }, t("save")),
      h("button", { class: "quiet small", type: "button", onclick: () => settleDoubt(found.value, "") }, t("doubt_none"))));
}

function item(field, found, index) {
  if (LINKS[field]) return linked(field, found.value);
  if (field === "doubts") return asked(found, valueOf(field, found, index));
  return valueOf(field, found, index);
}

function valueOf(field, found, index) {
  const id = fieldId(field, index);
  if (!found.evidence.length) return h("span", { class: "value plain", dir: "auto" }, words(field, found.value));
  const byPerson = found.evidence.some((e) => e.rule === "agent");
  const percent = Math.round(confidence(found) * 100);
  const about = byPerson ? t("by_person") : t("certain", percent);
  const rules = [...new Set(found.evidence.map((e) => e.rule))].join(", ");
  return h("button", {
    class: "value", type: "button", data: { field: id }, title: `${about} · ${rules}\n${t(seconds(found) ? "hear_it" : "show_in_text")}`,
    onmouseenter: () => light(id, true), onmouseleave: () => light(id, false),
    onfocus: () => light(id, true), onblur: () => light(id, false),
    onclick: () => {
      document.body.dataset.pane = "conversation";
      show(id);
      hear(found);
    },
  },
  h("span", { class: "what", dir: "auto" }, words(field, found.value)),
  h("span", { class: `sure ${level(percent)}`, "aria-label": about }, byPerson ? "✓" : `${percent}%`),
  seconds(found));
}

const level = (percent) => (percent >= 85 ? "high" : percent >= 60 ? "middle" : "low");

function seconds(found) {
  const heard = found.evidence.find((e) => e.from_second !== undefined && e.from_second !== null);
  if (!heard) return null;
  const at = Math.floor(heard.from_second);
  return h("span", { class: "soft small" }, t("at_second", `${Math.floor(at / 60)}:${String(at % 60).padStart(2, "0")}`));
}

function words(field, found) {
  if (field === "doubts") return t("did_say", found);
  if (field === "amounts") return `${found.amount} ${found.currency}`.trim();
  if (field === "dates") return found.iso;
  if (DATES.has(field)) return full(found);
  if (field === "handoff_reason") return reason(found);
  if (field === "skills") return skill(found);
  if (VERBATIM.has(field)) return String(found);
  return value(found, field === "category" ? state.me.categories : {});
}

function corrector(field, before) {
  const edit = h("button", { class: "ghost small edit", type: "button", "aria-label": t("correct", t(`f_${field}`)), title: t("correct", t(`f_${field}`)) }, icon("edit"));
  edit.addEventListener("click", () => {
    const codes = field === "category" ? Object.keys(state.me.categories) : state.me.choices[field];
    const box = codes.length
      ? h("select", { "aria-label": t(`f_${field}`) }, [...new Set([before, ...codes].filter(Boolean))].map((code) => h("option", { value: code }, words(field, code))))
      : h("input", { type: "text", "aria-label": t(`f_${field}`), maxlength: "200" });
    box.value = before ?? "";
    const back = () => { box.replaceWith(edit); };
    box.addEventListener("change", () => { if (box.value && box.value !== before) correct(field, box.value); back(); });
    box.addEventListener("blur", () => setTimeout(() => box.isConnected && back(), 100));
    box.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); back(); edit.focus(); } });
    edit.replaceWith(box);
    box.focus();
  });
  return edit;
}

function whyTab() {
  const decisions = state.data.traces.flatMap((turns) => [...turns].reverse());
  if (!decisions.length) return h("p", { class: "empty" }, t("no_traces"));
  return [h("p", { class: "soft small" }, t("why_intro")), decisions.map(decision)];
}

function decision(turn) {
  const said = state.data.entries.find((entry) => entry.key === turn.message);
  const isIdle = ({ verdict, detail }) => verdict === "passes" && !detail;
  // Rules that passed stand in one step.
  const passed = (turn.trace ?? []).filter(isIdle).flatMap((one) => one.rule.split(", ").map((rule) => ({ ...one, rule })));
  const deciding = (turn.trace ?? []).filter((one) => !isIdle(one));
  return h("section", { class: "decision" },
    said ? h("blockquote", { dir: "auto" }, said.text) : null,
    turn.entry ? h("p", {}, h("span", { class: "tag" }, turn.entry)) : null,
    h("ol", { class: "steps" }, deciding.map(step)),
    passed.length ? h("details", {}, h("summary", { class: "soft small" }, t("why_passed", passed.length)), h("ol", { class: "steps" }, passed.map(step))) : null);
}

const step = ({ rule, verdict, detail }) => h("li", {}, h("code", { title: rule }, ruleName(rule)), " ", h("strong", {}, has(`x_${verdict}`) ? t(`x_${verdict}`) : verdict), detail ? h("span", { class: "soft", dir: "auto" }, ` ${detail}`) : null);

// "match refund-time" is the matching of an entry; the other rules have names of their own.
function ruleName(rule) {
  const [name, entry] = rule.split(" ");
  return has(`w_${name}`) ? `${t(`w_${name}`)}${entry ? ` ${entry}` : ""}` : rule;
}

function journalTab() {
  const { journal } = state.data;
  if (!journal.length) return h("p", { class: "empty" }, t("no_journal"));
  return h("ol", { class: "journal" }, [...journal].reverse().map((line) => h("li", {},
    h("div", {}, h("strong", {}, has(`j_${line.what}`) ? t(`j_${line.what}`) : line.what), " ", h("span", { class: "soft" }, who(line.by))),
    h("div", { class: "soft small" }, full(line.at), facts(line)),
    h("code", { class: "hash", title: line.hash }, line.hash.slice(0, 12)))));
}

const who = (by) => ({ bot: t("bot"), customer: t("customer"), system: t("system") })[by] ?? state.data.names?.[by] ?? by;

function facts(line) {
  const body = line.body ?? {};
  const told = ["disposition", "outcome", "field", "value", "reason", "to", "kind", "revision"].filter((name) => body[name] !== undefined && body[name] !== "");
  return told.length ? ` · ${told.map((name) => (name === "outcome" ? body[name] : value(body[name]))).join(" · ")}` : "";
}
