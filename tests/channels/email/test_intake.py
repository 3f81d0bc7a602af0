"""Every mail exactly once, on a real Dovecot."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from channels.base import Inbound
from gateway.store.base import StoreUnavailable
from tests.channels.email.office import Office, mail, open_office, settings, until
from tests.channels.email.servers import OWNER, Dovecot, Post, dovecot


async def test_a_mail_becomes_a_message_and_is_moved(office: Office, imap: Dovecot) -> None:
    await office.looking()
    imap.deliver(mail("The kettle leaks."))
    (message,) = await office.until(1)
    assert (message.text, message.subject) == ("The kettle leaks.", "Broken kettle")
    assert (message.sender.email, message.sender.verified) == ("ann@example.com", False)
    assert b"The kettle leaks." in message.raw
    await until(lambda: len(imap.mails(folder="Allears")) == 1 and not imap.mails())


async def test_in_leave_mode_the_mailbox_is_not_touched(tmp_path: Path, imap: Dovecot) -> None:
    async with open_office(tmp_path, {"main": settings(imap, None, tmp_path, mode="leave")}) as office:
        await office.looking()
        imap.deliver(mail("one"))
        imap.deliver(mail("two"))
        assert {m.text for m in await office.until(2)} == {"one", "two"}
        assert len(imap.mails()) == 2
        assert not imap.mails(folder="Allears")
        files = [file.name for file in (imap.maildir() / "cur").glob("*")] + list((imap.maildir() / "new").glob("*"))
        assert not any(":2," in str(name) and "S" in str(name).partition(":2,")[2] for name in files), "marked as read"


async def test_what_was_there_before_the_first_connect_stays(office: Office, imap: Dovecot) -> None:
    imap.deliver(mail("an old one"))
    await office.looking()
    imap.deliver(mail("a new one"))
    assert [m.text for m in await office.until(1)] == ["a new one"]
    await until(lambda: len(imap.mails()) == 1)
    assert b"an old one" in imap.mails()[0]


async def test_a_start_date_takes_what_is_there(tmp_path: Path, imap: Dovecot, mode: str) -> None:
    day = datetime(2026, 11, 10, tzinfo=UTC).timestamp()
    imap.place(mail("too old"), at=day - 86_400)
    imap.place(mail("young enough"), at=day + 86_400)
    async with open_office(tmp_path, {"main": settings(imap, None, tmp_path, mode=mode, since="2026-11-10")}) as office:
        await office.looking()
        assert [m.text for m in await office.until(1)] == ["young enough"]


async def test_read_by_a_person_first_it_is_taken_all_the_same(tmp_path: Path, imap: Dovecot, mode: str) -> None:
    async with open_office(tmp_path, {"main": settings(imap, None, tmp_path, mode=mode)}) as office:
        await office.looking()
        await office.rest()
        file = imap.place(mail("read already"))
        file.rename(imap.maildir() / "cur" / f"{file.name}:2,FS")
        office.watch()
        assert [m.text for m in await office.until(1)] == ["read already"]


async def test_an_outage_is_made_up_for(tmp_path: Path, imap: Dovecot, mode: str) -> None:
    async with open_office(tmp_path, {"main": settings(imap, None, tmp_path, mode=mode)}) as office:
        await office.looking()
    for n in range(5):
        imap.deliver(mail(f"mail {n}"))
    async with open_office(tmp_path, {"main": settings(imap, None, tmp_path, mode=mode)}) as office:
        office.watch()
        assert sorted(m.text for m in await office.until(5)) == [f"mail {n}" for n in range(5)]


async def test_a_new_uidvalidity_brings_nothing_twice(tmp_path: Path, imap: Dovecot, mode: str) -> None:
    async with open_office(tmp_path, {"main": settings(imap, None, tmp_path, mode=mode)}) as office:
        await office.looking()
        for n in range(3):
            imap.deliver(mail(f"mail {n}"))
        await office.until(3)
        await until(lambda: mode == "leave" or not imap.mails())
        await office.rest()
        imap.move_back("Allears")
        imap.reset_validity()
        imap.deliver(mail("after the reset"))
        office.watch()
        texts = [m.text for m in await office.until(4)]
        assert sorted(texts) == ["after the reset", "mail 0", "mail 1", "mail 2"]
        await until(lambda: mode == "leave" or not imap.mails())
        await asyncio.sleep(0.3)
        assert len(await office.messages()) == 4


async def test_a_mail_moved_back_by_hand_is_moved_again_and_not_taken_twice(office: Office, imap: Dovecot) -> None:
    await office.looking()
    imap.deliver(mail("once"))
    await office.until(1)
    await until(lambda: len(imap.mails(folder="Allears")) == 1)
    assert imap.move_back("Allears") == 1
    imap.deliver(mail("a wake-up"))
    await office.until(2)
    await until(lambda: len(imap.mails(folder="Allears")) == 2 and not imap.mails())
    assert [m.text for m in await office.messages()] == ["once", "a wake-up"]


async def test_the_mailbox_is_touched_after_the_commit_only(office: Office, imap: Dovecot) -> None:
    await office.looking()
    store = office.gateway.store
    appending, full = store.append, True

    async def append(*arguments: object, **named: object) -> object:
        if full:
            raise StoreUnavailable("the disk is full")
        return await appending(*arguments, **named)  # type: ignore[arg-type]

    store.append = append  # type: ignore[method-assign, assignment]
    imap.deliver(mail("kept by the server"))
    await asyncio.sleep(1.5)
    assert len(imap.mails()) == 1
    assert not await office.messages()
    full = False
    assert [m.text for m in await office.until(1)] == ["kept by the server"]
    await until(lambda: not imap.mails())


async def test_a_reused_message_id_with_another_body_is_another_message(office: Office, imap: Dovecot) -> None:
    await office.looking()
    for text in ("first", "second"):
        imap.deliver(mail(text, message_id="<same@example.com>"))
    assert sorted(m.text for m in await office.until(2)) == ["first", "second"]
    assert not any(m.machine for m in await office.messages())


async def test_without_a_message_id_each_is_one(office: Office, imap: Dovecot) -> None:
    await office.looking()
    for text in ("first", "second"):
        imap.deliver(mail(text, message_id=""))
    assert sorted(m.text for m in await office.until(2)) == ["first", "second"]


async def test_the_same_mail_by_two_ways_is_marked_as_a_copy(tmp_path: Path, imap: Dovecot) -> None:
    accounts = {
        "main": settings(imap, None, tmp_path),
        "other": settings(imap, None, tmp_path, user="other", address="other@localhost"),
    }
    async with open_office(tmp_path, accounts) as office:
        await office.looking()
        same = mail("to both", to="desk@localhost, other@localhost")
        imap.deliver(same)
        await office.until(1)
        imap.deliver(same, to="other@localhost")
        messages = await office.until(2)
        assert [m.machine for m in messages] == ["", "copy"]


async def test_several_folders_are_watched_side_by_side(tmp_path: Path, imap: Dovecot) -> None:
    imap.place(mail("makes the folder"), folder="Shop")
    tree = settings(imap, None, tmp_path, folders=["INBOX", "Shop"])
    async with open_office(tmp_path, {"main": tree}) as office:
        await office.looking()
        await asyncio.sleep(0.5)
        imap.deliver(mail("inbox"))
        await office.until(1)
        imap.place(mail("shop"), folder="Shop")
        await office.rest()
        office.watch()
        assert sorted(m.text for m in await office.until(2)) == ["inbox", "shop"]


async def test_a_large_mail_is_a_file_beside_its_row_and_a_larger_one_is_told(tmp_path: Path, imap: Dovecot) -> None:
    async with open_office(tmp_path, {"main": settings(imap, None, tmp_path, max_mail=2_000_000)}) as office:
        await office.looking()
        imap.place(mail("x\n" * 300_000, subject="large"))
        imap.place(mail("y\n" * 1_500_000, subject="too large"))
        imap.deliver(mail("wake"))
        messages = {m.subject: m for m in await office.until(3)}
        large, too = messages["large"], messages["too large"]
        assert not large.raw
        assert (await office.gateway.blobs.read(large.raw_file)).count(b"x\r\n") == 300_000
        assert "more than is taken" in too.placeholder
        assert too.silent == "person"


async def test_an_empty_mail_and_one_with_a_subject_alone_are_shown(office: Office, imap: Dovecot) -> None:
    await office.looking()
    imap.deliver(mail("", subject="Where is my parcel?"))
    imap.deliver(mail("", subject=""))
    imap.place(b"")
    imap.deliver(mail("wake"))
    messages = await office.until(4)
    assert "Where is my parcel?" in {m.text for m in messages}
    assert sum(m.placeholder == "an empty mail" for m in messages) == 2


async def test_impossible_dates_give_way_to_the_servers(office: Office, imap: Dovecot) -> None:
    await office.looking()
    for n, date in enumerate(["Mon, 01 Jan 99999 00:00:00 +0000", "", "Tue, 01 Jan 2002 00:00:00 +0000"]):
        imap.deliver(mail(f"mail {n}", date=date) if n else mail("mail 0").replace(b"Date: ", b"Date: 9999"))
    for message in await office.until(3):
        assert abs(message.at.timestamp() - time.time()) < 60


async def test_when_moving_is_refused_mails_are_taken_once_and_the_operator_is_told(
    tmp_path: Path, imap: Dovecot
) -> None:
    tree = settings(imap, None, tmp_path, processed_folder="INBOX/../bad")
    async with open_office(tmp_path, {"main": tree}) as office:
        await office.looking()
        imap.deliver(mail("safe"))
        await office.until(1)
        metrics = office.gateway.metrics
        await until(lambda: any("cannot be moved" in part.trouble for part in metrics.parts()))
        imap.deliver(mail("safe too"))
        messages = await office.until(2)
        assert [m.text for m in messages] == ["safe", "safe too"]
        assert len(imap.mails()) == 2


async def test_thousands_of_old_mails_cost_nothing(tmp_path: Path, imap: Dovecot, mode: str) -> None:
    for n in range(3000):
        imap.place(b"Subject: %d\n\nold\n" % n)
    async with open_office(tmp_path, {"main": settings(imap, None, tmp_path, mode=mode)}) as office:
        await office.looking()
        imap.deliver(mail("new"))
        assert [m.text for m in await office.until(1)] == ["new"]


async def test_the_memory_says_nothing_of_a_person_once_erased(office: Office, imap: Dovecot, tmp_path: Path) -> None:
    await office.looking()
    imap.deliver(mail("my words"))
    await office.until(1)
    row = (await office.gateway.store.inbox()).items[0]
    await office.gateway.store.erase(row.conversation, at=office.gateway.clock(), by="operator")
    await office.rest()
    rows = sqlite3.connect(tmp_path / "data" / "allears.db").execute("SELECT key, value FROM memo").fetchall()
    assert rows, "that it was seen stays known"
    assert "ann@example.com" not in str(rows)
    imap.move_back("Allears")
    office.watch()
    await until(lambda: not imap.mails())
    assert len(await office.messages()) == 1


async def test_hostile_mail_is_shown_and_the_next_one_goes_on(office: Office, imap: Dovecot) -> None:
    await office.looking()
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3000))
    parts = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 50_000 + b"--b--\n"
    headers = b"".join(b"X-%d: y\n" % n for n in range(100_000)) + b"\nwords\n"
    for n, raw in enumerate([nested, parts, headers, b"From: " + b'"' * 48_000 + b"\n\nx\n"]):
        imap.place(b"Subject: hostile %d\n" % n + raw)
    imap.deliver(mail("an honest one"))
    messages = await office.until(5, 60)
    assert "an honest one" in {m.text for m in messages}
    assert len({m.subject for m in messages if m.subject.startswith("hostile")}) == 4
    await until(lambda: not imap.mails())


async def test_thousands_of_old_mails_are_taken_over_once(tmp_path: Path, imap: Dovecot) -> None:
    for n in range(3000):
        imap.place(b"From: a@example.com\nSubject: %d\n\nold %d\n" % (n, n))
    day = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    async with open_office(tmp_path, {"main": settings(imap, None, tmp_path, since=day)}) as office:
        office.watch()
        messages = await _all(office, 3000)
        assert len({m.subject for m in messages}) == len(messages) == 3000
        await until(lambda: not imap.mails())


async def test_an_outage_with_many_mails_is_drained_and_answers_are_capped(
    tmp_path: Path, imap: Dovecot, post: Post
) -> None:
    """A shop's mailbox after a night without us: all are taken, and one sender in a loop is not answered hundredfold."""
    async with open_office(tmp_path, {"main": settings(imap, post, tmp_path)}) as office:
        await office.looking()
    for n in range(300):
        sender = "loop@corp.example" if n % 2 else f"customer{n}@qq.com"
        imap.place(mail(f"My parcel {n} never came, refund me.", message_id=f"<n{n}@x.example>", **{"from": sender}))
    async with open_office(tmp_path, {"main": settings(imap, post, tmp_path)}) as office:
        office.watch()
        assert len(await _all(office, 300)) == 300
        await until(lambda: not imap.mails())
        await office.work()
        to = [posted["to"][0] for posted in post.posted]
        assert to.count("loop@corp.example") <= 5
        assert len({one for one in to if one.endswith("qq.com")}) == 150


async def _all(office: Office, count: int) -> list[Inbound]:
    async def there() -> bool:
        return (await office.gateway.store.gauges(office.gateway.clock())).inbox_open >= count

    await until(there, 90)
    return await office.messages()


@pytest.fixture
def guarded() -> Iterator[Dovecot]:
    """A server with access lists: who is no more allowed than to look is told so as on a shared mailbox."""
    with dovecot(extra="mail_plugins = acl\nplugin {\n  acl = vfile\n}") as server:
        yield server


def allow(imap: Dovecot, rights: str, folder: str = "") -> None:
    file = imap.maildir("desk", folder) / "dovecot-acl"
    file.write_text(f"owner {rights}\n")
    shutil.chown(file, *OWNER)


async def test_what_cannot_be_moved_is_taken_once_told_and_moved_later(tmp_path: Path, guarded: Dovecot) -> None:
    """As with a full mailbox, where the copy that moving is does not fit."""
    guarded.place(mail("makes the folder"), folder="Allears")
    async with open_office(tmp_path, {"main": settings(guarded, None, tmp_path)}) as office:
        allow(guarded, "lr", "Allears")
        await office.looking()
        guarded.deliver(mail("safe"))
        await office.until(1)
        parts = office.gateway.metrics.parts
        await until(lambda: any("cannot be moved" in part.trouble for part in parts()))
        guarded.deliver(mail("safe too"))
        assert [m.text for m in await office.until(2)] == ["safe", "safe too"]
        assert len(guarded.mails()) == 2
        allow(guarded, "lrwstipekxa", "Allears")
        await office.rest()
        office.watch()
        await until(lambda: not guarded.mails())
        assert len(await office.messages()) == 2


async def test_a_read_only_mailbox_is_read_and_told(tmp_path: Path, guarded: Dovecot) -> None:
    guarded.place(mail("makes the mailbox"))
    allow(guarded, "lr")
    async with open_office(tmp_path, {"main": settings(guarded, None, tmp_path)}) as office:
        await office.looking()
        guarded.place(mail("may be read"))
        await office.rest()
        office.watch()
        assert [m.text for m in await office.until(1)] == ["may be read"]
        parts = office.gateway.metrics.parts
        await until(lambda: any("cannot be moved" in part.trouble for part in parts()))
        assert len(guarded.mails()) == 2
