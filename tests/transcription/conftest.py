"""Recordings of many forms, and the models that hear them."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.transcription import needs

needs.speech()

from transcription.model_folder import ABOUT  # noqa: E402
from transcription.pool import Pool  # noqa: E402
from transcription.tiny import MODEL  # noqa: E402
from transcription.tiny.kaldi import write_graph  # noqa: E402
from transcription.tiny.vocabulary import LANGUAGES, lexicon  # noqa: E402


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model for each language: the tiny one's ears with the words of one language alone."""
    made = {}
    for code, language in LANGUAGES.items():
        folder = made[code] = tmp_path_factory.mktemp("models") / f"tiny-{code}"
        shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("graph", ABOUT))
        write_graph(folder / "graph", lexicon(), [language])
    return made


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    made = Pool({"en": MODEL}, workers=2)
    yield made
    await made.close()
