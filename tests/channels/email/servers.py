"""Real servers on loopback: a Dovecot of our own without root, and an SMTP server that says what a script tells it."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
import pwd
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.ports import free_port

DOVECOT = shutil.which("dovecot") or "/usr/sbin/dovecot"
PASSWORD = "a-password-of-the-tests"
USERS = ("desk", "other", "customer")
#: Dovecot refuses to run as root; the files are then another user's.
OWNER = (65534, 65534) if os.getuid() == 0 else (os.getuid(), os.getgid())
REQUIRED = os.environ.get("REQUIRE_TEST_SERVERS") == "1"

_CONF = """
base_dir = {b}/run
state_dir = {b}/state
log_path = {b}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
ssl = yes
ssl_cert = <{b}/cert.pem
ssl_key = <{b}/key.pem
disable_plaintext_auth = no
recipient_delimiter = +
lmtp_save_to_detail_mailbox = no
mail_location = maildir:{b}/mail/%n
auth_failure_delay = 0 secs
auth_mechanisms = plain login xoauth2
auth_cache_size = 0
imap_capability = {capability}
{extra}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%n {b}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={b}/mail/%n
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"""


def missing(what: str) -> None:
    """Skip, or fail where servers are required."""
    if REQUIRED:
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is not installed")


def certificate(folder: Path, name: str = "localhost") -> Path:
    """A certificate that signs itself; the file to trust."""
    folder.mkdir(parents=True, exist_ok=True)
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30".split()
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*command, *subject, *files], check=True, capture_output=True)
    return folder / "cert.pem"


@dataclass
class Dovecot:
    """One server with the mailboxes of :data:`USERS`."""

    folder: Path
    capability: str = ""
    extra: str = ""
    imaps: int = field(default_factory=free_port)
    lmtp: int = field(default_factory=free_port)

    def start(self) -> None:
        """Write the configuration and start; returns when it answers. Raises RuntimeError with what its log says."""
        if not Path(DOVECOT).exists():
            missing("dovecot-imapd")
        if not (self.folder / "cert.pem").exists():
            certificate(self.folder)
        for _ in range(3):  # a process outside of the tests may come to a port first
            self._configure()
            if self._launch():
                _until_it_answers(self.imaps)
                _until_it_answers(self.lmtp)
                return
            self.imaps, self.lmtp = free_port(), free_port()
        log = self.folder / "dovecot.log"
        raise RuntimeError(f"Dovecot does not start: {log.read_text() if log.exists() else 'and wrote no log'}")

    def _configure(self) -> None:
        user, group = pwd.getpwuid(OWNER[0]).pw_name, grp.getgrgid(OWNER[1]).gr_name
        (self.folder / "users").write_text("".join(f"{user}:{{PLAIN}}{PASSWORD}\n" for user in USERS))
        (self.folder / "dovecot.conf").write_text(
            _CONF.format(
                b=self.folder,
                user=user,
                group=group,
                uid=OWNER[0],
                gid=OWNER[1],
                imaps=self.imaps,
                lmtp=self.lmtp,
                capability=self.capability,
                extra=self.extra,
            )
        )

    def _launch(self) -> bool:
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, *OWNER)
        quiet = subprocess.DEVNULL  # the daemon keeps what it inherits: a pipe would never end
        command = [DOVECOT, "-c", str(self.folder / "dovecot.conf")]
        drop: dict[str, Any] = {"user": OWNER[0], "group": OWNER[1], "extra_groups": []} if os.getuid() == 0 else {}
        return subprocess.run(command, check=False, stdout=quiet, stderr=quiet, **drop).returncode == 0

    def stop(self) -> None:
        """End it hard: it would wait seconds for its clients."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            pid = int((self.folder / "run" / "master.pid").read_text())
            children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
            for process in (pid, *map(int, children.stdout.split())):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    def deliver(self, mail: bytes, *, to: str = "desk@localhost", sender: str = "customer@example.com") -> None:
        """Deliver by LMTP, as an MTA does."""
        with smtplib.LMTP("127.0.0.1", self.lmtp) as client:
            client.sendmail(sender, [to], mail)

    def place(self, mail: bytes, *, user: str = "desk", folder: str = "", at: float | None = None) -> Path:
        """Put a mail straight into the maildir, as a restored backup does. ``at`` becomes its INTERNALDATE."""
        place = self.maildir(user, folder) / "new"
        place.mkdir(parents=True, exist_ok=True)
        for name in ("cur", "tmp"):
            (place.parent / name).mkdir(exist_ok=True)
        file = place / f"{time.time_ns()}.{os.urandom(4).hex()}.test"
        file.write_bytes(mail.replace(b"\r\n", b"\n"))
        for path in (file, *list(file.parents)[:3], place.parent / "cur", place.parent / "tmp"):
            os.chown(path, *OWNER)
        if at is not None:
            os.utime(file, (at, at))
        return file

    def maildir(self, user: str = "desk", folder: str = "") -> Path:
        """Where a mailbox lies."""
        return self.folder / "mail" / user / (f".{folder}" if folder else "")

    def mails(self, user: str = "desk", folder: str = "") -> list[bytes]:
        """The mails of a mailbox."""
        there = self.maildir(user, folder)
        return [file.read_bytes() for sub in ("new", "cur") for file in sorted((there / sub).glob("*"))]

    def move_back(self, folder: str, user: str = "desk", most: int = 1000) -> int:
        """What a person does who drags mails from a folder back into the inbox; how many."""
        files = [f for sub in ("new", "cur") for f in sorted((self.maildir(user, folder) / sub).glob("*"))][:most]
        for file in files:
            self.place(file.read_bytes(), user=user)
            file.unlink()
        return len(files)

    def reset_validity(self, user: str = "desk") -> None:
        """Forget all UIDs, as a rebuilt mailbox does.

        The counter `dovecot-uidvalidity` stays: without it the new value is the second of the clock, which may be the
        old one, and a server that numbers anew under the same UIDVALIDITY breaks RFC 3501, 2.3.1.1.
        """
        for file in self.maildir(user).glob("dovecot*"):
            if not file.name.startswith("dovecot-uidvalidity"):
                file.unlink()

    @property
    def ca(self) -> str:
        """The certificate to trust."""
        return str(self.folder / "cert.pem")


def _until_it_answers(port: int) -> None:
    until = time.monotonic() + 60  # so long only on a machine that has much else to do
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens at {port}")


@contextlib.contextmanager
def dovecot(**options: Any) -> Iterator[Dovecot]:
    """A running server, in a folder that its own user can reach."""
    with tempfile.TemporaryDirectory(prefix="allears-dovecot-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = Dovecot(Path(folder), **options)
        try:
            server.start()
            yield server
        finally:
            server.stop()


# --- SMTP ---------------------------------------------------------------------------------------------


class Posted(dict[str, Any]):
    """A mail that arrived: ``sender``, ``to``, ``data``."""


class _Handler:
    """Says what the script says: ``rcpt`` and ``data`` replies, ``hang`` and ``drop`` after the final dot."""

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self.rcpt: list[str] = []
        self.data: list[str] = []
        self.accept_and_drop = 0
        self.forward: Dovecot | None = None

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt:
            return self.rcpt.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.data:
            return self.data.pop(0)
        data = envelope.content
        assert isinstance(data, bytes)
        self.posted.append(Posted(sender=envelope.mail_from, to=envelope.rcpt_tos, data=data))
        if self.forward is not None:
            forward, to = self.forward, envelope.rcpt_tos[0]
            await asyncio.to_thread(forward.deliver, data, to=to, sender=envelope.mail_from or "")
        if self.accept_and_drop:
            self.accept_and_drop -= 1
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return "250 taken"


class Post:
    """An SMTP server in a thread of its own, with implicit TLS and a login."""

    def __init__(self, folder: Path, *, starttls: bool = False, tls: bool = True) -> None:
        cert = folder / "cert.pem"
        if not cert.exists():
            certificate(folder)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(cert, folder / "key.pem")
        self.ca = str(cert)
        self.handler = _Handler()
        self.logins = 0
        self.refuse_logins = False
        options: dict[str, Any] = {"authenticator": self._login, "auth_require_tls": starttls, "hostname": "localhost"}
        if tls and not starttls:
            options["ssl_context"] = context
        elif starttls:
            options |= {"tls_context": context, "require_starttls": True}
        self.port = free_port()
        self._controller = Controller(
            self.handler, port=self.port, auth_required=tls, data_size_limit=40_000_000, **options
        )

    def _login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        self.logins += 1
        good = getattr(data, "password", b"") == PASSWORD.encode() and not self.refuse_logins
        return AuthResult(success=good, handled=False)

    @property
    def posted(self) -> list[Posted]:
        return self.handler.posted

    def __enter__(self) -> Post:
        self._controller.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._controller.stop()


# --- Postfix ------------------------------------------------------------------------------------------


@dataclass
class Postfix:
    """Its port, with TLS from the first byte, and its certificate. ``port`` and ``ca`` as :func:`office.settings` wants them."""

    port: int
    ca: str


_MAIN = """
compatibility_level = 3.6
queue_directory = {b}/queue
data_directory = {b}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.tests.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
maillog_file = {b}/queue/maillog
maillog_file_prefixes = {b}
local_recipient_maps =
recipient_delimiter = +
smtpd_tls_cert_file = {b}/cert.pem
smtpd_tls_key_file = {b}/key.pem
alias_maps =
disable_dns_lookups = yes
transport_maps = texthash:{b}/conf/transport
"""


@contextlib.contextmanager
def postfix(imap: Dovecot, elsewhere: Post) -> Iterator[Postfix]:
    """A Postfix of our own that delivers to ``imap``, and mail for ``example.com`` to ``elsewhere``."""
    if not Path("/usr/sbin/postfix").exists():
        missing("postfix")
    if os.getuid() != 0:
        pytest.skip("Postfix starts for root only")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="allears-postfix-", ignore_cleanup_errors=True) as folder:
        base = Path(folder)
        base.chmod(0o755)
        for name in ("conf", "queue", "data"):
            (base / name).mkdir()
        shutil.chown(base / "data", "postfix")
        certificate(base)
        (base / "conf" / "main.cf").write_text(_MAIN.format(b=base))
        routes = f"localhost lmtp:inet:127.0.0.1:{imap.lmtp}\nexample.com smtp:[127.0.0.1]:{elsewhere.port}\n"
        (base / "conf" / "transport").write_text(routes)
        services = Path("/usr/share/postfix/master.cf.dist").read_text().splitlines()
        lines = [f"127.0.0.1:{port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes"]
        for line in services:
            fields = line.split()
            if len(fields) < 8 or line[0] in "# " or fields[0] == "maildrop" or fields[:2] == ["smtp", "inet"]:
                continue
            fields[4] = "n"  # no chroot: the libraries of the system are not in it
            lines.append(" ".join(fields))
        (base / "conf" / "master.cf").write_text("\n".join(lines) + "\n")
        command = ["postfix", "-c", str(base / "conf")]
        quiet = subprocess.DEVNULL
        subprocess.run([*command, "start"], check=True, stdout=quiet, stderr=quiet)
        try:
            _until_it_answers(port)
            yield Postfix(port, str(base / "cert.pem"))
        finally:
            subprocess.run([*command, "stop"], check=False, stdout=quiet, stderr=quiet)
