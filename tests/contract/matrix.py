"""The matrix promise × channel, written from the channels themselves into ``docs/promises.md``."""

from __future__ import annotations

from pathlib import Path

from channels import base
from tests.contract.promises import PROMISES

PAGE = Path(__file__).parents[2] / "docs" / "promises.md"
#: Promises that no channel has to keep yet, so no wrong channel can break them.
EXEMPT_EVERYWHERE = {p for p in PROMISES if all(p in base.load(name).exempt for name in base.names())}


def page() -> str:
    """The whole page."""
    names = base.names()
    lines = [
        "# What every channel promises",
        "",
        "Each promise is a test in `tests/contract/promises.py`, run against every channel. A channel that cannot keep",
        "one says why, and the gateway's coping is tested instead.",
        "",
        f"| promise | what it means | {' | '.join(names)} |",
        f"|---|---|{'---|' * len(names)}",
    ]
    notes: list[str] = []
    for promise, test in PROMISES.items():
        cells = [_cell(base.load(name), promise, notes) for name in names]
        lines.append(f"| `{promise}` | {_first_line(test.__doc__)} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", "Reasons:", "", *notes, ""])


def _cell(channel: type[base.Channel], promise: base.Promise, notes: list[str]) -> str:
    reason = channel.exempt.get(promise)
    if reason is None:
        return "kept"
    notes.append(f"{len(notes) + 1}. **{channel.name}**, `{promise}`: {reason}")
    return f"no ({len(notes)})"


def _first_line(doc: str | None) -> str:
    return (doc or "").strip().splitlines()[0]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
