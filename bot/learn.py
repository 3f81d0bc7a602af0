"""Learns from an author's examples when the bot may answer: cross-validation that leaves whole entries out.

A bot is wrong most often on what it knows nothing of. So in each of :data:`FOLDS` rounds a fifth of the entries is
taken away, and their examples stand for questions that no entry covers; of the other entries a fifth of the examples is
asked. Nothing is left to chance: folds and the bootstrap's weights come from checksums.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot.acceptor import Acceptor, Calibration, Curve, forbidden
from bot.signals import Signals
from bot.similarity import Index
from bot.words import Utterance
from normalizer.text import Fold

FOLDS = 5
#: Most questions asked in a round, of each kind.
MOST_ASKED = 2_000
#: Which part of what has no entry is, for the acceptor, a question with a foreign word in it. The thresholds leave these
#: out: what they are set on is left as the author wrote it.
MIXED = 0.1
#: How strongly the acceptor's weights are held near zero, and how many Newton steps find them.
RIDGE = 60.0
STEPS = 12
#: Pieces of a signal's curve, each with as many of the trials.
PIECES = 20
#: Fewer entries, or fewer examples an entry in the middle, teach nothing about what is not there.
FEWEST_ENTRIES, FEWEST_EXAMPLES = 10, 8
#: However easy the examples are to tell apart, less confidence than this is no confidence.
LEAST = 0.5
#: From this share of right ones among the first three on, they are worth a "did you mean".
WORTH_OFFERING = 0.5
#: An entry that answered wrongly so often in the rounds, and kept so much less than what is stated, never answers alone.
WEAK_WRONG, WEAK_SHORT = 2, 0.1
#: Bootstrap rounds, and the share of them that may fall short of the stated precision. It may be this large because what
#: is taken away in the rounds is harder than what nobody wrote an entry for: twins of an entry are among it.
ROUNDS = 200
SHORT = 0.4

Array = NDArray[np.float64]
#: Whether an entry's rule fires on a text.
Fires = Callable[[str, str], bool]


@dataclass(frozen=True)
class Trial:
    """One question asked in a round. ``entry`` is what was meant (empty: its entry was taken away), ``found`` the nearest."""

    text: str
    round: int
    entry: str
    of: str
    """Whose example it is."""
    found: str
    next: tuple[str, ...]
    signals: Signals
    mixed: bool = False
    """A question with a word of another entry put in: it asks for something else now."""

    @property
    def right(self) -> bool:
        return self.entry == self.found


def _number(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256("\x00".join(map(str, parts)).encode()).digest()[:8], "big")


def _ranked(texts: Sequence[str], salt: str) -> dict[str, int]:
    """Place of each text in an order that has nothing to do with it."""
    return {text: place for place, text in enumerate(sorted(set(texts), key=lambda text: _number(salt, text)))}


def trials(examples: Mapping[str, Sequence[str]], table: Fold, vocabulary: Mapping[str, frozenset[str]]) -> list[Trial]:
    """All rounds' questions. The rule's words (``vocabulary``) belong to an entry in every round."""
    examples = {entry: sorted(set(examples[entry])) for entry in sorted(examples)}
    group = {entry: place % FOLDS for entry, place in _ranked(list(examples), "entry").items()}
    folds = {entry: _folds(entry, texts) for entry, texts in examples.items()}
    return [
        trial
        for round in range(FOLDS)
        for trial in _round(round, folds, {entry for entry in group if group[entry] == round}, table, vocabulary)
    ]


def _folds(entry: str, texts: Sequence[str]) -> dict[str, int]:
    offset = _number("offset", entry)
    return {text: (place + offset) % FOLDS for text, place in _ranked(texts, "example").items()}


def _round(
    round: int,
    folds: Mapping[str, Mapping[str, int]],
    gone: set[str],
    table: Fold,
    vocabulary: Mapping[str, frozenset[str]],
) -> list[Trial]:
    kept = {entry: [text for text, at in texts.items() if at != round] for entry, texts in folds.items()}
    index = Index({entry: texts for entry, texts in kept.items() if entry not in gone}, table, vocabulary)
    if not index.names:
        return []
    inside = [(entry, text) for entry in folds if entry not in gone for text, at in folds[entry].items() if at == round]
    outside = [(entry, text) for entry in folds if entry in gone for text in folds[entry]]
    inside, outside = _sample(inside), _sample(outside)
    words = [word for _, text in outside for word in dict.fromkeys(Utterance(text, table).content)]
    asked = [(entry, entry, text, False) for entry, text in inside]
    asked += [("", of, text, False) for of, text in outside]
    asked += [("", of, mixed, True) for of, text in inside if (mixed := _mixed(text, words, table))]
    found = (_ask(index, round, *each, table) for each in asked)
    return [each for each in found if each is not None]


def _mixed(text: str, words: Sequence[str], table: Fold) -> str:
    """The text with one content word of an entry that was taken away before its last content word."""
    said = Utterance(text, table)
    own = [word for word in said.content if word in said.folded]
    fresh = [word for word in words if word not in said.content]
    if not own or not fresh:
        return ""
    word = fresh[_number("mixed", text) % len(fresh)]
    head, last, tail = said.folded.rpartition(own[-1])
    return f"{head}{word} {last}{tail}" if word.isascii() else f"{head}{word}{last}{tail}"


def _sample(asked: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(asked, key=lambda each: _number("sample", *each))[:MOST_ASKED]


def _ask(index: Index, round: int, entry: str, of: str, text: str, mixed: bool, table: Fold) -> Trial | None:
    said = Utterance(text, table)
    if index.exact(said.compact):
        return None
    near = index.nearest(said)
    if not near:
        return None
    return Trial(text, round, entry, of, near[0].entry, tuple(each.entry for each in near[1:]), near[0].signals, mixed)


def weights(found: Sequence[Trial], out_of_scope: float, mixed: float) -> Array:
    """What each trial counts, so that those without an entry have their share of the traffic, ``mixed`` their part of it."""
    kinds = np.array([0 if each.entry else 2 if each.mixed else 1 for each in found])
    shares = (1 - out_of_scope, out_of_scope * (1 - mixed), out_of_scope * mixed)
    counts = np.array([share / max((kinds == kind).sum(), 1) for kind, share in enumerate(shares)])[kinds]
    return np.asarray(counts * len(found), dtype=np.float64)


def matrix(found: Sequence[Trial]) -> Array:
    return np.array([each.signals for each in found], dtype=np.float64).reshape(len(found), len(Signals._fields))


def fit(signals: Array, right: NDArray[np.bool_], counts: Array) -> Acceptor:
    """Weighted logistic regression of each signal's value and of its rank, so that a signal's part may level off."""
    knots = [np.unique(np.round(column, 5)) for column in np.quantile(signals, np.linspace(0, 1, PIECES + 1), axis=0).T]
    values = np.column_stack([signals, *(_rank(column, at) for column, at in zip(signals.T, knots))])
    mean = np.average(values, axis=0, weights=counts)
    scale = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=counts))
    scale[scale < 1e-9] = 1.0
    beta = _logistic((values - mean) / scale, right, counts)
    slope = beta[1:] / scale
    many = len(knots)
    curves = {}
    for place, (name, at) in enumerate(zip(Signals._fields, knots)):
        part = slope[place] * (at - mean[place]) + slope[many + place] * (_rank(at, at) - mean[many + place])
        curves[name] = Curve(tuple(at.tolist()), tuple(part.tolist()))
    return Acceptor(float(beta[0]), curves)


def _rank(values: Array, knots: Array) -> Array:
    return np.interp(values, knots, np.linspace(0, 1, len(knots)))


def _logistic(values: Array, right: NDArray[np.bool_], counts: Array) -> Array:
    """Bias and weights, by Newton's method."""
    data = np.column_stack([np.ones(len(values)), values])
    hold = np.full(data.shape[1], RIDGE)
    hold[0] = 1e-6
    beta = np.zeros(data.shape[1])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(data @ beta, -30, 30)))
        slope = data.T @ (counts * (right - chance)) - hold * beta
        curve = (data * (counts * chance * (1 - chance))[:, None]).T @ data + np.diag(hold)
        beta = beta + np.linalg.solve(curve, slope)
    return np.asarray(beta, dtype=np.float64)


def held_out(found: Sequence[Trial], counts: Array) -> Array:
    """Each trial's confidence by an acceptor that was fitted without its round; 0 where a guard forbids."""
    signals, right = matrix(found), np.array([each.right for each in found])
    round = np.array([each.round for each in found])
    confidence = np.zeros(len(found))
    for left_out in range(FOLDS):
        mine, others = round == left_out, round != left_out
        if mine.any() and others.any():
            acceptor = fit(signals[others], right[others], counts[others])
            confidence[mine] = [acceptor.confidence(found[at].signals) for at in np.flatnonzero(mine).tolist()]
    return np.where([bool(forbidden(each.signals)) for each in found], 0.0, confidence)


def threshold(found: Sequence[Trial], confidence: Array, counts: Array, precision: float) -> float | None:
    """The lowest confidence from which all answers together keep the precision in six of ten bootstrap rounds.

    The bootstrap draws entries, not examples: what is uncertain is which entries a company has.
    """
    order = np.argsort(-confidence, kind="stable")
    level = confidence[order]
    right = np.array([found[at].right for at in order.tolist()])
    owners = {owner: place for place, owner in enumerate(sorted({each.of for each in found}))}
    owner = np.array([owners[found[at].of] for at in order.tolist()])
    drawn = _draws(sorted(owners))[:, owner] * counts[order]
    reached = np.cumsum(drawn * right, axis=1) / np.maximum(np.cumsum(drawn, axis=1), 1e-12)
    low = np.quantile(reached, SHORT, axis=0)
    is_last = np.append(level[1:] != level[:-1], True)
    good = np.flatnonzero((low >= precision) & is_last & (level > 0))
    return float(level[good[-1]]) if len(good) else None


def _draws(owners: Sequence[str]) -> Array:
    """How much each entry counts in each bootstrap round (Rubin's bootstrap: exponential weights)."""
    drawn = np.array(
        [
            np.frombuffer(
                b"".join(hashlib.sha256(f"{owner}\x00{part}".encode()).digest() for part in range(ROUNDS // 8)),
                dtype=">u4",
            )[:ROUNDS]
            for owner in owners
        ],
        dtype=np.float64,
    )
    return np.asarray(-np.log((drawn + 1) / (2**32 + 1)).T)


@dataclass(frozen=True)
class Practice:
    """What the rounds showed: the trials on the author's own words with their held-out confidence, and the acceptor."""

    examples: Mapping[str, Sequence[str]]
    out_of_scope: float
    trials: Sequence[Trial]
    confidence: Array
    traffic: Array
    acceptor: Acceptor


def practise(
    examples: Mapping[str, Sequence[str]],
    table: Fold,
    vocabulary: Mapping[str, frozenset[str]],
    out_of_scope: float = 0.5,
) -> Practice | None:
    """Play the rounds; None where the examples are too few to be ever right, or too easy to be ever wrong."""
    found = trials(examples, table, vocabulary)
    right = np.array([each.right for each in found])
    if not right.any() or right.all():
        return None
    counts = weights(found, out_of_scope, MIXED)
    confidence = held_out(found, counts)
    own = [at for at, each in enumerate(found) if not each.mixed]
    tried = [found[at] for at in own]
    traffic = weights(tried, out_of_scope, 0.0)
    return Practice(examples, out_of_scope, tried, confidence[own], traffic, fit(matrix(found), right, counts))


def calibrate(practice: Practice, *, digest: str, fires: Fires, precision: float = 0.98) -> Calibration:
    """The thresholds from which ``precision`` is kept where ``out_of_scope`` of the traffic has no entry."""
    tried, sure, traffic = practice.trials, practice.confidence, practice.traffic
    refused = _too_few(practice.examples)
    alone = None if refused else threshold(tried, sure, traffic, precision)
    alone = None if alone is None else max(alone, LEAST)
    if alone is None and not refused:
        refused = _unkept(tried, sure, traffic, precision)
    coverage, kept = _reached(tried, sure, traffic, alone)
    return Calibration(
        precision=precision,
        out_of_scope=practice.out_of_scope,
        examples=digest,
        acceptor=practice.acceptor,
        alone=alone,
        together=_together(practice, fires, precision),
        offer=_offer(tried, sure, traffic),
        coverage=coverage,
        kept=kept,
        refused=refused,
        weak=_weak(tried, sure, alone, precision),
    )


def _together(practice: Practice, fires: Fires, precision: float) -> float | None:
    """The confidence wanted besides the rule: 0 where the rule alone was never wrong too often."""
    both = [at for at, each in enumerate(practice.trials) if fires(each.found, each.text)]
    if not both:
        return None
    sure = practice.confidence[both]
    level = threshold([practice.trials[at] for at in both], sure, practice.traffic[both], precision)
    return 0.0 if level is not None and level <= sure.min() else level


def _too_few(examples: Mapping[str, Sequence[str]]) -> str:
    sizes = sorted(len(set(texts)) for texts in examples.values())
    if len(sizes) < FEWEST_ENTRIES:
        return f"{len(sizes)} entries are too few to learn what is not covered; {FEWEST_ENTRIES} are needed"
    if sizes[len(sizes) // 2] < FEWEST_EXAMPLES:
        return f"half of the entries have fewer than {FEWEST_EXAMPLES} examples"
    return ""


def _unkept(found: Sequence[Trial], confidence: Array, counts: Array, precision: float) -> str:
    """Why no threshold keeps the precision: the nearest that one comes, and whose questions are mistaken for whose."""
    lower = next((level for level in (0.95, 0.9, 0.8, 0.7) if level < precision
                  and threshold(found, confidence, counts, level) is not None), None)  # fmt: skip
    order = np.argsort(-confidence, kind="stable").tolist()
    wrong = next((found[at] for at in order if not found[at].right), None)
    reached = f"{lower:.2f} can be kept" if lower else "not even 0.70 can be kept"
    example = f"; the surest mistake: “{wrong.text}” of `{wrong.of}` was taken for `{wrong.found}`" if wrong else ""
    return f"no confidence keeps a precision of {precision:.2f} ({reached}){example}"


def _reached(found: Sequence[Trial], confidence: Array, counts: Array, level: float | None) -> tuple[float, float]:
    """Coverage of the questions that have an entry, and precision, from a confidence on."""
    if level is None:
        return 0.0, 0.0
    right = np.array([each.right for each in found])
    inside = np.array([bool(each.entry) for each in found])
    said = confidence >= level
    return float((said & right).sum() / inside.sum()), float(counts[said & right].sum() / counts[said].sum())


def _offer(found: Sequence[Trial], confidence: Array, counts: Array) -> float:
    """The lowest confidence around which the right entry is among the first three often enough."""
    order = np.argsort(-confidence, kind="stable")
    among = np.array(
        [bool(found[at].entry) and found[at].entry in (found[at].found, *found[at].next[:2]) for at in order.tolist()]
    )
    window = max(20, len(found) // 40)
    sums = np.convolve(among * counts[order], np.ones(window), "valid") / np.convolve(
        counts[order], np.ones(window), "valid"
    )
    below = np.flatnonzero(sums < WORTH_OFFERING)
    return float(confidence[order][below[0]]) if len(below) else float(confidence.min(initial=0.0))


def _weak(found: Sequence[Trial], confidence: Array, level: float | None, precision: float) -> dict[str, str]:
    """Entries that would not keep what is stated, with a mistake as the reason."""
    if level is None:
        return {}
    said: dict[str, list[Trial]] = {}
    for each, sure in zip(found, confidence.tolist()):
        if sure >= level:
            said.setdefault(each.found, []).append(each)
    weak = {}
    for entry, answers in sorted(said.items()):
        wrong = [each for each in answers if not each.right]
        if len(wrong) >= WEAK_WRONG and 1 - len(wrong) / len(answers) < precision - WEAK_SHORT:
            weak[entry] = f"answered {len(wrong)} of {len(answers)} wrongly, as “{wrong[0].text}” of `{wrong[0].of}`"
    return weak
