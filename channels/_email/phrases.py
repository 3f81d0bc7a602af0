"""The words by which mail programs mark quoted history, forwards and their own advertisement, by language.

Only words: what must stand around them to count is decided in :mod:`channels._email.quote`.
"""

from __future__ import annotations

import re

#: Header labels of quoted mails and the header they stand for.
_LABELS = {
    "from": "From|发件人|寄件者|寄件人|发送人|Von|De|Da|Van|Fra|Från|Od|От|От кого|Lähettäjä|差出人|送信元|送信者|보낸사람|보낸 사람|"
    "Expéditeur|Remitente|Mittente|Afzender|Avsändare|Nadawca|Отправитель|Kimden|Từ|Feladó|Absender|De la",
    "sent": "Sent|Date|Sent at|Sent on|发送时间|发送日期|发件时间|寄件時間|寄送日期|发送於|寄件日期|傳送時間|傳送日期|日期|时间|時間|Gesendet|Gesendet am|Datum|Envoyé|Envoyé le|"
    "Date d.envoi|Enviado|Enviado el|Enviada em|Enviado em|Fecha|Inviato|Data|Data invio|Verzonden|Sendt|Dato|Skickat|Skickat den|"
    "Wysłano|Wysłane|Data wysłania|Отправлено|Дата|Odesláno|Lähetetty|Päiväys|Päivämäärä|送信日時|日時|보낸 날짜|보낸날짜|날짜|Tarih|Elküldve|Gönderildi|Ngày",
    "to": "To|收件人|收件者|An|À|A|Para|Aan|Til|Till|Do|Кому|Komu|Vastaanottaja|宛先|받는사람|받는 사람|Destinataire|Destinatario|Ontvanger|"
    "Kime|Címzett|Đến|Empfänger",
    "cc": "Cc|Bcc|抄送|密送|副本|抄送人|Kopie|Copie|Copia|Kopi|Kopia|Копия|Kopio|DW|참조|同报|CC to|Reply-To|回复|Ответить",
    "subject": "Subject|主题|主旨|主\\s*题|主\\s*旨|标题|Betreff|Objet|Asunto|Oggetto|Assunto|Onderwerp|Emne|Ämne|Temat|Тема|Předmět|Aihe|件名|제목|"
    "Konu|Tárgy|Chủ đề|Re|Subiect|Priority|Importance|Wichtigkeit|Priorität|重要性|优先级",
}
_ANY = {role: re.compile(rf"(?:{words})", re.I) for role, words in _LABELS.items()}
_LABEL = re.compile(
    r"^[>\s|*_]*(?:"
    + "|".join(f"(?P<{role}>{words})" for role, words in _LABELS.items())
    + r")(?:[\s*_|]|&nbsp;)*(?:[:：]|\|\s)[*_]*",
    re.I,
)


def role(line: str) -> str:
    """Which header of a quoted mail a line is (``from``, ``sent``, ``to``, ``cc``, ``subject``), or empty."""
    found = _LABEL.match(line[:120].replace("\u3000", " "))
    return found.lastgroup or "" if found else ""


_ORIGINAL = (
    "原始邮件|原始郵件|邮件原文|郵件原文|原邮件内容|邮件原件|郵件原件|回复的原邮件|回復的原郵件|原邮件|原始信息|原始訊息|Original Message|Original Mail|Original E-?mail|Original Email|"
    "Original Appointment|Reply message|Reply Message|Quoted message|Ursprüngliche Nachricht|Urspr.{1,4}ngliche Nachricht|Original-?Nachricht|"
    "Original Nachricht|Originalnachricht|Antwort Nachricht|Ursprüngliche E-?Mail|Message d.origine|Message original|Message initial|Mensaje original|"
    "Messaggio originale|Mensagem original|Oorspronkelijk bericht|Origineel bericht|Oprindelig meddelelse|Oprindelig besked|Oprindelig mail|"
    "Originalmeddelelse|Opprinnelig melding|Ursprungligt meddelande|Originalmeddelande|Wiadomość oryginalna|Oryginalna wiadomość|"
    "Исходное сообщение|Пересылаемое сообщение|Původní zpráva|Alkuperäinen viesti|Alkuperäinen sähköposti|元のメッセージ|Original|원본 메일|원본 메시지|Orijinal Mesaj|"
    "Eredeti üzenet|Thư gốc|Mesaj original"
)
#: The bare heading that some programs put above the headers of what they quote.
HEADING = re.compile(rf"^[>\s*]*(?:{_ORIGINAL})[\s*:：]*$", re.I)
_FORWARDED = (
    "转发的邮件|轉寄的郵件|转发邮件信息|转发邮件|轉寄郵件|已转发邮件|转发的消息|转发信息|Forwarded Message|Forwarded mail|Forwarded by.{0,60}|Forward message|Forwarded|"
    "Weitergeleitete Nachricht|Weitergeleitet von.{0,60}|Message transféré|Message transmis|Mensaje reenviado|Messaggio inoltrato|"
    "Mensagem encaminhada|Doorgestuurd bericht|Videresendt meddelelse|Videresendt besked|Videresendt melding|Vidarebefordrat meddelande|"
    "Wiadomość przekazana|Przekazana wiadomość|Пересланное сообщение|Přeposlaná zpráva|Välitetty viesti|転送メッセージ|転送されたメッセージ|전달된 메일"
)
_FRAME = r"[-_=—–─━*~]"
ORIGINAL = re.compile(rf"^[>\s]*{_FRAME}{{2,}}\s*(?:{_ORIGINAL})\s*(?:[^\n]{{0,40}}?{_FRAME}{{2,}})?\s*$", re.I)
FORWARDED = re.compile(
    rf"^[>\s]*(?:{_FRAME}{{2,}}\s*(?:{_FORWARDED})\s*[^\n]{{0,40}}?{_FRAME}{{2,}}|"
    r"Begin forwarded message\s*[:：]?|开始转发的邮件\s*[:：]|開始轉寄郵件\s*[:：]|开始转发邮件\s*[:：]|Anfang der weitergeleiteten Nachricht\s*:|Début du message (?:transféré|réexpédié)\s*:|"
    r"Inicio del mensaje reenviado\s*:|Inizio messaggio inoltrato\s*:|Início da mensagem (?:reencaminhada|encaminhada)\s*:|"
    r"Begin doorgestuurd bericht\s*:|Vidarebefordrat brev\s*:|Videresendt besked\s*:|Начало переадресованного сообщения\s*:|転送されたメッセージ\s*[:：])\s*$",
    re.I,
)
#: The line that a service desk asks people to write above, ours among them.
ABOVE = re.compile(
    r"^[>\s]*(?:##-\s?.{0,80}\s?-##|[-=—–_#*\s]{0,12}(?:please\s)?(?:reply|write|type your reply|respond)\s(?:above|over) this line\b.{0,60}|"
    r"[-=—–_#*\s]{0,12}(?:请在此线(?:以上|上方)|請在此線(?:以上|上方)|请在这条线以上|在此行上方|請在此行上方)(?:回复|回覆|答复)?.{0,40}|"
    r"[-=—–_#*\s]{0,12}(?:Bitte über dieser Linie antworten|Répondez au-dessus de cette ligne|Responda por encima de esta línea).{0,60})\s*$",
    re.I,
)
FORWARD_SUBJECT = re.compile(
    r"^\s*(?:\[[^\]]{1,40}\]\s*)?(?:fwd?|转发|轉寄|轉發|wg|tr|rv|enc|inoltro|doorst|vl|vb|pd|fs|転送)\s*[:：]", re.I
)

#: "wrote", wherever it may stand in the line above a quote.
VERB = re.compile(
    r"写道|寫道|写到|編寫|撰寫|wrote|writes|\bsent\b|schrieb|a écrit|écrit|escribió|escribio|ha scritto|scritto|escreveu|skrev|"
    r"napisał(?:\(a\)|a)?|pisze|schreef|geschreven|написал(?:\(а\)|а)?|пишет|писал(?:\(а\))?|kirjoitti|napsal(?:\(a\)|a)?|írta|"
    r"のメール|書きました|写书|작성|đã viết|yazdı|a scris|rakstīja",
    re.I,
)
#: How such a line begins: a word of its language, a day, or a date.
INTRO = re.compile(
    r"^[>\s*\-—_]*(?:On\b|At\b|Am\b|Le\b|El\b|Il\b|Em\b|Op\b|Den\b|Dnia\b|W dniu\b|På\b|Vào\b|Na\b|Dne\b|Ma\b|In (?:data|a message)\b|Quoting\b|"
    r"在|于|於|\d{1,4}\s*[-/.年 ]|(?:mon|tue|wed|thu|fri|sat|sun|lun|mar|mer|mié|jeu|jue|gio|ven|vie|sam|sáb|sab|dim|dom|mo|di|mi|do|fr|sa|so|seg|ter|qua|qui|sex|wo|vr|za|zo|man|mån|tir|tis|ons|tor|fre|lør|lör|søn|sön|пн|вт|ср|чт|пт|сб|вс|пон|вто|сре|чет|пят|суб|вос|ma|ti|ke|to|pe|la|su|pon|wt|śr|śro|czw|pt|pią|sob|niedz|út|stř|čt|pá|ned|hét|pzt|sal|çar)\w{0,10}[.,]*\s|"
    r"\"?[^<>@\n]{1,80}<[^<>\s]+@[^<>\s]+>\s*(?:\([^)]{0,80}\))?\s*(?:于|於|在|on|am|le|schrieb|wrote|написал|writes)|"
    r"[^\n]{0,40}?\d{1,2}[:.]\d{2}[^\n]{0,60}<[^<>\s]+@)",
    re.I,
)
DATE = re.compile(
    r"(?:19|20)\d{2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{1,2}[:：.h]\d{2}\b|\d{1,2}点\d{2}|"
    r"\b(?:mon|tue|wed|thu|fri|sat|sun)\w{0,6},?\s+\w{3,9}\.?\s+\d{1,2}\b",
    re.I,
)
ADDRESS = re.compile(r"[^\s<>()\"',;:]+@[^\s<>()\"',;:]+")

#: What mail programs and phones add under a mail.
MOBILE = re.compile(
    r"^[\s<(\[]*(?:(?:发自|發自|来自|來自|发送自|發送自|由)\s*(?:我的|企业微信|钉钉|釘釘|飞书|网易|QQ|Outlook|Foxmail|.{0,16}(?:手机|手機|iPhone|iPad|客户端|客戶端|邮箱|郵箱|邮件|App|版|Mail|Android|鸿蒙|平板|大师)).{0,30}|"
    r"[從从]我的\s*\S.{0,20}(?:傳送|发送|寄出)|(?:获取|取得|下載|下载)\s*Outlook.{0,60}|.{0,8}签名由\s*网易.{0,16}|签名由.{0,20}定制|使用.{0,20}(?:发送|客户端).{0,6}|"
    r"Sent (?:from|via|on|using) (?:my|an?|the)(?:\s[\w'’()./&-]+){1,8}!?|Sent (?:from|via|with|by|using) (?:(?-i:Mail)|Outlook|Yahoo|AOL|Samsung|Gmail|iPhone|iPad|Android|Mailbox|BlackBerry|Proton|Windows|Acompli|Huawei|Xiaomi|myMail|Spark|Nine|TypeApp|Blue|the all new AOL|a mobile|an? \w+ (?:phone|device))\b.{0,80}|"
    r"Sent wirelessly .{0,100}|(?:sent (?:from|via|by|with)|from my) (?:[\w+-]+ ){0,5}?(?:iPhone|iPad|iPod|phone|BlackBerry|Android|smartphone|mobile|cell|tablet|galaxy|HTC|device|Airmail|Outlook|Windows \d+ PC)\b[\w\s()-]{0,16}(?:<\S+>)?(?:[,. ]+(?:please )?excuse .{0,40})?|Get(?: the)? Outlook for.{0,80}|Get BlueMail.{0,60}|Download .{0,30} for (?:iOS|Android).{0,40}|Yahoo Mail[: ].{0,60}|"
    r"(?:Diese Nachricht wurde )?von mein\w{0,2} .{0,40}(?:gesendet|verschickt)\W*|Gesendet (?:von|mit|über|aus) .{0,60}|"
    r"Envoyé (?:de(?:puis)? mon|à partir de|sans fil|avec|depuis) .{0,100}|Télécharge[rz] Outlook.{0,60}|Provenance\s*:\s*Courrier.{0,40}|"
    r"Enviado (?:desde|do|a partir do|pelo|con|via|del?) .{0,80}|Obtener Outlook.{0,60}|Obter (?:o )?Outlook.{0,60}|Inviato (?:da|dal|con) .{0,60}|Scarica Outlook.{0,60}|Ottieni Outlook.{0,60}|"
    r"Verzonden (?:vanaf|met|vanuit) .{0,60}|(?:Outlook voor|Download Outlook).{0,60}|Wysłan[eo] (?:z|za pomocą) .{0,60}|Pobierz (?:program )?Outlook.{0,60}|Skickat från .{0,60}|Hämta Outlook.{0,60}|"
    r"Sendt fra .{0,60}|Hent Outlook.{0,60}|Få Outlook.{0,60}|Lähetetty .{0,60}(?:iPhone|Android|laite|puhelim|Windows|Mail).{0,40}|Hanki Outlook.{0,60}|"
    r"Отправлено (?:с|из|от) .{0,60}|Odesláno z .{0,60}|.{1,20}から送信|나의 .{0,20}에서 보냄|iPhone'?dan gönderildi)[\s>)\]]*$",
    re.I,
)
#: A drawn line.
RULE = re.compile(r"^[>\s]*[_\-=—–─*~#]{5,}\s*$")
#: A line that only takes leave. Chinese closings stay: the name and the number under them often matter.
CLOSING = re.compile(
    r"^\s*(?:(?:(?:with )?(?:best|kind|kindest|warm|warmest|many)\s+)?regards|best(?: wishes)?|(?:yours )?(?:sincerely|truly|faithfully)(?: yours)?|yours|cheers|"
    r"thanks(?: (?:and regards|again|in advance|& regards))?|thank you|many thanks|mit freundlichen? gr(?:ü|ue)(?:ß|ss)en?|(?:viele|beste|liebe|schöne) gr(?:ü|ue)(?:ß|ss)e|mfg|lg|vg|"
    r"cordialement|bien cordialement|cdlt|salutations|bien à vous|(?:un )?saludos?(?: cordiales)?|atentamente|un saludo|atenciosamente|obrigad[oa]|cordiali saluti|distinti saluti|saluti|"
    r"met vriendelijke groet(?:en)?|mvg|groet(?:en|jes)?|venlig hilsen|med venlig hilsen|mvh|hilsen|med vänlig(?:a)? hälsning(?:ar)?|hälsningar|ystävällisin terveisin|terveisin|"
    r"pozdrawiam|z poważaniem|с уважением|s pozdravem)\s*[,.!:]?\s*\W{0,4}$",
    re.I,
)
#: The lawyers' notice under a company's mail.
LEGAL = re.compile(
    r"(?:e-?mail|message|mail|nachricht|courriel|mensaje|messaggio|邮件|郵件|bericht|wiadomość|mensagem).{0,160}"
    r"(?:confidential|privileged|intended (?:solely|only|recipient)|vertraulich|confidentiel|confidencial|riservat|vertrouwelijk|poufn|保密|机密|機密)",
    re.I,
)
