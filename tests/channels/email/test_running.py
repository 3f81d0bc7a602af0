"""The product as it runs: a mail goes in, an answer comes out, and the watching pages tell how the mailbox stands."""

from __future__ import annotations

from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer

from gateway import config
from gateway.app import application, assemble
from tests.channels.email.office import SECRET, decoded, mail, settings, until
from tests.channels.email.servers import Dovecot, Post


async def test_a_complaint_in_chinese_is_answered_in_its_thread(tmp_path: Path, imap: Dovecot, post: Post) -> None:
    account = settings(imap, post, tmp_path, footer={"zh": "海边客服", "en": "Seaside"})
    tree = {"secret": SECRET, "company": {"name": "海边商城"}, "channels": {"email": {"main": account}}}
    loaded = config.Loaded(config=config.convert(tree, config.Config), file="", text="", folder=tmp_path)
    gateway = assemble(loaded)
    async with TestClient(TestServer(application(gateway))) as client:
        await until(lambda: any(p["last_sweep_seconds"] is not None for p in gateway.metrics.pulls().values()))
        imap.deliver(
            mail("我的包裹一直没到，订单号 20261119001，要求退款！", subject="投诉", message_id="<zh@example.com>")
        )
        await until(lambda: post.posted)
        sent = decoded(post.posted[0])
        body = sent.get_body(("plain",))
        assert body is not None
        assert "海边客服" in body.get_content()
        assert (sent["Subject"], sent["In-Reply-To"]) == ("Re: 投诉", "<zh@example.com>")
        ready = await (await client.get("/readyz")).json()
        assert ready["intake"]["email/main"]["waiting"] == 0
        assert ready["intake"]["email/main"]["last_sweep_seconds"] < 30
        figures = await (await client.get("/metrics")).text()
        assert 'allears_pull_last_sweep_seconds{account="email/main"}' in figures
        assert 'allears_messages_accepted_total{channel="email"} 1.0' in figures
        # The customer answers: the same conversation, and the bot goes on from there.
        token = sent["Reply-To"].addresses[0].addr_spec
        imap.deliver(mail("好的，谢谢。", subject="Re: 投诉", in_reply_to=str(sent["Message-ID"]), to=token), to=token)
        await until(lambda: _accepted(gateway.metrics.exposition()) == 2)
        page = await gateway.store.conversations("all")
        assert len(page.items) == 1


def _accepted(exposition: bytes) -> float:
    lines = [line for line in exposition.decode().splitlines() if line.startswith("allears_messages_accepted_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)
