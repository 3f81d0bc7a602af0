"""What Mastodon's notifications and posts say: https://docs.joinmastodon.org/entities/Status/"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import msgspec

from channels._unread import unread
from channels.base import PUBLIC, Attachment, Inbound, Sender

#: Elements whose contents are no words.
_SILENT = frozenset({"script", "style", "template"})
_BLOCKS = frozenset({"p", "div", "blockquote", "ul", "ol", "pre", "h1", "h2", "h3", "h4", "h5", "h6"})
_ADDRESS = re.compile(r"\s*@([\w.-]+)(?:@[\w.:-]+)?(?!\w)")
_SPACE = re.compile(r"\n{3,}")


class _Words(HTMLParser):
    """The words of a post, its paragraphs as empty lines. Nothing of its HTML is kept."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self._silent = 0
        self._link, self._shown = "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag == "br":
            self.out.append("\n")
        elif tag == "li":
            self.out.append("\n- ")
        elif tag in _BLOCKS:
            self.out.append("\n\n")
        elif tag == "a":
            found = dict(attrs)
            named = "mention" in (found.get("class") or "") or "hashtag" in (found.get("class") or "")
            self._link, self._shown = "" if named else found.get("href") or "", ""

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in _BLOCKS:
            self.out.append("\n\n")
        elif tag == "a":
            if self._link.startswith(("https://", "http://")) and self._link != self._shown.strip():
                self.out.append(f" ({self._link})")
            self._link = ""

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._shown += data
            self.out.append(data)


def words(html: str) -> str:
    """The words of a post's HTML."""
    parser = _Words()
    parser.feed(html)
    parser.close()
    lines = "".join(parser.out).replace("\u00a0", " ").split("\n")
    return _SPACE.sub("\n\n", "\n".join(line.strip() for line in lines)).strip()


class Reader:
    """Reads the posts that one account is mentioned in; ``me`` is that account's id."""

    def __init__(self, channel: str, account: str, me: str) -> None:
        self._channel, self._account, self._me = channel, account, me

    def mention(self, notification: Any, root: str, now: datetime) -> Inbound | None:
        """The post of a notification, in the thread that begins with ``root``. What cannot be read is shown to a person."""
        raw = msgspec.json.encode(notification)
        try:
            if notification["type"] != "mention":
                return None
            found = self.post(notification["status"], root)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, AssertionError):
            return unread(self._channel, self._account, raw, now, "a notification that could not be read")
        return msgspec.structs.replace(found, raw=raw)

    def post(self, status: Mapping[str, Any], root: str) -> Inbound:
        """A post. Raises KeyError, TypeError, ValueError, AttributeError, AssertionError for what is none."""
        id, who = text(status["id"]), status["account"]
        spoken = self._without_us(words(str(status.get("content") or "")), status)
        files = tuple(file for one in status.get("media_attachments") or () if (file := _file(one)) is not None)
        return Inbound(
            channel=self._channel,
            account=self._account,
            external_id=id,
            thread=thread(status, root, self._me),
            sender=Sender(id=text(who["acct"]), name=str(who.get("display_name") or who["acct"])),
            at=moment(status["created_at"]),
            text=spoken,
            subject=str(status.get("spoiler_text") or ""),
            machine="auto_reply" if who.get("bot") is True else "",
            attachments=files,
            reply_to=str(status.get("in_reply_to_id") or ""),
            language=str(status.get("language") or ""),
            placeholder="" if spoken or files else "a post that is not shown here",
        )

    def edited(self, status: Mapping[str, Any], root: str) -> Inbound:
        """A post as it is after an edit."""
        found, at = self.post(status, root), moment(status["edited_at"])
        return msgspec.structs.replace(
            found,
            kind="edit",
            refers_to=found.external_id,
            external_id=f"{found.external_id}:{int(at.timestamp() * 1000)}",
            at=at,
            raw=msgspec.json.encode(status),
        )

    def deleted(self, id: str, thread: str, now: datetime) -> Inbound:
        """A post that is gone."""
        return Inbound(
            channel=self._channel,
            account=self._account,
            external_id=f"{id}:deleted",
            thread=thread,
            sender=Sender(id=thread.rpartition("/")[2]),
            at=now,
            kind="delete",
            refers_to=id,
            raw=msgspec.json.encode({"deleted": id}),
        )

    def _without_us(self, spoken: str, status: Mapping[str, Any]) -> str:
        """Without the mentions at its beginning: they are the address."""
        known = {str(one["username"]).lower() for one in status.get("mentions") or ()}
        while (address := _ADDRESS.match(spoken)) and address[1].lower() in known:
            spoken = spoken[address.end() :]
        return spoken.strip()


def thread(status: Mapping[str, Any], root: str, me: str) -> str:
    """Private is what is said to us alone: a direct post is read by all whom it mentions."""
    known = {me, str(status["account"].get("id"))}
    others = [one for one in status.get("mentions") or () if str(one.get("id")) not in known]
    private = status["visibility"] == "direct" and not others
    return f"{'' if private else PUBLIC}{root}/{text(status['account']['acct'])}"


def moment(stamp: Any) -> datetime:
    """A time of Mastodon's. Raises ValueError."""
    return datetime.fromisoformat(text(stamp)).astimezone(UTC)


def text(value: Any) -> str:
    """Raises TypeError for what is none."""
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


def _file(one: Mapping[str, Any]) -> Attachment | None:
    url = one.get("url") or one.get("remote_url")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        return None
    return Attachment(name=url.partition("?")[0].rpartition("/")[2] or "file", url=url)
