"""Which language the bot answers in: what was asked for, else what is written, else what was spoken before."""

from __future__ import annotations

import re

from bot.decision import Company, State, Turn
from bot.patterns import Scan
from bot.words import Utterance, has_han
from normalizer.record import ComplaintRecord

_HAN = re.compile(r"[㐀-鿿]")
_LATIN_WORDS = re.compile(r"[a-zA-Z]{2,}")
#: Switches an explicit wish names, by the skill word that fires.
ASKED_FOR = {"speak-en": "en", "speak-zh-hans": "zh-Hans", "speak-zh-hant": "zh-Hant"}


def choose(
    turn: Turn, state: State, record: ComplaintRecord, company: Company, scan: Scan, utterance: Utterance
) -> str:
    """One of the company's languages. A short word ("OK") in another language does not switch."""
    for skill, language in ASKED_FOR.items():
        if f"@{skill}" in scan.fired and language in company.languages:
            return language
    if state.asking and not turn.text.strip():
        return state.language or company.default_language
    language = _written(turn, state, record, utterance)
    return _supported(language, company) or _supported(state.language, company) or company.default_language


def _written(turn: Turn, state: State, record: ComplaintRecord, utterance: Utterance) -> str:
    told = turn.language or (record.arrival.language.value if record.arrival.language else "")
    text = turn.text[:400]
    if has_han(text):
        return _script(text, utterance, state.language, told)
    if state.language and len(_LATIN_WORDS.findall(text)) < 3:
        return state.language
    return told if not text.isascii() and told else _latin(text, told)


def _script(text: str, utterance: Utterance, before: str, told: str) -> str:
    """Traditional where a character says so; undecided texts keep what was written before."""
    folded = set(utterance.folded)
    han = _HAN.findall(text)
    if any(char not in folded for char in han):
        return "zh-Hant"
    if before.startswith("zh"):
        return before if len(han) < 6 else _told_script(told) or before
    return _told_script(told) or "zh-Hans"


def _told_script(told: str) -> str:
    return told if told in ("zh-Hans", "zh-Hant") else ""


def _latin(text: str, told: str) -> str:
    if _LATIN_WORDS.search(text):
        return "en" if told in ("", "und", "en") or told.startswith("zh") else told
    return told


def _supported(language: str, company: Company) -> str:
    """The company's nearest language to this one, or an empty text."""
    if language in company.languages:
        return language
    if language.startswith("zh"):
        return next((name for name in company.languages if name.startswith("zh")), "")
    return language.split("-")[0] if language.split("-")[0] in company.languages else ""
