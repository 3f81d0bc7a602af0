"""WhatsApp, through Meta's Cloud API.

A thread is ``<phone number id>/<user>``: one account serves all numbers of its app, and an answer comes from the number that
was written to. ``<user>`` is a business-scoped user id (``US.1349…``) where WhatsApp tells one, else the phone number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from channels import _meta, _meta_graph, _whatsapp_messages
from channels._meta import MetaSettings, word
from channels._meta_graph import Graph
from channels._whatsapp_messages import MEDIA
from channels.base import (
    Accepted,
    Answer,
    Attachment,
    Call,
    Expired,
    Finding,
    Inbound,
    Limits,
    Outbound,
    OutboundKind,
    Promise,
    Rate,
    Receipt,
    Refused,
    Request,
    Retry,
    Route,
    Secret,
    Tools,
    Unauthorized,
    Unknown,
)

#: Longest text with reply buttons, and longest label of one; what is longer becomes a list.
BUTTON_TEXT, BUTTON_LABEL, MAX_BUTTONS = 1024, 20, 3
#: Longest text in a place of a template.
TEMPLATE_TEXT = 1024
#: Longest key that comes back with the statuses.
MAX_KEY = 512
#: What WhatsApp shows as what it is; everything else goes as a document.
SHOWN = {
    "image/jpeg": ("image", 5 * 1024 * 1024),
    "image/png": ("image", 5 * 1024 * 1024),
    "video/mp4": ("video", 16 * 1024 * 1024),
    "video/3gpp": ("video", 16 * 1024 * 1024),
    "audio/aac": ("audio", 16 * 1024 * 1024),
    "audio/amr": ("audio", 16 * 1024 * 1024),
    "audio/mpeg": ("audio", 16 * 1024 * 1024),
    "audio/mp4": ("audio", 16 * 1024 * 1024),
    "audio/ogg": ("audio", 16 * 1024 * 1024),
}
#: What a list's button says.
CHOOSE = {"en": "Choose", "zh-Hans": "请选择", "zh-Hant": "請選擇"}
#: Our languages as Meta writes those of templates; others are written with an underscore.
LANGUAGES = {"zh": "zh_CN", "zh-Hans": "zh_CN", "zh-Hant": "zh_TW"}

#: https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
CODES: _meta_graph.Codes = {
    131000: Retry("WhatsApp's own error"),
    131016: Retry("WhatsApp is not available"),
    131057: Retry("the account is in maintenance", 60.0, everyone=True),
    135000: Retry("WhatsApp's own error"),
    130429: Retry("too many messages of this number", 10.0, everyone=True),
    131056: Retry("too many messages to this customer", 6.0),
    131048: Retry("WhatsApp limits this number because of complaints", 3600.0, everyone=True),
    133016: Retry("too many calls for the number", 60.0, everyone=True),
    131064: Retry("too many messages", 60.0, everyone=True),
    131047: Expired("more than 24 hours since the customer wrote"),
    131026: Refused("the customer cannot be reached on WhatsApp"),
    131030: Refused("the number is not among the test numbers"),
    131021: Refused("we would write to ourselves"),
    131049: Refused("WhatsApp does not deliver this kind of message to them"),
    131050: Refused("the customer wants no such messages"),
    130472: Refused("the customer is part of an experiment of Meta's"),
    131008: Refused("a field is missing"),
    131009: Refused("a field has a wrong value"),
    131051: Refused("this kind of message is not supported"),
    131062: Refused("this kind of message wants a phone number"),
    131053: Refused("WhatsApp does not take the file"),
    132000: Refused("the template has another number of places"),
    132001: Refused("there is no such template in this language"),
    132005: Refused("the template becomes too long"),
    132007: Refused("the template breaks WhatsApp's rules"),
    132008: Refused("the template's text has a form that it does not take"),
    132012: Refused("the template's places have another form"),
    132015: Refused("the template is paused"),
    132016: Refused("the template is switched off"),
    131031: Unauthorized("the business account is locked"),
    131005: Unauthorized("the token lacks a permission"),
    131042: Unauthorized("the business account cannot pay"),
    131045: Unauthorized("the number is not registered"),
    130497: Unauthorized("the business may not write to this country"),
}


class Template(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An approved template."""

    name: Annotated[str, Meta(min_length=1, description="Its name at WhatsApp.")]
    language: Annotated[
        str, Meta(description="Its language there (`en_US`); empty: the customer's, so it must exist in each.")
    ] = ""
    text: Annotated[
        bool, Meta(description="Whether it has one place, `{{1}}`, that takes the reply; else it only asks to write.")
    ] = True


class Settings(MetaSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.whatsapp.<account>]``."""

    token: Annotated[Secret, Meta(description="Access token of a system user with `whatsapp_business_messaging`.")]
    phone_number_id: Annotated[str, Meta(description="Id of the number (not the number itself).")]
    business_account_id: Annotated[
        str, Meta(description="Id of the WhatsApp Business account; only `allears channels setup` needs it.")
    ] = ""
    templates: Annotated[
        dict[OutboundKind, Template],
        Meta(description="What is sent instead when the 24 hours are over, by kind of message."),
    ] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError, which says what to change."""
        super().__post_init__()
        if not self.token or not self.phone_number_id:
            raise ValueError("`token` and `phone_number_id` must not be empty")


class WhatsApp:
    """One app with its numbers."""

    name: ClassVar[str] = "whatsapp"
    settings: ClassVar[type[msgspec.Struct]] = Settings
    limits: ClassVar[Limits] = Limits(
        text=4096,
        file=100 * 1024 * 1024,
        files=1,
        caption=0,
        buttons=10,
        label=24,
        body=3 * 1024 * 1024,
        per_chat=Rate(45, 270.0),
        per_account=Rate(80, 1.0),
    )
    exempt: ClassVar[Mapping[Promise, str]] = {}
    idempotent: ClassVar[bool] = False
    news_within: ClassVar[float] = 300.0
    routes: ClassVar[tuple[Route, ...]] = (Route(), Route(method="GET"))

    def __init__(self, account: str, settings: Settings) -> None:
        self.account = account
        self._settings = settings
        self._graph = Graph(settings, settings.token, CODES)

    def __repr__(self) -> str:
        return f"WhatsApp({self.account!r})"

    # --- what comes in ----------------------------------------------------------------------------

    def owns(self, request: Request) -> bool:  # noqa: ARG002
        return True

    def handshake(self, request: Request) -> Answer | None:
        return _meta.challenge(self._settings.verify_token, request)

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        """All messages and statuses of a batch. Raises :class:`BadSignature` and :class:`BadPayload`."""
        _meta.verify(self._settings.app_secret, request)
        number = self._settings.phone_number_id
        return tuple(
            message
            for event in _meta.events(request, "whatsapp_business_account")
            for message in _whatsapp_messages.read(event, channel=self.name, account=self.account, number=number)
        )

    def answer(self, request: Request, accepted: tuple[Accepted, ...]) -> Answer:  # noqa: ARG002
        return Answer()

    async def fetching(self, attachment: Attachment, tools: Tools) -> Call:
        """Ask for the file's address, which lives five minutes, and fetch it with the token."""
        number, _, id = attachment.url.removeprefix(MEDIA).partition("/")
        found = await self._graph.get(tools, f"{id}?phone_number_id={number}")
        if not word(found, "url"):
            raise Refused("WhatsApp names no address for the file")
        return self._graph.fetch(word(found, "url"))

    # --- what goes out ----------------------------------------------------------------------------

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """Send one message, or the template of its kind once the customer's last message is older than 24 hours.

        Raises:
            Expired: the window is over, and there is no template that can carry it.
        """
        if out.replies_until is None or tools.now() <= out.replies_until:
            try:
                return await self._post(out, await self._content(out, tools), tools)
            except Expired:
                if out.kind not in self._settings.templates:
                    raise
        return await self._post(out, self._from_template(out), tools)

    async def _post(self, out: Outbound, content: Mapping[str, Any], tools: Tools) -> Receipt:
        number, _, user = out.thread.partition("/")
        value = {"messaging_product": "whatsapp", "recipient_type": "individual", **_recipient(user), **content}
        if answered := _meta.answerable(out.reply_to):
            value["context"] = {"message_id": answered}
        if len(out.key) <= MAX_KEY:
            value["biz_opaque_callback_data"] = out.key
        answer = await self._graph.post(tools, f"{number}/messages", value)
        ids = tuple(filter(None, (word(one, "id") for one in _meta.nodes(answer, "messages"))))
        if not ids:
            raise Unknown("WhatsApp's answer names no message")
        return Receipt(external_ids=ids)

    async def _content(self, out: Outbound, tools: Tools) -> dict[str, Any]:
        if out.attachments:
            return await self._file(out, out.attachments[0], tools)
        if out.buttons:
            return {"type": "interactive", "interactive": _interactive(out)}
        return {"type": "text", "text": {"body": out.text, "preview_url": False}}

    async def _file(self, out: Outbound, file: Attachment, tools: Tools) -> dict[str, Any]:
        kind, most = SHOWN.get(file.type, ("document", self.limits.file))
        kind = kind if file.size <= most else "document"
        media = {"id": await self._upload(out.thread.partition("/")[0], file, tools)}
        if kind == "document":
            media["filename"] = file.name
        return {"type": kind, kind: media}

    async def _upload(self, number: str, file: Attachment, tools: Tools) -> str:
        fields = {"messaging_product": "whatsapp", "type": file.type}
        form = _meta_graph.multipart(fields, "file", file, await tools.read(file))
        try:
            answer = await self._graph.form(tools, f"{number}/media", form)
        except Unknown as err:
            raise Retry("no answer to the upload") from err  # nobody has seen the file yet
        return word(answer, "id")

    def _from_template(self, out: Outbound) -> dict[str, Any]:
        template = self._settings.templates.get(out.kind)
        if template is None:
            raise Expired(f"more than 24 hours since the customer wrote, and no template for `{out.kind}`")
        body: dict[str, Any] = {"name": template.name, "language": {"code": template.language or _code(out.language)}}
        if template.text:
            body["components"] = [{"type": "body", "parameters": [{"type": "text", "text": _in_a_line(out)}]}]
        return {"type": "template", "template": body}

    # --- connecting -------------------------------------------------------------------------------

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        """Ask for the number, which needs the token and changes nothing."""
        path = f"{self._settings.phone_number_id}?fields=display_phone_number,verified_name,quality_rating"
        return (await _meta_graph.attempt("the number", self._graph.get(tools, path), "the token can use it"),)

    def steps(self, url: str) -> tuple[str, ...]:
        """What a person does in Meta's app dashboard."""
        return (
            "Make an app of the type Business at https://developers.facebook.com/apps and add the product WhatsApp.",
            "Add your number under WhatsApp > API setup; its id is `phone_number_id`.",
            "Make a system user in the Business settings, give it the app and the WhatsApp account, and make a token with "
            "`whatsapp_business_messaging` and `whatsapp_business_management` that does not expire: `token`.",
            "Copy App settings > Basic > App secret: `app_secret`. Invent a long random `verify_token`.",
            f"Start the gateway, then enter under WhatsApp > Configuration the callback URL {url} and the verify token, and "
            "subscribe to the field `messages` (with the Business app on the same number also `smb_message_echoes`).",
            "Switch the app to Live. Have templates approved for answers after more than 24 hours.",
        )

    async def set_up(self, url: str, tools: Tools) -> tuple[Finding, ...]:
        """Enter the address in the app, and subscribe the app to the business account."""
        done = await _meta_graph.subscribe_app(
            self._settings, tools, object="whatsapp_business_account", fields="messages", url=url
        )
        what, account = "the business account's subscription", self._settings.business_account_id
        if not account:
            return (*done, Finding(what=what, ok=False, detail="set `business_account_id`"))
        return (*done, await _meta_graph.attempt(what, self._graph.post(tools, f"{account}/subscribed_apps", {})))


def _recipient(user: str) -> dict[str, str]:
    """A business-scoped user id begins with a country; a phone number has digits alone."""
    return {"recipient": user} if re.match(r"[A-Z]{2}\.", user) else {"to": user}


def _interactive(out: Outbound) -> dict[str, Any]:
    """Reply buttons where they fit, else a list."""
    body = {"text": out.text}
    small = all(len(button.label) <= BUTTON_LABEL for button in out.buttons)
    if small and len(out.buttons) <= MAX_BUTTONS and len(out.text) <= BUTTON_TEXT:
        replies = [{"type": "reply", "reply": {"id": b.value, "title": b.label}} for b in out.buttons]
        return {"type": "button", "body": body, "action": {"buttons": replies}}
    rows = [{"id": button.value, "title": button.label} for button in out.buttons]
    choose = CHOOSE.get(out.language, CHOOSE["zh-Hans" if out.language.startswith("zh") else "en"])
    return {"type": "list", "body": body, "action": {"button": choose, "sections": [{"rows": rows}]}}


def _code(language: str) -> str:
    return LANGUAGES.get(language, language.replace("-", "_")) or "en"


def _in_a_line(out: Outbound) -> str:
    """A template's place takes neither line breaks nor rows of blanks. Raises :class:`Expired` where it is too long."""
    text = " ".join(out.text.split())
    if not text or len(text) > TEMPLATE_TEXT:
        raise Expired("more than 24 hours since the customer wrote, and the template cannot carry this")
    return text


CHANNEL = WhatsApp
