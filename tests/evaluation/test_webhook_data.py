"""The channels on outside webhooks, where the data is at hand: all are read, known again when repeated, and not believed unsigned."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gateway import config
from gateway.app import assemble
from gateway.desk import actions, people
from gateway.flow import Flow
from gateway.intake import accept
from gateway.turns import REOPENS_FOR
from tests.bench.score_webhooks import DATA, VECTORS, scores
from tests.bench.webhook_sets import NOT_READ, SETS, as_form, stored
from tests.contract import case as cases


def _at_hand(folder: str) -> Path:
    found = DATA / folder.partition("#")[0]
    if not found.is_dir():
        pytest.skip(f"the evaluation data is not at hand: {found}")
    return found


@pytest.mark.parametrize("folder", SETS)
def test_every_payload_is_read_and_known_again_and_believed_only_when_signed(folder: str) -> None:
    _at_hand(folder)
    ((_, score),) = scores(DATA, [folder])
    for what in ("read", "repeat", "wrong signature"):
        assert score.right[what] == score.looked_at[what] > 0, score.misses
    assert score.right.total() >= 0.9 * score.looked_at.total(), score.misses


def test_published_signatures_are_believed_and_bad_ones_are_not() -> None:
    _at_hand(VECTORS)
    ((_, score),) = scores(DATA, [VECTORS])
    assert not score.misses
    assert score.right["refused"] > 0


def test_every_folder_is_read_or_it_is_said_why_not() -> None:
    holding = {file.parent.relative_to(_at_hand(".")).as_posix() for file in DATA.rglob("*.*")}
    assert holding - {VECTORS} <= {name.partition("#")[0] for name in SETS} | set(NOT_READ)


async def test_a_message_belongs_to_the_open_case_and_long_after_its_end_to_a_new_one(tmp_path: Path) -> None:
    folder, case = _at_hand("zammad/twilio"), cases.load("sms")
    tree = {"secret": "0123456789" * 4, "channels": {"sms": {"main": case.module.SETTINGS}}}
    loaded = config.Loaded(config=config.convert(tree, config.Config), file="", text="", folder=tmp_path)
    time = cases.NOW
    gateway = assemble(loaded, clock=lambda: time)
    await gateway.store.open()
    numbers = []
    for name in ("inbound_sms1", "inbound_sms2", "inbound_sms3"):
        request = case.request(as_form(case, stored(folder / f"{name}.json").payload), at=time)
        for _ in range(2):
            (accepted,) = await accept(gateway, case.channel().accept(request), received_at=time)
        while await Flow(gateway).step():
            pass
        conversation = await gateway.store.conversation(accepted.conversation)
        numbers.append(conversation.number)
        if name == "inbound_sms2":
            agent = await people.add_agent(gateway, login="mei", name="Mei", role="agent")
            owned = await actions.claim(gateway, agent, conversation.id)
            await actions.close(gateway, agent, owned.id, fence=owned.fence, key="key-00000001", disposition="solved")
            time += REOPENS_FOR + timedelta(hours=1)
    first, second, third = numbers
    assert first == second != third
    assert len((await gateway.store.record(first)).arrival.messages) == 2
    assert len((await gateway.store.record(third)).arrival.messages) == 1
    await gateway.egress.close()
    await gateway.store.close()
