"""The house with its attachments in a bucket, sealed: what needs a path gets one, what proves is proven, what is erased is gone."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from gateway import config
from gateway.config import ConfigError
from gateway.listening import Listening
from gateway.operations import perform
from tests.blobs.places import names, torn
from tests.gateway.conftest import CONFIG
from tests.gateway.test_hearing import Scene, scene
from tests.servers import s3

__all__ = ["scene"]


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "allears.toml"
    table = s3.server("moto").table(prefix=f"t/{secrets.token_hex(8)}", encrypt=True)
    path.write_text(CONFIG.replace("{token}", "0" * 64) + table)
    return path


async def test_a_recording_in_a_bucket_is_heard_copied_proven_and_erased(scene: Scene) -> None:
    gateway = scene.gateway
    conversation = await scene.send("en_number")
    await scene.work()
    (recording,) = await scene.recordings(conversation)
    assert recording.state == "heard"
    assert await Listening(gateway).step() == 1
    (recording,) = await scene.recordings(conversation)
    assert len(await gateway.blobs.read(recording.copy)) > 1000
    assert len(await names(gateway.blobs)) == 2
    assert torn(gateway.blobs) == []
    assert not list(gateway.blobs.folder.glob("??/*")), "nothing lies on this machine"
    assert await perform(gateway, "audit-journals", {}) == [{"checked": 1, "faults": 0}]
    number = (await gateway.store.conversation(conversation)).number
    (bundle,) = await perform(gateway, "export", {"numbers": [number]})
    assert bundle["attachments"][recording.digest]
    (erased,) = await perform(gateway, "erase", {"person": "t", "yes": True})
    assert erased["files"] == 2
    assert await names(gateway.blobs) == []
    await gateway.blobs.close()


async def test_a_bucket_that_is_away_loses_no_recording(scene: Scene) -> None:
    """What cannot be fetched now is no file that cannot be heard."""
    gateway = scene.gateway
    conversation = await scene.send("en_number")
    while await scene.flow.step():
        pass
    gateway.blobs._place._patience = 0.5  # type: ignore[attr-defined]
    s3.server("moto").freeze()
    try:
        await scene.hearing.step()
        await scene.hearing.idle()
    finally:
        s3.server("moto").thaw()
    assert [one.state for one in await scene.recordings(conversation)] == ["waiting"]
    gateway.blobs._place._patience = 20  # type: ignore[attr-defined]
    await scene.work()
    assert [one.state for one in await scene.recordings(conversation)] == ["heard"]
    await gateway.blobs.close()


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('endpoint = "http://minio:9000"', "`endpoint` is for a store with a `bucket`"),
        ('region = "eu-west-1"', "`region` is for a store with a `bucket`"),
        ('bucket = "b_c"', "no bucket's name"),
        ('bucket = "letters"\naccess_key = "a"', "go together"),
        ('bucket = "letters"\nsecret_key = "a"', "go together"),
        ('bucket = "letters"\nendpoint = "minio:9000"', "no endpoint"),
        ('bucket = "letters"\nendpoint = "https://a:b@minio"', "no endpoint"),
        ('bucket = "letters"\nendpoint = "https://minio/letters"', "no endpoint"),
        ('bucket = "letters"\nprefix = "../x"', "`prefix` has"),
        ('bucket = "letters"\nprefix = "/x"', "`prefix` has"),
        ('bukket = "letters"', "there is no such key"),
        ('bucket = "letters"\naddressing = "dns"', "dns"),
    ],
)
def test_half_a_configuration_is_told(table: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "allears.toml"
    path.write_text(f'secret = "{"0" * 40}"\n\n[files]\n{table}\n')
    with pytest.raises(ConfigError, match=r"allears\.toml:[3-5]: files") as told_so:
        config.load(path, env={})
    assert told in str(told_so.value)


def test_keys_come_from_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "allears.toml"
    path.write_text(f'secret = "{"0" * 40}"\n\n[files]\nbucket = "letters"\n')
    env = {"ALLEARS_FILES__ACCESS_KEY": "key", "ALLEARS_FILES__SECRET_KEY": "hidden"}
    files = config.load(path, env=env).config.files
    assert (files.access_key, files.secret_key) == ("key", "hidden")
    assert "hidden" not in repr(files)
