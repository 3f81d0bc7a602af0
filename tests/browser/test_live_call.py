"""A call that runs, at the desk in a real browser: its words while they are said, then its recording."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from tests.browser.test_desk import chromium, enter
from tests.browser.test_recording import look, speak
from tests.desk.conftest import House, opened
from tests.transcription import needs

needs.speech()

from tests.gateway import live_lines as lines  # noqa: E402
from tests.gateway.live_lines import sound  # noqa: E402
from transcription import model_folder  # noqa: E402

__all__ = ["chromium"]

TOKEN = "streams"
CONFIG = f'channels.phone.lines.tokens = ["{hashlib.sha256(TOKEN.encode()).hexdigest()}"]\n'


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    model_folder.use(tmp_path / "models", model_folder.TINY)
    async with opened(tmp_path, CONFIG) as house:
        yield house


async def say(ws: aiohttp.ClientWebSocketResponse, samples: bytes) -> None:
    for piece in lines.pieces(samples, 6400):
        await ws.send_bytes(piece)
        await ws.receive_json(timeout=100)


async def test_a_call_is_read_while_it_is_spoken(house: House, chromium: Browser) -> None:
    page = await enter(house, chromium)
    url = house.url.replace("http", "ws") + f"/calls/vosk/lines?token={TOKEN}&channels=2&name=Ann+Example&call_id=c"
    call = sound("call")
    half = len(call) * 5 // 8
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
        await say(ws, call[:half])
        await page.locator(".line", has_text="Ann Example").click()
        live = page.locator("#call .call")
        await expect(live).to_contain_text("my order number is 7042")
        await expect(live.locator(".turn.agent").first).to_contain_text("hello please help")
        await expect(page.locator(".line .tag.call")).to_be_visible()
        await say(ws, call[half:-16000])
        await expect(live).to_contain_text("my package was damaged")
        assert await page.locator("#entries .bubble.customer").count() == 0, "said once, shown once"
        await look(page, "live-call")
        await speak(page, "zh-Hans")
        await expect(live).to_contain_text("正在通话")
        await look(page, "live-call-zh")
        await speak(page, "en")
        await say(ws, call[-16000:])
        await ws.send_str('{"eof" : 1}')
        await ws.receive_json(timeout=100)
    await expect(live).to_have_count(0)
    await expect(page.locator("#entries .recording .transcript")).to_contain_text(
        "my package was damaged i want a refund"
    )
    await expect(page.locator("#record, .record").first).to_contain_text("7042")
    await expect(page.locator(".line .tag.call")).to_have_count(0)


async def test_a_call_that_is_not_heard_says_so(house: House, chromium: Browser) -> None:
    await asyncio.to_thread(os.rename, house.gateway.shelf, house.gateway.shelf.with_name("away"))
    page = await enter(house, chromium)
    url = house.url.replace("http", "ws") + f"/calls/vosk/lines?token={TOKEN}&call_id=c"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
        await say(ws, sound("en_late"))
    await page.locator(".line").first.click()
    await expect(page.locator("#entries")).to_contain_text(re.compile("call.wav"))
