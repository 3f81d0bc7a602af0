"""Vosk behind an interface that has no way to crash it that we know of.

Kaldi ends the process on misuse. What can be misused is not offered here: the rate is the model's own, a grammar is given
once and before the first sound, a recogniser has a lock, and models are folders (a name would be looked up on the
network). What is left (weights that are not numbers, memory) is why engines run in processes of their own
(:mod:`transcription.pool`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from transcription.base import UNHEARD, ModelError, SpeechError, Word
from transcription.model_folder import rate_of, trouble_with

#: What models write for a word they do not know.
_UNKNOWN_WORDS = frozenset({"[unk]", "<unk>", "<UNK>", "[UNK]", "<SPOKEN_NOISE>"})


class Ear(Protocol):
    """One speaker being heard. Sound goes in order; times count from its first sample."""

    def hear(self, samples: bytes) -> tuple[Word, ...] | None:
        """Take 16-bit samples; the words of an utterance when one has ended, else None."""
        ...

    def partial(self) -> str:
        """What is understood so far of the utterance that runs."""
        ...

    def pause(self) -> tuple[Word, ...]:
        """End the utterance that runs; its words. Hearing can go on after it."""
        ...


class Engine(Protocol):
    """A loaded model. ``rate`` is what its ears take, in samples a second."""

    name: str
    rate: int

    def listen(self, phrases: Sequence[str] = ()) -> Ear:
        """A new ear; with ``phrases`` it knows these alone (a grammar). Raises :class:`SpeechError`."""
        ...


class VoskEngine:
    """A Vosk model folder, loaded.

    Raises:
        ModelError: the folder is no model, or the engine is not installed.
    """

    def __init__(self, folder: Path) -> None:
        trouble = trouble_with(folder)
        if trouble:
            raise ModelError(f"{folder}: {trouble}")
        self.name, self.rate = folder.name, rate_of(folder)
        vosk = _vosk()
        try:
            self._model = vosk.Model(str(folder))
        except Exception as err:  # vosk raises plain Exception
            raise ModelError(f"{folder}: the engine cannot load it; `allears models verify` says more") from err
        self._vosk = vosk

    def listen(self, phrases: Sequence[str] = ()) -> VoskEar:
        """A new ear. An empty list of phrases means any words: the engine itself would crash on it."""
        wanted = [" ".join(phrase.split()) for phrase in phrases]
        if not all(wanted):
            raise SpeechError("a phrase of a grammar is empty")
        grammar = (json.dumps(wanted, ensure_ascii=False),) if wanted else ()
        try:
            recogniser = self._vosk.KaldiRecognizer(self._model, float(self.rate), *grammar)
        except Exception as err:  # vosk raises plain Exception
            raise ModelError(f"{self.name}: the engine cannot use this model; its graph is missing or broken") from err
        recogniser.SetWords(True)
        return VoskEar(recogniser)


class VoskEar:
    """One Vosk recogniser behind a lock: two threads inside one end the process."""

    def __init__(self, recogniser: Any) -> None:
        self._recogniser = recogniser
        self._lock = threading.Lock()

    def hear(self, samples: bytes) -> tuple[Word, ...] | None:
        whole = bytes(samples[: len(samples) // 2 * 2])
        with self._lock:
            try:
                ended = self._recogniser.AcceptWaveform(whole)
            except Exception as err:  # vosk raises plain Exception
                raise SpeechError("the engine could not take the sound") from err
            return _words(self._recogniser.Result()) if ended else None

    def partial(self) -> str:
        with self._lock:
            return str(json.loads(self._recogniser.PartialResult()).get("partial", ""))

    def pause(self) -> tuple[Word, ...]:
        with self._lock:
            return _words(self._recogniser.FinalResult())


def _words(result: str) -> tuple[Word, ...]:
    """The words of a result; ``result`` is not there when nothing was said."""
    heard = json.loads(result).get("result", [])
    return tuple(_word(one["word"], one["start"], one["end"], one["conf"]) for one in heard)


def _word(text: str, start: float, end: float, confidence: float) -> Word:
    unknown = text in _UNKNOWN_WORDS
    sure = 0.0 if unknown else min(1.0, max(0.0, round(confidence, 3)))
    return Word(text=UNHEARD if unknown else text, start=start, end=end, confidence=sure)


def _vosk() -> Any:
    try:
        import vosk  # type: ignore[import-untyped]
    except ImportError as err:
        raise ModelError("speech is not installed: `pip install allears[speech]`") from err
    vosk.SetLogLevel(-2)
    return vosk
