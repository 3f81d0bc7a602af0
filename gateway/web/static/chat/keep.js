// What the browser remembers for this window. Browsers may deny storage to a frame on another site: then the page
// around the frame keeps it for us (`widget.js`), and where that cannot be either, this page does while it lives.

import { inFrame, memory, tell } from "./host.js";

export class Keep {
  #prefix;
  #page = new Map();
  #denied = false;

  constructor(site) {
    this.#prefix = `allears:${site}:`;
  }

  /** Find out where things can be kept. */
  async open() {
    try {
      localStorage.setItem(`${this.#prefix}try`, "1");
      localStorage.removeItem(`${this.#prefix}try`);
    } catch {
      this.#denied = true;
      if (inFrame) this.#page = new Map(Object.entries(await memory()));
    }
  }

  get(name) {
    try {
      return JSON.parse(this.#page.get(name) ?? (this.#denied ? null : localStorage.getItem(this.#prefix + name)));
    } catch {
      return null;
    }
  }

  set(name, value) {
    const text = JSON.stringify(value);
    try {
      if (this.#denied) throw new Error("denied");
      localStorage.setItem(this.#prefix + name, text);
      this.#page.delete(name);
    } catch {
      this.#page.set(name, text);
      tell("keep", { name, text });
    }
  }

  remove(name) {
    if (this.#page.delete(name)) tell("keep", { name, text: null });
    if (!this.#denied) localStorage.removeItem(this.#prefix + name);
  }

  /** Names that start so, sorted. */
  names(start) {
    const kept = this.#denied ? [] : Object.keys(localStorage).filter((key) => key.startsWith(this.#prefix + start));
    const found = new Set(kept.map((key) => key.slice(this.#prefix.length)));
    for (const name of this.#page.keys()) if (name.startsWith(start)) found.add(name);
    return [...found].sort();
  }

  /** Calls back when another tab changed a name that starts so. */
  watch(start, changed) {
    addEventListener("storage", (event) => {
      if (event.key === null || event.key.startsWith(this.#prefix + start)) changed();
    });
  }

  /** One tab at a time, where the browser can say so. */
  alone(name, work) {
    return navigator.locks && !this.#denied ? navigator.locks.request(this.#prefix + name, work) : work();
  }
}
