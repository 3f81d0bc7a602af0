"""A real Prosody on loopback, and a customer who uses it with an app of their own."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from slixmpp import ClientXMPP
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from tests.ports import free_port

PROSODY, CONTROL = shutil.which("prosody"), shutil.which("prosodyctl")
PASSWORD = "a-password-of-the-tests"
REQUIRED = os.environ.get("REQUIRE_TEST_SERVERS") == "1"
_CONF = """
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
daemonize = false
run_as_root = true
log = {{ debug = "{folder}/prosody.log" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{ {direct} }}
s2s_ports = {{ }}
http_ports = {{ {http} }}
http_interfaces = {{ "127.0.0.1" }}
https_ports = {{ }}
component_ports = {{ }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "presence", "message", "iq", "ping", "offline", {mam} "carbons" }}
modules_disabled = {{ "s2s" }}
authentication = "internal_hashed"
c2s_require_encryption = {encrypted}
allow_unencrypted_plain_auth = true
archive_expires_after = "1w"
ssl = {{ key = "{folder}/key.pem", certificate = "{folder}/cert.pem" }}
VirtualHost "localhost"
Component "upload.localhost" "http_file_share"
    http_host = "127.0.0.1"
    http_external_url = "http://127.0.0.1:{http}/"
    modules_disabled = {{ "s2s" }}
"""


def missing() -> None:
    """Skip, or fail where servers are required."""
    if REQUIRED:
        pytest.fail("prosody is not installed")
    pytest.skip("prosody is not installed")


@dataclass
class Prosody:
    """One server; accounts are made with :meth:`account`."""

    folder: Path
    archive: bool = True
    encrypted: bool = True
    port: int = field(default_factory=free_port)
    direct: int = field(default_factory=free_port)
    http: int = field(default_factory=free_port)

    def settings(self, jid: str, **more: Any) -> dict[str, Any]:
        where = {"host": "127.0.0.1", "port": self.port, "ca": str(self.folder / "cert.pem")}
        return {"jid": jid, "password": PASSWORD, **where, **more}

    def write(self) -> None:
        """The configuration, and a certificate that signs itself."""
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost"
        name = ["-addext", "subjectAltName=DNS:localhost"]
        files = ["-keyout", str(self.folder / "key.pem"), "-out", str(self.folder / "cert.pem")]
        subprocess.run([*command.split(), *name, *files], check=True, capture_output=True)
        (self.folder / "data").mkdir()
        values = {"folder": self.folder, "port": self.port, "direct": self.direct, "http": self.http}
        values |= {"mam": '"mam",' if self.archive else "", "encrypted": "true" if self.encrypted else "false"}
        (self.folder / "prosody.cfg.lua").write_text(_CONF.format(**values))

    def account(self, name: str) -> str:
        """A new account; its address."""
        command = [str(CONTROL), "--root", "--config", str(self.folder / "prosody.cfg.lua"), "register"]
        subprocess.run([*command, name, "localhost", PASSWORD], check=True, capture_output=True)
        return f"{name}@localhost"

    @contextmanager
    def running(self) -> Iterator[None]:
        """While it lasts, the server runs."""
        command = [str(PROSODY), "--root", "-F", "--config", str(self.folder / "prosody.cfg.lua")]
        with (self.folder / "out.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _until_it_answers(self.port, process)
            yield
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            process.wait()


def _until_it_answers(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, "Prosody ended: see out.log in its folder"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.025)
    raise RuntimeError(f"nothing listens at {port}")


@contextmanager
def prosody(folder: Path, **options: Any) -> Iterator[Prosody]:
    """A running server in ``folder``."""
    if not (PROSODY and CONTROL):
        missing()
    server = Prosody(folder, **options)
    server.write()
    with server.running():
        yield server


class Customer:
    """Somebody with an app."""

    def __init__(self, client: ClientXMPP) -> None:
        self._client = client
        self.came: list[Element] = []
        """Messages as they came, without the server's marks."""
        self._news = asyncio.Event()
        every = Callback("all", MatchXPath("{jabber:client}message"), lambda message: self._got(message.xml))
        client.register_handler(every)

    def _got(self, stanza: Element) -> None:
        self.came.append(stanza)
        self._news.set()

    @property
    def id(self) -> str:
        return str(self._client.boundjid.bare)

    def say(self, to: str, text: str, *more: Element, id: str = "", **attributes: str) -> None:
        message: Any = self._client.make_message(mto=to, mbody=text or None, mtype="chat")
        if id:
            message["id"] = id
        for one in more:
            message.xml.append(one)
        for name, value in attributes.items():
            message.xml.set(name, value)
        message.send()

    async def settled(self) -> None:
        """The server has what was said."""
        iq = self._client.make_iq_get(ito="localhost")
        iq.xml.append(Element("{urn:xmpp:ping}ping"))
        await iq.send(timeout=10)  # type: ignore[no-untyped-call]

    async def until(self, count: int) -> list[Element]:
        while len(self.came) < count:
            self._news.clear()
            await self._news.wait()
        return self.came


@asynccontextmanager
async def customer(server: Prosody, jid: str) -> AsyncIterator[Customer]:
    """Logged in and present."""
    client = ClientXMPP(jid, PASSWORD)
    client.ssl_context.load_verify_locations(server.folder / "cert.pem")
    client.enable_direct_tls = False
    started = asyncio.Event()
    client.add_event_handler("session_start", lambda _: started.set())
    made = Customer(client)
    client.connect("127.0.0.1", server.port)
    async with asyncio.timeout(15):
        await started.wait()
    client.send_presence()
    await made.settled()
    try:
        yield made
    finally:
        await client.disconnect(wait=0.5)
        client.abort()
