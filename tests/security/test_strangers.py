"""What belongs to others: cases, conversations, links, roles; and who tries it often.

Elsewhere: another visitor's conversation, files, socket and stream ticket (tests/web/visitor/test_strangers.py,
tests/web/visitor/test_conversation.py); CSRF and other sites (tests/desk/test_guard.py, tests/desk/test_socket.py);
session fixation and throttled guesses (tests/desk/test_login.py); numbers on the status page (tests/desk/test_status.py);
what belongs to another account of the API (tests/web/api/test_rest.py); paths (tests/test_blobs.py,
tests/web/visitor/test_static.py, tests/desk/test_files.py, tests/sinks/test_jsonl.py); outgoing calls
(tests/test_egress.py, tests/channels/api/test_replies.py, tests/sinks/test_webhook.py); zip and image bombs
(tests/test_blobs.py).
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from channels.base import Outbound, Refused
from gateway.app import assemble
from gateway.config import load
from gateway.desk import people
from gateway.status_link import status_code
from gateway.store.base import NotFound
from gateway.tools import GatewayTools

WEBHOOK_SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def median(ask: Callable[[], Awaitable[object]], times: int = 15) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        await ask()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


async def test_the_api_tells_no_case_of_others_from_one_that_is_not(house: Any) -> None:
    theirs = await house.case(await house.send("My parcel came broken, I want a refund."))
    other = {"token": house.other}
    for path in ("", "/revisions", "/journal"):
        there = await house.api("GET", f"/v1/records/{theirs}{path}", **other)
        nothing = await house.api("GET", f"/v1/records/AB12-CD34{path}", **other)
        assert there[0] == 404
        assert {**there[1], "detail": ""} == {**nothing[1], "detail": ""}
    assert there[1].get("detail", "") == nothing[1].get("detail", "")
    took = [
        await median(lambda number=number: house.api("GET", f"/v1/records/{number}", **other))  # type: ignore[misc]
        for number in (theirs, "AB12-CD34")
    ]
    assert abs(took[0] - took[1]) < 0.010, took


async def test_the_status_page_takes_as_long_for_a_number_that_is_not(house: Any, opening: Any) -> None:
    theirs = await house.case(await house.send("My parcel came broken, I want a refund."))
    wrong = status_code(house.gateway.keys, "another")
    answers, took = [], []
    for number in (theirs, "AB12-CD34"):
        _, page, _ = await house.call("GET", f"/status/{number}?k={wrong}")
        answers.append(page)
        took.append(await median(lambda n=number: house.call("GET", f"/status/{n}?k={wrong}"), 9))  # type: ignore[misc]
    assert answers[0] == answers[1]
    assert theirs not in answers[0]
    assert abs(took[0] - took[1]) < 0.010, took


async def test_a_case_that_was_erased_is_one_that_never_was(opening: Any) -> None:
    async with opening() as house:
        conversation = await house.send("My parcel came broken, I want a refund.")
        number = await house.case(conversation)
        path = f"/status/{number}?k={status_code(house.gateway.keys, number)}"
        assert (await house.call("GET", path))[0] == 200
        await house.gateway.store.erase(conversation, at=house.clock(), by="operator")
        _, page, _ = await house.call("GET", path)
        assert "parcel" not in page


async def test_a_login_link_that_many_follow_at_once_lets_one_in(house: Any) -> None:
    agent = await people.add_agent(house.gateway, login="raced", name="Raced", role="admin")
    link = await people.new_login_link(house.gateway, agent.id)
    path = link[link.index("/desk/") :]
    got = await asyncio.gather(*(house.call("POST", path) for _ in range(25)))
    entered = [headers for _, _, headers in got if "Set-Cookie" in headers]
    assert len(entered) == 1
    assert sum(headers["Location"] == "/desk?link=used" for _, _, headers in got) == 24


@pytest.mark.parametrize("role", ["agent", "lead"])
async def test_administration_is_not_for_other_roles(house: Any, role: Any) -> None:
    async with house.desk(role) as desk:
        me = desk.agent.id
        for method, path, body in (
            ("GET", "agents", None),
            ("POST", "agents", {"login": "x", "name": "x", "role": "admin"}),
            ("POST", f"agents/{me}", {"role": "admin"}),
            ("POST", f"agents/{me}/link", {}),
            ("GET", "outbox", None),
            ("POST", "outbox/replay", {"ids": [1]}),
            ("GET", "inbox", None),
            ("POST", "inbox/replay", {"ids": [1]}),
            ("GET", "quarantine", None),
            ("POST", "quarantine/1/replay", {}),
            ("POST", "quarantine/1/drop", {}),
        ):
            status, answer = await desk.call(method, path, body)
            assert (status, answer["code"]) == (403, "forbidden"), path
        assert (await people.find(house.gateway, me)).role == role  # type: ignore[union-attr]


async def test_an_agent_who_is_disabled_is_cut_off_and_writes_nothing_more(house: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("gateway.web.desk.socket.RECHECK", 0.2)
    conversation = await house.send("My parcel came broken, I want a refund. Let me talk to a human.")
    await house.case(conversation)
    async with (
        house.desk() as desk,
        desk.session.ws_connect(f"{house.url}/desk/socket", headers={"Origin": house.url}) as line,
    ):
        assert await line.receive_json(timeout=60) == {"look": "queue"}
        _, taken = await desk.call("POST", f"conversations/{conversation}/claim")
        await house.gateway.store.put_agent(msgspec.structs.replace(desk.agent, active=False))
        body = {"fence": taken["fence"], "key": "key-00000001", "text": "too late"}
        assert (await desk.call("POST", f"conversations/{conversation}/reply", body))[0] == 401
        async with asyncio.timeout(60):
            while (frame := await line.receive()).type is not aiohttp.WSMsgType.CLOSE:
                assert "too late" not in str(frame.data)
        assert frame.data == 4401
    lines = await house.gateway.store.timeline(conversation)
    assert all(one.text != "too late" for one in lines)


@pytest.mark.parametrize("key", ["k" * 201, "käse", "a\tb", '"'], ids=["long", "letters", "tab", "quote"])
async def test_an_idempotency_key_is_a_short_plain_word(house: Any, key: str) -> None:
    body = {"text": "x", "sender": {"id": "u"}, **({} if key != '"' else {"external_id": ""})}
    status, _ = await house.api("POST", "/v1/messages", body, headers={"Idempotency-Key": key})
    assert status in (400, 422)


async def test_one_key_with_two_bodies_at_once_is_one_message(house: Any) -> None:
    async def post(n: int) -> int:
        body = {"text": f"text {n % 2}", "sender": {"id": "racer"}}
        status, _ = await house.api("POST", "/v1/messages", body, headers={"Idempotency-Key": "raced"})
        return int(status)

    got = await asyncio.gather(*(post(n) for n in range(30)))
    assert got.count(202) == 1
    assert got.count(422) == 15
    assert got.count(200) == 14


async def test_a_key_of_another_account_is_another_key(house: Any) -> None:
    body = {"text": "mine", "sender": {"id": "u"}}
    headers = {"Idempotency-Key": "shared"}
    first, one = await house.api("POST", "/v1/messages", body, headers=headers)
    second, two = await house.api("POST", "/v1/messages", {**body, "text": "ours"}, headers=headers, token=house.other)
    assert (first, second) == (202, 202)
    assert one["conversation"] != two["conversation"]


async def test_a_visitors_token_opens_nothing_but_the_window(house: Any) -> None:
    token = await house.visitor()
    headers = {"Authorization": f"Bearer {token}", "Cookie": f"allears-desk={token}"}
    for method, path in (
        ("GET", "/v1/records"),
        ("POST", "/v1/messages"),
        ("GET", "/desk/api/me"),
        ("POST", "/control/audit"),
        ("POST", "/in/api/main"),
    ):
        assert (await house.call(method, path, headers=headers))[0] == 401


async def test_replies_are_not_sent_into_our_own_network(opening: Any, tmp_path: Path) -> None:
    """A name that looks like any other and is a machine of ours: it is looked up once, and refused there."""
    listener = await asyncio.start_server(lambda r, w: w.close(), "0.0.0.0", 0)
    url = f"http://{socket.gethostname()}:{listener.sockets[0].getsockname()[1]}/"
    async with opening():
        config = (tmp_path / "allears.toml").read_text()
    reply = f'[channels.api.main]\nreply_url = "{url}"\nreply_secret = "{WEBHOOK_SECRET}"'
    config = config.replace('allow = ["127.0.0.0/8"]', "allow = []").replace("[channels.api.main]", reply, 1)
    (tmp_path / "allears.toml").write_text(config)
    gateway = assemble(load(tmp_path / "allears.toml", env={}))
    out = Outbound(key="k", channel="api", account="main", thread="t", text="private words", kind="human")
    with pytest.raises(Refused, match="not allowed"):
        await gateway.channels["api", "main"].send(out, GatewayTools(gateway.egress, gateway.blobs))
    await gateway.egress.close()
    listener.close()


async def test_a_clock_far_in_the_future_stops_nothing(opening: Any) -> None:
    async with opening() as house:
        token = await house.visitor()
        house.clock.ahead = timedelta(days=365 * 60)
        assert (await house.chat(token, "hello"))[0] == 401, "the session is long over"
        fresh = await house.visitor()
        assert (await house.chat(fresh, "My parcel came broken, I want a refund."))[0] == 200
        number = await house.case(house.conversation(fresh))
        assert (await house.gateway.store.record(number)).number == number
        code, page, _ = await house.call("GET", f"/status/{number}?k={status_code(house.gateway.keys, number)}")
        assert (code, number in page) == (200, True)
        house.clock.ahead = timedelta()
        assert (await house.chat(await house.visitor(), "hello"))[0] == 200, "and back"


async def test_nothing_is_there_under_made_up_ids(house: Any) -> None:
    for odd in ("x" * 5000, "%00", "..%2f..", "%F0%9F%92%A9", "-1", "1e309", "'%20OR%201=1--"):
        for path in (f"/v1/records/{odd}", f"/v1/conversations/{odd}", f"/v1/attachments/{odd}?conversation=x"):
            assert (await house.api("GET", path))[0] in (404, 422), path
    with pytest.raises(NotFound):
        await house.gateway.store.record("'; DROP TABLE record; --")
