"""The gateway under measurement: ``python -m tests.bench.server full CONFIG`` or ``… accept CONFIG``.

``full`` is the gateway as it is served; ``accept`` is the same without its workers, so that only the way to the
committed inbox row is measured; ``sampled`` is ``full`` and tells where its time goes (:mod:`tests.bench.sampler`).
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from gateway import app as house
from gateway import config
from gateway.context import Gateway
from gateway.serve import serve
from tests.bench import sampler
from tests.bench.process import SERVER_CORE, pin


async def _idle(app: web.Application) -> AsyncIterator[None]:
    yield


async def _ready(_: Gateway) -> None:
    return None


def main(kind: str, path: str) -> None:
    pin(SERVER_CORE)
    if kind == "accept":
        house._working = _idle
    if kind == "sampled":
        sampler.install(Path(path).with_name(sampler.FIGURES))
    logging.basicConfig(level="WARNING", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(serve(config.load(Path(path)), _ready))


if __name__ == "__main__":
    main(*sys.argv[1:])
