"""What the channel remembers of mails and threads, and under which keys.

Ids and addresses stand in keys only as hashes. What names a person is kept ``about`` its thread and goes with it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, MutableMapping

import msgspec

from channels._email.mail import Mail
from channels.base import Memo, Memory

#: Message-IDs of a thread that References may name: the first and the newest (RFC 5322 sets no limit, servers do).
MAX_REFERENCES = 21
MAX_PARTICIPANTS = 50
MAX_HEARD = 20


class Heard(msgspec.Struct, frozen=True, omit_defaults=True):
    """A mail that came: its Message-ID, and the address that an answer to it goes to."""

    message_id: str
    to: str


class Thread(msgspec.Struct, omit_defaults=True):
    """What answering a thread needs. ``participants`` are lower-case addresses; ``heard`` is by external id."""

    to: str = ""
    subject: str = ""
    participants: list[str] = []
    ids: list[str] = []
    heard: dict[str, Heard] = {}


class Said(msgspec.Struct, omit_defaults=True):
    """What we said in a thread: Message-IDs, and how many automatic mails went out since a person of ours wrote."""

    ids: list[str] = []
    automatic: int = 0
    last: str = ""
    """Hash of the last automatic text."""


_THREAD = msgspec.json.Decoder(Thread)
_SAID = msgspec.json.Decoder(Said)


class Facts:
    """The memory of one account, with what is not committed yet laid over it."""

    def __init__(self, memory: Memory, account: str, key: bytes) -> None:
        self._memory, self._account, self._key = memory, account, key

    def seen(self, folder: str, validity: int, uid: int) -> str:
        """Key A: a message in its mailbox."""
        return f"uid/{self._account}/{_hash(folder)}/{validity}/{uid}"

    def raw(self, digest: str) -> str:
        """Key B: the bytes of a mail, wherever they lie."""
        return f"raw/{self._account}/{digest}"

    @staticmethod
    def same(mail: Mail) -> str:
        """Key C: the same mail with other trace headers, in all accounts; empty where it has no Message-ID."""
        if not mail.message_id:
            return ""
        said = hashlib.sha256(repr((mail.subject, mail.full_text)).encode(errors="surrogatepass"))
        for file in mail.attachments:
            said.update(hashlib.sha256(file.data).digest())
        return f"same/{_hash(mail.message_id, mail.from_.email.lower(), str(mail.date), said.hexdigest())}"

    def id(self, message_id: str) -> str:
        """The thread of a Message-ID that we sent or received."""
        return f"id/{self._account}/{_hash(message_id)}"

    def ancestor(self, message_id: str) -> str:
        """A thread whose mails refer to a Message-ID."""
        return f"ref/{self._account}/{_hash(message_id)}"

    def number(self, number: str) -> str:
        """The thread in which we told a case number."""
        return f"number/{self._account}/{_hash(number)}"

    def thread(self, thread: str) -> str:
        """A thread's :class:`Thread`."""
        return f"thread/{self._account}/{thread}"

    def said(self, thread: str) -> str:
        """A thread's :class:`Said`."""
        return f"said/{self._account}/{thread}"

    def sent(self, key: str) -> str:
        """That the sending of an outbound message has begun."""
        return f"sent/{self._account}/{_hash(key)}"

    def cap(self, kind: str, value: str) -> str:
        """A counter of automatic mails: by address, domain or mailbox."""
        tag = hmac.new(self._key, value.lower().encode(errors="surrogatepass"), hashlib.sha256).hexdigest()[:32]
        return f"cap/{self._account}/{kind}/{tag}"

    def about(self, thread: str) -> str:
        """Whose the facts of a thread are."""
        return f"{self._account}/{thread}"

    async def recall(self, keys: Iterable[str], pending: Mapping[str, str] | None = None) -> dict[str, str]:
        """Values of known keys; ``pending`` are memos on their way."""
        wanted = list(keys)
        found = dict(await self._memory.recall(wanted))
        if pending:
            found.update((key, pending[key]) for key in wanted if key in pending)
        return found

    async def threads(
        self, threads: Iterable[str], pending: MutableMapping[str, str] | None = None
    ) -> dict[str, Thread]:
        """What is known of threads."""
        keys = {self.thread(thread): thread for thread in threads if thread}
        found = await self.recall(keys, pending)
        return {keys[key]: _THREAD.decode(value) for key, value in found.items()}

    async def said_in(self, thread: str) -> Said:
        """What we said in a thread."""
        found = await self.recall([self.said(thread)])
        return _SAID.decode(found[self.said(thread)]) if found else Said()

    async def remember(self, memos: list[Memo]) -> None:
        """Keep facts now."""
        await self._memory.remember(memos)


def joined(ids: list[str]) -> list[str]:
    """Ids capped to the first and the newest."""
    unique = list(dict.fromkeys(ids))
    return unique if len(unique) <= MAX_REFERENCES else unique[:1] + unique[-(MAX_REFERENCES - 1) :]


def text(value: Thread | Said) -> str:
    """As it is kept."""
    return msgspec.json.encode(value).decode()


def digest(value: str) -> str:
    """A short name for a text."""
    return _hash(value)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:32]
