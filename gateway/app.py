"""The house put together: configuration in, a running application out."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING

from aiohttp import web

from channels import base as channels
from channels.base import Channel, Keyed, Remembers, Secret, SharesToken
from gateway.blobs import WrongKey
from gateway.blobs.configured import configured
from gateway.calendar import Calendar
from gateway.calls import CALLS
from gateway.config import ConfigError, Loaded, channel_settings, line_of, sink_settings, system_settings
from gateway.context import GATEWAY, Gateway, utc_now
from gateway.egress import Egress
from gateway.keys import Keys
from gateway.library import read_knowledge, read_rules
from gateway.memory import StoreMemory
from gateway.metrics import Metrics
from gateway.pace import Limits, LocalPace, Nodes, Pace
from gateway.singular import Worker
from gateway.sinks import base as sinks
from gateway.sinks.base import Sink
from gateway.store.base import Store, StoreUnavailable
from gateway.stores import store_of
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
from gateway.workers import kept_running, workers

if TYPE_CHECKING:
    from gateway.redis.parts import Redis

log = logging.getLogger(__name__)

#: Seconds that the start waits for the place of the attachments.
FILES_PATIENCE = 10.0

#: The areas of the web server; the doors come from the configured channels, the pages for watchers are on every node.
AREAS = (static, visitor, rest, openapi, desk, status, callbacks, control, recordings, uploads, calls)


def assemble(loaded: Loaded, *, clock: Callable[[], datetime] = utc_now, store: Store | None = None) -> Gateway:
    """Make the parts; nothing is opened yet. Raises :class:`ConfigError` or :class:`KnowledgeError`."""
    config = loaded.config
    Calendar(config.company)  # a calendar that cannot be read must stop the start, not the first complaint
    keys = Keys(Secret(config.secret))
    store = store or store_of(loaded, clock)
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
    """The application around a gateway's parts: what its roles say."""
    app = web.Application(client_max_size=gateway.config.limits.body)
    app[GATEWAY] = gateway
    problems.install(app)
    if "web" in gateway.config.node.roles:
        _serve_the_web(app)
    app.add_routes(health.routes())
    app.cleanup_ctx.append(_opened)
    app.cleanup_ctx.append(_carrying)
    app.cleanup_ctx.append(_working)
    return app


def _serve_the_web(app: web.Application) -> None:
    app.add_routes(doors.routes(app[GATEWAY]))
    visitor.setup(app)
    desk.setup(app)
    uploads.setup(app)
    calls.setup(app)
    for area in AREAS:
        app.add_routes(area.routes())


def watch_application(gateway: Gateway) -> web.Application:
    """The pages for machines that watch, alone, beside a gateway that runs."""
    app = web.Application()
    app[GATEWAY] = gateway
    problems.install(app)
    app.add_routes(health.routes())
    return app


async def _opened(app: web.Application) -> AsyncIterator[None]:
    gateway = app[GATEWAY]
    await gateway.store.open()
    await _look_at_the_files(gateway)
    yield
    await gateway.blobs.close()
    await gateway.egress.close()
    await gateway.store.close()
    await asyncio.to_thread(gateway.tracing.close)


async def _look_at_the_files(gateway: Gateway) -> None:
    """A place that is away may come back; with the wrong key every file that comes in would be lost. Raises :class:`WrongKey`."""
    try:
        async with asyncio.timeout(FILES_PATIENCE):
            await gateway.blobs.check()
    except WrongKey:
        await gateway.blobs.close()
        await gateway.store.close()
        raise
    except (StoreUnavailable, TimeoutError) as err:
        log.warning("files: not there yet: %s", err or "no answer")


async def _carrying(app: web.Application) -> AsyncIterator[None]:
    """A wake that others hear runs longer than the workers: what they leave behind is the others' work."""
    wake = app[GATEWAY].wake
    running = [asyncio.create_task(kept_running(wake))] if isinstance(wake, Worker) else []
    yield
    for worker in running:
        worker.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def _working(app: web.Application) -> AsyncIterator[None]:
    running = [asyncio.create_task(kept_running(job)) for job in workers(app[GATEWAY], app.get(CALLS))]
    yield
    for worker in running:
        worker.cancel()
    await asyncio.gather(*running, return_exceptions=True)


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
