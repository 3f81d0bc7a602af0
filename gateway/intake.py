"""The durable front door: what came in is written, and only then may anyone say so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from channels.base import Accepted, Attachment, Inbound, LocalFile, Memo
from gateway import wake
from gateway.blobs import PIECE
from gateway.context import Gateway
from gateway.delivered import told
from gateway.tracing import cause

#: A message of more characters is cut in the view; the whole text is kept as a file beside it.
CUT_MARK = " […]"
#: Events of more bytes are kept as a file, not in their row.
RAW_ROW = 256 * 1024


async def accept(
    gateway: Gateway,
    messages: Sequence[Inbound],
    *,
    received_at: datetime,
    cursor: tuple[str, str, str] | None = None,
    memos: tuple[str, Sequence[Memo]] | None = None,
    lease: tuple[str, int] | None = None,
) -> tuple[Accepted, ...]:
    """Write messages (with the pull cursor and memos), all or none; when this returns they are durable.

    Files come first: they are on the disk before the transaction that names them.

    Raises:
        StoreUnavailable: nothing was written; the platform must keep its copy.
        Stale: nothing was written; another node has the ``lease`` (name, token) by now.
    """
    since = gateway.tracing.now()
    kept = [await _keep_raw(gateway, await _keep_files(gateway, message)) for message in messages]
    accepted = await gateway.store.append(kept, received_at=received_at, cursor=cursor, memos=memos, lease=lease)
    for message, done in zip(kept, accepted, strict=True):
        if message.delivery:  # a repeated one too: it may be that we ended between the two commits
            await told(gateway, message, done.conversation)
    _tell(gateway, kept, accepted, since)
    return accepted


def _tell(gateway: Gateway, messages: Sequence[Inbound], accepted: Sequence[Accepted], since: int) -> None:
    metrics = gateway.metrics
    now = gateway.clock()
    for message, done in zip(messages, accepted, strict=True):
        if done.duplicate:
            metrics.duplicates.labels(message.channel).inc()
            continue
        gateway.tracing.record(
            f"accept {message.channel}", cause(message), since, {"conversation": done.conversation}, first=True
        )
        metrics.accepted.labels(message.channel).inc()
        metrics.ingest_lag.labels(message.channel).observe(max(0.0, (now - message.at).total_seconds()))
        gateway.wake.signal(wake.conversation(done.conversation))
    gateway.wake.signal(wake.INBOX)
    if any(file.state == "pending" for message in messages for file in message.attachments):
        gateway.wake.signal(wake.FILES)


async def _keep_files(gateway: Gateway, message: Inbound) -> Inbound:
    """Put inline bytes and overlong text into files. The message survives whatever happens to its files."""
    if not message.attachments and len(message.text) <= gateway.config.limits.text:
        return message
    files = [await _keep(gateway, attachment) for attachment in message.attachments[: gateway.config.limits.files]]
    files += [
        msgspec.structs.replace(extra, data=b"", state="refused", reason="too many files in one message")
        for extra in message.attachments[gateway.config.limits.files :]
    ]
    text = message.text
    if len(text) > gateway.config.limits.text:
        whole = text.encode(errors="surrogatepass")
        files.append(await gateway.blobs.put(whole, name="full-text.txt", type="text/plain", limit=max(len(whole), 1)))
        text = text[: gateway.config.limits.text] + CUT_MARK
    return msgspec.structs.replace(message, attachments=tuple(files), text=text)


async def _keep_raw(gateway: Gateway, message: Inbound) -> Inbound:
    """A large event as it came (a mail with its files) becomes a file beside the row."""
    if len(message.raw) <= RAW_ROW:
        return message
    file = await gateway.blobs.put(
        message.raw, name="raw", type="application/octet-stream", limit=max(len(message.raw), 1)
    )
    return msgspec.structs.replace(message, raw=b"", raw_file=file.digest)


async def _keep(gateway: Gateway, attachment: Attachment) -> Attachment:
    if isinstance(attachment, LocalFile):
        pieces = pieces_of(attachment.path)
        # Nobody outside chose this file, and a long call is larger than what a stranger may send.
        limit = max(gateway.config.limits.file, gateway.config.speech.max_file)
        return await gateway.blobs.put(pieces, name=attachment.name, type=attachment.type, limit=limit)
    if not attachment.data:
        return attachment
    return await gateway.blobs.put(
        attachment.data, name=attachment.name, type=attachment.type, limit=gateway.config.limits.file
    )


async def pieces_of(path: str | Path) -> AsyncIterator[bytes]:
    """A file of this machine, piece by piece. Raises OSError."""
    with await asyncio.to_thread(open, path, "rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece
