"""Odd words, names, numbers and times, through every door into store, record, desk, file sink and back.

Elsewhere: what the normalizer does with them (tests/normalizer/test_hostile.py), names of files (tests/test_blobs.py),
markup in the API's answers (tests/web/api/test_rest.py), in e-mail (tests/channels/email_reading/).
"""

from __future__ import annotations

import json
import uuid
from typing import Any

import msgspec
import pytest

from gateway.status_link import status_code

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMPLAINT = "My parcel came broken, I want a refund."
ODD = {
    "bidi": "\u202egnp.exe\u202c \u2066x\u2069",
    "zalgo": "e\u0301\u0302\u0303\u0304" * 400,
    "controls": "\x01\x02\x1b[31mred\x1b[0m\x7f\x85\u2028\u2029",
    "invisible": "re\u200bfu\u200dnd\ufeff\u00ad",
    "noncharacters": "\ufffe\uffff\U0010ffff",
    "emoji": "👩‍👩‍👧‍👦🇨🇳" * 300,
    "line ends": "a\r\nb\rc\nd\u2028e",
    "format": "%s %n {0} ${x} $(id) `id` \\ ' \" ; -- /* */",
    "long word": "漢" * 60_000,
    "digits": "9" * 5000 + "." + "1" * 5000 + "元",
    "amount": "退款 99999999999999999999999999999999999999999999元 1e400 USD -0.0 ¥NaN",
    "dates": "on 9999-12-31, 0000-00-00, 31/02/2026, 2026-13-45, 99999999999年 and 明天明天明天",
    "phone": "+" + "1" * 300,
}


@pytest.mark.parametrize("words", ODD.values(), ids=ODD.keys())
async def test_odd_words_arrive_everywhere_as_they_are(house: Any, words: str) -> None:
    text, name = f"{COMPLAINT} {words}", words[:150]
    sender = {"id": str(uuid.uuid4()), "name": name, "phone": "1", "email": "a@b.example"}
    conversation = await house.send(
        text, sender=sender, subject=words[:900], on_behalf_of=name, thread=name + str(uuid.uuid4())[:8]
    )
    number = await house.case(conversation)
    _, page = await house.api("GET", f"/v1/conversations/{conversation}/messages")
    assert page["items"][0]["text"].endswith(text) or text.startswith(page["items"][0]["text"].rstrip("…"))
    status, record = await house.api("GET", f"/v1/records/{number}")
    assert status == 200
    json.dumps(record).encode()
    async with house.desk() as desk:
        assert (await desk.call("GET", f"conversations/{conversation}"))[0] == 200
        assert (await desk.call("GET", "conversations?view=waiting"))[0] == 200
        assert (await desk.call("GET", "conversations?q=" + "%25_%22*" + "x"))[0] == 200
    code, shown, _ = await house.call("GET", f"/status/{number}?k={status_code(house.gateway.keys, number)}")
    assert (code, number in shown) == (200, True)
    events = [json.loads(line) for line in (house.folder / "data" / "events.jsonl").read_bytes().splitlines()]
    assert any(event["data"]["number"] == number for event in events) or await _comes(house, number)


async def _comes(house: Any, number: str) -> bool:
    path = house.folder / "data" / "events.jsonl"

    async def there() -> bool:
        return number.encode() in path.read_bytes()

    await house.until(there)
    return True


async def test_odd_words_of_visitors(house: Any) -> None:
    token = await house.visitor()
    for words in ODD.values():
        assert (await house.chat(token, words[:4000]))[0] == 200
    assert (await house.chat(token, "a\0b"))[0] == 200
    headers = {"Authorization": f"Bearer {token}"}
    _, page, _ = await house.call("GET", "/widget/v1/history?site=lantern", headers=headers)
    mine = [event["text"] for event in page["events"] if event.get("author") == "me"]
    assert mine == [*(words[:4000] for words in ODD.values()), "a\ufffdb"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"text": "\\ud800", "external_id": "1", "sender": {"id": "u"}}',
        b'{"text": "x\\udc00\\ud800", "external_id": "1", "sender": {"id": "u"}}',
        b'{"text": "\xed\xa0\x80", "external_id": "1", "sender": {"id": "u"}}',
        b'{"text": "\xff\xfe", "external_id": "1", "sender": {"id": "u"}}',
        b'{"text": "\xc0\x80", "external_id": "1", "sender": {"id": "u"}}',
        b'{"text": "a\\u0000b", "external_id": "1", "sender": {"id": "u"}}',
        b'{"text": "x", "external_id": "a\\u0000b", "sender": {"id": "u"}}',
        b'{"text": "x", "external_id": "1", "sender": {"id": "u\\ud800"}}',
        b"\xef\xbb\xbf{}",
        b"{}\0",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"text": "x", "text": "y"}',
        b'{"text": ' + b"1" * 5000 + b"}",
        b"",
        b"null",
        b"NaN",
    ],
)
async def test_what_is_no_text_is_refused_at_every_door(house: Any, body: bytes) -> None:
    token, visitor = {"Authorization": f"Bearer {house.token}"}, {"Authorization": f"Bearer {await house.visitor()}"}
    assert (await house.call("POST", "/v1/messages", data=body, headers=token))[0] in (400, 413, 422)
    assert (await house.call("POST", "/widget/v1/messages?site=lantern", data=body, headers=visitor))[0] in (
        400,
        413,
        422,
    )
    assert (await house.call("POST", "/widget/v1/session?site=lantern", data=body))[0] in (400, 413, 422)
    assert (await house.call("POST", "/desk/api/login", data=body, headers={"Origin": house.url}))[0] in (400, 413, 422)
    control = {"Authorization": f"Bearer {house.gateway.keys.tag('control', 'command line')}"}
    assert (await house.call("POST", "/control/no-such", data=body, headers=control))[0] in (400, 413, 422)


@pytest.mark.parametrize(
    "at",
    [
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "2026-02-30T00:00:00Z",
        "-1",
        -1,
        1e308,
        "2026-01-01T00:00:00",
        "2026-01-01",
    ],
)
async def test_times_that_cannot_be_are_refused(house: Any, at: Any) -> None:
    for field in ("sent_at", "occurred_at"):
        body = {"text": "x", "external_id": str(uuid.uuid4()), "sender": {"id": "u"}, field: at}
        assert (await house.api("POST", "/v1/messages", body))[0] == 422


@pytest.mark.parametrize("at", ["2999-12-31T23:59:59Z", "1900-01-01T00:00:00-12:00"])
async def test_times_far_away_are_taken_and_a_time_to_come_is_now(house: Any, at: str) -> None:
    conversation = await house.send(COMPLAINT, sent_at=at, occurred_at=at)
    number = await house.case(conversation)
    record = await house.gateway.store.record(number)
    assert record.arrival.provider_at <= house.clock()
    async with house.desk() as desk:
        assert (await desk.call("GET", f"conversations/{conversation}"))[0] == 200
    assert (await house.call("GET", f"/status/{number}?k={status_code(house.gateway.keys, number)}"))[0] == 200


@pytest.mark.parametrize(
    "query",
    ["limit=-1", "limit=0", "limit=999999999999999999999", "limit=1e3", "since=9999-12-31T23:59:59Z", "cursor=-1",
     "cursor=%00", "cursor=99999999999999999999999", "since=%ff", "status=%F0%9F%92%A9"],
)  # fmt: skip
async def test_a_wrong_number_in_a_question_is_the_callers_mistake(house: Any, query: str) -> None:
    assert (await house.api("GET", f"/v1/records?{query}"))[0] == 422


@pytest.mark.parametrize("fence", [-1, 2**63, 2**70, 1e300, "1", None, True])
async def test_a_wrong_fence_holds_nothing(house: Any, fence: Any) -> None:
    conversation = await house.send(COMPLAINT + " Let me talk to a human.")
    await house.case(conversation)
    async with house.desk() as desk:
        await desk.call("POST", f"conversations/{conversation}/claim")
        body = {"fence": fence, "key": "key-00000001", "text": "hello"}
        status, _ = await desk.call("POST", f"conversations/{conversation}/reply", body)
        assert status in (400, 409, 422)


@pytest.mark.parametrize(
    "frame", ["[" * 4000, '{"open":' * 500, '{"open": 1}', "\ud7ff", '{"open": "' + "x" * 4000 + '"}', "nul\0"]
)
async def test_odd_frames_do_not_break_the_desks_line(house: Any, frame: str) -> None:
    async with (
        house.desk() as desk,
        desk.session.ws_connect(f"{house.url}/desk/socket", headers={"Origin": house.url}) as line,
    ):
        assert await line.receive_json(timeout=60) == {"look": "queue"}
        await line.send_str(frame)
        await house.send(COMPLAINT)
        assert await line.receive_json(timeout=60) == {"look": "queue"}


async def test_too_many_files_are_refused(house: Any) -> None:
    one = {"name": "a.txt", "base64": "YQ=="}
    body = {"text": "x", "external_id": "files", "sender": {"id": "u"}}
    assert (await house.api("POST", "/v1/messages", {**body, "attachments": [one] * 51}))[0] == 422
    conversation = await house.send("x", attachments=[one] * 50)
    entry = (await house.gateway.store.timeline(conversation))[0]
    assert sum(file.state == "kept" for file in entry.attachments) <= house.gateway.config.limits.files
    token = await house.visitor()
    assert (await house.chat(token, "x", attachments=["a"] * 11))[0] == 422


async def test_the_desk_takes_no_wrong_text_either(house: Any) -> None:
    conversation = await house.send(COMPLAINT + " Let me talk to a human.")
    await house.case(conversation)
    async with house.desk("admin") as desk:
        _, taken = await desk.call("POST", f"conversations/{conversation}/claim")
        for words in ("\0", "a\0b", "\u202e" * 50):
            body = {"fence": taken["fence"], "key": str(uuid.uuid4()), "text": words}
            assert (await desk.call("POST", f"conversations/{conversation}/reply", body))[0] < 500
            assert (
                await desk.call("POST", f"conversations/{conversation}/note", {"key": str(uuid.uuid4()), "text": words})
            )[0] < 500
        for field in ("category", "urgency", "order_number"):
            status, _ = await desk.call(
                "POST", f"conversations/{conversation}/correct", {"field": field, "value": "\0" * 9}
            )
            assert status < 500
        assert (await desk.call("POST", "agents", {"login": "\0\u202e", "name": "\0"}))[0] < 500
    assert msgspec.json.encode(await house.gateway.store.timeline(conversation))
