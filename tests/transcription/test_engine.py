"""Real decoding with the tiny model, and each known way to crash the engine made impossible or harmless.

What would end the process is tried in a process of its own.
"""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from tests.transcription.make_speech import SAID
from tests.transcription.needs import SPEECH
from transcription import model_folder
from transcription.base import ModelError, SpeechError, Transcript, Word, readable
from transcription.engine import VoskEngine
from transcription.hearing import choose, hear
from transcription.job import Job
from transcription.tiny import MODEL


@pytest.fixture(scope="module")
def engine() -> VoskEngine:
    return VoskEngine(MODEL)


def words(transcript: Transcript) -> list[Word]:
    return [word for segment in transcript.segments for word in segment.words]


def samples(name: str) -> bytes:
    from transcription.audio import Recording

    with Recording(SPEECH / f"{name}.flac", rate=8000) as recording:
        return b"".join(piece[0].tobytes() for piece in recording)


@pytest.mark.parametrize("name", SAID)
def test_every_recording_is_understood_exactly(engine: VoskEngine, name: str) -> None:
    heard = hear(Job(path=str(SPEECH / f"{name}.flac")), engine, name[:2])
    assert " ".join(word.text for word in words(heard)) == SAID[name]
    assert all(0.0 <= word.start < word.end <= heard.duration + 0.1 for word in words(heard))
    assert min(word.confidence for word in words(heard)) > 0.5


def test_times_are_those_of_the_recording_although_silence_is_left_out(engine: VoskEngine) -> None:
    heard = hear(Job(path=str(SPEECH / "call.flac")), engine, "en")
    starts = [(segment.speaker, round(segment.start)) for segment in heard.segments]
    assert [speaker for speaker, _ in starts] == ["agent", "customer", "agent", "customer"]
    alone = hear(Job(path=str(SPEECH / "call.flac"), speakers=("agent", "customer")), engine, "en")
    assert [s.speaker for s in alone.segments] == ["customer", "agent", "customer", "agent"]
    seconds = [start for _, start in starts]
    assert seconds == sorted(seconds)
    assert seconds[-1] >= 7


def test_a_grammar_hears_its_phrases_alone(engine: VoskEngine) -> None:
    job = Job(path=str(SPEECH / "en_number.flac"), phrases=("one", "seven", "four", "double", "oh"))
    assert {word.text for word in words(hear(job, engine, "en")) if word.confidence} <= {
        "one",
        "seven",
        "four",
        "double",
        "oh",
    }


def test_what_it_does_not_know_is_marked(engine: VoskEngine) -> None:
    ear = engine.listen()
    ear.hear(samples("en_late"))
    said = (*ear.pause(), Word(text="…", start=9.0, end=9.5, confidence=0.0))
    assert readable(said) == "my order is late …"


def test_the_language_is_found_by_trying(models: dict[str, Path]) -> None:
    engines = {code: VoskEngine(folder) for code, folder in models.items()}
    for name in SAID:
        job = Job(path=str(SPEECH / f"{name}.flac"))
        assert choose(job, ["en", "zh"], engines.__getitem__) == name[:2], name


# --- the ways to a crash ------------------------------------------------------------------------------


def test_the_rate_is_the_models_own(tmp_path: Path) -> None:
    """A rate of 0 never ends, a negative one aborts."""
    for rate in ("0", "-8000", "1", "99999999"):
        folder = shutil.copytree(MODEL, tmp_path / f"r{rate}")
        conf = folder / "conf" / "mfcc.conf"
        conf.write_text(conf.read_text().replace("8000", rate))
        with pytest.raises(ModelError):
            VoskEngine(folder)


def test_no_grammar_that_crashes_gets_through(engine: VoskEngine) -> None:
    """An empty list and what is not JSON end the process."""
    assert engine.listen([]).pause() == ()
    for phrases in ([""], ["  "], ["one", ""]):
        with pytest.raises(SpeechError):
            engine.listen(phrases)
    assert engine.listen(['"]', "\\", "[]", "xyzzy", "one\n two"]).pause() == ()


def test_two_threads_in_one_ear_take_turns(engine: VoskEngine) -> None:
    """Inside one recogniser they end the process."""
    ear, sound = engine.listen(), samples("en_broken")
    threads = [
        threading.Thread(target=lambda: [ear.hear(sound[at : at + 1600]) for at in range(0, len(sound), 1600)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ear.pause()


def test_many_ears_at_once_hear_the_same(engine: VoskEngine) -> None:
    sound, heard = samples("en_broken"), []

    def listen() -> None:
        ear = engine.listen()
        said = ear.hear(sound) or ()
        heard.append(readable((*said, *ear.pause())))

    threads = [threading.Thread(target=listen) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == ["the package is broken i want a refund"] * 8


@pytest.mark.parametrize("sound", [b"", b"a", bytes(7), bytes(80_000), b"\xff\x7f\x00\x80" * 20_000], ids=len)
def test_odd_sound_is_silence(engine: VoskEngine, sound: bytes) -> None:
    ear = engine.listen()
    ear.hear(sound)
    assert [word for word in ear.pause() if word.confidence > 0.9] == []


def test_any_kind_of_bytes(engine: VoskEngine) -> None:
    """The engine itself takes ``bytes`` alone."""
    sound = samples("en_late")
    for made in (bytearray(sound), memoryview(sound)):
        ear = engine.listen()
        ear.hear(made)  # type: ignore[arg-type]
        assert readable(ear.pause()) == "my order is late"


def test_hearing_goes_on_after_a_pause(engine: VoskEngine) -> None:
    ear, sound = engine.listen(), samples("en_late")
    said = []
    for _ in range(3):
        words = ear.hear(sound) or ()
        said.append(readable((*words, *ear.pause())))
        assert ear.pause() == ()
    assert said == ["my order is late"] * 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "am" / "final.mdl").unlink(),
        lambda folder: (folder / "am" / "final.mdl").write_bytes(b""),
        lambda folder: (folder / "am" / "final.mdl").write_bytes((folder / "am" / "final.mdl").read_bytes()[:5000]),
        lambda folder: (folder / "am" / "final.mdl").write_bytes(b"garbage" * 1000),
        lambda folder: (folder / "graph" / "words.txt").unlink(),
        lambda folder: (folder / "graph" / "Gr.fst").unlink(),
        lambda folder: (folder / "conf" / "mfcc.conf").unlink(),
        lambda folder: shutil.rmtree(folder),
    ],
    ids=["no weights", "empty", "cut", "garbage", "no words", "no graph", "no conf", "gone"],
)
def test_a_broken_model_says_so(tmp_path: Path, spoil) -> None:  # type: ignore[no-untyped-def]
    folder = shutil.copytree(MODEL, tmp_path / "m")
    spoil(folder)
    assert model_folder.verify(folder)
    with pytest.raises(ModelError):
        VoskEngine(folder).listen()


def test_the_tiny_model_is_whole() -> None:
    assert model_folder.verify(MODEL) == []
    assert sum(path.stat().st_size for path in MODEL.rglob("*") if path.is_file()) < 1_000_000
