// The page of the simulated platforms. It asks for the state each second: there is one reader, and nothing to miss.

import { language, words } from "/words.js";

const at = (id) => document.getElementById(id);
const LANGUAGES = ["en", "zh-Hans", "zh-Hant"]; // the order of an act's words
const RATES = [[0, words.never], [0.3, words.sometimes], [1, words.always]];
const state = { name: "", person: "", names: [], faults: [], editing: null, files: [], newcomers: {} };

function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

async function act(body) {
  try {
    await ask(`/platforms/${state.name}/do`, { person: state.person, ...body });
    await refresh();
  } catch (error) {
    say(`${words.failed}: ${error.message}`);
  }
}

function say(text) {
  at("context").hidden = !text;
  at("context").replaceChildren(text, text ? node("button", { type: "button", onclick: leave }, words.cancel) : "");
}

function leave() {
  state.editing = null;
  at("composer").text.value = "";
  say("");
}

// --- what is shown

let drawn = "";

function draw(now) {
  const people = [...new Set([...now.people.map((one) => one.name), ...(state.newcomers[state.name] ?? [])])];
  if (!people.includes(state.person)) state.person = people[0] ?? (language === "en" ? "Tom" : "王芳");
  if (!people.includes(state.person)) people.push(state.person);
  const key = JSON.stringify([state, now]);
  if (key === drawn) return;
  drawn = key;
  at("people").replaceChildren(...people.map((name) => node("button", {
    type: "button", role: "tab", "aria-selected": String(name === state.person), onclick: () => pick(name),
  }, name)));
  drawLines(now);
  at("acts").replaceChildren(...now.acts.map((one) => node("button", { type: "button", onclick: () => act({ act: one.name }) }, one.words[LANGUAGES.indexOf(language)])));
  at("faults").replaceChildren(...state.faults.map((name) => fault(name, now.faults)));
  const said = now.answers.map((status) => status || "–").join(" ");
  const facts = now.door ? [[words.door, now.door], [words.answers, said || words.nothing]] : [[words.held, now.held]];
  at("delivery").replaceChildren(...facts.flatMap(([name, value]) => [node("dt", {}, name), node("dd", {}, String(value))]));
}

function drawLines(now) {
  const mine = new Set(now.lines.filter((line) => line.person === state.person).map((line) => line.thread));
  const lines = now.lines.filter((line) => mine.has(line.thread));
  const box = at("lines");
  const below = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
  box.replaceChildren(...(lines.length ? lines.map(bubble) : [node("p", { class: "soft" }, words.empty)]));
  if (!below) return;
  const down = () => { box.scrollTop = box.scrollHeight; };
  for (const image of box.querySelectorAll("img")) image.addEventListener("load", down); // it has no height before
  down();
}

function bubble(line) {
  const time = new Date(line.at).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const marks = [line.edited ? words.edited : "", line.deleted ? words.removed : ""].filter(Boolean).join(" · ");
  const own = line.person === state.person && !line.deleted && !line.choice;
  return node("article", { class: line.person ? "theirs" : "ours", dir: "auto" },
    line.text || line.choice ? node("p", { class: line.deleted ? "gone" : "" }, line.text || `▸ ${line.choice}`) : null,
    ...line.files.map((file, place) => shown(file, `/platforms/${state.name}/files/${line.n}/${place}`)),
    ...line.buttons.map(([label, value]) => node("button", { type: "button", onclick: () => act({ choice: value, thread: line.thread }) }, label)),
    node("footer", {}, `${line.person || words.us} · ${time}${marks ? ` · ${marks}` : ""}`,
      own ? node("button", { type: "button", class: "plain", onclick: () => edit(line) }, words.edit) : null,
      own ? node("button", { type: "button", class: "plain", onclick: () => act({ delete_of: line.id, thread: line.thread }) }, words.remove) : null));
}

function shown(file, url) {
  if (file.type.startsWith("image/")) return node("img", { src: url, alt: file.name });
  if (file.type.startsWith("audio/")) return node("audio", { src: url, controls: true, preload: "none" });
  return node("a", { href: url, download: file.name }, `📎 ${file.name}`);
}

function fault(name, rates) {
  const choose = node("select", { onchange: (event) => ask(`/platforms/${state.name}/faults`, { ...rates, [name]: Number(event.target.value) }) },
    ...RATES.map(([rate, word]) => node("option", { value: rate, selected: (rates[name] ?? 0) === rate }, word)));
  return node("li", {}, node("label", {}, node("span", {}, words.fault[name] ?? name), choose));
}

// --- what is done

function pick(name) {
  state.person = name;
  leave();
  refresh();
}

function edit(line) {
  state.editing = line;
  at("composer").text.value = line.text;
  at("composer").text.focus();
  say(words.editing);
}

async function uploads(files) {
  return Promise.all([...files].map(async (file) => {
    const bytes = new Uint8Array(await file.arrayBuffer());
    let text = "";
    for (let n = 0; n < bytes.length; n += 32768) text += String.fromCharCode(...bytes.subarray(n, n + 32768));
    const type = (file.type || "application/octet-stream").replace("application/ogg", "audio/ogg").split(";")[0];
    return { name: file.name, type, data: btoa(text) };
  }));
}

at("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const text = form.text.value.trim();
  const files = await uploads(form.files.files);
  if (!text && !files.length) return;
  const changed = state.editing ? { edit_of: state.editing.id, thread: state.editing.thread } : {};
  form.reset();
  at("chosen").textContent = "";
  leave();
  await act({ text, files, ...changed });
});

at("composer").text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    at("composer").requestSubmit();
  }
});

at("composer").files.addEventListener("change", (event) => {
  at("chosen").textContent = [...event.target.files].map((file) => file.name).join(", ");
});

at("newcomer").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = event.target.name.value.trim();
  if (!name) return;
  state.newcomers[state.name] = [...(state.newcomers[state.name] ?? []), name];
  event.target.reset();
  pick(name);
});

async function refresh() {
  draw(await ask(`/platforms/${state.name}`));
}

async function start() {
  document.documentElement.lang = language;
  document.title = words.title;
  for (const one of document.querySelectorAll("[data-word]")) one.textContent = words[one.dataset.word];
  for (const one of document.querySelectorAll("[data-hint]")) one.placeholder = one.ariaLabel = words[one.dataset.hint];
  const all = await ask("/platforms");
  state.faults = all.faults;
  state.names = all.platforms.map((one) => one.name);
  state.name = state.names.includes(location.hash.slice(1)) ? location.hash.slice(1) : state.names[0];
  at("desk").href = `${all.gateway}/desk`;
  showNames();
  setInterval(() => refresh().catch(() => say(words.gone)), 1000);
  await refresh();
}

function showNames() {
  at("platforms").replaceChildren(...state.names.map((name) => node("button", {
    type: "button", "aria-pressed": String(name === state.name), onclick: () => turn(name),
  }, name)));
}

function turn(name) {
  Object.assign(state, { name, person: "" });
  location.hash = name;
  showNames();
  leave();
  refresh();
}

start();
