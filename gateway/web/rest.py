"""The API for reading: records, conversations, files; and uploads. All of it in one table."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from urllib.parse import urlencode

from aiohttp import web

from channels._api_messages import NewMessage
from channels.api import MessageAccepted
from channels.base import Invalid
from gateway.store.base import Page, StoreError, StoreUnavailable
from gateway.web import files, recordings
from gateway.web.api_access import visible_conversation, visible_record
from gateway.web.api_types import (
    AttachmentQuery,
    ConversationView,
    Journal,
    MessagePage,
    MessagesAccepted,
    MessagesQuery,
    RecordPage,
    RecordsQuery,
    Revisions,
    Upload,
    UploadQuery,
    conversation_view,
    message,
)
from gateway.web.operation import BYTES, TEXT, Call, Operation, json, route
from gateway.web.problems import ProblemError
from normalizer.record import ComplaintRecord


async def list_records(call: Call) -> web.StreamResponse:
    """One page of the records that the caller may see."""
    query: RecordsQuery = call.query
    page = await _page(call, query)
    path = _next_records(query, page.cursor)
    return json(RecordPage(items=page.items, next=path), headers=_link(path))


async def _page(call: Call, query: RecordsQuery) -> Page:
    try:
        return await call.gateway.store.records(
            cursor=query.cursor,
            limit=query.limit,
            since=_utc(query.since),
            status=query.status or "",
            accounts=call.caller.accounts(),
        )
    except StoreUnavailable:
        raise
    except StoreError as err:
        raise Invalid("not a cursor of this listing; take it from `next`", where="cursor") from err


def _utc(since: datetime | None) -> datetime | None:
    if since is None:
        return None
    # Outside of these years a time zone can push a time out of what `datetime` holds.
    if not 1900 <= since.year <= 2999:
        raise Invalid("a year before 1900 or after 2999 is a typing mistake", where="since")
    return since.astimezone(UTC)


def _next_records(query: RecordsQuery, cursor: str) -> str:
    if not cursor:
        return ""
    asked = {"cursor": cursor, "limit": query.limit, "since": query.since and query.since.isoformat()}
    asked["status"] = query.status
    return f"/v1/records?{urlencode({name: value for name, value in asked.items() if value})}"


def _link(path: str) -> dict[str, str]:
    return {"Link": f'<{path}>; rel="next"'} if path else {}


async def get_record(call: Call) -> web.StreamResponse:
    return json(await visible_record(call.gateway, call.caller, call.path["number"]))


async def list_revisions(call: Call) -> web.StreamResponse:
    record = await visible_record(call.gateway, call.caller, call.path["number"])
    return json(Revisions(items=await call.gateway.store.revisions(record.number)))


async def get_journal(call: Call) -> web.StreamResponse:
    record = await visible_record(call.gateway, call.caller, call.path["number"])
    return json(Journal(items=await call.gateway.store.journal(record.number)))


async def get_conversation(call: Call) -> web.StreamResponse:
    return json(conversation_view(await visible_conversation(call.gateway, call.caller, call.path["id"])))


async def list_messages(call: Call) -> web.StreamResponse:
    """The visible lines after a seq; an agent's notes are not among them."""
    query: MessagesQuery = call.query
    conversation = await visible_conversation(call.gateway, call.caller, call.path["id"])
    entries = await call.gateway.store.timeline(
        conversation.id, after=query.after, limit=query.limit, visible_only=True
    )
    last = entries[-1].seq if entries else query.after
    path = f"/v1/conversations/{conversation.id}/messages?{urlencode({'after': last, 'limit': query.limit})}"
    more = _link(path) if len(entries) == query.limit else {}
    return json(MessagePage(items=tuple(message(one, conversation.id) for one in entries), next=path), headers=more)


async def upload(call: Call) -> web.StreamResponse:
    """Keep a file as it streams in; it is durable when this answers."""
    limit = call.gateway.config.limits.file
    if (call.http.content_length or 0) > limit:
        raise ProblemError(413, f"A file has at most {limit} bytes.")
    try:
        async with asyncio.timeout(call.gateway.config.limits.request_seconds):
            kept = await call.gateway.blobs.put(
                call.http.content.iter_any(), name=call.query.name, type=call.http.content_type, limit=limit
            )
    except TimeoutError as err:
        raise ProblemError(408, "The file took too long to arrive.") from err
    if kept.state != "kept":
        raise ProblemError(413 if "larger" in kept.reason else 422, f"The file was not kept: {kept.reason}.")
    return json(
        Upload(
            upload=call.caller.channel.upload_token(kept),
            name=kept.name,
            type=kept.type,
            size=kept.size,
            sha256=kept.digest,
        ),
        status=201,
    )


async def get_attachment(call: Call) -> web.StreamResponse:
    """A file of a conversation that the caller may see, always as a download: nothing in it runs in a browser."""
    conversation = await visible_conversation(call.gateway, call.caller, call.query.conversation)
    digest = call.path["digest"]
    if digest not in await call.gateway.store.blobs_of(conversation.id):
        raise ProblemError(404)
    headers = {"Content-Type": BYTES, "Content-Disposition": f'attachment; filename="{digest}"'}
    return await files.send(call.http, digest, headers)


_READ_ERRORS = (401, 403, 503)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="sendMessage",
        method="POST",
        path="/v1/messages",
        summary="Send a message",
        description="Takes one message of a customer. The answer comes after it is durable: 202 for a new message, 200 for "
        "one that was there already. Repeat a request that got no answer with the same Idempotency-Key and body.",
        scope="messages:write",
        headers={
            "Idempotency-Key": (
                False,
                "Names the request: at most 200 printable ASCII characters. The same key with another body is refused (422).",
            )
        },
        body=NewMessage,
        answers={200: (MessageAccepted,), 202: (MessageAccepted,)},
        errors=(400, 401, 403, 408, 413, 422, 503),
    ),
    Operation(
        id="upload",
        method="POST",
        path="/v1/uploads",
        summary="Upload a file",
        description="The body is the file. Name the answer's `upload` in a message within a day.",
        scope="messages:write",
        query=UploadQuery,
        body=BYTES,
        answers={201: (Upload,)},
        errors=(401, 403, 408, 413, 422, 503),
        handler=upload,
    ),
    recordings.OPERATION,
    Operation(
        id="receiveWebhook",
        method="POST",
        path="/in/api/{account}",
        summary="Send signed messages",
        description="A webhook as Standard Webhooks sign it (v1), with one message or a list. What cannot be read is kept "
        "for a person and answered with 202 as text.",
        headers={
            "webhook-id": (True, "The same over all attempts."),
            "webhook-timestamp": (True, "Unix seconds of this attempt, at most five minutes off."),
            "webhook-signature": (True, "`v1,` and the base64 of the signature."),
        },
        body=NewMessage | list[NewMessage],
        answers={200: (MessagesAccepted,), 202: (MessagesAccepted, TEXT)},
        errors=(401, 404, 408, 413, 503),
    ),
    Operation(
        id="getConversation",
        method="GET",
        path="/v1/conversations/{id}",
        summary="A conversation",
        scope="messages:read",
        answers={200: (ConversationView,)},
        errors=(*_READ_ERRORS, 404),
        handler=get_conversation,
    ),
    Operation(
        id="listMessages",
        method="GET",
        path="/v1/conversations/{id}/messages",
        summary="The messages of a conversation",
        description="What the customer may see, oldest first: what they wrote, replies, notices.",
        scope="messages:read",
        query=MessagesQuery,
        answers={200: (MessagePage,)},
        errors=(*_READ_ERRORS, 404, 422),
        handler=list_messages,
    ),
    Operation(
        id="getAttachment",
        method="GET",
        path="/v1/attachments/{digest}",
        summary="A file of a conversation",
        scope="messages:read",
        query=AttachmentQuery,
        answers={200: (BYTES,)},
        errors=(*_READ_ERRORS, 404, 422),
        handler=get_attachment,
    ),
    Operation(
        id="listRecords",
        method="GET",
        path="/v1/records",
        summary="Complaint records",
        description="Newest first. Follow `next` (also the Link header) until it is empty.",
        scope="records:read",
        query=RecordsQuery,
        answers={200: (RecordPage,)},
        errors=(*_READ_ERRORS, 422),
        handler=list_records,
    ),
    Operation(
        id="getRecord",
        method="GET",
        path="/v1/records/{number}",
        summary="A complaint record",
        scope="records:read",
        answers={200: (ComplaintRecord,)},
        errors=(*_READ_ERRORS, 404),
        handler=get_record,
    ),
    Operation(
        id="listRevisions",
        method="GET",
        path="/v1/records/{number}/revisions",
        summary="All revisions of a record",
        scope="records:read",
        answers={200: (Revisions,)},
        errors=(*_READ_ERRORS, 404),
        handler=list_revisions,
    ),
    Operation(
        id="getJournal",
        method="GET",
        path="/v1/records/{number}/journal",
        summary="The journal of a complaint",
        description="Everything that happened to it, hash-chained: each line's `hash` covers the line before it.",
        scope="records:read",
        answers={200: (Journal,)},
        errors=(*_READ_ERRORS, 404),
        handler=get_journal,
    ),
)


def routes() -> list[web.AbstractRouteDef]:
    """The routes of the table; those without a handler are the doors of the ``api`` channel."""
    return [route(operation) for operation in OPERATIONS if operation.handler]
