"""What the server logs: where a fault happened and of what kind, never the words of its error.

An error's text may hold what a customer wrote, an HTTP parser's the cookie that it choked on; so may what asyncio
says about a task. The traceback's lines are our own source and are enough to find the fault.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from types import TracebackType

_Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class Wordless(logging.Formatter):
    """Formats records with the kind and place of an exception alone."""

    def format(self, record: logging.LogRecord) -> str:
        if record.name == "asyncio":  # it adds the repr of tasks and handles, which show their values
            record.msg, record.args = record.getMessage().partition("\n")[0], ()
        return super().format(record)

    def formatException(self, ei: _Raised) -> str:  # noqa: N802 - the name is logging's
        """Kinds and places of the exception and of those that it came from."""
        return "".join(_lines(ei[1])).rstrip("\n") if ei[1] is not None else ""


def install(level: str) -> None:
    """Log to standard error from ``level`` (``debug``, ``info``, ``warning``) on."""
    handler = logging.StreamHandler()
    handler.setFormatter(Wordless("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def _lines(err: BaseException) -> Iterator[str]:
    before = err.__cause__ or (None if err.__suppress_context__ else err.__context__)
    if before is not None:
        yield from _lines(before)
        yield "followed by\n"
    yield from traceback.format_tb(err.__traceback__)
    yield f"{type(err).__module__}.{type(err).__name__}\n"
