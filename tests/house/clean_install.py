"""Installs Allears as the image does, in an empty folder, and starts it: ``python -m tests.house.clean_install``.

Takes the libraries by their hashes from the package index, so it needs the network and is no part of the suite.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("channels", "transcription", "normalizer", "bot", "gateway")
FILES = ("requirements-build.lock", "requirements.lock", "pyproject.toml", "README.md")


def main() -> int:
    """Each step with its time; the first that fails ends it."""
    with tempfile.TemporaryDirectory(prefix="allears-install-") as name:
        folder = Path(name)
        source, venv, home = folder / "src", folder / "venv", folder / "home"
        for package in PACKAGES:
            shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
        for file in FILES:
            shutil.copy(ROOT / file, source)
        bin = venv / "bin"
        install: list[str | Path] = [bin / "pip", "install", "--quiet", "--disable-pip-version-check"]
        _step("environment", [sys.executable, "-m", "venv", venv], folder)
        wheels = [*install, "--only-binary", ":all:", "--require-hashes"]
        _step("build tools", [*wheels, "-r", "requirements-build.lock"], source)
        _step("libraries", [*wheels, "--no-binary", "srt", "--no-build-isolation", "-r", "requirements.lock"], source)
        _step("allears", [*install, "--no-deps", "--no-build-isolation", "."], source)
        _step("tidy", [bin / "pip", "uninstall", "--quiet", "--yes", "-r", "requirements-build.lock"], source)
        _step("whole", [bin / "pip", "check", "--disable-pip-version-check"], source)
        shutil.rmtree(source)  # what runs is the installed wheel, not the source
        _step("version", [bin / "allears", "--version"], folder)
        _step("init", [bin / "allears", "init", home], folder)
        _step("check", [bin / "allears", "check", "--connect", "--config", home / "allears.toml"], folder)
        _step("bot", [bin / "allears", "bot", "ask", "怎么申请退款？"], folder)
    return 0


def _step(name: str, command: list[str | Path], folder: Path) -> None:
    start = time.monotonic()
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    subprocess.run(command, cwd=folder, env=env, check=True)
    print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
