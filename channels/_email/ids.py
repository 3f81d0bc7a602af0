"""Message-IDs as they are, not as they should be."""

from __future__ import annotations

import re
from collections.abc import Iterable

from channels._email import words

#: References of a long thread: the first and the newest are kept.
MAX_IDS = 50

_BRACKETED = re.compile(r"<([^<>]{1,900})>")


def one(value: bytes) -> str:
    """The id in a Message-ID field without its brackets, empty when there is none. Strange signs inside stay."""
    found = many([value])
    return found[0] if found else ""


def many(values: Iterable[bytes]) -> tuple[str, ...]:
    """The ids of References or In-Reply-To in their order, each once."""
    out: dict[str, None] = {}
    for value in values:
        text = words.header(value)
        ids = [re.sub(r"\s+", "", found) for found in _BRACKETED.findall(text)]
        if not ids:
            ids = [word.strip("<>,;\"'()") for word in text.split() if "@" in word]
        out.update(dict.fromkeys(found for found in ids if found))
    ids = list(out)
    return tuple(ids[:1] + ids[1:][-(MAX_IDS - 1) :])
