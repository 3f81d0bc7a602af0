"""``allears bot``: ask, talk, test and check the bot, without a store or server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from bot.check import check as find_faults
from bot.decision import Company, Decision
from bot.knowledge import LANGUAGES, Knowledge
from gateway.cli import bot_learn, bot_options, bot_replay, bot_suggest, options
from gateway.operations import OperationError
from gateway.rehearsal import Rehearsal
from gateway.script import Result, ScriptError, named, result, run
from normalizer.rules import Rules

_BYE = ("/quit", "/q", "/exit")
_HELP = "Write as a customer would. A number presses a button. /why shows how the last turn was decided, /new starts over, /quit leaves."
#: Said once the bot has asked for an action, which a rehearsal leaves to the author.
_PLAY = "  now play the system: `* done state=sent`, `* refused`, `* failed`; or the person: `* approved`, `* declined`"


class Line(msgspec.Struct, kw_only=True):
    """One line of ``--jsonl``."""

    text: str
    language: str = ""


def add(subparsers: Any) -> None:
    """Add the command group."""
    group = subparsers.add_parser("bot", help="ask, talk to, test and check the bot")
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_ask(commands)
    _add_chat(commands)
    _add_test(commands)
    _add_check(commands)
    bot_learn.add(commands)
    bot_suggest.add(commands)
    bot_replay.add(commands)


def _add_ask(commands: Any) -> None:
    parser = bot_options.command(commands, "ask", "show what the bot would answer to one text, and why")
    parser.add_argument("text", nargs="?", metavar="TEXT", help="what the customer says")
    parser.add_argument("--language", choices=LANGUAGES, default="", help="the customer's own setting")
    parser.add_argument("--jsonl", action="store_true", help='read {"text": …} lines, write one JSON object a line')
    options.as_json(parser)
    parser.set_defaults(func=ask)


def _add_chat(commands: Any) -> None:
    parser = bot_options.command(commands, "chat", "talk with the bot in this window")
    parser.add_argument("--language", choices=LANGUAGES, default="en", help="default language (default: %(default)s)")
    parser.set_defaults(func=chat)


def _add_test(commands: Any) -> None:
    parser = bot_options.command(commands, "test", "play conversation files and show where they go another way")
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="conversation files or folders of .txt files"
    )
    options.as_json(parser)
    parser.set_defaults(func=test)


def _add_check(commands: Any) -> None:
    parser = bot_options.command(
        commands, "check", "look for entries that cannot be reached, collide, loop, strand or promise too much"
    )
    parser.add_argument("--strict", action="store_true", help="warnings fail too")
    options.as_json(parser)
    parser.set_defaults(func=check)


# --- ask ---


def ask(args: argparse.Namespace) -> int:
    """Decide single texts, each as the first of a conversation."""
    if (args.text is None) != args.jsonl:
        raise OperationError("give one TEXT, or --jsonl with texts on standard input")
    knowledge, rules = bot_options.read(args)
    if args.jsonl:
        for line in _lines(sys.stdin.buffer):
            options.print_json(_summary(line.text, Rehearsal(knowledge, rules).say(line.text, language=line.language)))
        return 0
    decision = Rehearsal(knowledge, rules).say(args.text, language=args.language)
    if args.json:
        options.print_json(_summary(args.text, decision))
    else:
        _show(decision)
        _why(decision)
    return 0


def _lines(stream: Iterable[bytes]) -> Iterator[Line]:
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            yield msgspec.json.decode(line, type=Line)
        except msgspec.DecodeError as error:
            raise OperationError(f"standard input:{number}: {error}") from error


def _summary(text: str, decision: Decision) -> dict[str, Any]:
    """The decision with what one looks for first: what happens, which entry, how sure."""
    if decision.entry and not decision.handoff:
        what = "answer"
    elif decision.handoff:
        what = "handoff"
    else:
        what = "offer" if decision.state.offered else "reply" if decision.replies else "silent"
    return {
        "text": text,
        "decision": what,
        "entry": decision.entry,
        "confidence": round(decision.confidence, 4),
        "handoff": decision.handoff,
        "offered": decision.state.offered,
        "language": decision.state.language,
        "replies": decision.replies,
        "disposition": decision.disposition,
        "trace": [step for step in decision.trace if step.verdict != "passes"],
    }


# --- chat ---


def chat(args: argparse.Namespace) -> int:
    """A shell: one conversation until the end of input."""
    knowledge, rules = bot_options.read(args)
    rehearsal = _fresh(knowledge, rules, args.language)
    decision: Decision | None = None
    print(_HELP)
    while (said := _prompt()) is not None and said not in _BYE:
        if said == "/why":
            _why(decision) if decision else print("nothing has been decided yet")
        elif said == "/new":
            rehearsal, decision = _fresh(knowledge, rules, args.language), None
        elif said.startswith("*"):
            decision = _heard(rehearsal, said[1:].strip()) or decision
        elif said.startswith("/"):
            print(_HELP)
        else:
            decision = rehearsal.say(said, choice=_pressed(said, decision))
            _show(decision)
    return 0


def _heard(rehearsal: Rehearsal, said: str) -> Decision | None:
    """The company's system, played by the author."""
    try:
        decision = rehearsal.hear(*result(said))
    except ValueError as error:
        print(error)
        return None
    _show(decision)
    return decision


def _fresh(knowledge: Knowledge, rules: Rules, language: str) -> Rehearsal:
    rehearsal = Rehearsal(knowledge, rules)
    company: Company = msgspec.structs.replace(rehearsal.context.company, default_language=language)
    rehearsal.context = msgspec.structs.replace(rehearsal.context, company=company)
    return rehearsal


def _prompt() -> str | None:
    try:
        return input("> ").strip()
    except EOFError:
        return None


def _pressed(said: str, decision: Decision | None) -> str:
    values = decision.state.choices if decision else ()
    return values[int(said) - 1] if said.isascii() and said.isdigit() and 1 <= int(said) <= len(values) else ""


def _show(decision: Decision) -> None:
    number = 0
    for reply in decision.replies:
        print("\n".join(f"< {line}" for line in reply.text.splitlines()))
        for option in reply.options:
            number += 1
            print(f"    {number}. {option.label}")
    if not decision.replies:
        print("< (nothing)")
    if decision.action:
        print(f"= {named(decision.action)} {decision.action.values}")
        print(_PLAY)
    if decision.handoff:
        print(f"! {decision.handoff.reason}: {decision.handoff.summary} [{', '.join(decision.handoff.skills)}]")


def _why(decision: Decision) -> None:
    """The trace: the rules that were asked and passed in one line, the others one a line."""
    passed = [step.rule for step in decision.trace if step.verdict == "passes"]
    if passed:
        print(f"  asked first: {', '.join(passed)}")
    for step in decision.trace:
        if step.verdict != "passes":
            print(f"  {step.rule}: {step.verdict}{' – ' + step.detail if step.detail else ''}")


# --- test ---


def test(args: argparse.Namespace) -> int:
    """Play files; 1 when any goes another way."""
    knowledge, rules = bot_options.read(args)
    results = [(path, _play(path, knowledge, rules)) for path in _scripts(args.files)]
    failures = [failure for _, result in results for failure in result.failures]
    reached = frozenset[str]().union(*(result.entries for _, result in results))
    unreached = sorted(knowledge.entries.keys() - reached)
    if args.json:
        options.print_json({"files": len(results), "failures": failures, "unreached": unreached})
    else:
        for failure in failures:
            print(failure)
        turns = sum(result.turns for _, result in results)
        print(f"{len(results)} conversations, {turns} turns, {len(failures)} other than written")
        print(f"{len(knowledge.entries) - len(unreached)} of {len(knowledge.entries)} entries reached")
        if unreached:
            print(f"not reached: {', '.join(unreached)}")
    return 1 if failures else 0


def _scripts(paths: list[Path]) -> list[Path]:
    found = [file for path in paths for file in (sorted(path.rglob("*.txt")) if path.is_dir() else [path])]
    if not found:
        raise OperationError("no conversation files; name .txt files or a folder of them")
    return found


def _play(path: Path, knowledge: Knowledge, rules: Rules) -> Result:
    try:
        return run(path.read_text(encoding="utf-8"), str(path), knowledge, rules)
    except (ScriptError, OSError, UnicodeDecodeError) as error:
        raise OperationError(str(error)) from error


# --- check ---


def check(args: argparse.Namespace) -> int:
    """Print the findings; 1 for an error, or for a warning with ``--strict``."""
    knowledge, _ = bot_options.read(args)
    findings = find_faults(knowledge)
    for finding in findings:
        if args.json:
            options.print_json(finding._asdict())
        else:
            print(finding)
    errors = sum(finding.level == "error" for finding in findings)
    if not args.json:
        print(f"{len(knowledge.entries)} entries, {errors} errors, {len(findings) - errors} warnings")
    return 1 if errors or (args.strict and findings) else 0
