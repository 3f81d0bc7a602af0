"""What a call that is streamed to us says while it runs, as messages.

The first words open it, later versions of them are edits, and at hang-up one more edit brings the recording, whose transcript
takes the place of all that was understood on the way. A call in which nothing was understood is its recording alone.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from channels import _phone_call as calls
from channels.base import Attachment, Inbound


def begun(call: calls.Call, *, account: str, id: str, at: datetime, language: str) -> Inbound:
    """Somebody speaks. No words yet: those of an utterance that runs are not sure."""
    return calls.inbound(call, account=account, external_id=id, received_at=at, language=language)


def said(first: Inbound, n: int, text: str, at: datetime) -> Inbound:
    """What was said so far, as version ``n`` (from 1) of the first message."""
    whole = "\n".join(filter(None, (first.text, text)))
    return _edit(first, f"{first.external_id}/{n}", text=whole, at=at)


def over(first: Inbound, file: Attachment, at: datetime, *, opened: bool) -> Inbound:
    """The call is over; ``opened`` says whether its first message is there."""
    id = f"{first.external_id}/end"
    if not opened:
        return msgspec.structs.replace(first, external_id=id, attachments=(file,))
    return _edit(first, id, attachments=(file,), at=at)


def _edit(first: Inbound, id: str, **more: object) -> Inbound:
    made: Inbound = msgspec.structs.replace(first, external_id=id, kind="edit", refers_to=first.external_id, **more)
    return made
