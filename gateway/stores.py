"""Which store a configuration asks for: the embedded one, or PostgreSQL for many nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def needs_postgres(key: str) -> Iterator[None]:
    """Around an import that wants the extra. Raises :class:`ConfigError`."""
    try:
        yield
    except ModuleNotFoundError as err:
        raise ConfigError(f"PostgreSQL needs `{err.name}`: pip install 'allears[postgres]'", key=key) from err


def store_of(loaded: Loaded, clock: Callable[[], datetime] = utc_now) -> Store:
    """The configured store, not opened yet. Raises :class:`ConfigError`."""
    settings = loaded.config.store
    if not settings.url:
        return SqliteStore(loaded.data / "allears.db", clock=clock)
    if not settings.url.startswith(SCHEMES):
        raise ConfigError("a PostgreSQL server is written postgresql://user@host/database", key="store.url")
    with needs_postgres("store.url"):
        from gateway.store.postgres import PostgresStore
    return PostgresStore(settings.url, replica=settings.replica, connections=settings.connections, clock=clock)
