"""Conversations as plain text files that run as tests.

::

    # a remark
    @ language zh-Hans            settings, before or between turns (see SETTINGS)
    > 我的订单到哪了                 the customer says
    > [helped:yes]                 the customer presses the button with this value
    < 我的订单                      a reply has this in it
    < [order-status]               a reply comes from this entry or skill
    < -                            the bot says nothing
    ! request                      the bot hands over, for this reason
    = refund                       the bot has this action carried out (``= refund approval``: puts it before a person)
    * done state=sent; eta=Monday  the company's system answers with these values (or ``refused``, ``failed``, ``unknown``);
                                   a person says ``approved`` or ``declined``

The ``<`` lines of a turn must be found in order. A turn that hands over without a ``!`` line, or the other way
round, fails; so does one with an action and no ``=`` line. A turn without ``<`` lines may say anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast, get_args

from msgspec.structs import replace

from bot.decision import ActionCall, ActionStatus, Context, Decision
from bot.knowledge import LANGUAGES, Knowledge
from gateway.rehearsal import START, Rehearsal
from normalizer.rules import Rules


class ScriptError(ValueError):
    """A conversation file cannot be read; the message has file and line."""


@dataclass
class Turn:
    """What the customer does at a line, and what is expected to follow."""

    line: int
    text: str = ""
    choice: str = ""
    expected: list[tuple[int, str]] = field(default_factory=list)
    handoff: str = ""
    action: str = ""
    result: tuple[ActionStatus, dict[str, str]] | None = None
    settings: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Failure:
    """Where a conversation went another way: what was expected and what came."""

    file: str
    line: int
    wanted: str
    got: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: wanted {self.wanted}\n    got {self.got}"


@dataclass(frozen=True)
class Result:
    """One file's run. ``entries`` are the knowledge entries that answered, ``turns`` how many turns were run."""

    failures: tuple[Failure, ...]
    entries: frozenset[str]
    turns: int


def read(text: str, file: str = "conversation") -> list[Turn]:
    """The turns of a file. Raises :class:`ScriptError`."""
    turns: list[Turn] = []
    settings: list[tuple[int, str, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        mark, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if not mark or mark.startswith("#"):
            continue
        if mark == "@":
            settings.append((number, *_setting(rest, file, number)))
        elif mark == ">":
            turns.append(_turn(number, rest, settings))
            settings = []
        elif mark == "*":
            turns.append(_result(rest, file, number, settings))
            settings = []
        elif mark in ("<", "!", "=") and turns and rest:
            _expect(turns[-1], mark, rest, number)
        else:
            raise ScriptError(
                f"{file}:{number}: a line starts with `> `, `< `, `! `, `= `, `* `, `@ ` or `#`, and `>` comes first"
            )
    return turns


def _setting(rest: str, file: str, line: int) -> tuple[str, str]:
    name, _, value = rest.partition(" ")
    if name != "survey" and name not in SETTINGS:
        raise ScriptError(f"{file}:{line}: there is no setting `{name}`; there are {', '.join(SETTINGS)}")
    return name, value.strip()


def _turn(line: int, rest: str, settings: list[tuple[int, str, str]]) -> Turn:
    if rest.startswith("[") and rest.endswith("]"):
        return Turn(line, choice=rest[1:-1], settings=settings)
    return Turn(line, text=rest, settings=settings)


def _result(rest: str, file: str, line: int, settings: list[tuple[int, str, str]]) -> Turn:
    try:
        return Turn(line, result=result(rest), settings=settings)
    except ValueError as error:
        raise ScriptError(f"{file}:{line}: {error}") from error


def result(source: str) -> tuple[ActionStatus, dict[str, str]]:
    """Read ``done state=sent; eta=Monday``. Raises ValueError saying what forms there are."""
    status, _, rest = source.partition(" ")
    if status not in get_args(ActionStatus):
        raise ValueError(f"`{status}` is none of {', '.join(get_args(ActionStatus))}")
    pairs = (pair.partition("=") for pair in rest.split(";") if pair.strip())
    return cast(ActionStatus, status), {name.strip(): value.strip() for name, _, value in pairs}


def _expect(turn: Turn, mark: str, rest: str, line: int) -> None:
    if mark == "!":
        turn.handoff = rest
    elif mark == "=":
        turn.action = rest
    else:
        turn.expected.append((line, rest))


#: ``@ name value``: what may be changed of the world the bot sees. (``@ survey`` sends the survey of a closed case.)
SETTINGS: Mapping[str, Callable[[Context, str], Context]] = {
    "owner": lambda context, value: replace(context, owner=value),
    "status": lambda context, value: replace(context, status=value),
    "open": lambda context, value: replace(context, open_now=value != "no"),
    "number": lambda context, value: replace(context, number=value),
    "hours": lambda context, value: replace(context, respond_by=START + timedelta(hours=float(value))),
    "language": lambda context, value: replace(context, company=replace(context.company, default_language=value)),
}


def run(text: str, file: str, knowledge: Knowledge, rules: Rules) -> Result:
    """Play a conversation. Raises :class:`ScriptError`."""
    rehearsal = Rehearsal(knowledge, rules)
    failures: list[Failure] = []
    entries: set[str] = set()
    turns = read(text, file)
    for turn in turns:
        for line, name, value in turn.settings:
            if name == "survey":
                rehearsal.invite()
            else:
                rehearsal.context = _set(rehearsal.context, name, value, f"{file}:{line}")
        decision = rehearsal.hear(*turn.result) if turn.result else rehearsal.say(turn.text, choice=turn.choice)
        failures += _compare(turn, decision, file)
        entries |= {decision.entry} if decision.entry else set()
    return Result(tuple(failures), frozenset(entries), len(turns))


def _set(context: Context, name: str, value: str, where: str) -> Context:
    if name == "language" and value not in LANGUAGES:
        raise ScriptError(f"{where}: there is no language `{value}`; there are {', '.join(LANGUAGES)}")
    try:
        return SETTINGS[name](context, value)
    except ValueError as error:
        raise ScriptError(f"{where}: `{value}` is no value of `{name}`") from error


def _compare(turn: Turn, decision: Decision, file: str) -> Iterator[Failure]:
    said = [(reply.entry, reply.text) for reply in decision.replies]
    shown = " | ".join(f"[{entry}] {text}" for entry, text in said) or "-"
    reason = decision.handoff.reason if decision.handoff else ""
    for line, wanted in turn.expected:
        if not _found(wanted, said):
            yield Failure(file, line, wanted, shown)
    action = named(decision.action)
    if turn.action != action:
        yield Failure(file, turn.line, f"= {turn.action or 'no action'}", f"= {action or 'no action'}: {shown}")
    if turn.handoff != reason:
        yield Failure(file, turn.line, f"! {turn.handoff or 'no hand-off'}", f"! {reason or 'no hand-off'}: {shown}")


def named(call: ActionCall | None) -> str:
    """An action as a conversation file writes it."""
    return "" if call is None else f"{call.name} approval" if call.approval else call.name


def _found(wanted: str, said: list[tuple[str, str]]) -> bool:
    if wanted == "-":
        return not said
    if wanted.startswith("[") and wanted.endswith("]"):
        return any(entry == wanted[1:-1] for entry, _ in said)
    return any(wanted in text for _, text in said)
