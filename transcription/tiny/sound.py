"""Speech from ``espeak-ng``, and what telephones, rooms and microphones do to it."""

from __future__ import annotations

import io
import math
import random
import shutil
import subprocess
import wave
from collections.abc import Sequence

import numpy as np

from transcription.tiny.features import RATE, Array

BASES = {
    "en": ("en-us", "en-gb", "en-gb-x-rp", "en-gb-x-gbclan", "en-us-nyc"),
    # The plain ``cmn`` voice of espeak-ng 1.51 spells the pinyin in English.
    "zh": ("cmn-latn-pinyin",),
}
#: Voice variants to train on. ``m4 f3 quincy linda paul steph2 klatt3 iven`` are kept for fixtures and scores.
VARIANTS = (
    "m1 m2 m3 m5 m6 m7 m8 f1 f2 f4 f5 Alex Alicia Andrea Andy Annie Denis Diogo Gene Henrique Hugo Jacky Lee Marco "
    "Mario Michael Mike adam anika antonio belinda benjamin boris caleb david ed edward grandma gustave john klatt "
    "klatt2 klatt4 klatt6 marcelo max michel miguel pablo pedro rob robert sandro shelby steph travis victor zac"
).split()


def speak(text: str, voice: str, *, speed: int, pitch: int) -> Array:
    """Text as samples at :data:`RATE`. Raises RuntimeError when ``espeak-ng`` is not installed or fails."""
    program = shutil.which("espeak-ng")
    if program is None:
        raise RuntimeError("espeak-ng is not installed: `apt-get install espeak-ng`")
    command = [program, "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own words and voices
    if done.returncode or not done.stdout:
        raise RuntimeError(f"espeak-ng cannot say it with {voice}: {done.stderr.decode(errors='replace').strip()}")
    samples, rate = read_wav(done.stdout)
    return resample(samples, RATE / rate)


def read_wav(data: bytes) -> tuple[Array, int]:
    """Samples and rate of a 16-bit mono wav. The length in a piped file's header is not true and not believed."""
    with wave.open(io.BytesIO(data)) as file:
        raw = file.readframes(file.getnframes())
        return np.frombuffer(raw[: len(raw) // 2 * 2], "<i2").astype(np.float32), file.getframerate()


def resample(samples: Array, ratio: float) -> Array:
    """Change the number of samples by ``ratio``, band-limited."""
    size = 1 << max(8, (len(samples) + 400).bit_length())
    target = max(2, round(size * ratio / 2) * 2)
    spectrum = np.fft.rfft(samples, size)[: target // 2 + 1]
    spectrum = np.pad(spectrum, (0, target // 2 + 1 - len(spectrum)))
    out = np.fft.irfft(spectrum, target) * (target / size)
    return np.asarray(out[: int(len(samples) * target / size)], np.float32)


def level(samples: Array, to: float) -> Array:
    """Samples with a root mean square of ``to``."""
    return np.asarray(samples * (to / max(1.0, math.sqrt(float(np.mean(samples**2))))), np.float32)


def trim(samples: Array, keep: int) -> Array:
    """Without the quiet before and after, but for ``keep`` samples of it."""
    loud = np.flatnonzero(np.abs(samples) > 0.02 * max(1.0, float(np.abs(samples).max())))
    if not len(loud):
        return samples
    return samples[max(0, loud[0] - keep) : loud[-1] + keep]


def say(words: Sequence[str], language: str, variant: str, dice: random.Random) -> Array:
    """A sentence in one of the voices; speed, pitch, pauses and the length of the throat at random."""
    pause, glue = ("，", "") if language == "zh" else (", ", " ")
    text = "".join(word + (pause if dice.random() < 0.2 else glue) for word in words).strip(pause + glue)
    voice = f"{dice.choice(BASES[language])}+{variant}"
    samples = speak(text, voice, speed=dice.randint(115, 215), pitch=dice.randint(15, 85))
    # Resampling moves the formants as a shorter or longer throat would.
    return trim(resample(samples, dice.uniform(0.85, 1.15)), dice.randint(100, 4000))


def join(clips: Sequence[Array], dice: random.Random) -> Array:
    """Clips with pauses between and around them, as one speaker says them."""
    hiss = np.random.default_rng(dice.randint(0, 1 << 30))
    throat, floor = dice.uniform(0.88, 1.12), dice.uniform(0.5, 15)

    def quiet() -> Array:
        return np.asarray(hiss.standard_normal(int(RATE * dice.uniform(0.03, 0.5))) * floor, np.float32)

    parts = [quiet()]
    for clip in clips:
        parts += [level(resample(clip, throat), 3000.0), quiet()]
    return np.concatenate(parts)


def noise(dice: random.Random, hiss: np.random.Generator) -> Array:
    """A recording without speech: hiss, and often a tone that comes and goes."""
    moments = np.arange(int(RATE * dice.uniform(0.5, 3.0))) / RATE
    samples = hiss.standard_normal(len(moments)) * dice.uniform(1, 50)
    if dice.random() < 0.5:
        on = (moments % dice.uniform(0.2, 2.0)) < dice.uniform(0.1, 1.0)
        for _ in range(dice.randint(1, 2)):
            samples = samples + on * np.sin(2 * math.pi * dice.uniform(300, 1700) * moments) * 1000
    return np.asarray(samples, np.float32)


def degrade(samples: Array, dice: np.random.Generator) -> Array:
    """Another level, tone, room, noise and codec; every sound stays where it was."""
    samples = level(samples, 10 ** (dice.uniform(-33, -10) / 20) * 32768)
    if dice.random() < 0.5:
        samples = samples + dice.uniform(-0.5, 0.5) * np.concatenate([[0], samples[:-1]])
    if dice.random() < 0.35:
        samples = _shaped(samples, *_telephone(dice))
    if dice.random() < 0.3:
        samples = _room(samples, dice)
    if dice.random() < 0.85:
        samples = samples + _background(samples, dice)
    samples = np.clip(np.round(samples), -32768, 32767)
    return np.asarray(_mulaw(samples) if dice.random() < 0.3 else samples, np.float32)


def _telephone(dice: np.random.Generator) -> tuple[float, float]:
    return float(dice.uniform(150, 350)), float(dice.uniform(3000, 3800))


def _shaped(samples: Array, low: float, high: float) -> Array:
    spectrum = np.fft.rfft(samples)
    hertz = np.arange(len(spectrum)) * RATE / max(1, len(samples))
    gain = 1 / (1 + (low / np.maximum(hertz, 1)) ** 4) / (1 + (hertz / high) ** 16)
    return np.asarray(np.fft.irfft(spectrum * gain, len(samples)))


def _room(samples: Array, dice: np.random.Generator) -> Array:
    """A short echo that dies away within a fifth of a second."""
    size = int(RATE * dice.uniform(0.03, 0.2))
    echo = dice.standard_normal(size) * np.exp(-6 * np.arange(size) / size)
    echo *= dice.uniform(0.1, 0.5) / max(1e-9, math.sqrt(float(np.sum(echo**2))))
    echo[0] = 1.0
    return np.asarray(np.convolve(samples, echo)[: len(samples)])


def _background(samples: Array, dice: np.random.Generator) -> Array:
    hiss = dice.standard_normal(len(samples))
    if dice.random() < 0.6:
        spectrum = np.fft.rfft(hiss)
        hertz = np.arange(len(spectrum)) / len(spectrum) * 4000 + 40
        hiss = np.fft.irfft(spectrum * (hertz / 500) ** -dice.uniform(0.2, 1.0), len(samples))
    wanted = math.sqrt(float(np.mean(samples**2))) * 10 ** (-dice.uniform(6, 45) / 20)
    return np.asarray(hiss * wanted / max(1e-9, float(hiss.std())))


def _mulaw(samples: Array) -> Array:
    """There and back through 8-bit µ-law."""
    curve = np.sign(samples) * np.log1p(255 * np.abs(samples / 32768)) / np.log(256)
    steps = np.round(curve * 127) / 127
    return np.asarray(np.round(np.sign(steps) * np.expm1(np.abs(steps) * np.log(256)) / 255 * 32768))
