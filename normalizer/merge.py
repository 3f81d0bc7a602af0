"""Joins what a new message says with the record so far, and takes an edited or deleted message out again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

import msgspec

from normalizer.findings import Findings
from normalizer.record import BY_AGENT, Complainant, Evidence, Found, Gravity, What

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

#: Values kept in one list of the record, and pieces of evidence for one value.
MAX_VALUES = 40
MAX_EVIDENCE = 12

#: Kinds that a standing matter is not turned into by a later message.
_PASSING = frozenset({"other", "praise", "chaser", "enquiry", "request", "suggestion", "spam", "machine"})
_LISTS = (
    (
        What,
        (
            "demands",
            "products",
            "order_numbers",
            "tracking_numbers",
            "amounts",
            "dates",
            "places",
            "people",
            "urls",
            "doubts",
        ),
    ),
    (Complainant, ("names", "phones", "emails")),
    (Gravity, ("risks",)),
)
_FIELDS: dict[type, tuple[str, ...]] = dict(_LISTS)
_SINGLE: dict[type, tuple[str, ...]] = {
    What: ("kind", "category"),
    Complainant: ("on_behalf_of",),
    Gravity: ("sentiment", "emotion", "urgency", "difficulty"),
}


def newer(old: Found[T] | None, new: Found[T] | None) -> Found[T] | None:
    """The value of a field that has one: the newer where it is at least as sure, evidence joined when they agree."""
    if old is None or new is None:
        return new or old
    if _is_by_agent(old):
        return old
    if old.value == new.value:
        return Found(value=new.value, evidence=_joined(old.evidence, new.evidence))
    return new if new.confidence >= old.confidence else old


def join(old: tuple[Found[T], ...], new: tuple[Found[T], ...]) -> tuple[Found[T], ...]:
    """Lists of values joined, evidence of equal values together, oldest first."""
    if not new or not old:
        return (old or new)[:MAX_VALUES]
    joined = list(old)
    for found in new:
        for index, known in enumerate(joined):
            if known.value == found.value:
                joined[index] = Found(value=known.value, evidence=_joined(known.evidence, found.evidence))
                break
        else:
            joined.append(found)
    return tuple(joined[:MAX_VALUES])


def _is_by_agent(found: Found[Any]) -> bool:
    return any(evidence.rule == BY_AGENT for evidence in found.evidence)


def _joined(old: tuple[Evidence, ...], new: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    return (old + tuple(e for e in new if e not in old))[:MAX_EVIDENCE]


def kinds(old: Found[Any] | None, new: Found[Any] | None) -> Found[Any] | None:
    """The kind of the whole: a complaint stays one whatever is asked later, until it is withdrawn."""
    if old is None or new is None or old.value == new.value or _is_by_agent(old):
        return newer(old, new)
    if new.value == "other" or (new.value in ("chaser", "praise", "spam", "machine") and old.value != "other"):
        return old if old.value not in ("machine", "spam", "other") else new
    if old.value == "complaint" and new.value in _PASSING:
        return old
    return new


def apply(record_parts: Findings, new: Findings) -> Findings:
    """The findings of a record with those of one more source."""
    what, who, gravity = record_parts.what, record_parts.who, record_parts.gravity
    return Findings(
        what=msgspec.structs.replace(
            what,
            **_joined_lists(what, new.what),
            kind=kinds(what.kind, new.what.kind),
            category=_matter(what, new.what),
            summary=_summary(what, new.what),
        ),
        who=msgspec.structs.replace(who, **_joined_lists(who, new.who)),
        gravity=msgspec.structs.replace(
            gravity,
            **_joined_lists(gravity, new.gravity),
            **{name: newer(getattr(gravity, name), getattr(new.gravity, name)) for name in _SINGLE[Gravity]},
        ),
        language=newer(record_parts.language, new.language),
    )


def _joined_lists(old: msgspec.Struct, new: msgspec.Struct) -> dict[str, Any]:
    return {name: join(getattr(old, name), said) for name in _FIELDS[type(old)] if (said := getattr(new, name))}


def _summary(old: What, new: What) -> str:
    """The first telling of the matter stays; a complaint after small talk takes its place."""
    if not old.summary or old.kind is None:
        return new.summary
    return new.summary if _now_told(old, new) and new.summary else old.summary


def _matter(old: What, new: What) -> Found[str] | None:
    """What a complaint is about, whatever was asked before it."""
    if _now_told(old, new) and new.category and not (old.category and _is_by_agent(old.category)):
        return new.category
    return newer(old.category, new.category)


def _now_told(old: What, new: What) -> bool:
    """Whether a complaint comes after small talk or a question."""
    complains = new.kind is not None and new.kind.value == "complaint"
    return complains and old.kind is not None and old.kind.value != "complaint"


def without(part: S, messages: Collection[str]) -> S:
    """A part of the record with all evidence of some messages taken out, and the values that nothing else says."""
    changed: dict[str, Any] = {}
    for name in _FIELDS[type(part)]:
        kept = (_stripped(found, messages) for found in getattr(part, name))
        changed[name] = tuple(found for found in kept if found is not None)
    for name in _SINGLE[type(part)]:
        found = getattr(part, name)
        changed[name] = None if found is None else _stripped(found, messages)
    return msgspec.structs.replace(part, **changed)


def _stripped(found: Found[Any], messages: Collection[str]) -> Found[Any] | None:
    left = tuple(e for e in found.evidence if e.message not in messages)
    if len(left) == len(found.evidence):
        return found
    return Found(value=found.value, evidence=left) if left else None
