"""The last message of each account."""

from __future__ import annotations

from gateway.store.base import Store
from tests.store.scene import START, Clock, message


async def test_the_last_accepted_message_of_each_account(store: Store, clock: Clock) -> None:
    assert await store.latest_messages() == ()
    await store.append([message(2), message(1, thread="t2"), message(3, account="other")], received_at=clock())
    later = clock.turn(minutes=1)
    await store.append([message(0, thread="t3")], received_at=later)  # it comes late
    found = {one.account: (one.provider_at, one.received_at) for one in await store.latest_messages()}
    assert found["main"] == (START, later)
    assert found["other"][1] == START
