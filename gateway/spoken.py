"""What a message's recordings add to it, once they are heard: its words for the bot, its facts for the record."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from channels.base import Attachment, Channel, RecordsCalls
from gateway.covering import covered
from gateway.store.base import WorkItem
from normalizer.record import ComplaintRecord, EvidenceFile
from transcription.base import Transcript, said_by

#: Sniffed types that hold speech; phones and browsers make voice notes in the last two.
SPEECH = ("audio/", "video/webm", "video/3gpp")
#: Kinds of message whose recordings are heard.
_SAYING = frozenset({"message", "edit"})


def unheard(item: WorkItem, channel: Channel | None) -> list[tuple[int, str]]:
    """(place, digest) of the recordings that nobody has noted yet; the digest is empty while the file is elsewhere."""
    if not item.message.attachments or item.recordings or item.message.machine or item.message.kind not in _SAYING:
        return []
    calls = isinstance(channel, RecordsCalls)
    return [(n, file.digest) for n, file in enumerate(item.message.attachments) if is_speech(file, calls=calls)]


def is_speech(file: Attachment, *, calls: bool) -> bool:
    """Whether a file is a recording: all files of ``calls`` are, of others those that hold sound."""
    there = bool(file.digest) if file.state == "kept" else bool(file.url) and file.state == "pending"
    return there and (calls or file.type.startswith(SPEECH))


def transcripts(item: WorkItem) -> list[Transcript]:
    """What was heard, with spoken numbers as digits and identity and card numbers covered."""
    return [covered(one.transcript) for one in item.recordings if one.transcript is not None]


def text(item: WorkItem, heard: Sequence[Transcript]) -> str:
    """What the customer wrote and said; words that were not heard well are marked and not guessed."""
    said = (said_by(transcript, "customer", "") for transcript in heard)
    return "\n".join(filter(None, (item.message.text, *said)))


def silent(item: WorkItem, heard: Sequence[Transcript]) -> bool:
    """Whether all that there is of a message is a recording that nobody has understood."""
    return bool(item.recordings) and not text(item, heard).strip()


def marked(record: ComplaintRecord, item: WorkItem) -> ComplaintRecord:
    """The record with what became of each recording."""
    states = {one.digest: one for one in item.recordings if one.digest}
    if not states:
        return record

    def mark(file: EvidenceFile) -> EvidenceFile:
        one = states.get(file.digest)
        return file if one is None else msgspec.structs.replace(file, heard=one.state, trouble=one.error)

    files = tuple(mark(file) for file in record.arrival.attachments)
    return msgspec.structs.replace(record, arrival=msgspec.structs.replace(record.arrival, attachments=files))
