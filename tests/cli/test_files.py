"""Attachments in a bucket as an operator meets them: checked, served, exported, erased, and kept when the bucket is away."""

from __future__ import annotations

import asyncio
import secrets
import shutil
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


def test_files_are_copied_into_a_bucket_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a folder that was sealed half-way, as a company does that outgrows its machine; then home again."""
    shell = Shell(tmp_path / "one", capsys)
    shell.init()
    plain = shell.config.read_text()

    def put(word: bytes) -> str:
        async def go() -> str:
            blobs = assemble(config.load(shell.config, env={})).blobs
            return (await blobs.put(word * 100_000, name="a", type="", limit=10**7)).digest

        return asyncio.run(go())

    digests = {put(b"early"), put(b"before")}
    shell.config.write_text(f"{plain}\n[files]\nencrypt = true\n")
    digests |= {put(b"late"), put(b"later"), put(b"last")}
    assert shell.run("files", "copy", "--to", "bucket").status == 1, "there is no bucket yet"
    shell.config.write_text(plain + "\n" + s3.server("moto").table(prefix=f"t/{secrets.token_hex(8)}", encrypt=True))
    assert shell.run("files", "copy", "--to", "bucket", "--json").rows == [{"copied": 5, "there": 0}]
    assert shell.run("files", "copy", "--to", "bucket", "--json").rows == [{"copied": 0, "there": 5}]
    assert len(kept(shell)) == 5
    shutil.rmtree(shell.folder / "data" / "blobs")

    async def read() -> None:
        blobs = assemble(config.load(shell.config, env={})).blobs
        for digest in digests:
            assert await blobs.read(digest)
        await blobs.close()

    asyncio.run(read())
    assert shell.run("files", "copy", "--to", "folder", "--json").rows == [{"copied": 5, "there": 0}]
    assert not list((shell.folder / "data" / "blobs" / "tmp").iterdir())
    shell.config.write_text(plain)
    asyncio.run(read())


def test_files_of_two_secrets_are_not_mixed(shell: Shell, tmp_path: Path) -> None:
    mark = shell.folder / "data" / "blobs" / "sealed-with"
    assert shell.run("files", "copy", "--to", "bucket", "--json").rows == [{"copied": 0, "there": 0}]
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text("a" * 26 + "\n")
    assert shell.run("files", "copy", "--to", "bucket").status == 0
    mark.write_text("b" * 26 + "\n")
    said = shell.run("files", "copy", "--to", "bucket")
    assert (said.status, "different secrets" in said.err) == (1, True)


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
