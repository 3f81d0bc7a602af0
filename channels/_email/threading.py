"""Which thread a mail belongs to. A pure decision; the caller looks the facts up first.

In order: a genuine token in the addresses it came to; its references against the ids we sent *and* received;
our case number in the subject together with a sender who is a participant; ids it shares with another thread. Only the token
opens a thread to a stranger: every other way gives a stranger a new, linked thread. Subject text alone never
joins anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from channels._email import tokens
from channels._email.mail import Mail

Way = Literal["token", "references", "number", "ancestor", "new"]
#: A thread closed longer than this is not opened again: the answer starts a new one, linked to it.
REOPEN = timedelta(days=30)
#: Our case numbers as customers read them in what we say.
_NUMBER = re.compile(r"(?<![\w-])(\d{6}-[0-9A-Z]{5}-[0-9A-Z]{5})(?![\w-])", re.I | re.A)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a thread: who takes part (lower-case addresses), and since when it is closed."""

    thread: str
    participants: frozenset[str] = frozenset()
    closed_at: datetime | None = None


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """How the decision asks for facts; each answers None when nothing is known.

    ``by_id`` takes a Message-ID that we sent or received, ``by_thread`` a thread from a token, ``by_number`` the
    case number in a subject, ``by_ancestor`` an id that other mails of a thread referred to.
    """

    by_id: Callable[[str], Known | None]
    by_thread: Callable[[str], Known | None]
    by_number: Callable[[str], Known | None]
    by_ancestor: Callable[[str], Known | None]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a mail goes: into ``thread``, or into a new one (empty), with a link to ``linked`` where there is one."""

    thread: str = ""
    way: Way = "new"
    linked: str = ""
    reported: str = ""
    """For a bounce that came to an envelope token: the thread whose mail came back."""


def numbers(text: str) -> tuple[str, ...]:
    """The case numbers that stand in a text."""
    return tuple(dict.fromkeys(found.upper() for found in _NUMBER.findall(text)))


def place(mail: Mail, lookup: Lookup, *, keys: Sequence[bytes], now: datetime) -> Place:
    """Decide. ``keys`` sign the tokens, the current one first."""
    genuine = _tokens(mail, keys)
    for use, thread in genuine:
        if use == "b" and mail.kind == "bounce":
            return Place(reported=thread)
        known = lookup.by_thread(thread)
        if use == "r" and known is not None:
            return _joined(known, "token", now)
    return (
        _by_reference(mail, lookup, now) or _by_number(mail, lookup, now) or _by_ancestor(mail, lookup, now) or Place()
    )


def _tokens(mail: Mail, keys: Sequence[bytes]) -> list[tuple[tokens.Use, str]]:
    """The genuine tokens, those that the servers stamped before those that the sender wrote."""
    addresses = [*mail.delivered_to, *(a.email for a in mail.to + mail.cc)]
    found = (tokens.check(keys, tokens.in_address(address)) for address in addresses)
    return [one for one in found if one is not None]


def _by_reference(mail: Mail, lookup: Lookup, now: datetime) -> Place | None:
    for message_id in (*mail.in_reply_to, *reversed(mail.references)):
        known = lookup.by_id(message_id)
        if known is not None:
            return _if_participant(mail, known, "references", now)
    return None


def _by_number(mail: Mail, lookup: Lookup, now: datetime) -> Place | None:
    for number in numbers(mail.subject[:500]):
        known = lookup.by_number(number)
        if known is not None:
            return _if_participant(mail, known, "number", now)
    return None


def _by_ancestor(mail: Mail, lookup: Lookup, now: datetime) -> Place | None:
    """We were added to a talk later: its earlier mails share ids that we never saw ourselves."""
    for message_id in (*reversed(mail.references), *mail.in_reply_to):
        known = lookup.by_ancestor(message_id)
        if known is not None:
            return _if_participant(mail, known, "ancestor", now)
    return None


def _if_participant(mail: Mail, known: Known, way: Way, now: datetime) -> Place:
    """A forward and a stranger start their own thread beside the one they point at."""
    if mail.forward or mail.from_.email.lower() not in known.participants:
        return Place(way="new", linked=known.thread)
    return _joined(known, way, now)


def _joined(known: Known, way: Way, now: datetime) -> Place:
    if known.closed_at is not None and now - known.closed_at > REOPEN:
        return Place(way="new", linked=known.thread)
    return Place(thread=known.thread, way=way)
