"""kill -9 under load, at random moments and at every commit: nothing acknowledged is lost, nothing is doubled."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from gateway.store.base import Store
from tests.store.scene import Clock, Home, message, outcome, send, sent

COMMITS = ("append", "claim_sends", "settle", "settle_sends")
ROOT = Path(__file__).parents[2]


def load(home: Home, first: int, die: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.store.under_load", *home.address(), str(first), die]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def acknowledged(process: subprocess.Popen[str]) -> set[int]:
    """What it had acknowledged when it was dead; a half-printed number was acknowledged too, but we cannot tell which."""
    out, _ = process.communicate(timeout=150)
    return {int(n) for n in out.split("\n")[:-1]}


async def check(home: Home, promised: set[int]) -> None:
    assert home.damage() == ""
    store = home.store()
    await store.open()
    try:
        await work_off(store)
        rows = [int(r.external_id) for r in (await store.inbox(limit=10**6)).items]
        assert promised <= set(rows), "lost"
        assert len(rows) == len(set(rows)), "doubled"
        for line in (await store.conversations("all", limit=100)).items:
            await check_conversation(store, line.conversation.id)
        replies = Counter(s.key for s in (await store.outbox(limit=10**6)).items)
        assert replies == Counter(f"reply to {n}" for n in rows)
        await store.ping()
    finally:
        await store.close()


async def work_off(store: Store) -> None:
    clock = Clock()
    clock.turn(days=30000)
    while (batch := await store.claim_work(100)).work:
        for work in batch.work:
            replies = tuple(send(f"reply to {i.message.external_id}", work.conversation.id) for i in work.items)
            assert list(await batch.settle([outcome(work, sends=replies)])) == [None]
        await batch.release()
    while rows := await store.claim_sends(100, clock.now):
        await store.settle_sends([sent(r, r.key) for r in rows])


async def check_conversation(store: Store, conversation: str) -> None:
    lines = await store.timeline(conversation, limit=10**6)
    assert [e.seq for e in lines] == list(range(1, len(lines) + 1))
    came = [int(e.external_id) for e in lines if e.kind == "inbound"]
    assert came == sorted(came)
    assert [e.text for e in lines if e.kind == "outbound"] == [f"reply to {n}" for n in came]


async def test_killed_at_random_moments(home: Home) -> None:
    promised: set[int] = set()
    for life, seconds in enumerate((0.15, 0.4, 0.23, 0.31, 0.09)):
        process = load(home, first=life * 10**6)
        assert process.stdout is not None
        first = process.stdout.readline()
        promised.add(int(first))
        time.sleep(seconds)  # noqa: ASYNC251 - nothing else runs here
        process.kill()
        promised |= acknowledged(process)
    assert len(promised) > 100
    await check(home, promised)


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("commit", COMMITS)
async def test_killed_at_a_commit(home: Home, commit: str, phase: str) -> None:
    process = load(home, first=0, die=f"{commit}:{phase}:5")
    promised = acknowledged(process)
    assert process.returncode == -9
    await check(home, promised)


async def test_a_message_is_there_only_after_its_commit(home: Home) -> None:
    """The crash test bites: killed before the first commit nothing is there, after it everything is."""
    promised = acknowledged(load(home, first=0, die="append:before:0"))
    assert promised == set()
    store = home.store()
    await store.open()
    assert (await store.inbox()).items == ()
    await store.close()
    promised = acknowledged(load(home, first=0, die="append:after:0"))
    assert promised == set()
    await store.open()
    assert len((await store.inbox()).items) == 8
    assert (await store.append([message(0, thread="t0")], received_at=Clock()()))[0].duplicate
    await store.close()
