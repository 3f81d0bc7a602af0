"""What a channel's folder ``tests/channels/<name>/`` brings to the contract suite.

``case.py`` there defines, as module attributes:

- ``SETTINGS``: a working account's settings; ``UNSAFE``: the same without the credential that must not be missing;
- ``SECRETS``: strings that may never be seen in a log, repr or error;
- ``sign(body, at, id="…")``: the headers of a good delivery, or its query with ``SIGNED_IN = "query"``;
- ``EXPECTED``: what ``text.*`` says, one dict of ``Inbound`` attributes (``sender`` is the sender's id) per message;
- for a channel that we ask: ``Provider`` instead of ``sign`` (see :class:`FakeProvider`);
- optional: ``BESIDE_FILES``, the words in ``attachment.*`` of a channel that we ask;
- optional: ``sealed(body)``, where captures are kept readable and a delivery is encrypted;
- optional: ``URL`` and ``QUERY`` of its requests, ``HANDSHAKE`` (a whole ``Request``), ``Platform`` (a fake server for
  sending, see :class:`FakePlatform`), ``attachment(blobs, at)`` where the body of ``attachment.*`` has to be made.

Fixtures are captured requests: ``text.*``, ``second.*`` (later, in the same thread), ``batch.*`` (several messages),
``unknown.*`` (an event we do not know), ``attachment.*``, ``edit.*`` and ``delete.*`` (of the message in ``text.*``),
``echo.*`` (what we said, coming back).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import msgspec

from channels import base
from channels.base import Request
from gateway import config

CHANNELS = Path(__file__).parents[1] / "channels"
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


class FakePlatform(Protocol):
    """A platform as a server on loopback: ``async with Platform() as platform``."""

    settings: Mapping[str, Any]
    """Settings that make the channel talk to it."""
    sent: list[dict[str, Any]]
    """What customers saw: ``text``, ``thread``, ``reply_to``, ``buttons`` (labels) per message, in order."""
    script: list[tuple[int, dict[str, str]]]
    """Answers (status, headers) for the next calls; when it is empty, calls succeed."""

    async def __aenter__(self) -> FakePlatform: ...
    async def __aexit__(self, *exc: object) -> None: ...


class FakeProvider(Protocol):
    """A platform that we ask, as a server: ``async with Provider(folder) as provider``."""

    settings: Mapping[str, Any]
    """Settings that make the channel talk to it."""
    sent: list[dict[str, Any]]
    """What customers saw: ``text``, ``thread`` and ``reply_to`` (ids of the message that is answered), in order."""

    async def __aenter__(self) -> FakeProvider: ...
    async def __aexit__(self, *exc: object) -> None: ...

    def put(self, body: bytes) -> None:
        """A message arrives there."""
        ...

    def again(self) -> None:
        """What was handed over is handed over once more, under new ids of the provider's."""
        ...

    def untaken(self) -> int:
        """How many messages it holds that nobody has taken away."""
        ...

    def fail(self, how: str) -> None:
        """The next sending fails: ``later``, ``never``, ``login`` or ``in doubt``; empty: all is well again."""
        ...


@dataclass
class Case:
    """One channel under test."""

    name: str
    module: ModuleType
    channel_type: type[base.Channel]
    account: str = "main"
    settings: dict[str, Any] = field(default_factory=dict)
    memory: base.Memory | None = None
    """What the house lends a channel that remembers."""

    @property
    def pulls(self) -> bool:
        """Whether it is tested as a channel that we ask; one that is also called is, where its case has a provider."""
        return hasattr(self.module, "Provider")

    def channel(self, **changes: Any) -> Any:
        """A fresh object of the channel, as the gateway makes it."""
        tree = {**self.module.SETTINGS, **self.settings, **changes}
        channel = self.channel_type(self.account, config.convert(tree, self.channel_type.settings))
        if isinstance(channel, base.Keyed):
            channel.use_key(b"k" * 32)
        if self.memory is not None and isinstance(channel, base.Remembers):
            channel.use_memory(self.memory)
        assert isinstance(channel, base.PullChannel if self.pulls else base.PushChannel)
        return channel

    def unsafe(self) -> None:
        """Make the channel without its credential."""
        self.channel_type(self.account, config.convert(self.module.UNSAFE, self.channel_type.settings))

    def request(
        self, body: bytes, *, at: datetime = NOW, signed: Mapping[str, str] | None = None, **changes: Any
    ) -> Request:
        """A good delivery of a body; ``signed`` puts other credentials into the place of good ones."""
        signed = self.module.sign(body, at) if signed is None else signed
        in_query = getattr(self.module, "SIGNED_IN", "headers") == "query"
        request = Request(
            body=body,
            at=at,
            headers={} if in_query else signed,
            url=getattr(self.module, "URL", f"https://intake.example/in/{self.name}/{self.account}"),
            query=getattr(self.module, "QUERY", {}) | (dict(signed) if in_query else {}),
        )
        return msgspec.structs.replace(request, **changes)

    def fixture(self, kind: str) -> bytes:
        """A captured request's body. Raises FileNotFoundError, which fails the promise that needs it."""
        for path in sorted((CHANNELS / self.name).glob(f"{kind}.*")):
            body = path.read_bytes()
            return self.module.sealed(body) if hasattr(self.module, "sealed") else body
        raise FileNotFoundError(f"tests/channels/{self.name}/{kind}.* is missing")

    @property
    def expected(self) -> list[dict[str, Any]]:
        expected: list[dict[str, Any]] = self.module.EXPECTED
        return expected


def load(name: str, channel_type: type[base.Channel] | None = None) -> Case:
    """The case of a channel; ``channel_type`` puts another class in its place (the liars)."""
    path = CHANNELS / name / "case.py"
    spec = importlib.util.spec_from_file_location(f"case_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Case(name=name, module=module, channel_type=channel_type or base.load(name))
