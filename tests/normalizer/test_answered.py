"""What a customer answers to a question is a fact of the record."""

from __future__ import annotations

from datetime import UTC, datetime

from normalizer.answered import with_answers
from normalizer.record import Arrival, ComplaintRecord

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RECORD = ComplaintRecord(
    arrival=Arrival(
        channel="webchat",
        account="shop",
        conversation="c",
        thread="t",
        provider_at=NOW,
        received_at=NOW,
        processed_at=NOW,
    ),
    opened_at=NOW,
    updated_at=NOW,
)


def test_the_number_is_found_where_it_was_said() -> None:
    text = "是 778899 吧"
    found = with_answers(RECORD, {"order_number": "778899"}, key="k", text=text).what.order_numbers[0]
    assert found.value == "778899"
    assert text[found.evidence[0].start : found.evidence[0].end] == "778899"


def test_it_is_added_once() -> None:
    once = with_answers(RECORD, {"order_number": "778899"}, key="k", text="778899")
    assert with_answers(once, {"order_number": "778899"}, key="k2", text="778899") == once


def test_what_was_not_said_here_is_no_fact_of_this_message() -> None:
    assert with_answers(RECORD, {"order_number": "778899"}, key="k", text="no idea") == RECORD
    assert with_answers(RECORD, {}, key="k", text="778899") == RECORD
