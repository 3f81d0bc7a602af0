"""Facebook Messenger and a Page's posts as a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from channels._platforms._graph import TOKEN
from channels._platforms._messaging import MessagingPlatform
from channels._platforms.base import Person

PAGE, POST = "117172741761305", "117172741761305_900"


class Messenger(MessagingPlatform):
    """One Page with one post."""

    name: ClassVar[str] = "messenger"
    object: ClassVar[str] = "page"
    owner: ClassVar[str] = PAGE
    subcode: ClassVar[int] = 2018278
    speakers: ClassVar[Sequence[str]] = (PAGE, "me")
    comment_path: ClassVar[str] = "comments"

    @property
    def settings(self) -> dict[str, Any]:
        return {**self.common, "pages": {PAGE: TOKEN}, "human_agent": self.human_agent}

    def message_id(self) -> str:
        return f"m_simulated{self.number()}"

    def size(self, text: str) -> bool:
        return len(text) <= 2000

    def comment_change(self, person: Person, id: str, text: str, parent: str) -> dict[str, Any]:
        value = {
            "item": "comment",
            "verb": "add",
            "from": {"id": person.id, "name": person.name},
            "comment_id": id,
            "post_id": POST,
            "parent_id": parent or POST,
            "created_time": int(self.now().timestamp()),
            "message": text,
        }
        return {"field": "feed", "value": value}


PLATFORM = Messenger
