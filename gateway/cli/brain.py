"""``allears brain``: a user's own categories, learnt from labelled messages."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import msgspec

from gateway.library import BRAIN, read_rules
from gateway.operations import OperationError
from normalizer import brain, matters
from normalizer.brain import Brain, Labelled, Quality
from normalizer.rules import Rules
from normalizer.source import Source
from normalizer.tone import Around


class Line(msgspec.Struct, kw_only=True):
    """One line of the labels."""

    text: str
    category: str


def add(subparsers: Any) -> None:
    """Add the commands."""
    group = subparsers.add_parser("brain", help="learn your own categories from labelled messages")
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    train = commands.add_parser(
        "train",
        help="learn from labels, and keep it if it is no worse",
        description='Learn from a file with {"text": …, "category": …} lines. What is learnt stands on top of the rules: where it is not '
        "sure, they decide. It is kept in the rules folder only when messages it had not seen come out no worse than before.",
    )
    train.add_argument("labels", type=Path, metavar="LABELS.jsonl")
    train.add_argument("--rules", type=Path, metavar="DIR", required=True, help="folder with your own rule files")
    train.add_argument("--precision", type=float, default=0.8, help="asked of what it decides (default: %(default)s)")
    train.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Train, show the quality, and keep the model or say why not."""
    rules = read_rules(args.rules)
    told = [_labelled(line, rules) for line in _lines(args.labels)]
    try:
        learnt = brain.train(told, precision=args.precision)
    except ValueError as err:
        raise OperationError(f"{args.labels}: {err}") from None
    quality = learnt.quality
    assert quality is not None
    before = _before(told, rules)
    _show(learnt, quality, before)
    if quality.accuracy < before:
        print(f"Not kept: {quality.accuracy:.3f} of the messages are right, {before:.3f} were before.")
        return 1
    _write(args.rules / BRAIN, learnt)
    print(f"Kept in {args.rules / BRAIN}.")
    return 0


def _labelled(line: Line, rules: Rules) -> Labelled:
    source = Source(line.text, "", rules)
    said = matters.category(source.hits, Around(source.text.plain, source.hits))
    return Labelled(source.text.plain, said.value if said else "", line.category)


def _lines(path: Path) -> list[Line]:
    lines = []
    for n, raw in enumerate(path.read_bytes().splitlines(), start=1):
        if raw.strip():
            try:
                lines.append(msgspec.json.decode(raw, type=Line))
            except msgspec.DecodeError as err:
                raise OperationError(f"{path}:{n}: {err}") from None
    return lines


def _before(told: list[Labelled], rules: Rules) -> float:
    """How many are right as things stand: by the rules, or by the model that is there already.

    That one may have learnt some of these very messages, which flatters it: a new one has to be as good all the same.
    """
    if not told:
        return 0.0
    right = 0
    for one in told:
        label, ahead = rules.brain.tell(one.plain, one.by_rules) if rules.brain else ("", -1.0)
        said = label if rules.brain and ahead >= rules.brain.threshold else one.by_rules
        right += said == one.label
    if rules.brain and rules.brain.quality:
        return min(right / len(told), rules.brain.quality.accuracy)
    return right / len(told)


def _show(learnt: Brain, quality: Quality, before: float) -> None:
    print(f"{len(learnt.labels)} categories, {quality.messages} messages, each judged by a model that had not seen it:")
    print(f"  right as things stand   {before:.3f}")
    print(f"  right with the model    {quality.accuracy:.3f}   (macro F1 {quality.macro_f1:.3f})")
    print(f"  decided by the model    {quality.answered:.3f}   of which right {quality.precision:.3f}")
    print(f"  by the rules alone      {quality.rules_accuracy:.3f}")


def _write(path: Path, learnt: Brain) -> None:
    """Whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(learnt))
    os.replace(fresh, path)
