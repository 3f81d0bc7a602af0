// The sample shop's page: its words in three languages, and the buttons that open the chat.

const TEXTS = {
  en: {},
  "zh-Hans": {
    full: "整页对话",
    desk: "客服工作台",
    api: "接口文档",
    over: "示例商店，真实的客服通道",
    title: "遇到问题了？\n我们洗耳恭听。",
    lead: "订单、退款、灯不亮，都可以在这里问。简单的问题马上得到答复，其余的由人工客服在同一个窗口里接手。",
    open: "在线咨询",
    try: "不妨试试这样说",
    keptTitle: "每句话都不丢",
    kept: "消息写入磁盘之后才算收到。关掉页面、断网、重启服务器，它都还在，而且只有一份。",
    honestTitle: "说到做到的回执",
    honest: "每件投诉都有编号和人工答复的时限，并有页面随时查看进展。",
    personTitle: "该由人来时，就有人",
    person: "愤怒、危险、拿不准，或者只是您想找人工，都会立即转接。客服看得到完整对话，就在这里回复。",
    foot: "这是 Allears 自带的演示页面，数据不会离开您的电脑。",
    tries: ["怎么申请退款？", "订单 LS20260102 到现在还没收到", "灯一插电就冒烟，太危险了！", "转人工"],
  },
  "zh-Hant": {
    full: "整頁對話",
    desk: "客服工作台",
    api: "介面文件",
    over: "示範商店，真實的客服管道",
    title: "遇到問題了？\n我們洗耳恭聽。",
    lead: "訂單、退款、燈不亮，都可以在這裡問。簡單的問題馬上得到答覆，其餘的由真人客服在同一個視窗裡接手。",
    open: "線上諮詢",
    try: "不妨試試這樣說",
    keptTitle: "每句話都不遺失",
    kept: "訊息寫入磁碟之後才算收到。關掉頁面、斷網、重啟伺服器，它都還在，而且只有一份。",
    honestTitle: "說到做到的回執",
    honest: "每件投訴都有編號和人工答覆的時限，並有頁面隨時查看進度。",
    personTitle: "該由人來時，就有人",
    person: "憤怒、危險、拿不準，或者只是您想找真人，都會立即轉接。客服看得到完整對話，就在這裡回覆。",
    foot: "這是 Allears 內附的示範頁面，資料不會離開您的電腦。",
    tries: ["怎麼申請退款？", "訂單 LS20260102 到現在還沒收到", "燈一插電就冒煙，太危險了！", "轉真人客服"],
  },
};
const TRIES = ["How do I get a refund?", "Order LS20260102 still has not arrived", "The lamp started smoking when I plugged it in!", "I want to talk to a person"];

const nodes = [...document.querySelectorAll("[data-text]")];
for (const node of nodes) TEXTS.en[node.dataset.text] = node.textContent;
TEXTS.en.tries = TRIES;
const brand = document.getElementById("brand");
const NAMES = { en: brand.textContent, "zh-Hans": brand.dataset.hans, "zh-Hant": brand.dataset.hant };

const picker = document.getElementById("language");
const KEY = "allears:home:language";

function preferred() {
  const tag = navigator.language.toLowerCase();
  if (/^zh-(tw|hk|mo|hant)/.test(tag)) return "zh-Hant";
  return tag.startsWith("zh") ? "zh-Hans" : "en";
}

function show(language) {
  document.documentElement.lang = language;
  picker.value = language;
  for (const node of nodes) node.textContent = TEXTS[language][node.dataset.text];
  brand.textContent = document.title = NAMES[language];
  document.getElementById("tries").replaceChildren(...TEXTS[language].tries.map(attempt));
}

function attempt(text) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  button.onclick = () => window.Allears?.write(text);
  item.append(button);
  return item;
}

document.getElementById("open").onclick = () => window.Allears?.open();
picker.onchange = () => {
  localStorage.setItem(KEY, picker.value);
  show(picker.value);
};
show(localStorage.getItem(KEY) || preferred());
