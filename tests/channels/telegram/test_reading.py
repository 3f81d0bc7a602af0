"""What each kind of update becomes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from channels._telegram_update import MAX_FETCH, Reader, message_number, place
from channels.base import BadPayload, Inbound

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
FROM = {"id": 7, "is_bot": False, "first_name": "Mei", "last_name": "Lin", "language_code": "zh-hant"}
CHAT = {"id": 7, "type": "private", "first_name": "Mei"}
GROUP = {"id": -100, "type": "supergroup", "title": "Lantern friends"}


def read(update: dict[str, Any], *, groups: bool = False) -> tuple[Inbound, ...]:
    whole = {"update_id": 1, **update}
    return Reader("telegram", "main", groups=groups).read(whole, json.dumps(whole).encode(), NOW)


def message(**content: Any) -> Inbound:
    base = {"message_id": 5, "date": 1795334400, "chat": CHAT, "from": FROM}
    (one,) = read({"message": {**base, **content}})
    return one


def test_who_writes_what_and_when() -> None:
    one = message(text="灯笼坏了")
    assert (one.external_id, one.thread, one.text, one.kind) == ("7:5", "7", "灯笼坏了", "message")
    assert (one.sender.id, one.sender.name, one.language) == ("7", "Mei Lin", "zh-Hant")
    assert one.at == datetime.fromtimestamp(1795334400, UTC)
    assert json.loads(one.raw)["message"]["text"] == "灯笼坏了"


@pytest.mark.parametrize(
    ("content", "kind", "name"),
    [
        ({"photo": [{"file_id": "s", "width": 9, "height": 9}, {"file_id": "b", "width": 90, "height": 90}]}, "image/jpeg", "photo-b.jpg"),
        ({"voice": {"file_id": "v", "duration": 3, "mime_type": "audio/ogg"}}, "audio/ogg", "voice-v.ogg"),
        ({"audio": {"file_id": "a", "duration": 3, "file_name": "x.mp3", "mime_type": "audio/mpeg"}}, "audio/mpeg", "x.mp3"),
        ({"video": {"file_id": "m", "duration": 3, "width": 1, "height": 1}}, "video/mp4", "video-m.mp4"),
        ({"video_note": {"file_id": "r", "duration": 3, "length": 1}}, "video/mp4", "video_note-r.mp4"),
        ({"document": {"file_id": "d", "file_name": "发票.pdf", "mime_type": "application/pdf"}}, "application/pdf", "发票.pdf"),
        (
            {
                "animation": {"file_id": "g", "duration": 1, "width": 1, "height": 1, "mime_type": "video/mp4"},
                "document": {"file_id": "g", "mime_type": "video/mp4"},
            },
            "video/mp4",
            "animation-g.mp4",
        ),
        ({"sticker": {"file_id": "k"}}, "image/webp", "sticker-k.webp"),
        ({"sticker": {"file_id": "k", "is_video": True}}, "video/webm", "sticker-k.webm"),
        ({"sticker": {"file_id": "k", "is_animated": True, "thumb": {"file_id": "t", "width": 9, "height": 9}}}, "image/webp", "sticker-t.webp"),
    ],
)  # fmt: skip
def test_every_kind_of_file_is_one_attachment(content: dict[str, Any], kind: str, name: str) -> None:
    one = message(caption="see", **content)
    (file,) = one.attachments
    assert (one.text, file.type, file.name, file.state) == ("see", kind, name, "pending")
    assert file.url.startswith("telegram:")


def test_a_file_that_bots_cannot_fetch_is_refused_and_its_text_stays() -> None:
    one = message(caption="too big", document={"file_id": "d", "file_size": MAX_FETCH + 1, "file_name": "film.mkv"})
    (file,) = one.attachments
    assert (one.text, file.state) == ("too big", "refused")
    assert "20 MB" in file.reason


def test_places_and_people_are_said_in_words() -> None:
    spot = {"latitude": 31.2304, "longitude": 121.4737}
    assert message(location=spot).text == "📍 31.2304, 121.4737"
    venue = message(venue={"location": spot, "title": "灯笼小店", "address": "南京路 1 号"}, location=spot)
    assert venue.text == "📍 灯笼小店, 南京路 1 号 (31.2304, 121.4737)"
    other = message(contact={"phone_number": "+8613900000000", "first_name": "Li", "user_id": 8})
    assert "+8613900000000" in other.text
    assert not other.sender.phone
    own = message(contact={"phone_number": "+8613800138000", "first_name": "Mei", "user_id": 7})
    assert (own.sender.phone, own.sender.verified) == ("+8613800138000", True)


def test_an_album_names_itself() -> None:
    one = message(caption="两张", media_group_id="99", photo=[{"file_id": "p", "width": 9, "height": 9}])
    assert one.part_of == "7:99"


def test_an_edit_is_a_later_version_of_its_message() -> None:
    base = {"message_id": 5, "date": 1795334400, "edit_date": 1795334460, "chat": CHAT, "from": FROM, "text": "new"}
    (one,) = read({"edited_message": base})
    assert (one.kind, one.refers_to, one.external_id) == ("edit", "7:5", "7:5:1795334460")
    assert one.at == datetime.fromtimestamp(1795334460, UTC)


def test_a_moving_location_is_not_an_edit_each_second() -> None:
    spot = {"latitude": 31.0, "longitude": 121.0, "live_period": 900}
    base = {"message_id": 5, "date": 1795334400, "edit_date": 1795334460, "chat": CHAT, "from": FROM, "location": spot}
    assert read({"edited_message": base}) == ()


def test_a_pressed_button_says_its_value_and_its_label() -> None:
    keys = {"inline_keyboard": [[{"text": "转人工", "callback_data": "human"}]]}
    asked = {
        "message_id": 4,
        "date": 1,
        "chat": CHAT,
        "from": {**FROM, "is_bot": True},
        "reply_markup": keys,
        "text": "?",
    }
    query = {"id": "q1", "from": FROM, "chat_instance": "1", "data": "human", "message": asked}
    (one,) = read({"callback_query": query})
    assert (one.choice, one.text, one.reply_to, one.external_id) == ("human", "转人工", "7:4", "7:press-q1")
    assert one.at == NOW
    assert message_number(one.external_id) is None


def test_a_value_that_was_too_long_comes_back_as_the_label() -> None:
    keys = {"inline_keyboard": [[{"text": "A long one", "callback_data": "~0"}]]}
    asked = {
        "message_id": 4,
        "date": 1,
        "chat": CHAT,
        "from": {**FROM, "is_bot": True},
        "reply_markup": keys,
        "text": "?",
    }
    (one,) = read({"callback_query": {"id": "q1", "from": FROM, "chat_instance": "1", "data": "~0", "message": asked}})
    assert (one.choice, one.text) == ("", "A long one")


def test_blocking_is_noted_and_nobody_answers_it() -> None:
    member = {"user": {"id": 1, "is_bot": True, "first_name": "b"}, "until_date": 0}
    change = {"chat": CHAT, "from": FROM, "date": 1795334400, "old_chat_member": {**member, "status": "member"}}
    (gone,) = read({"my_chat_member": {**change, "new_chat_member": {**member, "status": "kicked"}}})
    assert (gone.kind, gone.machine, gone.text) == ("status", "blocked", "blocked")


def test_groups_are_taken_in_only_where_wanted_and_are_public() -> None:
    said = {"message": {"message_id": 5, "date": 1795334400, "chat": GROUP, "from": FROM, "text": "broken!"}}
    assert read(said) == ()
    (one,) = read(said, groups=True)
    assert one.public
    assert place(one.thread).chat == -100


def test_topics_and_business_chats_are_threads_of_their_own() -> None:
    topic = {**GROUP, "is_forum": True}
    said = {"message_id": 5, "date": 1795334400, "chat": topic, "from": FROM, "text": "x"}
    (one,) = read({"message": {**said, "message_thread_id": 3, "is_topic_message": True}}, groups=True)
    assert place(one.thread) == (-100, 3, None)
    own = {
        "message_id": 5,
        "date": 1795334400,
        "chat": CHAT,
        "from": FROM,
        "text": "x",
        "business_connection_id": "b-1",
    }
    (two,) = read({"business_message": own})
    assert place(two.thread) == (7, None, "b-1")
    (said_by_us,) = read({"business_message": {**own, "from": {**FROM, "id": 8}}})
    assert said_by_us.machine == "echo"


def test_a_group_that_moves_points_at_where_it_was() -> None:
    moved = {"message_id": 1, "date": 1795334400, "chat": GROUP, "from": FROM, "migrate_from_chat_id": -5, "text": "x"}
    (one,) = read({"message": moved}, groups=True)
    assert one.linked == "public:-5"


def test_content_of_a_kind_to_come_is_shown_to_a_person() -> None:
    assert message(hologram={"id": 1}).placeholder == "hologram"
    assert message(poll={"id": "1", "question": "?", "options": [], "total_voter_count": 0, "is_closed": False,
                         "is_anonymous": True, "type": "regular", "allows_multiple_answers": False}).placeholder == "[poll]"  # fmt: skip


def test_what_happens_in_a_chat_is_nobodys_words() -> None:
    base = {"message_id": 5, "date": 1795334400, "chat": GROUP, "from": FROM}
    assert read({"message": {**base, "new_chat_title": "x"}}, groups=True) == ()
    assert read({"poll_answer": {"poll_id": "1", "option_ids": [0]}}) == ()


@pytest.mark.parametrize(
    "update",
    [
        {"message": 1},
        {"message": {"message_id": "x", "date": "y", "chat": CHAT}},
        {"message": {"message_id": 5, "date": 1, "chat": CHAT, "from": FROM, "text": {"a": 1}}},
        {"message": {"message_id": 5, "date": 1e30, "chat": CHAT, "from": FROM, "text": "x"}},
        {"message": {"message_id": 5, "date": 1, "chat": [], "from": FROM, "text": "x"}},
        {"callback_query": {"id": 4, "from": FROM, "chat_instance": "1", "data": {"a": 1}, "message": {"message_id": 4, "date": 1, "chat": CHAT}}},
        {"deleted_business_messages": {"business_connection_id": "b", "chat": CHAT, "message_ids": ["x"]}},
    ],
)  # fmt: skip
def test_what_is_no_update_of_telegrams_is_set_aside(update: dict[str, Any]) -> None:
    with pytest.raises(BadPayload):
        read(update)


@pytest.mark.parametrize("thread", ["", "x", "7/8", "7@", "public:", "7#x"])
def test_what_is_no_thread_is_said_so(thread: str) -> None:
    with pytest.raises(ValueError, match="no chat"):
        place(thread)
