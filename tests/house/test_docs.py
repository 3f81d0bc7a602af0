"""What the pages say is so: commands parse, options, files and links exist, generated pages are current."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import parser
from tests.house import configuration, sizes

ROOT = Path(__file__).parents[2]
#: Every page that people read, from the repository's root.
PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/**/*.md", "channels/*.md", "docker/*.md")
    for path in ROOT.glob(pattern)
)
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.M | re.S)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
#: Something in backticks that names a file or folder of ours.
OURS = re.compile(r"(?:bot|channels|docker|docs|gateway|normalizer|tests|transcription)/[\w./-]*\w/?")

#: What a word after a number multiplies it by.
UNITS: Mapping[str, tuple[int, ...]] = defaultdict(
    lambda: (1,),
    {"KB": (1000, 1024), "MB": (1000**2, 1024**2), "GB": (1000**3, 1024**3), "million": (1000**2,)}
    | {"minutes": (60,), "hour": (3600,)},
)


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose(page: str) -> str:
    return BLOCK.sub("", read(page))


def shell_lines(page: str) -> Iterator[list[str]]:
    """The commands of the page's ``sh`` blocks, as words."""
    for _, language, body in BLOCK.findall(read(page)):
        if language == "sh":
            for line in body.replace("\\\n", " ").splitlines():
                for part in re.split(r" (?:\||&&|\|\||;) ", line.strip()):
                    yield list(takewhile(lambda w: w not in (">", ">>", "<"), shlex.split(part, comments=True)))


def commands(page: str, program: str) -> Iterator[list[str]]:
    """What is said to a program; ``docker compose exec allears allears audit`` says ``audit`` to ours."""
    for words in shell_lines(page):
        if words[:1] == [program] or (words[:1] == ["docker"] and words[-1:] != [program] and program in words):
            said = words[len(words) - words[::-1].index(program) :]
            if words[0] == program or said[0] in subparsers(parser()):
                yield said


def inline_commands(page: str) -> Iterator[list[str]]:
    return (code.split()[1:] for code in CODE.findall(prose(page)) if code.startswith("allears "))


def subparsers(of: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= action.choices
    return found


def every_parser(of: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield of
    for inner in subparsers(of).values():
        yield from every_parser(inner)


def options(of: argparse.ArgumentParser) -> set[str]:
    return {option for action in of._actions for option in action.option_strings}


ALL_OPTIONS = {option for one in every_parser(parser()) for option in options(one)}


def with_page(items: Any) -> list[Any]:
    return [pytest.param(page, item, id=f"{page}: {str(item)[:60]}") for page in PAGES for item in items(page)]


def test_the_pages_have_commands_to_check() -> None:
    assert sum(len(list(commands(page, "allears"))) for page in PAGES) > 20
    assert next(commands("docs/operation.md", "allears")) == ["init", "/srv/allears"]
    assert len(limits()) > 20


@pytest.mark.parametrize(("page", "words"), with_page(lambda page: commands(page, "allears")))
def test_command_in_a_block_is_one(page: str, words: list[str]) -> None:
    if words in (["--help"], ["--version"]):
        return
    try:
        parser().parse_args(words)
    except SystemExit as err:
        pytest.fail(f"{page} shows `allears {' '.join(words)}`, which the program does not take: {err}")


@pytest.mark.parametrize(("page", "words"), with_page(inline_commands))
def test_command_in_a_sentence_is_one(page: str, words: list[str]) -> None:
    at = parser()
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in options(at), f"{page}: {at.prog} has no {word}"
        elif (inner := subparsers(at)) and "|" not in word:
            assert word in inner, f"{page}: {at.prog} has no {word}"
            at = inner[word]


@pytest.mark.parametrize("page", PAGES)
def test_option_in_a_sentence_is_one(page: str) -> None:
    named = {code for code in CODE.findall(prose(page)) if re.fullmatch(r"--[a-z-]+", code)}
    assert named <= ALL_OPTIONS, f"{page} names {sorted(named - ALL_OPTIONS)}"


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {words[0] for words in commands(page, "make") if words}
    named |= {code.split()[1] for code in CODE.findall(prose(page)) if re.match(r"make [a-z]", code)}
    assert named <= targets, f"{page} names {sorted(named - targets)}"


@pytest.mark.parametrize(("page", "link"), with_page(lambda page: LINK.findall(prose(page))))
def test_link_leads_somewhere(page: str, link: str) -> None:
    target, _, anchor = link.partition("#")
    if re.match(r"https?:|mailto:", target):
        return
    path = (ROOT / page).parent / target if target else ROOT / page
    assert path.resolve().is_relative_to(ROOT), f"{page}: {link} leaves the repository"
    assert path.exists(), f"{page}: there is no {link}"
    if anchor and path.suffix == ".md":
        assert anchor in anchors(path.read_text(encoding="utf-8")), f"{page}: {target} has no heading for #{anchor}"


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])
def test_named_files_exist(page: str) -> None:
    named = {code for code in CODE.findall(prose(page)) if OURS.fullmatch(code)}
    missing = {name for name in named if not (ROOT / name).exists()}
    assert not missing, f"{page} names {sorted(missing)}"


def limits() -> list[tuple[str, str, str]]:
    """(words, file, name of the constant) of the table of limits in ``docs/operation.md``."""
    found = []
    for line in read("docs/operation.md").partition("## Limits")[2].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and (file := CODE.fullmatch(cells[2])):
            found += [(cells[1], file[1], name) for name in re.findall(r"`([A-Z_]+)`", cells[1])]
    return found


@pytest.mark.parametrize(("words", "file", "name"), limits())
def test_limit_is_what_the_page_says(words: str, file: str, name: str) -> None:
    """The number before the constant's name is the constant's value, in one of the units that people use."""
    value = getattr(importlib.import_module(file.removesuffix(".py").replace("/", ".")), name)
    value = value.total_seconds() if isinstance(value, timedelta) else value
    before = words.partition(f"(`{name}`)")[0].rpartition(")")[2]
    number, unit = re.findall(r"(\d[\d,]*) ?(\w*)", before)[-1]
    assert value in {int(number.replace(",", "")) * times for times in UNITS[unit]}, f"{name} in {file} is {value}"


def test_every_page_is_linked() -> None:
    linked = {"README.md"}
    for page in PAGES:
        for link in LINK.findall(prose(page)):
            target = ((ROOT / page).parent / link.partition("#")[0]).resolve()
            if target.is_relative_to(ROOT) and target != ROOT / page:
                linked.add(str(target.relative_to(ROOT)))
    assert not set(PAGES) - linked, f"nobody finds {sorted(set(PAGES) - linked)}"


def test_every_picture_is_shown_and_small() -> None:
    shown = {Path(link).name for page in PAGES for link in LINK.findall(prose(page))}
    pictures = list((ROOT / "docs" / "images").glob("*.png"))
    assert pictures
    for picture in pictures:
        assert picture.name in shown, f"no page shows {picture.name}"
        assert picture.stat().st_size < 300_000, f"{picture.name} is too large for a page"


def test_configuration_page_is_current() -> None:
    """The page is what the settings say; ``python -m tests.house.configuration`` renews it."""
    assert configuration.PAGE.read_text(encoding="utf-8") == configuration.page()


@pytest.mark.parametrize("path", [str(p.relative_to(ROOT)) for p in sizes.files(*sizes.SOURCE)])
def test_module_says_what_it_is_for(path: str) -> None:
    source = read(path)
    assert not source.strip() or ast.get_docstring(ast.parse(source)), f"{path} has no docstring"


@pytest.mark.parametrize("path", [str(p.relative_to(ROOT)) for p in sizes.files(*sizes.SOURCE) if p.name == "base.py"])
def test_seam_says_what_it_means(path: str) -> None:
    """What others build against is explained; methods may speak for themselves."""
    silent = [name for name, node in sizes.public(ROOT / path) if "." not in name and not ast.get_docstring(node)]
    assert not silent, f"{path}: {silent} have no docstring"


def test_functions_are_annotated() -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{function.lineno}"
        for path in sizes.files(*sizes.SOURCE)
        for function in sizes.functions(path)
        if not sizes.annotated(function)
    ]
    assert not bare
