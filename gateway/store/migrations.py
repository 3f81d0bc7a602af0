"""The steps of a schema, as files: ``0001_start.sql``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.store.base import StoreError


@dataclass(frozen=True)
class Migration:
    """One step of the schema."""

    version: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read(folder: Path) -> Sequence[Migration]:
    """All steps in order."""
    return [Migration(int(f.name[:4]), f.stem, f.read_text("utf-8")) for f in sorted(folder.glob("[0-9]*.sql"))]


def to_do(steps: Sequence[Migration], stored: int) -> Sequence[Migration]:
    """The steps after version ``stored``. Raises StoreError when a newer program has written the database."""
    newest = max((s.version for s in steps), default=0)
    if stored > newest:
        raise StoreError(
            f"a newer Allears wrote this database (schema {stored}, this program knows up to {newest}): "
            "start the newer program again, or restore the backup from before the upgrade"
        )
    return [step for step in steps if step.version > stored]
