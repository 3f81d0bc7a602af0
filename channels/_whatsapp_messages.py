"""WhatsApp's events as messages: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks

A user has a phone number (``wa_id``), a business-scoped user id (BSUID, ``US.1349…``) or both; since usernames exist the
number may be missing. The BSUID comes first: it stays when the number is hidden.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from channels import _meta
from channels._meta import Event, node, nodes, word
from channels.base import Attachment, DeliveryState, Inbound, Sender

#: Begins the ``url`` of a file that is known by its media id alone.
MEDIA = "media:"
#: The fields of a webhook that carry messages, and where they lie in them.
MESSAGES, ECHOES = "messages", "smb_message_echoes"

_FILES = ("image", "video", "audio", "document", "sticker")
#: What a status says of a message of ours; ``played`` is ``read`` for a voice note.
_DELIVERIES: dict[str, DeliveryState] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "read",
    "failed": "failed",
}


class Scene(msgspec.Struct, frozen=True):
    """Where a change stands: the account, the number it came to, its event and the customers it names."""

    channel: str
    account: str
    number: str
    event: Event

    @property
    def value(self) -> dict[str, Any]:
        return node(self.event.body, "value")


def read(event: Event, *, channel: str, account: str, number: str) -> Iterator[Inbound]:
    """All that one change tells, in order. ``number`` is the phone number id where the change names none."""
    number = word(event.body, "value", "metadata", "phone_number_id") or number
    scene = Scene(channel, account, number, event)
    field = word(event.body, "field") or MESSAGES
    if event.body and (field not in (MESSAGES, ECHOES) or nodes(scene.value, "errors")):
        yield _meta.unknown(event, channel=channel, account=account)
    for message in nodes(scene.value, "messages"):
        yield _message(scene, message)
    for echo in nodes(scene.value, "message_echoes"):
        yield _echo(scene, echo)
    for status in nodes(scene.value, "statuses"):
        if word(status, "status") in _DELIVERIES:
            yield _status(scene, status)


def _message(scene: Scene, message: dict[str, Any]) -> Inbound:
    sender = _sender(scene, message)
    at = _meta.moment(message.get("timestamp"), scene.event.at)
    base = Inbound(
        channel=scene.channel,
        account=scene.account,
        external_id=word(message, "id") or _made_up(sender, message),
        thread=f"{scene.number}/{sender.id}",
        sender=sender,
        at=at,
        reply_to=word(message, "context", "id"),
        replies_until=at + _meta.WINDOW,
        raw=scene.event.raw,
    )
    return _content(base, message, scene.number)


def _sender(scene: Scene, message: dict[str, Any]) -> Sender:
    phone, user = word(message, "from"), word(message, "from_user_id")
    contact = _contact(scene, phone, user)
    phone, user = phone or word(contact, "wa_id"), user or word(contact, "user_id")
    name = word(contact, "profile", "name") or word(contact, "profile", "username")
    # WhatsApp itself has checked that the number is theirs.
    return Sender(id=user or phone, name=name, phone=f"+{phone}" if phone else "", verified=bool(phone))


def _contact(scene: Scene, phone: str, user: str) -> dict[str, Any]:
    contacts = nodes(scene.value, "contacts")
    for contact in contacts:
        if (user and word(contact, "user_id") == user) or (phone and word(contact, "wa_id") == phone):
            return contact
    return contacts[0] if len(contacts) == 1 and not (phone or user) else {}


def _made_up(sender: Sender, message: dict[str, Any]) -> str:
    """An id for what came without one: the same for the same event."""
    said = msgspec.json.encode((sender.id, message), order="deterministic")
    return f"event:{_meta.digest(said)}"


def _content(base: Inbound, message: dict[str, Any], number: str) -> Inbound:
    kind = word(message, "type")
    if kind in _FILES:
        return _with(base, **_file(message, kind, number))
    reader = _READERS.get(kind)
    return _with(base, **reader(message)) if reader else _change(base, message, kind, number)


def _change(base: Inbound, message: dict[str, Any], kind: str, number: str) -> Inbound:
    """What is no message of its own: an edit, a deletion, a reaction, news of the account; the rest is not known."""
    if kind == "edit":
        edited = _content(base, node(message, "edit", "message"), number)
        return _with(edited, kind="edit", refers_to=word(message, "edit", "original_message_id"))
    if kind == "revoke":
        original = word(message, "revoke", "original_message_id")
        return _with(base, kind="delete", refers_to=original, replies_until=None)
    if kind == "reaction":
        about = word(message, "reaction", "message_id")
        return _with(base, kind="event", text=word(message, "reaction", "emoji"), refers_to=about, replies_until=None)
    if kind in ("system", "request_welcome"):
        return _with(base, kind="event", text=word(message, "system", "body"), replies_until=None)
    what = word(message, "unsupported", "type") or kind or "no kind"
    return _with(base, placeholder=f"a message that WhatsApp does not pass on ({what})", text=_spare_text(message))


def _spare_text(message: dict[str, Any]) -> str:
    """The words of a message whose kind is new, where they stand where words usually stand."""
    return word(message, "text", "body")


def _with(base: Inbound, **changes: Any) -> Inbound:
    return msgspec.structs.replace(base, **changes)


# --- content ------------------------------------------------------------------------------------------


def _text(message: dict[str, Any]) -> dict[str, Any]:
    return {"text": word(message, "text", "body")}


def _file(message: dict[str, Any], kind: str, number: str) -> dict[str, Any]:
    media = node(message, kind)
    id, type = word(media, "id"), word(media, "mime_type").partition(";")[0].strip()
    name = word(media, "filename") or f"{'voice' if media.get('voice') is True else kind}{_ending(type)}"
    errors = nodes(message, "errors")
    file = Attachment(
        name=name,
        type=type,
        url=f"{MEDIA}{number}/{id}" if id else "",
        state="pending" if id else "failed",
        reason=_reason(errors[0]) if errors else "" if id else "WhatsApp names no file",
    )
    return {
        "text": word(media, "caption"),
        "attachments": (file,),
        "placeholder": "a sticker" if kind == "sticker" else "",
    }


def _ending(type: str) -> str:
    subtype = type.partition("/")[2]
    return f".{'jpg' if subtype == 'jpeg' else subtype}" if subtype.isalnum() else ""


def _location(message: dict[str, Any]) -> dict[str, Any]:
    place = node(message, "location")
    called = ", ".join(filter(None, (word(place, "name"), word(place, "address"))))
    where = f"({word(place, 'latitude')}, {word(place, 'longitude')})"
    return {
        "text": "\n".join(filter(None, (f"{called} {where}".strip(), word(place, "url")))),
        "placeholder": "a location",
    }


def _contacts(message: dict[str, Any]) -> dict[str, Any]:
    lines = [_card(contact) for contact in nodes(message, "contacts")]
    return {"text": "\n".join(lines), "placeholder": "a contact"}


def _card(contact: dict[str, Any]) -> str:
    phones = [word(one, "phone") for one in nodes(contact, "phones")]
    mails = [word(one, "email") for one in nodes(contact, "emails")]
    return ", ".join(filter(None, (word(contact, "name", "formatted_name"), *phones, *mails)))


def _interactive(message: dict[str, Any]) -> dict[str, Any]:
    chosen = node(message, "interactive", "button_reply") or node(message, "interactive", "list_reply")
    if chosen:
        return {"text": word(chosen, "title"), "choice": word(chosen, "id")}
    form = node(message, "interactive", "nfm_reply")
    text = "\n".join(filter(None, (word(form, "body"), _form(word(form, "response_json")))))
    return {"text": text, "placeholder": "a form that was filled in"}


def _form(answers: str) -> str:
    try:
        filled = json.loads(answers)
    except ValueError:
        return answers
    return "\n".join(f"{name}: {said}" for name, said in filled.items()) if isinstance(filled, dict) else answers


def _button(message: dict[str, Any]) -> dict[str, Any]:
    return {"text": word(message, "button", "text"), "choice": word(message, "button", "payload")}


def _order(message: dict[str, Any]) -> dict[str, Any]:
    lines = [
        f"{word(item, 'quantity')} × {word(item, 'product_retailer_id')}, "
        f"{word(item, 'item_price')} {word(item, 'currency')}".strip()
        for item in nodes(message, "order", "product_items")
    ]
    return {"text": "\n".join(filter(None, (word(message, "order", "text"), *lines))), "placeholder": "an order"}


_READERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "text": _text,
    "location": _location,
    "contacts": _contacts,
    "interactive": _interactive,
    "button": _button,
    "order": _order,
}


# --- what became of what we said ----------------------------------------------------------------------


def _echo(scene: Scene, message: dict[str, Any]) -> Inbound:
    """What somebody of the shop has said in the WhatsApp Business app on the same number."""
    at = _meta.moment(message.get("timestamp"), scene.event.at)
    base = Inbound(
        channel=scene.channel,
        account=scene.account,
        external_id=word(message, "id") or f"event:{_meta.digest(scene.event.raw)}",
        thread=f"{scene.number}/{word(message, 'to_user_id') or word(message, 'to')}",
        sender=Sender(id=scene.number),
        at=at,
        raw=scene.event.raw,
    )
    return _with(_content(base, message, scene.number), kind="event", machine="echo", replies_until=None)


def _status(scene: Scene, status: dict[str, Any]) -> Inbound:
    user = word(status, "recipient_user_id") or word(status, "recipient_id")
    id, said = word(status, "id"), word(status, "status")
    errors = nodes(status, "errors")
    return Inbound(
        channel=scene.channel,
        account=scene.account,
        external_id=f"{id}:{said}",
        thread=f"{scene.number}/{user}",
        sender=Sender(id=user),
        at=_at(scene, status),
        kind="status",
        text=_reason(errors[0]) if errors else "",
        delivery=_DELIVERIES[said],
        delivered_key=word(status, "biz_opaque_callback_data"),
        refers_to=id,
        raw=scene.event.raw,
    )


def _at(scene: Scene, status: dict[str, Any]) -> datetime:
    return _meta.moment(status.get("timestamp"), scene.event.at)


def _reason(error: dict[str, Any]) -> str:
    title = word(error, "title") or word(error, "message")
    return ": ".join(filter(None, (word(error, "code"), title)))
