"""Pages and files: found, kept for ever, never outside the folder."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.web import static

#: One gateway and one loop for the module.
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def fetch(house: Any, path: str, **headers: str) -> tuple[int, bytes, Any]:
    async with house.session.get(house.url + path, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers


@pytest.mark.parametrize("page", ["/", "/widget?site=lantern"])
async def test_every_file_that_a_page_names_is_there(house: Any, page: str) -> None:
    status, body, _ = await fetch(house, page)
    assert status == 200
    named = set(re.findall(r'(?:src|href)="(/static/[^"]+|/widget\.js)"', body.decode()))
    assert len(named) >= 3
    for path in named:
        status, content, headers = await fetch(house, path)
        assert status == 200, path
        if path.startswith("/static/"):
            assert "immutable" in headers["Cache-Control"]
        base = path.rpartition("/")[0]
        for module in re.findall(r'from "\./([a-z]+\.js)"', content.decode(errors="replace")):
            assert (await fetch(house, f"{base}/{module}"))[0] == 200, module


async def test_a_file_is_not_sent_twice(house: Any) -> None:
    _, _, headers = await fetch(house, "/widget.js")
    status, body, _ = await fetch(house, "/widget.js", **{"If-None-Match": headers["ETag"]})
    assert (status, body) == (304, b"")


async def test_another_build_is_not_kept(house: Any) -> None:
    status, _, headers = await fetch(house, "/static/000000000000/chat/app.js")
    assert (status, headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "path",
    ["../../app.py", "..%2f..%2fapp.py", "chat/../../../context.py", "chat/index.html", "chat", "%00", "chat//app.js"],
)
async def test_only_files_of_the_folder(house: Any, path: str) -> None:
    status, body, _ = await fetch(house, f"/static/{static.build()}/{path}")
    assert status == 404
    assert b"import" not in body


async def test_no_page_has_inline_script_or_style() -> None:
    for name, file in static.files().items():
        if name.endswith(".html") and not name.startswith("desk/"):
            text = file.body.decode()
            assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", text), name


async def test_no_script_parses_text_as_html() -> None:
    for name, file in static.files().items():
        if name.endswith(".js") and not name.startswith("desk/"):
            assert not re.search(
                rb"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", file.body
            ), name


async def test_the_texts_are_the_same_in_all_languages() -> None:
    text = static.files()["chat/texts.js"].body.decode()
    tables = re.findall(r"const (EN|HANS|HANT) = \{(.*?)\n\};", text, re.DOTALL)
    keys = [re.findall(r"^  (\w+):", body, re.MULTILINE) for _, body in tables]
    assert len(keys) == 3
    assert keys[0] == keys[1] == keys[2]
