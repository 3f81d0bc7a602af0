"""Who wrote this: a person or a machine, and may we answer by ourselves (RFC 3834, 5965, 3464, 2919).

Two questions, kept apart. The *kind* decides whether a mail is a complaint at all and errs towards the
person. *Silence* decides about automatic answers and errs towards saying nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, timedelta

from channels._email import words
from channels._email.mail import Address, Kind, Mail
from channels._email.mime import Headers, Tree

_ROBOT = re.compile(
    r"^(?:mailer-?daemon|post[-_]?master|mail-?daemon|maildaemon|mdaemon|double-bounce|bounces?(?:[+=-].*)?|.*[+=-]bounces?(?:[+=-].*)?|no-?_?\.?reply.*|do-?_?not-?_?reply.*|donotreply.*|"
    r"notifications?|daemon|nobody|listserv|majordomo|mailman|owner-.*|.*-(?:request|owner)|auto-?(?:reply|responder|mailer).*|mail-?delivery.*|系统管理员)$",
    re.I,
)
_DAEMON = re.compile(
    r"mailer[-_ ]?daemon|mail[-_ ]?deliver|post[-_]?master|maildaemon|mdaemon|mail administrator|mail system|mail delivery|delivery (?:subsystem|system|service|notice)|mailerdaemon|internet mail|"
    r"系统退信|系統退信|邮件系统|microsoft outlook|smtp daemon|mail router",
    re.I,
)
_BOUNCE_SUBJECT = re.compile(
    r"undeliver|non ?-?delivery|not delivered|returned (?:e?-?mail|to sender|message)|mail returned|mail delivery (?:fail|status|error|problem|subsystem|system)|delivery (?:status )?(?:notification|failure|failed|problem|report|has failed|delayed|error|incomplete)|"
    r"(?:delivery|mail|message) (?:status|fail|error|delay)|failure notice|failure delivery|couldn.t be delivered|could not (?:be )?(?:deliver|send)|(?:message|mail) (?:you sent )?(?:blocked|rejected|bounced|expired)|unzustellbar|nicht zugestellt|unable to deliver|"
    r"zustellung|übermittlungsstatus|échec|non remis|avis de non|no se (?:ha )?(?:pudo|podido)|non recapitat|impossibile recapitare|olevererbart|kunne ikke leveres|niet bezorgd|onbestelbaar|não entregue|"
    r"не доставлено|недоставлен|退信|退件|投递失败|投遞失敗|无法投递|無法傳遞|无法送达|邮件未送达|mail system error|failed delivery|delivery of .{1,80}failed|could not (?:be )?send|error sending your|送信エラー|エラーメール|宛先不明|配信.{0,8}失敗|送信.{0,8}失敗|エラー通知|不達|配信不能|配信できません|rejected:|warning: could not|warning: message|considered unsolicited|user unknown|"
    r"no such user|mailbox (?:full|unavailable)|\bdsn\b|\bndn\b|\bndr\b",
    re.I,
)
_BOUNCE_TEXT = re.compile(
    r"(?:could|can)(?:\s+not|not|'t|n't)\s+(?:be\s+)?(?:deliver|sent)|undeliverable|not delivered|unable to deliver|delivery (?:to the following|has failed|failed|failure|attempt)|permanent (?:fatal )?error|fatal errors|"
    r"(?:following|these) (?:address|recipient|destination)s?|user unknown|unknown user|no such (?:user|mailbox|address|person)|mailbox (?:is )?(?:full|unavailable|not found)|does(?:n't| not) (?:exist|have an? )|over quota|host unknown|"
    r"returned (?:to (?:sender|you)|mail|message)|returning (?:your|the) (?:mail|message)|original message (?:follows|headers)|message was (?:not delivered|rejected|undeliverable|created automatically)|transcript of session|"
    r"retry time|rejected (?:by|your)|was not accepted|bounced|nicht zugestellt|konnte nicht|n'a pas pu|non è stato possibile|no se pudo|无法投递|無法|无法送达|退回|投递失败|不存在|拒收|配信でき|送信できません|送信できませんでした|宛先",
    re.I,
)
_CODE = re.compile(
    r"(?<![\d.])[45]\.\d{1,2}\.\d{1,3}(?![\d.])|(?<!\d)(?:SMTP|code|error|said|returned|:|<<<)\s*:?\s*[45][0-5]\d\b|\b5[05]\d[ -]\S",
    re.I,
)
_AUTO_SUBJECT = re.compile(
    r"^\s*(?:re:\s*|aw:\s*|sv:\s*|回复[:：]\s*)?(?:you \S{1,80} are not (?:a )?member|auto\s*:|\[?auto(?:[- ]?(?:matic|mated))?[ -]?(?:reply|response|respond|antwort|svar)\w*|automatisch\w* (?:antwort|abwesenheit)\w*|automatisk(?:t)? (?:svar|besked)|out[ -]of[ -](?:the )?office|"
    r"ooo\b|i am (?:currently )?out of|on vacation|vacation (?:reply|response|message)|away from (?:my|the) (?:mail|desk|office)|abwesenheits|abwesend|réponse automatique|absence du bureau|respuesta autom|fuera de (?:la )?oficina|"
    r"risposta automatica|fuori (?:sede|ufficio)|resposta autom|automatisch(?:e)? (?:antwoord|reactie)|afwezig|frånvaro|poissa|autoreply|automaattinen|autosvar|autoodpowiedź|автоответ|automatická odpověď|"
    r"自动回复|自动答复|自動回覆|自動回復|自動返信|自动应答|外出自动|休假自动|不在办公室|자동 ?(?:회신|응답|답장)|부재중)",
    re.I,
)


def kind(tree: Tree, text: str, own: Collection[str] = ()) -> tuple[Kind, str]:
    """The kind and what decided it. ``text`` is the readable text, ``own`` our addresses (lower case)."""
    headers = tree.headers
    types = {part.type for part in tree.parts}
    report = words.header(headers.first("content-type")).lower()
    if "message/feedback-report" in types or "feedback-report" in report or _is_complaint_feed(tree, headers):
        return "feedback_report", "feedback report"
    if "message/disposition-notification" in types or "disposition-notification" in report:
        return "auto_reply", "read receipt"
    notice = _NOTICE.search(text[:20_000])
    if notice:  # Amazon SES tells of bounces in JSON
        return (
            ("bounce", "notification")
            if notice.group(1).lower() != "complaint"
            else ("feedback_report", "notification")
        )
    reason = _bounce(tree, types, report, text)
    if reason:
        return "bounce", reason
    reason = _auto(headers)
    if reason:
        return "auto_reply", reason
    if _from_list(headers, own):
        return "list", "list headers"
    return "human", ""


def _is_complaint_feed(tree: Tree, headers: Headers) -> bool:
    """Providers whose abuse reports carry no report part, only their own field."""
    if "x-apple-unsubscribe" in headers or "feedback-type" in headers:
        return True
    return any(
        b"x-hmxmroriginalrecipient:" in part.body[:4000].lower() for part in tree.parts if part.type == "message/rfc822"
    )


def _bounce(tree: Tree, types: set[str], report: str, text: str) -> str:
    headers = tree.headers
    if "x-failed-recipients" in headers:
        return "x-failed-recipients"
    if any(t.endswith("/delivery-status") or t == "message/global-delivery-status" for t in types):
        return "delivery status part"
    if "multipart/report" in report and ("delivery" in report or not _auto_submitted(headers)):
        return "multipart/report"
    if any(name in headers for name in ("x-postfix-queue-id", "x-mailer-daemon", "x-bounce-id")) and _daemon(headers):
        return "daemon"
    subject = headers.text("subject")
    said = text[:30_000]
    machine = _daemon(headers) or _empty_path(headers)
    proof = (
        bool(_BOUNCE_TEXT.search(said))
        + bool(_CODE.search(said))
        + bool(types & {"message/rfc822", "text/rfc822-headers"} or _RETURNED.search(said))
    )
    signs = (
        proof
        + 2 * _daemon(headers)
        + 2 * bool(_BOUNCE_SUBJECT.search(subject))
        + _empty_path(headers)
        + (_robot(headers) and not _daemon(headers))
        - 2 * bool(_AUTO_SUBJECT.match(subject))
        - 2 * ("list-id" in headers)
        - (not _daemon(headers) and bool(re.match(r"(?i)\s*(?:re|aw|sv|fwd?|wg|回复|答复|转发)\s*[:：]", subject)))
    )
    # A person may forward a returned mail or ask about one: only a machine's sender makes the signs a report.
    enough = signs >= 4 if machine else _robot(headers) and signs >= 5
    return f"signs {signs}" if enough and proof else ""


_NOTICE = re.compile(r"\"(?:notification|event)Type\\?\"\s*:\s*\\?\"(Bounce|Delivery|Complaint)\\?\"", re.I)
_RETURNED = re.compile(
    r"(?im)^[>|\s]{0,4}(?:received: from|return-path: ?<|message-id: ?<|-{2,} ?(?:this is a copy|original message|returned|the header|undelivered|below this line|transcript))"
)


def _daemon(headers: Headers) -> bool:
    sender = words.header(headers.first("from"))
    return bool(_DAEMON.search(sender)) or not sender.strip() or sender.strip() == "<>"


def _robot(headers: Headers) -> bool:
    found = re.search(r"([\w.+=-]+)@", headers.text("from"))
    return bool(found and _ROBOT.match(found.group(1)))


def _empty_path(headers: Headers) -> bool:
    return any(
        path.strip().lower() in ("<>", "", "<mailer-daemon>", "mailer-daemon") for path in headers.texts("return-path")
    )


def _auto_submitted(headers: Headers) -> str:
    values = [value.split(";")[0].split("(")[0].strip().lower() for value in headers.texts("auto-submitted")]
    return next((value for value in values if value and value != "no"), "")


def _auto(headers: Headers) -> str:
    """The sign of an automatic reply. ``auto-generated`` alone is none: contact forms send people's words so."""
    submitted = _auto_submitted(headers)
    if submitted and submitted != "auto-generated":
        return f"auto-submitted {submitted[:20]}"
    subject = headers.text("subject")
    answers = bool(
        headers.first("in-reply-to")
        or headers.first("references")
        or re.match(r"(?i)\s*(?:re|aw|sv|回复)\s*[:：]", subject)
    )
    for name in (
        "x-autoreply",
        "x-autorespond",
        "x-autoresponder",
        "x-auto-reply",
        "x-mail-autoreply",
        "x-autoreply-from",
        "x-amazon-auto-reply",
        "x-vacation",
        "x-apple-action",
    ):
        if name in headers and headers.text(name).lower() not in ("no", "false", "0"):
            return name
    if _precedence(headers) & {"auto_reply", "auto-reply"}:
        return "precedence"
    suppress = set(re.split(r"[,;\s]+", " ".join(headers.texts("x-auto-response-suppress")).lower())) & {
        "all",
        "oof",
        "autoreply",
    }
    if _AUTO_SUBJECT.match(subject):
        return "subject"
    if suppress and "x-ms-exchange-inbox-rules-loop" in headers:
        return "exchange rule"
    if submitted and (answers or suppress) and not _form(headers):
        return "auto-generated answer"
    return ""


def _form(headers: Headers) -> bool:
    """A web form: the visitor stands in Reply-To, the site's own robot in From."""
    reply, sender = headers.text("reply-to"), headers.text("from")
    return "@" in reply and reply.rpartition("@")[2].strip("> ") != sender.rpartition("@")[2].strip("> ")


def _precedence(headers: Headers) -> set[str]:
    return {value.strip().lower() for value in headers.texts("precedence")}


def _from_list(headers: Headers, own: Collection[str]) -> bool:
    """Sent to many: a list or a newsletter. Our own group address is a list too, and its mail is for us."""
    if any(_own_list(headers, address) for address in own):
        return False
    # A person who answers us or writes in a list that we read still says something to us.
    if "list-post" in headers and not _precedence(headers) & {"bulk", "junk"} and headers.first("in-reply-to"):
        return False
    return "list-id" in headers or bool(
        _precedence(headers) & {"bulk", "list", "junk"} and "list-unsubscribe" in headers
    )


def _own_list(headers: Headers, address: str) -> bool:
    dotted = address.lower().replace("@", ".")
    lines = " ".join(headers.texts("list-id") + headers.texts("list-post")).lower()
    return address.lower() in lines or dotted in lines


# --- silence ------------------------------------------------------------------------------------------

_MARKS = (
    "x-autoreply x-autorespond x-autoresponder x-auto-reply x-mail-autoreply x-autogenerated x-auto-generated x-loop x-fc-machinegenerated "
    "x-amazon-auto-reply x-cron-env x-failed-recipients x-postmaster-msgtype list-id list-post list-unsubscribe feedback-id"
).split()


def silent(tree: Tree, from_: Address, found: Kind) -> tuple[str, ...]:
    """Each reason in the mail itself that forbids an automatic answer."""
    headers = tree.headers
    reasons: list[str] = [found] if found != "human" else []
    if _empty_path(headers):
        reasons.append("null return-path")
    if _auto_submitted(headers):
        reasons.append("auto-submitted")
    if _precedence(headers) & {"bulk", "junk", "list", "auto_reply", "auto-reply"}:
        reasons.append("precedence")
    suppress = set(re.split(r"[,;\s]+", " ".join(headers.texts("x-auto-response-suppress")).lower()))
    if suppress & {"all", "oof", "autoreply"}:
        reasons.append("x-auto-response-suppress")
    reasons += [name for name in _MARKS if name in headers]
    if not from_.email:
        reasons.append("no sender")
    elif _ROBOT.match(from_.email.rpartition("@")[0]):
        reasons.append("robot address")
    if "multipart/report" in tree.type:
        reasons.append("report")
    return tuple(dict.fromkeys(reasons))


def may_answer(mail: Mail, own: Collection[str], now: datetime) -> tuple[str, ...]:
    """Why no automatic answer may go out; empty when one may. ``own`` are our addresses in lower case.

    The caps on how often one address, domain, conversation and mailbox is answered come on top of this.
    """
    reasons = list(mail.silent)
    if mail.from_.email.lower() in own:
        reasons.append("our own address")
    meant = {a.email.lower() for a in mail.to + mail.cc} | {address.lower() for address in mail.delivered_to}
    if not meant & set(own):
        reasons.append("not addressed to us")
    if mail.date is not None and now - mail.date > timedelta(days=5):
        reasons.append("old")
    if mail.unread:
        reasons.append("unread")
    return tuple(reasons)
