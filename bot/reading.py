"""From YAML files to :class:`bot.knowledge.Knowledge`, collecting every problem on the way."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast, get_args

from bot import action as actions
from bot.acceptor import Calibration
from bot.action import Action
from bot.calibration import read as read_calibration
from bot.knowledge import (
    LANGUAGES,
    Covers,
    Entry,
    Follow,
    Knowledge,
    KnowledgeError,
    Slot,
    SlotType,
    vocabulary,
)
from bot.patterns import Matcher, Pattern, PatternError, Word, whole, word
from bot.similarity import Index
from bot.template import BUILT_IN, Text, Variant, condition, plain
from bot.yamlfile import Node, Problems, read
from normalizer.text import Fold

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
RISKS = ("injury", "fire", "legal", "regulator", "media", "self_harm", "vulnerable", "fraud", "privacy", "violence")
#: What a file may hold; the last four are the normalizer's own character table.
TABLES = (
    "entries",
    "actions",
    "facts",
    "phrases",
    "words",
    "calibration",
    "traditional",
    "simplified",
    "traditional_only",
    "simplified_only",
)
#: Skills stand beside entries in the matcher; the sign cannot be in an entry's id.
SKILL = "@"


@dataclass
class _Read:
    problems: Problems = field(default_factory=Problems)
    entries: dict[str, Entry] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    actions: dict[str, Action] = field(default_factory=dict)
    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    phrases: dict[str, dict[str, str]] = field(default_factory=dict)
    words: dict[str, tuple[Pattern, ...]] = field(default_factory=dict)
    calibration: Calibration | None = None
    table: Fold = field(default_factory=lambda: Fold({}))


def read_all(files: Mapping[str, str]) -> Knowledge:
    """See :func:`bot.knowledge.parse`."""
    found = _gathered(files)
    _pack(found)
    patterns = [pattern for entry in found.entries.values() for pattern in entry.patterns]
    patterns += [pattern for group in found.words.values() for pattern in group]
    return Knowledge(
        entries=found.entries,
        actions=found.actions,
        facts=found.facts,
        phrases=found.phrases,
        words=found.words,
        matcher=Matcher(patterns),
        index=_index(found),
        calibration=found.calibration,
        table=found.table,
        version=_version(files),
    )


def _gathered(files: Mapping[str, str]) -> _Read:
    """Everything in the files; their trees, which are larger than what is made of them, end with this function."""
    found = _Read()
    roots = [read(name, text, found.problems) for name, text in files.items()]
    tables = [root.fields(*TABLES) for root in roots]
    found.table = _fold_table(tables)
    for each in tables:
        _file(each, found)
    _cross_check(found)
    if found.problems.found:
        raise KnowledgeError(sorted(found.problems.found))
    found.nodes.clear()
    return found


def _pack(found: _Read) -> None:
    """Make the entries anew in one go: made one by one between the files' trees, they keep the trees' memory from being
    given back (40 MB of 10,000 entries)."""
    packed = pickle.dumps((found.entries, found.words), pickle.HIGHEST_PROTOCOL)
    found.entries, found.words = {}, {}
    found.entries, found.words = pickle.loads(packed)  # noqa: S301 - our own, from two lines above


def _fold_table(tables: Iterable[Mapping[str, Node]]) -> Fold:
    simplified: dict[str, str] = {}
    for each in tables:
        simplified.update(zip(each["traditional"].text(), each["simplified"].text(), strict=False))
    return Fold(simplified)


def _index(found: _Read) -> Index:
    entries = found.entries.values()
    return Index({each.id: each.questions for each in entries}, found.table, vocabulary(entries, found.table))


def _version(files: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for name, text in sorted(files.items()):
        digest.update(f"{len(name)}:{name}{len(text)}:{text}".encode())
    return digest.hexdigest()[:12]


def _file(tables: Mapping[str, Node], found: _Read) -> None:
    for node in tables["entries"].each():
        _entry(node, found)
    for name, node in tables["actions"].items():
        found.actions[name] = _action(name, node)
    for name, node in tables["facts"].items():
        found.facts[name] = _translations(node) if node.is_map else dict.fromkeys(LANGUAGES, node.text())
        if not _NAME.match(name) or name in BUILT_IN:
            found.problems.add(node, f"`{name}` cannot be the name of a fact")
    for language, node in tables["phrases"].items():
        if language not in LANGUAGES:
            found.problems.add(node, f"there is no language `{language}`; there are {', '.join(LANGUAGES)}")
        texts = found.phrases.setdefault(language, {})
        texts.update((key, text.text()) for key, text in node.items())
    for name, node in tables["words"].items():
        found.words[name] = _patterns(node, SKILL + name, found.table)
    found.calibration = read_calibration(tables["calibration"]) or found.calibration


def _action(name: str, node: Node) -> Action:
    children = dict(node.items()) if node.is_map else {}
    texts = {key: _translations(children[key]) if key in children else {} for key in ("confirm", "refused")}
    return actions.read(name, node, texts)


def _entry(node: Node, found: _Read) -> None:
    get = node.fields(
        "id", "title", "patterns", "examples", "answer", "slots", "strict", "covers", "then",
        "quick_replies", "suggest", "allow_risks", "skills", "action",
    )  # fmt: skip
    id = get["id"].text()
    if not _ID.match(id):
        found.problems.add(get["id"], f"`{id}` cannot be an id: small letters, digits and `-`, at most 64")
        return
    if id in found.entries:
        first = found.entries[id]
        found.problems.add(get["id"], f"the id `{id}` is already used in {first.file}:{first.line}")
        return
    then, next = _follow(get["then"])
    found.nodes[id] = node
    found.entries[id] = Entry(
        id=id,
        title=_translations(get["title"]) if get["title"].is_map else dict.fromkeys(LANGUAGES, get["title"].text(id)),
        answer=_answers(get["answer"]),
        patterns=_patterns(get["patterns"], id, found.table),
        examples={language: examples.texts() for language, examples in _by_language(get["examples"])},
        slots=tuple(_slots(get["slots"])),
        strict=get["strict"].flag(True),
        covers=cast(Covers, get["covers"].choice(*get_args(Covers), default="enquiry")),
        then=then,
        next=next,
        quick_replies=get["quick_replies"].texts(),
        action=get["action"].text(),
        suggest=get["suggest"].flag(),
        allow_risks=get["allow_risks"].texts(),
        skills=get["skills"].texts(),
        file=node.file,
        line=node.line,
    )
    _whole_entry(node, found.entries[id])


def _whole_entry(node: Node, entry: Entry) -> None:
    if not entry.answer:
        node.problems.add(node, f"`{entry.id}` has no answer")
    if not entry.patterns and entry.strict:
        node.problems.add(node, f"`{entry.id}` is strict and has no patterns: it can never be used")
    for risk in entry.allow_risks:
        if risk not in RISKS:
            node.problems.add(node, f"there is no risk `{risk}`; there are {', '.join(RISKS)}")


def _by_language(node: Node) -> Iterable[tuple[str, Node]]:
    for language, child in node.items():
        if language in LANGUAGES:
            yield language, child
        else:
            node.problems.add(child, f"there is no language `{language}`; there are {', '.join(LANGUAGES)}")


def _translations(node: Node) -> dict[str, str]:
    return {language: child.text() for language, child in _by_language(node)}


def _answers(node: Node) -> dict[str, Text]:
    return {language: _text(child) for language, child in _by_language(node)}


def _text(node: Node) -> Text:
    if not node.is_list:
        return plain(node.text())
    variants: list[Variant] = []
    for each in node.each():
        get = each.fields("when", "say")
        try:
            variants.append(Variant(condition(get["when"].text()), get["say"].text()))
        except ValueError as error:
            node.problems.add(get["when"], str(error))
    return Text(tuple(variants))


def _follow(node: Node) -> tuple[Follow, str]:
    text = node.text("helped")
    if text in ("helped", "handoff", "nothing"):
        return cast(Follow, text), ""
    return "entry", text


def _slots(node: Node) -> Iterable[Slot]:
    for each in node.each():
        get = each.fields("name", "type", "ask", "required")
        kind = cast(SlotType, get["type"].choice(*get_args(SlotType), default="text"))
        name = get["name"].text(kind)
        if not _NAME.match(name) or name in BUILT_IN:
            each.problems.add(each, f"`{name}` cannot be the name of a slot")
        ask = _translations(get["ask"])
        if not ask:
            each.problems.add(each, f"the slot `{name}` has no question (`ask`)")
        yield Slot(name=name, type=kind, ask=ask, required=get["required"].flag(True))


def _patterns(node: Node, owner: str, table: Fold) -> tuple[Pattern, ...]:
    return tuple(pattern for each in node.each() if (pattern := _pattern(each, owner, table)))


def _pattern(node: Node, owner: str, table: Fold) -> Pattern | None:
    """``any`` is one more group that must have a word."""
    get = node.fields("all", "any", "none", "whole")
    groups = [_words(group, table) for group in get["all"].each()]
    if not get["any"].missing:
        groups.append(_words(get["any"], table))
    phrases = tuple(dict.fromkeys(filter(None, (whole(text, table) for text in get["whole"].texts()))))
    if not groups and not phrases:
        node.problems.add(node, "a pattern needs `all`, `any` or `whole`")
        return None
    if any(not group for group in groups):
        node.problems.add(node, "a pattern has a group without words")
        return None
    if len(groups) > 8:
        node.problems.add(node, "a pattern has more than 8 groups")
        return None
    return Pattern(owner=owner, all=tuple(groups), none=_words(get["none"], table), whole=phrases, line=node.line)


def _words(node: Node, table: Fold) -> tuple[Word, ...]:
    words: dict[Word, None] = {}
    for each in node.each():
        try:
            words[word(each.text(), table)] = None
        except PatternError as error:
            node.problems.add(each, str(error))
    return tuple(words)


def _cross_check(found: _Read) -> None:
    """What only all files together can show: ids that do not exist, variables nobody fills."""
    for entry in found.entries.values():
        node = found.nodes[entry.id]
        named = [*entry.quick_replies, *([entry.next] if entry.next else [])]
        for other in named:
            if other not in found.entries:
                found.problems.add(node, f"`{entry.id}` names the entry `{other}`, which does not exist")
        action = found.actions.get(entry.action)
        if entry.action and action is None:
            found.problems.add(node, f"`{entry.id}` names the action `{entry.action}`, which does not exist")
        known = BUILT_IN | found.facts.keys() | {slot.name for slot in entry.slots} | _RECORD
        known |= set(action.returns) if action else set()
        for language, text in entry.answer.items():
            for name in sorted(text.variables - known):
                found.problems.add(node, f"`{entry.id}` ({language}) uses {{{name}}}, which is no slot and no fact")


#: Values that the record may hold without being asked for.
_RECORD = frozenset(("order_number", "tracking_number", "phone", "email", "amount", "product"))
