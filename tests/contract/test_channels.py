"""Every channel keeps every promise, or says why it cannot; wrong channels prove that the suite bites.

All of it runs on the embedded store, and again on PostgreSQL whatever touches a store at all: what only reads bytes or
talks to a platform would be the same test twice. The liars, which prove the tests and not a store, run on the embedded one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from channels import base
from channels.base import Promise
from tests.contract import case, matrix
from tests.contract.house import GROUNDS, SqliteGround, open_house
from tests.contract.promises import PROMISES
from tests.contract.pulling import PULLING

LIARS = "tests.contract.liars"
BROKEN = [(liar, promise) for liar in base.names(LIARS) for promise in vars(base.load(liar, LIARS))["breaks"]]
ROOT = Path(__file__).parents[2]
#: A reason that a reader can check does not fit into fewer characters.
REASON = 30
#: Promises that a channel keeps without a store: unless it remembers something, or its watcher works for the test.
STORELESS = frozenset({"parses", "raw_body", "send", "retry", "thread", "limits", "check"})


def touches_a_store(name: str, promise: Promise) -> bool:
    return promise not in STORELESS or hasattr(base.load(name), "use_memory") or case.load(name).pulls


KEPT = [
    (store, name, promise)
    for store in GROUNDS
    for name in base.names()
    for promise in PROMISES
    if store == "sqlite" or (promise not in base.load(name).exempt and touches_a_store(name, promise))
]


@pytest.mark.parametrize(("store", "name", "promise"), KEPT)
async def test_a_channel_keeps_its_promise(store: str, name: str, promise: Promise, tmp_path: Path) -> None:
    reason = base.load(name).exempt.get(promise)
    if reason is not None:
        assert len(reason) >= REASON
        return
    async with open_house(case.load(name), GROUNDS[store](tmp_path)) as house:
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
        async with open_house(case.load(channel_type.name, channel_type), SqliteGround(tmp_path)) as house:
            await (PULLING if house.case.pulls else PROMISES)[promise](house)


def test_every_promise_has_a_liar() -> None:
    caught = {promise for _, promise in BROKEN}
    assert caught >= set(PROMISES) - matrix.EXEMPT_EVERYWHERE


def test_the_matrix_in_the_documentation_is_true() -> None:
    written = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    assert written == matrix.page(), "run `python -m tests.contract.matrix` to write it anew"
