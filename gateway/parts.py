"""A reply as the platform takes it: long texts divided, files apart, buttons as numbered text where there are none.

Each part is an outbox row of its own in the conversation's lane, so that a failure between two parts repeats nothing
that the customer has seen already.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from channels.base import Attachment, Button, Limits, Outbound

#: Where a long text is best divided, the best place first.
_BREAKS: Final = ("\n\n", "\n", "。", "！", "？", ". ", "! ", "? ", "；", "; ", "，", ", ", " ")
#: A break that leaves less than this share of the room is no good place.
_LEAST: Final = 0.4
#: Code points that belong to the one before them.
_ZWJ, _VARIATION, _SKIN = "\u200d", range(0xFE00, 0xFE10), range(0x1F3FB, 0x1F400)
_NOT_HERE: Final = {
    "en": "(This channel takes no such file: {name}. Ask us to send it another way.)",
    "zh-Hans": "（此渠道无法发送文件：{name}。请告诉我们换哪种方式发给您。）",
    "zh-Hant": "（此管道無法傳送檔案：{name}。請告訴我們改用哪種方式傳給您。）",
}


def parts(out: Outbound, limits: Limits) -> tuple[Outbound, ...]:
    """``out`` as messages that the platform takes, in order. The first keeps its key, the others are ``<key>.2`` …"""
    out = _with_notes(_with_buttons_as_text(out, limits), limits)
    if _size(limits)(out.text) <= _room(out, limits) and len(out.attachments) <= limits.files:
        return (out,)
    pieces = [msgspec.structs.replace(out, text=text, attachments=(), buttons=()) for text in _texts(out, limits)]
    if pieces:
        pieces[-1] = msgspec.structs.replace(pieces[-1], buttons=out.buttons)
    pieces += (msgspec.structs.replace(out, text="", attachments=files, buttons=()) for files in _bundles(out, limits))
    return tuple(_numbered(piece, n) for n, piece in enumerate(pieces, start=1))


def _numbered(piece: Outbound, n: int) -> Outbound:
    return piece if n == 1 else msgspec.structs.replace(piece, key=f"{piece.key}.{n}", reply_to="")


def _with_buttons_as_text(out: Outbound, limits: Limits) -> Outbound:
    """The bot takes the number of a choice as well as its button (:meth:`bot.view.View.choice`)."""
    if len(out.buttons) <= limits.buttons and all(len(b.label) <= limits.label for b in out.buttons):
        return out
    return msgspec.structs.replace(out, text=f"{out.text}\n{_numbers(out.buttons)}".strip(), buttons=())


def _numbers(buttons: Sequence[Button]) -> str:
    """By number, unless they are numbers themselves: "1. 5 – very" is a riddle."""
    if all(button.label[:1].isdigit() for button in buttons):
        return "\n".join(button.label for button in buttons)
    return "\n".join(f"{n}. {button.label}" for n, button in enumerate(buttons, start=1))


def _with_notes(out: Outbound, limits: Limits) -> Outbound:
    """Files that the platform does not take are told, never dropped in silence."""
    good = tuple(file for file in out.attachments if limits.files and file.size <= limits.file)
    if len(good) == len(out.attachments):
        return out
    note = _NOT_HERE.get(out.language, _NOT_HERE["zh-Hans" if out.language.startswith("zh") else "en"])
    notes = [note.format(name=file.name or file.type) for file in out.attachments if file not in good]
    return msgspec.structs.replace(out, text="\n".join(filter(None, [out.text, *notes])), attachments=good)


def _room(out: Outbound, limits: Limits) -> int:
    return min(limits.text, limits.caption) if out.attachments and out.text else limits.text


def _bundles(out: Outbound, limits: Limits) -> Iterator[tuple[Attachment, ...]]:
    for start in range(0, len(out.attachments), max(1, limits.files)):
        yield out.attachments[start : start + max(1, limits.files)]


def _texts(out: Outbound, limits: Limits) -> Iterator[str]:
    """The text in pieces of at most ``limits.text``."""
    size, rest = _size(limits), out.text
    while size(rest) > limits.text:
        end = _place(rest, _longest(rest, limits.text, size))
        yield rest[:end].rstrip()
        rest = rest[end:].lstrip()
    if rest:
        yield rest


def _size(limits: Limits) -> Callable[[str], int]:
    sizes: dict[str, Callable[[str], int]] = {
        "character": len,
        "utf16": lambda text: len(text.encode("utf-16-le", "surrogatepass")) // 2,
        "byte": lambda text: len(text.encode("utf-8", "surrogatepass")),
    }
    return sizes[limits.unit]


def _longest(text: str, limit: int, size: Callable[[str], int]) -> int:
    """How many characters from the start fit into ``limit``."""
    fits, beyond = 1, min(len(text), limit) + 1
    while beyond - fits > 1:
        middle = (fits + beyond) // 2
        fits, beyond = (middle, beyond) if size(text[:middle]) <= limit else (fits, middle)
    return fits


def _place(text: str, most: int) -> int:
    """Where to divide within the first ``most`` characters: after a paragraph, a line, a sentence, a word, a character."""
    for mark in _BREAKS:
        found = text.rfind(mark, 0, most + 1)
        if found >= most * _LEAST and found + len(mark.rstrip()) <= most:
            return found + len(mark.rstrip())
    end = most
    while end > 1 and _belongs_to_the_one_before(text, end):
        end -= 1
    return end if end > 1 else most


def _belongs_to_the_one_before(text: str, place: int) -> bool:
    here, before = text[place], text[place - 1]
    joined = here == _ZWJ or before == _ZWJ or ord(here) in _VARIATION or ord(here) in _SKIN
    return joined or unicodedata.combining(here) != 0
