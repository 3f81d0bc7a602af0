"""One session with an XMPP server: RFC 6120 by slixmpp, and its archive by XEP-0313.

The connection is slixmpp's own and not the gateway's: XMPP is no HTTP, and the host is the one that the operator has configured.
Nothing that a stranger says makes it connect anywhere.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Literal, TypeVar
from xml.etree.ElementTree import Element, SubElement

from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.jid import JID
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from channels._xmpp_stanzas import MAM, SID, Archived, bare, body, child, moment
from channels.base import ChannelError, Refused, Retry, Secret, Unauthorized, Unknown

# It logs whole stanzas, with what customers say and with what logs us in.
logging.getLogger("slixmpp").setLevel(logging.CRITICAL)

T = TypeVar("T")
#: Seconds to connect and log in, for an answer of the server, for a goodbye.
CONNECT, ANSWER, GOODBYE = 30.0, 30.0, 1.0
#: The reason of a lost connection (a bad certificate) is told just after the loss.
BREATH = 0.05
PAGE = 50
Tls = Literal["starttls", "direct", "none"]


class Session:
    """A running session: ``news`` is set when something has come, ``loose`` has what the archive will not have."""

    def __init__(self, jid: str, password: Secret, *, host: str, port: int, tls: Tls, ca: str) -> None:
        context = ssl.create_default_context(cafile=ca or None)
        passwords = {f"unencrypted_{kind}": tls == "none" for kind in ("plain", "digest", "cram", "scram")}
        plugins = {"feature_mechanisms": passwords}
        self._xmpp = ClientXMPP(jid, str(password), plugin_config=plugins, ssl_context=context)
        self.me = bare(jid)
        self.news = asyncio.Event()
        self.loose: list[Element] = []
        self.bounced: list[Element] = []
        """Messages that came back with an error, after nobody waited for them any more."""
        self._awaited: dict[str, ChannelError | None] = {}
        self._tls, self._address = tls, (host, port)
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._lost: asyncio.Future[None] = loop.create_future()
        self._why: ChannelError = Retry("the connection to the XMPP server is lost")
        self._prepare()

    def _prepare(self) -> None:
        xmpp = self._xmpp
        xmpp.enable_direct_tls = self._tls == "direct"
        xmpp.enable_starttls = self._tls == "starttls"
        xmpp.enable_plaintext = self._tls == "none"
        xmpp.auto_authorize, xmpp.auto_subscribe = True, False
        for plugin in ("xep_0030", "xep_0059", "xep_0199", "xep_0297", "xep_0313", "xep_0363"):
            xmpp.register_plugin(plugin)
        if self._tls != "none":
            xmpp.add_filter("out", self._only_encrypted)
        xmpp.add_event_handler("session_start", lambda _: self._settle())
        xmpp.add_event_handler("failed_auth", self._denied)
        xmpp.add_event_handler(
            "no_auth", lambda _: self._end(Unauthorized("the server offers no encryption, or no log-in"))
        )
        xmpp.add_event_handler("failed_all_auth", lambda _: self._end(None))
        xmpp.add_event_handler("connection_failed", self._no_connection)
        xmpp.add_event_handler("ssl_invalid_chain", self._no_connection)
        xmpp.add_event_handler("stream_error", lambda _: self._end(None))
        xmpp.add_event_handler("disconnected", lambda _: self._end(None))
        # The library tells of messages with words alone.
        every = Callback("All messages", MatchXPath("{jabber:client}message"), lambda message: self._came(message.xml))
        xmpp.register_handler(every)

    def _only_encrypted(self, stanza: Any) -> Any:
        """A server, or who stands before it, that offers no encryption gets nothing but the wish for it."""
        transport = self._xmpp.transport
        encrypted = transport is not None and transport.get_extra_info("ssl_object") is not None
        if encrypted or stanza.name == "starttls":
            return stanza
        self._end(Unauthorized("the server offers no encryption"))
        return None

    # --- what happens

    def _settle(self) -> None:
        if not self._ready.done():
            self._ready.set_result(None)

    def _end(self, why: ChannelError | None) -> None:
        self._why = why or self._why
        if not self._lost.done():
            self._lost.set_result(None)
            self.news.set()

    def _no_connection(self, err: Any) -> None:
        if isinstance(err, ssl.SSLCertVerificationError):
            self._end(Unauthorized("the server's certificate is not valid"))
        else:
            self._end(Retry(f"no connection: {type(err).__name__}"))

    def _denied(self, failure: Any) -> None:
        temporary = str(failure["condition"]) == "temporary-auth-failure"
        self._why = Retry("no log-in now") if temporary else Unauthorized("the server refuses the address or password")

    def _came(self, stanza: Element) -> None:
        if stanza.find(f"{{{MAM}}}result") is not None:
            return  # an answer of the archive
        stored = any(one.get("by") == self.me for one in stanza.iter(f"{{{SID}}}stanza-id"))
        delayed = child(stanza, "delay", "urn:xmpp:delay") is not None
        if stanza.get("type") == "error" and (id := stanza.get("id", "")) in self._awaited:
            self._awaited[id] = error(stanza)
        elif stanza.get("type") == "error":
            self.bounced.append(stanza)
        elif body(stanza) and not stored and not delayed and stanza.get("type") != "groupchat":
            self.loose.append(stanza)
        self.news.set()

    @property
    def lost(self) -> bool:
        return self._lost.done()

    # --- asking

    async def open(self) -> None:
        """Connect and log in. Raises :class:`Retry`, :class:`Unauthorized`."""
        host, port = self._address
        self._xmpp.connect(host, port) if host else self._xmpp.connect()
        await asyncio.wait({self._ready, self._lost}, timeout=CONNECT, return_when=asyncio.FIRST_COMPLETED)
        if not self._ready.done():
            await asyncio.sleep(BREATH)
            raise self._why if self._lost.done() else Retry("the XMPP server does not answer")

    async def close(self) -> None:
        self._end(None)
        self._xmpp.cancel_connection_attempt()
        if self._xmpp.is_connected():
            await asyncio.wait({asyncio.ensure_future(self._xmpp.disconnect(wait=GOODBYE))}, timeout=2 * GOODBYE)
        self._xmpp.abort()
        if (writing := self._xmpp._run_out_filters) is not None:
            writing.cancel()  # the library leaves this to the garbage collector

    async def answer(self, asked: Awaitable[T]) -> T:
        """What the server answers.

        Raises:
            Retry: the connection is gone, or no answer came in time.
            IqError: it said no.
        """
        waiting = asyncio.ensure_future(asked)
        first: set[asyncio.Future[Any]] = {waiting, self._lost}
        await asyncio.wait(first, timeout=ANSWER, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            raise self._why if self._lost.done() else Retry("the XMPP server does not answer")
        try:
            return waiting.result()
        except IqTimeout:
            raise Retry("the XMPP server does not answer") from None

    async def begin(self) -> None:
        """Become one whom messages are delivered to, and have all of them archived. Raises :class:`Unauthorized`."""
        features = await self.answer(self._xmpp.plugin["xep_0030"].get_info(jid=JID(self.me)))
        if MAM not in features["disco_info"]["features"]:
            raise Unauthorized("the server keeps no archive for this account (XEP-0313): messages would be lost")
        iq = self._xmpp.make_iq_set()
        preferences = SubElement(iq.xml, f"{{{MAM}}}prefs", {"default": "always"})
        SubElement(preferences, f"{{{MAM}}}always")
        SubElement(preferences, f"{{{MAM}}}never")
        with suppress(IqError):  # a server that archives all, and lets nobody choose
            await self.answer(iq.send(timeout=ANSWER))  # type: ignore[no-untyped-call]
        self._xmpp.send_presence()

    async def archive(self, after: str, start: datetime | None) -> tuple[list[Archived], bool]:
        """A page of the archive, oldest first, and whether it is the last one.

        Raises:
            Refused: it does not know ``after`` any more.
        """
        page: dict[str, Any] = {"max": PAGE, **({"after": after} if after else {})}
        asked = self._xmpp.plugin["xep_0313"].retrieve(start=start, rsm=page, timeout=int(ANSWER))
        try:
            answer = await self.answer(asked)
        except IqError as err:
            if err.condition == "item-not-found":
                raise Refused("the archive does not know the place any more") from None
            raise Retry(f"the archive says {err.condition}") from None
        fin = answer.xml.find(f"{{{MAM}}}fin")
        found = [_archived(message.xml) for message in answer["mam"]["results"]]
        return [one for one in found if one is not None], fin is None or fin.get("complete") in (
            "true",
            "1",
        ) or not found

    async def ping(self) -> None:
        """The server has dealt with what was sent before when this returns. Raises :class:`Retry`."""
        iq = self._xmpp.make_iq_get(ito=self.me.partition("@")[2])
        SubElement(iq.xml, "{urn:xmpp:ping}ping")
        try:
            await self.answer(iq.send(timeout=ANSWER))  # type: ignore[no-untyped-call]
        except IqError:
            return  # it knows no pings, and has answered

    async def slot(self, name: str, size: int, type: str) -> tuple[str, dict[str, str], str]:
        """Where a file is put, with which headers, and where it is then. Raises :class:`Refused`."""
        plugin = self._xmpp.plugin["xep_0363"]
        try:
            service = await self.answer(plugin.find_upload_service())
            if service is None:
                raise Refused("the server takes no files")
            answer = await self.answer(plugin.request_slot(service["from"], name, size, type))
        except IqError as err:
            raise (Retry if err.etype == "wait" else Refused)(
                f"the server takes no such file: {err.condition}"
            ) from None
        slot = answer["http_upload_slot"]
        headers = {one["name"]: one["value"].replace("\n", "") for one in slot["put"]["headers"]}
        return str(slot["put"]["url"]), headers, str(slot["get"]["url"])

    def say(self, to: str, id: str, text: str, *more: Element) -> None:
        """Write a message on its way; :meth:`ping` tells when the server has it."""
        message = self._xmpp.make_message(mto=to, mbody=text, mtype="chat")
        message["id"] = id
        for one in more:
            message.xml.append(one)
        message.send()

    def note(self, to: str, *more: Element) -> None:
        """A message without words: a receipt."""
        message = self._xmpp.make_message(mto=to, mtype="chat")
        for one in more:
            message.xml.append(one)
        message.send()

    async def hand_over(self, to: str, id: str, text: str, *more: Element) -> None:
        """Say something and wait until the server has taken it.

        Raises:
            Retry, Refused: it came back.
            Unknown: the connection broke before we knew.
        """
        self._awaited[id] = None
        try:
            self.say(to, id, text, *more)
            await self.ping()
        except ChannelError as err:
            raise self._awaited[id] or Unknown("the connection broke before the server had answered") from err
        else:
            if (refusal := self._awaited[id]) is not None:
                raise refusal
        finally:
            del self._awaited[id]


def error(stanza: Element) -> ChannelError:
    """What an error means: https://www.rfc-editor.org/rfc/rfc6120#section-8.3"""
    found = next((one for one in stanza if one.tag.rpartition("}")[2] == "error"), None)
    condition = "" if found is None else next((one.tag.rpartition("}")[2] for one in found), "")
    if found is not None and found.get("type") == "wait":
        return Retry(f"XMPP's error {condition}")
    return Refused(f"XMPP's error {condition}")


def _archived(message: Element) -> Archived | None:
    result = message.find(f"{{{MAM}}}result")
    forwarded = None if result is None else child(result, "forwarded", "urn:xmpp:forward:0")
    if result is None or forwarded is None:
        return None
    delay = child(forwarded, "delay", "urn:xmpp:delay")
    stanza = next((one for one in forwarded if one.tag.rpartition("}")[2] == "message"), None)
    if delay is None or stanza is None:
        return None
    return Archived(id=result.get("id", ""), at=moment(delay.get("stamp", "")), stanza=stanza)


@asynccontextmanager
async def opened(jid: str, password: Secret, **where: Any) -> AsyncIterator[Session]:
    """A session that is logged in, closed afterwards. Raises :class:`Retry`, :class:`Unauthorized`."""
    session = Session(jid, password, **where)
    try:
        await session.open()
        yield session
    finally:
        await session.close()
