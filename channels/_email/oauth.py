"""OAuth2 access tokens for XOAUTH2: from a command of the operator's, or by a refresh token over HTTP."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

import msgspec

from channels.base import Call, Retry, Tools, Unauthorized, Unknown

#: Seconds a token command may take.
COMMAND_SECONDS = 30.0
#: A token is renewed so many seconds before it ends; without a word it is taken for good for ten minutes.
EARLY, UNSAID = 120.0, 600.0

Token = Callable[[], Awaitable[str]]


class _Answer(msgspec.Struct):
    """RFC 6749, 5.1."""

    access_token: str
    expires_in: float = UNSAID


class Tokens:
    """Keeps one token until shortly before it ends."""

    def __init__(self, fetch: Callable[[Tools], Awaitable[tuple[str, float]]]) -> None:
        self._fetch = fetch
        self._token, self._until = "", 0.0
        self._lock = asyncio.Lock()

    async def get(self, tools: Tools) -> str:
        """A token that is still good. Raises :class:`Unauthorized`, :class:`Retry`."""
        async with self._lock:
            now = tools.now().timestamp()
            if not self._token or now >= self._until:
                self._token, seconds = await self._fetch(tools)
                self._until = now + max(seconds - EARLY, 0.0)
            return self._token

    def forget(self) -> None:
        """The server refused it: the next one is fetched anew."""
        self._token = ""


def by_command(command: str) -> Tokens:
    """Tokens that a program prints, run without a shell."""

    async def fetch(tools: Tools) -> tuple[str, float]:  # noqa: ARG001
        try:
            process = await asyncio.create_subprocess_exec(
                *shlex.split(command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
            )
        except OSError as err:
            raise Unauthorized(f"the token command cannot be run: {err.strerror}") from err
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                printed, _ = await process.communicate()
        except TimeoutError as err:
            raise Retry("the token command takes too long") from err
        finally:
            if process.returncode is None:
                process.kill()
        token = printed.decode("ascii", "replace").strip()
        if process.returncode or not token:
            raise Unauthorized(f"the token command failed with status {process.returncode}")
        return token, UNSAID

    return Tokens(fetch)


def by_refresh(url: str, client_id: str, client_secret: str, refresh_token: str, scope: str) -> Tokens:
    """Tokens by a refresh token (RFC 6749, 6)."""
    form = {
        "grant_type": "refresh_token",
        "client_id": client_id,
        "client_secret": client_secret,
        "refresh_token": refresh_token,
        "scope": scope,
    }
    body = urlencode({name: value for name, value in form.items() if value}).encode()

    async def fetch(tools: Tools) -> tuple[str, float]:
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        try:
            answer = await tools.http(Call(url=url, headers=headers, body=body))
        except Unknown as err:
            raise Retry("the token server did not answer") from err
        if answer.status >= 500 or answer.status == 429:
            raise Retry(f"the token server answers HTTP {answer.status}")
        if answer.status != 200:
            raise Unauthorized(f"the token server refuses us: HTTP {answer.status}")
        try:
            told = msgspec.json.decode(answer.body, type=_Answer)
        except msgspec.DecodeError as err:
            raise Unauthorized("the token server's answer holds no token") from err
        return told.access_token, told.expires_in

    return Tokens(fetch)
