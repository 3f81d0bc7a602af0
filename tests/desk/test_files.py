"""Files at the desk: kept, named honestly, and never run by a browser."""

from __future__ import annotations

from typing import Any

import pytest

from channels.base import Attachment

KEY = "key-00000001"
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82"
)
PAGE = b"<!doctype html><script>alert(document.cookie)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


async def _file(house: Any, mei: Any, conversation: str) -> tuple[dict[str, Any], str]:
    """The customer's file and its address."""
    entries = (await mei.get(f"conversations/{conversation}"))[1]["entries"]
    entry = next(entry for entry in entries if entry.get("attachments"))
    file = entry["attachments"][0]
    return file, f"/desk/api/conversations/{conversation}/files/{entry['seq']}/{file['digest']}"


@pytest.mark.parametrize(
    ("name", "claimed", "data", "served"),
    [
        ("photo.png", "image/png", PNG, "image/png"),
        ("photo.png", "image/png", PAGE, "application/octet-stream"),
        ("page.html", "text/html", PAGE, "application/octet-stream"),
        ("drawing.svg", "image/svg+xml", SVG, "application/octet-stream"),
        ('<img src=x>"\r\nX: y.png', "image/png", PNG, "image/png"),
    ],
)
async def test_downloads_are_never_run(house: Any, name: str, claimed: str, data: bytes, served: str) -> None:
    conversation = await house.heard(attachments=(Attachment(name=name, type=claimed, data=data),))
    mei = await house.enter("mei")
    _, url = await _file(house, mei, conversation)
    status, body, headers = await mei.call("GET", url)
    assert (status, body) == (200, data)
    assert headers["Content-Type"] == served
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''")
    assert "sandbox" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "X" not in headers


async def test_only_files_of_the_line_itself_are_served(house: Any) -> None:
    conversation = await house.heard(attachments=(Attachment(name="photo.png", type="image/png", data=PNG),))
    other = await house.heard(thread="t2")
    mei = await house.enter("mei")
    file, url = await _file(house, mei, conversation)
    for wrong in (
        url.replace(conversation, other),
        url.replace(file["digest"], "0" * 64),
        url.replace(file["digest"], "..%2f..%2fallears.db"),
        url.replace("/files/1/", "/files/2/"),
        url.replace("/files/1/", "/files/-1/"),
        url.replace("/files/1/", "/files/99999999999999999999/"),
    ):
        assert (await mei.call("GET", wrong))[0] == 404
    assert (await house.browser().call("GET", url))[0] == 401


async def test_agents_file_reaches_the_customer(house: Any) -> None:
    conversation = await house.heard()
    mei = await house.enter("mei")
    fence = (await mei.act(conversation, "claim"))[1]["fence"]
    status, kept, _ = await mei.call(
        "POST", f"/desk/api/conversations/{conversation}/files?name=..%2F..%2Flabel.png", data=PNG
    )
    assert (status, kept["name"], kept["type"], kept["size"]) == (200, "label.png", "image/png", len(PNG))
    assert (await mei.act(conversation, "reply", fence=fence, key=KEY, text="", files=[kept]))[0] == 200

    async def arrived() -> bool:
        entries = await house.gateway.store.timeline(conversation, visible_only=True)
        return any(a.digest == kept["digest"] for e in entries if e.kind == "outbound" for a in e.attachments)

    await house.until(arrived)


async def test_only_what_was_uploaded_here_can_be_sent(house: Any) -> None:
    conversation, other = await house.heard(), await house.heard(thread="t2")
    mei, bob = await house.enter("mei"), await house.enter("bob")
    fence = (await mei.act(conversation, "claim"))[1]["fence"]
    _, kept, _ = await mei.call("POST", f"/desk/api/conversations/{conversation}/files?name=a.png", data=PNG)
    _, elsewhere, _ = await mei.call("POST", f"/desk/api/conversations/{other}/files?name=a.png", data=PNG)
    _, bobs, _ = await bob.call("POST", f"/desk/api/conversations/{conversation}/files?name=a.png", data=PNG)
    for forged in (kept | {"digest": "0" * 64}, kept | {"type": "text/html"}, kept | {"tag": "x"}, elsewhere, bobs):
        status, body = await mei.act(conversation, "reply", fence=fence, key=KEY, text="", files=[forged])
        assert (status, body["code"]) == (422, "file")


async def test_too_large_and_too_many_files_are_refused(house: Any) -> None:
    conversation = await house.heard()
    mei = await house.enter("mei")
    fence = (await mei.act(conversation, "claim"))[1]["fence"]
    url = f"/desk/api/conversations/{conversation}/files?name=a.bin"
    limits = house.gateway.config.limits
    assert (await mei.call("POST", url, data=b"x" * (limits.file + 1)))[0] == 413
    assert (await mei.call("POST", url, data=b""))[0] == 422
    _, kept, _ = await mei.call("POST", url, data=PNG)
    files = [kept] * (limits.files + 1)
    assert (await mei.act(conversation, "reply", fence=fence, key=KEY, text="", files=files))[0] == 422
