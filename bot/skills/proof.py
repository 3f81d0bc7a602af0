"""Whose case it is: a case is told about only to whom it is proven to belong, and a one-time code is how it is proven.

What is said to somebody without proof is the same whether there is such a case or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from bot.decision import Asked, Company, Decision, Elsewhere, Reply, Step
from bot.knowledge import Knowledge
from bot.template import fill
from bot.view import Outcome, View

#: What became of the digits that were typed.
Verdict = Literal["right", "wrong", "over"]
_ENTRY = "@proof"


class Words(NamedTuple):
    """The message that carries a code, and the line that asks for it, outside any turn."""

    knowledge: Knowledge
    company: Company
    language: str

    def code(self, digits: str) -> str:
        return self._fill("code.text", {"code": digits})

    def subject(self) -> str:
        return self._fill("code.subject", {})

    def asked(self) -> str:
        return self._fill("code.asked", {})

    def _fill(self, key: str, more: Mapping[str, str]) -> str:
        values = {"company": self.company.called(self.language), **more}
        return fill(self.knowledge.phrase(key, self.language), values)


def elsewhere(view: View) -> Outcome | None:
    """Asking how a case of another conversation stands: told where it is theirs, else a code is asked for."""
    case = view.context.elsewhere
    if case is None or not (view.kind == "chaser" or view.said("chaser") or _is_bare(view, case) or _asks(view)):
        return None
    if case.known:
        return Outcome(why="asks for a case of theirs", replies=(_reply(view, _stands(view, case)),))
    return Outcome(
        why="asks for a case that is not proven theirs",
        replies=(_reply(view, view.phrase("code.sent")),),
        prove=case.number,
    )


def _asks(view: View) -> bool:
    """A question or a wish that names the number, and no complaint."""
    return (view.utterance.is_question or view.utterance.is_request) and not view.is_grievance


def _is_bare(view: View, case: Elsewhere) -> bool:
    """Little more than the number was written."""
    rest = view.turn.text.upper().replace(case.number, "")
    return sum(char.isalnum() for char in rest) <= 12


def answered(asked: Asked, knowledge: Knowledge, verdict: Verdict) -> Decision:
    """What is said to the digits; right ones are followed by how the case stands that was asked for."""
    view, case = View(asked, knowledge), asked.context.elsewhere
    lines = [view.phrase(f"code.{verdict}")]
    if verdict == "right" and case is not None and case.known:
        lines.append(_stands(view, case))
    return Decision(
        state=asked.state,
        replies=(_reply(view, "\n".join(lines)),),
        trace=(Step(rule="code", verdict="decides", detail=verdict),),
    )


def _stands(view: View, case: Elsewhere) -> str:
    key = f"status.{case.status}"
    said = view.phrase(key, number=case.number) or view.phrase("status.waiting_agent", number=case.number)
    link = view.phrase("receipt.status", status_url=case.status_url) if case.status_url else ""
    return "\n".join(filter(None, (said, link)))


def _reply(view: View, text: str) -> Reply:
    return Reply(text=text, kind="status", language=view.language, entry=_ENTRY)
