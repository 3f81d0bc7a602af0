"""A time-delay network in numpy: four layers over spliced frames, trained by Adam on random pieces of speech."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transcription.tiny.alignment import Chain, align
from transcription.tiny.features import CEPSTRA, SUBSAMPLE, Array
from transcription.tiny.vocabulary import Lexicon

HIDDEN = 192
#: Frames that the first layer sees, in steps of 10 ms; and further layers, in steps of 30 ms.
FIRST = (-2, -1, 0, 1, 2)
FURTHER = ((-1, 0, 1), (-2, 0, 2), (-3, 0, 3))
#: Context on each side, in 30 ms.
REACH = sum(max(splice) for splice in FURTHER)
#: Small steps learn this task far better than large ones: streams × output frames.
STREAMS, SPAN = 16, 40
DROPOUT = 0.12
DECAY = 0.01


@dataclass
class Utterance:
    """What was said, its features clean (to align) and degraded (to learn), and a pdf every 10 ms (-1: unknown)."""

    words: Sequence[str]
    clean: Array
    noisy: Array
    labels: Array


class Network:
    """Weights, and the moments of their gradients."""

    def __init__(self, outputs: int, mean: Array, deviation: Array, seed: int) -> None:
        dice = np.random.default_rng(seed)
        self.mean, self.deviation = mean.astype(np.float32), deviation.astype(np.float32)
        inputs = [len(FIRST) * CEPSTRA, *(len(splice) * HIDDEN for splice in FURTHER), HIDDEN]
        widths = [HIDDEN] * (1 + len(FURTHER)) + [outputs]
        self.weights = [
            (dice.standard_normal((a, b)) * math.sqrt(2 / a)).astype(np.float32) for a, b in zip(inputs, widths)
        ]
        self.weights[-1] *= 0.1
        self.biases = [np.zeros(b, np.float32) for b in widths]
        self._moments = [(np.zeros_like(p), np.zeros_like(p)) for p in (*self.weights, *self.biases)]
        self._steps = 0

    def posteriors(self, features: Array, offset: int = 0) -> Array:
        """Log probabilities of the pdfs every 30 ms from frame ``offset`` on; the edges are repeated, as in Kaldi."""
        count = (len(features) - offset + SUBSAMPLE - 1) // SUBSAMPLE
        times = offset + SUBSAMPLE * np.arange(-REACH, count + REACH)
        frames = np.clip(times[:, None] + np.array(FIRST), 0, len(features) - 1)
        inputs = ((features - self.mean) / self.deviation)[frames].reshape(1, len(times), -1)
        logits, _ = self._forward(inputs.astype(np.float32), None)
        return _log_softmax(logits[0])

    def learn(self, inputs: Array, labels: Array, rate: float, dice: np.random.Generator) -> float:
        """One step on streams × time × spliced inputs; the share of frames that were right before it."""
        logits, tape = self._forward(inputs, dice)
        flat, wanted = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)
        known = np.flatnonzero(wanted >= 0)
        slope = np.exp(_log_softmax(flat))
        right = float((slope[known].argmax(1) == wanted[known]).mean()) if len(known) else 0.0
        slope[known, wanted[known]] -= 1
        slope[wanted < 0] = 0
        self._adam(self._gradients(slope / max(1, len(known)), tape), rate)
        return right

    def _forward(self, x: Array, dice: np.random.Generator | None) -> tuple[Array, list[tuple[Array, Array]]]:
        """Logits, and each layer's input with the mask of what passed it; with dice some units stay silent."""
        tape = []
        for layer in range(len(FURTHER) + 1):
            if layer:
                x = _spliced(x, FURTHER[layer - 1])
            z = x @ self.weights[layer] + self.biases[layer]
            mask = (z > 0).astype(np.float32)
            if dice is not None:
                mask *= (dice.random((x.shape[0], 1, z.shape[2])) >= DROPOUT) / np.float32(1 - DROPOUT)
            tape.append((x, mask))
            x = z * mask
        tape.append((x, x))
        return x @ self.weights[-1] + self.biases[-1], tape

    def _gradients(self, slope: Array, tape: Sequence[tuple[Array, Array]]) -> list[Array]:
        last = tape[-1][0]
        weights, biases = [last.reshape(-1, HIDDEN).T @ slope], [slope.sum(0)]
        back = (slope @ self.weights[-1].T).reshape(last.shape)
        for layer in range(len(FURTHER), -1, -1):
            x, mask = tape[layer]
            flat = (back * mask).reshape(-1, HIDDEN)
            weights.append(x.reshape(-1, x.shape[2]).T @ flat)
            biases.append(flat.sum(0))
            if layer:
                back = _unspliced((flat @ self.weights[layer].T).reshape(x.shape), FURTHER[layer - 1])
        return weights[::-1] + biases[::-1]

    def _adam(self, gradients: Sequence[Array], rate: float) -> None:
        self._steps += 1
        first, second = 1 - 0.9**self._steps, 1 - 0.999**self._steps
        for value, slope, (mean, square) in zip((*self.weights, *self.biases), gradients, self._moments):
            mean += 0.1 * (slope - mean)
            square += 0.001 * (slope * slope - square)
            value -= rate * (mean / first) / (np.sqrt(square / second) + 1e-8)
            if value.ndim == 2:
                value *= 1 - rate * DECAY


def _log_softmax(logits: Array) -> Array:
    logits = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))


def _spliced(x: Array, offsets: Sequence[int]) -> Array:
    reach, size = max(offsets), x.shape[1]
    return np.concatenate([x[:, reach + o : size - reach + o] for o in offsets], axis=2)


def _unspliced(wide: Array, offsets: Sequence[int]) -> Array:
    reach = max(offsets)
    size = wide.shape[1] + 2 * reach
    out = np.zeros((wide.shape[0], size, HIDDEN), np.float32)
    for k, o in enumerate(offsets):
        out[:, reach + o : size - reach + o] += wide[:, :, k * HIDDEN : (k + 1) * HIDDEN]
    return out


def realign(lexicon: Lexicon, network: Network, priors: Array, data: Sequence[Utterance]) -> None:
    """New labels for every 10 ms: three alignments of every third frame, interleaved."""
    chains = [Chain(lexicon, each.words) for each in data]
    for each in data:
        each.labels = np.full(len(each.clean), -1, np.int64)
    for offset in range(SUBSAMPLE):
        scores = [network.posteriors(each.clean, offset) - np.log(priors) for each in data]
        for each, found in zip(data, align(chains, scores)):
            if found is not None:
                each.labels[offset::SUBSAMPLE] = found


def priors_of(lexicon: Lexicon, data: Sequence[Utterance]) -> Array:
    """How often each pdf stands in the labels."""
    labels = np.concatenate([each.labels for each in data])
    counts = np.bincount(labels[labels >= 0], minlength=lexicon.pdfs) + 20.0
    return np.asarray(counts / counts.sum())


def train(network: Network, data: Sequence[Utterance], rates: Sequence[float], seed: int) -> list[float]:
    """One epoch for each rate; the share of right frames in each."""
    dice = np.random.default_rng(seed)
    stream, labels = _streamed(network, data)
    margin = SUBSAMPLE * (SPAN + 2 * REACH) + 8
    steps = len(stream) // (SUBSAMPLE * SPAN * STREAMS)
    around = (SUBSAMPLE * np.arange(-REACH, SPAN + REACH))[:, None] + np.array(FIRST)
    shares = []
    for rate in rates:
        right = 0.0
        for _ in range(steps):
            at = dice.integers(margin, len(stream) - margin, STREAMS)
            inputs = stream[at[:, None, None] + around].reshape(STREAMS, len(around), -1)
            right += network.learn(inputs, labels[at[:, None] + SUBSAMPLE * np.arange(SPAN)], rate, dice)
        shares.append(right / steps)
    return shares


def _streamed(network: Network, data: Sequence[Utterance]) -> tuple[Array, Array]:
    """All utterances one after the other, each with a little of its edges on both sides."""
    stream, labels = [], []
    for each in data:
        padding = (2 * SUBSAMPLE, 2 * SUBSAMPLE + (-len(each.noisy)) % SUBSAMPLE)
        stream.append(np.pad((each.noisy - network.mean) / network.deviation, (padding, (0, 0)), mode="edge"))
        labels.append(
            np.pad(each.labels, (padding[0], len(stream[-1]) - padding[0] - len(each.labels)), constant_values=-1)
        )
    return np.concatenate(stream).astype(np.float32), np.concatenate(labels)


def layers(network: Network) -> list[tuple[Array, Array]]:
    """(weights, biases) of each layer with the normalisation of the input folded into the first one."""
    scale = np.tile(1 / network.deviation, len(FIRST)).astype(np.float64)
    first = network.weights[0].T.astype(np.float64)
    shifted = network.biases[0] - first @ (np.tile(network.mean, len(FIRST)) * scale)
    rest = zip(network.weights[1:], network.biases[1:])
    return [(first * scale, shifted), *((weights.T.astype(np.float64), biases) for weights, biases in rest)]
