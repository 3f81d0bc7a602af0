"""Data flows one way, so imports do too. Read from the source, not from hope."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: Folder → what of ours it may import. ``gateway`` may import all.
MAY_IMPORT = {
    "channels": {"channels"},
    "transcription": {"transcription"},
    "normalizer": {"normalizer", "channels.base", "transcription.base"},
    "bot": {"bot", "normalizer"},
    "gateway": {"gateway", "bot", "normalizer", "channels", "transcription"},
}
#: Modules that mean touching the world; the pure folders may not import them.
WORLD = {"asyncio", "socket", "subprocess", "random", "secrets", "time", "os", "io", "sqlite3", "aiohttp", "threading"}
PURE = ("normalizer", "bot")
#: Folders that people make when they do not know where a thing belongs.
FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "misc", "models"}

SOURCES = sorted(path.relative_to(ROOT) for folder in MAY_IMPORT for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def within(module: str, allowed: set[str]) -> bool:
    return any(module == name or module.startswith(name + ".") or name.startswith(module + ".") for name in allowed)


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_point_one_way(path: Path) -> None:
    ours = {module for module in imports(path) if module.split(".")[0] in MAY_IMPORT}
    wrong = {module for module in ours if not within(module, MAY_IMPORT[path.parts[0]])}
    assert not wrong, f"{path} may not import {sorted(wrong)}"


@pytest.mark.parametrize("path", [p for p in SOURCES if p.parts[0] in PURE], ids=str)
def test_pure_folders_do_not_touch_the_world(path: Path) -> None:
    wrong = {module for module in imports(path) if module.split(".")[0] in WORLD}
    assert not wrong, f"{path} is pure and may not import {sorted(wrong)}"


@pytest.mark.parametrize("path", [p for p in SOURCES if p.parts[0] in PURE], ids=str)
def test_pure_folders_do_not_ask_the_clock(path: Path) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    calls = {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not calls & {"now", "utcnow", "today"}, f"{path} asks the clock"


@pytest.mark.parametrize("path", [p for p in SOURCES if p.parts[0] == "channels"], ids=str)
def test_channels_do_not_know_each_other(path: Path) -> None:
    siblings = {m for m in imports(path) if m.startswith("channels.") and m.split(".")[1] != "base"}
    public = {m for m in siblings if not m.split(".")[1].startswith("_")}
    assert not public, f"{path} imports another channel: {sorted(public)}"


def test_the_list_of_channels_is_the_folder() -> None:
    assert (ROOT / "channels" / "__init__.py").read_text(encoding="utf-8") == ""


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_every_module_has_a_job(path: Path) -> None:
    assert not FORBIDDEN_NAMES & {part.removesuffix(".py").lstrip("_") for part in path.parts}
