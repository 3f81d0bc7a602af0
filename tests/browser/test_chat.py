"""The chat window as a visitor meets it."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import FilePayload, Page, expect

from channels import _jwt

#: One browser, one gateway and one loop for the module.
pytestmark = pytest.mark.asyncio(loop_scope="module")

MINE = ".line.me"
BOT = ".line.bot"
SCRIPT = '<img src=x onerror="alert(1)"><script>alert(2)</script>'


async def chat(tabs: Any, server: Any, query: str = "", **options: Any) -> Page:
    page: Page = await tabs.open(f"{server.url}/widget?site=lantern{query}", **options)
    await expect(page.locator("#state")).to_have_attribute("data-state", "online")
    return page


async def write(page: Page, text: str) -> None:
    await page.fill("#text", text)
    await page.press("#text", "Enter")


async def sent(page: Page, text: str) -> None:
    """The message stands in the window once, with its tick."""
    line = page.locator(MINE).filter(has_text=text)
    await expect(line).to_have_count(1)
    await expect(line).not_to_have_class(re.compile("waiting"))


async def lines(page: Page) -> list[str]:
    return await page.locator(".bubble").all_inner_texts()


def recorded(server: Any, text: str) -> int:
    """How many rows of the inbox hold a message with this text."""
    with sqlite3.connect(f"file:{server.folder / 'data' / 'allears.db'}?mode=ro", uri=True) as db:
        rows = [bytes(body) for (body,) in db.execute("SELECT raw FROM inbox")]
    return sum(json.dumps(text).encode() in row for row in rows)


async def test_a_question_is_answered_and_the_answer_stays(tabs: Any, server: Any) -> None:
    page = await chat(tabs, server)
    await write(page, "How do I get a refund?")
    await sent(page, "How do I get a refund?")
    await expect(page.locator(BOT).first).to_be_visible()
    await page.wait_for_timeout(500)
    before = await lines(page)
    await page.reload()
    await expect(page.locator("#log")).to_have_attribute("aria-busy", "false")
    assert await lines(page) == before


async def test_a_quick_reply_is_pressed(tabs: Any, server: Any) -> None:
    page = await chat(tabs, server, locale="zh-CN")
    await write(page, "怎么申请退款？")
    button = page.locator("#log .choice").first
    await expect(button).to_be_visible()
    label = await button.inner_text()
    await button.click()
    await sent(page, label)
    await expect(page.locator(BOT).last).to_be_visible()
    assert await page.locator(f"{BOT} .choices").count() <= 1


async def test_an_empty_window_greets_and_suggests(tabs: Any, server: Any) -> None:
    page = await chat(tabs, server)
    await expect(page.locator("#greeting")).to_be_visible()
    await page.locator("#suggestions .choice").click()
    await sent(page, "Where is my order?")
    await expect(page.locator("#welcome")).to_be_hidden()


async def test_by_keyboard_alone(tabs: Any, server: Any) -> None:
    page = await chat(tabs, server, locale="zh-CN")
    await expect(page.locator("#text")).to_be_focused()
    await page.keyboard.type("第一行")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("第二行")
    await page.keyboard.press("Enter")
    await expect(page.locator(f"{MINE} .bubble")).to_have_text("第一行\n第二行")
    await expect(page.locator("#text")).to_be_focused()
    await page.keyboard.type("再说一句")
    await page.keyboard.press("Tab")
    await expect(page.locator("#send")).to_be_focused()
    await page.keyboard.press("Enter")
    await sent(page, "再说一句")
    names = await page.eval_on_selector_all(
        "button, textarea, select",
        "all => all.filter(e => e.checkVisibility()).map(e => e.ariaLabel || e.innerText || e.labels?.[0]?.innerText)",
    )
    assert all(names)


async def test_enter_that_chooses_a_word_does_not_send(tabs: Any, server: Any) -> None:
    page = await chat(tabs, server)
    await page.fill("#text", "ni hao")
    await page.eval_on_selector(
        "#text",
        "e => e.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true, cancelable: true}))",
    )
    assert await page.input_value("#text") == "ni hao"
    assert await page.locator(MINE).count() == 0


async def test_a_killed_server_loses_and_doubles_nothing(tabs: Any, server: Any) -> None:
    page = await chat(tabs, server)
    await write(page, "before the power cut")
    await sent(page, "before the power cut")
    await server.kill()
    await expect(page.locator("#state")).to_have_attribute("data-state", "offline")
    await write(page, "written in the dark, one")
    await write(page, "written in the dark, two")
    await expect(page.locator(f"{MINE}.waiting")).to_have_count(2)
    await expect(page.locator("#banner")).to_be_visible()
    await server.start()
    await expect(page.locator("#state")).to_have_attribute("data-state", "online", timeout=40_000)
    for text in ("before the power cut", "written in the dark, one", "written in the dark, two"):
        await sent(page, text)
        assert recorded(server, text) == 1
    mine = await page.locator(f"{MINE} .bubble").all_inner_texts()
    assert mine == ["before the power cut", "written in the dark, one", "written in the dark, two"]
    await page.reload()
    await expect(page.locator(MINE)).to_have_count(3)


async def test_what_is_unsent_survives_a_reload(tabs: Any, server: Any) -> None:
    page = await chat(tabs, server)
    await page.route("**/widget/v1/messages**", lambda route: route.abort())
    await write(page, "sent before the reload")
    await expect(page.locator(f"{MINE}.waiting")).to_have_count(1)
    await page.fill("#text", "half a thought")
    await page.unroute_all()
    await page.reload()
    await sent(page, "sent before the reload")
    assert await page.input_value("#text") == "half a thought"


async def test_an_answer_that_got_lost_does_not_double_the_message(tabs: Any, server: Any) -> None:
    page = await chat(tabs, server)
    lost = 0

    async def deliver_and_lose_the_answer(route: Any) -> None:
        nonlocal lost
        await route.fetch()
        lost += 1
        await (route.abort() if lost < 3 else route.continue_())

    await page.route("**/widget/v1/messages**", deliver_and_lose_the_answer)
    await write(page, "stored three times, kept once")
    await sent(page, "stored three times, kept once")
    await page.reload()
    await sent(page, "stored three times, kept once")
    assert recorded(server, "stored three times, kept once") == 1


async def test_offline_and_back(tabs: Any, server: Any) -> None:
    page = await chat(tabs, server)
    await page.context.set_offline(True)
    await write(page, "on the train")
    await expect(page.locator(f"{MINE}.waiting")).to_have_count(1)
    await page.context.set_offline(False)
    await sent(page, "on the train")


async def test_two_tabs_show_and_send_the_same(tabs: Any, server: Any) -> None:
    page = await chat(tabs, server)
    other = await page.context.new_page()
    await other.goto(page.url)
    await expect(other.locator("#state")).to_have_attribute("data-state", "online")
    await write(page, "from the first tab")
    await sent(other, "from the first tab")
    await write(other, "from the second tab")
    await sent(page, "from the second tab")


async def test_without_websockets_by_event_stream(tabs: Any, server: Any) -> None:
    page = await (await tabs.context()).new_page()
    await page.route_web_socket("**/widget/v1/socket**", lambda ws: ws.close())
    opened = []
    page.on("request", lambda request: opened.append(request.url) if "/events" in request.url else None)
    await page.goto(f"{server.url}/widget?site=lantern")
    await expect(page.locator("#state")).to_have_attribute("data-state", "online", timeout=30_000)
    await write(page, "How do I get a refund?")
    await sent(page, "How do I get a refund?")
    await expect(page.locator(BOT).first).to_be_visible()
    assert opened


def files(name: str, type: str, data: bytes) -> list[FilePayload]:
    return [{"name": name, "mimeType": type, "buffer": data}]


async def test_files_go_and_come_back(tabs: Any, server: Any, tmp_path: Path) -> None:
    page = await chat(tabs, server)
    name = f"{SCRIPT[:20].replace('/', '')}.pdf"
    data = b"%PDF-1.4 " + bytes(1000)
    await page.set_input_files("#files", files(name, "application/pdf", data))
    await expect(page.locator(".chip b")).to_have_text(name)
    await expect(page.locator("#send")).to_be_enabled()
    await page.click("#send")
    await expect(page.locator(f"{MINE} .file span")).to_have_text(name)
    await page.reload()
    async with page.expect_download() as download:
        await page.locator(f"{MINE} .file").click()
    saved = await (await download.value).path()
    assert saved.read_bytes() == data


async def test_a_picture_is_shown(tabs: Any, server: Any) -> None:
    page = await chat(tabs, server)
    picture = await page.screenshot()
    await page.set_input_files("#files", files("lamp.png", "image/png", picture))
    await expect(page.locator("#send")).to_be_enabled()
    await page.click("#send")
    loaded = page.locator(".picture img:not(.loading)")
    await expect(loaded).to_have_count(1)
    await page.reload()
    await expect(loaded).to_have_count(1)
    assert await loaded.evaluate("image => image.naturalWidth") == 390


async def test_what_cannot_be_attached_is_said_so(tabs: Any, server: Any) -> None:
    page = await chat(tabs, server)
    await page.set_input_files("#files", files("none.txt", "text/plain", b""))
    await expect(page.locator("#notice")).to_contain_text("none.txt")
    many = [file for n in range(11) for file in files(f"{n}.txt", "text/plain", b"x")]
    await page.set_input_files("#files", many)
    await expect(page.locator(".chip")).to_have_count(10)
    await expect(page.locator("#notice")).to_contain_text("10")


@pytest.mark.parametrize(
    "text", [SCRIPT, "javascript:alert(1)", "&lt;b&gt;", "https://a.example/?q=<script>alert(1)</script>"]
)
async def test_what_is_written_stays_text(tabs: Any, server: Any, text: str) -> None:
    page = await chat(tabs, server)
    await write(page, text)
    await expect(page.locator(f"{MINE} .bubble")).to_have_text(text)
    await page.reload()
    await expect(page.locator(f"{MINE} .bubble")).to_have_text(text)
    assert await page.locator(".bubble img, .bubble script, .bubble b").count() == 0
    assert await page.locator('.bubble a:not([href^="http"])').count() == 0


async def test_links_are_safe(tabs: Any, server: Any) -> None:
    page = await chat(tabs, server)
    await write(page, "看这里https://shop.example/灯笼?a=1。谢谢")
    link = page.locator(f"{MINE} .bubble a")
    await expect(link).to_have_text("https://shop.example/灯笼?a=1")
    assert "noopener" in str(await link.get_attribute("rel"))


async def test_the_language_follows_the_browser_and_the_visitor(tabs: Any, server: Any) -> None:
    page = await chat(tabs, server, locale="zh-TW")
    await expect(page.locator("#state")).to_have_text("已連線")
    await page.select_option("#language", "zh-Hans")
    await expect(page.locator("#state")).to_have_text("已连接")
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    await expect(page.locator("#state")).to_have_text("已连接")


@pytest.mark.parametrize(("width", "height"), [(320, 568), (390, 844), (844, 390), (1280, 800)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits(tabs: Any, server: Any, tmp_path: Path, width: int, height: int, scheme: str) -> None:
    page = await chat(tabs, server, viewport={"width": width, "height": height}, color_scheme=scheme)
    await write(page, "Averyveryverylongwordwithoutanyspacethatmustnotpushthewindowwiderthanthephone" * 2)
    await expect(page.locator(BOT).first).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.evaluate(
        "document.getElementById('scroll').scrollWidth <= document.getElementById('scroll').clientWidth"
    )
    box = await page.locator("#send").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= height
    await page.screenshot(path=tmp_path / f"{width}-{scheme}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everything_can_be_read(tabs: Any, server: Any, scheme: str) -> None:
    """WCAG 2.2 AA, 1.4.3: text has a contrast of at least 4.5 to what is behind it."""
    page = await chat(tabs, server, color_scheme=scheme)
    await write(page, "How do I get a refund? https://shop.example/")
    await expect(page.locator(BOT).first).to_be_visible()
    await page.wait_for_timeout(600)
    poor = await page.evaluate(CONTRAST)
    assert poor == []


CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3]));
  const light = (c) => {
    const [r, g, b] = c.map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    const chain = [];
    for (let at = node; at; at = at.parentElement) chain.unshift(rgba(getComputedStyle(at).backgroundColor));
    return chain.reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility() || node.matches(".hidden, :disabled, option")) continue;
    const ground = behind(node);
    const ink = over(rgba(getComputedStyle(node).color), ground);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${node.className || node.id || node.tagName}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""


async def test_what_is_new_is_read_aloud_once(tabs: Any, server: Any) -> None:
    page = await chat(tabs, server)
    await expect(page.locator("#log")).to_have_attribute("role", "log")
    await write(page, "How do I get a refund?")
    await expect(page.locator(BOT).last).to_be_visible()
    answers = await page.locator(f"{BOT} .bubble").all_inner_texts()
    spoken = page.locator("#said p")
    await expect(spoken).to_have_count(len(answers))
    assert all(text.startswith("Lumi: ") for text in await spoken.all_inner_texts())
    await page.reload()
    await expect(page.locator(BOT).last).to_be_visible()
    await page.wait_for_timeout(300)
    await expect(spoken).to_have_count(0)


async def test_the_sample_shop_opens_the_window(tabs: Any, server: Any) -> None:
    page = await tabs.open(server.url + "/", viewport={"width": 1280, "height": 800})
    await page.locator(".tries button").first.click()
    frame = page.frame_locator("iframe")
    await expect(frame.locator("#text")).to_have_value("How do I get a refund?")
    await frame.locator("#text").press("Enter")
    await expect(frame.locator(BOT).first).to_be_visible()
    await frame.locator("#text").press("Escape")
    await expect(page.locator("iframe")).to_be_hidden()
    await page.evaluate("Allears.open()")
    await expect(page.locator("iframe")).to_be_visible()


STRICT = "default-src 'none'; script-src {url}; frame-src {url}; style-src 'none'"


async def test_on_a_strict_site_with_hostile_styles(tabs: Any, server: Any, guest: Any) -> None:
    async with guest(STRICT.format(url=server.url), server.guest) as url:
        page = await tabs.open(url, viewport={"width": 1000, "height": 800})
        await page.evaluate("Allears.open()")
        frame = page.frame_locator("iframe")
        await expect(frame.locator("#state")).to_have_attribute("data-state", "online")
        await frame.locator("#text").fill("from another site")
        await frame.locator("#text").press("Enter")
        await expect(frame.locator(BOT).first).to_be_visible()
        await server.kill()
        await frame.locator("#text").fill("while the server is away")
        await frame.locator("#text").press("Enter")
        await expect(frame.locator(f"{MINE}.waiting")).to_have_count(1)
        await page.reload()  # the session and what is unsent outlive the page, wherever the browser lets them be kept
        await server.start()
        await page.reload()
        await page.evaluate("Allears.open()")
        await expect(frame.locator(MINE).filter(has_text="from another site")).to_have_count(1)
        await expect(frame.locator(MINE).filter(has_text="while the server is away")).to_have_count(1)
        assert recorded(server, "while the server is away") == 1


async def test_who_is_logged_in_has_one_conversation_on_every_device(tabs: Any, server: Any, guest: Any) -> None:
    now = int(time.time())
    claims = {"sub": "customer-42", "aud": "lantern", "iat": now, "exp": now + 300, "name": "Mei Chen"}
    token = _jwt.sign(b"shop-identity-secret-shop-identity-secret", claims)
    async with guest("", server.guest) as url:
        for device in range(2):
            page = await tabs.open(url, viewport={"width": 1000, "height": 800})
            await page.evaluate("token => { Allears.identify(async () => token); Allears.open() }", token)
            frame = page.frame_locator("iframe")
            await expect(frame.locator("#state")).to_have_attribute("data-state", "online")
            if device == 0:
                await frame.locator("#text").fill("said on the first device")
                await frame.locator("#text").press("Enter")
            await expect(frame.locator(f"{MINE}:not(.waiting)")).to_have_count(1)
            await expect(frame.locator(f"{MINE} .bubble")).to_have_text("said on the first device")
        await page.evaluate("Allears.identify(null)")
        await expect(frame.locator("#greeting")).to_be_visible()
        await expect(frame.locator(MINE)).to_have_count(0)


async def test_not_on_a_site_that_is_not_listed(tabs: Any, server: Any, guest: Any) -> None:
    async with guest("", 0) as url:
        page = await tabs.open(url)
        await page.evaluate("Allears.open()")
        await page.wait_for_function("document.querySelector('div').shadowRoot.querySelector('iframe')")
        await page.wait_for_timeout(800)
        assert [frame.url for frame in page.frames[1:]] == ["chrome-error://chromewebdata/"]
