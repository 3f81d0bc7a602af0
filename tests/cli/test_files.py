"""Attachments in a bucket as an operator meets them: checked, served, exported, erased, and kept when the bucket is away."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import config
from gateway.app import assemble
from tests.blobs.places import names
from tests.cli.conftest import Shell
from tests.servers import s3


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    made = Shell(tmp_path, capsys)
    made.init()
    with made.config.open("a") as file:
        file.write("\n" + s3.server("moto").table(prefix=f"t/{secrets.token_hex(8)}", encrypt=True))
    yield made
    made.stop()


def kept(shell: Shell) -> list[str]:
    async def look() -> list[str]:
        blobs = assemble(config.load(shell.config, env={})).blobs
        try:
            return await names(blobs)
        finally:
            await blobs.close()

    return asyncio.run(look())


def test_a_day_with_a_bucket(shell: Shell) -> None:
    said = shell.run("check", "--connect", "--json")
    (found,) = [row for row in said.rows if row["what"] == "files"]
    assert (found["ok"], "in the bucket letters" in found["detail"], "sealed" in found["detail"]) == (True, True, True)
    shell.serve()
    number = shell.until_number(
        shell.say("My lamp arrived broken, I want my money back.", "ann@example.org", file=True)
    )
    assert len(kept(shell)) == 1
    assert not list((shell.folder / "data" / "blobs").glob("??/*"))
    said = shell.run("export", number, "--to", str(shell.folder / "out"))
    assert "aGVsbG8gd29ybGQ=" in (shell.folder / "out" / f"{number}.json").read_text()
    assert shell.run("audit", "--journals", "--json").rows == [{"checked": 1, "faults": 0}]
    assert shell.run("erase", "ann@example.org", "--yes", "--json").rows[0]["erased"]
    assert kept(shell) == []
    shell.stop()
    assert shell.run("audit", "--journals", "--json").rows == [{"checked": 1, "faults": 0}]


def test_another_secret_and_a_wrong_bucket_are_told(shell: Shell) -> None:
    shell.serve()
    shell.until_number(shell.say("My lamp arrived broken, I want my money back.", "ann@example.org", file=True))
    shell.stop()
    text = shell.config.read_text()
    secret = next(line for line in text.splitlines() if line.startswith("secret = "))
    shell.config.write_text(text.replace(secret, f'secret = "{"z" * 43}"'))
    said = shell.run("check", "--connect", "--json")
    (found,) = [row for row in said.rows if row["what"] == "files"]
    assert not found["ok"]
    assert "another `secret`" in found["detail"]
    said = shell.process("serve")
    assert (said.status, "another `secret`" in said.err) == (1, True)
    shell.config.write_text(text.replace('bucket = "letters"', 'bucket = "lettres"'))
    said = shell.run("check", "--connect", "--json")
    (found,) = [row for row in said.rows if row["what"] == "files"]
    assert (said.status, found["ok"], "NoSuchBucket" in found["detail"]) == (1, False, True)
