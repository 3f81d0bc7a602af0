"""A signal after every so much CPU time of one thread: POSIX' per-thread timer, which the standard library has not.

``signal.setitimer`` counts the time of all threads. A thread that only waits for another would then be looked at in the
moment it goes on, and what it did long before would be taken for its waiting.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: From Linux' <time.h> and <signal.h>.
_CLOCK_THREAD_CPUTIME_ID = 3
_SIGEV_THREAD_ID = 4


class _Event(ctypes.Structure):
    """struct sigevent, with the thread that gets the signal."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("thread", ctypes.c_int),
        ("_rest", ctypes.c_byte * 44),
    )


class _Interval(ctypes.Structure):
    """struct itimerspec."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns"))


@contextmanager
def ticking(signal: int, seconds: float) -> Iterator[None]:
    """Send ``signal`` to this thread after each so many ``seconds`` (below one) of its own CPU time.

    Raises:
        OSError: the system has no such timer.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    event = _Event(None, signal, _SIGEV_THREAD_ID, threading.get_native_id())
    timer = ctypes.c_void_p()
    every = int(seconds * 1e9)
    _checked(libc.timer_create(_CLOCK_THREAD_CPUTIME_ID, ctypes.byref(event), ctypes.byref(timer)))
    try:
        _checked(libc.timer_settime(timer, 0, ctypes.byref(_Interval(0, every, 0, every)), None))
        yield
    finally:
        libc.timer_delete(timer)


def _checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
