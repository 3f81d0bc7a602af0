// Times as people say them, in the page's language.

import { language, t } from "./words.js";
import { now } from "./state.js";

const MINUTE = 60, HOUR = 3600, DAY = 86400;

function spell(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < MINUTE) return t("short_s", s);
  if (s < HOUR) return t("short_m", Math.floor(s / MINUTE));
  if (s < DAY) {
    const minutes = Math.floor((s % HOUR) / MINUTE);
    return t("short_h", Math.floor(s / HOUR)) + (s < 10 * HOUR && minutes ? ` ${t("short_m", minutes)}` : "");
  }
  const hours = Math.floor((s % DAY) / HOUR);
  return t("short_d", Math.floor(s / DAY)) + (s < 3 * DAY && hours ? ` ${t("short_h", hours)}` : "");
}

export const waited = (iso) => spell((now() - new Date(iso)) / 1000);

// { text, state }: how long until a promise falls due.
export function due(iso) {
  const seconds = (new Date(iso) - now()) / 1000;
  if (seconds < 0) return { text: t("overdue", spell(-seconds)), state: "late" };
  return { text: t("due_in", spell(seconds)), state: seconds < HOUR ? "soon" : "fine" };
}

const formats = new Map();
function format(options) {
  const key = language() + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(language(), options));
  return formats.get(key);
}

export const clock = (iso) => format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(iso));
export const day = (iso) => format({ weekday: "short", month: "short", day: "numeric" }).format(new Date(iso));
export const full = (iso) => format({ dateStyle: "medium", timeStyle: "short", hourCycle: "h23" }).format(new Date(iso));
export const sameDay = (a, b) => new Date(a).toDateString() === new Date(b).toDateString();
