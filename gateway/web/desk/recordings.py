"""Recordings at the desk: what was said with its seconds, and the copy to listen to. The original is for a few."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from aiohttp import web

from gateway.covering import covered
from gateway.desk import actions
from gateway.store.base import NO_COPY, NotFound, Recording
from gateway.web.desk.files import named, served
from gateway.web.desk.guard import Visit, acts, body_of, json_response, reads
from gateway.web.problems import ProblemError
from transcription.base import SURE, UNHEARD, Segment, Word

#: How long the address of an original works.
OPEN_FOR = timedelta(minutes=10)
_PURPOSE = "desk-original"
_HERE = "/desk/api/conversations/{id}"


class Original(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which recording is to be heard as it came: the timeline line and the file's digest."""

    seq: int
    digest: str


def routes() -> list[web.AbstractRouteDef]:
    """To read, to listen to, and to open the original."""
    return [
        web.get(_HERE + "/recordings/{digest}", reads(said)),
        web.get(_HERE + "/recordings/{digest}/sound", reads(sound)),
        web.post(_HERE + "/original_recording", acts(open_original)),
        web.get(_HERE + "/originals/{seq}/{digest}", reads(original, "lead")),
    ]


async def states(visit: Visit, id: str) -> list[dict[str, Any]]:
    """What became of each recording of a conversation; ``copy`` says whether it can be listened to."""
    return [
        {
            "digest": one.digest,
            "state": one.state,
            "error": one.error,
            "copy": {"": "waiting", NO_COPY: "none"}.get(one.copy, "ready"),
        }
        for one in await visit.gateway.store.recordings(id)
    ]


async def said(visit: Visit) -> web.Response:
    """The transcript: numbers as digits, guarded ones covered, words that were not understood as dots."""
    transcript = (await _recording(visit)).transcript
    if transcript is None:
        raise NotFound("transcript")
    read = covered(transcript)
    return json_response(
        {
            "duration": read.duration,
            "language": read.language,
            "model": read.model,
            "missing": read.missing,
            "turns": [_turn(segment) for segment in read.segments],
        }
    )


def _turn(segment: Segment) -> dict[str, Any]:
    words = segment.words or (Word(text=segment.text, start=segment.start, end=segment.end, confidence=1.0),)
    return {
        "speaker": segment.speaker,
        "start": segment.start,
        "words": [[word.text if word.confidence >= SURE else UNHEARD, word.start, word.end] for word in words],
    }


async def sound(visit: Visit) -> web.StreamResponse:
    """The copy in which covered numbers cannot be heard, whole or in parts."""
    recording = await _recording(visit)
    if recording.copy in ("", NO_COPY):
        raise NotFound("copy")
    return await served(visit, recording.copy, f"{recording.digest[:12]}.mp3", "audio/mpeg")


async def open_original(visit: Visit) -> web.Response:
    """Write into the journal who listens, then say where, for a few minutes."""
    body, id = await body_of(visit.request, Original), visit.request.match_info["id"]
    await _recording(visit, body.digest)
    await actions.original_recording(visit.gateway, visit.agent, id, body.seq, body.digest)
    until = int((visit.gateway.clock() + OPEN_FOR).timestamp())
    tag = visit.gateway.keys.tag(_PURPOSE, _named(visit, body.digest, until))
    return json_response(
        {"url": f"/desk/api/conversations/{id}/originals/{body.seq}/{body.digest}?until={until}&tag={tag}"}
    )


async def original(visit: Visit) -> web.StreamResponse:
    """The recording as it came, at an address that :func:`open_original` gave to this person."""
    query, digest = visit.request.query, visit.request.match_info["digest"]
    until = int(query.get("until", "")) if query.get("until", "").isdecimal() and len(query["until"]) < 12 else 0
    if not visit.gateway.keys.fits(_PURPOSE, _named(visit, digest, until), query.get("tag", "")):
        raise ProblemError(403, "Open the original again.", code="forbidden")
    if datetime.fromtimestamp(until, visit.gateway.clock().tzinfo) < visit.gateway.clock():
        raise ProblemError(403, "Open the original again.", code="forbidden")
    _, file = await named(visit)
    return await served(visit, file.digest, file.name, file.type)


def _named(visit: Visit, digest: str, until: int) -> str:
    return f"{visit.agent.id}/{visit.request.match_info['id']}/{digest}/{until}"


async def _recording(visit: Visit, digest: str = "") -> Recording:
    """The recording that the path (or ``digest``) names. Raises :class:`NotFound`."""
    digest = digest or visit.request.match_info["digest"]
    for one in await visit.gateway.store.recordings(visit.request.match_info["id"]):
        if one.digest == digest:
            return one
    raise NotFound("recording")
