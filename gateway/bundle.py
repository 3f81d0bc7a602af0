"""A complaint as one file that proves itself: record, revisions, conversation, journal and attachments."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.blobs import Blobs, Damaged
from gateway.context import Gateway
from gateway.store import journal
from gateway.store.base import JournalLine, NotFound

FORMAT = "allears-bundle/1"
#: Timeline lines read at once.
PAGE = 500


async def make(gateway: Gateway, number: str) -> dict[str, Any]:
    """The bundle of a case as JSON-able data. Raises :class:`NotFound`."""
    record = await gateway.store.record(number)
    files = {file.digest for file in record.arrival.attachments if file.digest}  # none: refused, or erased since
    content = {
        "format": FORMAT,
        "number": number,
        "record": msgspec.to_builtins(record),
        "revisions": msgspec.to_builtins(await gateway.store.revisions(number)),
        "timeline": await _timeline(gateway, record.arrival.conversation),
        "journal": msgspec.to_builtins(await gateway.store.journal(number)),
        "attachments": {digest: await _file(gateway.blobs, digest) for digest in sorted(files)},
    }
    return content | {"seal": seal(content)}


def seal(content: Mapping[str, Any]) -> str:
    """sha256 over all that a bundle holds. Who keeps it apart from the bundle can tell any change, a skilful one too."""
    # As JSON once and back, so that what was written and what is read are the same plain values.
    plain = msgspec.json.decode(msgspec.json.encode({name: value for name, value in content.items() if name != "seal"}))
    return hashlib.sha256(journal.canonical(plain)).hexdigest()


async def _timeline(gateway: Gateway, conversation: str) -> list[Any]:
    lines: list[Any] = []
    after = 0
    while page := await gateway.store.timeline(conversation, after=after, limit=PAGE):
        lines += msgspec.to_builtins(page)
        after = page[-1].seq
    return lines


async def _file(blobs: Blobs, digest: str) -> str | None:
    try:
        return base64.b64encode(await blobs.read(digest)).decode()
    except NotFound:
        return None


async def file_fault(blobs: Blobs, digest: str) -> str:
    """What is wrong with a kept file, empty when it is as it was received. Raises StoreUnavailable."""
    try:
        async for _ in (await blobs.find(digest)).pieces():
            pass
    except Damaged:
        return "changed"
    except NotFound:
        return "missing"
    return ""


class _Proof(msgspec.Struct):
    """What of a bundle is checked piece by piece."""

    journal: tuple[JournalLine, ...]
    attachments: dict[str, str | None]
    seal: str = ""


def verify(bundle: dict[str, Any]) -> list[str]:
    """Check a bundle offline: format, seal, hash chain, attachments. Returns the faults, none when it is whole."""
    if bundle.get("format") != FORMAT:
        return [f"not a bundle of the format {FORMAT}"]
    try:
        proof = msgspec.convert(bundle, _Proof)
    except msgspec.ValidationError as err:
        return [f"not a whole bundle: {err}"]
    faults = [] if proof.seal == seal(bundle) else ["seal: something in it was changed"]
    if fault := journal.verify(proof.journal):
        faults.append(f"journal: {fault}")
    for digest, content in proof.attachments.items():
        if content is None:
            faults.append(f"attachment {digest}: missing")
        elif not _is_of(content, digest):
            faults.append(f"attachment {digest}: changed")
    return faults


def _is_of(content: str, digest: str) -> bool:
    try:
        return hashlib.sha256(base64.b64decode(content, validate=True)).hexdigest() == digest
    except ValueError:
        return False
