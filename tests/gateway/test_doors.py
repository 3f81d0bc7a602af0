"""The doors over real HTTP: sizes, slow clients, quarantine and its replay, and what the logs say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.context import GATEWAY
from gateway.operations import perform
from tests.gateway.conftest import TOKEN, Town

Post = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]
GOOD = {"external_id": "m1", "sender": {"id": "u1"}, "text": "Where is my parcel?"}


async def test_an_answer_comes_after_the_commit(post: Post) -> None:
    status, body = await post(GOOD)
    assert (status, body["seq"], body["duplicate"]) == (202, 1, False)
    status, again = await post(GOOD)
    assert (status, again["seq"], again["duplicate"]) == (200, 1, True)


async def test_a_body_above_the_limit_is_refused_before_it_is_read(client: TestClient[Any, Any]) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Length": str(10**12)}
    reader, writer = await asyncio.open_connection(client.host, client.port)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"POST /v1/messages HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
    assert b" 413 " in await asyncio.wait_for(reader.readline(), 60)
    writer.close()


async def test_a_body_without_a_stated_size_is_cut_at_the_limit(client: TestClient[Any, Any]) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    head = (
        f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    writer.write(head.encode())
    piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    answer = asyncio.create_task(reader.readline())
    for _ in range(40):
        writer.write(piece)
        await asyncio.sleep(0)
        if answer.done():
            break
    assert b" 413 " in await asyncio.wait_for(answer, 60)
    writer.close()


async def test_a_slow_client_is_not_waited_for(client: TestClient[Any, Any]) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(
        f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 100\r\n\r\n{{".encode()
    )
    assert b" 408 " in await asyncio.wait_for(reader.readline(), 60)
    writer.close()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"text": 5}', b'{"nonsense": 1}'])
async def test_a_mistake_of_a_caller_is_explained(post: Post, body: bytes) -> None:
    status, problem = await post(body)
    assert 400 <= status < 500
    assert problem["title"]


async def test_an_unknown_path_says_so(client: TestClient[Any, Any]) -> None:
    async with client.get("/v1/nothing", headers={"Accept": "application/json"}) as answer:
        assert answer.status == 404
        assert answer.content_type == "application/problem+json"


async def test_logs_hold_no_words_of_customers_and_no_secrets(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await post({**GOOD, "text": "a very private matter", "sender": {"id": "u1", "email": "ann@example.org"}})
    await post(b"{ a very private matter")
    await asyncio.sleep(0.3)
    for secret in ("private matter", "ann@example.org", TOKEN, "0123456789012345678901234567890123456789"):
        assert secret not in caplog.text


async def test_control_is_for_the_command_line_alone(server: TestServer, client: TestClient[Any, Any]) -> None:
    gateway = server.app[GATEWAY]
    for token in ("", "wrong", TOKEN):
        async with client.post("/control/audit", json={}, headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == 401
    right = {"Authorization": f"Bearer {gateway.keys.tag('control', 'command line')}"}
    async with client.post("/control/audit", json={}, headers=right) as answer:
        assert answer.status == 200
    async with client.post("/control/no-such", json={}, headers=right) as answer:
        assert answer.status == 422


async def test_quarantined_bytes_can_be_read_again(town: Town) -> None:
    store = town.gateway.store
    body = msgspec.json.encode(GOOD)
    id = await store.quarantine("api", "main", body, "could not be read then", headers={}, at=town.clock())
    (row,) = await perform(town.gateway, "quarantine-show", {"ids": [id]})
    assert row["raw"] == body.decode()
    (again,) = await perform(town.gateway, "quarantine-replay", {"ids": [id]})
    assert again["state"] == "open", "its credential was not kept, so it is still nobody's"
    await perform(town.gateway, "quarantine-drop", {"ids": [id]})
    assert (await store.quarantined_one(id)).state == "dropped"
