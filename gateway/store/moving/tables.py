"""What is copied: each table of the embedded store with its key, and how its rows look in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from gateway.store.names import short
from gateway.store.postgres.text import all_kept, kept, shown

Row = tuple[Any, ...]
Convert = Callable[[Any], Any]


def _key(value: str) -> str:
    return kept(short(value))


def _external_ids(value: str) -> list[str]:
    return all_kept(msgspec.json.decode(value, type=list[str]))


#: Columns that are only shown, never looked up.
_SHOWN = frozenset(("sender_name", "last_text", "error", "summary", "handoff_reason", "reason", "name"))


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One table. ``key`` are the first columns; ``source`` is where they are read."""

    name: str
    columns: tuple[str, ...]
    key: int
    source: str = ""
    selected: tuple[str, ...] = ()
    """The source's columns, where they have other names."""
    converts: dict[str, Convert] = {}
    identity: bool = False
    """Whether ids are given out by the database."""

    @property
    def select(self) -> str:
        """Reads every row of the embedded store, in the order of the key."""
        columns = self.selected or self.columns
        keys = ", ".join(columns[: self.key])
        return f"SELECT {', '.join(columns)} FROM {self.source or self.name} ORDER BY {keys}"  # noqa: S608 - ours

    @property
    def select_there(self) -> str:
        """Reads every row of PostgreSQL."""
        return f"SELECT {', '.join(self.columns)} FROM {self.quoted}"  # noqa: S608 - our own columns

    @property
    def quoted(self) -> str:
        """Its name in PostgreSQL's SQL, in which `fetch` is a word."""
        return f'"{self.name}"'

    def there(self, row: Sequence[Any]) -> Row:
        """A row as it stands in PostgreSQL."""
        return tuple(self._value(name, value) for name, value in zip(self.columns, row, strict=True))

    def _value(self, name: str, value: Any) -> Any:
        if (convert := self.converts.get(name)) is not None:
            return convert(value)
        if not isinstance(value, str):
            return value
        return shown(value) if name in _SHOWN else kept(value)


def _table(name: str, columns: str, key: int = 1, **rest: Any) -> Table:
    return Table(name=name, columns=tuple(columns.split()), key=key, **rest)


#: All that is copied. ``pulse``, ``migration`` and ``lease`` are each database's own.
TABLES: tuple[Table, ...] = (
    _table(
        "conversation",
        "n id channel account thread sender sender_name sender_email sender_phone owner fence lease_until status number"
        " record last_seq opened_at last_at window_closes_at last_text unanswered waiting_since active_at rank due_at"
        " erased_at state",
        identity=True,
    ),
    _table(
        "inbox",
        "id key digest conv seq state state_at tries error visible refers_to version provider_at received_at body",
        identity=True,
        converts={"visible": bool, "key": _key},
    ),
    _table("raw", "inbox at body", source="inbox", selected=("id", "received_at", "raw")),
    _table("timeline", "conv seq visible body", 2, converts={"visible": bool}),
    _table(
        "record",
        "n number conv revision status kind category urgency language summary handoff_reason contacts due_at opened_at"
        " updated_at numbers to_link",
        identity=True,
        converts={"to_link": bool},
    ),
    _table("record_revision", "number revision body", 2),
    _table(
        "outbox",
        "id key destination lane conv number kind fence body state tries interrupted created_at not_before next_at"
        " sent_at error external_ids",
        identity=True,
        converts={"interrupted": bool, "external_ids": _external_ids, "key": _key},
    ),
    _table("journal", "number n what at by body prev hash", 2),
    _table("trace", "id conv at body", identity=True),
    _table("quarantine", "id channel account at reason raw headers tail state", identity=True),
    _table("cursor", "channel account value", 2),
    _table("memo", "channel key value about", 2, converts={"key": _key}),
    _table("blob_use", "digest conv", 2),
    _table("recording", "inbox place conv digest state tries error body copy", 2),
    _table("fetch", "inbox place conv state tries next_at error", 2),
    _table("identity", "conv identity"),
    _table("proof", "n one other how at by undone_at undone_by", identity=True),
    _table("code", "n id conv identity address about language by at expires_at tries state", identity=True),
    _table("blocked", "conv at"),
    _table("agent", "id login name role skills password active", converts={"active": bool}),
    _table("desk_session", "token_hash agent csrf created_at expires_at"),
    _table("once", "scope key value expires_at", 2),
    _table(
        "tally",
        "day channel account recorded duplicates processed held quarantined replies delivered waiting dead unknown"
        " superseded",
        3,
    ),
)
#: Tables of the embedded store that stay behind.
LEFT = frozenset({"migration", "pulse", "lease"})
