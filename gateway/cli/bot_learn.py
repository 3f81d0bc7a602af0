"""``allears bot calibrate`` and ``bot why``: when the bot may answer, learned and explained."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bot import calibration, learn
from bot.knowledge import Knowledge, vocabulary
from bot.report import lines, report
from bot.similarity import Near
from gateway.cli import bot_options, options
from gateway.operations import OperationError
from gateway.rehearsal import Rehearsal

FILE = "calibration.yaml"


def add(commands: Any) -> None:
    """Add the commands to ``allears bot``."""
    parser = bot_options.command(
        commands, "calibrate", "learn from the examples when the bot may answer, and report it"
    )
    parser.add_argument(
        "--precision",
        type=_share,
        default=0.98,
        metavar="SHARE",
        help="answers that must be right (default: %(default)s)",
    )
    parser.add_argument(
        "--out-of-scope", type=_share, default=0.5, metavar="SHARE",
        help="messages that no entry covers (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help=f"report only, write no {FILE}")
    options.as_json(parser)
    parser.set_defaults(func=calibrate)
    parser = bot_options.command(commands, "why", "show what speaks for and against each entry for one text")
    parser.add_argument("text", metavar="TEXT", help="what the customer says")
    options.as_json(parser)
    parser.set_defaults(func=why)


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError("a share between 0 and 1 is wanted")
    return value


def calibrate(args: argparse.Namespace) -> int:
    """Learn, write the file into the knowledge folder, report; 1 where the precision cannot be kept."""
    if args.knowledge is None and not args.dry_run:
        raise OperationError("name your --knowledge folder, or look at the sample with --dry-run")
    knowledge, _ = bot_options.read(args)
    practice = learn.practise(
        knowledge.questions, knowledge.table, vocabulary(knowledge.entries.values(), knowledge.table), args.out_of_scope
    )
    if practice is None:
        raise OperationError("there are too few examples to learn from")
    learned = learn.calibrate(
        practice,
        digest=calibration.digest(knowledge.questions),
        fires=lambda entry, text: entry in knowledge.matcher.scan(knowledge.utterance(text)).fired,
        precision=args.precision,
    )
    found = report(practice, learned)
    if not args.dry_run:
        (Path(args.knowledge) / FILE).write_text(calibration.write(learned), encoding="utf-8")
    if args.json:
        options.print_json({"calibration": learned, "report": found})
    else:
        print("\n".join(lines(found, learned)))
    return 1 if learned.refused else 0


def why(args: argparse.Namespace) -> int:
    """The decision's trace, then the nearest entries with their signals."""
    knowledge, rules = bot_options.read(args)
    decision = Rehearsal(knowledge, rules).say(args.text)
    said = knowledge.utterance(args.text)
    fired = sorted(name for name in knowledge.matcher.scan(said).fired if name in knowledge.entries)
    near = knowledge.index.nearest(said, fired)
    trace = [step for step in decision.trace if step.verdict != "passes"]
    if args.json:
        options.print_json({"trace": trace, "fired": fired, "near": [_measured(knowledge, each) for each in near]})
        return 0
    for step in trace:
        print(f"{step.rule}: {step.verdict}{' – ' + step.detail if step.detail else ''}")
    for each in near:
        print(f"{each.entry}{' (its rule fires)' if each.entry in fired else ''}: nearest example “{each.example}”")
        for line in _parts(knowledge, each):
            print(f"  {line}")
    return 0


def _measured(knowledge: Knowledge, near: Near) -> dict[str, Any]:
    learned = knowledge.acceptance
    return {
        "entry": near.entry,
        "example": near.example,
        "signals": near.signals._asdict(),
        "confidence": learned.acceptor.confidence(near.signals) if learned else None,
        "parts": dict(learned.acceptor.reasons(near.signals)) if learned else {},
    }


def _parts(knowledge: Knowledge, near: Near) -> list[str]:
    """Signals; with a calibration, what each adds to the confidence."""
    learned = knowledge.acceptance
    if learned is None:
        shown = ", ".join(f"{name} {value:.2f}" for name, value in near.signals._asdict().items())
        return [shown, "not calibrated: `allears bot calibrate` learns what these are worth"]
    parts = ", ".join(
        f"{name} {getattr(near.signals, name):.2f} ({part:+.2f})"
        for name, part in learned.acceptor.reasons(near.signals)
    )
    wanted = "never" if learned.alone is None else f"{learned.alone:.3f}"
    return [f"confidence {learned.acceptor.confidence(near.signals):.3f}, alone from {wanted}", parts]
