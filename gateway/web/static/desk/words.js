// The page's words in three languages: [English, 简体, 繁體]. `{0}` and `{1}` are filled in.

import { keep, load } from "./state.js";

const LANGUAGES = ["en", "zh-Hans", "zh-Hant"];
export const LANGUAGE_NAMES = { en: "English", "zh-Hans": "简体中文", "zh-Hant": "繁體中文" };

const WORDS = {
  // frame
  desk: ["Desk", "工作台", "工作台"],
  queue: ["Conversations", "会话列表", "會話清單"],
  conversation: ["Conversation", "会话", "會話"],
  record: ["Record", "投诉单", "投訴單"],
  view_waiting: ["Waiting", "待处理", "待處理"],
  view_mine: ["Mine", "我的", "我的"],
  view_bot: ["Bot", "机器人", "機器人"],
  view_all: ["All", "全部", "全部"],
  view_closed: ["Closed", "已办结", "已辦結"],
  views: ["Views", "视图", "檢視"],
  search: ["Case number, name or words", "单号、姓名或内容", "單號、姓名或內容"],
  searching: ["Found for “{0}”", "“{0}”的搜索结果", "「{0}」的搜尋結果"],
  clear: ["Clear", "清除", "清除"],
  live: ["Live", "实时", "即時"],
  not_live: ["Reconnecting…", "正在重连…", "正在重新連線…"],
  help: ["Keyboard shortcuts", "快捷键", "快速鍵"],
  settings: ["Settings", "设置", "設定"],
  theme: ["Appearance", "外观", "外觀"],
  theme_auto: ["As the system", "跟随系统", "跟隨系統"],
  theme_light: ["Light", "浅色", "淺色"],
  theme_dark: ["Dark", "深色", "深色"],
  language_choice: ["Language", "语言", "語言"],
  logout: ["Log out", "退出登录", "登出"],
  administration: ["Administration", "系统管理", "系統管理"],
  back: ["Back", "返回", "返回"],
  more: ["Show more", "显示更多", "顯示更多"],
  earlier: ["Show earlier messages", "显示更早的消息", "顯示更早的訊息"],
  cancel: ["Cancel", "取消", "取消"],
  save: ["Save", "保存", "儲存"],
  close_window: ["Close", "关闭", "關閉"],

  // login
  login_title: ["Log in to the desk", "登录工作台", "登入工作台"],
  login_name: ["Login", "账号", "帳號"],
  password: ["Password", "密码", "密碼"],
  login_go: ["Log in", "登录", "登入"],
  login_wrong: ["Login or password is wrong.", "账号或密码不正确。", "帳號或密碼不正確。"],
  login_throttled: ["Too many wrong logins. Try again in {0}.", "登录失败次数过多，请在{0}后重试。", "登入失敗次數過多，請在{0}後重試。"],
  link_used: ["This login link was used before or has expired. Log in with your password, or ask for a new link.",
    "该登录链接已使用或已过期。请用密码登录，或索取新的链接。", "該登入連結已使用或已過期。請用密碼登入，或索取新的連結。"],
  old_password: ["Old password", "原密码", "原密碼"],
  new_password: ["New password (at least 10 characters)", "新密码（至少 10 个字符）", "新密碼（至少 10 個字元）"],
  change_password: ["Change password", "修改密码", "修改密碼"],
  set_password: ["You came in by a one-time link and have no password yet. Set one now, so that you can log in again.",
    "您是通过一次性链接进入的，还没有密码。请现在设置，以便下次登录。", "您是透過一次性連結進入的，還沒有密碼。請現在設定，以便下次登入。"],
  no_password: ["You have no password yet.", "您还没有设置密码。", "您還沒有設定密碼。"],
  set_one: ["Set one", "立即设置", "立即設定"],
  password_changed: ["The password is changed.", "密码已修改。", "密碼已修改。"],

  // list
  empty_waiting: ["Nobody is waiting. Well done.", "没有待处理的会话，干得好。", "沒有待處理的會話，做得好。"],
  empty_mine: ["You have no conversation. Take one from Waiting.", "您名下没有会话，可到“待处理”中认领。", "您名下沒有會話，可到「待處理」中認領。"],
  empty_bot: ["The bot is talking to nobody.", "机器人目前没有会话。", "機器人目前沒有會話。"],
  empty_all: ["No conversations yet.", "还没有会话。", "還沒有會話。"],
  empty_closed: ["Nothing closed yet.", "还没有已办结的会话。", "還沒有已辦結的會話。"],
  empty_search: ["Nothing found.", "没有找到。", "沒有找到。"],
  unread: ["unread", "未读", "未讀"],
  waiting_for: ["waiting {0}", "已等待 {0}", "已等待 {0}"],
  due_in: ["due in {0}", "剩 {0}", "剩 {0}"],
  overdue: ["overdue {0}", "超时 {0}", "逾時 {0}"],
  short_s: ["{0} s", "{0} 秒", "{0} 秒"],
  short_m: ["{0} min", "{0} 分", "{0} 分"],
  short_h: ["{0} h", "{0} 小时", "{0} 小時"],
  short_d: ["{0} d", "{0} 天", "{0} 天"],
  anonymous: ["Visitor", "访客", "訪客"],

  // recordings
  recording: ["Recording", "录音", "錄音"],
  transcript: ["What was said", "通话内容", "通話內容"],
  somebody: ["Speaker", "说话人", "說話者"],
  speed: ["Speed", "速度", "速度"],
  not_understood: ["not understood", "未听清", "未聽清"],
  nothing_said: ["Nothing was understood in it.", "没有听到可识别的内容。", "沒有聽到可辨識的內容。"],
  recording_cut: ["The end is missing:", "录音不完整：", "錄音不完整："],
  rec_waiting: ["It has not been heard yet.", "尚未识别。", "尚未辨識。"],
  rec_failed: ["It could not be heard.", "无法识别。", "無法辨識。"],
  copy_waiting: ["The copy to listen to is being made…", "正在生成可播放的版本…", "正在產生可播放的版本…"],
  copy_none: ["It cannot be played here.", "无法在此播放。", "無法在此播放。"],
  cannot_play: ["The browser cannot play it.", "浏览器无法播放。", "瀏覽器無法播放。"],
  original_sound: ["Hear the original", "听原始录音", "聽原始錄音"],
  original_save: ["Save the original", "保存原始录音", "儲存原始錄音"],
  hear_it: ["Click to hear it", "点击收听", "點擊收聽"],

  // conversation
  choose: ["Choose a conversation", "请选择一个会话", "請選擇一個會話"],
  choose_hint: ["j and k move through the list, Enter opens, ? shows all shortcuts.",
    "j、k 上下移动，Enter 打开，? 查看全部快捷键。", "j、k 上下移動，Enter 開啟，? 檢視全部快速鍵。"],
  gone: ["This conversation cannot be shown.", "无法显示该会话。", "無法顯示該會話。"],
  customer: ["Customer", "客户", "客戶"],
  bot: ["Bot", "机器人", "機器人"],
  agent: ["Agent", "坐席", "客服"],
  note: ["Note", "备注", "備註"],
  reveal: ["Show covered numbers", "显示被遮盖的号码", "顯示被遮蓋的號碼"],
  internal_note: ["Internal note", "内部备注", "內部備註"],
  owner_bot: ["The bot is answering", "机器人接待中", "機器人接待中"],
  owner_nobody: ["Waiting for a person", "等待人工接待", "等待人工接待"],
  owner_me: ["Yours", "由您接待", "由您接待"],
  owner_other: ["With {0}", "由 {0} 接待", "由 {0} 接待"],
  lease_left: ["for {0}", "剩 {0}", "剩 {0}"],
  lease_over: ["the hold has run out", "占用已到期", "佔用已到期"],
  window_left: ["reply window {0}", "可回复 {0}", "可回覆 {0}"],
  window_over: ["reply window over", "回复窗口已关闭", "回覆視窗已關閉"],
  claim: ["Claim", "认领", "認領"],
  take_over: ["Take over", "强制接管", "強制接管"],
  take_over_sure: ["Take this conversation from {0}? What they have already written still goes out.",
    "要从 {0} 手中接管该会话吗？对方已提交的回复仍会发出。", "要從 {0} 手中接管該會話嗎？對方已提交的回覆仍會送出。"],
  hand_back: ["Hand back", "转回", "轉回"],
  to_bot: ["To the bot", "转回机器人", "轉回機器人"],
  to_queue: ["To the queue", "退回队列", "退回佇列"],
  to_bot_hint: ["The bot answers the next message.", "下一条消息由机器人回答。", "下一則訊息由機器人回答。"],
  to_queue_hint: ["It waits for a colleague.", "等待其他同事认领。", "等待其他同事認領。"],
  close: ["Close case", "办结", "辦結"],
  unlink: ["Not the same", "并非同一件", "並非同一件"],
  reopen: ["Reopen", "重新打开", "重新開啟"],
  reply: ["Reply", "回复", "回覆"],
  reply_placeholder: ["Write to the customer…", "写给客户…", "寫給客戶…"],
  note_placeholder: ["Only colleagues see this…", "仅同事可见…", "僅同事可見…"],
  reply_locked: ["Claim the conversation to reply.", "认领后才能回复。", "認領後才能回覆。"],
  reply_ended: ["The case is closed.", "投诉已办结。", "投訴已辦結。"],
  send: ["Send", "发送", "傳送"],
  send_hint: ["Ctrl+Enter sends", "Ctrl+Enter 发送", "Ctrl+Enter 傳送"],
  save_note: ["Save note", "保存备注", "儲存備註"],
  attach: ["Attach a file", "添加附件", "加入附件"],
  remove: ["Remove", "移除", "移除"],
  uploading: ["uploading…", "上传中…", "上傳中…"],
  customer_types: ["The customer is typing…", "客户正在输入…", "客戶正在輸入…"],
  agent_types: ["{0} is typing…", "{0} 正在输入…", "{0} 正在輸入…"],
  edited: ["edited", "已编辑", "已編輯"],
  edit_of: ["edit of an earlier message", "对之前消息的修改", "對先前訊息的修改"],
  deleted: ["The customer deleted this message.", "客户已删除此消息。", "客戶已刪除此訊息。"],
  was_deleted: ["deleted by the customer", "已被客户删除", "已被客戶刪除"],
  pressed: ["pressed", "选择了", "選擇了"],
  file_refused: ["file not kept: {0}", "文件未保存：{0}", "檔案未儲存：{0}"],
  file_pending: ["file is being fetched", "文件正在获取", "檔案正在取得"],
  send_waiting: ["Not sent yet", "尚未发出", "尚未送出"],
  send_sending: ["Sending…", "发送中…", "傳送中…"],
  send_unknown: ["May have been sent; not repeated by itself", "可能已发出；不会自动重发", "可能已送出；不會自動重送"],
  send_dead: ["Could not be sent", "发送失败", "傳送失敗"],
  send_superseded: ["Not sent: the conversation changed hands", "未发送：会话已易手", "未傳送：會話已易手"],
  next_try: ["next try {0}", "下次重试 {0}", "下次重試 {0}"],
  try_n: ["{0} tries", "已尝试 {0} 次", "已嘗試 {0} 次"],
  n_opened: ["Case opened", "已建立投诉单", "已建立投訴單"],
  n_handed_off: ["Handed to a person", "转人工", "轉人工"],
  n_claimed: ["{0} claimed it", "{0} 已认领", "{0} 已認領"],
  n_handed_back: ["{0} handed it back", "{0} 已转回", "{0} 已轉回"],
  n_closed: ["{0} closed the case", "{0} 已办结", "{0} 已辦結"],
  n_reopened: ["{0} reopened the case", "{0} 重新打开", "{0} 重新開啟"],
  n_joined: ["{0} joined", "{0} 开始接待", "{0} 開始接待"],
  n_left: ["{0} left the conversation", "{0} 结束接待", "{0} 結束接待"],
  n_failed: ["A message could not be sent", "有消息发送失败", "有訊息傳送失敗"],
  n_withdrawn: ["The customer withdrew the complaint", "客户已撤诉", "客戶已撤訴"],

  // close
  close_title: ["Close case {0}", "办结 {0}", "辦結 {0}"],
  how_ended: ["How did it end?", "处置结果", "處置結果"],
  outcome_label: ["Outcome in a line (for the record)", "处理结果摘要（记入投诉单）", "處理結果摘要（記入投訴單）"],
  last_message: ["Last message to the customer (optional)", "给客户的结束语（可选）", "給客戶的結束語（可選）"],
  canned: ["Reasons", "常用理由", "常用理由"],
  c_refunded: ["Refund made", "已退款", "已退款"],
  c_replaced: ["Replacement sent", "已换货", "已換貨"],
  c_repaired: ["Repaired", "已维修", "已維修"],
  c_explained: ["Explained, customer agrees", "已解释，客户认可", "已說明，客戶認可"],
  c_compensated: ["Compensated", "已补偿", "已補償"],
  c_no_answer: ["Customer did not answer", "客户未再回复", "客戶未再回覆"],
  c_no_remedy: ["No remedy found", "未能解决", "未能解決"],

  // record
  why: ["Why", "为什么", "為什麼"],
  journal: ["Journal", "日志", "日誌"],
  no_record: ["No case yet: the first message is still being read.", "尚无投诉单：首条消息正在处理。", "尚無投訴單：首則訊息正在處理。"],
  no_traces: ["The bot has decided nothing here.", "机器人在此没有做过决定。", "機器人在此沒有做過決定。"],
  why_passed: ["{0} rules did not apply", "{0} 条规则不适用", "{0} 條規則不適用"],
  no_journal: ["Nothing in the journal.", "日志为空。", "日誌為空。"],
  why_intro: ["What the bot looked at, newest first.", "机器人的判断过程，最新在前。", "機器人的判斷過程，最新在前。"],
  revision: ["revision {0}", "第 {0} 版", "第 {0} 版"],
  correct: ["Correct {0}", "更正{0}", "更正{0}"],
  by_person: ["set by a person", "人工设定", "人工設定"],
  certain: ["confidence {0} %", "置信度 {0}%", "信心度 {0}%"],
  respond_by: ["First answer", "首次响应", "首次回應"],
  answered: ["✓ answered", "✓ 已回复", "✓ 已回覆"],
  resolve_by: ["Solution", "解决期限", "解決期限"],
  show_in_text: ["Show in the text", "在原文中显示", "在原文中顯示"],
  at_second: ["at {0}", "位于 {0}", "位於 {0}"],
  evidence_files: ["Files", "附件", "附件"],
  sec_what: ["What", "事由", "事由"],
  sec_gravity: ["How grave", "严重程度", "嚴重程度"],
  sec_who: ["Who", "投诉者", "投訴者"],
  sec_standing: ["How it stands", "办理情况", "辦理情況"],
  sec_arrival: ["How it came", "来源", "來源"],
  f_kind: ["Kind", "类型", "類型"],
  f_category: ["Category", "分类", "分類"],
  f_demands: ["Demands", "诉求", "訴求"],
  f_products: ["Products", "产品", "產品"],
  f_order_numbers: ["Order numbers", "订单号", "訂單號"],
  f_tracking_numbers: ["Tracking numbers", "运单号", "運單號"],
  f_amounts: ["Amounts", "金额", "金額"],
  f_dates: ["Dates", "日期", "日期"],
  f_places: ["Places", "地点", "地點"],
  f_people: ["People", "涉及人员", "涉及人員"],
  f_urls: ["Links", "链接", "連結"],
  f_urgency: ["Urgency", "紧急程度", "緊急程度"],
  f_sentiment: ["Sentiment", "情感", "情感"],
  f_emotion: ["Emotion", "情绪", "情緒"],
  f_difficulty: ["Difficulty", "难度", "難度"],
  f_risks: ["Risks", "风险", "風險"],
  f_names: ["Names", "姓名", "姓名"],
  f_phones: ["Phones", "电话", "電話"],
  f_emails: ["E-mail", "邮箱", "電子郵件"],
  f_customer_class: ["Customer", "客户类别", "客戶類別"],
  f_on_behalf_of: ["On behalf of", "代何人", "代何人"],
  f_status: ["Status", "状态", "狀態"],
  f_handoff_reason: ["Handed over for", "转人工原因", "轉人工原因"],
  f_skills: ["Skills wanted", "所需技能", "所需技能"],
  f_disposition: ["Ended as", "处置结果", "處置結果"],
  f_outcome: ["Outcome", "处理结果", "處理結果"],
  f_satisfaction: ["Satisfaction", "满意度", "滿意度"],
  f_repeat_of: ["Repeat of", "重复投诉", "重複投訴"],
  f_repeats: ["Repeats", "重复次数", "重複次數"],
  f_chasers: ["Chasers", "催办次数", "催辦次數"],
  f_incident: ["Incident", "关联事件", "關聯事件"],
  f_ticket: ["Ticket", "工单", "工單"],
  f_channel: ["Channel", "渠道", "渠道"],
  f_origin: ["Origin", "入口", "入口"],
  f_language: ["Language", "语言", "語言"],
  f_occurred_at: ["Happened", "发生时间", "發生時間"],
  f_provider_at: ["Sent", "发送时间", "傳送時間"],
  f_received_at: ["Received", "接收时间", "接收時間"],

  // values
  v_urgent: ["urgent", "紧急", "緊急"], v_normal: ["normal", "一般", "一般"], v_low: ["low", "不急", "不急"],
  v_complaint: ["complaint", "投诉", "投訴"], v_enquiry: ["enquiry", "咨询", "諮詢"], v_request: ["request", "求助", "求助"],
  v_suggestion: ["suggestion", "建议", "建議"], v_praise: ["praise", "表扬", "表揚"], v_chaser: ["chaser", "催单", "催單"],
  v_withdrawal: ["withdrawal", "撤诉", "撤訴"], v_spam: ["spam", "垃圾消息", "垃圾訊息"], v_machine: ["machine", "自动消息", "自動訊息"],
  v_other: ["other", "其他", "其他"],
  v_refund: ["refund", "退款", "退款"], v_replacement: ["replacement", "换货", "換貨"], v_repair: ["repair", "维修", "維修"],
  v_apology: ["apology", "道歉", "道歉"], v_compensation: ["compensation", "赔偿", "賠償"], v_explanation: ["explanation", "解释", "說明"],
  v_information: ["information", "查询信息", "查詢資訊"], v_cancellation: ["cancellation", "取消", "取消"], v_delivery: ["delivery", "发货", "出貨"],
  v_correction: ["correction", "更正", "更正"], v_invoice: ["invoice", "发票", "發票"], v_callback: ["call back", "回电", "回電"],
  v_human: ["a person", "转人工", "轉人工"],
  v_positive: ["positive", "正面", "正面"], v_neutral: ["neutral", "中性", "中性"], v_negative: ["negative", "负面", "負面"],
  v_very_negative: ["very negative", "非常负面", "非常負面"],
  v_anger: ["anger", "愤怒", "憤怒"], v_sadness: ["sadness", "难过", "難過"], v_worry: ["worry", "焦虑", "焦慮"],
  v_disappointment: ["disappointment", "失望", "失望"], v_sarcasm: ["sarcasm", "反讽", "反諷"], v_joy: ["joy", "高兴", "高興"],
  v_simple: ["simple", "简单", "簡單"], v_medium: ["medium", "中等", "中等"], v_complex: ["complex", "复杂", "複雜"],
  v_injury: ["injury", "人身伤害", "人身傷害"], v_fire: ["fire", "起火", "起火"], v_legal: ["legal", "法律", "法律"],
  v_regulator: ["regulator", "监管投诉", "監管申訴"], v_media: ["media", "媒体曝光", "媒體曝光"], v_self_harm: ["self-harm", "自伤风险", "自傷風險"],
  v_vulnerable: ["vulnerable person", "弱势群体", "弱勢群體"], v_fraud: ["fraud", "欺诈", "詐欺"], v_privacy: ["privacy", "隐私", "隱私"],
  v_violence: ["violence", "暴力", "暴力"],
  v_new: ["new", "新", "新"], v_returning: ["returning", "老客户", "舊客戶"], v_vip: ["VIP", "VIP", "VIP"],
  v_waiting_bot: ["with the bot", "机器人处理中", "機器人處理中"], v_waiting_agent: ["waiting for a person", "等待人工", "等待人工"],
  v_waiting_customer: ["waiting for the customer", "等待客户", "等待客戶"], v_resolved: ["resolved", "已解决", "已解決"],
  v_closed: ["closed", "已办结", "已辦結"], v_withdrawn: ["withdrawn", "已撤诉", "已撤訴"],
  v_answered: ["answered", "已答复", "已答覆"], v_solved: ["solved", "已解决", "已解決"], v_not_solved: ["not solved", "未解决", "未解決"],
  v_abandoned: ["abandoned", "客户放弃", "客戶放棄"], v_duplicate: ["duplicate", "重复", "重複"], v_not_a_complaint: ["not a complaint", "非投诉", "非投訴"],
  v_urgency: ["urgency", "紧急", "緊急"], v_risk: ["risk", "有风险", "有風險"], v_doubt: ["doubt", "拿不准", "不確定"],
  v_call: ["call", "来电", "來電"],
  v_misses: ["not understood", "未听懂", "未聽懂"], v_failure: ["failure", "故障", "故障"], v_not_helped: ["not helped", "未解决", "未解決"],
  v_entry: ["knowledge entry", "知识条目", "知識條目"],
  v_en: ["English", "英语", "英語"], v_zh: ["Chinese", "中文", "中文"], "v_zh-Hans": ["Simplified Chinese", "简体中文", "簡體中文"],
  "v_zh-Hant": ["Traditional Chinese", "繁体中文", "繁體中文"], v_yue: ["Cantonese", "粤语", "粵語"],
  v_webchat: ["web chat", "网页聊天", "網頁聊天"], v_email: ["e-mail", "邮件", "電子郵件"], v_api: ["API", "API", "API"],
  v_phone: ["phone", "电话", "電話"], v_counter: ["counter", "柜台", "櫃檯"], v_letter: ["letter", "信函", "信函"],

  // journal verbs
  j_opened: ["opened", "受理登记", "受理登記"], j_revised: ["record revised", "投诉单更新", "投訴單更新"],
  j_handed_off: ["handed to a person", "转人工", "轉人工"], j_handed_back: ["handed back", "转回", "轉回"],
  j_linked_repeat: ["linked as a repeat", "关联为重复投诉", "關聯為重複投訴"], j_linked_incident: ["joined to an incident", "归入关联事件", "歸入關聯事件"],
  j_unlinked_repeat: ["said it is no repeat", "认定并非重复", "認定並非重複"], j_unlinked_incident: ["taken out of the incident", "移出关联事件", "移出關聯事件"],
  j_revealed: ["looked at covered numbers", "查看了被遮盖的号码", "查看了被遮蔽的號碼"],
  j_claimed: ["claimed", "认领", "認領"], j_wrote: ["wrote a reply", "撰写回复", "撰寫回覆"], j_replied: ["replied", "已回复", "已回覆"],
  j_closed: ["closed", "办结", "辦結"], j_reopened: ["reopened", "重新打开", "重新開啟"], j_corrected: ["corrected by hand", "人工更正", "人工更正"],
  j_lease_ended: ["back in the queue, nothing was done", "长时间未处理，退回队列", "長時間未處理，退回佇列"],
  system: ["System", "系统", "系統"],

  // administration
  a_dead: ["Dead letters", "死信", "死信"],
  a_unknown: ["Fate unknown", "结果未知", "結果未知"],
  a_held: ["Held messages", "搁置的消息", "擱置的訊息"],
  a_quarantine: ["Quarantine", "隔离区", "隔離區"],
  a_agents: ["Agents", "坐席", "客服人員"],
  a_replay: ["Replay", "重放", "重放"],
  a_replay_all: ["Replay all shown", "全部重放", "全部重放"],
  a_drop: ["Drop", "丢弃", "捨棄"],
  a_nothing: ["Nothing here.", "这里是空的。", "這裡是空的。"],
  a_replayed: ["{0} replayed", "已重放 {0} 条", "已重放 {0} 則"],
  a_add: ["Add an agent", "添加坐席", "新增客服人員"],
  a_name: ["Name", "姓名", "姓名"],
  a_role: ["Role", "角色", "角色"],
  a_skills: ["Skills (comma)", "技能（逗号分隔）", "技能（逗號分隔）"],
  a_active: ["active", "启用", "啟用"],
  a_off: ["disabled", "停用", "停用"],
  a_disable: ["Disable", "停用", "停用"],
  a_enable: ["Enable", "启用", "啟用"],
  a_link: ["Login link", "登录链接", "登入連結"],
  a_link_text: ["Give this link to {0}. It works once, within an hour.", "请将此链接交给 {0}，一小时内有效，仅可使用一次。", "請將此連結交給 {0}，一小時內有效，僅可使用一次。"],
  a_copy: ["Copy", "复制", "複製"],
  a_copied: ["Copied.", "已复制。", "已複製。"],
  r_agent: ["agent", "坐席", "客服"], r_lead: ["lead", "组长", "組長"], r_admin: ["administrator", "管理员", "管理員"],

  // shortcuts
  k_move: ["next / previous conversation", "下一个 / 上一个会话", "下一個 / 上一個會話"],
  k_open: ["open it", "打开会话", "開啟會話"],
  k_claim: ["claim", "认领", "認領"],
  k_reply: ["reply", "回复", "回覆"],
  k_note: ["internal note", "内部备注", "內部備註"],
  k_send: ["send", "发送", "傳送"],
  k_hand_back: ["hand back", "转回", "轉回"],
  k_close: ["close the case", "办结", "辦結"],
  k_record: ["go to the record", "查看投诉单", "檢視投訴單"],
  k_search: ["search", "搜索", "搜尋"],
  k_views: ["views", "切换视图", "切換檢視"],
  k_help: ["this help", "本帮助", "本說明"],
  k_escape: ["back to the list", "回到列表", "回到清單"],

  // errors
  e_taken_by: ["{0} has taken this over. Nothing was sent.", "{0} 已接管该会话，内容未发送。", "{0} 已接管該會話，內容未傳送。"],
  e_taken_bot: ["The bot has this conversation now. Claim it first; nothing was sent.", "该会话现由机器人接待。请先认领；内容未发送。", "該會話現由機器人接待。請先認領；內容未傳送。"],
  e_taken_queue: ["It is back in the queue. Claim it first; nothing was sent.", "该会话已回到队列。请先认领；内容未发送。", "該會話已回到佇列。請先認領；內容未傳送。"],
  e_changed: ["The case has changed in the meantime. Look again and repeat.", "投诉单刚刚有变化，请查看后重试。", "投訴單剛剛有變動，請查看後重試。"],
  e_offline: ["The server cannot be reached. Nothing is lost: your text is still here.", "无法连接服务器。内容未丢失，仍在输入框中。", "無法連線伺服器。內容未遺失，仍在輸入框中。"],
  e_forbidden: ["You may not do this.", "您没有权限。", "您沒有權限。"],
  e_csrf: ["The page is out of date. Load it again.", "页面已过期，请刷新。", "頁面已過期，請重新整理。"],
  e_weak: ["The password is too short.", "密码太短。", "密碼太短。"],
  e_login_taken: ["Another account has this login.", "该账号已被使用。", "該帳號已被使用。"],
  e_self: ["You cannot take your own rights away.", "不能取消自己的权限。", "不能取消自己的權限。"],
  e_other: ["That did not work: {0}", "操作失败：{0}", "操作失敗：{0}"],
  done_closed: ["Case closed.", "已办结。", "已辦結。"],
  done_note: ["Note saved.", "备注已保存。", "備註已儲存。"],
  done_corrected: ["Corrected.", "已更正。", "已更正。"],
};

let chosen = load("allears-desk-language", "") || guess();

function guess() {
  for (const tag of navigator.languages ?? [navigator.language]) {
    const low = tag.toLowerCase();
    if (/^zh-(hant|tw|hk|mo)/.test(low)) return "zh-Hant";
    if (low.startsWith("zh")) return "zh-Hans";
    if (low.startsWith("en")) return "en";
  }
  return "en";
}

export const language = () => chosen;
export const languages = LANGUAGES;

export function speak(tag) {
  chosen = tag;
  keep("allears-desk-language", tag);
  apply();
}

export function apply() {
  document.documentElement.lang = chosen;
  document.querySelectorAll("[data-t-label]").forEach((el) => el.setAttribute("aria-label", t(el.dataset.tLabel)));
}

export const has = (key) => key in WORDS;

export function t(key, ...values) {
  const words = WORDS[key];
  if (!words) return key;
  return words[LANGUAGES.indexOf(chosen)].replace(/\{(\d)\}/g, (_, n) => values[n] ?? "");
}

// A code's label, or the code made readable.
export function value(code, labels = {}) {
  const text = String(code);
  if (labels[text]) return labels[text][chosen] ?? labels[text].en ?? text;
  return has(`v_${text}`) ? t(`v_${text}`) : text.replaceAll("_", " ").replaceAll("/", " › ");
}

// What an error of the server means, in the page's language.
export function sorry(problem) {
  const { code, body = {} } = problem;
  if (code === "taken") {
    if (body.owner === "bot") return t("e_taken_bot");
    return body.owner ? t("e_taken_by", body.by || body.owner) : t("e_taken_queue");
  }
  return has(`e_${code}`) ? t(`e_${code}`) : t("e_other", problem.message);
}
