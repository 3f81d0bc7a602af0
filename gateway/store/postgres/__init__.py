"""Many nodes, one PostgreSQL database: what outgrew one machine."""

from gateway.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
