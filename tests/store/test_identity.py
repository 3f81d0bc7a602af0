"""Who is who: proofs, what hangs together by them, codes, and how all of it is taken back."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from channels.base import Sender
from gateway.store.base import (
    CODES_PER_HOUR,
    Code,
    Conflict,
    Instead,
    Joined,
    NewCode,
    NewProof,
    NotFound,
    SendResult,
    Store,
    conversation_id,
)
from gateway.store.identity import identity, proven
from tests.store.scene import START, Clock, fill, line, message, record, send, settle

ANNA = "email:anna@example.org"
PHONE = "phone:+4930901820"


def tie(one: str, other: str = ANNA, **more: object) -> NewProof:
    fields = {"how": "verified", "at": START, "by": "webchat/main", **more}
    return NewProof(one=one, other=other, **fields)  # type: ignore[arg-type]


def ask(conversation: str, id: str = "k1", **more: object) -> NewCode:
    fields = {
        "identity": "webchat/main/b",
        "address": ANNA,
        "by": "agent-1",
        "at": START,
        "expires_at": START + timedelta(minutes=10),
        **more,
    }
    return NewCode(id=id, conversation=conversation, **fields)  # type: ignore[arg-type]


async def person(store: Store, name: str, *others: str, number: str = "", how: str = "verified") -> str:
    """A conversation of the sender ``name``, whom proofs tie to ``others``."""
    said = message(f"1{name}", thread=name, second=1, sender=Sender(id=name))
    conversation = await fill(store, said)
    proofs = tuple(tie(identity(said), other, how=how) for other in others)
    await settle(store, identity=identity(said), proofs=proofs, record=record(number, conversation) if number else None)
    return conversation


async def aliases(store: Store, conversation: str) -> list[str]:
    return [alias.conversation.id for alias in (await store.contact(conversation)).aliases]


def test_only_what_is_verified_proves() -> None:
    claimed = message(1, sender=Sender(id="anna@example.org", email="anna@example.org"))
    assert proven(claimed) == ()
    assert identity(claimed) == conversation_id("webchat", "main", "t1"), "a claimed sender is nobody but this thread"
    sure = msgspec.structs.replace(
        claimed, sender=Sender(id="u", email="Anna@Example.org", phone="+49 30 901820", verified=True), channel="sms"
    )
    assert proven(sure) == ((ANNA, "verified"), (PHONE, "verified"))
    assert identity(sure) == "sms/main/u"


async def test_one_address_proven_twice_is_one_contact(store: Store) -> None:
    chat = await person(store, "a", ANNA)
    mail = await person(store, "b", ANNA, PHONE)
    stranger = await person(store, "c")
    contact = await store.contact(chat)
    assert [alias.conversation.id for alias in contact.aliases] == [mail]
    assert [(p.one, p.other) for p in contact.aliases[0].because] == [
        ("webchat/main/a", ANNA),
        ("webchat/main/b", ANNA),
    ]
    assert {address for address, _ in contact.addresses} == {ANNA, PHONE}
    assert await aliases(store, stranger) == []
    assert [found.id for found in await store.conversations_of(ANNA)] in ([chat, mail], [mail, chat])


async def test_threads_of_one_account_need_no_proof(store: Store) -> None:
    first = await fill(store, message(1, thread="x", sender=Sender(id="a")))
    second = await fill(store, message(2, thread="y", sender=Sender(id="a")))
    await settle(store, identity="webchat/main/a")
    (alias,) = (await store.contact(first)).aliases
    assert alias.conversation.id == second
    assert alias.because == ()


async def test_a_proof_is_undone_and_says_nothing_again(store: Store) -> None:
    chat, mail = await person(store, "a", ANNA, number="A-1"), await person(store, "b", ANNA)
    (alias,) = (await store.contact(chat)).aliases
    undone = await store.undo_proof(alias.because[1].n, at=START, by="agent-1", journal=line("A-1", "unproven"))
    assert undone.undone_by == "agent-1"
    assert await aliases(store, chat) == []
    assert [each.what for each in await store.journal("A-1")][-1] == "unproven"
    with pytest.raises(NotFound):
        await store.undo_proof(undone.n, at=START, by="agent-1")
    await fill(store, message(9, thread="b", sender=Sender(id="b")))
    await settle(store, proofs=(tie("webchat/main/b"),))
    assert await aliases(store, mail) == [], "the same word of the platform proves nothing any more"
    await fill(store, message(10, thread="b", sender=Sender(id="b")))
    await settle(store, proofs=(tie("webchat/main/b", how="code"),))
    assert await aliases(store, mail) == [chat], "a new code does"


async def test_who_has_a_case_elsewhere_is_known(store: Store) -> None:
    await person(store, "a", ANNA, number="A-1")
    await person(store, "b", PHONE)
    verified = Sender(id="c", email="anna@example.org", verified=True)
    claimed = Sender(id="d", email="anna@example.org")
    await fill(store, message(5, thread="c", sender=verified), message(6, thread="d", sender=claimed))
    batch = await store.claim_work(10)
    assert {work.conversation.thread: work.returning for work in batch.work} == {"c": True, "d": False}
    await batch.release()


async def test_a_case_is_known_to_its_contact_alone(store: Store) -> None:
    await person(store, "a", ANNA, number="A-1")
    for nodes, known in ((["webchat/main/a"], True), ([ANNA], True), (["webchat/main/z"], False), ([], False)):
        case = await store.asked_case("A-1", nodes)
        assert case is not None
        assert (case.known, case.proofs) == (known, (ANNA, "webchat/main/a"))
    assert await store.asked_case("A-2", []) is None


async def test_a_code_is_typed_once(store: Store) -> None:
    conversation = await person(store, "b")
    row = send("code/k1", conversation, destination="code:webchat/main")
    for _ in range(2):
        await store.put_code(ask(conversation), [row])
    assert [each.key for each in (await store.outbox()).items] == ["code/k1"]
    await fill(store, message(5, thread="b", sender=Sender(id="b")))
    batch = await store.claim_work(10)
    (work,) = batch.work
    await batch.release()
    code = work.code
    assert isinstance(code, Code)
    assert (code.address, code.tries, code.state) == (ANNA, 0, "open")
    await settle(
        store, code=msgspec.structs.replace(code, tries=1, state="right"), proofs=(tie(code.identity, how="code"),)
    )
    assert (await store.code("k1")).state == "right"
    await fill(store, message(6, thread="b", sender=Sender(id="b")))
    batch = await store.claim_work(10)
    assert batch.work[0].code is None
    await batch.release()


async def test_a_code_that_was_replaced_meanwhile_is_decided_anew(store: Store) -> None:
    conversation = await person(store, "b")
    await store.put_code(ask(conversation), [])
    old = await store.code("k1")
    await store.put_code(ask(conversation, "k2"), [])
    await fill(store, message(5, thread="b", sender=Sender(id="b")))
    with pytest.raises(AssertionError, match="another code"):
        await settle(store, code=msgspec.structs.replace(old, tries=1, state="right"), proofs=(tie("webchat/main/b"),))
    assert (await store.contact(conversation)).addresses == ()


@pytest.mark.parametrize("same", ["identity", "address"])
async def test_codes_are_few(store: Store, clock: Clock, same: str) -> None:
    conversation = await person(store, "b")
    other = "address" if same == "identity" else "identity"
    for n in range(CODES_PER_HOUR):
        await store.put_code(ask(conversation, f"k{n}", **{other: f"other {n}"}), [])
    with pytest.raises(Conflict):
        await store.put_code(ask(conversation, "more"), [])
    await fill(store, message(5, thread="b", sender=Sender(id="b")))
    await settle(store, codes=((ask(conversation, "asked by the customer"), send("s", conversation)),))
    assert (await store.code("asked by the customer")).address == "", "it looks the same and is never sent"
    assert (await store.outbox()).items == ()
    later = START + timedelta(hours=2)
    await store.put_code(ask(conversation, "later", at=later), [])
    assert (await store.code("later")).address == ANNA


async def test_erasing_takes_identities_proofs_and_codes(store: Store) -> None:
    chat, mail = await person(store, "a", ANNA), await person(store, "b", ANNA)
    await store.put_code(ask(chat, "typed", identity="webchat/main/a"), [])
    await store.put_code(ask(mail, "sent", address="webchat/main/a"), [])
    for name in ("a", chat):
        assert await store.find_person(name) == (chat, mail), "all that is proven to be the same person is found"
    await store.erase(chat, at=START, by="admin")
    assert await aliases(store, mail) == []
    assert await store.contact(chat) == msgspec.convert({"identity": ""}, type(await store.contact(chat)))
    for id in ("typed", "sent"):
        with pytest.raises(NotFound):
            await store.code(id)


async def test_what_follows_from_a_send_is_written_with_it(store: Store) -> None:
    conversation = await person(store, "a", number="A-1")
    await fill(store, message(5, thread="a", sender=Sender(id="a")))
    await settle(store, sends=(send("k", conversation),))
    (row,) = await store.claim_sends(1, START + timedelta(hours=1))
    await store.settle_sends([SendResult(id=row.id, state="dead", sends=(send("road/k", conversation, lane="r"),))])
    assert [(each.key, each.state) for each in (await store.outbox()).items] in (
        [("road/k", "waiting"), ("k", "dead")],
        [("k", "dead"), ("road/k", "waiting")],
    )


async def test_what_cannot_be_said_here_is_said_there_once(store: Store, clock: Clock) -> None:
    conversation = await person(store, "a", number="A-1")
    await fill(store, message(5, thread="a", sender=Sender(id="a")))
    await settle(store, sends=(send("k", conversation),))
    await store.claim(conversation, "agent-1", lease_until=START + timedelta(hours=9), now=START)
    (row,) = await store.claim_sends(1, START + timedelta(hours=1))
    other = Joined(channel="sms", account="main", thread="n", sender="n", phone="+4930901820")
    rows = [send("road/k", conversation_id("sms", "main", "n"), destination="channel:sms/main")]
    instead = Instead(send=row.id, why="expired")
    assert await store.join("A-1", other, rows, at=START, instead=instead)
    with pytest.raises(NotFound):
        await store.conversation(conversation_id("sms", "main", "n"))
    await store.settle_sends([SendResult(id=row.id, state="dead")])
    for _ in range(2):
        joined = await store.join("A-1", other, rows, at=START, instead=instead)
    found = await store.conversation(joined)
    assert (found.owner, found.number) == ("agent-1", "A-1"), "who wrote it gets the answer"
    states = {each.key: each.state for each in (await store.outbox()).items}
    assert states == {"k": "superseded", "road/k": "waiting"}
    told = [each for each in await store.timeline(conversation) if each.notice == "rerouted"]
    assert [(each.choice, each.text, each.visible) for each in told] == [(joined, "expired", False)]


async def test_names_of_any_length(store: Store) -> None:
    """Whoever writes with a very long name gets an answer, too; nothing that is no address proves anything."""
    long = "".join(f"{n * 7919 % 99991}" for n in range(4000))
    sender = Sender(id=long, name=long, email=f"{long}@example.org", phone=long, verified=True)
    said = message(1, sender=sender)
    conversation = await fill(store, said)
    assert proven(said) == ()
    who, other = identity(said), identity(message(2, sender=Sender(id=f"{long}b")))
    assert who != other
    code = ask(conversation, identity=who, address=other)
    await settle(store, identity=who, proofs=(tie(who, other), tie(who)), codes=((code, None),))
    contact = await store.contact(conversation)
    assert (contact.identity, [address for address, _ in contact.addresses]) == (who, [ANNA])
    assert [c.id for c in await store.conversations_of(ANNA)] == [conversation]
    assert await store.put_once("jti", long, b"1", expires_at=START + timedelta(hours=1)) == b"1"
    assert await store.take_once("jti", long, START) == b"1"
    await store.erase(conversation, at=START, by="operator")
    assert (await store.contact(conversation)).identity == ""
