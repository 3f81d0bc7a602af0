"""The HTTP server itself: sizes, slow and many clients, smuggling, odd bytes, hostile headers.

Elsewhere: limits of bodies, files and frames of the chat window (tests/web/visitor/test_limits.py), of the API's
bodies, nesting and uploads (tests/web/api/test_rest.py, tests/web/api/test_openapi_fuzz.py), of the doors
(tests/gateway/test_doors.py), of the desk (tests/desk/test_guard.py, tests/desk/test_files.py); windows that take no
data (tests/web/visitor/test_limits.py); security headers and error answers (tests/web/test_problems.py).
"""

from __future__ import annotations

import asyncio
import gzip
import re
import time
import zlib
from typing import Any

import msgspec
import pytest

from gateway import serve

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEAD = b"Host: x\r\nConnection: close\r\n"


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /v1/messages HTTP/1.1\r\n%bContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\n%bContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /v1/messages HTTP/1.1\r\n%bContent-Length: +5\r\n\r\nabcde",
        b"POST /v1/messages HTTP/1.1\r\n%bTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\n%bTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n0x5\r\nabcde\r\n0\r\n\r\n",
        b"GET /healthz HTTP/1.1\n%b\n",
        b"GET /healthz HTTP/1.1\r\n%bX: a\r\n b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n%bX: a\0b\r\n\r\n",
    ],
    ids=["cl-te", "cl-cl", "cl-sign", "te-space", "te-unknown", "chunk-size", "bare-lf", "folded", "nul"],
)
async def test_what_two_servers_could_read_differently_is_refused(house: Any, request_: bytes) -> None:
    answer = await house.raw(request_ % HEAD)
    assert status(answer) in (400, 401)
    assert len(re.findall(rb"HTTP/1\.\d \d\d\d ", answer)) == 1, "a second request was read out of the first"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 9000,
        b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 9000,
        b"GET /healthz HTTP/1.1" + b"\r\nX: a" * 200,
    ],
    ids=["line", "header", "headers"],
)
async def test_heads_have_a_size(house: Any, head: bytes) -> None:
    tail = b" HTTP/1.1" if b"HTTP" not in head else b""
    assert status(await house.raw(head + tail + b"\r\n" + HEAD + b"\r\n")) == 400


@pytest.mark.parametrize(
    ("line", "header"),
    [
        (b"POST /control/audit", b"Authorization: Bearer \xff\xfe"),
        (b"GET /desk/api/me", b"Cookie: allears-desk=\xff\xfe"),
        (b"GET /desk/api/me", b"Cookie: allears-desk=\xed\xa0\x80"),
        (b"GET /v1/records", b"Authorization: Bearer \xff"),
        (b"GET /widget/v1/history?site=lantern", b"Authorization: Bearer a\xff.b.c"),
        (b"GET /widget/v1/settings?site=%ff%ED%A0%80", b"X: y"),
        (b"GET /widget/v1/events?site=lantern&ticket=%ED%A0%80", b"X: y"),
        (b"GET /widget/v1/settings?site=lantern", b"Origin: http://["),
        (b"POST /widget/v1/session?site=lantern", b"Origin: http://["),
        (b"POST /desk/api/login", b"Origin: http://[x"),
        (b"GET /status/%ED%A0%80%00?k=%ff", b"X: y"),
        (b"POST /desk/login/%ED%A0%80", b"X: y"),
        (b"GET /static/%ff%00/../x", b"X: y"),
        (b"GET /in/api/%ED%A0%80", b"X: y"),
    ],
)
async def test_odd_bytes_are_the_callers_mistake(house: Any, line: bytes, header: bytes) -> None:
    answer = await house.raw(line + b" HTTP/1.1\r\n" + HEAD + header + b"\r\nContent-Length: 2\r\n\r\n{}")
    assert 300 <= status(answer) < 500, answer[:200]


async def test_a_signed_delivery_with_an_odd_header_is_kept_all_the_same(house: Any) -> None:
    from channels._standard_webhooks import sign
    from channels.base import Secret

    body = b"{ not JSON"
    headers = sign(Secret(house.webhook_secret), "odd", house.clock(), body)
    head = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items())
    head += b"X-Odd: \xff\xfe\r\nContent-Length: %d\r\n" % len(body)
    answer = await house.raw(b"POST /in/api/main HTTP/1.1\r\n" + HEAD + head + b"\r\n" + body)
    assert status(answer) == 202, answer
    kept = (await house.gateway.store.quarantined()).items[0]
    assert kept.raw == body
    assert kept.headers["x-odd"] == "\ufffd\ufffd"


@pytest.mark.parametrize("packed", ["gzip", "deflate"])
async def test_a_compressed_bomb_is_refused_unread(house: Any, packed: str) -> None:
    bomb = (gzip.compress if packed == "gzip" else zlib.compress)(b" " * 24_000_000)
    head = f"Content-Encoding: {packed}\r\nContent-Length: {len(bomb)}\r\nAuthorization: Bearer {house.token}\r\n"
    for path in (b"/v1/messages", b"/in/api/main", b"/widget/v1/session?site=lantern", b"/desk/api/login"):
        answer = await house.raw(b"POST " + path + b" HTTP/1.1\r\n" + HEAD + head.encode() + b"\r\n" + bomb)
        assert status(answer) == 415


async def test_a_head_that_dribbles_in_is_given_up_and_others_do_not_notice(opening: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(serve, "SILENCE", 2.0)
    async with opening() as house:
        lines = [await asyncio.open_connection("127.0.0.1", house.port) for _ in range(300)]
        for _, writer in lines[:150]:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ")
        started = time.monotonic()
        for _ in range(4):
            for _, writer in lines[:150]:
                writer.write(b"a")
            assert (await house.call("GET", "/healthz"))[0] == 200
            await asyncio.sleep(0.2)
        async with asyncio.timeout(10):
            await asyncio.gather(*(_ended(reader) for reader, _ in lines))
        assert time.monotonic() - started < 9
        for _, writer in lines:
            writer.close()


async def _ended(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(100):
            pass
    except ConnectionError:
        pass


@pytest.mark.parametrize(
    ("path", "login"),
    [
        ("/v1/messages", "api"),
        ("/v1/uploads?name=x", "api"),
        ("/widget/v1/session?site=lantern", ""),
        ("/desk/api/login", ""),
        ("/control/audit", "control"),
    ],
)
async def test_a_body_that_dribbles_in_is_given_up(house: Any, path: str, login: str) -> None:
    tokens = {"api": house.token, "control": house.gateway.keys.tag("control", "command line")}
    token = tokens.get(login) or await house.visitor()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 50\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(head.encode())
    dribble = asyncio.create_task(_dribble(writer))
    try:
        async with asyncio.timeout(8):
            assert status(await reader.readuntil(b"\r\n")) == 408
    finally:
        dribble.cancel()
        writer.close()


async def _dribble(writer: asyncio.StreamWriter) -> None:
    for _ in range(40):
        writer.write(b"{")
        await asyncio.sleep(0.4)


async def test_an_upload_may_be_slow_but_not_stand_still(house: Any) -> None:
    head = (
        f"POST /widget/v1/uploads?site=lantern HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {await house.visitor()}\r\n"
    )
    assert status(await house.raw(f"{head}Content-Length: 50\r\n\r\nabc".encode(), 8.0)) == 408


async def test_a_desk_upload_that_stands_still_is_given_up(house: Any) -> None:
    conversation = await house.send("hello")
    async with house.desk() as desk:
        (cookie,) = [f"{c.key}={c.value}" for c in desk.session.cookie_jar]
        head = (
            f"POST /desk/api/conversations/{conversation}/files?name=x HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n"
            f"X-Desk-Token: {desk.csrf}\r\nContent-Length: 50\r\n\r\nabc"
        )
        assert status(await house.raw(head.encode(), 8.0)) == 408


PAGES = ("/", "/desk", "/status", "/docs/api", "/widget?site=lantern", "/openapi.json", "/nothing", "/desk/login/x")


@pytest.mark.parametrize("path", PAGES)
async def test_the_host_header_makes_no_links_and_opens_nothing(house: Any, path: str) -> None:
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    _, body, headers = await house.call("GET", path, headers={**evil, "Accept": "text/html"})
    assert "evil.example" not in (body if isinstance(body, str) else msgspec.json.encode(body).decode())
    assert "evil.example" not in headers.get("Location", "")
    _, _, headers = await house.call("GET", path, headers={"Host": "evil.example; script-src *", "Accept": "text/html"})
    assert "script-src *" not in headers["Content-Security-Policy"]


async def test_the_callers_address_is_the_last_that_a_trusted_proxy_added(opening: Any) -> None:
    async def guess(house: Any, n: int, *forwarded: str) -> int:
        lines = "".join(f"X-Forwarded-For: {line}\r\n" for line in forwarded)
        return status(await house.raw(f"GET /status/CASE-{n}?k=a HTTP/1.1\r\n{lines}".encode() + HEAD + b"\r\n"))

    async with opening("trust_proxy = true\n") as house:
        for n in range(30):  # an invented address in front of the proxy's, in the same line or in one of its own
            shown = (f"10.0.0.{n}, 203.0.113.7",) if n % 2 else (f"10.0.0.{n}", "203.0.113.7")
            assert await guess(house, n, *shown) == 404
        assert await guess(house, 99, "203.0.113.7") == 429
        assert await guess(house, 99, "203.0.113.8") == 404


async def test_without_a_trusted_proxy_no_address_is_believed(opening: Any) -> None:
    async with opening() as house:
        for n in range(31):
            code, _, _ = await house.call("GET", f"/status/CASE-{n}?k=a", headers={"X-Forwarded-For": f"10.0.0.{n}"})
        assert code == 429
