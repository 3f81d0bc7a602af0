"""What the window posts becomes messages; what it may not post is refused with words for its maker."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from channels.base import Accepted, Attachment, BadSignature, Button, Inbound, Invalid, Outbound
from channels.webchat import Webchat

HERE = Path(__file__).parent
ID = "5b0f7f0e-6a5f-4a1e-9d83-6d3c5f7f2c11"


def post(chat: Webchat, case: ModuleType, at: datetime, **body: Any) -> Inbound:
    (message,) = chat.accept(case.request(msgspec.json.encode({"client_msg_id": ID, **body}), at))
    return message


def test_the_captured_request(chat: Webchat, case: ModuleType, now: datetime) -> None:
    body = (HERE / "text.json").read_bytes()
    (message,) = chat.accept(case.request(body, now))
    (expected,) = case.EXPECTED
    assert {name: getattr(message, name) for name in expected if name != "sender"} | {
        "sender": message.sender.id
    } == expected
    assert (message.at, message.raw, message.kind) == (now, body, "message")


def test_a_pressed_button(chat: Webchat, case: ModuleType, now: datetime) -> None:
    (message,) = chat.accept(case.request((HERE / "choice.json").read_bytes(), now))
    assert (message.text, message.choice) == ("Yes", "helped:yes")


def test_a_repeat_later_has_the_same_key(chat: Webchat, case: ModuleType, now: datetime) -> None:
    first, again = post(chat, case, now, text="hi"), post(chat, case, now + timedelta(hours=2), text="hi")
    assert (first.external_id, first.digest) == (again.external_id, again.digest)


def test_the_id_of_one_visitor_is_not_the_id_of_another(chat: Webchat, case: ModuleType, now: datetime) -> None:
    assert post(chat, case, now, text="hi").external_id.startswith(case.THREAD + ":")


@pytest.mark.parametrize("text", ["x" * 4000, "灯" * 4000, "🏮" * 4000, "line\nbreak", "a\0b"])
def test_text_comes_through(chat: Webchat, case: ModuleType, now: datetime, text: str) -> None:
    assert post(chat, case, now, text=text).text == text.replace("\0", "\ufffd")


BAD: dict[str, dict[str, Any]] = {
    "empty": {"text": ""},
    "blank": {"text": " \n\t "},
    "too long": {"text": "x" * 4001},
    "text a number": {"text": 7},
    "no text": {},
    "eleven files": {"text": "x", "attachments": ["a"] * 11},
    "unknown field": {"text": "x", "sender": "admin"},
    "short id": {"text": "x", "client_msg_id": "1"},
    "id with a colon": {"text": "x", "client_msg_id": "a:b:c:d:e"},
    "endless choice": {"text": "x", "choice": "c" * 201},
    "language with a script": {"text": "x", "language": "<b>"},
    "file that is no upload": {"text": "x", "attachments": ["abc"]},
}


@pytest.mark.parametrize("how", BAD)
def test_what_is_refused(chat: Webchat, case: ModuleType, now: datetime, how: str) -> None:
    with pytest.raises(Invalid) as caught:
        post(chat, case, now, **BAD[how])
    assert caught.value.status == 422


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe", b"[" * 5000, b'{"text":"\xff"}', (b'{"a":' * 5000)]
)
def test_malformed_bodies(chat: Webchat, case: ModuleType, now: datetime, body: bytes) -> None:
    with pytest.raises(Invalid):
        chat.accept(case.request(body, now))


def test_unknown_events_are_refused(chat: Webchat, case: ModuleType, now: datetime) -> None:
    with pytest.raises(Invalid):
        chat.accept(case.request((HERE / "unknown.json").read_bytes(), now))


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer a.b.c"])
def test_no_session_no_message(chat: Webchat, case: ModuleType, now: datetime, header: str) -> None:
    with pytest.raises(BadSignature):
        chat.accept(case.request((HERE / "text.json").read_bytes(), now, {"authorization": header} if header else {}))


def test_an_upload_is_attached_by_its_own_visitor_only(chat: Webchat, case: ModuleType, now: datetime) -> None:
    mine = chat.session(case.sign(b"", now)["authorization"].removeprefix("Bearer "), now)
    file = Attachment(digest="a" * 64, name="<img src=x>.png", type="image/png", size=12, state="kept")
    (attached,) = post(chat, case, now, attachments=[chat.upload_token(mine, file, now)]).attachments
    assert attached == file
    other = msgspec.structs.replace(mine, thread="v-someoneelse")
    for token, at in (
        (chat.upload_token(other, file, now), now),
        (chat.upload_token(mine, file, now), now + timedelta(hours=20)),
    ):
        with pytest.raises(Invalid, match="upload it again"):
            post(chat, case, at, text="x", attachments=[token])


def test_a_session_token_is_no_upload(chat: Webchat, case: ModuleType, now: datetime) -> None:
    session = case.sign(b"", now)["authorization"].removeprefix("Bearer ")
    with pytest.raises(Invalid):
        post(chat, case, now, text="x", attachments=[session])


def test_the_answer_says_where_it_stands(chat: Webchat, case: ModuleType, now: datetime) -> None:
    accepted = (Accepted(conversation="c1", seq=7, duplicate=False),)
    answer = chat.answer(case.request(b"{}", now), accepted)
    assert msgspec.json.decode(answer.body) == {"seq": 7, "duplicate": False}


async def test_sending_gives_its_receipt_and_calls_nobody(chat: Webchat) -> None:
    buttons = tuple(Button(label=str(n), value=str(n)) for n in range(6))
    out = Outbound(key="k1", channel="webchat", account="main", thread="v-1", text="x" * 9000, buttons=buttons)
    receipt = await chat.send(out, None)  # type: ignore[arg-type]
    assert receipt.external_ids == ("k1",)


def test_every_exemption_gives_its_reason(chat: Webchat) -> None:
    assert all(len(reason) > 40 for reason in chat.exempt.values())
