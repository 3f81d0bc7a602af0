"""Events as signed webhooks (Standard Webhooks), and the ticket system's word back.

Sent as ``application/json``: an :class:`gateway.sinks.base.Event`. ``webhook-id`` is the outbox row's key and the same for
every attempt, so the receiver can tell a repeat. Only a 2xx is a success; a redirect is a failure and is
not followed; 410 switches the sink off until the gateway is started again. Waiting times between attempts are the
outbox's ladder unless the receiver names one.

Sources: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md,
https://github.com/cloudevents/spec/blob/main/cloudevents/spec.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from channels import _standard_webhooks as webhooks
from channels.base import (
    Answer,
    BadPayload,
    Call,
    ChannelError,
    Finding,
    Request,
    Retry,
    Tools,
    Unauthorized,
    read_json,
)
from gateway.signed import SignedSettings
from gateway.sinks.base import TicketUpdate
from gateway.tracing import parent_of
from normalizer.record import Status

#: Longest Retry-After that is obeyed, in seconds.
MAX_WAIT = 86_400.0
#: Longest reference or status word that is taken from a ticket system, in characters.
MAX_WORD = 200
MAX_COMMENT = 10_000

#: What ticket systems commonly call their states. ``[sinks.<name>.statuses]`` adds to it or overrides it.
STATUSES: Mapping[str, Status] = {
    "new": "waiting_agent",
    "open": "waiting_agent",
    "in_progress": "waiting_agent",
    "on_hold": "waiting_agent",
    "reopened": "waiting_agent",
    "pending": "waiting_customer",
    "waiting_customer": "waiting_customer",
    "solved": "resolved",
    "resolved": "resolved",
    "closed": "closed",
}


class WebhookSettings(SignedSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[sinks.<name>] kind = "webhook"``."""

    timeout: Annotated[float, Meta(gt=0, le=60, description="Seconds to wait for the receiver's answer.")] = 15.0
    statuses: Annotated[
        dict[str, Status],
        Meta(description="The ticket system's word for a status → ours; added to the usual words."),
    ] = msgspec.field(default_factory=dict)


class _Reference(msgspec.Struct):
    """What a receiver may answer."""

    external_id: str | int = ""


class _Ticket(msgspec.Struct):
    complaint_id: str
    status: str
    version: int
    external_id: str | int = ""
    comment: str = ""


class WebhookSink:
    """Pushes events to one address, and reads the callbacks from behind it."""

    kind: ClassVar[str] = "webhook"
    settings: ClassVar[type[msgspec.Struct]] = WebhookSettings

    def __init__(self, name: str, settings: WebhookSettings) -> None:
        self.name = name
        self._settings = settings
        self._statuses = {**STATUSES, **{word.casefold(): ours for word, ours in settings.statuses.items()}}
        self._gone = False

    async def deliver(self, body: bytes, key: str, at: datetime, tools: Tools) -> str:
        """Send one event; returns the ``external_id`` of the answer, when there is one.

        Raises:
            Retry: not a 2xx, or not reached; with the receiver's own waiting time where it names one.
            Unauthorized: it refuses our signature, or the address is gone for good.
            Unknown: it was sent and no answer came (the receiver tells a repeat by its id).
            Refused: the egress filter does not let us there.
        """
        if self._gone:
            raise Unauthorized("the receiver said 410 Gone; set its new address and start the gateway again")
        headers = self._signed(key.replace(".", "-"), at, body)
        if parent := parent_of(body):
            headers = {**headers, "traceparent": parent}
        answer = await tools.http(
            Call(url=self._settings.url, headers=headers, body=body, timeout=self._settings.timeout)
        )
        if not 200 <= answer.status < 300:
            raise self._failure(answer, at)
        return _reference(answer.body)

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        """Whether the receiver can be reached; nothing is sent to it but a HEAD request."""
        host = urlsplit(self._settings.url).hostname or ""
        try:
            answer = await tools.http(Call(method="HEAD", url=self._settings.url, timeout=self._settings.timeout))
        except ChannelError as err:
            return (Finding(what=f"reach {host}", ok=False, detail=str(err)),)
        ok = answer.status < 500 and answer.status != 410
        return (Finding(what=f"reach {host}", ok=ok, detail=f"HTTP {answer.status}"),)

    def update(self, request: Request) -> TicketUpdate | None:
        """What a callback says: ``{type: "ticket.updated", data: {complaint_id, external_id, status, comment?, version}}``."""
        delivery = webhooks.verify(self._settings.secrets, request.headers, request.body, request.at)
        payload = read_json(request.body)
        if not isinstance(payload, dict) or not isinstance(payload.get("type"), str):
            raise BadPayload("no type")
        if payload["type"] != "ticket.updated":
            return None
        ticket = _ticket(payload.get("data"))
        return TicketUpdate(
            delivery=delivery,
            number=ticket.complaint_id,
            external_id=str(ticket.external_id)[:MAX_WORD],
            remote_status=ticket.status[:MAX_WORD],
            status=self._statuses.get(ticket.status.casefold()),
            comment=ticket.comment[:MAX_COMMENT],
            version=ticket.version,
        )

    def _signed(self, id: str, at: datetime, body: bytes) -> dict[str, str]:
        return {**webhooks.sign_all(self._settings.secrets, id, at, body), "content-type": "application/json"}

    def _failure(self, answer: Answer, at: datetime) -> ChannelError:
        reason = f"HTTP {answer.status}"
        if answer.status == 410:
            self._gone = True
            return Unauthorized(f"{reason}: the receiver is gone, the sink is switched off")
        if answer.status in (401, 403):
            return Unauthorized(f"{reason}: the receiver does not accept our signature")
        return Retry(reason, retry_after(answer.headers.get("retry-after", ""), at))


def retry_after(header: str, at: datetime) -> float | None:
    """Seconds to wait by a Retry-After header (seconds or a date, RFC 9110 10.2.3), at most a day; None without one."""
    header = header.strip()
    if header.isascii() and header.isdecimal():
        return min(float(header), MAX_WAIT)
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return min(max((when - at).total_seconds(), 0.0), MAX_WAIT)


def _reference(body: bytes) -> str:
    """The ticket's id in the answer; an answer that is something else is nobody's mistake."""
    try:
        return str(msgspec.json.decode(body, type=_Reference).external_id)[:MAX_WORD]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _ticket(data: Any) -> _Ticket:
    try:
        return msgspec.convert(data, _Ticket)
    except msgspec.ValidationError as err:
        raise BadPayload("not a ticket update") from err


SINK = WebhookSink
