"""Which part of the way a piece of code belongs to: the table behind the shares of :mod:`tests.bench.sampler`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import CodeType

COLLECTOR = "garbage collection"
THREADS = "other threads (COMMIT)"
OTHER = "other"

#: Pattern over ``path:function`` → part. The first that fits counts; code that none fits (the standard library) is its caller's.
_TABLE: Sequence[tuple[str, str]] = (
    (r"/(aiohttp|multidict|yarl|aiosignal|propcache)/|gateway/web/problems", "HTTP: read, route, answer"),
    (r"gateway/web/(visitor|status|desk)", "chat window: WebSocket, timeline"),
    (r"gateway/web/|channels/(?!base)", "door: token, signature, decode"),
    (r"gateway/intake|gateway/blobs", "accept: files, signals"),
    (r"store/\w+/intake|store/identity|store/base.*:conversation_id", "store: append"),
    (r"gateway/wake", "wake-ups"),
    (r"store/\w+/flow.*:(_heads|_work|_item|_with_recordings|Claim\w+\.fill)", "store: claim of work"),
    (r"store/\w+/contacts.*:(returning|open_code)|store/\w+/recordings", "store: claim of work"),
    (r"store/\w+/(flow|contacts)", "store: settle of a turn"),
    (r"store/\w+/records|store/journal", "store: record, revisions, journal"),
    (r"store/\w+/timeline", "store: timeline"),
    (r"store/\w+/outbox", "store: outbox"),
    (r"store/\w+/(writer|readers|store)|/asyncpg/", "store: transactions, snapshots"),
    (r"gateway/store/", "store: the rest"),
    (r"gateway/linking|normalizer/likeness", "repeats and incidents"),
    (r"normalizer/mask", "covering of numbers"),
    (r"normalizer/", "normalize"),
    (r"bot/", "decide (bot)"),
    (r"gateway/(outcome|events|addressed|parts|receipts|action_calls)", "outcome: rows, events, trace"),
    (r"gateway/(flow|turns|draft|albums|spoken|calendar|codes|keys|numbers|status_link)", "turn: context, deadlines"),
    (r"gateway/(outbox|pace|delivered|retry|roads)", "outbox: worker"),
    (r"gateway/sinks/", "sinks"),
    (r"gateway/metrics|/prometheus_client/|/logging/", "metrics, logs"),
    (r"gateway/", "other workers"),
    (r"/asyncio/|/selectors|/concurrent/|/threading", "event loop, sockets"),
)
#: All parts, in the order of the way.
PARTS: Sequence[str] = tuple(dict.fromkeys([*(part for _, part in _TABLE), COLLECTOR, THREADS, OTHER]))

_COMPILED = tuple((re.compile(pattern), part) for pattern, part in _TABLE)


def part_of(code: CodeType) -> str:
    """ "" for code that belongs to whoever calls it."""
    place = f"{code.co_filename}:{code.co_qualname}"
    return next((part for pattern, part in _COMPILED if pattern.search(place)), "")
