"""Pages that are open while the processes behind them are renewed: they come back by themselves."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.nodes.test_processes import children, up
from tests.nodes.town import Node, Town, until

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
SECONDS = 60_000

if CHROMIUM is None and os.environ.get("REQUIRE_TEST_SERVERS") != "1":
    pytest.skip("no chromium on this machine; `apt-get install chromium`", allow_module_level=True)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    assert CHROMIUM is not None, "the tests require chromium here"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


async def renewed(town: Town, node: Node) -> None:
    before = set(children(node))
    node.signal(signal.SIGHUP)

    async def all_new() -> bool:
        return len(children(node)) == 2 and not before & set(children(node))

    await until(all_new, "they are not renewed")
    await up(town, 2)


async def write(page: Page, text: str) -> None:
    await page.fill("#text", text)
    await page.press("#text", "Enter")


async def test_chat_and_desk_stay_open_over_a_renewal(town: Town, chromium: Browser) -> None:
    node = town.node("pair", "--processes", "2")
    await up(town, 2)
    await node.ready()
    chat, desk = await chromium.new_page(), await chromium.new_page()
    await chat.goto(f"{node.url}/widget?site=lantern")
    await expect(chat.locator("#state")).to_have_attribute("data-state", "online", timeout=SECONDS)
    (link, *_) = re.findall(r"/desk/login/\S+", await asyncio.to_thread(node.log.read_text))
    await desk.goto(node.url + link)
    await desk.click("button")
    await expect(desk.locator("#queue")).to_be_visible(timeout=SECONDS)

    await write(chat, "My lamp arrived broken, number 1, I want my money back!")
    await expect(chat.locator(".line.bot").first).to_be_visible(timeout=SECONDS)
    await asyncio.gather(renewed(town, node), write(chat, "My lamp arrived broken, number 2!"))
    await write(chat, "I want to speak to a person, number 3")

    for n in (1, 2, 3):
        mine = chat.locator(".line.me").filter(has_text=f"number {n}")
        await expect(mine).to_have_count(1, timeout=SECONDS)
        await expect(mine).not_to_have_class(re.compile("waiting"), timeout=SECONDS)
    await town.worked_on(3)
    await town.all_said()
    said = [row.kind for row in await town.outbox() if row.destination == "channel:webchat/main"]
    await expect(chat.locator(".line.bot")).to_have_count(len(said), timeout=SECONDS)
    await expect(chat.locator("#state")).to_have_attribute("data-state", "online", timeout=SECONDS)
    await node.write("My kettle arrived broken, number 4, I want my money back!", sender="somebody else")
    await expect(desk.locator("#queue")).to_contain_text("number 4", timeout=SECONDS)
