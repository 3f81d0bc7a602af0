"""Signing and verifying against the published vector, and against everything a stranger may send."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from channels import _standard_webhooks as webhooks
from channels.base import BadSignature, Secret

#: Published with the specification's libraries.
SECRET = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
BODY = b'{"test": 2432232314}'
AT = datetime.fromtimestamp(1614265330, UTC)
GOOD = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
OTHER = Secret("whsec_" + base64.b64encode(b"n" * 32).decode())


def refused(
    headers: dict[str, str], body: bytes = BODY, at: datetime = AT, secrets: tuple[Secret, ...] = (SECRET,)
) -> None:
    with pytest.raises(BadSignature) as caught:
        webhooks.verify(secrets, headers, body, at)
    assert "MfKQ" not in str(caught.value)


def test_the_published_vector() -> None:
    assert webhooks.sign(SECRET, GOOD["webhook-id"], AT, BODY) == GOOD
    assert webhooks.verify((SECRET,), GOOD, BODY, AT) == GOOD["webhook-id"]


def test_a_vector_with_chinese_text_in_its_utf8_bytes() -> None:
    secret = Secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
    body = '{"type":"complaint.created","timestamp":"2026-01-02T03:04:05Z","data":{"id":"c_1","text":"你好"}}'.encode()
    headers = webhooks.sign(secret, "msg_c_1", datetime.fromtimestamp(1767323045, UTC), body)
    assert headers["webhook-signature"] == "v1,G/yPUQX0WquduMW2mvQOlMnhl4L4jHXfChpo8RneV/I="


@pytest.mark.parametrize("seconds", [-300, -1, 0, 1, 300])
def test_five_minutes_either_way_are_fresh(seconds: int) -> None:
    assert webhooks.verify((SECRET,), GOOD, BODY, AT + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-86400, -301, 301, 86400])
def test_older_or_newer_is_stale(seconds: int) -> None:
    refused(GOOD, at=AT + timedelta(seconds=seconds))


@pytest.mark.parametrize("missing", list(GOOD))
def test_every_header_is_needed(missing: str) -> None:
    refused({name: value for name, value in GOOD.items() if name != missing})
    refused({**GOOD, missing: ""})


@pytest.mark.parametrize("place", range(len(BODY)))
def test_one_byte_moved_is_refused(place: int) -> None:
    refused(GOOD, BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :])


@pytest.mark.parametrize("body", [b"", BODY + b" ", b" " + BODY, BODY.replace(b": ", b":")])
def test_the_raw_bytes_are_signed(body: bytes) -> None:
    refused(GOOD, body)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-signature", "v1"),
        ("webhook-signature", ","),
        ("webhook-signature", "v1,"),
        ("webhook-signature", "v1,!!!"),
        ("webhook-signature", "v1,é"),
        ("webhook-signature", "v2," + GOOD["webhook-signature"][3:]),
        ("webhook-signature", "v1a," + GOOD["webhook-signature"][3:]),
        ("webhook-signature", GOOD["webhook-signature"][3:]),
        ("webhook-signature", "v1," * 10_000),
        ("webhook-signature", GOOD["webhook-signature"][:-6] + "AAAAA="),
        ("webhook-timestamp", "1614265330.0"),
        ("webhook-timestamp", "-1614265330"),
        ("webhook-timestamp", " 1614265330"),
        ("webhook-timestamp", "１６１４２６５３３０"),
        ("webhook-timestamp", "9" * 400),
        ("webhook-timestamp", "nan"),
        ("webhook-id", "msg.p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJeK"),
        ("webhook-id", "消息"),
        ("webhook-id", "m" * 1000),
    ],
)
def test_malformed_headers_are_a_bad_signature(name: str, value: str) -> None:
    refused({**GOOD, name: value})


def test_any_known_secret_will_do_while_it_is_being_changed() -> None:
    assert webhooks.verify((OTHER, SECRET), GOOD, BODY, AT)
    refused(GOOD, secrets=(OTHER,))
    refused(GOOD, secrets=())


def test_any_signature_of_the_list_will_do() -> None:
    new = webhooks.sign(OTHER, GOOD["webhook-id"], AT, BODY)["webhook-signature"]
    both = {**GOOD, "webhook-signature": f"v1a,AAAA {new} {GOOD['webhook-signature']}"}
    assert webhooks.verify((SECRET,), both, BODY, AT)
    assert webhooks.verify((OTHER,), both, BODY, AT)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_***", "whsec_密", "whsec_" + "A" * 200])
def test_a_weak_secret_is_no_secret(secret: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 random bytes"):
        webhooks.sign(Secret(secret), "msg_1", AT, BODY)


@pytest.mark.parametrize("id", ["", "a.b", "订单", "a\nb"])
def test_an_id_that_cannot_be_signed(id: str) -> None:
    with pytest.raises(ValueError, match="without a dot"):
        webhooks.sign(SECRET, id, AT, BODY)
