"""What nodes share out among themselves, seen from two of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from channels.base import Attachment, Inbound, Sender
from gateway import config
from gateway.app import assemble
from gateway.hearing import PATIENCE
from gateway.patience import Patience
from gateway.store.postgres import PostgresStore
from gateway.workers import workers
from tests.nodes.town import CONFIG

Pair = tuple[PostgresStore, PostgresStore]


@pytest.fixture
async def pair(database: str) -> AsyncIterator[Pair]:
    one, two = PostgresStore(database, connections=2), PostgresStore(database, connections=2)
    await one.open()
    await two.open()
    yield one, two
    await one.close()
    await two.close()


async def test_a_job_is_in_one_hand(pair: Pair) -> None:
    one, two = pair
    names = [f"hear:{n}" for n in range(6)]
    assert await one.take_jobs(names, 2) == ("hear:0", "hear:1")
    assert await two.take_jobs(names, 3) == ("hear:2", "hear:3", "hear:4")
    await one.free_jobs(["hear:0"])
    assert await two.take_jobs(names, 9) == ("hear:0", "hear:5")
    await two.close()
    assert await one.take_jobs(names, 9) == ("hear:0", "hear:2", "hear:3", "hear:4", "hear:5")


async def test_each_sees_who_has_what(pair: Pair) -> None:
    one, two = pair
    assert await one.take_lease("watch:email/main") is not None
    assert await two.take_lease("watch:email/main") is None
    assert await two.take_lease("watch:xmpp/main") is not None
    seen = {held.name: held.mine for held in await one.held_leases("watch:")}
    assert seen == {"watch:email/main": True, "watch:xmpp/main": False}
    assert len({held.node for held in await two.held_leases("watch:")}) == 2
    await two.close()
    assert [held.name for held in await one.held_leases("watch:")] == ["watch:email/main"]


async def test_messages_do_not_wait_for_ever_where_nobody_hears(tmp_path: Path, database: str) -> None:
    """A node that decides lets them go on when no node with `transcribe` has heard them."""
    file = tmp_path / "allears.toml"
    file.write_text(f'{CONFIG}[store]\nurl = "{database}"\n[node]\nroles = ["flow"]\n')
    now = datetime.now(UTC)
    gateway = assemble(config.load(file, env={}), clock=lambda: now)
    await gateway.store.open()
    try:
        (patience,) = [worker for worker in workers(gateway, None) if isinstance(worker, Patience)]
        voice = Attachment(name="voice.ogg", type="audio/ogg", digest="0" * 64, size=9, state="kept")
        message = Inbound(
            channel="api", account="main", external_id="1", thread="t", sender=Sender(id="t"), at=now,
            attachments=(voice,),
        )  # fmt: skip
        await gateway.store.append([message], received_at=now)
        batch = await gateway.store.claim_work(1)
        (work,) = batch.work
        await batch.wait(work.conversation.id, work.items[0].inbox_id, [(0, voice.digest)])
        await batch.release()
        await patience.step()
        assert [row.state for row in (await gateway.store.inbox()).items] == ["wait"]
        now += PATIENCE + timedelta(seconds=1)
        await patience.step()
        assert [row.state for row in (await gateway.store.inbox()).items] == ["open"]
    finally:
        await gateway.blobs.close()
        await gateway.egress.close()
        await gateway.store.close()
