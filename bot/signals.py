"""What is measured of one entry for one text, by name: the acceptor weighs it, the trace shows it."""

from __future__ import annotations

from typing import NamedTuple


class Signals(NamedTuple):
    """All between about -1 and 1, and larger where the entry fits better, unless said otherwise.

    A margin is the lead over the best other entry (negative behind it).
    """

    head: float
    """The linear model's score; where there is none, the nearness."""
    head_margin: float
    best: float
    """Cosine to the nearest example."""
    best_margin: float
    centre: float
    """Cosine to the entry's centre."""
    centre_margin: float
    fit: float
    """The centre's cosine against that of the entry's own examples."""
    back: float
    """Share of the nearest example that the text says too."""
    echo: float
    """The same, the mean of the three nearest examples."""
    whole: float
    """Share of that example which the text says most of."""
    told: float
    """Share of the text's features, by their rarity, that the entry has."""
    pairs: float
    """The same of pairs of words or characters alone."""
    bm25: float
    bm25_margin: float
    share: float
    """Share of the nearest examples that are this entry's."""
    known: float
    """Share of the text's words, by their rarity, that the entry has."""
    seen: float
    """Share of the text's features, by their rarity, that any entry has."""
    strangest: float
    """Rarity of the rarest word that the entry does not have (larger is worse)."""
    agreement: float
    """Share of the three ways (linear model or nearness, example, words) that put this entry first."""
    polarity: float
    """Share of the entry's examples that deny where the text denies, or affirm where it affirms."""
    asks: float
    """Share of the entry's examples that want the same kind of answer (why, how, when, …), or wish or tell as the text does."""
    style: float
    """How much likelier the text's function words are with this entry than with all (logarithm)."""
    length: float
    """How much is said (content units, logarithm)."""
