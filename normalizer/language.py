"""Which language a text is in: by script first, by common words where the script leaves it open."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

#: Characters looked at; more do not change the answer.
MAX_LOOK = 600

_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x41, 0x5A, "l"),
    (0x61, 0x7A, "l"),
    (0xC0, 0x24F, "l"),
    (0x1E00, 0x1EFF, "l"),
    (0x370, 0x3FF, "e"),
    (0x400, 0x52F, "c"),
    (0x590, 0x5FF, "w"),
    (0x600, 0x6FF, "a"),
    (0x750, 0x77F, "a"),
    (0x900, 0x97F, "d"),
    (0xE00, 0xE7F, "y"),
    (0x3041, 0x30FF, "j"),
    (0xFF66, 0xFF9D, "j"),
    (0x1100, 0x11FF, "k"),
    (0x3130, 0x318F, "k"),
    (0xAC00, 0xD7AF, "k"),
    (0x3400, 0x4DBF, "h"),
    (0x4E00, 0x9FFF, "h"),
    (0xF900, 0xFAFF, "h"),
    (0x20000, 0x323AF, "h"),
)
#: The language that a script's text is in when its words tie: the one with the most writers.
_LIKELY = {"l": "en", "c": "ru"}
_BY_SCRIPT = {"e": "el", "w": "he", "a": "ar", "d": "hi", "y": "th"}
_WORDS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


class Tongue(NamedTuple):
    """A language as a BCP 47 tag ("und" when it cannot be said), how sure, and whether a second one is mixed in."""

    tag: str
    confidence: float
    mixed: bool
    rule: str


class Scripts(dict[int, str]):
    """One letter a script, for ``str.translate``: s/t for characters only simplified/traditional Chinese has."""

    def __init__(self, simplified_only: str, traditional_only: str) -> None:
        super().__init__({ord(c): "s" for c in simplified_only} | {ord(c): "t" for c in traditional_only})

    def __missing__(self, code: int) -> str:
        letter = next((name for low, high, name in _RANGES if low <= code <= high), ".")
        if len(self) < 60_000:
            self[code] = letter
        return letter


class Profile(NamedTuple):
    """What tells the languages of one script apart: common words, endings and letters, each with votes."""

    words: Mapping[str, tuple[tuple[str, float], ...]]
    letters: Mapping[str, tuple[tuple[str, float], ...]]
    endings: Mapping[str, tuple[tuple[str, float], ...]]


class Detector:
    """Tells the language of a text. ``profiles`` by script letter: ``l`` Latin, ``c`` Cyrillic."""

    def __init__(self, scripts: Scripts, profiles: Mapping[str, Profile]) -> None:
        self._scripts, self._profiles = scripts, profiles

    def tell(self, raw: str, *, prior: str = "") -> Tongue:
        """The language of ``raw``; ``prior`` (a tag) decides where the text alone does not."""
        raw = raw[:MAX_LOOK]
        if raw.isascii():
            latin, han, seen = (1 if _WORDS.search(raw) else 0), 0, ""
        else:
            seen = raw.translate(self._scripts)
            latin = seen.count("l")
            han = seen.count("h") + seen.count("s") + seen.count("t")
            if tongue := self._by_script(seen, han, latin, prior):
                return tongue
        if not latin and not seen.count("c"):
            return Tongue("und", 0.3, False, "language.none")
        script = "c" if seen.count("c") > latin else "l"
        return self._by_words(raw, script, prior, mixed=han > 0)

    def _by_script(self, seen: str, han: int, latin: int, prior: str) -> Tongue | None:
        kana, hangul = seen.count("j"), seen.count("k")
        mixed = latin > 12 and latin > (han + kana + hangul)
        if kana and kana * 12 > han and (kana + han) * 4 > latin:
            return Tongue("ja", 0.97, mixed, "language.script")
        if hangul and hangul * 4 > latin:
            return Tongue("ko", 0.98, mixed, "language.script")
        if han and han * 6 > latin:
            return _chinese(seen.count("s"), seen.count("t"), prior, mixed)
        for letter, tag in _BY_SCRIPT.items():
            if seen.count(letter) * 3 > max(latin, seen.count("c")):
                return Tongue(tag, 0.95, False, "language.script")
        return None

    def _by_words(self, raw: str, script: str, prior: str, *, mixed: bool) -> Tongue:
        profile = self._profiles[script]
        votes: dict[str, float] = {}
        low = raw.lower().replace("’", "'")
        words = _WORDS.findall(low)[:60]
        for word in words:
            for tag, weight in profile.words.get(word, ()):
                votes[tag] = votes.get(tag, 0.0) + weight
        clear = sorted(votes.values())[-2:]
        if not clear or clear[-1] < 1.5 or (len(clear) == 2 and clear[1] < clear[0] * 1.7) or not raw.isascii():
            _vote_by_shape(words, profile, votes)
        if _LIKELY[script] in votes:
            votes[_LIKELY[script]] += 0.1 if script == "l" else 0.5
        return _elected(votes, prior, "und" if script == "l" else "ru", mixed=mixed)


def _vote_by_shape(words: list[str], profile: Profile, votes: dict[str, float]) -> None:
    for word in words:
        padded = f"^{word}$"
        for size in (2, 3, 4):
            for at in range(len(padded) - size + 1):
                for tag, weight in profile.endings.get(padded[at : at + size], ()):
                    votes[tag] = votes.get(tag, 0.0) + weight
        for char in word:
            if char > "z":
                for tag, weight in profile.letters.get(char, ()):
                    votes[tag] = votes.get(tag, 0.0) + weight


def _elected(votes: dict[str, float], prior: str, nobody: str, *, mixed: bool) -> Tongue:
    prior_tag = prior.split("-")[0]
    if prior_tag and (prior_tag in votes or max(votes.values(), default=0.0) < 0.6):
        votes[prior_tag] = votes.get(prior_tag, 0.0) + 0.6
    if not votes:
        return Tongue(nobody, 0.3, mixed, "language.none")
    tag = max(sorted(votes), key=votes.__getitem__)
    total = sum(votes.values())
    return Tongue(tag, round(min(0.97, 0.4 + 0.6 * votes[tag] / total), 2), mixed, "language.words")


def _chinese(simplified: int, traditional: int, prior: str, mixed: bool) -> Tongue:
    if simplified > traditional:
        return Tongue("zh-Hans", 0.98, mixed, "language.simplified")
    if traditional > simplified:
        return Tongue("zh-Hant", 0.98, mixed, "language.traditional")
    return Tongue(prior if prior.startswith("zh-") else "zh", 0.6, mixed, "language.script")
