"""Speech models on the disk: what a good one looks like, its checksum, and unpacking one safely.

A model is a folder as https://alphacephei.com/vosk/models has them (``am/final.mdl``, ``conf/``, ``graph/``; older ones lie
flat). A small file ``allears.json`` that we put into it says which language it hears and where it came from.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec

from transcription import tiny
from transcription.base import ModelError

ABOUT = "allears.json"
#: Most that an archive may unpack to, in bytes, and how many files it may hold.
MAX_UNPACKED = 8 * 1024**3
MAX_FILES = 10_000
#: How much larger a file may be than its compressed form: models compress to a half, bombs to a thousandth.
MAX_RATIO = 200
MIN_RATE, MAX_RATE = 8_000, 48_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class About(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What we know of a model. ``languages`` are BCP 47 tags, ``sha256`` by file is what it was when it came."""

    languages: tuple[str, ...] = ()
    source: str = ""
    archive: str = ""
    """sha256 of the archive that it came in."""
    sha256: dict[str, str] = {}


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model folder as it is listed. ``trouble`` is empty when it can be used."""

    name: str
    path: Path
    about: About
    rate: int
    size: int
    trouble: str


def models(shelf: Path) -> tuple[Model, ...]:
    """The models in a folder, by name."""
    if not shelf.is_dir():
        return ()
    return tuple(describe(path) for path in sorted(shelf.iterdir()) if path.is_dir() and not path.name.startswith("."))


def describe(folder: Path) -> Model:
    """One model, looked at from outside; nothing is loaded."""
    trouble = trouble_with(folder)
    size = sum(path.stat().st_size for path in files(folder))
    rate = 0 if trouble else rate_of(folder)
    return Model(name=folder.name, path=folder, about=about(folder), rate=rate, size=size, trouble=trouble)


def trouble_with(folder: Path) -> str:
    """Why a folder is no model (empty: it looks like one)."""
    if not folder.is_dir():
        return "there is no such folder"
    if _acoustics(folder) is None:
        return "no acoustic model (am/final.mdl)"
    if _configuration(folder) is None:
        return "no configuration (conf/mfcc.conf)"
    graph = folder / "graph" if (folder / "graph").is_dir() else folder
    if not ((graph / "HCLG.fst").is_file() or ((graph / "HCLr.fst").is_file() and (graph / "Gr.fst").is_file())):
        return "no graph (graph/HCLG.fst, or HCLr.fst with Gr.fst)"
    if not (graph / "words.txt").is_file():
        return "no word list (graph/words.txt)"
    try:
        rate_of(folder)
    except ModelError as err:
        return str(err)
    return ""


def rate_of(folder: Path) -> int:
    """The model's sample rate from its configuration. A rate of 0 would never end, so it is not passed on."""
    path = _configuration(folder)
    text = path.read_text(encoding="utf-8", errors="replace") if path else ""
    found = re.search(r"^\s*--sample-frequency\s*=\s*(\S*)", text, re.MULTILINE)
    try:
        rate = int(float(found[1])) if found else 16_000  # Kaldi's default
    except (ValueError, OverflowError):
        rate = 0
    if not MIN_RATE <= rate <= MAX_RATE:
        raise ModelError(f"a sample rate of {rate}")
    return rate


def about(folder: Path) -> About:
    """What ``allears.json`` says; without one the language is told from the usual names (``…-cn-…``, ``…-en-us-…``)."""
    try:
        return msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
    except (OSError, msgspec.DecodeError):
        return About(languages=_language_in(folder.name))


def _language_in(name: str) -> tuple[str, ...]:
    found = re.search(
        r"(?:^|-)(cn|zh|en|ja|ko|de|fr|es|ru|it|pt|nl|vn|hi|tr|uk|fa|pl|cs|sv|kz|uz|eo|ca|ar)(?:-|$)", name
    )
    return ({"cn": "zh", "vn": "vi", "kz": "kk"}.get(found[1], found[1]),) if found else ()


def verify(folder: Path) -> list[str]:
    """What is wrong with a model on the disk: missing parts, and files that are not what they were when it came."""
    wrong = [trouble] if (trouble := trouble_with(folder)) else []
    for name, digest in about(folder).sha256.items():
        path = folder / name
        if not path.is_file():
            wrong.append(f"{name} is missing")
        elif file_digest(path) != digest:
            wrong.append(f"{name} is damaged")
    return wrong


def file_digest(path: Path) -> str:
    """sha256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files(folder: Path) -> Iterator[Path]:
    """The files of a model but our own note, in order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.name != ABOUT:
            yield path


def install(archive: Path, shelf: Path, name: str, *, languages: tuple[str, ...] = (), source: str = "") -> Path:
    """Unpack a zip into ``shelf/name``; it appears there whole or not at all.

    Raises:
        ModelError: the archive is broken or hostile, holds no model, or the name is no name or taken.
    """
    if not _NAME.fullmatch(name):
        raise ModelError(f"`{name}` is no name for a model: letters, digits, dots and hyphens")
    target = shelf / name
    if target.exists():
        raise ModelError(f"there is a model `{name}` already; remove {target} first")
    shelf.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=shelf) as made:
        try:
            root = _unpacked(archive, Path(made))
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as err:
            raise ModelError(f"the archive cannot be unpacked: {err}") from err
        if trouble := trouble_with(root):
            raise ModelError(f"there is no model in the archive: {trouble}")
        known = About(
            languages=languages or _language_in(name),
            source=source,
            archive=file_digest(archive),
            sha256={str(path.relative_to(root)): file_digest(path) for path in files(root)},
        )
        (root / ABOUT).write_bytes(msgspec.json.encode(known))
        os.rename(root, target)
    return target


def _unpacked(archive: Path, into: Path) -> Path:
    """Unpack entry by entry, counting; the folder that holds the model (archives have one at the top)."""
    left = MAX_UNPACKED
    with zipfile.ZipFile(archive) as packed:
        entries = packed.infolist()
        if len(entries) > MAX_FILES:
            raise ModelError(f"the archive holds more than {MAX_FILES} files")
        for entry in entries:
            path = into / _safe(entry)
            if entry.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            most = min(left, max(entry.compress_size, 1024) * MAX_RATIO)
            left -= _copied(packed, entry, path, most)
    inside = [path for path in into.iterdir() if path.is_dir()]
    return inside[0] if len(inside) == 1 and trouble_with(into) else into


def _safe(entry: zipfile.ZipInfo) -> PurePosixPath:
    """The entry's path, when it stays inside. Raises :class:`ModelError` for links and ways out."""
    path = PurePosixPath(entry.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in entry.filename or ":" in entry.filename or not path.parts:
        raise ModelError(f"the archive tries to write outside its folder: {entry.filename!r}")
    if (entry.external_attr >> 16) & 0o170000 not in (0, 0o100000, 0o040000):
        raise ModelError(f"the archive holds a link or device: {entry.filename!r}")
    return path


def _copied(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, most: int) -> int:
    if entry.file_size > most:
        raise ModelError("the archive unpacks to more than a model can be")
    with packed.open(entry) as source, path.open("xb") as target:
        shutil.copyfileobj(source, target)
    return path.stat().st_size


def _acoustics(folder: Path) -> Path | None:
    return next((p for p in (folder / "am" / "final.mdl", folder / "final.mdl") if p.is_file()), None)


def _configuration(folder: Path) -> Path | None:
    return next((p for p in (folder / "conf" / "mfcc.conf", folder / "mfcc.conf") if p.is_file()), None)


#: Names the model that comes with Allears wherever a model is chosen.
TINY = "tiny"
_CHOSEN = "use.json"


def find(shelf: Path, name: str) -> Path:
    """A model's folder by its name. Raises :class:`ModelError`, which says what there is."""
    if name == TINY:
        return tiny.MODEL
    there = [model.name for model in models(shelf)]
    if name not in there:
        raise ModelError(f"there is no model `{name}` in {shelf}; there are {', '.join([*there, TINY])}")
    return shelf / name


def use(shelf: Path, name: str, languages: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Hear ``languages`` (those that the model says of itself) with a model from now on; returns them.

    Raises:
        ModelError: there is no such model, it cannot be used, or nobody says which language it hears.
    """
    folder = find(shelf, name)
    if trouble := trouble_with(folder):
        raise ModelError(f"{name}: {trouble}")
    hears = languages or about(folder).languages
    if not hears:
        raise ModelError(f"{name} does not say which language it hears: add --language")
    shelf.mkdir(parents=True, exist_ok=True)
    chosen = _chosen(shelf) | dict.fromkeys(hears, name)
    note = shelf / f".{_CHOSEN}.new"
    note.write_bytes(msgspec.json.encode(chosen))
    os.replace(note, shelf / _CHOSEN)
    return hears


def in_use(shelf: Path) -> dict[str, Path]:
    """Model folders by language: what was chosen, and for other languages the first model by name that hears them."""
    folders = {language: find(shelf, name) for language, name in _chosen(shelf).items() if _there(shelf, name)}
    for model in models(shelf):
        if not model.trouble:
            for language in model.about.languages:
                folders.setdefault(language, model.path)
    return folders


def _there(shelf: Path, name: str) -> bool:
    return name == TINY or not trouble_with(shelf / name)


def _chosen(shelf: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode((shelf / _CHOSEN).read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):
        return {}
