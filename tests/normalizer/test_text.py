"""Folding and the way back to the raw text; language."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from normalizer.rules import Rules
from normalizer.text import MAX_TEXT, Text

LAX = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = st.sampled_from(
    ["退 款", "訂單號", "１９９元", "ﬁre", "e\u0301", "\u200b", "\u202e", "😡", "\ud800", " ", "\n", "$50", "Ⅷ", "㎏", "13812345678",
     "昨天下午三點", "İ", "ß", "我要投訴", "a@b.co", "不滿意", "\x00", "\x07", "1Z999AA10123456784", "refund", "。"]
)  # fmt: skip
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=14).map("".join)


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("ＡＢＣ１２３", "abc123"),
        ("訂單號碼", "订单号码"),
        ("退 款", "退款"),
        ("退\u200b款", "退款"),
        ("\u202e退款", "退款"),
        ("cafe\u0301", "café"),
        ("質量差 客服差", "质量差 客服差"),
        ("Refund NOW", "refund now"),
    ],
)
def test_folding(rules: Rules, raw: str, plain: str) -> None:
    assert Text(raw, rules.fold).plain == plain


@LAX
@given(raw=TEXTS)
def test_every_character_leads_back(rules: Rules, raw: str) -> None:
    text = Text(raw, rules.fold)
    before = 0
    for index in range(len(text.plain)):
        start, end = text.span(index, index + 1)
        assert before <= start < end <= len(text.raw)
        before = start


@LAX
@given(raw=TEXTS)
def test_quotes_stand_where_the_evidence_says(say: Any, raw: str) -> None:
    record = say(raw)
    parts = [*record.what.demands, *record.what.dates, *record.what.amounts, *record.who.phones, *record.who.emails]
    singles = [record.what.kind, record.what.category, record.gravity.sentiment]
    for found in [*parts, *(f for f in singles if f)]:
        for e in found.evidence:
            assert raw[e.start : e.end].replace("\ud800", "\ufffd") == e.quote


def test_folded_text_is_matched_and_raw_text_is_quoted(say: Any) -> None:
    found = say("我 要 退\u200b 款！訂單號１２３４５６７８").what
    assert [d.value for d in found.demands] == ["refund"]
    assert found.order_numbers[0].value == "12345678"
    assert found.order_numbers[0].evidence[0].quote == "１２３４５６７８"


def test_long_text_is_capped(rules: Rules) -> None:
    assert len(Text("x" * (MAX_TEXT + 9), rules.fold).raw) == MAX_TEXT


LANGUAGES = [
    ("你们的快递太慢了", "zh-Hans"),
    ("你們的快遞太慢了", "zh-Hant"),
    ("注文した商品が届きません", "ja"),
    ("주문한 상품이 아직 안 왔어요", "ko"),
    ("Заказ не пришёл", "ru"),
    ("สินค้ายังไม่มา", "th"),
    ("لم يصل طلبي", "ar"),
    ("My order is late again", "en"),
    ("Mi pedido no ha llegado todavía", "es"),
    ("Ma commande n'est pas arrivée", "fr"),
    ("Meine Bestellung ist nicht angekommen", "de"),
    ("O meu pedido ainda não chegou", "pt"),
    ("Il mio ordine non è arrivato", "it"),
    ("Mijn bestelling is nog niet aangekomen", "nl"),
    ("Pesanan saya belum sampai", "id"),
    ("Siparişim hâlâ gelmedi", "tr"),
    ("Makanan rosak semasa penghantaran, saya mahu bayaran balik", "ms"),
    ("Barang rusak saat pengiriman, saya minta uang kembali", "id"),
    ("Terima kasih", "id"),
    ("สั่งซื้อ iPhone 15 Pro Max ยังไม่ได้", "th"),
    ("Đơn hàng của tôi chưa đến", "vi"),
    ("12345", "und"),
    ("😡😡😡", "und"),
    ("這個iPhone不能用", "zh-Hant"),
]


@pytest.mark.parametrize(("text", "tag"), LANGUAGES)
def test_language(rules: Rules, text: str, tag: str) -> None:
    assert rules.detector.tell(text).tag == tag


def test_short_text_takes_the_prior(rules: Rules) -> None:
    assert rules.detector.tell("好", prior="zh-Hant").tag == "zh-Hant"
    assert rules.detector.tell("好").tag == "zh"
    assert rules.detector.tell("ok", prior="es").tag == "es"


def test_mixed_text_is_marked(rules: Rules) -> None:
    assert rules.detector.tell("my order 订单 is still not delivered and nobody answers").mixed


def test_folding_a_character_twice_changes_nothing(rules: Rules) -> None:
    for code in (*range(0x3400, 0x4DC0), *range(0x4E00, 0xA000)):
        once = rules.fold.character(chr(code))
        assert rules.fold.character(once) == once, f"{chr(code)} {once}"


@pytest.mark.parametrize(
    ("traditional", "simplified"), [("怎麼", "怎么"), ("什麽", "什么"), ("薴麻", "苎麻"), ("苧麻", "苎麻")]
)
def test_variants_fold_to_one_form(rules: Rules, traditional: str, simplified: str) -> None:
    assert Text(traditional, rules.fold).plain == Text(simplified, rules.fold).plain == simplified
