// What the browser remembers for this window. Where it may remember nothing (private mode, blocked frames), the page does.

export class Keep {
  #prefix;
  #page = new Map();

  constructor(site) {
    this.#prefix = `allears:${site}:`;
  }

  get(name) {
    if (this.#page.has(name)) return this.#page.get(name);
    try {
      return JSON.parse(localStorage.getItem(this.#prefix + name));
    } catch {
      return null;
    }
  }

  /** Returns whether it outlives the page. */
  set(name, value) {
    try {
      localStorage.setItem(this.#prefix + name, JSON.stringify(value));
      this.#page.delete(name);
      return true;
    } catch {
      this.#page.set(name, value);
      return false;
    }
  }

  remove(name) {
    this.#page.delete(name);
    try {
      localStorage.removeItem(this.#prefix + name);
    } catch {
      // nothing was kept there
    }
  }

  /** Names that start so, sorted. */
  names(start) {
    const found = new Set([...this.#page.keys()].filter((name) => name.startsWith(start)));
    try {
      for (const key of Object.keys(localStorage)) {
        if (key.startsWith(this.#prefix + start)) found.add(key.slice(this.#prefix.length));
      }
    } catch {
      // nothing is kept there
    }
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
    return navigator.locks ? navigator.locks.request(this.#prefix + name, work) : work();
  }
}
