"""Measures of the source, to look at: ``python -m tests.house.sizes``.

Lines of functions and files (median, nine in ten, largest), how much is annotated and documented, tests beside source,
and how large each channel is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
SOURCE = ("channels", "transcription", "normalizer", "bot", "gateway")
#: How many of the largest are named.
NAMED = 5

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Sized:
    """Something with a length in lines."""

    name: str
    lines: int


def files(*folders: str) -> list[Path]:
    """The Python files of some folders of the repository."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def length(path: Path) -> int:
    """Lines of a file that say something."""
    return sum(bool(line.strip()) for line in path.read_text(encoding="utf-8").splitlines())


def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[Function]:
    """All functions and methods of a file."""
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def public(path: Path) -> Iterator[tuple[str, Documented]]:
    """Classes, functions and methods that others may use."""
    for node in tree(path).body:
        if not isinstance(node, Documented) or node.name.startswith("_"):
            continue
        yield node.name, node
        if isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{method.name}", method) for method in _public_methods(node))


def _public_methods(node: ast.ClassDef) -> Iterator[Function]:
    return (each for each in node.body if isinstance(each, Function) and not each.name.startswith("_"))


def annotated(function: Function) -> bool:
    """Whether all its arguments and its result have types."""
    a = function.args
    given = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
    return function.returns is not None and all(g.annotation or g.arg in ("self", "cls") for g in given)


def spread(sized: list[Sized]) -> str:
    """Median, nine in ten, largest."""
    lines = sorted(each.lines for each in sized)
    largest = sorted(sized, key=lambda each: -each.lines)[:NAMED]
    named = ", ".join(f"{each.name} {each.lines}" for each in largest)
    return f"median {median(lines):g}, nine in ten up to {lines[len(lines) * 9 // 10]}, largest {named}"


def parts(module: Path) -> set[Path]:
    """The private modules that a channel uses, directly or through one another."""
    found, unread = set[Path](), [module]
    while unread:
        for node in ast.walk(tree(unread.pop())):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("channels"):
                continue
            below = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            new = {path for name in below if "._" in name for path in _sources(name)} - found
            found |= new
            unread += new
    return found


def _sources(module: str) -> list[Path]:
    path = ROOT / module.replace(".", "/")
    return [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()]


def channels() -> Iterator[str]:
    """A line for each channel: its file, what only it uses, what it shares with others, its fake platform."""
    modules = [path for path in (ROOT / "channels").glob("*.py") if path.stem != "base" and path.stem[0] != "_"]
    used = {module: parts(module) for module in modules}
    yield f"{'channel':12}{'file':>6}{'own':>6}{'shared':>8}{'fake':>6}"
    for module in sorted(modules):
        own = {p for p in used[module] if not any(p in used[other] for other in modules if other != module)}
        fake = ROOT / "channels" / "_platforms" / module.name
        sums = (length(module), sum(map(length, own)), sum(map(length, used[module] - own)))
        yield f"{module.stem:12}{sums[0]:6}{sums[1]:6}{sums[2]:8}{length(fake) if fake.is_file() else 0:6}"


def report() -> Iterator[str]:
    """The measures, a line each."""
    source, tests = files(*SOURCE), files("tests")
    found = [(path, function) for path in source for function in functions(path)]
    sized = [Sized(f"{p.relative_to(ROOT)}:{f.name}", (f.end_lineno or f.lineno) - f.lineno + 1) for p, f in found]
    yield f"functions  {len(sized)}: {spread(sized)}"
    yield f"files      {len(source)}: {spread([Sized(str(p.relative_to(ROOT)), length(p)) for p in source])}"
    typed = sum(annotated(function) for _, function in found)
    yield f"annotated  {typed} of {len(found)} functions ({typed / len(found):.1%})"
    names = [node for path in source for _, node in public(path)]
    told = sum(ast.get_docstring(node) is not None for node in names)
    yield f"docstrings {told} of {len(names)} public classes, functions and methods ({told / len(names):.1%})"
    ours, theirs = sum(map(length, source)), sum(map(length, tests))
    yield f"lines      {ours} of source, {theirs} of tests: {theirs / ours:.2f} lines of test for one of source"
    yield from channels()


if __name__ == "__main__":
    print("\n".join(report()))
