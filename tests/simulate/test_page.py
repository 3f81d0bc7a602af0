"""The page's server: what it lets do, and to whom."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from channels._platforms.telegram import Telegram

Page = TestClient[Any, Any]


async def test_a_customer_writes_sends_files_and_presses(page: Page, platform: Telegram) -> None:
    data = base64.b64encode(b"\xff\xd8\xff").decode()
    said = {"person": "Tom", "text": "broken", "files": [{"name": "a.jpg", "type": "image/jpeg", "data": data}]}
    assert (await page.post("/platforms/telegram/do", json=said)).status == 200
    assert (await page.post("/platforms/telegram/do", json={"person": "Tom", "choice": "human"})).status == 200
    assert (await page.post("/platforms/telegram/do", json={"person": "Tom", "act": "location"})).status == 200
    assert [next(key for key in update if key != "update_id") for update in platform.held] == [
        "message",
        "callback_query",
        "message",
    ]
    state = await (await page.get("/platforms/telegram")).json()
    assert [person["name"] for person in state["people"]] == ["Tom"]
    (file,) = state["lines"][0]["files"]
    assert file == {"name": "a.jpg", "type": "image/jpeg", "size": 3}
    shown = await page.get("/platforms/telegram/files/0/0")
    assert (await shown.read(), shown.content_type) == (b"\xff\xd8\xff", "image/jpeg")


async def test_a_page_of_the_sender_cannot_run(page: Page, platform: Telegram) -> None:
    data = base64.b64encode(b"<script>alert(1)</script>").decode()
    files = [{"name": "x.html", "type": "text/html", "data": data}]
    await page.post("/platforms/telegram/do", json={"person": "Tom", "files": files})
    shown = await page.get("/platforms/telegram/files/0/0")
    assert (shown.content_type, shown.headers["X-Content-Type-Options"]) == ("application/octet-stream", "nosniff")


async def test_faults_are_switched(page: Page, platform: Telegram) -> None:
    assert (await page.post("/platforms/telegram/faults", json={"twice": 1, "late": 0})).status == 200
    assert platform.faults == {"twice": 1.0}
    assert (await page.post("/platforms/telegram/faults", json={"twice": 2})).status == 400
    await page.post("/platforms/telegram/do", json={"person": "Tom", "text": "hello"})
    assert len(platform.held) == 2


@pytest.mark.parametrize("body", [b"{", b"{}", b'{"person":""}', b'{"person":"T","files":[{"name":"x","data":"%"}]}'])
async def test_what_makes_no_sense_is_said_so(page: Page, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    assert (await page.post("/platforms/telegram/do", data=body, headers=headers)).status == 400


async def test_no_page_of_the_internet_can_use_it(page: Page, platform: Telegram) -> None:
    assert (await page.get("/platforms", headers={"Host": "evil.example:8090"})).status == 403
    form = await page.post("/platforms/telegram/do", data={"person": "x"})
    assert form.status == 415
    assert not platform.held
    assert "default-src 'none'" in (await page.get("/")).headers["Content-Security-Policy"]
    assert (await page.get("/platforms/telegram/files/../../x")).status == 404
    assert (await page.get("/platforms/nothing")).status == 404
