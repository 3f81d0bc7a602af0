"""The steps of a schema, as files: ``0001_start.sql``.

While nodes are replaced one by one, older programs go on beside a newer schema. So the first line of a step may say from
which schema's program on the database can still be used after it: ``-- works with programs from: 3``. Without the line
older programs are refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.store.base import StoreError

_WORKS_FROM = re.compile(r"-- works with programs from: (\d+)")


@dataclass(frozen=True)
class Migration:
    """One step of the schema."""

    version: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def works_from(self) -> int:
        """The oldest program that can go on after this step, by the newest schema it knows."""
        told = _WORKS_FROM.match(self.sql)
        return int(told[1]) if told else self.version

    @property
    def is_beside(self) -> bool:
        """Whether it is the one statement that makes an index while others write (PostgreSQL: CREATE INDEX CONCURRENTLY)."""
        return "CONCURRENTLY IF NOT EXISTS" in self.sql


def read(folder: Path) -> Sequence[Migration]:
    """All steps in order."""
    return [Migration(int(f.name[:4]), f.stem, f.read_text("utf-8")) for f in sorted(folder.glob("[0-9]*.sql"))]


def to_do(steps: Sequence[Migration], stored: Sequence[tuple[int, int | None]]) -> Sequence[Migration]:
    """The steps after those that are ``stored``, each as (version, works from).

    Raises StoreError when a newer program has written the database and this one cannot go on beside it.
    """
    known = max((step.version for step in steps), default=0)
    newest = max((version for version, _ in stored), default=0)
    needed = max((version if works_from is None else works_from for version, works_from in stored), default=0)
    if newest > known and needed > known:
        raise StoreError(
            f"a newer Allears wrote this database (schema {newest}, for programs that know schema {needed} or later;"
            f" this one knows up to {known}): start the newer program again, or restore the backup from before the upgrade"
        )
    return [step for step in steps if step.version > newest]


def check_programs(step: Migration, oldest: int | None) -> None:
    """Raises StoreError when the oldest program that runs on the database, by the schema it knows, cannot go on after the step."""
    if oldest is not None and oldest < step.works_from:
        raise StoreError(
            f"nodes of an older Allears run on this database (they know schema {oldest}), and they cannot go on after step"
            f" {step.name}: stop them all first, or upgrade to a version in between; nothing was changed by this step"
        )
