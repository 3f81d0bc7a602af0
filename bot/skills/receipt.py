"""The honest receipt: number, deadline, where to follow the case, and what was understood."""

from __future__ import annotations

from bot.view import View

_EMPATHY = ("anger", "sadness", "worry", "disappointment")


def receipt(view: View, *, promised: bool = True) -> str:
    """The receipt's text, or an empty one where the customer has it already."""
    number = view.context.number
    if number and view.state.receipt_for == number:
        return ""
    lines = [
        view.phrase("receipt.number" if number else "receipt.no_number"),
        understood(view),
        promise(view) if promised else "",
    ]
    if view.context.status_url:
        lines.append(view.phrase("receipt.status"))
    return "\n".join(line for line in lines if line)


def promise(view: View) -> str:
    """When a person answers. Without a deadline nothing is promised but that they will."""
    when = "dated" if view.context.respond_by else "undated"
    return view.phrase(f"promise.{'open' if view.context.open_now else 'closed'}.{when}")


def empathy(view: View) -> str:
    """A sentence for the mood, for a complaint or a sad or angry message alone."""
    mood = "anger" if view.is_angry else view.emotion
    if mood in _EMPATHY:
        return view.phrase(f"empathy.{mood}")
    return view.phrase("empathy.plain") if view.is_grievance else ""


def understood(view: View) -> str:
    """What the record says of the matter, in the customer's language, so that they can correct it."""
    what = view.record.what
    category = view.phrase(f"category.{what.category.value.split('/')[0]}") if what.category else ""
    demands = [view.phrase(f"demand.{found.value}") for found in what.demands]
    parts = [view.phrase("understood.category", value=category) if category else ""]
    if demands := list(dict.fromkeys(filter(None, demands)))[:3]:
        parts.append(view.phrase("understood.demands", value=view.phrase("list.comma").join(demands)))
    if view.variables.get("order_number"):
        parts.append(view.phrase("understood.order"))
    parts = [part for part in parts if part]
    return view.phrase("understood", value=view.phrase("list.semicolon").join(parts)) if parts else ""
