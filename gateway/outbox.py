"""What is still to be said goes out here: in order inside a lane, lanes side by side, each result committed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

import msgspec

from channels.base import Blocked, Channel, ChannelError, Outbound, Retry, TellsLater, Unauthorized, Unknown, Withheld
from gateway import action_calls, codes, receipts, roads, wake
from gateway.context import Gateway
from gateway.delivered import sent, to_a_person
from gateway.pace import Room
from gateway.retry import REPEAT_IN_DOUBT, after_error
from gateway.store.base import NotFound, Send, SendResult, StoreError
from gateway.store.sends import TAKEN_OVER
from gateway.tools import GIVEN_UP, GatewayTools
from gateway.tracing import Fact, cause_of

log = logging.getLogger(__name__)

#: Looks for due rows at least this often, in seconds.
POLL = 5.0
STORE_PAUSE = 1.0
#: Seconds that a claim is good for without asking again whose the conversation is.
FRESH = 1.0
#: Seconds that what is under way gets when the node stops.
GRACE = 10.0
#: How long an account rests that was told to wait, and not how long, in seconds.
RETRY_PAUSE = 30.0

#: Begins what is written of a row that waits to hear from its platform.
NO_NEWS = "no answer, and no news yet"

#: Before the name of a destination: what goes to a customer, and what to a ticket system.
CHANNEL, SINK = "channel:", "sink:"

#: One attempt. Raises ChannelError.
Carrier = Callable[[Send], Awaitable[SendResult]]

_OUTBOUND = msgspec.json.Decoder(Outbound)


class Outbox:
    """The worker of the outbox."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._settings = gateway.config.outbox
        self._tools = GatewayTools(gateway.egress, gateway.blobs, gateway.clock, alive=gateway.store.alive)
        self._codes = codes.Codes(gateway, self._tools)
        self._carriers: Mapping[str, Carrier] = {
            CHANNEL: self._to_channel,
            SINK: self._to_sink,
            action_calls.DESTINATION: action_calls.ActionCalls(gateway, self._tools).attempt,
            receipts.DESTINATION: receipts.Receipts(gateway).attempt,
            roads.DESTINATION: roads.Roads(gateway).attempt,
            codes.DESTINATION: self._codes.attempt,
        }
        self._running: set[asyncio.Task[None]] = set()
        self._pace = gateway.pace
        self._signals = wake.Listener()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Send for ever; cancel to stop: what only waits for its pace goes back, what is under way gets :data:`GRACE`."""
        try:
            with self._gateway.wake.listen(wake.OUTBOX) as self._signals:
                while True:
                    self._gateway.metrics.beat("outbox")
                    try:
                        pause = await self._pause(await self._start_due())
                    except StoreError as err:
                        log.warning("outbox: the store is not available: %s", err)
                        await asyncio.sleep(STORE_PAUSE)
                        continue
                    await self._signals.next(pause)
        finally:
            await self._stop()

    async def _stop(self) -> None:
        """What is not done in time is found again, by another node or at the next start."""
        self._stopping.set()
        if self._running:
            await asyncio.wait(self._running, timeout=GRACE)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def drain(self) -> None:
        """Send all that is due now and wait for it (for tests and a graceful stop)."""
        await self._start_due()
        while self._running:
            await asyncio.gather(*self._running)
            await self._start_due()

    async def _start_due(self) -> Room:
        """Start as many due rows as there is room for; whoever ends makes room and looks again. What the pace allows then."""
        room = await self._pace.room()
        while (free := self._settings.parallel - len(self._running)) > 0:
            claimed = _now()  # before the claim: the process may stand still right after it
            due = await self._claim(free, room)
            waits = await self._pace.take([(send.destination, send.lane) for send in due])
            for send, wait in zip(due, waits, strict=True):
                task = asyncio.create_task(self._carry(send, wait, claimed))
                self._running.add(task)
                task.add_done_callback(self._ended)
            if due:
                room = await self._pace.room()
            if len(due) < free:
                break
        return room

    async def _claim(self, most: int, room: Room) -> Sequence[Send]:
        """Due rows, ours now. When we are told to stop meanwhile, they go back: nothing of them is in doubt."""
        claim = self._gateway.store.claim_sends(most, self._gateway.clock(), at_most=room.at_most)
        claiming = asyncio.ensure_future(claim)
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            with contextlib.suppress(StoreError):
                now = self._gateway.clock()
                fresh = [send for send in await claiming if not send.interrupted]
                back = [SendResult(id=send.id, state="waiting", next_at=now) for send in fresh]
                await self._gateway.store.settle_sends(back)
            raise

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        # The lane's next row may be due now, and there is room again: here, so no other node has to look.
        self._signals.poke(None)

    async def _pause(self, room: Room) -> float:
        busy = [destination for destination, free in room.at_most.items() if not free]
        due = await self._gateway.store.next_send_at(besides=busy)
        pause = POLL if due is None else min(POLL, max(0.0, (due - self._gateway.clock()).total_seconds()))
        return min(pause, room.soonest) if busy else pause

    async def _carry(self, send: Send, wait: float, claimed: float) -> None:
        """One attempt after ``wait`` seconds, and what became of it, durably. ``claimed``: the second in which it became ours."""
        if wait and await self._stops_within(wait) and not send.interrupted:
            await self._settle(send, SendResult(id=send.id, state="waiting", next_at=self._gateway.clock()))
            return
        since = self._gateway.tracing.now()
        try:
            result = await self._attempt(send, claimed)
        except Exception as err:  # a fault of a channel or sink must not stop the others' mail
            log.exception("outbox: row %d to %s failed", send.id, send.destination)
            result = self._failed(send, Unknown(type(err).__name__))
        facts: dict[str, Fact] = {"conversation": send.conversation, "number": send.number, "state": result.state}
        self._gateway.tracing.record(
            f"send {send.destination}",
            cause_of(send.key, send.body),
            since,
            facts,
            error=result.error.partition(":")[0],
        )
        await self._settle(send, result)

    async def _stops_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def _settle(self, send: Send, result: SendResult) -> None:
        while True:
            try:
                await self._gateway.store.settle_sends([result])
                break
            except StoreError as err:
                log.warning("outbox: row %d is sent but cannot be marked yet: %s", send.id, err)
                await asyncio.sleep(STORE_PAUSE)
        self._gateway.metrics.sends.labels(send.destination, result.state).inc()
        if result.state == "sent" and send.destination.startswith(CHANNEL):
            waited = self._gateway.clock() - send.created_at
            self._gateway.metrics.reply_latency.observe(max(0.0, waited.total_seconds()))
        if result.state == "sent" and send.destination.startswith(SINK):
            return  # neither a chat window nor the desk shows anything of it
        if send.conversation:
            self._gateway.wake.signal(wake.conversation(send.conversation))
        if result.state in ("dead", "unknown") and send.destination.startswith(CHANNEL) and not result.sends:
            await self._failed_for_good(send)
        if result.state in ("dead", "superseded") and send.destination.startswith(codes.DESTINATION):
            await self._codes.tell(send, result.error)
        self._gateway.wake.signal(wake.DESK)

    async def _attempt(self, send: Send, claimed: float) -> SendResult:
        waited = send.error.startswith(NO_NEWS)
        if send.interrupted and not waited and (pause := self._news_within(send)):
            return self._wait_for_news(send, pause, "the gateway stopped while this was being sent")
        if (send.interrupted or waited) and not self._repeatable(send):
            error = send.error if waited else "the gateway stopped while this was being sent"
            return SendResult(id=send.id, state="unknown", error=error)
        try:
            if await self._taken_over(send, claimed):
                return SendResult(id=send.id, state="superseded", error=TAKEN_OVER)
            if not self._gateway.store.alive():
                raise Retry(GIVEN_UP)
            return await self._carrier(send.destination)(send)
        except ChannelError as err:
            if isinstance(err, Unauthorized):
                self._gateway.metrics.stopped(send.destination, str(err))
            if isinstance(err, Retry) and err.everyone:
                await self._pace.rest(send.destination, err.after or RETRY_PAUSE)
            return self._failed(send, err)

    async def _taken_over(self, send: Send, claimed: float) -> bool:
        """Whether the conversation has changed hands since the row was claimed, where that was not just now: it waited for its
        pace, or the process stood still. Raises Retry while the store is away."""
        if send.fence is None or not send.conversation or _now() - claimed < FRESH:
            return False
        try:
            return (await self._gateway.store.conversation(send.conversation)).fence != send.fence
        except StoreError as err:
            raise Retry(f"whose the conversation is cannot be asked: {type(err).__name__}") from err

    def _carrier(self, destination: str) -> Carrier:
        kind, colon, _ = destination.partition(":")
        if (carrier := self._carriers.get(kind + colon)) is None:
            raise Unauthorized(f"nothing here carries to {destination}")  # queued by a newer version
        return carrier

    async def _to_sink(self, send: Send) -> SendResult:
        sink = self._gateway.sinks.get(send.destination.removeprefix(SINK))
        if sink is None:
            raise Unauthorized(f"{send.destination} is not configured (any more)")
        reference = await sink.deliver(send.body, send.key, self._gateway.clock(), self._tools)
        self._gateway.metrics.running(send.destination)
        return SendResult(id=send.id, state="sent", external_ids=(reference,) if reference else ())

    async def _to_channel(self, send: Send) -> SendResult:
        channel = self._channel(send)
        if channel is None:
            raise Unauthorized(f"{send.destination} is not configured (any more)")
        if send.blocked:
            raise Blocked("the customer has closed this way to them")
        out = _OUTBOUND.decode(send.body)
        if out.kind == "survey" and await self._opted_out(send):
            raise Withheld("the customer wants no automatic messages")
        if send.window_closes_at is not None:  # the customer may have written again since the row was made
            out = msgspec.structs.replace(out, replies_until=send.window_closes_at)
        now = self._gateway.clock()
        receipt = await channel.send(out, self._tools)
        self._gateway.metrics.running(send.destination)
        return sent(send, receipt, now)

    def _channel(self, send: Send) -> Channel | None:
        name, _, account = send.destination.removeprefix(CHANNEL).partition("/")
        return self._gateway.channels.get((name, account))

    async def _opted_out(self, send: Send) -> bool:
        """Asked when it goes out: the wish may have come while it waited."""
        try:
            return bool(send.number) and (await self._gateway.store.record(send.number)).standing.opted_out
        except NotFound:
            return False

    def _failed(self, send: Send, err: ChannelError) -> SendResult:
        if isinstance(err, Unknown) and (pause := self._news_within(send)):
            return self._wait_for_news(send, pause, str(err))
        following = after_error(
            err,
            key=send.key,
            tries=send.tries,
            now=self._gateway.clock(),
            ladder=self._settings.ladder,
            repeat=self._repeatable(send),
        )
        another = send.destination.startswith(CHANNEL) and following.state == "dead"
        return SendResult(
            id=send.id,
            state=following.state,
            next_at=following.at,
            error=f"{type(err).__name__}: {err}".rstrip(": "),
            sends=roads.request(send, err) if another else (),
        )

    def _news_within(self, send: Send) -> float:
        """How long the platform may take to tell what became of it, in seconds; 0 where it tells nothing."""
        channel = self._channel(send)
        return channel.news_within if isinstance(channel, TellsLater) else 0.0

    def _wait_for_news(self, send: Send, pause: float, why: str) -> SendResult:
        """Neither repeated nor given to a person before the platform had time to tell; what follows in its lane waits, too."""
        at = self._gateway.clock() + timedelta(seconds=pause)
        return SendResult(id=send.id, state="waiting", next_at=at, error=f"{NO_NEWS}: {why}")

    def _repeatable(self, send: Send) -> bool:
        """Whether an attempt whose fate is unknown may be repeated without asking."""
        if not send.destination.startswith(CHANNEL):
            return True  # sinks and systems get an idempotency key, receipts and roads act once, a code stays the same
        channel = self._channel(send)
        return (channel is not None and channel.idempotent) or REPEAT_IN_DOUBT[_OUTBOUND.decode(send.body).kind]

    async def _failed_for_good(self, send: Send) -> None:
        """Somebody has to find another way, unless the platform has told meanwhile that it was sent."""
        row = await self._gateway.store.find_send(send.destination, key=send.key)
        if row is None or row.state != "sent":
            await to_a_person(self._gateway, send)


def _now() -> float:
    return asyncio.get_running_loop().time()
