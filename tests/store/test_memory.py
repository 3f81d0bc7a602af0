"""What channels remember: with their messages or at once, and gone with the person it speaks of."""

from __future__ import annotations

import pytest

from channels.base import Memo
from gateway.store.base import Store, StoreError, conversation_id
from tests.store.scene import START, message


async def test_memos_are_written_with_the_messages_or_not_at_all(store: Store) -> None:
    memos = ("email", [Memo(key="a", value="1")])
    with pytest.raises((StoreError, ValueError, TypeError)):
        await store.append([message(1, text="\ud800")], received_at=START, memos=memos)
    assert await store.recall("email", ["a"]) == {}
    await store.append([message(1)], received_at=START, cursor=("email", "main", "c"), memos=memos)
    assert await store.recall("email", ["a", "b"]) == {"a": "1"}
    assert await store.recall("telegram", ["a"]) == {}


async def test_a_known_key_gets_the_new_value(store: Store) -> None:
    await store.remember("email", [Memo(key="a", value="1"), Memo(key="b", value="2")])
    await store.remember("email", [Memo(key="a", value="3")])
    assert await store.recall("email", ["a", "b"]) == {"a": "3", "b": "2"}


async def test_what_is_about_a_person_is_erased_with_the_conversation(store: Store) -> None:
    await store.append([message(1)], received_at=START)
    memos = [
        Memo(key="theirs", value="ann@example.com", about="main/t1"),
        Memo(key="others", value="bob@example.com", about="main/t2"),
        Memo(key="seen", value="1"),
    ]
    await store.remember("webchat", memos)
    await store.remember("email", [Memo(key="elsewhere", value="x", about="main/t1")])
    await store.erase(conversation_id("webchat", "main", "t1"), at=START, by="operator")
    assert set(await store.recall("webchat", ["theirs", "others", "seen"])) == {"others", "seen"}
    assert await store.recall("email", ["elsewhere"])
