"""An XMPP server for one account: RFC 6120 without encryption, and its archive by XEP-0313.

Streams, log-in, service discovery, pings, messages with errors, an archive that is paged, uploads (XEP-0363). The channel's tests
run against a real Prosody as well.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import quote, unquote
from xml.etree.ElementTree import Element, SubElement, XMLPullParser, tostring
from xml.sax.saxutils import quoteattr

import msgspec
from aiohttp import web

from channels._platforms.base import File, Platform, Saying
from channels.base import Call

HOST, BOT, PASSWORD = "localhost", "lumi@localhost", "simulated-password-of-nobody"
CLIENT, MAM, SASL = "jabber:client", "urn:xmpp:mam:2", "urn:ietf:params:xml:ns:xmpp-sasl"
STANZAS, BIND, DISCO = (
    "urn:ietf:params:xml:ns:xmpp-stanzas",
    "urn:ietf:params:xml:ns:xmpp-bind",
    "http://jabber.org/protocol/disco",
)
RSM, UPLOAD, OOB = "http://jabber.org/protocol/rsm", "urn:xmpp:http:upload:0", "jabber:x:oob"
#: The port of the streams lies this much above that of the files.
BESIDE = 1000


class Archived(msgspec.Struct, frozen=True):
    """A message in the archive."""

    id: str
    at: datetime
    stanza: Any


class Xmpp(Platform):
    """One server. Threads as the channel names them: bare addresses."""

    name: ClassVar[str] = "xmpp"

    def __init__(self, **where: Any) -> None:
        super().__init__(**where)
        self.archive: list[Archived] = []
        self.receipts: list[str] = []
        """Ids of messages that the account has said to have."""
        self.locked = False
        """Whether nobody may log in."""
        self.stream_port = self.port + BESIDE if self.port else 0
        self._streams: set[_Stream] = set()
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Any:
        self._listener = await asyncio.start_server(self._connected, self.host, self.stream_port)
        self.stream_port = self._listener.sockets[0].getsockname()[1]
        return await super().__aenter__()

    async def __aexit__(self, *exc: object) -> None:
        assert self._listener is not None
        self._listener.close()
        for stream in list(self._streams):
            stream.cut()
        await super().__aexit__(*exc)

    @property
    def settings(self) -> dict[str, Any]:
        return {"jid": BOT, "password": PASSWORD, "host": self.host, "port": self.stream_port, "tls": "none"}

    def routes(self) -> list[web.RouteDef]:
        return [web.put("/files/{id}/{name}", self._put), web.get("/files/{id}/{name}", self._get)]

    def is_send(self, request: web.Request) -> bool:  # noqa: ARG002 - messages come over the stream
        return False

    def person_id(self, name: str) -> str:
        short = "".join(c for c in name.lower() if c.isascii() and c.isalnum())
        return f"{short or 'u' + hashlib.sha256(name.encode()).hexdigest()[:8]}@{HOST}"

    def message_id(self) -> str:
        return f"m{self.number()}"

    # --- what customers do

    def events(self, said: Saying) -> list[Any]:
        base = {"from": f"{said.person.id}/phone", "to": BOT, "type": "chat", "id": said.id}
        if said.delete_of or said.edit_of:
            base["id"] = self.message_id()
        if said.delete_of:
            return [self._message(base, "", Element("{urn:xmpp:message-retract:1}retract", {"id": said.delete_of}))]
        more = [Element("{urn:xmpp:receipts}request")]
        if said.edit_of:
            more.append(Element("{urn:xmpp:message-correct:0}replace", {"id": said.edit_of}))
        if said.reply_to:
            more.append(Element("{urn:xmpp:reply:0}reply", {"id": said.reply_to}))
        words = [self._message(base, said.text or said.choice, *more)] if said.text or said.choice else []
        return words + [self._shared(base, file) for file in said.files]

    def _shared(self, base: Mapping[str, str], file: File) -> Element:
        link = f"{self.url}/files/{self.keep(file)}/{quote(file.name)}"
        shared = Element(f"{{{OOB}}}x")
        SubElement(shared, f"{{{OOB}}}url").text = link
        return self._message({**base, "id": self.message_id()}, link, shared)

    def _message(self, attributes: Mapping[str, str], text: str, *more: Element) -> Element:
        message = Element(f"{{{CLIENT}}}message", dict(attributes))
        if text:
            SubElement(message, f"{{{CLIENT}}}body").text = text
        message.extend(more)
        return message

    def strange(self, said: Saying) -> Any:
        base = {"from": f"{said.person.id}/phone", "to": BOT, "type": "chat", "id": self.message_id()}
        return self._message(base, "", Element("{urn:example:quantum}leap"))

    def deliver(self, event: Any) -> None:
        """A message is archived, then brought to whoever is there."""
        for _ in range(2 if self.happens("twice") else 1):
            self.file(event, self.now())

    def file(self, stanza: Element, at: datetime, id: str = "") -> None:
        """Put a message into the archive and bring it."""
        item = Archived(id or f"a{self.number()}", at, stanza)
        self.archive.append(item)
        brought = Element(stanza.tag, stanza.attrib)
        brought.extend([*stanza, Element("{urn:xmpp:sid:0}stanza-id", {"by": BOT, "id": item.id})])
        for stream in self._streams:
            if stream.present:
                stream.send(brought)

    def webhook(self, event: Any) -> Call:
        raise NotImplementedError("an XMPP server does not call")

    def after(self, place: str, start: datetime | None) -> list[Archived] | None:
        """The archive behind a message or from a time on; None where there is no such message."""
        if place:
            found = next((n for n, item in enumerate(self.archive) if item.id == place), None)
            return None if found is None else self.archive[found + 1 :]
        return [item for item in self.archive if start is None or item.at >= start]

    def fate(self) -> int:
        """What becomes of a message of ours."""
        if self.script:
            return self.script.pop(0)[0]
        return next((n for fault, n in (("busy", 429), ("broken", 500), ("cut", 0)) if self.happens(fault)), 200)

    def took(self, stanza: Element) -> None:  # type: ignore[override]
        """A message of ours goes on to its customer."""
        received = stanza.find("{urn:xmpp:receipts}received")
        if received is not None:
            self.receipts.append(received.get("id", ""))
            return
        stanza.set("from", f"{BOT}/allears")
        self.archive.append(Archived(f"a{self.number()}", self.now(), stanza))
        reply = stanza.find("{urn:xmpp:reply:0}reply")
        answered = "" if reply is None else reply.get("id", "")
        place = next((item.id for item in self.archive if item.stanza.get("id") == answered), "") if answered else ""
        link = stanza.findtext(f"{{{OOB}}}x/{{{OOB}}}url") or ""
        file = self.files.get(link.rpartition("/files/")[2].partition("/")[0])
        text = "" if file is not None else stanza.findtext(f"{{{CLIENT}}}body") or ""
        files = [file] if file is not None else []
        self.saw(stanza.get("to", ""), text, id=stanza.get("id", ""), reply_to=place, files=files)

    # --- files

    def slot(self, name: str) -> str:
        """Where a file may be put."""
        return f"{self.url}/files/{self.keep(File(name=name, type='', data=b''))}/{quote(name)}"

    async def _put(self, request: web.Request) -> web.Response:
        name, data = unquote(request.match_info["name"]), await request.read()
        self.files[request.match_info["id"]] = File(name=name, type=request.content_type, data=data)
        return web.Response(status=201)

    async def _get(self, request: web.Request) -> web.Response:
        return self.hand_over_file(request.match_info["id"])

    # --- streams

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = _Stream(self, writer)
        self._streams.add(stream)
        try:
            while data := await reader.read(65536):
                stream.feed(data)
                await writer.drain()
        except (ConnectionError, SyntaxError):
            pass  # who breaks the rules of XML is gone, as at a real server
        finally:
            self._streams.discard(stream)
            stream.cut()


class _Stream:
    """One connection of the account."""

    def __init__(self, server: Xmpp, writer: asyncio.StreamWriter) -> None:
        self._server, self._writer = server, writer
        self.present = False
        self._known = False
        self._restart()

    def _restart(self) -> None:
        self._parser: Any = XMLPullParser(("start", "end"))
        self._depth = 0

    def cut(self) -> None:
        self._writer.close()

    def send(self, stanza: Element) -> None:
        self._writer.write(tostring(stanza))

    def feed(self, data: bytes) -> None:
        parser = self._parser
        parser.feed(data)
        for event, element in parser.read_events():
            self._depth += 1 if event == "start" else -1
            if event == "start" and self._depth == 1:
                self._greet()
            elif event == "end" and self._depth == 1:
                self._take(element)
            elif event == "end" and self._depth == 0:
                self._writer.write(b"</stream:stream>")
                self.cut()
            if self._parser is not parser:
                return  # the stream begins anew

    def _greet(self) -> None:
        offer = (
            f"<bind xmlns='{BIND}'/>"
            if self._known
            else f"<mechanisms xmlns='{SASL}'><mechanism>PLAIN</mechanism></mechanisms>"
        )
        self._writer.write(
            f"<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='http://etherx.jabber.org/streams' id='s1' "
            f"from={quoteattr(HOST)} version='1.0'><stream:features>{offer}</stream:features>".encode()
        )

    def _take(self, stanza: Element) -> None:
        kind = stanza.tag.rpartition("}")[2]
        if kind == "auth":
            self._log_in(stanza)
        elif not self._known:
            self.cut()
        elif kind == "iq":
            self._asked(stanza)
        elif kind == "presence":
            self.present = True
        elif kind == "message":
            self._message(stanza)

    def _log_in(self, auth: Element) -> None:
        said = base64.b64decode(auth.text or "").split(b"\0")
        if self._server.locked or said[1:] != [BOT.partition("@")[0].encode(), PASSWORD.encode()]:
            self._writer.write(f"<failure xmlns='{SASL}'><not-authorized/></failure>".encode())
            return
        self._known = True
        self._restart()
        self._writer.write(f"<success xmlns='{SASL}'/>".encode())

    def _message(self, stanza: Element) -> None:
        fate = 200 if stanza.find(f"{{{CLIENT}}}body") is None else self._server.fate()
        if fate not in (0, 200):
            back = Element(f"{{{CLIENT}}}message", {"type": "error", "id": stanza.get("id", ""), "to": BOT})
            back.set("from", stanza.get("to", ""))
            wait = fate == 429 or fate >= 500
            error = SubElement(back, f"{{{CLIENT}}}error", {"type": "wait" if wait else "cancel"})
            SubElement(error, f"{{{STANZAS}}}{'resource-constraint' if wait else 'service-unavailable'}")
            self.send(back)
            return
        self._server.took(stanza)
        if fate == 0:
            self._writer.transport.abort()

    # --- questions

    def _asked(self, iq: Element) -> None:
        content = next(iter(iq), None)
        tag = "" if content is None else content.tag
        result = Element(f"{{{CLIENT}}}iq", {"type": "result", "id": iq.get("id", "")})
        if iq.get("to"):
            result.set("from", iq.get("to", ""))
        if tag == f"{{{BIND}}}bind":
            SubElement(SubElement(result, tag), f"{{{BIND}}}jid").text = f"{BOT}/allears"
        elif tag == f"{{{DISCO}#info}}query":
            self._features(SubElement(result, tag))
        elif content is not None and tag == f"{{{MAM}}}query":
            self._archive(content, result)
        elif content is not None and tag == f"{{{UPLOAD}}}request":
            link = self._server.slot(content.get("filename", ""))
            slot = SubElement(result, f"{{{UPLOAD}}}slot")
            SubElement(slot, f"{{{UPLOAD}}}put", {"url": link})
            SubElement(slot, f"{{{UPLOAD}}}get", {"url": link})
        self.send(result)

    def _features(self, query: Element) -> None:
        SubElement(query, f"{{{DISCO}#info}}identity", {"category": "store", "type": "file"})
        for feature in (MAM, UPLOAD, f"{DISCO}#info"):
            SubElement(query, f"{{{DISCO}#info}}feature", {"var": feature})

    def _archive(self, query: Element, result: Element) -> None:
        asked = query.find(f"{{{RSM}}}set")
        place = "" if asked is None else asked.findtext(f"{{{RSM}}}after") or ""
        most = int((asked.findtext(f"{{{RSM}}}max") if asked is not None else "") or 50)
        found = self._server.after(place, _start(query))
        if found is None:
            result.set("type", "error")
            error = SubElement(result, f"{{{CLIENT}}}error", {"type": "cancel"})
            SubElement(error, f"{{{STANZAS}}}item-not-found")
            return
        for item in found[:most]:
            self.send(_forwarded(item, query.get("queryid", "")))
        SubElement(result, f"{{{MAM}}}fin", {"complete": "true"} if len(found) <= most else {})


def _start(query: Element) -> datetime | None:
    for field in query.iter("{jabber:x:data}field"):
        if field.get("var") == "start" and (value := field.findtext("{jabber:x:data}value")):
            return datetime.fromisoformat(value).astimezone(UTC)
    return None


def _forwarded(item: Archived, query: str) -> Element:
    message = Element(f"{{{CLIENT}}}message", {"to": f"{BOT}/allears", "from": BOT})
    result = SubElement(message, f"{{{MAM}}}result", {"id": item.id, "queryid": query})
    forwarded = SubElement(result, "{urn:xmpp:forward:0}forwarded")
    SubElement(forwarded, "{urn:xmpp:delay}delay", {"stamp": item.at.isoformat().replace("+00:00", "Z")})
    forwarded.append(item.stanza)
    return message


PLATFORM = Xmpp
