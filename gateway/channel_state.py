"""How each configured channel account stands, for the operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from channels.base import Channel, Promise, PullChannel, PushesOrPulls, RecordsCalls
from gateway.context import Gateway

PROMISES: tuple[Promise, ...] = get_args(Promise)


async def listing(gateway: Gateway, params: Mapping[str, Any]) -> list[dict[str, Any]]:  # noqa: ARG001
    """One row an account: how messages come, what is promised, whether it runs, its last message and that one's lag."""
    latest = {(one.channel, one.account): one for one in await gateway.store.latest_messages()}
    trouble = _trouble(gateway)
    rows = []
    for (name, account), channel in gateway.channels.items():
        last = latest.get((name, account))
        rows.append(
            {
                "channel": name,
                "account": account,
                "messages": _way(channel),
                "promises": f"{len(PROMISES) - len(channel.exempt)} of {len(PROMISES)}",
                "state": trouble.get(f"{name}/{account}", "runs" if _runs(gateway) else "not running"),
                "last_message": last.provider_at if last else None,
                "lag_seconds": round((last.received_at - last.provider_at).total_seconds(), 1) if last else None,
                "exempt": dict(channel.exempt),
            }
        )
    return rows


def _way(channel: Channel) -> str:
    asked = channel.pulling if isinstance(channel, PushesOrPulls) else isinstance(channel, PullChannel)
    if isinstance(channel, RecordsCalls):
        return "recordings"
    return "asked for" if asked else "delivered"


def _runs(gateway: Gateway) -> bool:
    """Whether this is a server with its workers, or a command that looks at its rows."""
    return any(part.name.startswith("worker:") for part in gateway.metrics.parts())


def _trouble(gateway: Gateway) -> dict[str, str]:
    """By account, what is wrong with its taking in, its sending or its files."""
    found: dict[str, str] = {}
    for part in gateway.metrics.parts():
        kind, _, account = part.name.partition(":")
        if kind in ("channel", "intake", "files") and part.trouble:
            found[account] = part.trouble
    return found
