"""Whoever has the database cannot change a case unseen: the journal knows the hash of every revision."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway import operations
from gateway.store.journal import ERASED, REVISIONS, body_hash, canonical, verify_revisions

pytestmark = pytest.mark.asyncio(loop_scope="module")

Tamper = Callable[[sqlite3.Connection, str], object]


async def _faults(house: Any, number: str) -> list[str]:
    found = await operations.perform(house.gateway, "audit-journals", {})
    return [row["fault"] for row in found if row.get("number") == number]


def _tamper(house: Any, how: Tamper, number: str) -> None:
    connection = sqlite3.connect(Path(house.folder) / "data" / "allears.db", timeout=10)
    with connection:
        how(connection, number)
    connection.close()


def _rewrite(connection: sqlite3.Connection, number: str) -> None:
    where = "WHERE number = ? AND revision = 1"
    (body,) = connection.execute(f"SELECT body FROM record_revision {where}", (number,)).fetchone()
    forged = bytes(body).replace(b"broken", b"nicely")
    assert forged != bytes(body)
    connection.execute(f"UPDATE record_revision SET body = ? {where}", (forged, number))


def _remove(connection: sqlite3.Connection, number: str) -> None:
    connection.execute("DELETE FROM record_revision WHERE number = ? AND revision = 1", (number,))


def _add(connection: sqlite3.Connection, number: str) -> None:
    connection.execute(
        "INSERT INTO record_revision (number, revision, body) SELECT number, max(revision) + 1, body FROM record_revision"
        " WHERE number = ?",
        (number,),
    )


def _empty(connection: sqlite3.Connection, number: str) -> None:
    """As an erasure leaves it, so that the chain holds."""
    rows = connection.execute("SELECT n, body FROM journal WHERE number = ?", (number,)).fetchall()
    for n, body in rows:
        emptied = canonical({ERASED: body_hash(json.loads(body))})
        connection.execute("UPDATE journal SET body = ? WHERE number = ? AND n = ?", (emptied, number, n))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (_rewrite, "revision 1 was changed"),
        (_remove, "revision 1 is missing"),
        (_add, "stands in no line"),
        (_empty, "without an erasure"),
    ],
)
async def test_a_changed_revision_is_found(house: Any, how: Tamper, said: str) -> None:
    conversation = await house.send("My parcel came broken, I want a refund. Let me talk to a human.")
    number = await house.case(conversation)
    async with house.desk("admin") as desk:
        correction = {"field": "urgency", "value": "urgent"}
        assert (await desk.call("POST", f"conversations/{conversation}/correct", correction))[0] == 200
    lines = await house.gateway.store.journal(number)
    sealed = {revision for line in lines for revision in line.body.get(REVISIONS, {})}
    assert sealed == {str(one.revision) for one in await house.gateway.store.revisions(number)}
    assert await _faults(house, number) == []
    _tamper(house, how, number)
    assert any(said in fault for fault in await _faults(house, number))


async def test_after_an_erasure_the_stripped_revisions_are_known(house: Any) -> None:
    conversation = await house.send("My parcel came broken, I want a refund.")
    number = await house.case(conversation)
    await house.gateway.store.erase(conversation, at=house.clock(), by="operator")
    assert await _faults(house, number) == []
    await house.gateway.store.erase(conversation, at=house.clock(), by="operator")
    assert await _faults(house, number) == []
    _tamper(house, _remove, number)
    assert await _faults(house, number) == ["revision 1 is missing"]


async def test_journals_from_before_are_whole(house: Any) -> None:
    number = await house.case(await house.send("My parcel came broken, I want a refund."))
    lines = await house.gateway.store.journal(number)
    old = [msgspec.structs.replace(line, body={}) for line in lines]
    assert list(verify_revisions(old, await house.gateway.store.revision_digests(number))) == []
