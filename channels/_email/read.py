"""One mail, from its raw bytes to what a person said. Repeatable, and never raises on any bytes."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz

import msgspec

from channels._email import (
    addresses,
    auth,
    bounce,
    charsets,
    classify,
    html,
    ids,
    mime,
    names,
    phrases,
    quote,
    transfer,
    words,
)
from channels._email.html import Line
from channels._email.mail import Address, File, Mail
from channels._email.mime import Headers, Part, Tree

#: Text beyond this many characters stays in the raw mail only.
MAX_TEXT = 1_000_000
MAX_FILES = 100


class _Body(msgspec.Struct, kw_only=True):
    """What the leaves hold, sorted."""

    plain: list[str] = []
    html: list[str] = []
    files: list[File] = []


def read(raw: bytes, own: Collection[str] = ()) -> Mail:
    """Read a mail.

    Args:
        raw: The bytes as they came; the same bytes always give the same mail.
        own: Our own addresses in lower case: mail over our own group address is no list mail.
    """
    tree = mime.parse(raw)
    flaws = tree.flaws
    body = _body(tree)
    plain, page = _cap("\n".join(body.plain), flaws), _cap("\n".join(body.html), flaws)
    subject = words.header(tree.headers.first("subject"), _hint(tree))
    forward = bool(phrases.FORWARD_SUBJECT.match(subject))
    full, view = _views(plain, page, forward, flaws)
    who = _people(tree.headers, _hint(tree), flaws)
    kind, why = classify.kind(tree, full, own)
    return Mail(
        from_=who.from_,
        more_from=who.more_from,
        sender=who.sender,
        reply_to=who.reply_to,
        to=who.to,
        cc=who.cc,
        delivered_to=who.delivered_to,
        subject=subject,
        date=_date(tree.headers, flaws),
        message_id=ids.one(tree.headers.first("message-id")),
        in_reply_to=ids.many(tree.headers.all("in-reply-to")[:2]),
        references=ids.many(tree.headers.all("references")[:2]),
        new_text=view.new,
        wordless=view.how == "history",
        quoted_text=view.quoted,
        signature=view.signature,
        full_text=full,
        html=page,
        forward=forward,
        attachments=tuple(body.files),
        kind=kind,
        why=why,
        silent=classify.silent(tree, who.from_, kind),
        list_id=_list_id(tree.headers),
        bounce=bounce.read(tree.parts, full, tree.headers) if kind in ("bounce", "feedback_report") else None,
        auth=auth.read(tree.headers),
        flaws=tuple(dict.fromkeys(flaws)),
    )


# --- headers ------------------------------------------------------------------------------------------


def _hint(tree: Tree) -> str:
    """The charset of the body: the best guess for headers that hold bare 8-bit letters."""
    return next((part.charset for part in tree.parts if part.charset and part.type.startswith("text/")), "")


class _People(msgspec.Struct, frozen=True, kw_only=True):
    from_: Address
    more_from: tuple[Address, ...]
    sender: Address
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    delivered_to: tuple[str, ...]


_STAMPS = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-forwarded-to", "x-delivered-to")


def _people(headers: Headers, hint: str, flaws: list[str]) -> _People:
    senders = addresses.parse(headers.all("from")[:5], hint)
    if len(headers.all("from")) > 1:
        flaws.append("several From")
    sender = addresses.parse(headers.all("sender")[:1], hint)
    reply_to = addresses.parse(headers.all("reply-to")[:3], hint)
    if not senders:
        flaws.append("no From")
        senders = sender or reply_to[:1]
    stamped = [a.email for name in _STAMPS for a in addresses.parse(headers.all(name)[:5])]
    return _People(
        from_=senders[0] if senders else Address(),
        more_from=senders[1:],
        sender=sender[0] if sender else Address(),
        reply_to=reply_to,
        to=addresses.parse(headers.all("to")[:20], hint),
        cc=addresses.parse(headers.all("cc")[:20], hint),
        delivered_to=tuple(dict.fromkeys(stamped)),
    )


def _date(headers: Headers, flaws: list[str]) -> datetime | None:
    """The sender's clock, in UTC; None when there is none or it cannot be one."""
    text = headers.text("date")
    if not text:
        return None
    try:
        parts = parsedate_tz(text[:200])
        if parts is None or not 1980 <= parts[0] <= 2200:
            raise ValueError(text)
        zone = timezone(timedelta(seconds=max(-86_000, min(86_000, parts[9] or 0))))
        return datetime(*parts[:6], tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        flaws.append("date")
        return None


def _list_id(headers: Headers) -> str:
    found = re.search(r"<([^<>\s]+)>", headers.text("list-id"))
    return found.group(1).lower() if found else headers.text("list-id")[:200].lower()


# --- bodies -------------------------------------------------------------------------------------------


def _body(tree: Tree) -> _Body:
    body = _Body(plain=[], html=[], files=[])
    hint = _hint(tree)
    for part in tree.parts:
        name = names.declared(part.headers, hint)
        if _is_text(part, name):
            _take_text(part, body)
        elif len(body.files) < MAX_FILES:
            if part.body.strip() or name or part.disposition == "attachment":
                body.files.append(_file(part, name, {file.name for file in body.files}))
        else:
            tree.flaws.append("files")
            break
    return body


def _is_text(part: Part, name: str) -> bool:
    if part.type not in ("text/plain", "text/html") and not part.type.startswith("multipart/"):
        return False
    if part.disposition == "attachment" or (name and part.disposition) or len(part.inside) >= mime.MAX_DEPTH:
        return False
    return not (name and part.inside and part.sibling > 0 and part.inside[-1] != "multipart/alternative")


def _take_text(part: Part, body: _Body) -> None:
    data = part.data()
    if part.type == "text/html":
        label = part.charset or _meta_charset(data)
        body.html.append(charsets.decode(data, label).replace("\0", ""))
        return
    for name, file, start, end in reversed(transfer.uu_files(data)):
        body.files.append(
            File(
                name=names.clean(charsets.guess(name.encode("latin-1"))) or "file",
                type="application/octet-stream",
                data=file,
            )
        )
        data = data[:start] + data[end:]
    text = charsets.decode(data, part.charset).replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    body.plain.append(_reflow(text, part.headers))


def _meta_charset(data: bytes) -> str:
    found = re.search(rb"(?i)<meta[^>]{1,300}charset\s*=\s*[\"']?([\w-]{1,40})", data[:8000])
    return found.group(1).decode() if found else ""


def _reflow(text: str, headers: Headers) -> str:
    """format=flowed (RFC 3676): lines that end in a blank go on in the next."""
    value = headers.text("content-type").lower()
    if not re.search(r"format\s*=\s*\"?flowed", value):
        return text
    joint = "" if re.search(r"delsp\s*=\s*\"?yes", value) else " "
    out: list[str] = []
    flowing = False
    for line in text.split("\n"):
        if line.startswith(" "):
            line = line[1:]
        depth = len(line) - len(line.lstrip(">"))
        if flowing and depth == len(out[-1]) - len(out[-1].lstrip(">")):
            out[-1] = out[-1][:-1] + joint + line[depth:].removeprefix(" " if depth else "")
        else:
            out.append(line)
        flowing = line.endswith(" ") and line != "-- "
    return "\n".join(out)


def _file(part: Part, name: str, taken: set[str]) -> File:
    data = part.data()
    if not name and part.type == "message/rfc822":
        inner = mime.parse(data[:100_000]).headers.text("subject")
        name = names.clean(inner[:80]) + ".eml" if names.clean(inner[:80]) else ""
    inline = (
        bool(part.content_id)
        and part.disposition != "attachment"
        and (part.disposition == "inline" or "multipart/related" in part.inside)
    )
    return File(
        name=name or names.made_up(part.type, part.content_id, taken),
        type=part.type,
        data=data,
        content_id=part.content_id,
        inline=inline,
    )


def _cap(text: str, flaws: list[str]) -> str:
    if len(text) > MAX_TEXT:
        flaws.append("text size")
    return text[:MAX_TEXT]


# --- views --------------------------------------------------------------------------------------------


def _views(plain: str, page: str, forward: bool, flaws: list[str]) -> tuple[str, quote.View]:
    """The full text and its division. The plain part is preferred, unless it says less than the HTML."""
    lines = html.to_lines(page, flaws) if page.strip() else []
    if _has_words(plain) and not _stub(plain, lines):
        view = quote.split(quote.plain(plain), forward=forward)
        if not view.how and lines:
            other = quote.split(lines, forward=forward)
            if other.how not in ("", "whole", "history") and _within(other.new, plain):
                view = other
        return plain.strip(), view
    if any(line.text for line in lines):
        return html.text_of(lines), quote.split(lines, forward=forward)
    return plain.strip(), quote.split(quote.plain(plain), forward=forward)


def _has_words(text: str) -> bool:
    return bool(re.search(r"\w", text))


def _stub(plain: str, lines: list[Line]) -> bool:
    """A plain part that only says "use another program", or holds far less than the HTML."""
    said, shown = len(re.sub(r"\s", "", plain)), sum(len(re.sub(r"\s", "", line.text)) for line in lines)
    return shown > 200 and (
        said * 10 < shown or bool(re.search(r"(?i)\bhtml\b|浏览器|瀏覽器", plain) and said * 2 < shown)
    )


def _within(view: str, plain: str) -> bool:
    """Whether the words of a view all stand in the plain text."""
    tight = re.sub(r"\W", "", plain)
    return bool(re.sub(r"\W", "", view)) and re.sub(r"\W", "", view)[:400] in tight
