from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.tools import GatewayTools


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    made = Egress(["127.0.0.0/8"])
    yield made
    await made.close()


@pytest.fixture
def tools(tmp_path: Path, egress: Egress) -> GatewayTools:
    return GatewayTools(egress, Blobs(tmp_path / "blobs"))
