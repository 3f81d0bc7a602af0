"""``/healthz`` (the process answers), ``/readyz`` (it can take messages; names the sick part) and ``/metrics``.

Figures, accounts and errors are for who watches: callers on this machine, or with ``watch_token``.
"""

from __future__ import annotations

import asyncio
import hmac
import shutil
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from aiohttp import web

from gateway.context import GATEWAY, Gateway
from gateway.metrics import CONTENT_TYPE, Part
from gateway.store.base import StoreError
from gateway.web.doors import remote
from gateway.web.problems import ProblemError, problem

#: Free bytes below which nothing more should be sent here.
MIN_FREE = 200 * 1024 * 1024
#: Seconds the store may take to say that it lives.
PATIENCE = 5.0
#: What proxies add.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


def routes() -> list[web.AbstractRouteDef]:
    """The three pages for machines that watch."""
    return [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)]


async def healthz(request: web.Request) -> web.Response:  # noqa: ARG001
    """The event loop turns; a supervisor restarts what does not answer this."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """200 while messages can be taken and worked on, else 503 with the sick parts.

    A stopped channel account or sink is named under ``stopped`` and does not make the whole sick: taking the gateway
    out of service would not help it and would silence all others. A stranger is told no names.
    """
    gateway = request.app[GATEWAY]
    watches = _watches(request, gateway)
    parts = [part for part in gateway.metrics.parts() if part.trouble]
    sick = [await _store(gateway), *_disk(gateway.blobs.folder), *(p for p in parts if p.name.startswith("worker:"))]
    troubles = {part.name: part.trouble for part in sick if part.trouble}
    stopped = {part.name: part.trouble for part in parts if part.name not in troubles}
    if gateway.blobs.trouble:  # words are taken all the same, and the other nodes have the same trouble
        stopped["files"] = gateway.blobs.trouble
    if gateway.draining:
        return problem(503, "Not ready", "It stops.")
    if not watches:
        return problem(503, "Not ready") if troubles else web.json_response({"status": "ready"})
    if not troubles:
        pulls = gateway.metrics.pulls()
        return web.json_response(
            {"status": "degraded" if stopped else "ready", "stopped": stopped} | ({"intake": pulls} if pulls else {})
        )
    return problem(503, "Not ready", f"Sick: {', '.join(troubles)}.", parts=troubles, stopped=stopped)


async def metrics(request: web.Request) -> web.Response:
    """Everything in Prometheus' text format; the rows' figures are left as they were when the store is away.

    Raises :class:`ProblemError` 401 for a stranger.
    """
    gateway = request.app[GATEWAY]
    if not _watches(request, gateway):
        why = "`/metrics` wants the bearer token `watch_token`; without one it answers on this machine alone"
        raise ProblemError(401, why, headers={"WWW-Authenticate": "Bearer"})
    try:
        gateway.metrics.read(await gateway.store.gauges(gateway.clock()))
    except StoreError:
        gateway.metrics.store_up.set(0)
    else:
        gateway.metrics.store_up.set(1)
    return web.Response(body=gateway.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})


def _watches(request: web.Request, gateway: Gateway) -> bool:
    """Whether the caller may see more than "ready". A proxy on this machine brings strangers, and says so."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if gateway.config.watch_token:
        shown = token.strip().encode(errors="surrogateescape")
        return scheme.lower() == "bearer" and hmac.compare_digest(shown, gateway.config.watch_token.encode())
    if not gateway.config.trust_proxy and any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ip_address(remote(request, gateway)).is_loopback
    except ValueError:
        return False


async def _store(gateway: Gateway) -> Part:
    try:
        async with asyncio.timeout(PATIENCE):
            await gateway.store.ping()
    except StoreError as err:
        return Part("store", str(err) or "not available")
    except TimeoutError:
        return Part("store", f"no answer within {PATIENCE:.0f} s")
    return Part("store", "")


def _disk(folder: Path) -> Iterator[Part]:
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < MIN_FREE:
        yield Part("disk", f"{free // 1024**2} MB free, {MIN_FREE // 1024**2} MB wanted")
