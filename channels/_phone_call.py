"""What is known of a recorded call, from whatever says it: a sidecar, a file's name, a webhook, an upload's address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

import msgspec

from channels.base import Attachment, Inbound, Sender

#: Names under which phone systems tell the same thing; the first that is there counts.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "call_id": ("call_id", "callid", "uniqueid", "linkedid", "uuid", "callsid", "call-id", "id"),
    "caller": ("caller", "from", "src", "callerid", "caller_id_number", "calling_number", "number"),
    "name": ("name", "caller_name", "caller_id_name"),
    "email": ("email", "caller_email", "customer_email"),
    "agent": ("agent", "to", "dst", "extension", "destination_number"),
    "at": ("started_at", "at", "start", "calldate", "start_stamp", "time", "date", "epoch"),
    "language": ("language", "lang"),
    "note": ("note", "notes", "subject", "text"),
}
#: Longest value that is taken over, in characters.
MAX_VALUE = 200
MAX_NOTE = 4000
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call. What nobody said is empty."""

    call_id: str = ""
    caller: str = ""
    name: str = ""
    email: str = ""
    agent: str = ""
    at: datetime | None = None
    language: str = ""
    note: str = ""


def read(values: Mapping[str, object], zone: tzinfo = UTC) -> Call:
    """A call from names and values as a phone system has them. Times without a zone are in ``zone``."""
    known = {name.strip().lower(): value for name, value in values.items() if value not in (None, "")}
    found = {field: next((known[name] for name in names if name in known), "") for field, names in _NAMES.items()}
    text = {field: _line(str(value), MAX_NOTE if field == "note" else MAX_VALUE) for field, value in found.items()}
    return Call(
        call_id=text["call_id"],
        caller=number(text["caller"]),
        name=text["name"],
        email=text["email"] if re.fullmatch(r"[^@\s<>,;]{1,64}@[^@\s<>,;]+\.[^@\s<>,;]+", text["email"]) else "",
        agent=text["agent"],
        at=moment(text["at"], zone),
        language=text["language"] if re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*", text["language"]) else "",
        note=text["note"],
    )


def number(value: str) -> str:
    """A telephone number out of ``"Li Lei" <+86 138…>`` or ``sip:138…@host``; empty for what is none (``anonymous``)."""
    inner = re.search(r"<([^>]*)>", value)
    value = (inner[1] if inner else value).removeprefix("sip:").removeprefix("tel:").partition("@")[0]
    digits = re.sub(r"[\s().-]", "", value)
    return digits if re.fullmatch(r"\+?\d{3,20}", digits) else ""


def moment(value: str, zone: tzinfo = UTC) -> datetime | None:
    """A time (UTC) from seconds or milliseconds since 1970, ISO 8601 or ``20261122-101500``."""
    try:
        at = _moment(value, zone)
    except (ValueError, OverflowError, OSError):
        return None
    return at if at is not None and _EARLIEST <= at <= _LATEST else None


def _moment(value: str, zone: tzinfo) -> datetime | None:
    if not value:
        return None
    if re.fullmatch(r"\d{9,10}(\.\d+)?", value):
        return datetime.fromtimestamp(float(value), UTC)
    if re.fullmatch(r"\d{13}", value):
        return datetime.fromtimestamp(int(value) / 1000, UTC)
    packed = re.fullmatch(r"(\d{8})[-_T](\d{6})", value)
    at = datetime.strptime(packed[1] + packed[2], "%Y%m%d%H%M%S") if packed else datetime.fromisoformat(value)
    if at.tzinfo is None:
        at = at.replace(tzinfo=zone)
    return at.astimezone(UTC)


def _line(value: str, most: int) -> str:
    return "".join(char for char in value if char.isprintable()).strip()[:most]


def inbound(
    call: Call,
    *,
    account: str,
    external_id: str,
    received_at: datetime,
    language: str,
    file: Attachment | None = None,
    raw: bytes = b"",
) -> Inbound:
    """The call's recording as a message: a conversation of its own, of whoever called. A call that runs has no file yet."""
    thread = call.call_id or external_id
    return Inbound(
        channel="phone",
        account=account,
        external_id=external_id,
        thread=thread,
        sender=Sender(id=call.caller or thread, name=call.name, email=call.email, phone=call.caller),
        at=call.at or received_at,
        text=call.note,
        attachments=(file,) if file else (),
        language=call.language or language,
        placeholder="☎",
        origin="phone",
        raw=raw,
    )
