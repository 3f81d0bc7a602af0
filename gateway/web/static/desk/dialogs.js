// One dialog at a time, with the browser's own focus trap and Escape.

import { $, fill, h, icon } from "./dom.js";
import { t } from "./words.js";

export const isOpen = () => $("dialog").open;
export const closeDialog = () => $("dialog").close();

// `act` runs on the main button; the dialog stays open when it fails.
export function ask(title, content, go = "", act = null) {
  const form = h("form", {
    method: "dialog",
    onsubmit: async (event) => {
      event.preventDefault();
      const button = form.querySelector(".primary");
      if (!act || button.disabled) return;
      button.disabled = true;
      try {
        await act();
        closeDialog();
      } catch {
        button.disabled = false;
      }
    },
  },
  h("header", {}, h("h2", {}, title), h("button", { type: "button", class: "ghost", "aria-label": t("close_window"), onclick: closeDialog }, icon("x"))),
  h("div", { class: "content" }, content),
  h("footer", {},
    h("button", { type: "button", class: "secondary", onclick: closeDialog }, go ? t("cancel") : t("close_window")),
    go ? h("button", { class: "primary", type: "submit" }, go) : null));
  const dialog = fill($("dialog"), form);
  dialog.setAttribute("aria-label", title);
  if (!dialog.open) dialog.showModal();
  (form.querySelector(".content :is(input, select, textarea, button):not([hidden])") ?? form.querySelector("button")).focus();
  return form;
}

const SHORTCUTS = [
  ["j / k", "k_move"], ["Enter", "k_open"], ["c", "k_claim"], ["r", "k_reply"], ["n", "k_note"], ["Ctrl + Enter", "k_send"],
  ["b", "k_hand_back"], ["x", "k_close"], ["e", "k_record"], ["/", "k_search"], ["1 – 5", "k_views"], ["Esc", "k_escape"], ["?", "k_help"],
];

export function help() {
  ask(t("help"), h("dl", { class: "shortcuts" }, SHORTCUTS.flatMap(([keys, word]) => [h("dt", {}, h("kbd", {}, keys)), h("dd", {}, t(word))])));
}
