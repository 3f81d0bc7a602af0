"""Two senders, one account, one Redis that goes and comes: everything goes out once, and no faster than the platform allows."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from channels.base import Inbound, Outbound, Rate, Receipt, Secret, Sender, Tools
from gateway import config
from gateway.app import assemble
from gateway.context import Gateway
from gateway.flow import Flow
from gateway.intake import accept
from gateway.keys import Keys
from gateway.metrics import Metrics
from gateway.outbox import Outbox
from gateway.pace import Limits
from gateway.redis.parts import Redis as Parts
from gateway.redis.wake import RedisWake
from tests.redis.conftest import eventually
from tests.redis.test_pace import two_nodes
from tests.servers.redis import Redis

CUSTOMERS, RATE = 40, 10


class Platform:
    """A channel that counts; everything else is the real one's."""

    idempotent = False

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self.limits = msgspec.structs.replace(channel.limits, per_account=Rate(RATE, 1.0))
        self.sent: list[tuple[float, str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        self.sent.append((asyncio.get_running_loop().time(), out.key))
        return Receipt(external_ids=(f"p-{out.key}",))


@contextlib.asynccontextmanager
async def running(gateway: Gateway) -> AsyncIterator[RedisWake]:
    """A node as far as it sends."""
    assert isinstance(gateway.wake, RedisWake)
    tasks = [asyncio.create_task(work) for work in (gateway.wake.run(), Outbox(gateway).run())]
    yield gateway.wake
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_everything_goes_out_once_and_not_too_fast(server: Redis, tmp_path: Path) -> None:
    file = tmp_path / "allears.toml"
    token = hashlib.sha256(b"token").hexdigest()
    file.write_text(
        f'secret = "{"s" * 40}"\n[redis]\nurl = "{server.url}"\n[[channels.api.main.tokens]]\n'
        f'name = "t"\nsha256 = "{token}"\nscopes = ["messages:write"]\n'
    )
    first = assemble(config.load(file, env={}))
    platform = Platform(first.channels["api", "main"])
    channels: Any = {("api", "main"): platform}
    keys = Keys(Secret("s" * 40))
    nodes = []
    for _ in range(2):
        parts = Parts(server.url, keys, Metrics())
        pace = parts.pace(Limits(channels), asyncio.get_running_loop().time, two_nodes)
        nodes.append(replace(first, wake=parts.wake, pace=pace, channels=channels))
    await first.store.open()
    await accept(nodes[0], [_message(n) for n in range(CUSTOMERS)], received_at=datetime.now(UTC))
    while await Flow(nodes[0]).step():
        pass
    async with running(nodes[0]), running(nodes[1]):
        await eventually(lambda: len(platform.sent) >= 8)
        server.kill()
        await eventually(lambda: len(platform.sent) >= 20)
        server.start()
        await eventually(lambda: len({key for _, key in platform.sent}) >= CUSTOMERS)
    await first.store.close()
    assert len(platform.sent) == len({key for _, key in platform.sent}), "nothing twice"
    times = sorted(at for at, _ in platform.sent)
    for n, at in enumerate(times):
        # A bucket may be full once, and refills: never more than twice the rate in a second.
        assert len([other for other in times[n:] if other < at + 1.0]) <= 2 * RATE
    assert times[-1] - times[0] > (CUSTOMERS - 2 * RATE) / RATE


def _message(n: int) -> Inbound:
    return Inbound(
        channel="api",
        account="main",
        external_id=f"m{n}",
        thread=f"t{n}",
        sender=Sender(id=f"t{n}"),
        at=datetime.now(UTC),
        text="How long does delivery take?",
        raw=b"{}",
    )
