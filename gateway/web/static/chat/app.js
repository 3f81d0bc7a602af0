// The chat window: puts its parts together.

import { Composer } from "./composer.js";
import { $, el, icon, letters } from "./dom.js";
import { identity, inFrame, listen, tell } from "./host.js";
import { Keep } from "./keep.js";
import { Lines, name, said } from "./lines.js";
import { Live } from "./live.js";
import { Net, Problem } from "./net.js";
import { Outbox } from "./outbox.js";
import { best, dress, language, preferred, t, use } from "./texts.js";

const query = new URLSearchParams(location.search);
const site = query.get("site");
const keep = new Keep(site);
const net = new Net(site, keep, query.has("identity") ? identity : null);
const scroll = $("scroll");

let settings = { title: {}, greeting: {}, buttons: [], company: "" };
let state = "connecting";
let drawn = false;
let unread = 0;
let quiet = 0;

const lines = new Lines($("log"), {
  choose: ({ label, value }) => send({ text: label, choice: value, files: [] }),
  retry: (item) => outbox.retry(item),
  withoutFiles: (item) => (item.text ? outbox.retry(item, { files: [] }) : outbox.discard(item)),
  discard: (item) => outbox.discard(item),
  fetch: async (seq, n) => (await net.request(`files/${seq}/${n}`)).blob(),
});

const live = new Live(net, {
  ready: (ready) => {
    if (ready && !drawn) $("earlier").hidden = !ready.earlier;
    setTimeout(settle, 60);
    outbox?.kick();
  },
  event: (event) => (event.type === "typing" ? typing(event) : arrived(event)),
  state: (now) => {
    state = now;
    show();
  },
  trouble: (error) => {
    if (error instanceof Problem && [403, 404].includes(error.status)) banner(t("noEntry"));
  },
});

let outbox = null;
let composer = null;

async function start() {
  await keep.open();
  use(keep.get("language") || query.get("language") || preferred(navigator.languages));
  $("language").value = language();
  furnish();
  show();
  settings = await patiently(() => net.settings());
  paint(settings.color);
  show();
  net.onlost = () => {
    keep.set("ended", true);
    location.reload();
  };
  if (keep.get("ended")) {
    keep.remove("ended");
    banner(t("expired"));
  }
  const slot = query.has("identity") ? await patiently(whose) : "visitor";
  outbox = new Outbox(net, keep, slot, {
    changed: () => grow(() => lines.waiting(outbox.waiting())),
    accepted: (item, seq) => grow(() => lines.accepted(item, seq)),
  });
  composer = new Composer(net, settings.limits, keep, { send, typing: () => live.typing() });
  grow(() => lines.waiting(outbox.waiting()));
  live.start();
  outbox.kick();
  if (!inFrame) composer.focus();
}

/** Keeps trying: a window that cannot reach the gateway yet is not a window without use. */
async function patiently(work) {
  for (let n = 0; ; n++) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Problem && [403, 404].includes(error.status)) banner(t("noEntry"));
      await new Promise((wake) => setTimeout(wake, Math.min(30_000, 1000 * 2 ** n)));
    }
  }
}

/** Whose conversation this is: the thread in the session token. */
async function whose() {
  const [, body] = (await net.token()).split(".");
  return JSON.parse(atob(body.replaceAll("-", "+").replaceAll("_", "/"))).sub;
}

function send(message) {
  outbox.add({ choice: "", language: language(), ...message });
  toEnd();
}

function arrived(event) {
  $("typing").hidden = true;
  if (event.id) outbox.stored(event.id);
  grow(() => lines.take([event]));
  if (drawn && event.author !== "me") aloud(event);
  if (drawn && event.type === "message" && event.author !== "me") noticed();
  clearTimeout(quiet);
  if (!drawn) quiet = setTimeout(settle, 60);
}

/** The first lines have come: from now on, what is new is read aloud and counted. */
function settle() {
  if (drawn) return;
  clearTimeout(quiet);
  drawn = true;
  $("welcome").hidden = !lines.empty;
  toEnd(true);
  requestAnimationFrame(() => $("log").setAttribute("aria-busy", "false"));
  tell("ready");
}

/** What is new is read aloud once; the log itself may draw a line again and keeps silent. */
function aloud(event) {
  const text = event.type === "message" ? `${name(event)}: ${event.text || (event.files || []).map((file) => file.name).join(", ")}` : said(event);
  $("said").append(el("p", { lang: event.language || language() }, text));
  while ($("said").childElementCount > 5) $("said").firstElementChild.remove();
}

function noticed() {
  if (document.visibilityState === "visible" && !closed) return;
  count(unread + 1);
}

function count(n) {
  unread = n;
  tell("unread", { count: n });
  document.title = n ? `(${n}) ${$("title").textContent}` : $("title").textContent;
}

let closed = false;
let typist = 0;

function typing(event) {
  $("typist").textContent = t("typing", name(event));
  grow(() => ($("typing").hidden = false));
  clearTimeout(typist);
  typist = setTimeout(() => ($("typing").hidden = true), 6000);
}

/** Change the log; who was at its end stays there, who was reading above is not moved. */
function grow(change) {
  const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;
  change();
  if (drawn) $("welcome").hidden = !lines.empty;
  if (atEnd) toEnd();
}

/** To the end; but an answer that is taller than the window is shown from its beginning. */
function toEnd(atOnce = false) {
  const calm = atOnce || !drawn || matchMedia("(prefers-reduced-motion: reduce)").matches;
  requestAnimationFrame(() => {
    const last = $("log").lastElementChild;
    const begins = last && !last.classList.contains("me") ? last.offsetTop - 12 : Infinity;
    const top = Math.min(begins, scroll.scrollHeight - scroll.clientHeight);
    scroll.scrollTo({ top, behavior: calm ? "instant" : "smooth" });
  });
}

async function earlier() {
  $("earlier").disabled = true;
  try {
    const first = lines.first;
    const after = Math.max(0, first - 101);
    const { events } = await (await net.request("history", { query: { after } })).json();
    const height = scroll.scrollHeight;
    lines.take(events.filter((event) => event.seq < first));
    scroll.scrollTop += scroll.scrollHeight - height;
    $("earlier").hidden = after === 0;
  } finally {
    $("earlier").disabled = false;
  }
}

function banner(text) {
  $("banner").textContent = text;
  $("banner").hidden = !text;
}

/** Everything that follows from language, settings and connection. */
function show() {
  dress(document);
  const title = best(settings.title) || settings.company || document.title;
  $("title").textContent = title;
  document.title = unread ? `(${unread}) ${title}` : title;
  $("state").textContent = t(state);
  $("state").dataset.state = state;
  if (state === "offline") banner(t("offlineBanner"));
  else if (state === "online" && $("banner").textContent !== t("expired")) banner("");
  $("greeting").textContent = best(settings.greeting) || t("greeting");
  $("suggestions").replaceChildren(...settings.buttons.map(suggestion));
}

function suggestion(texts) {
  const text = best(texts);
  return el("button", { type: "button", className: "choice", onclick: () => send({ text, files: [] }) }, text);
}

function paint(color) {
  document.documentElement.style.setProperty("--accent", color);
  document.documentElement.style.setProperty("--on-accent", letters(color));
}

function furnish() {
  $("close").append(icon("close"));
  $("latest").append(icon("down"));
  $("close").hidden = !inFrame;
  document.documentElement.classList.toggle("framed", inFrame);
  $("close").onclick = () => tell("close");
  $("latest").onclick = () => toEnd();
  $("earlier").onclick = () => void earlier();
  $("language").onchange = () => {
    use($("language").value);
    keep.set("language", language());
    show();
    lines.redraw();
  };
  scroll.addEventListener("scroll", () => {
    $("latest").hidden = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 160;
  }, { passive: true });
  new ResizeObserver(() => $("latest").hidden && toEnd(true)).observe(scroll);
  document.addEventListener("visibilitychange", () => document.hidden || closed || count(0));
  addEventListener("keydown", (event) => event.key === "Escape" && !event.isComposing && tell("close"));
  listen({
    open: ({ draft }) => {
      closed = false;
      count(0);
      toEnd(true);
      composer?.open(draft);
    },
    closed: () => (closed = true),
  });
}

void start();
