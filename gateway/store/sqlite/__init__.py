"""The embedded store: one SQLite file, one process, one writing connection."""

from gateway.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
