"""Person or machine, what bounced and why, and when to stay silent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from channels._email.classify import may_answer
from channels._email.mail import Mail
from channels._email.read import read

Build = Callable[..., bytes]
Get = Callable[..., Mail]

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)
COMPLAINT = "The cup broke. I want my money back. The courier said the mailbox is full and returned it."


@pytest.mark.parametrize(
    "headers",
    [
        {"auto_submitted": "auto-replied"},
        {"auto_submitted": "auto-replied (vacation)"},
        {"subject": "Automatic reply: your order"},
        {"subject": "自动回复：关于订单"},
        {"subject": "Abwesenheitsnotiz: Tasse"},
        {"subject": "Out of Office: Tasse"},
        {"x_autoreply": "yes"},
        {"precedence": "auto_reply"},
        {"x_auto_response_suppress": "All", "x_ms_exchange_inbox_rules_loop": "a@b.example"},
        {"auto_submitted": "auto-generated", "in_reply_to": "<1@x>"},
    ],
)
def test_automatic_replies(get: Get, headers: dict[str, str]) -> None:
    mail = get("I am away until Monday.", **headers)
    assert mail.kind == "auto_reply"
    assert mail.silent


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"subject": "Undelivered parcel, returned to sender"},
        {"subject": "Re: Undelivered Mail Returned to Sender"},
        {"subject": "delivery failed twice!"},
        {"subject": "您的自动回复没有用"},
        {"auto_submitted": "no"},
        {"auto_submitted": "auto-generated", "from": "form@shop.example", "reply_to": "ann@mail.example"},
        {"precedence": "bulk"},
        {"x_auto_response_suppress": "OOF"},
        {"return_path": "<>"},
        {"from": "Postmaster <postmaster@smallshop.example>", "subject": "Broken cup"},
        {"from": "noreply@mail.example"},
        {"list_id": "<support.shop.example>", "list_post": "<mailto:support@shop.example>"},
    ],
)
def test_people_are_people(build: Build, headers: dict[str, str]) -> None:
    mail = read(build(COMPLAINT, **headers), own=["support@shop.example"])
    assert mail.kind == "human"


def test_list_mail(get: Get) -> None:
    mail = get("News!", list_id="Shop news <news.other.example>", list_unsubscribe="<x>", precedence="bulk")
    assert (mail.kind, mail.list_id) == ("list", "news.other.example")


DSN = b"""Reporting-MTA: dns; mx.shop.example\r
\r
Final-Recipient: rfc822; ann@gone.example\r
Action: %s\r
Status: %s\r
Diagnostic-Code: smtp; 550 5.1.1 <ann@gone.example> no such user\r
\r
Final-Recipient: rfc822; bo@gone.example\r
Action: failed\r
Status: 5.2.2 (mailbox full)\r
"""


def report(multipart: Build, action: bytes = b"failed", status: bytes = b"5.1.1") -> bytes:
    """A delivery report with two recipients about one of our mails."""
    return multipart(
        b"Content-Type: text/plain\r\n\r\nI'm sorry to say your mail could not be delivered.",
        b"Content-Type: message/delivery-status\r\n\r\n" + DSN % (action, status),
        b"Content-Type: message/rfc822\r\n\r\nMessage-ID: <ours.1@shop.example>\r\nReferences: <root@mail.example>\r\nFrom: desk@shop.example\r\n\r\nDear Ann",
        kind="report; report-type=delivery-status",
        **{"from": "MAILER-DAEMON@mx.example", "subject": "Undelivered Mail Returned to Sender", "return_path": "<>"},
    )


def test_report_names_the_mail_and_the_reasons(multipart: Build) -> None:
    mail = read(report(multipart))
    assert mail.kind == "bounce"
    assert mail.bounce is not None
    assert mail.bounce.message_id == "ours.1@shop.example"
    assert mail.bounce.references == ("root@mail.example",)
    assert [(r.email, r.action, r.status) for r in mail.bounce.recipients] == [
        ("ann@gone.example", "failed", "5.1.1"),
        ("bo@gone.example", "failed", "5.2.2"),
    ]
    assert mail.bounce.recipients[0].reason == "550 5.1.1 <ann@gone.example> no such user"
    assert mail.bounce.failed


def test_a_delay_is_no_failure(multipart: Build) -> None:
    raw = report(multipart, b"delayed", b"4.4.1").replace(b"Final-Recipient: rfc822; bo", b"X-Other: bo")
    mail = read(raw.replace(b"Action: failed", b"X-Action: failed"))
    assert mail.bounce is not None
    assert not mail.bounce.failed
    assert mail.bounce.recipients[0].action == "delayed"


@pytest.mark.parametrize(
    ("sender", "subject", "text", "status"),
    [
        (
            "MAILER-DAEMON@mx.example",
            "failure notice",
            "Hi. This is the qmail-send program.\nI wasn't able to deliver your message to the following addresses.\n\n<ann@gone.example>:\n550 5.1.1 User unknown\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <desk@shop.example>\nMessage-ID: <ours.1@shop.example>\nTo: ann@gone.example",
            "5.1.1",
        ),
        (
            "postmaster@mail.example",
            "系统退信",
            "抱歉，您的邮件被退回来了。\n收件人：ann@gone.example\n退信原因：收件人邮箱不存在\n550 Mailbox not found\n\nMessage-ID: <ours.1@shop.example>",
            "550",
        ),
        (
            "Mail Delivery Subsystem <x@mx.example>",
            "Returned mail: see transcript for details",
            "----- The following addresses had permanent fatal errors -----\n<ann@gone.example>\n    (reason: 550 5.7.1 rejected)\n   ----- Transcript of session follows -----\n",
            "5.7.1",
        ),
    ],
)
def test_free_text_bounces(get: Get, sender: str, subject: str, text: str, status: str) -> None:
    mail = get(text, **{"from": sender, "subject": subject})
    assert mail.kind == "bounce"
    assert mail.bounce is not None
    assert [(r.email, r.status) for r in mail.bounce.recipients] == [("ann@gone.example", status)]
    if "Message-ID" in text:
        assert mail.bounce.message_id == "ours.1@shop.example"


def test_provider_notice_in_json(get: Get) -> None:
    told = '{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":"ann@gone.example","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550"}]},"mail":{"messageId":"m","headers":[{"name":"Message-ID","value":"<ours.1@shop.example>"}]}}'
    mail = get(told, **{"from": "no-reply@sns.example"})
    assert mail.bounce is not None
    assert (mail.bounce.message_id, mail.bounce.recipients[0].status) == ("ours.1@shop.example", "5.1.1")
    delivered = get('{"notificationType":"Delivery","mail":{"destination":["ann@x.example"]}}')
    assert delivered.bounce is not None
    assert not delivered.bounce.failed
    assert get('{"notificationType":"Bounce", broken').kind == "bounce"


def test_feedback_report(multipart: Build) -> None:
    raw = multipart(
        b"Content-Type: text/plain\r\n\r\nThis is an abuse report.",
        b"Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: x\r\n",
        kind="report; report-type=feedback-report",
    )
    assert read(raw).kind == "feedback_report"


def test_read_receipt_is_an_automatic_reply(multipart: Build) -> None:
    raw = multipart(
        b"Content-Type: text/plain\r\n\r\nYour mail was displayed.",
        b"Content-Type: message/disposition-notification\r\n\r\nDisposition: automatic-action/MDN-sent-automatically; displayed\r\n",
        kind="report; report-type=disposition-notification",
    )
    assert read(raw).kind == "auto_reply"


def test_a_person_who_forwards_a_bounce_is_a_person(get: Get) -> None:
    text = "Why do your mails to me come back? See:\n\nMail Delivery Subsystem: 550 5.1.1 user unknown"
    assert get(text, subject="Fwd: Returned mail: see transcript for details").kind == "human"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"return_path": "<>"}, "null return-path"),
        ({"auto_submitted": "auto-generated"}, "auto-submitted"),
        ({"precedence": "bulk"}, "precedence"),
        ({"x_auto_response_suppress": "DR, OOF"}, "x-auto-response-suppress"),
        ({"list_id": "<a.b>"}, "list-id"),
        ({"x_loop": "desk@other.example"}, "x-loop"),
        ({"from": "no-reply@x.example"}, "robot address"),
        ({"from": "bounces+12=3@x.example"}, "robot address"),
        ({"from": ""}, "no sender"),
        ({"from": "desk@shop.example"}, "our own address"),
        ({"to": "someone@else.example"}, "not addressed to us"),
        ({"date": "Wed, 20 May 2026 10:21:00 +0800"}, "old"),
    ],
)
def test_silence(get: Get, headers: dict[str, str], reason: str) -> None:
    assert reason in may_answer(get(COMPLAINT, **headers), {"desk@shop.example"}, NOW)


def test_an_ordinary_complaint_may_be_answered(get: Get) -> None:
    mail = get(COMPLAINT, date="Wed, 3 Jun 2026 10:21:00 +0800")
    assert may_answer(mail, {"desk@shop.example"}, NOW) == ()
    stamped = get(COMPLAINT, to="undisclosed:;", delivered_to="desk@shop.example")
    assert may_answer(stamped, {"desk@shop.example"}, NOW) == ()
