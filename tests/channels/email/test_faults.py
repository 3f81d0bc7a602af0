"""What breaks on the way, and servers that cannot do everything."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from channels._email import imap as guarded
from channels._email import suspects, watch
from channels._email.imap import Connection, Server
from channels.base import Retry, Unauthorized
from tests.channels.email.faults import Wire
from tests.channels.email.office import mail, open_office, settings, until
from tests.channels.email.servers import PASSWORD, Dovecot, certificate, dovecot


@pytest.fixture
async def wire(imap: Dovecot) -> AsyncIterator[Wire]:
    async with Wire(imap.imaps) as made:
        yield made


async def test_a_reset_while_waiting_is_noticed_at_once(tmp_path: Path, imap: Dovecot, wire: Wire) -> None:
    async with open_office(tmp_path, {"main": settings(imap, None, tmp_path, imap_port=wire.port)}) as office:
        await office.looking()
        for n in range(3):
            wire.reset()
            imap.deliver(mail(f"mail {n}"))
            await office.until(n + 1)
        assert len(await office.messages()) == 3


@pytest.mark.parametrize("cut", [1500, 4000, 6000, 20_000, 60_000])
async def test_a_cut_in_the_middle_costs_a_connection_and_no_mail(
    tmp_path: Path, imap: Dovecot, wire: Wire, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspects, "FIRST_WAIT", 0.2)
    monkeypatch.setattr(suspects, "LONGEST_WAIT", 0.5)
    async with open_office(tmp_path, {"main": settings(imap, None, tmp_path, imap_port=wire.port)}) as office:
        await office.looking()
        await office.rest()
        imap.deliver(mail("x" * 900 + "\n" * 3 + "y" * 60_000))
        wire.cut_after = cut
        office.watch()
        await asyncio.sleep(2.0)
        wire.cut_after = None
        assert len(await office.until(1)) == 1
        await until(lambda: not imap.mails())


async def test_silence_is_noticed_and_the_next_connection_goes_on(
    tmp_path: Path, imap: Dovecot, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COMMAND_SECONDS", "SILENCE_SECONDS", "ACK_SECONDS", "CONNECT_SECONDS"):
        monkeypatch.setattr(guarded, name, 1.0)
    monkeypatch.setattr(watch, "IDLE_SECONDS", 1.0)
    async with open_office(tmp_path, {"main": settings(imap, None, tmp_path, imap_port=wire.port)}) as office:
        await office.looking()
        before = wire.connections
        wire.freeze()
        imap.deliver(mail("behind the silence"))
        await until(lambda: wire.connections > before)
        wire.thaw()
        assert [m.text for m in await office.until(1)] == ["behind the silence"]


@pytest.mark.parametrize("how", ["fin", "half_open"])
async def test_a_connection_that_is_closed_in_silence_is_noticed(
    tmp_path: Path, imap: Dovecot, wire: Wire, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """FIN alone while waiting; and a peer that is gone without a word, which only the end of IDLE brings to light."""
    monkeypatch.setattr(watch, "IDLE_SECONDS", 1.0)
    monkeypatch.setattr(guarded, "ACK_SECONDS", 1.0)
    async with open_office(tmp_path, {"main": settings(imap, None, tmp_path, imap_port=wire.port)}) as office:
        await office.looking()
        before = wire.connections
        if how == "fin":
            wire.finish()
        else:
            wire.swallow()
        imap.deliver(mail("behind the silence"))
        assert [m.text for m in await office.until(1)] == ["behind the silence"]
        assert wire.connections > before


async def test_a_server_that_is_down_is_tried_with_growing_pauses(tmp_path: Path, imap: Dovecot, wire: Wire) -> None:
    async with open_office(tmp_path, {"main": settings(imap, None, tmp_path, imap_port=wire.port)}) as office:
        await office.looking()
        wire.refuse = True
        wire.reset()
        before = wire.connections
        await asyncio.sleep(2.5)
        assert wire.connections - before <= 7, "0.05 s doubled each time"
        imap.deliver(mail("made up for"))
        wire.refuse = False
        assert [m.text for m in await office.until(1)] == ["made up for"]


async def test_a_wrong_password_stops_the_account_and_is_told(tmp_path: Path, imap: Dovecot, wire: Wire) -> None:
    tree = settings(imap, None, tmp_path, imap_port=wire.port, password="wrong")
    async with open_office(tmp_path, {"main": tree}) as office:
        office.watch(rest=30.0)
        parts = office.gateway.metrics.parts
        await until(lambda: any(p.name == "intake:email/main" and "stopped" in p.trouble for p in parts()))
        await asyncio.sleep(1.0)
        assert wire.connections == 1, "providers lock accounts that hammer"


@pytest.mark.parametrize(
    "capability",
    ["IMAP4rev1 AUTH=PLAIN", "IMAP4rev1 AUTH=PLAIN UIDPLUS", "IMAP4rev1 AUTH=PLAIN MOVE IDLE"],
)
async def test_servers_that_lack_something_are_served(
    tmp_path: Path, capability: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.3)
    movable = "MOVE" in capability or "UIDPLUS" in capability
    with dovecot(capability=capability) as imap:
        tree = settings(imap, None, tmp_path, mode="move" if movable else "leave")
        async with open_office(tmp_path, {"main": tree}) as office:
            await office.looking()
            imap.deliver(mail("one"))
            await office.until(1)
            imap.deliver(mail("two"))
            assert [m.text for m in await office.until(2)] == ["one", "two"]
            if movable:
                await until(lambda: not imap.mails())
                assert len(imap.mails(folder="Allears")) == 2


async def test_a_mail_that_the_server_cannot_give_holds_up_no_other(
    tmp_path: Path, imap: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dovecot ends the connection at a file that it cannot read."""
    monkeypatch.setattr(suspects, "FIRST_WAIT", 2.0)
    async with open_office(tmp_path, {"main": settings(imap, None, tmp_path)}) as office:
        await office.looking()
        await office.rest()
        broken = imap.place(mail("behind a fault of the disk"))
        imap.place(mail("one"))
        imap.place(mail("two"))
        broken.chmod(0)
        office.watch()
        assert sorted(m.text for m in await office.until(2)) == ["one", "two"]
        parts = office.gateway.metrics.parts
        await until(lambda: any("does not give 1 mail" in part.trouble for part in parts()))
        (file,) = [f for f in imap.maildir().rglob("*.test*") if not f.stat().st_mode & 0o777]
        file.chmod(0o644)
        assert len(await office.until(3)) == 3
        await until(lambda: not imap.mails())


# --- a scripted server, for what a good one does not do ------------------------------------------------


class Script:
    """An IMAP server that answers each command by the first fitting rule."""

    def __init__(self, folder: Path, rules: list[tuple[str, str]], greeting: str = "* OK ready") -> None:
        self._rules, self._greeting = rules, greeting
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca = certificate(folder)
        self._tls.load_cert_chain(self.ca, folder / "key.pem")
        self.said: list[str] = []
        self.port = 0

    async def __aenter__(self) -> Script:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._greeting.encode() + b"\r\n")
        if self._greeting.startswith("* BYE"):
            writer.close()
            return
        while line := (await reader.readline()).decode():
            self.said.append(line.strip())
            tag, _, command = line.strip().partition(" ")
            for pattern, answer in self._rules:
                if re.match(pattern, command or tag):
                    writer.write(answer.replace("TAG", tag).encode())
                    break
            else:
                writer.write(f"{tag} OK done\r\n".encode())
        writer.close()

    async def connect(self) -> Connection:
        tls = ssl.create_default_context(cafile=str(self.ca))
        return await Connection.open(Server(host="localhost", port=self.port, tls=tls))


CAPABILITY = ("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE MOVE ID AUTH=XOAUTH2\r\nTAG OK done\r\n")
SELECT = ("SELECT", "* 1 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 2] x\r\nTAG OK [READ-WRITE] done\r\n")


async def test_a_greeting_that_sends_us_away_is_told_at_once(tmp_path: Path) -> None:
    async with Script(tmp_path, [], greeting="* BYE too many connections") as server:
        async with asyncio.timeout(20):
            with pytest.raises(Retry, match="too many connections"):
                await server.connect()


async def test_an_expired_token_is_refused_without_hanging(tmp_path: Path) -> None:
    rules = [CAPABILITY, ("AUTHENTICATE", "+ eyJzdGF0dXMiOiI0MDAifQ==\r\n"), ("^[A-Z]+[0-9]*$|^$", "P1 NO x\r\n")]
    async with Script(tmp_path, rules) as server:
        connection = await server.connect()

        async def refuse_after_the_empty_line() -> None:
            await until(lambda: "" in server.said)

        attempt = asyncio.create_task(connection.login_with_token("desk", "old"))
        await refuse_after_the_empty_line()
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
        with pytest.raises(Retry):
            await connection.search("ALL")  # a cancelled command has ended the connection


async def test_id_is_sent_before_a_mailbox_is_opened_as_163_wants_it(tmp_path: Path) -> None:
    async with Script(tmp_path, [CAPABILITY, SELECT]) as server:
        connection = await server.connect()
        await connection.login("desk", 'pass"word\\')
        await connection.select("收件箱 & more")
        commands = [line.partition(" ")[2] for line in server.said]
        assert 'LOGIN "desk" "pass\\"word\\\\"' in commands
        id_at = next(n for n, command in enumerate(commands) if command.startswith("ID ("))
        assert commands[id_at].startswith('ID ("name" "Allears"')
        assert commands[id_at + 1] == 'SELECT "&ZTZO9nux- &- more"'


async def test_mail_announced_during_a_fetch_ends_the_next_wait_at_once(tmp_path: Path) -> None:
    fetch = ("UID FETCH", "* 1 FETCH (UID 1 BODY[] {5}\r\nhello)\r\n* 2 EXISTS\r\nTAG OK done\r\n")
    idle = ("IDLE", "+ idling\r\n")
    done = ("DONE", "TAGX OK\r\n")
    async with Script(tmp_path, [CAPABILITY, SELECT, fetch, idle, done]) as server:
        connection = await server.connect()
        await connection.login("desk", "x")
        await connection.select("INBOX")
        await connection.search("ALL")
        assert await connection.bodies([1]) == {1: b"hello"}
        loop = asyncio.get_running_loop()
        started = loop.time()
        guarded_ack, guarded.ACK_SECONDS = guarded.ACK_SECONDS, 1.0
        try:
            with pytest.raises(Retry):  # this server never confirms the end of IDLE: the connection is given up
                await connection.wait(30, 30)
        finally:
            guarded.ACK_SECONDS = guarded_ack
        assert loop.time() - started < 5


async def test_an_answer_that_comes_too_late_never_belongs_to_the_next_mailbox(tmp_path: Path) -> None:
    async with Script(tmp_path, [CAPABILITY, ("SELECT", "* OK still thinking\r\n")]) as server:
        connection = await server.connect()
        await connection.login("desk", "x")
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(guarded, "COMMAND_SECONDS", 0.3)
            with pytest.raises((Retry, TimeoutError)):
                async with asyncio.timeout(1.0):
                    await connection.select("weird")
        with pytest.raises(Retry):
            await connection.search("ALL")


async def test_a_server_without_xoauth2_is_an_error_of_the_settings(tmp_path: Path) -> None:
    capability = ("CAPABILITY", "* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n")
    async with Script(tmp_path, [capability]) as server:
        connection = await server.connect()
        with pytest.raises(Unauthorized):
            await connection.login_with_token("desk", "token")


async def test_a_plain_port_is_not_spoken_to(tmp_path: Path) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK ready\r\n")
        await reader.read(100)
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Retry, match="TLS"):
        await Connection.open(Server(host="localhost", port=port, tls=ssl.create_default_context()))
    server.close()


async def test_the_password_is_in_no_error(tmp_path: Path, imap: Dovecot) -> None:
    tls = ssl.create_default_context(cafile=imap.ca)
    connection = await Connection.open(Server(host="localhost", port=imap.imaps, tls=tls))
    with pytest.raises(Unauthorized) as refused:
        await connection.login("desk", PASSWORD + "x")
    assert PASSWORD not in str(refused.value) + repr(refused.value.__cause__)


def test_a_mail_that_was_held_back_is_asked_for_as_soon_as_its_time_has_come() -> None:
    known = suspects.Suspects()
    for _ in range(suspects.PATIENCE):
        known.broke(["a"], 100.0)
    assert known.waits("a", 100.0)
    assert known.next(["a"], 100.0) == suspects.FIRST_WAIT
    assert known.next(["a"], 200.0) == 0.0, "it came due while others were fetched: no whole IDLE for it"
    assert known.next([], 200.0) is None, "what is not in the mailbox any more wakes nobody"
