"""Recordings that were heard while they were spoken: their transcripts are handed over where the call ran."""

from __future__ import annotations

from gateway import wake
from gateway.context import Gateway


async def settle(gateway: Gateway) -> None:
    """They need not be heard again, nor wait for others. Raises StoreError."""
    for digest, (conversation, transcript) in tuple(gateway.heard_live.items()):
        for one in await gateway.store.recordings(conversation):
            if one.digest != digest:
                continue
            if one.state == "waiting":
                await gateway.store.settle_recording(one.inbox_id, one.place, "heard", transcript=transcript)
                gateway.wake.signal(wake.INBOX)
                gateway.wake.signal(wake.LISTENING)
            gateway.heard_live.pop(digest, None)
