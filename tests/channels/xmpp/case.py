"""The XMPP channel for the contract suite: the fake server and its archive."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, SubElement, fromstring, tostring

from channels._platforms.xmpp import BOT, CLIENT, PASSWORD, Archived, Xmpp

SETTINGS = {"jid": BOT, "password": PASSWORD}
#: What may never be seen in a log, repr or error.
SECRETS = (PASSWORD,)
BESIDE_FILES = "照片见附件。"
#: What ``text.xml`` says.
EXPECTED = [
    {
        "external_id": "28482-98726-73623",
        "thread": "wangfang@example.org",
        "sender": "wangfang@example.org",
        "text": "灯笼收到就是破的，订单 20261118-0042，我要退款！",
        "at": datetime(2026, 11, 22, 7, 0, tzinfo=UTC),
    }
]


class Provider(Xmpp):
    """The fake as the suite asks for it: it holds what no receipt has come for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._arrived = 0

    def put(self, body: Any) -> None:
        end, number = body.rfind(b">") + 1, body[-3:].strip()
        number = number if number.isdigit() else b""  # the suite makes several of one by a number at its end
        try:
            item = fromstring(body[:end] if number else body)
        except ParseError:
            item = None
        self._arrived += 1
        if item is None or item.tag != "{urn:xmpp:mam:2}result":
            odd = Element(f"{{{CLIENT}}}message", {"from": "odd@example.org", "id": f"odd{self._arrived}"})
            SubElement(odd, "{urn:xmpp:message-correct:0}replace", {"body": body.hex()[:2000]})
            SubElement(odd, "{urn:xmpp:receipts}request")
            self.file(odd, self.now())
            return
        delay, stanza = item.find(".//{urn:xmpp:delay}delay"), item.find(f".//{{{CLIENT}}}message")
        assert delay is not None
        assert stanza is not None
        for one in (stanza, stanza.find("{urn:xmpp:sid:0}origin-id")):
            assert one is not None
            one.set("id", one.get("id", "") + number.decode())
        self._arrived -= stanza.get("from", "").startswith(BOT)
        self.file(stanza, datetime.fromisoformat(delay.get("stamp", "")), item.get("id", "") + number.decode())

    def after(self, place: str, start: datetime | None) -> list[Archived] | None:
        """The captures are as old as they are: they come when they are put."""
        return super().after(place, None)

    def saw(self, thread: str, text: str, *, id: str, **more: Any) -> None:
        super().saw(thread, text, id=id, **more)
        item = Element("{urn:xmpp:mam:2}result", {"id": f"echo-{id}"})
        SubElement(item, "{urn:xmpp:delay}delay", {"stamp": "2026-11-22T08:00:00+00:00"})
        origin = Element("{urn:xmpp:sid:0}origin-id", {"id": id})
        item.append(self._message({"from": f"{BOT}/x", "to": thread, "type": "chat", "id": id}, text, origin))
        self.sent[-1]["raw"] = tostring(item)

    def again(self) -> None:
        for item in list(self.archive):
            self._arrived += not item.stanza.get("from", "").startswith(BOT)
            self.file(item.stanza, item.at)

    def untaken(self) -> int:
        return self._arrived - len(self.receipts)

    def fail(self, how: str) -> None:
        self.locked = how == "login"
        statuses = {"later": 503, "never": 400, "in doubt": 0}
        self.script = [(statuses[how], {})] if how in statuses else []
