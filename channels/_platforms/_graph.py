"""Meta's Graph API and webhooks as a server: what WhatsApp, Messenger and Instagram have in common.

https://developers.facebook.com/docs/graph-api: bearer tokens, appsecret_proof, error objects, signed batches.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

import aiohttp
from aiohttp import web

from channels._platforms.base import Platform, Saying
from channels.base import Call

APP_ID = "314159265358979"
APP_SECRET = "simulated-app-secret-of-nobody"  # noqa: S105 - it opens this fake only
VERIFY_TOKEN = "simulated-verify-token"  # noqa: S105
TOKEN = "EAAsimulatedtokenofnobody"  # noqa: S105
WINDOW = timedelta(hours=24)


class Refusal(Exception):
    """An error object."""

    def __init__(self, code: int, message: str, *, subcode: int = 0, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.subcode, self.status = code, subcode, status


class GraphPlatform(Platform):
    """``later`` moves the platform's clock on, so that reply windows end."""

    object: ClassVar[str]
    acts: ClassVar[tuple[str, ...]] = ("a day later",)
    proof: ClassVar[bool] = True
    """Whether calls must prove that the token is in the app's own hands."""

    def __init__(self, **where: Any) -> None:
        super().__init__(**where)
        self.later = timedelta()
        self.subscriptions: dict[str, Mapping[str, Any]] = {}
        """What the app is subscribed to, by object; and what a Page or account is subscribed to, by its id."""
        self.wrote: dict[str, datetime] = {}
        """When the customer of a thread wrote last."""

    @property
    def common(self) -> dict[str, Any]:
        """The settings that all accounts have."""
        return {
            "app_id": APP_ID,
            "app_secret": APP_SECRET,
            "verify_token": VERIFY_TOKEN,
            "graph_url": self.url,
        }

    def now(self) -> datetime:
        return super().now() + self.later

    def _write(self, said: Saying) -> None:
        super()._write(said)
        self.wrote[said.thread] = said.at

    def act(self, what: str, person: str) -> None:  # noqa: ARG002 - the clock is everybody's
        if what != "a day later":
            raise KeyError(what)
        self.later += timedelta(hours=25)

    def ms(self) -> int:
        return int(self.now().timestamp() * 1000)

    # --- delivering

    @abstractmethod
    def entry(self, event: Any) -> dict[str, Any]:
        """An event as an entry of a batch."""

    def webhook(self, event: Any) -> Call:
        """An event alone, or a list of them as one batch, signed."""
        batch = event if isinstance(event, list) else [event]
        body = json.dumps(
            {"object": self.object, "entry": [self.entry(one) for one in batch]}, separators=(",", ":")
        ).encode()
        return Call(url=self.door, headers=signed(body), body=body, timeout=5.0)

    # --- being called

    def refusal(self, status: int, headers: Mapping[str, str]) -> web.Response:
        code = {401: 190, 429: 4, 400: 100}.get(status, 1 if status >= 500 else 100)
        error = {"message": f"(#{code}) simulated", "type": "OAuthException", "code": code, "fbtrace_id": "A"}
        return web.json_response({"error": error}, status=status, headers=headers)

    def allowed(self, request: web.Request) -> None:
        """Check the token and its proof. Raises :class:`Refusal`."""
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refusal(190, "Invalid OAuth access token.", status=401)
        proof = hmac.new(APP_SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()
        if self.proof and request.query.get("appsecret_proof") != proof:
            raise Refusal(100, "Invalid appsecret_proof provided in the API argument")

    def handler(self, work: Any) -> Any:
        """A route's handler around ``work(request) -> object``."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                self.allowed(request)
                return web.json_response(await work(request))
            except Refusal as no:
                error = {"message": str(no), "type": "OAuthException", "code": no.code, "error_subcode": no.subcode}
                return web.json_response({"error": error}, status=no.status)

        return handle

    def common_routes(self) -> list[web.RouteDef]:
        return [
            web.post(f"/v25.0/{APP_ID}/subscriptions", self._subscriptions),
            web.post("/v25.0/{owner}/subscribed_apps", self.handler(self._subscribed)),
        ]

    async def _subscriptions(self, request: web.Request) -> web.Response:
        """The app's webhook: Meta calls the address before it believes it."""
        if request.headers.get("Authorization") != f"Bearer {APP_ID}|{APP_SECRET}":
            return self.refusal(401, {})
        wanted = await request.json()
        query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": wanted["verify_token"]}
        async with aiohttp.ClientSession() as client, client.get(wanted["callback_url"], params=query) as answer:
            if answer.status != 200 or await answer.text() != "1158201444":
                return self.refusal(400, {})
        self.subscriptions[wanted["object"]] = wanted
        return web.json_response({"success": True})

    async def _subscribed(self, request: web.Request) -> dict[str, Any]:
        self.subscriptions[request.match_info["owner"]] = dict(await request.json())
        return {"success": True}

    def within_window(self, thread: str) -> bool:
        """Whether the customer of a thread has written in the last 24 hours."""
        return thread in self.wrote and self.now() - self.wrote[thread] <= WINDOW


def signed(body: bytes) -> dict[str, str]:
    """The headers of a delivery."""
    signature = hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json"}


def stamp(said: Saying) -> int:
    return int(said.at.timestamp())
