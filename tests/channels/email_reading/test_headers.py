"""Subjects, addresses, ids, dates and file names, well-formed and not."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from channels._email import addresses, ids, names, words
from channels._email.mail import Address
from channels._email.mime import Headers
from channels._email.read import read

Build = Callable[..., bytes]


def b64(text: str, charset: str = "utf-8") -> str:
    return base64.b64encode(text.encode(charset)).decode()


HALF = "投诉".encode()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (f"=?utf-8?B?{b64('退款')}?=", "退款"),
        (f"=?UTF-8?b?{b64('退款')}?= =?utf-8?B?{b64('申请')}?=", "退款申请"),
        (f"Re:=?utf-8?B?{b64('退款')}?=now", "Re:退款now"),
        (f'"=?utf-8?B?{b64("退款")}?="', '"退款"'),
        (f"=?utf-8?B?{b64('退款').rstrip('=')}?=", "退款"),
        (
            f"=?utf-8?B?{base64.b64encode(HALF[:4]).decode()}?= =?utf-8?B?{base64.b64encode(HALF[4:]).decode()}?=",
            "投诉",
        ),
        (f"=?gb2312?B?{b64('朱镕基路', 'gb18030')}?=", "朱镕基路"),
        (f"=?utf-8*zh-CN?B?{b64('退款')}?=", "退款"),
        (f"=?x-unknown?B?{b64('退款')}?=", "退款"),
        (f"=?utf-8?B?{b64('退款')}", "退款"),
        ("=?utf-8?Q?Your_order is late?=", "Your order is late"),
        ("=?utf-8?Q?Is_it_late??=", "Is it late?"),
        ("=?iso-8859-1?Q?Gr=FC=DFe?=", "Grüße"),
        ("=?utf-8?Q?100%_=?=", "100% ="),
        ("=?nonsense", "=?nonsense"),
        ("a\r\n b\r\n\tc", "a b\tc"),
        ("x\x00y\x1bz", "xy z"),
    ],
)
def test_encoded_words(value: str, text: str) -> None:
    assert words.header(value.encode()) == text


def test_japanese_subject_with_raw_bytes(build: Build) -> None:
    raw = build("本文です", subject="商品の不具合".encode("cp932"), charset="shift_jis")
    assert read(raw).subject == "商品の不具合"


def test_raw_gbk_subject(build: Build) -> None:
    assert read(build("x", subject="快递丢失投诉".encode("gbk"))).subject == "快递丢失投诉"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("a@b.example", [("", "a@b.example")]),
        ("Ann <a@b.example>", [("Ann", "a@b.example")]),
        ('"Lee, Ann" <a@b.example>, c@d.example', [("Lee, Ann", "a@b.example"), ("", "c@d.example")]),
        ("Lee, Ann <a@b.example>", [("Lee, Ann", "a@b.example")]),
        ("a@b.example (Ann Lee)", [("Ann Lee", "a@b.example")]),
        ("friends: a@b.example, Bo <c@d.example>;", [("", "a@b.example"), ("Bo", "c@d.example")]),
        ("a@b.example; c@d.example", [("", "a@b.example"), ("", "c@d.example")]),
        (f"=?utf-8?B?{b64('客服 <x@y.example>')}?= <a@b.example>", [("客服 <x@y.example>", "a@b.example")]),
        (f"=?utf-8?B?{b64('boss@bank.example')}?= <a@b.example>", [("boss@bank.example", "a@b.example")]),
        ("'a@b.example' <a@b.example>", [("", "a@b.example")]),
        ("Ann a@b.example", [("Ann", "a@b.example")]),
        ("<a@b.example", [("", "a@b.example")]),
        ("<mailto:a@b.example>", [("", "a@b.example")]),
        ("undisclosed-recipients:;", []),
        ("", []),
    ],
)
def test_addresses(value: str, wanted: list[tuple[str, str]]) -> None:
    assert addresses.parse([value.encode()]) == tuple(Address(*pair) for pair in wanted)


def test_a_second_from_is_kept_as_a_flaw(build: Build) -> None:
    raw = build("x").replace(b"Subject", b"From: Other <o@x.example>\r\nSubject")
    mail = read(raw)
    assert (mail.from_.email, mail.more_from[0].email) == ("lilei@mail.example", "o@x.example")
    assert "several From" in mail.flaws


def test_without_from_the_sender_speaks(build: Build) -> None:
    mail = read(build("x", **{"from": "", "sender": "s@x.example"}))
    assert mail.from_.email == "s@x.example"
    assert "no From" in mail.flaws


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("<a@b>", ("a@b",)),
        ("<a@@b> <[abc]@x>", ("a@@b", "[abc]@x")),
        ("a@b c@d", ("a@b", "c@d")),
        ("<a@b>\r\n <a@b> <c@d>", ("a@b", "c@d")),
        ("no id here", ()),
    ],
)
def test_message_ids(value: str, wanted: tuple[str, ...]) -> None:
    assert ids.many([value.encode()]) == wanted


def test_long_references_keep_the_first_and_the_newest() -> None:
    found = ids.many([b" ".join(b"<%d@x>" % n for n in range(200))])
    assert (len(found), found[0], found[-1]) == (50, "0@x", "199@x")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("Wed, 3 Jun 2026 10:21:00 +0800", datetime(2026, 6, 3, 2, 21, tzinfo=UTC)),
        ("3 Jun 26 10:21 GMT", datetime(2026, 6, 3, 10, 21, tzinfo=UTC)),
        ("Wed, 3 Jun 2026 10:21:00 +9999", datetime(2026, 6, 2, 10, 22, tzinfo=UTC).replace(hour=10, minute=28)),
        ("Wed, 3 Jun 99999 10:21:00 +0800", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates(build: Build, value: str, wanted: datetime | None) -> None:
    got = read(build("x", date=value)).date
    if "+9999" in value:
        assert got is None or got.year == 2026
    else:
        assert got == wanted


GBK = "收据.pdf".encode("gbk")


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        (b'attachment; filename="a b.pdf"', "a b.pdf"),
        (b"attachment; filename=a b.pdf", "a b.pdf"),
        (b"attachment; filename*=utf-8''%E6%94%B6%E6%8D%AE.pdf", "收据.pdf"),
        (b"attachment; filename*=gb2312'zh'" + b"".join(b"%%%02X" % c for c in GBK), "收据.pdf"),
        (b"attachment; filename*0*=utf-8''%E6%94%B6; filename*1*=%E6%8D%AE; filename*2=.pdf", "收据.pdf"),
        (b"attachment; filename*1=b.pdf; filename*0=a", "ab.pdf"),
        (b'attachment; filename="' + f"=?utf-8?B?{b64('收据.pdf')}?=".encode() + b'"', "收据.pdf"),
        (b'attachment; filename="' + "收据.pdf".encode() + b'"', "收据.pdf"),
        (b'attachment; filename="' + GBK + b'"', "收据.pdf"),
        (b'attachment; filename="../../etc/passwd"', "passwd"),
        (b'attachment; filename="C:\\\\temp\\\\x.txt"', "x.txt"),
        (b'attachment; filename="gpj.\xe2\x80\xaeexe.txt"', "gpj._exe.txt"),
        (b'attachment; filename="a;b;c.pdf"', "a;b;c.pdf"),
        (b'attachment; filename="unclosed.pdf', "unclosed.pdf"),
        (b"attachment", ""),
    ],
)
def test_file_names(field: bytes, wanted: str) -> None:
    assert names.declared(Headers([("content-disposition", field)]), "gb2312") == wanted


def test_a_long_name_keeps_its_suffix() -> None:
    name = names.clean("长" * 300 + ".pdf")
    assert len(name.encode()) <= 200
    assert name.endswith(".pdf")
