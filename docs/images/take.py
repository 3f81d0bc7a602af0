"""Takes the pictures of the README from the running product: ``python docs/images/take.py [FOLDER]``.

It starts the gateway as ``make run`` does, in a folder that is thrown away, talks to it as two customers and answers as an
agent. Needs the test extras, Chromium and a font with Chinese characters.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, FrameLocator, Page, ViewportSize, expect, sync_playwright

PORT = 18_080
URL = f"http://127.0.0.1:{PORT}"
HERE = Path(__file__).parent
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
WIDE: ViewportSize = {"width": 1440, "height": 960}
PHONE: ViewportSize = {"width": 390, "height": 844}

CHINESE = (
    "退款多久到账？",
    "订单 20261118004521 的电饭煲今天到了，第一次用就冒烟，插头都烧黑了，吓死人了！我要求退款 399 元。我的电话 13812345678。",
)
ENGLISH = (
    "How long does delivery take?",
    "My kettle from order 20261119007733 arrived broken and the courier was rude. I want a replacement, "
    "please write to ann@example.com.",
)
ANSWER = "您好，我是美琳。请先拔掉插头，不要再使用。399 元今天退回，运费由我们承担，取件员明天上午上门。"


@contextmanager
def gateway(folder: Path) -> Iterator[str]:
    """A running gateway with an agent; gives the agent's one-time login link."""
    command = [sys.executable, "-m", "gateway.cli.main"]
    subprocess.run([*command, "init", str(folder)], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    config = folder / "allears.toml"
    config.write_text(config.read_text("utf-8").replace(":8080", f":{PORT}"), "utf-8")
    with (folder / "log.txt").open("w+") as log:
        server = subprocess.Popen([*command, "serve", "--config", str(config)], stdout=log, stderr=log)  # noqa: S603
        try:
            _wait_for(folder / "log.txt")
            added = [*command, "agents", "add", "mei", "--name", "美琳", "--role", "lead", "--config", str(config)]
            told = subprocess.run(added, check=True, capture_output=True, text=True)  # noqa: S603
            yield _link(told.stdout)
        finally:
            server.terminate()
            server.wait(20)


def _wait_for(log: Path) -> None:
    deadline = time.monotonic() + 30
    while not _answers():
        if time.monotonic() > deadline:
            raise TimeoutError(log.read_text())
        time.sleep(0.2)


def _link(text: str) -> str:
    found = re.search(r"\S+/desk/login/\S+", text)
    if found is None:
        raise ValueError(f"no login link in: {text}")
    return found[0]


def _answers() -> bool:
    try:
        with urllib.request.urlopen(f"{URL}/healthz", timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except urllib.error.URLError:
        return False


def say(window: Page | FrameLocator, text: str) -> None:
    """Write as a customer, and wait for what the bot says."""
    before = window.locator(".line.bot").count()
    window.locator("#text").fill(text)
    window.locator("#text").press("Enter")
    expect(window.locator(".line.bot").nth(before)).to_be_visible()
    time.sleep(1.0)


def picture(page: Page, folder: Path, name: str) -> None:
    """Keep what the page shows."""
    page.wait_for_timeout(600)
    page.screenshot(path=folder / f"{name}.png")


def open_page(browser: Browser, url: str, *, locale: str, size: ViewportSize = DESKTOP) -> Page:
    """Somebody's browser."""
    context = browser.new_context(
        viewport=size, locale=locale, has_touch=size is PHONE, timezone_id="Asia/Shanghai", reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(url)
    return page


def take(browser: Browser, link: str, folder: Path) -> None:
    """All pictures of one afternoon."""
    english = open_page(browser, f"{URL}/widget?site=lantern", locale="en-GB", size=PHONE)
    for text in ENGLISH:
        say(english, text)
    picture(english, folder, "chat-phone")

    home = open_page(browser, URL, locale="zh-CN")
    home.evaluate("Allears.open()")
    window = home.frame_locator("iframe").first
    for text in CHINESE:
        say(window, text)

    desk = open_page(browser, link, locale="en-GB", size=WIDE)
    desk.get_by_role("button").click()
    desk.locator("#queue").wait_for()
    desk.locator(".line").filter(has_text="电饭煲").click()
    desk.keyboard.press("c")
    expect(desk.locator("#owner")).to_contain_text("Yours")
    desk.fill("#words", ANSWER)
    desk.press("#words", "Control+Enter")
    expect(desk.locator("#words")).to_have_value("")
    desk.locator('[data-field="order_numbers-0"]').click()
    picture(desk, folder, "desk")

    expect(window.locator(".line.agent").first).to_be_visible()
    picture(home, folder, "chat-desktop")

    status = window.locator('a[href*="/status/"]').first.get_attribute("href") or ""
    picture(open_page(browser, status, locale="zh-CN", size=PHONE), folder, "status-phone")


def main() -> None:
    """Take the pictures into the given folder, or beside this file."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    folder.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as home, gateway(Path(home)) as link, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        take(browser, link, folder)
        browser.close()


if __name__ == "__main__":
    main()
