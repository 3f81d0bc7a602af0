"""The events of Messenger and Instagram as messages: private ones by page and person, public ones by post and person.

https://developers.facebook.com/docs/messenger-platform/reference/webhook-events and
https://developers.facebook.com/docs/instagram-platform/webhooks/examples
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec

from channels import _meta
from channels._meta import Event, node, nodes, word
from channels.base import PUBLIC, Attachment, DeliveryState, Inbound, Sender

#: Begins the ``metadata`` of our messages, which come back in the echo.
METADATA = "allears:"
#: What a file of a kind may be until its bytes have been looked at.
TYPES = {"image": "image/jpeg", "audio": "audio/mp4", "video": "video/mp4", "file": "application/octet-stream"}
#: Files that are something else than a file of the sender's.
SHARED = {
    "share": "a shared post",
    "post": "a shared post",
    "ig_post": "a shared post",
    "reel": "a shared reel",
    "ig_reel": "a shared reel",
    "story_mention": "a mention in a story",
    "ig_story": "a shared story",
    "ephemeral": "a picture that can be seen once",
}
_FEED_WORDS = ("comment", "post", "status", "photo", "video")


class Reader(msgspec.Struct, frozen=True):
    """Reads the events of one account. ``owners`` are the ids that we speak as."""

    channel: str
    account: str
    owners: Collection[str]
    window: timedelta

    def read(self, event: Event) -> Iterator[Inbound]:
        """All that one event tells."""
        if event.list == "changes":
            yield from self._change(event)
        elif node(event.body, "message"):
            yield self._message(event)
        elif node(event.body, "message_edit"):
            yield self._edit(event)
        elif node(event.body, "postback"):
            yield self._postback(event)
        elif "delivery" in event.body or "read" in event.body:
            yield from self._receipts(event)
        else:
            yield self._other(event)

    # --- private messages

    def _base(self, event: Event, external_id: str, *, ours: bool = False) -> Inbound:
        """A message of the sender's; ``ours``: one of our own, in the recipient's thread."""
        sender, recipient = word(event.body, "sender", "id"), word(event.body, "recipient", "id")
        owner, person = (sender, recipient) if ours else (recipient, sender)
        at = _meta.moment(event.body.get("timestamp"), event.at)
        return Inbound(
            channel=self.channel,
            account=self.account,
            external_id=external_id or f"event:{_meta.digest(event.raw)}",
            thread=f"{owner or event.owner}/{person}",
            sender=Sender(id=sender or "meta"),
            at=at,
            # Another app holds the conversation: what is said in it is for people, not for our bot.
            silent="person" if event.list == "standby" else "",
            replies_until=None if ours else at + self.window,
            raw=event.raw,
        )

    def _message(self, event: Event) -> Inbound:
        message = node(event.body, "message")
        mid = word(message, "mid")
        if message.get("is_echo") is True or word(event.body, "sender", "id") in self.owners:
            return self._echo(event, message, mid)
        if message.get("is_deleted") is True:
            base = self._base(event, f"{mid}:delete")
            return _with(base, kind="delete", refers_to=mid, replies_until=None)
        return _with(
            self._base(event, mid),
            text="\n".join(filter(None, (word(message, "text"), *_texts(message)))),
            choice=word(message, "quick_reply", "payload"),
            reply_to=word(message, "reply_to", "mid"),
            attachments=tuple(_files(message)),
            placeholder=_placeholder(message),
        )

    def _echo(self, event: Event, message: dict[str, Any], mid: str) -> Inbound:
        """What was said in our name: by this gateway (then the key is in it), by people in the inbox or by another app."""
        base = _with(self._base(event, f"{mid}:echo", ours=True), machine="echo", refers_to=mid, silent="")
        if (key := word(message, "metadata")).startswith(METADATA):
            return _with(base, kind="status", delivery="sent", delivered_key=key.removeprefix(METADATA))
        # Without a key the words tell which of ours it is, if any.
        return _with(base, kind="event", delivery="sent", text=word(message, "text"))

    def _edit(self, event: Event) -> Inbound:
        edit = node(event.body, "message_edit")
        base = self._base(event, f"{word(edit, 'mid')}:edit:{word(edit, 'num_edit')}")
        return _with(base, kind="edit", text=word(edit, "text"), refers_to=word(edit, "mid"))

    def _postback(self, event: Event) -> Inbound:
        postback = node(event.body, "postback")
        return _with(
            self._base(event, word(postback, "mid")), text=word(postback, "title"), choice=word(postback, "payload")
        )

    def _receipts(self, event: Event) -> Iterator[Inbound]:
        """Those that name a message; a watermark names none."""
        mids = node(event.body, "delivery").get("mids")
        for mid in mids if isinstance(mids, list) else ():
            yield self._receipt(event, str(mid), "delivered")
        if mid := word(event.body, "read", "mid"):
            yield self._receipt(event, mid, "read")

    def _receipt(self, event: Event, mid: str, delivery: DeliveryState) -> Inbound:
        base = self._base(event, f"{mid}:{delivery}")
        return _with(base, kind="status", delivery=delivery, refers_to=mid, replies_until=None, silent="")

    def _other(self, event: Event) -> Inbound:
        """A reaction, a referral, a hand-over between apps, or what we do not know: kept, and nothing follows."""
        if not word(event.body, "sender", "id"):
            return _meta.unknown(event, channel=self.channel, account=self.account)
        reaction = node(event.body, "reaction")
        base = _with(self._base(event, ""), kind="event", replies_until=None, silent="")
        return _with(base, text=word(reaction, "emoji"), refers_to=word(reaction, "mid"))

    # --- public posts and comments

    def _change(self, event: Event) -> Iterator[Inbound]:
        field, value = word(event.body, "field"), node(event.body, "value")
        if field in ("comments", "live_comments"):
            yield self._comment(event, value)
        elif field == "mentions":
            yield self._mention(event, value)
        elif field == "feed" and word(value, "item") in _FEED_WORDS:
            yield self._feed(event, value)
        elif event.body:
            yield _meta.unknown(event, channel=self.channel, account=self.account)

    def _comment(self, event: Event, value: dict[str, Any]) -> Inbound:
        """A comment below one of our pictures on Instagram."""
        root = word(value, "parent_id") or word(value, "id")
        said = self._public(event, value, word(value, "id"), root)
        return _with(said, text=word(value, "text"))

    def _feed(self, event: Event, value: dict[str, Any]) -> Inbound:
        """A comment on our Page, or somebody's post on it."""
        post, verb = word(value, "post_id"), word(value, "verb")
        id = word(value, "comment_id") or post
        parent = word(value, "parent_id")
        said = self._public(event, value, id, parent if parent not in ("", post) else id)
        if verb == "remove":
            return _with(said, external_id=f"{id}:delete", kind="delete", refers_to=id)
        if verb in ("edit", "edited"):
            version = _meta.digest(word(value, "message").encode())[:12]
            said = _with(said, external_id=f"{id}:edit:{version}", kind="edit", refers_to=id)
        link = word(value, "photo") or word(value, "video")
        files = (Attachment(name=_name(link), url=link, type=TYPES["image"]),) if link.startswith("https:") else ()
        return _with(said, text=word(value, "message"), attachments=files)

    def _public(self, event: Event, value: dict[str, Any], id: str, root: str) -> Inbound:
        """A line that everybody can read; below one comment each person has a conversation of their own."""
        person = word(value, "from", "id")
        said = Inbound(
            channel=self.channel,
            account=self.account,
            external_id=id or f"event:{_meta.digest(event.raw)}",
            thread=f"{PUBLIC}{event.owner}/{root}/{person}",
            sender=Sender(id=person or "meta", name=word(value, "from", "username") or word(value, "from", "name")),
            at=_meta.moment(value.get("created_time"), event.at),
            raw=event.raw,
        )
        return _with(said, kind="event", machine="echo") if person in (*self.owners, event.owner) else said

    def _mention(self, event: Event, value: dict[str, Any]) -> Inbound:
        """Somebody named us in a place of theirs. Neither who nor what is told: a person has to look."""
        media, comment = word(value, "media_id"), word(value, "comment_id")
        where = f"comment {comment} below media {media}" if comment else f"the caption of media {media}"
        return Inbound(
            channel=self.channel,
            account=self.account,
            external_id=f"mention:{media}:{comment}",
            thread=f"{PUBLIC}{event.owner}/{comment or media}/",
            sender=Sender(id="mention"),
            at=event.at,
            kind="event",
            placeholder=f"a mention in {where}",
            raw=event.raw,
        )


# --- what is in a message -----------------------------------------------------------------------------


def _files(message: dict[str, Any]) -> Iterator[Attachment]:
    for one in nodes(message, "attachments"):
        kind, link = word(one, "type"), word(one, "payload", "url")
        if link and (kind in TYPES or kind in SHARED) and not node(one, "payload").get("sticker_id"):
            # A link lives for some days and needs no token.
            yield Attachment(name=_name(link), type=TYPES.get(kind, ""), url=link)


def _name(link: str) -> str:
    try:
        return urlsplit(link).path.rpartition("/")[2][-100:] or "file"
    except ValueError:
        return "file"


def _texts(message: dict[str, Any]) -> Iterator[str]:
    """The words of an attachment: the title of what is shared, a place, a link."""
    for one in nodes(message, "attachments"):
        title = word(one, "payload", "title") or word(one, "title")
        if word(one, "type") == "location":
            place = node(one, "payload", "coordinates")
            yield f"{title} ({word(place, 'lat')}, {word(place, 'long')})".strip()
        elif word(one, "type") == "fallback":
            yield " ".join(filter(None, (title, word(one, "payload", "url") or word(one, "url"))))
        elif title and title != word(message, "text"):
            yield title


def _placeholder(message: dict[str, Any]) -> str:
    if message.get("is_unsupported") is True:
        return "a message of a kind that Meta does not pass on"
    if node(message, "reply_to", "story"):
        return "an answer to a story of ours"
    for one in nodes(message, "attachments"):
        kind = word(one, "type")
        if node(one, "payload").get("sticker_id"):
            return "a sticker"
        if kind not in TYPES and kind != "fallback":
            return SHARED.get(kind) or ("a location" if kind == "location" else f"an attachment of the kind {kind}")
    return ""


def _with(base: Inbound, **changes: Any) -> Inbound:
    return msgspec.structs.replace(base, **changes)
