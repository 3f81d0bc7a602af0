"""Instagram: direct messages, mentions in stories, and comments below the pictures of a professional account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from channels import _meta_graph
from channels._meta_graph import Graph
from channels._meta_messaging import CODES, Messaging, MessagingSettings
from channels.base import Attachment, Finding, Limits, Promise, Rate, Refused, Secret, Tools

HOSTS = {"instagram": "https://graph.instagram.com", "facebook": "https://graph.facebook.com"}
#: https://developers.facebook.com/documentation/business-messaging/instagram-messaging/features/attachment-upload
FILES = {
    "image": ("image/png", "image/jpeg", "image/gif"),
    "audio": ("audio/aac", "audio/mp4", "audio/x-m4a", "audio/wav", "audio/x-wav"),
    "video": ("video/mp4", "video/ogg", "video/x-msvideo", "video/quicktime", "video/webm"),
    "file": ("application/pdf",),
}
MAX_IMAGE = 8 * 1024 * 1024


class Settings(MessagingSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.instagram.<account>]``."""

    accounts: Annotated[
        dict[str, Secret], Meta(description="The professional accounts: their ids, and the access token of each.")
    ]
    login: Annotated[
        Literal["instagram", "facebook"],
        Meta(
            description="Which login the tokens come from; `facebook`: the account is linked to a Page, whose token it is."
        ),
    ] = "instagram"
    graph_url: Annotated[str, Meta(description="Where the Graph API is; empty: as `login` says.")] = ""

    def __post_init__(self) -> None:
        """Raises ValueError, which says what to change."""
        super().__post_init__()
        if not self.accounts or not all(self.accounts.values()):
            raise ValueError("`accounts` needs at least one account with its token")


class Instagram(Messaging):
    """One app with its accounts."""

    name: ClassVar[str] = "instagram"
    object: ClassVar[str] = "instagram"
    fields: ClassVar[str] = "messages,messaging_postbacks,message_reactions,messaging_seen,message_edit,comments"
    comments: ClassVar[str] = "replies"
    metadata: ClassVar[bool] = False
    quotes: ClassVar[bool] = False
    upload: ClassVar[Mapping[str, str]] = {"platform": "instagram"}
    settings: ClassVar[type[msgspec.Struct]] = Settings
    limits: ClassVar[Limits] = Limits(
        text=1000,
        unit="byte",
        file=25 * 1024 * 1024,
        files=1,
        caption=0,
        buttons=13,
        label=20,
        body=3 * 1024 * 1024,
        per_account=Rate(100, 1.0),
    )
    exempt: ClassVar[Mapping[Promise, str]] = {
        "thread": "an answer goes into the customer's chat, but Instagram documents no way to point at one message of it",
    }

    def __init__(self, account: str, settings: Settings) -> None:
        self._login = settings.login
        super().__init__(account, settings, settings.accounts)

    def graph(self, token: Secret) -> Graph:
        settings = self._settings
        if not settings.graph_url:
            settings = msgspec.structs.replace(settings, graph_url=HOSTS[self._login])
        # The proof belongs to Facebook's tokens.
        return Graph(settings, token, CODES, proof=self._login == "facebook")

    def speaker(self, owner: str) -> str:
        """With a Page's token the Page speaks, and it has another id than the account."""
        return "me" if self._login == "facebook" else owner

    def kind_of(self, file: Attachment) -> str:
        for kind, types in FILES.items():
            if file.type in types and (kind != "image" or file.size <= MAX_IMAGE):
                return kind
        raise Refused("Instagram takes no file of this kind or size")

    async def set_up(self, url: str, tools: Tools) -> tuple[Finding, ...]:
        """With Instagram Login the app's address is entered by hand: its API has no call for it."""
        if self._login == "facebook":
            return await super().set_up(url, tools)
        fields = {"subscribed_fields": self.fields}
        return tuple(
            [
                await _meta_graph.attempt(
                    f"the subscription of {owner}", graph.post(tools, "me/subscribed_apps", fields)
                )
                for owner, graph in self._graphs.items()
            ]
        )

    def steps(self, url: str) -> tuple[str, ...]:
        """What a person does in Meta's app dashboard."""
        return (
            "Make the Instagram account a professional one, and allow access to messages in its settings (Messages and "
            "story replies > Message controls > Connected tools).",
            "Make an app of the type Business at https://developers.facebook.com/apps and add the product Instagram.",
            'Copy the Instagram app secret (with `login = "facebook"` the app secret under App settings > Basic): '
            "`app_secret`. Invent a long random `verify_token`.",
            "Generate a token under API setup with Instagram login: an entry of `accounts`, by the account's id.",
            f"Start the gateway, then enter the callback URL {url} and the verify token under Webhooks, and subscribe to: "
            f"{self.fields} (and mentions, with Facebook login).",
            "Ask for `instagram_business_manage_messages` and `instagram_business_manage_comments`, for the feature Human Agent "
            "if people answer after more than 24 hours, and switch the app to Live.",
        )


CHANNEL = Instagram
