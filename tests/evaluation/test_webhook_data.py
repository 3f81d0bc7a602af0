"""The channels on outside webhooks, where the data is at hand: all are read, known again when repeated, and not believed unsigned."""

from __future__ import annotations

import pytest

from tests.bench.score_webhooks import DATA, SETS, scores


@pytest.mark.parametrize("folder", SETS)
def test_every_payload_is_read_and_known_again_and_believed_only_when_signed(folder: str) -> None:
    if not (DATA / folder).is_dir():
        pytest.skip(f"the evaluation data is not at hand: {DATA / folder}")
    ((_, score),) = scores(DATA, [folder])
    for what in ("read", "repeat", "wrong signature"):
        assert score.right[what] == score.looked_at[what] > 0, score.misses
    assert score.right.total() >= 0.9 * score.looked_at.total(), score.misses
