"""Scores hearing on open recordings, and the pool beside the bare engine: ``python -m tests.bench.score_speech``.

The recordings lie beside the checkout in ``../shared/data/audio`` and are not part of the project; what is absent is left out.
``--model FOLDER`` (again for several) scores other models in place of the tiny one, ``--pool`` measures the pool alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.transcription.make_speech import SAID, write
from transcription.base import AudioError, Transcript
from transcription.engine import VoskEngine
from transcription.hearing import hear
from transcription.job import Job
from transcription.numbers import with_digits
from transcription.pool import Pool
from transcription.tiny import MODEL

ROOT = Path(__file__).resolve().parents[2]
AUDIO = ROOT.parent / "shared" / "data" / "audio"
SPEECH = ROOT / "tests" / "transcription" / "speech"
DIGITS = "zero one two three four five six seven eight nine".split()
#: Speaker whose recordings alone are scored (``--speaker``): one that a model was not trained on.
only = ""
#: Single digits and pairs: with pairs the grammar's language model hears strings of any length.
GRAMMAR = (*DIGITS, *(f"{a} {b}" for a in DIGITS for b in DIGITS))


def errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words put in, left out or taken for others, at least."""
    row = list(range(len(heard) + 1))
    for n, word in enumerate(said, 1):
        before, row[0] = row[0], n
        for m, other in enumerate(heard, 1):
            before, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, before + (word != other))
    return row[-1]


def heard_in(engine: VoskEngine, path: Path, phrases: tuple[str, ...] = ()) -> Transcript:
    """One file through the one way of hearing."""
    return hear(Job(path=str(path), phrases=phrases), engine, "en")


def words_of(transcript: Transcript) -> list[str]:
    """What was heard, unknown words too."""
    return [word.text for segment in transcript.segments for word in segment.words]


Set = Iterator[tuple[Path, list[str]]]


def fixtures() -> Set:
    """Our own recordings: a synthetic voice that the tiny model was not trained on."""
    yield from ((SPEECH / f"{name}.flac", text.split()) for name, text in SAID.items())


def single_digits() -> Set:
    """One digit a file, human."""
    for path in sorted((AUDIO / "fsdd").glob(f"[0-9]_{only}*.wav")):
        yield path, [DIGITS[int(path.name[0])]]


def order_numbers() -> Set:
    """Six to twelve digits with pauses, human."""
    for row in (row for row in _rows("fsdd-order-numbers") if only in row["speaker"]):
        yield AUDIO / "fsdd-order-numbers" / row["file"], [DIGITS[int(char)] for char in row["digits"]]


def samples() -> Set:
    """Sentences of many makers; most words are not in the tiny model."""
    for row in _rows("speech-samples"):
        if row["text"] and row["lang"] == "en":
            yield AUDIO / "speech-samples" / row["file"], row["text"].split()


def _rows(folder: str) -> list[dict[str, Any]]:
    text = (AUDIO / folder / "labels.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


SETS: dict[str, tuple[Callable[[], Set], tuple[str, ...]]] = {
    "own fixtures": (fixtures, ()),
    "single digits": (single_digits, ()),
    "single digits, grammar": (single_digits, GRAMMAR),
    "order numbers": (order_numbers, ()),
    "order numbers, grammar": (order_numbers, GRAMMAR),
    "samples (en)": (samples, ()),
}


def scores(engine: VoskEngine) -> Iterator[str]:
    """A line for each set: word error rate, files that are exact, and how fast."""
    for name, (files, phrases) in SETS.items():
        wrong = count = exact = number = 0
        seconds, began = 0.0, time.process_time()
        try:
            for path, said in files():
                transcript = heard_in(engine, path, phrases)
                off = errors(said, words_of(transcript))
                wrong, count, exact, number = wrong + off, count + len(said), exact + (off == 0), number + 1
                seconds += transcript.duration
        except FileNotFoundError as err:
            yield f"{name:24} skipped: {err.filename} is absent"
            continue
        if not number:
            yield f"{name:24} skipped: {AUDIO} is absent"
            continue
        factor = (time.process_time() - began) / seconds
        yield f"{name:24} {wrong / count:6.1%} wrong  {exact}/{number} exact  {seconds:.0f} s at {factor:.4f} of real time"


def digits_as_numbers(engine: VoskEngine) -> str:
    """Order numbers as one number in digits, none of whose words was doubtful: what the record would take."""
    right = taken = total = 0
    try:
        for path, said in order_numbers():
            transcript = with_digits(heard_in(engine, path, GRAMMAR))
            numbers = [w for s in transcript.segments for w in s.words if w.text.isdigit() and w.confidence >= 0.6]
            total, taken = total + 1, taken + (len(numbers) == 1)
            right += [w.text for w in numbers] == ["".join(str(DIGITS.index(one)) for one in said)]
    except FileNotFoundError as err:
        return f"order numbers as facts   skipped: {err.filename} is absent"
    return f"order numbers as facts   {right} right of {taken} taken, of {total}"


def formats(engine: VoskEngine) -> Iterator[str]:
    """Other containers of the same sentence are read, broken ones refused."""
    if not (AUDIO / "speech-samples").is_dir():
        yield f"formats                  skipped: {AUDIO} is absent"
        return
    for path in sorted((AUDIO / "speech-samples").rglob("*/*.*")):
        try:
            transcript = heard_in(engine, path)
        except AudioError as err:
            yield f"{path.parent.name}/{path.name}: refused: {err}"
        else:
            yield f"{path.parent.name}/{path.name}: read, {transcript.duration:.1f} s {transcript.missing}"


# --- the pool -----------------------------------------------------------------------------------------

_BARE = """
import sys, time, wave
import vosk
vosk.SetLogLevel(-2)
model = vosk.Model(sys.argv[1])
sys.stdout.write("\\n"); sys.stdout.flush(); sys.stdin.readline()
for path in sys.argv[2:]:
    with wave.open(path) as file:
        recognizer = vosk.KaldiRecognizer(model, file.getframerate())
        recognizer.SetWords(True)
        while data := file.readframes(4000):
            if recognizer.AcceptWaveform(data):
                recognizer.Result()
        recognizer.FinalResult()
"""


def pool_beside_bare(model: Path, cores: int, files: int = 40, rounds: int = 3) -> Iterator[str]:
    """The same wavs by the pool and by one bare process a core, in turns; the median of the ratios."""
    with tempfile.TemporaryDirectory() as folder:
        paths = _calls(Path(folder), files)
        ratios = []
        for _ in range(rounds):
            before = _cpu()
            bare, between = _bare(model, paths, cores), _cpu()
            pooled, after = asyncio.run(_pooled(model, paths, cores)), _cpu()
            ratios.append((bare / pooled, (between - before) / (after - between)))
            yield f"{files} calls of one minute: bare {bare:.2f} s, pool {pooled:.2f} s"
        wall, cpu = (sorted(ratio[kind] for ratio in ratios)[len(ratios) // 2] for kind in (0, 1))
        yield f"median of the pool's speed beside bare: {wall:.3f} by the clock, {cpu:.3f} by CPU time, loading included"


def _cpu() -> float:
    """CPU seconds of the processes that have ended, and of this one: the pool's own work counts against it."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF))
    return sum(used.ru_utime + used.ru_stime for used in both)


def _calls(folder: Path, count: int) -> list[Path]:
    """One-minute calls out of the fixtures."""
    import av

    sounds = []
    for name in sorted(SAID):
        with av.open(str(SPEECH / f"{name}.flac")) as container:
            frames: Any = container.decode(audio=0)
            sounds.append(np.concatenate([frame.to_ndarray() for frame in frames], axis=1)[0])
    for n in range(count):
        order = [sounds[(n + k) % len(sounds)] for k in range(40)]
        write(folder / f"{n}.wav", np.concatenate(order)[: 60 * 8000], codec="pcm_s16le")
    return sorted(folder.glob("*.wav"))


def _bare(model: Path, paths: Sequence[Path], cores: int) -> float:
    shares = [[str(path) for path in paths[n::cores]] for n in range(cores)]
    command = [sys.executable, "-c", _BARE, str(model)]
    processes = [
        subprocess.Popen([*command, *share], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for share in shares
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()  # the model is loaded
    began = time.perf_counter()
    for process in processes:
        process.communicate("\n")
    return time.perf_counter() - began


async def _pooled(model: Path, paths: Sequence[Path], cores: int) -> float:
    pool = Pool({"en": model}, workers=cores)
    await asyncio.gather(*(pool.transcribe(Job(path=str(SPEECH / "en_late.flac"))) for _ in range(cores)))
    began = time.perf_counter()
    await asyncio.gather(*(pool.transcribe(Job(path=str(path))) for path in paths))
    took = time.perf_counter() - began
    await pool.close()
    return took


def long_recording(model: Path, hours: float = 3.0) -> str:
    """Peak memory of one process for a minute and for three hours of stereo."""
    with tempfile.TemporaryDirectory() as folder:
        minute = _calls(Path(folder), 1)[0]
        import wave

        with wave.open(str(minute)) as file:
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        stereo = np.stack([sound, np.roll(sound, 8000)], axis=1).tobytes()
        peaks = []
        for minutes in (1, int(hours * 60)):
            path = Path(folder) / f"long{minutes}.wav"
            with wave.open(str(path), "wb") as out:
                out.setparams((2, 2, 8000, 0, "NONE", ""))
                for _ in range(minutes):
                    out.writeframes(stereo)
            peaks.append(_peak(model, path))
        return (
            f"peak memory of a worker: {peaks[0]:.0f} MB for a minute, {peaks[1]:.0f} MB for {hours:g} hours of stereo"
        )


def _peak(model: Path, path: Path) -> float:
    code = (
        "import resource,sys\nfrom pathlib import Path\nfrom transcription.engine import VoskEngine\n"
        "from transcription.hearing import hear\nfrom transcription.job import Job\n"
        "hear(Job(path=sys.argv[2]), VoskEngine(Path(sys.argv[1])), 'en')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(model), str(path)], cwd=ROOT, capture_output=True, check=True
    )
    return int(done.stdout) / (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, action="append", help="model folder (default: the tiny one)")
    parser.add_argument("--pool", action="store_true", help="the pool alone")
    parser.add_argument("--speaker", default="", help="a speaker of the digits that the model was not trained on")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--long", action="store_true", help="three hours of stereo too")
    args = parser.parse_args()
    global only
    only = args.speaker
    for model in args.model or [MODEL]:
        print(f"--- {model}")
        if not args.pool:
            engine = VoskEngine(model)
            for line in scores(engine):
                print(line, flush=True)
            print(digits_as_numbers(engine))
            print("\n".join(formats(engine)))
        for line in pool_beside_bare(model, args.cores):
            print(line, flush=True)
        if args.long:
            print(long_recording(model))
    print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at its peak")


if __name__ == "__main__":
    main()
