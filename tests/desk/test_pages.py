"""The desk's page: served safely, and written so that nobody's words can become markup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

from gateway.library import read_rules
from gateway.web.labels import CATEGORIES, DEMANDS
from normalizer.record import Demand

FOLDER = Path(__file__).parents[2] / "gateway" / "web" / "static" / "desk"
SCRIPTS = sorted(FOLDER.glob("*.js"))


async def test_page_may_run_only_our_scripts(house: Any) -> None:
    status, page, headers = await house.browser().call("GET", "/desk")
    assert status == 200
    policy = headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(rb"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page)
    for address in re.findall(rb'(?:href|src)="(/[^"]+)"', page):
        assert (await house.browser().call("GET", address.decode()))[0] == 200


def test_every_code_of_the_packaged_rules_has_a_label() -> None:
    missing = set(read_rules(None).categories) - set(CATEGORIES)
    assert not missing, "people must be able to read them: add them to gateway/web/labels.py"
    assert set(get_args(Demand)) == set(DEMANDS)


def test_scripts_never_parse_markup() -> None:
    assert len(SCRIPTS) > 10
    for script in SCRIPTS:
        found = re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|javascript:",
            script.read_text(encoding="utf-8"),
        )
        assert not found, f"{script.name}: {found}"


def test_every_word_has_three_languages() -> None:
    text = (FOLDER / "words.js").read_text(encoding="utf-8")
    table = text[text.index("const WORDS") : text.index("let chosen")]
    entries = re.findall(r'(?m)(?:^|, )\s*"?([\w-]+)"?: \[((?:"(?:[^"\\]|\\.)*",?\s*)+)\]', table)
    assert len(entries) > 250
    for name, words in entries:
        found = re.findall(r'"((?:[^"\\]|\\.)*)"', words)
        assert len(found) == 3, name
        assert len({tuple(sorted(re.findall(r"\{\d\}", word))) for word in found}) == 1, name


def test_every_word_that_is_asked_for_exists() -> None:
    known = set(re.findall(r'(?m)(?:^|, )\s*"?([\w-]+)"?: \["', (FOLDER / "words.js").read_text(encoding="utf-8")))
    for script in SCRIPTS:
        for name in re.findall(r'\bt\("(\w+)"', script.read_text(encoding="utf-8")):
            assert name in known, f"{script.name}: {name}"
