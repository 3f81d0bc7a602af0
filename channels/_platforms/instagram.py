"""Instagram's messages and comments as a server, with Instagram Login."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from aiohttp import web

from channels._platforms._graph import TOKEN, Refusal
from channels._platforms._messaging import MessagingPlatform
from channels._platforms.base import Person

ACCOUNT, MEDIA = "17841405822304914", "18023345989012587"


class Instagram(MessagingPlatform):
    """One professional account with one picture."""

    name: ClassVar[str] = "instagram"
    object: ClassVar[str] = "instagram"
    owner: ClassVar[str] = ACCOUNT
    proof: ClassVar[bool] = False
    subcode: ClassVar[int] = 2534022
    speakers: ClassVar[Sequence[str]] = (ACCOUNT, "me")
    comment_path: ClassVar[str] = "replies"

    @property
    def settings(self) -> dict[str, Any]:
        return {**self.common, "accounts": {ACCOUNT: TOKEN}, "human_agent": self.human_agent}

    async def _send(self, request: web.Request) -> dict[str, Any]:
        if "reply_to" in await request.json():
            raise Refusal(100, "unexpected parameter reply_to")
        return await super()._send(request)

    def message_id(self) -> str:
        return f"aWdfZAsimulated{self.number()}"

    def size(self, text: str) -> bool:
        return len(text.encode()) <= 1000

    def comment_change(self, person: Person, id: str, text: str, parent: str) -> dict[str, Any]:
        value: dict[str, Any] = {
            "id": id,
            "from": {"id": person.id, "username": person.name},
            "text": text,
            "media": {"id": MEDIA, "media_product_type": "FEED"},
        }
        return {"field": "comments", "value": value | ({"parent_id": parent} if parent else {})}


PLATFORM = Instagram
