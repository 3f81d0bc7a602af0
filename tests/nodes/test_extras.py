"""Without the libraries of the extras the embedded gateway works as ever, and what needs one says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.nodes.town import ROOT, SECRET

#: A program without these libraries.
WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("asyncpg", "redis"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from gateway.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("", ""),
        ('[store]\nurl = "postgresql://127.0.0.1/none"', "pip install 'allears[postgres]'"),
        ('[redis]\nurl = "redis://127.0.0.1"', "pip install 'allears[redis]'"),
    ],
    ids=["embedded", "postgres", "redis"],
)
def test_what_is_missing_is_told(tmp_path: Path, more: str, told: str) -> None:
    file = tmp_path / "allears.toml"
    file.write_text(f'secret = "{SECRET}"\n{more}\n')
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, "check", "--config", str(file)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == (1 if told else 0), done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
