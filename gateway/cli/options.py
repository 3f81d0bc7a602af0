"""Options and output that several commands share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from channels.base import Finding

DEFAULT_CONFIG = Path("allears.toml")


def config(parser: argparse.ArgumentParser) -> None:
    """``--config``."""
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="configuration file (default: %(default)s)"
    )


def as_json(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")


def print_json(value: Any) -> None:
    """One line of JSON on standard output."""
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()


def print_rows(rows: Iterable[Mapping[str, Any]], *, json: bool) -> None:
    """Rows as JSON lines, or as ``name: value`` blocks (one row) or a table (several)."""
    rows = list(rows)
    if json:
        for row in rows:
            print_json(row)
    elif len(rows) == 1:
        print(_block(rows[0]))
    elif rows:
        print(_table(rows))
    else:
        print("nothing there")


def print_findings(findings: Sequence[Finding], *, json: bool) -> int:
    """Print what a check found; the exit status: 1 when something is wrong."""
    for finding in findings:
        if json:
            print_json(finding)
        else:
            print(f"{'ok ' if finding.ok else 'BAD'}  {finding.what}: {finding.detail}")
    return 0 if all(finding.ok for finding in findings) else 1


def _block(row: Mapping[str, Any]) -> str:
    """A nested row as indented lines, empty fields left out."""
    lines: list[str] = []
    _lines(row, 0, lines)
    return "\n".join(lines)


def _lines(value: Any, indent: int, lines: list[str]) -> None:
    pad = "  " * indent
    items = value.items() if isinstance(value, Mapping) else ((f"- {n}", v) for n, v in enumerate(value, 1))
    for name, inner in items:
        if inner in ("", None, [], {}):
            continue
        if isinstance(inner, Mapping) or (isinstance(inner, list) and inner and not isinstance(inner[0], str)):
            lines.append(f"{pad}{name}:")
            _lines(inner, indent + 1, lines)
        else:
            lines.append(f"{pad}{name}: {', '.join(inner) if isinstance(inner, list) else inner}")


def _table(rows: list[Mapping[str, Any]]) -> str:
    """Only columns that say something, each as wide as its widest value (40 at most)."""
    names = [name for name in rows[0] if any(_cell(row.get(name)) for row in rows)]
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    widths = [max(len(name), *(len(row[n]) for row in cells)) for n, name in enumerate(names)]
    lines = [[name.ljust(width) for name, width in zip(names, widths)]]
    lines += [[cell.ljust(width) for cell, width in zip(row, widths)] for row in cells]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _cell(value: Any) -> str:
    if value is None or isinstance(value, (Mapping, list)):
        return ""
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"
