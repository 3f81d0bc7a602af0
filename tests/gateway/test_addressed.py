"""What is said into a call that is over: one row, refused as a whole, and no question that nobody can answer."""

from __future__ import annotations

from typing import Any

import pytest

from channels.base import Outbound
from gateway.addressed import to_customer
from tests.contract.case import load


@pytest.mark.parametrize(("kind", "rows"), [("human", 1), ("status", 1), ("survey", 0)])
def test_a_call_is_never_answered_letter_by_letter(kind: Any, rows: int) -> None:
    phone = load("phone").channel()
    out = Outbound(key="k", channel="phone", account="main", thread="c1", text="We call you back at five.", kind=kind)
    assert len(to_customer(out, {("phone", "main"): phone}, conversation="c", number="n")) == rows
