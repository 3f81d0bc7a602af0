"""Where the CPU time of a running server goes: the stacks of its main thread, sampled by CPU time.

The kernel interrupts after each millisecond that it has used. A sample weighs what was used since the last one, and
belongs to the part of the way (:mod:`tests.bench.part_names`) of the innermost frame that has one. Other threads and the
search for garbage, which no signal interrupts, are told by their clocks. So the parts add up to the process' time.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import CodeType, FrameType

from tests.bench.part_names import COLLECTOR, OTHER, THREADS, part_of
from tests.bench.thread_timer import ticking

#: CPU seconds by name, of ``parts`` and of ``functions``.
Figures = dict[str, dict[str, float]]
#: The file of the figures, beside the server's configuration.
FIGURES = "cpu.json"
#: Seconds to wait for them.
PATIENCE = 20.0
#: Seconds of CPU time between two samples.
INTERVAL = 0.001


class Sampler:
    """CPU seconds by part, and by function for whoever looks closer."""

    def __init__(self) -> None:
        self._parts: dict[str, float] = defaultdict(float)
        self._functions: dict[str, float] = defaultdict(float)
        self._known: dict[CodeType, str] = {}
        self._timer = ExitStack()
        self._last = self._began = 0.0

    def begin(self) -> None:
        """Count from now."""
        self._parts.clear()
        self._functions.clear()
        self._last, self._began = time.thread_time(), time.process_time()
        gc.callbacks.append(self._collecting)
        signal.signal(signal.SIGPROF, self._sample)
        self._timer.enter_context(ticking(signal.SIGPROF, INTERVAL))

    def end(self) -> Figures:
        """What was used since the begin."""
        self._timer.close()
        gc.callbacks.remove(self._collecting)
        self._parts[OTHER] += self._passed()
        self._parts[THREADS] += time.process_time() - self._began - sum(self._parts.values())
        return {"parts": dict(self._parts), "functions": dict(self._functions)}

    def _sample(self, _: int, frame: FrameType | None) -> None:
        used = self._passed()
        self._parts[self._part(frame)] += used
        if frame is not None:
            self._functions[f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}"] += used

    def _collecting(self, phase: str, _: object) -> None:
        if threading.current_thread() is threading.main_thread():
            self._parts[COLLECTOR if phase == "stop" else self._part(sys._getframe(1))] += self._passed()

    def _passed(self) -> float:
        now = time.thread_time()
        used, self._last = now - self._last, now
        return used

    def _part(self, frame: FrameType | None) -> str:
        while frame is not None:
            code = frame.f_code
            part = self._known.get(code)
            if part is None:
                part = self._known[code] = part_of(code)
            if part:
                return part
            frame = frame.f_back
        return OTHER


def install(into: Path) -> None:
    """Begin at SIGUSR1; at SIGUSR2 write what was found, as JSON, into the file."""
    sampler = Sampler()
    signal.signal(signal.SIGUSR1, lambda *_: sampler.begin())
    signal.signal(signal.SIGUSR2, lambda *_: _tell(sampler, into))


def _tell(sampler: Sampler, into: Path) -> None:
    partial = into.with_suffix(".partial")
    partial.write_text(json.dumps(sampler.end()), "utf-8")
    partial.rename(into)


@contextmanager
def sampled(pid: int, into: Path, count: int) -> Iterator[Figures]:
    """What a process with :func:`install` uses inside the block for each of ``count`` messages; filled at its end."""
    into.unlink(missing_ok=True)
    figures: Figures = {}
    os.kill(pid, signal.SIGUSR1)
    yield figures
    os.kill(pid, signal.SIGUSR2)
    until = time.monotonic() + PATIENCE
    while not into.exists():
        if time.monotonic() > until:
            raise RuntimeError(f"process {pid} tells no figures")
        time.sleep(0.01)
    told: Figures = json.loads(into.read_text("utf-8"))
    figures.update({kind: {name: used / count for name, used in each.items()} for kind, each in told.items()})
