"""Coming in and going out: password, one-time link, logout."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import msgspec
from aiohttp import web

from gateway.context import GATEWAY, Gateway
from gateway.desk import passwords, people
from gateway.store.base import Agent
from gateway.web.desk import guard, link_page
from gateway.web.desk.guard import Visit, acts
from gateway.web.doors import remote
from gateway.web.problems import ProblemError, language_of
from gateway.web.throttle import Throttle

WINDOW = timedelta(minutes=15)
#: Wrong passwords for one login, and from one address (an office may share one), inside the window.
PER_LOGIN, PER_ADDRESS = 8, 40
#: Passwords tried at one moment: a flood of logins must take neither all memory nor all cores.
AT_ONCE = 2


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the login form sends."""

    login: str
    password: str


class NewPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An agent's own change of password; ``old`` is empty for an account that has none yet."""

    old: str
    new: str


class Login:
    """The handlers, with the failures they count."""

    def __init__(self) -> None:
        self._logins = Throttle(PER_LOGIN, WINDOW)
        self._addresses = Throttle(PER_ADDRESS, WINDOW)
        self._room = asyncio.Semaphore(AT_ONCE)

    def routes(self) -> list[web.AbstractRouteDef]:
        """The login's own routes."""
        return [
            web.post("/desk/api/login", self.enter),
            web.get("/desk/login/{token}", shown),
            web.post("/desk/login/{token}", self.follow),
            web.post("/desk/api/logout", acts(leave)),
            web.post("/desk/api/password", acts(self.change)),
        ]

    async def enter(self, request: web.Request) -> web.Response:
        """A password login; an unknown login costs the same work as a wrong password."""
        gateway = request.app[GATEWAY]
        guard.check_origin(request)
        given = await guard.body_of(request, Credentials)
        now, address, login = gateway.clock(), remote(request, gateway), given.login.strip().casefold()[:200]
        self._check(login, address, now)
        agent = await people.find_login(gateway, login)
        right = await self._fits(given.password, agent.password if agent else "")
        if not right or agent is None or not agent.active:
            self._logins.failed(login, now)
            self._addresses.failed(address, now)
            raise ProblemError(403, "Login or password is wrong.", code="credentials")
        self._logins.forget(login)
        return await _started(request, gateway, agent, guard.json_response({"ok": True}))

    async def follow(self, request: web.Request) -> web.Response:
        """A one-time link, by its page's button: it works once, then it is a wrong one."""
        gateway = request.app[GATEWAY]
        guard.check_origin(request)
        now, address = gateway.clock(), remote(request, gateway)
        self._check("", address, now)
        agent = await people.follow_login_link(gateway, request.match_info["token"])
        if agent is None:
            self._addresses.failed(address, now)
            return _elsewhere("/desk?link=used")
        return await _started(request, gateway, agent, _elsewhere("/desk"))

    async def change(self, visit: Visit) -> web.Response:
        """An agent sets a new password, showing the old one."""
        given, now, login = await guard.body_of(visit.request, NewPassword), visit.gateway.clock(), visit.agent.login
        self._check(login, "", now)
        if visit.agent.password and not await self._fits(given.old, visit.agent.password):
            self._logins.failed(login, now)
            raise ProblemError(403, "The old password is wrong.", code="credentials")
        try:
            hashed = await passwords.hash_in_thread(given.new)
        except passwords.WeakPassword as err:
            raise ProblemError(422, str(err), code="weak") from None
        await visit.gateway.store.put_agent(msgspec.structs.replace(visit.agent, password=hashed))
        return guard.json_response({"ok": True})

    async def _fits(self, password: str, stored: str) -> bool:
        async with self._room:
            return await asyncio.to_thread(passwords.fits, password, stored)

    def _check(self, login: str, address: str, now: datetime) -> None:
        wait = max(self._logins.wait(login, now), self._addresses.wait(address, now))
        if wait > 0:
            seconds = int(wait) + 1
            raise ProblemError(
                429,
                "Too many wrong logins; wait a while.",
                headers={"Retry-After": str(seconds)},
                code="throttled",
                seconds=seconds,
            )


async def shown(request: web.Request) -> web.Response:
    """The page of a one-time link, the same for one that works and one that does not."""
    language = language_of(request.headers.get("Accept-Language", ""))
    text = link_page.page(language, request.app[GATEWAY].config.company.called(language))
    # Without a referrer a browser would hide from which page the button was pressed, and every press were a stranger's.
    return web.Response(text=text, content_type="text/html", headers={"Referrer-Policy": "same-origin"})


async def leave(visit: Visit) -> web.Response:
    """Log out: the session ends on the server, whatever the browser keeps."""
    await visit.gateway.store.end_session(visit.session.token_hash)
    response = guard.json_response({"ok": True})
    guard.drop_cookie(response, visit.gateway)
    return response


async def _started(request: web.Request, gateway: Gateway, agent: Agent, response: web.Response) -> web.Response:
    """A fresh token at every login: one that was planted before is worth nothing, the old session ends."""
    old = request.cookies.get(guard.cookie_name(gateway))
    if old:
        await gateway.store.end_session(people.digest(old))
    guard.set_cookie(response, gateway, await people.start_session(gateway, agent))
    return response


def _elsewhere(path: str) -> web.Response:
    return web.Response(
        status=303, headers={"Location": path, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    )
