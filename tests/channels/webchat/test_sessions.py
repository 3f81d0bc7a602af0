"""Session and identity tokens: who gets in as whom, and every way not to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any

import msgspec
import pytest

from channels import _jwt
from channels.base import BadSignature, Forbidden, Invalid, Request, Secret
from channels.webchat import Settings, Webchat

VISITOR = base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")


def hello(body: Any, at: datetime, **headers: str) -> Request:
    return Request(
        url="https://intake.example/widget/v1/session?site=lantern",
        query={"site": "lantern"},
        headers=headers,
        body=msgspec.json.encode(body),
        at=at,
    )


def shake(chat: Webchat, body: Any, at: datetime, **headers: str) -> str:
    answer = chat.handshake(hello(body, at, **headers))
    assert answer is not None
    assert answer.status == 200
    token: str = msgspec.json.decode(answer.body)["token"]
    return token


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def identity(case: ModuleType, at: datetime, header: Any = None, key: bytes = b"", **changes: Any) -> str:
    claims = {"sub": "42", "aud": "lantern", "iat": at.timestamp(), "exp": at.timestamp() + 300, "name": "陈美"}
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    head = f"{part(header or {'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    signature = hmac.new(key or case.IDENTITY_SECRET.encode(), head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def test_the_same_visitor_secret_is_the_same_thread(chat: Webchat, now: datetime) -> None:
    first, again = (chat.session(shake(chat, {"visitor": VISITOR}, now), now) for _ in range(2))
    assert first.thread == again.thread
    assert first.sender.id == again.sender.id
    assert not first.sender.verified


def test_a_thread_says_nothing_of_the_secret_it_comes_from(chat: Webchat, now: datetime, case: ModuleType) -> None:
    other = Webchat(
        "main", msgspec.structs.replace(chat.site, session_secret=Secret("another secret of 32 characters!"))
    )
    thread = chat.session(shake(chat, {"visitor": VISITOR}, now), now).thread
    assert thread != other.session(shake(other, {"visitor": VISITOR}, now), now).thread


@pytest.mark.parametrize("visitor", ["", "short", "A" * 42, "A" * 44, "*" * 43])
def test_a_visitor_secret_is_32_bytes(chat: Webchat, now: datetime, visitor: str) -> None:
    with pytest.raises(Invalid):
        chat.handshake(hello({"visitor": visitor}, now))


def test_a_session_ends_after_thirty_days_and_is_renewed_before(chat: Webchat, now: datetime) -> None:
    token = shake(chat, {"visitor": VISITOR}, now)
    later = now + timedelta(days=29)
    renewed = shake(chat, {"token": token}, later)
    with pytest.raises(BadSignature):
        chat.session(token, now + timedelta(days=30))
    assert chat.session(renewed, now + timedelta(days=58)).thread == chat.session(token, now).thread
    with pytest.raises(BadSignature):
        chat.handshake(hello({"token": token}, now + timedelta(days=31)))


def test_a_token_of_a_node_whose_clock_is_fast_is_good_everywhere(chat: Webchat, now: datetime) -> None:
    token = shake(chat, {"visitor": VISITOR}, now + timedelta(minutes=10))
    assert chat.session(token, now).thread == chat.session(shake(chat, {"visitor": VISITOR}, now), now).thread


def test_an_identified_visitor_has_one_thread_on_every_device(chat: Webchat, case: ModuleType, now: datetime) -> None:
    first = chat.session(shake(chat, {"identity": identity(case, now)}, now), now)
    other = chat.session(shake(chat, {"identity": identity(case, now, name="Mei")}, now), now)
    assert first.thread == other.thread
    assert first.sender.verified
    assert (first.sender.id, first.sender.name) == ("user:42", "陈美")
    stranger = chat.session(shake(chat, {"identity": identity(case, now, sub="43")}, now), now)
    assert stranger.thread != first.thread


def test_an_identity_is_not_prolonged_by_its_session(chat: Webchat, case: ModuleType, now: datetime) -> None:
    token = shake(chat, {"identity": identity(case, now)}, now)
    renewed = shake(chat, {"token": token}, now + timedelta(days=29))
    with pytest.raises(BadSignature):
        chat.session(renewed, now + timedelta(days=30))


HOSTILE: dict[str, dict[str, Any]] = {
    "alg none": {"header": {"alg": "none"}},
    "alg None": {"header": {"alg": "nOnE", "typ": "JWT"}},
    "RS256 signed with the secret": {"header": {"alg": "RS256", "typ": "JWT"}},
    "HS512": {"header": {"alg": "HS512", "typ": "JWT"}},
    "critical extension": {"header": {"alg": "HS256", "crit": ["exp"]}},
    "another type": {"header": {"alg": "HS256", "typ": "at+jwt"}},
    "another key": {"key": b"x" * 40},
    "no exp": {"exp": None},
    "no iat": {"iat": None},
    "exp as text": {"exp": "9999999999"},
    "exp true": {"exp": True},
    "lives an hour": {"exp": 9_999_999_999},
    "another site": {"aud": "other"},
    "audience list": {"aud": ["lantern"]},
    "no sub": {"sub": None},
    "empty sub": {"sub": ""},
    "sub a number": {"sub": 42},
    "endless sub": {"sub": "4" * 201},
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_identity_is_refused(chat: Webchat, case: ModuleType, now: datetime, how: str) -> None:
    with pytest.raises(BadSignature):
        chat.handshake(hello({"identity": identity(case, now, **HOSTILE[how])}, now))


def test_an_identity_ends_and_does_not_come_from_the_future(chat: Webchat, case: ModuleType, now: datetime) -> None:
    token = identity(case, now)
    assert shake(chat, {"identity": token}, now + timedelta(seconds=299))
    for at in (now + timedelta(seconds=300), now - timedelta(seconds=61)):
        with pytest.raises(BadSignature):
            chat.handshake(hello({"identity": token}, at))


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "a.b", "a.b.c.d", "é.é.é", "a" * 9000, "[[[[.e30.AA", "e30.W10.AA", "e30.e30.="]
)
def test_rubbish_is_no_token(chat: Webchat, now: datetime, token: str) -> None:
    with pytest.raises(BadSignature):
        chat.session(token, now)


def test_an_unsigned_token_is_refused(chat: Webchat, case: ModuleType, now: datetime) -> None:
    head, _, _ = identity(case, now, header={"alg": "none"}).rpartition(".")
    with pytest.raises(BadSignature):
        chat.handshake(hello({"identity": head + "."}, now))


def test_every_part_of_a_session_is_signed(chat: Webchat, now: datetime) -> None:
    token = shake(chat, {"visitor": VISITOR}, now)
    for at in range(0, len(token), 7):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        with pytest.raises(BadSignature):
            chat.session(changed, now)


def test_a_session_of_another_account_is_refused(chat: Webchat, now: datetime) -> None:
    other = Webchat("other", chat.site)
    with pytest.raises(BadSignature):
        chat.session(shake(other, {"visitor": VISITOR}, now), now)


def test_an_identity_token_is_no_session_nor_an_upload(chat: Webchat, case: ModuleType, now: datetime) -> None:
    with pytest.raises(BadSignature):
        chat.session(identity(case, now, aud="main"), now)
    same = Webchat("lantern", msgspec.structs.replace(chat.site, identity_secret=chat.site.session_secret))
    token = identity(case, now, key=case.SESSION_SECRET.encode())
    with pytest.raises(BadSignature):
        same.session(token, now)


def test_without_an_identity_secret_nobody_is_identified(chat: Webchat, case: ModuleType, now: datetime) -> None:
    plain = Webchat("main", msgspec.structs.replace(chat.site, identity_secret=Secret("")))
    for key in (case.IDENTITY_SECRET.encode(), b"\0"):
        with pytest.raises(Forbidden):
            plain.handshake(hello({"identity": identity(case, now, key=key)}, now))


@pytest.mark.parametrize(
    ("origin", "good"),
    [
        ("", True),
        ("https://shop.example", True),
        ("https://intake.example", True),
        ("https://evil.example", False),
        ("https://shop.example.evil.example", False),
        ("http://shop.example", False),
        ("https://shop.example:8443", False),
        ("null", False),
    ],
)
def test_only_listed_sites_may_open_a_session(chat: Webchat, now: datetime, origin: str, good: bool) -> None:
    headers = {"origin": origin, "host": "intake.example"} if origin else {}
    if good:
        assert shake(chat, {"visitor": VISITOR}, now, **headers)
        return
    with pytest.raises(Forbidden):
        chat.handshake(hello({"visitor": VISITOR}, now, **headers))


@pytest.mark.parametrize(
    "changes",
    [
        {"session_secret": ""},
        {"session_secret": "short"},
        {"identity_secret": "short"},
        {"origins": ["shop.example"]},
        {"origins": ["https://shop.example/"]},
        {"color": "red"},
        {"site_key": "a b"},
        {"colour": "#000000"},
    ],
)
def test_bad_settings_do_not_start(case: ModuleType, changes: dict[str, Any]) -> None:
    def secret(type: Any, value: Any) -> Any:
        return Secret(value)

    assert msgspec.convert(case.SETTINGS, Settings, dec_hook=secret)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(case.SETTINGS | changes, Settings, dec_hook=secret)


def test_no_settings_without_a_session_secret(case: ModuleType) -> None:
    bare = {name: value for name, value in case.SETTINGS.items() if name != "session_secret"}
    with pytest.raises(msgspec.ValidationError, match="session_secret"):
        msgspec.convert(bare, Settings, dec_hook=lambda _, value: Secret(value))


def test_nothing_shows_the_secrets(chat: Webchat, case: ModuleType) -> None:
    for secret in case.SECRETS:
        assert secret not in repr(chat) + repr(chat.site) + str(chat.site)


def test_the_known_vector_of_hs256(now: datetime) -> None:
    """RFC 7515, appendix A.1: the same header and claims give the same signature."""
    key = base64.urlsafe_b64decode(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow=="
    )
    token = (
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
        "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    )
    before = datetime.fromtimestamp(1300819379, now.tzinfo)
    with pytest.raises(BadSignature, match="somebody else"):  # the signature is good, it has no audience
        _jwt.verify(key, token, before, audience="x")
    with pytest.raises(BadSignature, match="expired"):
        _jwt.verify(key, token, now, audience="x")
