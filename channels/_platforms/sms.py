"""Twilio's messaging as a server: https://www.twilio.com/docs/messaging

One account with a number: signed forms for what comes in, messages out that are delivered at once and told of by callback,
files behind a redirect, ``STOP`` that ends it all.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from aiohttp import web

from channels._platforms.base import Person, Platform, Saying
from channels.base import Call

ACCOUNT, TOKEN = "AC00000000000000000000000000000001", "simulated-auth-token-of-nobody"
NUMBER = "+15005550006"
MAX_TEXT = 1600


class Sms(Platform):
    """One account and its number."""

    name: ClassVar[str] = "sms"
    again_after: ClassVar[tuple[float, ...]] = (1.0, 2.0)

    def __init__(self, **where: Any) -> None:
        super().__init__(**where)
        self.stopped: set[str] = set()
        """Numbers that want no messages."""

    @property
    def settings(self) -> dict[str, Any]:
        callback = {"callback_url": self.door} if self.door else {}
        return {"account_sid": ACCOUNT, "auth_token": TOKEN, "number": NUMBER, "api_url": self.url, **callback}

    def routes(self) -> list[web.RouteDef]:
        account = f"/2010-04-01/Accounts/{ACCOUNT}"
        return [
            web.post(f"{account}/Messages.json", self._send),
            web.get(f"{account}/Balance.json", self._balance),
            web.get(f"{account}/IncomingPhoneNumbers.json", self._numbers),
            web.post(f"{account}/IncomingPhoneNumbers/PN1.json", self._set_number),
            web.get(f"{account}/Messages/{{id}}/Media/{{file}}", self._redirect),
            web.get("/cdn/{file}", self._file),
        ]

    def is_send(self, request: web.Request) -> bool:
        return request.path.endswith("/Messages.json")

    def refusal(self, status: int, headers: Mapping[str, str]) -> web.Response:
        codes = {401: 20003, 429: 20429, 404: 20404}
        body = {"code": codes.get(status, 21211), "message": f"error {status}", "status": status}
        return web.json_response(body, status=status, headers=headers)

    def person_id(self, name: str) -> str:
        return "+86138" + str(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big"))[-8:].zfill(8)

    def thread_of(self, person: Person) -> str:
        return f"{NUMBER}/{person.id}"

    def message_id(self) -> str:
        return f"SM{self.number():0>32}"

    # --- what customers do

    def events(self, said: Saying) -> list[Any]:
        word = said.text.strip().upper()
        form = {
            **self._form(said.id, said.person.id, NUMBER),
            "SmsStatus": "received",
            "Body": said.text or said.choice,
        }
        form |= {"NumMedia": str(len(said.files)), "NumSegments": "1"}
        if word in ("STOP", "START"):
            (self.stopped.add if word == "STOP" else self.stopped.discard)(said.person.id)
            form["OptOutType"] = word
        for n, file in enumerate(said.files):
            path = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{said.id}/Media/{self.keep(file)}"
            form |= {f"MediaUrl{n}": self.url + path, f"MediaContentType{n}": file.type}
        return [form]

    def strange(self, said: Saying) -> Any:
        return {**self._form(self.message_id(), NUMBER, said.person.id), "MessageStatus": "quantum_leap"}

    def _form(self, id: str, sender: str, to: str) -> dict[str, str]:
        ids = {"MessageSid": id, "SmsSid": id, "SmsMessageSid": id, "AccountSid": ACCOUNT, "ApiVersion": "2010-04-01"}
        return {**ids, "From": sender, "To": to, "FromCountry": "CN", "FromCity": "", "ToCity": ""}

    # --- how it is delivered

    def webhook(self, event: Any) -> Call:
        headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": sign(self.door, event)}
        return Call(url=self.door, headers=headers, body=urlencode(event).encode(), timeout=15.0)

    # --- what an account may call

    def _wrong(self, request: web.Request) -> web.Response | None:
        pair = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        return None if request.headers.get("authorization") == f"Basic {pair}" else self.refusal(401, {})

    async def _send(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        asked = await request.post()
        to, text, ours = (str(asked.get(name, "")) for name in ("To", "Body", "From"))
        code = 21610 if to in self.stopped else 21617 if len(text) > MAX_TEXT else 21602 if not text else 0
        if code:
            return web.json_response({"code": code, "message": f"error {code}", "status": 400}, status=400)
        id = self.message_id()
        self.saw(f"{ours}/{to}", text, id=id)
        if self.door and asked.get("StatusCallback"):
            for state in ("sent", "delivered"):
                self.deliver({**self._form(id, ours, to), "MessageStatus": state})
        return web.json_response(
            {"sid": id, "status": "queued", "to": to, "from": ours, "error_code": None}, status=201
        )

    async def _balance(self, request: web.Request) -> web.Response:
        return self._wrong(request) or web.json_response({"balance": "19.84", "currency": "USD"})

    async def _numbers(self, request: web.Request) -> web.Response:
        mine = request.query.get("PhoneNumber") == NUMBER
        return self._wrong(request) or web.json_response({"incoming_phone_numbers": [{"sid": "PN1"}] if mine else []})

    async def _set_number(self, request: web.Request) -> web.Response:
        self.door = str((await request.post()).get("SmsUrl", "")).partition("#")[0]
        return self._wrong(request) or web.json_response({"sid": "PN1"})

    async def _redirect(self, request: web.Request) -> web.Response:
        return self._wrong(request) or web.Response(
            status=307, headers={"location": f"{self.url}/cdn/{request.match_info['file']}"}
        )

    async def _file(self, request: web.Request) -> web.Response:
        if "authorization" in request.headers:
            return web.Response(status=400, text="Only one auth mechanism allowed")
        return self.hand_over_file(request.match_info["file"])


def sign(url: str, form: Mapping[str, str], token: str = TOKEN) -> str:
    """Twilio's signature of a form."""
    said = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), said.encode(), hashlib.sha1).digest()).decode()


PLATFORM = Sms
