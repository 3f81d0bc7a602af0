"""Meta's Graph API: calls with a token, its errors as what to do next, uploads, subscriptions.

https://developers.facebook.com/docs/graph-api/guides/error-handling
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Mapping
from typing import Any

import msgspec

from channels import _multipart
from channels._meta import MetaSettings, node
from channels.base import (
    Answer,
    Attachment,
    Call,
    ChannelError,
    Finding,
    Refused,
    Retry,
    Secret,
    Tools,
    Unauthorized,
    Unknown,
    asked_wait,
    settle,
)

#: Graph error code, or (code, subcode), to what follows. The HTTP status varies, the code does not.
Codes = Mapping[int | tuple[int, int], ChannelError]

CODES: Codes = {
    1: Retry("an error of Meta's"),
    2: Retry("Meta's service is not available"),
    4: Retry("too many calls of the app", 60.0, everyone=True),
    17: Retry("too many calls of the user", 60.0, everyone=True),
    32: Retry("too many calls of the Page", 60.0, everyone=True),
    613: Retry("too many calls", 60.0, everyone=True),
    80007: Retry("too many calls of the business account", 60.0, everyone=True),
    0: Unauthorized("the token is not accepted"),
    3: Unauthorized("the app may not make this call"),
    10: Unauthorized("the app lacks a permission"),
    102: Unauthorized("the session has ended"),
    190: Unauthorized("the token is invalid or has expired"),
    368: Unauthorized("the account is blocked for a breach of rules"),
    100: Refused("Meta does not accept a field of the message"),
}
#: 200 to 299 are missing permissions.
PERMISSIONS = range(200, 300)


class Graph:
    """Calls with one token. ``proof`` adds appsecret_proof, which shows that the token is in our own hands."""

    def __init__(self, settings: MetaSettings, token: Secret, codes: Codes, *, proof: bool = True) -> None:
        self._root = f"{settings.graph_url.rstrip('/')}/{settings.graph_version}"
        self._token, self._codes = token, {**CODES, **codes}
        key = settings.app_secret.encode()
        self._proof = hmac.new(key, token.encode(), hashlib.sha256).hexdigest() if proof else ""

    def __repr__(self) -> str:
        return "Graph()"

    def fetch(self, url: str) -> Call:
        """A call that fetches a file with the token."""
        return Call(method="GET", url=url, headers=self._headers())

    async def get(self, tools: Tools, path: str) -> dict[str, Any]:
        """Raises as :meth:`post`; asking again does no harm, so a lost answer is :class:`Retry`."""
        try:
            return self.outcome(await tools.http(Call(method="GET", url=self._url(path), headers=self._headers())))
        except Unknown as err:
            raise Retry("no answer") from err

    async def post(self, tools: Tools, path: str, value: Mapping[str, Any]) -> dict[str, Any]:
        """Raises :class:`Retry`, :class:`Unauthorized`, :class:`Refused`, :class:`Expired` and :class:`Unknown`."""
        body = msgspec.json.encode(value)
        return await self.form(tools, path, ("application/json", body))

    async def form(self, tools: Tools, path: str, body: tuple[str, bytes]) -> dict[str, Any]:
        """Post a (content type, body) pair."""
        headers = {**self._headers(), "content-type": body[0]}
        return self.outcome(await tools.http(Call(url=self._url(path), headers=headers, body=body[1])))

    def outcome(self, answer: Answer) -> dict[str, Any]:
        """The answer's object; an error becomes what to do next."""
        try:
            body = node(msgspec.json.decode(answer.body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            body = {}
        error = node(body, "error")
        if error:
            raise self.verdict(error, answer)
        settle(answer)
        return body

    def verdict(self, error: Mapping[str, Any], answer: Answer) -> ChannelError:
        """What follows from a Graph error object."""
        code, subcode = _number(error, "code"), _number(error, "error_subcode")
        known = self._codes.get((code, subcode)) or self._codes.get(code)
        if known is None and code in PERMISSIONS:
            known = Unauthorized("the app lacks a permission")
        if known is None:
            return _by_status(answer, transient=error.get("is_transient") is True, code=code)
        text = f"{code}: {known}"
        if isinstance(known, Retry):
            asked = asked_wait(answer)
            return Retry(text, known.after if asked is None else asked, everyone=known.everyone)
        return type(known)(text)

    def _url(self, path: str) -> str:
        if not self._proof:
            return f"{self._root}/{path}"
        return f"{self._root}/{path}{'&' if '?' in path else '?'}appsecret_proof={self._proof}"

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._token}"}


def _number(error: Mapping[str, Any], name: str) -> int:
    found = error.get(name)
    return found if isinstance(found, int) else -1


def _by_status(answer: Answer, *, transient: bool, code: int) -> ChannelError:
    if transient:
        return Retry(f"{code}: Meta says that it will pass")
    try:
        settle(answer)
    except Retry as err:
        return Retry(f"{code}: {err}", err.after)
    except ChannelError as err:
        return type(err)(f"{code}: {err}")
    return Refused(f"{code}: an error that we do not know")


def multipart(fields: Mapping[str, str], field: str, file: Attachment, data: bytes) -> tuple[str, bytes]:
    """A form with one file as (content type, body)."""
    headers, body = _multipart.form(fields, [_multipart.Part(field, _plain(file.name), file.type, data)])
    return headers["content-type"], body


def _plain(name: str) -> str:
    """Instagram takes ASCII names only."""
    kept = "".join(c for c in name if c.isascii() and (c.isalnum() or c in "._- "))
    return kept.strip(" .")[:100] or "file"


# --- set-up -------------------------------------------------------------------------------------------


async def subscribe_app(
    settings: MetaSettings, tools: Tools, *, object: str, fields: str, url: str
) -> tuple[Finding, ...]:
    """Tell the app where its events go. A repeat changes nothing."""
    what = f"the app's webhook for `{object}`"
    if not settings.app_id:
        return (Finding(what=what, ok=False, detail="set `app_id`, or enter the address in the app dashboard"),)
    # The dashboard's own calls are made with the app's id and secret in place of a token.
    graph = Graph(settings, Secret(f"{settings.app_id}|{settings.app_secret}"), {}, proof=False)
    value = {"object": object, "callback_url": url, "fields": fields, "verify_token": str(settings.verify_token)}
    return (await attempt(what, graph.post(tools, f"{settings.app_id}/subscriptions", value)),)


async def attempt(what: str, call: Awaitable[Any], detail: str = "") -> Finding:
    """A call as a finding."""
    try:
        await call
    except ChannelError as err:
        return Finding(what=what, ok=False, detail=f"{type(err).__name__}: {err}")
    return Finding(what=what, ok=True, detail=detail)
