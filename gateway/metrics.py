"""Figures of the running gateway, and which of its parts are alive.

``prometheus_client`` writes the exposition format: it costs 17 ms at start, 1 MB of memory and 1.4 µs a count,
and knows the escapes and the bucket rules. Each :class:`Metrics` has its own registry, so that two gateways in one
process do not share figures. Labels are names of the configuration and fixed words, never anything a customer sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from gateway.store.base import Gauges

M = TypeVar("M", Counter, Histogram)

disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
#: Seconds without a beat after which a worker counts as stuck.
SILENCE = 60.0
#: Bucket bounds in seconds: from a local turn to a day's backlog.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400)

#: Field of :class:`Gauges`, name of the metric, help.
_ROW_GAUGES = (
    ("inbox_open", "inbox_open", "Inbox rows that wait to be processed."),
    ("inbox_held", "inbox_held", "Inbox rows that were given up and wait for an operator."),
    ("oldest_open", "oldest_unprocessed_seconds", "Age of the oldest unprocessed message."),
    ("outbox_waiting", "outbox_waiting", "Outbox rows that wait to be sent."),
    ("oldest_waiting", "outbox_age_seconds", "Age of the oldest outbox row."),
    ("dead", "dead_letters", "Outbox rows that were given up."),
    ("unknown", "unknown_sends", "Outbox rows of which nobody knows whether they arrived."),
    ("quarantine", "quarantine_open", "Quarantined deliveries that nobody has looked at."),
    ("conversations_waiting", "conversations_waiting", "Conversations that wait for a person."),
)


#: Seconds without a whole look at a mailbox or its like after which the operator is told.
PULL_SILENCE = 600.0


@dataclass(frozen=True)
class Pull:
    """How the watcher of a pull channel's account stands; ``lag`` is that of the last message, in seconds."""

    swept_at: float
    looked: bool = False
    waiting: int = 0
    lag: float = 0.0
    trouble: str = ""


@dataclass(frozen=True)
class Part:
    """A worker, channel account or sink: ``trouble`` is empty while it is well."""

    name: str
    trouble: str


class Metrics:
    """Counters to add to, histograms to observe, heartbeats and stopped parts.

    ``metrics.accepted.labels(channel="webchat").inc()``; ``metrics.beat("flow")``;
    ``metrics.stopped("channel:webchat/main", "HTTP 401")`` and, when it runs again, ``metrics.running(...)``.
    Parts are named as the outbox names its destinations.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beats: dict[str, tuple[float, float]] = {}
        self._stopped: dict[str, str] = {}
        self._pulls: dict[str, Pull] = {}
        self.registry = CollectorRegistry()
        self.accepted = self._counter("messages_accepted", "Messages that are durable.", "channel")
        self.duplicates = self._counter("duplicates_suppressed", "Messages that were there already.", "channel")
        self.bad_signatures = self._counter("signatures_refused", "Requests refused for their signature.", "channel")
        self.quarantined = self._counter("quarantined", "Deliveries kept that could not be read.", "channel")
        self.reconnects = self._counter("reconnects", "Connections that had to be made again.", "channel")
        self.bot_answered = self._counter("bot_answered", "Turns that the bot answered.")
        self.handed_off = self._counter("bot_handed_off", "Conversations handed to a person.", "reason")
        self.sends = self._counter("sends", "Attempts to send by what became of them.", "destination", "state")
        self.ingest_lag = self._histogram(
            "ingest_lag_seconds", "From the provider's time of a message to its commit.", "channel"
        )
        self.reply_latency = self._histogram("reply_latency_seconds", "From the decision on a reply until it was sent.")
        self._down = Gauge("allears_stopped", "Parts that wait for an operator.", ["part"], registry=self.registry)
        self._since_sweep = self._gauge("pull_last_sweep_seconds", "Seconds since an account was looked at.", "account")
        self._pull_waiting = self._gauge("pull_waiting", "Messages known at the provider, not taken yet.", "account")
        self._pull_lag = self._gauge("pull_lag_seconds", "Lag of the last message that was taken.", "account")
        self.calls = self._gauge("calls_running", "Calls that are streamed now, by how they are heard.", "heard")
        self.store_up = Gauge("allears_store_up", "Whether the store answered.", registry=self.registry)
        self._rows = {
            field: Gauge(f"allears_{name}", help, registry=self.registry) for field, name, help in _ROW_GAUGES
        }

    def beat(self, worker: str, *, silence: float = SILENCE) -> None:
        """A worker's sign of life; after ``silence`` seconds without the next one it counts as stuck."""
        self._beats[worker] = (self._clock(), silence)

    def ended(self, worker: str) -> None:
        """A worker stopped because it was told to."""
        self._beats.pop(worker, None)

    def stopped(self, part: str, reason: str) -> None:
        """A channel account or sink does nothing until an operator looks (bad credentials, endpoint gone)."""
        self._stopped[part] = reason
        self._down.labels(part).set(1)

    def running(self, part: str) -> None:
        """It works again."""
        if self._stopped.pop(part, None) is not None:
            self._down.labels(part).set(0)

    def pulling(self, account: str) -> None:
        """A watcher of ``channel/account`` starts; the time without a look counts from now."""
        self._pulls[account] = Pull(self._clock())
        self._since_sweep.labels(account).set_function(lambda: self._clock() - self._pulls[account].swept_at)

    def unwatched(self, account: str) -> None:
        """Another node watches the account from now on, or none."""
        if self._pulls.pop(account, None) is not None:
            for gauge in (self._since_sweep, self._pull_waiting, self._pull_lag):
                with suppress(KeyError):
                    gauge.remove(account)

    def swept(self, account: str, *, waiting: int, trouble: str = "") -> None:
        """The watcher has looked at everything: ``waiting`` messages are known and not taken yet."""
        self._pulls[account] = replace(
            self._pulls[account], swept_at=self._clock(), looked=True, waiting=waiting, trouble=trouble
        )
        self._pull_waiting.labels(account).set(waiting)

    def pulled(self, account: str, lag: float) -> None:
        """A message was taken ``lag`` seconds after its provider had it."""
        self._pulls[account] = replace(self._pulls[account], lag=lag)
        self._pull_lag.labels(account).set(lag)

    def pulls(self) -> dict[str, dict[str, float | None]]:
        """For ``/readyz``: seconds since the last look (None before the first), lag of the last message, waiting."""
        now = self._clock()
        return {
            account: {
                "last_sweep_seconds": round(now - pull.swept_at, 1) if pull.looked else None,
                "lag_seconds": round(pull.lag, 1),
                "waiting": pull.waiting,
            }
            for account, pull in sorted(self._pulls.items())
        }

    def parts(self) -> Iterator[Part]:
        """Every worker that ever beat, every part that is stopped, and every watcher that cannot look."""
        now = self._clock()
        for account, pull in sorted(self._pulls.items()):
            quiet = now - pull.swept_at
            if f"intake:{account}" not in self._stopped and (pull.trouble or quiet > PULL_SILENCE):
                yield Part(f"intake:{account}", pull.trouble or f"not looked at for {quiet:.0f} s")
        for name, (at, silence) in sorted(self._beats.items()):
            quiet = now - at
            yield Part(f"worker:{name}", f"no sign of life for {quiet:.0f} s" if quiet > silence else "")
        for name, reason in sorted(self._stopped.items()):
            yield Part(name, f"stopped: {reason}")

    def read(self, rows: Gauges) -> None:
        """Take over the figures that come from the rows."""
        for field, gauge in self._rows.items():
            gauge.set(getattr(rows, field))

    def exposition(self) -> bytes:
        """All figures in Prometheus' text format (:data:`CONTENT_TYPE`)."""
        return prometheus_client.generate_latest(self.registry)

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        return _quick(Counter(f"allears_{name}", help, labels, registry=self.registry))

    def _gauge(self, name: str, help: str, *labels: str) -> Gauge:
        return Gauge(f"allears_{name}", help, labels, registry=self.registry)

    def _histogram(self, name: str, help: str, *labels: str) -> Histogram:
        return _quick(Histogram(f"allears_{name}", help, labels, buckets=SECONDS, registry=self.registry))


def _quick(metric: M) -> M:
    """Keep what ``labels`` gives: finding it again costs twice what the count itself does. Labels are few."""
    metric.labels = cache(metric.labels)  # type: ignore[method-assign]
    return metric
