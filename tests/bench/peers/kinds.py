"""The peers: what is installed for each, and how its server is started with the twenty rules.

Each has a virtual environment of its own; the glue (``with_….py``) is ours. None is given a store for messages, as none
has one for them: what state they keep besides is named by the run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.bench import home
from tests.bench.peers.faq import RULES
from tests.bench.process import ROOT

HERE = Path(__file__).parent
#: Makes the files in a folder for a port, with the environment's folder of programs; the command.
Prepare = Callable[[Path, int, Path], Sequence[str]]


class Missing(Exception):
    """The peer cannot be installed here; the text says why."""


@dataclass(frozen=True)
class Kind:
    """One that is measured. ``form``: how it is asked, see :func:`tests.bench.peers.asks.body`."""

    name: str
    prepare: Prepare
    packages: tuple[str, ...] = ()
    form: str = "plain"
    python: str = ""
    """The version of Python that it needs, where that is another than ours."""

    def install(self, venvs: Path) -> Path:
        """Its programs, installed when they are not yet. Raises :class:`Missing`."""
        if not self.packages:
            return Path(sys.executable).parent
        folder = venvs / self.name
        stamp = folder / "installed"
        if not stamp.exists() or stamp.read_text("utf-8") != " ".join(self.packages):
            _run(_python(self.python), "-m", "venv", "--clear", str(folder))
            _run(str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *self.packages)
            stamp.write_text(" ".join(self.packages), "utf-8")
        return folder / "bin"


def _python(version: str) -> str:
    """An interpreter that runs; pyenv's shims are there without one behind them."""
    if not version:
        return sys.executable
    kept = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for each in (shutil.which(f"python{version}"), *map(str, kept)):
        if each and not subprocess.run([each, "-c", "import venv"], capture_output=True, check=False).returncode:
            return each
    raise Missing(f"needs Python {version}, which is not here")


def _run(*command: str, folder: Path | None = None, told: str = "") -> None:
    own = environment(folder) if folder else None
    done = subprocess.run(command, capture_output=True, text=True, input=told, cwd=folder, env=own, check=False)
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        errors = [line for line in said if "ERROR" in line] or said[-1:] or ["without a word"]
        raise Missing(f"{Path(command[0]).name} failed: {errors[-1][:200]}")


def environment(folder: Path) -> Mapping[str, str]:
    """Whatever it keeps, it keeps in its folder: home and temporary files, too."""
    (folder / "tmp").mkdir(exist_ok=True)
    own = {"HOME": str(folder), "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)}
    return {**os.environ, **own, "RASA_TELEMETRY_ENABLED": "false", "PYTHONDONTWRITEBYTECODE": "1"}


def _limit(folder: Path, port: int, programs: Path) -> Sequence[str]:
    return [sys.executable, "-m", "tests.bench.peers.limit", str(port)]


def _ours(folder: Path, port: int, programs: Path) -> Sequence[str]:
    path = home.furnish(folder, port)
    path.write_text(path.read_text("utf-8") + '\n[bot]\nknowledge = "knowledge"\n', "utf-8")
    (folder / "knowledge").mkdir(exist_ok=True)
    entries = [
        {
            "id": id,
            "patterns": [{"all": [[found[0].lower()]]}],
            "examples": {"en": [question]},
            "strict": False,
            "then": "nothing",
            "answer": {"en": answer},
        }
        for id, pattern, question, answer in RULES
        if (found := re.search(pattern, question, re.IGNORECASE))
    ]
    (folder / "knowledge" / "faq.yaml").write_text(yaml.safe_dump({"entries": entries}), "utf-8")
    return [sys.executable, "-m", "gateway.cli.main", "serve", "--log", "warning", "--config", str(path)]


def _opsdroid(folder: Path, port: int, programs: Path) -> Sequence[str]:
    configuration = {
        "logging": {"level": "warning", "console": True},
        "welcome-message": False,
        "web": {"host": "127.0.0.1", "port": port},
        "parsers": {"regex": {"enabled": True}},
        "connectors": {"door": {"path": str(HERE / "with_opsdroid_door.py")}},
        "skills": {"faq": {"path": str(HERE / "with_opsdroid_skill.py")}},
    }
    (folder / "configuration.yaml").write_text(yaml.safe_dump(configuration), "utf-8")
    return [str(programs / "opsdroid"), "start", "-f", str(folder / "configuration.yaml")]


_ERRBOT = """
BACKEND = "Null"
BOT_DATA_DIR = {data!r}
BOT_EXTRA_PLUGIN_DIR = {plugins!r}
BOT_LOG_FILE = None
BOT_LOG_LEVEL = "WARNING"
BOT_ADMINS = ("nobody",)
CORE_PLUGINS = ("Webserver",)
"""


def _errbot(folder: Path, port: int, programs: Path) -> Sequence[str]:
    data, plugins, config = folder / "data", folder / "plugins", folder / "config.py"
    for each in (data, plugins):
        each.mkdir(exist_ok=True)
    shutil.copy(HERE / "with_errbot.py", plugins / "faq_plugin.py")
    about = "[Core]\nName = Faq\nModule = faq_plugin\n[Python]\nVersion = 3\n[Documentation]\nDescription = FAQ\n"
    (plugins / "faq_plugin.plug").write_text(about, "utf-8")
    config.write_text(_ERRBOT.format(data=str(data), plugins=str(plugins)), "utf-8")
    errbot = [str(programs / "errbot"), "-c", str(config)]
    settings = {"configs": {"Webserver": {"HOST": "127.0.0.1", "PORT": port, "SSL": None}}}
    _run(*errbot, "--storage-merge", "core", folder=folder, told=repr(settings))
    return errbot


def _botbuilder(folder: Path, port: int, programs: Path) -> Sequence[str]:
    return [str(programs / "python"), str(HERE / "with_botbuilder.py"), str(port)]


def _rasa(folder: Path, port: int, programs: Path) -> Sequence[str]:
    names = [id.replace("-", "_") for id, *_ in RULES]
    files = {
        "config.yml": {
            "recipe": "default.v1",
            "language": "en",
            "assistant_id": "faq",
            "pipeline": [{"name": "KeywordIntentClassifier", "case_sensitive": False}],
            "policies": [{"name": "RulePolicy"}],
        },
        "domain.yml": {
            "version": "3.1",
            "intents": names,
            "responses": {f"utter_{name}": [{"text": rule[3]}] for name, rule in zip(names, RULES)},
        },
        "data/nlu.yml": {
            "version": "3.1",
            "nlu": [{"intent": name, "examples": f"- {rule[2].rstrip('?')}\n"} for name, rule in zip(names, RULES)],
        },
        "data/rules.yml": {
            "version": "3.1",
            "rules": [{"rule": name, "steps": [{"intent": name}, {"action": f"utter_{name}"}]} for name in names],
        },
        "credentials.yml": {"rest": None},
    }
    (folder / "data").mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(yaml.safe_dump(content), "utf-8")
    rasa = str(programs / "rasa")
    if not (folder / "models").exists():
        _run(rasa, "train", "--fixed-model-name", "faq", folder=folder)
    return [rasa, "run", "--credentials", "credentials.yml", "--interface", "127.0.0.1", "--port", str(port)]


LIMIT = Kind("bare aiohttp", _limit)
OURS = Kind("allears", _ours, form="window")
#: Needs of theirs that their packages do not name: opsdroid's `pkg_resources`, pytest for Errbot's Null backend.
PEERS = {
    "opsdroid": Kind("opsdroid", _opsdroid, ("opsdroid==0.31.0", "setuptools<80")),
    "errbot": Kind("errbot", _errbot, ("errbot==6.2.1", "pytest", "setuptools<80")),
    "botbuilder": Kind("botbuilder", _botbuilder, ("botbuilder-integration-aiohttp==4.17.1",), form="activity"),
    "rasa": Kind("rasa", _rasa, ("rasa==3.6.21", "setuptools<80"), form="rasa", python="3.10"),
}
