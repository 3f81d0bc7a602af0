"""New words apart from history and signature, by client and language; and what must never be cut."""

from __future__ import annotations

import pytest

from channels._email import html, quote

NEW = "杯子到手就是碎的，请退款。\n订单 88213"

#: What clients put under an answer, as their users' mails show it.
BELOW = {
    "qq": '------------------ 原始邮件 ------------------\n发件人: "客服" <service@shop.example>;\n发送时间: 2026年6月3日(星期三) 上午10:21\n收件人: "李雷"<1@qq.example>;\n\n主题: 关于订单\n\n您好，已签收。',
    "qq phone": "发自我的iPhone\n\n\n------------------ 原始邮件 ------------------\n发件人: 客服 <service@shop.example>\n发送时间: 2026年6月3日 10:21\n收件人: 李雷\n主题: 回复：物流\n\n在催了",
    "163": "\n\n\n在 2026-06-03 10:21:45，“客服” <service@shop.example> 写道：\n\n您好，已结案。",
    "163 english": '\n\nAt 2026-06-03 10:21:45, "客服" <service@shop.example> wrote:\n>您好\n>已结案',
    "netease master": "| |\n王芳\n|\n|\nwang@163.example\n|\n签名由网易邮箱大师定制\n\n\n---- 回复的原邮件 ----\n| 发件人 | 客服<service@shop.example> |\n| 发送日期 | 2026年06月03日 10:21 |\n| 收件人 | wang@163.example |\n| 主题 | 回复 |\n请提供照片",
    "foxmail": "zhang@corp.example\n \n发件人： 客服\n发送时间： 2026-06-03 10:21\n收件人： zhang@corp.example\n主题： Re: 退款\n已提交",
    "outlook zh": "________________________________\n发件人: 客服 <service@shop.example>\n发送时间: 2026年6月3日 10:21\n收件人: 张三 <z@x.example>\n主题: 答复: 发票\n\n已开",
    "outlook tw": "寄件者: 客服 <service@shop.example>\n寄件日期: 2026年6月3日 上午 10:21\n收件者: 陳小姐\n主旨: RE: 意見\n\n感謝",
    "gmail zh": "客服 <service@shop.example> 于2026年6月3日周三 10:21写道：\n\n> 请问方便吗？",
    "gmail zh wrapped": "名字很长的客服中心 <service-desk-with-a-long-name@shop.example>\n于2026年6月3日周三 10:21写道：\n\n> 请问方便吗？",
    "apple zh": "发自我的 iPhone\n\n> 在 2026年6月3日，10:21，客服 <service@shop.example> 写道：\n> \n> 请提供收据",
    "huawei": "发自我的华为手机\n\n-------- 原始邮件 --------\n发件人： 客服 <service@shop.example>\n日期： 2026年6月3日周三 10:21\n收件人： 李四\n主 题： 回复\n请描述",
    "aliyun": "------------------------------------------------------------------\n发件人：客服 <service@shop.example>\n发送时间：2026年6月3日(星期三) 10:21\n收件人：wang <w@a.example>\n主　题：回复：发货\n\n今天发货",
    "qq new": "原始邮件\n------------------------------\n发件人：客服 <service@shop.example>\n发件时间：2026年6月3日 10:21\n收件人：李雷\n主题：订单\n\n已签收",
    "our marker": "--- 请在此线以上回复 ---\n您好，工单 #123 已受理。",
    "gmail en": "On Wed, Jun 3, 2026 at 10:21 AM Service <service@shop.example> wrote:\n\n> Sent by another carrier",
    "gmail en wrapped": "On Wed, Jun 3, 2026 at 10:21 AM A Desk With A Name <\nservice@shop.example> wrote:\n\n> x",
    "apple en": "Sent from my iPhone\n\n> On 3 Jun 2026, at 10:21, Service <service@shop.example> wrote:\n> \n> x",
    "outlook en": "From: Service <service@shop.example>\nSent: Wednesday, June 3, 2026 10:21 AM\nTo: Ann\nSubject: RE: cup\n\nx",
    "outlook bold": "*From:* Service [mailto:\nservice@shop.example]\n*Sent:* Wednesday, June 3, 2026 3:05 PM\n*To:* Ann\n*Subject:* Hello\n\nx",
    "zoho": "---- On Wed, 03 Jun 2026 10:21:50 +0530 service@shop.example wrote ----\n\nx",
    "original message": "-----Original Message-----\nFrom: Service\n\nx",
    "de": "Am Mi., 3. Juni 2026 um 10:21 Uhr schrieb Service <service@shop.example>:\n\nx",
    "de block": "Von: Service\nGesendet: Mittwoch, 3. Juni 2026 10:21\nAn: Ann\nBetreff: AW: Tasse\n\nx",
    "fr": "Le mer. 3 juin 2026 à 10:21, Service <service@shop.example>\na écrit :\n\nx",
    "it": "Il giorno mer 3 giu 2026 alle ore 10:21 Service <service@shop.example> ha scritto:\n\nx",
    "es": "El mié, 3 jun 2026 a las 10:21, Service (<service@shop.example>) escribió:\n\nx",
    "pt": "Em qua., 3 de jun. de 2026 às 10:21, Service <service@shop.example> escreveu:\n\nx",
    "nl": "Op wo 3 jun 2026 om 10:21 schreef Service <service@shop.example>:\n\nx",
    "pl": "śr., 3 cze 2026 o 10:21 Service <service@shop.example> napisał(a):\n\nx",
    "da": "Den 3. jun. 2026 kl. 10.21 skrev Service <service@shop.example>:\n\nx",
    "sv": "Den ons 3 juni 2026 kl 10:21 skrev Service <service@shop.example>:\n\nx",
    "fi": "ke 3. kesäk. 2026 klo 10.21 Service (service@shop.example) kirjoitti:\n\nx",
    "no": "ons. 3. jun. 2026 kl. 10:21 skrev Service <service@shop.example>:\n\nx",
    "ru": "ср, 3 июн. 2026 г. в 10:21, Service <service@shop.example>:\n\nx",
    "ja": "2026年6月3日(水) 10:21 Service <service@shop.example>:\n\n> x",
    "ja block": "差出人: Service <service@shop.example>\n送信日時: 2026年6月3日 10:21\n宛先: Ann\n件名: Re: カップ\n\nx",
    "de order": "Service schrieb am 3.6.2026 um 10:21:\n> x",
    "flat headers": "*From:* S [mailto:s@shop.example] *Sent:* Wednesday, June 3, 2026 10:21 AM *To:* Ann *Subject:* RE: cup\n\nx",
    "signature": "-- \n王五\n某某公司 采购部\n电话 021-12345678",
    "regards": "Best regards,\n\nAnn Lee\nHead of Cups\n+44 20 7946 0000",
}


@pytest.mark.parametrize("client", BELOW)
def test_history_and_signature_go(client: str) -> None:
    view = quote.split(quote.plain(f"{NEW}\n\n{BELOW[client]}"))
    assert view.new == NEW


@pytest.mark.parametrize("client", BELOW)
def test_nothing_is_lost(client: str) -> None:
    text = f"{NEW}\n\n{BELOW[client]}"
    view = quote.split(quote.plain(text))
    kept = view.new + view.signature + view.quoted
    missing = [
        line for line in text.replace("\u00a0", " ").split("\n") if line.strip(" _-|") and line.strip() not in kept
    ]
    assert missing == []


@pytest.mark.parametrize(
    "words",
    [
        "快递单上的发件人：写错了，请更正。\n主题：我要的是蓝色。\n他在电话里写道：“不退”。",
        "2026年6月3日 10:21 我打电话给客服，他说：\n不退。\n我很生气。",
        "在2026年6月3日的通话中，客服承诺：\n三天内退款。\n至今没有。",
        "日期：2026年6月3日\n订单：123\n金额：88元\n请退款",
        "地址：上海\n收件人：张三\n寄件人：李四\n快递丢了",
        "On the one hand it works.\nOn the other hand: it smells.\nOn average it is bad.",
        "On 3 June 2026 I wrote to your desk and asked:\n\nWhere is it?\nNo answer.",
        "Am 12.06.2026 schrieb ich Ihnen folgendes:\n\nBitte Geld zurück.",
        "It came From: China, To: me, and broke.",
        "He wrote:\n\nno refund\n\nI am angry.",
        "Two things:\n- the cup\n- the plate",
        "问题如下：\n------\n1. 坏了。\n2. 没人理。",
        "Sent from your shop on Monday, it is still not here.",
        "Thanks for nothing.\n\nThe cup broke again.",
        "Regards the cup: it broke.\nWith regards to the plate, it broke too.",
        "look --> here\n>>> SALE <<<\nwas a lie",
        "It stopped.\n\nSent by mail to you last week and never came back",
        "It broke\n\nwith a bang on my phone",
        "First the cup broke.\n--\nThen nobody answered my three letters about it.",
        "see https://shop.example/on-2026-someone-wrote: it is wrong",
    ],
)
def test_words_that_look_like_marks_stay(words: str) -> None:
    assert quote.split(quote.plain(words)).new == words


def test_answers_between_the_lines_keep_their_questions() -> None:
    text = "回答如下：\n\n> 1. 订单号？\n88213\n\n> 2. 包装还在吗？\n在。"
    assert quote.split(quote.plain(text)).new == text
    under = "On Wed, Jun 3, 2026 at 10:21 AM Service <s@shop.example> wrote:\n" + text
    assert "88213" in quote.split(quote.plain(under)).new
    assert "订单号" in quote.split(quote.plain(under)).new


def test_answer_below_the_quote() -> None:
    assert quote.split(quote.plain("> 您的地址是？\n\n世纪大道 100 号。")).new == "世纪大道 100 号。"
    text = "On Wed, Jun 3, 2026 at 10:21 AM S <s@shop.example> wrote:\n> Which colour?\n\nBlue."
    assert quote.split(quote.plain(text)).new == "Blue."


def test_spilled_words_of_a_quote_are_quoted() -> None:
    long = "> this line of the quote was so long that the program broke it right\nhere."
    text = f"No.\n\nOn Wed, Jun 3, 2026 at 10:21 AM S <s@shop.example> wrote:\n> a\n{long}\n> b"
    assert quote.split(quote.plain(text)).new == "No."


@pytest.mark.parametrize(
    "divider",
    [
        "---------- 转发的邮件 ---------",
        "---------- Forwarded message ---------",
        "-------- Weitergeleitete Nachricht --------",
        "Begin forwarded message:",
        "开始转发的邮件：",
    ],
)
def test_forwards_stay_whole(divider: str) -> None:
    text = f"请看商家的回复\n\n{divider}\nFrom: Seller <x@seller.example>\nDate: Wed, 3 Jun 2026\nSubject: No\nTo: me\n\n我们拒绝退款。"
    assert quote.split(quote.plain(text)).new == text


def test_a_forward_keeps_the_other_writers_signature() -> None:
    text = "see\n\n---------- Forwarded message ---------\nFrom: S\n\nWe refuse.\n\n--\nSeller Ltd"
    assert quote.split(quote.plain(text)).new == text


def test_forward_in_the_subject_keeps_an_outlook_block() -> None:
    text = "see below\n\nFrom: Seller\nSent: Wednesday, June 3, 2026 10:21\nTo: me\nSubject: No\n\nWe refuse."
    assert quote.split(quote.plain(text), forward=True).new == text
    assert quote.split(quote.plain(text)).new == "see below"


@pytest.mark.parametrize("only", list(BELOW))
def test_a_mail_that_had_words_never_shows_nothing(only: str) -> None:
    assert quote.split(quote.plain(BELOW[only])).new.strip()


def test_signature_is_kept_apart() -> None:
    view = quote.split(quote.plain(f"{NEW}\n\n{BELOW['regards']}"))
    assert "+44 20 7946 0000" in view.signature
    assert view.reply == f"{NEW}\n\n{BELOW['regards']}"


def test_lawyers_notice_goes_with_the_signature() -> None:
    notice = "This e-mail and its attachments are confidential and meant for the named reader only. If you got it in error, delete it."
    view = quote.split(quote.plain(f"{NEW}\n\nKind regards\nAnn\n\n{notice}\nDo not print it.\nSave a tree."))
    assert view.new == NEW


@pytest.mark.parametrize(
    "line",
    [
        "Sent from my iPhone",
        "Sent from my cell, please excuse any typos.",
        "(sent from a phone)",
        "<<sent by galaxy>>",
        "Sent via mobile",
        "Sent with Airmail",
        "Get Outlook for iOS<https://aka.ms/x>",
        "Gesendet von Mail für Windows",
        "Envoyé de mon iPad",
        "Enviado desde mi iPhone",
        "从我的 iPhone 发送",
        "發自我的 iPhone",
        "来自Foxmail for iPhone",
        "iPhoneから送信",
    ],
)
def test_lines_that_programs_add(line: str) -> None:
    view = quote.split(quote.plain(f"{NEW}\n\n{line}"))
    assert (view.new, view.signature.strip()) == (NEW, line)


# --- HTML ---------------------------------------------------------------------------------------------

PAGES = {
    "gmail": '<div dir="ltr">{new}</div><br><div class="gmail_quote gmail_quote_container"><div class="gmail_attr">On Wed, Jun 3, 2026 at 10:21 AM S &lt;<a href="mailto:s@shop.example">s@shop.example</a>&gt; wrote:<br></div><blockquote class="gmail_quote" style="margin:0"><div>old</div></blockquote></div>',
    "outlook": '<div class=WordSection1><p class=MsoNormal>{new}</p><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p><b>From:</b> S &lt;s@shop.example&gt;<br><b>Sent:</b> Wednesday<br><b>To:</b> Ann<br><b>Subject:</b> RE: cup</p></div><p>old</p></div>',
    "outlook web": '<div>{new}</div><div id="appendonsend"></div><hr style="width:98%"><div id="divRplyFwdMsg"><b>发件人:</b> S<br><b>发送时间:</b> 2026<br></div><div>old</div>',
    "qq": '<div>{new}</div><div><br></div><div style="font-size:12px">------------------&nbsp;原始邮件&nbsp;------------------</div><div style="background:#efefef"><div><b>发件人:</b>&nbsp;"S"&lt;s@shop.example&gt;;</div><div><b>发送时间:</b>&nbsp;2026年6月3日</div></div><div>old</div>',
    "163": '<div style="line-height:1.7">{new}</div><br><div id="divNeteaseMailCard"></div><br>在 2026-06-03 10:21:45，"S" &lt;s@shop.example&gt; 写道：<br> <blockquote id="isReplyContent" style="PADDING-LEFT: 1ex"><div>old</div></blockquote>',
    "foxmail": '<div>{new}</div><div><span>zhang@corp.example</span></div><blockquote style="margin-Top: 0px"><div>&nbsp;</div><div style="border:none;border-top:solid #B5C4DF 1.0pt;padding:3.0pt 0cm 0cm 0cm"><div><b>发件人：</b>&nbsp;S</div><div><b>发送时间：</b>&nbsp;2026-06-03 10:21</div><div><b>收件人：</b>&nbsp;z</div></div><div>old</div></blockquote>',
    "apple": '<html><body>{new}<br><div>发自我的 iPhone</div><div><br><blockquote type="cite">在 2026年6月3日，10:21，S &lt;s@shop.example&gt; 写道：<br><br></blockquote></div><blockquote type="cite"><div>old</div></blockquote></body></html>',
    "thunderbird": '<p>{new}</p><div class="moz-cite-prefix">On 03/06/2026 10:21, S wrote:<br></div><blockquote type="cite" cite="mid:x"><p>old</p></blockquote>',
    "yahoo": '<div>{new}</div><div id="yahoo_quoted_1" class="yahoo_quoted"><div>On Wednesday, June 3, 2026, S wrote:</div><div>old</div></div>',
    "lark": '<div>{new}</div><div class="history-quote-wrapper"><div>发件人：S</div><div>old</div></div>',
    "aliyun": '<div>{new}</div><blockquote class="__aliyun_previous_quote"><div>old</div></blockquote>',
    "proton": '<div>{new}</div><div class="protonmail_quote">On Wednesday, S wrote:<br><blockquote>old</blockquote></div>',
}


@pytest.mark.parametrize("client", PAGES)
def test_html_containers(client: str) -> None:
    lines = html.to_lines(PAGES[client].replace("{new}", "杯子<span>碎</span>了，<br>请退款。"))
    view = quote.split(lines)
    assert view.new == "杯子碎了，\n请退款。"
    assert "old" in html.text_of(lines)


def test_html_answers_inside_the_container() -> None:
    page = '<div>see below</div><div class="gmail_quote"><div>On 3 Jun 2026 at 10:21 S &lt;s@x.example&gt; wrote:</div><blockquote>number?</blockquote><div>88213</div><blockquote>box?</blockquote><div>kept</div></div>'
    view = quote.split(html.to_lines(page))
    assert [line for line in view.new.split("\n") if line][-4:] == ["number?", "88213", "box?", "kept"]


def test_html_answer_below_the_container() -> None:
    page = '<div class="gmail_quote">On 3 Jun 2026 S wrote:<blockquote>old</blockquote></div><div>bottom answer</div>'
    assert quote.split(html.to_lines(page)).new == "bottom answer"


def test_html_forward_stays_whole() -> None:
    page = '<div>看这个</div><div class="gmail_quote">---------- Forwarded message ---------<br>From: S &lt;s@x.example&gt;<br>Date: Wed<br>Subject: No<br>To: me<br><br>拒绝退款</div>'
    assert "拒绝退款" in quote.split(html.to_lines(page)).new


def test_html_is_only_text() -> None:
    page = "<style>p{}</style><script>alert(1)</script><p onclick=x>one&nbsp;&amp; two<p>three<!-- no --><table><tr><td>a<td>b</table><img alt='坏的杯子' src=x><img alt='logo.png'>"
    text = html.text_of(html.to_lines(page))
    assert text.split() == ["one", "&", "two", "three", "a", "b", "[坏的杯子]"]


def test_hidden_text_is_shown_only_when_there_is_no_other() -> None:
    assert html.text_of(html.to_lines("<div style='display: none'>preview</div><p>words</p>")) == "words"
    assert html.text_of(html.to_lines("<div style='display:none'>all there is</div>")) == "all there is"


def test_html_nesting_is_flattened() -> None:
    assert "words" in html.text_of(html.to_lines("<div>" * 50_000 + "words"))
