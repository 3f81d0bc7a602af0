// Calls to the server. Every call that changes something shows the page's token.

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || String(status));
    this.status = status;
    this.code = body.code || "";
    this.body = body;
  }
}

let token = "";
export const useToken = (value) => { token = value; };

async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(`/desk/api/${path}`, { credentials: "same-origin", ...options });
  } catch {
    throw new Problem(0, { code: "offline" });
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  if (response.status === 401) dispatchEvent(new Event("loggedout"));
  throw new Problem(response.status, body);
}

export const get = (path) => call(path, { headers: { Accept: "application/json" } });

export const post = (path, body = {}) =>
  call(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-Desk-Token": token },
    body: JSON.stringify(body),
  });

export const upload = (path, file) =>
  call(`${path}?name=${encodeURIComponent(file.name)}`, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream", Accept: "application/json", "X-Desk-Token": token },
    body: file,
  });

export const conversationPath = (id, action = "") =>
  `conversations/${encodeURIComponent(id)}${action ? `/${action}` : ""}`;

// One key per thing said, kept over its retries.
export const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
