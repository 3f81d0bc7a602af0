"""Complaints that are to be compared with others."""

from __future__ import annotations

import msgspec
import pytest

from gateway.store.base import Store
from normalizer.record import Complainant, ComplaintRecord, What
from tests.store.scene import fill, found, message, record, settle


def complaint(
    number: str, conversation: str, *, revision: int = 1, kind: str = "complaint", order: str = ""
) -> ComplaintRecord:
    orders = (found(order),) if order else ()
    what = What(kind=found(kind), category=found("billing"), order_numbers=orders, summary=f"revision {revision}")
    return record(number, conversation, revision=revision, what=what)


async def wanted(store: Store) -> list[tuple[str, int]]:
    return [(one.number, one.revision) for one in await store.records_to_link(10)]


async def test_a_new_complaint_is_looked_at_once(store: Store) -> None:
    conversation = await fill(store, message(1))
    await settle(store, record=complaint("A-1", conversation))
    assert await wanted(store) == [("A-1", 1)]
    await store.looked_at([("A-1", 1)])
    assert await wanted(store) == []


async def test_a_question_never(store: Store) -> None:
    conversation = await fill(store, message(1))
    await settle(store, record=complaint("A-1", conversation, kind="enquiry"))
    assert await wanted(store) == []


@pytest.mark.parametrize(("change", "again"), [({"order": "4471"}, True), ({}, False)])
async def test_a_changed_one_again(store: Store, change: dict[str, str], again: bool) -> None:
    conversation = await fill(store, message(1))
    await settle(store, record=complaint("A-1", conversation))
    await store.looked_at([("A-1", 1)])
    await store.amend(conversation, None, complaint("A-1", conversation, revision=2, **change), status="")
    assert await wanted(store) == ([("A-1", 2)] if again else [])


async def test_so_does_one_whose_customer_is_known_now(store: Store) -> None:
    conversation = await fill(store, message(1))
    first = complaint("A-1", conversation)
    await settle(store, record=first)
    await store.looked_at([("A-1", 1)])
    known = msgspec.structs.replace(first, revision=2, who=Complainant(emails=(found("ann@example.org"),)))
    await store.amend(conversation, None, known, status="")
    assert await wanted(store) == [("A-1", 2)]


async def test_one_that_changed_while_it_was_looked_at_stays(store: Store) -> None:
    conversation = await fill(store, message(1))
    await settle(store, record=complaint("A-1", conversation))
    await store.amend(conversation, None, complaint("A-1", conversation, revision=2, order="1"), status="")
    await store.looked_at([("A-1", 1)])
    assert await wanted(store) == [("A-1", 2)]
