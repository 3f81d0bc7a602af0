"""Who may see the figures: names of accounts, what is sick, how many complaints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config import ConfigError, load

TOKEN = "a-token-for-who-watches-0123456789"


@pytest.mark.parametrize("proxy", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
async def test_who_a_proxy_brings_learns_whether_we_are_ready_and_nothing_else(opening: Any, proxy: str) -> None:
    async with opening() as house:
        assert (await house.call("GET", "/metrics"))[0] == 200
        house.gateway.metrics.stopped("send:api/main", "who-am-i")
        assert "who-am-i" in str((await house.call("GET", "/readyz"))[1])
        status, body, headers = await house.call("GET", "/metrics", headers={proxy: "127.0.0.1"})
        assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "allears_" not in str(body)
        assert (await house.call("GET", "/readyz", headers={proxy: "127.0.0.1"}))[:2] == (200, {"status": "ready"})
        await house.gateway.store.close()
        status, body, _ = await house.call("GET", "/readyz", headers={proxy: "127.0.0.1"})
        assert (status, "store" in str(body)) == (503, False)
        await house.gateway.store.open()


async def test_behind_a_trusted_proxy_the_last_address_counts(opening: Any) -> None:
    async with opening("trust_proxy = true\n") as house:
        assert (await house.call("GET", "/metrics", headers={"X-Forwarded-For": "127.0.0.1, 203.0.113.9"}))[0] == 401
        assert (await house.call("GET", "/metrics", headers={"X-Forwarded-For": "nonsense"}))[0] == 401
        assert (await house.call("GET", "/metrics"))[0] == 200


async def test_with_a_token_nothing_else_counts(opening: Any) -> None:
    async with opening(f'watch_token = "{TOKEN}"\n') as house:
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert (await house.call("GET", "/metrics", headers=right | {"X-Forwarded-For": "203.0.113.9"}))[0] == 200
        for wrong in ({}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": "Bearer "}, {"Authorization": "ü"}):
            assert (await house.call("GET", "/metrics", headers=wrong))[0] == 401
        assert TOKEN not in repr(house.gateway.config)


def test_a_short_token_is_refused(tmp_path: Path) -> None:
    (tmp_path / "allears.toml").write_text(f'secret = "{"x" * 32}"\nwatch_token = "short"\n')
    with pytest.raises(ConfigError, match="at least 32 characters"):
        load(tmp_path / "allears.toml", env={})
