"""Where a mail belongs, and what of its sender is proved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from channels._email import auth, tokens
from channels._email.read import read
from channels._email.threading import Known, Lookup, Place, place

Build = Callable[..., bytes]

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)
KEY, OLD, FOREIGN = b"k" * 32, b"o" * 32, b"f" * 32
THREAD = "c0ffee"
NOTHING: dict[str, Known] = {}
OPEN = Known(thread=THREAD, participants=frozenset({"lilei@mail.example"}))


def decide(raw: bytes, known: Known = OPEN, keys: tuple[bytes, ...] = (KEY, OLD)) -> Place:
    """Decide with one known thread: our id ``ours@shop``, case 261122-7KQX2-M2PDA, ancestor ``root@x``."""
    lookup = Lookup(
        by_id={"ours@shop": known, "theirs@mail": known}.get,
        by_thread={THREAD: known}.get,
        by_number={"261122-7KQX2-M2PDA": known}.get,
        by_ancestor={"root@x": known}.get,
    )
    return place(read(raw), lookup, keys=keys, now=NOW)


def to(key: bytes = KEY, use: tokens.Use = "r") -> str:
    return tokens.address("desk@shop.example", tokens.mint(key, THREAD, use))


def test_token_survives_case_folding_and_key_rotation() -> None:
    token = tokens.mint(OLD, THREAD)
    assert tokens.check([KEY, OLD], token.upper()) == ("r", THREAD)
    assert tokens.check([KEY], token) is None
    assert tokens.check([KEY, OLD], token.replace("r", "b", 1)) is None
    assert len(to().split("@")[0]) <= 64


@pytest.mark.parametrize("thread", ["", "UPPER", "a" * 33, "a-b", "a@b"])
def test_a_thread_that_does_not_fit_an_address(thread: str) -> None:
    with pytest.raises(ValueError, match="thread id"):
        tokens.mint(KEY, thread)


@pytest.mark.parametrize("field", ["to", "cc", "delivered_to", "x_original_to"])
def test_token_joins_even_a_colleague(build: Build, field: str) -> None:
    raw = build("x", **{"from": "colleague@mail.example", field: to()})
    assert decide(raw) == Place(thread=THREAD, way="token")


@pytest.mark.parametrize("address", [to(FOREIGN), to(use="b"), to()[:8] + "1" + to()[9:], "desk+@shop.example"])
def test_forged_tokens_join_nothing(build: Build, address: str) -> None:
    assert decide(build("x", to=address)) == Place()


def test_old_key_still_counts(build: Build) -> None:
    assert decide(build("x", to=to(OLD))).thread == THREAD


def test_references_join_a_participant(build: Build) -> None:
    assert decide(build("x", in_reply_to="<ours@shop>")) == Place(thread=THREAD, way="references")
    assert decide(build("x", references="<a@b> <theirs@mail> <z@z>")).thread == THREAD


def test_a_stranger_with_stolen_marks_gets_a_linked_thread(build: Build) -> None:
    linked = Place(linked=THREAD)
    stranger = {"from": "mallory@evil.example"}
    assert decide(build("x", in_reply_to="<ours@shop>", **stranger)) == linked
    assert decide(build("x", subject="Re: 261122-7kqx2-M2PDA cup", **stranger)) == linked
    assert decide(build("x", references="<root@x>", **stranger)) == linked


def test_case_number_and_shared_ancestor_join_a_participant(build: Build) -> None:
    assert decide(build("x", subject="Re: 261122-7kqx2-M2PDA cup")) == Place(thread=THREAD, way="number")
    assert decide(build("x", references="<root@x>")) == Place(thread=THREAD, way="ancestor")


def test_subject_text_alone_joins_nothing(build: Build) -> None:
    assert decide(build("about 4711", subject="Re: cup 4711")) == Place()


@pytest.mark.parametrize("subject", ["Fwd: cup", "转发：杯子", "WG: Tasse", "FW: 261122-7kqx2-M2PDA cup"])
def test_a_forward_is_new_and_linked(build: Build, subject: str) -> None:
    assert decide(build("x", subject=subject, in_reply_to="<ours@shop>")) == Place(linked=THREAD)


def test_long_closed_is_new_and_linked(build: Build) -> None:
    closed = Known(thread=THREAD, participants=OPEN.participants, closed_at=NOW - timedelta(days=31))
    assert decide(build("x", to=to()), closed) == Place(linked=THREAD)
    lately = Known(thread=THREAD, participants=OPEN.participants, closed_at=NOW - timedelta(days=29))
    assert decide(build("x", to=to()), lately).thread == THREAD


def test_a_bounce_to_the_envelope_token_reports_its_thread(build: Build) -> None:
    raw = build(
        "550 5.1.1 user unknown",
        **{"from": "MAILER-DAEMON@mx.example", "subject": "failure notice", "to": to(use="b"), "return_path": "<>"},
    )
    assert decide(raw) == Place(reported=THREAD)


# --- Authentication-Results ---------------------------------------------------------------------------

OURS = "Authentication-Results: mx.shop.example; dkim=pass header.d=mail.example; spf=pass smtp.mailfrom=x@mail.example\r\n"
HOP = "Received: from out.mail.example by mx.shop.example; Wed, 3 Jun 2026 10:21:00 +0800\r\n"
FAR = "Received: from a by out.mail.example; Wed, 3 Jun 2026 10:21:00 +0800\r\n"
END = "From: lilei@mail.example\r\n\r\nx"


@pytest.mark.parametrize(
    ("head", "proved"),
    [
        (HOP + OURS + FAR, True),
        (OURS + HOP, True),
        ("Received: by 10.0.0.1; x\r\n" + HOP + OURS, True),
        (HOP + FAR + OURS, False),
        (HOP + OURS.replace("mx.shop", "mx.evil"), False),
        (HOP + OURS.replace("=pass", "=fail"), False),
        (HOP + OURS.replace("mail.example", "evil.example"), False),
        (
            HOP
            + OURS.replace("dkim=pass header.d=mail.example; spf", "dmarc=pass (p=none) header.from=mail.example; x"),
            True,
        ),
        (HOP + OURS.replace("=pass", "=fail") + OURS, False),
        (HOP + "Authentication-Results: spf=pass smtp.mailfrom=mail.example\r\n", False),
        (HOP, False),
    ],
)
def test_only_our_own_server_proves_a_sender(head: str, proved: bool) -> None:
    mail = read((head + END).encode())
    assert auth.verified(mail.auth, mail.from_.email, ["mx.shop.example"]) is proved
