// What the page says, and which language it says it in: the browser's, or ?lang=.

const WORDS = {
  en: {
    title: "Simulated platforms", desk: "Open the desk", newcomer: "Somebody else", add: "Add", write: "Write as this customer",
    files: "Files", send: "Send", faults: "What goes wrong", faults_why: "How often it happens while this page is open or not.",
    delivery: "Delivery", door: "delivers to", held: "waiting to be asked for", answers: "the gateway answered", nothing: "nothing yet",
    empty: "Nobody has said anything yet.", edit: "Edit", remove: "Take back", edited: "edited", removed: "taken back", us: "Shop",
    editing: "Changing what was said", cancel: "Cancel", never: "never", sometimes: "at times", always: "always", failed: "That did not go",
    gone: "The simulator does not answer.",
    fault: {
      twice: "An event comes twice", swapped: "An event comes after the next one", late: "An event comes seconds later",
      lost: "Our answer is lost, it comes again", forged: "Somebody forges it first, with a wrong signature",
      strange: "An event of an unknown kind comes along", busy: "Our replies are refused: too many (429)",
      broken: "Our replies end in a fault (500)", cut: "Our reply goes out, its answer is lost", no_media: "Customers' files cannot be fetched",
    },
  },
  "zh-Hans": {
    title: "模拟平台", desk: "打开客服台", newcomer: "换一位顾客", add: "添加", write: "以这位顾客的身份写",
    files: "文件", send: "发送", faults: "故障开关", faults_why: "每种故障多久发生一次，关掉本页也继续有效。",
    delivery: "投递", door: "送达地址", held: "等待领取", answers: "网关的应答", nothing: "还没有",
    empty: "还没有人说话。", edit: "编辑", remove: "撤回", edited: "已编辑", removed: "已撤回", us: "商家",
    editing: "正在修改说过的话", cancel: "取消", never: "从不", sometimes: "有时", always: "总是", failed: "没有成功",
    gone: "模拟器没有应答。",
    fault: {
      twice: "同一事件送来两次", swapped: "事件比下一个还晚到", late: "事件晚几秒才到",
      lost: "我们的应答丢失，事件再次送来", forged: "先有人用错误的签名伪造", strange: "夹带一个未知类型的事件",
      busy: "我们的回复被拒：太多（429）", broken: "我们的回复出错（500）", cut: "回复已送出，但应答丢失", no_media: "顾客的文件取不到",
    },
  },
  "zh-Hant": {
    title: "模擬平台", desk: "開啟客服台", newcomer: "換一位顧客", add: "新增", write: "以這位顧客的身分寫",
    files: "檔案", send: "傳送", faults: "故障開關", faults_why: "每種故障多久發生一次，關掉本頁也繼續有效。",
    delivery: "投遞", door: "送達位址", held: "等待領取", answers: "閘道的回應", nothing: "還沒有",
    empty: "還沒有人說話。", edit: "編輯", remove: "收回", edited: "已編輯", removed: "已收回", us: "商家",
    editing: "正在修改說過的話", cancel: "取消", never: "從不", sometimes: "有時", always: "總是", failed: "沒有成功",
    gone: "模擬器沒有回應。",
    fault: {
      twice: "同一事件送來兩次", swapped: "事件比下一個還晚到", late: "事件晚幾秒才到",
      lost: "我們的回應遺失，事件再次送來", forged: "先有人用錯誤的簽章偽造", strange: "夾帶一個未知類型的事件",
      busy: "我們的回覆被拒：太多（429）", broken: "我們的回覆出錯（500）", cut: "回覆已送出，但回應遺失", no_media: "顧客的檔案取不到",
    },
  },
};

function chosen() {
  const wanted = new URLSearchParams(location.search).get("lang") ?? navigator.language;
  if (wanted in WORDS) return wanted;
  if (!wanted.toLowerCase().startsWith("zh")) return "en";
  return /hant|tw|hk|mo/i.test(wanted) ? "zh-Hant" : "zh-Hans";
}

export const language = chosen();
export const words = WORDS[language];
