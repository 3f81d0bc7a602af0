"""What a mail says anew, apart from quoted history and signature.

A cut needs structure: a named divider, a block of header labels, a line that says who wrote when, a container
of a mail program, or ``>`` marks. One word never cuts, and a view is never empty when the mail had words.
Forwards are kept whole, and so are answers written between the quoted lines.
"""

from __future__ import annotations

import re

import msgspec

from channels._email import phrases, signature
from channels._email.html import Line

#: Lines looked at; longer mails are new text to their end unless a cut came before.
MAX_LINES = 5000
#: Marks after which all that follows is history.
_FINAL = ("container", "divider", "marker", "headers", "attribution")
_LONG = 1000
_WRAPPED = 55
"""A quoted line this long is likely to have spilled its last words into the next, unmarked line."""


class View(msgspec.Struct, frozen=True):
    """The three parts of a mail's text, and what told them apart; ``reply`` is ``new`` with the signature.

    ``how`` is ``history`` when there are no words but quoted ones: then all of them are ``new``, for want of better.
    """

    new: str
    reply: str = ""
    signature: str = ""
    quoted: str = ""
    how: str = ""


def plain(text: str) -> list[Line]:
    """The lines of a plain text, those with a ``>`` mark as quoted."""
    text = (
        text.replace("\r\n", "\n")
        .replace("\r", "\n")
        .replace("\u00a0", " ")
        .replace("\u200b", "")
        .replace("\ufeff", "")
    )
    return [Line(line if line == "-- " else line.rstrip(), _marked(line)) for line in text.split("\n")]


def _marked(line: str) -> bool:
    """A quote mark, not an arrow: ``>>> shop <<<`` and ``--> one`` are words of the writer."""
    return bool(re.match(r"^\s{0,3}(?:>|&gt;|\|\s?>)", line)) and not line.rstrip().endswith("<<<")


class _Parts(msgspec.Struct):
    """The lines sorted so far. ``floor``: where in ``fresh`` the first history was taken out."""

    fresh: list[Line] = []
    old: list[Line] = []
    how: str = ""
    floor: int = 0


def split(lines: list[Line], *, forward: bool = False) -> View:
    """Divide the lines. ``forward``: the subject says it is a forward, so a block of headers is no history."""
    head, rest = lines[:MAX_LINES], lines[MAX_LINES:]
    parts = _divide(_unshared(head), forward)
    if rest and parts.how in _FINAL and parts.old and parts.old[-1] is head[-1]:
        parts.old += rest
    else:
        parts.fresh += rest
    if parts.how == "forward":
        return View(new=_text(parts.fresh), reply=_text(parts.fresh), quoted=_text(parts.old), how=parts.how)
    body, below = signature.sign_off(parts.fresh, cut=bool(parts.old))
    parts.fresh = body
    _outer_quotes(parts)
    new, above = signature.sign_off(parts.fresh, cut=bool(parts.old))
    if not _words(new) and _words(parts.fresh):
        new, above = parts.fresh, []
    if not _words(new):
        how = "history" if _words(parts.old) else "whole" if _words(lines) else ""
        return View(new=_text(lines), reply=_text(lines), how=how)
    return View(
        new=_text(new),
        reply=_text(parts.fresh + below),
        signature=_text(above + below),
        quoted=_text(parts.old),
        how=parts.how,
    )


def _divide(lines: list[Line], forward: bool) -> _Parts:
    """New lines, history, and the kind of mark that divided them."""
    parts = _Parts(fresh=[], old=[])
    at = 0
    while at < len(lines):
        line = lines[at]
        if len(line.text) <= _LONG:
            if phrases.FORWARDED.match(line.text) or (forward and _header_block(lines, at)):
                parts.fresh += [Line(rest.text) for rest in lines[at:]]
                parts.how = "forward"
                return parts
            if line.boxed and line.quoted:
                at = _take_box(parts, lines, at)
                continue
            mark = _hard_cut(lines, at)
            if mark:
                kept = _above_rule(parts.fresh)
                return _Parts(parts.fresh[:kept], parts.old + parts.fresh[kept:] + lines[at:], mark, parts.floor)
            size = _attribution(lines, at)
            if size and not line.quoted:
                end = _take_quote(parts, lines, at, size)
                if end == len(lines):
                    return parts
                if end > at:
                    at = end
                    continue
        parts.fresh.append(line)
        at += 1
    return parts


def _take_box(parts: _Parts, lines: list[Line], at: int) -> int:
    """Sort a mail program's own container of history, with the answers that may stand in it."""
    end = at
    while end < len(lines) and (lines[end].quoted or not lines[end].text.strip()):
        end += 1
    if _inline(lines, end):
        parts.fresh += lines[at:]
        parts.how, parts.floor = "inline", len(parts.fresh)
        return len(lines)
    parts.floor = parts.floor if parts.how else len(parts.fresh)
    parts.old += lines[at:end]
    parts.how = "container"
    return end


def _take_quote(parts: _Parts, lines: list[Line], at: int, size: int) -> int:
    """Sort the quote under an attribution of ``size`` lines; where the next words begin (``at``: it was none)."""
    end = _quote_end(lines, at + size)
    if end == at + size:  # nothing marked below: all that follows is history
        if not _words(parts.fresh) and not any(line.cut for line in lines[end : end + 3]):
            return at
        kept = _above_rule(parts.fresh)
        parts.old += parts.fresh[kept:] + lines[at:]
        parts.fresh, parts.how = parts.fresh[:kept], "attribution"
        return len(lines)
    if _inline(lines, end):  # answers between the quoted lines: their questions stay with them
        parts.old += lines[at : at + size]
        parts.fresh += lines[at + size :]
        parts.how, parts.floor = "inline", len(parts.fresh)
        return len(lines)
    parts.floor = parts.floor if parts.how else len(parts.fresh)
    parts.old += lines[at:end]
    parts.how = "attribution"
    return end


#: "… bla --- On Wed, Apr 4, 2012 at 3:59 PM, me@shop.example wrote:": the words and the attribution share a line.
_SHARED = re.compile(
    r"^(.{1,300}?\w[^\s-]{0,3})\s*(?:-{2,}|\s)\s*(On\s(?:\w{3},\s)?\S{1,12}\s.{8,200}\b(?:wrote|writes):)\s*$"
)


def _unshared(lines: list[Line]) -> list[Line]:
    """Give an attribution that shares the writer's last line a line of its own."""
    out: list[Line] = []
    for at, line in enumerate(lines):
        found = (
            _SHARED.match(line.text) if line.text.endswith(":") and len(line.text) < _LONG and not line.quoted else None
        )
        if found and phrases.ADDRESS.search(found.group(2)) and _says_who(found.group(2), lines, at + 1):
            out += [Line(found.group(1)), Line(found.group(2))]
        else:
            out.append(line)
    return out


def _hard_cut(lines: list[Line], at: int) -> str:
    """The kind of divider at a line after which everything is history."""
    line = lines[at]
    if line.cut and any(rest.text for rest in lines[at:]):
        return "container"
    if phrases.ORIGINAL.match(line.text):
        return "divider"
    if phrases.ABOVE.match(line.text):
        return "marker"
    if _header_block(lines, at):
        return "headers"
    return ""


def _header_block(lines: list[Line], at: int) -> bool:
    """Whether the headers of a quoted mail begin here: three different labels in a row, the sender among them."""
    first = phrases.role(lines[at].text)
    if not first:
        return False
    if first == "from" and len({phrases.role(piece) for piece in re.split(r"\s\*(?=\w)", lines[at].text)} - {""}) >= 3:
        return True  # all on one line, as some programs flatten bold headers
    seen = {first}
    loose = 0
    for line in lines[at + 1 : at + 16]:
        role = phrases.role(line.text)
        if role:
            seen.add(role)
            loose = 0
            continue
        loose += 1
        if loose > 2 or (loose > 1 and not line.text.strip() and len(seen) < 2):
            break
    if "from" not in seen:
        return _dated(lines, at)
    return len(seen) >= 3 or (len(seen) == 2 and "sent" in seen and _after_rule(lines, at))


def _dated(lines: list[Line], at: int) -> bool:
    """Two headers suffice when one holds a time and the other an address, after an empty line."""
    if at == 0 or lines[at - 1].text.strip() or at + 1 >= len(lines):
        return False
    pair = {phrases.role(line.text): line.text for line in lines[at : at + 2]}
    people = pair.get("from") or pair.get("to") or ""
    return bool(re.search(r"\d{1,2}[:：.]\d{2}", pair.get("sent", "")) and phrases.ADDRESS.search(people))


def _after_rule(lines: list[Line], at: int) -> bool:
    return any(phrases.RULE.match(line.text) for line in lines[max(0, at - 2) : at])


def _attribution(lines: list[Line], at: int) -> int:
    """How many lines (1 to 5) say who wrote the quote below, 0 when these do not."""
    if not lines[at].text.strip():
        return 0
    if re.match(r"^\s*[-_]{2,}", lines[at].text):
        return int(bool(_DASHED.match(lines[at].text) and phrases.VERB.search(lines[at].text)))
    if _next_quoted(lines, at + 1) and _dated_verb(lines[at].text):
        return 1
    if not phrases.INTRO.match(lines[at].text) and not _MAILBOX.match(lines[at].text):
        return 0
    joined = ""
    for size in range(1, 6):
        if at + size > len(lines):
            return 0
        piece = lines[at + size - 1].text.strip(" >\t")
        if size > 1 and not piece and not joined.endswith(("<", ",")) and phrases.ADDRESS.search(joined):
            return 0
        joined = f"{joined} {piece}".strip()
        if len(joined) > 400:
            return 0
        if (
            size > 1
            and phrases.INTRO.match(lines[at + size - 1].text)
            and _says_who(piece, lines, at + size)
            and (not _MAILBOX.match(lines[at].text))
        ):
            return 0  # the sentence begins on that line, what stood above is the writer's
        if _says_who(joined, lines, at + size):
            return size
    return 0


def _dated_verb(text: str) -> bool:
    """One line that says "wrote" and when, in any order, right above marked lines."""
    return (
        bool(_TAIL.search(text))
        and bool(phrases.DATE.search(text))
        and bool(phrases.VERB.search(text))
        and not _OWN_VERB.search(text)
    )


#: A line that is only a name and an address.
_MAILBOX = re.compile(r"^[>\s]*[^<>@\n]{1,80}<[^<>\s]+@[^<>\s]+>\s*$")
_DASHED = re.compile(r"^\s*[-_]{2,}\s*[^\n]{3,200}?\s*[-_]{2,}\s*$")
_OWN_VERB = re.compile(
    r"\b(?:I|we|ich|wir|je|nous|yo|nosotros|io|noi)\s+(?:have\s+|had\s+|a\s+)?(?:wrote|writes|sent|schrieb|écrit|scritto)\b|\b(?:schrieb ich|schreef ik|skrev (?:jag|jeg)|schrieben wir)\b|[我他她们]\S{0,12}[写寫]道"
)
_TAIL = re.compile(r"[:：]\s*[*_]*\s*$")


def _says_who(text: str, lines: list[Line], after: int) -> bool:
    """Whether a joined text is a whole attribution: date, who, and "wrote" or a closing colon."""
    if not phrases.DATE.search(text) and not phrases.ADDRESS.search(text):
        return False
    tail = bool(_TAIL.search(text))
    if not tail and not phrases.VERB.search(text[-24:]):
        return False
    verb = None
    for found in phrases.VERB.finditer(text):
        verb = found
    at_end = verb is not None and len(text) - verb.end() <= 3
    if not tail and not at_end:
        return False
    address = bool(phrases.ADDRESS.search(text))
    below = _next_quoted(lines, after)
    if below and address and tail:
        return True
    if not phrases.DATE.search(text) and verb is None:
        return False
    if verb is None:  # only the address and a colon: it must end with the address
        return bool(re.search(r"@[^\s<>]+>*[\])]*\s*[:：]\s*$", text)) and bool(phrases.DATE.search(text))
    if below:
        return True
    if _OWN_VERB.search(text):
        return False
    short = re.match(r"^[>\s]*(?:Am|Op|Den|På|Em|El|Il|Le|On|Dne|Dnia|W dniu)\s", text) is not None and len(text) < 150
    if address or at_end or (short and len(text) - verb.end() <= 60):
        return bool(re.search(r"[:：.h点]\d{2}|(?:19|20)\d{2}", text)) and (
            address or not re.match(r"^[在于於\d]", text) or bool(re.search(r"\d[:：]\d{2}", text))
        )
    return False


def _next_quoted(lines: list[Line], at: int) -> bool:
    """Whether the next words are quoted."""
    following = next((line for line in lines[at : at + 4] if line.text.strip()), None)
    return following is not None and following.quoted


def _quote_end(lines: list[Line], at: int) -> int:
    """Where the block of quoted lines that begins at or just below ``at`` ends (``at`` itself when none does)."""
    if not _next_quoted(lines, at):
        return at
    end = at
    while end < len(lines):
        line = lines[end]
        if line.quoted or not line.text.strip() or _spilled(lines, end):
            end += 1
            continue
        break
    while end > at and not lines[end - 1].text.strip() and not lines[end - 1].quoted:
        end -= 1
    return end


def _spilled(lines: list[Line], at: int) -> bool:
    """An unmarked line between quoted ones that only holds what did not fit into the line above."""
    if at + 1 >= len(lines) or at == 0 or not lines[at - 1].quoted or not lines[at + 1].quoted:
        return False
    bare = re.fullmatch(r"\s*\(?<?https?://\S+\s*>?\)?\s*>?\s*", lines[at].text)
    return bool(bare) or len(lines[at - 1].text) >= _WRAPPED


def _inline(lines: list[Line], at: int) -> bool:
    """Whether own words and further quotes alternate below: answers to single points."""
    turns = 0  # own words, a quote, own words
    for index in range(at, len(lines)):
        line = lines[index]
        if not line.text.strip(" >"):
            continue
        if line.quoted and turns == 1:
            if _attributed(lines, max(at, index - 6), index):
                return False
            turns = 2
        elif not line.quoted and not _spilled(lines, index):
            if _attribution(lines, index) or signature.opens(lines, index, line.text):
                return False
            if turns == 2:
                return True
            turns = 1
    return False


def _attributed(lines: list[Line], first: int, at: int) -> bool:
    """Whether a line from ``first`` on says who wrote the quote at ``at``."""
    return any(_attribution(lines, index) for index in range(first, at))


def _outer_quotes(parts: _Parts) -> None:
    """Take off marked quotes at the end, and on top when no others are left between own words."""
    lines = parts.fresh
    end = len(lines)
    while end > parts.floor and (lines[end - 1].quoted or not lines[end - 1].text.strip() or _spilled(lines, end - 1)):
        end -= 1
    if end and any(line.quoted for line in lines[end:]):
        parts.old, parts.how, lines = lines[end:] + parts.old, parts.how or "quote", lines[:end]
    start = 0
    while start < len(lines) and (lines[start].quoted or not lines[start].text.strip() or _spilled(lines, start)):
        start += 1
    leading = lines[:start]
    if any(line.quoted for line in leading) and not any(line.quoted for line in lines[start:]) and lines[start:]:
        parts.old, parts.how, lines = leading + parts.old, parts.how or "quote", lines[start:]
    parts.fresh = lines


def _above_rule(lines: list[Line]) -> int:
    """Where the words end above the drawn line and the heading that stand right above a cut."""
    end = len(lines)
    for _ in range(6):
        text = lines[end - 1].text if end else "end"
        if text.strip() and not phrases.RULE.match(text) and not phrases.HEADING.match(text):
            break
        end -= 1
    return end


def _words(lines: list[Line]) -> bool:
    return any(re.search(r"\w", line.text) or line.text.strip(" >|-_=*") for line in lines)


def _text(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines).strip("\n").rstrip().lstrip("\n")
