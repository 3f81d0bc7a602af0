"""The whole gateway offline, with every simulated platform on, from the configuration that the simulator writes."""

from __future__ import annotations

import asyncio
import contextlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from channels._platforms.base import ACTS, FAULTS, Platform, load
from gateway import config
from gateway.app import application, assemble
from gateway.cli.main import main
from gateway.context import GATEWAY
from gateway.simulate.platforms import ACCOUNT, Running, names, toml, whole
from tests.ports import free_port

SECONDS = 60.0


async def _answered(platforms: dict[str, Platform]) -> list[str]:
    """Customers write until they have seen something of ours; the platforms where they have not.

    They write again because a platform with a connection delivers nothing from before the first one.
    """
    waiting = list(platforms)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            while waiting:
                for name in waiting:
                    await platforms[name].say("我买的灯笼是坏的，订单 20261118-0042，我要退款", person="王芳")
                for _ in range(60):
                    await asyncio.sleep(0.05)
                    waiting = [name for name in waiting if not platforms[name].sent]
                    if not waiting:
                        break
    return waiting


async def test_every_platform_gets_an_answer(tmp_path: Path) -> None:
    port = free_port()
    async with Running(names(), gateway=f"http://127.0.0.1:{port}") as running:
        file = tmp_path / "allears.toml"
        file.write_text(whole(running.tables(), f"127.0.0.1:{port}"))
        loaded = config.load(file, env={})
        app = application(assemble(loaded))
        async with TestServer(app, port=port, host="127.0.0.1"):
            assert {name for name, account in app[GATEWAY].channels if account == ACCOUNT} == set(running.platforms)
            assert await _answered(running.platforms) == []


@pytest.mark.parametrize("value", ['a"b\\c', "你好\n", True, 3, 0.5, ["a", "b"], {"k": {"x": "y"}}, {"a b": [1]}])
def test_settings_survive_the_way_through_toml(value: Any) -> None:
    assert tomllib.loads(f"x = {toml(value)}")["x"] == value


def test_the_command_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "carrier-pigeon"]) == 1
    assert "telegram" in capsys.readouterr().err
    assert main(["simulate"]) == 1


def test_the_page_has_words_for_every_fault_and_in_every_language() -> None:
    words = (Path(__file__).parents[2] / "gateway/simulate/static/words.js").read_text("utf-8")
    for fault in FAULTS:
        assert len(re.findall(rf"\b{fault}: \"", words)) == 3, f"words.js lacks `{fault}` in a language"


@pytest.mark.parametrize("name", names())
def test_every_act_has_its_words(name: str) -> None:
    platform = load(name)
    missing = [act for act in platform.acts if act not in {**ACTS, **platform.act_words}]
    assert not missing, f"{platform.__name__}.act_words lacks {missing}"
