"""A new phone number or e-mail address for a case: noted for the agents and read back."""

from __future__ import annotations

from bot.decision import Reply
from bot.skills import slots
from bot.view import Outcome, View


def corrected(view: View) -> Outcome | None:
    """Where a case is open: "my number is now …", or a bare number or address. A question about an account is none."""
    if not view.has_case or view.is_closed or view.risks or view.state.asking in ("phone", "email", "callback_phone"):
        return None
    found = [said for type in ("phone", "email") if (said := slots.value(view, type, asked=False))]
    if not found or not (view.said("contact") or view.utterance.units < slots.BARE):
        return None
    reply = Reply(
        text=view.phrase("contact.noted", value=view.phrase("list.comma").join(found)), kind="status",
        language=view.language, entry="@contact",
    )  # fmt: skip
    known = {**view.state.slots}
    if phone := slots.value(view, "phone", asked=False):
        known["phone"] = phone
    return Outcome(why="a new contact", replies=(reply,), changes={"slots": known, "entry": "@contact"})
