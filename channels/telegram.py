"""The channel for a Telegram bot: https://core.telegram.org/bots/api.

Updates come to a webhook or are asked for; either way Telegram keeps what we have not confirmed, for 24 hours. Its
updater and its webhook server are not used: both confirm what lies in memory only.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, InputFile, LinkPreviewOptions, ReplyParameters
from telegram.error import BadRequest, ChatMigrated

from channels._telegram_update import FILE, LABEL_ONLY, Place, Reader, message_number, place
from channels._telegram_wire import Wire, call_url, file_url, told
from channels.base import (
    Accepted,
    Answer,
    Attachment,
    BadPayload,
    BadSignature,
    Button,
    Call,
    ChannelError,
    Delivery,
    Finding,
    Inbound,
    Limits,
    Memo,
    Memory,
    Outbound,
    Promise,
    Rate,
    Receipt,
    Refused,
    Request,
    Route,
    Secret,
    Sender,
    Tools,
    read_json,
)

SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105 - a header's name
#: Seconds that Telegram holds a question for updates when there are none.
POLL_SECONDS = 50
#: Updates at once. Each may hold 4096 characters twice, escaped, and an answer may have a megabyte.
BATCH = 20
#: https://core.telegram.org/bots/api#inlinekeyboardbutton
MAX_CHOICE = 64
#: Photographs above this size, or of odd proportions, go as documents.
MAX_PHOTO = 10 * 1024 * 1024

UPDATES = (
    "message",
    "edited_message",
    "callback_query",
    "my_chat_member",
    "channel_post",
    "edited_channel_post",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
)


class TelegramSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.telegram.<account>]``."""

    token: Annotated[Secret, Meta(description="The bot's token from @BotFather.")]
    updates: Annotated[
        Literal["polling", "webhook"],
        Meta(description="How messages come: Allears asks for them, or Telegram calls `public_url`."),
    ] = "polling"
    webhook_secret: Annotated[
        Secret,
        Meta(description="What Telegram shows with each delivery; empty: made from this installation's `secret`."),
    ] = Secret("")
    groups: Annotated[bool, Meta(description="Whether what is said in groups is taken in, too.")] = False
    api_url: Annotated[str, Meta(description="Telegram's API, or a Bot API server of your own.")] = (
        "https://api.telegram.org"
    )

    def __post_init__(self) -> None:
        """Raises ValueError, which says what to change."""
        if ":" not in self.token:
            raise ValueError("`token` is missing: @BotFather gives it to you, as `123456:ABC…`")
        if not self.webhook_secret.replace("-", "").replace("_", "").isalnum() and self.webhook_secret:
            raise ValueError("`webhook_secret` may hold letters, digits, `_` and `-` alone")


class Telegram:
    """One bot."""

    name: ClassVar[str] = "telegram"
    settings: ClassVar[type[msgspec.Struct]] = TelegramSettings
    limits: ClassVar[Limits] = Limits(
        text=4096,
        unit="utf16",
        file=50 * 1024 * 1024,
        files=1,
        caption=1024,
        buttons=8,
        label=64,
        per_chat=Rate(1, 1.0),
        per_account=Rate(30, 1.0),
    )
    routes: ClassVar[tuple[Route, ...]] = (Route(),)
    idempotent: ClassVar[bool] = False
    exempt: ClassVar[Mapping[Promise, str]] = {
        "raw_body": "Telegram signs nothing: a secret in a header vouches for the sender, TLS for the bytes",
        "handshake": "Telegram asks nothing before it delivers; the webhook is registered by a call of ours",
        "whole_batch": "a delivery holds one update, and an update one message",
    }

    def __init__(self, account: str, settings: TelegramSettings) -> None:
        self.account = account
        self._settings = settings
        self._secret = settings.webhook_secret
        self._api = settings.api_url.rstrip("/")
        self._reader = Reader(self.name, account, groups=settings.groups)
        self._memory: Memory | None = None
        self.pulling = settings.updates == "polling"

    def use_key(self, key: bytes) -> None:
        self._secret = self._secret or Secret(hmac.digest(key, b"telegram webhook", "sha256").hex())

    def use_memory(self, memory: Memory) -> None:
        self._memory = memory

    # --- Telegram calls us

    def owns(self, request: Request) -> bool:  # noqa: ARG002 - each account has a path of its own
        return True

    def handshake(self, request: Request) -> Answer | None:  # noqa: ARG002
        return None

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        given = request.headers.get(SECRET_HEADER, "").encode(errors="surrogateescape")
        if not self._secret or not hmac.compare_digest(given, self._secret.encode()):
            raise BadSignature("not the secret that Telegram was given")
        return self.unsigned(request)

    def unsigned(self, request: Request) -> tuple[Inbound, ...]:
        return self._reader.read(read_json(request.body), request.body, request.at)

    def answer(self, request: Request, accepted: tuple[Accepted, ...]) -> Answer:  # noqa: ARG002
        """A 200. To a pressed button Telegram is told that it was heard, so that it stops turning."""
        id = _press_of(read_json(request.body)) if b'"callback_query"' in request.body else ""
        if not id:
            return Answer(status=200)
        call = {"method": "answerCallbackQuery", "callback_query_id": id}
        return Answer(status=200, headers={"content-type": "application/json"}, body=msgspec.json.encode(call))

    # --- we ask Telegram

    async def deliveries(self, cursor: str | None, tools: Tools) -> AsyncGenerator[Delivery, None]:  # noqa: ARG002
        """Updates, for ever. Only what the last delivery held is confirmed, once it is committed.

        An offset is therefore never taken from the cursor: update ids start anew, and lower, after a silent week
        (https://core.telegram.org/bots/api#update), and an old offset would confirm what nobody has read.
        """
        offset = 0
        while True:
            updates = await self._updates(offset, tools)
            offset = 0
            if not updates:
                yield Delivery()
                continue
            last = max(int(update["update_id"]) for update in updates)
            messages = [one for update in updates for one in self._read(update, tools.now())]
            pressed = [id for update in updates if (id := _press_of(update))]
            yield Delivery(messages=tuple(messages), cursor=str(last), ack=self._heard(pressed, tools))
            offset = last + 1

    async def _updates(self, offset: int, tools: Tools) -> list[dict[str, Any]]:
        fields: dict[str, Any] = {"timeout": POLL_SECONDS, "limit": BATCH, "allowed_updates": list(UPDATES)}
        if offset:
            fields["offset"] = offset
        url = call_url(self._api, self._settings.token, "getUpdates", fields)
        with told():
            found = await Wire(tools).post(url, read_timeout=POLL_SECONDS + 10.0)
        if not isinstance(found, list) or not all(isinstance(one, dict) and "update_id" in one for one in found):
            raise Refused("an answer to getUpdates that is none")
        return found

    def _read(self, update: dict[str, Any], at: datetime) -> Iterable[Inbound]:
        """What cannot be read is kept as it came and shown to a person: it must not hold up the others."""
        raw = json.dumps(update, ensure_ascii=False).encode(errors="replace")
        try:
            return self._reader.read(read_json(raw), raw, at)
        except BadPayload as err:
            id = f"u{update['update_id']}"
            values: dict[str, Any] = {"channel": self.name, "account": self.account, "sender": Sender(id=id)}
            return [Inbound(external_id=id, thread=id, at=at, kind="event", placeholder=str(err), raw=raw, **values)]

    def _heard(self, pressed: Sequence[str], tools: Tools) -> Callable[[], Awaitable[None]]:
        async def ack() -> None:
            for id in pressed:
                try:
                    with told():
                        await self._bot(tools).answer_callback_query(id)
                except ChannelError:
                    continue  # it was heard; only the button turns on for a while

        return ack

    # --- what we say

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """One message. A group that has moved is found again."""
        try:
            where = place(out.thread)
        except ValueError as err:
            raise Refused(str(err)) from err
        moved = await self._moved(where.chat)
        try:
            with told():
                id = await self._say(out, where._replace(chat=moved or where.chat), tools)
        except ChatMigrated as err:
            await self._remember_move(where.chat, err.new_chat_id)
            with told():
                id = await self._say(out, where._replace(chat=err.new_chat_id), tools)
        return Receipt(external_ids=(id,))

    async def _say(self, out: Outbound, where: Place, tools: Tools) -> str:
        bot = self._bot(tools)
        number = message_number(out.reply_to)
        common: dict[str, Any] = {
            "chat_id": where.chat,
            "message_thread_id": where.topic,
            "business_connection_id": where.business,
            "reply_markup": _keyboard(out.buttons),
            "reply_parameters": ReplyParameters(number, allow_sending_without_reply=True) if number else None,
        }
        if out.attachments:
            file = out.attachments[0]
            message = await _send_file(bot, file, await tools.read(file), caption=out.text or None, **common)
        else:
            plain = LinkPreviewOptions(is_disabled=True)
            message = await bot.send_message(text=out.text, link_preview_options=plain, **common)
        room = f"{where.chat}@{where.business}" if where.business else str(where.chat)
        return f"{room}:{message.message_id}"

    async def _moved(self, chat: int) -> int | None:
        """Where a group has gone to; people do not move."""
        if chat > 0 or self._memory is None:
            return None
        key = self._move_key(chat)
        found = (await self._memory.recall([key])).get(key)
        return int(found) if found else None

    async def _remember_move(self, before: int, after: int) -> None:
        if self._memory is not None:
            await self._memory.remember([Memo(key=self._move_key(before), value=str(after))])

    def _move_key(self, chat: int) -> str:
        return f"{self.account} moved {chat}"

    def _bot(self, tools: Tools) -> Bot:
        wire = Wire(tools)
        return Bot(
            self._settings.token,
            base_url=f"{self._api}/bot",
            base_file_url=f"{self._api}/file/bot",
            request=wire,
            get_updates_request=wire,
        )

    # --- files

    async def fetching(self, attachment: Attachment, tools: Tools) -> Call:
        """The call that fetches a file. Its address is good for an hour and holds the token, so it is asked each time."""
        if not attachment.url.startswith(FILE):
            raise Refused("not a file of Telegram's")
        fields = {"file_id": attachment.url.removeprefix(FILE)}
        url = call_url(self._api, self._settings.token, "getFile", fields)
        with told():
            found = await Wire(tools).post(url)
        path = found.get("file_path") if isinstance(found, dict) else None
        if not isinstance(path, str) or not path:
            raise Refused("Telegram names no place for this file")
        return Call(method="GET", url=file_url(self._api, self._settings.token, path))

    # --- set up and check

    def steps(self, url: str) -> tuple[str, ...]:
        first = (
            "Write to @BotFather in Telegram: /newbot, a name for it, and a user name that ends in `bot`.",
            "Put the token that it answers into `token` of this account; it opens the bot, so keep it secret.",
        )
        if self.pulling:
            return (*first, "Nothing else: Allears asks Telegram for messages. No address of yours needs to be public.")
        return (*first, f"Telegram must reach {url} over HTTPS on port 443, 80, 88 or 8443.")

    async def set_up(self, url: str, tools: Tools) -> tuple[Finding, ...]:
        """Register the webhook, or take one away when messages are asked for."""
        bot = self._bot(tools)
        with told():
            if self.pulling:
                await bot.delete_webhook(drop_pending_updates=False)
                return (Finding(what="webhook", ok=True, detail="none: messages are asked for"),)
            await bot.set_webhook(url, allowed_updates=UPDATES, secret_token=self._secret, drop_pending_updates=False)
        return (Finding(what="webhook", ok=True, detail=f"Telegram calls {url}"),)

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        bot = self._bot(tools)
        try:
            with told():
                me = await bot.get_me()
                hook = await bot.get_webhook_info()
        except ChannelError as err:
            return (Finding(what="token", ok=False, detail=f"{type(err).__name__}: {err}"),)
        return (
            Finding(what="token", ok=True, detail=f"@{me.username}"),
            self._delivery(hook.url, hook.pending_update_count, hook.last_error_message or ""),
        )

    def _delivery(self, hook: str, waiting: int, error: str) -> Finding:
        """How messages come, and whether that fits the settings."""
        fits = self.pulling is not bool(hook)
        detail = f"webhook {hook}" if hook else "asked for"
        if waiting:
            detail += f", {waiting} waiting"
        if error:
            detail += f", last error: {error}"
        if not fits:
            detail += f"; run `allears channels setup telegram/{self.account}`"
        return Finding(what="messages", ok=fits and not error, detail=detail)

    def __repr__(self) -> str:
        return f"Telegram({self.account})"


def _press_of(update: Any) -> str:
    """The id of a pressed button, which wants to be told that it was heard."""
    query = update.get("callback_query") if isinstance(update, dict) else None
    id = query.get("id") if isinstance(query, dict) else None
    return id if isinstance(id, str) else ""


def _keyboard(buttons: Sequence[Button]) -> InlineKeyboardMarkup | None:
    """One button a row: labels are sentences. A value that is too long comes back as the label."""
    if not buttons:
        return None
    return InlineKeyboardMarkup(
        [
            [InlineKeyboardButton(button.label, callback_data=_choice(button.value, n))]
            for n, button in enumerate(buttons)
        ]
    )


def _choice(value: str, n: int) -> str:
    return value if len(value.encode()) <= MAX_CHOICE and not value.startswith(LABEL_ONLY) else f"{LABEL_ONLY}{n}"


async def _send_file(bot: Bot, file: Attachment, data: bytes, **common: Any) -> Any:
    whole = InputFile(data, filename=file.name or "file", attach=False)
    if file.type in ("image/jpeg", "image/png", "image/webp") and len(data) <= MAX_PHOTO:
        try:
            return await bot.send_photo(photo=whole, **common)
        except ChatMigrated:
            raise
        except BadRequest as err:
            if "PHOTO" not in err.message.upper():
                raise
            # Odd proportions: nothing was sent, and as a document it goes.
    if file.type == "audio/ogg":
        return await bot.send_voice(voice=whole, **common)
    return await bot.send_document(document=whole, **common)


CHANNEL = Telegram
