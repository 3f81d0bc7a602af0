# mypy: disable-error-code="import-not-found, misc, untyped-decorator"
"""A plugin of Errbot's: its webhook answers by the twenty rules."""

from __future__ import annotations

import re
from typing import Any

from errbot import BotPlugin, webhook

from tests.bench.peers.faq import RULES


class Faq(BotPlugin):
    """Takes requests at ``/ask``."""

    rules = tuple((re.compile(pattern, re.IGNORECASE), answer) for _, pattern, _, answer in RULES)

    @webhook("/ask")
    def ask(self, request: Any) -> dict[str, str]:
        return {"text": next((answer for rule, answer in self.rules if rule.search(request["text"])), "")}
