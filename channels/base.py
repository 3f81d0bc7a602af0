"""What every channel is and promises. Imports nothing else from this project.

A channel turns a platform's bytes into :class:`Inbound` messages and an :class:`Outbound` message into
a platform's call. It never sees the store or the clock and it cannot acknowledge anything: the gateway
writes what a channel has read and only then answers the platform.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import msgspec

#: The promises of the contract suite (``tests/contract``). A channel that cannot keep one names it in
#: ``exempt`` with the reason.
Promise = Literal[
    "parses",
    "dedupe",
    "ack_after_durable",
    "signature",
    "raw_body",
    "handshake",
    "whole_batch",
    "unknown_event",
    "malformed",
    "no_echo",
    "edits",
    "attachments",
    "send",
    "retry",
    "thread",
    "limits",
    "order",
    "restart",
    "check",
    "quiet",
]


class Secret(str):
    """A string that does not show itself: ``repr`` prints stars, and ``str.format`` of a container too."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')"


# --- errors -------------------------------------------------------------------------------------------


class ChannelError(Exception):
    """A channel could not do what was asked; the subclasses say what to do next."""


class BadSignature(ChannelError):
    """The request did not come from the platform: refuse it with 401, store nothing."""


class Forbidden(ChannelError):
    """We know who calls, and they may not do this: refuse it with 403, store nothing."""


class BadPayload(ChannelError):
    """The bytes are not what the platform sends: keep them in quarantine."""


class Invalid(ChannelError):
    """A client of *our own* protocol (``webchat``, ``api``) sent something wrong: answer 400 or 422, keep nothing.

    The message is shown to the caller: say what is wrong, where, and what to do.
    """

    def __init__(self, detail: str, *, where: str = "", status: int = 422) -> None:
        super().__init__(detail)
        self.detail, self.where, self.status = detail, where, status


class Retry(ChannelError):
    """Not now: try again, not before ``after`` seconds. ``everyone``: the whole account has to wait that long."""

    def __init__(self, reason: str = "", after: float | None = None, *, everyone: bool = False) -> None:
        super().__init__(reason)
        self.after, self.everyone = after, everyone


class Unauthorized(ChannelError):
    """Our credentials are bad: stop this channel account and tell the operator."""


class Refused(ChannelError):
    """The platform said no for good: park the message and show it to a person."""


class Blocked(Refused):
    """The customer has closed this way to them: find another road or hand off."""


class Expired(ChannelError):
    """The reply window is over: find another road or hand off."""


class Unknown(ChannelError):
    """The platform may or may not have sent it: never repeated by itself unless the channel can look."""


class Withheld(ChannelError):
    """Not sent on purpose (enough was said already): the row is put aside with the reason, nobody is disturbed."""


class MissingExtra(ModuleNotFoundError):
    """A channel needs libraries that are not installed; the message says which command installs them."""


# --- what comes in ------------------------------------------------------------------------------------


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request as it came.

    ``headers`` has lower-case names. ``url`` is the public URL (some platforms sign it), ``tail`` the path
    after the channel's mount point, ``at`` the receive time (UTC), ``remote`` the peer's address.
    """

    method: str = "POST"
    url: str = "https://intake.example/"
    tail: str = ""
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: bytes = b""
    remote: str = ""
    at: datetime


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer: ours to a platform, or a platform's to us."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""


AttachmentState = Literal["pending", "kept", "refused", "failed"]


class Attachment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file with a message.

    It comes as bytes (``data``), as a link to fetch later (``url``, or whatever the channel itself understands, see
    :class:`FetchesFiles`) or as a file that the gateway already holds (``digest``: sha256 hex). The gateway keeps ``data`` as a file before the commit and stores only
    the digest. ``type`` is what the sender claims until the gateway has sniffed it; ``size`` in bytes.
    """

    name: str = ""
    type: str = ""
    size: int = 0
    digest: str = ""
    url: str = ""
    data: bytes = b""
    state: AttachmentState = "pending"
    reason: str = ""
    """Why it was refused or failed, for the agent."""


class LocalFile(Attachment, frozen=True, kw_only=True):
    """A file that lies on this machine (a watched folder): the gateway copies it piece by piece before the commit.

    Only a channel's own code makes one; nothing that a platform sends is decoded into it.
    """

    path: str


class Sender(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who wrote, as the platform says it. ``id`` is stable per channel account.

    ``verified`` is true only when the platform or a signature proves the address (never for a claim).
    """

    id: str
    name: str = ""
    email: str = ""
    phone: str = ""
    verified: bool = False


#: A thread that everybody can read begins with this, so that a conversation is public or private as a whole.
PUBLIC = "public:"

InboundKind = Literal["message", "edit", "delete", "status", "event", "action"]
MachineKind = Literal["", "auto_reply", "bounce", "list", "echo", "blocked", "copy"]
Silence = Literal["", "person", "history"]
DeliveryState = Literal["", "sent", "delivered", "read", "failed"]


class Inbound(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message from a platform, before normalizing.

    ``external_id`` is the platform's id of this *event* (not of the HTTP request); with ``channel``,
    ``account`` and :attr:`digest` it is the idempotency key. ``thread`` is the platform's own grouping id;
    one thread is one conversation. ``at`` is the provider's time (UTC). For an ``edit`` or ``delete``,
    ``refers_to`` is the external id of the message it changes. An ``action`` is no platform's: the gateway tells itself what
    became of one. ``choice`` is the value of a pressed button.
    ``raw`` is the event as it came, for evidence and replay.
    """

    channel: str
    account: str
    external_id: str
    thread: str
    sender: Sender
    at: datetime
    text: str = ""
    subject: str = ""
    kind: InboundKind = "message"
    machine: MachineKind = ""
    attachments: tuple[Attachment, ...] = ()
    choice: str = ""
    refers_to: str = ""
    reply_to: str = ""
    language: str = ""
    """The sender's own setting as a BCP 47 tag, where the platform tells."""
    placeholder: str = ""
    """What the agent sees for content we cannot show ("a location", "a sticker")."""
    on_behalf_of: str = ""
    occurred_at: datetime | None = None
    """When the thing complained about happened, where the sender states it as a field."""
    origin: str = ""
    """The door it came by before it reached this channel: ``counter``, ``letter``, ``phone``, an app's name."""
    whole: str = ""
    """All that was written where ``text`` is only the new part of it (a mail with its quoted history)."""
    silent: Silence = ""
    """No automatic answer may follow: a ``person`` decides about it, or it is ``history`` taken over from an archive."""
    replies_until: datetime | None = None
    """Until when the platform lets us answer because of this message (its reply window); None: it sets no end."""
    delivery: DeliveryState = ""
    """What a ``status`` or an echo says of a message of ours: ``refers_to`` is the platform's id of it, ``text`` why it
    ``failed``, or an echo's words."""
    delivered_key: str = ""
    """The :attr:`Outbound.key` of that message, where the platform gives it back."""
    part_of: str = ""
    """The id of an album that comes picture by picture: what has the same one is worked on as one message."""
    linked: str = ""
    """Another thread that this one points at without belonging to it (a forward, an answer by a stranger)."""
    raw: bytes = b""
    raw_file: str = ""
    """sha256 of the file that holds the event where it is too large for a row; ``raw`` is empty then."""

    @property
    def public(self) -> bool:
        """Everybody can read it (a post, a mention): all that may follow there is an invitation to a private channel."""
        return self.thread.startswith(PUBLIC)

    @property
    def digest(self) -> str:
        """sha256 over what was said: same id with another digest is another message."""
        said = (self.kind, self.text, self.subject, self.choice, self.refers_to, self.placeholder)
        files = tuple(map(_file_digest, self.attachments))
        return hashlib.sha256(msgspec.json.encode((said, files))).hexdigest()


def _file_digest(file: Attachment) -> str:
    # What stands behind the question mark of a link is often a signature that is made anew each time.
    return file.digest or file.url.partition("?")[0] or hashlib.sha256(file.data).hexdigest()


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one inbound message: it is durable now.

    ``conversation`` and ``seq`` say where it stands; ``duplicate`` is true when it was there already.
    """

    conversation: str
    seq: int
    duplicate: bool


class Memo(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that a channel must still know after a restart: what it has seen, where an answer belongs.

    ``about`` is ``<account>/<thread>`` where the value says something of a person: it is erased with that conversation.
    """

    key: str
    value: str
    about: str = ""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One hand-over of a pull channel: messages, the cursor after them, and the ack to call after the commit.

    ``memos`` are kept in the transaction of the messages. A delivery without messages says that the channel has looked:
    ``waiting`` is how many messages it knows of and has not handed over, ``trouble`` what an operator must see
    although messages still come.
    """

    messages: tuple[Inbound, ...] = ()
    cursor: str | None = None
    ack: Callable[[], Awaitable[None]] | None = None
    memos: tuple[Memo, ...] = ()
    waiting: int = 0
    trouble: str = ""


# --- what goes out ------------------------------------------------------------------------------------

OutboundKind = Literal["receipt", "answer", "question", "human", "status", "survey"]


class Button(msgspec.Struct, frozen=True, kw_only=True):
    """A quick reply: what it shows and what comes back as ``Inbound.choice``."""

    label: str
    value: str


class Outbound(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message ready to send. ``key`` is its idempotency key; a repeat with the same key is the same message."""

    key: str
    channel: str
    account: str
    thread: str
    text: str
    kind: OutboundKind = "answer"
    author: str = ""
    """The name the customer sees: the bot's or the agent's."""
    subject: str = ""
    language: str = ""
    buttons: tuple[Button, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    reply_to: str = ""
    replies_until: datetime | None = None
    """Until when the platform takes it as an answer (its reply window), as known when it is sent; None: not known."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The platform's proof of sending: its own ids of what was sent, in order.

    ``written``: there is no platform to call, the line that the gateway writes now is the delivery.
    """

    external_ids: tuple[str, ...] = ()
    written: bool = False


class Rate(msgspec.Struct, frozen=True):
    """So many messages in so many seconds."""

    messages: int
    seconds: float


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the platform takes in one message. The gateway divides a reply before it sends it, so that one ``send`` is
    one call to the platform wherever the platform allows it.

    ``text`` counted in ``unit``, ``file`` in bytes, ``files`` how many (0: none, the customer gets a note instead), ``buttons``
    how many with ``label`` characters each (more or longer ones become numbered text), ``caption``: whether text and files
    go in one message (then ``caption`` is the longest text beside a file; 0: the text goes first, each file after it),
    ``body`` the largest request we read. ``per_chat`` and ``per_account`` are how fast the platform lets us send.
    """

    text: int
    unit: Literal["character", "utf16", "byte"] = "character"
    file: int = 10 * 1024 * 1024
    files: int = 10
    caption: int = 1_000_000
    buttons: int = 0
    label: int = 80
    body: int = 1024 * 1024
    per_chat: Rate | None = None
    per_account: Rate | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP call to a platform. ``timeout`` in seconds. Headers may hold tokens: never log a Call."""

    method: str = "POST"
    url: str
    headers: Mapping[str, str] = {}
    body: bytes = b""
    timeout: float = 30.0

    def __repr__(self) -> str:
        return f"Call({self.method})"


class Socket(Protocol):
    """An open WebSocket of texts. Closed, every method raises :class:`Retry`."""

    async def send(self, text: str) -> None: ...

    async def receive(self, seconds: float) -> str | None:
        """The next text, or None when none came in time."""
        ...

    @property
    def code(self) -> int:
        """The code it was closed with, 0 while it is open."""
        ...


class Tools(Protocol):
    """What the gateway lends a channel for sending and checking."""

    def socket(self, url: str) -> AbstractAsyncContextManager[Socket]:
        """Open a WebSocket through the egress filter.

        Raises:
            Retry: it could not be opened. Unauthorized: we may not open it. Refused: the address is not allowed.
        """
        ...

    async def http(self, call: Call) -> Answer:
        """Make a call through the egress filter.

        Raises:
            Retry: nothing was sent (refused connection, name not resolved).
            Unknown: it was written and no answer came.
            Refused: the address is not allowed.
        """
        ...

    async def read(self, attachment: Attachment) -> bytes:
        """The bytes of a kept attachment. Raises :class:`Refused` when the file is gone, :class:`Retry` while nobody can tell."""
        ...

    def now(self) -> datetime:
        """The time (UTC), for signatures and tokens that carry one."""
        ...


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a connection test: what was tried, whether it worked, and what to do when not."""

    what: str
    ok: bool
    detail: str = ""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A public path of a push channel. Without ``path`` it is ``/in/<channel>/<account>``.

    A fixed path serves every account of the channel: the first whose ``owns`` says yes answers.
    """

    method: str = "POST"
    path: str = ""


@runtime_checkable
class Channel(Protocol):
    """What all channels have. ``settings`` is a msgspec Struct type: names, types, defaults, ``Meta`` descriptions."""

    name: ClassVar[str]
    settings: ClassVar[type[msgspec.Struct]]
    limits: ClassVar[Limits]
    exempt: ClassVar[Mapping[Promise, str]]
    idempotent: ClassVar[bool]
    """Whether a repeated ``send`` with the same ``Outbound.key`` is one message for the customer."""
    account: str

    def __init__(self, account: str, settings: Any) -> None:
        """Made with an instance of the class' ``settings``. Raises ValueError when a credential is missing."""
        ...

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """Send one message.

        Raises:
            Retry, Unauthorized, Refused, Expired, Unknown: what to do next.
        """
        ...

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        """Test the connection without side effects."""
        ...


@runtime_checkable
class PushChannel(Channel, Protocol):
    """A platform that calls us. ``accept`` is a pure function from raw bytes to messages."""

    routes: ClassVar[tuple[Route, ...]]

    def owns(self, request: Request) -> bool:
        """Whether this account is meant (only asked where a fixed path is shared)."""
        ...

    def handshake(self, request: Request) -> Answer | None:
        """The answer to a platform's set-up request, or None when this is an ordinary delivery."""
        ...

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        """All messages in the request, none for housekeeping events.

        Raises:
            BadSignature: not from the platform.
            BadPayload: not what the platform sends.
            Forbidden, Invalid: for our own protocols.
        """
        ...

    def answer(self, request: Request, accepted: tuple[Accepted, ...]) -> Answer:
        """The answer after the commit."""
        ...


@runtime_checkable
class NamedRequests(Protocol):
    """A push channel whose clients name their requests (``Idempotency-Key``).

    The gateway asks after ``accept`` and before the commit. The first fingerprint under a key stays; a request
    with the same key and another fingerprint is refused with 422 and nothing of it is stored.
    """

    def idempotency(self, request: Request) -> tuple[str, str] | None:
        """(key, fingerprint of what is asked), or None when the client named no key."""
        ...


@runtime_checkable
class Keyed(Protocol):
    """A channel that makes tokens of its own (uploads, sessions)."""

    def use_key(self, key: bytes) -> None:
        """Take the 32 bytes derived from the installation's secret for this channel account. Called before the start."""
        ...


@runtime_checkable
class RecordsCalls(Protocol):
    """A channel whose files are recordings of calls: with one channel nobody knows who speaks, with two it is ``speakers``.

    Nothing can be said through it: its customers are called, or written to by another channel.
    """

    speakers: tuple[str, str]
    """Whose voice the first and the second channel hold: ``customer`` and ``agent`` in either order."""
    receipt_by: tuple[str, ...]
    """Accounts (``channel/account``) by which a caller gets the receipt: the first that knows a way to them."""


@runtime_checkable
class BeginsThreads(Protocol):
    """A channel that can write to somebody who has not written to it."""

    async def begin(self, sender: Sender, key: str) -> str:
        """The thread in which this person is written to; empty where nothing that is known of them is an address here.

        ``sender`` has what is known of them. The same ``key`` gives the same thread. Nothing is sent.
        """
        ...


@runtime_checkable
class FetchesFiles(Protocol):
    """A channel whose messages name files behind links that want credentials, or by ids of the platform's."""

    async def fetching(self, attachment: Attachment, tools: Tools) -> Call:
        """The call that fetches the file of an attachment with a ``url``; the platform may be asked for it first.

        Raises:
            Retry: not now. Refused: never again. Unauthorized: our credentials are bad.
        """
        ...


@runtime_checkable
class ReadsUnsigned(Protocol):
    """A push channel that can say what a body holds without a signature: to look at a payload, never to store it."""

    def unsigned(self, request: Request) -> tuple[Inbound, ...]:
        """As :meth:`PushChannel.accept`, whoever sent it. Raises :class:`BadPayload`."""
        ...


@runtime_checkable
class PushesOrPulls(Protocol):
    """A platform that calls us or is asked, as the settings say."""

    pulling: bool
    """Whether :meth:`PullChannel.deliveries` is to be watched."""


@runtime_checkable
class TellsLater(Protocol):
    """A channel whose platform tells of each message whether it went out, with our key (:attr:`Inbound.delivered_key`) or
    as an echo of its words.

    A send whose answer was lost waits for that before it is repeated or given to a person.
    """

    news_within: ClassVar[float]
    """How long the platform may take, in seconds."""


@runtime_checkable
class SetsUp(Protocol):
    """A channel that helps an operator to connect its platform (``allears channels setup``)."""

    def steps(self, url: str) -> tuple[str, ...]:
        """What a person does at the platform, in order. ``url``: the public address of this account's door."""
        ...

    async def set_up(self, url: str, tools: Tools) -> tuple[Finding, ...]:
        """Register what the platform's API lets us register; a repeat changes nothing."""
        ...


class Memory(Protocol):
    """What the gateway remembers for a channel, durably and for all its accounts."""

    async def recall(self, keys: Iterable[str]) -> Mapping[str, str]:
        """The values of those keys that are known."""
        ...

    async def remember(self, memos: Sequence[Memo]) -> None:
        """Keep facts now: they are durable when this returns. A key that is there already gets the new value."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A channel that has to know what it saw and said before."""

    def use_memory(self, memory: Memory) -> None:
        """Take the memory. Called before the start."""
        ...


#: Asks a platform for an access token: the token and how many seconds it is good.
AskToken = Callable[["Tools"], Awaitable[tuple[str, float]]]


class Token(Protocol):
    """The access token of one account, the same for all who send: a platform may let only its newest be good."""

    async def get(self, ask: AskToken, tools: Tools, *, refused: str = "") -> str:
        """A token that is good as far as anybody knows, and not the one that the platform has just ``refused``.

        One at a time asks. Raises what ``ask`` raises, and :class:`Retry` while somebody else asks for too long.
        """
        ...


@runtime_checkable
class SharesToken(Protocol):
    """A channel whose access token is to be the same on all nodes."""

    def use_token(self, token: Token) -> None:
        """Take it instead of one's own. Called before the start."""
        ...


@runtime_checkable
class ReadsArchives(Protocol):
    """A channel whose messages can be taken over from files of the time before."""

    name: ClassVar[str]

    async def from_archive(self, messages: Sequence[tuple[bytes, datetime]], tools: Tools) -> Delivery:
        """Messages of an archive with the time they were got, as ``history``; those that are known are left out."""
        ...


@runtime_checkable
class ReadsFiles(Protocol):
    """A channel whose messages lie in files of a known kind (``.eml``), readable without any account."""

    suffix: ClassVar[str]

    @staticmethod
    async def read_file(data: bytes, at: datetime) -> tuple[Inbound, Mapping[str, Any]]:
        """The message in a file, and all that was found in it, ready to print."""
        ...


@runtime_checkable
class RoundTrip(Protocol):
    """A channel that can write to itself."""

    async def round_trip(self, tools: Tools) -> tuple[Finding, ...]:
        """Send ourselves a message, read it back and remove it."""
        ...


@runtime_checkable
class PullChannel(Channel, Protocol):
    """A platform that we ask."""

    def deliveries(self, cursor: str | None, tools: Tools) -> AsyncGenerator[Delivery, None]:
        """Deliveries after ``cursor`` (None at the first connect), for ever. Closing it ends the connection.

        The next one is made when the last one is committed and its ``ack`` has been called.

        Raises:
            Retry: the connection is gone, make a new one.
            Unauthorized: our credentials are bad.
        """
        ...


# --- shared small tools of all channels ---------------------------------------------------------------

#: Deepest nesting that :func:`read_json` lets through; no platform sends more than about 20.
MAX_DEPTH = 64


_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


def read_json(body: bytes) -> Any:
    """Decode a platform's JSON. Whatever is wrong with it (syntax, encoding, depth) becomes BadPayload.

    Half a character, as a cut emoji leaves it, becomes a question mark: no store takes it, and it must not cost the message.
    """
    try:
        value = json.loads(body)
        if _HALF.search(body):
            value = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError) as err:
        raise BadPayload(f"not JSON: {type(err).__name__}") from err
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return value
    raise BadPayload(f"nested deeper than {MAX_DEPTH}")


def _children(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def settle(answer: Answer) -> None:
    """Turn a platform's HTTP answer into the one error tree; a 2xx passes."""
    if 200 <= answer.status < 300:
        return
    if answer.status == 429 or answer.status >= 500:
        raise Retry(f"HTTP {answer.status}", asked_wait(answer))
    if answer.status in (401, 403):
        raise Unauthorized(f"HTTP {answer.status}")
    raise Refused(f"HTTP {answer.status}")


def asked_wait(answer: Answer) -> float | None:
    """The seconds of its ``Retry-After``, None where it names none."""
    seconds = answer.headers.get("retry-after", "")
    return float(seconds) if seconds.isascii() and seconds.isdigit() else None


def names(package: str = "channels") -> list[str]:
    """The channels of a package: a module's name is its channel's name, there is no list to edit."""
    found = (m.name for m in pkgutil.iter_modules(importlib.import_module(package).__path__))
    return sorted(n for n in found if n != "base" and not n.startswith("_"))


def load(name: str, package: str = "channels") -> type[Channel]:
    """The class behind a channel's name (its module's ``CHANNEL``). Raises ModuleNotFoundError, :class:`MissingExtra`."""
    try:
        channel: type[Channel] = importlib.import_module(f"{package}.{name}").CHANNEL
    except ModuleNotFoundError as err:
        if err.name is None or err.name.partition(".")[0] == package.partition(".")[0]:
            raise
        raise MissingExtra(f"the channel `{name}` needs `{err.name}`: pip install 'allears[{name}]'") from err
    return channel
