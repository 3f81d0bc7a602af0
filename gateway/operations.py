"""What an operator can do, by name. The command line runs these here or in the running server, with the same result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, get_args

import msgspec

from channels.base import BadPayload, ChannelError, PushChannel, Request
from gateway import archive, bundle, call_file, captures, channel_state, wake
from gateway.context import Gateway
from gateway.desk import accounts
from gateway.sinks.base import CallsBack
from gateway.store import journal
from gateway.store.base import NotFound, Page, Quarantined, SendState
from gateway.ticket_updates import apply
from gateway.web.callbacks import SINK
from gateway.web.doors import QUARANTINED, receive
from normalizer.mask import mask

Params = Mapping[str, Any]
Rows = list[dict[str, Any]]
Operation = Callable[[Gateway, Params], Awaitable[Rows]]

#: Rows read at once.
PAGE = 200
#: States of the outbox that wait for a person.
STUCK: tuple[SendState, ...] = ("dead", "unknown")


class OperationError(Exception):
    """It cannot be done; the message says why and what to do."""


def _row(value: Any) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(value)
    return row


def covered(value: Any) -> Any:
    """JSON with identity and card numbers covered in every text."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [covered(one) for one in value]
    return {name: covered(one) for name, one in value.items()} if isinstance(value, dict) else value


def _readable(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


async def _all(fetch: Callable[[str], Awaitable[Page]], limit: int) -> list[Any]:
    items: list[Any] = []
    cursor = ""
    while len(items) < limit:
        page = await fetch(cursor)
        items += page.items
        cursor = page.cursor
        if not cursor:
            break
    return items[:limit]


def _ids(params: Params) -> list[int]:
    return [int(id) for id in params.get("ids", ())]


# inbox


async def inbox_list(gateway: Gateway, params: Params) -> Rows:
    """Messages taken in, newest first."""
    state = params.get("state", "")
    rows = await _all(lambda c: gateway.store.inbox(state=state, cursor=c, limit=PAGE), params.get("limit", 50))
    return [_row(row) for row in rows]


async def inbox_show(gateway: Gateway, params: Params) -> Rows:
    """One message as it came, but for the numbers that nobody is shown in passing."""
    messages = [await gateway.store.inbox_message(id) for id in _ids(params)]
    return [covered(_row(msgspec.structs.replace(m, raw=b"")) | {"raw": _readable(m.raw)}) for m in messages]


async def inbox_replay(gateway: Gateway, params: Params) -> Rows:
    """Process messages again that were set aside."""
    ids = _ids(params) or [
        row.id for row in await _all(lambda c: gateway.store.inbox(state="held", cursor=c, limit=PAGE), PAGE * PAGE)
    ]
    count = await gateway.store.replay_inbox(ids)
    gateway.wake.signal(wake.INBOX)
    return [{"replayed": count}]


# outbox and dead letters


async def outbox_list(gateway: Gateway, params: Params) -> Rows:
    """Messages to be sent, newest first."""
    return await _sends(gateway, [params.get("state", "")], params)


async def dead_list(gateway: Gateway, params: Params) -> Rows:
    """Dead letters, and messages whose fate is unknown."""
    return await _sends(gateway, STUCK, params)


async def _sends(gateway: Gateway, states: Sequence[str], params: Params) -> Rows:
    rows: Rows = []
    for state in states:
        found = await _all(
            lambda c, state=state: gateway.store.outbox(state=state, cursor=c, limit=PAGE),  # type: ignore[misc]
            params.get("limit", 50),
        )
        rows += [_row(msgspec.structs.replace(send, body=b"")) for send in found]
    return rows


async def outbox_show(gateway: Gateway, params: Params) -> Rows:
    """One message to be sent, with its content."""
    wanted = set(_ids(params))
    sends = await _all(lambda c: gateway.store.outbox(cursor=c, limit=PAGE), PAGE * PAGE)
    if missing := wanted - {send.id for send in sends}:
        raise NotFound(f"there is no outbox row {min(missing)}")
    return [_row(send) | {"body": covered(msgspec.json.decode(send.body))} for send in sends if send.id in wanted]


async def dead_replay(gateway: Gateway, params: Params) -> Rows:
    """Send dead letters again: those named, or all."""
    ids = _ids(params) or [row["id"] for row in await _sends(gateway, STUCK, {"limit": PAGE * PAGE})]
    count = await gateway.store.replay_sends(ids, gateway.clock())
    gateway.wake.signal(wake.OUTBOX)
    return [{"replayed": count}]


# quarantine


async def quarantine_list(gateway: Gateway, params: Params) -> Rows:
    """Deliveries that could not be read."""
    state = params.get("state", "open")
    rows = await _all(lambda c: gateway.store.quarantined(state=state, cursor=c, limit=PAGE), params.get("limit", 50))
    return [_row(msgspec.structs.replace(row, raw=b"", headers={})) for row in rows]


async def quarantine_show(gateway: Gateway, params: Params) -> Rows:
    """A delivery with its raw bytes."""
    rows = [await gateway.store.quarantined_one(id) for id in _ids(params)]
    return [_row(row) | {"raw": mask(_readable(row.raw))} for row in rows]


async def quarantine_replay(gateway: Gateway, params: Params) -> Rows:
    """Read deliveries again, for example after an update."""
    return [await _read_again(gateway, await gateway.store.quarantined_one(id)) for id in _ids(params)]


async def _read_again(gateway: Gateway, kept: Quarantined) -> dict[str, Any]:
    if kept.channel == SINK:
        return await _hear_again(gateway, kept)
    channel = gateway.channels.get((kept.channel, kept.account))
    if not isinstance(channel, PushChannel):
        raise OperationError(f"{kept.channel}/{kept.account} is not configured as a channel that receives")
    request = Request(url=gateway.config.base_url, tail=kept.tail, headers=kept.headers, body=kept.raw, at=kept.at)
    try:
        messages = channel.accept(request)
    except ChannelError as err:
        return {"id": kept.id, "state": "open", "reason": f"{type(err).__name__}: {err}"}
    answer = await receive(gateway, channel, request)
    assert answer is not QUARANTINED, BadPayload
    await gateway.store.close_quarantined(kept.id, "replayed")
    return {"id": kept.id, "state": "replayed", "messages": len(messages)}


async def _hear_again(gateway: Gateway, kept: Quarantined) -> dict[str, Any]:
    """A ticket system's callback that could not be read."""
    sink = gateway.sinks.get(kept.account)
    if not isinstance(sink, CallsBack):
        raise OperationError(f"the sink {kept.account} is not configured as one that calls back")
    try:
        update = sink.update(Request(url=gateway.config.base_url, headers=kept.headers, body=kept.raw, at=kept.at))
    except ChannelError as err:
        return {"id": kept.id, "state": "open", "reason": f"{type(err).__name__}: {err}"}
    result = await apply(gateway, kept.account, update) if update else "ignored"
    await gateway.store.close_quarantined(kept.id, "replayed")
    return {"id": kept.id, "state": "replayed", "result": result}


async def quarantine_drop(gateway: Gateway, params: Params) -> Rows:
    """Close deliveries that nobody needs; the bytes stay."""
    for id in _ids(params):
        await gateway.store.close_quarantined(id, "dropped")
    return [{"id": id, "state": "dropped"} for id in _ids(params)]


# records


async def record_show(gateway: Gateway, params: Params) -> Rows:
    """A complaint record; with ``history`` all its revisions and its journal."""
    record = await gateway.store.record(params["number"])
    if not params.get("history"):
        return [_row(record)]
    revisions = await gateway.store.revisions(record.number)
    lines = await gateway.store.journal(record.number)
    return [{"revisions": [_row(r) for r in revisions], "journal": [_row(line) for line in lines]}]


async def record_list(gateway: Gateway, params: Params) -> Rows:
    """Complaint records, newest first."""
    rows = await _all(
        lambda c: gateway.store.records(cursor=c, limit=PAGE, status=params.get("status", "")), params.get("limit", 50)
    )
    return [_row(row) for row in rows]


async def why(gateway: Gateway, params: Params) -> Rows:
    """Why the bot said what it said: its latest decisions about a complaint, newest first."""
    record = await gateway.store.record(params["number"])
    traces = await gateway.store.traces(record.arrival.conversation, limit=params.get("limit", 20))
    return [step for trace in traces for step in reversed(msgspec.json.decode(trace))]


# proof


async def audit(gateway: Gateway, params: Params) -> Rows:
    """Per channel and day: seen, recorded, answered, delivered, missing."""
    until = gateway.clock() + timedelta(days=1)
    try:
        since = datetime.fromisoformat(params["since"]) if params.get("since") else until - timedelta(days=31)
    except ValueError as err:
        raise OperationError(f"`{params['since']}` is no date; write 2026-11-01") from err
    if since.tzinfo is None:
        since = since.replace(tzinfo=until.tzinfo)
    return [
        {
            "channel": line.channel,
            "account": line.account,
            "day": line.day,
            "seen": line.recorded + line.duplicates + line.quarantined,
            "recorded": line.recorded,
            "duplicates": line.duplicates,
            "quarantined": line.quarantined,
            "processed": line.processed,
            "open": line.open,
            "held": line.held,
            "answered": line.replies,
            "delivered": line.delivered,
            "waiting": line.waiting,
            "dead": line.dead,
            "missing": line.recorded - line.processed - line.open - line.held,
        }
        for line in await gateway.store.tally(since=since, until=until)
    ]


async def audit_journals(gateway: Gateway, params: Params) -> Rows:
    """Check the hash chain of every complaint's journal, and that no revision or attachment is missing or changed."""
    checked, faults = 0, []
    for record in await _all(lambda c: gateway.store.records(cursor=c, limit=PAGE), params.get("limit", 1_000_000)):
        checked += 1
        lines = await gateway.store.journal(record.number)
        if fault := journal.verify(lines):
            faults.append({"number": record.number, "fault": fault})
        digests = await gateway.store.revision_digests(record.number)
        faults += [{"number": record.number, "fault": fault} for fault in journal.verify_revisions(lines, digests)]
        faults += [
            {"number": record.number, "fault": f"attachment {file.digest}: {fault}"}
            for file in record.arrival.attachments
            if file.digest and (fault := await bundle.file_fault(gateway.blobs, file.digest))
        ]
    return [*faults, {"checked": checked, "faults": len(faults)}]


async def export(gateway: Gateway, params: Params) -> Rows:
    """Everything about complaints as bundles that can be checked offline."""
    return [await bundle.make(gateway, number) for number in params["numbers"]]


async def erase(gateway: Gateway, params: Params) -> Rows:
    """Remove a person's words, names and files; counts, times and categories stay."""
    found = await gateway.store.find_person(params["person"])
    if not found:
        raise OperationError("nobody of that address, number or id is known here")
    if not params.get("yes"):
        return [{"conversation": id, "erased": False} for id in found]
    return [await _erase_one(gateway, id) for id in found]


async def _erase_one(gateway: Gateway, conversation: str) -> dict[str, Any]:
    await asyncio.to_thread(call_file.forget, call_file.home(gateway.data), conversation)
    files = await gateway.store.blobs_of(conversation)
    changed = await gateway.store.erase(conversation, at=gateway.clock(), by="operator")
    for digest in files:
        if not await gateway.store.blob_in_use(digest):
            await gateway.blobs.remove(digest)
    gateway.wake.signal(wake.conversation(conversation))
    return {"conversation": conversation, "erased": True, "rows": changed, "files": len(files)}


OPERATIONS: Mapping[str, Operation] = {
    "inbox-list": inbox_list,
    "inbox-show": inbox_show,
    "inbox-replay": inbox_replay,
    "outbox-list": outbox_list,
    "outbox-show": outbox_show,
    "outbox-replay": dead_replay,
    "dead-list": dead_list,
    "dead-show": outbox_show,
    "dead-replay": dead_replay,
    "quarantine-list": quarantine_list,
    "quarantine-show": quarantine_show,
    "quarantine-replay": quarantine_replay,
    "quarantine-drop": quarantine_drop,
    "record-show": record_show,
    "record-list": record_list,
    "why": why,
    "audit": audit,
    "audit-journals": audit_journals,
    "export": export,
    "erase": erase,
    "import": archive.take,
    "channels-list": channel_state.listing,
    "replay": captures.deliver,
    "agents-list": accounts.listing,
    "agents-add": accounts.add,
    "agents-passwd": accounts.passwd,
    "agents-link": accounts.link,
    "agents-disable": accounts.disable,
    "agents-enable": accounts.enable,
}
assert set(STUCK) <= set(get_args(SendState))


async def perform(gateway: Gateway, name: str, params: Params) -> Rows:
    """Run an operation by name.

    Raises:
        OperationError: it cannot be done, with the reason.
    """
    operation = OPERATIONS.get(name)
    if operation is None:
        raise OperationError(f"there is no operation `{name}`")
    try:
        return await operation(gateway, params)
    except NotFound as err:
        raise OperationError(f"not found: {err}") from err
    except (accounts.AccountError, archive.ArchiveError, captures.CaptureError) as err:
        raise OperationError(str(err)) from err
