// Where the visitor writes: text, files, and what may be sent.

import { $, el, icon } from "./dom.js";
import { isPicture, remember } from "./files.js";
import { size, t } from "./texts.js";

export class Composer {
  #net;
  #limits;
  #keep;
  #events;
  #files = [];
  #text = $("text");

  /** `events`: send({text, files}), typing(). */
  constructor(net, limits, keep, events) {
    this.#net = net;
    this.#limits = limits;
    this.#keep = keep;
    this.#events = events;
    this.#text.maxLength = limits.text;
    this.#text.value = keep.get("draft") || "";
    this.#listen();
    this.#changed();
  }

  focus() {
    this.#text.focus();
  }

  /** Ready to write; with a text that the page around proposes. */
  open(draft) {
    if (draft) {
      this.#text.value = draft;
      this.#changed();
    }
    this.focus();
  }

  #listen() {
    $("attach").append(icon("clip"));
    $("send").append(icon("send"));
    $("attach").onclick = () => $("files").click();
    $("files").onchange = () => {
      this.#attach($("files").files);
      $("files").value = "";
    };
    $("composer").onsubmit = (event) => {
      event.preventDefault();
      this.#send();
    };
    this.#text.oninput = () => {
      this.#keep.set("draft", this.#text.value);
      this.#changed();
      if (this.#text.value) this.#events.typing();
    };
    this.#text.onkeydown = (event) => {
      // While an input method composes (Chinese, Japanese), Enter chooses the word: 229 is its key code in Safari.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.#send();
    };
    this.#text.onpaste = (event) => {
      if (event.clipboardData.files.length) {
        event.preventDefault();
        this.#attach(event.clipboardData.files);
      }
    };
    $("window").ondragover = (event) => event.preventDefault();
    $("window").ondrop = (event) => {
      event.preventDefault();
      this.#attach(event.dataTransfer.files);
    };
  }

  #send() {
    if ($("send").disabled) return;
    const files = this.#files.map(({ upload, name, type, size }) => ({ upload, name, type, size }));
    this.#events.send({ text: wellFormed(this.#text.value.trim()), files });
    this.#text.value = "";
    this.#keep.remove("draft");
    this.#files = [];
    this.#say("");
    this.#changed();
    this.focus();
  }

  #attach(list) {
    this.#say("");
    for (const file of list) {
      if (this.#files.length >= this.#limits.files) return this.#say(t("tooMany", this.#limits.files));
      if (file.size > this.#limits.file) this.#say(t("tooBig", file.name, size(this.#limits.file)));
      else if (!file.size) this.#say(t("empty", file.name));
      else void this.#upload(file);
    }
  }

  async #upload(file) {
    const stop = new AbortController();
    const entry = { name: file.name, type: file.type, size: file.size, part: 0, upload: "", failed: false, stop };
    if (isPicture(file)) entry.preview = URL.createObjectURL(file);
    this.#files.push(entry);
    this.#changed();
    try {
      const progress = (part) => {
        entry.part = part;
        entry.moved?.();
      };
      const { upload, name, type } = await this.#net.upload(file, progress, stop.signal);
      Object.assign(entry, { upload, name, type, part: 1 });
      if (entry.preview) remember(upload, entry.preview);
    } catch (error) {
      entry.failed = true;
      if (!stop.signal.aborted) this.#say(error.status ? error.message : t("uploadFailed", file.name));
    }
    this.#changed();
  }

  #remove(entry) {
    entry.stop.abort();
    this.#files = this.#files.filter((each) => each !== entry);
    this.#say("");
    this.#changed();
    this.focus();
  }

  #changed() {
    const ready = this.#files.every((file) => file.upload);
    $("send").disabled = !(ready && (this.#text.value.trim() || this.#files.length));
    $("chips").hidden = !this.#files.length;
    $("chips").replaceChildren(...this.#files.map((entry) => this.#chip(entry)));
    const left = this.#limits.text - this.#text.value.length;
    $("count").hidden = left > 400;
    $("count").textContent = left;
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }

  #chip(entry) {
    const picture = entry.preview ? el("img", { src: entry.preview, alt: "" }) : icon(entry.failed ? "warn" : "file");
    const bar = el("progress", { max: 1, value: entry.part, hidden: Boolean(entry.upload) || entry.failed });
    entry.moved = () => {
      bar.value = entry.part;
      bar.ariaLabel = t("uploading", entry.name, Math.round(entry.part * 100));
    };
    entry.moved();
    const remove = el("button", { type: "button", className: "plain", ariaLabel: t("remove", entry.name) }, icon("close"));
    remove.onclick = () => this.#remove(entry);
    const words = el("span", { className: "words" }, el("b", {}, entry.name), el("small", {}, size(entry.size)), bar);
    return el("li", { className: entry.failed ? "chip bad" : "chip" }, picture, words, remove);
  }

  #say(text) {
    $("notice").hidden = !text;
    $("notice").textContent = text;
  }
}

/** Half a character (a lone surrogate) cannot be sent as UTF-8. */
const wellFormed = (text) => (text.toWellFormed ? text.toWellFormed() : text);
