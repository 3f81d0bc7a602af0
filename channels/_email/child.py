"""The child process of :mod:`channels._email.sandbox`: reads mails one after another until its input ends.

Started with an empty environment, so whoever breaks a parser finds no secrets. A frame is four bytes of
length, then msgpack.
"""

from __future__ import annotations

import resource
import signal
import struct
import sys
from typing import IO

import msgspec

from channels._email.mail import Mail
from channels._email.read import read


class Task(msgspec.Struct, frozen=True):
    """Read ``raw``; ``seconds`` after which the kernel ends this process; ``head`` reads only the headers."""

    raw: bytes
    own: tuple[str, ...] = ()
    seconds: float = 5.0
    head: bool = False


def main() -> None:
    """Serve tasks from standard input."""
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    decoder, encoder = msgspec.msgpack.Decoder(Task), msgspec.msgpack.Encoder()
    while frame := _frame(source):
        task = decoder.decode(frame)
        del frame
        # Not caught in Python: the default action ends the process even inside a long C call.
        signal.setitimer(signal.ITIMER_REAL, task.seconds)
        answer = encoder.encode(_read(task))
        signal.setitimer(signal.ITIMER_REAL, 0)
        sink.write(struct.pack(">I", len(answer)))
        sink.write(answer)
        sink.flush()


def _frame(source: IO[bytes]) -> bytes:
    head = source.read(4)
    return source.read(struct.unpack(">I", head)[0]) if len(head) == 4 else b""


def _read(task: Task) -> Mail:
    if not task.head:
        return read(task.raw, task.own)
    ends = [at for at in (task.raw.find(b"\n\n"), task.raw.find(b"\r\n\r\n")) if at >= 0]
    return read(task.raw[: min(ends)] if ends else task.raw, task.own)


if __name__ == "__main__":
    main()
