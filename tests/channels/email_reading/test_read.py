"""Whole mails, as programs send them."""

from __future__ import annotations

import base64
import quopri
from collections.abc import Callable
from datetime import UTC, datetime

from channels._email.mail import Mail
from channels._email.read import read

Build = Callable[..., bytes]
Get = Callable[..., Mail]


def part(text: str, charset: str, type_: str = "text/plain") -> bytes:
    """A base64 text part."""
    coded = base64.encodebytes(text.encode("gb18030" if charset == "gb2312" else charset))
    return (
        f'Content-Type: {type_};\r\n\tcharset="{charset}"\r\nContent-Transfer-Encoding: base64\r\n\r\n'.encode() + coded
    )


def encoded(text: str, charset: str = "gb18030") -> str:
    """An encoded word as QQ writes it."""
    return f"=?{charset}?B?{base64.b64encode(text.encode(charset)).decode()}?="


def test_qq_mail(multipart: Build) -> None:
    quoted = '------------------ 原始邮件 ------------------\n发件人: "客服"<service@shop.example>;\n发送时间: 2026年6月3日\n收件人: "李雷";\n主题: 订单\n\n旧'
    body = multipart(
        part(f"杯子碎了，请退款。\n\n\n\n{quoted}", "gb18030"),
        part(f"<div>杯子碎了，请退款。</div><div>{quoted}</div>", "gb18030", "text/html"),
        kind="alternative",
        boundary="----=_NextPart_68E1_0CA2",
    )
    photo = (
        f'Content-Type: image/jpeg; name="{encoded("碎杯子.jpg")}"\r\n'
        f'Content-Disposition: attachment; filename="{encoded("碎杯子.jpg")}"\r\nContent-Transfer-Encoding: base64\r\n\r\n/9j/'
    ).encode()
    inner = body[body.index(b"Content-Type") :]
    raw = multipart(
        inner,
        photo,
        **{
            "from": f'"{encoded("李雷")}" <12345678@qq.example>',
            "to": f'"{encoded("客服中心")}" <desk@shop.example>',
            "subject": f"{encoded('回复：')}{encoded('您的订单')}",
            "date": "Wed, 3 Jun 2026 10:21:00 +0800",
            "message-id": "<tencent_0123456789ABCDEF@qq.example>",
            "in-reply-to": "<ours@shop.example>",
            "references": "<first@shop.example>\r\n\t<ours@shop.example>",
        },
    )
    mail = read(raw)
    assert (mail.from_.name, mail.from_.email) == ("李雷", "12345678@qq.example")
    assert (mail.to[0].name, mail.subject) == ("客服中心", "回复：您的订单")
    assert mail.date == datetime(2026, 6, 3, 2, 21, tzinfo=UTC)
    assert mail.message_id == "tencent_0123456789ABCDEF@qq.example"
    assert (mail.in_reply_to, mail.references) == (("ours@shop.example",), ("first@shop.example", "ours@shop.example"))
    assert mail.new_text == "杯子碎了，请退款。"
    assert "旧" in mail.full_text
    assert [f.name for f in mail.attachments] == ["碎杯子.jpg"]
    assert (mail.kind, mail.silent, mail.flaws, mail.forward) == ("human", (), (), False)


def test_outlook_with_html_only(build: Build) -> None:
    page = "<html><head><style>p{}</style></head><body><p>还是登录不上。</p><div id=divRplyFwdMsg><b>发件人:</b> S</div>旧</body></html>"
    raw = build(quopri.encodestring(page.encode("gbk")), type="text/html", charset="gb2312", coding="quoted-printable")
    mail = read(raw)
    assert mail.new_text == "还是登录不上。"
    assert mail.html == page
    assert mail.full_text.endswith("旧")


def test_a_plain_part_that_says_nothing_gives_way_to_the_html(multipart: Build) -> None:
    words = "杯子碎了。" * 60
    raw = multipart(
        part("您的邮件程序不支持 HTML，请用浏览器打开。", "utf-8"),
        part(f"<p>{words}</p>", "utf-8", "text/html"),
        kind="alternative",
    )
    assert read(raw).new_text == words


def test_html_containers_help_a_plain_part_without_marks(multipart: Build) -> None:
    raw = multipart(
        part("碎了，请退款。\n\n已签收，请放心。", "utf-8"),
        part('<div>碎了，请退款。</div><div class="gmail_quote">已签收，请放心。</div>', "utf-8", "text/html"),
        kind="alternative",
    )
    mail = read(raw)
    assert mail.new_text == "碎了，请退款。"
    assert mail.full_text == "碎了，请退款。\n\n已签收，请放心。"


def test_forward_by_subject_is_whole(get: Get) -> None:
    text = "请看\n\n发件人: 商家 <x@seller.example>\n发送时间: 2026年6月3日 10:21\n收件人: 我\n主题: 拒绝\n\n我们拒绝退款。"
    mail = get(text, subject="转发: 拒绝", charset="utf-8")
    assert mail.forward
    assert mail.new_text == text


def test_only_a_subject(get: Get) -> None:
    mail = get("", subject="Where is my parcel?")
    assert (mail.subject, mail.new_text, mail.attachments) == ("Where is my parcel?", "", ())


def test_only_a_picture(multipart: Build) -> None:
    raw = multipart(
        part('<img src="cid:1">', "utf-8", "text/html"),
        b"Content-Type: image/png\r\nContent-ID: <1>\r\n\r\nPNG",
        kind="related",
    )
    mail = read(raw)
    assert mail.new_text == ""
    assert [(f.name, f.inline) for f in mail.attachments] == [("image.png", True)]


def test_a_mail_cut_in_the_middle_still_gives_its_words(multipart: Build) -> None:
    raw = multipart(part("杯子碎了", "gb2312"), b"Content-Type: image/png; name=a.png\r\n\r\n" + b"x" * 10_000)
    mail = read(raw[:-5_000])
    assert mail.new_text == "杯子碎了"
    assert len(mail.attachments[0].data) < 10_000


def test_the_same_bytes_give_the_same_mail(get: Get) -> None:
    assert get("x", subject="=?bad") == get("x", subject="=?bad")
