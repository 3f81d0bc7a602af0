"""How python-telegram-bot's ``Bot`` reaches Telegram: through the gateway's own client, with its errors as ours.

The token is part of every URL, so no URL and no error of the library's may be shown: what leaves this module are the
errors of ``channels.base`` with texts of Telegram's that name no customer and no secret.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    TelegramError,
)
from telegram.request import BaseRequest, RequestData

from channels._multipart import Part, form
from channels.base import Blocked, Call, ChannelError, Refused, Retry, Secret, Tools, Unauthorized, Unknown, settle

#: Seconds for a call, and for one that carries a file.
TIMEOUT = 30.0
FILE_TIMEOUT = 180.0

# The library logs parameters and bodies, which hold customers' words.
logging.getLogger("telegram").setLevel(logging.CRITICAL + 1)


class Wire(BaseRequest):
    """One HTTP client of the library's, over :class:`channels.base.Tools`."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    @property
    def read_timeout(self) -> float:
        return TIMEOUT

    async def initialize(self) -> None:
        """Nothing is kept open."""

    async def shutdown(self) -> None:
        """Nothing is kept open."""

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        write_timeout: Any = BaseRequest.DEFAULT_NONE,  # noqa: ARG002 - the egress filter has one limit
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,  # noqa: ARG002
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,  # noqa: ARG002
    ) -> tuple[int, bytes]:
        """One call. Errors of the connection are raised as ours and come out of :func:`told` again."""
        headers, body = _encoded(request_data)
        limit = FILE_TIMEOUT if request_data is not None and request_data.contains_files else TIMEOUT
        wanted = float(read_timeout) if isinstance(read_timeout, int | float) else 0.0
        answer = await self._tools.http(
            Call(method=method, url=url, headers=headers, body=body, timeout=max(limit, wanted))
        )
        told = _object(answer.body)
        if wait := _wait(told):
            # The limit is the bot's: whatever else is sent meanwhile makes it longer.
            raise Retry("flood control", wait, everyone=True)
        if answer.status >= 500 or answer.status == 429:
            settle(answer)
        if answer.status == 404:
            raise Refused("HTTP 404: there is no such method; is `api_url` right?")
        if not told:
            # A proxy in between may have sent the message on before it failed.
            raise Unknown(f"HTTP {answer.status} that is not Telegram's")
        return answer.status, answer.body


@contextmanager
def told() -> Iterator[None]:
    """The library's errors as those of ``channels.base``; :class:`ChatMigrated` stays what it is."""
    try:
        yield
    except (ChatMigrated, ChannelError):
        raise
    except TelegramError as err:
        raise _ours(err) from None


def _ours(err: TelegramError) -> ChannelError:
    if isinstance(err.__cause__, ChannelError):
        return err.__cause__
    match err:
        case InvalidToken():
            return Unauthorized("Telegram does not know this token")
        case Forbidden():
            return Blocked(err.message)
        case BadRequest():
            return Refused(err.message)
        case Conflict():
            return Retry("a webhook is set, or another program asks for the same bot's updates")
        case NetworkError():
            return Unknown(type(err).__name__)
    return Refused(type(err).__name__)


def file_url(api_url: str, token: Secret, path: str) -> str:
    """Where a file lies. It holds the token: never to be stored or shown."""
    return f"{api_url}/file/bot{token}/{path.lstrip('/')}"


def call_url(api_url: str, token: Secret, method: str, fields: Mapping[str, Any]) -> str:
    """A call without a body."""
    given = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    return f"{api_url}/bot{token}/{method}?{urlencode(given)}"


def _object(body: bytes) -> dict[str, Any]:
    """The answer's object; empty where it is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _wait(told: Mapping[str, Any]) -> float:
    parameters = told.get("parameters")
    wait = parameters.get("retry_after") if isinstance(parameters, dict) else None
    return float(wait) if isinstance(wait, int | float) else 0.0


def _encoded(data: RequestData | None) -> tuple[dict[str, str], bytes]:
    """The parameters as Telegram takes them: a form, or its multipart kind where there are files."""
    if data is None:
        return {}, b""
    if not data.contains_files:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return headers, data.url_encoded_parameters().encode()
    files = []
    for name, (file, content, kind) in data.multipart_data.items():
        assert isinstance(content, bytes)
        files.append(Part(name, file, kind, content))
    return form(data.json_parameters, files)
