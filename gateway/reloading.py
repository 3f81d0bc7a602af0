"""Changed knowledge and rules are taken over while running; a file with a mistake changes nothing.

No conversation is lost: the bot's state names entries and actions by their ids, and what is no longer there ends with a
person. A turn sees one version alone (:meth:`gateway.flow.Flow`).
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from bot.knowledge import KnowledgeError
from gateway.context import Gateway
from gateway.library import read_knowledge, read_rules
from normalizer.rules import RulesError

log = logging.getLogger(__name__)

#: How often it looks, in seconds.
EVERY = 2.0

#: Path, time of change and size of every file.
_Seen = frozenset[tuple[str, int, int]]


class Reloading:
    """Looks after the folders of ``bot.knowledge`` and ``bot.rules``."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._knowledge, self._rules = _seen(gateway.knowledge_folder), _seen(gateway.rules_folder)

    async def run(self) -> None:
        """Look for ever; cancel to stop."""
        while True:
            await asyncio.sleep(EVERY)
            await self.look()

    async def look(self) -> None:
        """Take over what has changed since the last look. Reading happens beside the event loop."""
        gateway = self._gateway
        knowledge, rules = await asyncio.to_thread(
            lambda: (_seen(gateway.knowledge_folder), _seen(gateway.rules_folder))
        )
        try:
            if rules != self._rules:
                self._rules = rules
                gateway.rules = await asyncio.to_thread(read_rules, gateway.rules_folder)
                log.info("the rules have changed and are in force")
            if knowledge != self._knowledge:
                self._knowledge = knowledge
                gateway.knowledge = await asyncio.to_thread(read_knowledge, gateway.knowledge_folder)
                log.info("the knowledge has changed: version %s is in force", gateway.knowledge.version)
        except (KnowledgeError, RulesError, OSError) as err:
            log.error("changed files cannot be used, the old ones stay in force: %s", err)


def _seen(folder: Path | None) -> _Seen:
    found: set[tuple[str, int, int]] = set()
    for path in folder.rglob("*") if folder is not None else ():
        try:
            facts = path.stat()
        except OSError:
            continue  # it went while we looked; the next look sees it
        if path.is_file():
            found.add((str(path), facts.st_mtime_ns, facts.st_size))
    return frozenset(found)
