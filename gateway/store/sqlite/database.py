"""The file itself: its lock, its connections, its schema."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from gateway.store.base import StoreError, StoreUnavailable
from gateway.store.migrations import Migration, to_do

#: The steps of the schema.
MIGRATIONS = Path(__file__).parent / "migrations"


class Held(StoreUnavailable):
    """Another process has the file open; ``holder`` is its number, 0 where that is unknown."""

    def __init__(self, message: str, holder: int) -> None:
        super().__init__(message)
        self.holder = holder


class Lock:
    """One process per file: SQLite before 3.51.3 can damage its WAL when two processes write and checkpoint."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._file: int | None = None

    def take(self) -> None:
        """Raises StoreUnavailable when another process, or another store of this one, has it."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as err:
            raise StoreUnavailable(f"cannot make {self._path}: {err.strerror}; may this user write there?") from err
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            holder = os.pread(file, 20, 0).decode(errors="replace").strip()
            os.close(file)
            raise Held(
                f"process {holder or 'unknown'} has the database beside {self._path} open; "
                "stop it first, or give this one a data folder of its own",
                int(holder) if holder.isdigit() else 0,
            ) from err
        os.truncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        self._file = file

    def free(self) -> None:
        """Let go; the file stays, so that nobody locks one that is being removed."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def mark_moved(path: Path, at: datetime) -> None:
    """Say for good that the rows are in PostgreSQL from now on: the file is kept, and opened no more."""
    mark = _mark(path)
    mark.write_text(f"moved to PostgreSQL at {at.isoformat(timespec='seconds')}\n", encoding="utf-8")
    with mark.open("rb") as file:
        os.fsync(file.fileno())


def check_not_moved(path: Path) -> None:
    """Raises StoreError when the rows of this file are in PostgreSQL: what was written here would be lost to all."""
    mark = _mark(path)
    if mark.exists():
        raise StoreError(
            f"{path} was {mark.read_text(encoding='utf-8').strip()}: set `[store] url` to that database"
            f" (or remove {mark.name} to go back to this file, without what came in since)"
        )


def _mark(path: Path) -> Path:
    return path.with_name(path.name + ".moved")


def writing(path: Path) -> sqlite3.Connection:
    """The writing connection. Every COMMIT is on the disk when it returns (synchronous=FULL)."""
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=0.1, cached_statements=512
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")  # erased words must not stay in the file's free space
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    connection.execute("PRAGMA cache_size = -65536")
    return connection


def reading(path: Path) -> sqlite3.Connection:
    """A read-only connection: it sees what is committed and is never in the writer's way."""
    uri = f"{path.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=1.0)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA cache_size = -16384")
    return connection


def migrate(connection: sqlite3.Connection, steps: Sequence[Migration]) -> None:
    """Bring the file to the newest schema, one transaction per step.

    Raises StoreError when a newer program has written the file and this one cannot go on with it.
    """
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migration"
        " (version INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, at INTEGER NOT NULL)"
    )
    columns = {column[1] for column in connection.execute("PRAGMA table_info (migration)")}
    if "works_from" not in columns:  # the first programs did not write it down
        connection.execute("ALTER TABLE migration ADD COLUMN works_from INTEGER")
    stored = connection.execute("SELECT version, works_from FROM migration").fetchall()
    for step in to_do(steps, stored):
        _apply(connection, step)


def _apply(connection: sqlite3.Connection, step: Migration) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _statements(step.sql):
            connection.execute(statement)
        row = (step.version, step.name, step.digest, time.time_ns() // 1000, step.works_from)
        connection.execute("INSERT INTO migration (version, name, sha256, at, works_from) VALUES (?, ?, ?, ?, ?)", row)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(sql: str) -> list[str]:
    """Single statements; ``executescript`` would commit in between."""
    found: list[str] = []
    pending = ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found
