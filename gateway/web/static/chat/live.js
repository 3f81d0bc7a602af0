// The live line: a WebSocket, or an event stream where no WebSocket comes through. It always resumes after the last
// line that it has shown, so however often it breaks, nothing is missing and nothing comes twice.

import { pause } from "./net.js";

const BAD_TOKEN = 4401;
const SLOW_DOWN = 4429;
const TYPING_EVERY = 3000;
/** Silence after which a connection counts as dead, and how long one may take to open. */
const OPEN_PATIENCE = 8000;

export class Live {
  #net;
  #events;
  #last = null;
  #tries = 0;
  #failed = 0;
  #timer = 0;
  #socket = null;
  #stream = null;
  #typed = 0;

  /** `events`: ready({after, earlier}), event(e), state("connecting" | "online" | "offline"). */
  constructor(net, events) {
    this.#net = net;
    this.#events = events;
  }

  start() {
    addEventListener("online", () => this.#hurry());
    addEventListener("offline", () => this.#events.state("offline"));
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
    void this.#connect();
  }

  typing() {
    const now = Date.now();
    if (this.#socket?.readyState !== WebSocket.OPEN || now - this.#typed < TYPING_EVERY) return;
    this.#typed = now;
    this.#socket.send('{"type":"typing"}');
  }

  #hurry() {
    if (this.#socket || this.#stream) return;
    clearTimeout(this.#timer);
    this.#tries = 0;
    void this.#connect();
  }

  async #connect() {
    if (this.#socket || this.#stream) return;
    try {
      const token = await this.#net.token();
      if (this.#failed >= 2 && this.#failed % 3 !== 0) await this.#listen();
      else this.#open(token);
    } catch (error) {
      this.#events.trouble?.(error);
      this.#later();
    }
  }

  #later(wait = pause(this.#tries++)) {
    this.#events.state("offline");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  #open(token) {
    const address = new URL(this.#net.address("socket"), location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    this.#socket = socket;
    let ready = false;
    const slow = setTimeout(() => socket.close(), OPEN_PATIENCE);
    socket.onopen = () => socket.send(JSON.stringify({ type: "resume", token, last_seq: this.#last }));
    socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.type === "ready") {
        ready = true;
        clearTimeout(slow);
        this.#online(event);
      } else this.#take(event);
    };
    socket.onclose = ({ code }) => {
      clearTimeout(slow);
      this.#socket = null;
      if (code === BAD_TOKEN) this.#net.refused(token);
      if (!ready && code !== BAD_TOKEN) this.#failed += 1;
      this.#later(code === SLOW_DOWN ? 30_000 : undefined);
    };
  }

  async #listen() {
    const { ticket } = await this.#net.post("ticket", {});
    const query = this.#last === null ? { ticket } : { ticket, after: this.#last };
    const stream = new EventSource(this.#net.address("events", query));
    this.#stream = stream;
    stream.onopen = () => this.#online(null);
    stream.onmessage = ({ data }) => this.#take(JSON.parse(data));
    stream.onerror = () => {
      stream.close(); // its ticket is used up: come again with a new one
      this.#stream = null;
      this.#failed += 1;
      this.#later();
    };
  }

  #online(ready) {
    this.#tries = 0;
    if (ready) this.#failed = 0;
    if (ready && this.#last === null) this.#last = ready.after;
    this.#events.ready(ready);
    this.#events.state("online");
  }

  #take(event) {
    if (event.seq) {
      if (this.#last !== null && event.seq <= this.#last) return;
      this.#last = event.seq;
    }
    this.#events.event(event);
  }
}
