"""A short crash run; the long one is ``python -m tests.crash.email``."""

from __future__ import annotations

import pytest

from tests.crash import email


@pytest.mark.parametrize("mode", ["move", "leave"])
async def test_killed_again_and_again_every_mail_is_there_once(mode: str) -> None:
    verdict = await email.run(mode, mails=60, kills=3)  # type: ignore[arg-type]
    assert (verdict.lost, verdict.doubled) == (0, 0)
    assert verdict.kills >= 3
