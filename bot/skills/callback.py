"""A call-back by appointment: a number, a day and time in the customer's zone, inside the company's working hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from phonenumbers import NumberParseException, parse, timezone

from bot import times, when
from bot.decision import Option, Reply
from bot.skills import slots
from bot.skills.handoff import called, hand_off
from bot.view import Outcome, View

_ASKING = ("callback_phone", "callback_time", "callback_ok")
_WHENEVER = "callback:whenever"
#: A text of more content units that asks nothing tells of a call, it does not want one.
LONG_WISH = 7.0
#: Nobody is called so shortly before the company closes.
LATE = timedelta(minutes=15)
#: Hours of the customer's day in which we propose to call.
_AWAKE, _ASLEEP = 8, 21


def callback(view: View) -> Outcome | None:
    """Asked for with or without a time; what is missing is asked, and a person has the appointment in the end."""
    step = view.state.asking if view.state.asking in _ASKING else ""
    if view.risks or view.is_closed or (not step and not _wanted(view)):
        return None
    if step and _something_else(view, step):
        return None
    phone = _phone(view, step)
    if not phone:
        return (
            _ask(view, "phone", step)
            if step != "callback_phone" or view.state.asked < slots.MOST_TRIES
            else _give_up(view)
        )
    zone = zone_of(phone, view.context.company.timezone)
    agrees = view.said("confirm") or view.said("yes") or view.said("thanks")
    if step == "callback_ok" and (agrees or view.choice == "callback:ok"):
        return _set(view, phone, _kept(view), zone)
    if view.choice == _WHENEVER or (step and (view.said("whenever") or agrees)):
        return _set(view, phone, None, zone)
    return _at(view, phone, zone, step)


def _wanted(view: View) -> bool:
    """Asked for plainly; "nobody called me back" is a complaint, and a person's word for a call is for people."""
    wish = view.utterance.is_request or view.utterance.is_question or view.utterance.units < LONG_WISH
    return view.said("callback") and wish and not view.complains_plainly and not view.is_angry


def _something_else(view: View, step: str) -> bool:
    """A wish for a person, a no, or a question that an entry answers."""
    if view.said("human") or view.choice == "human":
        return True
    if view.said("no") and step != "callback_ok":
        return True
    return view.match.verdict == "answer" and not _said_time(view, view.context.company.timezone)[1]


def _phone(view: View, step: str) -> str:
    said = slots.value(view, "phone", asked=step == "callback_phone")
    return said or view.state.slots.get("phone", "") or view.variables.get("phone", "")


def zone_of(phone: str, company: str) -> str:
    """The zone of a number whose country has only one; else the company's."""
    try:
        zones = timezone.time_zones_for_number(parse(phone))
    except NumberParseException:
        return company
    named = [zone for zone in zones if zone != timezone.UNKNOWN_TIMEZONE]
    return named[0] if len(named) == 1 else company


def _said_time(view: View, zone: str) -> tuple[Any, Any]:
    moments = [found.value for found in view.record.what.dates if view.is_fresh(found.evidence)]
    return when.read(view.utterance.folded, moments, view.turn.at.astimezone(ZoneInfo(zone)))


def _at(view: View, phone: str, zone: str, step: str) -> Outcome:
    day, clock = _said_time(view, zone)
    if day is None or clock is None:
        if step == "callback_time" and view.state.asked >= slots.MOST_TRIES:
            return _set(view, phone, None, zone)
        return _ask(view, "time", step, phone=phone)
    at = datetime.combine(day, clock, ZoneInfo(zone)).astimezone(UTC)
    if at <= view.turn.at:
        return _ask(view, "past", step, phone=phone)
    if (free := _open(view, at, zone)) == at:
        return _set(view, phone, at, zone)
    return _propose(view, phone, free, zone) if free else _set(view, phone, None, zone)


def _open(view: View, at: datetime, zone: str) -> datetime | None:
    """``at`` where people are at work then, else the next time when they are and the customer is up."""
    spans = view.context.open_spans
    if not spans:
        return at
    for opens, closes in spans:
        free = max(at, opens)
        while free < closes - LATE:
            if free == at or _AWAKE <= free.astimezone(ZoneInfo(zone)).hour < _ASLEEP:
                return free
            free += timedelta(minutes=30)
    return None


def _ask(view: View, what: str, step: str, *, phone: str = "") -> Outcome:
    asking = "callback_phone" if what == "phone" else "callback_time"
    key = {"phone": "callback.ask_phone", "time": "callback.ask_time", "past": "callback.past"}[what]
    options: tuple[Option, ...] = () if what == "phone" else (view.option("option.whenever", _WHENEVER),)
    reply = Reply(text=view.phrase(key), kind="question", language=view.language, options=options, entry="@callback")
    asked = view.state.asked + 1 if step == asking else 1
    changes: dict[str, Any] = {"asking": asking, "asked": asked, "entry": "@callback", "offered": ()}
    if phone:
        changes["slots"] = {**view.state.slots, "phone": phone}
    return Outcome(why=f"wants a call, asks for {asking}", replies=(reply,), changes=changes)


def _propose(view: View, phone: str, at: datetime, zone: str) -> Outcome:
    options = (view.option("option.yes", "callback:ok"), view.option("option.whenever", _WHENEVER))
    text = view.phrase("callback.closed", value=_spoken(view, at, zone))
    reply = Reply(text=text, kind="question", language=view.language, options=options, entry="@callback")
    kept = {**view.state.slots, "phone": phone, "callback_at": at.isoformat()}
    changes = {"asking": "callback_ok", "asked": 1, "entry": "@callback", "slots": kept, "offered": ()}
    return Outcome(why="nobody is there then", replies=(reply,), changes=changes)


def _kept(view: View) -> datetime | None:
    kept = view.state.slots.get("callback_at", "")
    return datetime.fromisoformat(kept) if kept else None


def _set(view: View, phone: str, at: datetime | None, zone: str) -> Outcome:
    """The appointment goes to people; who waits already is told, and the agent too."""
    spoken = _spoken(view, at, zone) if at else ""
    text = view.phrase("callback.set" if at else "callback.whenever", phone=phone, value=spoken)
    ours = view.context.company
    told = times.deadline(at, view.turn.at, ours.timezone, ours.default_language) if at else ""
    known = {**view.state.slots, "phone": phone, "callback_at": at.isoformat() if at else ""}
    changes = {"asking": "", "asked": 0, "entry": "@callback", "slots": known, "handed_off": True}
    if not view.is_waiting:
        outcome = hand_off(
            view, "callback", why="an appointment", lead=text, promised=at is None, call=f"{phone} {told}".strip()
        )
        return slots.with_changes(outcome, **changes)
    reply = Reply(text=text, kind="status", language=view.language, entry="@callback")
    return Outcome(
        why="an appointment",
        replies=(reply,),
        handoff=called(view, "callback", call=f"{phone} {told}".strip()),
        changes=changes,
    )


def _give_up(view: View) -> Outcome:
    return hand_off(view, "callback", why="wants a call, gives no number")


def _spoken(view: View, at: datetime, zone: str) -> str:
    """In the customer's own zone, which is named where it is not the company's."""
    return times.deadline(at, view.turn.at, zone, view.language, named=zone != view.context.company.timezone)
