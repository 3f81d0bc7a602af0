"""Bounces as a real Postfix writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.store.base import conversation_id
from tests.channels.email.office import mail, open_office, settings, until
from tests.channels.email.servers import Dovecot, Post, postfix


@pytest.mark.parametrize("bounce_address", ["own", "token"])
async def test_a_mail_that_cannot_be_delivered_comes_back_into_its_conversation(
    tmp_path: Path, imap: Dovecot, bounce_address: str
) -> None:
    with Post(tmp_path / "elsewhere", tls=False) as elsewhere, postfix(imap, elsewhere) as server:
        elsewhere.handler.rcpt = ["550 5.1.1 no such customer"]
        tree = settings(imap, server, tmp_path, smtp_login=False, bounce_address=bounce_address)
        async with open_office(tmp_path, {"main": tree}) as office:
            await office.looking()
            imap.deliver(mail("My parcel never came."))
            (message,) = await office.until(1)
            receipt = await office.reply(message, "We look for it.")
            report = (await office.until(2, 30))[1]
            assert (report.kind, report.machine, report.thread) == ("status", "bounce", message.thread)
            assert report.refers_to == receipt.external_ids[0]
            assert "ann@example.com" in report.placeholder
            assert "5.1.1" in report.placeholder
            await office.flow.step()
            conversation = await office.gateway.store.conversation(conversation_id("email", "main", message.thread))
            assert conversation.status == "waiting_agent"


async def test_a_customer_with_a_mailbox_gets_the_answer(tmp_path: Path, imap: Dovecot, post: Post) -> None:
    with postfix(imap, post) as server:
        async with open_office(tmp_path, {"main": settings(imap, server, tmp_path, smtp_login=False)}) as office:
            await office.looking()
            imap.deliver(mail("hello", **{"from": "other@localhost"}))
            (message,) = await office.until(1)
            await office.reply(message, "您好")
            await until(lambda: len(imap.mails("other")) == 1)
            assert b"In-Reply-To" in imap.mails("other")[0]
