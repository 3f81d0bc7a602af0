"""Reads the knowledge and the normalizer's rules from disk: the packaged ones, or a folder of the user's."""

from __future__ import annotations

import functools
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from bot.knowledge import Knowledge, parse
from gateway import heap
from normalizer.rules import Rules, compile_rules

_SUFFIXES = (".yaml", ".yml")
#: What ``allears brain train`` has learnt, in the user's folder of rules.
BRAIN = "brain.json"
#: The normalizer's table of traditional and simplified characters, which the bot folds with too.
_CHARACTERS = "characters.yaml"


def read_knowledge(folder: Path | None) -> Knowledge:
    """The bot's own phrases and words with the user's knowledge on top; without a folder, the sample shop.

    Raises:
        KnowledgeError: with every problem of the files, each with file and line.
        OSError: the folder or a file cannot be read.
    """
    if folder is None:
        return _packaged_knowledge()
    knowledge = parse(knowledge_files(folder))
    heap.give_back()
    return knowledge


def knowledge_files(folder: Path | None) -> dict[str, str]:
    """What :func:`read_knowledge` reads: name → text. Later files win, so the user's come last."""
    files = {_CHARACTERS: _packaged("normalizer", "data")[_CHARACTERS]}
    files.update((f"phrases/{name}", text) for name, text in _packaged("bot", "phrases").items())
    if folder is None:
        files.update((f"sample/{name}", text) for name, text in _packaged("bot", "sample").items())
    else:
        files.update(_of_folder(folder))
    return files


def read_rules(folder: Path | None) -> Rules:
    """The packaged data files of the normalizer; files of the same name in ``folder`` take their place.

    Raises:
        RulesError: a file says something that cannot be used.
        OSError: the folder or a file cannot be read.
    """
    if folder is None:
        return _packaged_rules()
    files = _packaged("normalizer", "data")
    files.update((path.rsplit("/", 1)[-1], text) for path, text in _of_folder(folder).items())
    if (learnt := folder / BRAIN).is_file():
        files[BRAIN] = learnt.read_text(encoding="utf-8")
    return compile_rules(files)


@functools.cache
def _packaged_rules() -> Rules:
    """They cannot change while we run, and take half a second."""
    return compile_rules(_packaged("normalizer", "data"))


@functools.cache
def _packaged_knowledge() -> Knowledge:
    return parse(knowledge_files(None))


def _packaged(package: str, folder: str) -> dict[str, str]:
    return _texts(resources.files(package).joinpath(folder))


def _texts(folder: Traversable) -> dict[str, str]:
    found = (each for each in folder.iterdir() if each.name.endswith(_SUFFIXES))
    return {each.name: each.read_text(encoding="utf-8") for each in sorted(found, key=lambda each: each.name)}


def _of_folder(folder: Path) -> dict[str, str]:
    """All YAML files below a folder, named as the author sees them."""
    if not folder.is_dir():
        raise NotADirectoryError(f"there is no folder {folder}")
    paths = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file())
    return {str(path): path.read_text(encoding="utf-8") for path in paths}
