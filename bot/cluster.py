"""Groups questions that nobody answered into proposals for entries: a person writes the answer, or throws them away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bot.knowledge import Knowledge
from bot.postings import Floats, Gathered, Postings, keys_of
from bot.words import Utterance, has_han

#: Two questions of this cosine ask about the same.
ALIKE = 0.35
#: From this nearness on a group belongs to an entry that exists.
BELONGS = 0.4
#: Questions that are looked at; the rest of a longer file is left for the next time.
MOST_TEXTS = 20_000
MOST_SHOWN = 12


@dataclass(frozen=True)
class Proposal:
    """``texts`` are the customers' words, the most typical first, ``count`` how many there were; ``entry`` is an entry that
    may only lack these examples (empty: propose a new one, called ``id``)."""

    id: str
    entry: str
    count: int
    texts: tuple[str, ...]
    words: tuple[str, ...]
    """What the questions share, the most frequent first."""


def propose(texts: Iterable[str], knowledge: Knowledge, fewest: int = 3) -> list[Proposal]:
    """Groups of at least ``fewest`` questions, the largest first. The same texts give the same groups in any order."""
    said = _sorted(texts, knowledge)
    if not said:
        return []
    gathered = Gathered()
    for each, _ in said:
        gathered.add(each.features)
    postings = Postings(gathered)
    counts = np.array([count for _, count in said])
    groups = _groups([each for each, _ in said], _weighed(postings, len(said)), counts)
    proposals = [_proposal([said[at] for at in group], knowledge) for group in groups]
    taken: set[str] = set(knowledge.entries)
    found = sorted((each for each in proposals if each.count >= fewest), key=lambda each: (-each.count, each.texts))
    return [_named(each, taken) for each in found]


def _sorted(texts: Iterable[str], knowledge: Knowledge) -> list[tuple[Utterance, int]]:
    """Each text once, with how often it was said; stories and what has no content are left out."""
    counts: dict[str, list[str]] = {}
    for text in texts:
        said = knowledge.utterance(text.strip())
        if said.units and not said.is_long and said.features:
            counts.setdefault(said.compact, []).append(said.text)
    order = sorted(counts)[:MOST_TEXTS]
    return [(knowledge.utterance(min(counts[compact])), len(counts[compact])) for compact in order]


def _weighed(postings: Postings, total: int) -> Postings:
    rarity = (np.log((1 + total) / (1 + np.diff(postings.starts))) + 1).astype(np.float32)
    postings.weights = np.sqrt(postings.weights) * postings.spread(rarity)
    length = np.sqrt(np.bincount(postings.rows, postings.weights**2, minlength=total)).astype(np.float32)
    postings.weights = postings.weights / length[postings.rows]
    return postings


def _groups(said: Sequence[Utterance], postings: Postings, counts: Floats) -> list[list[int]]:
    """The text with the most neighbours takes them, then the next of those that are left."""
    near = [_neighbours(each, at, postings, len(said)) for at, each in enumerate(said)]
    order = sorted(range(len(said)), key=lambda at: (-int(counts[near[at]].sum()), at))
    free = set(order)
    groups = []
    for leader in order:
        if leader in free:
            group = [leader, *(at for at in near[leader] if at in free and at != leader)]
            free -= set(group)
            groups.append(group)
    return groups


def _neighbours(said: Utterance, at: int, postings: Postings, total: int) -> list[int]:
    """Texts of cosine :data:`ALIKE` and more, the nearest first."""
    places = postings.numbers(keys_of(said.features))
    hits = postings.hits(places)
    own = np.zeros(len(places), dtype=np.float32)
    mine = hits.rows == at
    own[hits.which[mine]] = hits.weights[mine]
    cosines = np.bincount(hits.rows, hits.weights * own[hits.which], minlength=total)
    near = np.flatnonzero(cosines >= ALIKE)
    return sorted(near.tolist(), key=lambda other: (-cosines[other], other))


def _proposal(group: Sequence[tuple[Utterance, int]], knowledge: Knowledge) -> Proposal:
    near = knowledge.index.nearest(group[0][0])
    words: dict[str, int] = {}
    for said, count in group:
        for term in said.terms:
            if len(term) > 1:
                words[term] = words.get(term, 0) + count
    frequent = sorted(words, key=lambda term: (-words[term], term))[:4]
    return Proposal(
        id=_slug(frequent),
        entry=near[0].entry if near and near[0].score >= BELONGS else "",
        count=sum(count for _, count in group),
        texts=tuple(said.text for said, _ in group[:MOST_SHOWN]),
        words=tuple(frequent),
    )


def _slug(words: Sequence[str]) -> str:
    latin = [word for word in words if word.isascii() and word.isalnum()]
    return "-".join(sorted(latin[:3])) or "new"


def _named(proposal: Proposal, taken: set[str]) -> Proposal:
    """An id that no entry has."""
    id = proposal.id
    number = 2
    while id in taken:
        id, number = f"{proposal.id}-{number}", number + 1
    taken.add(id)
    return Proposal(id, proposal.entry, proposal.count, proposal.texts, proposal.words)


def draft(proposals: Sequence[Proposal]) -> str:
    """The proposals as a knowledge file without answers: it can be used once a person has written them."""
    lines = [
        "# Proposed from questions that were not answered. Keep what is worth an answer, write it, delete the rest.",
        "entries:",
    ]
    for each in proposals:
        if each.entry:
            lines += [f"  # {each.count} questions near `{each.entry}`; perhaps its examples only lack these:"]
            lines += [f"  #   - {_quoted(text)}" for text in each.texts]
            continue
        language = "zh-Hans" if has_han(each.texts[0]) else "en"
        words = ", ".join(map(_quoted, each.words[:2])) or _quoted(each.texts[0])
        lines += [
            f"  - id: {each.id} # {each.count} questions",
            f"    title: {{{language}: {_quoted(each.texts[0])}}}",
            f"    patterns: [{{any: [{words}]}}]",
            f"    examples: {{{language}: [{', '.join(map(_quoted, each.texts))}]}}",
            f"    answer: {{{language}: ''}} # write it",
        ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text).replace("'", "''") + "'"
