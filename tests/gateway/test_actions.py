"""Actions in a company's own system: a real server that is asked, down, slow, repeats, refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.decision import ActionResult
from channels import _standard_webhooks as webhooks
from channels.base import Secret
from gateway import config
from gateway.action_calls import report
from gateway.app import assemble
from gateway.desk import approvals
from gateway.desk.actions import DeskError
from gateway.store.base import BOT, NOBODY, Agent
from tests.gateway.conftest import CONFIG, Clock, Town
from tests.ports import free_port

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
AGENT = Agent(id="a1", login="li", name="Li", role="agent")

KNOWLEDGE = """
actions:
  order-state:
    system: shop
    effect: read
    send: [order_number]
    returns: [state]
  refund:
    system: shop
    effect: money
    send: [order_number, amount]
    amount: amount
    limit: 100 CNY
    confirm: {en: "Refund {amount} for order {order_number}?", zh-Hans: "为订单 {order_number} 退款 {amount}，确认吗？"}
    refused: {en: "The system did not accept it."}
entries:
  - id: track
    title: {en: Track an order, zh-Hans: 查订单}
    action: order-state
    patterns: [{any: [track order, 查订单]}]
    examples: {en: [track order please, track order now], zh-Hans: [查订单]}
    slots:
      - {name: order_number, type: order_number, ask: {en: "Which order?", zh-Hans: "哪个订单？"}}
    answer: {en: "Order {order_number} is {state}.", zh-Hans: "订单 {order_number}：{state}。"}
  - id: money-back
    title: {en: Refund an order, zh-Hans: 退款}
    action: refund
    patterns: [{any: [pay me back, 给我退款]}]
    examples: {en: [pay me back please, pay me back 80 yuan for order 12345678], zh-Hans: [请给我退款]}
    slots:
      - {name: order_number, type: order_number, ask: {en: "Which order?", zh-Hans: "哪个订单？"}}
      - {name: amount, type: amount, ask: {en: "How much?", zh-Hans: "多少钱？"}}
    answer: {en: "Refunded {amount} for order {order_number}.", zh-Hans: "订单 {order_number} 已退 {amount}。"}
"""


class Company:
    """The company's system: keeps what it was asked, answers a repeat as before."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.done: dict[str, dict[str, Any]] = {}
        self.answer: Callable[[], web.Response] | None = None
        self.wait: asyncio.Event | None = None

    async def act(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        key = webhooks.verify([Secret(SECRET)], headers, body, at)
        self.asked.append((key, msgspec.json.decode(body)))
        if self.wait is not None:
            await self.wait.wait()
        if self.answer is not None:
            return self.answer()
        self.done.setdefault(key, {"values": {"state": "on its way"}})
        return web.json_response(self.done[key])


@pytest.fixture
async def company() -> AsyncIterator[tuple[Company, TestServer]]:
    made = Company()
    app = web.Application()
    app.router.add_post("/actions", made.act)
    server = TestServer(app)
    async with server:
        yield made, server
        if made.wait is not None:
            made.wait.set()


@pytest.fixture
async def shop(company: tuple[Company, TestServer], tmp_path: Path, clock: Clock) -> AsyncIterator[Town]:
    """A gateway with the knowledge above and the company's address."""
    async with Opened(tmp_path, clock, str(company[1].make_url("/actions"))) as town:
        yield town


class Opened:
    """A gateway with the knowledge above, whose system stands at ``url``."""

    def __init__(self, folder: Path, clock: Clock, url: str) -> None:
        (folder / "knowledge").mkdir(exist_ok=True)
        (folder / "knowledge" / "shop.yaml").write_text(KNOWLEDGE, encoding="utf-8")
        settings = (
            f'[bot]\nknowledge = "knowledge"\n[systems.shop]\nurl = "{url}"\nsecret = "{SECRET}"\n'
            "timeout = 0.3\ngive_up_after = 30\n"
        )
        file = folder / "allears.toml"
        file.write_text(CONFIG.replace("{token}", "0" * 64) + settings)
        self._made = assemble(config.load(file, env={}), clock=clock)
        self._clock = clock

    async def __aenter__(self) -> Town:
        await self._made.store.open()
        return Town(self._made, self._clock)

    async def __aexit__(self, *_: object) -> None:
        await self._made.egress.close()
        await self._made.store.close()


async def said(town: Town, conversation: str) -> list[str]:
    return [line.text for line in await town.lines(conversation, "outbound")]


async def test_what_only_looks_is_done_at_once_and_the_answer_has_its_values(
    shop: Town, company: tuple[Company, TestServer]
) -> None:
    conversation = await shop.write("track order 20261120001234 please")
    await shop.work()
    texts = await said(shop, conversation)
    assert any("Order 20261120001234 is on its way." in text for text in texts)
    [(key, body)] = company[0].asked
    assert body["type"] == "action.requested"
    assert body["data"]["action"] == "order-state"
    assert body["data"]["values"] == {"order_number": "20261120001234"}
    assert body["data"]["customer"] == "t"
    assert key == f"{conversation}-{body['id']}"


async def test_money_goes_out_only_after_the_customers_yes(shop: Town, company: tuple[Company, TestServer]) -> None:
    conversation = await shop.write("pay me back 80 yuan for order 20261120001234")
    assert company[0].asked == []
    assert "Refund 80 CNY for order 20261120001234?" in (await said(shop, conversation))[-1]
    await shop.write("yes")
    await shop.work()
    assert [body["data"]["values"]["amount"] for _, body in company[0].asked] == ["80 CNY"]
    assert "Refunded 80 CNY" in (await said(shop, conversation))[-1]


async def test_no_leaves_everything_as_it_is(shop: Town, company: tuple[Company, TestServer]) -> None:
    await shop.write("pay me back 80 yuan for order 20261120001234")
    await shop.write("no")
    await shop.write("yes")
    assert company[0].asked == []


async def test_the_other_order_is_confirmed_anew(shop: Town, company: tuple[Company, TestServer]) -> None:
    conversation = await shop.write("pay me back 80 yuan for order 20261120001234")
    await shop.write("no, the other order 20261120009999")
    assert "20261120009999" in (await said(shop, conversation))[-1]
    await shop.write("yes")
    await shop.work()
    assert [body["data"]["values"]["order_number"] for _, body in company[0].asked] == ["20261120009999"]


async def test_the_same_refund_is_not_asked_for_twice(shop: Town, company: tuple[Company, TestServer]) -> None:
    for text in ("pay me back 80 yuan for order 20261120001234", "yes", "thanks"):
        await shop.write(text)
        await shop.work()
    conversation = await shop.write("pay me back 80 yuan for order 20261120001234")
    assert "done already" in (await said(shop, conversation))[-1]
    assert len(company[0].asked) == 1


async def test_a_sum_above_the_limit_waits_for_a_person_and_the_first_word_counts(
    shop: Town, company: tuple[Company, TestServer]
) -> None:
    conversation = await shop.write("pay me back 500 yuan for order 20261120001234")
    await shop.write("yes")
    assert company[0].asked == []
    assert (await shop.gateway.store.conversation(conversation)).owner == NOBODY
    [asked] = [line for line in await shop.lines(conversation, "notice") if line.notice == "approval"]
    key = asked.choice.partition(" ")[0]
    with pytest.raises(DeskError):
        await approvals.decide(shop.gateway, AGENT, conversation, "refund-other", approve=True)
    await approvals.decide(shop.gateway, AGENT, conversation, key, approve=True)
    await report(shop.gateway, conversation, ActionResult(key=key, status="declined", by="Wang"))
    await shop.work()
    await shop.work()
    assert [body["data"]["approved_by"] for _, body in company[0].asked] == ["Li"]
    assert "Refunded 500 CNY" in (await said(shop, conversation))[-1]
    with pytest.raises(DeskError, match="decided"):
        await approvals.decide(shop.gateway, AGENT, conversation, key, approve=False)
    number = (await shop.gateway.store.conversation(conversation)).number
    acted = [
        (line.by, line.body["status"]) for line in await shop.gateway.store.journal(number) if line.what == "acted"
    ]
    assert acted[:2] == [(BOT, "asked"), ("Li", "approved")]


async def test_what_a_person_declines_is_not_done(shop: Town, company: tuple[Company, TestServer]) -> None:
    conversation = await shop.write("pay me back 500 yuan for order 20261120001234")
    await shop.write("yes")
    [asked] = [line for line in await shop.lines(conversation, "notice") if line.notice == "approval"]
    await approvals.decide(shop.gateway, AGENT, conversation, asked.choice.partition(" ")[0], approve=False)
    await shop.work()
    assert company[0].asked == []
    assert "could not agree" in (await said(shop, conversation))[-1]


async def test_a_refusal_goes_to_a_person_with_its_reason(shop: Town, company: tuple[Company, TestServer]) -> None:
    company[0].answer = lambda: web.json_response({"reason": "paid out already"}, status=422)
    conversation = await shop.write("pay me back 80 yuan for order 20261120001234")
    await shop.write("yes")
    await shop.work()
    assert (await shop.gateway.store.conversation(conversation)).owner == NOBODY
    assert "did not accept" in (await said(shop, conversation))[-1]
    assert "paid out" not in (await said(shop, conversation))[-1]
    assert any("paid out already" in line.text for line in await shop.lines(conversation, "notice"))


@pytest.mark.parametrize("status", [500, 429, 302])
async def test_a_fault_is_tried_again_with_the_same_key_and_then_done(
    shop: Town, company: tuple[Company, TestServer], clock: Clock, status: int
) -> None:
    company[0].answer = lambda: web.Response(status=status)
    conversation = await shop.write("track order 20261120001234 please")
    company[0].answer = None
    clock.go(seconds=2)
    await shop.work()
    await shop.work()
    assert len(company[0].asked) == 2
    assert len({key for key, _ in company[0].asked}) == 1
    assert sum("on its way" in text for text in await said(shop, conversation)) == 1


async def test_a_system_that_stays_silent_is_given_up_in_doubt(
    shop: Town, company: tuple[Company, TestServer], clock: Clock
) -> None:
    company[0].wait = asyncio.Event()
    conversation = await shop.write("pay me back 80 yuan for order 20261120001234")
    await shop.write("yes")
    for _ in range(8):
        clock.go(seconds=10)
        await shop.work()
    assert (await shop.gateway.store.conversation(conversation)).owner == NOBODY
    notices = [line.choice for line in await shop.lines(conversation, "notice") if line.notice == "action"]
    assert notices[-1].endswith(" unknown")
    assert "colleague" in (await said(shop, conversation))[-1]
    assert len(company[0].asked) >= 2


async def test_a_system_that_is_down_ends_with_a_person(tmp_path: Path, clock: Clock) -> None:
    async with Opened(tmp_path, clock, f"http://127.0.0.1:{free_port()}/actions") as town:
        conversation = await town.write("track order 20261120001234 please")
        for _ in range(8):
            clock.go(seconds=10)
            await town.work()
        assert (await town.gateway.store.conversation(conversation)).owner == NOBODY
        notices = [line.choice for line in await town.lines(conversation, "notice") if line.notice == "action"]
        assert notices[-1].endswith(" failed")


async def test_an_answer_without_the_promised_values_ends_with_a_person(
    shop: Town, company: tuple[Company, TestServer]
) -> None:
    company[0].answer = lambda: web.Response(text="ok")
    conversation = await shop.write("track order 20261120001234 please")
    await shop.work()
    assert (await shop.gateway.store.conversation(conversation)).owner == NOBODY


async def test_a_person_who_has_taken_over_tells_it_themselves(
    shop: Town, company: tuple[Company, TestServer], clock: Clock
) -> None:
    company[0].answer = lambda: web.Response(status=503)
    conversation = await shop.write("track order 20261120001234 please")
    before = await said(shop, conversation)
    await shop.gateway.store.claim(conversation, "a1", lease_until=clock(), now=clock())
    company[0].answer = None
    clock.go(seconds=2)
    await shop.work()
    await shop.work()
    assert await said(shop, conversation) == before
    assert any("on its way" in line.text for line in await shop.lines(conversation, "notice"))


async def test_a_result_that_comes_twice_is_told_once(shop: Town, company: tuple[Company, TestServer]) -> None:
    conversation = await shop.write("track order 20261120001234 please")
    await shop.work()
    key = company[0].asked[0][1]["id"]
    await report(shop.gateway, conversation, ActionResult(key=key, status="done", values={"state": "lost"}))
    await shop.work()
    assert sum("on its way" in text for text in await said(shop, conversation)) == 1
    assert not any("lost" in text for text in await said(shop, conversation))


async def test_of_an_erased_person_nothing_comes_back(
    shop: Town, company: tuple[Company, TestServer], clock: Clock
) -> None:
    company[0].answer = lambda: web.Response(status=503)
    conversation = await shop.write("track order 20261120001234 please")
    await shop.gateway.store.erase(conversation, at=clock(), by="admin")
    company[0].answer = None
    clock.go(seconds=2)
    await shop.work()
    assert len(company[0].asked) == 1
    await report(shop.gateway, conversation, ActionResult(key="x", status="done"))
    assert not any(line.text for line in await shop.lines(conversation))


async def test_many_small_payments_are_no_way_around_the_limit(shop: Town, company: tuple[Company, TestServer]) -> None:
    """The customer says that it helped, which ends the matter, and asks for a little less."""
    pay, order = "pay me back", "yuan for order 20261120001234"
    for text in (f"{pay} 80 {order}", "yes", "yes", f"{pay} 79 {order}", "yes", f"{pay} 78 {order}", "yes"):
        conversation = await shop.write(text)
        await shop.work()
    assert [body["data"]["values"]["amount"] for _, body in company[0].asked] == ["80 CNY"]
    assert [line for line in await shop.lines(conversation, "notice") if line.notice == "approval"]
