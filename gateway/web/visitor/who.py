"""Who asks: the chat window that a site key names, and the visitor that a session token proves."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from channels.webchat import Session, Webchat, bearer
from gateway.context import GATEWAY, Gateway
from gateway.store.base import conversation_id
from gateway.web.problems import ProblemError


@dataclass(frozen=True)
class Visitor:
    """A visitor at a window, with the id of the one conversation they may read."""

    window: Webchat
    session: Session

    @property
    def conversation(self) -> str:
        return conversation_id(self.window.name, self.window.account, self.session.thread)


def window(http: web.Request) -> Webchat:
    """The chat window of ``?site=``. Raises :class:`ProblemError` 404."""
    found = find(http.app[GATEWAY], http.query.get("site", ""))
    if found is None:
        raise ProblemError(404, "there is no chat window with this site key")
    return found


def find(gateway: Gateway, site_key: str) -> Webchat | None:
    """The window with this site key, if there is one."""
    windows = (channel for channel in gateway.channels.values() if isinstance(channel, Webchat))
    return next((channel for channel in windows if channel.site.site_key == site_key), None)


def visitor(http: web.Request) -> Visitor:
    """Who sends this request. Raises :class:`BadSignature` or :class:`ProblemError` 404."""
    return by_token(http, bearer({name.lower(): value for name, value in http.headers.items()}))


def by_token(http: web.Request, token: str) -> Visitor:
    """Who holds this session token. Raises as :func:`visitor`."""
    channel = window(http)
    return Visitor(channel, channel.session(token, http.app[GATEWAY].clock()))
