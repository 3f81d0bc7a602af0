"""Past conversations played against two versions of the knowledge: which turns would have gone another way.

What the customer said is taken as it was; what they would have said to another answer nobody knows. So the first
difference of a conversation is sure, and those after it are a guess.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bot.decision import Decision
from bot.knowledge import Knowledge
from gateway.rehearsal import Rehearsal
from normalizer.rules import Rules


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a customer; a line of a ``.jsonl`` file is one, too."""

    conversation: str
    text: str = ""
    choice: str = ""
    language: str = ""


class ReplayError(ValueError):
    """A file cannot be read; the message has file and line."""


@dataclass(frozen=True)
class Difference:
    """A turn (from 1) that goes another way. ``first`` is whether all turns of the conversation before it went the same."""

    conversation: str
    turn: int
    text: str
    before: str
    after: str
    first: bool


def read(path: Path) -> list[Said]:
    """The turns of a ``.jsonl`` file, or of a bundle that ``allears export`` wrote.

    Raises:
        ReplayError: it is neither.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    if path.suffix == ".json":
        return _of_bundle(path, data)
    said = []
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            try:
                said.append(msgspec.json.decode(line, type=Said))
            except msgspec.DecodeError as error:
                raise ReplayError(f"{path}:{number}: {error}") from error
    return said


def _of_bundle(path: Path, data: bytes) -> list[Said]:
    try:
        bundle: dict[str, Any] = msgspec.json.decode(data)
        lines = bundle["timeline"]
        mine = [line for line in lines if line.get("author") == "customer" and not line.get("deleted")]
        number = str(bundle["number"])
        return [
            Said(
                conversation=number,
                text=str(line.get("text", "")),
                choice=str(line.get("choice", "")),
                language=str(line.get("language", "")),
            )
            for line in mine
        ]
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
        raise ReplayError(f"{path}: not a bundle of `allears export`: {error}") from error


def compare(said: Iterable[Said], before: Knowledge, after: Knowledge, rules: Rules) -> list[Difference]:
    """All turns that go another way, in the order of the conversations."""
    conversations: dict[str, list[Said]] = {}
    for each in said:
        conversations.setdefault(each.conversation, []).append(each)
    return [found for turns in conversations.values() for found in _differences(turns, before, after, rules)]


def _differences(turns: Sequence[Said], before: Knowledge, after: Knowledge, rules: Rules) -> list[Difference]:
    was, would = (Rehearsal(knowledge, rules) for knowledge in (before, after))
    found: list[Difference] = []
    for number, each in enumerate(turns, 1):
        one, two = (
            outcome(rehearsal.say(each.text, choice=each.choice, language=each.language)) for rehearsal in (was, would)
        )
        if one != two:
            found.append(Difference(each.conversation, number, each.text or f"[{each.choice}]", one, two, not found))
    return found


def outcome(decision: Decision) -> str:
    """A turn's result in a few words: what the bot says of which entry, and whether a person is called."""
    if decision.handoff:
        return f"hands over: {decision.handoff.reason}"
    if decision.state.asking == "which" and decision.state.offered:
        return f"offers {', '.join(decision.state.offered)}"
    said = [f"{reply.entry}: {reply.text}" for reply in decision.replies]
    return " | ".join(said) or "says nothing"


def lines(found: Sequence[Difference]) -> list[str]:
    """The differences for a terminal."""
    return [
        line
        for each in found
        for line in (
            f"{each.conversation}, turn {each.turn}{'' if each.first else ' (after a difference)'}: {_short(each.text)}",
            f"  - {_short(each.before)}",
            f"  + {_short(each.after)}",
        )
    ]


def kinds(found: Sequence[Difference]) -> Mapping[str, int]:
    """How often what became what, first differences alone, the most frequent first."""
    pairs = Counter(f"{_kind(each.before)} → {_kind(each.after)}" for each in found if each.first)
    return dict(sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0])))


def _kind(outcome: str) -> str:
    return outcome.partition(":")[0].split(" ")[0] if outcome.startswith("offers") else outcome.partition(":")[0]


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 160 else text[:159] + "…"


def page(found: Sequence[Difference], turns: int) -> str:
    """The differences as a page that needs nothing else. Customers' words are escaped."""
    rows = "\n".join(
        f"<tr{'' if each.first else ' class=later'}><td>{_safe(each.conversation)}<td>{each.turn}"
        f"<td>{_safe(each.text)}<td>{_safe(each.before)}<td>{_safe(each.after)}"
        for each in found
    )
    return _PAGE.format(count=len(found), turns=turns, rows=rows)


def _safe(text: str) -> str:
    return html.escape(text)


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>What would differ</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #1d232b }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ border-bottom: 1px solid #d5dae1; padding: .4rem .6rem; text-align: left; vertical-align: top; white-space: pre-wrap }}
td:nth-child(4) {{ background: #fdf1f0 }} td:nth-child(5) {{ background: #eef8f0 }} .later {{ opacity: .6 }}
</style>
<h1>What would differ</h1>
<p>{count} of {turns} turns. Pale rows follow a difference: what the customer would have said then is not known.</p>
<table><thead><tr><th>Conversation<th>Turn<th>Customer<th>Before<th>After</thead><tbody>
{rows}
</tbody></table></html>
"""
