"""The sample knowledge and the packaged rules, read once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bot.decide import decide
from bot.decision import Asked, Company, Context, Decision, State, Turn
from bot.knowledge import Knowledge
from gateway.library import read_knowledge, read_rules
from normalizer.record import Arrival, ComplaintRecord
from normalizer.rules import Rules

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return read_knowledge(None)


@pytest.fixture(scope="session")
def rules() -> Rules:
    return read_rules(None)


@pytest.fixture
def record() -> ComplaintRecord:
    """A record that knows nothing yet."""
    arrival = Arrival(
        channel="webchat", account="a", conversation="c", thread="t", provider_at=NOW, received_at=NOW, processed_at=NOW
    )
    return ComplaintRecord(arrival=arrival, opened_at=NOW, updated_at=NOW)


@pytest.fixture
def context() -> Context:
    return Context(
        company=Company(name="Shop", timezone="Asia/Shanghai"),
        number="C-1",
        status_url="https://shop.example/s/C-1",
        respond_by=NOW.replace(hour=9),
    )


Say = Callable[..., Decision]


@pytest.fixture
def say(knowledge: Knowledge, record: ComplaintRecord, context: Context) -> Say:
    """Decide one turn from a text, with the record, state or context given."""

    def one(
        text: str,
        *,
        state: State | None = None,
        record: ComplaintRecord = record,
        context: Context = context,
        choice: str = "",
        attachments: int = 0,
        knowledge: Knowledge = knowledge,
    ) -> Decision:
        turn = Turn(key="k", text=text, at=NOW, choice=choice, attachments=attachments)
        return decide(Asked(turn=turn, state=state or State(), record=record, context=context), knowledge)

    return one
