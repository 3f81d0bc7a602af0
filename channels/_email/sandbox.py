"""Reading hostile mail where it can do no harm: in a child process with a clock and a memory limit.

One child serves mail after mail. When a mail breaks it, the child dies, that mail becomes an unread record
(raw bytes are kept elsewhere), and the next mail gets a new child.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import sys
from collections.abc import Collection
from pathlib import Path

import msgspec

from channels._email.child import Task
from channels._email.mail import Mail

_ROOT = Path(__file__).resolve().parents[2]
#: Read again for an unread record: only the headers, only this much of them.
_HEAD_BYTES = 16_000


class _Died(Exception):
    """The child ended, or was ended, over a mail; the text says why."""


class Reader:
    """Reads mails one at a time, never raises for a mail, whatever it holds.

    Args:
        seconds: Wall-clock limit for one mail.
        memory: Limit on the child's address space in bytes.
    """

    def __init__(self, *, seconds: float = 5.0, memory: int = 300 * 1024 * 1024) -> None:
        self._seconds, self._memory = seconds, memory
        self._child: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._decoder = msgspec.msgpack.Decoder(Mail)

    async def read(self, raw: bytes, own: Collection[str] = ()) -> Mail:
        """The mail; with ``unread`` set to the reason when it could not be read within the limits."""
        addresses = tuple(sorted(own))
        async with self._lock:
            try:
                return await self._ask(Task(raw, addresses, self._seconds))
            except _Died as died:
                reason = str(died)
            try:
                mail = await self._ask(Task(raw[:_HEAD_BYTES], addresses, self._seconds / 2, head=True))
            except _Died:
                mail = Mail()
        return msgspec.structs.replace(mail, unread=reason, silent=(*mail.silent, "unread"))

    async def close(self) -> None:
        """End the child."""
        async with self._lock:
            await self._end()

    async def _ask(self, task: Task) -> Mail:
        child = self._child
        if child is None or child.returncode is not None:
            child = self._child = await self._start()
        try:
            async with asyncio.timeout(task.seconds + 1.0):
                return await self._exchange(child, task)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, msgspec.MsgspecError) as err:
            cause = await self._cause()
            raise _Died("time" if isinstance(err, TimeoutError) else cause) from err
        except BaseException:  # cancelled in the middle of an exchange: this child's next answer would be the wrong one
            await self._end()
            raise

    async def _exchange(self, child: asyncio.subprocess.Process, task: Task) -> Mail:
        assert child.stdin is not None
        assert child.stdout is not None
        frame = msgspec.msgpack.encode(task)
        child.stdin.write(struct.pack(">I", len(frame)))
        child.stdin.write(frame)
        await child.stdin.drain()
        size = struct.unpack(">I", await child.stdout.readexactly(4))[0]
        return self._decoder.decode(await child.stdout.readexactly(size))

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "channels._email.child",
            str(self._memory),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # a traceback could hold the customer's words
            cwd=_ROOT,
            env={"PYTHONPATH": str(_ROOT), "PYTHONHASHSEED": "0", "MALLOC_ARENA_MAX": "1"},
            limit=1 << 20,
        )

    async def _cause(self) -> str:
        """Why the child ended: the clock's signal, or an error of its own (memory nearly always)."""
        child = self._child
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                if child is not None:
                    await child.wait()
        code = child.returncode if child is not None else None
        await self._end()
        return "time" if code == -14 else "memory" if code == 1 else f"broken ({code})"

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
        await child.wait()
