"""Facts that the customer gave as the answer to a question: the question says what they are."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from normalizer.record import ComplaintRecord, Evidence, Found

#: An answer to a plain question is nearly as good as a number with its word beside it.
CONFIDENCE = 0.9
RULE = "answer"


def with_answers(record: ComplaintRecord, slots: Mapping[str, str], *, key: str, text: str) -> ComplaintRecord:
    """The record with the order number that was asked for and given in the message ``key``.

    A number that the record has already, or that does not stand in ``text``, changes nothing.
    """
    number = slots.get("order_number", "")
    start = text.find(number) if number else -1
    if start < 0 or any(found.value == number for found in record.what.order_numbers):
        return record
    evidence = Evidence(
        message=key, rule=RULE, start=start, end=start + len(number), quote=number, confidence=CONFIDENCE
    )
    found = Found(value=number, evidence=(evidence,))
    what = msgspec.structs.replace(record.what, order_numbers=(*record.what.order_numbers, found))
    return msgspec.structs.replace(record, what=what)
