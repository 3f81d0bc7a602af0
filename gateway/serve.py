"""The main job: the server with its workers, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import signal
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.app import application, assemble
from gateway.config import ConfigError, Loaded
from gateway.context import Gateway

log = logging.getLogger(__name__)

#: Seconds that open requests get to end after a stop signal.
GRACE = 10.0
#: Seconds that a connection may be silent, and that a request's head may take. Longer than proxies keep theirs (nginx
#: 60), so that none is closed under a request that is just being sent.
SILENCE = 75.0
#: Connections that may wait to be taken while a burst comes in.
BACKLOG = 1024


def address(loaded: Loaded) -> tuple[str, int]:
    """Host and port to listen on. Raises :class:`ConfigError`."""
    host, _, port = loaded.config.listen.rpartition(":")
    if not port.isdigit():
        raise ConfigError(f"`{loaded.config.listen}` is no address; write `127.0.0.1:8080`", key="listen")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - an empty host is the user's wish for all


async def serve(loaded: Loaded, ready: Callable[[Gateway], Awaitable[None]]) -> None:
    """Run until SIGINT or SIGTERM; ``ready`` is called once requests are taken.

    Raises:
        ConfigError: the address is wrong or in use.
        StoreUnavailable: the store cannot be opened.
    """
    host, port = address(loaded)
    gateway = assemble(loaded)
    _raise_the_file_limit()
    runner = server(application(gateway))
    await runner.setup()
    _spare_the_collector()
    try:
        await _listen(runner, host, port)
        await ready(gateway)
        await _told_to_stop()
        log.info("stopping; what is not finished goes on at the next start")
    finally:
        await runner.cleanup()


def server(app: web.Application) -> web.AppRunner:
    """The HTTP server of an application. A compressed body is not unpacked: a few kilobytes would fill the memory."""
    return web.AppRunner(app, access_log=None, shutdown_timeout=GRACE, keepalive_timeout=SILENCE, auto_decompress=False)


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


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
    except OSError as err:
        raise ConfigError(
            f"cannot listen on {host}:{port} ({err.strerror}); stop what runs there or set another address",
            key="listen",
        ) from err


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
