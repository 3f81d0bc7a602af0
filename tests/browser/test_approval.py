"""A refund above the limit, approved at the desk in a real browser, and carried out by a real server."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, async_playwright, expect

from gateway.desk import people
from tests.desk.conftest import opened

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
EXAMPLES = Path(__file__).parents[2] / "bot" / "examples"
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

if CHROMIUM is None and os.environ.get("REQUIRE_TEST_SERVERS") != "1":
    pytest.skip("no chromium on this machine; `apt-get install chromium`", allow_module_level=True)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    assert CHROMIUM is not None, "the tests require chromium here"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        await browser.close()


async def test_an_agent_approves_and_the_customer_hears_of_it(tmp_path: Path, chromium: Browser) -> None:
    asked: list[dict[str, Any]] = []

    async def act(request: web.Request) -> web.Response:
        asked.append(await request.json())
        return web.json_response({"values": {}})

    app = web.Application()
    app.router.add_post("/actions", act)
    async with TestServer(app) as system:
        settings = (
            f'bot.knowledge = "{EXAMPLES}"\negress.allow = ["127.0.0.0/8"]\n'
            f'systems.shop.url = "{system.make_url("/actions")}"\nsystems.shop.secret = "{SECRET}"\n'
        )
        async with opened(tmp_path, settings) as house:
            conversation = await house.heard("帮我退款 订单20261102003317 一共1288元", name="王女士")
            await house.heard("确认退款", name="王女士")
            agent = await house.agent("mei")
            link = await people.new_login_link(house.gateway, agent.id)
            page = await (
                await chromium.new_context(locale="zh-CN", viewport={"width": 1440, "height": 900})
            ).new_page()
            await page.goto(house.url + link[link.index("/desk/") :])
            await page.click("button")
            await page.click('.line:has-text("王女士")')
            await expect(page.locator(".line .tag >> text=待审批")).to_be_visible(timeout=20_000)
            await expect(page.locator(".notice.handed_off .facts")).to_contain_text("1288 CNY")
            assert asked == []
            if shots := os.environ.get("SHOTS"):
                await page.screenshot(path=f"{shots}/approval.png")
            await page.click(".notice.approval >> text=同意")
            await expect(page.locator(".notice.action >> text=公司系统已办理")).to_be_visible(timeout=20_000)
            await expect(page.locator(".notice.approval button")).to_have_count(0)
            if shots:
                await page.click(".tab >> nth=1")
                await page.screenshot(path=f"{shots}/done.png")
            await page.context.close()
            assert any("已办好" in text for text in await house.said(conversation))
    assert [one["data"]["approved_by"] for one in asked] == ["Mei"]
