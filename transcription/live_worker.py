"""The process that hears calls while they run, many at once: sound comes on standard input, words go to standard output.

As :mod:`transcription.worker` it holds what can crash, and ends when the gateway is gone.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from typing import IO

from transcription.base import SpeechError
from transcription.hearing import fitting
from transcription.listening import Listening
from transcription.live_messages import LENGTH, Begin, Drop, Heard, ToWorker, decode_open, decode_to_worker, packed
from transcription.worker import Engines, confine


def main() -> None:
    """Work until the input ends."""
    # Nothing but our messages may reach the gateway: the engine writes where it likes.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    pieces: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, pieces), daemon=True).start()
    start = decode_open(pieces.get())
    confine(start.memory)
    calls = _Calls(Engines(start.models))
    _tell(out, Heard(call=0))
    while True:
        if (heard := calls.take(decode_to_worker(pieces.get()))) is not None:
            _tell(out, heard)


class _Calls:
    """The calls that run."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._calls: dict[int, Listening] = {}

    def take(self, message: ToWorker) -> Heard | None:
        """Do what a message asks for; the answer, where it has one."""
        if isinstance(message, Drop):
            self._calls.pop(message.call, None)
            return None
        try:
            if isinstance(message, Begin):
                self._calls[message.call] = Listening(
                    message, fitting(message.languages, self._engines.folders), self._engines.get
                )
                return Heard(call=message.call)
            heard = self._calls[message.call].hear(message)
        except SpeechError as err:
            self._calls.pop(message.call, None)
            return Heard(call=message.call, bad=str(err))
        if message.last:
            del self._calls[message.call]
        return heard


def _read(source: IO[bytes], pieces: queue.Queue[bytes]) -> None:
    while len(head := source.read(LENGTH.size)) == LENGTH.size:
        pieces.put(source.read(LENGTH.unpack(head)[0]))
    os._exit(0)


def _tell(out: IO[bytes], heard: Heard) -> None:
    # A pipe that nobody reads any more: the gateway is gone.
    try:
        out.write(packed(heard))
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
