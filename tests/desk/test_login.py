"""Who gets in, and who does not."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.desk import passwords, people
from gateway.web.desk import login

PASSWORD = "correct horse battery"


async def _enter(browser: Any, name: str, password: str) -> Any:
    return await browser.post("login", {"login": name, "password": password})


async def test_first_administrator_is_made_once(house: Any) -> None:
    first = await people.ensure_admin(house.gateway)
    assert first.role == "admin"
    assert await people.ensure_admin(house.gateway) == first


async def test_password_lets_in(house: Any) -> None:
    await house.agent("mei", password=PASSWORD)
    browser = house.browser()
    assert (await _enter(browser, " MEI ", PASSWORD))[0] == 200
    status, me = await browser.get("me")
    assert (status, me["agent"]["login"]) == (200, "mei")
    assert "password" not in me["agent"]


async def test_wrong_password_and_unknown_login_look_the_same(house: Any) -> None:
    await house.agent("mei", password=PASSWORD)
    await house.agent("linkonly")
    answers = [
        await _enter(house.browser(), name, password)
        for name, password in (("mei", "wrong password"), ("nobody", "wrong password"), ("linkonly", ""))
    ]
    assert answers[0][0] == 403
    assert answers[0] == answers[1] == answers[2]


async def test_link_works_once_and_for_an_hour(house: Any) -> None:
    agent = await house.agent("mei")
    link = await people.new_login_link(house.gateway, agent.id)
    assert await house.browser().follow(link) == 200
    assert await house.browser().follow(link) == 401
    old = await people.new_login_link(house.gateway, agent.id)
    house.clock.go(hours=1, seconds=1)
    assert await house.browser().follow(old) == 401
    assert await house.browser().follow(f"{house.url}/desk/login/guess") == 401


async def test_looking_at_a_link_does_not_spend_it(house: Any) -> None:
    """Mail filters and messengers fetch the links that they show."""
    agent = await house.agent("mei")
    link = await people.new_login_link(house.gateway, agent.id)
    path = link[link.index("/desk/") :]
    for method in ("GET", "HEAD", "GET"):
        status, page, headers = await house.browser().call(method, path)
        assert status == 200
        assert "Set-Cookie" not in headers
    token = path.rpartition("/")[2].encode()
    assert b"<button" in page
    assert token not in page
    assert (await house.browser().call("POST", path, headers={"Origin": "https://evil.example"}))[0] == 403
    assert await house.browser().follow(link) == 200


async def test_cookie_is_kept_from_scripts_and_other_sites(house: Any) -> None:
    agent = await house.agent("mei")
    link = await people.new_login_link(house.gateway, agent.id)
    _, _, headers = await house.browser().call("POST", house.url + link[link.index("/desk/") :])
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Secure" not in cookie


async def test_cookie_behind_https_is_secure_and_bound_to_the_host(https_house: Any) -> None:
    agent = await https_house.agent("mei")
    link = await people.new_login_link(https_house.gateway, agent.id)
    assert link.startswith("https://desk.example/desk/login/")
    _, _, headers = await https_house.browser().call("POST", https_house.url + link[link.index("/desk/") :])
    assert headers["Set-Cookie"].startswith("__Host-allears-desk=")
    assert "Secure" in headers["Set-Cookie"]


async def test_planted_session_is_worth_nothing(house: Any) -> None:
    await house.agent("mei", password=PASSWORD)
    browser = house.browser()
    planted = "p" * 43
    browser.plant(planted)
    assert (await _enter(browser, "mei", PASSWORD))[0] == 200
    assert browser.token != planted
    attacker = house.browser()
    attacker.plant(planted)
    assert (await attacker.get("me"))[0] == 401


async def test_new_login_ends_the_old_session(house: Any) -> None:
    agent = await house.agent("mei")
    browser = house.browser()
    await browser.follow(await people.new_login_link(house.gateway, agent.id))
    old = browser.token
    await browser.follow(await people.new_login_link(house.gateway, agent.id))
    assert browser.token != old
    thief = house.browser()
    thief.plant(old)
    assert (await thief.get("me"))[0] == 401


async def test_only_the_hash_of_a_token_is_stored(house: Any, tmp_path: Any) -> None:
    browser = await house.enter("mei")
    files = list((tmp_path / "data").glob("allears.db*"))
    assert files
    assert not any(browser.token.encode() in file.read_bytes() for file in files)


async def test_logout_ends_the_session_on_the_server(house: Any) -> None:
    browser = await house.enter("mei")
    token = browser.token
    assert (await browser.post("logout"))[0] == 200
    thief = house.browser()
    thief.plant(token)
    assert (await thief.get("me"))[0] == 401


async def test_session_runs_out(house: Any) -> None:
    browser = await house.enter("mei")
    house.clock.go(hours=house.gateway.config.desk.session_hours, seconds=1)
    assert (await browser.get("conversations"))[0] == 401


async def test_disabled_agent_is_out_at_once(house: Any) -> None:
    browser, admin = await house.enter("mei"), await house.enter("boss", "admin")
    agent = await people.find_login(house.gateway, "mei")
    assert agent is not None
    assert (await admin.post(f"agents/{agent.id}", {"active": False}))[0] == 200
    assert (await browser.get("me"))[0] == 401


async def test_wrong_logins_are_throttled(house: Any) -> None:
    await house.agent("mei", password=PASSWORD)
    await house.agent("bob", password=PASSWORD)
    for _ in range(login.PER_LOGIN):
        assert (await _enter(house.browser(), "mei", "wrong password"))[0] == 403
    status, body, headers = await house.browser().call(
        "POST", "/desk/api/login", {"login": "mei", "password": PASSWORD}
    )
    assert (status, body["code"]) == (429, "throttled")
    assert int(headers["Retry-After"]) > 0
    assert (await _enter(house.browser(), "bob", PASSWORD))[0] == 200
    house.clock.go(minutes=15, seconds=1)
    assert (await _enter(house.browser(), "mei", PASSWORD))[0] == 200


async def test_guessed_links_are_throttled_by_address(house: Any) -> None:
    browser = house.browser()
    answers = [(await browser.call("POST", f"/desk/login/guess{n}"))[0] for n in range(login.PER_ADDRESS + 1)]
    assert answers[-2:] == [303, 429]


async def test_login_from_another_site_is_refused(house: Any) -> None:
    await house.agent("mei", password=PASSWORD)
    status, _ = await house.browser().post(
        "login", {"login": "mei", "password": PASSWORD}, headers={"Origin": "https://evil.example"}
    )
    assert status == 403


async def test_change_of_password_needs_the_old_one(house: Any) -> None:
    await house.agent("mei", password=PASSWORD)
    browser = house.browser()
    await _enter(browser, "mei", PASSWORD)
    browser.csrf = (await browser.get("me"))[1]["csrf"]
    assert (await browser.post("password", {"old": "wrong password", "new": "another good one"}))[0] == 403
    assert (await browser.post("password", {"old": PASSWORD, "new": "short"}))[0] == 422
    assert (await browser.post("password", {"old": PASSWORD, "new": "another good one"}))[0] == 200
    assert (await _enter(house.browser(), "mei", PASSWORD))[0] == 403
    assert (await _enter(house.browser(), "mei", "another good one"))[0] == 200


def test_hashes_fit_their_password_only() -> None:
    stored = passwords.hash_password(PASSWORD)
    assert PASSWORD not in stored
    assert stored != passwords.hash_password(PASSWORD)
    assert passwords.fits(PASSWORD, stored)
    assert not passwords.fits(PASSWORD + " ", stored)
    for useless in ("", "scrypt", "plain$text"):
        assert not passwords.fits("", useless)
    with pytest.raises(passwords.WeakPassword):
        passwords.hash_password("short")
