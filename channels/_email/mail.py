"""What reading a mail gives."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Kind = Literal["human", "auto_reply", "bounce", "list", "feedback_report"]
Action = Literal["failed", "delayed", "delivered", "relayed", "expanded", "complaint"]


class Address(msgspec.Struct, frozen=True):
    """A mailbox: ``name`` as shown (a claim), ``email`` as written."""

    name: str = ""
    email: str = ""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file in the mail. ``inline`` files are shown inside the HTML by their ``content_id``."""

    name: str
    type: str
    data: bytes
    content_id: str = ""
    inline: bool = False


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a delivery report: what became of the mail to ``email`` (RFC 3464 action and status)."""

    email: str = ""
    action: Action = "failed"
    status: str = ""
    """Enhanced status like ``5.1.1``; empty when the report names none."""
    reason: str = ""


class Bounce(msgspec.Struct, frozen=True, kw_only=True):
    """Which of our mails a report is about, and why it came back."""

    recipients: tuple[Recipient, ...] = ()
    message_id: str = ""
    """Message-ID of the mail that bounced, without brackets; empty when the report does not quote it."""
    references: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether it is final for at least one recipient, or called spam by one; a delay is not."""
        return any(r.action in ("failed", "complaint") for r in self.recipients)


class AuthResult(msgspec.Struct, frozen=True, kw_only=True):
    """One Authentication-Results field (RFC 8601). ``hops`` are the hosts that stamped Received above it."""

    server: str = ""
    results: tuple[tuple[str, str, str], ...] = ()
    """Method, result and the domain it speaks of, as ``("dkim", "pass", "example.com")``."""
    hops: tuple[str, ...] = ()


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail as read.

    ``new_text`` is a view: what the sender added, without quoted history and signature, never empty when the
    mail had words. ``full_text`` holds everything. ``html`` is the sender's own HTML: never trusted, never
    shown as it is. ``silent`` names each reason that forbids an automatic answer (RFC 3834 and its kin).
    ``unread`` is set when the mail could not be read within its limits: then only headers may be filled.
    """

    from_: Address = Address()
    more_from: tuple[Address, ...] = ()
    """Further From addresses: more than one is a reason for mistrust."""
    sender: Address = Address()
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    delivered_to: tuple[str, ...] = ()
    """Addresses that the receiving servers stamped (Delivered-To, X-Original-To, Envelope-To)."""
    subject: str = ""
    date: datetime | None = None
    message_id: str = ""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    new_text: str = ""
    wordless: bool = False
    """All words of ``new_text`` look quoted: the sender added none."""
    quoted_text: str = ""
    signature: str = ""
    full_text: str = ""
    html: str = ""
    forward: bool = False
    attachments: tuple[File, ...] = ()
    kind: Kind = "human"
    why: str = ""
    """What decided the kind."""
    silent: tuple[str, ...] = ()
    list_id: str = ""
    bounce: Bounce | None = None
    auth: tuple[AuthResult, ...] = ()
    flaws: tuple[str, ...] = ()
    unread: str = ""
