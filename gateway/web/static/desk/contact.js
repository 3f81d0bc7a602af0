// Who the customer is on other channels: only what is proven, each with its reason, and a way to take it back.

import { proveByCode, undoProof } from "./actions.js";
import { ask } from "./dialogs.js";
import { h } from "./dom.js";
import { state } from "./state.js";
import { full } from "./time.js";
import { t, value } from "./words.js";

export function section() {
  const { contact } = state.data;
  if (!contact || !(contact.aliases.length || contact.proven.length || contact.addresses.length)) return null;
  return h("section", { class: "contact" },
    contact.aliases.length ? [h("h3", {}, t("also_known")), h("ul", { class: "plain" }, contact.aliases.map(alias))] : null,
    contact.proven.length ? [h("h3", {}, t("proven_addresses")), h("ul", { class: "plain" }, contact.proven.map(([address, because]) => h("li", {},
      h("span", { dir: "auto" }, bare(address)), because.map(reason))))] : null,
    contact.addresses.length ? [h("h3", {}, t("unproven_addresses")), h("ul", { class: "plain" }, contact.addresses.map(unproven))] : null);
}

function alias({ conversation, because }) {
  const { id, channel, sender, sender_name: name, number, status } = conversation;
  const what = [value(channel), name || sender].filter(Boolean).join(" · ");
  return h("li", {},
    h("a", { href: `#/c/${encodeURIComponent(id)}`, dir: "auto" }, what),
    h("div", { class: "soft small" }, [number, value(status)].filter(Boolean).join(" · ")),
    because.length ? because.map(reason) : h("div", { class: "soft small" }, t("same_account")));
}

function unproven(address) {
  const send = () => ask(t("send_code"), h("p", {}, t("send_code_sure", bare(address))), t("send_code"), () => proveByCode(address));
  return h("li", { class: "answers" }, h("span", { dir: "auto" }, bare(address)),
    h("button", { class: "secondary small", type: "button", onclick: send, "aria-label": `${t("send_code")}: ${bare(address)}` }, t("send_code")));
}

// Why two are one person, in words: who vouched for it, and when.
function reason(proof) {
  const by = state.data.names?.[proof.by] ?? (proof.by === "bot" ? t("bot") : value(proof.by.split("/")[0]));
  const said = t(`proof_${proof.how}`, nodeName(proof.one), nodeName(proof.other), by);
  const undo = () => ask(t("not_same"), [h("p", { dir: "auto" }, said), h("p", {}, t("not_same_sure"))], t("not_same"), () => undoProof(proof.n));
  return h("div", { class: "because small" },
    h("span", { class: "soft", dir: "auto" }, said, " · ", full(proof.at)),
    h("button", { class: "quiet small", type: "button", onclick: undo, "aria-label": `${t("not_same")}: ${said}` }, t("not_same")));
}

const bare = (address) => address.slice(address.indexOf(":") + 1);

// An address by itself, an account by its channel and its name there.
function nodeName(node) {
  if (node.startsWith("email:") || node.startsWith("phone:")) return bare(node);
  const [channel, , ...sender] = node.split("/");
  return sender.length ? `${value(channel)} ${sender.join("/")}` : t("this_conversation");
}
