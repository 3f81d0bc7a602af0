"""The main job: the server with its workers, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import signal
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from gateway.app import application, assemble, watch_application
from gateway.config import ROLES, ConfigError, Loaded, NodeSettings
from gateway.context import Gateway
from gateway.stores import is_shared

log = logging.getLogger(__name__)

#: Seconds that open requests get to end after a stop signal.
GRACE = 10.0
#: Seconds that a connection may be silent, and that a request's head may take. Longer than proxies keep theirs (nginx
#: 60), so that none is closed under a request that is just being sent.
SILENCE = 75.0
#: Connections that may wait to be taken while a burst comes in.
BACKLOG = 1024

#: Called once requests are taken.
Ready = Callable[[Gateway], Awaitable[None]]


class Stop:
    """Being told to stop, by a signal or by who else knows. The second time means: at once."""

    def __init__(self) -> None:
        self.told, self.hurried = asyncio.Event(), asyncio.Event()

    def tell(self) -> None:
        (self.hurried if self.told.is_set() else self.told).set()

    def on_signals(self) -> None:
        """Listen to SIGINT and SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.tell)


def address(loaded: Loaded) -> tuple[str, int]:
    """Host and port to listen on. Raises :class:`ConfigError`."""
    return _address(loaded.config.listen, "listen")


def _address(text: str, key: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit():
        raise ConfigError(f"`{text}` is no address; write `127.0.0.1:8080`", key=key)
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - an empty host is the user's wish for all


def as_node(loaded: Loaded, *, roles: str = "", processes: int = 0) -> Loaded:
    """The configuration with what the command line says of this node.

    Raises :class:`ConfigError` for an unknown role, and for what a store of one process cannot have.
    """
    node = loaded.config.node
    wanted = tuple(role.strip() for role in roles.split(",")) if roles else node.roles
    try:
        node = NodeSettings(
            roles=wanted, processes=processes or node.processes, watch=node.watch, drain_seconds=node.drain_seconds
        )
    except ValueError as err:
        raise ConfigError(str(err), key="node.roles") from err
    if not is_shared(loaded):
        _check_alone(node)
    return msgspec.structs.replace(loaded, config=msgspec.structs.replace(loaded.config, node=node))


def _check_alone(node: NodeSettings) -> None:
    if node.processes > 1:
        why = "several processes need PostgreSQL (`[store] url`): SQLite is written by one process alone"
        raise ConfigError(why, key="node.processes")
    if set(node.roles) != set(ROLES):
        why = "roles need PostgreSQL (`[store] url`): with SQLite there is one process, and it does everything"
        raise ConfigError(why, key="node.roles")


async def serve(
    loaded: Loaded,
    ready: Ready,
    stop: Stop | None = None,
    *,
    part: int = 0,
    parts: int = 1,
    assembled: Gateway | None = None,
) -> None:
    """Run until SIGINT or SIGTERM; ``part`` of ``parts`` processes that share the address.

    ``assembled``: the gateway's parts, where they are not those that the configuration asks for.

    Raises:
        ConfigError: the address is wrong or in use.
        StoreUnavailable: the store cannot be opened.
    """
    host, port = address(loaded)
    watch = _address(loaded.config.node.watch, "node.watch") if loaded.config.node.watch else None
    gateway, stop = assembled or assemble(loaded), stop or Stop()
    _raise_the_file_limit()
    runner, beside = server(application(gateway)), server(watch_application(gateway))
    await runner.setup()
    _spare_the_collector()
    try:
        stop.on_signals()
        if watch:
            await beside.setup()
            await listen(beside, watch[0], watch[1] + part)
        await listen(runner, host, port, shared=parts > 1)
        await ready(gateway)
        await stop.told.wait()
        log.info("stopping; what is not finished goes on elsewhere, or at the next start")
        await _drain(gateway, stop)
    finally:
        await runner.cleanup()
        await beside.cleanup()


def server(app: web.Application) -> web.AppRunner:
    """The HTTP server of an application. A compressed body is not unpacked: a few kilobytes would fill the memory."""
    return web.AppRunner(app, access_log=None, shutdown_timeout=GRACE, keepalive_timeout=SILENCE, auto_decompress=False)


async def _drain(gateway: Gateway, stop: Stop) -> None:
    """Say that nothing more should be sent here, and still take what comes until everybody has seen it."""
    gateway.draining = True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(gateway.config.node.drain_seconds):
            await stop.hurried.wait()


def _raise_the_file_limit() -> None:
    """Each open chat window is an open file, and the usual limit is 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with contextlib.suppress(ValueError, OSError):  # macOS names a limit that it does not grant
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _spare_the_collector() -> None:
    """Rules and knowledge stay for good: looking for garbage need not walk through them, nor look at each 700 objects.

    Requests leave next to no cycles behind; without this the search takes 7 % of the time of an accepted message.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


async def listen(runner: web.AppRunner, host: str, port: int, *, shared: bool = False) -> None:
    """Take connections; ``shared`` with other processes of the same user. Raises :class:`ConfigError`."""
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG, reuse_port=shared or None).start()
    except OSError as err:
        raise ConfigError(
            f"cannot listen on {host}:{port} ({err.strerror}); stop what runs there or set another address",
            key="listen",
        ) from err
