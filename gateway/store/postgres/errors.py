"""PostgreSQL's errors in the store's words.

The server's own words can carry a row's values (``Key (sender)=(…) already exists``), and the driver's a statement's
arguments or a part of the URL. None of it goes on: neither into messages nor, as a cause, into a log's traceback.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import asyncpg

from gateway.store.base import StoreError, StoreUnavailable

#: Somebody else was faster or in the way: nothing was written, and the operation may run again.
_AGAIN = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.UniqueViolationError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidCachedStatementError,  # another node has brought the schema up to date
)
#: What was asked was wrong, and will be the next time.
_REFUSED = (asyncpg.DataError, asyncpg.ClientConfigurationError, asyncpg.UnsupportedServerFeatureError)
#: It may be different the next time.
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    OSError,
    TimeoutError,
)
#: What helps, the first that fits.
_ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (asyncpg.InvalidAuthorizationSpecificationError, "check user and password in `[store] url` and the server's pg_hba.conf"),
    (asyncpg.InvalidCatalogNameError, "make the database that `[store] url` names: CREATE DATABASE … OWNER …"),
    (asyncpg.InsufficientPrivilegeError, "let the user own the database, or GRANT CREATE, USAGE ON SCHEMA public"),
    (asyncpg.TooManyConnectionsError, "raise max_connections on the server, or lower `[store] connections`"),
    (asyncpg.DiskFullError, "its disk is full"),
    (asyncpg.ReadOnlySQLTransactionError, "it is a standby: name the main server in `[store] url`"),
    (asyncpg.CannotConnectNowError, "it is starting up or shutting down"),
    (ConnectionRefusedError, "start it, or correct host and port in `[store] url`"),
    (TimeoutError, "it is overloaded or cut off, or all of this node's connections to it are in use"),
)  # fmt: skip


class Again(Exception):
    """The operation was undone because of others; it may run again. ``given_up`` is what is raised where it never works."""

    def __init__(self, given_up: StoreError) -> None:
        super().__init__(str(given_up))
        self.given_up = given_up


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raises :class:`Again`, StoreUnavailable or StoreError for what PostgreSQL or the way there has against it."""
    try:
        yield
    except asyncpg.UniqueViolationError as err:
        raise Again(StoreError(f"PostgreSQL refused it: {_named(err)}")) from None
    except _AGAIN as err:
        raise Again(StoreUnavailable(f"others were in the way in PostgreSQL: {_named(err)}")) from None
    except _REFUSED as err:
        raise StoreError(f"PostgreSQL cannot take it: {type(err).__name__}") from None
    except AWAY as err:
        raise StoreUnavailable(f"PostgreSQL does not answer: {_told(err)}{_advice(err)}") from None
    except asyncpg.PostgresError as err:
        raise StoreError(f"PostgreSQL refused it: {_named(err)}{_advice(err)}") from None


def _named(err: asyncpg.PostgresError) -> str:
    """The error by its name and what it is about in the schema."""
    about = (getattr(err, name, None) for name in ("table_name", "column_name", "constraint_name"))
    return " ".join(filter(None, (type(err).__name__, err.sqlstate, *about)))


def _told(err: Exception) -> str:
    """Words about the connection and the server; there are no rows in them, but there may be several lines."""
    said = next(iter(str(err.args[0]).splitlines()), "") if err.args and not isinstance(err, OSError) else str(err)
    return f"{type(err).__name__}: {said}" if said else type(err).__name__


def _advice(err: Exception) -> str:
    return next((f" ({advice})" for kind, advice in _ADVICE if isinstance(err, kind)), "")
