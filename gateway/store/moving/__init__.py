"""From the embedded store to PostgreSQL, while the gateway goes on until the last moment."""

from gateway.store.moving.move import Move, Step

__all__ = ["Move", "Step"]
