// Allears chat window for any site:
//   <script src="https://intake.example/widget.js" data-site-key="shop" async></script>
// Optional: data-open, data-language="zh-Hans", data-position="left", data-color="#0f766e", data-identity="<signed token>".
// Scripts of the page may use window.Allears: open(), close(), write(text), identify(token or async function).
// Everything stands in a shadow tree and a frame: the page's styles and policies cannot break it, nor it the page.
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script || window.Allears?.open) return;
  const data = script.dataset;
  const home = new URL(script.src).origin;
  const left = data.position === "left";
  const texts = {
    en: { open: "Chat with us", close: "Close the chat", title: "Chat", fresh: (n) => `${n} new` },
    "zh-Hans": { open: "在线客服", close: "关闭对话", title: "在线客服", fresh: (n) => `${n} 条新消息` },
    "zh-Hant": { open: "線上客服", close: "關閉對話", title: "線上客服", fresh: (n) => `${n} 則新訊息` },
  };
  const tag = (data.language || navigator.language || "en").toLowerCase();
  const t = texts[/^zh-(tw|hk|mo|hant)/.test(tag) ? "zh-Hant" : tag.startsWith("zh") ? "zh-Hans" : "en"];
  const USED = `allears:${data.siteKey}:used`;
  const KEPT = `allears:${data.siteKey}:frame:`;

  const CSS = `
    :host { all: initial; }
    .launcher, .frame { position: fixed; z-index: 2147483000; ${left ? "left" : "right"}: calc(20px + env(safe-area-inset-${left ? "left" : "right"})); }
    .launcher { bottom: calc(20px + env(safe-area-inset-bottom)); display: flex; align-items: center; gap: 10px; height: 56px; padding: 0 22px 0 18px;
      border: 0; border-radius: 28px; background: var(--accent); color: var(--on-accent); font: 600 16px/1 system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif;
      cursor: pointer; box-shadow: 0 2px 6px rgb(0 0 0 / 16%), 0 10px 30px rgb(0 0 0 / 20%); transition: transform .15s, box-shadow .15s; }
    .launcher:hover { transform: translateY(-2px); box-shadow: 0 4px 10px rgb(0 0 0 / 16%), 0 14px 36px rgb(0 0 0 / 24%); }
    .launcher:focus-visible { outline: 3px solid var(--on-accent); outline-offset: -6px; }
    .launcher[aria-expanded="true"] { width: 56px; padding: 0; justify-content: center; }
    .launcher[aria-expanded="true"] .words { display: none; }
    .launcher svg { width: 26px; height: 26px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
    .badge { position: absolute; top: -4px; ${left ? "left" : "right"}: -2px; min-width: 22px; height: 22px; padding: 0 6px; box-sizing: border-box; border-radius: 11px;
      background: #b3261e; color: #fff; font: 700 12px/22px system-ui, sans-serif; text-align: center; box-shadow: 0 0 0 2px #fff; }
    .frame { bottom: calc(92px + env(safe-area-inset-bottom)); width: 400px; height: min(680px, calc(100vh - 124px)); border: 0; border-radius: 22px; background: Canvas; color-scheme: light dark;
      box-shadow: 0 0 0 1px rgb(0 0 0 / 7%), 0 24px 70px rgb(0 0 0 / 24%); transition: opacity .18s, transform .18s, visibility .18s; transform-origin: bottom ${left ? "left" : "right"}; }
    .frame.shut { opacity: 0; transform: translateY(12px) scale(.97); visibility: hidden; }
    [hidden] { display: none; }
    @media (max-width: 520px), (max-height: 480px) {
      .frame { inset: 0; width: 100vw; width: 100dvw; height: 100vh; height: 100dvh; border-radius: 0; }
      .launcher[aria-expanded="true"] { display: none; }
    }
    @media (prefers-reduced-motion: reduce) { .launcher, .frame { transition: none; } }
    @media print { .launcher, .frame { display: none; } }`;

  const BUBBLE = "M20.500 11.500a8 8 0 0 1-8.500 7.900 9.300 9.300 0 0 1-3.400-.6L4 20.500l1.300-3.900a7.500 7.500 0 0 1-1.800-5.100A8 8 0 0 1 12 3.600a8 8 0 0 1 8.500 7.900zM8.500 11.500h.01M12 11.500h.01M15.500 11.500h.01";
  const CROSS = "M6 6l12 12M18 6L6 18";

  let frame = null;
  let shown = false;
  let ready = false;
  let draft = "";
  let identify = data.identity || null;

  const host = document.createElement("div");
  const root = host.attachShadow({ mode: "open" });
  const launcher = document.createElement("button");
  const words = document.createElement("span");
  const badge = document.createElement("span");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");

  function build() {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
    root.adoptedStyleSheets = [sheet];
    paint(data.color || "#0f766e");
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.append(path);
    words.className = "words";
    words.textContent = t.open;
    badge.className = "badge";
    badge.hidden = true;
    launcher.className = "launcher";
    launcher.type = "button";
    launcher.append(svg, words, badge);
    launcher.onclick = () => (shown ? close() : open());
    root.append(launcher);
    document.body.append(host);
    draw();
    if ("open" in data && data.open !== "false") open(false);
    else if (used()) load(); // somebody who wrote before sees that an answer has come
  }

  function paint(color) {
    if (!/^#[0-9a-f]{6}$/i.test(color)) return;
    const [r, g, b] = [1, 3, 5].map((at) => {
      const part = parseInt(color.slice(at, at + 2), 16) / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    const light = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    host.style.setProperty("--accent", color);
    host.style.setProperty("--on-accent", 1.05 / (light + 0.05) >= (light + 0.05) / 0.0525 ? "#ffffff" : "#0b1220");
  }

  function draw() {
    path.setAttribute("d", shown ? CROSS : BUBBLE);
    launcher.setAttribute("aria-expanded", String(shown));
    launcher.setAttribute("aria-label", shown ? t.close : badge.hidden ? t.open : `${t.open}, ${t.fresh(badge.textContent)}`);
  }

  function load() {
    if (frame) return;
    const query = new URLSearchParams({ site: data.siteKey });
    if (data.language) query.set("language", data.language);
    if (identify) query.set("identity", "1");
    frame = document.createElement("iframe");
    frame.className = "frame shut";
    frame.title = t.title;
    frame.allow = "clipboard-write";
    frame.src = `${home}/widget?${query}`;
    root.append(frame);
  }

  function open(focus = true) {
    load();
    shown = true;
    frame.getBoundingClientRect(); // so that the first opening moves too
    frame.classList.remove("shut");
    if (focus) frame.focus();
    badge.hidden = true;
    draw();
    if (ready) opened();
    try {
      localStorage.setItem(USED, "1");
    } catch {
      // a page that may keep nothing still chats
    }
  }

  function opened() {
    say({ allears: "open", draft });
    draft = "";
  }

  function close() {
    if (!shown) return;
    shown = false;
    frame.classList.add("shut");
    draw();
    say({ allears: "closed" });
    launcher.focus();
  }

  function used() {
    try {
      return localStorage.getItem(USED) === "1";
    } catch {
      return false;
    }
  }

  /** Browsers may deny the frame a memory of its own: then it is kept here, under names that belong to the window. */
  function memory() {
    const kept = {};
    try {
      for (const key of Object.keys(localStorage)) {
        if (key.startsWith(KEPT)) kept[key.slice(KEPT.length)] = localStorage.getItem(key);
      }
    } catch {
      // then the window forgets when the page ends
    }
    return kept;
  }

  function keep(name, text) {
    try {
      if (text === null) localStorage.removeItem(KEPT + name);
      else localStorage.setItem(KEPT + name, text);
    } catch {
      // as above
    }
  }

  const say = (message) => frame?.contentWindow?.postMessage(message, home);

  addEventListener("message", async ({ source, origin, data: message }) => {
    if (!frame || source !== frame.contentWindow || origin !== home) return;
    if (message.allears === "close") close();
    if (message.allears === "ready") {
      ready = true;
      if (shown) opened();
      else say({ allears: "closed" });
    }
    if (message.allears === "unread") {
      badge.textContent = message.count;
      badge.hidden = shown || !message.count;
      draw();
    }
    if (message.allears === "identity" && identify) {
      const token = typeof identify === "function" ? await identify() : identify;
      say({ allears: "answer", ask: message.ask, value: token });
    }
    if (message.allears === "memory") say({ allears: "answer", ask: message.ask, value: memory() });
    if (message.allears === "keep") keep(message.name, message.text);
  });

  window.Allears = {
    open: () => open(),
    close,
    /** Open with a text that the visitor may change before sending it. */
    write(text) {
      draft = text;
      open();
    },
    /** Say who is logged in: a token signed by your server, or an async function that fetches one; null: nobody. */
    identify(who) {
      identify = who;
      if (!frame) return;
      const again = shown;
      frame.remove();
      frame = null;
      ready = false;
      load();
      if (again) frame.classList.remove("shut");
    },
  };

  if (document.body) build();
  else addEventListener("DOMContentLoaded", build);
})();
