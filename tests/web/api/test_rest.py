"""The API as a caller meets it: a real server, a real store, real files."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from channels import _standard_webhooks as webhooks
from channels.base import Secret
from gateway.store.base import Entry

if TYPE_CHECKING:
    from tests.web.api.conftest import Running

SECRET = Secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
SAID = {"sender": {"id": "u1", "name": "Ann"}, "text": "The kettle I bought leaks. I want my money back."}


async def inbox(running: Running) -> int:
    return len((await running.gateway.store.inbox(limit=200)).items)


# --- sending ------------------------------------------------------------------------------------------


async def test_a_message_becomes_a_record_that_can_be_read(running: Running) -> None:
    status, said, _ = await running.call("POST", "/v1/messages", json={**SAID, "external_id": "m1"})
    assert (status, said["seq"], said["duplicate"]) == (202, 1, False)
    number = await running.number(said["conversation"])

    _, record = await running.get(f"/v1/records/{number}")
    assert (record["number"], record["arrival"]["conversation"]) == (number, said["conversation"])
    _, revisions = await running.get(f"/v1/records/{number}/revisions")
    assert [one["revision"] for one in revisions["items"]] == list(range(1, len(revisions["items"]) + 1))
    _, journal = await running.get(f"/v1/records/{number}/journal")
    assert journal["items"][0]["what"] == "opened"
    assert all(b["prev"] == a["hash"] for a, b in zip(journal["items"], journal["items"][1:]))
    _, page = await running.get("/v1/records")
    assert [one["number"] for one in page["items"]] == [number]

    _, conversation = await running.get(said["links"]["conversation"])
    assert (conversation["thread"], conversation["number"]) == ("u1", number)
    _, messages = await running.get(said["links"]["messages"])
    first = messages["items"][0]
    assert (first["seq"], first["author"], first["text"], first["external_id"]) == (1, "customer", SAID["text"], "m1")


async def test_replies_are_read_from_where_one_left_off(running: Running) -> None:
    said = await running.say("hello")
    path = f"{said['links']['messages']}?after=1"
    async with asyncio.timeout(60):
        while not (page := (await running.get(path))[1])["items"]:  # noqa: ASYNC110 - polled as a client does
            await asyncio.sleep(0.02)
    assert page["items"][0]["kind"] in ("outbound", "notice")
    assert all(one["seq"] > 1 for one in page["items"])
    _, rest = await running.get(page["next"])
    assert rest["items"] == []


async def test_the_same_key_and_body_is_the_same_message(running: Running) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = await running.call("POST", "/v1/messages", json=SAID, headers=key)
    again = await running.call("POST", "/v1/messages", json=SAID, headers=key)
    quoted = await running.call("POST", "/v1/messages", json=SAID, headers={"Idempotency-Key": '"k-1"'})
    assert (first[0], again[0], quoted[0]) == (202, 200, 200)
    assert first[1] | {"duplicate": True} == again[1] == quoted[1]
    assert await inbox(running) == 1


async def test_the_same_key_with_another_body_is_refused_and_nothing_stored(running: Running) -> None:
    key = {"Idempotency-Key": "k-1"}
    await running.call("POST", "/v1/messages", json=SAID, headers=key)
    status, problem, _ = await running.call("POST", "/v1/messages", json={**SAID, "text": "Other."}, headers=key)
    assert (status, problem["where"]) == (422, "Idempotency-Key")
    other_sender = await running.call("POST", "/v1/messages", json={**SAID, "sender": {"id": "u2"}}, headers=key)
    assert other_sender[0] == 422
    assert await inbox(running) == 1


async def test_a_key_belongs_to_one_account(running: Running) -> None:
    key = {"Idempotency-Key": "k-1"}
    await running.call("POST", "/v1/messages", json=SAID, headers=key)
    status, _, _ = await running.call(
        "POST", "/v1/messages", json={**SAID, "text": "Other."}, headers=key, token="other-token"
    )
    assert status == 202


async def test_a_request_that_was_wrong_does_not_use_up_its_key(running: Running) -> None:
    key = {"Idempotency-Key": "k-1"}
    assert (await running.call("POST", "/v1/messages", json={"text": "who?"}, headers=key))[0] == 422
    assert (await running.call("POST", "/v1/messages", json=SAID, headers=key))[0] == 202


async def test_many_at_once_with_one_key_are_one_message(running: Running) -> None:
    bodies = [{**SAID, "text": f"version {n % 2}"} for n in range(20)]
    answers = await asyncio.gather(
        *(running.call("POST", "/v1/messages", json=body, headers={"Idempotency-Key": "k"}) for body in bodies)
    )
    good = [said for status, said, _ in answers if status in (200, 202)]
    assert len(good) == 10
    assert {status for status, _, _ in answers} == {200, 202, 422}
    assert len({(one["conversation"], one["seq"]) for one in good}) == 1
    assert await inbox(running) == 1


async def test_an_edit_is_a_version_and_the_first_words_stay(running: Running) -> None:
    said = await running.say("The lamp is broken.", external_id="m1")
    await running.say("The lamp and its cable are broken.", external_id="m2", kind="edit", refers_to="m1")
    _, page = await running.get(said["links"]["messages"])
    lines = {one["external_id"]: one for one in page["items"] if one["kind"] == "inbound"}
    assert lines["m1"]["text"] == "The lamp is broken."
    assert (lines["m2"]["refers_to"], lines["m2"]["version"]) == (lines["m1"]["seq"], 1)


# --- signed webhooks ----------------------------------------------------------------------------------


async def deliver(running: Running, body: object, id: str = "evt-1", **wrong: str) -> tuple[int, Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = webhooks.sign(SECRET, id, datetime.now(UTC), raw) | wrong
    status, said, _ = await running.call("POST", "/in/api/main", token="", data=raw, headers=headers)
    return status, said


async def test_a_signed_webhook_is_taken_once(running: Running) -> None:
    status, said = await deliver(running, [SAID, {**SAID, "text": "And it is loud."}])
    again = await deliver(running, [SAID, {**SAID, "text": "And it is loud."}])
    assert (status, again[0]) == (202, 200)
    assert [one["seq"] for one in said["messages"]] == [one["seq"] for one in again[1]["messages"]] == [1, 2]
    assert await inbox(running) == 2


async def test_a_webhook_that_is_not_signed_leaves_nothing(running: Running) -> None:
    for wrong in ({"webhook-signature": "v1,AAAA"}, {"webhook-timestamp": "1"}, {"webhook-id": "evt-2"}):
        status, problem = await deliver(running, SAID, **wrong)
        assert (status, problem["status"]) == (401, 401)
    assert await inbox(running) == 0


async def test_a_webhook_that_cannot_be_read_is_kept(running: Running) -> None:
    status, _ = await deliver(running, b'{"complaint": "in another shape"}')
    assert status == 202
    (kept,) = (await running.gateway.store.quarantined()).items
    assert kept.raw == b'{"complaint": "in another shape"}'
    assert str(SECRET) not in repr(kept)


# --- who may what -------------------------------------------------------------------------------------

READS = ("/v1/records", "/v1/records/{number}", "/v1/records/{number}/revisions", "/v1/records/{number}/journal")
TALKS = ("/v1/conversations/{id}", "/v1/conversations/{id}/messages")


async def test_without_a_known_token_nobody_gets_in(running: Running) -> None:
    for token in ("", "wrong", "main-toke", "main-token2"):
        await refused_everywhere(running, token)
    assert await inbox(running) == 0


async def refused_everywhere(running: Running, token: str) -> None:
    for path in (*READS, *TALKS, "/v1/attachments/" + "0" * 64 + "?conversation=c"):
        status, problem, headers = await running.call("GET", path.format(number="A-1", id="c1"), token=token)
        assert (status, problem["status"]) == (401, 401)
        assert headers["WWW-Authenticate"].startswith("Bearer")
        assert headers["Content-Type"].startswith("application/problem+json")
    for path in ("/v1/messages", "/v1/uploads"):
        status, _, _ = await running.call("POST", path, json=SAID, token=token)
        assert status == 401


async def test_scopes_are_kept_to(running: Running) -> None:
    said = await running.say("hello", token="writer-token")
    number = await running.number(said["conversation"])
    for path in (*READS, *TALKS):
        status, problem = await running.get(path.format(number=number, id=said["conversation"]), token="writer-token")
        assert status == 403
        assert "scope" in problem["detail"]
    for path in ("/v1/messages", "/v1/uploads"):
        status, _, _ = await running.call("POST", path, json=SAID, token="reader-token")
        assert status == 403


async def test_what_belongs_to_others_is_answered_like_nothing(running: Running) -> None:
    said = await running.say("hello")
    number = await running.number(said["conversation"])
    pairs = [(path.format(number=number), path.format(number="A-0000-000000")) for path in READS[1:]]
    pairs += [(path.format(id=said["conversation"]), path.format(id="c" + "0" * 24)) for path in TALKS]
    for foreign, missing in pairs:
        assert await running.get(foreign, token="other-token") == await running.get(missing, token="other-token")
        assert (await running.get(foreign, token="other-token"))[0] == 404
        assert (await running.get(foreign))[0] == 200
        assert (await running.get(foreign, token="auditor-token"))[0] == 200
    assert (await running.get("/v1/records", token="other-token"))[1] == {"items": [], "next": ""}


async def test_odd_ids_are_not_found(running: Running) -> None:
    for odd in ("%00", "%2e%2e%2f", "a" * 3000, "%F0%9F%98%80", "'%20OR%201=1", "%ff"):
        for path in (*READS[1:], *TALKS, "/v1/attachments/{id}?conversation=" + odd):
            status, _ = await running.get(path.format(number=odd, id=odd))
            assert status in (400, 404, 422), path


async def test_an_agents_notes_stay_inside(running: Running) -> None:
    said = await running.say("hello")
    note = Entry(
        seq=0, kind="note", at=datetime.now(UTC), key="n1", text="difficult customer", author="a1", visible=False
    )
    await running.gateway.store.note(said["conversation"], note)
    _, page = await running.get(said["links"]["messages"])
    assert "difficult" not in repr(page)


# --- pages --------------------------------------------------------------------------------------------


async def numbers(running: Running, path: str, token: str) -> list[str]:
    found: list[str] = []
    while path:
        status, page, headers = await running.call("GET", path, token=token)
        assert status == 200, page
        assert ("Link" in headers) == bool(page["next"])
        found += [one["number"] for one in page["items"]]
        path = page["next"]
    return found


async def test_pages_hold_every_record_once_and_only_ones_own(running: Running) -> None:
    mine, theirs = set[str](), set[str]()
    for n in range(7):
        for token, seen in (("main-token", mine), ("other-token", theirs)):
            said = await running.say(f"complaint {n}", token=token, sender={"id": f"u{n}"})
            seen.add(await running.number(said["conversation"]))
    for token, all_of_them in (("main-token", mine), ("other-token", theirs), ("auditor-token", mine | theirs)):
        found = await numbers(running, "/v1/records?limit=3", token)
        assert sorted(found) == sorted(all_of_them)


async def test_filters(running: Running) -> None:
    said = await running.say("hello")
    number = await running.number(said["conversation"])
    assert await numbers(running, "/v1/records?since=2000-01-01T00:00:00Z", "main-token") == [number]
    assert await numbers(running, "/v1/records?since=2999-01-01T00:00:00Z", "main-token") == []
    assert await numbers(running, "/v1/records?status=closed", "main-token") == []


WRONG_QUESTIONS = (
    ("limit=0", "limit"),
    ("limit=201", "limit"),
    ("limit=ten", "limit"),
    ("limit=" + "9" * 30, "limit"),
    ("limit=1&limit=2", "limit"),
    ("cursor=nonsense", "cursor"),
    ("cursor=W10", "cursor"),
    ("cursor=%00", "cursor"),
    ("status=angry", "status"),
    ("status=", "status"),
    ("since=now", "since"),
    ("since=2026-01-01T00:00:00", "since"),
    ("since=0001-01-01T00:00:00%2B14:00", "since"),
    ("since=1700000000", "since"),
)


async def test_a_wrong_question_is_told_so(running: Running) -> None:
    for query, where in WRONG_QUESTIONS:
        status, problem = await running.get(f"/v1/records?{query}")
        assert (status, problem["where"]) == (422, where), query


# --- files --------------------------------------------------------------------------------------------

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489") + b"\0" * 50


async def test_an_upload_travels_with_a_message_and_comes_back(running: Running) -> None:
    status, kept, _ = await running.call("POST", "/v1/uploads?name=../crack.png", data=PNG)
    assert (status, kept["size"], kept["sha256"]) == (201, len(PNG), hashlib.sha256(PNG).hexdigest())
    assert kept["name"] == "crack.png"
    said = await running.say("see the picture", attachments=[{"upload": kept["upload"]}])
    _, page = await running.get(said["links"]["messages"])
    (file,) = page["items"][0]["attachments"]
    status, body, headers = await running.call("GET", file["href"])
    assert (status, body) == (200, PNG)
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["X-Content-Type-Options"] == "nosniff"


async def test_a_file_inside_a_message_is_kept_too(running: Running) -> None:
    file = {"name": "note.txt", "base64": base64.b64encode(b"proof of purchase").decode()}
    said = await running.say("see the note", attachments=[file])
    _, page = await running.get(said["links"]["messages"])
    status, body, _ = await running.call("GET", page["items"][0]["attachments"][0]["href"])
    assert (status, body) == (200, b"proof of purchase")


async def test_a_file_is_found_only_where_it_belongs(running: Running) -> None:
    _, kept, _ = await running.call("POST", "/v1/uploads", data=PNG)
    holds = await running.say("see the picture", attachments=[{"upload": kept["upload"]}])
    lacks = await running.say("no picture", sender={"id": "u2"})
    path = f"/v1/attachments/{kept['sha256']}?conversation="
    assert (await running.get(path + holds["conversation"]))[0] == 200
    assert (await running.get(path + lacks["conversation"]))[0] == 404
    assert (await running.get(path + holds["conversation"], token="other-token"))[0] == 404
    assert (await running.get(path.partition("?")[0]))[0] == 422


async def test_an_upload_of_another_account_is_refused(running: Running) -> None:
    _, kept, _ = await running.call("POST", "/v1/uploads", data=PNG, token="other-token")
    body = {**SAID, "external_id": "m1", "attachments": [{"upload": kept["upload"]}]}
    status, problem, _ = await running.call("POST", "/v1/messages", json=body)
    assert (status, problem["where"]) == (422, "attachments[0].upload")


async def test_uploads_have_their_limits(running: Running) -> None:
    assert (await running.call("POST", "/v1/uploads", data=b"x" * 100_001))[0] == 413
    assert (await running.call("POST", "/v1/uploads", data=b""))[0] == 422

    async def endless() -> Any:
        for _ in range(3):
            yield b"x" * 50_000

    assert (await running.call("POST", "/v1/uploads", data=endless()))[0] == 413
    assert not [one for one in running.gateway.blobs.folder.glob("??/*") if one.is_file()]


# --- hostile bodies -----------------------------------------------------------------------------------


HOSTILE = (
    b"",
    b"{",
    b"\xff\xfe{}",
    b"[" * 5000,
    b'{"text":' + b"[" * 100_000,
    b'{"sender":{"id":"u"},"external_id":"m","text":"a\\u0000b"}',
    b'{"sender":{"id":"u"},"external_id":"m","text":"\\ud800"}',
    b'{"sender":{"id":"u"},"external_id":"m","text":1e400}',
    b'{"sender":"u","external_id":"m","text":"a"}',
    b'{"a":1}' * 1000,
    b"\0" * 1000,
)


async def test_hostile_bodies_are_refused_and_nothing_stored(running: Running) -> None:
    for body in HOSTILE:
        status, problem, headers = await running.call("POST", "/v1/messages", data=body)
        assert status in (400, 422), (body[:40], problem)
        assert headers["Content-Type"].startswith("application/problem+json")
    assert await inbox(running) == 0


async def test_a_body_over_25_megabytes_is_refused(running: Running) -> None:
    status, _, _ = await running.call("POST", "/v1/messages", data=b" " * (25 * 1024 * 1024 + 1))
    assert status == 413


async def test_markup_comes_back_as_the_text_it_is(running: Running) -> None:
    markup = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    said = await running.say(markup, sender={"id": "u1", "name": markup})
    status, body, headers = await running.call("GET", said["links"]["messages"])
    assert (status, body["items"][0]["text"]) == (200, markup)
    assert headers["Content-Type"].startswith("application/json")
    assert headers["X-Content-Type-Options"] == "nosniff"
