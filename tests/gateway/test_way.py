"""The way of a message, from the door to the outbox, through both real stores, rules and knowledge."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from channels.base import Attachment, Call, Channel, Expired, Outbound, Receipt, Refused, Retry, Tools, Unknown
from gateway.desk import actions
from gateway.flow import TRIES
from gateway.outbox import Outbox
from gateway.store import journal
from gateway.store.base import BOT, NOBODY, Agent
from gateway.turns import REOPENS_FOR
from normalizer.record import ComplaintRecord
from tests.servers import postgres

if TYPE_CHECKING:
    from tests.gateway.conftest import Town

COMPLAINT = "我的快递收到就是坏的，订单号 20261120001234，我要求退款！"


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "sqlite" else postgres.new_database(f"way_{secrets.token_hex(8)}")


async def record(town: Town, conversation: str) -> ComplaintRecord:
    number = (await town.gateway.store.conversation(conversation)).number
    return await town.gateway.store.record(number)


async def test_a_simple_question_is_answered_by_the_bot(town: Town) -> None:
    conversation = await town.write("How long does delivery take?")
    lines = await town.lines(conversation)
    assert [line.kind for line in lines] == ["inbound", "outbound"]
    assert lines[1].author == BOT
    assert "day" in lines[1].text
    assert (await town.gateway.store.conversation(conversation)).owner == BOT


async def test_a_complaint_gets_an_honest_receipt_and_a_person(town: Town) -> None:
    conversation = await town.write(COMPLAINT)
    found = await record(town, conversation)
    receipt = (await town.lines(conversation, "outbound"))[0].text
    assert found.number in receipt
    assert found.what.kind is not None
    assert found.what.kind.value == "complaint"
    assert [f.value for f in found.what.order_numbers] == ["20261120001234"]
    assert "refund" in [f.value for f in found.what.demands]
    assert found.standing.deadlines.first_response_by is not None
    assert f"{found.number}?k=" in receipt


async def test_evidence_points_to_the_customers_own_words(town: Town) -> None:
    conversation = await town.write(COMPLAINT)
    order = (await record(town, conversation)).what.order_numbers[0].evidence[0]
    assert COMPLAINT[order.start : order.end] == "20261120001234"


async def test_a_person_is_asked_for_and_the_bot_is_silent_then(town: Town) -> None:
    conversation = await town.write("转人工")
    assert (await town.gateway.store.conversation(conversation)).owner == NOBODY
    await town.gateway.store.claim(conversation, "agent-1", lease_until=town.clock(), now=town.clock())
    said = len(await town.lines(conversation, "outbound"))
    await town.write("How long does delivery take?")
    assert len(await town.lines(conversation, "outbound")) == said


async def test_the_same_message_again_changes_nothing(town: Town) -> None:
    conversation = await town.write(COMPLAINT, id="m")
    before = await town.lines(conversation), town.events()
    await town.write(COMPLAINT, id="m")
    assert (await town.lines(conversation), town.events()) == before


async def test_the_same_id_with_other_words_is_another_message(town: Town) -> None:
    conversation = await town.write("Where is my parcel?", id="m")
    await town.write("Where is my refund?", id="m")
    assert [line.text for line in await town.lines(conversation, "inbound")] == [
        "Where is my parcel?",
        "Where is my refund?",
    ]


async def test_every_revision_reaches_the_sink_in_order(town: Town) -> None:
    conversation = await town.write(COMPLAINT)
    await town.write("我的电话是 13800138000")
    events = town.events()
    assert events[0]["type"] == "complaint.opened"
    revisions = [event["data"]["revision"] for event in events]
    assert revisions == sorted(revisions)
    assert revisions[-1] == (await record(town, conversation)).revision
    assert len({event["id"] for event in events}) == len(events)


async def test_an_edit_replaces_what_was_found_in_the_message(town: Town) -> None:
    conversation = await town.write(COMPLAINT, id="m")
    await town.write(COMPLAINT.replace("1234", "9999"), id="m2", kind="edit", refers_to="m")
    orders = [found.value for found in (await record(town, conversation)).what.order_numbers]
    assert orders == ["20261120009999"]
    inbound = await town.lines(conversation, "inbound")
    assert "1234" in inbound[0].text, "what was said stays said"
    assert inbound[1].refers_to == inbound[0].seq


async def test_a_machine_gets_a_quiet_record_and_no_answer(town: Town) -> None:
    conversation = await town.write("I am out of the office.", machine="auto_reply")
    assert await town.lines(conversation, "outbound") == []
    found = await record(town, conversation)
    assert found.what.kind is not None
    assert found.what.kind.value == "machine"


async def test_what_nobody_could_read_goes_to_a_person(town: Town) -> None:
    conversation = await town.write("", kind="event", placeholder="a message that could not be read")
    assert (await town.gateway.store.conversation(conversation)).owner == NOBODY


async def test_text_survives_whatever_happens_to_its_files(town: Town) -> None:
    files = (Attachment(name="a.png", data=b"\x89PNG not really"), Attachment(name="b", data=b"x" * 11_000_000))
    conversation = await town.write(COMPLAINT, attachments=files)
    line = (await town.lines(conversation, "inbound"))[0]
    assert line.text == COMPLAINT
    assert {file.state for file in line.attachments} <= {"kept", "refused"}
    assert all(file.reason for file in line.attachments if file.state == "refused")


async def test_a_text_without_end_is_kept_whole_in_a_file(town: Town) -> None:
    text = "很长" * 200_000
    conversation = await town.write(text)
    line = (await town.lines(conversation, "inbound"))[0]
    assert len(line.text) < len(text)
    assert (await town.gateway.blobs.read(line.attachments[0].digest)).decode() == text


async def test_rules_that_crash_end_with_a_person_and_nothing_is_lost(town: Town) -> None:
    sound = town.gateway.knowledge
    town.gateway.knowledge = None  # type: ignore[assignment]
    conversation = await town.write("How long does delivery take?", work=False)
    for _ in range(TRIES):
        await town.flow.step()
    assert (await town.gateway.store.inbox(state="held")).items
    assert (await town.gateway.store.conversation(conversation)).owner == NOBODY
    await town.outbox.drain()
    assert await town.lines(conversation, "outbound"), "the customer is told honestly"
    town.gateway.knowledge = sound
    await town.gateway.store.replay_inbox([row.id for row in (await town.gateway.store.inbox()).items])
    await town.work()
    assert not (await town.gateway.store.inbox(state="held")).items
    assert (await record(town, conversation)).number


async def test_one_conversations_crash_does_not_stop_the_others(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = await town.write("boom", thread="bad", work=False)
    good = await town.write("How long does delivery take?", thread="good", work=False)
    decide = town.flow._rules_in_force().decide

    def sometimes(work: Any, now: Any, cases: Any) -> Any:
        if work.conversation.id == bad:
            raise RuntimeError("a fault of the rules")
        return decide(work, now, cases)

    monkeypatch.setattr(town.flow._rules_in_force(), "decide", sometimes)
    await town.flow.step()
    await town.outbox.drain()
    assert await town.lines(good, "outbound")
    assert not await town.lines(bad, "outbound")


class Platform:
    """A channel that answers as it is told to; everything else is the real one's."""

    idempotent = False

    def __init__(self, channel: Channel, *answers: Exception | None) -> None:
        self._channel, self.answers = channel, list(answers)
        self.sent: list[Outbound] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.sent.append(out)
        return Receipt(external_ids=(f"p-{out.key}",))


def platform(town: Town, *answers: Exception | None) -> Platform:
    made = Platform(town.gateway.channels["api", "main"], *answers)
    town.gateway.channels = {("api", "main"): made}  # type: ignore[dict-item]
    return made


async def test_a_temporary_failure_is_tried_again_later(town: Town) -> None:
    fake = platform(town, Retry("HTTP 503"), Retry("HTTP 503"))
    conversation = await town.write("How long does delivery take?")
    assert not fake.sent
    assert [send.state for send in await town.gateway.store.pending(conversation)] == ["waiting"]
    town.clock.go(seconds=10)
    await town.outbox.drain()
    town.clock.go(minutes=10)
    await town.outbox.drain()
    assert len(fake.sent) == 1
    assert len(await town.lines(conversation, "outbound")) == 1


@pytest.mark.parametrize("answer", [Refused("blocked"), Expired("window closed")])
async def test_a_final_no_is_a_dead_letter_and_a_person_takes_over(town: Town, answer: Exception) -> None:
    platform(town, answer)
    conversation = await town.write("How long does delivery take?")
    assert [send.state for send in await town.gateway.store.pending(conversation)] == ["dead"]
    assert (await town.gateway.store.conversation(conversation)).owner == NOBODY
    await town.gateway.store.replay_sends([1, 2, 3], town.clock())
    await town.outbox.drain()
    assert not await town.gateway.store.pending(conversation)


async def test_in_doubt_bot_chatter_is_shown_not_repeated(town: Town) -> None:
    fake = platform(town, Unknown("no answer"))
    conversation = await town.write("How long does delivery take?")
    town.clock.go(days=1)
    await town.outbox.drain()
    assert not fake.sent
    assert [send.state for send in await town.gateway.store.pending(conversation)] == ["unknown"]


async def test_in_doubt_a_receipt_is_repeated(town: Town) -> None:
    fake = platform(town, Unknown("no answer"))
    await town.write(COMPLAINT)
    town.clock.go(days=1)
    await town.outbox.drain()
    assert [out.kind for out in fake.sent][:1] == ["receipt"]


async def test_a_bots_late_reply_cannot_follow_a_persons(town: Town) -> None:
    fake = platform(town, Retry("HTTP 503"))
    conversation = await town.write("How long does delivery take?")
    await town.gateway.store.claim(conversation, "agent-1", lease_until=town.clock(), now=town.clock())
    town.clock.go(days=1)
    await town.outbox.drain()
    assert not fake.sent
    assert [row.state for row in (await town.gateway.store.outbox(state="superseded")).items] == ["superseded"]


async def test_the_journal_proves_itself(town: Town) -> None:
    conversation = await town.write(COMPLAINT)
    lines = await town.gateway.store.journal((await record(town, conversation)).number)
    assert [line.what for line in lines][:2] == ["opened", "handed_off"] or lines[0].what == "opened"
    assert not journal.verify(lines)
    forged = (*lines[:-1], msgspec.structs.replace(lines[-1], by="somebody"))
    assert journal.verify(forged)


async def test_a_new_matter_long_after_the_end_is_a_new_case(town: Town) -> None:
    conversation = await town.write(COMPLAINT)
    first = await record(town, conversation)
    standing = msgspec.structs.replace(first.standing, status="closed")
    closed = msgspec.structs.replace(first, revision=first.revision + 1, standing=standing, updated_at=town.clock())
    await town.gateway.store.amend(conversation, None, closed, status="closed", owner=BOT)
    town.clock.go(days=REOPENS_FOR.days + 1)
    await town.write(COMPLAINT)
    second = await record(town, conversation)
    assert second.number != first.number
    assert second.who.customer_class == "returning"


async def test_a_word_soon_after_the_end_reopens_the_case(town: Town) -> None:
    conversation = await town.write(COMPLAINT)
    first = await record(town, conversation)
    standing = msgspec.structs.replace(first.standing, status="closed")
    closed = msgspec.structs.replace(first, revision=first.revision + 1, standing=standing, updated_at=town.clock())
    await town.gateway.store.amend(conversation, None, closed, status="closed", owner=BOT)
    town.clock.go(days=1)
    await town.write("还是坏的，没有解决！")
    again = await record(town, conversation)
    assert again.number == first.number
    assert again.standing.status == "waiting_agent"
    assert "complaint.reopened" in [event["type"] for event in town.events()]
    assert "reopened" in [line.notice for line in await town.lines(conversation, "notice")]


def test_a_call_does_not_show_its_tokens() -> None:
    call = Call(url="https://api.example/bot123:secret/send", headers={"Authorization": "Bearer secret"})
    assert "secret" not in repr(call)


@pytest.mark.parametrize(("said", "score"), [("5", 5), ("非常不满意", 1), ("2分", 2)])
async def test_the_customer_is_asked_afterwards(town: Town, said: str, score: int) -> None:
    conversation = await town.write(COMPLAINT)
    agent = Agent(id="a", login="a", name="小林", role="agent")
    await town.gateway.store.put_agent(agent)
    fence = (await actions.claim(town.gateway, agent, conversation)).fence
    await actions.close(town.gateway, agent, conversation, fence=fence, key="close-1234", disposition="solved")
    await town.work()
    assert (await town.lines(conversation, "outbound"))[-1].buttons
    await town.write(said)
    found = await town.gateway.store.records()
    assert [(r.standing.status, r.standing.satisfaction) for r in found.items] == [("resolved", score)]


async def test_what_is_claimed_while_we_are_told_to_stop_goes_back(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = await town.write("How long does delivery take?", work=False)
    await town.flow.step()
    claim, under_way = town.gateway.store.claim_sends, asyncio.Event()

    async def slowly(*args: Any, **options: Any) -> Any:
        claimed = await claim(*args, **options)
        under_way.set()
        await asyncio.sleep(0.05)
        return claimed

    monkeypatch.setattr(town.gateway.store, "claim_sends", slowly)
    sending = asyncio.create_task(town.outbox.run())
    await under_way.wait()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    monkeypatch.undo()
    rows = await town.gateway.store.pending(conversation)
    assert {(row.state, row.interrupted) for row in rows} == {("waiting", False)}
    await Outbox(town.gateway).drain()
    assert len(await town.lines(conversation, "outbound")) == 1
