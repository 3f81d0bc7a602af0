"""Sentiment and emotion: words with weight, turned by negation, strengthened by degree, weighed after a "but"."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from normalizer.lexicon import Hit, Hits
from normalizer.verdict import Verdict

#: How far before a word a negation or degree word may end, in characters.
HAN_REACH = 3
LATIN_REACH = 20

#: Modifiers looked at before one word.
MAX_BEFORE = 6

#: So far a denial reaches to what is compared (没有宣传的那么好).
COMPARED_REACH = 14

_STOPS = frozenset("。！？!?；;\n，,、.:：")
#: The modifiers that a word after them feels; question words and pronouns are not among them.
_TURNING = frozenset({"negation", "stronger", "weaker", "contrast", "condition", "wish"})
#: 异味都没有, 服务完全没有, "good manners are nonexistent".
_CLOSING = re.compile(
    r"[一-鿿]{0,2}?(?:都|也|就|全|全都|完全|根本|一点都|一点也|丝毫)?(?:没有?了?|全无|为零|不存在|没了|没有过)(?=$|[，,。.!！?？;；\s])"
    r"|[a-z' ]{0,9} (?:nonexistent|non-existent|nowhere to be|out of the window|out the window|absent|lacking)(?![a-z])"
)
#: 没有一处让我满意, 没有哪个菜好吃: a denial of any or of what makes so reaches as far.
_ANY = re.compile(r"(?:一|任何|哪|半|什么|谁|地方)|.{0,6}[让使令叫](?:我们?|人|你|顾客|客人|大家)?$")
#: "could not find a kinder doctor", "never had a better meal": there is none better.
_PEERLESS = re.compile(
    r"(?:\b(?:not|never|nobody|no one|cannot|hardly)|n't)\b[a-z ]{0,24}?"
    r"\b(?:find|found|had|have|met|meet|seen|see|ask(?:ed)? for|wish(?:ed)? for|tasted|imagine|get|got|been|be)\b[a-z ]{0,16}$"
)
_PEERLESS_HAN = re.compile(r"(?:没|没有|找不到|从未)[^，。！？]{0,5}比[^，。！？]{1,8}更加?$")
_COMPARATIVE = re.compile(r"^(?:better|nicer|more [a-z]+|[a-z]{2,}(?:i|[a-z])er)$")
_PARTING = frozenset("也又还且和跟与或、而")
#: What begins another thought is not denied with the one before.
_CLAUSE = re.compile(r" (?:since|because|when|while|after|before|until|which|who|where) ")
_COMPARED = frozenset({"那么", "这么", "那样", "这样"})
_NEGATED_GOOD = -0.9
_NEGATED_BAD = -0.1
_AFTER_BUT = 1.1
#: Who tells a story says first what it was like: the words of the first sentence of several count more.
_OPENING = 1.5
_NOWHERE = 1 << 30
_SENTENCE = re.compile(r"[。！？!?；;\n~…]+")


class Tone(NamedTuple):
    """The balance of a text: below zero is bad. ``good`` and ``bad`` are the hits that made it."""

    score: float
    good: tuple[Hit, ...]
    bad: tuple[Hit, ...]
    ironic: bool


class Around:
    """The modifiers of a text, to ask what stands before a word."""

    __slots__ = ("_at", "_mods", "_plain")

    def __init__(self, plain: str, hits: Hits) -> None:
        self._plain = plain
        self._mods = [hit for hit in hits.get("modifiers", ()) if hit.label in _TURNING]
        self._at = [hit.start for hit in self._mods]

    def before(self, hit: Hit) -> tuple[int, float]:
        """How many negations turn a word, and the factor of the degree words before it."""
        if self._peerless(hit):
            return 0, 1.4
        negations, factor = 0, 1.0
        index = bisect_left(self._at, hit.start) - 1
        edge = hit.start
        floor = max(0, index - MAX_BEFORE)
        while index >= floor:
            mod = self._mods[index]
            if mod.end > hit.start:
                index -= 1
                continue
            reach = self._reach(hit, mod)
            if edge - mod.end > reach or self._stopped(mod.end, edge):
                break
            if mod.label == "negation":
                if negations and self._another(mod.end, edge):
                    break  # "no damage and no delay" denies two things, not one of them twice
                negations += 1
            elif mod.label == "stronger":
                factor = min(2.0, factor * 1.4)
            elif mod.label == "weaker":
                factor *= 0.7
            elif mod.label == "contrast":
                break
            elif mod.label == "wish" and hit.label == "positive":
                negations += 1  # "It should have been better": it was not
            edge = mod.start
            index -= 1
        return negations + self._denied_behind(hit), factor

    def _another(self, start: int, end: int) -> bool:
        """Whether what stands between two denials parts them."""
        if self._plain[start - 1] < "\u2e80":
            return end - start > 1
        return not _PARTING.isdisjoint(self._plain[start:end])

    def _peerless(self, hit: Hit) -> bool:
        """Whether there is nothing more of a good thing."""
        if hit.label != "positive":
            return False
        if not _COMPARATIVE.match(self._plain[hit.start : hit.end]):
            return bool(_PEERLESS_HAN.search(self._plain[max(0, hit.start - 20) : hit.start]))
        return bool(_PEERLESS.search(self._plain[max(0, hit.start - 50) : hit.start]))

    def _denied_behind(self, hit: Hit) -> bool:
        """Whether a denial right behind a word closes the clause."""
        return bool(_CLOSING.match(self._plain, hit.end))

    def _reach(self, hit: Hit, mod: Hit) -> int:
        """Between two scripts a modifier counts only where it touches ("不happy")."""
        han = self._plain[mod.end - 1] > "\u2e80"
        if han != (self._plain[hit.start] > "\u2e80") and not self._plain[hit.start].isdigit():
            return 1
        between = self._plain[mod.end : min(hit.start, mod.end + COMPARED_REACH + 1)]
        if han and (between[-2:] in _COMPARED or _ANY.match(between) or self._plain[mod.end - 1] in "说为"):
            return COMPARED_REACH
        return HAN_REACH if han else LATIN_REACH

    def turning(self, hits: Sequence[Hit]) -> set[int]:
        """Where the denials begin that turn a word ("It didn't break", 还没卡过): they tell of no trouble themselves."""
        found = set()
        for hit in hits:
            index = bisect_left(self._at, hit.start) - 1
            mod = self._mods[index] if index >= 0 else None
            if mod is None or mod.label != "negation" or mod.end > hit.start:
                continue
            if hit.start - mod.end <= self._reach(hit, mod) and not self._stopped(mod.end, hit.start):
                found.add(mod.start)
        return found

    def negated(self, hit: Hit) -> bool:
        """Whether a word is said not to be so."""
        return self.before(hit)[0] % 2 == 1

    def supposed(self, hit: Hit) -> bool:
        """Whether a word stands under an "if" in its clause."""
        for mod in self._mods:
            if mod.label == "condition" and 0 <= hit.start - mod.end <= 12 and not self._stopped(mod.end, hit.start):
                return True
        return False

    def near(self, one: Hit, other: Hit, reach: int) -> bool:
        """Whether two words that do not overlap stand in one clause, so many characters apart at most."""
        start, end = min(one.end, other.end), max(one.start, other.start)
        return end - start <= reach and not self._stopped(start, end)

    def sentences(self) -> list[int]:
        """Where the sentences end, but for the last one."""
        ends = [stop.end() for stop in _SENTENCE.finditer(self._plain)]
        return [end for end in ends if end < len(self._plain) - 1]

    def _stopped(self, start: int, end: int) -> bool:
        between = self._plain[start:end]
        return not _STOPS.isdisjoint(between) or (end - start > 7 and _CLAUSE.search(between) is not None)


def weigh(hits: Hits, around: Around) -> Tone:
    """The tone of a text from its sentiment words."""
    said = hits.get("sentiment", ())
    modifiers = hits.get("modifiers", ())
    last_but = max((hit.start for hit in modifiers if hit.label == "contrast"), default=_NOWHERE)
    irony = [hit for hit in modifiers if hit.label == "irony"]
    ends = around.sentences()
    mocked = {bisect_left(ends, hit.end) for hit in irony}
    turning = around.turning(said)
    good: list[Hit] = []
    bad: list[Hit] = []
    score = 0.0
    for hit in said:
        if not turning.isdisjoint(range(hit.start, hit.end)) and (
            hit.weight < 1 or hit.rule.isascii() or hit.rule.endswith("人")
        ):
            continue  # 没法 stays bad before a bad word, 没人 does not
        negations, factor = around.before(hit)
        value = hit.weight * factor * (1.0 if hit.label == "positive" else -1.0)
        if negations % 2:
            value *= _NEGATED_GOOD if value > 0 else _NEGATED_BAD
        if hit.start > last_but:
            value *= _AFTER_BUT
        sentence = bisect_left(ends, hit.end)
        if ends and not sentence:
            value *= _OPENING
        if value > 0 and sentence in mocked:
            value = 0.0
        score += value
        if hit.weight >= 1:
            (good if value > 0 else bad).append(hit)
    score -= len(irony)
    return Tone(score, tuple(good), tuple(bad + irony), bool(irony))


def sentiment(tone: Tone, plain: str) -> Verdict:
    """The tone as one of the record's four values."""
    score = tone.score - 0.3 * min(3, plain.count("!") + plain.count("！")) * (tone.score < 0)
    confidence = round(min(0.95, 0.45 + abs(score) / (abs(score) + 3.0) * 0.55), 2)
    grave = sum(hit.weight >= 2 for hit in tone.bad)
    if score <= -1.0 and (grave >= 2 or score <= -6) and score <= -4:
        return Verdict("very_negative", confidence, _gravest(tone.bad), "sentiment.balance")
    if score <= -0.8:
        return Verdict("negative", confidence, _gravest(tone.bad), "sentiment.balance")
    if score >= 0.8:
        return Verdict("positive", confidence, _gravest(tone.good), "sentiment.balance")
    return Verdict("neutral", 0.4, (), "sentiment.balance")


def darkened(tone: Tone, harm: int) -> Tone:
    """The tone of a text that tells of harm: calm words do not make it good."""
    return tone._replace(score=tone.score - harm) if harm else tone


def _gravest(hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
    return tuple(sorted(hits, key=lambda hit: -hit.weight)[:4])


def emotion(hits: Hits, around: Around, tone: Tone) -> Verdict | None:
    """The strongest emotion that is named, none when the words leave it open."""
    votes: dict[str, list[Hit]] = {}
    for hit in hits.get("emotions", ()):
        if not (around.negated(hit) and hit.label != "joy") and not (hit.label == "joy" and tone.score < 0):
            votes.setdefault(hit.label, []).append(hit)
    if not votes:
        return None
    weights = {label: sum(hit.weight for hit in found) for label, found in votes.items()}
    best = max(weights, key=lambda label: (weights[label], label == "anger"))
    if weights[best] < 1:
        return None
    confidence = round(min(0.95, 0.55 + 0.12 * weights[best]), 2)
    return Verdict(best, confidence, tuple(votes[best]), "emotion.words")
