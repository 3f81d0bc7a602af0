"""The api channel by itself: requests in, messages out, and the other way."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from channels import _standard_webhooks as webhooks
from channels.api import Api, ApiSettings
from channels.base import (
    Accepted,
    Attachment,
    BadPayload,
    BadSignature,
    Channel,
    Forbidden,
    Inbound,
    Invalid,
    Keyed,
    NamedRequests,
    PushChannel,
    Request,
    Secret,
)
from gateway.config import ConfigError, convert

HERE = Path(__file__).parent
AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
SECRET = Secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
TOKEN = "counter-token-with-some-length"
URL, HOOK = "https://intake.example/v1/messages", "https://intake.example/in/api/main"
SAID = {"external_id": "m1", "sender": {"id": "u1"}, "text": "坏了"}


def settings(**changes: Any) -> ApiSettings:
    token = {"name": "counter", "sha256": hashlib.sha256(TOKEN.encode()).hexdigest(), "scopes": ["messages:write"]}
    token |= changes.pop("token", {})
    return convert({"tokens": [token], "webhook_secrets": [str(SECRET)], **changes}, ApiSettings)


def channel(**changes: Any) -> Api:
    made = Api("main", settings(**changes))
    made.use_key(b"k" * 32)
    return made


def request(body: object, *, token: str = TOKEN, **headers: str) -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(url=URL, headers={"authorization": f"Bearer {token}", **names}, body=raw, at=AT)


def webhook(body: bytes, id: str = "evt-1") -> Request:
    return Request(url=HOOK, headers=webhooks.sign(SECRET, id, AT, body), body=body, at=AT)


def one(body: object, **changes: Any) -> Inbound:
    (message,) = channel(**changes).accept(request(body))
    return message


def test_it_is_a_channel_of_all_its_kinds() -> None:
    made = channel()
    assert isinstance(made, Channel)
    assert isinstance(made, PushChannel)
    assert isinstance(made, NamedRequests)
    assert isinstance(made, Keyed)


def test_every_field_arrives() -> None:
    message = one((HERE / "text.json").read_bytes())
    assert (message.external_id, message.thread, message.sender.id) == ("letter-2026-118", "card-4711", "card-4711")
    assert (message.sender.name, message.sender.phone, message.sender.verified) == ("李梅", "+86 138 0013 8000", False)
    assert message.text.startswith("电饭煲用了两天就不通电了")
    assert (message.language, message.origin) == ("zh-Hans", "letter")
    assert message.at == datetime(2026, 11, 20, 1, 30, tzinfo=UTC)
    assert message.occurred_at == datetime(2026, 11, 18, 11, 0, tzinfo=UTC)
    assert json.loads(message.raw)["external_id"] == "letter-2026-118"


def test_a_time_to_come_is_now() -> None:
    assert one({**SAID, "sent_at": "2027-01-01T00:00:00Z"}).at == AT


def test_bytes_of_files_are_kept_once() -> None:
    message = one((HERE / "attachment.json").read_bytes())
    (file,) = message.attachments
    assert (file.name, file.data[:4], file.size) == ("crack.png", b"\x89PNG", len(file.data))
    assert b"iVBOR" not in message.raw


# --- who may ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer \udcff"])
def test_without_a_known_token_nobody_gets_in(header: str) -> None:
    headers = {"authorization": header} if header else {}
    bare = Request(url=URL, headers=headers, body=json.dumps(SAID).encode(), at=AT)
    assert not channel().owns(bare)
    with pytest.raises(BadSignature):
        channel().accept(bare)


def test_the_hash_is_not_the_token() -> None:
    with pytest.raises(BadSignature):
        channel().accept(request(SAID, token=hashlib.sha256(TOKEN.encode()).hexdigest()))


def test_a_token_without_the_scope_may_not_write() -> None:
    with pytest.raises(Forbidden, match="messages:write"):
        channel(token={"scopes": ["records:read"]}).accept(request(SAID))


def test_origins_are_kept_to() -> None:
    assert one(SAID, token={"origins": ["counter"]}).origin == "counter"
    assert one({**SAID, "origin": "letter"}, token={"origins": ["counter", "letter"]}).origin == "letter"
    with pytest.raises(Forbidden):
        one({**SAID, "origin": "phone"}, token={"origins": ["counter"]})
    with pytest.raises(Invalid) as caught:
        one(SAID, token={"origins": ["counter", "letter"]})
    assert caught.value.where == "origin"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"tokens": [], "webhook_secrets": []},
        {"webhook_secrets": [""]},
        {"webhook_secrets": ["whsec_c2hvcnQ="]},
        {"tokens": [{"name": "a", "sha256": "plain-token", "scopes": ["messages:write"]}]},
        {"tokens": [{"name": "a", "sha256": "0" * 64, "scopes": ["everything"]}]},
        {"tokens": [{"name": "a", "sha256": "0" * 64, "scopes": []}]},
        {"webhook_secrets": [str(SECRET)], "reply_url": "https://crm.example/"},
        {"webhook_secrets": [str(SECRET)], "reply_url": "file:///etc/passwd", "reply_secret": str(SECRET)},
    ],
)
def test_without_a_credential_it_does_not_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        convert(wrong, ApiSettings)


# --- what clients do wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"nul", b'{"text":"\\ud800"}', b'{"text":' + b"[" * 5000], ids=repr
)
def test_what_is_no_json_is_told_so(body: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        channel().accept(request(body))
    assert caught.value.status in (400, 422)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (None, ""),
        ([], ""),
        ([SAID], ""),
        ({**SAID, "text": 7}, "text"),
        ({**SAID, "text": "a\0b"}, "text"),
        ({**SAID, "text": " "}, "text"),
        ({**SAID, "sender": []}, "sender"),
        ({**SAID, "sender": {"email": None}}, "sender.email"),
        ({**SAID, "sender": {}}, "sender"),
        ({**SAID, "kind": "shout"}, "kind"),
        ({**SAID, "kind": "edit"}, "refers_to"),
        ({**SAID, "refers_to": "m0"}, "refers_to"),
        ({**SAID, "txet": "?"}, ""),
        ({**SAID, "sent_at": "yesterday"}, "sent_at"),
        ({**SAID, "sent_at": "2026-11-20T09:30:00"}, "sent_at"),
        ({**SAID, "occurred_at": "0001-01-01T00:00:00+14:00"}, "occurred_at"),
        ({**SAID, "language": "<script>"}, "language"),
        ({**SAID, "external_id": ""}, "external_id"),
        ({**SAID, "external_id": "x" * 201}, "external_id"),
        ({**SAID, "attachments": [{"base64": "?"}]}, "attachments[0].base64"),
        ({**SAID, "attachments": [{"name": "a"}]}, "attachments[0]"),
        ({**SAID, "attachments": [{"base64": "AA==", "upload": "a.b"}]}, "attachments[0]"),
        ({**SAID, "attachments": [{"upload": "a.b"}]}, "attachments[0].upload"),
        ({**SAID, "attachments": [{"upload": "é.b"}]}, "attachments[0].upload"),
    ],
    ids=repr,
)
def test_a_mistake_is_named_with_its_place(body: object, where: str) -> None:
    with pytest.raises(Invalid) as caught:
        channel().accept(request(body))
    assert (caught.value.status, caught.value.where) == (422, where)
    assert "坏了" not in str(caught.value), "an error never says the customer's words"


# --- the same again -----------------------------------------------------------------------------------


def test_the_idempotency_key_stands_in_for_the_id() -> None:
    body = {"sender": {"id": "u1"}, "text": "坏了"}
    (message,) = channel().accept(request(body, idempotency_key="k-1"))
    assert message.external_id == "k-1"
    (message,) = channel().accept(request(SAID, idempotency_key="k-1"))
    assert message.external_id == "m1", "an id in the body is the message's own"


def test_the_fingerprint_tells_same_from_other() -> None:
    made = channel()
    key, first = made.idempotency(request(SAID, idempotency_key="k-1")) or ("", "")
    assert key == "k-1"
    reordered = b'{ "text":"\\u574f\\u4e86", "sender":{"id":"u1"},"external_id":"m1"}'
    assert made.idempotency(request(reordered, idempotency_key='"k-1"')) == (key, first)
    for other in ({**SAID, "text": "坏了。"}, {**SAID, "sender": {"id": "u2"}}, {**SAID, "origin": "app"}):
        assert made.idempotency(request(other, idempotency_key="k-1")) != (key, first)
    assert made.idempotency(request(SAID)) is None


@pytest.mark.parametrize("key", ["k" * 201, "k\x01", "钥匙"])
def test_a_malformed_key_is_refused(key: str) -> None:
    with pytest.raises(Invalid) as caught:
        channel().accept(request(SAID, idempotency_key=key))
    assert caught.value.status == 400


def test_the_answer_tells_where_it_is() -> None:
    new = channel().answer(request(SAID), (Accepted(conversation="c1", seq=3, duplicate=False),))
    again = channel().answer(request(SAID), (Accepted(conversation="c1", seq=3, duplicate=True),))
    assert (new.status, again.status) == (202, 200)
    assert json.loads(new.body) == {
        "conversation": "c1",
        "seq": 3,
        "duplicate": False,
        "links": {"conversation": "/v1/conversations/c1", "messages": "/v1/conversations/c1/messages"},
    }
    assert json.loads(again.body) | {"duplicate": False} == json.loads(new.body)


# --- uploads ------------------------------------------------------------------------------------------

KEPT = Attachment(name="big.mp4", type="video/mp4", size=9, digest="d" * 64, state="kept")


def test_an_upload_is_named_by_its_token() -> None:
    token = channel().upload_token(KEPT)
    assert token == channel().upload_token(KEPT), "a repeated upload makes a repeated request the same"
    message = one({**SAID, "attachments": [{"upload": token}]})
    assert message.attachments == (KEPT,)


def test_an_upload_token_cannot_be_made_up() -> None:
    token = channel().upload_token(KEPT)
    foreign = Api("other", settings())
    foreign.use_key(b"o" * 32)
    for wrong in (token[:-1], "A" + token[1:], token.split(".")[0] + ".", foreign.upload_token(KEPT)):
        with pytest.raises(Invalid):
            one({**SAID, "attachments": [{"upload": wrong}]})


# --- signed webhooks ----------------------------------------------------------------------------------


def test_a_webhooks_id_is_the_messages_id_where_it_has_none() -> None:
    (message,) = channel().accept(webhook(b'{"sender":{"id":"u1"},"text":"hi"}', "evt-9"))
    assert message.external_id == "evt-9"
    (message,) = channel().accept(webhook((HERE / "text.json").read_bytes(), "evt-9"))
    assert message.external_id == "letter-2026-118"


def test_a_list_is_read_to_its_end() -> None:
    messages = channel().accept(webhook((HERE / "batch.json").read_bytes()))
    assert [m.external_id for m in messages] == ["app-1", "app-2", "app-3", "evt-1/3"]
    assert [m.kind for m in messages] == ["message", "edit", "delete", "message"]
    assert [m.refers_to for m in messages] == ["", "app-1", "app-2", ""]
    assert messages[3].on_behalf_of == "陳太"
    assert channel().accept(webhook(b"[]")) == ()


def test_one_bad_element_is_kept_and_the_others_go_on() -> None:
    good, bad = channel().accept(webhook((HERE / "unknown.json").read_bytes()))
    assert (good.kind, good.text) == ("message", "Where is my refund?")
    assert (bad.kind, bad.external_id) == ("event", "evt-1/1")
    assert "reaction" in bad.raw.decode()
    assert bad.placeholder


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"7", b"[1]", b'{"text":1}', b"\xff", b"[" * 5000, b'{"a":' * 5000],
    ids=lambda b: repr(b)[:20],
)
def test_a_webhook_that_says_nothing_goes_to_quarantine(body: bytes) -> None:
    with pytest.raises(BadPayload):
        channel().accept(webhook(body))


def test_a_webhook_is_verified_over_its_raw_bytes() -> None:
    good = webhook((HERE / "text.json").read_bytes())
    moved = msgspec.structs.replace(good, body=good.body + b" ")
    stale = msgspec.structs.replace(good, at=AT + timedelta(minutes=6))
    unsigned = msgspec.structs.replace(good, headers={**good.headers, "webhook-signature": ""})
    for wrong in (moved, stale, unsigned):
        with pytest.raises(BadSignature):
            channel().accept(wrong)
    with pytest.raises(BadSignature):
        channel(webhook_secrets=[]).accept(good)


def test_each_door_has_its_own_key() -> None:
    signed = webhook(json.dumps(SAID).encode())
    token = {"authorization": f"Bearer {TOKEN}"}
    for url, headers in ((HOOK, token), (HOOK, {**token, "webhook-signature": "v1,AAAA"}), (URL, signed.headers)):
        with pytest.raises(BadSignature):
            channel().accept(Request(url=url, headers=headers, body=signed.body, at=AT))


def test_no_secret_is_shown() -> None:
    replies = {"reply_url": "https://crm.example/replies", "reply_secret": str(SECRET)}
    assert str(SECRET) not in repr(channel(**replies)) + repr(settings(**replies))
