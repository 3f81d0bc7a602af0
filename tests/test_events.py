"""Which events a change of the record makes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from gateway.events import event_sends, events_between
from normalizer.record import Arrival, ComplaintRecord, Standing, What

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)


def record(revision: int = 1, status: Any = "waiting_bot", owner: str = "bot", summary: str = "") -> ComplaintRecord:
    arrival = Arrival(
        channel="webchat",
        account="main",
        conversation="c1",
        thread="t",
        provider_at=AT,
        received_at=AT,
        processed_at=AT,
    )
    return ComplaintRecord(
        number="A-1",
        revision=revision,
        arrival=arrival,
        what=What(summary=summary),
        standing=Standing(status=status, owner=owner),
        opened_at=AT,
        updated_at=AT + timedelta(seconds=revision),
    )


def types(old: ComplaintRecord | None, new: ComplaintRecord) -> list[str]:
    return [event.type.removeprefix("complaint.") for event in events_between(old, new, source="https://a.example")]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, record(), ["opened"]),
        (None, record(status="waiting_agent", owner=""), ["opened", "handed_off"]),
        (None, record(status="resolved"), ["opened", "resolved"]),
        (record(), record(2), []),
        (record(), record(2, summary="x"), ["updated"]),
        (record(), record(2, "waiting_customer"), ["updated"]),
        (record(), record(2, "waiting_agent", ""), ["handed_off"]),
        (record(), record(2, "waiting_agent", "ann"), ["handed_off"]),
        (record(1, "waiting_agent", ""), record(2, "waiting_agent", "ann"), ["updated"]),
        (record(1, "waiting_agent", "ann"), record(2, "waiting_bot", "bot"), ["updated"]),
        (record(), record(2, "resolved"), ["resolved"]),
        (record(1, "waiting_agent", "ann"), record(2, "closed", "ann"), ["closed"]),
        (record(), record(2, "withdrawn"), ["closed"]),
        (record(1, "resolved"), record(2, "closed"), ["closed"]),
        (record(1, "closed"), record(2, "withdrawn"), ["updated"]),
        (record(1, "closed"), record(2, "resolved"), ["resolved"]),
        (record(1, "resolved"), record(2, "waiting_bot"), ["reopened"]),
        (record(1, "closed"), record(2, "waiting_agent", ""), ["reopened", "handed_off"]),
        (record(1, "closed"), record(2, "closed", summary="x"), ["updated"]),
    ],
)
def test_events_of_a_change(old: ComplaintRecord | None, new: ComplaintRecord, expected: list[str]) -> None:
    assert types(old, new) == expected


def test_another_number_is_another_case() -> None:
    assert types(msgspec.structs.replace(record(1, "closed"), number="A-0"), record()) == ["opened"]


def test_an_event_is_a_cloud_event_with_the_whole_record() -> None:
    new = record(3, "resolved")
    (event,) = events_between(record(2), new, source="")
    read = msgspec.json.decode(msgspec.json.encode(event))
    assert read | {"data": None} == {
        "specversion": "1.0",
        "id": "A-1:3:resolved",
        "type": "complaint.resolved",
        "source": "allears",
        "subject": "A-1",
        "time": "2026-11-20T08:00:03Z",
        "datacontenttype": "application/json",
        "data": None,
    }
    assert msgspec.convert(read["data"], ComplaintRecord) == new


def test_doing_it_again_makes_the_same_rows() -> None:
    new = record(status="waiting_agent", owner="")
    rows = event_sends(events_between(None, new, source="s"), ["crm", "file"])
    assert rows == event_sends(events_between(None, new, source="s"), ["crm", "file"])
    assert [(row.key, row.lane) for row in rows] == [
        ("A-1:1:opened@crm", "crm/A-1"),
        ("A-1:1:handed_off@crm", "crm/A-1"),
        ("A-1:1:opened@file", "file/A-1"),
        ("A-1:1:handed_off@file", "file/A-1"),
    ]
    assert {row.destination for row in rows} == {"sink:crm", "sink:file"}
    assert all("." not in row.key for row in rows)
