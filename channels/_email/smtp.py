"""The one place that speaks SMTP: aiosmtplib, one recipient and one connection a mail, every end of it named."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal

import aiosmtplib
import msgspec
from aiosmtplib import errors

from channels.base import Refused, Retry, Unauthorized, Unknown

#: Seconds for each step, and for the server's word after the last byte (RFC 5321, 4.5.3.2 asks for ten minutes).
STEP_SECONDS = 30.0
DATA_SECONDS = 300.0

Login = Callable[[aiosmtplib.SMTP], Awaitable[None]]


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail goes out. ``security``: TLS from the first byte, or STARTTLS that must succeed."""

    host: str
    port: int
    security: Literal["tls", "starttls"]
    tls: ssl.SSLContext


async def send(server: Server, login: Login, sender: str, recipient: str, mail: bytes) -> str:
    """Hand a mail to the server; its answer.

    Raises:
        Retry: it did not take it, later it may.
        Refused: it will never take it.
        Unauthorized: it does not let us in.
        Unknown: the connection broke after the mail's last byte may have gone out.
    """
    async with _session(server, login) as client:
        with _steps():
            await client.mail(sender, options=[f"SIZE={len(mail)}"] if client.supports_extension("size") else [])
            await client.rcpt(recipient)
        return await _data(client, mail)


async def check(server: Server, login: Login) -> None:
    """Connect and log in, no more. Raises as :func:`send` does."""
    async with _session(server, login):
        pass


async def _data(client: aiosmtplib.SMTP, mail: bytes) -> str:
    try:
        answer = await client.data(mail, timeout=DATA_SECONDS)
    except errors.SMTPDataError as err:
        raise _verdict(err) from err
    except (errors.SMTPException, OSError, TimeoutError) as err:
        raise Unknown(f"the connection broke while the mail was handed over: {type(err).__name__}") from err
    return answer.message[:200]


@asynccontextmanager
async def _session(server: Server, login: Login) -> AsyncIterator[aiosmtplib.SMTP]:
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        # Never its default, which sends in clear when the server offers no TLS.
        use_tls=server.security == "tls",
        start_tls=server.security == "starttls",
        tls_context=server.tls,
        timeout=STEP_SECONDS,
    )
    try:
        with _steps():
            await client.connect()
            await client.ehlo()
        await _login(client, login)
        yield client
    finally:
        await _quit(client)


async def _login(client: aiosmtplib.SMTP, login: Login) -> None:
    try:
        with _steps():
            await login(client)
    except Refused as err:
        raise Unauthorized(str(err)) from err


async def _quit(client: aiosmtplib.SMTP) -> None:
    try:
        async with asyncio.timeout(2.0):
            await client.quit()
    except (errors.SMTPException, OSError, TimeoutError):
        client.close()


class _steps:  # noqa: N801 - reads as a statement
    """Errors before the mail's own bytes: nothing was handed over."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, trace: object) -> None:
        if isinstance(err, errors.SMTPRecipientsRefused):
            raise _verdict(err.recipients[0]) from err
        if isinstance(err, errors.SMTPResponseException):
            raise _verdict(err) from err
        broken = err.__cause__ if isinstance(err, errors.SMTPException) else err
        if isinstance(broken, ssl.SSLError):
            raise Retry(f"TLS failed: {broken.reason or type(broken).__name__}") from err
        if isinstance(err, errors.SMTPConnectError):
            raise Retry(f"no connection: {type(broken or err).__name__}") from err
        if isinstance(err, (errors.SMTPException, OSError, TimeoutError)):
            raise Retry(f"not handed over: {type(err).__name__}") from err


def _verdict(err: errors.SMTPResponseException) -> Retry | Refused | Unauthorized:
    said = f"{err.code} {err.message[:160]}"
    if err.code == 530 or (isinstance(err, errors.SMTPAuthenticationError) and err.code >= 500):
        return Unauthorized(said)
    return Refused(said) if 500 <= err.code < 600 else Retry(said)


def with_password(user: str, password: str) -> Login:
    """Log in with one attempt: trying a second method would count as a second wrong password."""

    async def login(client: aiosmtplib.SMTP) -> None:
        methods = client.supported_auth_methods
        if "plain" in methods or not methods:
            await client.auth_plain(user, password)
        else:
            await client.auth_login(user, password)

    return login


def with_token(user: str, token: Callable[[], Awaitable[str]]) -> Login:
    """Log in with an OAuth2 access token."""

    async def login(client: aiosmtplib.SMTP) -> None:
        await client.auth_xoauth2(user, await token())

    return login


async def nobody(client: aiosmtplib.SMTP) -> None:
    """A relay in the own network that asks for no login."""
