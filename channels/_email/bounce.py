"""Delivery reports: which mail came back, for whom and why (RFC 3464, and the free text of older servers)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import msgspec

from channels._email import ids, mime, words
from channels._email.mail import Action, Bounce, Recipient
from channels._email.mime import Headers, Part

_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY = re.compile(r"(?<![\d.-])([45][0-5]\d)[ -]")
_ADDRESS = re.compile(r"[\w.+=#&'*/-]+@[\w-]+(?:\.[\w-]+)+")
_ACTIONS: dict[str, Action] = {
    "failed": "failed",
    "failure": "failed",
    "fail": "failed",
    "expired": "failed",
    "delayed": "delayed",
    "delivered": "delivered",
    "relayed": "relayed",
    "expanded": "expanded",
}
_QUOTED_ID = re.compile(r"(?im)^[>\s]{0,6}message-id:\s*<([^>\s]+)>")
_QUOTED_REFS = re.compile(r"(?im)^[>\s]{0,6}(?:references|in-reply-to):((?:\s*<[^>\s]+>)+)")


def status_blocks(data: bytes) -> Iterator[Headers]:
    """The header blocks of a ``message/delivery-status`` or ``feedback-report`` part."""
    for block in re.split(rb"(?:\r?\n){2,}", data[:200_000])[:200]:
        tree = mime.parse(block.strip() + b"\n\n")
        if tree.headers.fields:
            yield tree.headers


def read(parts: list[Part], text: str, headers: Headers) -> Bounce:
    """The report in a mail that is a bounce or a spam report; ``text`` is its readable part, ``headers`` its own."""
    told = _notification(text)
    if told is not None:
        return told
    recipients = [r for part in parts if part.type.endswith("/delivery-status") for r in _reported(part)]
    recipients += [r for part in parts if part.type == "message/feedback-report" for r in _complained(part)]
    if not recipients:
        recipients = [
            r for part in parts if "delivery-status" in part.type or part.type == "text/plain" for r in _reported(part)
        ]
    if "x-apple-unsubscribe" in headers:  # Apple Mail writes in its owner's name
        recipients += [Recipient(email=e, action="complaint", reason="unsubscribe") for e in _senders(headers)]
    original = _original(parts)
    message_id = ids.one(original.first("message-id")) if original else ""
    references = ids.many(original.all("references") + original.all("in-reply-to")) if original else ()
    if not message_id:
        found = _QUOTED_ID.search(text)
        message_id = found.group(1) if found else ""
        more = _QUOTED_REFS.search(text)
        references = ids.many([more.group(1).encode()]) if more else references
    return Bounce(
        recipients=tuple(recipients[:100]) or _from_text(text, headers, original),
        message_id=message_id,
        references=references,
    )


def _reported(part: Part) -> Iterator[Recipient]:
    for block in status_blocks(part.data()):
        final = block.text("final-recipient") or block.text("original-recipient")
        action = re.match(r"[a-z]*", block.text("action").lower())
        if not final and not (action and action.group() in _ACTIONS):
            continue
        reason = block.text("diagnostic-code")
        status = _STATUS.search(block.text("status")) or _STATUS.search(reason)
        yield Recipient(
            email=final.partition(";")[2].strip(" <>") or final.strip(" <>"),
            action=_ACTIONS.get(action.group() if action else "", "failed"),
            status=status.group(1) if status else "",
            reason=re.sub(r"^\s*\w+\s*;\s*", "", reason)[:500],
        )


def _senders(headers: Headers) -> list[str]:
    return _ADDRESS.findall(headers.text("from"))[:1]


def _complained(part: Part) -> Iterator[Recipient]:
    """Who called a mail of ours what: ``abuse`` is the spam button (RFC 5965)."""
    for block in status_blocks(part.data()):
        what = re.sub(r"[^\w-]", "", block.text("feedback-type"))[:20]
        named = _ADDRESS.findall(" ".join(block.texts("original-rcpt-to")))
        if what and what.lower() != "not-spam":
            for email in named[:20] or [""]:
                yield Recipient(email=email, action="complaint", reason=what)


def _original(parts: list[Part]) -> Headers | None:
    """The headers of the mail that came back, when the report carries it."""
    for part in parts:
        if part.type in (
            "message/rfc822",
            "text/rfc822-headers",
            "message/rfc822-headers",
            "message/global",
            "message/partial",
        ):
            headers = mime.parse(part.data()).headers
            if "message-id" in headers or "from" in headers:
                return headers
    return None


def _notification(text: str) -> Bounce | None:
    """The JSON in which Amazon SES tells what became of a mail (its "notification contents" page)."""
    start = text.find("{")
    if start < 0 or not re.search(r"\"(?:notification|event)Type\"", text[:5000]):
        return None
    try:
        told = msgspec.convert(json.JSONDecoder().raw_decode(text[start:])[0], _Notification, strict=False)
    except (ValueError, RecursionError, msgspec.ValidationError):
        return None
    headers = {header.name.lower(): header.value for header in told.mail.headers}
    if told.bounce is None:
        done: Action = "delivered" if told.notificationType == "Delivery" else "failed"
        recipients = tuple(Recipient(email=email, action=done) for email in told.mail.destination)
    else:
        recipients = tuple(
            Recipient(
                email=r.emailAddress, action=_ACTIONS.get(r.action, "failed"), status=r.status, reason=r.diagnosticCode
            )
            for r in told.bounce.bouncedRecipients
        )
    return Bounce(recipients=recipients, message_id=headers.get("message-id", told.mail.messageId).strip("<> "))


class _Header(msgspec.Struct):
    name: str = ""
    value: str = ""


class _SentMail(msgspec.Struct):
    messageId: str = ""  # noqa: N815 - Amazon's names
    destination: list[str] = []
    headers: list[_Header] = []


class _Bounced(msgspec.Struct):
    emailAddress: str = ""  # noqa: N815
    action: str = "failed"
    status: str = ""
    diagnosticCode: str = ""  # noqa: N815


class _BounceTold(msgspec.Struct):
    bouncedRecipients: list[_Bounced] = []  # noqa: N815


class _Notification(msgspec.Struct):
    notificationType: str = ""  # noqa: N815
    mail: _SentMail = msgspec.field(default_factory=_SentMail)
    bounce: _BounceTold | None = None


_GONE = re.compile(
    r"delay|will (?:be )?retr|still trying|not yet been delivered|延迟|延遲|暂时无法|稍后重试|no action is required",
    re.I,
)


def _from_text(text: str, headers: Headers, original: Headers | None) -> tuple[Recipient, ...]:
    """One recipient read off the free text: the address it names, a status, and the line that says why."""
    named = [a for value in headers.texts("x-failed-recipients") for a in _ADDRESS.findall(value)]
    if not named and original is not None:
        named = _ADDRESS.findall(words.header(original.first("to")))[:1]
    if not named:
        named = [a for a in _ADDRESS.findall(text[:20_000]) if not re.match(r"(?i)postmaster@|mailer-daemon@", a)][:1]
    status = _STATUS.search(text[:20_000]) or _REPLY.search(text[:20_000])
    line = next((row.strip() for row in text[:20_000].splitlines() if status and status.group(1) in row), "")
    delayed = bool(_GONE.search(headers.text("subject") + "\n" + text[:1500])) and not (
        status and status.group(1).startswith("5")
    )
    code = status.group(1) if status else ""
    return tuple(
        Recipient(email=email, action="delayed" if delayed else "failed", status=code, reason=line[:500])
        for email in named[:20]
    )
