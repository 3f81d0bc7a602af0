"""The outside webhooks: which channel reads which set, how its payloads are delivered, and what is to come of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from channels._platforms import sms as twilio
from channels._platforms import wechat, wecom
from channels.base import Request
from tests.contract.case import Case

Expected = dict[str, Any]


@dataclass(frozen=True)
class Example:
    """One payload with what its source says of it."""

    path: Path
    payload: Any
    expected: Expected
    title: str


def stored(path: Path) -> Example:
    """Payload, expectations and the peer's title, which lie in one file or in two."""
    beside = path.with_suffix(".expected.json")
    told = json.loads(beside.read_text(encoding="utf-8")) if beside.exists() else {}
    if path.suffix == ".xml":
        return Example(path, path.read_bytes().strip(), told, told.get("note", ""))
    tree = json.loads(path.read_text(encoding="utf-8"))
    if beside.exists() or "payload" not in tree:
        return Example(path, tree, told, told.get("note", ""))
    return Example(path, tree["payload"], tree.get("expected") or {}, tree.get("peer_case", ""))


# --- how a set's payload becomes what the platform sends ----------------------------------------------


def whatsapp(payload: Any) -> Any:
    """Some are the value of a change alone."""
    if "entry" in payload:
        return payload
    change = {"field": "messages", "value": payload}
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}


def facebook(payload: Any) -> Any:
    """One is a single event in the wrapping of the peer's own code."""
    if "entry" in payload:
        return payload
    return {"object": "page", "entry": [{"id": "1", "messaging": [next(iter(payload.values()))["messaging"]]}]}


def instagram(payload: Any) -> Any:
    """One is the entries alone."""
    return payload if "entry" in payload else {"object": "instagram", "entry": payload["messaging"]}


def telegram(payload: Any) -> Any:
    """One is the part that all messages of the peer's tests share."""
    if "update_id" in payload:
        return payload
    return {"update_id": 1, "edited_message": {"message_id": 1, "text": "edited", **payload}}


def as_json(wrap: Callable[[Any], Any] = lambda payload: payload) -> Callable[[Case, Any], bytes]:
    """The body of platforms that deliver JSON."""
    return lambda _, payload: json.dumps(wrap(payload)).encode()


def as_form(_: Case, payload: Any) -> bytes:
    """A form of Twilio's, for the account of the case."""
    return urlencode({**payload, "AccountSid": twilio.ACCOUNT}).encode()


def as_sealed(case: Case, payload: Any) -> bytes:
    """Readable XML, encrypted as the safe mode does it."""
    body: bytes = case.module.sealed(payload)
    return body


# --- what is to come of it, where the peer's words for it are not ours --------------------------------


def as_told(example: Example) -> Expected:
    return example.expected


def of_zammad(example: Example) -> Expected:
    """Its names for what ours are called."""
    names = {"body": "text", "sender": "contact_name", "attachments": "attachment_names", "articles": "messages"}
    return {names.get(key, key): want for key, want in example.expected.items()}


def of_text_messages(example: Example) -> Expected:
    """Zammad's and Chatwoot's of Twilio: numbers are who and where; how many conversations there are rests on earlier ones."""
    told = dict(example.expected)
    told.pop("sender", "")  # "Customer": the peer's own kind of author
    if told.pop("conversations", 0):
        told["creates_conversation"] = True
    names = {"body": "text", "from": "sender_id", "to": "recipient_id", "external_id": "sender_id"}
    return {names.get(key, key): want for key, want in told.items()}


def of_line(example: Example) -> Expected:
    """By the file's name: only ``message-*`` are a customer's words. Who, what and when stand in the payload."""
    event = example.payload["events"][0]
    if event["type"] not in ("message", "messageEdited"):
        return {"creates_conversation": False}
    source, message = event["source"], event["message"]
    told: Expected = {"creates_conversation": True, "at": datetime.fromtimestamp(event["timestamp"] / 1000, UTC)}
    told |= {"external_id": message["id"]} if event["type"] == "message" else {}
    told |= {"text": message["text"]} if "text" in message else {"attachment_type": message["type"]}
    if "userId" in source:
        told["sender_id"] = source["userId"]
    return told


def of_wechat(example: Example) -> Expected:
    """Events are nobody's words; of a message the kind is told."""
    told = example.expected
    names = {"source": "sender_id", "type": "attachment_type"}
    if "event" in told.get("note", ""):
        return {"creates_conversation": False, **({"sender_id": told["source"]} if "source" in told else {})}
    kept = {names[key]: want for key, want in told.items() if key in names}
    return {"creates_conversation": True, **kept}


def of_twitter(example: Example) -> Expected:
    """People are named by their handle, which the payload translates; times are written in two ways."""
    posts, told = example.payload.get("tweet_create_events") or [], dict(example.expected)
    names = {"creates_message": "creates_conversation", "text_before_link_expansion": "text", "created_at": "at"}
    if not told:
        told = {
            "text": posts[0]["text"],
            "sender": f"@{posts[0]['user']['screen_name']}",
            "created_at": posts[0]["created_at"],
        }
    if told.get("creates_message") is False:
        return {"creates_conversation": False}
    if "created_at" in told:
        told["created_at"] = parsedate_to_datetime(_rfc_date(told["created_at"])).astimezone(UTC)
    if "created_ms" in told:
        told["created_at"] = datetime.fromtimestamp(int(told["created_ms"]) / 1000, UTC)
    told["sender_id"] = _handles(example.payload).get(str(told.pop("sender")).removeprefix("@"))
    return {names.get(key, key): want for key, want in told.items() if key not in ("recipient", "in_reply_to")}


def _rfc_date(written: str) -> str:
    _, month, day, time, zone, year = written.split()
    return f"{day} {month} {year} {time} {zone}"


def _handles(payload: Any) -> Mapping[str, str]:
    people = [
        *(payload.get("users") or {}).values(),
        *(post["user"] for post in payload.get("tweet_create_events") or []),
    ]
    return {person["screen_name"]: str(person.get("id_str") or person["id"]) for person in people}


def nothing(_: Example) -> Expected:
    return {"creates_conversation": False}


# --- the sets -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Set:
    """Who reads it and how. ``settings`` are those that a payload wants of the channel."""

    channel: str
    body: Callable[[Case, Any], bytes]
    expected: Callable[[Example], Expected] = as_told
    files: str = "*.json"
    settings: Callable[[Any], Mapping[str, Any]] = lambda _: {}
    request: Callable[[Case, bytes, datetime], Request] = lambda case, body, at: case.request(body, at=at)

    def paths(self, folder: Path) -> list[Path]:
        return sorted(set(folder.glob(self.files)) - set(folder.glob("*.expected.json")))


def callback_of_wecom(_: Case, body: bytes, at: datetime) -> Request:
    """An app's message, encrypted and signed as all callbacks of WeCom."""
    sealed = wechat.seal(body, b"0123456789abcdef", receiver=wecom.CORP_ID, key=wecom.AES_KEY)
    query = wechat.signed(str(int(at.timestamp())), "1372623149", sealed, token=wecom.TOKEN)
    envelope = wechat.xml({"ToUserName": wecom.CORP_ID, "Encrypt": sealed})
    return Request(body=envelope, query={k: query[k] for k in ("msg_signature", "timestamp", "nonce")}, at=at)


#: Folder of the data (with a name behind ``#`` where a folder holds two) → who reads it.
SETS: dict[str, Set] = {
    "chatwoot/whatsapp": Set("whatsapp", as_json(whatsapp)),
    "chatwoot/facebook": Set("messenger", as_json(facebook)),
    "chatwoot/instagram": Set("instagram", as_json(instagram)),
    "chatwoot/telegram": Set("telegram", as_json(telegram)),
    "zammad/telegram/private": Set("telegram", as_json(telegram), of_zammad),
    "zammad/telegram/channel": Set("telegram", as_json(telegram), of_zammad),
    "chatwoot/line": Set("line", as_json()),
    "line-bot-sdk": Set("line", as_json(), of_line, settings=lambda _: {"groups": True}),
    "wechat#wechat": Set("wechat", as_sealed, of_wechat, files="wechat-*.xml"),
    # A company's people write to the company's apps; customers write to customer service, which tells it by sync_msg.
    "wechat#wecom": Set("wecom", lambda _, payload: payload, nothing, files="wecom-*.xml", request=callback_of_wecom),
    "chatwoot/twilio": Set("sms", as_form, of_text_messages),
    "zammad/twilio": Set("sms", as_form, of_text_messages),
    "chatwoot/twitter": Set("x", as_json(), of_twitter, settings=lambda p: {"user_id": p["for_user_id"]}),
    "zammad/twitter/webhook_events": Set("x", as_json(), of_twitter, settings=lambda p: {"user_id": p["for_user_id"]}),
    "opsdroid/slack": Set("slack", as_json(), nothing, settings=lambda _: {"channels": True}),
}
#: Sets that no channel reads, and why.
NOT_READ: Mapping[str, str] = {
    "chatwoot/sms_bandwidth": "Bandwidth's own format; `sms` speaks Twilio's",
    "chatwoot/tiktok": "TikTok's business messages; there is no such channel (`douyin` is another API)",
    "opsdroid/gitter": "there is no such channel; Gitter is Matrix today",
    "opsdroid/mattermost": "there is no such channel",
    "opsdroid/teams": "there is no such channel",
    "zammad/cti": "sipgate's notices that a call rings or has ended, which are nobody's words; calls come by `phone`",
}


def tampered(request: Request) -> Request:
    """The same with a signature that does not fit."""

    def wrong(values: Mapping[str, str]) -> dict[str, str]:
        return {
            name: value[:-3] + "xyz" if "sign" in name or "token" in name else value for name, value in values.items()
        }

    return msgspec.structs.replace(request, headers=wrong(request.headers), query=wrong(request.query))
