"""A complaint as one file that proves itself: record, revisions, conversation, journal and attachments."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec

from gateway.blobs import Blobs
from gateway.context import Gateway
from gateway.store import journal
from gateway.store.base import JournalLine

FORMAT = "allears-bundle/1"
#: Timeline lines read at once.
PAGE = 500


async def make(gateway: Gateway, number: str) -> dict[str, Any]:
    """The bundle of a case as JSON-able data. Raises :class:`NotFound`."""
    record = await gateway.store.record(number)
    files = {file.digest for file in record.arrival.attachments}
    return {
        "format": FORMAT,
        "number": number,
        "record": msgspec.to_builtins(record),
        "revisions": msgspec.to_builtins(await gateway.store.revisions(number)),
        "timeline": await _timeline(gateway, record.arrival.conversation),
        "journal": msgspec.to_builtins(await gateway.store.journal(number)),
        "attachments": {digest: await _file(gateway.blobs, digest) for digest in sorted(files)},
    }


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
    except OSError:
        return None


async def file_fault(blobs: Blobs, digest: str) -> str:
    """What is wrong with a kept file, empty when it is as it was received."""
    try:
        found = hashlib.sha256(await blobs.read(digest)).hexdigest()
    except OSError:
        return "missing"
    return "" if found == digest else "changed"


def verify(bundle: dict[str, Any]) -> list[str]:
    """Check a bundle offline: format, hash chain, attachments. Returns the faults, none when it is whole."""
    if bundle.get("format") != FORMAT:
        return [f"not a bundle of the format {FORMAT}"]
    faults = []
    if fault := journal.verify(msgspec.convert(bundle["journal"], tuple[JournalLine, ...])):
        faults.append(f"journal: {fault}")
    for digest, content in bundle["attachments"].items():
        if content is None:
            faults.append(f"attachment {digest}: missing")
        elif hashlib.sha256(base64.b64decode(content)).hexdigest() != digest:
            faults.append(f"attachment {digest}: changed")
    return faults
