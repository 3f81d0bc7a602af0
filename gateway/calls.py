"""The calls that run, whoever streams them: each is kept while it is spoken, heard meanwhile, and a message at its end.

A call that breaks off keeps what was said, and so does one during which this process ends: its file is found at the next
start. The messages are :mod:`channels._phone_live`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from channels import _phone_call as phone_call
from channels import _phone_live as live
from channels.base import Inbound
from channels.phone import Phone
from gateway import heard_live, wake
from gateway.call import RunningCall
from gateway.call_file import HEADER, CallFile, Finished, finish_left, finished, home, parts
from gateway.context import Gateway
from gateway.intake import accept, pieces_of
from gateway.store.base import NotFound, StoreError, conversation_id
from transcription.base import Transcript
from transcription.following import Following
from transcription.live import Live
from transcription.model_folder import in_use

if TYPE_CHECKING:
    from gateway.call_hints import CallHints

log = logging.getLogger(__name__)

#: Calls at once; of those, ``[speech] live_calls`` are heard while they run.
MAX_CALLS = 256
#: How often finished calls are looked for, in seconds.
LOOK_EVERY = 5.0
#: Lines of a timeline that are looked through at a time.
PAGE = 200


class TooMany(Exception):
    """As many calls run as can be taken."""


class Calls:
    """All calls of all phone accounts, and the worker that makes messages of those that are over."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._root = home(gateway.data)
        self._running: dict[Path, RunningCall] = {}
        self._heard: dict[str, Transcript] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self.hints = _hints(gateway)
        self._live: Live | None = None
        self._all_live: list[Live] = []

    async def run(self) -> None:
        """Work for ever; cancel to stop: calls that run then go on at the next start, as far as they came."""
        try:
            while True:
                self._gateway.metrics.beat("calls")
                await asyncio.to_thread(self._recover)
                self._over.clear()  # before looking: a call that ends meanwhile is looked for again
                await self._take_over()
                self._count()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._over.wait()
        finally:
            await self._stop()

    def _phones(self) -> list[Phone]:
        return [channel for channel in self._gateway.channels.values() if isinstance(channel, Phone)]

    def _folder(self, phone: Phone) -> Path:
        return self._root / phone.account

    def _recover(self) -> None:
        """Calls that ran when a process ended are over: this one's earlier life, or another's that shares the folder."""
        for phone in self._phones():
            for path in parts(self._folder(phone)):
                if path not in self._running:
                    finish_left(path)

    async def _stop(self) -> None:
        for call in tuple(self._running.values()):
            with contextlib.suppress(OSError):
                await call.abandon()
        await asyncio.gather(*self._ending, return_exceptions=True)
        self._running.clear()
        await asyncio.gather(*(one.close() for one in self._all_live))
        self._live, self._all_live = None, []

    # --- a call

    async def begin(
        self,
        phone: Phone,
        known: phone_call.Call,
        *,
        rate: int,
        channels: int = 1,
        phrases: tuple[str, ...] = (),
    ) -> RunningCall:
        """A call that begins now: give it its sound, then :meth:`end` it.

        Raises:
            TooMany: it cannot be taken. OSError: it cannot be kept.
        """
        if len(self._running) >= MAX_CALLS:
            raise TooMany(f"{MAX_CALLS} calls at once")
        at = self._gateway.clock()
        first = phone.begun(known, f"live-{int(at.timestamp() * 1000)}-{secrets.token_hex(4)}", at)
        file = await asyncio.to_thread(CallFile, self._folder(phone), first, rate=rate, channels=channels)
        following = Following(
            await self._ears(),
            file.path,
            skip=HEADER,
            rate=rate,
            speakers=("",) if channels == 1 else phone.speakers,
            languages=tuple(filter(None, [first.language])),
            phrases=phrases,
        )
        speech = self._gateway.config.speech
        most = min(int(speech.max_hours * 3600) * file.second, speech.max_file - HEADER)
        call = self._running[file.path] = RunningCall(
            self._gateway, first, file, following, most=most, hints=self.hints
        )
        return call

    async def end(self, call: RunningCall) -> None:
        """The call is over, however it ended. What cannot be completed now is found at the next start.

        Who calls this may be cancelled meanwhile, because its connection is gone: the call is completed all the same.
        """
        ending = asyncio.create_task(self._end(call))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        await asyncio.shield(ending)

    async def _end(self, call: RunningCall) -> None:
        try:
            heard = await call.finish()
            if heard is not None:
                self._heard[call.first.external_id] = heard
        except OSError as err:
            log.error("call %s: its file could not be completed: %s", call.first.external_id, err.strerror)
        finally:
            self._running.pop(call.file.path, None)
            self._over.set()
            self._gateway.wake.signal(wake.call(call.conversation), {"call": ""})
            self._gateway.wake.signal(wake.DESK)

    def _count(self) -> None:
        deaf = sum(call.deaf for call in self._running.values())
        self._gateway.metrics.calls.labels("at once").set(len(self._running) - deaf)
        self._gateway.metrics.calls.labels("later").set(deaf)

    def shown(self, conversation: str, known: int = 0) -> dict[str, Any] | None:
        """The call that runs in a conversation, for the desk (:meth:`RunningCall.shown`); None when there is none."""
        for call in self._running.values():
            if call.conversation == conversation:
                return call.shown(known)
        return None

    def runs(self, conversation: str) -> bool:
        """Whether the call of a conversation runs on this node."""
        return any(call.conversation == conversation for call in self._running.values())

    def conversations(self) -> set[str]:
        """The conversations in which a call runs."""
        return {call.conversation for call in self._running.values()}

    async def _ears(self) -> Live:
        """What hears calls, made anew when other models are in use; the processes of the old one end by themselves."""
        models = await asyncio.to_thread(in_use, self._gateway.shelf)
        if self._live is None or models != self._live.models:
            speech = self._gateway.config.speech
            self._live = Live(
                models, calls=speech.live_calls, workers=speech.workers or None, memory=speech.memory_mb * 1024**2
            )
            self._all_live.append(self._live)
        return self._live

    # --- finished calls

    async def _take_over(self) -> None:
        """Each finished call becomes a message; its file goes when that is durable."""
        for phone in self._phones():
            for one in await asyncio.to_thread(lambda folder: list(finished(folder)), self._folder(phone)):
                try:
                    await self._message(phone, one)
                except (StoreError, OSError) as err:
                    log.warning("calls: a call waits, it cannot be kept now: %s", err)
                    return
        with contextlib.suppress(StoreError):  # where recordings are heard by another node, its flow waits for these
            await heard_live.settle(self._gateway)

    async def _message(self, phone: Phone, one: Finished) -> None:
        first = one.first or phone.begun(phone_call.Call(), one.path.stem, one.ended_at)
        gateway = self._gateway
        file = await gateway.blobs.put(
            pieces_of(one.path), name="call.wav", type="audio/wav", limit=one.path.stat().st_size
        )
        conversation = conversation_id(first.channel, first.account, first.thread)
        if (heard := self._heard.get(first.external_id)) is not None:
            gateway.heard_live[file.digest] = (conversation, msgspec.structs.replace(heard, recording=file.digest))
        opened = await self._is_open(first, conversation)
        last = live.over(first, file, one.ended_at, opened=opened)
        await accept(gateway, [last], received_at=gateway.clock())
        await asyncio.to_thread(one.remove)
        self._heard.pop(first.external_id, None)

    async def _is_open(self, first: Inbound, conversation: str) -> bool:
        """Whether the call's first message is there; the timeline knows, whatever this process has forgotten."""
        after = 0
        with contextlib.suppress(NotFound):
            while lines := await self._gateway.store.timeline(conversation, after=after, limit=PAGE):
                if any(line.external_id == first.external_id for line in lines):
                    return True
                after = lines[-1].seq
        return False


def _hints(gateway: Gateway) -> CallHints | None:
    """None where nothing would carry them."""
    if not gateway.config.redis.url:
        return None
    from gateway.call_hints import CallHints  # its library comes with the extra `redis`

    return CallHints(gateway.keys)


#: Where HTTP handlers find them: ``request.app[CALLS]``.
CALLS: web.AppKey[Calls] = web.AppKey("calls", Calls)
