"""No bytes make reading raise, take long, or come out differently the second time."""

from __future__ import annotations

import base64
import re
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels._email import charsets, html, quote, words
from channels._email.read import read

SEEDS = [
    b"From: =?gb2312?B?v827pw==?= <a@b.example>\r\nTo: d@x.example\r\nSubject: =?utf-8?Q?=E6=8A=95?=\r\n"
    b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=gb2312\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nzbbL3w==\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b"<div>hi<blockquote>x</blockquote></div>\r\n--b--\r\n",
    b"Return-Path: <>\r\nFrom: MAILER-DAEMON@x\r\nContent-Type: multipart/report; boundary=r\r\n\r\n--r\r\n\r\nsorry\r\n"
    b"--r\r\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; a@b\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    b"--r\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <x@y>\r\n\r\nold\r\n--r--\r\n",
    "Subject: x\r\nContent-Type: text/plain; format=flowed\r\n\r\n新的\r\n\r\n在 2026年6月3日 10:21，S <s@x> 写道：\r\n> 旧\r\n-- \r\n名".encode(),
    b"Content-Disposition: attachment; filename*0*=gbk''%C0; filename*1=%C1.txt\r\nContent-Type: image/png\r\n\r\nPNG",
]
PIECES = [
    b"\r\n", b"\n", b"\r", b"\0", b"--b", b"--", b"=?utf-8?B?", b"?=", b'"', b"<", b">", b";", b"=", b"\xff\xfe", b"\x1b$B",
    b"begin 644 a\r\n", b"On 1 Jan 2026 10:00 a@b wrote:\r\n", b"Content-Type: multipart/mixed; boundary=b\r\n", b"\xe4\xbd", b"-- \r\n",
]  # fmt: skip


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A seed with cuts, doubled pieces, foreign bytes and noise."""
    raw = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, len(raw)))
        match draw(st.integers(0, 3)):
            case 0:
                raw[at:at] = draw(st.sampled_from(PIECES)) * draw(st.integers(1, 4))
            case 1:
                del raw[at : at + draw(st.integers(1, 40))]
            case 2:
                raw[at : at + 1] = draw(st.binary(min_size=1, max_size=3))
            case _:
                raw[at:at] = raw[: draw(st.integers(0, len(raw)))]
    return bytes(raw[:20_000])


common = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(broken())
@common
def test_broken_mails(raw: bytes) -> None:
    begun = time.perf_counter()
    mail = read(raw)
    assert time.perf_counter() - begun < 2
    assert read(raw) == mail
    if re.search(r"\w", mail.full_text):
        assert mail.new_text.strip()
    for file in mail.attachments:
        assert file.name
        assert not re.search(r"[/\\\0]", file.name)


@given(st.binary(max_size=3000))
@common
def test_any_bytes(raw: bytes) -> None:
    assert isinstance(read(raw).full_text, str)


LABELS = "utf-8 utf-7 utf-16 utf-32 gb2312 hz big5 iso-2022-jp iso-2022-kr euc-jp shift_jis euc-kr latin1 cp1258 ascii unicode_escape".split()


@given(st.binary(max_size=200), st.sampled_from(LABELS) | st.text(max_size=12))
@common
def test_any_label(data: bytes, label: str) -> None:
    charsets.decode(data, label).encode()
    charsets.decode(b"+2AA-" + data, label).encode()


@given(st.binary(max_size=300))
@common
def test_any_header(raw: bytes) -> None:
    words.header(raw)
    assert read(b"From: " + raw.replace(b"\n", b" ") + b"\r\n\r\nx").full_text.endswith("x")


@given(
    st.lists(
        st.sampled_from(
            [
                "words",
                "> q",
                "",
                "-- ",
                "On 1 Jan 2026 at 10:00, A <a@b.c> wrote:",
                "From: a",
                "发件人：a",
                "To: b",
                "Subject: c",
                "-----Original Message-----",
                "Regards,",
                "发自我的iPhone",
                "____________",
                "| |",
            ]
        ),
        max_size=14,
    )
)
@common
def test_no_view_is_empty_and_nothing_is_lost(rows: list[str]) -> None:
    view = quote.split(quote.plain("\n".join(rows)))
    if any(re.search(r"[^\W_]", row) for row in rows):
        assert view.new.strip()
    for row in {row.strip() for row in rows if re.search(r"[^\W_]", row)}:
        assert row in "\n".join((view.new, view.signature, view.quoted))


@given(st.text(max_size=500))
@common
def test_any_html(page: str) -> None:
    quote.split(html.to_lines(page))


@given(st.text(max_size=80), st.sampled_from(["utf-8", "gb18030", "utf-16"]))
@common
def test_encoded_words_come_back(text: str, charset: str) -> None:
    text = re.sub(r"[\x00-\x1f\x7f\ud800-\udfff\ufeff\ufffd]", "", text).strip()
    coded = base64.b64encode(text.encode(charset)).decode()
    if charset == "utf-8" or text.isascii():
        assert words.header(f"=?{charset}?B?{coded}?=".encode()).split() == text.split()
