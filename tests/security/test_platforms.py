"""Who is not the platform: every door of every channel, by a stranger who has read its documentation."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import pytest_asyncio

from channels import base as channels
from channels.base import BadPayload, BadSignature, Request
from gateway.config import convert
from gateway.simulate.platforms import toml

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
CASES = Path(__file__).parents[1] / "channels"
#: Doors that the house has anyway, and channels that nobody calls.
LEFT_OUT = {"api", "webchat", "email", "discord"}


def _case(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"security_{name}", CASES / name / "case.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _settings(name: str) -> dict[str, Any]:
    return dict(_case(name).SETTINGS)


def _routes(name: str) -> tuple[channels.Route, ...]:
    return getattr(channels.load(name), "routes", ())


PUSHED = [
    name for name in channels.names() if name not in LEFT_OUT and _routes(name) and (CASES / name / "case.py").exists()
]


def _tables() -> str:
    parts = []
    for name in PUSHED:
        lines = [f"{key} = {toml(value)}" for key, value in _settings(name).items()]
        parts.append("\n".join([f"[channels.{name}.main]", *lines]))
    return "\n".join(parts) + "\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors(tmp_path_factory: pytest.TempPathFactory, open_in: Any) -> AsyncIterator[Any]:
    """A gateway with an account of every channel that is called."""
    async with open_in(tmp_path_factory.mktemp("doors"), tables=_tables()) as running:
        yield running


async def _rows(house: Any) -> int:
    """How many messages came in, and how much is kept for a person to look at."""
    inbox = await house.gateway.store.inbox(state="", limit=500)
    return len(inbox.items) + len((await house.gateway.store.quarantined()).items)


#: Bodies that are read somewhere, and headers and queries that are compared with something.
BODIES = [
    b"",
    b"{}",
    b"[]",
    b"123",
    b'"x"',
    b"\xff\xfe",
    b"[" * 50_000,
    b'{"a":' * 20_000,
    b"<a>" * 20_000,
    b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>',
    b"<xml><Encrypt>x</Encrypt></xml>",
    b"payload=%7B%7D",
    b"a=b&" * 5000,
    b'{"type":"url_verification","challenge":"x"}',
    b'{"event":"verify_webhook","content":{"challenge":1}}',
    b'{"callback_query":{"id":"1"}}',
    b'{"object":"page","entry":[]}',
    b'{"events":[]}',
]
MARKS = ["", "sha256=", "v0=", "x", "\u00fc", "0" * 5000, "sha256=" + "0" * 64]
HEADERS = (
    "x-hub-signature-256 x-twilio-signature x-slack-signature x-slack-request-timestamp x-line-signature"
    " x-twitter-webhooks-signature x-douyin-signature x-telegram-bot-api-secret-token authorization"
).split()
QUERIES = [
    "",
    "signature=&msg_signature=&timestamp=&nonce=&echostr=x",
    "signature=%ff&msg_signature=%ff&timestamp=%ff&nonce=%ff&echostr=%ff",
    "msg_signature=a&msg_signature=b&timestamp=1&timestamp=9999999999&nonce=x",
    "timestamp=" + "9" * 4000,
    "timestamp=%EF%BC%91&signature=%C3%BC&nonce=%00",
    "hub.mode=subscribe&hub.verify_token=&hub.challenge=x",
    "hub.mode=subscribe&hub.verify_token=%ff&hub.challenge=%3Cscript%3E",
]


@pytest.mark.parametrize("name", PUSHED)
async def test_a_stranger_leaves_nothing_behind(doors: Any, name: str) -> None:
    before = await _rows(doors)
    methods = {route.method for route in _routes(name)}
    for method in methods:
        for query in QUERIES:
            for body in BODIES if method == "POST" and not query else [b"{}"]:
                for mark in MARKS if not query else ["x"]:
                    headers = dict.fromkeys(HEADERS, mark)
                    status, _, _ = await doors.call(method, f"/in/{name}/main?{query}", data=body, headers=headers)
                    assert 400 <= status < 500, (method, query, body[:40], mark)
    assert await _rows(doors) == before


async def test_the_challenge_of_x_signs_no_delivery(doors: Any) -> None:
    """X's word and X's deliveries are signed with one key: whoever lets us sign a delivery can bring it."""
    event = {"type": "message_create", "id": "1", "created_timestamp": str(int(datetime.now(UTC).timestamp() * 1000))}
    said = {"sender_id": "7", "target": {"recipient_id": "1"}, "message_data": {"text": "forged"}}
    forged = json.dumps({"direct_message_events": [{**event, "message_create": said}]}, separators=(",", ":"))
    before = await _rows(doors)
    for body in (forged, f" {forged}", "123", "null"):
        query = urllib.parse.urlencode({"crc_token": body})
        _, answer, _ = await doors.call("GET", f"/in/x/main?{query}")
        signed = answer.get("response_token", "") if isinstance(answer, dict) else ""
        headers = {"x-twitter-webhooks-signature": signed}
        assert (await doors.call("POST", "/in/x/main", data=body.encode(), headers=headers))[0] == 401
    assert await _rows(doors) == before
    assert (await doors.call("GET", "/in/x/main?crc_token=MGQ1ODk0_-9%2B%2F%3D"))[0] == 200, "X's own word is signed"


#: What no platform sends where something else stood.
ODD: list[Any] = [
    *(None, True, 0, -1, 2**70, 1e308, float("-inf"), "", "x", "\ud83d", "9" * 30, "9" * 5000, "-1", "٣"),
    *([], [None], [[]], [{}], {}, {"x": None}, "https://[", "http://x:99999/"),
]


def _places(tree: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for name, child in items:
        yield from _places(child, (*place, name))


def _with(tree: Any, place: tuple[Any, ...], value: Any) -> Any:
    """The tree with another value at a place."""
    if not place:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[place[0]] = _with(copy[place[0]], place[1:], value)
    return copy


def _request(case: ModuleType, tree: Any) -> Request:
    body = json.dumps(tree).encode()
    body = case.sealed(body) if hasattr(case, "sealed") else body
    signed = case.sign(body, NOW)
    if getattr(case, "SIGNED_IN", "") == "query":
        return Request(body=body, query=signed, at=NOW)
    return Request(url=getattr(case, "URL", "https://intake.example/"), body=body, headers=signed, at=NOW)


@pytest.mark.parametrize("name", [name for name in PUSHED if name not in ("phone", "sms", "wecom")])
async def test_odd_values_in_a_signed_delivery_are_read_or_kept_for_a_person(name: str) -> None:
    """Any other error would be a 500, and the platform would come again with the same bytes for ever."""
    case = _case(name)
    channel: Any = channels.load(name)("main", convert(_settings(name), channels.load(name).settings))
    for file in sorted((CASES / name).glob("*.json")):
        tree = json.loads(file.read_bytes())
        for place in _places(tree):
            for value in ODD:
                request = _request(case, _with(tree, place, value))
                with contextlib.suppress(BadPayload, BadSignature):
                    for message in channel.accept(request):
                        assert message.digest
                    channel.answer(request, ())


async def test_half_a_character_does_not_cost_the_message(doors: Any) -> None:
    case, at = _case("slack"), datetime.now(UTC)
    tree = json.loads((CASES / "slack" / "text.json").read_bytes())
    tree["event"]["text"] = "It broke \ud83d"
    body = json.dumps(tree).encode()
    headers = case.sign(body, at)
    before = await _rows(doors)
    assert (await doors.call("POST", "/in/slack/main", data=body, headers=headers))[0] == 200
    assert await _rows(doors) == before + 1
    page = await doors.gateway.store.search("broke ?")
    assert page.items


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://files.slack.com/files-pri/T1-F1/a.png", True),
        ("https://slack.com/files/U1/F1/a.png", True),
        ("https://slack.com/api/conversations.kick?channel=C1&user=U1", False),
        ("https://slack.com.evil.example/files/1", False),
        ("https://files.slack.com@evil.example/1", False),
        ("http://files.slack.com/files-pri/T1-F1/a.png", False),
    ],
)
@pytest.mark.parametrize("api", ["https://slack.com/api", "https://slack.com/api/", "https://slack.com"])
async def test_slacks_token_goes_to_slacks_files_alone(url: str, api: str, ours: bool) -> None:
    """What somebody shares from elsewhere has an address of their choice; a call of Slack's API would be made by us."""
    settings = {**_settings("slack"), "api_url": api}
    slack: Any = channels.load("slack")("main", convert(settings, channels.load("slack").settings))
    call = await slack.fetching(channels.Attachment(url=url), None)
    assert bool(call.headers) == ours
