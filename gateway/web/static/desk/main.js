// The desk: boot, login, keyboard, and the live line.

import * as actions from "./actions.js";
import { openAdministration } from "./admin.js";
import { get, post, useToken } from "./api.js";
import * as call from "./call.js";
import * as composer from "./composer.js";
import * as conversation from "./conversation.js";
import * as dialogs from "./dialogs.js";
import { $, fill, h, icon, toast } from "./dom.js";
import * as live from "./live.js";
import * as queue from "./queue.js";
import * as record from "./record.js";
import * as recording from "./recording.js";
import { keep, load, setClock, state } from "./state.js";
import { waited } from "./time.js";
import { LANGUAGE_NAMES, apply, language, languages, sorry, speak, t } from "./words.js";

const TICK_MS = 15000;
const LOGO = new URL("icon.svg", import.meta.url).href;
let connected = false;

async function boot() {
  theme(load("allears-desk-theme", "auto"));
  apply();
  try {
    await enter();
  } catch (problem) {
    if (problem.status !== 401) {
      toast(sorry(problem), "bad");
      setTimeout(boot, 3000);
      return;
    }
    login(new URLSearchParams(location.search).get("link") === "used" ? t("link_used") : "");
  }
}

async function enter() {
  state.me = await get("me");
  useToken(state.me.csrf);
  setClock(state.me.now);
  $("login").hidden = true;
  $("desk").hidden = false;
  if (location.search) history.replaceState(null, "", `/desk${location.hash}`);
  draw();
  queue.read();
  fromAddress();
  if (!connected) {
    connected = true;
    live.connect({ up: () => { lamp(true); look(); }, down: () => lamp(false), frame: heard });
    live.pollWhenDown(look);
  }
}

function draw() {
  bar();
  queue.build(open, state.me.has_password ? null : changePassword);
  conversation.build();
  record.render();
  if (state.open && state.data) {
    conversation.frame();
    conversation.render({ toEnd: true });
    composer.render();
  }
}

// --- login --------------------------------------------------------------------------------------------

function login(message = "") {
  $("desk").hidden = true;
  const name = h("input", { id: "login-name", autocomplete: "username", required: true, autocapitalize: "none", spellcheck: "false" });
  const password = h("input", { id: "login-password", type: "password", autocomplete: "current-password", required: true });
  const problem = h("p", { class: "bad", role: "alert" }, message);
  const box = $("login");
  box.hidden = false;
  fill(box, h("form", {
    class: "card",
    onsubmit: async (event) => {
      event.preventDefault();
      const button = event.submitter ?? box.querySelector("button.primary");
      button.disabled = true;
      try {
        await post("login", { login: name.value, password: password.value });
        await enter();
      } catch (err) {
        const words = { credentials: t("login_wrong"), throttled: t("login_throttled", waited(Date.now() + state.skew - (err.body?.seconds ?? 60) * 1000)) };
        problem.textContent = words[err.code] ?? sorry(err);
      } finally {
        button.disabled = false;
      }
    },
  },
  h("img", { src: LOGO, alt: "", width: "44", height: "44" }),
  h("h1", {}, t("login_title")),
  problem,
  h("label", {}, t("login_name"), name),
  h("label", {}, t("password"), password),
  h("button", { class: "primary wide", type: "submit" }, t("login_go")),
  languagePicker(() => login(message))));
  name.focus();
}

addEventListener("loggedout", () => { if (!$("desk").hidden) login(); });

function changePassword() {
  const old = h("input", { type: "password", autocomplete: "current-password" });
  const fresh = h("input", { id: "new-password", type: "password", autocomplete: "new-password", minlength: "10", required: true });
  dialogs.ask(t("change_password"), [
    state.me.has_password ? null : h("p", {}, t("set_password")),
    h("input", { type: "text", autocomplete: "username", value: state.me.agent.login, hidden: true, readonly: true }),
    state.me.has_password ? h("label", {}, t("old_password"), old) : null,
    h("label", {}, t("new_password"), fresh),
  ], t("save"), async () => {
    try {
      await post("password", { old: old.value, new: fresh.value });
    } catch (problem) {
      toast(problem.code === "credentials" ? t("login_wrong") : sorry(problem), "bad");
      throw problem;
    }
    state.me.has_password = true;
    queue.build(open);
    toast(t("password_changed"), "good");
  });
}

// --- frame --------------------------------------------------------------------------------------------

function bar() {
  const { agent, company } = state.me;
  fill($("bar"),
    h("div", { class: "brand" }, h("img", { src: LOGO, alt: "", width: "26", height: "26" }), h("h1", { dir: "auto" }, company[language()])),
    queue.searchBox(),
    h("span", { class: "lamp", id: "lamp" }, h("span", { class: "bulb" }), h("span", { id: "lamp-text" }, t("live"))),
    h("button", { class: "ghost", onclick: dialogs.help, "aria-label": t("help"), title: `${t("help")} (?)` }, icon("help")),
    agent.role === "admin" ? h("button", { class: "ghost", id: "administration", onclick: openAdministration, "aria-label": t("administration"), title: t("administration") }, icon("gear")) : null,
    h("button", { class: "me", id: "me", onclick: settings, "aria-label": `${agent.name} · ${t("settings")}` }, h("span", { class: "face", "aria-hidden": "true" }, [...agent.name][0]), h("span", { class: "me-name", dir: "auto" }, agent.name)));
  lamp(connected);
}

function lamp(on) {
  $("lamp")?.classList.toggle("off", !on);
  if ($("lamp-text")) $("lamp-text").textContent = t(on ? "live" : "not_live");
}

function languagePicker(after) {
  return h("div", { class: "languages", role: "group", "aria-label": t("language_choice") }, languages.map((tag) => h("button", {
    type: "button", class: "tag button", lang: tag, "aria-pressed": String(tag === language()), onclick: () => { speak(tag); after(); },
  }, LANGUAGE_NAMES[tag])));
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  keep("allears-desk-theme", name);
}

function settings() {
  const themes = ["auto", "light", "dark"].map((name) => h("button", {
    type: "button", class: "tag button", "aria-pressed": String(document.documentElement.dataset.theme === name),
    onclick: () => { theme(name); settings(); },
  }, t(`theme_${name}`)));
  dialogs.ask(`${state.me.agent.name} · ${t(`r_${state.me.agent.role}`)}`, [
    h("h3", {}, t("language_choice")), languagePicker(() => { draw(); settings(); }),
    h("h3", {}, t("theme")), h("div", { class: "languages" }, themes),
    h("div", { class: "choices" },
      h("button", { type: "button", class: "choice", onclick: changePassword }, h("strong", {}, t("change_password"))),
      h("button", { type: "button", class: "choice", id: "logout", onclick: logout }, h("strong", {}, t("logout")))),
  ]);
}

async function logout() {
  await post("logout").catch(() => {});
  location.replace("/desk");
}

// --- moving about ---------------------------------------------------------------------------------------

async function open(id) {
  if (!id) return;
  // On a phone the list is a page of its own: the browser's Back leads there.
  const fromList = document.body.dataset.pane === "queue" && matchMedia("(max-width: 760px)").matches;
  document.body.dataset.pane = "conversation";
  if (state.open === id && state.data) return;
  state.open = id;
  state.data = null;
  state.tab = "record";
  recording.forget();
  history[fromList ? "pushState" : "replaceState"](null, "", `#/c/${encodeURIComponent(id)}`);
  live.watch(id);
  queue.render();
  conversation.frame();
  state.loading = lookAtOpen({ whole: true });
  await state.loading;
  if (state.open !== id) return;
  composer.render();
  queue.render();
  $("conversation").focus({ preventScroll: true });
}

async function lookAtOpen(options) {
  await conversation.read(options);
  record.render();
}

function fromAddress() {
  const found = location.hash.match(/^#\/c\/(.+)$/);
  if (found) open(decodeURIComponent(found[1]));
}

function look() {
  queue.read();
  if (state.open) lookAtOpen();
}

function heard(frame) {
  if (frame.typing) conversation.typing(frame);
  else if ("call" in frame) call.heard(frame);
  else if (frame.look === "queue") queue.read();
  else if (frame.look === "conversation" && frame.conversation === state.open) lookAtOpen().then(() => queue.render());
}

const KEYS = {
  j: () => open(queue.neighbour(1)),
  k: () => open(queue.neighbour(-1)),
  Enter: () => state.open && $("conversation").focus(),
  c: () => actions.claim(),
  r: () => state.data && composer.to("reply"),
  n: () => state.data && composer.to("note"),
  b: () => state.data && actions.handBack(),
  x: () => state.data && actions.close(),
  e: () => state.data && actions.toRecord(),
  "/": () => $("search").focus(),
  "?": () => dialogs.help(),
  Escape: () => actions.toQueue(),
};

const ON_CONVERSATION = new Set(["c", "r", "n", "b", "x", "e"]);

addEventListener("keydown", (event) => {
  if ($("desk").hidden || dialogs.isOpen() || event.isComposing) return;
  const inField = event.target.matches("input, textarea, select");
  if (inField && event.key === "Escape") {
    event.target.blur();
    return;
  }
  if (inField || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" && event.target.matches("button, a")) return;
  if (event.target.id === "lines" && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    open(queue.neighbour(event.key === "ArrowDown" ? 1 : -1)).then(() => $("lines").focus());
    return;
  }
  const view = queue.VIEWS["12345".indexOf(event.key)];
  const act = view ? () => queue.show(view) : KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  // A key pressed while a conversation is on its way is for that conversation.
  if (ON_CONVERSATION.has(event.key)) Promise.resolve(state.loading).then(act);
  else act();
});

addEventListener("popstate", () => (location.hash ? fromAddress() : actions.toQueue()));
setInterval(() => {
  if (!state.me || $("desk").hidden) return;
  queue.render();
  conversation.tick();
}, TICK_MS);

boot();
