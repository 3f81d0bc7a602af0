"""One-time codes: sent by one channel, typed in another, they prove that both are the same person.

A code is made from its id with a key of the installation, each time it is needed: it stands in no row, no log and no
line of a conversation, and after a crash it is the same again. The row ``code:`` carries it out.
"""

from __future__ import annotations

import contextlib
import hmac
import re
import unicodedata
from datetime import datetime, timedelta

import msgspec

from bot.decision import Company
from bot.skills import proof
from channels.base import Outbound, Withheld
from gateway.context import Gateway
from gateway.keys import Keys
from gateway.store import identity
from gateway.store.base import (
    AskedCase,
    Code,
    CodeState,
    Conversation,
    Entry,
    NewCode,
    NewSend,
    NotFound,
    Send,
    SendResult,
    StoreError,
    Work,
)
from gateway.tools import GatewayTools
from gateway.ways import Way, new_ways, open_ways

DESTINATION = "code:"
TRIES = 5
GOOD_FOR = timedelta(minutes=10)
#: Six digits so long after their code are no answer to it.
FORGOTTEN = timedelta(hours=1)
#: Case numbers looked up for one message.
MOST = 3

_PURPOSE = "one-time code"
_TYPED = re.compile(r"(?<!\d)(\d{3})[ -]?(\d{3})(?!\d)")
#: More words than these around six digits are about something else.
_AROUND = 60
_CASE = re.compile(r"(?<![0-9A-Z-])\d{6}-[A-Z2-7]{5}-[A-Z2-7]{5}(?![0-9A-Z-])", re.IGNORECASE)


def made(keys: Keys, id: str) -> str:
    """The six digits of a code."""
    digest = hmac.digest(keys.key(_PURPOSE), id.encode(), "sha256")
    return f"{int.from_bytes(digest[:8]) % 1_000_000:06d}"


def typed(text: str) -> str:
    """The six digits in a message that is an answer to a code; empty where it is none."""
    plain = unicodedata.normalize("NFKC", text).strip()
    found = _TYPED.findall(plain) if len(plain) <= _AROUND else []
    return "".join(found[0]) if len(found) == 1 else ""


def tried(keys: Keys, code: Code, digits: str, now: datetime) -> Code:
    """The code after a try. All are compared, also those that were never sent: nobody sees a difference."""
    fits = hmac.compare_digest(made(keys, code.id).encode(), digits.encode())
    tries = code.tries + 1
    state: CodeState = "over" if now > code.expires_at or tries >= TRIES else "open"
    if fits and code.address and now <= code.expires_at and tries <= TRIES:
        state = "right"
    return msgspec.structs.replace(code, tries=tries, state=state)


def is_awaited(code: Code | None, now: datetime) -> bool:
    """Whether six digits are meant for this code."""
    return code is not None and code.state == "open" and now <= code.expires_at + FORGOTTEN


def request(
    id: str, conversation: Conversation, who: str, address: str, *, about: str, language: str, by: str, now: datetime
) -> tuple[NewCode, NewSend]:
    """A code for the conversation, and the row that carries it out."""
    code = NewCode(
        id=id,
        conversation=conversation.id,
        identity=who,
        address=address,
        about=about,
        language=language,
        by=by,
        at=now,
        expires_at=now + GOOD_FOR,
    )
    send = NewSend(
        key=f"code/{id}",
        destination=f"{DESTINATION}{conversation.channel}/{conversation.account}",
        lane=f"code/{conversation.id}",
        conversation=conversation.id,
        number=conversation.number,
        kind="status",
        body=msgspec.json.encode({"code": id}),
    )
    return code, send


def numbers(text: str) -> list[str]:
    """Case numbers in a text."""
    plain = unicodedata.normalize("NFKC", text)
    found = _CASE.findall(plain) if "-" in plain else ()
    return list(dict.fromkeys(number.upper() for number in found))[:MOST]


async def asked_for(gateway: Gateway, work: Work) -> dict[str, AskedCase]:
    """The cases that a conversation's messages, or its open code, name; those that do not exist are left out."""
    wanted = [number for item in work.items for number in numbers(item.message.text)][:MOST]
    if work.code is not None and work.code.about:
        wanted.append(work.code.about)
    if not wanted:
        return {}
    nodes = {identity.identity(item.message) for item in work.items}
    nodes |= {address for item in work.items for address, _ in identity.proven(item.message)}
    found = [await gateway.store.asked_case(number, sorted(nodes)) for number in wanted]
    return {case.number: case for case in found if case is not None}


class Codes:
    """Carries codes out."""

    def __init__(self, gateway: Gateway, tools: GatewayTools) -> None:
        self._gateway, self._tools = gateway, tools

    async def attempt(self, send: Send) -> SendResult:
        """Send a code by the channel that reaches its address.

        Raises:
            Withheld: it is too late, or no channel reaches it. ChannelError: what to do next.
        """
        try:
            code = await self._gateway.store.code(msgspec.json.decode(send.body)["code"])
        except (NotFound, KeyError) as err:
            raise Withheld("the person's data was erased") from err
        if code.state != "open" or self._gateway.clock() > code.expires_at:
            raise Withheld("too late for this code")
        way = await way_to(self._gateway, code)
        if way is None:
            raise Withheld("no channel reaches the other address")
        channel = self._gateway.channels[way.channel, way.account]
        receipt = await channel.send(self._message(code, way), self._tools)
        if way.conversation:
            await self._gateway.store.note(way.conversation, self._told(code.by, ""))
        return SendResult(
            id=send.id,
            state="sent",
            external_ids=receipt.external_ids,
            entry=self._told(code.by, f"{way.channel}/{way.account}"),
        )

    async def tell(self, send: Send, why: str) -> None:
        """A code could not be sent: whoever waits for it at the desk has to know."""
        now = self._gateway.clock()
        entry = Entry(seq=0, kind="notice", notice="code_failed", at=now, text=why, author="system", visible=False)
        with contextlib.suppress(StoreError):  # the row itself says it, too
            await self._gateway.store.note(send.conversation, entry)

    def _message(self, code: Code, way: Way) -> Outbound:
        settings = self._gateway.config.company
        company = Company(name=settings.name, default_language=settings.default_language)
        language = code.language or settings.default_language
        words = proof.Words(self._gateway.knowledge, company, language)
        return Outbound(
            key=f"code/{code.id}",
            channel=way.channel,
            account=way.account,
            thread=way.thread,
            text=words.code(made(self._gateway.keys, code.id)),
            kind="status",
            author=settings.bot_name,
            subject=words.subject(),
            language=language,
        )

    def _told(self, by: str, where: str) -> Entry:
        """For the desk: that there was a code and by which channel, never which."""
        now = self._gateway.clock()
        return Entry(seq=0, kind="notice", notice="code", at=now, text=where, author=by, visible=False)


async def way_to(gateway: Gateway, code: NewCode) -> Way | None:
    """The way to a code's address, a thread of its own before one that others may read. Raises :class:`ChannelError`."""
    async for way in new_ways(gateway, [code.address], f"code/{code.id}"):
        return way
    found = await gateway.store.conversations_of(code.address)
    async for way in open_ways(gateway, [each for each in found if each.id != code.conversation]):
        return way
    return None
