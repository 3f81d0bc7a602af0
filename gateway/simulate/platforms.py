"""Which fake platforms there are, where they listen, and the configuration that points a gateway to them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from importlib.resources import files
from typing import Any

from channels import base as channels
from channels._platforms.base import Platform, load
from channels.base import MissingExtra
from gateway.cli.init import fill

#: The account that a simulated platform talks to.
ACCOUNT = "simulated"


def names() -> list[str]:
    """The channels that have a fake platform."""
    return channels.names("channels._platforms")


def doors(name: str, gateway: str) -> str:
    """Where a platform delivers to: the channel's own path at the gateway."""
    routes = getattr(channels.load(name), "routes", ())
    path = next((route.path for route in routes if route.path and route.method == "POST"), "")
    return f"{gateway.rstrip('/')}{path or f'/in/{name}/{ACCOUNT}'}"


class Running:
    """Platforms that run: ``async with Running(["telegram"], gateway="http://127.0.0.1:8080", port=8091)``.

    Each gets the port of its place in the list of all, so that a configuration stays right; 0 takes free ones.
    ``polled``: those that can be asked hold their events until they are.
    """

    def __init__(
        self,
        wanted: Sequence[str],
        *,
        gateway: str,
        host: str = "127.0.0.1",
        port: int = 0,
        polled: bool = False,
        pace: float = 1.0,
    ) -> None:
        self.platforms: dict[str, Platform] = {}
        self.left_out: dict[str, str] = {}
        """Channels that cannot run here, and why."""
        known = names()
        for name in wanted:
            try:
                door = "" if polled else doors(name, gateway)
            except MissingExtra as err:
                self.left_out[name] = str(err)
                continue
            own = port + known.index(name) if port else 0
            self.platforms[name] = load(name)(door=door, host=host, port=own, pace=pace)
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Running:
        async with AsyncExitStack() as opening:
            for platform in self.platforms.values():
                await opening.enter_async_context(platform)
            self._open = opening.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._open.aclose()

    def tables(self) -> str:
        """The tables of the configuration that point a gateway to these platforms."""
        parts = [
            '[egress]\n# The platforms run on this machine, which the gateway otherwise never calls.\nallow = ["127.0.0.0/8"]\n'
        ]
        for name, platform in self.platforms.items():
            lines = [f"[channels.{name}.{ACCOUNT}]"]
            lines += [f"{key} = {toml(value)}" for key, value in platform.settings.items()]
            parts.append("\n".join(lines) + "\n")
        return "\n".join(parts)


def whole(tables: str, listen: str) -> str:
    """A configuration of its own: the sample shop with a web chat, and the simulated platforms."""
    sample = files("gateway").joinpath("sample.toml").read_text("utf-8")
    start = fill(sample, "aat_" + secrets.token_urlsafe(32)).replace('"127.0.0.1:8080"', toml(listen))
    return f"{start}\n# --- simulated platforms: `allears simulate` runs them ---\n\n{tables}"


def toml(value: Any) -> str:
    """A setting's value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{toml(str(k))} = {toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return '"' + "".join(_escaped(c) for c in str(value)) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    return char if char.isprintable() else f"\\u{ord(char):04x}"
