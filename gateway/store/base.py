"""The store's one interface and the rows that cross it.

Every method is one transaction: when it returns, its effect is durable; when it raises, nothing happened.
Methods may share a transaction with others that wait at the same moment (group commit), and one that fails
does not fail its neighbours. Times are UTC ``datetime``; ids made here are unguessable only where said so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec

from channels.base import Accepted, Attachment, AttachmentState, Inbound, Memo
from normalizer.record import ComplaintRecord
from transcription.base import Transcript

BOT = "bot"
#: The owner of a conversation that waits for a person.
NOBODY = ""


def conversation_id(channel: str, account: str, thread: str) -> str:
    """The id of a thread's conversation: the same in every store, and known before the first message is written."""
    digest = hashlib.sha256(msgspec.json.encode((channel, account, thread))).hexdigest()
    return f"c{digest[:24]}"


# --- errors -------------------------------------------------------------------------------------------


class StoreError(Exception):
    """The store could not do it; nothing was written."""


class StoreUnavailable(StoreError):
    """Disk full, file locked, server away: try again later."""


class NotFound(StoreError):
    """There is no such row."""


class Stale(StoreError):
    """Somebody else owns the conversation by now: the fencing token is old."""


class Conflict(StoreError):
    """The state does not allow it (closing a closed case, claiming what another holds)."""


# --- rows ---------------------------------------------------------------------------------------------

EntryKind = Literal["inbound", "outbound", "note", "notice"]
#: Why a notice stands in the timeline. The visitor sees ``closed``, ``reopened``, ``joined`` and ``left``.
Notice = Literal[
    "opened",
    "handed_off",
    "claimed",
    "handed_back",
    "closed",
    "reopened",
    "joined",
    "left",
    "failed",
    "withdrawn",
    "approval",
    "action",
    "linked",
    "rerouted",
    "code",
    "code_failed",
    "proven",
]


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a conversation's timeline: what was really said or done, in order.

    ``seq`` increases inside the conversation. ``key`` is the idempotency key (inbound or outbound). ``visible``
    says whether the customer may see it. ``version`` counts edits of the same line: 0 as written;
    ``deleted`` is a later version that takes it back (the earlier ones stay).
    """

    seq: int
    kind: EntryKind
    at: datetime
    key: str = ""
    text: str = ""
    author: str = ""
    """``customer``, ``bot``, an agent's id, or ``system``."""
    author_name: str = ""
    visible: bool = True
    attachments: tuple[Attachment, ...] = ()
    buttons: tuple[tuple[str, str], ...] = ()
    """(label, value) pairs."""
    choice: str = ""
    language: str = ""
    notice: str = ""
    refers_to: int = 0
    """seq of the line that this one edits or deletes."""
    version: int = 0
    deleted: bool = False
    external_id: str = ""
    placeholder: str = ""
    subject: str = ""
    """The subject line, where the channel has one."""
    covered: bool = False
    """``text`` is not quite what was written: identity and card numbers are covered (:meth:`Store.original`)."""
    facts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """A hand-off's summary as (name, values), for pages in another language than the company's."""
    machine: str = ""
    """What kind of machine wrote an inbound line (``MachineKind`` of ``channels.base``); empty for a person."""
    whole: str = ""
    """All that was written, where ``text`` is the new part of it: its beginning, covered as ``text`` is."""


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """All turns with one contact on one thread. ``id`` is derived from channel, account and thread.

    ``fence`` rises with every change of owner; whoever speaks shows the fence it knew. ``lease_until`` is when
    an agent's ownership ends by itself. ``number`` is the open record, empty before the first turn.
    """

    id: str
    channel: str
    account: str
    thread: str
    sender: str
    sender_name: str
    owner: str
    fence: int
    lease_until: datetime | None
    status: str
    number: str
    last_seq: int
    opened_at: datetime
    last_at: datetime
    window_closes_at: datetime | None = None


class ConversationLine(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as the desk lists it, with what the list shows of its record."""

    conversation: Conversation
    owner_name: str = ""
    kind: str = ""
    category: str = ""
    urgency: str = ""
    language: str = ""
    summary: str = ""
    handoff_reason: str = ""
    waiting_since: datetime | None = None
    due_at: datetime | None = None
    last_text: str = ""
    unanswered: int = 0


RecordingState = Literal["waiting", "heard", "failed"]
#: Stands for the copy of a recording that none can be made of.
NO_COPY = "none"


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """A recording that came as attachment number ``place`` (from 0) of a message, and what was heard in it.

    ``digest`` is empty while the file is still to be fetched. ``error`` says why it failed, or why it still waits.
    ``copy`` is the file to listen to, in which identity and card numbers cannot be heard: a digest, empty while it is still
    to be made, :data:`NO_COPY` where it cannot be.
    """

    inbox_id: int
    place: int
    digest: str
    state: RecordingState
    tries: int = 0
    error: str = ""
    transcript: Transcript | None = None
    copy: str = ""


class ToHear(msgspec.Struct, frozen=True, kw_only=True):
    """A recording that waits, with the message it came with and that conversation's open record (if any)."""

    recording: Recording
    conversation: str
    number: str
    message: Inbound


class ToFetch(msgspec.Struct, frozen=True, kw_only=True):
    """Attachment number ``place`` (from 0) of a message, which lies behind a link."""

    inbox_id: int
    place: int
    tries: int
    conversation: str
    message: Inbound

    @property
    def file(self) -> Attachment:
        return self.message.attachments[self.place]


class WorkItem(msgspec.Struct, frozen=True, kw_only=True):
    """An open inbox row: a message that nobody has processed yet, or one whose recordings were heard after all."""

    inbox_id: int
    key: str
    seq: int
    message: Inbound
    received_at: datetime
    tries: int = 0
    recordings: tuple[Recording, ...] = ()


ProofHow = Literal["signed", "verified", "code"]
CodeState = Literal["open", "right", "over"]
#: Most codes in an hour, of one who types them and to one address.
CODES_PER_HOUR = 3


class NewProof(msgspec.Struct, frozen=True, kw_only=True):
    """The identity ``one`` is the same person as ``other`` (an address or an identity, :mod:`gateway.store.identity`)."""

    one: str
    other: str
    how: ProofHow
    at: datetime
    by: str
    """The channel account that told, or who had the code sent."""


class Proof(NewProof, frozen=True, kw_only=True):
    """A proof that stands, or was undone."""

    n: int
    undone_at: datetime | None = None
    undone_by: str = ""


class NewCode(msgspec.Struct, frozen=True, kw_only=True):
    """A one-time code that ``identity`` is to type in ``conversation`` to prove that ``address`` is theirs.

    ``address`` is an address or another identity; empty: none is sent and nothing typed is right, so that who asks for
    somebody else's case cannot see whether there is one. ``about`` is the number of the case that was asked for.
    """

    id: str
    conversation: str
    identity: str
    address: str
    about: str = ""
    language: str = ""
    by: str
    at: datetime
    expires_at: datetime


class Code(NewCode, frozen=True, kw_only=True):
    """A code with what became of it."""

    tries: int = 0
    state: CodeState = "open"


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    """Another conversation of the same contact. ``because`` leads there proof by proof; empty: the very same account."""

    conversation: Conversation
    because: tuple[Proof, ...] = ()


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """A person as far as proven. ``addresses`` each with the proofs that lead there; ``aliases`` the latest first.

    ``identity`` is the conversation's own, empty before its first turn.
    """

    identity: str
    addresses: tuple[tuple[str, tuple[Proof, ...]], ...] = ()
    aliases: tuple[Alias, ...] = ()


class AskedCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case that somebody asks for by its number. ``known``: it is proven to be theirs.

    ``proofs``: what could prove it, the best first: addresses and identities of the case's own contact.
    """

    number: str
    status: str
    known: bool
    proofs: tuple[str, ...] = ()


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation with its open messages, oldest first, and all that deciding needs."""

    conversation: Conversation
    items: tuple[WorkItem, ...]
    state: bytes
    """The bot's state as JSON; empty at the first turn."""
    record: ComplaintRecord | None
    """The latest record, also when it is closed: the rules decide whether a message still belongs to it."""
    returning: bool = False
    """No record yet, but the same contact has a case in another conversation."""
    code: Code | None = None
    """The code that is to be typed here."""


class JournalLine(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to a complaint: ``what`` is a verb (``opened``, ``revised``, ``replied``), ``body`` its facts.

    The store adds ``n``, ``prev`` and ``hash``: sha256 over ``prev`` and the canonical JSON of the rest.
    """

    number: str
    what: str
    at: datetime
    by: str
    body: Mapping[str, Any] = {}
    n: int = 0
    prev: str = ""
    hash: str = ""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A lease that a living node has; ``node`` is that node's number, ``mine`` whether it is this one."""

    name: str
    node: int
    mine: bool


SendState = Literal["waiting", "sending", "sent", "unknown", "dead", "superseded"]


class NewSend(msgspec.Struct, frozen=True, kw_only=True):
    """A row for the outbox. ``destination`` is ``channel:<channel>/<account>``, ``sink:<name>`` or
    ``action:<system>``.

    Rows of one ``lane`` go out one after the other in order. ``fence`` is checked when it is sent
    (None: whoever owns the conversation, it goes out). ``body`` is the Outbound or the event as JSON.
    """

    key: str
    destination: str
    lane: str
    conversation: str
    number: str = ""
    kind: str = ""
    fence: int | None = None
    body: bytes
    not_before: datetime | None = None


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """An outbox row."""

    id: int
    key: str
    destination: str
    lane: str
    conversation: str
    number: str
    kind: str
    fence: int | None
    body: bytes
    state: SendState
    tries: int
    created_at: datetime
    next_at: datetime | None
    sent_at: datetime | None = None
    error: str = ""
    interrupted: bool = False
    """The process ended while this row was being sent: nobody knows whether it went out."""
    window_closes_at: datetime | None = None
    """Of its conversation, as it was when this row was read: until when the platform lets us answer."""
    blocked: bool = False
    """Likewise: whether the customer has closed this way to them."""


class SendResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one attempt.

    ``state`` ``sent`` writes ``entry`` (when given) into the conversation's timeline in the same transaction;
    ``waiting`` with ``next_at`` is a retry. ``superseded``: the fence had moved, it was not sent.
    ``left_the_house``: a platform has it, so it stands whoever owns the conversation by now. Where writing the line
    is the delivery it is false, and the fence is asked once more in the transaction.
    """

    id: int
    state: SendState
    error: str = ""
    next_at: datetime | None = None
    external_ids: tuple[str, ...] = ()
    entry: Entry | None = None
    left_the_house: bool = True
    journal: tuple[JournalLine, ...] = ()
    sends: tuple[NewSend, ...] = ()
    """Rows that follow from it, for the same conversation."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """All results of one conversation's turns, committed together.

    ``done`` are the inbox ids it closes. ``owner`` None leaves the owner as it is; a change raises the fence,
    and ``sends`` then carry the new one. ``notices`` become timeline lines. The conversation's stored fence must
    still be ``fence``, else nothing of it is written (:class:`Stale`) and the turn is decided again.
    """

    conversation: str
    fence: int
    done: tuple[int, ...]
    state: bytes
    record: ComplaintRecord | None
    owner: str | None = None
    status: str = ""
    sends: tuple[NewSend, ...] = ()
    notices: tuple[Entry, ...] = ()
    """``seq`` 0: the store numbers them."""
    journal: tuple[JournalLine, ...] = ()
    trace: bytes = b""
    """The decisions with their traces as JSON, kept for ``allears bot why``."""
    identity: str = ""
    """Who writes here; the first one stays."""
    proofs: tuple[NewProof, ...] = ()
    """Written unless they stand, or a person has undone the same tie (but a code's proof is written then, too)."""
    code: Code | None = None
    """The conversation's code with what became of it. It must still be open, else :class:`Stale`."""
    blocked: bool | None = None
    """Whether the customer has closed this way to them; None: nothing was told of it."""
    codes: tuple[tuple[NewCode, NewSend | None], ...] = ()
    """New codes with their messages. Each closes an earlier one; one too many in an hour is kept as one never sent."""


class Batch(Protocol):
    """Conversations claimed for processing; nobody else gets them until it is settled or released."""

    work: Sequence[Work]

    async def settle(self, outcomes: Sequence[Outcome]) -> Sequence[StoreError | None]:
        """Commit the outcomes, each on its own feet: None where it is done, the error where it is not."""
        ...

    async def fail(self, conversation: str, inbox_id: int, error: str, *, give_up: bool) -> None:
        """Note that a row failed; with ``give_up`` it goes to ``held`` and no longer blocks its conversation."""
        ...

    async def wait(self, conversation: str, inbox_id: int, places: Sequence[tuple[int, str]]) -> None:
        """Put a row aside until its recordings, (place, digest) each, are heard; its conversation waits with it."""
        ...

    async def release(self) -> None:
        """Give back what was not settled. Always called, also after errors."""
        ...


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes we could not read, as they came. ``what`` is ``request`` (a whole delivery) or ``message`` (an inbox row)."""

    id: int
    channel: str
    account: str
    at: datetime
    reason: str
    raw: bytes
    headers: Mapping[str, str] = {}
    tail: str = ""
    state: Literal["open", "replayed", "dropped"] = "open"


class InboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """An inbox row as the operator sees it: ``open``, ``wait`` (to be heard), ``done``, ``held`` (gave up; replayable)."""

    id: int
    channel: str
    account: str
    external_id: str
    conversation: str
    seq: int
    state: str
    tries: int
    provider_at: datetime
    received_at: datetime
    processed_at: datetime | None
    error: str = ""


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation on another channel that goes on with a case: by what thread, with whom."""

    channel: str
    account: str
    thread: str
    sender: str
    sender_name: str = ""
    email: str = ""
    phone: str = ""


class Instead(msgspec.Struct, frozen=True, kw_only=True):
    """What is said in another conversation because outbox row ``send`` could not be, and ``why``."""

    send: int
    why: str


Role = Literal["agent", "lead", "admin"]


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """A person at the desk. ``password`` is the scrypt hash, never sent to a page."""

    id: str
    login: str
    name: str
    role: Role
    skills: tuple[str, ...] = ()
    password: str = ""
    active: bool = True


class DeskSession(msgspec.Struct, frozen=True, kw_only=True):
    """A logged-in browser. Only the token's sha256 is stored."""

    token_hash: str
    agent: str
    csrf: str
    created_at: datetime
    expires_at: datetime


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a listing; ``cursor`` is opaque, empty on the last page."""

    items: tuple[Any, ...]
    cursor: str = ""


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit: a channel account on one day (UTC)."""

    channel: str
    account: str
    day: str
    recorded: int
    duplicates: int
    processed: int
    open: int
    held: int
    quarantined: int
    replies: int
    delivered: int
    waiting: int
    dead: int
    unknown: int = 0
    superseded: int = 0


class LatestMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The message of a channel account that was accepted last."""

    channel: str
    account: str
    provider_at: datetime
    received_at: datetime


class Gauges(msgspec.Struct, frozen=True, kw_only=True):
    """Figures for /metrics and /readyz, from the rows. Ages in seconds, 0 when there is nothing."""

    inbox_open: int
    inbox_held: int
    oldest_open: float
    outbox_waiting: int
    oldest_waiting: float
    dead: int
    unknown: int
    quarantine: int
    conversations_waiting: int


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """How long things are kept, in whole months or years (UTC) before the running one; 0: for ever."""

    raw_months: int = 0
    """The platforms' own events."""
    trace_months: int = 0
    """Why the bot decided as it did."""
    years: int = 0
    """Conversations after their last case has ended; then their person is erased."""


class Tidied(msgspec.Struct, frozen=True, kw_only=True):
    """What went. ``events`` and ``traces`` count months where these lie in tables by month, else rows."""

    events: int
    traces: int
    expired: int
    """Keys, logins and codes whose time was over."""
    erased: int
    """Conversations."""


View = Literal["waiting", "mine", "bot", "all", "closed"]


# --- the interface ------------------------------------------------------------------------------------


class Store(Protocol):
    """One interface; every store passes ``tests/store`` on it."""

    # life
    async def open(self) -> None:
        """Open, migrate, recover. Raises :class:`StoreUnavailable` (with what to do) or :class:`StoreError`."""
        ...

    async def close(self) -> None: ...

    async def ping(self) -> None:
        """Raises :class:`StoreUnavailable` when a write would fail."""
        ...

    # nodes
    def alive(self) -> bool:
        """Whether this node may still act: no other can have taken over what it holds. Asked before what cannot be undone."""
        ...

    async def nodes(self) -> int:
        """How many nodes live on this store, this one included."""
        ...

    async def take_lease(self, name: str) -> int | None:
        """The fencing token when this node has the lease ``name`` now, the same one as long as it has it; None when a living
        node has it. Free when its node dies, or stands still too long; the next holder's token is a higher one.
        """
        ...

    async def free_lease(self, name: str) -> None:
        """Give a lease back, if this node has it."""
        ...

    async def held_leases(self, prefix: str) -> tuple[Held, ...]:
        """The leases that living nodes have and whose names begin with ``prefix``."""
        ...

    async def take_jobs(self, names: Sequence[str], most: int) -> tuple[str, ...]:
        """Up to ``most`` of the jobs, in this order, that nobody has in hand; they are this node's until it frees them or dies.

        A job is what need not be done twice and does no harm then: a file to fetch, a recording to hear.
        """
        ...

    async def free_jobs(self, names: Sequence[str]) -> None:
        """Take the hand off jobs, done or not. Raises nothing: with a lost connection they are free already."""
        ...

    # intake
    async def append(
        self,
        messages: Sequence[Inbound],
        *,
        received_at: datetime,
        cursor: tuple[str, str, str] | None = None,
        memos: tuple[str, Sequence[Memo]] | None = None,
        lease: tuple[str, int] | None = None,
    ) -> tuple[Accepted, ...]:
        """Write messages, all or none, with the pull cursor ``(channel, account, value)`` and a channel's memos.

        ``lease`` is the (name, token) under which they were fetched: :class:`Stale` when another node has it by now.
        Same (channel, account, external id, digest): a duplicate, counted and not written. Same id with another
        digest: a new message. An ``edit`` or ``delete`` gets its own timeline line that refers to the earlier one.
        """
        ...

    async def cursor(self, channel: str, account: str) -> str | None: ...

    async def recall(self, channel: str, keys: Sequence[str]) -> Mapping[str, str]:
        """The values of those of a channel's memos that are known."""
        ...

    async def remember(self, channel: str, memos: Sequence[Memo]) -> None:
        """Keep memos; a known key gets the new value."""
        ...

    async def quarantine(
        self,
        channel: str,
        account: str,
        raw: bytes,
        reason: str,
        *,
        headers: Mapping[str, str],
        tail: str = "",
        at: datetime,
    ) -> int: ...

    # flow
    async def claim_work(self, limit: int) -> Batch:
        """Up to ``limit`` conversations with open inbox rows, oldest first; per conversation in provider-time order."""
        ...

    # files behind links; they are noted in the transaction of their messages
    async def files_to_fetch(
        self, limit: int, now: datetime, *, besides: Collection[tuple[int, int]] = ()
    ) -> tuple[ToFetch, ...]:
        """What is due but ``besides`` (inbox id, place)."""
        ...

    async def next_fetch_at(self) -> datetime | None:
        """When the earliest file is due."""
        ...

    async def file_fetched(self, inbox_id: int, place: int, file: Attachment) -> None:
        """The message's attachment is this file from now on; nothing for a person who was erased meanwhile."""
        ...

    async def file_tried(self, inbox_id: int, place: int, error: str, next_at: datetime) -> None:
        """Fetching failed for now."""
        ...

    async def file_given_up(self, inbox_id: int, place: int, state: AttachmentState, reason: str) -> None:
        """The file will not come: the attachment says why, a recording of it has failed."""
        ...

    async def files_to_file(self, limit: int) -> tuple[ToFetch, ...]:
        """Files that are here and whose messages are done: the record may not know them yet."""
        ...

    async def file_filed(self, inbox_id: int, place: int) -> None:
        """The record knows a file that was fetched."""
        ...

    # recordings
    async def recordings_to_hear(self, limit: int, *, besides: Collection[tuple[int, int]] = ()) -> tuple[ToHear, ...]:
        """What waits to be heard but ``besides`` (inbox id, place); first the messages that nobody has worked on yet."""
        ...

    async def recordings(self, conversation: str) -> tuple[Recording, ...]:
        """The recordings of a conversation, oldest first."""
        ...

    async def heard_before(self, digest: str) -> Transcript | None:
        """The transcript of a file with the same bytes."""
        ...

    async def recording_tried(self, inbox_id: int, place: int, error: str) -> None:
        """Fetching or hearing failed for now; it waits on."""
        ...

    async def settle_recording(
        self, inbox_id: int, place: int, state: RecordingState, *, error: str = "", transcript: Transcript | None = None
    ) -> None:
        """What became of a recording, written once. After its last recording a message is open, again if it was done."""
        ...

    async def recordings_to_copy(self, limit: int) -> tuple[Recording, ...]:
        """What was heard and has no copy to listen to, oldest first."""
        ...

    async def settle_copy(self, digest: str, copy: str) -> tuple[str, ...]:
        """The copy of all recordings with these bytes, once; it belongs to their conversations, which are returned."""
        ...

    async def defer_recordings(self, before: datetime) -> int:
        """Open the rows that wait since ``before`` although their recordings are not heard; returns how many."""
        ...

    # outbox
    async def claim_sends(self, limit: int, now: datetime, *, at_most: Mapping[str, int] = {}) -> Sequence[Send]:
        """Heads of lanes that are due, marked ``sending``. A row whose fence has moved comes out ``superseded`` and is not returned.

        ``at_most``: destinations that take only so many rows now; of theirs a person's replies come first.
        """
        ...

    async def settle_sends(self, results: Sequence[SendResult]) -> None:
        """Write what became of them. A ``sent`` row with a stale fence and an entry (webchat) turns ``superseded`` instead."""
        ...

    async def find_send(
        self, destination: str, *, key: str = "", conversation: str = "", external_id: str = ""
    ) -> Send | None:
        """The row with this key; where there is none, the row of the conversation that the platform knows by this id."""
        ...

    async def settle_late(self, result: SendResult) -> bool:
        """Write what the platform tells of a row after the attempt; returns whether it changed anything.

        ``sent`` settles a row whose fate is open: on its way, waiting after an attempt, or unknown. ``dead`` settles these too,
        and takes back a row that was sent with one of ``external_ids``.
        """
        ...

    async def next_send_at(self, *, besides: Collection[str] = ()) -> datetime | None:
        """When the earliest waiting row is due, those to the destinations ``besides`` left out."""
        ...

    # reading
    async def conversation(self, id: str) -> Conversation: ...

    async def timeline(
        self, conversation: str, *, after: int = 0, limit: int = 200, visible_only: bool = False
    ) -> tuple[Entry, ...]:
        """Lines after ``after``. Identity and card numbers are covered (:func:`normalizer.mask.mask`), as in all lists."""
        ...

    async def original(self, conversation: str, seq: int, journal: JournalLine) -> str:
        """An inbound line as the customer wrote it. Who looks is written in the same transaction: no look without its line.

        Raises :class:`NotFound` for a line that is none of the customer's.
        """
        ...

    async def pending(self, conversation: str) -> tuple[Send, ...]:
        """What is still to be said in this conversation, or failed: waiting, sending, unknown and dead rows."""
        ...

    async def record(self, number: str) -> ComplaintRecord: ...

    async def revisions(self, number: str) -> tuple[ComplaintRecord, ...]: ...

    async def revision_digests(self, number: str) -> dict[int, str]:
        """sha256 (hex) of each revision as it is stored, by its number; the journal's lines say what it was."""
        ...

    async def records(
        self,
        *,
        cursor: str = "",
        limit: int = 50,
        since: datetime | None = None,
        status: str = "",
        accounts: Sequence[tuple[str, str]] | None = None,
    ) -> Page:
        """Records, newest first; with ``accounts`` those of these (channel, account) pairs alone."""
        ...

    async def records_to_link(self, limit: int) -> tuple[ComplaintRecord, ...]:
        """Complaints that are new, or whose contacts, numbers or category have changed, since they were looked at."""
        ...

    async def looked_at(self, looked: Sequence[tuple[str, int]]) -> None:
        """These (number, revision) have been compared with others; one that has changed since stays to be looked at."""
        ...

    async def conversations(self, view: View, *, agent: str = "", cursor: str = "", limit: int = 50) -> Page:
        """:class:`ConversationLine` rows; ``waiting``: urgent first, then by due time."""
        ...

    async def search(self, text: str, *, limit: int = 50) -> Page:
        """Conversations by case number, sender or words of the last message."""
        ...

    async def journal(self, number: str) -> tuple[JournalLine, ...]: ...

    async def traces(self, conversation: str, *, limit: int = 20) -> tuple[bytes, ...]:
        """The latest decision traces, newest first."""
        ...

    # people
    async def claim(
        self, conversation: str, agent: str, *, lease_until: datetime, now: datetime, force: bool = False
    ) -> Conversation:
        """Make ``agent`` the owner; the fence rises. Raises :class:`Conflict` when another agent's lease runs."""
        ...

    async def extend(self, conversation: str, agent: str, fence: int, lease_until: datetime) -> None:
        """Keep a lease. Raises :class:`Stale`."""
        ...

    async def expire_leases(self, now: datetime) -> tuple[Conversation, ...]:
        """Give conversations whose agent's lease has run out back to the queue; the fence rises. Returns them."""
        ...

    async def say(
        self, conversation: str, fence: int, sends: Sequence[NewSend], journal: JournalLine | None = None
    ) -> None:
        """Queue the rows of an agent's reply. A first key that is there already is the same reply. Raises :class:`Stale`."""
        ...

    async def note(self, conversation: str, entry: Entry) -> int:
        """Write an internal note; returns its seq."""
        ...

    async def release(
        self,
        conversation: str,
        fence: int,
        owner: str,
        status: str,
        *,
        at: datetime,
        notice: Entry,
        journal: JournalLine | None = None,
    ) -> Conversation:
        """Hand back to the bot or the queue. Raises :class:`Stale`."""
        ...

    async def amend(
        self,
        conversation: str,
        fence: int | None,
        record: ComplaintRecord,
        *,
        status: str,
        notices: Sequence[Entry] = (),
        sends: Sequence[NewSend] = (),
        journal: Sequence[JournalLine] = (),
        owner: str | None = None,
    ) -> Conversation:
        """Write a new revision of the record from outside the flow (close, reopen, ticket callback).

        Raises :class:`Stale` (fence) or :class:`Conflict` (``record.revision`` is not the stored one plus one).
        """
        ...

    # who is who
    async def contact(self, conversation: str) -> Contact:
        """All that is proven to be the same person. A conversation without a turn yet is only itself."""
        ...

    async def blocked(self, conversation: str) -> bool:
        """Whether the customer has closed this way to them."""
        ...

    async def conversations_of(self, node: str) -> tuple[Conversation, ...]:
        """The conversations of an identity, or of those of whom this address is proven; the latest first."""
        ...

    async def asked_case(self, number: str, nodes: Sequence[str]) -> AskedCase | None:
        """A case by its number, for who is known by these identities and addresses; None where there is none."""
        ...

    async def put_code(self, code: NewCode, sends: Sequence[NewSend], journal: JournalLine | None = None) -> None:
        """Keep a code and queue its messages. Raises :class:`Conflict` when there were too many in the last hour."""
        ...

    async def code(self, id: str) -> Code: ...

    async def undo_proof(self, n: int, *, at: datetime, by: str, journal: JournalLine | None = None) -> Proof:
        """Take a proof away; the same message proves nothing any more. Raises :class:`NotFound` where none stands."""
        ...

    async def join(
        self,
        number: str,
        other: Joined,
        sends: Sequence[NewSend],
        *,
        at: datetime,
        instead: Instead | None = None,
    ) -> str:
        """Let the case go on in another conversation, and queue what is said there first; that conversation's id.

        It is made where there is none, and stays with its own case where it has an open one. A repeat changes nothing.
        ``instead``: of a row that could not be sent, which is put aside; nothing happens when it is not ``dead`` any more.
        Raises :class:`NotFound` for a case whose person was erased.
        """
        ...

    async def agents(self) -> tuple[Agent, ...]: ...

    async def put_agent(self, agent: Agent) -> None: ...

    async def put_session(self, session: DeskSession) -> None: ...

    async def session(self, token_hash: str, now: datetime) -> tuple[DeskSession, Agent]:
        """Raises :class:`NotFound` when unknown, expired or the agent is not active."""
        ...

    async def end_session(self, token_hash: str) -> None: ...

    async def put_once(self, scope: str, key: str, value: bytes, *, expires_at: datetime) -> bytes:
        """Keep ``value`` under (scope, key) unless something is there; returns what is there (idempotency keys, jti)."""
        ...

    async def take_once(self, scope: str, key: str, now: datetime) -> bytes | None:
        """Take a value away: one caller gets it (one-time login links)."""
        ...

    # operation
    async def inbox(self, *, state: str = "", cursor: str = "", limit: int = 50) -> Page: ...

    async def inbox_message(self, id: int) -> Inbound: ...

    async def replay_inbox(self, ids: Sequence[int]) -> int:
        """Open ``held`` rows again; returns how many."""
        ...

    async def outbox(self, *, state: str = "", cursor: str = "", limit: int = 50) -> Page: ...

    async def replay_sends(self, ids: Sequence[int], now: datetime) -> int:
        """Make ``dead`` or ``unknown`` rows wait again; returns how many."""
        ...

    async def quarantined(self, *, state: str = "open", cursor: str = "", limit: int = 50) -> Page: ...

    async def quarantined_one(self, id: int) -> Quarantined: ...

    async def close_quarantined(self, id: int, state: Literal["replayed", "dropped"]) -> None: ...

    async def tally(self, *, since: datetime, until: datetime) -> tuple[Tally, ...]: ...

    async def latest_messages(self) -> tuple[LatestMessage, ...]:
        """The last message of each channel account; those without one are left out."""
        ...

    async def gauges(self, now: datetime) -> Gauges: ...

    async def blobs_of(self, conversation: str) -> tuple[str, ...]:
        """Digests of the files of a conversation."""
        ...

    async def blob_in_use(self, digest: str) -> bool: ...

    async def erase(self, conversation: str, *, at: datetime, by: str) -> int:
        """Remove a person's words, names and files' names from every table; keep counts, times and categories.

        The journal keeps its chain (bodies are replaced by their hashes). Returns how many rows changed.
        """
        ...

    async def tidy(self, now: datetime, keep: Keep) -> Tidied:
        """Let go of what is over, a little at a time so that nobody waits for it. One node at a time calls it, now and then.

        A conversation is erased (as by :meth:`erase`) when it has no open case and nothing has happened in it for so long.
        """
        ...

    async def find_person(self, needle: str) -> tuple[str, ...]:
        """Ids of a person's conversations, found by sender id, e-mail address, phone number or one conversation's id."""
        ...
