"""The company's own systems, which carry out actions: a signed call (Standard Webhooks) and its answer.

``POST`` of JSON: ``{id, type: "action.requested", timestamp, data: {action, number, channel, customer, values, approved_by}}``.
``webhook-id`` is the action's idempotency key: every repeat has the same one, and a system that gets it again answers what
it answered before. A 2xx means done; its JSON object's ``values`` (name → text) come back into the conversation. 400, 404,
409, 410 and 422 mean no (``reason`` goes to the agent, not to the customer). Anything else is tried again for a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from channels import _standard_webhooks as webhooks
from channels.base import Answer, Call, ChannelError, Finding, Retry, Tools, Unauthorized
from gateway.signed import SignedSettings
from gateway.sinks.webhook import retry_after

#: Answers that say no. All others but 2xx may be a passing fault.
REFUSALS = frozenset({400, 404, 409, 410, 422})
#: Longest value that is taken from a system, in characters, and how many there may be.
MAX_VALUE, MAX_VALUES = 500, 50


class SystemSettings(SignedSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[systems.<name>]``."""

    timeout: Annotated[float, Meta(gt=0, le=60, description="Seconds to wait for one answer.")] = 10.0
    give_up_after: Annotated[
        float, Meta(ge=0, le=3600, description="Seconds after which a person is called, when no answer has come.")
    ] = 60.0


class Done(NamedTuple):
    """A system's answer."""

    status: Literal["done", "refused"]
    values: Mapping[str, str]
    detail: str = ""


class _Body(msgspec.Struct):
    values: dict[str, str | int | float | bool | None] = {}
    reason: str = ""


class System:
    """One system by its address."""

    def __init__(self, name: str, settings: SystemSettings) -> None:
        self.name, self.settings = name, settings

    async def act(self, body: bytes, key: str, at: datetime, tools: Tools) -> Done:
        """Ask for one action.

        Raises:
            Retry: it is not there, or has a fault; with its own waiting time where it names one.
            Unauthorized: it does not accept our signature.
            Unknown: it was asked and has not answered; it may have done it.
            Refused: the egress filter does not let us there.
        """
        headers = {**webhooks.sign_all(self.settings.secrets, key, at, body), "content-type": "application/json"}
        answer = await tools.http(
            Call(url=self.settings.url, headers=headers, body=body, timeout=self.settings.timeout)
        )
        if 200 <= answer.status < 300:
            return Done("done", _values(_body(answer)))
        if answer.status in REFUSALS:
            return Done("refused", {}, f"HTTP {answer.status} {_body(answer).reason}".strip()[:MAX_VALUE])
        if answer.status in (401, 403):
            raise Unauthorized(f"HTTP {answer.status}: {self.name} does not accept our signature")
        raise Retry(f"HTTP {answer.status}", retry_after(answer.headers.get("retry-after", ""), at))

    async def check(self, tools: Tools) -> Finding:
        """Whether it can be reached; nothing is sent to it but a HEAD request."""
        try:
            answer = await tools.http(Call(method="HEAD", url=self.settings.url, timeout=self.settings.timeout))
        except ChannelError as err:
            return Finding(what=f"system {self.name}", ok=False, detail=str(err))
        return Finding(what=f"system {self.name}", ok=answer.status < 500, detail=f"HTTP {answer.status}")


def _body(answer: Answer) -> _Body:
    """What a system says beside its status; words that are something else are nobody's mistake."""
    try:
        return msgspec.json.decode(answer.body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Body()


def _values(body: _Body) -> dict[str, str]:
    items = [(name, value) for name, value in body.values.items() if value is not None][:MAX_VALUES]
    return {name[:MAX_VALUE]: str(value)[:MAX_VALUE] for name, value in items}
