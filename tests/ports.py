"""Ports for servers that must be told theirs beforehand, or that come up again on the old one."""

from __future__ import annotations

import random
import socket

#: Below what any kernel hands out by itself (Linux: from 32768), so that no outgoing connection takes one
#: between the choice and the start, or between a kill and the restart; nor does a browser refuse one of these.
RANGE = range(20_000, 32_000)
_kept: list[socket.socket] = []


def free_port() -> int:
    """A TCP port of loopback that is ours until this process ends, also among the workers of one test run.

    The UDP port of the same number is the lock: only one process can hold it, and it ends with its holder.
    Raises RuntimeError when none is left.
    """
    for port in random.sample(RANGE, len(RANGE)):
        lock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            lock.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            lock.close()
            continue
        _kept.append(lock)
        return port
    raise RuntimeError("no port is free")
