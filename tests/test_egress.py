"""Outgoing calls: no road leads into our own network, and every failure says what to do next."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from channels.base import Call, Refused, Retry, Unauthorized, Unknown
from gateway.blobs import Blobs
from gateway.egress import MAX_ANSWER, Egress, allowed
from gateway.tools import GatewayTools
from tests.ports import free_port

LOOPBACK = ("127.0.0.0/8", "::1/128")


class Names(AbstractResolver):
    """A resolver of our own: each look-up of a name takes the next of its answers, the last one for ever."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = {name.replace("_", "."): found for name, found in answers.items()}
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        if host not in self.answers:
            raise OSError("no such name")
        found = self.answers[host]
        address = found.pop(0) if len(found) > 1 else found[0]
        return [
            ResolveResult(
                hostname=host, host=one, port=port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST
            )
            for one in address.split()
        ]

    async def close(self) -> None:
        pass


class Server:
    """A server on loopback whose one handler a test sets; it counts connections and requests."""

    def __init__(self) -> None:
        self.handle: Callable[[web.Request], Awaitable[web.StreamResponse]] = self._ok
        self.seen: list[tuple[str, str, bytes]] = []
        self.port = 0

    async def _ok(self, request: web.Request) -> web.Response:
        return web.Response(text="ok", headers={"X-Thing": "1"})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.method, request.path, await request.read()))
        return await self.handle(request)

    def url(self, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}/"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    it = Server()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", it.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    it.port = runner.addresses[0][1]
    yield it
    await runner.cleanup()


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    it = Egress(LOOPBACK)
    yield it
    await it.close()


@pytest.fixture
async def strict() -> AsyncIterator[Egress]:
    it = Egress()
    yield it
    await it.close()


async def test_a_call_and_its_answer(server: Server, egress: Egress) -> None:
    answer = await egress.http(Call(url=server.url() + "a?b=c", body=b"\xe4\xbd\xa0", headers={"X-A": "b"}))
    assert (answer.status, answer.body, answer.headers["x-thing"]) == (200, b"ok", "1")
    assert server.seen == [("POST", "/a", b"\xe4\xbd\xa0")]


HOSTILE = [
    "http://127.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0:{port}/",
    "http://[::]:{port}/",
    "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://localhost:{port}/",
    "http://localhost.:{port}/",
    "http://LOCALHOST:{port}/",
    "http://foo.localhost:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/",
    "http://[fe80::1]/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://example.com@127.0.0.1:{port}/",
    "http://user:pass@example.com/",
    "http://127.0.0.1:{port}\\@example.com/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http://①②⑦.0.0.1:{port}/",
    "http://１２７.0.0.1:{port}/",
    "http://127。0。0。1:{port}/",
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:{port}/_x",
    "unix:///run/docker.sock",
    "//127.0.0.1:{port}/",
    "http:///",
    "http://[::1/",
    "http://127.0.0.1:99999/",
    "",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("url", HOSTILE)
async def test_hostile_addresses_are_refused_for_good(url: str, server: Server, strict: Egress) -> None:
    with pytest.raises(Refused):
        await strict.http(Call(url=url.format(port=server.port), timeout=5))
    with pytest.raises(Refused):
        [_ async for _ in strict.download(url.format(port=server.port), 10)]
    assert server.seen == []


@pytest.mark.parametrize("secret", ["http://user:hunter2@example.com/", "http://127.0.0.1/?token=hunter2"])
async def test_no_error_shows_the_url(secret: str, strict: Egress) -> None:
    with pytest.raises(Refused) as caught:
        await strict.http(Call(url=secret))
    assert "hunter2" not in str(caught.value)
    assert "example.com" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.1", "10.255.0.1", "100.100.0.1", "127.9.9.9", "169.254.0.1", "172.31.0.1", "192.0.0.8", "192.0.2.1"),
        *("192.88.99.1", "192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.251", "240.0.0.1"),
        *("::", "::1", "::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "100::1", "2001::1"),
        *("2001:db8::1", "2002:a00:1::1", "fc00::1", "fe80::1", "fec0::1", "ff02::1", "ff0e::1"),
    ],
)
def test_reserved_addresses_are_not_public(address: str) -> None:
    assert not allowed(ipaddress.ip_address(address), ())


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(address: str) -> None:
    assert allowed(ipaddress.ip_address(address), ())


def test_the_operators_networks_are_open_also_in_mapped_form() -> None:
    networks = (ipaddress.ip_network("10.1.2.0/24"),)
    assert allowed(ipaddress.ip_address("10.1.2.3"), networks)
    assert allowed(ipaddress.ip_address("::ffff:10.1.2.3"), networks)
    assert not allowed(ipaddress.ip_address("10.1.3.3"), networks)


async def test_a_name_that_resolves_inside_is_refused(server: Server) -> None:
    egress = Egress(resolver=Names(evil_example=["127.0.0.1"]))
    with pytest.raises(Refused):
        await egress.http(Call(url=server.url("evil.example")))
    await egress.close()
    assert server.seen == []


async def test_rebinding_finds_no_second_lookup(server: Server) -> None:
    """The first answer is allowed, every later one is not: the call goes to the address that was checked."""
    names = Names(rebind_example=["127.0.0.1", "127.0.0.2"])
    egress = Egress(["127.0.0.1/32"], resolver=names)
    assert (await egress.http(Call(url=server.url("rebind.example")))).status == 200
    assert names.asked == 1
    await asyncio.sleep(1.7)  # the kept connection is gone by now, so the name is looked up again
    with pytest.raises(Refused):
        await egress.http(Call(url=server.url("rebind.example")))
    await egress.close()
    assert (len(server.seen), names.asked) == (1, 2)


async def test_of_mixed_answers_only_the_allowed_are_used(server: Server) -> None:
    egress = Egress(["127.0.0.1/32"], resolver=Names(mixed_example=["10.0.0.1 127.0.0.1 169.254.169.254"]))
    assert (await egress.http(Call(url=server.url("mixed.example")))).status == 200
    await egress.close()


async def test_a_redirect_is_an_answer_and_is_not_followed(server: Server, egress: Egress) -> None:
    async def elsewhere(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://169.254.169.254/"})

    server.handle = elsewhere
    assert (await egress.http(Call(url=server.url()))).status == 302
    with pytest.raises(Refused):
        [_ async for _ in egress.download(server.url(), 10)]
    assert len(server.seen) == 2


async def test_no_proxy_of_the_environment(server: Server, strict: Egress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url())
    monkeypatch.setenv("HTTP_PROXY", server.url())
    with pytest.raises(Retry):
        await strict.http(Call(url="http://nowhere.invalid/", timeout=5))
    assert server.seen == []


async def test_nothing_listens_is_try_again(egress: Egress) -> None:
    port = free_port()
    with pytest.raises(Retry):
        await egress.http(Call(url=f"http://127.0.0.1:{port}/"))


async def test_an_unknown_name_is_try_again() -> None:
    egress = Egress(resolver=Names())
    with pytest.raises(Retry):
        await egress.http(Call(url="http://nowhere.example/"))
    await egress.close()


async def test_tls_that_fails_has_sent_nothing(server: Server, egress: Egress) -> None:
    with pytest.raises(Retry):
        await egress.http(Call(url=server.url().replace("http:", "https:"), timeout=5))
    assert server.seen == []


async def test_silence_after_accepting_is_unknown(server: Server, egress: Egress) -> None:
    async def silent(request: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    server.handle = silent
    with pytest.raises(Unknown):
        await egress.http(Call(url=server.url(), body=b"x", timeout=0.2))
    assert server.seen == [("POST", "/", b"x")]


async def test_a_connection_cut_after_accepting_is_unknown(server: Server, egress: Egress) -> None:
    async def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    server.handle = cut
    with pytest.raises(Unknown):
        await egress.http(Call(url=server.url(), body=b"x"))


async def test_an_answer_without_end_is_cut_off(server: Server, egress: Egress) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1000):
            await response.write(b"x" * 65536)
        return response

    server.handle = endless
    with pytest.raises(Unknown, match="larger"):
        await egress.http(Call(url=server.url()))


async def test_a_compressed_bomb_counts_unpacked(server: Server, egress: Egress) -> None:
    async def bomb(request: web.Request) -> web.Response:
        response = web.Response(body=b"\0" * (MAX_ANSWER * 20))
        response.enable_compression(web.ContentCoding.gzip)
        response.headers["Content-Encoding"] = "gzip"
        return response

    server.handle = bomb
    with pytest.raises(Unknown):
        await egress.http(Call(url=server.url()))


async def test_header_injection_is_refused(server: Server, egress: Egress) -> None:
    with pytest.raises(Refused):
        await egress.http(Call(url=server.url(), headers={"X-A": "b\r\nHost: evil"}))
    assert server.seen == []


async def test_cookies_are_not_kept(server: Server, egress: Egress) -> None:
    cookies = []

    async def sets(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "a=b"})

    server.handle = sets
    await egress.http(Call(url=server.url()))
    await egress.http(Call(url=server.url()))
    assert cookies == [None, None]


async def test_download_in_pieces_up_to_the_limit(server: Server, egress: Egress) -> None:
    async def file(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer t"
        return web.Response(body=b"a" * 200_000)

    server.handle = file
    sender = {"Authorization": "Bearer t"}
    assert len(b"".join([c async for c in egress.download(server.url(), 200_000, headers=sender)])) == 200_000
    with pytest.raises(Refused, match="larger"):
        [_ async for _ in egress.download(server.url(), 199_999, headers=sender)]


@pytest.mark.parametrize(
    ("status", "error"), [(404, Refused), (403, Unauthorized), (500, Retry), (429, Retry), (204, Refused)]
)
async def test_download_errors_say_what_to_do(
    status: int, error: type[Exception], server: Server, egress: Egress
) -> None:
    async def no(request: web.Request) -> web.Response:
        return web.Response(status=status)

    server.handle = no
    with pytest.raises(error):
        [_ async for _ in egress.download(server.url(), 10)]


async def test_a_download_that_breaks_off_can_be_tried_again(server: Server, egress: Egress) -> None:
    async def breaks(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    server.handle = breaks
    with pytest.raises(Retry):
        [_ async for _ in egress.download(server.url(), 10_000)]


async def test_the_tools_fetch_into_the_blobs(server: Server, egress: Egress, tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    kept = await blobs.put(egress.download(server.url(), 100), name="a.txt", type="", limit=100)
    assert await GatewayTools(egress, blobs).read(kept) == b"ok"
    await blobs.remove(kept.digest)
    with pytest.raises(Refused):
        await GatewayTools(egress, blobs).read(kept)


def test_a_call_does_not_show_itself() -> None:
    assert "t0ken" not in repr(Call(url="http://a/?t0ken", headers={"Authorization": "t0ken"}, body=b"t0ken"))
