"""The desk in a real browser: what an agent sees and does."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from channels.base import Attachment
from gateway.desk import people
from gateway.store.base import Role
from tests.desk.conftest import COMPLAINT, House, opened

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
expect.set_options(timeout=20_000)
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}

if CHROMIUM is None and os.environ.get("REQUIRE_TEST_SERVERS") != "1":
    pytest.skip("no chromium on this machine; `apt-get install chromium`", allow_module_level=True)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as house:
        yield house


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    assert CHROMIUM is not None, "the tests require chromium here"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


async def enter(
    house: House, chromium: Browser, *, role: Role = "agent", login: str = "mei", phone: bool = False
) -> Page:
    """A new colleague comes in by a one-time link."""
    agent = await house.agent(login, role)
    link = await people.new_login_link(house.gateway, agent.id)
    context = await chromium.new_context(viewport=PHONE if phone else DESKTOP, locale="en-GB", has_touch=phone)  # type: ignore[arg-type]
    page = await context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"the page failed: {error}"))
    await page.goto(house.url + link[link.index("/desk/") :])
    await page.click("button")
    await expect(page.locator("#queue")).to_be_visible()
    return page


async def test_claim_answer_and_close(house: House, chromium: Browser) -> None:
    conversation = await house.heard(name="Ann Example")
    page = await enter(house, chromium)
    assert "/desk/login/" not in page.url
    await page.click('.line:has-text("Ann Example")')
    await expect(page.locator(".bubble.customer")).to_contain_text("arrived broken")
    await expect(page.locator("#words")).to_be_disabled()
    await page.keyboard.press("c")
    await expect(page.locator("#owner")).to_contain_text("Yours")
    await page.fill("#words", "I am sorry.\nThe refund is on its way.")
    await page.press("#words", "Control+Enter")
    ours = page.locator(".bubble.ours:not(.bot):not(.pending)")
    await expect(ours).to_contain_text("The refund is on its way.")
    await expect(page.locator("#words")).to_have_value("")
    assert (await house.said(conversation))[-1] == "I am sorry.\nThe refund is on its way."
    await page.locator("#talk").focus()
    await page.keyboard.press("x")
    await page.click("text=Refund made")
    await page.fill("#last-words", "Have a good day.")
    await page.click(".dialog .primary")
    await expect(page.locator(".toast")).to_contain_text("Case closed")
    await expect(page.locator(".notice.closed")).to_be_visible()
    await expect(page.locator(".foot")).to_contain_text("Reopen")
    record = await house.gateway.store.record((await house.gateway.store.conversation(conversation)).number)
    assert (record.standing.status, record.standing.outcome) == ("resolved", "Refund made")
    await page.click("#view-closed")
    await expect(page.locator(".line")).to_have_count(1)


async def test_field_lights_up_its_words(house: House, chromium: Browser) -> None:
    """Offsets count characters, JavaScript counts UTF-16 units: an emoji before the words must not shift the light."""
    await house.heard(f"😡😡 {COMPLAINT}")
    page = await enter(house, chromium)
    await page.click(".line")
    field = page.locator('[data-field="order_numbers-0"]')
    await expect(field).to_contain_text("20261102003317")
    await expect(page.locator("mark.lit")).to_have_count(0)
    await field.hover()
    await expect(page.locator("mark.lit")).to_have_text("20261102003317")
    await page.mouse.move(700, 300)
    await expect(page.locator("mark.lit")).to_have_count(0)
    await field.focus()
    await expect(page.locator("mark.lit")).to_have_text("20261102003317")


async def test_correction_by_hand(house: House, chromium: Browser) -> None:
    await house.heard()
    page = await enter(house, chromium)
    await page.click(".line")
    await page.click('[aria-label="Correct Urgency"]')
    await page.select_option('select[aria-label="Urgency"]', "urgent")
    await expect(page.locator('[data-field="urgency-0"]')).to_contain_text("urgent✓")
    await page.click(".tab >> text=Journal")
    await expect(page.locator(".journal")).to_contain_text("corrected by hand")


async def test_list_is_live_and_overtaken_agent_is_told(house: House, chromium: Browser) -> None:
    page = await enter(house, chromium)
    await expect(page.locator(".empty")).to_contain_text("Nobody is waiting")
    await house.heard(name="Ann Example")
    await expect(page.locator(".line.unread")).to_contain_text("Ann Example")
    await page.click(".line")
    await page.keyboard.press("c")
    await expect(page.locator("#owner")).to_contain_text("Yours")
    lead = await enter(house, chromium, role="lead", login="lena")
    await lead.click("#view-all")
    await lead.click(".line")
    await lead.locator("#talk").focus()
    await lead.keyboard.press("c")
    await lead.click(".dialog .primary")
    await expect(lead.locator("#owner")).to_contain_text("Yours")
    await expect(page.locator("#owner")).to_contain_text("With Lena")
    await expect(page.locator("#words")).to_be_disabled()


async def test_scripts_of_customers_stay_words(house: House, chromium: Browser) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\">"
    await house.heard(
        f"{evil} <script>document.title='owned'</script> {COMPLAINT}",
        name=evil,
        attachments=(Attachment(name=f"{evil}.txt", type="text/plain", data=b"words"),),
    )
    page = await enter(house, chromium)
    await page.click(".line")
    await expect(page.locator(".bubble.customer .text")).to_contain_text("<script>document.title='owned'</script>")
    await page.click(".tab >> text=Journal")
    assert await page.locator("img[src=x]").count() == 0
    assert "owned" not in await page.title()


async def test_note_and_hand_back_by_keyboard(house: House, chromium: Browser) -> None:
    await house.heard()
    page = await enter(house, chromium)
    await expect(page.locator(".line")).to_be_visible()  # an empty list has nothing to move to
    await page.keyboard.press("j")
    await expect(page.locator(".bubble.customer")).to_be_visible()
    await page.keyboard.press("n")
    await page.keyboard.type("Check the batch number")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".bubble.note")).to_contain_text("Check the batch number")
    await page.keyboard.press("Escape")
    await page.keyboard.press("c")
    await expect(page.locator("#owner")).to_contain_text("Yours")
    await page.keyboard.press("Escape")
    await page.keyboard.press("b")
    await page.click("text=To the queue")
    await expect(page.locator("#owner")).to_contain_text("Waiting for a person")
    await page.keyboard.press("?")
    await expect(page.locator("dialog .shortcuts")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog")).not_to_be_visible()


async def test_phone_shows_one_pane_at_a_time(house: House, chromium: Browser) -> None:
    await house.heard(name="Ann Example")
    page = await enter(house, chromium, phone=True)
    await expect(page.locator("#conversation")).not_to_be_visible()
    await page.tap(".line")
    await expect(page.locator(".bubble.customer")).to_be_visible()
    await expect(page.locator("#queue")).not_to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.tap('.head [aria-label="Record"]')
    await expect(page.locator("#record .fields").first).to_be_visible()
    await page.tap('[data-field="order_numbers-0"]')
    await expect(page.locator("#conversation")).to_be_visible()
    await page.go_back()
    await expect(page.locator("#queue")).to_be_visible()
    await page.tap(".line")
    await page.tap('.head [aria-label="Back"]')
    await expect(page.locator("#queue")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_three_languages_and_password_login(house: House, chromium: Browser) -> None:
    await house.agent("ming", password="a long password")
    context = await chromium.new_context(viewport=DESKTOP, locale="zh-TW")  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(f"{house.url}/desk")
    await expect(page.locator("h1")).to_have_text("登入工作台")
    await page.click("text=简体中文")
    await expect(page.locator("h1")).to_have_text("登录工作台")
    await page.fill("#login-name", "ming")
    await page.fill("#login-password", "a wrong password")
    await page.click("button.primary")
    await expect(page.locator(".card [role=alert]")).to_have_text("账号或密码不正确。")
    await page.fill("#login-password", "a long password")
    await page.click("button.primary")
    await expect(page.locator("#view-waiting")).to_contain_text("待处理")
    assert await page.evaluate("document.documentElement.lang") == "zh-Hans"
    await page.click("#me")
    await page.click("#logout")
    await expect(page.locator("#login-name")).to_be_visible()
