"""Answers by SMTP, threads, trust, loops and bounces."""

from __future__ import annotations

import base64
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from channels.base import Attachment, Inbound, Refused, Retry, Unauthorized, Unknown, Withheld
from gateway.store.base import conversation_id
from tests.channels.email.office import Office, decoded, mail, open_office, settings, until
from tests.channels.email.servers import Dovecot, Post


async def first(office: Office, imap: Dovecot, text: str = "The kettle leaks.", **headers: str) -> Inbound:
    """A customer's first mail, taken."""
    await office.looking()
    imap.deliver(mail(text, message_id="<first@example.com>", **headers))
    return (await office.until(1))[0]


async def test_a_reply_threads_and_says_the_same_twice(tmp_path: Path, imap: Dovecot, post: Post) -> None:
    tree = settings(imap, post, tmp_path, footer={"zh": "海边客服", "en": "Seaside <care>"}, name="Seaside")
    async with open_office(tmp_path, {"main": tree}) as office:
        message = await first(office, imap)
        receipt = await office.reply(message, "We send a new one: https://shop.example/x?a=1&b=2", language="en")
    (posted,) = post.posted
    sent = decoded(posted)
    assert posted["to"] == ["ann@example.com"]
    assert posted["sender"] == "desk@localhost"
    assert sent["Message-ID"] == f"<{receipt.external_ids[0]}>"
    assert (sent["In-Reply-To"], sent["References"]) == ("<first@example.com>", "<first@example.com>")
    assert sent["Subject"] == "Re: Broken kettle"
    assert str(sent["From"]) == "Seaside <desk@localhost>"
    assert "Auto-Submitted" not in sent
    plain, page = sent.get_body(("plain",)), sent.get_body(("html",))
    assert plain is not None
    assert page is not None
    assert "reply above this line" in plain.get_content()
    assert "Seaside <care>" in plain.get_content()
    assert "Seaside &lt;care&gt;" in page.get_content()
    assert 'href="https://shop.example/x?a=1&amp;b=2"' in page.get_content()


async def test_chinese_customers_get_chinese_words_and_files_with_their_names(
    office: Office, imap: Dovecot, post: Post
) -> None:
    message = await first(office, imap, subject="水壶坏了")
    kept = await office.gateway.blobs.put(b"%PDF-1.4 x", name="维修单.pdf", type="application/pdf", limit=100)
    await office.reply(message, "已经寄出新的。", language="zh", attachments=(kept,))
    sent = decoded(post.posted[0])
    assert sent["Subject"] == "Re: 水壶坏了"
    body = sent.get_body(("plain",))
    assert body is not None
    assert body.get_content().split() == ["——", "请在此线以上回复", "——", "已经寄出新的。"]
    (file,) = sent.iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("维修单.pdf", b"%PDF-1.4 x")


async def test_headers_cannot_be_injected(office: Office, imap: Dovecot, post: Post) -> None:
    evil = "=?utf-8?B?" + base64.b64encode(b"x\r\nBcc: evil@example.com\r\n\r\nbody").decode() + "?="
    await office.looking()
    raw = mail("hello", subject="").replace(b"to: desk", b"Subject: " + evil.encode() + b"\r\nto: desk")
    imap.deliver(raw)
    (message,) = await office.until(1)
    kept = await office.gateway.blobs.put(b"abc", name="x", type="text/plain", limit=100)
    bad = Attachment(name='a"\r\nX-Evil: 1\u202egpj.exe', type="text/plain\r\nX: y", digest=kept.digest, state="kept")
    await office.reply(message, "text", attachments=(bad,))
    sent = decoded(post.posted[0])
    assert "Bcc" not in sent
    assert not any("X-Evil" in part for part in sent.walk())
    assert "\u202e" not in str([part.get_filename() for part in sent.iter_attachments()])
    assert post.posted[0]["to"] == ["ann@example.com"]


@pytest.mark.parametrize("address", ["a@x.example\\nb", "", "desk@localhost"])
async def test_an_address_that_is_none_is_not_written_to(
    office: Office, imap: Dovecot, post: Post, address: str
) -> None:
    await office.looking()
    raw = mail("hello").replace(b"from: Ann Lee <ann@example.com>", b"from: " + address.encode())
    imap.deliver(raw)
    (message,) = await office.until(1)
    with pytest.raises(Refused):
        await office.reply(message, "text")
    assert not post.posted


async def test_the_message_id_is_stable_and_stored_before(office: Office, imap: Dovecot, post: Post) -> None:
    message = await first(office, imap)
    post.handler.accept_and_drop = 1
    with pytest.raises(Unknown):
        await office.reply(message, "once", key="same")
    receipt = await office.reply(message, "once", key="same")
    ids = [decoded(posted)["Message-ID"] for posted in post.posted]
    assert ids == [f"<{receipt.external_ids[0]}>"] * 2
    # The customer answers the one whose fate we did not know: it is in its thread.
    imap.deliver(mail("thanks", in_reply_to=str(ids[0]), references=str(ids[0])))
    assert (await office.until(2))[1].thread == message.thread


@pytest.mark.parametrize(
    ("rcpt", "data", "error"),
    [
        ("451 later", "", Retry),
        ("421 bye", "", Retry),
        ("450 4.2.0 greylisted", "", Retry),
        ("550 5.1.1 unknown", "", Refused),
        ("552 too large", "", Refused),
        ("530 login first", "", Unauthorized),
        ("", "452 full", Retry),
        ("", "554 no", Refused),
    ],
)
async def test_every_answer_of_a_server_says_what_is_next(
    office: Office, imap: Dovecot, post: Post, rcpt: str, data: str, error: type[Exception]
) -> None:
    message = await first(office, imap)
    post.handler.rcpt, post.handler.data = [rcpt] if rcpt else [], [data] if data else []
    with pytest.raises(error):
        await office.reply(message, "text")
    await office.reply(message, "text")
    assert len(post.posted) == 1


async def test_a_wrong_password_is_tried_once(tmp_path: Path, imap: Dovecot, post: Post) -> None:
    async with open_office(tmp_path, {"main": settings(imap, post, tmp_path)}) as office:
        message = await first(office, imap)
        post.refuse_logins = True
        with pytest.raises(Unauthorized):
            await office.reply(message, "text")
    assert post.logins == 1


async def test_starttls_must_succeed(tmp_path: Path, imap: Dovecot) -> None:
    with Post(tmp_path / "plain", tls=False) as plain, Post(tmp_path / "start", starttls=True) as start:
        for server, ok in ((plain, False), (start, True)):
            tree = settings(imap, server, tmp_path, smtp_security="starttls")
            folder = tmp_path / ("ok" if ok else "bad")
            folder.mkdir()
            async with open_office(folder, {"main": tree}) as office:
                findings = await office.channel.check(office.tools)
                assert findings[-1].ok is ok


# --- threads ------------------------------------------------------------------------------------------


async def test_the_token_alone_brings_an_answer_home(office: Office, imap: Dovecot, post: Post) -> None:
    message = await first(office, imap)
    await office.reply(message, "text")
    token_address = decoded(post.posted[0])["Reply-To"].addresses[0].addr_spec
    imap.deliver(mail("from another address", **{"from": "x@other.example", "to": token_address}), to=token_address)
    assert (await office.until(2))[1].thread == message.thread
    forged = token_address.replace("-", "-aaaa")[:-1]
    imap.deliver(mail("forged", **{"from": "evil@evil.example", "to": forged}))
    assert (await office.until(3))[2].thread != message.thread


async def test_references_join_participants_and_link_strangers(office: Office, imap: Dovecot, post: Post) -> None:
    message = await first(office, imap)
    receipt = await office.reply(message, "text")
    ours = f"<{receipt.external_ids[0]}>"
    imap.deliver(mail("mine", in_reply_to=ours))
    imap.deliver(mail("a stranger", in_reply_to=ours, **{"from": "mallory@evil.example"}))
    imap.deliver(mail("forwarded", in_reply_to=ours, subject="Fwd: Broken kettle"))
    by_text = {m.text: m for m in await office.until(4)}
    assert by_text["mine"].thread == message.thread
    for text in ("a stranger", "forwarded"):
        assert by_text[text].thread != message.thread
        assert by_text[text].linked == message.thread


async def test_our_case_number_in_a_subject_joins_participants_and_links_strangers(
    office: Office, imap: Dovecot, post: Post
) -> None:
    message = await first(office, imap)
    await office.reply(message, "Your case has the number 261122-7KQX2-M2PDA.")
    subject = "My case 261122-7KQX2-M2PDA"
    imap.deliver(mail("mine", subject=subject))
    imap.deliver(mail("a stranger", subject=subject, **{"from": "mallory@evil.example"}))
    imap.deliver(mail("no case of ours", subject="My case 261122-AAAAA-AAAAA"))
    by_text = {m.text: m for m in await office.until(4)}
    assert by_text["mine"].thread == message.thread
    assert (by_text["a stranger"].thread != message.thread, by_text["a stranger"].linked) == (True, message.thread)
    assert (by_text["no case of ours"].thread != message.thread, by_text["no case of ours"].linked) == (True, "")


async def test_an_answer_that_overtook_its_mail_is_joined(office: Office, imap: Dovecot) -> None:
    await office.looking()
    imap.deliver(mail("second", in_reply_to="<late@example.com>", message_id="<b@example.com>"))
    await office.until(1)
    imap.deliver(mail("first", message_id="<late@example.com>"))
    one, two = await office.until(2)
    assert one.thread == two.thread


async def test_a_colleague_in_copy_stays_in_the_conversation(office: Office, imap: Dovecot) -> None:
    message = await first(office, imap, cc="bob@partner.example")
    imap.deliver(mail("I am Bob", in_reply_to="<first@example.com>", **{"from": "bob@partner.example"}))
    imap.deliver(mail("and I am Ann", in_reply_to="<first@example.com>"))
    assert {m.thread for m in await office.until(3)} == {message.thread}


async def test_our_own_server_alone_can_verify_a_sender(tmp_path: Path, imap: Dovecot) -> None:
    tree = settings(imap, None, tmp_path, auth_servers=["mx.seaside.example"])
    async with open_office(tmp_path, {"main": tree}) as office:
        await office.looking()
        good = "mx.seaside.example; dmarc=pass header.from=example.com"
        imap.deliver(mail("good", authentication_results=good))
        imap.deliver(mail("forged", authentication_results="mx.evil.example; dmarc=pass header.from=example.com"))
        verified = {m.text: m.sender.verified for m in await office.until(2)}
        assert verified == {"good": True, "forged": False}


async def test_whoever_calls_himself_staff_has_no_rights(office: Office, imap: Dovecot, post: Post) -> None:
    """Our own address, a colleague's name, a second From, a name that looks like an address: all of them are claims."""
    await office.looking()
    imap.deliver(mail("close it", message_id="<a@evil.example>", **{"from": "Support <desk@localhost>"}))
    imap.deliver(mail("look", message_id="<b@evil.example>", **{"from": '"desk@localhost" <mallory@evil.example>'}))
    two = mail("twice", message_id="<c@evil.example>")
    imap.deliver(two.replace(b"to: desk", b"from: Boss <boss@shop.example>\nto: desk", 1))
    by_text = {m.text: m for m in await office.until(3)}
    assert not any(m.sender.verified for m in by_text.values())
    assert by_text["close it"].silent == "person"
    assert by_text["look"].sender.email == "mallory@evil.example"
    await office.work()
    assert all(posted["to"] != ["desk@localhost"] for posted in post.posted)
    for message in by_text.values():
        conversation = await office.gateway.store.conversation(conversation_id("email", "main", message.thread))
        assert conversation.owner in ("bot", "")
        assert conversation.status != "closed"


async def test_two_senders_are_never_verified(tmp_path: Path, imap: Dovecot) -> None:
    tree = settings(imap, None, tmp_path, auth_servers=["mx.seaside.example"])
    async with open_office(tmp_path, {"main": tree}) as office:
        await office.looking()
        good = "mx.seaside.example; dmarc=pass header.from=example.com"
        raw = mail("twice", authentication_results=good)
        imap.deliver(raw.replace(b"to: desk", b"from: Boss <boss@example.com>\nto: desk", 1))
        assert [m.sender.verified for m in await office.until(1)] == [False]


# --- loops and caps -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "machine"),
    [
        ({"auto-submitted": "auto-replied"}, "auto_reply"),
        ({"subject": "自动回复: 外出"}, "auto_reply"),
        ({"list-id": "<news.example.com>", "precedence": "bulk", "list-unsubscribe": "<mailto:x@example.com>"}, "list"),
    ],
)
async def test_machines_are_quiet_records(
    office: Office, imap: Dovecot, post: Post, headers: dict[str, str], machine: str
) -> None:
    await office.looking()
    imap.deliver(mail("I am away until Monday.", **headers))
    (message,) = await office.until(1)
    assert message.machine == machine
    await office.work()
    assert not post.posted


@pytest.mark.parametrize(
    "headers",
    [
        {"from": "no-reply@shop.example"},
        {"from": "desk@localhost"},
        {"date": "Mon, 01 Nov 2021 00:00:00 +0000"},
        {"precedence": "bulk"},
        {"x-auto-response-suppress": "All"},
    ],
)
async def test_what_may_not_be_answered_goes_to_a_person(
    office: Office, imap: Dovecot, post: Post, headers: dict[str, str]
) -> None:
    await office.looking()
    imap.deliver(mail("My parcel never came. Refund me please.", **headers))
    (message,) = await office.until(1)
    assert message.silent == "person" or message.machine
    await office.work()
    assert not post.posted
    conversation = await office.gateway.store.conversation(conversation_id("email", "main", message.thread))
    assert message.machine or conversation.status == "waiting_agent"


async def test_the_bot_answers_a_complaint_once_and_marks_it(office: Office, imap: Dovecot, post: Post) -> None:
    await first(office, imap, "My parcel never came. I want a refund.")
    await office.work()
    assert post.posted
    for posted in post.posted:
        assert decoded(posted)["Auto-Submitted"] == "auto-replied"
        assert decoded(posted)["X-Auto-Response-Suppress"] == "All"


async def test_two_ticket_systems_come_to_an_end(office: Office, imap: Dovecot, post: Post) -> None:
    """The other side answers everything without any sign of being a machine."""
    await office.looking()
    imap.deliver(mail("My parcel never came.", message_id="<m0@example.com>"))
    await office.until(1)
    seen = 0
    for turn in range(12):
        await office.work()
        for posted in post.posted[seen:]:
            sent = decoded(posted)
            own = f"<r{turn}-{seen}@example.com>"
            text = f"We got your mail, ticket {turn}. It has not come. {turn}"
            imap.deliver(mail(text, in_reply_to=str(sent["Message-ID"]), message_id=own))
            seen += 1
        await until(lambda: not imap.mails())
    assert len(post.posted) <= 7, "an endless talk of machines"
    (message, *_) = await office.messages()
    conversation = await office.gateway.store.conversation(conversation_id("email", "main", message.thread))
    assert conversation.owner == ""


async def test_an_address_is_told_once_a_day_that_we_have_it(office: Office, imap: Dovecot, post: Post) -> None:
    await office.looking()
    for n in range(2):
        imap.deliver(mail(f"complaint {n}", message_id=f"<c{n}@example.com>", subject=f"case {n}"))
    one, two = await office.until(2)
    await office.reply(one, "We have it.", kind="receipt", key="a")
    with pytest.raises(Withheld):
        await office.reply(two, "We have it.", kind="receipt", key="b")
    await office.reply(one, "We have it.", kind="receipt", key="a")  # a repeat is counted once
    assert len(post.posted) == 2


async def test_a_domain_has_a_cap_and_a_large_provider_none(office: Office, imap: Dovecot, post: Post) -> None:
    await office.looking()
    for n in range(44):
        domain = "qq.com" if n % 2 else "corp.example"
        imap.deliver(mail(f"complaint {n}", message_id=f"<d{n}@x>", **{"from": f"u{n}@{domain}"}))
    refused = 0
    for n, message in enumerate(await office.until(44, 40)):
        try:
            await office.reply(message, "We have it.", kind="receipt", key=f"k{n}")
        except Refused:
            refused += 1
            assert message.sender.email.endswith("corp.example")
    assert refused == 2


async def test_our_own_mail_coming_back_is_an_echo(office: Office, imap: Dovecot, post: Post) -> None:
    message = await first(office, imap)
    await office.reply(message, "text")
    imap.deliver(post.posted[0]["data"])
    assert (await office.until(2))[1].machine == "echo"


# --- bounces ------------------------------------------------------------------------------------------


def bounce(about: str, action: str, status: str, to: str = "desk@localhost") -> bytes:
    """A report as RFC 3464 wants it."""
    report = EmailMessage()
    report["From"] = "MAILER-DAEMON@mx.example"
    report["To"] = to
    report["Subject"] = "Undelivered Mail Returned to Sender"
    report["Message-ID"] = f"<{action}{status}@mx.example>"
    raw = report.as_string().rstrip("\n") + (
        '\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nI could not deliver it.\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
        f"Final-Recipient: rfc822; ann@example.com\nAction: {action}\nStatus: {status}\n"
        "Diagnostic-Code: smtp; 550 no such user\n\n"
        f"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: {about}\nSubject: Re: Broken kettle\n\n--b--\n"
    )
    return raw.encode()


@pytest.fixture
async def answered(office: Office, imap: Dovecot, post: Post) -> tuple[Inbound, Any]:
    message = await first(office, imap)
    await office.reply(message, "text")
    return message, decoded(post.posted[0])


async def test_a_bounce_stands_in_its_conversation_and_calls_a_person(
    office: Office, imap: Dovecot, post: Post, answered: tuple[Inbound, Any]
) -> None:
    message, sent = answered
    imap.deliver(bounce(str(sent["Message-ID"]), "failed", "5.1.1"), sender="")
    report = (await office.until(2))[1]
    assert (report.kind, report.machine, report.thread) == ("status", "bounce", message.thread)
    assert f"<{report.refers_to}>" == sent["Message-ID"]
    assert "5.1.1" in report.placeholder
    posted = len(post.posted)
    await office.work()
    conversation = await office.gateway.store.conversation(conversation_id("email", "main", message.thread))
    assert (conversation.owner, conversation.status) == ("", "waiting_agent")
    lines = await office.gateway.store.timeline(conversation.id)
    assert any("5.1.1" in line.placeholder + line.text for line in lines)
    assert len([p for p in post.posted[posted:] if p["to"] != ["ann@example.com"]]) == 0


async def test_a_delay_calls_nobody(office: Office, imap: Dovecot, answered: tuple[Inbound, Any]) -> None:
    _, sent = answered
    imap.deliver(bounce(str(sent["Message-ID"]), "delayed", "4.4.1"), sender="")
    report = (await office.until(2))[1]
    assert (report.kind, report.placeholder) == ("status", "")


async def test_a_spam_report_flags_the_mail_it_is_about(
    office: Office, imap: Dovecot, post: Post, answered: tuple[Inbound, Any]
) -> None:
    message, sent = answered
    await office.work()
    report = (
        "From: abuse@provider.example\nTo: desk@localhost\nSubject: Abuse report\nMessage-ID: <arf@provider.example>\n"
        'MIME-Version: 1.0\nContent-Type: multipart/report; report-type=feedback-report; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nThis is an e-mail abuse report.\n"
        "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\n"
        "Original-Rcpt-To: <ann@example.com>\n\n"
        f"--b\nContent-Type: message/rfc822\n\nFrom: desk@localhost\nMessage-ID: {sent['Message-ID']}\n\ntext\n--b--\n"
    )
    imap.deliver(report.encode())
    told = (await office.until(2))[1]
    assert (told.kind, told.machine, told.thread) == ("status", "bounce", message.thread)
    assert f"<{told.refers_to}>" == sent["Message-ID"]
    assert told.placeholder == "called spam by ann@example.com abuse"
    posted = len(post.posted)
    await office.work()
    assert len(post.posted) == posted
    conversation = await office.gateway.store.conversation(conversation_id("email", "main", message.thread))
    assert conversation.status == "waiting_agent"


async def test_a_read_receipt_is_a_quiet_record(office: Office, imap: Dovecot, post: Post) -> None:
    await office.looking()
    receipt = (
        "From: Ann Lee <ann@example.com>\nTo: desk@localhost\nSubject: Read: Re: Broken kettle\nMessage-ID: <mdn@example.com>\n"
        'MIME-Version: 1.0\nContent-Type: multipart/report; report-type=disposition-notification; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nYour message was read.\n"
        "--b\nContent-Type: message/disposition-notification\n\nDisposition: manual-action/MDN-sent-manually; displayed\n\n--b--\n"
    )
    imap.deliver(receipt.encode())
    (message,) = await office.until(1)
    assert message.machine == "auto_reply"
    await office.work()
    assert not post.posted


async def test_a_bounce_of_nothing_of_ours_is_filed(office: Office, imap: Dovecot, post: Post) -> None:
    await office.looking()
    imap.deliver(bounce("<strange@elsewhere.example>", "failed", "5.1.1"), sender="")
    (report,) = await office.until(1)
    assert (report.kind, report.thread) == ("event", "reports")
    await office.work()
    assert not post.posted


async def test_the_envelope_token_finds_a_bounce_that_quotes_nothing(tmp_path: Path, imap: Dovecot, post: Post) -> None:
    tree = settings(imap, post, tmp_path, bounce_address="token")
    async with open_office(tmp_path, {"main": tree}) as office:
        message = await first(office, imap)
        await office.reply(message, "text")
        envelope = post.posted[0]["sender"]
        assert envelope.startswith("desk+b")
        imap.deliver(bounce("", "failed", "5.0.0", to=envelope), to=envelope, sender="")
        assert (await office.until(2))[1].thread == message.thread


# --- the operator -------------------------------------------------------------------------------------


async def test_the_round_trip_comes_back_and_leaves_nothing(office: Office, imap: Dovecot, post: Post) -> None:
    post.handler.forward = imap
    findings = await office.channel.round_trip(office.tools)
    assert [finding.ok for finding in findings] == [True] * 4
    assert "came back" in findings[-1].detail
    assert not imap.mails()


async def test_a_wrong_certificate_is_refused_and_told(tmp_path: Path, imap: Dovecot, post: Post) -> None:
    tree = settings(imap, post, tmp_path)
    del tree["ca_file"]
    async with open_office(tmp_path, {"main": tree}) as office:
        findings = await office.channel.check(office.tools)
        assert [finding.ok for finding in findings] == [False, False]
        assert all("TLS" in finding.detail for finding in findings)
    async with open_office(tmp_path, {"main": settings(imap, post, tmp_path, imap_host="127.0.0.1")}) as office:
        findings = await office.channel.check(office.tools)
        assert not findings[0].ok
