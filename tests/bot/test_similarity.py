"""The index: arrays that give what a plain reading of the definitions gives."""

from __future__ import annotations

import hashlib
import time

import pytest

from bot.knowledge import Knowledge
from bot.postings import Gathered, Postings, keys_of
from bot.similarity import Index
from bot.words import NUMBER, Utterance
from normalizer.text import Fold

TABLE = Fold({"貨": "货"})
EXAMPLES = {
    "return": ["how do I return it", "退货怎么办", "I want to send it back"],
    "pay": ["how can I pay", "can I pay by card", "怎么付款"],
    "cancel": ["cancel my order", "I do not want the order"],
}


def _near(text: str, index: Index | None = None) -> list[str]:
    index = index or Index(EXAMPLES, TABLE)
    return [each.entry for each in index.nearest(Utterance(text, TABLE))]


def test_postings_find_what_was_put_in() -> None:
    gathered = Gathered()
    for counts in ({"a": 1.0, "b": 2.0}, {"b": 3.0}, {}):
        gathered.add(counts)
    postings = Postings(gathered)
    numbers = postings.numbers(keys_of(["a", "b", "c"]))
    assert numbers[2] == -1
    hits = postings.hits(numbers[:2])
    assert sorted(zip(hits.rows.tolist(), hits.weights.tolist(), hits.which.tolist())) == [
        (0, 1, 0),
        (0, 2, 1),
        (1, 3, 1),
    ]
    assert not len(postings.hits(numbers[:2], longest=0).rows)


@pytest.mark.parametrize(
    ("text", "entry"),
    [("return", "return"), ("退貨", "return"), ("pay with card please", "pay"), ("cancle order", "cancel")],
)
def test_the_nearest_comes_first(text: str, entry: str) -> None:
    assert _near(text)[0] == entry


@pytest.mark.parametrize("text", ["", "???", "xyzzy", "😀", "12"])
def test_what_has_nothing_in_common_is_near_nothing(text: str) -> None:
    assert _near(text) == []


def test_nothing_to_compare_with() -> None:
    assert _near("pay", Index({}, TABLE)) == []
    assert Index({}, TABLE).exact("pay") == ""


def test_an_example_is_known_unless_two_entries_have_it() -> None:
    index = Index({**EXAMPLES, "other": ["how can I pay", "退貨怎么办 "]}, TABLE)
    assert index.exact(Utterance("Cancel my order!", TABLE).compact) == "cancel"
    assert index.exact(Utterance("how can I pay?", TABLE).compact) == ""
    assert index.exact("") == ""


def test_signals_of_an_example_itself() -> None:
    near = Index(EXAMPLES, TABLE).nearest(Utterance("cancel my order", TABLE))[0]
    assert near.example == "cancel my order"
    assert near.signals.best == pytest.approx(1.0, abs=1e-5)
    assert near.signals.back == pytest.approx(1.0, abs=1e-5)
    assert (near.signals.known, near.signals.strangest, near.unmatched) == (1.0, 0.0, 0.0)


def test_an_unknown_word_and_the_other_polarity_are_seen() -> None:
    index = Index(EXAMPLES, TABLE)
    strange = index.nearest(Utterance("cancel my zeppelin", TABLE))[0]
    assert strange.signals.strangest == 1.0
    denied = next(e for e in index.nearest(Utterance("I can not pay by card", TABLE)) if e.entry == "pay")
    assert denied.signals.polarity == 0.0
    assert denied.best == 0.0


def test_what_is_asked_for_and_how_it_is_put_tell_twins_apart() -> None:
    index = Index({"prove": ["how do I prove my identity", "how can I prove who I am"], **EXAMPLES}, TABLE)
    how, why = (index.nearest(Utterance(f"{each} do I prove my identity", TABLE))[0].signals for each in ("how", "why"))
    assert (how.asks, why.asks) == (1.0, 0.0)
    assert how.style > why.style
    assert how.pairs > why.pairs


def test_part_of_an_example_is_less_than_all_of_it() -> None:
    part = Index(EXAMPLES, TABLE).nearest(Utterance("my order", TABLE))[0].signals
    assert part.told == pytest.approx(1.0)
    assert 0 < part.echo <= part.whole < 1


def test_kinds_of_questions() -> None:
    said = {
        "why": ("Why was it declined?", "为什么被拒了"),
        "quantity": ("how much is it", "要多少钱"),
        "time": ("how long does it take", "什么时候到账"),
        "way": ("how do I pay", "怎么付款"),
        "place": ("where is it", "在哪里看"),
        "thing": ("what is a voucher", "哪种券"),
        "whether": ("can I pay by card", "能不能刷卡"),
        "wish": ("I want to pay", "帮我付款"),
        "tale": ("paid twice", "付了两次"),
    }
    assert {kind: tuple(Utterance(text, TABLE).asks for text in texts) for kind, texts in said.items()} == {
        kind: (kind, kind) for kind in said
    }


def test_a_long_number_is_a_word_of_its_own() -> None:
    assert NUMBER in Utterance("call 7021645199", TABLE).terms
    assert NUMBER not in Utterance("wait 30 days", TABLE).terms


def test_a_thousand_entries_take_two_milliseconds(knowledge: Knowledge) -> None:
    """Made of syllables, so that they share as much as real words do; measured as processor time, with room for a busy machine."""
    syllables = "ka re mo ti lu sa ne po vi da gu fe zo ma ri tu le bo ni sha".split()

    def word(*key: object) -> str:
        digest = hashlib.sha256(repr(key).encode()).digest()
        return "".join(syllables[byte % 20] for byte in digest[:3])

    examples = {
        f"e{entry}": [f"how do I {word(entry, 1)} the {word(entry, 2)} of {word(entry, form)}" for form in range(5)]
        for entry in range(1_000)
    }
    index = Index(examples, knowledge.table)
    asked = [Utterance(texts[0] + " please", knowledge.table) for texts in list(examples.values())[::20]]
    started = time.process_time()
    found = [index.nearest(each)[0].entry for each in asked]
    assert (time.process_time() - started) / len(asked) < 0.006
    assert found == list(examples)[::20]
