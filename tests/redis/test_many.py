"""Redis that is more than one server: Sentinels that put another in its place, and a Cluster. And TLS."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from channels.base import Secret
from gateway import wake
from gateway.keys import Keys
from gateway.pace import Limits
from gateway.redis.link import Away
from gateway.redis.pace import SharedPace
from gateway.redis.tokens import SharedToken
from gateway.wake import Listener
from tests.ports import free_port
from tests.redis.conftest import PREFIX, Node, eventually, node, ticks
from tests.redis.test_pace import Account, Clock, D, two_nodes
from tests.redis.test_tokens import TOOLS, Platform
from tests.servers.redis import Cluster, Pair, Redis, program

#: Names the rights that are needed.
PAGE = Path(__file__).parents[2] / "docs" / "redis.md"
CHAT = wake.conversation("c1")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    it = Pair(tmp_path)
    it.start()
    yield it
    it.kill()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    it = Cluster(tmp_path)
    it.start()
    yield it
    it.kill()


async def told(listener: Listener, within: float) -> Sequence[wake.Hint] | None:
    """What came with a signal; None when none came."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            return await listener.next()
    return None


async def reaches(a: Node, b: Node, topic: str) -> None:
    """A signal on one node is heard on the other, once that has heard what it is told by itself."""
    hint = None if topic in wake.WORK else {"from": a.link.node}
    with b.wake.listen(topic) as listener:
        while await told(listener, 0.3) is not None:
            pass
        async for _ in ticks():
            a.wake.signal(topic, hint)
            hints = await told(listener, 0.5)
            if hints is not None and (hint is None or hint in hints):
                return


async def everything_works(a: Node, b: Node) -> None:
    keys = Keys(Secret("x" * 32))
    await reaches(a, b, CHAT)
    await reaches(b, a, wake.INBOX)
    accounts: dict[tuple[str, str], Any] = {("chat", "main"): Account()}
    first, second = (SharedPace(n.link, Limits(accounts), keys, Clock(), two_nodes) for n in (a, b))
    before = (await first.room()).at_most[D]
    await first.take([(D, str(n)) for n in range(before + 20)])
    assert (await second.room()).at_most[D] == 0, "a second's worth was taken in advance"
    await first.rest("sink:x", 60)
    assert (await second.room()).at_most["sink:x"] == 0
    platform = Platform()
    assert await SharedToken(a.link, keys, "wechat/main").get(platform.ask, TOOLS) == "token-1"
    assert await SharedToken(b.link, keys, "wechat/main").get(platform.ask, TOOLS) == "token-1"


async def test_a_server_that_sentinels_name(pair: Pair) -> None:
    async with node(pair.url) as a, node(pair.url) as b:
        await everything_works(a, b)


async def test_another_server_takes_over_during_traffic(pair: Pair) -> None:
    async with node(pair.url) as a, node(pair.url) as b:
        traffic = asyncio.create_task(_traffic(a))
        with b.wake.listen(CHAT, wake.INBOX):
            pair.master.kill()
            await eventually(lambda: not (a.link.up and b.link.up))
            await eventually(lambda: "role:master" in pair.replica.run("info", "replication"))
            await a.is_up()
            await b.is_up()
        traffic.cancel()
        await everything_works(a, b)


async def _traffic(of: Node) -> None:
    while True:
        of.wake.signal(CHAT)
        of.wake.signal(wake.INBOX)
        await asyncio.sleep(0.001)


async def test_a_server_that_becomes_a_replica_is_left(pair: Pair) -> None:
    async with node(pair.url) as a, node(pair.url) as b:
        pair.sentinels[0].run("sentinel", "failover", "house")
        await eventually(lambda: "role:slave" in pair.master.run("info", "replication"))
        async for _ in ticks():
            a.wake.signal(wake.INBOX)
            if all(f"allears-{n.link.node}" in pair.replica.run("client", "list") for n in (a, b)):
                break
        await a.is_up()
        await b.is_up()
        await everything_works(a, b)


async def test_a_cluster(cluster: Cluster) -> None:
    async with node(cluster.url) as a, node(cluster.url) as b:
        await everything_works(a, b)
        holding = [n for n in cluster.nodes if n.run("keys", "*")]
        assert len(holding) == 1, "all keys have one hash tag"
        assert all(key.startswith(PREFIX) for key in holding[0].run("keys", "*").split("\n"))


async def test_a_cluster_that_was_emptied_and_lost_a_node(cluster: Cluster) -> None:
    async with node(cluster.url) as a, node(cluster.url) as b:
        await everything_works(a, b)
        for one in cluster.nodes:
            one.run("flushall")
        await everything_works(a, b)
        (holder,) = (n for n in cluster.nodes if n.run("keys", "*"))
        holder.kill()
        await a.is_away()
        await b.is_away()
        holder.start()
        await a.is_up()
        await b.is_up()
        await everything_works(a, b)


@pytest.mark.parametrize("url", ["redis://{}", "redis+sentinel://{},{}/house", "redis+cluster://{},{}"])
async def test_nobody_there(url: str) -> None:
    place = f"127.0.0.1:{free_port()}"
    found = await Node(url.format(place, place)).wake.check()
    assert (found.ok, bool(found.detail)) == (False, True)


async def test_few_rights_are_enough(server: Redis) -> None:
    rights = re.search(r"^ACL SETUSER allears (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rights is not None
    server.run("acl", "setuser", "allears", *rights[1].replace("PASSWORD", "word").split())
    url = server.url.replace("//", "//allears:word@")
    async with node(url) as a, node(url) as b:
        await everything_works(a, b)
        with pytest.raises(Away):
            await a.link.ask(lambda client: client.flushall())


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Redis]:
    """Speaks TLS alone, with a certificate of its own making, and wants a password."""
    made = [
        *(program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"),
    ]
    subprocess.run(made, cwd=tmp_path, check=True, capture_output=True)
    files = ("--tls-cert-file", f"{tmp_path}/cert.pem", "--tls-key-file", f"{tmp_path}/key.pem")
    it = Redis(tmp_path, *files, "--tls-auth-clients", "no", "--requirepass", "open sesame")
    it.start("--port", "0", "--tls-port", str(it.port))
    yield it
    it.kill()


async def test_over_tls(secure: Redis, tmp_path: Path) -> None:
    place = f"localhost:{secure.port}/0"
    url = f"rediss://:open%20sesame@{place}?ca={tmp_path}/cert.pem"
    async with node(url) as a, node(url) as b:
        await everything_works(a, b)
    stranger = await Node(f"rediss://:open%20sesame@{place}").wake.check()
    assert not stranger.ok
    assert "certificate" in stranger.detail.lower()
    assert "sesame" not in stranger.detail
    assert not (await Node(f"rediss://:sesame@{place}?ca={tmp_path}/cert.pem").wake.check()).ok
