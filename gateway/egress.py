"""Outgoing HTTP that cannot be turned against our own network.

A name is resolved once, its addresses are checked, and the connection goes to a checked address: a second look-up
that answers differently (DNS rebinding) never happens. Redirects are not followed, proxies of the environment
are not used, answers are capped.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from channels.base import Answer, Call, Refused, Retry, Unknown, settle

Address = IPv4Address | IPv6Address

#: Largest answer in bytes; no platform's API comes near it.
MAX_ANSWER = 1024 * 1024
#: WebSockets begin as HTTP and are checked as such.
_HTTP = {"ws": "http", "wss": "https"}
#: Largest message in bytes that a WebSocket takes.
MAX_FRAME = 4 * 1024 * 1024
#: Seconds for name, connection and TLS; nothing has been sent until then.
CONNECT_SECONDS = 10.0
#: Seconds an idle connection is kept: less than the shortest default of common servers (gunicorn 2), so that we do
#: not write a message into a connection that the other side is just closing (which would be an Unknown).
KEEP_ALIVE_SECONDS = 1.5

#: Reserved networks that :mod:`ipaddress` calls global (IANA special-purpose registries). Those that carry an IPv4
#: address inside (NAT64, 6to4, Teredo, IPv4-compatible) are roads around the filter.
_RESERVED: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(n)
    for n in (
        "192.0.0.0/24",
        "192.88.99.0/24",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/23",
        "::/96",
        "fec0::/10",
    )
)

#: Names that are this machine wherever they are resolved (RFC 6761, 6.3).
_LOCALHOST = re.compile(r"(^|\.)localhost\.?$", re.IGNORECASE)


def allowed(address: Address, allow: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether we may connect: a public unicast address, or one of the operator's own ``allow`` networks."""
    plain = address.ipv4_mapped if isinstance(address, IPv6Address) and address.ipv4_mapped else address
    if any(plain in network for network in allow):
        return True
    if not plain.is_global or plain.is_multicast or plain.is_reserved:
        return False
    return not any(plain in network for network in _RESERVED)


class CheckedResolver(AbstractResolver):
    """Resolves with the system's resolver (or ``inner``) and lets only allowed addresses through."""

    def __init__(self, allow: Sequence[IPv4Network | IPv6Network], inner: AbstractResolver | None = None) -> None:
        self._allow = allow
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The allowed addresses of a name. Raises :class:`Refused` when it has addresses but no allowed one."""
        if self._inner is None:
            self._inner = aiohttp.ThreadedResolver()  # it wants a running event loop
        found = await self._inner.resolve(host, port, family)
        good = [result for result in found if allowed(ip_address(result["host"]), self._allow)]
        if found and not good:
            raise Refused("the address is not allowed; add its network to [egress] allow when it is yours")
        return good

    async def close(self) -> None:
        if self._inner is not None:
            await self._inner.close()


class OpenSocket:
    """Implements :class:`channels.base.Socket`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    @property
    def code(self) -> int:
        return self._socket.close_code or 0

    async def send(self, text: str) -> None:
        """Raises :class:`Retry` when it is closed."""
        try:
            await self._socket.send_str(text)
        except (aiohttp.ClientError, ConnectionError, RuntimeError) as err:
            raise Retry(f"the WebSocket is closed: {self.code}") from err

    async def receive(self, seconds: float) -> str | None:
        """The next text, None when none came in time. Raises :class:`Retry` when it is closed."""
        try:
            async with asyncio.timeout(seconds):
                message = await self._socket.receive()
        except TimeoutError:
            return None
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise Retry(f"the WebSocket is closed: {self.code}")
        return str(message.data)


class Egress:
    """The one HTTP client of the gateway. ``allow`` are networks in CIDR form that may be reached though private."""

    def __init__(self, allow: Sequence[str] = (), *, resolver: AbstractResolver | None = None) -> None:
        self._allow = tuple(ip_network(network, strict=False) for network in allow)
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def http(self, call: Call) -> Answer:
        """Make a call.

        Raises:
            Retry: nothing was sent (refused connection, name not resolved, TLS failed).
            Unknown: it was written and no whole answer came.
            Refused: the address or URL is not allowed.
        """
        async with self._request(call.method, call.url, call.headers, call.body, call.timeout) as response:
            body = b"".join([chunk async for chunk in _capped(response, MAX_ANSWER, Unknown)])
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(status=response.status, headers=headers, body=body)

    async def download(
        self, url: str, limit: int, *, headers: Mapping[str, str] | None = None, timeout: float = 120.0
    ) -> AsyncIterator[bytes]:
        """The bytes of a file, in pieces, at most ``limit`` of them.

        Raises:
            Retry: not now (asking again does no harm).
            Unauthorized, Refused: the platform said no, the file is too large, the address is not allowed.
        """
        try:
            async with self._request("GET", url, headers or {}, b"", timeout) as response:
                if response.status != 200:
                    settle(Answer(status=response.status, headers={k.lower(): v for k, v in response.headers.items()}))
                    raise Refused(f"HTTP {response.status}")
                async for chunk in _capped(response, limit, Refused):
                    yield chunk
        except Unknown as err:
            raise Retry(str(err)) from err

    @asynccontextmanager
    async def socket(self, url: str) -> AsyncIterator[OpenSocket]:
        """Open a WebSocket.

        Raises:
            Retry: it could not be opened.
            Unauthorized, Refused: the other side said no, the address is not allowed.
        """
        scheme, _, rest = url.partition("://")
        target = self._checked(f"{_HTTP.get(scheme, scheme)}://{rest}")
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                opened = await self._client().ws_connect(target, max_msg_size=MAX_FRAME, autoping=True)
        except aiohttp.WSServerHandshakeError as err:
            settle(Answer(status=err.status if err.status >= 400 else 502))
            raise Retry("no WebSocket") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            raise Retry(f"no connection: {type(err).__name__}") from None
        try:
            yield OpenSocket(opened)
        finally:
            await opened.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request with its errors mapped; ``progress.connected`` tells whether anything may have been sent."""
        target = self._checked(url)
        progress = SimpleNamespace(connected=False)
        try:
            async with (
                asyncio.timeout(timeout),
                self._client().request(
                    method,
                    target,
                    headers={"Accept-Encoding": "identity", **headers},
                    data=body or None,
                    allow_redirects=False,
                    trace_request_ctx=progress,
                ) as response,
            ):
                yield response
        except (aiohttp.InvalidURL, ValueError) as err:
            raise Refused(f"not a request that can be sent: {type(err).__name__}") from err
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            if progress.connected:
                raise Unknown(f"no answer: {type(err).__name__}") from err
            raise Retry(f"no connection: {type(err).__name__}") from err

    def _checked(self, url: str) -> URL:
        """The URL, when it is one we call. A literal address is checked here: the connector asks no resolver for it."""
        try:
            target = URL(url)
            host = target.host
            port = target.port
        except ValueError as err:
            raise Refused("not a URL") from err
        if target.scheme not in ("http", "https") or not host or not port:
            raise Refused("not an http or https URL")
        if target.user is not None or target.password is not None:
            raise Refused("a URL with a user name; put credentials into a header")
        try:
            address = ip_address("127.0.0.1" if _LOCALHOST.search(host) else host)
        except ValueError:
            return target
        if not allowed(address, self._allow):
            raise Refused("the address is not allowed; add its network to [egress] allow when it is yours")
        return target

    def _client(self) -> aiohttp.ClientSession:
        """Made at the first call: a session belongs to a running loop."""
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_connection_create_end.append(_connected)
            trace.on_connection_reuseconn.append(_connected)
            trace.on_request_redirect.append(_refuse)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=CheckedResolver(self._allow, self._resolver),
                    use_dns_cache=False,
                    keepalive_timeout=KEEP_ALIVE_SECONDS,
                ),
                timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "Allears"},
                trust_env=False,
                trace_configs=[trace],
            )
        return self._session


async def _connected(session: aiohttp.ClientSession, context: SimpleNamespace, params: Any) -> None:  # noqa: ARG001
    if context.trace_request_ctx is not None:  # a WebSocket asks nothing of it
        context.trace_request_ctx.connected = True


async def _refuse(session: aiohttp.ClientSession, context: SimpleNamespace, params: Any) -> None:  # noqa: ARG001
    """The library follows redirects when it opens a WebSocket, also to a literal address that nobody has checked."""
    raise Refused("a redirect")


async def _capped(
    response: aiohttp.ClientResponse, limit: int, error: type[Unknown] | type[Refused]
) -> AsyncIterator[bytes]:
    """The body in pieces. Counted after decompression, so a small bomb is a large answer."""
    size = 0
    async for chunk in response.content.iter_chunked(64 * 1024):
        size += len(chunk)
        if size > limit:
            raise error(f"larger than {limit} bytes")
        yield chunk
