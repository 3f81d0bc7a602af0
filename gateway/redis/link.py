"""The connection to Redis: made by the one worker that keeps it (:class:`gateway.redis.wake.RedisWake`), used by all who ask.

While it is down nobody tries: who asks hears :class:`Away` at once and does without.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisClusterException, RedisError

from gateway.redis.url import Address

T = TypeVar("T")

#: Seconds an answer may take; whoever is slower is away. Longer than our own event loop ever stands still.
ANSWER = 2.0
#: Seconds the first contact may take.
CONNECT = 5.0

#: Characters of a node's name.
NODE = 12

#: What Redis being away looks like.
FAULTS = (RedisError, RedisClusterException, OSError, TimeoutError)


class Away(Exception):
    """Redis does not answer now."""


class Link:
    """One Redis. ``prefix`` begins every key and channel; its ``{…}`` puts all of them on one node of a Cluster."""

    def __init__(self, address: Address, prefix: str) -> None:
        self._address, self.prefix = address, prefix
        self.node = secrets.token_hex(NODE // 2)
        """Names this process, also in Redis' CLIENT LIST."""
        self._client: Any = None
        self._lost = asyncio.Event()
        self._fault: Exception = Away()

    @property
    def up(self) -> bool:
        """Whether there is a connection, as far as anybody knows."""
        return self._client is not None and not self._lost.is_set()

    @property
    def client(self) -> Any:
        """The client of redis-py. Its three kinds share their methods and no type. Raises :class:`Away`."""
        if not self.up:
            raise Away
        return self._client

    async def connect(self) -> None:
        """Make a new connection. Raises :data:`FAULTS`."""
        await self.close()
        client = _client(self._address, f"allears-{self.node}")
        try:
            async with asyncio.timeout(CONNECT):
                await client.initialize()
                await client.exists(self.prefix)  # PING would ask all nodes of a Cluster; ours is the one that counts
        except BaseException:
            await _closed(client)
            raise
        self._lost.clear()
        self._client = client

    async def close(self) -> None:
        """Give the connection up; safe to repeat."""
        client, self._client = self._client, None
        if client is not None:
            await _closed(client)

    async def ask(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """What ``work(client)`` gives. Raises :class:`Away`; the connection then counts as lost."""
        client = self.client
        try:
            async with asyncio.timeout(ANSWER):
                return await work(client)
        except FAULTS as err:
            if client is self._client:
                self.lost(err)
            raise Away(type(err).__name__) from err

    async def script(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int | float] = ()) -> Any:
        """Run a script atomically. Raises :class:`Away`."""
        return await self.ask(lambda client: script.run(client, keys, args))

    def lost(self, err: Exception) -> None:
        """Somebody found out that it does not answer."""
        self._fault = err
        self._lost.set()

    async def watch(self, every: float) -> None:
        """Look every few seconds whether it still answers. Raises what somebody met, once somebody did."""
        while not self._lost.is_set():
            with contextlib.suppress(Away):
                await self.ask(lambda client: client.exists(self.prefix))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self._lost.wait()
        raise self._fault


class Script:
    """A Lua script: sent once, called by its digest."""

    def __init__(self, text: str) -> None:
        self._text, self._sha = text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, client: Any, keys: Sequence[str], args: Sequence[str | bytes | int | float]) -> Any:
        """Call it. Raises :data:`FAULTS`."""
        try:
            return await client.evalsha(self._sha, len(keys), *keys, *args)
        except NoScriptError:
            return await client.eval(self._text, len(keys), *keys, *args)


async def until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Run side by side until one fails. Raises what it raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _client(address: Address, name: str) -> Any:
    """No retries of redis-py's own: they would make us wait where we can do without."""
    options: dict[str, Any] = {
        "password": str(address.password) or None,
        "username": address.username or None,
        "socket_timeout": None,  # blocking reads take as long as they take; whoever asks has a limit of its own
        "socket_connect_timeout": CONNECT,
        "protocol": 2,
        "client_name": name,
    }
    tls: dict[str, Any] = {"ssl": True, **({"ssl_ca_certs": address.ca} if address.ca else {})} if address.tls else {}
    once = Retry(NoBackoff(), 0)
    if address.kind == "server":
        host, port = address.hosts[0]
        return Redis(host=host, port=port, db=address.db, retry=once, **options, **tls)
    if address.kind == "cluster":
        nodes = [ClusterNode(host, port) for host, port in address.hosts]
        return RedisCluster(startup_nodes=nodes, retry=Retry(NoBackoff(), 2), **options, **tls)
    asked = {"password": str(address.sentinel_password) or None, "socket_timeout": ANSWER, "retry": once, **tls}
    sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
        address.hosts, sentinel_kwargs={"socket_connect_timeout": ANSWER, "protocol": 2, **asked}
    )
    return sentinel.master_for(address.service, db=address.db, retry=once, **options, **tls)


async def _closed(client: Any) -> None:
    """Close a client whose server may be gone, and those that it has for its Sentinels."""
    sentinel = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    for one in (client, sentinel) if sentinel else (client,):
        with contextlib.suppress(*FAULTS):
            async with asyncio.timeout(ANSWER):
                await one.aclose()
