"""Which frame belongs to which sound: Viterbi over a sentence's phones, many sentences at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transcription.tiny.features import SUBSAMPLE, Array
from transcription.tiny.vocabulary import Lexicon

_NEVER = -1e30
_TOGETHER = 64
#: Gaussian training before there is a network.
PASSES = 8


class Chain:
    """A sentence as phones with a silence between words that may be left out; two states a phone."""

    def __init__(self, lexicon: Lexicon, words: Sequence[str]) -> None:
        phones, silent = [0], [True]
        for word in words:
            sound = lexicon.numbers_of([word])
            phones += [*sound, 0]
            silent += [*([False] * len(sound)), True]
        self.pdf = np.array([2 * phone + rest for phone in phones for rest in (0, 1)])
        several = len(phones) > 1
        self.starts = [0, 2] if several else [0]
        size = len(self.pdf)
        self.ends = [size - 1, size - 2, size - 3, size - 4] if several else [size - 1, size - 2]
        self.skips = [2 * unit for unit in range(2, len(phones)) if silent[unit - 1]]


def align(chains: Sequence[Chain], scores: Sequence[Array]) -> list[Array | None]:
    """The best state (pdf) of every frame. ``scores`` are frames × pdfs log likelihoods. None where nothing fits."""
    found: list[Array | None] = [None] * len(chains)
    order = sorted(range(len(chains)), key=lambda n: len(scores[n]))  # equal lengths together waste no frames
    for at in range(0, len(order), _TOGETHER):
        group = order[at : at + _TOGETHER]
        for n, path in zip(group, _align([chains[n] for n in group], [scores[n] for n in group])):
            found[n] = path
    return found


def _align(chains: Sequence[Chain], scores: Sequence[Array]) -> list[Array | None]:
    """A state is reached from the one 0 to 4 before it: staying, the next frame, a phone of one frame, over a silence."""
    count, size = len(chains), max(len(chain.pdf) for chain in chains)
    lengths = [len(score) for score in scores]
    heard = np.zeros((max(lengths), count, size), np.float32)
    cost = np.full((5, count, size), _NEVER, np.float32)
    now = np.full((count, size), _NEVER, np.float32)
    for k, (chain, score) in enumerate(zip(chains, scores)):
        n = len(chain.pdf)
        heard[: lengths[k], k, :n] = score[:, chain.pdf]
        cost[0, k, 1:n:2] = cost[1, k, 1:n] = cost[2, k, 2:n:2] = 0
        cost[3, k, chain.skips] = cost[4, k, chain.skips] = 0
        now[k, chain.starts] = heard[0, k, chain.starts]
    step = np.zeros(heard.shape, np.int8)
    totals = np.empty(heard.shape, np.float32)
    totals[0] = now
    ways = np.full((5, count, size), _NEVER, np.float32)
    for t in range(1, len(heard)):
        for back in range(5):
            ways[back, :, back:] = now[:, : size - back]
        ways += cost
        step[t] = ways.argmax(axis=0)
        totals[t] = now = ways.max(axis=0) + heard[t]
    return [_trace(chain, totals[:, k], step[:, k], lengths[k]) for k, chain in enumerate(chains)]


def _trace(chain: Chain, totals: Array, step: Array, length: int) -> Array | None:
    state = max(chain.ends, key=lambda end: float(totals[length - 1, end]))
    if totals[length - 1, state] < _NEVER / 10:
        return None
    path = np.empty(length, np.int64)
    for t in range(length - 1, -1, -1):
        path[t] = state
        state -= step[t, state]
    return np.asarray(chain.pdf[path])


def flat_start(lexicon: Lexicon, sentences: Sequence[Sequence[str]], features: Sequence[Array]) -> list[Array]:
    """First labels (a pdf every 30 ms): equal shares, then one Gaussian for each state, aligned again and again."""
    inputs = [_with_deltas(each)[::SUBSAMPLE] for each in features]
    everything = np.concatenate(inputs)
    inputs = [(each - everything.mean(0)) / (everything.std(0) + 1e-3) for each in inputs]
    labels = [_equal_shares(lexicon, words, each) for words, each in zip(sentences, inputs)]
    chains = [Chain(lexicon, words) for words in sentences]
    for _ in range(PASSES):
        means, variances = _gaussians(lexicon, np.concatenate(labels), np.concatenate(inputs))
        scores = [_likelihoods(each, means, variances) for each in inputs]
        labels = [old if new is None else new for old, new in zip(labels, align(chains, scores))]
    return labels


def _with_deltas(features: Array) -> Array:
    padded = np.pad(features, ((3, 3), (0, 0)), mode="edge")
    return np.concatenate([features[:, :13], ((padded[6:] - padded[:-6]) / 2)[:, :13]], axis=1)


def _equal_shares(lexicon: Lexicon, words: Sequence[str], inputs: Array) -> Array:
    """Quiet before and after is silence; each phone has the same share of the rest."""
    loud = np.flatnonzero(inputs[:, 0] > np.quantile(inputs[:, 0], 0.9) - 2.0)
    low, high = (loud[0], loud[-1] + 1) if len(loud) else (0, len(inputs))
    phones = np.array(lexicon.numbers_of(words))
    where = np.arange(high - low) * len(phones) // max(1, high - low)
    labels = np.where(np.arange(len(inputs)) == 0, 0, 1)
    labels[low:high] = 2 * phones[where] + np.where(np.diff(where, prepend=-1) > 0, 0, 1)
    return labels


def _gaussians(lexicon: Lexicon, labels: Array, inputs: Array) -> tuple[Array, Array]:
    means, variances = np.zeros((lexicon.pdfs, inputs.shape[1])), np.ones((lexicon.pdfs, inputs.shape[1]))
    for pdf in range(lexicon.pdfs):
        mine = inputs[labels == pdf]
        if (n := len(mine)) >= 5:
            means[pdf] = mine.mean(0) * n / (n + 2)
            variances[pdf] = np.maximum((mine.var(0) * n + 2) / (n + 2), 0.05)
    return means, variances


def _likelihoods(inputs: Array, means: Array, variances: Array) -> Array:
    squares = (inputs**2) @ (1 / variances).T - 2 * inputs @ (means / variances).T + (means**2 / variances).sum(1)
    return np.asarray(-0.5 * (np.log(variances).sum(1) + squares))
