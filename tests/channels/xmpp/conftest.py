from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.importorskip("slixmpp", reason="the extra `xmpp` is not installed")

from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.tools import GatewayTools


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[GatewayTools]:
    egress = Egress(["127.0.0.0/8", "::1/128"])
    yield GatewayTools(egress, Blobs(tmp_path / "blobs"))
    await egress.close()
