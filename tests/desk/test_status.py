"""A customer sees how their case stands, and only theirs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.desk import people
from gateway.status_link import status_code, status_url
from gateway.web import status

KEY = "key-00000001"


async def _case(house: Any, text: str = "", **more: Any) -> tuple[str, str, str]:
    """(conversation, number, path of the status page)."""
    conversation = await (house.heard(text, **more) if text else house.heard(**more))
    number = (await house.gateway.store.conversation(conversation)).number
    return conversation, number, status_url(house.gateway, number).split(":0", 1)[1]


async def _page(house: Any, path: str, language: str = "en") -> tuple[int, str, Any]:
    code, body, headers = await house.browser().call(
        "GET", path, headers={"Accept": "text/html", "Accept-Language": language}
    )
    return code, body.decode(), headers


async def test_link_shows_the_case(house: Any) -> None:
    _, number, path = await _case(house)
    code, page, headers = await _page(house, path)
    assert code == 200
    for words in (
        number,
        "with our team",
        "20261102003317",
        "refund",
        "We received your message",
        "Handed to a person",
    ):
        assert words in page
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in headers["X-Robots-Tag"]
    assert "script-src" not in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "<script" not in page


async def test_numbers_cannot_be_found_out(house: Any) -> None:
    """A wrong code for a real number, any code for no number, and nonsense: one and the same answer."""
    _, number, path = await _case(house)
    _, other, other_path = await _case(house, thread="t2")
    assert number != other
    code = path.partition("?k=")[2]
    wrong = [
        f"/status/{number}",
        f"/status/{number}?k=",
        f"/status/{number}?k={'a' * 26}",
        f"/status/{number}?k={code[:-1]}",
        f"/status/{number}?k={code.upper()}",
        f"/status/{number}?k={other_path.partition('?k=')[2]}",
        f"/status/261122-AAAAA-BBBBB?k={code}",
        f"/status/261122-AAAAA-BBBBB?k={status_code(house.gateway.keys, '261122-AAAAA-BBBBB')}",
        f"/status/..%2Fx?k={code}",
        f"/status/%00{number}?k={code}",
        f"/status/{number}?k=%F0%9F%98%80",
    ]
    answers = [await _page(house, path) for path in wrong]
    assert {(code, page) for code, page, _ in answers} == {(404, answers[0][1])}
    headers = [{k: v for k, v in h.items() if k not in ("Date", "Content-Length")} for _, _, h in answers]
    assert all(h == headers[0] for h in headers)
    assert number not in answers[0][1]


async def test_guessing_is_throttled_by_address(house: Any) -> None:
    _, number, path = await _case(house)
    for n in range(status.MISSES):
        assert (await _page(house, f"/status/{number}?k={n:026d}"))[0] == 404
    assert (await _page(house, path))[0] == 429
    house.clock.go(minutes=10, seconds=1)
    assert (await _page(house, path))[0] == 200


async def test_looking_often_with_the_right_code_is_no_guessing(house: Any) -> None:
    _, _, path = await _case(house)
    assert {(await _page(house, path))[0] for _ in range(status.MISSES + 5)} == {200}


async def test_form_leads_to_the_page_whatever_way_it_is_typed(house: Any) -> None:
    _, number, path = await _case(house)
    code = path.partition("?k=")[2]
    full_width = "".join(chr(ord(c) + 0xFEE0) for c in number)
    for typed in (number, f" {number.lower()} ", full_width):
        answer, _, headers = await house.browser().call(
            "GET", "/status", params={"number": typed, "k": f" {code.upper()}"}
        )
        assert (answer, headers["Location"]) == (303, path)
    assert (await _page(house, "/status"))[0] == 200


async def test_nobodys_words_become_markup(house: Any) -> None:
    conversation, _, path = await _case(
        house,
        "<script>alert(1)</script> order <b>20261102003317</b> broke, I want a refund, let me talk to a human",
        name="<img src=x onerror=alert(1)>",
    )
    agent = await house.agent("mei")
    await house.gateway.store.put_agent(msgspec.structs.replace(agent, name="<b>Mei</b>"))
    browser = house.browser()
    await browser.follow(await people.new_login_link(house.gateway, agent.id))
    await browser.act(conversation, "claim")
    _, page, _ = await _page(house, path)
    assert "&lt;b&gt;Mei&lt;/b&gt; is looking after your case" in page
    for markup in ("<script", "<img", "<b>"):
        assert markup not in page


async def test_page_holds_no_ones_messages_notes_or_contacts(house: Any) -> None:
    text = "My phone is 13812345678, order 20261102003317 arrived broken, refund me. I want to speak to a human"
    conversation, _, path = await _case(house, text)
    mei = await house.enter("mei")
    fence = (await mei.act(conversation, "claim"))[1]["fence"]
    await mei.act(conversation, "note", key=KEY, text="difficult customer")
    await mei.act(conversation, "reply", fence=fence, key=KEY, text="a private answer")
    body = {"fence": fence, "key": "key-00000002", "disposition": "not_solved", "outcome": "internal outcome"}
    assert (await mei.act(conversation, "close", **body))[0] == 200
    _, page, _ = await _page(house, path)
    assert "Your case is closed." in page
    assert "Case closed" in page
    for hidden in ("13812345678", "difficult customer", "a private answer", "arrived broken", "internal outcome"):
        assert hidden not in page


@pytest.mark.parametrize(
    ("asked", "words"), [("zh-CN,zh;q=0.9", "查询码"), ("zh-TW", "查詢碼"), ("fr", "Code"), ("en", "Code")]
)
async def test_form_speaks_the_browsers_language(house: Any, asked: str, words: str) -> None:
    _, page, _ = await _page(house, "/status", asked)
    assert words in page


async def test_case_speaks_the_customers_language_until_another_is_chosen(house: Any) -> None:
    _, _, path = await _case(house, "你们的快递把东西摔坏了，订单号20261102003317，我要退款，转人工", thread="zh")
    assert "您的投诉已转交人工" in (await _page(house, path, "en"))[1]
    assert "您的投訴已轉交人工" in (await _page(house, path + "&lang=zh-Hant", "en"))[1]
    assert "with our team" in (await _page(house, path + "&lang=en", "zh"))[1]
