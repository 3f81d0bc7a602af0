"""Scripts that customers and colleagues leave behind, in a real browser: none of them runs on any page.

Elsewhere: what visitors write in their own window (tests/browser/test_chat.py), a page or picture as a file
(tests/web/visitor/test_strangers.py, tests/desk/test_files.py), markup on the status page and in error pages as text
(tests/desk/test_status.py, tests/web/test_problems.py), scripts that parse no markup (tests/web/visitor/test_static.py,
tests/desk/test_pages.py).
"""

from __future__ import annotations

import base64
import os
import shutil
import uuid
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from gateway.desk import people
from gateway.status_link import status_code

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
#: Ways out of text, attribute, script and style; each leaves its mark when it runs.
EVIL = (
    "<img src=x onerror=\"window.owned='img'\"><script>window.owned='script'</script>",
    "\"'><svg/onload=window.owned='svg'><a href=\"javascript:window.owned='link'\">x</a>",
    "</textarea></title></style></script><script>window.owned='closed'</script><!--",
    "javascript:window.owned='address'",
    "<iframe srcdoc=\"<script>parent.owned='frame'</script>\"></iframe>{{constructor.constructor('window.owned=1')()}}",
)
COMPLAINT = "Order 20261102003317 arrived broken and I am furious. I want a refund. Let me talk to a human."
#: Whether any script of theirs has run, or any element of theirs is in the page.
OWNED = """() => [window.owned, ...document.querySelectorAll(
  'img[src="x"], svg[onload], iframe[srcdoc], a[href^="javascript:" i], [onerror], [onload]')].filter(Boolean).length"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("REQUIRE_TEST_SERVERS") == "1":
            pytest.fail("chromium is not installed, and REQUIRE_TEST_SERVERS=1 wants the browser tests")
        pytest.skip("chromium is not installed: apt-get install chromium")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """A browser window whose every dialog is a failure."""
    context = await chromium.new_context(locale="en-GB")
    context.set_default_timeout(15_000)
    dialogs: list[str] = []
    context.on("dialog", lambda dialog: dialogs.append(dialog.message))
    yield await context.new_page()
    await context.close()
    assert not dialogs


async def visit(page: Page, url: str) -> None:
    await page.goto(url)
    await page.wait_for_timeout(100)  # an `onerror` comes after the page
    assert await page.evaluate(OWNED) == 0, url


async def _look(page: Page, buttons: str) -> int:
    """Press each of them; how many there were."""
    names = await page.locator(buttons).count()
    for n in range(names):
        await page.locator(buttons).nth(n).click()
        await page.wait_for_timeout(150)
        assert await page.evaluate(OWNED) == 0
    return names


async def leave(house: Any, evil: str) -> tuple[str, str]:
    """A complaint with a script in every field that a caller can fill; (conversation, number)."""
    file = {"name": f"{evil}.svg", "type": evil[:120], "base64": base64.b64encode(evil.encode()).decode()}
    conversation = await house.send(
        f"{COMPLAINT} {evil}",
        subject=f"{evil} refund",
        sender={
            "id": f"{evil}{uuid.uuid4()}"[-200:],
            "name": evil[:200],
            "email": f"{evil}@a.example"[-254:],
            "phone": evil[:40],
        },
        on_behalf_of=evil[:200],
        origin=evil[:64],
        thread=f"{uuid.uuid4()}{evil}"[:200],
        choice=evil[:200],
        attachments=[file],
    )
    return conversation, await house.case(conversation)


@pytest.mark.parametrize("evil", EVIL)
async def test_at_the_desk_nothing_of_a_customer_or_colleague_runs(house: Any, page: Page, evil: str) -> None:
    conversation, _ = await leave(house, evil)
    agent = await people.add_agent(
        house.gateway, login=f"{uuid.uuid4()}{evil}", name=evil, role="admin", skills=(evil,)
    )
    async with house.desk("admin") as desk:
        _, taken = await desk.call("POST", f"conversations/{conversation}/claim")
        said = {"key": str(uuid.uuid4()), "text": evil}
        assert (await desk.call("POST", f"conversations/{conversation}/note", said))[0] == 200
        reply = {"fence": taken["fence"], "key": str(uuid.uuid4()), "text": evil}
        assert (await desk.call("POST", f"conversations/{conversation}/reply", reply))[0] == 200
        for field in ("product", "order_number", "category"):
            await desk.call("POST", f"conversations/{conversation}/correct", {"field": field, "value": evil})
        close = {"fence": taken["fence"], "key": str(uuid.uuid4()), "disposition": "explained", "outcome": evil}
        await desk.call("POST", f"conversations/{conversation}/close", close)
    await house.gateway.store.quarantine("api", "main", evil.encode(), evil, headers={evil: evil}, at=house.clock())
    link = await people.new_login_link(house.gateway, agent.id)
    await page.goto(house.url + link[link.index("/desk/") :])
    await page.click("button")
    await visit(page, f"{house.url}/desk?link={evil}#{evil}")
    await page.goto(f"{house.url}/desk#/c/{conversation}")
    await page.reload()
    await page.locator(".bubble").first.wait_for()
    await _look(page, ".tab")
    await _look(page, ".view")
    await page.click("#administration")
    await page.locator("[data-tab]").first.wait_for()
    assert await _look(page, "[data-tab]") >= 4


@pytest.mark.parametrize("evil", EVIL)
async def test_on_the_customers_own_pages_nothing_runs(house: Any, page: Page, evil: str) -> None:
    _, number = await leave(house, evil)
    q = quote(evil, safe="")
    for address in (
        f"/status/{number}?k={status_code(house.gateway.keys, number)}&lang={q}",
        f"/status/{q}?k={q}",
        f"/status?number={q}&lang={q}",
        f"/{q}",
        f"/?{q}",
        f"/widget?site={q}",
        f"/widget?site=lantern&lang={q}&title={q}&x={q}#{q}",
        f"/docs/api?{q}#{q}",
        f"/desk/login/{q}",
        f"/desk?link={q}",
        f"/static/{q}/{q}",
        f"/v1/records/{q}?limit={q}",
        f"/in/api/{q}",
        f"/openapi.json?{q}",
        f"/widget/v1/settings?site={q}",
    ):
        await visit(page, house.url + address)


async def test_an_agents_words_and_names_do_not_run_in_the_window(house: Any, page: Page) -> None:
    await page.goto(f"{house.url}/widget?site=lantern")
    box = page.locator("textarea")
    await box.fill(COMPLAINT)
    await box.press("Enter")
    await page.locator(".bubble").nth(1).wait_for()
    waiting = [one.conversation for one in (await house.gateway.store.conversations("waiting")).items]
    (line,) = [one for one in waiting if one.channel == "webchat"]
    async with house.desk() as desk:
        _, taken = await desk.call("POST", f"conversations/{line.id}/claim")
        for evil in EVIL:
            body = {"fence": taken["fence"], "key": str(uuid.uuid4()), "text": f"{evil} the end"}
            assert (await desk.call("POST", f"conversations/{line.id}/reply", body))[0] == 200
    await page.locator(".bubble").get_by_text(f"{EVIL[-1]} the end").wait_for()
    assert await page.evaluate(OWNED) == 0
