"""Build the tiny model: ``OPENBLAS_NUM_THREADS=1 python -m transcription.tiny.build`` (about six minutes on one core).

Random sentences are spoken by ``espeak-ng``, degraded, aligned to their sounds (one Gaussian for each at first, then
the network itself) and learnt. ``--human FOLDER`` adds recordings of single digits, named like ``7_speaker_3.wav``;
a model made so carries their licence and is for evaluation alone.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np

from transcription.model_folder import ABOUT, About, file_digest, files
from transcription.tiny import MODEL, kaldi, network, sound
from transcription.tiny.alignment import flat_start
from transcription.tiny.features import SUBSAMPLE, Array, mfcc
from transcription.tiny.network import FIRST, FURTHER, Network, Utterance
from transcription.tiny.vocabulary import ENGLISH, LANGUAGES, UNKNOWN, Language, Lexicon, lexicon

#: Utterances that make the first alignment.
FIRST_ALIGNED = 2500
RATE, LAST_RATE = 1e-3, 3e-5

Spoken = tuple[Array, Sequence[str]]


def main(argv: Sequence[str] | None = None) -> int:
    """Build, and say how it goes."""
    parser = argparse.ArgumentParser(description="Build the tiny speech model.")
    parser.add_argument("--out", type=Path, default=MODEL, help="model folder to write (default: %(default)s)")
    parser.add_argument("--sentences", type=int, default=2400, help="spoken sentences for each language")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of the last turn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--human", type=Path, help="folder of human digits (for evaluation)")
    parser.add_argument("--without", default="theo", help="speaker of --human to leave out (default: %(default)s)")
    args = parser.parse_args(argv)
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True)

    words = lexicon()
    spoken = synthesized(words, args.sentences, args.seed)
    if args.human:
        spoken += human(args.human, args.without, args.seed)
    tell(f"{len(spoken)} utterances of {len(words.sounds)} words")
    data = prepared(spoken, args.seed)
    tell("features")
    trained, priors = fit(words, data, args.epochs, args.seed, tell)
    write(args.out, words, trained, priors)
    tell(f"written to {args.out}")
    return 0


def synthesized(words: Lexicon, count: int, seed: int) -> list[Spoken]:
    """``count`` sentences of each language, and recordings without any speech."""
    dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
    plans = [
        (_sentence(language, dice), language.code, dice.choice(sound.VARIANTS), dice.randint(0, 1 << 30))
        for language in words.languages
        for _ in range(count)
    ]

    def speak(plan: tuple[Sequence[str], str, str, int]) -> Spoken:
        sentence, code, variant, seed = plan
        samples = sound.say(sentence, code, variant, random.Random(seed))  # noqa: S311
        return samples, [word if word in words.sounds else UNKNOWN for word in sentence]

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        spoken = list(threads.map(speak, plans))
    hiss = np.random.default_rng(seed)
    return spoken + [(sound.noise(dice, hiss), ()) for _ in range(200)]


def _sentence(language: Language, dice: random.Random) -> list[str]:
    """A sentence that people say, a number, or any words; at times with a stranger among them."""
    kind = dice.random()
    if kind < 0.3:
        words = list(dice.choice(language.sentences))
    elif kind < 0.6:
        numbers = (*language.digits, *language.digits, *language.number_words)
        words = [dice.choice(numbers) for _ in range(dice.randint(1, 7))]
    else:
        words = [dice.choice(list(language.words)) for _ in range(dice.randint(1, 5))]
    if dice.random() < 0.3:
        for _ in range(dice.randint(1, 2)):
            words.insert(dice.randint(0, len(words)), dice.choice(language.strangers))
    return words


def human(folder: Path, without: str, seed: int) -> list[Spoken]:
    """Recorded digits, a few of one speaker at a time with pauses between them; three different mixes."""
    dice = random.Random(seed)  # noqa: S311
    speakers: dict[str, list[tuple[Array, str]]] = {}
    for path in sorted(folder.glob("[0-9]_*_*.wav")):
        digit, speaker, _ = path.stem.split("_")
        if speaker != without:
            clip = sound.read_wav(path.read_bytes())[0], ENGLISH.digits[int(digit)]
            speakers.setdefault(speaker, []).append(clip)
    spoken: list[Spoken] = []
    for clips in speakers.values():
        for _ in range(3):
            left = dice.sample(clips, len(clips))
            while left:
                taken = [left.pop() for _ in range(min(len(left), dice.randint(1, 6)))]
                spoken.append((sound.join([clip for clip, _ in taken], dice), [digit for _, digit in taken]))
    return spoken


def prepared(spoken: list[Spoken], seed: int) -> list[Utterance]:
    """Features, clean with a little hiss (digital silence is like nothing else) and degraded."""
    random.Random(seed).shuffle(spoken)  # noqa: S311
    dice = np.random.default_rng(seed)
    data = []
    for samples, words in spoken:
        clean = mfcc(np.round(sound.level(samples, 3000.0) + dice.standard_normal(len(samples)) * 3))
        if len(clean) >= 3 * SUBSAMPLE:
            noisy = mfcc(sound.degrade(samples, dice))
            data.append(Utterance(words, clean, noisy, np.full(len(clean), -1)))
    return data


def fit(
    words: Lexicon, data: Sequence[Utterance], epochs: int, seed: int, tell: Callable[[str], None]
) -> tuple[Network, Array]:
    """Network and priors: aligned by Gaussians first, then three times by the network so far."""
    first = [each for each in data if each.words][:FIRST_ALIGNED]
    rough = flat_start(words, [each.words for each in first], [each.clean for each in first])
    for each, labels in zip(first, rough):
        each.labels = np.repeat(labels, SUBSAMPLE)[: len(each.clean)]
    tell("first alignment")
    everything = np.concatenate([each.noisy for each in data])
    net = Network(words.pdfs, everything.mean(0), everything.std(0), seed)
    right = network.train(net, first, [RATE] * 3, seed)
    priors = network.priors_of(words, first)
    for turn, rates in enumerate(([RATE] * 2, [RATE] * 2, list(np.geomspace(RATE, LAST_RATE, epochs)))):
        tell(f"{right[-1]:.0%} of the frames right; aligned again")
        network.realign(words, net, priors, data)
        priors = network.priors_of(words, data)
        right = network.train(net, data, rates, seed + turn)
    tell(f"{right[-1]:.0%} of the frames right")
    return net, priors


def write(folder: Path, words: Lexicon, net: Network, priors: Array) -> None:
    """The model folder."""
    for part in ("am", "conf", "graph"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    splices = [FIRST, *(tuple(SUBSAMPLE * by for by in splice) for splice in FURTHER)]
    layers = [(weights.tolist(), biases.tolist()) for weights, biases in network.layers(net)]
    kaldi.write_acoustics(folder / "am" / "final.mdl", words, layers, splices, priors.tolist())
    (folder / "conf" / "mfcc.conf").write_text(kaldi.MFCC)
    (folder / "conf" / "model.conf").write_text(kaldi.DECODING)
    kaldi.write_graph(folder / "graph", words, LANGUAGES.values())
    sums = {str(path.relative_to(folder)): file_digest(path) for path in files(folder)}
    about = About(languages=tuple(LANGUAGES), source="transcription/tiny/build.py", sha256=sums)
    (folder / ABOUT).write_bytes(msgspec.json.encode(about))


if __name__ == "__main__":
    sys.exit(main())
