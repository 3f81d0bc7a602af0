"""What to do after a failed attempt to send: decided here, carried out by the outbox."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import get_args

from channels.base import ChannelError, Expired, OutboundKind, Refused, Retry, Unauthorized, Unknown, Withheld
from gateway.store.base import SendState

#: Waiting times are stretched by up to this share, so that rows which failed together do not come back together.
JITTER = 0.25
#: How long a destination with bad credentials rests before it is tried again, in seconds.
REST = 300.0

#: A repeat after an attempt whose fate is unknown: what is worse, saying it twice or not at all?
#: A receipt, a person's words and a change of state may come twice; bot chatter may not.
REPEAT_IN_DOUBT: dict[OutboundKind, bool] = {
    "receipt": True,
    "human": True,
    "status": True,
    "answer": False,
    "question": False,
    "survey": False,
}
assert set(REPEAT_IN_DOUBT) == set(get_args(OutboundKind))


class Next:
    """What follows: the row's new state, and when it is due when it waits."""

    __slots__ = ("at", "state")

    def __init__(self, state: SendState, at: datetime | None = None) -> None:
        self.state, self.at = state, at


def after_error(
    err: ChannelError, *, key: str, tries: int, now: datetime, ladder: Sequence[float], repeat: bool
) -> Next:
    """The next step after ``err``. ``tries`` counts attempts so far, this one included; ``repeat`` allows one in doubt."""
    if isinstance(err, Unauthorized):
        return Next("waiting", now + timedelta(seconds=REST))
    if isinstance(err, Withheld):
        return Next("superseded")
    if isinstance(err, (Refused, Expired)):
        return Next("dead")
    if isinstance(err, Unknown) and not repeat:
        return Next("unknown")
    if tries > len(ladder):
        return Next("dead")
    asked = err.after if isinstance(err, Retry) else None
    wait = (ladder[tries - 1] if asked is None else asked) * (1 + JITTER * _spread(key, tries))
    return Next("waiting", now + timedelta(seconds=wait))


def _spread(key: str, tries: int) -> float:
    """0 to 1, the same for the same attempt: bounded jitter without a random source keeps a replay exact."""
    return hashlib.sha256(f"{key}:{tries}".encode()).digest()[0] / 255
