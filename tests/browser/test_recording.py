"""A call at the desk in a real browser: heard, read along, and found by its facts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, Page, expect

from gateway import wake
from tests.browser.test_desk import chromium, enter
from tests.desk.conftest import House, opened
from tests.transcription import needs

needs.speech()

from tests.transcription.needs import SPEECH  # noqa: E402
from transcription import model_folder  # noqa: E402
from transcription.base import Segment, Transcript, Word  # noqa: E402

__all__ = ["chromium"]

TOKEN = "upload"
CONFIG = f'channels.phone.calls.tokens = ["{hashlib.sha256(TOKEN.encode()).hexdigest()}"]\n'
#: Where pictures of the pages are kept to be looked at, if anywhere.
PICTURES = os.environ.get("PICTURES", "")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    model_folder.use(tmp_path / "models", model_folder.TINY)
    async with opened(tmp_path, CONFIG) as house:
        yield house


async def uploaded(house: House, name: str = "call", caller: str = "+8613800138000") -> str:
    """A call that is taken in; its conversation."""
    query = {"call_id": name, "caller": caller, "name": "Li Lei", "file": f"{name}.flac"}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession() as session:
        data = (SPEECH / f"{name}.flac").read_bytes()
        async with session.post(f"{house.url}/v1/recordings", params=query, data=data, headers=headers) as answer:
            assert answer.status == 202
            return str((await answer.json())["conversation"])


async def copied(house: House, conversation: str) -> None:
    """Wait until it can be listened to and has its record."""

    async def ready() -> bool:
        found = await house.gateway.store.recordings(conversation)
        number = (await house.gateway.store.conversation(conversation)).number
        return bool(found) and all(one.copy for one in found) and bool(number)

    await house.until(ready)


async def called(house: House, name: str = "call") -> str:
    """A call that is uploaded, heard and copied; its conversation."""
    conversation = await uploaded(house, name)
    await copied(house, conversation)
    return conversation


async def look(page: Page, name: str) -> None:
    if PICTURES:
        await page.screenshot(path=f"{PICTURES}/{name}.png")


async def seconds(page: Page) -> float:
    return float(await page.evaluate("document.querySelector('.recording audio').currentTime"))


async def speak(page: Page, language: str) -> None:
    await page.click("#me")
    await page.click(f'.dialog [lang="{language}"]')
    await page.keyboard.press("Escape")


async def test_words_follow_the_sound_and_lead_to_it(house: House, chromium: Browser) -> None:
    await called(house)
    page = await enter(house, chromium)
    await page.click(".line")
    recording = page.locator(".recording")
    await expect(recording.locator(".turn")).to_have_count(4)
    await expect(recording.locator(".turn.agent").first).to_contain_text("hello please help")
    await expect(recording.locator(".turn.customer").first).to_contain_text("my order number is 7042")
    word = recording.locator(".word", has_text="7042")
    await expect(word).to_have_class("word fact")
    await recording.locator(".word", has_text="damaged").click()
    await expect(page.locator(".word.now", has_text="damaged")).to_be_visible()
    assert await seconds(page) > 6
    await page.evaluate("document.querySelector('.recording audio').pause()")

    fact = page.locator('[data-field="order_numbers-0"]')
    await fact.hover()
    await expect(page.locator(".word.lit")).to_have_text("7042")
    await fact.click()
    await expect(page.locator(".word.now", has_text="7042")).to_be_visible()
    await look(page, "call")
    await expect(page.locator(".recording audio")).to_have_js_property("paused", True)
    end = await seconds(page)
    record = await house.gateway.store.record(
        (await house.gateway.store.conversations("all")).items[0].conversation.number
    )
    evidence = record.what.order_numbers[0].evidence[0]
    assert evidence.to_second is not None
    assert evidence.to_second <= end < evidence.to_second + 1.5, "a fact is played and no more"


async def test_by_keyboard_alone_and_in_chinese(house: House, chromium: Browser) -> None:
    await called(house)
    page = await enter(house, chromium)
    await speak(page, "zh-Hans")
    await expect(page.locator(".line")).to_be_visible()  # an empty list has nothing to move to
    await page.keyboard.press("j")
    first = page.locator(".recording .word").first
    await expect(first).to_have_attribute("tabindex", "0")
    await expect(page.locator(".turn .who").first).to_contain_text("坐席")
    await first.focus()
    await page.keyboard.press("End")
    await expect(page.locator(".word:focus")).to_have_text("refund")
    for _ in range(3):
        await page.keyboard.press("ArrowLeft")
    await expect(page.locator(".word:focus")).to_have_text("i")
    await page.keyboard.press("Enter")
    await expect(page.locator(".word.now")).not_to_have_count(0)
    assert await seconds(page) > 7
    await page.keyboard.press("Space")
    assert await page.evaluate("document.querySelector('.recording audio').paused")
    await look(page, "call-zh")


async def test_on_a_phone(house: House, chromium: Browser) -> None:
    await called(house)
    page = await enter(house, chromium, phone=True)
    await page.tap(".line")
    recording = page.locator(".recording")
    await expect(recording.locator(".turn")).to_have_count(4)
    box = await recording.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    await look(page, "call-phone")
    await page.click(".head .not-wide")
    await page.tap('[data-field="order_numbers-0"]')
    await expect(page.locator("#conversation")).to_be_visible()
    await expect(page.locator(".word.now", has_text="7042")).to_be_visible()


async def test_a_card_number_is_a_tone_and_the_original_is_a_leads(house: House, chromium: Browser) -> None:
    conversation = await called(house, "card")
    page = await enter(house, chromium)
    await page.click(".line")
    await expect(page.locator(".word", has_text="****0366")).to_be_visible()
    await expect(page.locator("text=Hear the original")).to_have_count(0)
    lead = await enter(house, chromium, role="lead", login="lin")
    await lead.click(".line")
    await lead.click("text=Hear the original")
    original = lead.locator("audio.original")
    await expect(original).to_be_visible()
    await expect(original).not_to_have_js_property("readyState", 0)
    await look(lead, "original")
    number = (await house.gateway.store.conversation(conversation)).number
    assert "revealed" in [line.what for line in await house.gateway.store.journal(number)]


async def test_a_number_that_was_not_heard_well_is_asked_for(tmp_path: Path, chromium: Browser) -> None:
    """Without a model it waits; then it is settled with what a worse line would give."""
    said = "my order number is seven zero four two".split()
    words = tuple(
        Word(text=text, start=3 + n / 3, end=3.3 + n / 3, confidence=0.4 if text == "four" else 1.0)
        for n, text in enumerate(said)
    )
    turn = Segment(speaker="customer", start=3.0, end=6.0, text=" ".join(said), words=words)
    async with opened(tmp_path, CONFIG) as house:
        conversation = await uploaded(house)

        async def waiting() -> bool:
            return bool(await house.gateway.store.recordings(conversation))

        await house.until(waiting)
        (one,) = await house.gateway.store.recordings(conversation)
        heard = Transcript(recording=one.digest, language="en", model="m", duration=12.0, segments=(turn,))
        await house.gateway.store.settle_recording(one.inbox_id, one.place, "heard", transcript=heard)
        house.gateway.wake.signal(wake.INBOX)
        house.gateway.wake.signal(wake.LISTENING)
        await copied(house, conversation)
        page = await enter(house, chromium)
        await page.click(".line")
        doubt = page.locator(".doubt")
        await expect(doubt).to_contain_text("7042?")
        await expect(page.locator(".word.fact.unheard")).to_have_count(1)
        await look(page, "doubt")
        await doubt.get_by_label("what it was").fill("7043")
        await page.keyboard.press("Enter")
        await expect(page.locator('[data-field="order_numbers-0"]')).to_contain_text("7043")
        await expect(doubt).to_have_count(0)
        await look(page, "doubt-told")
