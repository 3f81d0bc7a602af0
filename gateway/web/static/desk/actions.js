// What an agent does with the open conversation.

import { conversationPath, newKey, post } from "./api.js";
import { ask, closeDialog } from "./dialogs.js";
import * as composer from "./composer.js";
import * as conversation from "./conversation.js";
import { $, fill, h, toast } from "./dom.js";
import * as queue from "./queue.js";
import { isMine, state } from "./state.js";
import { sorry, t, value } from "./words.js";

const ENDED = ["closed", "resolved", "withdrawn"];
export const hasEnded = () => ENDED.includes(state.data.record?.standing.status);
const heldByOther = () => {
  const { owner } = state.data.conversation;
  return owner && owner !== "bot" && owner !== state.me.agent.id;
};

export const toQueue = () => { document.body.dataset.pane = "queue"; };
export const toRecord = () => { document.body.dataset.pane = "record"; $("record").focus(); };

export function buttons() {
  if (!state.data) return [];
  if (hasEnded() && !isMine()) return [state.data.record ? h("button", { class: "secondary", onclick: reopen }, t("reopen")) : null];
  if (!isMine()) return [h("button", { class: heldByOther() ? "secondary" : "primary", onclick: () => claim() }, t("claim"))];
  return [
    h("button", { class: "secondary", onclick: handBack }, t("hand_back")),
    state.data.record && !hasEnded() ? h("button", { class: "secondary", onclick: close }, t("close")) : null,
  ];
}

// Sends an action and looks again, also after a failure: the state has then moved on.
async function act(name, body, id = state.open) {
  try {
    const answer = await post(conversationPath(id, name), body);
    await look(id);
    return answer;
  } catch (problem) {
    if (!(name === "claim" && problem.code === "taken")) toast(sorry(problem), "bad");
    await look(id);
    throw problem;
  }
}

async function look(id) {
  queue.read();
  if (state.open === id) {
    await conversation.read();
    composer.render();
  }
}

const quiet = () => {};

export async function claim() {
  if (!state.data || isMine()) return;
  try {
    await act("claim", {});
  } catch (problem) {
    if (problem.code === "taken") await takeOver(problem);
    return;
  }
  composer.to("reply");
}

// Another agent's hold runs: a lead may break it, everyone else is told who has it.
async function takeOver(problem) {
  const by = problem.body.by || problem.body.owner;
  if (state.me.agent.role === "agent") return toast(t("owner_other", by), "bad");
  ask(t("take_over"), [h("p", {}, t("take_over_sure", by))], t("take_over"), async () => {
    await act("claim", { force: true });
    composer.to("reply");
  });
}

export function handBack() {
  if (!isMine()) return;
  const give = (to) => () => {
    closeDialog();
    act("hand_back", { fence: state.data.conversation.fence, to }).catch(quiet);
  };
  const choice = (to) => h("button", { class: "choice", type: "button", onclick: give(to) }, h("strong", {}, t(`to_${to}`)), h("span", {}, t(`to_${to}_hint`)));
  ask(t("hand_back"), [h("div", { class: "choices" }, choice("queue"), choice("bot"))]);
}

export const reopen = () => act("reopen", {}).then(() => composer.to("reply")).catch(quiet);

const CANNED = [
  ["c_refunded", "solved"], ["c_replaced", "solved"], ["c_repaired", "solved"], ["c_compensated", "solved"],
  ["c_explained", "answered"], ["c_no_answer", "abandoned"], ["c_no_remedy", "not_solved"],
];

export function close() {
  if (!isMine() || !state.data.record || hasEnded()) return;
  const key = newKey();
  const outcome = h("input", { id: "outcome", type: "text", maxlength: "2000", dir: "auto" });
  const choice = h("select", { id: "disposition", required: true }, h("option", { value: "" }, "—"),
    state.me.dispositions.map((code) => h("option", { value: code }, value(code))));
  const message = h("textarea", { id: "last-words", rows: "3", dir: "auto" });
  const canned = CANNED.map(([word, disposition]) => h("button", {
    type: "button", class: "tag button", onclick: () => { outcome.value = t(word); choice.value = disposition; },
  }, t(word)));
  ask(t("close_title", state.data.conversation.number), [
    h("div", { class: "canned", role: "group", "aria-label": t("canned") }, canned),
    h("label", {}, t("how_ended"), choice),
    h("label", {}, t("outcome_label"), outcome),
    h("label", {}, t("last_message"), message),
  ], t("close"), async () => {
    await act("close", {
      fence: state.data.conversation.fence, key, disposition: choice.value, outcome: outcome.value, message: message.value,
    });
    toast(t("done_closed"), "good");
  });
}

export const undoProof = (proof) => act("undo_proof", { proof });

export const proveByCode = (address) => act("send_code", { address, key: newKey() }).then(() => toast(t("code_on_its_way"), "good"));

export const unlink = (link) => act("unlink", { link }).catch(quiet);

export async function settleDoubt(doubt, said) {
  await act("settle_doubt", { doubt, value: said }).then(() => toast(t("done_corrected"), "good")).catch(quiet);
}

export async function correct(field, code) {
  await act("correct", { field, value: code }).then(() => toast(t("done_corrected"), "good")).catch(quiet);
}
