"""The files of a Vosk model, written by hand: Kaldi's binary stream and OpenFst's ``vector`` type.

Formats: kaldi ``base/io-funcs.h``, ``hmm/transition-model.cc``, ``nnet3/nnet-nnet.cc``; OpenFst ``vector-fst.h``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from transcription.tiny.vocabulary import UNKNOWN, Language, Lexicon

#: Chance of staying in a phone's state, and of a pause after a word.
STAY, PAUSE = 0.5, 0.5
#: Against lost short words, per word.
BONUS = 0.5
#: Share of a known next word against falling back to any word.
KNOWN = 0.5

MFCC = "--sample-frequency=8000\n--use-energy=false\n--num-mel-bins=32\n--num-ceps=24\n--low-freq=60\n--high-freq=3800\n--dither=0\n"
DECODING = """--min-active=200
--max-active=3000
--beam=14.0
--lattice-beam=6.0
--acoustic-scale=0.4
--frame-subsampling-factor=3
--endpoint.silence-phones=1
--endpoint.rule2.min-trailing-silence=0.5
--endpoint.rule3.min-trailing-silence=0.75
--endpoint.rule4.min-trailing-silence=1.0
"""


class Stream:
    """Kaldi's binary stream."""

    def __init__(self) -> None:
        self.bytes = bytearray(b"\0B")

    def token(self, *names: str) -> None:
        self.bytes += "".join(f"{name} " for name in names).encode()

    def integer(self, *values: int) -> None:
        for value in values:
            self.bytes += struct.pack("<bi", 4, value)

    def real(self, value: float) -> None:
        self.bytes += struct.pack("<bf", 4, value)

    def double(self, value: float) -> None:
        self.bytes += struct.pack("<bd", 8, value)

    def integers(self, values: Sequence[int]) -> None:
        self.bytes += struct.pack(f"<bi{len(values)}i", 4, len(values), *values)

    def vector(self, values: Sequence[float]) -> None:
        self.token("FV")
        self.integer(len(values))
        self.bytes += struct.pack(f"<{len(values)}f", *values)

    def matrix(self, rows: Sequence[Sequence[float]]) -> None:
        """Compressed to 16 bits a value: half the size, no measurable loss."""
        flat = [float(value) for row in rows for value in row]
        low = min(flat)
        span = (max(flat) - low) or 1.0
        self.token("CM2")
        self.bytes += struct.pack("<ffii", low, span, len(rows), len(rows[0]))
        self.bytes += struct.pack(f"<{len(flat)}H", *(round((value - low) / span * 65535) for value in flat))


Layer = tuple[Sequence[Sequence[float]], Sequence[float]]


def write_acoustics(
    path: Path, lexicon: Lexicon, layers: Sequence[Layer], splices: Sequence[Sequence[int]], priors: Sequence[float]
) -> None:
    """``am/final.mdl``: transitions and network. ``splices`` in frames of 10 ms, one for each layer but the last."""
    stream = Stream()
    _transitions(stream, lexicon)
    _network(stream, layers, splices)
    stream.token("<LeftContext>")
    stream.integer(0)  # Kaldi computes both anew
    stream.token("<RightContext>")
    stream.integer(0)
    stream.token("<Priors>")
    stream.vector(priors)
    path.write_bytes(stream.bytes)


def _transitions(stream: Stream, lexicon: Lexicon) -> None:
    """One emitting state for each phone: entering speaks the first pdf, its loop the second."""
    ids = range(1, lexicon.ids + 1)
    stream.token("<TransitionModel>", "<Topology>")
    stream.integers(ids)
    stream.integers([-1] + [0] * len(ids))
    stream.integer(-1, 1, 2)  # separate pdfs for loops; one topology of two states
    stream.integer(0, 1, 2, 0)  # first state: classes of both pdfs, two transitions: to itself …
    stream.real(STAY)
    stream.integer(1)  # … and on
    stream.real(1 - STAY)
    stream.integer(-1, -1, 0)  # last state: nothing is spoken, nothing follows
    stream.token("</Topology>", "<Tuples>")
    stream.integer(len(ids))
    for id in ids:
        phone = 0 if id == 1 else 1 + (id - 2) // 4
        stream.integer(id, 0, 2 * phone, 2 * phone + 1)
    stream.token("</Tuples>", "<LogProbs>")
    stream.vector([0.0] + [math.log(STAY), math.log(1 - STAY)] * len(ids))
    stream.token("</LogProbs>", "</TransitionModel>")


def _network(stream: Stream, layers: Sequence[Layer], splices: Sequence[Sequence[int]]) -> None:
    source, lines = "input", ["input-node name=input dim=24"]
    components: list[tuple[str, Callable[[], None]]] = []
    for n, (weights, biases) in enumerate(layers):
        last = n == len(layers) - 1
        name = "final" if last else f"layer{n + 1}"
        spliced = source if last else "Append({})".format(", ".join(_offset(source, by) for by in splices[n]))
        curve = "log-softmax" if last else "relu"
        lines.append(f"component-node name={name}.affine component={name}.affine input={spliced}")
        lines.append(f"component-node name={name}.{curve} component={name}.{curve} input={name}.affine")
        components.append((f"{name}.affine", lambda w=weights, b=biases: _affine(stream, w, b)))  # type: ignore[misc]
        kind = "LogSoftmaxComponent" if last else "RectifiedLinearComponent"
        components.append((f"{name}.{curve}", lambda k=kind, b=biases: _curve(stream, k, len(b))))  # type: ignore[misc]
        source = f"{name}.{curve}"
    lines.append(f"output-node name=output input={source} objective=linear")
    stream.token("<Nnet3>")
    stream.bytes += ("\n" + "\n".join(lines) + "\n\n").encode()
    stream.token("<NumComponents>")
    stream.integer(len(components))
    for name, write in components:
        stream.token("<ComponentName>", name)
        write()
    stream.token("</Nnet3>")


def _offset(source: str, by: int) -> str:
    return f"Offset({source}, {by})" if by else source


def _affine(stream: Stream, weights: Sequence[Sequence[float]], biases: Sequence[float]) -> None:
    stream.token("<FixedAffineComponent>", "<LinearParams>")
    stream.matrix(weights)
    stream.token("<BiasParams>")
    stream.vector(biases)
    stream.token("</FixedAffineComponent>")


def _curve(stream: Stream, kind: str, size: int) -> None:
    """A component without parameters, with the empty statistics that Kaldi's reader expects."""
    stream.token(f"<{kind}>", "<Dim>")
    stream.integer(size)
    for name in ("<ValueAvg>", "<DerivAvg>"):
        stream.token(name)
        stream.vector([])
    stream.token("<Count>")
    stream.double(0.0)
    stream.token("<OderivRms>")
    stream.vector([])
    for name in ("<OderivCount>", "<NumDimsSelfRepaired>", "<NumDimsProcessed>"):
        stream.token(name)
        stream.double(0.0)
    stream.token(f"</{kind}>")


class Fst:
    """A weighted automaton."""

    def __init__(self) -> None:
        self.arcs: list[list[tuple[int, int, float, int]]] = []
        self.final: dict[int, float] = {}

    def state(self) -> int:
        self.arcs.append([])
        return len(self.arcs) - 1

    def arc(self, source: int, target: int, reads: int = 0, writes: int = 0, cost: float = 0.0) -> None:
        self.arcs[source].append((reads, writes, cost, target))

    def write(self, path: Path, start: int = 0) -> None:
        out = bytearray(struct.pack("<i", 2125659606))
        for text in (b"vector", b"standard"):
            out += struct.pack("<i", len(text)) + text
        out += struct.pack("<iiQqqq", 2, 0, 3, start, len(self.arcs), sum(map(len, self.arcs)))
        for state, arcs in enumerate(self.arcs):
            out += struct.pack("<fq", self.final.get(state, math.inf), len(arcs))
            for arc in sorted(arcs):
                out += struct.pack("<iifi", *arc)
        path.write_bytes(out)


def write_graph(folder: Path, lexicon: Lexicon, languages: Iterable[Language]) -> None:
    """``graph/``: which words there are in ``languages`` (of the lexicon's), and what follows what."""
    languages = list(languages)
    known = {word for language in languages for word in language.words} | {UNKNOWN}
    words = {word: n for n, word in enumerate((w for w in lexicon.sounds if w in known), 1)}
    (folder / "phones").mkdir(parents=True, exist_ok=True)
    _sounds(lexicon, words).write(folder / "HCLr.fst")
    grammar, start = _grammar(words, languages)
    grammar.write(folder / "Gr.fst", start)
    (folder / "disambig_tid.int").write_text("")
    table = "".join(f"{word} {n}\n" for word, n in words.items())
    (folder / "words.txt").write_text(f"<eps> 0\n{table}", encoding="utf-8")
    places = ("begin", "end", "internal", "singleton")
    rows = "".join(f"{id} {places[(id - 2) % 4]}\n" for id in range(2, lexicon.ids + 1))
    (folder / "phones" / "word_boundary.int").write_text(f"1 nonword\n{rows}")


def _sounds(lexicon: Lexicon, words: dict[str, int]) -> Fst:
    """HCLr: a loop over all words; out-transitions stand before loops, as the word aligner wants them."""
    fst = Fst()
    start, loop = fst.state(), fst.state()
    fst.final[loop] = 0.0
    no_pause, pause = -math.log(1 - PAUSE), -math.log(PAUSE)

    def phone(source: int, id: int, writes: int = 0, cost: float = 0.0) -> int:
        target = fst.state()
        fst.arc(source, target, 2 * id, writes, cost - math.log(1 - STAY))
        fst.arc(target, target, 2 * id - 1, 0, -math.log(STAY))
        return target

    fst.arc(start, loop, cost=no_pause)
    silence = phone(start, 1, cost=pause)
    fst.arc(silence, loop)
    for word, number in words.items():
        first, *others = lexicon.word_ids(word)
        state = phone(loop, first, number, -BONUS)
        for id in others:
            state = phone(state, id)
        fst.arc(state, loop, cost=no_pause)
        fst.arc(state, silence, 2, 0, pause - math.log(1 - STAY))
    return fst


def _grammar(words: dict[str, int], languages: Sequence[Language]) -> tuple[Fst, int]:
    """Gr: what follows a word in the sentences and in spoken numbers, else any word."""
    fst = Fst()
    anything = fst.state()
    follows = _follows(languages)
    states = {word: fst.state() for word in follows}
    for word, share in _unigram(words, languages).items():
        _say(fst, anything, word, -math.log(share), words, states, anything)
    for before, nexts in follows.items():
        total = sum(nexts.values())
        for word, count in nexts.items():
            _say(fst, states[before], word, -math.log(KNOWN * count / total), words, states, anything)
        fst.arc(states[before], anything, cost=-math.log(1 - KNOWN))
    return fst, states["<s>"]


def _say(
    fst: Fst, source: int, word: str, cost: float, words: dict[str, int], states: dict[str, int], anything: int
) -> None:
    if word == "</s>":
        fst.final[source] = cost
    else:
        fst.arc(source, states.get(word, anything), words[word], words[word], cost)


def _unigram(words: dict[str, int], languages: Sequence[Language]) -> dict[str, float]:
    digits = {digit for language in languages for digit in language.digits}
    counts = {word: 3.0 if word in digits else 1.0 for word in words} | {UNKNOWN: 0.1, "</s>": 2.0}
    total = sum(counts.values())
    return {word: count / total for word, count in counts.items()}


def _follows(languages: Sequence[Language]) -> dict[str, dict[str, float]]:
    follows: dict[str, dict[str, float]] = {}

    def count(before: str, after: str, weight: float) -> None:
        nexts = follows.setdefault(before, {})
        nexts[after] = nexts.get(after, 0.0) + weight

    for language in languages:
        for sentence in (*language.sentences, *((digit,) for digit in language.digits)):
            for before, after in zip(("<s>", *sentence), (*sentence, "</s>")):
                count(before, after, 1.0)
        numbers = (*language.digits, *language.number_words)
        for before in (language.cue, *numbers):
            for after in numbers:
                count(before, after, 0.5 if after in language.digits else 0.25)
        for before in numbers:
            count(before, "</s>", 0.5)
            for unit in language.words.keys() & {"dollars", "块"}:
                count(before, unit, 0.5)
    return follows
