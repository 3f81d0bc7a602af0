"""A customer with a mailbox and a mail program: answers as programs do, with the history quoted below or above."""

from __future__ import annotations

import email
import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Literal

from gateway.context import utc_now
from tests.channels.email.office import until
from tests.channels.email.servers import Dovecot

Style = Literal["qq", "gmail", "bottom", "plain"]
File = tuple[str, str, bytes]


@dataclass
class Customer:
    """``address`` has a mailbox on ``imap``; what comes there is read by :meth:`next`."""

    imap: Dovecot
    name: str
    address: str
    got: list[EmailMessage] = field(default_factory=list)
    _read: set[Path] = field(default_factory=set)

    @property
    def user(self) -> str:
        """The mailbox's name on the server."""
        return self.address.partition("@")[0]

    def _unread(self) -> list[Path]:
        """What has come and was not read yet, oldest first; two that come at once may change places."""
        files = {f for sub in ("new", "cur") for f in (self.imap.maildir(self.user) / sub).glob("*")}
        return sorted(files - self._read, key=lambda file: file.stat().st_mtime_ns)

    async def next(self) -> EmailMessage:
        """The next mail that comes."""
        await until(self._unread)
        file = self._unread()[0]
        self._read.add(file)
        self.got.append(_parsed(file.read_bytes()))
        return self.got[-1]

    async def next_with(self, words: str) -> EmailMessage:
        """The next mail that says something; those before it are read too."""
        while words not in plain(await self.next()):
            pass
        return self.got[-1]

    def write(self, text: str, subject: str, *, to: str = "desk@localhost", files: Sequence[File] = ()) -> str:
        """A mail of its own; its Message-ID."""
        mail = self._mail(subject, to)
        mail.set_content(text)
        return self._post(mail, files)

    def answer(self, letter: EmailMessage, text: str, style: Style = "gmail", *, files: Sequence[File] = ()) -> str:
        """Answer as a program does: to Reply-To, in the thread, the letter quoted; its Message-ID."""
        subject = str(letter["Subject"])
        mail = self._mail(subject if subject.startswith("Re: ") else f"Re: {subject}", _address(letter))
        mail["In-Reply-To"] = str(letter["Message-ID"])
        mail["References"] = f"{letter['References'] or ''} {letter['Message-ID']}".strip()
        quoted = plain(letter)
        mail.set_content(_around(text, quoted, letter, style))
        if style == "gmail":
            mail.add_alternative(
                f'<div dir="ltr">{_html(text)}</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">'
                f"{html.escape(_attribution(letter))}<br></div><blockquote>{_html(quoted)}</blockquote></div>",
                subtype="html",
            )
        return self._post(mail, files)

    def away(self, letter: EmailMessage, text: str) -> str:
        """What the program says by itself while the customer is away."""
        mail = self._mail(f"Automatic reply: {letter['Subject']}", _address(letter))
        mail["In-Reply-To"] = str(letter["Message-ID"])
        mail["Auto-Submitted"] = "auto-replied"
        mail.set_content(text)
        return self._post(mail, ())

    def forward(self, text: str, other: str, letter: EmailMessage) -> str:
        """Send on what somebody else wrote, from within our thread, to our plain address."""
        mail = self._mail("Fwd: your parcel", "desk@localhost")
        mail["In-Reply-To"] = str(letter["Message-ID"])
        mail.set_content(
            f"{text}\n\n---------- Forwarded message ---------\nFrom: Courier <info@courier.example>\n"
            f"Date: Fri, 20 Nov 2026 09:12:00 +0800\nSubject: your parcel\nTo: <{self.address}>\n\n{other}\n"
        )
        return self._post(mail, ())

    def bounce(self, letter: EmailMessage, status: str, reason: str) -> None:
        """The customer's server sends our letter back."""
        mail = self._mail("Undelivered Mail Returned to Sender", "desk@localhost")
        del mail["From"]
        mail["From"] = "MAILER-DAEMON@mx.example"
        report = mail.as_string().rstrip("\n") + (
            '\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
            "--b\nContent-Type: text/plain\n\nI'm sorry to have to inform you that your message could not be delivered.\n"
            "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
            f"Final-Recipient: rfc822; {self.address}\nAction: failed\nStatus: {status}\nDiagnostic-Code: smtp; {reason}\n\n"
            f"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: {letter['Message-ID']}\n\n--b--\n"
        )
        self.imap.deliver(report.encode(), sender="")

    def _mail(self, subject: str, to: str) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = f"{self.name} <{self.address}>"
        mail["To"] = to
        mail["Subject"] = subject
        mail["Date"] = format_datetime(utc_now())
        mail["Message-ID"] = make_msgid(domain=self.address.rpartition("@")[2])
        return mail

    def _post(self, mail: EmailMessage, files: Sequence[File]) -> str:
        for name, kind, data in files:
            main, _, sub = kind.partition("/")
            mail.add_attachment(data, maintype=main, subtype=sub, filename=name)
        self.imap.deliver(mail.as_bytes(), to=str(mail["To"]), sender=self.address)
        return str(mail["Message-ID"])


def plain(letter: EmailMessage) -> str:
    """The text part."""
    part = letter.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def page(letter: EmailMessage) -> str:
    """The HTML part."""
    part = letter.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def is_threaded(letters: Sequence[EmailMessage], before: Sequence[str]) -> bool:
    """Whether a mail program shows each letter under one of those before it (RFC 5256's REFERENCES, without subjects)."""
    known = set(before)
    for letter in letters:
        named = {*str(letter["References"] or "").split(), str(letter["In-Reply-To"] or "")}
        if not named & known:
            return False
        known.add(str(letter["Message-ID"]))
    return True


def _parsed(data: bytes) -> EmailMessage:
    parsed = email.message_from_bytes(data, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def _address(letter: EmailMessage) -> str:
    return str((letter["Reply-To"] or letter["From"]).addresses[0].addr_spec)


def _attribution(letter: EmailMessage) -> str:
    return f"On {letter['Date'].datetime:%a, %d %b %Y at %H:%M}, {letter['From']} wrote:"


def _around(text: str, quoted: str, letter: EmailMessage, style: Style) -> str:
    marked = "\n".join(f"> {line}" for line in quoted.splitlines())
    if style == "plain":
        return text
    if style == "bottom":
        return f"{_attribution(letter)}\n{marked}\n\n{text}\n"
    if style == "qq":
        return (
            f"{text}\n\n------------------ 原始邮件 ------------------\n发件人: {letter['From']}\n"
            f"发送时间: {letter['Date'].datetime:%Y年%m月%d日 %H:%M}\n收件人: {letter['To']}\n主题: {letter['Subject']}\n\n{quoted}"
        )
    return f"{text}\n\n{_attribution(letter)}\n{marked}\n"


def _html(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")
