"""Hostile mail within 5 s and 300 MB, and the next mail goes on."""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from channels._email.read import read
from channels._email.sandbox import Reader

HEAD = b"From: lilei@mail.example\r\nTo: desk@shop.example\r\nSubject: Broken cup\r\n"
PAGE = HEAD + b"Content-Type: text/html\r\n\r\n"
MIXED = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"


def noise(size: int) -> bytes:
    """Bytes that no codec likes, the same each time."""
    return random.Random(7).randbytes(size)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "100k parts": lambda: MIXED + b"--b\r\n\r\nx\r\n" * 100_000,
    "nothing but boundaries": lambda: MIXED + b"--bb\r\n" * 1_000_000,
    "nested 3000 deep": lambda: (
        HEAD + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3000))
    ),
    "quotes in From": lambda: b"From: " + b'"' * 50_000 + b"\r\n\r\nx",
    "backslashes in From": lambda: b'From: "' + b"\\" * 50_000 + b"\r\n\r\nx",
    "20k recipients": lambda: b"To: " + b", ".join(b"u%d@x.example" % n for n in range(20_000)) + b"\r\n\r\nx",
    "10k encoded words": lambda: b"Subject: " + b"\r\n ".join([b"=?utf-8?B?5oqV6K+J?="] * 10_000) + b"\r\n\r\nx",
    "open encoded words": lambda: b"Subject: " + b"=?u?q?" * 12_000 + b"\r\n\r\nx",
    "100k headers": lambda: b"".join(b"X-%d: y\r\n" % n for n in range(100_000)) + b"\r\nx",
    "10 MB header": lambda: HEAD + b"X: " + b"y" * 10_000_000 + b"\r\n\r\nx",
    "3000 name pieces": lambda: (
        HEAD
        + b"Content-Disposition: attachment"
        + b"".join(b"; filename*%d*=a" % n for n in range(3000))
        + b"\r\n\r\nx"
    ),
    "open comments": lambda: PAGE + b"<!--" * 200_000,
    "open tags": lambda: PAGE + b"<a " * 200_000,
    "nested div": lambda: PAGE + b"<div>" * 200_000,
    "nested tables": lambda: PAGE + b"<table><tr><td>" * 60_000,
    "formatting over paragraphs": lambda: PAGE + b"".join(b"<font color=%d>x<p>" % n for n in range(40_000)),
    "250k paragraphs": lambda: PAGE + b"<p>x" * 250_000,
    "one long line": lambda: HEAD + b"\r\n" + b"a" * 5_000_000,
    "attribution lines": lambda: HEAD + b"\r\n" + b"On Mon, 1 Jun 2026 at 10:00 x\r\n" * 50_000,
    "label lines": lambda: HEAD + b"\r\n" + b"From: a\r\n" * 200_000,
    "dash lines": lambda: HEAD + b"\r\n" + b"-- \r\n" * 200_000,
    "closings": lambda: HEAD + b"\r\n" + b"Regards,\r\n" * 100_000,
    "quotes by turns": lambda: HEAD + b"\r\n" + b"x\r\n> y\r\n" * 100_000,
    "uuencode begins": lambda: HEAD + b"\r\n" + b"begin 644 x\r\n" * 100_000,
    "base64 in pieces": lambda: HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=A" * 2_000_000,
    "noise": lambda: HEAD + b"\r\n" + noise(3_000_000),
    "status blocks": lambda: (
        b"From: mailer-daemon@x\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: message/delivery-status\r\n\r\n"
        + b"Final-Recipient: rfc822; a@b\r\nAction: failed\r\n\r\n"
        * 100_000
    ),
}


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    """A reader with the shipped limits."""
    made = Reader()
    yield made
    await made.close()


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_mail(reader: Reader, name: str) -> None:
    raw = HOSTILE[name]()
    begun = time.monotonic()
    mail = await reader.read(raw)
    assert time.monotonic() - begun < 8  # 5 s, the head once more, and a slow machine
    assert mail.unread in ("", "memory", "time")
    if b"Subject: Broken cup" in raw:
        assert mail.subject == "Broken cup"
    following = await reader.read(HEAD + b"\r\nnext one")
    assert (following.new_text, following.unread) == ("next one", "")


async def test_the_same_mail_read_outside_and_inside(reader: Reader) -> None:
    raw = HEAD + "\r\n杯子碎了\r\n\r\n> alt".encode()
    assert await reader.read(raw) == read(raw)


async def test_a_mail_of_25_mb(reader: Reader) -> None:
    file = noise(18_000_000)
    part = b"--b\r\nContent-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    mail = await reader.read(MIXED + b"--b\r\n\r\nhi\r\n" + part + base64.encodebytes(file) + b"--b--\r\n")
    assert mail.attachments[0].data == file
    assert _peak(reader) < 300 * 1024


async def test_a_slow_mail_is_ended_by_the_clock_and_the_next_goes_on() -> None:
    reader = Reader(seconds=0.05)
    try:
        mail = await reader.read(PAGE + b"<p>x" * 250_000)
        assert mail.unread == "time"
        assert mail.subject == "Broken cup"
        assert "unread" in mail.silent
        assert (await reader.read(HEAD + b"\r\nnext")).new_text == "next"
    finally:
        await reader.close()


async def test_a_mail_that_eats_memory_is_ended() -> None:
    reader = Reader(memory=60 * 1024 * 1024)
    try:
        mail = await reader.read(HEAD + b"\r\n" + b"x" * 40_000_000)
        assert mail.unread == "memory"
        assert (await reader.read(HEAD + b"\r\nnext")).new_text == "next"
    finally:
        await reader.close()


async def test_a_killed_child_costs_one_mail_at_most(reader: Reader) -> None:
    await reader.read(HEAD + b"\r\nfirst")
    child = reader._child
    assert child is not None
    child.kill()
    await child.wait()
    assert (await reader.read(HEAD + b"\r\nnext")).new_text == "next"


async def test_cancelling_does_not_mix_up_the_answers(reader: Reader) -> None:
    slow = asyncio.create_task(reader.read(PAGE + b"<p>x" * 200_000))
    await asyncio.sleep(0.3)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    assert (await reader.read(HEAD + b"\r\nmine")).new_text == "mine"


async def test_many_at_once_get_their_own_answers(reader: Reader) -> None:
    mails = await asyncio.gather(*(reader.read(HEAD + b"\r\nnumber %d" % n) for n in range(50)))
    assert [mail.new_text for mail in mails] == [f"number {n}" for n in range(50)]


async def test_the_child_knows_no_secrets(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "hunter2")
    await reader.read(HEAD + b"\r\nx")
    child = reader._child
    assert child is not None
    assert b"hunter2" not in _environment(child.pid)


async def test_closing_twice_is_closing(reader: Reader) -> None:
    await reader.read(HEAD + b"\r\nx")
    await reader.close()
    await reader.close()


def _environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def _peak(reader: Reader) -> int:
    """The child's largest resident size in kB."""
    child = reader._child
    assert child is not None
    status = Path(f"/proc/{child.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
