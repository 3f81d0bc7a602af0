"""Whether two complaints are the same matter: of one person (a repeat), or of many in a short time (an incident).

Text alone proves neither: of real complaints to a bank's authority 23 % are near-copies of one template by different
people. So a repeat needs the same person and then a number, or words alike; an incident needs different people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import islice
from math import ceil, sqrt
from typing import NamedTuple

from normalizer.record import ComplaintRecord

#: A person who comes back later than this has a new matter.
REPEATS_WITHIN = timedelta(days=90)
#: Words alike from here on are the same matter of one person; with the same category less is enough.
ALIKE = 0.44
ALIKE_IN_CATEGORY = 0.33
#: So many grams must be in common before they say anything: "internet outage" and "internet bill" share a word, not a matter.
FEW = 2

#: An incident: so many people within so long, with words or a product in common.
INCIDENT_WITHIN = timedelta(hours=2)
INCIDENT_PEOPLE = 5
ALIKE_IN_INCIDENT = 0.2
#: …and so many times the usual number more, for a category that always has some.
ABOVE_USUAL = 3

#: Earlier complaints compared with one, at most.
MAX_COMPARED = 40
#: Characters of a text that are compared.
MAX_TEXT = 2000

_HAN = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff]+")
_WORD = re.compile(r"[^\W_\u2e80-\uffff]{4,40}")


class Print(NamedTuple):
    """What of a complaint is compared. ``root`` is the first case of the matter, ``times`` how often it came before."""

    number: str
    at: datetime
    people: frozenset[str]
    numbers: frozenset[str]
    category: str
    products: frozenset[str]
    grams: frozenset[str]
    root: str = ""
    times: int = 0
    incident: str = ""


class Repeat(NamedTuple):
    """The same matter again: its first case, how often it came before, and why we think so."""

    of: str
    times: int
    because: tuple[str, ...]


class Incident(NamedTuple):
    """One matter of many: its id (from its first case), the other cases of it, and why we think so."""

    id: str
    cases: tuple[str, ...]
    because: tuple[str, ...]


def print_of(record: ComplaintRecord, text: str) -> Print | None:
    """A record's print, with the folded words of its customer; None for what is no complaint."""
    what, who, standing = record.what, record.who, record.standing
    if what.kind is None or what.kind.value != "complaint":
        return None
    return Print(
        number=record.number,
        at=record.arrival.provider_at,
        people=frozenset((*who.identities, *(f.value for f in who.phones), *(f.value.lower() for f in who.emails))),
        numbers=frozenset(f.value for f in (*what.order_numbers, *what.tracking_numbers)),
        category=what.category.value if what.category else "",
        products=frozenset(f.value.lower() for f in what.products),
        grams=grams(text),
        root=standing.repeat_of,
        times=standing.repeats,
        incident=standing.incident,
    )


def grams(text: str) -> frozenset[str]:
    """Pairs of Chinese characters, and four letters in a row of longer words: slips and endings change little."""
    text = text[:MAX_TEXT]
    found = {run[i : i + 2] for run in _HAN.findall(text) for i in range(len(run) - 1)}
    for word in _WORD.findall(text.lower()):
        ended = word + "$"
        found.update(ended[i : i + 4] for i in range(len(ended) - 3))
    return frozenset(found)


def alike(one: frozenset[str], other: frozenset[str]) -> float:
    """How much two texts have in common, 0 to 1; a part of a text is like the whole of it."""
    if not one or not other:
        return 0.0
    return len(one & other) / (sqrt(len(one) * len(other)) + FEW)


def repeat(new: Print, earlier: Iterable[Print]) -> Repeat | None:
    """The latest earlier complaint of the same person in the same matter. ``earlier``: oldest first."""
    told = [p for p in earlier if p.number != new.number and p.at <= new.at and new.at - p.at <= REPEATS_WITHIN]
    for old in reversed(told[-MAX_COMPARED:]):
        shared = new.people & old.people
        if not shared:
            continue
        if because := _same_matter(new, old):
            return Repeat(of=old.root or old.number, times=old.times + 1, because=("same customer", *because))
    return None


def _same_matter(new: Print, old: Print) -> tuple[str, ...]:
    if numbers := new.numbers & old.numbers:
        return tuple(f"same number {number}" for number in sorted(numbers))
    if new.numbers and old.numbers:
        return ()  # two orders are two matters, whatever the words
    words = alike(new.grams, old.grams)
    if words >= ALIKE:
        return (f"words alike {words:.2f}",)
    if new.category and new.category == old.category and words >= ALIKE_IN_CATEGORY:
        return (f"same category {new.category}", f"words alike {words:.2f}")
    return ()


def incident(new: Print, newest: Iterable[Print], *, usual: Callable[[], float]) -> Incident | None:
    """Whether many people tell of this within :data:`INCIDENT_WITHIN`.

    ``newest`` are complaints of its category, newest first; ``usual`` says how many of them come in that time on other
    days, and is only asked where there are many.
    """
    if not new.category:
        return None
    same: list[Print] = []
    seen = set(new.people)
    for old in islice(newest, 4 * MAX_COMPARED):
        if new.at - old.at > INCIDENT_WITHIN or len(same) >= MAX_COMPARED:
            break
        if old.number == new.number or old.people & seen or old.category != new.category:
            continue
        if new.products & old.products or alike(new.grams, old.grams) >= ALIKE_IN_INCIDENT:
            same.append(old)
            seen |= old.people
    if len(same) + 1 < INCIDENT_PEOPLE or len(same) + 1 < INCIDENT_PEOPLE + ceil(ABOVE_USUAL * usual()):
        return None
    same.reverse()
    known = next((old.incident for old in same if old.incident), "")
    because = (f"{len(same) + 1} customers", f"same category {new.category}", f"since {same[0].at.isoformat()}")
    return Incident(id=known or f"I-{same[0].number}", cases=tuple(old.number for old in same), because=because)
