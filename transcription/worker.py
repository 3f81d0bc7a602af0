"""The process that hears: jobs come as lines on standard input, news goes as lines to standard output.

Whatever a recording or model does to the engine happens here and not in the gateway. The process ends when the other end
of its input is gone, so no worker outlives its gateway.
"""

from __future__ import annotations

import contextlib
import os
import queue
import resource
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import msgspec

from transcription.base import AudioError, ModelError, SpeechError
from transcription.engine import Engine, VoskEngine
from transcription.hearing import choose, fitting, hear
from transcription.job import Job, Limits, News, Start


class Engines:
    """Models by language, each loaded when it is first needed and then kept."""

    def __init__(self, folders: Mapping[str, str]) -> None:
        self.folders = folders
        self._loaded: dict[str, Engine] = {}

    def get(self, language: str) -> Engine:
        """The engine of a language. One folder that hears several is loaded once."""
        folder = self.folders[language]
        if folder not in self._loaded:
            self._loaded[folder] = VoskEngine(Path(folder))
        return self._loaded[folder]


def main() -> None:
    """Work until the input ends."""
    # Nothing but our lines may reach the gateway: the engine writes where it likes.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    lines: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, lines), daemon=True).start()
    start = msgspec.json.decode(lines.get(), type=Start)
    confine(start.memory)
    engines = Engines(start.models)
    _tell(out, News())
    while True:
        _tell(out, _worked(msgspec.json.decode(lines.get(), type=Job), engines, start.limits, out))


def _read(source: IO[bytes], lines: queue.Queue[bytes]) -> None:
    for line in source:
        lines.put(line)
    os._exit(0)


def confine(memory: int) -> None:
    """No core files with customers' voices in them; no more memory than allowed; the gateway comes first."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory:
        with contextlib.suppress(ValueError, OSError):  # macOS does not know this limit
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    os.nice(5)


def _worked(job: Job, engines: Engines, limits: Limits, out: IO[bytes]) -> News:
    try:
        language = choose(job, fitting(job.languages, engines.folders), engines.get, limits=limits)
        engine = engines.get(language)
        done = hear(job, engine, language, limits=limits, tell=lambda seconds: _tell(out, News(heard=seconds)))
    except AudioError as err:
        return News(bad_audio=str(err))
    except ModelError as err:
        return News(bad_model=str(err))
    except SpeechError as err:
        return News(bad_audio=str(err))
    return News(transcript=done)


def _tell(out: IO[bytes], news: News) -> None:
    # A pipe that nobody reads any more: the gateway is gone.
    try:
        out.write(msgspec.json.encode(news) + b"\n")
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
