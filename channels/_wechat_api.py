"""Calls to WeChat and WeCom: an access token that is asked for again when it is no longer good, errors as ours.

Both platforms hand out the same token to everybody who asks while it is good (WeChat by ``stable_token``, WeCom by ``gettoken``) and
count how often they are asked, so that nodes which share it are polite and those which cannot are right as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from channels._multipart import Part, form
from channels._tokens import OwnToken
from channels.base import (
    Answer,
    AskToken,
    Attachment,
    Call,
    Expired,
    Refused,
    Retry,
    Token,
    Tools,
    Unauthorized,
    Unknown,
    settle,
)

#: Errors that mean: ask for a new access token.
STALE_TOKEN = frozenset({40001, 40014, 42001, 41001})
#: The account has called too often: a minute's limit, a day's.
_MINUTE, _DAY = frozenset({45011, 45033, 45063}), frozenset({45009})
#: The customer wrote too long ago, or was answered too often since: WeChat, then WeCom.
_CLOSED = frozenset({45015, 45047, 95001, 95002, 95013, 95016, 95018})
#: Wrong secret, address not allowed, function not granted.
_CREDENTIALS = frozenset({40013, 40125, 40164, 41002, 41004, 48001, 48002, 50002, 61004, 95000, 95004, 95017, 60020})
MINUTE_PAUSE, DAY_PAUSE = 60.0, 3600.0


class Api:
    """The calls of one account. ``ask`` fetches a new access token."""

    def __init__(self, url: str, ask: AskToken) -> None:
        self._url, self._ask = url, ask
        self._token: Token = OwnToken()
        self._used, self._refused = "", ""

    def use_token(self, token: Token) -> None:
        """Take a token that others use, too."""
        self._token = token

    async def post(self, path: str, body: Mapping[str, Any], tools: Tools) -> dict[str, Any]:
        """A JSON call; what it answers. A token that is no longer good is renewed once.

        Raises:
            Retry, Unauthorized, Refused, Expired, Unknown: what to do next.
        """
        encoded = json.dumps(body, ensure_ascii=False).encode(errors="replace")
        headers = {"content-type": "application/json; charset=utf-8"}
        return await self.call(lambda token: Call(url=self.url(path, token), headers=headers, body=encoded), tools)

    async def call(self, make: Callable[[str], Call], tools: Tools) -> dict[str, Any]:
        """Any call that answers in JSON; see :meth:`post`."""
        token = await self.token(tools)
        found = answered(await tools.http(make(token)))
        if found.get("errcode", 0) in STALE_TOKEN:
            self._refused = token
            found = answered(await tools.http(make(await self.token(tools))))
        checked(found)
        return found

    def url(self, path: str, token: str, **query: str) -> str:
        """A call's address. It holds the token: never to be stored or shown."""
        return f"{self._url}{path}?{urlencode({'access_token': token, **query})}"

    def forget(self) -> None:
        """The next call is to have another token than the last one had."""
        self._refused = self._used

    async def token(self, tools: Tools) -> str:
        """The access token. Raises as :meth:`post` does, and never :class:`Unknown`: asking again does no harm."""
        try:
            self._used = await self._token.get(self._ask, tools, refused=self._refused)
        except Unknown as err:
            raise Retry("the access token did not come") from err
        return self._used

    async def media(self, path: str, media_id: str, tools: Tools) -> Call:
        """The call that fetches a customer's file."""
        return Call(method="GET", url=self.url(path, await self.token(tools), media_id=media_id))

    async def upload(self, path: str, kind: str, file: Attachment, tools: Tools) -> str:
        """Bring a file to the platform; its media id. Raises as :meth:`post`, and never :class:`Unknown`."""
        headers, body = form({}, [Part("media", file.name, file.type, await tools.read(file))])
        try:
            found = await self.call(
                lambda token: Call(url=self.url(path, token, type=kind), headers=headers, body=body, timeout=120.0),
                tools,
            )
        except Unknown as err:
            raise Retry("the file may not have arrived") from err
        return str(found.get("media_id", ""))


def answered(answer: Answer) -> dict[str, Any]:
    """An answer's JSON. Raises as :func:`channels.base.settle`, and :class:`Unknown` for what is none."""
    settle(answer)
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise Unknown("the answer is not the platform's") from None
    if not isinstance(found, dict):
        raise Unknown("the answer is not the platform's")
    return found


def checked(found: Mapping[str, Any]) -> None:
    """Turn an ``errcode`` into the one error tree; 0 passes."""
    code = found.get("errcode", 0)
    if code == 0:
        return
    said = f"errcode {code}"
    if code == -1:
        raise Retry(f"{said}: busy")
    if code in _MINUTE:
        raise Retry(f"{said}: too many calls", MINUTE_PAUSE, everyone=True)
    if code in _DAY:
        raise Retry(f"{said}: the day's calls are used up", DAY_PAUSE, everyone=True)
    if code in _CLOSED:
        raise Expired(f"{said}: the customer wrote too long ago or was answered too often since")
    if code in STALE_TOKEN or code in _CREDENTIALS:
        raise Unauthorized(f"{said}: {str(found.get('errmsg', ''))[:80]}")
    raise Refused(said)
