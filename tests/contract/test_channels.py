"""Every channel keeps every promise, or says why it cannot; wrong channels prove that the suite bites."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels import base
from channels.base import Promise
from tests.contract import case, matrix
from tests.contract.house import open_house
from tests.contract.promises import PROMISES
from tests.contract.pulling import PULLING

LIARS = "tests.contract.liars"
BROKEN = [(liar, promise) for liar in base.names(LIARS) for promise in vars(base.load(liar, LIARS))["breaks"]]
ROOT = Path(__file__).parents[2]
#: A reason that a reader can check does not fit into fewer characters.
REASON = 30


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("name", base.names())
async def test_a_channel_keeps_its_promise(name: str, promise: Promise, tmp_path: Path) -> None:
    reason = base.load(name).exempt.get(promise)
    if reason is not None:
        assert len(reason) >= REASON
        return
    async with open_house(case.load(name), tmp_path) as house:
        await (PULLING if house.case.pulls else PROMISES)[promise](house)


@pytest.mark.parametrize("name", base.names())
def test_a_channel_has_a_page_for_its_operator(name: str) -> None:
    page = (ROOT / "channels" / f"{name}.md").read_text(encoding="utf-8")
    for key in base.load(name).settings.__struct_fields__:
        assert key in page, f"channels/{name}.md does not explain `{key}`"


@pytest.mark.parametrize("name", base.names())
def test_a_channel_exempts_itself_from_known_promises_only(name: str) -> None:
    assert set(base.load(name).exempt) <= set(PROMISES)


@pytest.mark.parametrize(("liar", "promise"), BROKEN)
async def test_a_liar_is_caught(liar: str, promise: Promise, tmp_path: Path) -> None:
    channel_type = base.load(liar, LIARS)
    with pytest.raises((AssertionError, pytest.fail.Exception, RecursionError, KeyError)):
        async with open_house(case.load(channel_type.name, channel_type), tmp_path) as house:
            await (PULLING if house.case.pulls else PROMISES)[promise](house)


def test_every_promise_has_a_liar() -> None:
    caught = {promise for _, promise in BROKEN}
    assert caught >= set(PROMISES) - matrix.EXEMPT_EVERYWHERE


def test_the_matrix_in_the_documentation_is_true() -> None:
    written = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    assert written == matrix.page(), "run `python -m tests.contract.matrix` to write it anew"
