"""Knowledge is changed while a conversation runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway import config
from gateway.app import assemble
from gateway.reloading import Reloading
from tests.gateway.conftest import CONFIG, Town

if TYPE_CHECKING:
    from tests.gateway.conftest import Clock

ENTRY = """
entries:
  - id: color
    title: {{en: Colour}}
    patterns: [{{any: [which colour]}}]
    examples: {{en: [which colour is it, which colour do you have]}}
    answer: {{en: "It is {color}."}}
"""


@pytest.fixture
async def town(tmp_path: Path, clock: Clock) -> AsyncIterator[Town]:
    (tmp_path / "knowledge").mkdir()
    (tmp_path / "knowledge" / "a.yaml").write_text(ENTRY.format(color="red"))
    file = tmp_path / "allears.toml"
    file.write_text(CONFIG.replace("{token}", "0" * 64) + '[bot]\nknowledge = "knowledge"\n')
    made = assemble(config.load(file, env={}), clock=clock)
    await made.store.open()
    yield Town(made, clock)
    await made.egress.close()
    await made.store.close()


async def test_the_next_answer_is_the_new_one_and_the_conversation_goes_on(town: Town, tmp_path: Path) -> None:
    reloading = Reloading(town.gateway)
    conversation = await town.write("which colour is it")
    (tmp_path / "knowledge" / "a.yaml").write_text(ENTRY.format(color="dark blue"))
    await reloading.look()
    await town.write("no")
    said = [line.text for line in await town.lines(conversation, "outbound")]
    assert "It is red." in said[0]
    assert "colleague" in said[1]  # "no" still answers "did that help?"
    other = await town.write("which colour is it", thread="t2")
    assert "dark blue" in (await town.lines(other, "outbound"))[0].text


async def test_a_mistake_changes_nothing_until_it_is_mended(town: Town, tmp_path: Path) -> None:
    reloading = Reloading(town.gateway)
    before = town.gateway.knowledge
    file = tmp_path / "knowledge" / "a.yaml"
    file.write_text("entries: [{id: color, patterns: [")
    await reloading.look()
    assert town.gateway.knowledge is before
    file.write_text(ENTRY.format(color="green"))
    await reloading.look()
    assert "green" in town.gateway.knowledge.entries["color"].answer["en"].say({})
    changed = town.gateway.knowledge
    await reloading.look()
    assert town.gateway.knowledge is changed
