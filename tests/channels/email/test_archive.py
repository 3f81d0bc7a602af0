"""Old mail is taken over once, in silence, and mails in files are read without an account."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from gateway.archive import ArchiveError, pieces_of, take
from gateway.cli.main import main
from gateway.store.base import conversation_id
from tests.channels.email.office import SECRET, Office, mail, settings
from tests.channels.email.servers import Dovecot, Post

HERE = Path(__file__).parent


def mbox(folder: Path, count: int) -> Path:
    """An mbox with a thread of two and single complaints; one holds a line that starts with From."""
    parts = []
    for n in range(count):
        reply = {"in-reply-to": "<old0@example.com>"} if n == 1 else {}
        day = f"{1 + n % 27:02} Feb 2025 10:00:00 +0000"
        raw = mail(
            f"complaint {n}\nFrom here on it leaks.", message_id=f"<old{n}@example.com>", date=day, subject="", **reply
        )
        body = raw.replace(b"\r\n", b"\n").replace(b"\nFrom here", b"\n>From here")
        parts.append(b"From ann@example.com Sat Feb 01 10:00:00 2025\n" + body + b"\n")
    path = folder / "old.mbox"
    path.write_bytes(b"".join(parts))
    return path


async def test_an_mbox_is_taken_over_once_and_nobody_hears_of_it(office: Office, post: Post, tmp_path: Path) -> None:
    path = mbox(tmp_path, 60)
    (row,) = await take(office.gateway, {"path": str(path)})
    assert (row["read"], row["taken"], row["next"]) == (60, 60, row["size"])
    (again,) = await take(office.gateway, {"path": str(path)})
    assert (again["read"], again["taken"], again["known"]) == (60, 0, 60)
    messages = await office.messages()
    assert messages[0].text == "complaint 0\nFrom here on it leaks."
    assert messages[0].at == datetime(2025, 2, 1, 10, tzinfo=UTC)
    assert messages[1].thread == messages[0].thread != messages[2].thread
    await office.work()
    assert not post.posted
    conversation = await office.gateway.store.conversation(conversation_id("email", "main", messages[2].thread))
    assert conversation.status == "closed"
    assert (await office.gateway.store.records()).items


async def test_an_interrupted_take_over_goes_on_where_it_was(office: Office, tmp_path: Path) -> None:
    path = mbox(tmp_path, 120)
    half = pieces_of(path, 0)[-1].end
    await take(office.gateway, {"path": str(path), "offset": half})
    (row,) = await take(office.gateway, {"path": str(path)})
    assert row["taken"] == 50
    assert len(await office.messages()) == 120


async def test_history_in_the_mailbox_too_is_known(office: Office, imap: Dovecot, tmp_path: Path) -> None:
    path = tmp_path / "one.eml"
    raw = mail("an old complaint", message_id="<old@example.com>")
    path.write_bytes(raw)
    await take(office.gateway, {"path": str(path)})
    await office.looking()
    imap.deliver(raw)
    assert [m.machine for m in await office.until(2)] == ["", "copy"]


async def test_a_file_that_is_not_there_is_told(office: Office, tmp_path: Path) -> None:
    for path in (tmp_path / "missing.mbox", tmp_path):
        with pytest.raises(ArchiveError, match="the server reads the file"):
            await take(office.gateway, {"path": str(path)})


def test_the_command_line_imports_with_progress(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = settings(None, None, tmp_path)
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in tree.items())
    config = tmp_path / "allears.toml"
    config.write_text(f'secret = "{SECRET}"\n[channels.email.main]\n{lines}\n')
    path = mbox(tmp_path, 5)
    assert main(["import", str(path), "--config", str(config), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"files": 1, "read": 5, "taken": 5, "known": 0}
    assert "100 %" in err


def test_parse_and_normalize_read_a_mail(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["parse", "email", str(HERE / "text.eml")]) == 0
    shown = msgspec.json.decode(capsysbinary.readouterr().out)
    assert (shown["subject"], shown["kind"]) == ("水壶坏了", "human")
    assert shown["new_text"] == shown["full_text"] == "水壶漏水，买了三天就坏了。请退款。"
    assert main(["normalize", str(HERE / "text.eml")]) == 0
    record = msgspec.json.decode(capsysbinary.readouterr().out)
    assert "refund" in {demand["value"] for demand in record["what"]["demands"]}


def test_channels_check_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = settings(None, None, tmp_path)
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in tree.items())
    config = tmp_path / "allears.toml"
    config.write_text(f'secret = "{SECRET}"\n[channels.email.main]\n{lines}\n')
    assert main(["channels", "check", "email", "--config", str(config)]) == 1
    told = capsys.readouterr().out
    assert "BAD  IMAP localhost:1" in told
    assert told.count("no connection: ConnectionRefusedError") == 2
    with pytest.raises(SystemExit) as ended:
        main(["channels", "check", "--help"])
    assert ended.value.code == 0
