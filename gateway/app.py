"""The house put together: configuration in, a running application out."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Protocol, TypeGuard, runtime_checkable

from aiohttp import web

from channels import base as channels
from channels.base import Channel, Keyed, PullChannel, PushesOrPulls, Remembers, Secret, SharesToken
from channels.phone import Phone
from gateway.audiosocket import AudioSocket
from gateway.blobs.configured import configured
from gateway.calendar import Calendar
from gateway.calls import CALLS
from gateway.config import ConfigError, Loaded, channel_settings, line_of, sink_settings, system_settings
from gateway.context import GATEWAY, Gateway, utc_now
from gateway.desk.leases import Leases
from gateway.egress import Egress
from gateway.fetching import Fetching
from gateway.flow import Flow
from gateway.hearing import Hearing
from gateway.housekeeping import Housekeeping
from gateway.keys import Keys
from gateway.library import read_knowledge, read_rules
from gateway.linking import Linking
from gateway.listening import Listening
from gateway.memory import StoreMemory
from gateway.metrics import Metrics
from gateway.outbox import Outbox
from gateway.pace import Limits, LocalPace, Nodes, Pace
from gateway.pull import Pull
from gateway.reloading import Reloading
from gateway.sinks import base as sinks
from gateway.sinks.base import Sink
from gateway.store.base import Store
from gateway.store.sqlite import SqliteStore
from gateway.systems import System
from gateway.tracing import tracing
from gateway.wake import MISSING, SURE, LocalWake
from gateway.web import (
    callbacks,
    calls,
    control,
    desk,
    doors,
    health,
    openapi,
    problems,
    recordings,
    rest,
    static,
    status,
    uploads,
    visitor,
)

if TYPE_CHECKING:
    from gateway.redis.parts import Redis

log = logging.getLogger(__name__)

#: Seconds before a fallen worker starts again.
RESTART_PAUSE = 1.0

#: The areas of the web server; the doors come from the configured channels.
AREAS = (static, visitor, rest, openapi, desk, status, callbacks, health, control, recordings, uploads, calls)


def assemble(loaded: Loaded, *, clock: Callable[[], datetime] = utc_now, store: Store | None = None) -> Gateway:
    """Make the parts; nothing is opened yet. Raises :class:`ConfigError` or :class:`KnowledgeError`."""
    config = loaded.config
    Calendar(config.company)  # a calendar that cannot be read must stop the start, not the first complaint
    keys = Keys(Secret(config.secret))
    store = store or SqliteStore(loaded.data / "allears.db", clock=clock)
    metrics = Metrics()
    redis = _redis(loaded, keys, metrics)
    made = _channels(loaded, keys, store, redis)
    knowledge = loaded.path(config.bot.knowledge) if config.bot.knowledge else None
    rules = loaded.path(config.bot.rules) if config.bot.rules else None
    return Gateway(
        config=config,
        store=store,
        wake=redis.wake if redis else LocalWake(MISSING if config.store.url else SURE),
        blobs=configured(loaded, keys),
        data=loaded.data,
        egress=Egress(config.egress.allow),
        keys=keys,
        metrics=metrics,
        tracing=tracing(config.tracing, f"{socket.gethostname()}:{os.getpid()}"),
        shelf=loaded.path(config.speech.models),
        channels=made,
        pace=_pace(Limits(made), Nodes(store, monotonic), redis),
        sinks=_sinks(loaded),
        systems={name: System(name, settings) for name, settings in system_settings(loaded)},
        knowledge=read_knowledge(knowledge),
        rules=read_rules(rules),
        knowledge_folder=knowledge,
        rules_folder=rules,
        clock=clock,
    )


def build(loaded: Loaded, *, clock: Callable[[], datetime] = utc_now, store: Store | None = None) -> web.Application:
    """The application: every area, and the workers that live as long as it does."""
    return application(assemble(loaded, clock=clock, store=store))


def application(gateway: Gateway) -> web.Application:
    """The application around a gateway's parts."""
    app = web.Application(client_max_size=gateway.config.limits.body)
    app[GATEWAY] = gateway
    problems.install(app)
    app.add_routes(doors.routes(gateway))
    visitor.setup(app)
    desk.setup(app)
    uploads.setup(app)
    calls.setup(app)
    for area in AREAS:
        app.add_routes(area.routes())
    app.cleanup_ctx.append(_opened)
    app.cleanup_ctx.append(_working)
    return app


async def _opened(app: web.Application) -> AsyncIterator[None]:
    gateway = app[GATEWAY]
    await gateway.store.open()
    yield
    await gateway.blobs.close()
    await gateway.egress.close()
    await gateway.store.close()
    await asyncio.to_thread(gateway.tracing.close)


async def _working(app: web.Application) -> AsyncIterator[None]:
    gateway = app[GATEWAY]
    watchers = [Pull(gateway, channel) for channel in gateway.channels.values() if _is_asked(channel)]
    kinds = (Flow, Fetching, Hearing, Listening, Outbox, Leases, Housekeeping, Linking, Reloading)
    own: tuple[Worker, ...] = tuple(kind(gateway) for kind in kinds)
    phones = [channel for channel in gateway.channels.values() if isinstance(channel, Phone)]
    lines = [AudioSocket(app[CALLS], phone) for phone in phones if phone.audiosocket]
    wakes = [gateway.wake] if isinstance(gateway.wake, Worker) else []
    jobs: tuple[Worker, ...] = (*wakes, *own, *watchers, *lines, *([app[CALLS]] if phones else []))
    workers = [asyncio.create_task(_kept_running(job)) for job in jobs]
    yield
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


def _is_asked(channel: Channel) -> TypeGuard[PullChannel]:
    """Whether a watcher has to ask the platform of this account."""
    if isinstance(channel, PushesOrPulls):
        return channel.pulling
    return isinstance(channel, PullChannel)


@runtime_checkable
class Worker(Protocol):
    """Something that works as long as the application lives."""

    async def run(self) -> None: ...


async def _kept_running(worker: Worker) -> None:
    """A worker that falls over is started again: what it was doing is still in the store."""
    while True:
        try:
            await worker.run()
        except Exception:  # any fault: the alternative is a gateway that takes in and never answers
            log.exception("%s fell over and starts again", type(worker).__name__)
            await asyncio.sleep(RESTART_PAUSE)


def _redis(loaded: Loaded, keys: Keys, metrics: Metrics) -> Redis | None:
    if not loaded.config.redis.url:
        return None
    try:
        from gateway.redis.parts import Redis  # its library is an extra
    except ModuleNotFoundError as err:
        problem = f"Redis needs `{err.name}`: pip install 'allears[redis]'"
        raise ConfigError(problem, file=loaded.file, line=line_of(loaded.text, "redis.url"), key="redis.url") from err
    return Redis(loaded.config.redis.url, keys, metrics)


def _pace(limits: Limits, nodes: Nodes, redis: Redis | None) -> Pace:
    return redis.pace(limits, monotonic, nodes) if redis else LocalPace(limits, monotonic, nodes=nodes)


def _channels(loaded: Loaded, keys: Keys, store: Store, redis: Redis | None) -> dict[tuple[str, str], Channel]:
    made: dict[tuple[str, str], Channel] = {}
    for name, account, settings in channel_settings(loaded):
        channel = made[name, account] = channels.load(name)(account, settings)
        if isinstance(channel, Keyed):
            channel.use_key(keys.key(f"channel {name}/{account}"))
        if isinstance(channel, Remembers):
            channel.use_memory(StoreMemory(store, name))
        if redis and isinstance(channel, SharesToken):
            channel.use_token(redis.token(f"{name}/{account}"))
    return made


def _sinks(loaded: Loaded) -> dict[str, Sink]:
    made: dict[str, Sink] = {}
    for name, kind, settings in sink_settings(loaded):
        sink = sinks.load(kind)(name, settings)
        if isinstance(sink, sinks.KeepsFiles):
            sink.use_folder(loaded.data)
        made[name] = sink
    return made
