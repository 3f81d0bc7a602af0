// A recording: the sound, and the words that follow it. A word is played by a click or Enter, a fact by a click in the record.

import { conversationPath, get, post } from "./api.js";
import { fill, h, icon, toast } from "./dom.js";
import { size } from "./conversation.js";
import { state } from "./state.js";
import { sorry, t } from "./words.js";

//: Seconds played before a fact, so that its first sound is not cut off, and after it.
const BEFORE = 0.25;
const AFTER = 0.4;
//: A person who has just scrolled the words is not scrolled away from.
const LEFT_ALONE_MS = 4000;
const SPEEDS = [0.75, 1, 1.25, 1.5, 2];

// Players by conversation and digest: one that plays goes on when its bubble is drawn anew.
const players = new Map();

export const recordingOf = (file) => state.data?.recordings?.find((one) => one.digest && one.digest === file.digest);

// The player of a file, with the facts of the record marked in its words.
export function player(item, file, found) {
  const about = recordingOf(file);
  const key = JSON.stringify([state.open, about, t("desk")]);
  if (players.get(file.digest)?.key !== key) {
    players.get(file.digest)?.stop();
    players.set(file.digest, new Player(key, item, file, about));
  }
  const one = players.get(file.digest);
  one.mark(found);
  return one.element;
}

// Plays where an evidence was said; false when it is no recording that can be listened to.
export function hear(found) {
  const heard = found.evidence.find((e) => typeof e.from_second === "number" && players.get(e.message)?.element.isConnected);
  if (!heard) return false;
  players.get(heard.message).playPart(heard.from_second, heard.to_second);
  return true;
}

export function forget() {
  for (const one of players.values()) one.stop();
  players.clear();
}

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

class Player {
  constructor(key, item, file, about) {
    this.key = key;
    this.path = conversationPath(state.open, `recordings/${file.digest}`);
    this.words = [];
    this.marks = [];
    this.at = -1;
    this.until = Infinity;
    this.scrolledAt = 0;
    this.audio = about.copy === "ready" ? this.sound() : null;
    this.transcript = h("div", { class: "transcript", role: "group", "aria-label": t("transcript") });
    this.element = h("section", { class: "recording", "aria-label": t("recording"), data: { digest: file.digest } },
      h("header", {}, icon("sound"), h("span", { class: "name", dir: "auto" }, file.name || t("recording")), h("span", { class: "soft" }, size(file.size)),
        ["lead", "admin"].includes(state.me.agent.role) ? h("button", { class: "quiet small", type: "button", onclick: (event) => this.openOriginal(item, file, event.target) }, t("original_sound")) : null),
      this.audio ? [this.audio, this.speeds()] : h("p", { class: "soft small" }, about.state === "heard" ? t(`copy_${about.copy}`) : t(`rec_${about.state}`)),
      about.error && about.state === "failed" ? h("p", { class: "small bad" }, about.error) : null,
      this.transcript);
    if (about.state === "heard") this.load();
  }

  sound() {
    const audio = h("audio", { controls: true, preload: "metadata", src: `/desk/api/${this.path}/sound`, "aria-label": t("recording") });
    audio.addEventListener("play", () => { for (const one of players.values()) if (one !== this) one.audio?.pause(); this.follow(); });
    audio.addEventListener("pause", () => { this.until = Infinity; });
    for (const event of ["seeked", "timeupdate"]) audio.addEventListener(event, () => this.show());
    return audio;
  }

  speeds() {
    const box = h("select", { "aria-label": t("speed"), class: "speed" }, SPEEDS.map((speed) => h("option", { value: speed }, `${speed}×`)));
    box.value = "1";
    box.addEventListener("change", () => { this.audio.playbackRate = Number(box.value); });
    return box;
  }

  async load() {
    try {
      const read = await get(this.path);
      this.write(read);
    } catch (problem) {
      fill(this.transcript, h("p", { class: "soft small" }, sorry(problem)));
    }
  }

  write({ turns, missing }) {
    this.words = [];
    const rows = turns.map((turn) => h("p", { class: `turn ${turn.speaker || "somebody"}`, dir: "auto" },
      h("span", { class: "who" }, turn.speaker ? t(turn.speaker) : t("somebody"), " ", h("time", {}, clock(turn.start))),
      turn.words.flatMap(([text, start, end], n) => [n && glued(turn.words[n - 1][0], text) ? "" : " ", this.word(text, start, end)])));
    this.words.sort((a, b) => a.start - b.start);
    fill(this.transcript, rows.length ? rows : h("p", { class: "soft" }, t("nothing_said")), missing ? h("p", { class: "small bad" }, `${t("recording_cut")} ${missing}`) : null);
    if (this.words.length) this.words[0].el.tabIndex = 0;
    this.transcript.onkeydown = (event) => this.press(event);
    this.transcript.onscroll = () => { if (!this.moving) this.scrolledAt = Date.now(); };
    this.mark(this.marks);
  }

  word(text, start, end) {
    const unheard = text === "…";
    const el = h("span", {
      class: unheard ? "word unheard" : "word", role: "button", tabindex: "-1",
      title: unheard ? t("not_understood") : clock(start), "aria-label": unheard ? t("not_understood") : null,
      onclick: () => { this.focus(el); this.play(start); },
    }, text);
    this.words.push({ el, start, end });
    return el;
  }

  // Words in which a fact was said light up with it.
  mark(found) {
    this.marks = found;
    for (const { el, start, end } of this.words) {
      const fields = found.filter(({ evidence: e }) => typeof e.from_second === "number" && start < e.to_second - 0.01 && end > e.from_second + 0.01).map((one) => one.field);
      el.classList.toggle("fact", fields.length > 0);
      if (fields.length) el.dataset.fields = [...new Set(fields)].join(" ");
      else delete el.dataset.fields;
    }
  }

  press(event) {
    const { key } = event;
    const at = this.words.findIndex(({ el }) => el === event.target);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: this.words.length - 1 }[key];
    if (to !== undefined) this.focus(this.words[Math.max(0, Math.min(to, this.words.length - 1))].el, true);
    else if (key === "Enter") this.play(this.words[at].start);
    else if (key === " ") this.toggle(this.words[at].start);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  focus(el, move = false) {
    this.transcript.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    el.tabIndex = 0;
    if (move) el.focus();
  }

  toggle(from) {
    if (!this.audio) return;
    if (this.audio.paused) this.play(from);
    else this.audio.pause();
  }

  play(from, until = Infinity) {
    if (!this.audio) return;
    this.audio.currentTime = Math.max(0, from);
    this.until = until;
    this.scrolledAt = 0;
    // A pause right after it ends the attempt, which is no failure.
    this.audio.play().catch((problem) => problem.name !== "AbortError" && toast(t("cannot_play"), "bad"));
  }

  playPart(from, to) {
    this.element.scrollIntoView({ block: "nearest" });
    this.play(from - BEFORE, (to ?? from + 2) + AFTER);
  }

  // While it plays the word that is being said is marked, at every frame.
  follow() {
    if (this.audio.paused) return;
    if (this.audio.currentTime >= this.until) {
      this.audio.pause();
      return;
    }
    this.show();
    requestAnimationFrame(() => this.follow());
  }

  show() {
    const seconds = this.audio.currentTime;
    let low = 0;
    let high = this.words.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.words[middle].start <= seconds) low = middle + 1;
      else high = middle;
    }
    const at = low - 1;
    if (at === this.at) return;
    this.words[this.at]?.el.classList.remove("now");
    this.words[at]?.el.classList.add("now");
    this.at = at;
    if (at >= 0 && Date.now() - this.scrolledAt > LEFT_ALONE_MS) this.bring(this.words[at].el);
  }

  // Scrolls inside the transcript alone: the page stays where the agent reads.
  bring(el) {
    const box = this.transcript;
    const top = el.getBoundingClientRect().top - box.getBoundingClientRect().top;
    if (top >= 0 && top + el.offsetHeight <= box.clientHeight) return;
    this.moving = true;
    box.scrollTop += top - box.clientHeight / 3;
    requestAnimationFrame(() => requestAnimationFrame(() => { this.moving = false; }));
  }

  // The journal keeps who has listened to the original.
  async openOriginal(item, file, button) {
    try {
      const { url } = await post(conversationPath(state.open, "original_recording"), { seq: item.seq, digest: file.digest });
      button.replaceWith(h("a", { class: "file", href: url, download: file.name || t("recording") }, t("original_save")));
      this.audio?.pause();
      this.element.querySelector("header").after(h("audio", { controls: true, src: url, class: "original", "aria-label": t("original_sound") }));
    } catch (problem) {
      toast(sorry(problem), "bad");
    }
  }

  stop() {
    this.audio?.pause();
  }
}

const HAN = /[\u3400-\u9fff]/;
const glued = (before, after) => HAN.test(before.at(-1)) && HAN.test(after[0]);
