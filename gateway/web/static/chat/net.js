// Requests to the gateway, and the session that they carry.

const DAY = 86_400_000;
const PATIENCE = 20_000;

/** The gateway answered, and the answer is no. */
export class Problem extends Error {
  constructor(status, body, after) {
    super(body.detail || body.title || String(status));
    this.status = status;
    this.where = body.where || "";
    this.after = after;
  }
}

export class Net {
  #site;
  #keep;
  #identity;
  #session = null;
  #opening = null;

  /** Called when an earlier session was over and a new one, with a conversation of its own, took its place. */
  onlost = null;

  /** `identity` is null for an anonymous visitor, else an async function that gives a fresh identity token. */
  constructor(site, keep, identity) {
    this.#site = site;
    this.#keep = keep;
    this.#identity = identity;
  }

  address(path, query = {}) {
    return `/widget/v1/${path}?${new URLSearchParams({ site: this.#site, ...query })}`;
  }

  async settings() {
    return (await this.#fetch("settings", {})).json();
  }

  /** The session token; makes or renews the session when it must. */
  async token() {
    const session = this.#session || (this.#identity ? null : this.#keep.get("session"));
    const now = Date.now();
    if (session && Date.parse(session.expires_at) > now && now - session.made < DAY) {
      this.#session = session;
      return session.token;
    }
    this.#opening ||= this.#open(session).finally(() => (this.#opening = null));
    return this.#opening;
  }

  /** A token was refused: the next request asks for another. */
  refused(token) {
    if (this.#session?.token === token) this.#session = null;
    const kept = this.#keep.get("session");
    if (kept?.token === token) this.#keep.set("session", { ...kept, made: 0 });
  }

  /** A request with the session; a refused token is renewed once. */
  async request(path, { query, ...options } = {}) {
    for (let again = true; ; again = false) {
      const token = await this.token();
      try {
        const headers = { ...options.headers, Authorization: `Bearer ${token}` };
        return await this.#fetch(path, { ...options, headers }, query);
      } catch (error) {
        if (!(error instanceof Problem) || error.status !== 401 || !again) throw error;
        this.refused(token);
      }
    }
  }

  async post(path, body) {
    const headers = { "Content-Type": "application/json" };
    return (await this.request(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
  }

  /** Send a file with progress (0 to 1); gives the upload token. */
  async upload(file, progress, signal) {
    const token = await this.token();
    return new Promise((resolve, reject) => {
      const call = new XMLHttpRequest();
      call.open("POST", this.address("uploads"));
      call.setRequestHeader("X-File-Name", encodeURIComponent(file.name));
      call.setRequestHeader("Authorization", `Bearer ${token}`);
      call.setRequestHeader("Content-Type", file.type || "application/octet-stream");
      call.responseType = "json";
      call.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
      call.onload = () =>
        call.status === 200 ? resolve(call.response) : reject(new Problem(call.status, call.response || {}));
      call.onerror = call.onabort = () => reject(new TypeError("no connection"));
      signal.addEventListener("abort", () => call.abort());
      call.send(file);
    });
  }

  async #open(session) {
    if (this.#identity) return this.#made({ identity: await this.#identity() });
    return this.#keep.alone("session", async () => {
      const kept = this.#keep.get("session");
      if (kept && kept.token !== session?.token) return (this.#session = kept).token; // another tab was quicker
      if (!kept) return this.#made({ visitor: this.#secret() });
      try {
        return await this.#made({ token: kept.token });
      } catch (error) {
        if (!(error instanceof Problem) || error.status !== 401) throw error;
        this.#keep.remove("session");
        const token = await this.#made({ visitor: this.#secret() });
        this.onlost?.();
        return token;
      }
    });
  }

  async #made(hello) {
    const headers = { "Content-Type": "application/json" };
    const options = { method: "POST", headers, body: JSON.stringify(hello) };
    const made = await (await this.#fetch("session", options)).json();
    this.#session = { ...made, made: Date.now() };
    if (!this.#identity) {
      this.#keep.set("session", this.#session);
      this.#keep.remove("visitor");
    }
    return made.token;
  }

  /** 32 random bytes; kept until a session has come of them, so that a repeated request is the same visitor. */
  #secret() {
    const kept = this.#keep.get("visitor");
    if (kept) return kept;
    const bytes = crypto.getRandomValues(new Uint8Array(32));
    const made = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    this.#keep.set("visitor", made);
    return made;
  }

  async #fetch(path, options, query) {
    const answer = await fetch(this.address(path, query), {
      ...options,
      credentials: "omit",
      cache: "no-store",
      signal: options.signal || AbortSignal.timeout(PATIENCE),
    });
    if (answer.ok) return answer;
    const body = await answer.json().catch(() => ({}));
    throw new Problem(answer.status, body, Number(answer.headers.get("Retry-After")) || 0);
  }
}

/** How long to wait before try number `n` (from 0): 1, 2, 4 … 30 seconds with a quarter of jitter. */
export function pause(n) {
  return Math.min(30_000, 1000 * 2 ** n) * (0.75 + Math.random() / 2);
}
