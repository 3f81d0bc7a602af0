"""(g) The mailbox: a real Dovecot, the gateway as it is served, and the same mails fetched by the bare library beside it.

Mails lie in the mailbox before they are announced, so that their delivery is not measured. Ours is the whole way: fetch,
read in the child, commit, move, normalize, decide. Both ends are looked at from outside.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from aioimaplib import IMAP4_SSL  # type: ignore[import-untyped]

from gateway.context import utc_now
from tests.bench import home, messages
from tests.bench.process import Server, cpu
from tests.bench.rounds import Sizes, Tell
from tests.channels.email.servers import DOVECOT, PASSWORD, Dovecot, dovecot
from tests.ports import free_port

#: Mails that the bare library fetches in one command: more overflow its stack.
SLICE = 100
LARGE = 25 * 1024 * 1024
#: Seconds without progress after which intake counts as stuck.
STUCK = 60.0
_CONFIG = """
[channels.email.main]
address = "desk@localhost"
user = "desk"
password = "{password}"
imap_host = "localhost"
imap_port = {imaps}
smtp_host = "localhost"
smtp_port = 1
ca_file = "{ca}"
"""


@dataclass
class Mailbox:
    """Mails a second of the bare fetch and of ours by round, CPU seconds a mail, bytes of memory, seconds of waiting."""

    bare: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    rest: int = 0
    """All our processes, before the large mail."""
    peak: int = 0
    """The gateway's process at its highest, with the large mail."""
    child: int = 0
    """The reading child at its highest."""
    announced: list[float] = field(default_factory=list)
    """From the end of the delivery until the server tells a bare client of it."""
    inbound: list[float] = field(default_factory=list)
    """From the end of the delivery until the message is committed."""


def is_here() -> bool:
    """Whether this machine has a Dovecot to measure with."""
    return Path(DOVECOT).exists()


def measure(folder: Path, sizes: Sizes, tell: Tell) -> Mailbox:
    """All of (g)."""
    found = Mailbox()
    with dovecot() as imap, _gateway(folder, imap) as server:
        for n in range(sizes.rounds + 1):
            tell(f"mailbox {n}/{sizes.rounds}")
            rate, used = _ours(folder, imap, server, sizes.mails, n)
            bare = asyncio.run(_bare(imap, sizes.mails))
            if n:  # the first round warms up
                found.bare.append(bare)
                found.ours.append(rate)
                found.cpu.append(used)
        tell("mailbox: deliveries")
        found.announced = asyncio.run(_announced(imap, max(3, sizes.deliveries // 4)))
        found.inbound = [_inbound(folder, imap, n) for n in range(sizes.deliveries)]
        tell("mailbox: a large mail")
        found.rest = sum(_memory(pid, "VmRSS") for pid in _all(server.pid))
        _large(folder, imap)
        found.peak = _memory(server.pid, "VmHWM")
        found.child = max((_memory(pid, "VmHWM") for pid in _all(server.pid)[1:]), default=0)
    return found


@contextmanager
def _gateway(folder: Path, imap: Dovecot) -> Iterator[Server]:
    port = free_port()
    config = home.furnish(folder, port)
    with config.open("a", encoding="utf-8") as file:
        file.write(_CONFIG.format(password=PASSWORD, imaps=imap.imaps, ca=imap.ca))
    with Server("mailbox", port, ["server", "full", str(config)], folder / "mailbox.log") as server:
        _until(folder, "SELECT count(*) FROM cursor WHERE channel = 'email'", 1)
        yield server


# --- the mails ------------------------------------------------------------------------------------------


def letter(n: int, run: str) -> bytes:
    """A customer's mail as programs write it: text and HTML, every fourth with a photo, every second with a quoted one."""
    mail = EmailMessage()
    mail["From"] = f"Wang Fang <customer{n}@example.com>"
    mail["To"] = "desk@localhost"
    mail["Subject"] = ("订单没收到", "Broken blender")[n % 2]
    mail["Date"] = format_datetime(utc_now())
    mail["Message-ID"] = f"<{run}-{n}@example.com>"
    words = f"{messages.COMPLAINTS[n % 2]} ({run}-{n})\n"
    if n % 4 > 1:
        words += "\nOn Mon, 2 Nov 2026 at 10:12, Support <desk@localhost> wrote:\n" + "> We look into it.\n" * 30
    mail.set_content(words)
    mail.add_alternative(f"<html><body><p>{words}</p></body></html>", subtype="html")
    if n % 4 == 0:
        mail.add_attachment(os.urandom(20_000), maintype="image", subtype="jpeg", filename="photo.jpg")
    return mail.as_bytes()


def _place(imap: Dovecot, mails: list[bytes], user: str) -> None:
    """Put them into the mailbox at once: written aside, then renamed."""
    files = [imap.place(mail, user=user, folder="Prepared") for mail in mails]
    imap.place(b"Subject: makes the folder\n\n", user=user, folder="Made").unlink()
    box = imap.maildir(user)
    for name in ("tmp", "new", "cur"):
        (box / name).mkdir(exist_ok=True)
        os.chown(box / name, box.stat().st_uid, box.stat().st_gid)
    for file in files:
        file.rename(box / "new" / file.name)


# --- how many a second ----------------------------------------------------------------------------------


def _ours(folder: Path, imap: Dovecot, server: Server, count: int, n: int) -> tuple[float, float]:
    """Mails a second and CPU seconds a mail, from the first that is stored to the last that is decided."""
    mails = [letter(i, f"r{n}") for i in range(count)]
    _place(imap, mails, "other")
    before = _count(folder, "SELECT count(*) FROM inbox")
    used = _cpu(server.pid)
    _place(imap, mails, "desk")
    begun = _until(folder, "SELECT count(*) FROM inbox", before + 1)
    started = time.perf_counter()
    _until(folder, "SELECT count(*) FROM inbox WHERE state <> 'open'", before + count)
    seconds = time.perf_counter() - started
    return (before + count - begun) / seconds, (_cpu(server.pid) - used) / count


async def _bare(imap: Dovecot, count: int) -> float:
    """Mails a second of the library alone, which throws away what it gets."""
    client = await _client(imap)
    found = await client.uid_search("ALL")
    uids = found.lines[0].decode().split()[-count:]
    started = time.perf_counter()
    for start in range(0, count, SLICE):
        answer = await client.uid("fetch", ",".join(uids[start : start + SLICE]), "(UID BODY.PEEK[])")
        if answer.result != "OK":
            raise RuntimeError("the bare fetch failed")
    seconds = time.perf_counter() - started
    await client.logout()
    return count / seconds


async def _client(imap: Dovecot) -> Any:
    client = IMAP4_SSL("localhost", imap.imaps, ssl_context=ssl.create_default_context(cafile=imap.ca), timeout=STUCK)
    await client.wait_hello_from_server()
    await client.login("other", PASSWORD)
    await client.select("INBOX")
    return client


# --- how long one waits -----------------------------------------------------------------------------------


async def _announced(imap: Dovecot, count: int) -> list[float]:
    client = await _client(imap)
    times = []
    for n in range(count):
        idling = await client.idle_start(STUCK)
        await asyncio.to_thread(imap.deliver, letter(n, "told"), to="other@localhost")
        started = time.perf_counter()
        while not any(b"EXISTS" in line for line in await client.wait_server_push()):
            pass
        times.append(time.perf_counter() - started)
        client.idle_done()
        await asyncio.wait_for(idling, STUCK)
    await client.logout()
    return times


def _inbound(folder: Path, imap: Dovecot, n: int) -> float:
    before = _count(folder, "SELECT count(*) FROM inbox")
    imap.deliver(letter(n, "single"))
    started = time.perf_counter()
    _until(folder, "SELECT count(*) FROM inbox", before + 1, 0.002)
    return time.perf_counter() - started


# --- how much memory --------------------------------------------------------------------------------------


def _large(folder: Path, imap: Dovecot) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "ann@example.com", "desk@localhost", "large"
    mail.set_content("The photos of the broken blender.")
    mail.add_attachment(os.urandom(LARGE * 3 // 4), maintype="image", subtype="jpeg", filename="photos.jpg")
    before = _count(folder, "SELECT count(*) FROM inbox")
    imap.deliver(mail.as_bytes())
    _until(folder, "SELECT count(*) FROM inbox WHERE state <> 'open'", before + 1)


def _all(pid: int) -> list[int]:
    """A process and its children."""
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return [pid, *(one for child in told for one in _all(int(child)))]


def _cpu(pid: int) -> float:
    return sum(cpu(one) for one in _all(pid))


def _memory(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("ascii", errors="replace").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


# --- looking from outside -----------------------------------------------------------------------------------


def _count(folder: Path, query: str) -> int:
    with closing(sqlite3.connect(f"file:{folder}/data/allears.db?mode=ro", uri=True)) as connection:
        (found,) = connection.execute(query).fetchone()
    return int(found)


def _until(folder: Path, query: str, count: int, pause: float = 0.005) -> int:
    """Wait until a query gives so many; what it gave. Raises RuntimeError without progress."""
    last, since = -1, time.monotonic()
    while True:
        found = _count(folder, query)
        if found >= count:
            return found
        if found != last:
            last, since = found, time.monotonic()
        if time.monotonic() - since > STUCK:
            raise RuntimeError(f"the mailbox is stuck at {found} of {count}: {folder}/mailbox.log")
        time.sleep(pause)
