"""The settings end in a house that has Redis, and one without says what is missing."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import config
from gateway.app import assemble
from gateway.cli.main import main
from gateway.redis.wake import RedisWake
from gateway.wake import SURE
from tests.redis.conftest import eventually
from tests.servers.redis import Redis

WECOM = """
[channels.wecom.main]
corp_id = "ww1"
secret = "s"
open_kfid = "wk1"
token = "t"
aes_key = "%s"
""" % ("a" * 43)


def settings(folder: Path, url: str, more: str = "") -> Path:
    file = folder / "allears.toml"
    file.write_text(f'secret = "{"s" * 40}"\n[redis]\nurl = "{url}"\n{more}', encoding="utf-8")
    return file


async def test_a_house_with_redis(server: Redis, tmp_path: Path) -> None:
    gateway = assemble(config.load(settings(tmp_path, server.url, WECOM), env={}))
    assert isinstance(gateway.wake, RedisWake)
    worker = asyncio.create_task(gateway.wake.run())
    with gateway.wake.listen("conversation:c1"):
        await eventually(lambda: "conversation:c1" in server.run("pubsub", "channels"))
        gateway.wake.signal("inbox")
        await gateway.pace.rest("channel:wecom/main", 5)
        assert (await gateway.pace.room()).at_most == {"channel:wecom/main": 0}
        await eventually(lambda: len(server.run("keys", "*").split("\n")) == 3)
        assert all(re.match(r"allears:\{[a-z2-7]{8}\}:", key) for key in server.run("keys", "*").split("\n"))
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    await eventually(lambda: "allears-" not in server.run("client", "list"))


async def test_a_house_without(tmp_path: Path) -> None:
    gateway = assemble(config.load(settings(tmp_path, ""), env={}))
    assert gateway.wake.poll == SURE


def test_check_connects(server: Redis, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = settings(tmp_path, server.url)
    assert main(["check", "--connect", "--config", str(file)]) == 0
    assert re.search(r"redis\W+answers", capsys.readouterr().out)
    server.kill()
    assert main(["check", "--connect", "--config", str(file)]) == 1
    assert "redis: ConnectionError" in capsys.readouterr().out


def test_check_says_what_is_wrong_with_the_url(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(settings(tmp_path, "redis+sentinel://:word@a"))]) != 0
    said = capsys.readouterr().err
    assert "allears.toml:2: redis: the name that the Sentinels have" in said
    assert "word" not in said


def test_the_extra_is_named_where_its_library_is_missing(tmp_path: Path) -> None:
    file = settings(tmp_path, "redis://localhost")
    program = f"""
import sys
sys.modules["redis"] = None
from gateway.cli.main import main
sys.exit(main(["check", "--config", {str(file)!r}]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.returncode != 0
    assert "pip install 'allears[redis]'" in done.stderr
