"""What the bot knows: entries, facts, its phrases and the words of its skills, read from YAML files.

A file may hold any of these tables, and later files win:

``entries``   list of knowledge entries (see :class:`Entry`)
``actions``   name → what may be done in the company's systems (see :mod:`bot.action`)
``facts``     name → text, or name → language → text: usable in every answer as ``{name}``
``phrases``   language → key → text: what the skills say
``words``     skill → patterns: what customers say to them (see :mod:`bot.patterns`)
``calibration``   what ``allears bot calibrate`` learned from the examples (see :mod:`bot.learn`)
``traditional``, ``simplified``   the characters that are folded together for matching (the normalizer's table)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from bot.acceptor import Calibration
from bot.action import Action
from bot.calibration import digest
from bot.patterns import Matcher, Pattern
from bot.similarity import Index
from bot.template import Text
from bot.words import Utterance
from bot.yamlfile import Problem
from normalizer.text import Fold

#: Where a text is looked for when it is missing in a language.
FALLBACKS: Mapping[str, tuple[str, ...]] = {
    "en": ("en", "zh-Hans", "zh-Hant"),
    "zh-Hans": ("zh-Hans", "zh-Hant", "en"),
    "zh-Hant": ("zh-Hant", "zh-Hans", "en"),
}
LANGUAGES = tuple(FALLBACKS)

SlotType = Literal["order_number", "tracking_number", "phone", "email", "amount", "date", "product", "text"]
Covers = Literal["enquiry", "complaint", "both"]
Follow = Literal["helped", "handoff", "nothing", "entry"]


class KnowledgeError(Exception):
    """The knowledge cannot be used. ``problems`` has every one of them, with file and line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)

    @property
    def file(self) -> str:
        return self.problems[0].file if self.problems else ""

    @property
    def line(self) -> int:
        return self.problems[0].line if self.problems else 0


@dataclass(frozen=True, slots=True)
class Slot:
    """A value an entry needs: asked for with ``ask`` unless the record or the conversation has it."""

    name: str
    type: SlotType
    ask: Mapping[str, str]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """One question the bot can answer.

    ``covers`` says whether a complaint may get this answer (it then gets a receipt and a person besides).
    ``strict`` wants both keys, the rule and the similarity; without it a high similarity is enough.
    ``then`` is what follows: ``helped`` (ask whether it did), ``handoff``, ``nothing``, or ``entry`` (``next``).
    ``allow_risks`` names the risks that do not keep the bot from answering (``privacy`` for an account deletion).
    """

    id: str
    title: Mapping[str, str]
    answer: Mapping[str, Text]
    patterns: tuple[Pattern, ...] = ()
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    slots: tuple[Slot, ...] = ()
    strict: bool = True
    covers: Covers = "enquiry"
    then: Follow = "helped"
    next: str = ""
    quick_replies: tuple[str, ...] = ()
    """Ids of entries offered as buttons under the answer."""
    action: str = ""
    """The action that is carried out once the slots are known; ``answer`` is then what is said when it is done."""
    suggest: bool = False
    """Offered with the greeting."""
    allow_risks: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    """Skills the agent should have when this entry hands over."""
    file: str = ""
    line: int = 0

    @property
    def questions(self) -> list[str]:
        """Examples and titles, all languages together."""
        return [text for group in (*self.examples.values(), tuple(self.title.values())) for text in group]


def vocabulary(entries: Iterable[Entry], table: Fold) -> dict[str, frozenset[str]]:
    """The rule's words belong to what an entry knows: the author named them."""
    return {entry.id: frozenset(_rule_words(entry, table)) for entry in entries if entry.patterns}


def _rule_words(entry: Entry, table: Fold) -> Iterable[str]:
    for pattern in entry.patterns:
        for group in pattern.all:
            for each in group:
                yield from Utterance(" ".join(each.parts), table).content


@dataclass(frozen=True)
class Knowledge:
    """Read-only and shared by all conversations. Make it with :func:`parse`."""

    entries: Mapping[str, Entry]
    actions: Mapping[str, Action]
    facts: Mapping[str, Mapping[str, str]]
    phrases: Mapping[str, Mapping[str, str]]
    words: Mapping[str, tuple[Pattern, ...]]
    matcher: Matcher
    index: Index
    table: Fold
    calibration: Calibration | None
    """What was learned from the examples, if anything was; see :attr:`acceptance`."""
    version: str
    """Digest of the files; a decision can name the knowledge it was made with."""

    @cached_property
    def acceptance(self) -> Calibration | None:
        """The calibration, if it was made from just these examples."""
        if self.calibration is None or self.calibration.examples != digest(self.questions):
            return None
        return self.calibration

    @property
    def questions(self) -> dict[str, list[str]]:
        """Entry id → everything its author wrote down as being asked."""
        return {entry.id: entry.questions for entry in self.entries.values()}

    def facts_in(self, language: str) -> Mapping[str, str]:
        """The facts by name, each in the nearest language that has it."""
        return self._facts_in.get(language, self._facts_in[""])

    @cached_property
    def _facts_in(self) -> Mapping[str, Mapping[str, str]]:
        return {
            language: {name: pick(texts, language) for name, texts in self.facts.items()}
            for language in (*LANGUAGES, "")
        }

    def utterance(self, text: str) -> Utterance:
        """A text prepared for this knowledge."""
        return Utterance(text, self.table)

    def phrase(self, key: str, language: str) -> str:
        """A built-in phrase, in the nearest language that has it; empty where none has."""
        for each in FALLBACKS.get(language, LANGUAGES):
            if text := self.phrases.get(each, {}).get(key):
                return text
        return ""


def pick(texts: Mapping[str, str], language: str) -> str:
    """The text in this language, or in the nearest one there is."""
    for each in FALLBACKS.get(language, LANGUAGES):
        if texts.get(each):
            return texts[each]
    return ""


def parse(files: Mapping[str, str]) -> Knowledge:
    """Read knowledge files (name → YAML text). Raises :class:`KnowledgeError` with every problem found."""
    from bot.reading import read_all  # the reader needs the types above

    return read_all(files)
