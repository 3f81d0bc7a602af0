"""Files at the desk: an agent's uploads, and downloads that no browser will ever run."""

from __future__ import annotations

from urllib.parse import quote

import msgspec
from aiohttp import web

from channels.base import Attachment, RecordsCalls
from gateway.blobs import display_name
from gateway.spoken import is_speech
from gateway.store.base import Entry, NotFound
from gateway.web.desk.guard import Visit, acts, json_response, reads
from gateway.web.doors import pieces
from gateway.web.files import send
from gateway.web.problems import ProblemError

#: Types that a browser may show in an <img> or <audio>; all else is bytes to save. SVG is a program, so not here.
SHOWN = frozenset(
    ("image/png", "image/jpeg", "image/gif", "image/webp", "audio/mpeg", "audio/ogg", "audio/wav", "audio/mp4")
)
_PURPOSE = "desk-upload"


class Uploaded(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kept upload as the page names it again in its reply; ``tag`` proves that it was uploaded here."""

    digest: str
    name: str
    type: str
    size: int
    tag: str


def routes() -> list[web.AbstractRouteDef]:
    """Up and down."""
    return [
        web.post("/desk/api/conversations/{id}/files", acts(upload)),
        web.get("/desk/api/conversations/{id}/files/{seq}/{digest}", reads(download)),
    ]


async def upload(visit: Visit) -> web.Response:
    """Keep the request's body as a file named ``?name=``."""
    request, gateway, id = visit.request, visit.gateway, visit.request.match_info["id"]
    await gateway.store.conversation(id)
    limit = gateway.config.limits.file
    if (request.content_length or 0) > limit:
        raise ProblemError(413, f"a file has at most {limit} bytes", code="file")
    data, name = pieces(request, gateway, limit), request.query.get("name", "")[:200]
    try:
        kept = await gateway.blobs.put(data, name=name, type=request.content_type, limit=limit)
    except TimeoutError as err:
        raise ProblemError(408, "the file took too long to arrive", code="file") from err
    if kept.state != "kept":
        raise ProblemError(422, kept.reason or "the file was refused", code="file")
    return json_response(
        Uploaded(digest=kept.digest, name=kept.name, type=kept.type, size=kept.size, tag=_tag(visit, id, kept))
    )


def claimed(visit: Visit, id: str, file: Uploaded) -> Attachment:
    """The attachment behind an upload. Raises :class:`ProblemError` 422 for one that was not made here."""
    kept = Attachment(name=file.name, type=file.type, size=file.size, digest=file.digest, state="kept")
    if not visit.gateway.keys.fits(_PURPOSE, _said(visit, id, kept), file.tag):
        raise ProblemError(422, "this file was not uploaded here; upload it again", code="file")
    return kept


async def download(visit: Visit) -> web.StreamResponse:
    """A file of one timeline line: as an attachment, its type taken from what was sniffed, sandboxed.

    Raises :class:`ProblemError` 403 for a customer's recording: there is a copy to listen to.
    """
    entry, file = await named(visit)
    if entry.kind == "inbound" and await is_recording(visit, file):
        raise ProblemError(403, "A recording is listened to as a copy without covered numbers.", code="sealed")
    return await served(visit, file.digest, file.name, file.type if file.type in SHOWN else "application/octet-stream")


async def named(visit: Visit) -> tuple[Entry, Attachment]:
    """The kept file that a path with ``id``, ``seq`` and ``digest`` names, and its line. Raises :class:`NotFound`."""
    info = visit.request.match_info
    seq = int(info["seq"]) if info["seq"].isdecimal() and len(info["seq"]) < 16 else 0
    entries = await visit.gateway.store.timeline(info["id"], after=max(0, seq - 1), limit=1)
    for entry in entries:
        for file in entry.attachments:
            if entry.seq == seq and file.digest == info["digest"] and file.state == "kept":
                return entry, file
    raise NotFound("file")


async def is_recording(visit: Visit, file: Attachment) -> bool:
    """Whether a customer's file holds speech, in which numbers may be said that not everybody may hear."""
    conversation = await visit.gateway.store.conversation(visit.request.match_info["id"])
    channel = visit.gateway.channels.get((conversation.channel, conversation.account))
    return is_speech(file, calls=isinstance(channel, RecordsCalls))


async def served(visit: Visit, digest: str, name: str, type: str) -> web.StreamResponse:
    """A kept file as an answer (also parts of it: browsers seek so), which no page can be made of."""
    return await send(
        visit.request,
        digest,
        {
            "Content-Type": type,
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(display_name(name), safe='')}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "private, no-store",
        },
    )


def _tag(visit: Visit, id: str, file: Attachment) -> str:
    return visit.gateway.keys.tag(_PURPOSE, _said(visit, id, file))


def _said(visit: Visit, id: str, file: Attachment) -> str:
    return msgspec.json.encode((visit.agent.id, id, file.digest, file.name, file.type, file.size)).decode()
