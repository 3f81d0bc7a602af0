"""Charsets that lie, and bytes without a label."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from channels._email import charsets
from channels._email.read import read

Build = Callable[..., bytes]

ZH = "收到的杯子碎了，客服说镕字打不出来。"
HANT = "包裹還沒到，請儘快處理，謝謝。"
JA = "商品が壊れていました。①番の髙橋です。"
KO = "배송이 너무 늦습니다. 똠방각하 환불해 주세요."


@pytest.mark.parametrize(
    ("text", "sent", "label"),
    [
        (ZH, "gb18030", "gb2312"),
        (ZH + "𠮷", "gb18030", "gbk"),
        (ZH, "gb18030", "us-ascii"),
        (ZH, "gb18030", "unknown-8bit"),
        (ZH, "gb18030", "x-no-such-thing"),
        (ZH, "gb18030", "utf-8"),
        (ZH, "gb18030", "iso-8859-1"),
        (ZH, "utf-8", "gb2312"),
        (ZH, "utf-8", "iso-8859-1"),
        (ZH, "utf-8", "iso-2022-jp"),
        (ZH, "utf-8", ""),
        ("貨物損壞，着急。裏面", "big5hkscs", "big5"),
        (HANT, "big5", ""),
        (HANT, "big5", "big-5"),
        (JA, "cp932", "shift_jis"),
        (JA, "cp932", ""),
        (JA, "cp932", "iso-2022-jp"),
        (KO, "cp949", "ks_c_5601-1987"),
        (KO, "cp949", "euc-kr"),
        (KO, "cp949", ""),
        ("Grüße aus Köln – “schön”", "cp1252", "iso-8859-1"),
        ("Das Gerät läuft nicht, schöne Grüße", "cp1252", ""),
        ("Gerät", "utf-8", "us-ascii"),
        ("Übermittlung", "utf-7", "unicode-1-1-utf-7"),
        ("投诉", "utf-16", "utf-16"),
        ("plain", "ascii", "utf-16"),
        ("投诉快递", "hz", "hz-gb-2312"),
    ],
)
def test_label_and_bytes_disagree(text: str, sent: str, label: str) -> None:
    assert charsets.decode(text.encode(sent), label) == text


def test_iso_2022_jp_with_vendor_characters() -> None:
    # row 13 (circled numbers) and row 92 (NEC selected kanji) are not in the standard
    assert charsets.decode(b"\x1b$B-!\x1b(B, \x1b$B|b66\x1b(B.", "iso-2022-jp") == "①, 髙橋."


def test_iso_2022_jp_half_width() -> None:
    assert charsets.decode(b"\x1b(I6@6E\x1b(B", "iso-2022-jp") == "ｶﾀｶﾅ"


def test_damaged_utf8_stays_utf8() -> None:
    data = ZH.encode() * 5
    assert charsets.decode(data[:-1], "utf-8").startswith(ZH)


def test_cut_gbk_is_still_chinese() -> None:
    assert charsets.decode(ZH.encode("gb18030")[:-1] + b"\xff", "gb2312").startswith(ZH[:-1])


@pytest.mark.parametrize("label", ["rot13", "base64", "idna", "zip", "unicode_escape", "../../x", "\x00", "a" * 300])
def test_codecs_that_are_no_charsets_are_not_used(label: str) -> None:
    assert charsets.decode("投诉".encode(), label) == "投诉"


def test_html_meta_charset_is_read(build: Build) -> None:
    page = (
        '<html><head><meta http-equiv="Content-Type" content="text/html; charset=gbk"></head><body>退款</body></html>'
    )
    mail = read(build(page.encode("gbk"), type="text/html"))
    assert mail.new_text == "退款"
