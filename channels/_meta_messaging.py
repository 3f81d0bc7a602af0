"""What Messenger and Instagram share as channels: tokens by page or account, the Send API, the windows.

A private thread is ``<page or account>/<person>``, a public one ``public:<page or account>/<comment or post>/<person>``.
https://developers.facebook.com/documentation/business-messaging/messenger-platform/send-messages
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from channels import _meta, _meta_graph
from channels._meta import MetaSettings, word
from channels._meta_events import METADATA, Reader
from channels._meta_graph import Graph
from channels.base import (
    PUBLIC,
    Accepted,
    Answer,
    Attachment,
    Expired,
    Finding,
    Inbound,
    Outbound,
    Receipt,
    Refused,
    Request,
    Retry,
    Route,
    Secret,
    Tools,
    Unknown,
)

#: How long a person may answer with the tag HUMAN_AGENT.
HUMAN_WINDOW = timedelta(days=7)
#: Longest metadata that comes back in an echo.
MAX_METADATA = 1000

#: https://developers.facebook.com/documentation/business-messaging/messenger-platform/error-codes
CODES: _meta_graph.Codes = {
    (10, 2018278): Expired("more than 24 hours since the customer wrote"),
    (10, 2018065): Expired("more than 24 hours since the customer wrote"),
    (10, 2534022): Expired("more than 24 hours since the customer wrote"),
    1545041: Expired("more than 24 hours since the customer wrote"),
    1200: Retry("Meta could not send it for now"),
    551: Refused("the customer cannot be reached"),
}


class MessagingSettings(MetaSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What Messenger and Instagram have both."""

    human_agent: Annotated[
        bool,
        Meta(description="Whether Meta has granted the feature Human Agent: people may then answer for seven days."),
    ] = False


class Messaging(ABC):
    """One app with its pages or accounts."""

    name: ClassVar[str]
    object: ClassVar[str]
    fields: ClassVar[str]
    """What the page or account subscribes to."""
    comments: ClassVar[str]
    """Where an answer to a comment is posted, below the comment's id."""
    metadata: ClassVar[bool]
    """Whether the platform gives back what we write into ``metadata``."""
    quotes: ClassVar[bool] = True
    """Whether an answer may point at the message that it answers."""
    upload: ClassVar[Mapping[str, str]] = {}
    """What an upload says beside the file."""
    idempotent: ClassVar[bool] = False
    #: Echoes come within seconds, but our door may be shut for a while.
    news_within: ClassVar[float] = 300.0
    routes: ClassVar[tuple[Route, ...]] = (Route(), Route(method="GET"))

    def __init__(self, account: str, settings: MessagingSettings, tokens: Mapping[str, Secret]) -> None:
        self.account = account
        self._settings = settings
        self._graphs = {owner: self.graph(token) for owner, token in tokens.items()}
        window = HUMAN_WINDOW if settings.human_agent else _meta.WINDOW
        self._reader = Reader(self.name, account, frozenset(tokens), window)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.account!r})"

    def graph(self, token: Secret) -> Graph:
        """Calls in the name of a page or account."""
        return Graph(self._settings, token, CODES)

    def speaker(self, owner: str) -> str:
        """The path of the page or account whose messages we send."""
        return owner

    @abstractmethod
    def kind_of(self, file: Attachment) -> str:
        """What the platform calls a file: image, audio, video or file. Raises :class:`Refused` for one it does not take."""

    # --- what comes in ----------------------------------------------------------------------------

    def owns(self, request: Request) -> bool:  # noqa: ARG002
        return True

    def handshake(self, request: Request) -> Answer | None:
        return _meta.challenge(self._settings.verify_token, request)

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        """All messages of a batch. Raises :class:`BadSignature` and :class:`BadPayload`."""
        _meta.verify(self._settings.app_secret, request)
        events = _meta.events(request, self.object)
        return tuple(message for event in events for message in self._reader.read(event))

    def answer(self, request: Request, accepted: tuple[Accepted, ...]) -> Answer:  # noqa: ARG002
        return Answer()

    # --- what goes out ----------------------------------------------------------------------------

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """Send one message; below a comment in public. After 24 hours a person's goes with the tag HUMAN_AGENT.

        Raises:
            Expired: the window is over.
        """
        if out.thread.startswith(PUBLIC):
            return await self._in_public(out, tools)
        late = out.replies_until is not None and tools.now() > out.replies_until - self._reader.window + _meta.WINDOW
        if not late:
            try:
                return await self._post(out, tools, {"messaging_type": "RESPONSE"})
            except Expired:
                if not self._may_be_late(out):
                    raise
        if not self._may_be_late(out) or (out.replies_until is not None and tools.now() > out.replies_until):
            raise Expired("more than 24 hours since the customer wrote")
        return await self._post(out, tools, {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"})

    def _may_be_late(self, out: Outbound) -> bool:
        return self._settings.human_agent and out.kind == "human"

    async def _post(self, out: Outbound, tools: Tools, how: Mapping[str, str]) -> Receipt:
        owner, _, person = out.thread.partition("/")
        graph = self._graph(owner)
        value: dict[str, Any] = {"recipient": {"id": person}, **how, "message": await self._content(out, graph, tools)}
        if self.quotes and (mid := _meta.answerable(out.reply_to)):
            value["reply_to"] = {"mid": mid}
        answer = await graph.post(tools, f"{self.speaker(owner)}/messages", value)
        return _receipt(word(answer, "message_id"))

    async def _in_public(self, out: Outbound, tools: Tools) -> Receipt:
        owner, root, _ = out.thread.removeprefix(PUBLIC).split("/", 2)
        path = f"{_meta.answerable(out.reply_to) or root}/{self.comments}"
        return _receipt(word(await self._graph(owner).post(tools, path, {"message": out.text}), "id"))

    def _graph(self, owner: str) -> Graph:
        if owner not in self._graphs:
            raise Refused(f"there is no token for {owner}")
        return self._graphs[owner]

    async def _content(self, out: Outbound, graph: Graph, tools: Tools) -> dict[str, Any]:
        content: dict[str, Any] = {"text": out.text}
        if out.attachments:
            content = {"attachment": await self._uploaded(out, out.attachments[0], graph, tools)}
        if out.buttons:
            content["quick_replies"] = [
                {"content_type": "text", "title": button.label, "payload": button.value} for button in out.buttons
            ]
        if self.metadata and len(METADATA + out.key) <= MAX_METADATA:
            content["metadata"] = METADATA + out.key
        return content

    async def _uploaded(self, out: Outbound, file: Attachment, graph: Graph, tools: Tools) -> dict[str, Any]:
        kind = self.kind_of(file)
        message = {"attachment": {"type": kind, "payload": {"is_reusable": True}}}
        fields = {"message": msgspec.json.encode(message).decode(), **self.upload}
        form = _meta_graph.multipart(fields, "filedata", file, await tools.read(file))
        path = f"{self.speaker(out.thread.partition('/')[0])}/message_attachments"
        try:
            id = word(await graph.form(tools, path, form), "attachment_id")
        except Unknown as err:
            raise Retry("no answer to the upload") from err  # nobody has seen the file yet
        return {"type": kind, "payload": {"attachment_id": id}}

    # --- connecting -------------------------------------------------------------------------------

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        """Ask whose each token is, which changes nothing."""
        return tuple(
            [
                await _meta_graph.attempt(f"the token of {owner}", graph.get(tools, "me?fields=id"), "is accepted")
                for owner, graph in self._graphs.items()
            ]
        )

    async def set_up(self, url: str, tools: Tools) -> tuple[Finding, ...]:
        """Enter the address in the app, and subscribe each page or account to it."""
        done = await _meta_graph.subscribe_app(self._settings, tools, object=self.object, fields=self.fields, url=url)
        fields = {"subscribed_fields": self.fields}
        return done + tuple(
            [
                await _meta_graph.attempt(
                    f"the subscription of {owner}", graph.post(tools, "me/subscribed_apps", fields)
                )
                for owner, graph in self._graphs.items()
            ]
        )


def _receipt(id: str) -> Receipt:
    if not id:
        raise Unknown("Meta's answer names no message")
    return Receipt(external_ids=(id,))
