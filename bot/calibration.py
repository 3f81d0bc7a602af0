"""The calibration as a table of a knowledge file: written by ``allears bot calibrate``, read with the knowledge."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from itertools import pairwise

from bot.acceptor import Acceptor, Calibration, Curve
from bot.signals import Signals
from bot.yamlfile import Node

FIELDS = ("precision", "out_of_scope", "examples", "alone", "together", "offer", "coverage", "kept", "refused", "weak",
          "bias", "curves")  # fmt: skip
_HEADER = """\
# Written by `allears bot calibrate` from the examples of this folder; run it again when they change.
"""


def digest(examples: Mapping[str, Iterable[str]]) -> str:
    """Names the examples, whatever order they stand in."""
    lines = sorted(f"{entry}\x00{text}" for entry, texts in examples.items() for text in set(texts))
    return hashlib.sha256("\x01".join(lines).encode()).hexdigest()[:12]


def write(calibration: Calibration) -> str:
    """The file's text."""
    lines = [
        "calibration:",
        f"  precision: {calibration.precision}",
        f"  out_of_scope: {calibration.out_of_scope}",
        f'  examples: "{calibration.examples}"',
        *(f"  {name}: {value:.6f}" for name, value in _levels(calibration) if value is not None),
        *([f"  refused: {_quoted(calibration.refused)}"] if calibration.refused else []),
        *(["  weak:"] if calibration.weak else []),
        *(f"    {entry}: {_quoted(why)}" for entry, why in calibration.weak.items()),
        f"  bias: {calibration.acceptor.bias:.6f}",
        "  curves: # signal: [value, part, value, part, …]",
        *(f"    {name}: [{_points(curve)}]" for name, curve in calibration.acceptor.curves.items()),
    ]
    return _HEADER + "\n".join(lines) + "\n"


def _points(curve: Curve) -> str:
    return ", ".join(f"{at:.5f}, {part:.5f}" for at, part in zip(curve.at, curve.part))


def _levels(calibration: Calibration) -> list[tuple[str, float | None]]:
    return [(name, getattr(calibration, name)) for name in ("alone", "together", "offer", "coverage", "kept")]


def _quoted(text: str) -> str:
    return "'" + " ".join(text.split()).replace("'", "''") + "'"


def read(node: Node) -> Calibration | None:
    """The calibration of a file; anything that is not as it was written is a problem.

    One of an earlier version, with other fields or signals, is as good as none: it is out of date.
    """
    if node.missing or not _is_ours(node):
        return None
    get = node.fields(*FIELDS)
    curves = {name: _curve(child) for name, child in get["curves"].items()}
    return Calibration(
        precision=_number(get["precision"]),
        out_of_scope=_number(get["out_of_scope"]),
        examples=get["examples"].text(),
        acceptor=Acceptor(_number(get["bias"]), curves),
        alone=None if get["alone"].missing else _number(get["alone"]),
        together=None if get["together"].missing else _number(get["together"]),
        offer=_number(get["offer"]),
        coverage=_number(get["coverage"]),
        kept=_number(get["kept"]),
        refused=get["refused"].text(),
        weak={name: child.text() for name, child in get["weak"].items()},
    )


def _is_ours(node: Node) -> bool:
    if not node.is_map:
        return True  # and a problem
    fields = dict(node.items())
    named = {name for name, _ in fields["curves"].items()} if "curves" in fields else set()
    return "weights" not in fields and named in (set(), set(Signals._fields))


def _curve(node: Node) -> Curve:
    numbers = [_number(each) for each in node.each()]
    at, part = numbers[::2], numbers[1::2]
    if not part or len(at) != len(part) or any(after <= before for before, after in pairwise(at)):
        node.problems.add(node, "[value, part, value, part, …] with rising values is wanted here")
        return Curve((0.0,), (0.0,))
    return Curve(tuple(at), tuple(part))


def _number(node: Node) -> float:
    try:
        value = float(node.text("0"))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        node.problems.add(node, "a number is wanted here")
        return 0.0
    return value
