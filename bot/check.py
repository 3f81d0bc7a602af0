"""What an author should know before customers find out: entries that cannot be reached, collide, loop or strand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from bot.action import Action
from bot.knowledge import LANGUAGES, Entry, Knowledge
from bot.patterns import Pattern
from bot.template import BUILT_IN, Text

#: Fewer examples than this in a language teach the similarity too little.
FEWEST_EXAMPLES = 8

#: Money or certainty promised without a person: "refund you 50", "保证退款".
_PROMISE = re.compile(
    r"(?:refund|compensat\w*|reimburse|pay) (?:you )?(?:up to )?[$€£¥]?\d|we guarantee|we promise|guaranteed refund"
    r"|(?:赔偿|赔付|补偿|退款|退给您|賠償|賠付|補償|退給您)\s*\d|保证(?:退|赔)|一定(?:退|赔|會退|会退)|保證(?:退|賠)|假一赔|假一賠",
    re.IGNORECASE,
)

Level = Literal["error", "warning"]


class Finding(NamedTuple):
    """One finding: where, how grave, what kind (``unreachable``, ``conflict``, …) and what to do."""

    file: str
    line: int
    level: Level
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.level}: {self.kind}: {self.text}"


def check(knowledge: Knowledge) -> list[Finding]:
    """All findings, in the order of files and lines."""
    found: list[Finding] = []
    for entry in knowledge.entries.values():
        found += _reach(entry, knowledge)
        found += _translations(entry, knowledge)
        found += _promises(entry)
        found += _stranding(entry)
        found += _loops(entry, knowledge)
        found += _carries_out(entry, knowledge)
    for action in knowledge.actions.values():
        found += _unsafe(action, knowledge)
    found += _shadows(knowledge)
    found += _phrases(knowledge)
    found += _calibration(knowledge)
    return sorted(found)


def _at(entry: Entry, level: Level, kind: str, text: str) -> Finding:
    return Finding(entry.file, entry.line, level, kind, f"`{entry.id}` {text}")


def _examples(entry: Entry) -> Iterator[str]:
    for texts in entry.examples.values():
        yield from texts


def _reach(entry: Entry, knowledge: Knowledge) -> Iterator[Finding]:
    """An answer wants both keys, so an example that its own rule does not know is a hole in the rule."""
    texts = list(_examples(entry))
    if not texts:
        yield _at(entry, "error", "unreachable", "has no examples, so nothing is ever near it")
        return
    scans = {text: knowledge.matcher.scan(knowledge.utterance(text)).fired for text in texts}
    silent = [text for text, fired in scans.items() if entry.id not in fired]
    if entry.strict and len(silent) == len(texts):
        yield _at(entry, "error", "unreachable", "is strict and its rule fires on none of its examples")
    elif silent:
        yield _at(
            entry, "warning", "rule", f"has a rule that does not fire on its example “{silent[0]}”{_more(silent)}"
        )
    yield from _collisions(entry, knowledge, scans)


def _collisions(entry: Entry, knowledge: Knowledge, scans: dict[str, frozenset[str]]) -> Iterator[Finding]:
    for text in scans:
        compact = knowledge.utterance(text).compact
        if compact and knowledge.index.exact(compact) != entry.id:
            yield _at(entry, "error", "conflict", f"shares the example “{text}” with another entry")
    skills = sorted(
        {name for fired in scans.values() for name in fired if name in ("@human", "@stop", "@withdraw", "@anger")}
    )
    for skill in skills:
        text = next(text for text, fired in scans.items() if skill in fired)
        yield _at(entry, "warning", "shadowed", f"never sees its example “{text}”: the skill {skill} takes it first")


def _more(texts: list[str]) -> str:
    return f" and {len(texts) - 1} more" if len(texts) > 1 else ""


def _shadows(knowledge: Knowledge) -> Iterator[Finding]:
    """Wherever A's rule fires, B's fires too: the customer is then asked which was meant, every time."""
    entries = list(knowledge.entries.values())
    for entry in entries:
        for other in entries:
            if other.id != entry.id and entry.patterns and _covered(entry.patterns, other.patterns):
                yield _at(entry, "warning", "shadowed", f"has a rule that never fires without that of `{other.id}`")


def _covered(inner: Iterable[Pattern], outer: tuple[Pattern, ...]) -> bool:
    return all(any(_implies(one, two) for two in outer) for one in inner)


def _implies(one: Pattern, two: Pattern) -> bool:
    """Whether pattern ``two`` fires wherever ``one`` does (told from their words alone)."""
    if not one.all or not two.all or not set(two.none) <= set(one.none):
        return False
    return all(any(set(group) <= set(wider) for group in one.all) for wider in two.all)


def _loops(entry: Entry, knowledge: Knowledge) -> Iterator[Finding]:
    seen = [entry.id]
    while (next := knowledge.entries[seen[-1]].next) and next not in seen:
        seen.append(next)
    if next == entry.id:
        yield _at(entry, "error", "loop", f"leads back to itself: {' → '.join([*seen, next])}")


def _stranding(entry: Entry) -> Iterator[Finding]:
    """A path must end with an answer that says something, or with a person."""
    for language, text in entry.answer.items():
        if not any(variant.when.test == "always" for variant in text.variants):
            yield _at(
                entry, "warning", "stranding", f"({language}) has no text without a condition; the rest gets a person"
            )
        if any(not variant.say for variant in text.variants):
            yield _at(entry, "error", "stranding", f"({language}) has an empty answer")
    if entry.covers == "complaint" and entry.then != "handoff":
        yield _at(
            entry, "warning", "stranding", "answers complaints; write `then: handoff`, a complaint never ends here"
        )
    asked = {slot.name for slot in entry.slots}
    for language, text in entry.answer.items():
        for name in sorted(_bare(text) - asked - BUILT_IN):
            if name in ("order_number", "tracking_number", "phone", "email", "amount", "product"):
                yield _at(
                    entry, "warning", "stranding", f"({language}) says {{{name}}} without a slot that asks for it"
                )


def _bare(text: Text) -> set[str]:
    """Variables said in variants that no condition guards."""
    return {name for variant in text.variants if variant.when.test != "has" for name in Text((variant,)).variables}


def _translations(entry: Entry, knowledge: Knowledge) -> Iterator[Finding]:
    for language in _used_languages(knowledge):
        lacking = [
            name
            for name, texts in (
                ("title", entry.title),
                ("answer", entry.answer),
                *((f"slot {s.name}", s.ask) for s in entry.slots),
            )
            if language not in texts
        ]
        if lacking:
            yield _at(entry, "warning", "translation", f"has no {language} {', '.join(lacking)}")
        count = len(entry.examples.get(language, ()))
        if count < FEWEST_EXAMPLES:
            yield _at(entry, "warning", "examples", f"has {count} {language} examples; {FEWEST_EXAMPLES} are wanted")


def _promises(entry: Entry) -> Iterator[Finding]:
    if entry.then == "handoff":
        return
    for language, text in entry.answer.items():
        for variant in text.variants:
            if found := _PROMISE.search(variant.say):
                yield _at(entry, "warning", "promise", f"({language}) promises “{found.group()}” without a person")


def _unsafe(action: Action, knowledge: Knowledge) -> Iterator[Finding]:
    """What moves money or changes something must be confirmed; money goes to a person, or has a limit."""

    def at(level: Level, kind: str, text: str) -> Finding:
        return Finding(action.file, action.line, level, kind, f"`{action.name}` {text}")

    if action.effect == "money" and action.approve != "always":
        if action.approve == "never":
            yield at(
                "error", "unsafe", "pays without a person; write `approve: above` with a limit, or `approve: always`"
            )
        if action.limit is None or action.amount not in action.send:
            yield at(
                "error",
                "unsafe",
                "pays without a limit; write `limit: 200 CNY`, and `amount` with a value that is sent",
            )
    lacking = [language for language in _used_languages(knowledge) if not action.confirm.get(language)]
    if action.effect != "read" and lacking:
        yield at("error", "unsafe", f"is not confirmed by the customer in {', '.join(lacking)} (`confirm`)")
    if not any(entry.action == action.name for entry in knowledge.entries.values()):
        yield at("warning", "unreachable", "is used by no entry")


def _carries_out(entry: Entry, knowledge: Knowledge) -> Iterator[Finding]:
    """The values that an action sends must be asked for, and its sum must be one."""
    action = knowledge.actions.get(entry.action)
    if action is None:
        return
    slots = {slot.name: slot for slot in entry.slots}
    for name in action.send:
        if name not in slots:
            yield _at(
                entry, "error", "stranding", f"sends {{{name}}} with `{action.name}` without a slot that asks for it"
            )
    if action.amount and (slot := slots.get(action.amount)) and slot.type != "amount":
        yield _at(
            entry, "error", "unsafe", f"asks for the sum {{{action.amount}}} as {slot.type}; write `type: amount`"
        )


def _used_languages(knowledge: Knowledge) -> list[str]:
    return [language for language in LANGUAGES if any(language in each.answer for each in knowledge.entries.values())]


def _phrases(knowledge: Knowledge) -> Iterator[Finding]:
    keys = {key for texts in knowledge.phrases.values() for key in texts}
    for language in LANGUAGES:
        for key in sorted(keys - knowledge.phrases.get(language, {}).keys()):
            yield Finding("phrases", 0, "warning", "translation", f"`{key}` has no {language} text")


def _calibration(knowledge: Knowledge) -> Iterator[Finding]:
    if knowledge.calibration is not None and knowledge.acceptance is None:
        text = "the examples have changed since; run `allears bot calibrate` again"
        yield Finding("calibration", 0, "warning", "calibration", text)
    elif knowledge.acceptance is not None and knowledge.acceptance.refused and not _all_strict(knowledge):
        yield Finding(
            "calibration", 0, "warning", "calibration", f"nearness alone never answers: {knowledge.acceptance.refused}"
        )


def _all_strict(knowledge: Knowledge) -> bool:
    return all(entry.strict for entry in knowledge.entries.values())
