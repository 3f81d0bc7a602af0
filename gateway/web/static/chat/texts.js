// Everything the window says by itself, in the three languages.

const EN = {
  language: "Language",
  close: "Close the chat",
  log: "Conversation",
  write: "Your message",
  placeholder: "Write a message…",
  send: "Send",
  attach: "Attach files",
  attached: "Files to send",
  remove: (name) => `Remove ${name}`,
  earlier: "Show earlier messages",
  latest: "Go to the newest message",
  foot: "Nothing you write here gets lost.",
  greeting: "Hello! How can we help you today?",
  connecting: "Connecting…",
  online: "Connected",
  offline: "Reconnecting…",
  offlineBanner: "No connection right now. Keep writing: your messages are kept here and sent as soon as it is back.",
  expired: "Your earlier session has ended, so this is a new conversation.",
  noEntry: "This chat cannot be opened here. Please contact us another way.",
  you: "You",
  bot: "Assistant",
  agent: "Agent",
  automatic: "automatic",
  sending: "Sending…",
  waiting: "Waiting for the connection",
  sent: "Sent",
  refused: "Not sent",
  retry: "Try again",
  discard: "Discard",
  withoutFiles: "Send without files",
  withdrawn: "This message was withdrawn.",
  typing: (name) => `${name} is typing…`,
  joined: (name) => `${name} joined the conversation`,
  left: (name) => `${name} left the conversation`,
  closed: "This matter is closed. Write again at any time to reopen it.",
  reopened: "This matter is open again.",
  handed_off: "Your message is with our team now. A person will answer here.",
  today: "Today",
  yesterday: "Yesterday",
  tooLong: (max) => `At most ${max} characters.`,
  tooBig: (name, max) => `“${name}” is larger than ${max}.`,
  empty: (name) => `“${name}” is empty.`,
  tooMany: (max) => `At most ${max} files in one message.`,
  uploadFailed: (name) => `“${name}” could not be sent. Remove it, or attach it again.`,
  uploading: (name, percent) => `${name}: ${percent} % sent`,
  download: (name) => `Download ${name}`,
  fileGone: "This file could not be loaded.",
  fileRefused: "This file was not accepted.",
  newMessages: (n) => (n === 1 ? "1 new message" : `${n} new messages`),
};

const HANS = {
  language: "语言",
  close: "关闭对话",
  log: "对话内容",
  write: "您的消息",
  placeholder: "请输入消息…",
  send: "发送",
  attach: "添加附件",
  attached: "待发送的文件",
  remove: (name) => `移除 ${name}`,
  earlier: "查看更早的消息",
  latest: "跳到最新消息",
  foot: "您写下的每一句话都不会丢失。",
  greeting: "您好！请问有什么可以帮您？",
  connecting: "正在连接…",
  online: "已连接",
  offline: "正在重新连接…",
  offlineBanner: "网络暂时中断。您可以继续输入，消息会保存在这里，恢复连接后自动发送。",
  expired: "之前的会话已过期，这是一个新的对话。",
  noEntry: "无法在此打开对话，请通过其他方式联系我们。",
  you: "您",
  bot: "智能助手",
  agent: "人工客服",
  automatic: "自动回复",
  sending: "正在发送…",
  waiting: "等待网络恢复",
  sent: "已送达",
  refused: "未发送",
  retry: "重试",
  discard: "放弃",
  withoutFiles: "不带附件发送",
  withdrawn: "此消息已撤回。",
  typing: (name) => `${name} 正在输入…`,
  joined: (name) => `${name} 已加入对话`,
  left: (name) => `${name} 已离开对话`,
  closed: "此事项已办结。如有需要，随时继续留言即可重新开启。",
  reopened: "此事项已重新开启。",
  handed_off: "您的消息已转给人工客服，工作人员会在这里回复您。",
  today: "今天",
  yesterday: "昨天",
  tooLong: (max) => `最多 ${max} 个字符。`,
  tooBig: (name, max) => `“${name}”超过 ${max}。`,
  empty: (name) => `“${name}”是空文件。`,
  tooMany: (max) => `每条消息最多 ${max} 个文件。`,
  uploadFailed: (name) => `“${name}”上传失败，请移除或重新添加。`,
  uploading: (name, percent) => `${name}：已上传 ${percent}%`,
  download: (name) => `下载 ${name}`,
  fileGone: "文件无法加载。",
  fileRefused: "此文件未被接受。",
  newMessages: (n) => `${n} 条新消息`,
};

const HANT = {
  language: "語言",
  close: "關閉對話",
  log: "對話內容",
  write: "您的訊息",
  placeholder: "請輸入訊息…",
  send: "傳送",
  attach: "新增附件",
  attached: "待傳送的檔案",
  remove: (name) => `移除 ${name}`,
  earlier: "查看更早的訊息",
  latest: "跳到最新訊息",
  foot: "您寫下的每一句話都不會遺失。",
  greeting: "您好！請問有什麼可以為您服務？",
  connecting: "正在連線…",
  online: "已連線",
  offline: "正在重新連線…",
  offlineBanner: "網路暫時中斷。您可以繼續輸入，訊息會保存在這裡，恢復連線後自動傳送。",
  expired: "先前的工作階段已過期，這是一個新的對話。",
  noEntry: "無法在此開啟對話，請透過其他方式聯絡我們。",
  you: "您",
  bot: "智慧助理",
  agent: "真人客服",
  automatic: "自動回覆",
  sending: "傳送中…",
  waiting: "等待網路恢復",
  sent: "已送達",
  refused: "未傳送",
  retry: "重試",
  discard: "捨棄",
  withoutFiles: "不含附件傳送",
  withdrawn: "此訊息已收回。",
  typing: (name) => `${name} 正在輸入…`,
  joined: (name) => `${name} 已加入對話`,
  left: (name) => `${name} 已離開對話`,
  closed: "此案件已結案。如有需要，隨時留言即可重新開啟。",
  reopened: "此案件已重新開啟。",
  handed_off: "您的訊息已轉給真人客服，服務人員會在這裡回覆您。",
  today: "今天",
  yesterday: "昨天",
  tooLong: (max) => `最多 ${max} 個字元。`,
  tooBig: (name, max) => `「${name}」超過 ${max}。`,
  empty: (name) => `「${name}」是空檔案。`,
  tooMany: (max) => `每則訊息最多 ${max} 個檔案。`,
  uploadFailed: (name) => `「${name}」上傳失敗，請移除或重新新增。`,
  uploading: (name, percent) => `${name}：已上傳 ${percent}%`,
  download: (name) => `下載 ${name}`,
  fileGone: "檔案無法載入。",
  fileRefused: "此檔案未被接受。",
  newMessages: (n) => `${n} 則新訊息`,
};

const ALL = { en: EN, "zh-Hans": HANS, "zh-Hant": HANT };

let current = "en";

export const language = () => current;

export function use(tag) {
  current = tag in ALL ? tag : "en";
  document.documentElement.lang = current;
}

/** A text of the window; those that are functions take their values. */
export function t(key, ...values) {
  const text = ALL[current][key];
  return typeof text === "function" ? text(...values) : text;
}

/** The first of the visitor's languages that we speak. */
export function preferred(tags) {
  for (const tag of tags.map((each) => each.toLowerCase())) {
    if (/^zh-(tw|hk|mo|hant)/.test(tag)) return "zh-Hant";
    if (tag.startsWith("zh")) return "zh-Hans";
    if (tag.startsWith("en")) return "en";
  }
  return "en";
}

/** The best of an operator's texts by language; "" when there is none. */
export function best(texts) {
  const family = Object.keys(texts).find((tag) => tag.split("-")[0] === current.split("-")[0]);
  return texts[current] || texts[family] || texts.en || Object.values(texts)[0] || "";
}

/** Put the texts of the current language on the elements that name them. */
export function dress(root) {
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = t(node.dataset.text);
  for (const node of root.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", t(node.dataset.label));
    if (node.tagName === "BUTTON") node.title = t(node.dataset.label);
  }
  for (const node of root.querySelectorAll("[data-hint]")) node.placeholder = t(node.dataset.hint);
}

/** English is written in many ways (24 hours, day before month): the visitor's own one. */
const locale = () => (current === "en" && navigator.languages.find((tag) => tag.startsWith("en"))) || current;

export const time = (at) => new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit" }).format(at);

export function day(at) {
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86_400_000);
  if (days === 0) return t("today");
  if (days === 1) return t("yesterday");
  const year = at.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return new Intl.DateTimeFormat(locale(), { year, month: "long", day: "numeric", weekday: "short" }).format(at);
}

export function size(bytes) {
  const [value, unit] = bytes < 1_000_000 ? [bytes / 1024, "kB"] : [bytes / 1_048_576, "MB"];
  return `${new Intl.NumberFormat(current, { maximumFractionDigits: value < 10 ? 1 : 0 }).format(value)} ${unit}`;
}
