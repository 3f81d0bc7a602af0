"""A customer proves an address with a code; the agent sees their other conversation, why, and takes it back."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, async_playwright, expect

from channels.base import Inbound, Sender
from gateway.desk import people
from gateway.intake import accept
from tests.desk.conftest import House, opened

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
OURS, THEIRS = "+4930123456", "+8613800138000"

if CHROMIUM is None and os.environ.get("REQUIRE_TEST_SERVERS") != "1":
    pytest.skip("no chromium on this machine; `apt-get install chromium`", allow_module_level=True)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    assert CHROMIUM is not None, "the tests require chromium here"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        await browser.close()


async def texted(house: House, text: str) -> str:
    """A text message from their number."""
    message = Inbound(
        channel="sms",
        account="main",
        external_id="SM1",
        thread=f"{OURS}/{THEIRS}",
        sender=Sender(id=THEIRS, phone=THEIRS, verified=True),
        at=house.clock(),
        text=text,
    )
    (accepted,) = await accept(house.gateway, [message], received_at=house.clock())
    await house.until(lambda: house._is_dealt_with(accepted.conversation))
    return accepted.conversation


async def shot(page: Page, name: str) -> None:
    if shots := os.environ.get("SHOTS"):
        await page.screenshot(path=f"{shots}/{name}.png")


async def test_a_code_joins_two_conversations_and_an_agent_parts_them(tmp_path: Path, chromium: Browser) -> None:
    sent: list[str] = []

    async def send(request: web.Request) -> web.Response:
        sent.append(str((await request.post())["Body"]))
        return web.json_response({"sid": f"SM{len(sent)}"}, status=201)

    app = web.Application()
    app.router.add_post("/2010-04-01/Accounts/{account}/Messages.json", send)
    async with TestServer(app) as twilio:
        settings = (
            'egress.allow = ["127.0.0.0/8"]\nchannels.sms.main.account_sid = "AC1"\n'
            f'channels.sms.main.auth_token = "0123456789abcdef0123456789abcdef"\nchannels.sms.main.number = "{OURS}"\n'
            f'channels.sms.main.api_url = "{str(twilio.make_url("/")).rstrip("/")}"\n'
        )
        async with opened(tmp_path, settings) as house:
            other = await texted(house, "我的台灯坏了，要求退款")
            chat = await house.heard(f"台灯坏了，我要退款，我的电话是 {THEIRS}", name="王女士")
            agent = await house.agent("mei")
            link = await people.new_login_link(house.gateway, agent.id)
            page = await (
                await chromium.new_context(locale="zh-CN", viewport={"width": 1440, "height": 900})
            ).new_page()
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            await page.goto(house.url + link[link.index("/desk/") :])
            await page.click("button")
            await page.goto(f"{house.url}/desk/#/c/{chat}")
            await expect(page.locator(".contact")).to_contain_text(THEIRS)
            await expect(page.locator(".contact >> text=同一客户的其他会话")).to_have_count(0)
            await page.focus(".contact >> text=发送验证码")
            await page.keyboard.press("Enter")
            await shot(page, "contact-send")
            await page.click("dialog .primary")
            await expect(page.locator(".notice.code")).to_be_visible(timeout=20_000)
            (digits,) = re.findall(r"(?<!\d)\d{6}(?!\d)", sent[-1])
            await house.heard(digits, name="王女士")
            await expect(page.locator(".notice.proven")).to_be_visible(timeout=20_000)
            await expect(page.locator(".contact a")).to_have_attribute("href", f"#/c/{other}")
            await expect(page.locator(".contact")).to_contain_text("填对了发送到")
            await shot(page, "contact")
            await page.set_viewport_size({"width": 390, "height": 844})
            await page.evaluate("document.body.dataset.pane = 'record'")
            wide = await page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 390
            await shot(page, "contact-phone")
            await page.click(".because >> nth=0 >> text=不是同一人")
            await page.click("dialog .primary")
            await expect(page.locator(".contact a")).to_have_count(0, timeout=20_000)
            await shot(page, "contact-undone")
            await page.context.close()
            assert errors == []
            assert (await house.gateway.store.contact(chat)).aliases == ()
            journal = await house.gateway.store.journal((await house.gateway.store.conversation(chat)).number)
            assert [line.what for line in journal if line.by == agent.id] == ["asked_proof", "proven", "unproven"]
