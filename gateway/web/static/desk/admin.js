// For administrators: what was given up or could not be read, and the agents' accounts.

import { get, post } from "./api.js";
import { ask } from "./dialogs.js";
import { fill, h, toast } from "./dom.js";
import { state } from "./state.js";
import { full } from "./time.js";
import { sorry, t } from "./words.js";

const TABS = { a_dead: () => sends("dead"), a_unknown: () => sends("unknown"), a_held: held, a_quarantine: quarantine, a_agents: agents };
let box = null;
let shown = "a_dead";

export function openAdministration() {
  box = h("div", { class: "admin" });
  const tabs = h("div", { class: "tabs", role: "tablist" }, Object.keys(TABS).map((name) => h("button", {
    type: "button", role: "tab", class: "tab", data: { tab: name }, "aria-selected": "false", onclick: () => show(name),
  }, t(name))));
  const form = ask(t("administration"), [tabs, box]);
  form.classList.add("wide");
  show(shown);
}

async function show(name) {
  shown = name;
  document.querySelectorAll(".dialog [data-tab]").forEach((tab) => tab.setAttribute("aria-selected", String(tab.dataset.tab === name)));
  try {
    const content = await TABS[name]();
    if (shown === name) fill(box, content);
  } catch (problem) {
    fill(box, h("p", { class: "bad" }, sorry(problem)));
  }
}

async function act(work) {
  try {
    await work();
  } catch (problem) {
    toast(sorry(problem), "bad");
  }
  show(shown);
}

function table(items, row, all = null) {
  if (!items.length) return h("p", { class: "empty" }, t("a_nothing"));
  return [all, h("ul", { class: "rows" }, items.map(row))];
}

const button = (word, onclick) => h("button", { type: "button", class: "secondary small", onclick }, t(word));

const replay = (what, ids) => () => act(async () => {
  const { replayed } = await post(`${what}/replay`, { ids });
  toast(t("a_replayed", replayed), "good");
});

async function sends(kind) {
  const { items } = await get(`outbox?state=${kind}`);
  return table(items, (item) => h("li", {},
    h("div", {}, h("strong", {}, item.number || item.conversation || "—"), " ", h("span", { class: "soft" }, `${item.destination} · ${t("try_n", item.tries)} · ${full(item.created_at)}`), h("p", { class: "bad small" }, item.error)),
    button("a_replay", replay("outbox", [item.id]))),
  button("a_replay_all", replay("outbox", items.map((item) => item.id))));
}

async function held() {
  const { items } = await get("inbox?state=held");
  return table(items, (item) => h("li", {},
    h("div", {}, h("strong", {}, `${item.channel}/${item.account}`), " ", h("span", { class: "soft" }, `${t("try_n", item.tries)} · ${full(item.received_at)}`), h("p", { class: "bad small" }, item.error)),
    button("a_replay", replay("inbox", [item.id]))),
  button("a_replay_all", replay("inbox", items.map((item) => item.id))));
}

async function quarantine() {
  const { items } = await get("quarantine");
  return table(items, (item) => h("li", {},
    h("div", {}, h("strong", {}, `${item.channel}/${item.account}`), " ", h("span", { class: "soft" }, full(item.at)), h("p", { class: "bad small" }, item.reason),
      h("pre", { class: "peek" }, item.peek)),
    h("div", { class: "stack" },
      button("a_replay", () => act(() => post(`quarantine/${item.id}/replay`))),
      button("a_drop", () => act(() => post(`quarantine/${item.id}/drop`))))));
}

async function agents() {
  const { items } = await get("agents");
  const name = h("input", { required: true, "aria-label": t("a_name"), placeholder: t("a_name") });
  const login = h("input", { required: true, "aria-label": t("login_name"), placeholder: t("login_name"), autocomplete: "off" });
  const skills = h("input", { "aria-label": t("a_skills"), placeholder: t("a_skills") });
  const role = h("select", { "aria-label": t("a_role") }, ["agent", "lead", "admin"].map((code) => h("option", { value: code }, t(`r_${code}`))));
  const add = () => act(async () => {
    if (!name.value.trim() || !login.value.trim()) return;
    const wanted = skills.value.split(/[,，、]/).map((s) => s.trim()).filter(Boolean);
    const { agent, link } = await post("agents", { name: name.value, login: login.value, role: role.value, skills: wanted });
    showLink(agent, link);
  });
  return [
    h("ul", { class: "rows" }, items.map(agentRow)),
    h("div", { class: "adder", role: "group", "aria-label": t("a_add") }, name, login, role, skills, h("button", { type: "button", class: "primary small", onclick: add }, t("a_add"))),
  ];
}

function agentRow(agent) {
  const change = (body) => () => act(() => post(`agents/${agent.id}`, body));
  const role = h("select", { "aria-label": `${agent.name}: ${t("a_role")}`, onchange: (e) => change({ role: e.target.value })() },
    ["agent", "lead", "admin"].map((code) => h("option", { value: code }, t(`r_${code}`))));
  role.value = agent.role;
  return h("li", {},
    h("div", {}, h("strong", { dir: "auto" }, agent.name), " ", h("span", { class: "soft" }, `${agent.login} · ${t(agent.active ? "a_active" : "a_off")}`), h("p", { class: "soft small" }, agent.skills.join(", "))),
    h("div", { class: "stack" }, agent.id === state.me.agent.id ? null : role,
      agent.active ? button("a_link", () => act(async () => showLink(agent, (await post(`agents/${agent.id}/link`)).link))) : null,
      agent.id === state.me.agent.id ? null : button(agent.active ? "a_disable" : "a_enable", change({ active: !agent.active }))));
}

function showLink(agent, link) {
  const field = h("input", { readonly: true, value: link, "aria-label": t("a_link"), onfocus: (e) => e.target.select() });
  const copy = h("button", { type: "button", class: "secondary small", onclick: () => navigator.clipboard.writeText(link).then(() => toast(t("a_copied"), "good")) }, t("a_copy"));
  ask(t("a_link"), [h("p", {}, t("a_link_text", agent.name)), h("div", { class: "adder" }, field, copy)]);
}
