"""The figures as a table, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.bench.part_names import PARTS
from tests.bench.rounds import Memory, Series
from tests.bench.sampler import Figures

if TYPE_CHECKING:
    from tests.bench.mailbox import Mailbox
    from tests.bench.speech import Speech


@dataclass(frozen=True)
class Row:
    """One line: what, its figures in words, and the goal beside them."""

    what: str
    figures: str
    goal: str = ""


def accepting(series: Series) -> Iterator[Row]:
    for connections in (1, 16, 64):
        bare, ours = f"bare {connections}", f"accept {connections}"
        yield Row(f"bare aiohttp handler, {connections} connections", _plain(series, bare))
        goal = "at least 0.70 by CPU" if connections == 64 else ""
        yield Row(f"(a) accept, durable, {connections} connections", _beside(series, ours, bare), goal)


def whole(series: Series) -> Iterator[Row]:
    yield Row(
        "(b) the full way, 64 connections", _beside(series, "full", "bare 64 beside full"), "at least 0.33 by CPU"
    )


def filled(series: Series, stored: int) -> Iterator[Row]:
    held = f"with {stored:,} stored messages"
    yield Row(f"(e) accept {held}", _beside(series, "accept+ 64", "accept 64"), "at least 0.90 of the empty store")
    yield Row(f"(e) the full way {held}", _beside(series, "full+", "full"), "at least 0.90 of the empty store")


def waiting(series: Series) -> Iterator[Row]:
    middle = series.middle("latency")
    yield Row(
        f"(c) chat message to reply at half load ({middle.rate:.0f}/s)",
        f"p50 {middle.p50 * 1e3:.1f} ms, p99 {middle.p99 * 1e3:.1f} ms, {middle.cpu * 1e6:.0f} µs CPU",
    )


def remembering(memory: Memory) -> Iterator[Row]:
    each = (memory.busy - memory.rest) / max(1, memory.windows) / 1024
    yield Row("(d) memory at rest", f"{memory.rest / 2**20:.0f} MB")
    yield Row(
        f"(d) memory with {memory.windows:,} idle chat windows",
        f"{memory.busy / 2**20:.0f} MB, {each:.1f} kB a window",
    )


def hearing(found: Speech) -> Iterator[Row]:
    clock, cpu = (sorted(ratios)[len(ratios) // 2] for ratios in (found.by_clock, found.by_cpu))
    yield Row(
        "(h) the pool beside bare Vosk, a process a core",
        f"ratio {clock:.2f} by wall, {cpu:.2f} by CPU, loading included",
        "at least 0.95",
    )
    yield Row("(h) memory of a worker", f"{found.worker / 2**20:.0f} MB, {found.worker_own / 2**20:.0f} MB its own")
    waits = sorted(found.waits)
    yield Row(
        "(h) a call of one minute, from its last byte to its record",
        f"p50 {waits[len(waits) // 2]:.2f} s, longest {waits[-1]:.2f} s",
    )
    memory = [one / 2**20 for one in found.long_memory] or [0.0]
    yield Row(
        f"(h) {found.hours:g} hours of stereo, half of it silence",
        f"{found.long_seconds:.0f} s; {memory[0]:.0f} MB after a tenth, {memory[-1]:.0f} MB at the end, {max(memory):.0f} MB at most",
        "steady",
    )


def by_part(parts: Mapping[str, float]) -> Iterator[Row]:
    names = {
        "parse": "read and check the body",
        "append": "keep (append)",
        "claim": "claim",
        "normalize": "normalize",
        "decide": "decide (bot)",
        "turn": "the turn's rows",
        "settle": "settle",
        "send": "send (reply, jsonl)",
    }
    for name, words in names.items():
        yield Row(f"(f) {words}", f"{parts.get(name, 0.0) * 1e6:.0f} µs CPU a message")
    yield Row("(f) together", f"{sum(parts.values()) * 1e6:.0f} µs CPU a message")


def sampled(ways: Mapping[str, Figures]) -> Iterator[Row]:
    """One line for each part, with its share of the whole, for each way in."""
    wholes = {way: sum(told["parts"].values()) for way, told in ways.items()}
    for part in PARTS:
        used = {way: told["parts"].get(part, 0.0) for way, told in ways.items()}
        if any(used.values()):
            yield Row(f"(i) {part}", "   ".join(_share(way, used[way], wholes[way]) for way in ways))
    yield Row("(i) together", "   ".join(_share(way, whole, whole) for way, whole in wholes.items()))


def _share(way: str, used: float, whole: float) -> str:
    return f"{way} {used * 1e6:5.0f} µs CPU a message, {used / whole:6.1%}"


def mailbox(found: Mailbox) -> Iterator[Row]:
    bare, ours = median(found.bare), median(found.ours)
    share = median(a / b for a, b in zip(found.ours, found.bare))
    yield Row("bare aioimaplib, 100 mails a fetch, thrown away", f"{bare:6.0f} mails/s")
    yield Row(
        "(g) mail: fetched, read, stored, decided",
        f"{ours:6.0f} mails/s  {median(found.cpu) * 1e6:.0f} µs CPU a mail  ratio {share:.3f} by wall",
    )
    for what, times in (("told of by the server", found.announced), ("an inbound message", found.inbound)):
        ordered = sorted(times)
        worst = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
        yield Row(f"(g) delivered mail to {what}", f"p50 {median(ordered) * 1e3:.0f} ms, p99 {worst * 1e3:.0f} ms")
    megabytes = (f"{size / 2**20:.0f} MB" for size in (found.rest, found.peak, found.child))
    yield Row("(g) memory: all at rest, peak with a 25 MB mail: gateway, reader", ", ".join(megabytes))


def _plain(series: Series, name: str) -> str:
    middle = series.middle(name)
    return f"{middle.rate:6.0f}/s  {middle.cpu * 1e6:4.0f} µs CPU  p50 {middle.p50 * 1e3:.1f} p99 {middle.p99 * 1e3:.1f} ms"


def _beside(series: Series, name: str, peer: str) -> str:
    by_cpu, by_wall = series.ratio(name, peer, "cpu"), series.ratio(name, peer, "rate")
    return f"{_plain(series, name)}  ratio {by_cpu:.2f} by CPU, {by_wall:.2f} by wall"


def text(rows: list[Row]) -> str:
    """The table for people."""
    width = max((len(row.what) for row in rows), default=0)
    lines = [f"{row.what:{width}}  {row.figures}{f'  (goal: {row.goal})' if row.goal else ''}" for row in rows]
    return "\n".join(lines)


def figures(series: Series) -> dict[str, Any]:
    """All samples, for programs."""
    return {name: [vars(one) for one in samples] for name, samples in series.samples.items()}
