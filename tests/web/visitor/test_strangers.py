"""Nobody reads another's conversation, no site that is not listed asks, and what visitors write stays text."""

from __future__ import annotations

from typing import Any

import pytest

from channels.base import Attachment

#: One gateway and one loop for the module.
pytestmark = pytest.mark.asyncio(loop_scope="module")

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)
SCRIPT = '<img src=x onerror=alert(1)>"><script>alert(1)</script>'


async def sent(visitor: Any, data: bytes = PNG, name: str = "photo.png") -> int:
    """Send a file; the seq of its message."""
    status, upload = await visitor.upload(data, name)
    assert status == 200, upload
    status, answer = await visitor.say("", attachments=[upload["upload"]])
    assert status == 200, answer
    seq: int = answer["seq"]
    return seq


async def test_a_visitor_gets_their_file_back(house: Any) -> None:
    visitor = await house.visitor()
    seq = await sent(visitor)
    status, body, headers = await visitor.call("GET", f"files/{seq}/0")
    assert (status, body, headers["Content-Type"]) == (200, PNG, "image/png")
    assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''photo.png"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    (line,) = [event for event in await visitor.history() if event.get("author") == "me"]
    assert line["files"] == [{"name": "photo.png", "type": "image/png", "size": len(PNG), "state": "kept"}]


async def test_a_stranger_gets_nothing_of_it(house: Any) -> None:
    owner, stranger = await house.visitor(), await house.visitor()
    seq = await sent(owner)
    await stranger.say("hello")
    assert (await stranger.call("GET", f"files/{seq}/0"))[0] == 404
    assert (await owner.call("GET", f"files/{seq}/1"))[0] == 404
    assert (await owner.call("GET", f"files/{seq + 99}/0"))[0] == 404
    assert (await house.call("GET", f"files/{seq}/0"))[0] == 401
    assert all(event.get("text") != "" for event in await stranger.history())
    async with stranger.socket(last_seq=0) as ws:
        await ws.receive_json()
        first = await ws.receive_json(timeout=60)
        assert first["text"] == "hello"


@pytest.mark.parametrize(
    "path", ["files/1/..%2f..%2fallears.toml", "files/../../allears.toml", "files/1/-1", "files/x/0"]
)
async def test_a_path_is_two_numbers(house: Any, path: str) -> None:
    visitor = await house.visitor()
    await sent(visitor)
    assert (await visitor.call("GET", path))[0] == 404


async def test_an_upload_of_another_visitor_cannot_be_attached(house: Any) -> None:
    owner, thief = await house.visitor(), await house.visitor()
    _, upload = await owner.upload(PNG)
    assert (await thief.say("mine", attachments=[upload["upload"]]))[0] == 422


async def test_a_session_of_one_window_is_none_of_another(house: Any) -> None:
    visitor = await house.visitor()
    visitor.site = "slow"
    assert (await visitor.call("GET", "history"))[0] == 401
    assert (await visitor.say("hello"))[0] == 401


async def test_notes_and_their_files_are_not_for_visitors(house: Any) -> None:
    visitor = await house.visitor()
    await visitor.say("hello")
    kept = await house.gateway.blobs.put(PNG, name="internal.png", type="image/png", limit=10_000)
    seq = await house.note(visitor.conversation, "she is a VIP", kept)
    assert "VIP" not in str(await visitor.history())
    assert (await visitor.call("GET", f"files/{seq}/0"))[0] == 404


async def test_what_is_written_stays_text(house: Any) -> None:
    visitor = await house.visitor()
    seq = await sent(visitor, PNG, f"{SCRIPT}.png")
    await visitor.say(SCRIPT)
    lines = [event for event in await visitor.history() if event.get("author") == "me"]
    assert lines[1]["text"] == SCRIPT
    _, _, headers = await visitor.call("GET", f"files/{seq}/0")
    assert "<" not in headers["Content-Disposition"]
    assert '"' not in headers["Content-Disposition"]


async def test_a_page_as_a_file_is_no_page(house: Any) -> None:
    visitor = await house.visitor()
    seq = await sent(visitor, b"<!doctype html><script>alert(1)</script>", "x.html\r\nSet-Cookie: a=b")
    status, _, headers = await visitor.call("GET", f"files/{seq}/0")
    assert status == 200
    assert headers["Content-Disposition"].startswith("attachment; ")
    assert "sandbox" in headers["Content-Security-Policy"]
    assert "Set-Cookie" not in headers


async def test_a_file_that_was_refused_is_no_download(house: Any) -> None:
    visitor = await house.visitor()
    await visitor.say("hello")
    refused = Attachment(name="x.exe", state="refused", reason="larger than 1 bytes")
    await house.reply(visitor.conversation, "see", refused)
    async with visitor.socket(last_seq=0) as ws:
        while (event := await ws.receive_json(timeout=60)).get("author") != "agent":
            pass
    assert (await visitor.call("GET", f"files/{event['seq']}/0"))[0] == 404


PATHS = (
    ("POST", "session"),
    ("POST", "messages"),
    ("GET", "history"),
    ("POST", "uploads"),
    ("POST", "ticket"),
    ("GET", "settings"),
)


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_a_site_that_is_not_listed_is_refused(house: Any, method: str, path: str) -> None:
    visitor = await house.visitor()
    for origin in ("https://evil.example", "null", "http://shop.example"):
        status, _, headers = await visitor.call(method, path, headers={"Origin": origin})
        assert status == 403
        assert "Access-Control-Allow-Origin" not in headers


async def test_a_socket_of_a_site_that_is_not_listed_is_refused(house: Any) -> None:
    import aiohttp

    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await house.session.ws_connect(f"{house.url}/widget/v1/socket?site=lantern", origin="https://evil.example")
    assert caught.value.status == 403


async def test_a_listed_site_may_read_answers_and_errors(house: Any) -> None:
    visitor, origin = await house.visitor(), {"Origin": "https://shop.example"}
    for path, status in (("history", 200), ("nothing", 404)):
        got, _, headers = await visitor.call("GET", path, headers=origin)
        assert (got, headers["Access-Control-Allow-Origin"]) == (status, "https://shop.example")
        assert "Access-Control-Allow-Credentials" not in headers
    status, _, headers = await house.call(
        "OPTIONS", "messages", headers={**origin, "Access-Control-Request-Method": "POST"}
    )
    assert status == 204
    assert headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Authorization" in headers["Access-Control-Allow-Headers"]
    _, _, headers = await house.call("OPTIONS", "messages", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in headers


async def test_an_unknown_window_is_404(house: Any) -> None:
    for site in ("", "nope", "lantern%00"):
        assert (await house.call("GET", "settings", site=site))[0] == 404
    async with house.session.get(f"{house.url}/widget?site=nope") as answer:
        assert answer.status == 404


async def test_the_window_may_stand_on_listed_sites_only(house: Any) -> None:
    async with house.session.get(f"{house.url}/widget?site=lantern") as answer:
        policy = answer.headers["Content-Security-Policy"]
        text = await answer.text()
    assert "frame-ancestors 'self' https://shop.example" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "<script>" not in text
    assert " on" + "click=" not in text
    assert "style=" not in text


async def test_nothing_of_a_visitor_is_in_the_logs(house: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    visitor = await house.visitor()
    await visitor.say("my number is 13800138000")
    await visitor.upload(PNG, "secret-name.png")
    await visitor.call("GET", "history", headers={"Origin": "https://evil.example"})
    text = caplog.text
    for secret in ("13800138000", visitor.token, "secret-name", "main-session-secret"):
        assert secret not in text
