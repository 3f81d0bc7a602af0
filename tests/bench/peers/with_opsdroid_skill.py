# mypy: disable-error-code="import-not-found, misc, untyped-decorator"
"""A skill of opsdroid's for each of the twenty rules."""

from __future__ import annotations

from typing import Any

from opsdroid.matchers import match_regex

from tests.bench.peers.faq import RULES


def _skill(name: str, pattern: str, answer: str) -> Any:
    async def say(opsdroid: Any, config: Any, message: Any) -> None:
        await message.respond(answer)

    say.__name__ = say.__qualname__ = name.replace("-", "_")
    return match_regex(pattern, case_sensitive=False, matching_condition="search")(say)


globals().update((name.replace("-", "_"), _skill(name, pattern, answer)) for name, pattern, _, answer in RULES)
