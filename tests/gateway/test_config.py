"""Mistakes in the configuration are named with file, line and key; nothing is silently ignored."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from channels.base import Secret
from gateway import config
from gateway.cli.init import fill
from gateway.config import ConfigError

SECRET = "s" * 40
GOOD = f'secret = "{SECRET}"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "allears.toml"
    path.write_text(text, encoding="utf-8")
    return path


def read_all(path: Path) -> None:
    loaded = config.load(path, env={})
    list(config.channel_settings(loaded))
    list(config.sink_settings(loaded))


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        (GOOD + "[company]\nname = 5\n", 3, "company.name"),
        (GOOD + "\n[company]\nnaem = 'x'\n", 4, "company.naem"),
        (GOOD + "[desk]\nlease_minutes = 0\n", 3, "desk.lease_minutes"),
        (GOOD + "[outbox\n", 2, ""),
        (GOOD + "[redis]\nurl = 'redis://:word@a,b'\n", 2, "redis"),
        ("\n\nsecret = 'short'\n", 3, "secret"),
        (GOOD + "[channels.pigeon.main]\n", 2, "channels.pigeon"),
        (GOOD + "[channels.webchat.shop]\nsite_key = 'x'\n", 3, "channels.webchat.shop.site_key"),
        (GOOD + "[sinks.tickets]\nkind = 'fax'\n", 2, "sinks.tickets"),
    ],
)
def test_a_mistake_is_found_where_it_is(tmp_path: Path, text: str, line: int, key: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_all(path)
    assert (caught.value.file, caught.value.line) == (str(path), line)
    assert caught.value.key == key


def test_without_a_secret_nothing_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="allears init"):
        config.load(write(tmp_path, ""), env={})


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="allears init"):
        config.load(tmp_path / "none.toml", env={})


def test_environment_variables_lie_on_top(tmp_path: Path) -> None:
    env = {
        "ALLEARS_SECRET": SECRET,
        "ALLEARS_COMPANY__NAME": "灯笼商店",
        "ALLEARS_OUTBOX__PARALLEL": "7",
        "ALLEARS_EGRESS__ALLOW": '["10.0.0.0/8"]',
        "OTHER": "x",
    }
    loaded = config.load(write(tmp_path, "[company]\nname = 'x'\n"), env=env)
    assert loaded.config.company.name == "灯笼商店"
    assert loaded.config.outbox.parallel == 7
    assert loaded.config.egress.allow == ("10.0.0.0/8",)


def test_a_variable_that_fits_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ALLEARS_COMPANY__NAME__X"):
        config.load(write(tmp_path, GOOD + "[company]\nname = 'x'\n"), env={"ALLEARS_COMPANY__NAME__X": "1"})


def test_the_sample_is_a_working_configuration(tmp_path: Path) -> None:
    text = fill(files("gateway").joinpath("sample.toml").read_text("utf-8"), "aat_token")
    loaded = config.load(write(tmp_path, text), env={})
    assert [(name, account) for name, account, _ in config.channel_settings(loaded)] == [
        ("webchat", "shop"),
        ("api", "main"),
    ]
    assert [(name, kind) for name, kind, _ in config.sink_settings(loaded)] == [("file", "jsonl")]
    assert loaded.data == tmp_path / "data"


def test_two_installations_never_share_a_secret() -> None:
    template = files("gateway").joinpath("sample.toml").read_text("utf-8")
    assert fill(template, "t") != fill(template, "t")


def test_a_secret_does_not_show_itself() -> None:
    assert SECRET not in repr(Secret(SECRET))
    assert SECRET not in repr({"token": Secret(SECRET)})


def test_the_company_may_have_a_name_for_each_language() -> None:
    company = config.CompanySettings(name={"en": "Lantern Shop", "zh-Hans": "灯笼小店"})
    assert [company.called(language) for language in ("en", "zh-Hans", "zh-Hant", "fr", "")] == [
        "Lantern Shop",
        "灯笼小店",
        "灯笼小店",
        "Lantern Shop",
        "Lantern Shop",
    ]
