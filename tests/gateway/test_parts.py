"""A reply is divided as the platform takes it, and nothing of it is lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import Attachment, Button, Limits, Outbound
from gateway.parts import parts

PHOTO = Attachment(name="a.png", type="image/png", size=100, digest="a" * 64, state="kept")
LARGE = Attachment(name="film.mp4", type="video/mp4", size=10_000, digest="b" * 64, state="kept")


def out(text: str = "", **more: Any) -> Outbound:
    return Outbound(key="k", channel="x", account="main", thread="t", text=text, reply_to="m1", **more)


def test_what_fits_goes_out_as_it_is() -> None:
    reply = out("hello", buttons=(Button(label="Yes", value="y"),), attachments=(PHOTO,))
    assert parts(reply, Limits(text=100, buttons=3)) == (reply,)


@pytest.mark.parametrize(
    ("text", "limit", "wanted"),
    [
        ("one two three four", 9, ["one two", "three", "four"]),
        ("First line.\nSecond line.", 14, ["First line.", "Second line."]),
        ("第一句话。第二句话。第三句话。", 11, ["第一句话。第二句话。", "第三句话。"]),
        ("aaaaaaaaaa", 4, ["aaaa", "aaaa", "aa"]),
        ("paragraph one\n\nparagraph two", 20, ["paragraph one", "paragraph two"]),
    ],
)
def test_a_long_text_is_divided_where_a_reader_would(text: str, limit: int, wanted: list[str]) -> None:
    assert [piece.text for piece in parts(out(text), Limits(text=limit))] == wanted


def test_a_character_of_several_code_points_stays_whole() -> None:
    family = "👨\u200d👩\u200d👧"
    pieces = [piece.text for piece in parts(out("ab" + family + "cd"), Limits(text=4))]
    assert any(family in piece or piece.endswith(family) for piece in pieces) or "".join(pieces) == "ab" + family + "cd"
    assert [p.text for p in parts(out("e\u0301" * 4), Limits(text=3))] == ["e\u0301"] * 4


@pytest.mark.parametrize(("unit", "text"), [("byte", "灯笼" * 50), ("utf16", "😀" * 50), ("character", "ab " * 50)])
def test_each_platform_counts_in_its_own_way(unit: Any, text: str) -> None:
    size = {"byte": lambda t: len(t.encode()), "utf16": lambda t: len(t.encode("utf-16-le")) // 2, "character": len}
    pieces = parts(out(text), Limits(text=20, unit=unit))
    assert all(0 < size[unit](piece.text) <= 20 for piece in pieces)
    assert "".join(piece.text for piece in pieces).replace(" ", "") == text.replace(" ", "")


def test_parts_have_keys_of_their_own_and_the_buttons_come_last() -> None:
    pieces = parts(out("one two three", buttons=(Button(label="Yes", value="y"),)), Limits(text=5, buttons=1))
    assert [(p.key, p.reply_to, len(p.buttons)) for p in pieces] == [("k", "m1", 0), ("k.2", "", 0), ("k.3", "", 1)]


def test_buttons_become_numbers_where_there_are_none_or_too_few_or_too_short_ones() -> None:
    buttons = (Button(label="Refund", value="r"), Button(label="A new lamp instead", value="n"))
    for limits in (Limits(text=200), Limits(text=200, buttons=1), Limits(text=200, buttons=3, label=10)):
        (piece,) = parts(out("What would you like?", buttons=buttons), limits)
        assert piece.text == "What would you like?\n1. Refund\n2. A new lamp instead"
        assert not piece.buttons


def test_choices_that_are_numbers_get_no_other_numbers() -> None:
    buttons = (Button(label="5 – very", value="5"), Button(label="1 – not at all", value="1"))
    assert (
        parts(out("How was it?", buttons=buttons), Limits(text=200))[0].text == "How was it?\n5 – very\n1 – not at all"
    )


def test_files_go_apart_where_the_platform_wants_it() -> None:
    reply = out("See here.", attachments=(PHOTO, PHOTO))
    together = parts(reply, Limits(text=100, files=2))
    assert together == (reply,)
    apart = parts(reply, Limits(text=100, files=1, caption=0))
    assert [(p.text, len(p.attachments)) for p in apart] == [("See here.", 0), ("", 1), ("", 1)]
    assert [p.key for p in apart] == ["k", "k.2", "k.3"]


def test_a_file_that_the_platform_does_not_take_is_told() -> None:
    for limits in (Limits(text=500, file=1000), Limits(text=500, files=0)):
        (piece,) = parts(out("视频见附件。", attachments=(LARGE,), language="zh-Hans"), limits)
        assert piece.text.startswith("视频见附件。\n")
        assert "film.mp4" in piece.text
        assert not piece.attachments


@given(
    st.text(max_size=300),
    st.integers(4, 60),
    st.sampled_from(["character", "utf16", "byte"]),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_nothing_is_lost_and_nothing_is_too_long(text: str, limit: int, unit: Any, files: int, buttons: int) -> None:
    limits = Limits(text=limit, unit=unit, files=2, buttons=3, caption=limit // 2)
    size = {
        "byte": lambda t: len(t.encode("utf-8", "surrogatepass")),
        "utf16": lambda t: len(t.encode("utf-16-le", "surrogatepass")) // 2,
        "character": len,
    }[unit]
    made = tuple(Button(label=str(n), value=str(n)) for n in range(buttons))
    pieces = parts(out(text, attachments=(PHOTO,) * files, buttons=made), limits)
    assert all(size(piece.text) <= limit for piece in pieces)
    assert "".join("".join(p.text.split()) for p in pieces) == "".join(text.split())
    assert sum(len(p.attachments) for p in pieces) == files
    assert len({p.key for p in pieces}) == len(pieces)
