"""The wheel that users install: built here, without the network, and looked into."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("channels", "transcription", "normalizer", "bot", "gateway")
#: What the program reads at run time beside its modules.
DATA = (
    "bot/phrases/*.yaml",
    "bot/examples/*.yaml",
    "bot/sample/*.yaml",
    "bot/sample/uncovered/*.txt",
    "gateway/sample.toml",
    "gateway/store/postgres/migrations/*.sql",
    "gateway/store/sqlite/migrations/*.sql",
    "gateway/web/static/**/*",
    "normalizer/data/*.yaml",
    "transcription/tiny/tiny/**/*",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built by the back end itself, as ``pip install --no-build-isolation`` does it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = f"import hatchling.build; print(hatchling.build.build_wheel({str(folder)!r}))"
    subprocess.run([sys.executable, "-c", build], cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    return zipfile.ZipFile(made)


@pytest.mark.parametrize("pattern", DATA)
def test_data_is_in_the_wheel(wheel: zipfile.ZipFile, pattern: str) -> None:
    wanted = tracked(pattern)
    assert wanted
    missing = wanted - set(wheel.namelist())
    assert not missing


def test_every_module_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    wanted = {name for package in PACKAGES for name in tracked(f"{package}/**/*.py")}
    assert wanted <= set(wheel.namelist())


def test_nothing_else_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert not [name for name in wheel.namelist() if "__pycache__" in name]


def test_the_command_is_named(wheel: zipfile.ZipFile) -> None:
    (entries,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "allears = gateway.cli.main:main" in wheel.read(entries).decode()


def tracked(pattern: str) -> set[str]:
    """The repository's files of a pattern, without what Python has left there."""
    files = {path for path in ROOT.glob(pattern) if path.is_file() and "__pycache__" not in path.parts}
    return {str(path.relative_to(ROOT)) for path in files}
