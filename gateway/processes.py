"""Several processes of one node on one machine: a small parent starts them, and again when one falls.

Each is a node of its own on the common store and takes connections on the same port; the kernel deals them out. Parent and child hold
the two ends of a socket: the child says there that it takes requests, and stops when the other end is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence

import msgspec

from gateway.config import ConfigError, Loaded
from gateway.serve import Ready, Stop, address, serve

log = logging.getLogger(__name__)

#: Seconds before a process that fell is started again: doubled each time, from the start when it held for so long.
PAUSE, LONGEST_PAUSE, STEADY = 0.5, 30.0, 60.0
#: Exit statuses with a message to the operator: starting again would end the same.
HOPELESS = (1, 2)


class Place(msgspec.Struct, frozen=True):
    """Which of the processes this one is: ``number`` (from 0) of ``count``; ``line`` is its end of the socket."""

    number: int
    count: int
    line: int

    @classmethod
    def of(cls, text: str) -> Place:
        """Read ``number/count/line``. Raises ValueError."""
        number, count, line = (int(part) for part in text.split("/"))
        return cls(number, count, line)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}/{self.line}"


async def serve_as(place: Place, loaded: Loaded, ready: Ready) -> None:
    """Run one of the processes. Raises as :func:`gateway.serve.serve`."""
    line, stop = socket.socket(fileno=place.line), Stop()
    line.setblocking(False)

    def gone() -> None:
        with contextlib.suppress(BlockingIOError):
            if not line.recv(1):
                asyncio.get_running_loop().remove_reader(line)
                stop.tell()

    async def told(gateway: object) -> None:
        if place.number == 0:
            await ready(gateway)  # type: ignore[arg-type]
        line.send(b"r")

    asyncio.get_running_loop().add_reader(line, gone)
    await serve(_share(loaded, place.count), told, stop, part=place.number, parts=place.count)


def _share(loaded: Loaded, count: int) -> Loaded:
    """The machine's cores are divided, not multiplied."""
    speech = loaded.config.speech
    speech = msgspec.structs.replace(
        speech,
        workers=max(1, (speech.workers or os.cpu_count() or 1) // count),
        live_calls=-(-speech.live_calls // count),
    )
    return msgspec.structs.replace(loaded, config=msgspec.structs.replace(loaded.config, speech=speech))


class Parent:
    """Keeps ``count`` processes of ``command``, to which each gets its place as the last word."""

    def __init__(self, command: Sequence[str], count: int, *, pause: float = PAUSE) -> None:
        self._command, self._pause = command, pause
        self._children = [_Child(self, number, count) for number in range(count)]
        self.stopping, self.started = False, False
        self.status = 0

    async def run(self) -> int:
        """Until a signal or a hopeless start has ended them all; the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        renewals: list[asyncio.Task[None]] = []
        loop.add_signal_handler(signal.SIGHUP, lambda: renewals.append(asyncio.create_task(self._renew())))
        await asyncio.gather(*(child.keep(self._command, self._pause) for child in self._children))
        for renewal in renewals:
            renewal.cancel()
        return self.status

    def stop(self) -> None:
        """Tell all to stop; told twice, they hurry."""
        self.stopping = True
        for child in self._children:
            child.tell()

    def hopeless(self, status: int) -> None:
        """What one has said to the operator holds for all."""
        self.status = status
        self.stop()

    async def _renew(self) -> None:
        """One process after another ends and begins again, with the configuration and the program as they are now."""
        for child in self._children:
            if self.stopping or not await child.renew():
                log.error("the other processes stay as they are")
                return


class _Child:
    def __init__(self, parent: Parent, number: int, count: int) -> None:
        self._parent, self._number, self._count = parent, number, count
        self._process: Process | None = None
        self._renewed = False
        self._up, self._ended, self._wanted = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def tell(self) -> None:
        self._wanted.set()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    async def renew(self) -> bool:
        """End it and wait for the next one; whether that one came up."""
        self._renewed = True
        self._up.clear()
        self._ended.clear()
        self.tell()
        ended = asyncio.create_task(self._ended.wait())
        await ended
        self._ended.clear()
        up, fell = asyncio.create_task(self._up.wait()), asyncio.create_task(self._ended.wait())
        done, _ = await asyncio.wait((up, fell), return_when=asyncio.FIRST_COMPLETED)
        for task in (up, fell):
            task.cancel()
        return up in done

    async def keep(self, command: Sequence[str], first: float) -> None:
        """Run it again and again until the parent stops."""
        pause, loop = first, asyncio.get_running_loop()
        while not self._parent.stopping:
            self._wanted.clear()
            self._renewed, began = False, loop.time()
            status = await self._once(command)
            self._ended.set()
            if self._parent.stopping:
                break
            if status in HOPELESS and not self._parent.started:
                return self._parent.hopeless(status)
            if self._renewed:
                continue
            pause = first if loop.time() - began > STEADY else pause
            log.error("process %d ended with status %d; again in %.1f s", self._number, status, pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wanted.wait()
            pause = min(LONGEST_PAUSE, 2 * pause)
        return None

    async def _once(self, command: Sequence[str]) -> int:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                place = Place(self._number, self._count, theirs.fileno())
                # Its own session: Ctrl-C in a terminal reaches the parent, which tells it.
                self._process = await asyncio.create_subprocess_exec(
                    *command, str(place), pass_fds=(place.line,), start_new_session=True
                )
            if self._parent.stopping:
                self.tell()
            ours.setblocking(False)
            hearing = asyncio.create_task(self._hear(ours))
            try:
                return await self._process.wait()
            finally:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)
                self._process = None

    async def _hear(self, line: socket.socket) -> None:
        if await asyncio.get_running_loop().sock_recv(line, 1):
            self._parent.started = True
            self._up.set()


def run(loaded: Loaded, arguments: Sequence[str]) -> int:
    """Run the processes of ``allears serve`` with these arguments; the exit status. Raises :class:`ConfigError`."""
    host, port = address(loaded)
    if not port:
        raise ConfigError("several processes need a port of their own, not 0", key="listen")
    _check_free(host, port)
    command = (sys.executable, "-m", "gateway.cli.main", "serve", *arguments, "--place")
    return asyncio.run(Parent(command, loaded.config.node.processes).run())


def _check_free(host: str, port: int) -> None:
    """Processes that share a port would share a stranger's, too."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as err:
            problem = f"cannot listen on {host}:{port} ({err.strerror}); stop what runs there or set another address"
            raise ConfigError(problem, key="listen") from err
