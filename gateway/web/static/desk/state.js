// What the page knows just now. Everything here can be read again from the server.

export const POLL_MS = 15000;

export const state = {
  me: null,
  view: "waiting",
  search: "",
  lines: [],
  cursor: "",
  pages: 1,
  open: "",
  loading: null,
  data: null,
  skew: 0,
  tab: "record",
};

export const isMine = () => state.data?.conversation.owner === state.me.agent.id;
export const now = () => Date.now() + state.skew;
export const setClock = (iso) => { state.skew = new Date(iso).getTime() - Date.now(); };

const SEEN = "allears-desk-seen";
const MOST_SEEN = 500;
const seen = new Map(load(SEEN, []));

export const isUnread = (line) => (line.last_seq ?? 0) > (seen.get(line.id) ?? 0);

export function markSeen(id, seq) {
  if ((seen.get(id) ?? 0) >= seq) return false;
  seen.delete(id);
  seen.set(id, seq);
  keep(SEEN, [...seen].slice(-MOST_SEEN));
  return true;
}

export function load(name, fallback) {
  try {
    return JSON.parse(localStorage.getItem(name)) ?? fallback;
  } catch {
    return fallback;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch { /* a full or forbidden store costs only the mark */ }
}
