"""What the desk's page does: every action of an agent, as one POST each."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from channels.base import Attachment
from gateway.desk import actions, approvals, contacts
from gateway.desk.revise import Correctable
from gateway.web.desk import files
from gateway.web.desk.guard import Visit, acts, body_of, json_response
from gateway.web.problems import ProblemError
from normalizer.record import Disposition, Link

#: A client's idempotency key: made anew for each thing said, kept over its retries.
Key = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{8,64}$")]


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An action's JSON body."""


class Claim(_Body, frozen=True):
    force: bool = False


class Fenced(_Body, frozen=True):
    fence: int


class Reply(_Body, frozen=True):
    fence: int
    key: Key
    text: str = ""
    files: tuple[files.Uploaded, ...] = ()


class Note(_Body, frozen=True):
    key: Key
    text: str


class Original(_Body, frozen=True):
    seq: int


class HandBack(_Body, frozen=True):
    fence: int
    to: Literal["bot", "queue"]


class Close(_Body, frozen=True):
    fence: int
    key: Key
    disposition: Disposition
    outcome: Annotated[str, Meta(max_length=2000)] = ""
    message: str = ""


class Correct(_Body, frozen=True):
    field: Correctable
    value: str


class Approval(_Body, frozen=True):
    action: Annotated[str, Meta(max_length=100)]
    approve: bool


class Doubt(_Body, frozen=True):
    doubt: Annotated[str, Meta(min_length=1, max_length=200)]
    value: Annotated[str, Meta(max_length=200)] = ""


class SendCode(_Body, frozen=True):
    key: Key
    address: Annotated[str, Meta(max_length=400)]


class UndoProof(_Body, frozen=True):
    proof: int


class Unlink(_Body, frozen=True):
    link: Link


def routes() -> list[web.AbstractRouteDef]:
    """One route per action."""
    named = {
        "claim": claim,
        "touch": touch,
        "reply": reply,
        "note": note,
        "original": original,
        "hand_back": hand_back,
        "close": close,
        "reopen": reopen,
        "correct": correct,
        "settle_doubt": settle_doubt,
        "unlink": unlink,
        "send_code": send_code,
        "undo_proof": undo_proof,
        "approval": approval,
        "typing": typing,
    }
    return [web.post(f"/desk/api/conversations/{{id}}/{name}", acts(action)) for name, action in named.items()]


async def claim(visit: Visit) -> web.Response:
    """Take it (``force``: from another agent)."""
    body = await body_of(visit.request, Claim)
    return json_response(await actions.claim(visit.gateway, visit.agent, _id(visit), force=body.force))


async def touch(visit: Visit) -> web.Response:
    """Keep the lease."""
    body = await body_of(visit.request, Fenced)
    await actions.touch(visit.gateway, visit.agent, _id(visit), body.fence)
    return json_response({"ok": True})


async def reply(visit: Visit) -> web.Response:
    """Answer the customer."""
    body = await body_of(visit.request, Reply)
    if len(body.files) > visit.gateway.config.limits.files:
        raise ProblemError(422, f"at most {visit.gateway.config.limits.files} files", code="value")
    attachments: list[Attachment] = [files.claimed(visit, _id(visit), one) for one in body.files]
    await actions.reply(
        visit.gateway, visit.agent, _id(visit), fence=body.fence, key=body.key, text=body.text, attachments=attachments
    )
    return json_response({"ok": True})


async def note(visit: Visit) -> web.Response:
    """Write an internal note."""
    body = await body_of(visit.request, Note)
    return json_response(
        {"seq": await actions.note(visit.gateway, visit.agent, _id(visit), key=body.key, text=body.text)}
    )


async def original(visit: Visit) -> web.Response:
    """What a line says under its covered numbers."""
    body = await body_of(visit.request, Original)
    return json_response({"text": await actions.original(visit.gateway, visit.agent, _id(visit), body.seq)})


async def hand_back(visit: Visit) -> web.Response:
    """Give it to the bot or the queue."""
    body = await body_of(visit.request, HandBack)
    return json_response(await actions.hand_back(visit.gateway, visit.agent, _id(visit), fence=body.fence, to=body.to))


async def close(visit: Visit) -> web.Response:
    """End the case."""
    body = await body_of(visit.request, Close)
    return json_response(
        await actions.close(
            visit.gateway,
            visit.agent,
            _id(visit),
            fence=body.fence,
            key=body.key,
            disposition=body.disposition,
            outcome=body.outcome,
            message=body.message,
        )
    )


async def reopen(visit: Visit) -> web.Response:
    """Open an ended case again."""
    return json_response(await actions.reopen(visit.gateway, visit.agent, _id(visit)))


async def correct(visit: Visit) -> web.Response:
    """Set a field of the record by hand."""
    body = await body_of(visit.request, Correct)
    return json_response(
        await actions.correct(visit.gateway, visit.agent, _id(visit), field=body.field, value=body.value)
    )


async def settle_doubt(visit: Visit) -> web.Response:
    """Say what a doubtful number was."""
    body = await body_of(visit.request, Doubt)
    return json_response(
        await actions.settle_doubt(visit.gateway, visit.agent, _id(visit), doubt=body.doubt, value=body.value)
    )


async def unlink(visit: Visit) -> web.Response:
    """Take a link to another case or an incident away."""
    body = await body_of(visit.request, Unlink)
    return json_response(await actions.unlink(visit.gateway, visit.agent, _id(visit), body.link))


async def send_code(visit: Visit) -> web.Response:
    """Have the customer prove that an address of the case is theirs."""
    body = await body_of(visit.request, SendCode)
    await contacts.send_code(visit.gateway, visit.agent, _id(visit), key=body.key, address=body.address)
    return json_response({"ok": True})


async def undo_proof(visit: Visit) -> web.Response:
    """Say that two are not the same person."""
    body = await body_of(visit.request, UndoProof)
    await contacts.undo(visit.gateway, visit.agent, _id(visit), body.proof)
    return json_response({"ok": True})


async def approval(visit: Visit) -> web.Response:
    """Agree to what the bot may not do by itself, or not."""
    body = await body_of(visit.request, Approval)
    await approvals.decide(visit.gateway, visit.agent, _id(visit), body.action, approve=body.approve)
    return json_response({"ok": True})


async def typing(visit: Visit) -> web.Response:
    """The agent is writing: the visitor sees it, and the lease stays."""
    body = await body_of(visit.request, Fenced)
    await actions.touch(visit.gateway, visit.agent, _id(visit), body.fence)
    actions.typing(visit.gateway, visit.agent, _id(visit))
    return json_response({"ok": True})


def _id(visit: Visit) -> str:
    return visit.request.match_info["id"]
