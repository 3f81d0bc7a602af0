"""What the rounds of :mod:`bot.learn` tell the author: how much is answered, what is confused, what is missing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bot.acceptor import Calibration
from bot.learn import FEWEST_EXAMPLES, Practice, Trial

#: From this confidence on an answer is likely enough to warn of it.
LIKELY = 0.7
#: Lines of each kind that are shown.
MOST_SHOWN = 10


@dataclass(frozen=True)
class Confusion:
    """Questions of ``entry`` that went to ``other``, with one of them."""

    entry: str
    other: str
    times: int
    text: str


@dataclass(frozen=True)
class Report:
    """``siblings``: entries that would have answered for another one, had that not been written: if your customers ask for
    something next to these that you have no entry for, it is these that answer wrongly."""

    entries: int
    examples: int
    first: float
    """Share of held-out questions whose entry came first, and that came among three."""
    among_three: float
    confused: tuple[Confusion, ...]
    siblings: tuple[Confusion, ...]
    thin: tuple[str, ...]
    """Entries with too few examples."""


def report(practice: Practice, calibration: Calibration) -> Report:
    """The rounds, summed up."""
    inside = [each for each in practice.trials if each.entry]
    level = min(LIKELY, calibration.alone or LIKELY)
    sure = [each for each, confidence in zip(practice.trials, practice.confidence.tolist()) if confidence >= level]
    return Report(
        entries=len(practice.examples),
        examples=sum(len(texts) for texts in practice.examples.values()),
        first=_share(inside, lambda each: each.right),
        among_three=_share(inside, lambda each: each.entry in (each.found, *each.next[:2])),
        confused=_pairs(each for each in inside if not each.right),
        siblings=_pairs(each for each in sure if not each.entry),
        thin=tuple(sorted(e for e, texts in practice.examples.items() if len(set(texts)) < FEWEST_EXAMPLES)),
    )


def _share(found: Sequence[Trial], holds: Callable[[Trial], bool]) -> float:
    return sum(holds(each) for each in found) / max(len(found), 1)


def _pairs(found: Iterable[Trial]) -> tuple[Confusion, ...]:
    texts: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in found:
        texts[each.of, each.found].append(each.text)
    times = Counter({pair: len(each) for pair, each in texts.items()})
    order = sorted(times, key=lambda pair: (-times[pair], pair))
    return tuple(Confusion(*pair, times[pair], texts[pair][0]) for pair in order[:MOST_SHOWN])


def lines(report: Report, calibration: Calibration) -> list[str]:
    """The report for a person."""
    said = [
        f"{report.entries} entries, {report.examples} examples",
        f"held-out questions: {report.first:.1%} find their entry first, {report.among_three:.1%} among three",
    ]
    if calibration.alone is None:
        said.append(f"without its rule no entry answers: {calibration.refused}")
    else:
        said.append(
            f"without a rule, from confidence {calibration.alone:.3f} on: {calibration.coverage:.1%} of the questions that have"
            f" an entry are answered, {calibration.kept:.1%} of all answers are right"
            f" ({calibration.precision:.0%} wanted, {calibration.out_of_scope:.0%} of the traffic without an entry)"
        )
    if calibration.together is not None:
        said.append(f"with its rule, from confidence {calibration.together:.3f} on")
    said += [f"never alone: {entry} {why}" for entry, why in calibration.weak.items()]
    said += _section("confused (questions of the first go to the second)", report.confused)
    said += _section(
        "missing siblings (without the first, the second answers; what else is next to it?)", report.siblings
    )
    if report.thin:
        said.append(f"fewer than {FEWEST_EXAMPLES} examples: {', '.join(report.thin)}")
    return said


def _section(title: str, found: Sequence[Confusion]) -> list[str]:
    return [f"{title}:"] * bool(found) + [f"  {e.entry} → {e.other}: {e.times} times, as “{e.text}”" for e in found]
