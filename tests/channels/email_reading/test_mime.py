"""The structure: parts, attachments, nested mails, and what is broken about them."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from channels._email import mime, transfer
from channels._email.read import read

Build = Callable[..., bytes]

PDF = b"%PDF-1.4 " + bytes(range(256))
ATTACHED = (
    b"Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(PDF)
)
TEXT = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "请看附件".encode()
HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n" + "<p>请看<b>附件</b></p>".encode()


def test_text_and_attachment(multipart: Build) -> None:
    mail = read(multipart(TEXT, ATTACHED))
    assert mail.new_text == "请看附件"
    assert [(f.name, f.type, f.data) for f in mail.attachments] == [("a.pdf", "application/pdf", PDF)]


def test_missing_closing_line(multipart: Build) -> None:
    raw = multipart(TEXT, ATTACHED)
    assert read(raw[: raw.rindex(b"--edge--")]).attachments[0].data == PDF


def test_boundary_that_is_the_beginning_of_another(multipart: Build, build: Build) -> None:
    inner = b"--edge1\r\n" + TEXT + b"\r\n--edge1\r\n" + HTML + b"\r\n--edge1--\r\n"
    raw = multipart(b'Content-Type: multipart/alternative; boundary="edge1"\r\n\r\n' + inner, ATTACHED)
    mail = read(raw)
    assert (mail.new_text, len(mail.attachments)) == ("请看附件", 1)


@pytest.mark.parametrize(
    "declared", ['multipart/mixed; boundary="other"', "multipart/mixed", "multipart/mixed; boundary="]
)
def test_boundary_wrong_or_missing_is_read_off_the_body(multipart: Build, declared: str) -> None:
    raw = multipart(TEXT, ATTACHED).replace(b'multipart/mixed; boundary="edge"', declared.encode())
    mail = read(raw)
    assert mail.new_text == "请看附件"
    assert mail.attachments[0].data == PDF


def test_boundary_never_appears(build: Build) -> None:
    mail = read(build("only words", type='multipart/mixed; boundary="x"'))
    assert mail.new_text == "only words"
    assert mail.flaws


@pytest.mark.parametrize("swap", [(b"\r\n", b"\n"), (b"\r\n", b"\r"), (b"\r\n", b"\r\r\n")])
def test_line_ends(multipart: Build, swap: tuple[bytes, bytes]) -> None:
    mail = read(multipart(TEXT, ATTACHED).replace(*swap))
    assert mail.subject == "Hello"
    assert mail.new_text == "请看附件"
    assert mail.attachments[0].name == "a.pdf"


def test_mbox_line_and_garbage_between_headers(build: Build) -> None:
    raw = b"From lilei Wed Jun  3 10:21:00 2026\r\n" + build("hi").replace(b"Subject", b"this is no header\r\nSubject")
    mail = read(raw)
    assert (mail.subject, mail.new_text) == ("Hello", "hi")
    assert "garbage header lines" in mail.flaws


def test_no_headers_at_all() -> None:
    assert read("你们的东西坏了\n请退款".encode()).new_text == "你们的东西坏了\n请退款"


@pytest.mark.parametrize(
    "raw", [b"", b"\n", b"\r\n\r\n", b"Subject: only", b"Subject: only\r\n\r\n", b":", b"\x00" * 50]
)
def test_next_to_nothing(raw: bytes) -> None:
    mail = read(raw)
    assert mail.new_text.strip("\x00") == "" or raw == b":"
    assert mail.attachments == ()


def test_nested_mail_is_kept_byte_for_byte(multipart: Build, build: Build) -> None:
    inner = build("坏了", subject="Broken cup", charset="utf-8")
    mail = read(multipart(TEXT, b"Content-Type: message/rfc822\r\n\r\n" + inner))
    assert (mail.attachments[0].name, mail.attachments[0].data) == ("Broken cup.eml", inner)
    assert mail.new_text == "请看附件"


def test_winmail_and_calendar_are_kept(multipart: Build) -> None:
    tnef = b"Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\neJ8+IgY="
    invite = b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR"
    mail = read(multipart(TEXT, tnef, invite))
    assert [(f.name, f.type) for f in mail.attachments] == [
        ("winmail.dat", "application/ms-tnef"),
        ("document.ics", "text/calendar"),
    ]


def test_inline_picture_and_marked_inline_without_id(multipart: Build) -> None:
    picture = b"Content-Type: image/png\r\nContent-Disposition: inline; filename=p.png\r\n%s\r\nPNG"
    mail = read(multipart(HTML, picture % b"Content-Id: <p@x>\r\n", picture % b"", kind="related"))
    assert [(f.name, f.inline, f.content_id) for f in mail.attachments] == [
        ("p.png", True, "p@x"),
        ("p.png", False, ""),
    ]


def test_files_without_a_name_get_one(multipart: Build) -> None:
    part = b'Content-Type: image/png; name=""\r\nContent-Disposition: attachment; filename=""\r\n\r\n'
    mail = read(multipart(TEXT, part + b"1", part + b"2", part))
    assert [f.name for f in mail.attachments] == ["image.png", "image1.png", "image2.png"]


def test_uuencoded_file_inside_the_text(build: Build) -> None:
    mail = read(build("see file\n\nbegin 644 note.txt\n%:&5L;&\\\n`\nend\nthanks"))
    assert [(f.name, f.data) for f in mail.attachments] == [("note.txt", b"hello")]
    assert mail.full_text.split() == ["see", "file", "thanks"]


@pytest.mark.parametrize(
    ("coded", "plain"),
    [
        (b"aGVsbG8=", b"hello"),
        (b"aGVsbG8", b"hello"),
        (b"aGVs\r\nbG8=\r\n", b"hello"),
        (b"aGVs bG8=", b"hello"),
        (b"aGVsbG8=aGVsbG8=", b"hellohello"),
        (b"aGVsbG8=\r\n-- \r\nthe list's footer!", b"hello"),
        (b"This is not base64, it only says so.", b"This is not base64, it only says so."),
        (b"", b""),
    ],
)
def test_broken_base64(coded: bytes, plain: bytes) -> None:
    assert transfer.decode(coded, "base64") == plain


def test_broken_quoted_printable() -> None:
    assert transfer.decode(b"50=% off =ZZ=E4=BD=A0=\r\n=E5=A5=BD", "Quoted-Printable ;") == "50=% off =ZZ你好".encode()


def test_unknown_transfer_encoding_is_none(build: Build) -> None:
    assert read(build("plain words", coding="x-magic")).new_text == "plain words"


def test_flowed_text_is_joined(build: Build) -> None:
    raw = build("one long \r\nline\r\n\r\n> quoted \r\n> too\r\n-- \r\nme", type="text/plain; format=flowed")
    mail = read(raw)
    assert mail.full_text.startswith("one long line\n\n> quoted too")
    assert mail.signature.endswith("me")


def test_limits_are_named(multipart: Build) -> None:
    many = read(multipart(*[TEXT] * 400))
    assert "parts" in many.flaws
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(50))
    assert "depth" in read(nested + b"\r\nx").flaws
    assert "header fields" in read(b"".join(b"X-%d: y\r\n" % n for n in range(2000)) + b"\r\nx").flaws


def test_a_file_as_the_whole_mail(build: Build) -> None:
    mail = read(build(base64.b64encode(PDF), type="application/pdf", coding="base64"))
    assert mail.attachments[0].data == PDF
    assert mail.new_text == ""


def test_headers_only_first_wins_and_order_is_kept() -> None:
    tree = mime.parse(b"A: 1\r\nb: 2\r\nA: 3\r\n\r\n")
    assert tree.headers.all("a") == [b"1\r\n", b"3\r\n"]
    assert tree.headers.text("a") == "1"
