"""A reply as a mail: headers that thread it, a text and an HTML part that say the same, files."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import msgspec

from channels.base import Outbound, Refused

#: The line that a customer writes above, in words that our own reading cuts at.
ABOVE = {
    "zh": "—— 请在此线以上回复 ——",
    "zh-Hant": "—— 請在此線以上回覆 ——",
    "en": "-- Please reply above this line --",
}
MAX_SUBJECT = 200
MAX_NAME = 100
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*")
_ID = re.compile(r"[!-;=?-~]{1,250}")
_REPLY = re.compile(r"^\s*(?:re|aw|sv|antw|答复|答覆|回复|回覆)\s*[:：]", re.I)
_LINK = re.compile(r"https?://[^\s<>\"'，。；）)]+")


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """All that a mail needs besides the reply itself. ``footers`` are by language, ``files`` are name, type, bytes."""

    sender: str
    name: str
    recipient: str
    reply_to: str
    subject: str
    message_id: str
    in_reply_to: str
    references: Sequence[str]
    mark: str
    at: datetime
    footers: Mapping[str, str]
    marker: bool = True
    files: Sequence[tuple[str, str, bytes]] = ()


def build(out: Outbound, letter: Letter) -> bytes:
    """The mail's bytes. Everything that came from outside is cleaned before it stands in a header."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(_line(letter.name, MAX_NAME), addr_spec=letter.sender)
    mail["To"] = Address(addr_spec=letter.recipient)
    if letter.reply_to:
        mail["Reply-To"] = Address(_line(letter.name, MAX_NAME), addr_spec=letter.reply_to)
    answers = letter.in_reply_to or letter.references
    mail["Subject"] = subject(letter.subject, out.language) if answers or not letter.subject else letter.subject
    mail["Date"] = format_datetime(letter.at)
    mail["Message-ID"] = f"<{letter.message_id}>"
    if _ID.fullmatch(letter.in_reply_to):
        mail["In-Reply-To"] = f"<{letter.in_reply_to}>"
    references = [f"<{one}>" for one in letter.references if _ID.fullmatch(one)]
    if references:
        mail["References"] = " ".join(references)
    mail["X-Allears-Id"] = letter.mark
    if out.kind != "human":  # RFC 3834: a program wrote it
        mail["Auto-Submitted"] = "auto-replied"
        mail["X-Auto-Response-Suppress"] = "All"
    if out.language:
        mail["Content-Language"] = out.language
    said = parts(out, letter.footers, marker=letter.marker)
    cte = None if "".join(said).isascii() else "base64"
    mail.set_content(text(*said), cte=cte)
    mail.add_alternative(page(*said), subtype="html", cte=cte)
    for name, kind, data in letter.files:
        main, _, sub = (
            kind.partition("/") if re.fullmatch(r"[\w.+-]+/[\w.+-]+", kind) else ("application", "", "octet-stream")
        )
        if main in ("text", "message", "multipart"):
            main, sub = "application", "octet-stream"
        mail.add_attachment(data, maintype=main, subtype=sub, filename=_line(name, MAX_NAME) or "file")
    return mail.as_bytes()


def parts(out: Outbound, footers: Mapping[str, str], *, marker: bool = True) -> tuple[str, str, str]:
    """What the customer reads: the line to write above, the reply with its buttons by number, the footer."""
    body = out.text.strip()
    if out.buttons:
        body += "\n\n" + "\n".join(f"{n}. {button.label}" for n, button in enumerate(out.buttons, 1))
    return _of(ABOVE, out.language) if marker else "", body, _of(footers, out.language).strip() if footers else ""


def text(above: str, body: str, footer: str) -> str:
    """The text part; the footer stands below the line that mail programs know a signature by."""
    return "\n\n".join(filter(None, (above, body, footer and f"-- \n{footer}"))) + "\n"


def page(above: str, body: str, footer: str) -> str:
    """The same as HTML: nothing of it is markup but lines and links; what frames the reply is small and grey."""
    grey = "color:#767676;font-size:12px"
    pieces = (
        above and f'<p style="{grey}">{_html(above)}</p>',
        f"<div>{_html(body)}</div>",
        footer and f'<p style="{grey};border-top:1px solid #ddd;padding-top:8px;margin-top:24px">{_html(footer)}</p>',
    )
    style = "font-family:sans-serif;font-size:15px;line-height:1.5"
    return f'<html><body><div style="{style}">{"".join(filter(None, pieces))}</div></body></html>'


def _html(words: str) -> str:
    out, last = "", 0
    for link in _LINK.finditer(words):
        target = html.escape(link[0], quote=True)
        out += html.escape(words[last : link.start()]) + f'<a href="{target}">{target}</a>'
        last = link.end()
    return (out + html.escape(words[last:])).replace("\n", "<br>\n")


def subject(original: str, language: str) -> str:
    """The subject of the answer."""
    line = _line(original, MAX_SUBJECT)
    if not line:
        return "关于您的来信" if language.startswith("zh") else "Your message to us"
    return line if _REPLY.match(line) else f"Re: {line}"


def recipient(address: str) -> str:
    """An address that may stand in an envelope. Raises :class:`Refused`: libraries would quietly send to a part of it."""
    local, _, domain = address.rpartition("@")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode()
        except UnicodeError as err:
            raise Refused("the customer's address has no valid domain") from err
    if not _ADDRESS.fullmatch(f"{local}@{domain}"):
        raise Refused("the customer's address cannot be written to")
    return f"{local}@{domain}"


def _of(words: Mapping[str, str], language: str) -> str:
    """By full tag, by script, by language, English, anything."""
    tag = language.replace("_", "-")
    hant = tag.lower().startswith(("zh-hant", "zh-tw", "zh-hk", "zh-mo"))
    for wanted in (tag, "zh-Hant" if hant else "", tag.partition("-")[0], "en"):
        if wanted in words:
            return words[wanted]
    return next(iter(words.values()), "")


def _line(value: str, most: int) -> str:
    """One line without control and direction characters."""
    shown = "".join(" " if c in "\r\n\t" else c for c in value)
    shown = "".join(c for c in shown if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
    return " ".join(shown.split())[:most]
