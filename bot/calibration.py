"""The calibration as a table of a knowledge file: written by ``allears bot calibrate``, read with the knowledge."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping

from bot.acceptor import Acceptor, Calibration, Weight
from bot.signals import Signals
from bot.yamlfile import Node

FIELDS = ("precision", "out_of_scope", "examples", "alone", "together", "offer", "coverage", "kept", "refused", "weak",
          "bias", "weights")  # fmt: skip
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
        "  weights: # signal: [weight, mean, scale]",
        *(
            f"    {name}: [{w.weight:.6f}, {w.mean:.6f}, {w.scale:.6f}]"
            for name, w in calibration.acceptor.weights.items()
        ),
    ]
    return _HEADER + "\n".join(lines) + "\n"


def _levels(calibration: Calibration) -> list[tuple[str, float | None]]:
    return [(name, getattr(calibration, name)) for name in ("alone", "together", "offer", "coverage", "kept")]


def _quoted(text: str) -> str:
    return "'" + " ".join(text.split()).replace("'", "''") + "'"


def read(node: Node) -> Calibration | None:
    """The calibration of a file; anything that is not as it was written is a problem."""
    if node.missing:
        return None
    get = node.fields(*FIELDS)
    weights = {name: _weight(child) for name, child in get["weights"].items()}
    if set(weights) != set(Signals._fields):
        node.problems.add(get["weights"], "the calibration is of another version; run `allears bot calibrate` again")
        return None
    return Calibration(
        precision=_number(get["precision"]),
        out_of_scope=_number(get["out_of_scope"]),
        examples=get["examples"].text(),
        acceptor=Acceptor(_number(get["bias"]), weights),
        alone=None if get["alone"].missing else _number(get["alone"]),
        together=None if get["together"].missing else _number(get["together"]),
        offer=_number(get["offer"]),
        coverage=_number(get["coverage"]),
        kept=_number(get["kept"]),
        refused=get["refused"].text(),
        weak={name: child.text() for name, child in get["weak"].items()},
    )


def _weight(node: Node) -> Weight:
    numbers = [_number(each) for each in node.each()]
    if len(numbers) != 3 or not numbers[2]:
        node.problems.add(node, "[weight, mean, scale] is wanted here")
        return Weight(0.0, 0.0, 1.0)
    return Weight(*numbers)


def _number(node: Node) -> float:
    try:
        value = float(node.text("0"))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        node.problems.add(node, "a number is wanted here")
        return 0.0
    return value
