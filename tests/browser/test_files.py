"""Attachments in a bucket, sealed, in front of real eyes: a customer's picture at the desk, a call that is played from its middle."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from gateway.operations import perform
from tests.blobs.places import names
from tests.browser.test_desk import chromium, enter
from tests.browser.test_recording import CONFIG, called
from tests.desk.conftest import House, opened
from tests.servers import s3
from tests.transcription import needs

needs.speech()

from transcription import model_folder  # noqa: E402

__all__ = ["chromium"]

#: Where pictures of the pages are kept to be looked at, if anywhere.
PICTURES = os.environ.get("PICTURES", "")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    model_folder.use(tmp_path / "models", model_folder.TINY)
    table = s3.server("moto").table(prefix=f"t/{secrets.token_hex(8)}", encrypt=True)
    files = "".join(f"files.{line}\n" for line in table.splitlines()[1:])
    async with opened(tmp_path, files + CONFIG) as house:
        yield house


async def test_a_picture_is_seen_and_a_call_is_heard(house: House, chromium: Browser) -> None:
    blobs = house.gateway.blobs
    customer = await chromium.new_page(viewport={"width": 390, "height": 844}, locale="en-GB")
    await customer.goto(f"{house.url}/widget?site=lantern")
    await expect(customer.locator("#state")).to_have_attribute("data-state", "online")
    picture = await customer.screenshot()
    await customer.set_input_files("#files", {"name": "lamp.png", "mimeType": "image/png", "buffer": picture})
    await customer.fill("#text", "My lamp arrived broken, I want a refund. Please let me talk to a human.")
    await expect(customer.locator("#send")).to_be_enabled()
    await customer.click("#send")
    await expect(customer.locator(".picture img:not(.loading)")).to_have_count(1)
    lies = [b"".join([piece async for piece in blobs._place.read(name)]) for name in await names(blobs)]
    assert len(lies) == 1
    assert picture[:8] not in lies[0][:200]
    assert not list(blobs.folder.glob("??/*")), "nothing of it on this machine"

    desk = await enter(house, chromium)
    await desk.click(".line")
    image = desk.locator(".bubble.customer img")
    await expect(image).to_be_visible()
    assert await image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 390
    if PICTURES:
        await desk.screenshot(path=f"{PICTURES}/files-desk.png")

    call = await called(house)
    partial = []
    desk.on("response", lambda answer: partial.append(answer.status) if "/sound" in answer.url else None)
    await desk.locator(".line", has_text="Li Lei").click()
    await desk.locator(".recording .word", has_text="damaged").click()
    await expect(desk.locator(".word.now", has_text="damaged")).to_be_visible()
    assert 206 in partial, "a player asks for parts"

    for digest in await house.gateway.store.blobs_of(call):
        assert len(await blobs.read(digest)) == (await blobs.find(digest)).size
    assert len(await names(blobs)) == 3, "the picture, the call, its copy"
    rows = (await house.gateway.store.conversations("all")).items
    for row in rows:
        await perform(house.gateway, "erase", {"person": row.conversation.sender, "yes": True})
    assert await names(blobs) == []
