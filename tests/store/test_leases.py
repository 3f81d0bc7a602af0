"""Leases: one node does what only one may do, and who lost one writes nothing with it."""

from __future__ import annotations

import pytest

from gateway.store.base import Stale, Store
from tests.store.scene import START, Home, message


async def test_who_has_a_lease_keeps_its_token(store: Store) -> None:
    token = await store.take_lease("watch:email/main")
    assert token is not None
    assert await store.take_lease("watch:email/main") == token


async def test_each_lease_is_its_own(store: Store) -> None:
    token = await store.take_lease("watch:email/main")
    assert await store.take_lease("watch:email/other") is not None
    await store.free_lease("watch:email/other")
    assert await store.take_lease("watch:email/main") == token


async def test_messages_come_in_under_a_lease(store: Store) -> None:
    token = await store.take_lease("watch:webchat/main")
    assert token is not None
    lease = ("watch:webchat/main", token)
    (done,) = await store.append([message(1)], received_at=START, cursor=("webchat", "main", "1"), lease=lease)
    assert not done.duplicate
    assert await store.cursor("webchat", "main") == "1"


async def test_nothing_is_written_under_a_lease_that_was_given_back(store: Store) -> None:
    token = await store.take_lease("watch:webchat/main")
    assert token is not None
    await store.free_lease("watch:webchat/main")
    with pytest.raises(Stale):
        await store.append(
            [message(1)],
            received_at=START,
            cursor=("webchat", "main", "1"),
            lease=("watch:webchat/main", token),
        )
    assert await store.cursor("webchat", "main") is None
    assert (await store.inbox()).items == ()
    later = await store.take_lease("watch:webchat/main")
    assert later is not None
    assert later > token


async def test_nobody_has_a_lease_that_was_never_taken(store: Store) -> None:
    with pytest.raises(Stale):
        await store.append([message(1)], received_at=START, lease=("watch:webchat/main", 1))


async def test_the_end_of_a_store_frees_its_leases(home: Home) -> None:
    first = home.store()
    await first.open()
    assert await first.take_lease("housekeeping") is not None
    await first.close()
    second = home.store()
    await second.open()
    assert await second.take_lease("housekeeping") is not None
    await second.close()


async def test_a_node_knows_that_it_lives(store: Store) -> None:
    assert store.alive()
    assert await store.nodes() == 1


async def test_leases_are_listed_by_their_beginning(store: Store) -> None:
    await store.take_lease("watch:email/main")
    await store.take_lease("watch:xmpp/main")
    await store.take_lease("seat:channels/0")
    assert [held.name for held in await store.held_leases("watch:")] == ["watch:email/main", "watch:xmpp/main"]
    assert all(held.mine for held in await store.held_leases(""))
    await store.free_lease("watch:email/main")
    assert [held.name for held in await store.held_leases("watch:")] == ["watch:xmpp/main"]


async def test_a_job_is_in_one_hand(store: Store) -> None:
    assert await store.take_jobs(["a", "b", "c"], 2) == ("a", "b")
    assert await store.take_jobs(["a", "b", "c"], 2) == ("c",)
    await store.free_jobs(["a", "unknown"])
    assert await store.take_jobs(["a", "b", "c"], 2) == ("a",)
    assert await store.take_jobs([], 2) == ()
