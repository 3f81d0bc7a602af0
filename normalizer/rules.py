"""The rules of a normalizer, compiled once from data files.

A lexicon file lists labels, and under each its words::

    refund:
      words: [退款, refund*]        # counts 1; a final * means "and longer words"
      strong: [money back]          # counts 2
      weak: [退]                    # counts a half
      except: [退款险]              # looks like it and is not
      unless: [how do i]            # near by, in the same sentence, it does not count

All words of all files go into one automaton, so their number hardly matters for the time a message takes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import get_args

import msgspec

from normalizer.brain import Brain
from normalizer.datafile import Place, RulesError, read
from normalizer.entities.holidays import day_of
from normalizer.language import Detector, Profile, Scripts
from normalizer.lexicon import Automaton, Word
from normalizer.record import Demand, Emotion, Kind, Risk, Urgency
from normalizer.safe_pattern import unsafe
from normalizer.text import Fold, Text

__all__ = ["Currency", "Identifier", "Rules", "RulesError", "compile_rules"]

#: Every file the rules are made from.
FILES = (
    "categories",
    "characters",
    "context",
    "currencies",
    "demands",
    "emotions",
    "identifiers",
    "kinds",
    "languages",
    "modifiers",
    "moments",
    "products",
    "risks",
    "sentiment",
    "urgency",
)

_WEIGHTS = {"strong": 2.0, "words": 1.0, "weak": 0.5}
_MODIFIERS = (
    "negation", "stronger", "weaker", "contrast", "wish", "lag", "question", "reproach", "helpless", "oneself", "condition",
    "irony", "greeting", "opening",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Identifier:
    """A kind of number: what it may look like, and the fewest digits it has beside its context word."""

    name: str
    field: str
    digits: int
    patterns: tuple[re.Pattern[str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Currency:
    """A currency word: its ISO 4217 code, or the code by country where the word alone leaves it open."""

    code: str
    by_country: Mapping[str, str]

    def resolve(self, country: str) -> str:
        """The code as meant in a country (ISO 3166 alpha-2)."""
        return self.by_country.get(country, self.code)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """Everything :func:`normalizer.normalize.normalize` knows."""

    fold: Fold
    detector: Detector
    automaton: Automaton
    identifiers: tuple[Identifier, ...]
    currencies: Mapping[str, Currency]
    categories: tuple[str, ...]
    brain: Brain | None = None


class _Terms:
    """Gathers the words of all lexicons, folded as messages will be."""

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self.found: dict[str, list[Word]] = {}

    def add(self, place: Place, lexicon: str, label: str, weight: float) -> None:
        for word in place.sequence():
            written = word.text()
            term = Text(written, self._fold).plain.strip()
            if not term.rstrip("*"):
                raise word.error(f"nothing is left of {written!r} after folding")
            rule = f"{lexicon}:{label}:{written}"
            words = self.found.setdefault(term, [])
            if not any(w.lexicon == lexicon and w.label == label for w in words):
                words.append(Word(lexicon, label, weight, rule))

    def add_label(self, lexicon: str, label: str, place: Place) -> None:
        """The lists of one label."""
        for name, words in place.mapping(*_WEIGHTS, "except", "unless", "under").items():
            if name in _WEIGHTS:
                self.add(words, lexicon, label, _WEIGHTS[name])
            elif name == "except":
                self.add(words, lexicon, "", 0.0)
            elif name == "unless":
                self.add(words, f"{lexicon}.unless", label, 1.0)


def compile_rules(files: Mapping[str, str]) -> Rules:
    """Compile data files, given as name → content (``categories.yaml`` and so on, see :data:`FILES`).

    Raises:
        RulesError: naming the file and the line.
    """
    given = {PurePath(name).stem: (name, text) for name, text in files.items()}
    if missing := [name for name in FILES if name not in given]:
        raise RulesError(f"{missing[0]}.yaml:1: the file is missing")
    places = {name: read(*given[name]) for name in FILES}
    fold, scripts = _characters(places["characters"])
    terms = _Terms(fold)
    for name, allowed in _label_files():
        for label, place in places[name].items():
            if allowed and label not in allowed:
                raise place.error(f"`{label}` is not known here; use one of: {', '.join(allowed)}")
            terms.add_label(name, label, place)
    categories = _categories(places["categories"], terms)
    brain = _brain(*given["brain"]) if "brain" in given else None
    currencies = _currencies(places["currencies"], terms)
    _moments(places["moments"], terms)
    terms.add(places["products"].mapping("names")["names"], "products", "product", 1.0)
    return Rules(
        fold=fold,
        detector=Detector(scripts, _languages(places["languages"])),
        identifiers=_identifiers(places["identifiers"]),
        currencies=currencies,
        categories=tuple(dict.fromkeys((*categories, *(brain.labels if brain else ())))),
        automaton=Automaton(terms.found),
        brain=brain,
    )


def _brain(file: str, text: str) -> Brain:
    try:
        return msgspec.json.decode(text, type=Brain)
    except msgspec.DecodeError as err:
        raise RulesError(f"{file}:1: {err}; train it again or remove it") from None


def _label_files() -> Iterable[tuple[str, tuple[str, ...]]]:
    return (
        ("context", ()),
        ("demands", get_args(Demand)),
        ("emotions", get_args(Emotion)),
        ("kinds", get_args(Kind)),
        ("modifiers", _MODIFIERS),
        ("risks", get_args(Risk)),
        ("sentiment", ("positive", "negative")),
        ("urgency", get_args(Urgency)),
    )


def _characters(place: Place) -> tuple[Fold, Scripts]:
    parts = place.mapping("traditional", "simplified", "simplified_only", "traditional_only")
    traditional, simplified = parts["traditional"].text(), parts["simplified"].text()
    if len(traditional) != len(simplified):
        raise parts["simplified"].error("`traditional` and `simplified` differ in length")
    if chained := set(traditional) & set(simplified):
        raise parts["simplified"].error(f"{min(chained)} is folded to and folded itself: one form must be the last")
    scripts = Scripts(parts["simplified_only"].text(), parts["traditional_only"].text())
    return Fold(dict(zip(traditional, simplified))), scripts


def _categories(place: Place, terms: _Terms) -> tuple[str, ...]:
    names = []
    for name, body in place.items():
        names.append(name)
        terms.add_label("categories", name, body)
        under = body.mapping().get("under")
        for sub, leaf in under.items() if under else ():
            names.append(f"{name}/{sub}")
            terms.add_label("categories", f"{name}/{sub}", leaf)
    return tuple(names)


def _currencies(place: Place, terms: _Terms) -> dict[str, Currency]:
    found = {}
    for name, body in place.items():
        parts = body.mapping("words", "code", "in")
        terms.add(_wanted(body, parts, "words"), "currencies", name, 1.0)
        countries = {country: code.text() for country, code in parts["in"].items()} if "in" in parts else {}
        found[name] = Currency(code=parts["code"].text() if "code" in parts else name, by_country=countries)
    return found


def _wanted(place: Place, parts: Mapping[str, Place], name: str) -> Place:
    if name not in parts:
        raise place.error(f"`{name}` is missing")
    return parts[name]


def _moments(place: Place, terms: _Terms) -> None:
    for unit, body in place.mapping(
        "day", "week", "month", "year", "month_name", "weekday", "holiday", "part", "except"
    ).items():
        if unit == "except":
            terms.add(body, "moments", "", 0.0)
            continue
        for value, words in body.items():
            if unit == "holiday":
                _feast(words, value)
            terms.add(words, "moments", f"{unit}:{value}", 1.0)


def _feast(place: Place, rule: str) -> None:
    try:
        day_of(rule, 2000)
    except ValueError as error:
        raise place.error(str(error)) from error


def _identifiers(place: Place) -> tuple[Identifier, ...]:
    found = []
    for name, body in place.items():
        parts = body.mapping("field", "digits", "patterns")
        field = _wanted(body, parts, "field")
        if field.text() not in ("order_numbers", "tracking_numbers", "products", "none"):
            raise field.error("`field` is one of: order_numbers, tracking_numbers, products, none")
        patterns = parts["patterns"].sequence() if "patterns" in parts else []
        found.append(
            Identifier(
                name=name,
                field=field.text(),
                digits=int(parts["digits"].number()) if "digits" in parts else 4,
                patterns=tuple(map(_pattern, patterns)),
            )
        )
    return tuple(found)


def _pattern(place: Place) -> re.Pattern[str]:
    written = place.text()
    try:
        if why := unsafe(written):
            raise place.error(f"the pattern can take for ever: {why}")
        return re.compile(written, re.ASCII | re.IGNORECASE)
    except re.error as err:
        raise place.error(f"not a pattern: {err}") from None


def _languages(place: Place) -> dict[str, Profile]:
    return {script[0]: _profile(body) for script, body in place.mapping("latin", "cyrillic").items()}


def _profile(place: Place) -> Profile:
    gathered: dict[str, dict[str, list[tuple[str, float]]]] = {"words": {}, "letters": {}, "endings": {}}
    weights: dict[str, float] = {"words": 1.0, "letters": 0.8, "endings": 0.25}
    split: dict[str, Callable[[str], Iterable[str]]] = {"words": str.split, "letters": list, "endings": str.split}
    for tag, body in place.items():
        for part, listed in body.mapping(*gathered).items():
            for item in sorted(set(split[part](listed.text()))):
                gathered[part].setdefault(item, []).append((tag, weights[part]))
    shared = {
        part: {item: tuple((tag, w / len(votes) ** 0.7) for tag, w in votes) for item, votes in items.items()}
        for part, items in gathered.items()
    }
    return Profile(words=shared["words"], letters=shared["letters"], endings=shared["endings"])
