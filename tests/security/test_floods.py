"""Large bodies of strangers: they are refused at their end, and must not fill the memory until then."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.web import doors

pytestmark = pytest.mark.asyncio(loop_scope="module")

MB = 1024 * 1024
HEAD = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (20 * MB)


async def test_a_flood_of_large_bodies_is_stopped_and_small_ones_pass(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "ROOM", 8 * MB)

    async def stranger() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        try:
            writer.write(HEAD)
            for _ in range(4):  # and then it waits
                writer.write(bytes(MB))
                await writer.drain()
            return await reader.readline()
        except ConnectionError:
            return b"cut"
        finally:
            writer.close()

    flood = [asyncio.create_task(stranger()) for _ in range(6)]
    done, _ = await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
    assert b"503" in done.pop().result()
    assert (await house.api("POST", "/v1/messages", {"text": "x", "external_id": "1", "sender": {"id": "u"}}))[0] == 202
    await asyncio.gather(*flood)
    large = {"text": "x" * (3 * MB // 2), "external_id": "2", "sender": {"id": "u"}}
    assert (await house.api("POST", "/v1/messages", large))[0] == 202, "and there is room again"
