"""What the contract suite needs of this channel: a Dovecot mailbox and an SMTP server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from channels.base import Inbound
from tests.channels.email.office import decoded, settings
from tests.channels.email.servers import PASSWORD, Dovecot, Post

SETTINGS: dict[str, Any] = {
    "address": "desk@localhost",
    "password": PASSWORD,
    "imap_host": "localhost",
    "smtp_host": "localhost",
}
SECRETS = [PASSWORD]
#: The words of ``attachment.eml``.
BESIDE_FILES = "照片见附件。"
EXPECTED = [
    {
        "text": "水壶漏水，买了三天就坏了。请退款。",
        "subject": "水壶坏了",
        "sender": "wang@example.com",
        "machine": "",
        "kind": "message",
    }
]


class Provider:
    """Both servers of a mailbox."""

    def __init__(self, folder: Path) -> None:
        import tempfile

        self._folder = folder
        self._home = tempfile.TemporaryDirectory(prefix="allears-dovecot-", ignore_cleanup_errors=True)
        Path(self._home.name).chmod(0o755)
        self._imap = Dovecot(Path(self._home.name))
        self._post = Post(folder / "post")
        self._messages: dict[str, Inbound] = {}
        self.settings: dict[str, Any] = {}

    async def __aenter__(self) -> Provider:
        self._imap.start()
        self._post.__enter__()
        self.settings = settings(self._imap, self._post, self._folder)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._imap.stop()
        self._post.__exit__()
        self._home.cleanup()

    def put(self, body: bytes) -> None:
        self._imap.deliver(body)

    def again(self) -> None:
        self._imap.move_back("Allears")
        self._imap.reset_validity()

    def untaken(self) -> int:
        return len(self._imap.mails())

    def fail(self, how: str) -> None:
        handler = self._post.handler
        handler.rcpt = {"later": ["451 later"], "never": ["550 never"]}.get(how, [])
        handler.accept_and_drop = int(how == "in doubt")
        self._post.refuse_logins = how == "login"

    @property
    def sent(self) -> list[dict[str, Any]]:
        return [self._shown(posted) for posted in self._post.posted]

    def _shown(self, posted: dict[str, Any]) -> dict[str, Any]:
        mail = decoded(posted)
        body = mail.get_body(("plain",))
        assert body is not None
        # What a customer's program goes by, as ids of ours: the thread in the token, the answered mail by its id.
        token = str(mail["Reply-To"]).partition("+r")[2].partition("-")[0]
        raw = {
            line.partition(b": ")[2].strip(b"<> \r\n")
            for line in b"".join(self._imap.mails(folder="Allears")).splitlines()
            if line.lower().startswith(b"message-id: ")
        }
        answered = str(mail["In-Reply-To"]).strip("<>").encode()
        return {
            "text": body.get_content(),
            "thread": token,
            "reply_to": self._external_id(answered) if answered in raw else "",
            "raw": posted["data"],
        }

    def _external_id(self, message_id: bytes) -> str:
        import hashlib

        for data in self._imap.mails(folder="Allears"):
            if b"<" + message_id + b">" in data:
                return hashlib.sha256(data.replace(b"\n", b"\r\n")).hexdigest()[:40]
        return ""
