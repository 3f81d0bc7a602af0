"""The files for the scaled set-up: they are what their programs read, and name what there is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gateway.config import ROLES, Config, convert
from gateway.metrics import Metrics
from gateway.serve import GRACE

DOCKER = Path(__file__).parents[2] / "docker"
KUBERNETES = "1.33"


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DOCKER / "kubernetes/allears.yaml").read_text(encoding="utf-8")))


def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DOCKER / "compose.scaled.yml").read_text(encoding="utf-8"))
    return read


def deployments() -> dict[str, dict[str, Any]]:
    return {m["metadata"]["name"]: m["spec"]["template"]["spec"] for m in manifests() if m["kind"] == "Deployment"}


def roles(command: list[str]) -> list[str]:
    return str(command[command.index("--roles") + 1]).split(",")


@pytest.mark.parametrize("manifest", manifests(), ids=lambda m: f"{m['kind']} {m['metadata']['name']}")
def test_a_manifest_is_what_kubernetes_reads(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_every_role_has_its_nodes() -> None:
    for commands in (
        [pod["containers"][0]["args"] for pod in deployments().values()],
        [compose()["services"][name]["command"] for name in ("web", "worker", "hearing")],
    ):
        assert sorted(role for command in commands for role in roles(command)) == sorted(ROLES)


def test_the_configuration_in_the_manifest_is_one() -> None:
    (config,) = [m for m in manifests() if m["kind"] == "ConfigMap"]
    read = convert(tomllib.loads(config["data"]["allears.toml"]), Config)
    assert read.files.bucket, "pods share no disk"
    for pod in deployments().values():
        assert pod["terminationGracePeriodSeconds"] > read.node.drain_seconds + GRACE


def test_pods_have_no_rights() -> None:
    for pod in deployments().values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        (container,) = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {m["mountPath"] for m in container["volumeMounts"]} >= {"/data", "/tmp"}


def test_no_secret_stands_in_the_files() -> None:
    for path in (DOCKER / "kubernetes/allears.yaml", DOCKER / "compose.scaled.yml"):
        assert not re.search(r"(?i)(password|secret|token)\S*\s*[:=]\s*[\"']?[A-Za-z0-9+/]{16,}", path.read_text())


def test_nodes_in_containers_have_no_rights() -> None:
    services = compose()["services"]
    for name in ("web", "worker", "hearing"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]
        assert "ports" not in services[name]
    assert services["proxy"]["ports"] == ["127.0.0.1:8080:8080"]
    assert "/control/" in (DOCKER / "nginx.conf").read_text()


def known_metrics() -> set[str]:
    metrics = Metrics()
    for metric in (
        metrics.accepted,
        metrics.duplicates,
        metrics.bad_signatures,
        metrics.quarantined,
        metrics.reconnects,
    ):
        metric.labels(channel="api").inc()
    metrics.sends.labels(destination="x", state="sent").inc()
    metrics.handed_off.labels(reason="x").inc()
    metrics.ingest_lag.labels(channel="api").observe(1)
    names = set(re.findall(r"^# TYPE (\S+)", metrics.exposition().decode(), re.M))
    return names | {f"{name}{end}" for name in names for end in ("_bucket", "_sum", "_count", "_total")}


@pytest.mark.parametrize("file", ["prometheus/alerts.yml", "grafana/allears.json"])
def test_every_metric_that_is_named_exists(file: str) -> None:
    named = set(re.findall(r"\ballears_\w+", (DOCKER / file).read_text(encoding="utf-8")))
    assert named
    assert named <= known_metrics()


def test_the_dashboard_has_a_place_for_everything() -> None:
    board = json.loads((DOCKER / "grafana/allears.json").read_text(encoding="utf-8"))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not own & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        assert panel["description"]
        taken |= own


def test_the_alarms_go_off_when_they_should() -> None:
    program = shutil.which("promtool")
    if program is None:
        reason = "promtool is not installed (Debian: prometheus)"
        if os.environ.get("REQUIRE_TEST_SERVERS"):
            pytest.fail(reason)
        pytest.skip(reason)
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run(
            [program, *command], cwd=DOCKER / "prometheus", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
