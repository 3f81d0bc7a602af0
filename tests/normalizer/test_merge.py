"""Several messages, corrections, edits, deletions, machines and recordings."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.base import Attachment, Sender
from normalizer.record import BY_AGENT, ComplaintRecord, Evidence, Found
from transcription.base import Segment, Transcript, Word

FIRST = "我要投诉，订单号20418395711的冰箱坏了，要求退款"


def test_messages_add_up(say: Any) -> None:
    first = say(FIRST)
    second = say("我的手机13812345678，还要赔偿", key="k2", so_far=first)
    assert {d.value for d in second.what.demands} == {"refund", "compensation"}
    assert [f.value for f in second.who.phones] == ["+8613812345678"]
    assert second.what.order_numbers == first.what.order_numbers
    assert second.arrival.messages == ("k1", "k2")
    assert second.what.kind.value == "complaint"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(
        st.sampled_from([FIRST, "处理得怎么样了", "不急", "I want a refund", "谢谢", "气死了！", ""]),
        min_size=1,
        max_size=5,
    )
)
def test_a_message_twice_is_once(say: Any, texts: list[str]) -> None:
    record = None
    for number, text in enumerate(texts):
        record = say(text, key=f"k{number}", so_far=record)
        assert say(text, key=f"k{number}", so_far=record) == record
    again = None
    for number, text in enumerate(texts):
        again = say(text, key=f"k{number}", so_far=again)
    assert again == record


def test_chasers_are_counted_and_change_nothing_else(say: Any) -> None:
    first = say(FIRST)
    second = say("处理得怎么样了？还没有消息", key="k2", so_far=first)
    assert second.standing.chasers == 1
    assert second.what.kind.value == "complaint"
    assert say("催一下", key="k3", so_far=second).standing.chasers == 2


def test_standing_and_number_are_carried_over(say: Any) -> None:
    first = say(FIRST)
    numbered = msgspec.structs.replace(
        first, number="C-1", revision=4, standing=msgspec.structs.replace(first.standing, owner="anna", ticket="T9")
    )
    second = say("不急", key="k2", so_far=numbered)
    assert (second.number, second.revision, second.standing) == ("C-1", 4, numbered.standing)


def test_an_edit_takes_the_place_of_what_it_changes(say: Any) -> None:
    first = say("订单号11112222坏了，我要退款")
    changed = say("订单号33334444坏了，我要换货", key="k2", so_far=first, kind="edit", refers_to="m1", replaces="k1")
    assert [f.value for f in changed.what.order_numbers] == ["33334444"]
    assert [d.value for d in changed.what.demands] == ["replacement"]
    assert "33334444" in changed.what.summary


def test_a_deletion_takes_its_evidence_out(say: Any) -> None:
    first = say(FIRST)
    second = say("我手机13812345678", key="k2", so_far=first)
    gone = say("", key="k3", so_far=second, kind="delete", refers_to="m2", replaces="k2")
    assert gone.who.phones == ()
    assert gone.what.order_numbers == first.what.order_numbers
    assert gone.arrival.messages == ("k1", "k2", "k3")


def test_a_complaint_is_about_what_it_says_whatever_was_asked_before(say: Any) -> None:
    asked = say("How do I get a refund?")
    assert asked.what.category.value == "billing/refund"
    told = say("My kettle arrived broken and the courier was rude.", key="k2", so_far=asked)
    assert told.what.category.value == "logistics/damaged"


def test_withdrawal_ends_the_complaint(say: Any) -> None:
    assert say("我要撤销投诉", key="k2", so_far=say(FIRST)).what.kind.value == "withdrawal"


def test_machine_mail_is_a_quiet_record(say: Any) -> None:
    alone = say("I am out of office, call +1 541-754-3010", machine="auto_reply")
    assert alone.what.kind.value == "machine"
    assert alone.who.phones == ()
    after = say("I am out of office", key="k2", so_far=say(FIRST), machine="auto_reply")
    assert after.what.kind.value == "complaint"


def test_a_person_after_a_machine_is_heard(say: Any) -> None:
    machine = say("auto", machine="auto_reply")
    assert say(FIRST, key="k2", so_far=machine).what.kind.value == "complaint"


def test_what_the_channel_knows(say: Any) -> None:
    file = Attachment(name="a.jpg", type="image/jpeg", size=9, digest="ab" * 32, state="kept")
    sender = Sender(id="u1", name="Anna", email="Anna@Example.com", phone="+4930123456", verified=True)
    record = say("坏了", sender=sender, attachments=(file,), on_behalf_of="我妈妈")
    assert record.who.identities == ("webchat/main/u1",)
    assert [n.value for n in record.who.names] == ["Anna"]
    assert [e.value for e in record.who.emails] == ["anna@example.com"]
    assert record.who.on_behalf_of is not None
    assert [f.digest for f in record.arrival.attachments] == ["ab" * 32]


def test_the_subject_counts(say: Any) -> None:
    record = say("see attached photo", subject="Refund for order 20418395711", channel="email")
    assert [f.value for f in record.what.order_numbers] == ["20418395711"]
    evidence = record.what.order_numbers[0].evidence[0]
    assert (evidence.rule.startswith("subject:"), evidence.end) == (True, 0)


def _heard(*words: tuple[str, float]) -> Transcript:
    spoken = tuple(Word(text=w, start=i, end=i + 0.5, confidence=c) for i, (w, c) in enumerate(words))
    text = " ".join(w for w, _ in words)
    segment = Segment(speaker="customer", start=0, end=len(words), text=text, words=spoken)
    return Transcript(recording="ff" * 32, language="zh", model="m", duration=9.0, segments=(segment,))


def test_a_recording_is_evidence_in_seconds(say: Any) -> None:
    record = say("", transcript=_heard(("我", 0.9), ("要", 0.9), ("退款", 0.95)))
    demand = record.what.demands[0]
    assert demand.value == "refund"
    assert demand.evidence[0].message == "ff" * 32
    assert (demand.evidence[0].from_second, demand.evidence[0].to_second) == (0, 2.5)


def test_a_word_heard_badly_is_no_fact(say: Any) -> None:
    record = say("", transcript=_heard(("我", 0.9), ("要", 0.9), ("退款", 0.3)))
    assert record.what.demands == ()


def test_cards_never_reach_the_record(say: Any) -> None:
    record = say("卡号4111 1111 1111 1111，身份证110101199003070011，要求退款到这张卡")
    stored = msgspec.json.encode(record).decode()
    assert "4111 1111 1111" not in stored
    assert "199003070011" not in stored


def test_a_record_survives_encoding(say: Any) -> None:
    record = say(FIRST + " 😡 \ud800 昨天下午三点 50元")
    assert msgspec.json.decode(msgspec.json.encode(record), type=ComplaintRecord) == record


FORBIDDEN = {
    "os",
    "pathlib",
    "socket",
    "time",
    "random",
    "secrets",
    "asyncio",
    "aiohttp",
    "sqlite3",
    "subprocess",
    "uuid",
    "logging",
}


@pytest.mark.parametrize(
    "path",
    sorted(p for p in (Path(__file__).parents[2] / "normalizer").rglob("*.py") if "data" not in p.parts),
    ids=lambda p: p.stem,
)
def test_normalizer_is_pure(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").split(".")[0]}
            if node.module == "pathlib":
                names = set() if {a.name for a in node.names} == {"PurePath"} else names
        elif isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            assert called not in ("open", "now", "utcnow", "today", "print", "eval", "exec"), called
            continue
        else:
            continue
        assert not names & FORBIDDEN, names
        assert not names & {"bot", "gateway"}, names


def test_a_second_edit_takes_the_place_of_the_first(say: Any) -> None:
    first = say("订单号11112222坏了", key="webchat/main/m1")
    second = say("订单号33334444坏了", key="webchat/main/m2", so_far=first, kind="edit", refers_to="m1")
    third = say("订单号55556666坏了", key="webchat/main/m3", so_far=second, kind="edit", refers_to="m1")
    assert [f.value for f in third.what.order_numbers] == ["55556666"]
    gone = say("", key="webchat/main/m4", so_far=third, kind="delete", refers_to="m1")
    assert gone.what.order_numbers == ()
    assert gone.what.summary == ""


def test_what_a_person_has_set_stays(say: Any) -> None:
    first = say(FIRST)
    by_hand: Any = Found(value="suggestion", evidence=(Evidence(message="", rule=BY_AGENT),))
    told = msgspec.structs.replace(first, what=msgspec.structs.replace(first.what, kind=by_hand, category=by_hand))
    after = say("我要撤销投诉，快递还没到", key="k2", so_far=told)
    assert (after.what.kind, after.what.category) == (by_hand, by_hand)
    deleted = say("", key="k3", so_far=after, kind="delete", refers_to="m1", replaces="k1")
    assert deleted.what.kind == by_hand
