// Messages on their way. Each is kept until the gateway has said that it is stored; its id makes a repeat harmless.

import { pause, Problem } from "./net.js";

export class Outbox {
  #net;
  #keep;
  #slot;
  #events;
  #running = false;
  #tries = 0;
  #timer = 0;

  /** `slot` names whose messages these are, so that nobody's unsent words go out in another's name. */
  constructor(net, keep, slot, events) {
    this.#net = net;
    this.#keep = keep;
    this.#slot = `out:${slot}:`;
    this.#events = events;
    keep.watch(this.#slot, () => this.#events.changed());
    addEventListener("online", () => this.kick());
  }

  /** Everything that is not stored yet, in the order it was written. */
  waiting() {
    return this.#keep.names(this.#slot).map((name) => this.#keep.get(name)).filter(Boolean);
  }

  add(message) {
    const id = crypto.randomUUID ? crypto.randomUUID() : random();
    const item = { ...message, id, at: new Date().toISOString(), state: "waiting" };
    this.#keep.set(this.#name(item), item);
    this.#events.changed();
    this.kick();
    return item;
  }

  /** Try at once. */
  kick() {
    clearTimeout(this.#timer);
    this.#tries = 0;
    void this.#run();
  }

  retry(item, changes = {}) {
    this.#keep.set(this.#name(item), { ...item, ...changes, state: "waiting", reason: "" });
    this.#events.changed();
    this.kick();
  }

  discard(item) {
    this.#keep.remove(this.#name(item));
    this.#events.changed();
  }

  /** A line with this id has come back from the store: it needs no more sending. */
  stored(id) {
    for (const item of this.waiting()) if (item.id === id) this.#keep.remove(this.#name(item));
  }

  #name(item) {
    return `${this.#slot}${item.at}:${item.id}`;
  }

  async #run() {
    if (this.#running) return;
    this.#running = true;
    try {
      for (let item; (item = this.waiting().find((each) => each.state !== "refused")); ) {
        await this.#keep.alone("send", () => this.#send(item));
      }
      this.#tries = 0;
    } catch (error) {
      const wait = error instanceof Problem && error.after ? error.after * 1000 : pause(this.#tries++);
      this.#timer = setTimeout(() => this.#run(), wait);
    } finally {
      this.#running = false;
      this.#events.changed();
    }
  }

  async #send(item) {
    if (!this.#keep.get(this.#name(item))) return; // another tab has sent it
    const { id, text, choice, language, files } = item;
    const body = { client_msg_id: id, text, choice, language, attachments: files.map((file) => file.upload) };
    try {
      const { seq } = await this.#net.post("messages", body);
      this.#keep.remove(this.#name(item));
      this.#events.accepted(item, seq);
    } catch (error) {
      if (!(error instanceof Problem) || error.status >= 500 || [401, 408, 425, 429].includes(error.status)) throw error;
      this.#keep.set(this.#name(item), { ...item, state: "refused", reason: error.message, where: error.where });
    }
  }
}

/** An id where the page came over plain HTTP and `randomUUID` is not offered. */
function random() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
