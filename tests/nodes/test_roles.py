"""What each role does, and that the roles of several nodes make a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import config
from gateway.cli.main import main
from tests.nodes.town import SECRET, Town


async def test_three_nodes_make_a_whole(town: Town) -> None:
    web = await town.node("web", "--roles", "web").ready()
    await web.write("How long does delivery take?", id="one")
    assert [row.state for row in await town.inbox()] == ["open"], "accepted and stored, though nobody works on it yet"
    flow = await town.node("flow", "--roles", "flow").ready()
    await town.worked_on(1)
    assert {row.state for row in await town.outbox()} == {"waiting"}, "decided, though nobody sends yet"
    assert (await flow.get("/"))[0] == 404
    assert (await flow.get("/healthz"))[0] == 200
    assert (await flow.get("/metrics"))[0] == 200
    await town.node("channels", "--roles", "channels").ready()
    await town.all_said()
    assert {row.state for row in await town.outbox()} == {"sent"}
    assert await town.store.nodes() == 4, "three, and the test's own"


async def test_nodes_that_start_together_on_an_empty_database(town: Town) -> None:
    nodes = [town.node(name) for name in ("one", "two")]
    for node in nodes:
        await node.ready()
    assert [agent.login for agent in await town.store.agents()] == ["admin"]


def test_an_unknown_role_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "allears.toml"
    file.write_text(f'secret = "{SECRET}"\n[node]\nroles = ["web", "wob"]\n')
    assert main(["serve", "--config", str(file)]) == 1
    assert "`wob` is no role; there are web, flow, channels, transcribe" in capsys.readouterr().err
    file.write_text(f'secret = "{SECRET}"\n')
    assert main(["serve", "--config", str(file), "--roles", "flow,web,speech"]) == 1
    assert "`speech` is no role" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "told"), [(("--roles", "web"), "everything"), (("--processes", "2"), "one process")])
def test_sqlite_is_one_process_with_every_role(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, str], told: str
) -> None:
    file = tmp_path / "allears.toml"
    file.write_text(f'secret = "{SECRET}"\n')
    assert main(["serve", "--config", str(file), *words]) == 1
    said = capsys.readouterr().err
    assert "PostgreSQL" in said
    assert told in said


def test_roles_come_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "allears.toml"
    file.write_text(f'secret = "{SECRET}"\n')
    loaded = config.load(file, {"ALLEARS_NODE__ROLES": '["web"]'})
    assert loaded.config.node.roles == ("web",)
