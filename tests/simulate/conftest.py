"""The simulator as `allears simulate` runs it, without the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from channels._platforms.telegram import Telegram
from gateway.simulate.page import application


@pytest.fixture
async def platform() -> AsyncIterator[Telegram]:
    """It holds its events: no gateway runs here."""
    async with Telegram(pace=0.02) as running:
        yield running


@pytest.fixture
async def page(platform: Telegram) -> AsyncIterator[TestClient[Any, Any]]:
    server = TestServer(application({"telegram": platform}, "http://127.0.0.1:8080"), host="127.0.0.1")
    async with TestClient(server) as client:
        yield client
