"""One conversation's open messages → everything that follows from them, as one :class:`Outcome`.

Nothing here touches the world: the store, the rules and the clock's reading come in, rows go out. All ids derive
from the inbound message's key, so that doing it again after a crash makes the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from bot import failure, public
from bot.decide import decide
from bot.decision import Asked, Company, Context, Decision, Elsewhere, Handoff, State, Step, Turn
from bot.skills import calls, proof
from channels.base import RecordsCalls
from gateway import action_calls, albums, codes, spoken
from gateway.calendar import Calendar
from gateway.context import Gateway
from gateway.draft import Draft, line, standing
from gateway.events import OVER
from gateway.numbers import case_number
from gateway.outcome import outcome
from gateway.status_link import status_url
from gateway.store import identity
from gateway.store.base import BOT, NOBODY, AskedCase, Entry, NewProof, Outcome, Work, WorkItem, conversation_id
from normalizer import doubts
from normalizer.mask import mask
from normalizer.normalize import normalize
from normalizer.record import ComplaintRecord, Deadlines
from transcription.base import Transcript

#: Kinds of message that are nobody's words: the row is closed, nothing follows but what a placeholder asks for.
SILENT_KINDS = frozenset({"status", "event"})
#: Kinds of public posts that nobody has to answer there.
UNANSWERED_IN_PUBLIC = frozenset({"praise", "spam"})
#: A message so soon after the end may reopen the case; a later one opens a new one.
REOPENS_FOR = timedelta(days=30)


#: No case of another conversation is named.
NONE_ASKED: Mapping[str, AskedCase] = {}


class Decided(NamedTuple):
    """An outcome, and what to count once it is committed: entries that answered, reasons of hand-offs."""

    outcome: Outcome
    answered: tuple[str, ...]
    handed_off: tuple[str, ...]


class Turns:
    """Decides turns with the rules and knowledge in force when it was made."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._rules = gateway.rules
        self._knowledge = gateway.knowledge
        self._calls = {where for where, channel in gateway.channels.items() if isinstance(channel, RecordsCalls)}
        settings = gateway.config.company
        self._calendar = Calendar(settings)
        self._company = Company(
            name=settings.name,
            bot_name=settings.bot_name,
            default_language=settings.default_language,
            timezone=settings.timezone,
        )

    def decide(self, work: Work, now: datetime, cases: Mapping[str, AskedCase] = NONE_ASKED) -> Decided:
        """Decide all open messages, in order. ``cases``: those of other conversations that they name.

        Raises:
            Exception: whatever the rules raise; the caller keeps the message.
        """
        draft = Draft(work)
        for item in albums.joined(work.items):
            if item.message.kind == "action":
                self._hear_of(draft, item)
            elif item.message.kind not in SILENT_KINDS:
                _identify(draft, item, work.conversation.sender)
                self._take(draft, work, item, now, cases)
            else:
                _hear_of_block(draft, item)
                if item.message.placeholder:
                    draft.show(item)
        return self._decided(draft, work, now)

    def surrender(self, work: Work, now: datetime) -> Decided:
        """When the rules have failed for good: the customer is told honestly, a person takes over."""
        draft = Draft(work)
        draft.apply(work.items[0], failure.failed(state=draft.state))
        return self._decided(draft, msgspec.structs.replace(work, items=()), now)

    def _decided(self, draft: Draft, work: Work, now: datetime) -> Decided:
        rows = outcome(
            draft,
            work,
            now,
            author=self._company.bot_name,
            source=self._gateway.config.public_url,
            sinks=self._gateway.sinks,
            channels=self._gateway.channels,
            parent=self._gateway.tracing.parent,
        )
        return Decided(rows, tuple(draft.answered), tuple(draft.handed_off))

    # what became of an action

    def _hear_of(self, draft: Draft, item: WorkItem) -> None:
        """The bot tells the customer, unless a person talks to them by now; the agent sees it in any case."""
        if draft.record is None:
            return
        result = action_calls.result_of(item.message)
        turn = Turn(key=item.key, text="", at=item.message.at, language=draft.state.language, result=result)
        context = self._context(draft, draft.record, turn)
        asked = Asked(turn=turn, state=draft.state, record=draft.record, context=context)
        draft.heard_of(item, result)
        draft.apply(item, decide(asked, self._knowledge))

    # one message

    def _take(self, draft: Draft, work: Work, item: WorkItem, now: datetime, cases: Mapping[str, AskedCase]) -> None:
        message, before = item.message, draft.record
        if self._is_proof(draft, item, now, cases):
            return
        if _is_over(before, message.at):
            draft.start_anew()
        record = self._normalized(draft, work, item, now)
        draft.record = self._opened(draft, item, record, is_known=before is not None or work.returning)
        if message.linked:
            draft.notices.append(_link(work, item))
        if message.machine or message.kind == "delete":
            return
        if message.silent == "history":
            draft.status = "closed" if draft.owner == BOT else draft.status
        elif message.silent:
            draft.show(item)
        elif message.public:
            self._invite(draft, item)
        elif draft.owner not in (BOT, NOBODY) or not self._gateway.config.bot.enabled:
            draft.wait_for_person()
        else:
            self._go_on(draft, work, item, now, cases)

    def _go_on(self, draft: Draft, work: Work, item: WorkItem, now: datetime, cases: Mapping[str, AskedCase]) -> None:
        """The bot's turn. A case it does not know to be the customer's has to be proven theirs."""
        decision = self._answer(draft, work, item, self._elsewhere(draft, item, cases))
        draft.apply(item, decision)
        if decision.prove:
            asked = cases.get(decision.prove)
            draft.codes.append(
                codes.request(
                    item.key,
                    work.conversation,
                    identity.identity(item.message),
                    asked.proofs[0] if asked and asked.proofs else "",
                    about=decision.prove,
                    language=decision.state.language,
                    by=BOT,
                    now=now,
                )
            )

    def _elsewhere(self, draft: Draft, item: WorkItem, cases: Mapping[str, AskedCase]) -> Elsewhere | None:
        """The case of another conversation that a message names, with no more of it than its writer may know."""
        own = draft.record.number if draft.record else ""
        named = next((number for number in codes.numbers(item.message.text) if number != own), "")
        return self._shown(cases.get(named), named) if named else None

    def _shown(self, case: AskedCase | None, number: str, *, is_proven: bool = False) -> Elsewhere:
        if case is None or not (case.known or is_proven):
            return Elsewhere(number=number)
        url = status_url(self._gateway, number)
        return Elsewhere(number=number, known=True, status=case.status, status_url=url)

    def _is_proof(self, draft: Draft, item: WorkItem, now: datetime, cases: Mapping[str, AskedCase]) -> bool:
        """Whether a message was the answer to a one-time code: then nothing else is read from it."""
        code, message = draft.code, item.message
        if code is None or draft.record is None or message.kind != "message" or message.public:
            return False
        digits = codes.typed(message.text)
        if not digits:
            return False
        if not codes.is_awaited(code, now) or identity.identity(message) != code.identity or message.machine:
            return False
        after = codes.tried(self._gateway.keys, code, digits, now)
        draft.tried(item, after)
        case = self._shown(cases.get(code.about), code.about, is_proven=after.state == "right") if code.about else None
        turn = Turn(key=item.key, text="", at=message.at, language=message.language)
        verdict: proof.Verdict = "wrong" if after.state == "open" else after.state
        draft.apply(item, proof.answered(self._asked(draft, turn, case), self._knowledge, verdict))
        return True

    def _invite(self, draft: Draft, item: WorkItem) -> None:
        """Praise and noise need no answer in public; all else is asked into a private channel."""
        assert draft.record is not None
        kind = draft.record.what.kind.value if draft.record.what.kind else ""
        if kind in UNANSWERED_IN_PUBLIC or not self._gateway.config.bot.enabled:
            draft.wait_for_person()
            return
        found = draft.record.arrival.language
        language = found.value if found else self._company.default_language
        draft.apply(item, public.invitation(draft.state, language, self._gateway.config.company.private_contact))

    def _answer(self, draft: Draft, work: Work, item: WorkItem, elsewhere: Elsewhere | None) -> Decision:
        """What the bot decides; a recording is answered for what was heard in it."""
        message, heard = item.message, spoken.transcripts(item)
        if (work.conversation.channel, work.conversation.account) in self._calls:
            return _call(draft.state)
        if confirmed := self._confirmed(draft, item):
            return confirmed
        if spoken.silent(item, heard):
            return failure.failed(message.language, draft.state, "a recording that was not heard")
        turn = Turn(
            key=item.key,
            text=mask(spoken.text(item, heard)),
            at=message.at,
            choice=message.choice,
            language=message.language,
            attachments=len(message.attachments),
            edited=message.kind == "edit",
        )
        assert draft.record is not None
        asked = self._asked(draft, turn, elsewhere)
        decision = decide(asked, self._knowledge)
        return calls.asking(asked, decision, self._knowledge) if heard else decision

    def _confirmed(self, draft: Draft, item: WorkItem) -> Decision | None:
        """The answer to the question for a number that was not heard well; None for anything else."""
        assert draft.record is not None
        told = doubts.answered(draft.record, item.message.text, key=item.key)
        # A yes may be to a question of the bot's own; a number is what it asks for then.
        is_other = draft.state.asking and not any(char.isdigit() for char in item.message.text)
        if told == draft.record or item.recordings or is_other:
            return None
        number = doubts.told(draft.record, told)
        draft.record = told
        asked = self._asked(draft, Turn(key=item.key, text=item.message.text, at=item.message.at))
        return calls.thanks(asked, self._knowledge, number)

    def _asked(self, draft: Draft, turn: Turn, elsewhere: Elsewhere | None = None) -> Asked:
        assert draft.record is not None
        context = msgspec.structs.replace(self._context(draft, draft.record, turn), elsewhere=elsewhere)
        return Asked(turn=turn, state=draft.state, record=draft.record, context=context)

    def _normalized(self, draft: Draft, work: Work, item: WorkItem, now: datetime) -> ComplaintRecord:
        settings = self._gateway.config.company
        record = draft.record
        heard: list[Transcript | None] = [*spoken.transcripts(item)]
        for transcript in heard or [None]:
            record = normalize(
                item.message,
                key=item.key,
                rules=self._rules,
                received_at=item.received_at,
                processed_at=now,
                conversation=work.conversation.id,
                so_far=record,
                transcript=transcript,
                replaces=_changed_key(item),
                country=settings.country,
                timezone=settings.timezone,
            )
        assert record is not None
        return spoken.marked(record, item)

    def _opened(self, draft: Draft, item: WorkItem, record: ComplaintRecord, *, is_known: bool) -> ComplaintRecord:
        """Give a new record its number, and every record the deadlines of its urgency. ``is_known``: not the first case."""
        if not record.number:
            record = msgspec.structs.replace(record, number=case_number(self._gateway.keys, item.key, item.message.at))
            if is_known:
                who = msgspec.structs.replace(record.who, customer_class="returning")
                record = msgspec.structs.replace(record, who=who)
            draft.journal.append(line(record, "opened", item.message.at, "customer", {"message": item.key}))
        deadlines = self._deadlines(record)
        return record if deadlines == record.standing.deadlines else standing(record, deadlines=deadlines)

    def _deadlines(self, record: ComplaintRecord) -> Deadlines:
        """Promises run from the provider's time of the first message, by urgency; only ever earlier than before."""
        urgency = record.gravity.urgency.value if record.gravity.urgency else "normal"
        promised, settings = record.standing.deadlines, self._gateway.config.deadlines
        start = record.arrival.provider_at
        response = self._calendar.after(start, settings.first_response[urgency])
        resolve = self._calendar.after(start, settings.resolve[urgency])
        return Deadlines(
            acknowledge_by=promised.acknowledge_by or response,
            first_response_by=min(filter(None, (promised.first_response_by, response))),
            resolve_by=min(filter(None, (promised.resolve_by, resolve))),
        )

    def _context(self, draft: Draft, record: ComplaintRecord, turn: Turn) -> Context:
        return Context(
            company=self._company,
            number=record.number,
            status_url=status_url(self._gateway, record.number),
            respond_by=record.standing.deadlines.first_response_by,
            open_now=self._calendar.open_at(turn.at),
            open_spans=self._calendar.spans(turn.at),
            owner=draft.owner,
            status=draft.status,
        )


def _identify(draft: Draft, item: WorkItem, owner: str) -> None:
    """Who wrote it, and what their platform vouches for; what a machine sent says nothing of a person.

    The conversation is ``owner``'s, who began it: somebody else who writes into it (a copied colleague) does not get it.
    """
    message = item.message
    if message.machine or message.kind == "delete":
        return
    own = identity.identity(message)
    if message.sender.id.lower() == owner.lower():
        draft.identity = draft.identity or own
    by = f"{message.channel}/{message.account}"
    draft.proofs += [
        NewProof(one=own, other=address, how=how, at=message.at, by=by) for address, how in identity.proven(message)
    ]


def _hear_of_block(draft: Draft, item: WorkItem) -> None:
    """What a platform tells of a customer who wants nothing more by this way, or something again."""
    if item.message.machine == "blocked":
        draft.blocked = True
    elif item.message.kind == "status" and item.message.text == "unblocked":
        draft.blocked = False


def _link(work: Work, item: WorkItem) -> Entry:
    """Where it points at, for the agent; the two conversations stay apart."""
    conversation = work.conversation
    other = conversation_id(conversation.channel, conversation.account, item.message.linked)
    return Entry(
        seq=0, kind="notice", notice="linked", at=item.message.at, choice=other, author="system", visible=False
    )


def _changed_key(item: WorkItem) -> str:
    """Key of the message that an edit or deletion changes."""
    message = item.message
    return f"{message.channel}/{message.account}/{message.refers_to}" if message.refers_to else ""


def _call(state: State) -> Decision:
    """A call was answered by a person while it ran: what is to be done is theirs, and nothing can be said into it."""
    return Decision(
        state=msgspec.structs.replace(state, handed_off=True),
        handoff=Handoff(reason="call", summary=""),
        trace=(Step(rule="call", verdict="hands over"),),
    )


def _is_over(record: ComplaintRecord | None, at: datetime) -> bool:
    """Whether a message at ``at`` no longer belongs to the case."""
    return record is not None and record.standing.status in OVER and at - record.updated_at > REOPENS_FOR
