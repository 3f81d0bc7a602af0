"""Sealed files: unreadable where they lie, no byte can be changed unnoticed, and what lay there before stays readable."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.blobs import Blobs, Damaged, WrongKey
from gateway.blobs.sealing import CHUNK, HEADER, SEALED_CHUNK, TAG
from gateway.store.base import NotFound
from tests.blobs.places import made, names

MB = 1024 * 1024
SIZE = 2 * CHUNK + 1000


@pytest.fixture
def sealed(tmp_path: Path) -> Blobs:
    return made("disk-sealed", tmp_path / "blobs")


async def lying(blobs: Blobs) -> Path:
    (name,) = await names(blobs)
    return blobs.folder / name


async def test_nothing_of_a_file_can_be_read_where_it_lies(sealed: Blobs) -> None:
    words = b"my card is 4111 1111 1111 1111\n" * 10_000
    kept = await sealed.put(words, name="a", type="", limit=MB)
    assert kept.digest == hashlib.sha256(words).hexdigest(), "the rows know it by its plain bytes"
    path = await lying(sealed)
    raw = path.read_bytes()
    assert b"4111" not in raw
    assert kept.digest not in str(path)
    assert kept.digest[2:20] not in str(path)
    assert len(raw) == len(words) + HEADER + -(-len(words) // CHUNK) * TAG


async def test_nor_while_it_comes_in(sealed: Blobs) -> None:
    seen: list[bytes] = []

    async def words() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"my card is 4111 1111 1111 1111\n" * 10_000
            seen.extend(path.read_bytes() for path in (sealed.folder / "tmp").iterdir())

    await sealed.put(words(), name="a", type="", limit=10 * MB)
    assert max(map(len, seen)) > MB
    assert not any(b"4111" in raw for raw in seen)


async def test_the_same_file_is_one_and_sealed_anew_each_time(sealed: Blobs, tmp_path: Path) -> None:
    other = made("disk-sealed", tmp_path / "other")
    for blobs in (sealed, sealed, other):
        await blobs.put(b"twice", name="a", type="", limit=10)
    assert await names(sealed) == await names(other), "one name, so that it is found again"
    assert (await lying(sealed)).read_bytes() != (await lying(other)).read_bytes()


async def test_another_installation_has_other_names(sealed: Blobs, tmp_path: Path) -> None:
    other = made("disk-sealed", tmp_path / "other", secret="y" * 40)
    for blobs in (sealed, other):
        await blobs.put(b"known to all", name="a", type="", limit=20)
    assert await names(sealed) != await names(other)


@pytest.mark.parametrize("at", [0, 9, 45, 60, HEADER, HEADER + CHUNK, HEADER + SEALED_CHUNK + 5, -1])
async def test_a_changed_byte_is_noticed(at: int, sealed: Blobs) -> None:
    kept = await sealed.put(os.urandom(SIZE), name="a", type="", limit=MB)
    path = await lying(sealed)
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)
    with pytest.raises(Damaged):
        await sealed.read(kept.digest)


@pytest.mark.parametrize("length", [0, 10, HEADER, HEADER + SEALED_CHUNK, HEADER + 2 * SEALED_CHUNK, -1])
async def test_a_cut_file_is_noticed_whole_and_in_parts(length: int, sealed: Blobs) -> None:
    kept = await sealed.put(os.urandom(SIZE), name="a", type="", limit=MB)
    path = await lying(sealed)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(Damaged):
        await sealed.read(kept.digest)

    async def end() -> bytes:
        file = await sealed.find(kept.digest)
        assert file.size == SIZE
        return b"".join([piece async for piece in file.pieces(SIZE - 10)])

    with pytest.raises(Damaged):
        await end()


async def test_chunks_stay_in_their_place(sealed: Blobs) -> None:
    kept = await sealed.put(os.urandom(3 * CHUNK), name="a", type="", limit=MB)
    path = await lying(sealed)
    raw = path.read_bytes()
    first, second = raw[HEADER : HEADER + SEALED_CHUNK], raw[HEADER + SEALED_CHUNK : HEADER + 2 * SEALED_CHUNK]
    path.write_bytes(raw[:HEADER] + second + first + raw[HEADER + 2 * SEALED_CHUNK :])
    file = await sealed.find(kept.digest)
    with pytest.raises(Damaged):
        await anext(file.pieces(5, 10))


async def test_no_file_stands_in_for_another(sealed: Blobs) -> None:
    one = await sealed.put(b"one" * 100, name="a", type="", limit=MB)
    path = await lying(sealed)
    raw = path.read_bytes()
    path.unlink()
    two = await sealed.put(b"two" * 100, name="a", type="", limit=MB)
    (await lying(sealed)).write_bytes(raw)
    with pytest.raises(Damaged):
        await sealed.find(two.digest)
    with pytest.raises(NotFound):
        await sealed.find(one.digest)


@pytest.mark.parametrize("where", ["disk", "moto"])
async def test_switched_on_and_off_again(where: str, tmp_path: Path) -> None:
    prefix = f"t/{secrets.token_hex(8)}"
    plain = made(where, tmp_path / "blobs", prefix=prefix)
    early = await plain.put(b"early", name="a", type="", limit=10)
    on = made(f"{where}-sealed", tmp_path / "blobs", prefix=prefix)
    assert await on.read(early.digest) == b"early"
    late = await on.put(b"late", name="a", type="", limit=10)
    again = await on.put(b"early", name="a", type="", limit=10)
    assert again.digest == early.digest
    off = made(where, tmp_path / "blobs", prefix=prefix)
    assert await off.read(late.digest) == b"late"
    await off.remove(early.digest)
    assert len(await names(off)) == 1, "it lay there plain and sealed"
    for blobs in (plain, on, off):
        with pytest.raises(NotFound):
            await blobs.read(early.digest)
        await blobs.close()


@pytest.mark.parametrize("where", ["disk", "moto"])
async def test_another_secret_is_told_at_once(where: str, tmp_path: Path) -> None:
    prefix = f"t/{secrets.token_hex(8)}"
    right = made(f"{where}-sealed", tmp_path / "blobs", prefix=prefix)
    kept = await right.put(b"sealed", name="a", type="", limit=10)
    for kind in (f"{where}-sealed", where):
        wrong = made(kind, tmp_path / "blobs", prefix=prefix, secret="y" * 40)
        with pytest.raises(WrongKey, match="another `secret`"):
            await wrong.check()
        with pytest.raises(WrongKey):
            await wrong.read(kept.digest)
        await wrong.close()
    wrong = made(f"{where}-sealed", tmp_path / "blobs", prefix=prefix, secret="y" * 40)
    with pytest.raises(WrongKey):
        await wrong.put(b"more", name="a", type="", limit=10)
    assert await right.read(kept.digest) == b"sealed"
    await wrong.close()
    await right.close()


async def test_a_part_reads_only_its_chunks(tmp_path: Path) -> None:
    blobs = made("disk-sealed", tmp_path / "blobs")
    data = os.urandom(20 * CHUNK)
    kept = await blobs.put(data, name="a", type="", limit=2 * MB)
    path = await lying(blobs)
    raw = bytearray(path.read_bytes())
    raw[HEADER : HEADER + 9 * SEALED_CHUNK] = bytes(9 * SEALED_CHUNK)
    path.write_bytes(raw)
    file = await blobs.find(kept.digest)
    part = b"".join([piece async for piece in file.pieces(10 * CHUNK - 3, 11 * CHUNK + 3)])
    assert part == data[10 * CHUNK - 3 : 11 * CHUNK + 3]


@given(size=st.integers(1, 5 * CHUNK), first=st.floats(0, 1), second=st.floats(0, 1))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_part_of_any_size(size: int, first: float, second: float, tmp_path: Path) -> None:
    blobs = made("disk-sealed", tmp_path / "blobs")
    data = os.urandom(size)
    kept = await blobs.put(data, name="a", type="", limit=MB)
    start, stop = sorted((int(first * (size - 1)), int(second * size)))
    file = await blobs.find(kept.digest)
    if start < stop:
        assert b"".join([piece async for piece in file.pieces(start, stop)]) == data[start:stop]
