"""Scores a tone that is trained for the score alone: ``python tests/bench/score_tone.py`` (half a minute).

The reviews may not be shipped, so nothing trained on them is kept. A linear model of character groups (the one that orders the
bot's entries) with the balance of the shipped words as one more feature learns from shopping reviews, without those of
hotels, and is asked about hotels and take-away.
"""

from __future__ import annotations

import math
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from bot import head  # noqa: E402
from bot.postings import Floats, Gathered, Postings, keys_of  # noqa: E402
from normalizer import tone  # noqa: E402
from normalizer.rules import Rules  # noqa: E402
from normalizer.source import Source  # noqa: E402
from tests.bench.score_normalizer import rows, rules  # noqa: E402

RIDGE = 1.0
_RUN = re.compile(r"[㐀-鿿]+|[a-z]+")


class Review:
    """A review's groups of one to three characters, the balance of its words, and whether it is good."""

    def __init__(self, text: str, label: int, known: Rules) -> None:
        source = Source(text, "k", known)
        plain = source.text.plain
        self.balance = math.tanh(tone.weigh(source.hits, tone.Around(plain, source.hits)).score / 3)
        self.good = bool(label)
        runs = _RUN.findall(plain)
        self.groups = {run[at : at + n]: 1.0 for run in runs for n in (1, 2, 3) for at in range(len(run) - n + 1)}


class Model:
    """Weights of groups, of the balance and of nothing."""

    def __init__(self, learned: list[Review]) -> None:
        gathered = Gathered()
        for review in learned:
            gathered.add(review.groups)
        self._grams = grams = Postings(gathered)
        size = len(learned)
        self._rarity = (np.log((1 + size) / (1 + np.diff(grams.starts))) + 1).astype(np.float32)
        weights = grams.weights * grams.spread(self._rarity)
        length = np.sqrt(np.bincount(grams.rows, weights**2, minlength=size)).astype(np.float32)
        every, end = np.arange(size), grams.starts[-1]
        more = np.array([review.balance for review in learned], dtype=np.float32)
        made = SimpleNamespace(
            keys=np.append(grams.keys, np.zeros(2, np.uint32)),
            starts=np.append(grams.starts, [end + size, end + 2 * size]),
            rows=np.concatenate([grams.rows, every, every]),
            weights=np.concatenate([weights / length[grams.rows], more, np.ones(size, np.float32)]),
        )
        found = head.train(made, np.array([int(review.good) for review in learned]), 2)  # type: ignore[arg-type]
        self._weights: Floats = found[:, 1] - found[:, 0]

    def is_good(self, review: Review) -> bool:
        at = self._grams.numbers(keys_of(review.groups))
        at = at[at >= 0]
        rarity = self._rarity[at]
        score = float(rarity @ self._weights[at]) / (float(np.sqrt((rarity**2).sum())) or 1.0)
        return score + review.balance * float(self._weights[-2]) + float(self._weights[-1]) > 0


def main() -> None:
    """Train and print."""
    known = rules()

    def read(path: str) -> list[Review]:
        return [
            Review(row["text"], row["label"], known)
            for row in rows(f"sentiment/{path}.jsonl")
            if row.get("product") != "酒店"
        ]

    head.RIDGE = RIDGE
    model = Model(read("online_shopping_10_cats-zh/shopping"))
    for name in ("chnsenticorp-hotel-zh/hotel", "waimai_10k-zh/waimai"):
        asked = read(name)
        right = sum(model.is_good(review) == review.good for review in asked)
        words = sum((review.balance > 0) == review.good for review in asked)
        print(f"{name}: trained {right / len(asked):.3f}, words alone {words / len(asked):.3f}  n {len(asked)}")


if __name__ == "__main__":
    main()
