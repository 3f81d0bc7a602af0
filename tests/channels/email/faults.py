"""A wire that breaks: a TCP proxy with resets, silence, and cuts in the middle."""

from __future__ import annotations

import asyncio
import contextlib


class Wire:
    """Carries bytes to ``port``. ``frozen`` keeps connections open and silent."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.connections = 0
        self._swallowed: set[int] = set()
        #: Bytes from the server after which the next connections are cut.
        self.cut_after: int | None = None
        self.refuse = False

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.reset()
        assert self._server is not None
        self._server.close()

    def freeze(self) -> None:
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def finish(self) -> None:
        """The server's side of every connection ends with FIN and nothing else."""
        for client, _ in self._pairs:
            client.close()
        self._pairs.clear()

    def swallow(self) -> None:
        """Every connection stays open, and whatever is written to it vanishes; new ones are whole."""
        self._swallowed |= {id(writer) for pair in self._pairs for writer in pair}

    def reset(self) -> None:
        """Every connection is gone at once."""
        for pair in self._pairs:
            for writer in pair:
                writer.transport.abort()
        self._pairs.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.refuse:
            writer.transport.abort()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._pairs.append((writer, up_writer))
        await asyncio.gather(self._pump(reader, up_writer, False), self._pump(up_reader, writer, True))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, down: bool) -> None:
        sent = 0
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                await self._flowing.wait()
                if id(sink) in self._swallowed:
                    continue
                if down and self.cut_after is not None and sent + len(data) > self.cut_after:
                    sink.write(data[: max(0, self.cut_after - sent)])
                    self.reset()
                    return
                sent += len(data)
                sink.write(data)
                await sink.drain()
        sink.close()
