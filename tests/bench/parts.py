"""(f) What each part of the way costs: the real parts in this process, each with its CPU time, threads included."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from channels.api import Api
from channels.base import Request
from gateway import app, config, intake, turns
from gateway.context import Gateway
from gateway.flow import BATCH, Flow
from gateway.outbox import Outbox
from tests.bench import home, messages

#: Messages that come at one moment, as with 64 connections.
GROUP = 64


class Clock:
    """CPU seconds by part."""

    def __init__(self) -> None:
        self.used: dict[str, float] = defaultdict(float)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        began = time.process_time()
        try:
            yield
        finally:
            self.used[name] += time.process_time() - began

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **named: Any) -> Any:
            with self.part(name):
                return call(*args, **named)

        return run


async def carry(path: Path, count: int, clock: Clock | None = None) -> dict[str, float]:
    """Take ``count`` messages all the way with the gateway of a configuration; CPU seconds a message by part."""
    clock = clock or Clock()
    gateway = app.assemble(config.load(path))
    steps = vars(turns)
    plain = {name: steps[name] for name in ("normalize", "decide")}
    steps.update({name: clock.timed(name, step) for name, step in plain.items()})
    await gateway.store.open()
    try:
        await _carry(gateway, count, clock)
    finally:
        steps.update(plain)
        await gateway.egress.close()
        await gateway.store.close()
    clock.used["turn"] -= clock.used["normalize"] + clock.used["decide"]
    return {name: used / count for name, used in clock.used.items()}


async def _carry(gateway: Gateway, count: int, clock: Clock) -> None:
    channel = gateway.channels["api", "main"]
    assert isinstance(channel, Api)
    flow, outbox = Flow(gateway), Outbox(gateway)
    all = list(messages.bodies(f"parts{time.time_ns():x}", count))
    for start in range(0, count, GROUP):
        with clock.part("parse"):
            read = [_read(channel, body) for body in all[start : start + GROUP]]
        with clock.part("append"):
            for accepted in await asyncio.gather(
                *(intake.accept(gateway, got, received_at=request.at) for request, got in read)
            ):
                assert accepted
        await _work(gateway, flow, clock)
        with clock.part("send"):
            await outbox.drain()


def _read(channel: Api, body: bytes) -> tuple[Request, Any]:
    headers = {"authorization": f"Bearer {home.TOKEN}", "content-type": "application/json"}
    request = Request(url="http://127.0.0.1/v1/messages", headers=headers, body=body, at=datetime.now(UTC))
    return request, channel.accept(request)


async def _work(gateway: Gateway, flow: Flow, clock: Clock) -> None:
    """What :meth:`Flow.step` does, part by part."""
    while True:
        with clock.part("claim"):
            batch = await gateway.store.claim_work(BATCH)
        try:
            if not batch.work:
                return
            with clock.part("turn"):
                decided = await flow._decide(batch)
            with clock.part("settle"):
                await flow._settle(batch, decided)
        finally:
            await batch.release()
