"""The page of the simulated platforms in a real browser."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, FilePayload, Page, async_playwright, expect

from channels._platforms.telegram import Telegram
from gateway.simulate.page import application
from tests.browser.test_desk import CHROMIUM, FLAGS, PHONE

PIXEL = b"\xff\xd8\xff\xe0" + b"\x00" * 60


@pytest.fixture
async def platform() -> AsyncIterator[Telegram]:
    async with Telegram(pace=0.02) as running:
        yield running


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    assert CHROMIUM is not None, "the tests require chromium here"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def page(platform: Telegram, chromium: Browser) -> AsyncIterator[Page]:
    server = TestServer(application({"telegram": platform}, "http://127.0.0.1:8080"), host="127.0.0.1")
    async with server:
        context = await chromium.new_context(viewport=PHONE, locale="zh-TW")  # type: ignore[arg-type]
        opened = await context.new_page()
        opened.on("pageerror", lambda error: pytest.fail(f"the page failed: {error}"))
        await opened.goto(str(server.make_url("/")))
        await expect(opened.get_by_text("模擬平台")).to_be_visible()
        yield opened


async def test_a_customer_writes_and_presses_and_sees_what_we_say(page: Page, platform: Telegram) -> None:
    await page.get_by_placeholder("以這位顧客的身分寫").fill("燈籠壞了 <b>!</b>")
    await page.get_by_role("button", name="傳送", exact=True).click()
    await expect(page.locator("article.theirs")).to_contain_text("燈籠壞了 <b>!</b>")
    (update,) = platform.held
    assert update["message"]["text"] == "燈籠壞了 <b>!</b>"
    thread = platform.lines[0].thread
    platform.saw(thread, "要退款嗎？", id="9", buttons=[("要", "refund:yes")])
    await page.get_by_role("button", name="要", exact=True).click()
    await expect(page.locator("article.theirs")).to_have_count(2)
    assert platform.held[1]["callback_query"]["data"] == "refund:yes"


async def test_files_edits_faults_and_another_customer(page: Page, platform: Telegram) -> None:
    await page.locator("#composer input[type=file]").set_input_files(
        FilePayload(name="a.jpg", mimeType="image/jpeg", buffer=PIXEL)
    )
    await page.get_by_role("button", name="傳送", exact=True).click()
    await expect(page.locator("article img")).to_be_visible()
    await page.get_by_role("button", name="編輯").click()
    await page.get_by_placeholder("以這位顧客的身分寫").fill("看照片")
    await page.get_by_role("button", name="傳送", exact=True).click()
    await expect(page.get_by_text("已編輯")).to_be_visible()
    await page.get_by_label("同一事件送來兩次").select_option(label="總是")
    await page.get_by_placeholder("換一位顧客").fill("Tom")
    await page.get_by_role("button", name="新增").click()
    await page.get_by_role("button", name="傳送貼圖").click()
    await expect(page.get_by_role("tab", name="Tom")).to_have_attribute("aria-selected", "true")
    await expect(page.locator("#delivery")).to_contain_text("4")
    kinds = [next(key for key in update if key != "update_id") for update in platform.held]
    assert kinds == ["message", "edited_message", "message", "message"]
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"], "nothing sticks out on a phone"
