"""A mail to somebody who has not written: after a call. The answer comes back into the thread that was begun."""

from __future__ import annotations

from channels.base import Outbound, Sender
from tests.channels.email.office import Office, decoded, mail
from tests.channels.email.servers import Dovecot, Post

ANN = Sender(id="+8613800138000", phone="+8613800138000", email="Ann@Example.com")


async def test_a_thread_is_begun_once_and_its_answer_finds_it(office: Office, imap: Dovecot, post: Post) -> None:
    thread = await office.channel.begin(ANN, "receipt/1")
    assert thread == await office.channel.begin(ANN, "receipt/1")
    assert thread != await office.channel.begin(ANN, "receipt/2")
    out = Outbound(
        key="receipt/1/email/main",
        channel="email",
        account="main",
        thread=thread,
        text="Thank you for your call.",
        subject="Your call, number 1",
        kind="receipt",
    )
    receipt = await office.channel.send(out, office.tools)
    (posted,) = post.posted
    assert posted["to"] == ["Ann@Example.com"]
    assert decoded(posted)["Subject"] == "Your call, number 1"
    await office.looking()
    sent = f"<{receipt.external_ids[0]}>"
    imap.deliver(mail("No, it is 7043.", message_id="<a@example.com>", subject="Re: Your call", in_reply_to=sent))
    (answer,) = await office.until(1)
    assert answer.thread == thread


async def test_without_an_address_or_to_ourselves_nothing_begins(office: Office) -> None:
    assert await office.channel.begin(Sender(id="1", phone="+8613800138000"), "k") == ""
    assert await office.channel.begin(Sender(id="1", email="DESK@localhost"), "k") == ""
