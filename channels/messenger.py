"""Facebook Messenger, and what people write below the posts of a Page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from channels._meta_messaging import Messaging, MessagingSettings
from channels.base import Attachment, Limits, Promise, Rate, Secret


class Settings(MessagingSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.messenger.<account>]``."""

    pages: Annotated[dict[str, Secret], Meta(description="The app's Pages: their ids, and the access token of each.")]

    def __post_init__(self) -> None:
        """Raises ValueError, which says what to change."""
        super().__post_init__()
        if not self.pages or not all(self.pages.values()):
            raise ValueError("`pages` needs at least one Page with its token")


class Messenger(Messaging):
    """One app with its Pages."""

    name: ClassVar[str] = "messenger"
    object: ClassVar[str] = "page"
    fields: ClassVar[str] = (
        "messages,messaging_postbacks,message_deliveries,message_echoes,message_edits,message_reactions,feed"
    )
    comments: ClassVar[str] = "comments"
    metadata: ClassVar[bool] = True
    settings: ClassVar[type[msgspec.Struct]] = Settings
    limits: ClassVar[Limits] = Limits(
        text=2000,
        file=25 * 1024 * 1024,
        files=1,
        caption=0,
        buttons=13,
        label=20,
        body=3 * 1024 * 1024,
        per_account=Rate(250, 1.0),
    )
    exempt: ClassVar[Mapping[Promise, str]] = {}

    def __init__(self, account: str, settings: Settings) -> None:
        super().__init__(account, settings, settings.pages)

    def kind_of(self, file: Attachment) -> str:
        kind = file.type.partition("/")[0]
        return kind if kind in ("image", "audio", "video") else "file"

    def steps(self, url: str) -> tuple[str, ...]:
        """What a person does in Meta's app dashboard."""
        return (
            "Make an app of the type Business at https://developers.facebook.com/apps and add the product Messenger.",
            "Copy App settings > Basic > App secret: `app_secret`. Invent a long random `verify_token`.",
            "Add your Page under Messenger > API settings and generate its token: an entry of `pages`, by the Page's id.",
            f"Start the gateway, then enter the callback URL {url} and the verify token there, and subscribe the Page to: "
            f"{self.fields}.",
            "Ask for the permission `pages_messaging` (and `pages_manage_engagement`, `pages_read_user_content` for what is "
            "written below posts), for the feature Human Agent if people answer after more than 24 hours, and switch the app to Live.",
        )


CHANNEL = Messenger
