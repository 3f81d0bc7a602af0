"""What is kept how long: events and traces by month, keys and logins by their time, conversations by years."""

from __future__ import annotations

from datetime import timedelta

from gateway.store.base import DeskSession, Keep, Store, Tidied
from tests.store.scene import START, Clock, fill, line, message, outcome, record, settle

NOTHING = Tidied(events=0, traces=0, expired=0, erased=0)
FOR_EVER = Keep()


async def one_case(
    store: Store, n: int, *, status: str = "closed", number: str = "", at: timedelta = timedelta()
) -> str:
    """A conversation with one message and its case; its id."""
    (done,) = await store.append([message(n, thread=f"t{n}")], received_at=START + at)
    batch = await store.claim_work(10)
    (work,) = batch.work
    made = record(number or f"N{n}", done.conversation, status=status)  # type: ignore[arg-type]
    errors = await batch.settle([outcome(work, record=made, trace=b'{"why": 1}', journal=(line(made.number),))])
    await batch.release()
    assert list(errors) == [None]
    return done.conversation


async def test_everything_is_kept_where_nothing_is_said(store: Store, clock: Clock) -> None:
    id = await one_case(store, 1)
    assert await store.tidy(clock.turn(days=4000), FOR_EVER) == NOTHING
    assert len(await store.traces(id)) == 1
    assert (await store.inbox_message((await store.inbox()).items[0].id)).raw


async def test_events_go_after_whole_months(store: Store, clock: Clock) -> None:
    await one_case(store, 1)
    (row,) = (await store.inbox()).items
    keep = Keep(raw_months=2)
    assert (await store.tidy(START.replace(month=12, day=31), keep)).events == 0
    assert (await store.inbox_message(row.id)).raw == message(1).raw
    assert (await store.tidy(START.replace(year=2027, month=2, day=1), keep)).events == 1
    kept = await store.inbox_message(row.id)
    assert (kept.raw, kept.text) == (b"", "message 1")
    assert (await store.tidy(START.replace(year=2027, month=2, day=1), keep)).events == 0


async def test_traces_go_after_whole_months(store: Store, clock: Clock) -> None:
    id = await one_case(store, 1)
    keep = Keep(trace_months=1)
    assert (await store.tidy(START.replace(month=12, day=31), keep)).traces == 0
    assert len(await store.traces(id)) == 1
    assert (await store.tidy(START.replace(year=2027, month=1, day=1), keep)).traces == 1
    assert await store.traces(id) == ()


async def test_months_come_and_go_while_work_goes_on(store: Store, clock: Clock) -> None:
    keep = Keep(raw_months=1, trace_months=1)
    for month in range(6):
        await store.tidy(clock.now, keep)
        id = await one_case(store, month + 1, at=clock.now - START)
        assert len(await store.traces(id)) == 1
        clock.turn(days=31)
    rows = (await store.inbox()).items
    raw = [bool((await store.inbox_message(row.id)).raw) for row in sorted(rows, key=lambda r: r.id)]
    await store.tidy(clock.now, keep)
    assert raw[-1]
    assert len(rows) == 6
    newest = [bool((await store.inbox_message(row.id)).raw) for row in sorted(rows, key=lambda r: r.id)]
    assert newest == [False] * 5 + [True]


async def test_what_has_expired_goes(store: Store, clock: Clock) -> None:
    soon = START + timedelta(hours=1)
    await store.put_once("scope", "key", b"old", expires_at=soon)
    await store.put_session(DeskSession(token_hash="t", agent="a", csrf="c", created_at=START, expires_at=soon))
    assert (await store.tidy(START, FOR_EVER)).expired == 0
    assert (await store.tidy(soon + timedelta(seconds=1), FOR_EVER)).expired == 2
    assert (await store.tidy(soon + timedelta(seconds=1), FOR_EVER)).expired == 0


async def test_an_old_case_is_erased_with_its_journal_line(store: Store, clock: Clock) -> None:
    keep = Keep(years=3)
    id = await one_case(store, 1)
    assert (await store.tidy(START.replace(year=2029), keep)).erased == 0
    assert (await store.tidy(START.replace(year=2029, month=12), keep)).erased == 1
    assert (await store.conversation(id)).sender == ""
    assert (await store.timeline(id))[0].text == ""
    assert [entry.what for entry in await store.journal("N1")] == ["opened", "erased"]
    assert (await store.tidy(START.replace(year=2029, month=12), keep)).erased == 0


async def test_an_open_case_is_never_erased(store: Store, clock: Clock) -> None:
    id = await one_case(store, 1, status="waiting_human")
    assert (await store.tidy(START.replace(year=2040), Keep(years=1))).erased == 0
    assert (await store.conversation(id)).sender


async def test_who_wrote_since_is_not_erased(store: Store, clock: Clock) -> None:
    id = await one_case(store, 1)
    clock.turn(days=365)
    await fill(store, message(2, thread="t1", second=365 * 86400))
    assert (await store.tidy(START.replace(year=2027, month=12), Keep(years=1))).erased == 0
    batch = await store.claim_work(1)
    await batch.settle([outcome(batch.work[0])])
    await batch.release()
    assert (await store.tidy(START.replace(year=2027, month=12), Keep(years=1))).erased == 0
    assert (await store.tidy(START.replace(year=2028, month=12), Keep(years=1))).erased == 1
    assert (await store.conversation(id)).sender == ""


async def test_a_conversation_without_a_case_goes_too(store: Store, clock: Clock) -> None:
    id = await fill(store, message(1))
    await settle(store, record=None)
    assert (await store.tidy(START.replace(year=2028, month=12), Keep(years=1))).erased == 1
    assert (await store.conversation(id)).sender == ""
