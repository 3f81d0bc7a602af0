"""Every route of the desk asks who calls, whence, and with which right."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from gateway.web import desk

OPEN = {"/desk", "/desk/", "/desk/api/login", "/desk/login/{token}"}
ROUTES = [route for route in desk.routes() if isinstance(route, web.RouteDef) and route.path not in OPEN]
POSTS = [route.path for route in ROUTES if route.method == "POST"]
ADMINS = [route for route in ROUTES if re.match(r"/desk/api/(outbox|inbox|quarantine|agents)", route.path)]


def _filled(path: str) -> str:
    return re.sub(r"\{\w+\}", "1", path)


async def test_without_a_session_nothing_is_told(house: Any) -> None:
    assert len(ROUTES) > 25
    stranger = house.browser()
    stranger.plant("x" * 43)
    for route in ROUTES:
        status, body, _ = await stranger.call(route.method, _filled(route.path), {})
        assert (route.path, status, body["code"]) == (route.path, 401, "login")


async def test_every_post_needs_the_pages_token(house: Any) -> None:
    browser = await house.enter("boss", "admin")
    assert len(POSTS) > 15
    right = browser.csrf
    for wrong in ("", "x" * len(right), right[:-1], right + "x"):
        browser.csrf = wrong
        for path in POSTS:
            status, body, _ = await browser.call("POST", _filled(path), {})
            assert (path, status, body["code"]) == (path, 403, "csrf")
    assert (await browser.get("me"))[0] == 200


async def test_token_of_another_session_is_no_token(house: Any) -> None:
    mei, bob = await house.enter("mei"), await house.enter("bob")
    mei.csrf = bob.csrf
    assert (await mei.post("logout"))[0] == 403


async def test_every_post_refuses_another_site(house: Any) -> None:
    browser = await house.enter("boss", "admin")
    for origin in ("https://evil.example", "null", house.url.replace("http://", "http://evil.") + "1"):
        for path in POSTS:
            status, body, _ = await browser.call("POST", _filled(path), {}, headers={"Origin": origin})
            assert (path, status, body["code"]) == (path, 403, "origin")


async def test_administration_is_for_administrators(house: Any) -> None:
    assert len(ADMINS) > 8
    for role in ("agent", "lead"):
        browser = await house.enter(f"some-{role}", role)
        for route in ADMINS:
            status, body, _ = await browser.call(route.method, _filled(route.path), {})
            assert (route.path, status, body["code"]) == (route.path, 403, "forbidden")


async def test_nobody_takes_their_own_rights_away(house: Any) -> None:
    admin = await house.enter("boss", "admin")
    me = (await admin.get("me"))[1]["agent"]["id"]
    for change in ({"active": False}, {"role": "agent"}):
        assert (await admin.post(f"agents/{me}", change))[1]["code"] == "self"


async def test_new_agent_enters_by_the_link_and_hashes_stay_inside(house: Any) -> None:
    admin = await house.enter("boss", "admin")
    status, made = await admin.post("agents", {"login": "Neu", "name": "Neu", "role": "lead", "skills": ["refunds"]})
    assert status == 200
    browser = house.browser()
    assert await browser.follow(made["link"]) == 200
    assert (await browser.get("me"))[1]["agent"]["role"] == "lead"
    assert (await admin.post("agents", {"login": "neu", "name": "X"}))[1]["code"] == "login_taken"
    listed = (await admin.get("agents"))[1]["items"]
    assert {agent["login"] for agent in listed} == {"boss", "neu"}
    assert not any("password" in agent for agent in listed)


async def test_malformed_bodies_are_told_apart(house: Any) -> None:
    browser = await house.enter("mei")
    for body, expected in (
        (b"", 400),
        (b"{", 400),
        (b"[" * 5000, 422),
        (b"[]", 422),
        (b'{"to": 1}', 422),
        (b"\xff", 400),
    ):
        status, _, _ = await browser.call("POST", "/desk/api/conversations/1/hand_back", data=body)
        assert (body[:5], status) == (body[:5], expected)


async def test_too_large_a_body_is_refused(house: Any) -> None:
    browser = await house.enter("mei")
    status, _, _ = await browser.call("POST", "/desk/api/conversations/1/note", data=b" " * (1024 * 1024 + 1))
    assert status == 413


async def test_what_is_not_there_is_404(house: Any) -> None:
    browser = await house.enter("mei")
    assert (await browser.get("conversations/nothing"))[0] == 404
    assert (await browser.act("nothing", "claim"))[0] == 404
    assert (await browser.get("conversations?view=secret"))[0] == 422
