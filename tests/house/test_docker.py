"""The image and the compose file, read: no engine is needed to see that they keep what ``docker/README.md`` says."""

from __future__ import annotations

import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import ENV_PREFIX, Config, convert, overlay
from gateway.serve import GRACE

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
INSTRUCTIONS = set(
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL RUN STOPSIGNAL USER VOLUME WORKDIR".split()
)


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, with their words."""
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    found: list[list[tuple[str, str]]] = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        instruction, _, words = line.strip().partition(" ")
        if instruction == "FROM":
            found.append([])
        found[-1].append((instruction, " ".join(words.split())))
    return found


def words(stage: list[tuple[str, str]], instruction: str) -> list[str]:
    return [rest for name, rest in stage if name == instruction]


def copies() -> list[str]:
    """What the build takes from the repository, in its order."""
    return [source for copy in words(stages()[0], "COPY") for source in copy.split()[:-1]]


def service() -> dict[str, Any]:
    compose = yaml.safe_load((DOCKER / "compose.yml").read_text(encoding="utf-8"))
    assert set(compose) == {"name", "services", "volumes"}
    one: dict[str, Any] = compose["services"]["allears"]
    return one


def test_only_known_instructions() -> None:
    assert {name for stage in stages() for name, _ in stage} <= INSTRUCTIONS


def test_two_stages_of_one_named_version() -> None:
    images = [words(stage, "FROM")[0].split()[0] for stage in stages()]
    assert len(images) == 2
    assert len(set(images)) == 1
    assert re.fullmatch(r"python:3\.\d+-slim", images[0])
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=3.")
    assert int(images[0].split(".")[1].split("-")[0]) >= int(oldest)


def test_libraries_are_installed_by_their_hashes_before_the_source_is_there() -> None:
    first = copies()
    locks = ["requirements-build.lock", "requirements.lock"]  # the others are for tests
    assert first[: len(locks)] == locks, "else every change of the source installs all libraries again"
    runs = [run for run in words(stages()[0], "RUN") if "pip install" in run]
    *locked, source = [part for run in runs for part in run.split(" && ") if "pip install" in part]
    assert len(locked) == len(locks)
    for install, lock in zip(locked, locks, strict=True):
        assert "--require-hashes" in install
        assert "--only-binary :all:" in install
        assert install.endswith(f"-r {lock}")
    assert "--no-deps" in source


def test_what_is_copied_exists_and_is_all_of_it() -> None:
    assert not [source for source in copies() if not (ROOT / source).exists()]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= set(copies())
    assert project["project"]["readme"] in copies()


def test_the_builder_gets_what_is_copied_and_no_secrets() -> None:
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    assert rules[0] == "*"
    assert let_in == set(copies())
    assert not [name for name in (".venv", ".git", "var", "data") if any(fnmatch(name, rule) for rule in let_in)]


def test_it_runs_without_rights_and_without_pip_caches() -> None:
    last = stages()[-1]
    user = words(last, "USER")[-1]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user), "a number, so that an orchestrator can see it is not root"
    after = last[[name for name, _ in last].index("USER") :]
    assert not [name for name, _ in after if name in ("RUN", "COPY", "ADD")]
    assert "apt-get" not in " ".join(rest for stage in stages() for _, rest in stage)


def test_one_volume_that_its_user_owns() -> None:
    last = stages()[-1]
    assert words(last, "VOLUME") == ["/data"]
    assert any("install -d -o allears -g allears" in run and "/data" in run for run in words(last, "RUN"))


def test_health_is_asked_where_the_gateway_listens() -> None:
    last = stages()[-1]
    check = words(last, "HEALTHCHECK")[0]
    command = json.loads(check.partition("CMD ")[2])
    port = words(last, "EXPOSE")[0]
    assert f"127.0.0.1:{port}/healthz" in command[-1]
    compile(command[-1], "healthcheck", "exec")
    environment = dict(pair.split("=", 1) for pair in words(last, "ENV")[0].split())
    assert environment["ALLEARS_LISTEN"].endswith(f":{port}")


def test_signals_reach_the_gateway() -> None:
    last = stages()[-1]
    assert json.loads(words(last, "ENTRYPOINT")[0]) == ["allears"]
    assert json.loads(words(last, "CMD")[0])[0] == "serve"


#: Where not any word will do.
_VALUES = {"ALLEARS_TRUST_PROXY": "true", "ALLEARS_REDIS__URL": "redis://redis:6379/0"}


@pytest.mark.parametrize("file", ["Dockerfile", "compose.yml", "compose.scaled.yml", "kubernetes/allears.yaml"])
def test_environment_variables_are_settings(file: str) -> None:
    named = set(re.findall(rf"\b{ENV_PREFIX}[A-Z_]+", (DOCKER / file).read_text()))
    named |= set(re.findall(rf"\b{ENV_PREFIX}[A-Z_]+", (DOCKER / "README.md").read_text()))
    tree: dict[str, Any] = {}
    overlay(tree, {name: _VALUES.get(name, "x") for name in named})
    convert(tree, Config)


def test_compose_gives_it_nothing_it_does_not_need() -> None:
    one = service()
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert [line.partition(":")[0] for line in one["tmpfs"]] == ["/tmp"]
    assert not {"privileged", "network_mode", "user", "pid", "cap_add"} & set(one)
    assert one["volumes"] == ["data:/data"]


def test_compose_is_open_to_this_machine_alone() -> None:
    assert all(port.startswith("127.0.0.1:") for port in service()["ports"])


def test_versions_are_named() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert service()["image"] == f"allears:{version}"
    files = [path for path in DOCKER.rglob("*") if path.is_file()]
    assert not [path for path in files if ":latest" in path.read_text(encoding="utf-8")]


def test_compose_builds_from_the_repository() -> None:
    build = service()["build"]
    assert (DOCKER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).exists()


def test_a_stop_has_time_to_end_well() -> None:
    assert int(service()["stop_grace_period"].rstrip("s")) > GRACE
