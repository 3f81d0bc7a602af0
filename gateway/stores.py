"""Which store a configuration asks for: the embedded one, or PostgreSQL for many nodes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from gateway.config import ConfigError, Loaded
from gateway.context import utc_now
from gateway.store.base import Store
from gateway.store.sqlite import SqliteStore

#: How a PostgreSQL server's URL begins; libpq takes both.
SCHEMES = ("postgresql://", "postgres://")


def is_shared(loaded: Loaded) -> bool:
    """Whether several processes can work on the store."""
    return bool(loaded.config.store.url)


def store_of(loaded: Loaded, clock: Callable[[], datetime] = utc_now) -> Store:
    """The configured store, not opened yet. Raises :class:`ConfigError`."""
    settings = loaded.config.store
    if not settings.url:
        return SqliteStore(loaded.data / "allears.db", clock=clock)
    if not settings.url.startswith(SCHEMES):
        raise ConfigError("a PostgreSQL server is written postgresql://user@host/database", key="store.url")
    try:
        from gateway.store.postgres import PostgresStore
    except ImportError as err:
        raise ConfigError(
            f"PostgreSQL wants the library {err.name}: pip install 'allears[postgres]'", key="store.url"
        ) from err
    return PostgresStore(settings.url, replica=settings.replica, connections=settings.connections, clock=clock)
