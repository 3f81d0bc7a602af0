"""The protocol of vosk-server: what its clients send as text, and what they are answered.

https://github.com/alphacep/vosk-server/blob/master/websocket/asr_server.py: a ``config``, binary samples, ``{"eof" : 1}``. Each binary
message has exactly one answer, a partial or a result. A client's ``model`` is not followed: it would name a path of ours.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from channels.base import BadPayload

#: What a model writes for a word it does not know, and what is written for it elsewhere here.
UNKNOWN, UNHEARD = "[unk]", "…"
MAX_PHRASES = 2000


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What a client may set. ``words``: with times and confidence of each word."""

    sample_rate: float = 8000
    phrase_list: tuple[str, ...] = ()
    words: bool = True
    max_alternatives: int = 0


class Word(Protocol):
    """One word, times in seconds."""

    @property
    def text(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def confidence(self) -> float: ...


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A text message: settings that replace the earlier ones, what is known of the call, or a wish."""

    config: Config | None = None
    known: dict[str, Any] = {}
    reset: bool = False
    eof: bool = False


def read(text: str, so_far: Config) -> Text:
    """A text message. Spaces do not matter, though the original wants them. Raises :class:`BadPayload`."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise BadPayload("a text message is JSON") from err
    if not isinstance(tree, dict):
        raise BadPayload("a text message is a JSON object")
    if "config" in tree:
        return Text(config=_config(tree["config"], so_far))
    if "eof" in tree or "reset" in tree:
        return Text(eof="eof" in tree, reset="reset" in tree)
    return Text(known={name: value for name, value in tree.items() if isinstance(value, str | int | float)})


def _config(tree: Any, so_far: Config) -> Config:
    if not isinstance(tree, dict):
        raise BadPayload("`config` is an object")
    wanted = {name: tree[name] for name in Config.__struct_fields__ if tree.get(name) is not None}
    try:
        config = msgspec.convert(msgspec.structs.asdict(so_far) | wanted, Config, strict=False)
    except msgspec.ValidationError as err:
        raise BadPayload(f"`config`: {err}") from err
    if len(config.phrase_list) > MAX_PHRASES:
        raise BadPayload(f"`phrase_list` has at most {MAX_PHRASES} phrases")
    return config


def partial(text: str) -> str:
    """The answer while an utterance runs."""
    return json.dumps({"partial": text}, ensure_ascii=False)


def result(words: Sequence[Word], config: Config) -> str:
    """The answer when an utterance has ended, in the shape that ``config`` asks for.

    With ``max_alternatives`` there is one: the words with the greatest confidence. Its confidence is the sum of theirs.
    """
    text = " ".join(_text(word) for word in words)
    if config.max_alternatives > 0:
        one: dict[str, Any] = {"confidence": round(sum(word.confidence for word in words), 6), "text": text}
        if config.words and words:
            one["result"] = [{"end": word.end, "start": word.start, "word": _text(word)} for word in words]
        return json.dumps({"alternatives": [one]}, ensure_ascii=False)
    answer: dict[str, Any] = {}
    if config.words and words:
        answer["result"] = [
            {"conf": word.confidence, "end": word.end, "start": word.start, "word": _text(word)} for word in words
        ]
    return json.dumps({**answer, "text": text}, ensure_ascii=False)


def _text(word: Word) -> str:
    return UNKNOWN if word.text == UNHEARD else word.text
