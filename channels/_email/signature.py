"""The signature under a mail: told from the words above it, and kept."""

from __future__ import annotations

import re

from channels._email import phrases
from channels._email.html import Line

#: The agreed separator (RFC 3676, 4.3): two dashes and a blank. Without the blank it may be a line of the writer's.
_AGREED = re.compile(r"^-- $")
_DASHES = re.compile(r"^\s*--\s*$|^\s*--\s+\S.{0,40}$")
_WEAK = re.compile(r"^\s*(?:-{3,}|_{2,}|—+|–+|~{4,}|\*{5,}|={5,}|─{4,})\s*$")
_DASH_NAME = re.compile(r"^\s*[-–—~]\s?[^\W\d_][\w.'’]{0,30}(?:\s[^\W\d_][\w.'’]{0,30}){0,2}[.!]?\s*$")
_TABLE_SIGN = re.compile(r"^\s*\|\s*\|\s*$")


def sign_off(lines: list[Line], *, cut: bool) -> tuple[list[Line], list[Line]]:
    """Own words and signature. The signature is kept apart, never thrown away: it may hold the phone number."""
    own, signature = _signature_off(lines, cut=cut)
    again, above = _signature_off(own, cut=False) if signature else (own, [])  # a name above the footer of a list
    return again, above + signature


def _signature_off(lines: list[Line], *, cut: bool) -> tuple[list[Line], list[Line]]:
    start = end = _signature_start(lines)
    while end:
        text = lines[end - 1].text.strip()
        if (
            not text
            or phrases.MOBILE.match(text)
            or (end == start and phrases.RULE.match(text))
            or re.fullmatch(r"[|\s]+", text)
        ):
            end -= 1
            continue
        if not lines[end - 1].quoted and _own_address(lines, end, cut=cut):
            end -= 1
            continue
        if any("签名由" in line.text for line in lines[end : end + 3]) and _card(lines, end):
            end -= 1
            continue
        break
    return lines[:end], lines[end:]


def _card(lines: list[Line], end: int) -> bool:
    """A line of the visiting card that NetEase's program puts above its own name: an address, or a name over it."""
    text = lines[end - 1].text.strip()
    if end < 2 or not any(line.text.strip() for line in lines[: end - 1]):
        return False
    return bool(re.match(r"(?:邮箱|电子邮件)\s*[:：]", text)) or (
        len(text) <= 12 and bool(re.match(r"(?:邮箱|电子邮件)\s*[:：]", lines[end].text.strip()))
    )


def _own_address(lines: list[Line], end: int, *, cut: bool) -> bool:
    """A last line that is only an address, as Foxmail puts above what it quotes."""
    return bool(re.fullmatch(r"\s*\|?\s*[\w.+-]+@[\w.-]+\s*\|?\s*", lines[end - 1].text)) and (
        end >= 2 and (cut or not lines[end - 2].text.strip()) and len(lines) - end <= 3
    )


#: A signature stands within this many last lines, the lawyers' notice included.
_SIGNATURE_LINES = 120


def _signature_start(lines: list[Line]) -> int:
    """The first line of the signature, the number of lines when there is none."""
    first = next((index for index, line in enumerate(lines) if line.text.strip()), len(lines))
    for index in range(max(first + 1, len(lines) - _SIGNATURE_LINES), len(lines)):
        if not lines[index].quoted and opens(lines, index, lines[index].text):
            return index
    return len(lines)


def opens(lines: list[Line], at: int, text: str) -> bool:
    if any(line.quoted for line in lines[at:]):
        return False
    if _AGREED.match(text):
        return len(_below(lines, at)) <= 30
    if _DASHES.match(text):
        below = _below(lines, at)
        return len(below) <= 25 and all(_terse(line) for line in below)
    if _WEAK.match(text):
        below = _below(lines, at)
        return 0 < len(below) <= 25 and all(_terse(line) for line in below)
    if _TABLE_SIGN.match(text):
        return len(_below(lines, at)) <= 6
    if phrases.CLOSING.match(text):
        below = _below(lines, at)
        return len(below) <= 25 and all(_terse(line) for line in below)
    if _DASH_NAME.match(text) and not _bullets(lines, at):
        below = _below(lines, at)
        return len(below) <= 2 and all(_terse(line) for line in below)
    return False


def _below(lines: list[Line], at: int) -> list[str]:
    """The words under a line, up to the lawyers' notice."""
    below = [line.text.strip() for line in lines[at + 1 :] if line.text.strip()]
    return below[: next((number for number, line in enumerate(below) if phrases.LEGAL.search(line[:400])), len(below))]


def _bullets(lines: list[Line], at: int) -> bool:
    """Whether a dash is one of a list's."""
    near = lines[max(0, at - 2) : at] + lines[at + 1 : at + 3]
    return any(re.match(r"^\s*[-–—*•]\s*\S", line.text) for line in near)


def _terse(line: str) -> bool:
    """A line as signatures have it: short, no sentence."""
    if phrases.MOBILE.match(line):
        return True
    count = len(line.split())
    if len(line) > 90 or count > 12:
        return False
    return not re.search(r"[。！？；?]$" if count < 6 else r"[。！？；.?!]$", line)
