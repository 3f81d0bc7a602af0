// A call that runs: what is said, while it is said. Its recording takes this place when it is over.

import { $, fill, h, icon } from "./dom.js";
import { state } from "./state.js";
import { t } from "./words.js";

const NEAR_END = 120;

// A frame of the live line: the lines from second `since` on, or null when no call runs (any more).
export function heard({ call, conversation }) {
  if (conversation !== state.open || !state.data) return;
  const before = state.data.call?.lines ?? [];
  state.data.call = call && { ...call, lines: [...before.filter((line) => line.start < call.since && !line.running), ...call.lines] };
  const talk = $("talk");
  const atEnd = talk.scrollHeight - talk.scrollTop - talk.clientHeight < NEAR_END;
  render();
  if (atEnd) talk.scrollTop = talk.scrollHeight;
}

export function render() {
  const { call } = state.data;
  // What changes five times a second is not read out by itself: a screen reader comes here when its user wants to.
  fill($("call"), call ? h("article", { class: "bubble customer speaks call", "aria-live": "off" },
    h("header", {}, h("span", { class: "on-air", "aria-hidden": "true" }), h("span", { class: "who" }, t("call_runs"))),
    call.deaf ? h("p", { class: "soft small" }, t("call_deaf")) : null,
    [...call.lines].sort((a, b) => a.start - b.start).map(said),
    call.lines.length || call.deaf ? null : h("p", { class: "soft" }, t("nothing_said_yet"))) : null);
}

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

const said = (line) => h("p", { class: `turn ${line.speaker || "somebody"}${line.running ? " running" : ""}`, dir: "auto" },
  h("span", { class: "who" }, line.speaker ? t(line.speaker) : t("somebody"), " ", h("time", {}, clock(line.start))), line.text);

export const badge = () => h("span", { class: "tag call" }, icon("sound"), t("on_call"));
