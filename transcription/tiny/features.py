"""Mel cepstra as Kaldi computes them (feat/feature-mfcc.cc), so that training and decoding see the same numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

RATE = 8000
MELS, CEPSTRA = 32, 24
LOW, HIGH = 60.0, 3800.0
#: Frame length and step, in samples: 25 and 10 ms.
LENGTH, STEP = RATE * 25 // 1000, RATE * 10 // 1000
#: The network speaks every third frame; Vosk takes 30 ms for granted.
SUBSAMPLE = 3

_FFT = 1 << (LENGTH - 1).bit_length()


def _mel(hertz: Array) -> Array:
    return np.asarray(1127.0 * np.log1p(hertz / 700.0))


def _banks() -> Array:
    """Triangles on the mel scale; the last bin of the spectrum belongs to none."""
    edges = np.linspace(_mel(np.array(LOW)), _mel(np.array(HIGH)), MELS + 2)
    bins = _mel(np.arange(_FFT // 2) * RATE / _FFT)
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((bins - left) / (middle - left), (right - bins) / (right - middle))
    return np.pad(np.maximum(triangles, 0.0), ((0, 0), (0, 1))).T


def _cosines() -> Array:
    """The DCT, liftered by 22 as is Kaldi's default."""
    order = np.arange(CEPSTRA)[:, None]
    table = math.sqrt(2 / MELS) * np.cos(math.pi / MELS * (np.arange(MELS)[None, :] + 0.5) * order)
    table[0] = math.sqrt(1 / MELS)
    return np.asarray((table * (1 + 11 * np.sin(math.pi * order / 22))).T)


_WINDOW = (0.5 - 0.5 * np.cos(2 * math.pi * np.arange(LENGTH) / (LENGTH - 1))) ** 0.85
_BANKS, _COSINES = _banks(), _cosines()


def mfcc(samples: Array) -> Array:
    """Features (frames × :data:`CEPSTRA`) of samples in the scale of 16-bit integers."""
    count = (len(samples) - LENGTH) // STEP + 1
    if count <= 0:
        return np.zeros((0, CEPSTRA), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), LENGTH)[::STEP][:count]
    frames = frames - frames.mean(axis=1, keepdims=True)
    emphasised = frames - 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    power = np.abs(np.fft.rfft(emphasised * _WINDOW, _FFT, axis=1)) ** 2
    mels = np.log(np.maximum(power @ _BANKS, np.finfo(np.float32).eps))
    return np.asarray(mels @ _COSINES, np.float32)
