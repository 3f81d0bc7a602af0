"""A user's own categories, learnt from labelled messages on top of the rules.

A linear model over the character groups of :func:`normalizer.likeness.grams` and the category that the rules say: each
group's weight for a label is the logarithm of how much more often it stands there than elsewhere. It is counted, not
searched for, so training takes seconds and the same labels always give the same model.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from math import log, sqrt
from typing import NamedTuple

import msgspec

from normalizer.likeness import grams

#: Parts the labels are cut into; each is judged by a model that has not seen it.
FOLDS = 5
#: Fewest messages of a label, and fewest messages a group of characters stands in.
MIN_OF_LABEL = 5
MIN_OF_GROUP = 2
#: Groups kept, the most frequent first.
MAX_GROUPS = 60_000

_SMOOTH = 0.3
_RULE = "rule:"


class Labelled(NamedTuple):
    """A folded message, what the rules say of it, and what a person says."""

    plain: str
    by_rules: str
    label: str


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """Measured on messages that the model had not seen: shares from 0 to 1.

    ``accuracy`` and ``macro_f1`` are of the model with the rules beneath it, ``rules_accuracy`` of the rules alone;
    ``answered`` is the share that the model itself decides, ``precision`` how often it is right then.
    """

    messages: int
    accuracy: float
    macro_f1: float
    rules_accuracy: float
    answered: float
    precision: float


class Brain(msgspec.Struct, frozen=True, kw_only=True):
    """What was learnt. ``weights``: one number per label for each group. Below ``threshold`` the rules decide."""

    labels: tuple[str, ...]
    weights: dict[str, tuple[float, ...]]
    threshold: float = 0.0
    quality: Quality | None = None

    def tell(self, plain: str, by_rules: str) -> tuple[str, float]:
        """The label, and how far it is ahead of the next one (``threshold`` and more: sure)."""
        found = [w for group in features(plain, by_rules) if (w := self.weights.get(group)) is not None]
        if not found:
            return "", 0.0
        scores = [sum(column) for column in zip(*found, strict=True)]
        best = max(range(len(scores)), key=scores.__getitem__)
        second = max((s for n, s in enumerate(scores) if n != best), default=0.0)
        return self.labels[best], (scores[best] - second) / sqrt(len(found))


def features(plain: str, by_rules: str) -> frozenset[str]:
    """What a message is judged by."""
    return grams(plain) | {_RULE + by_rules}


def train(told: Sequence[Labelled], *, precision: float) -> Brain:
    """A model with its cross-validated quality. ``precision`` is asked of what it decides itself.

    Raises:
        ValueError: fewer than two labels with :data:`MIN_OF_LABEL` messages each.
    """
    often = Counter(one.label for one in told)
    known = [one for one in told if often[one.label] >= MIN_OF_LABEL]
    if len({one.label for one in known}) < 2:
        raise ValueError(f"at least two categories need {MIN_OF_LABEL} messages each")
    held_out = _held_out(known)
    threshold = _threshold(held_out, precision)
    whole = _count(known)
    return msgspec.structs.replace(whole, threshold=threshold, quality=_quality(held_out, threshold))


class _Judged(NamedTuple):
    one: Labelled
    label: str
    ahead: float


def _held_out(told: Sequence[Labelled]) -> list[_Judged]:
    """Every message, judged by a model of the others; which part it is in depends on its text alone."""
    folds: list[list[Labelled]] = [[] for _ in range(FOLDS)]
    for one in told:
        folds[hashlib.sha256(one.plain.encode(errors="replace")).digest()[0] % FOLDS].append(one)
    judged: list[_Judged] = []
    for n, fold in enumerate(folds):
        model = _count([one for m, other in enumerate(folds) if m != n for one in other])
        judged += [_Judged(one, *model.tell(one.plain, one.by_rules)) for one in fold]
    return judged


def _count(told: Sequence[Labelled]) -> Brain:
    labels = tuple(sorted({one.label for one in told}))
    place = {label: n for n, label in enumerate(labels)}
    size = [0] * len(labels)
    counts: dict[str, list[int]] = {}
    for one in told:
        at = place[one.label]
        size[at] += 1
        for group in features(one.plain, one.by_rules):
            counts.setdefault(group, [0] * len(labels))[at] += 1
    frequent = sorted((g for g, c in counts.items() if sum(c) >= MIN_OF_GROUP), key=lambda g: (-sum(counts[g]), g))
    weights = {group: _weights(counts[group], size) for group in frequent[:MAX_GROUPS]}
    return Brain(labels=labels, weights=weights)


def _weights(count: Sequence[int], size: Sequence[int]) -> tuple[float, ...]:
    everywhere, messages = sum(count), sum(size)
    return tuple(
        round(
            log((here + _SMOOTH) / (of + 2 * _SMOOTH))
            - log((everywhere - here + _SMOOTH) / (messages - of + 2 * _SMOOTH)),
            3,
        )
        for here, of in zip(count, size, strict=True)
    )


def _threshold(judged: Sequence[_Judged], precision: float) -> float:
    """The lowest lead from which on the asked share is right."""
    right, best = 0, float("inf")
    for n, each in enumerate(sorted(judged, key=lambda j: -j.ahead), start=1):
        right += each.label == each.one.label
        if right / n >= precision:
            best = each.ahead
    return round(best, 4) if best < float("inf") else 1e9


def _quality(judged: Sequence[_Judged], threshold: float) -> Quality:
    told = [(j.one.label, j.label if j.ahead >= threshold else j.one.by_rules) for j in judged]
    decided = [j for j in judged if j.ahead >= threshold]
    labels = sorted({label for label, _ in told})
    return Quality(
        messages=len(told),
        accuracy=_share([gold == said for gold, said in told]),
        macro_f1=round(sum(_f1(told, label) for label in labels) / len(labels), 4),
        rules_accuracy=_share([j.one.by_rules == j.one.label for j in judged]),
        answered=round(len(decided) / len(judged), 4),
        precision=_share([j.label == j.one.label for j in decided]),
    )


def _share(true: Sequence[bool]) -> float:
    return round(sum(true) / len(true), 4) if true else 0.0


def _f1(told: Sequence[tuple[str, str]], label: str) -> float:
    hit = sum(gold == said == label for gold, said in told)
    return 2 * hit / (2 * hit + sum((gold == label) != (said == label) for gold, said in told)) if hit else 0.0
