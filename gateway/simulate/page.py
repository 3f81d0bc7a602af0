"""The page of the simulated platforms: a chat for each customer, what the gateway said, and a switch for each fault.

It is a tool on one's own machine and knows no password: it answers to names of this machine alone, so that no page of
the internet can reach it through a browser.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from channels._platforms.base import ACTS, FAULTS, MAX_BODY, File, Line, Platform

STATIC = Path(__file__).parent / "static"
#: Names under which a browser may ask.
HERE = frozenset({"127.0.0.1", "localhost", "[::1]"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: Lines that the page shows of a platform, the latest.
LINES = 300


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A file from the page, its bytes as base64."""

    name: Annotated[str, Meta(max_length=200)]
    type: Annotated[str, Meta(pattern=r"^[\w.+-]+/[\w.+-]+$")] = "application/octet-stream"
    data: str


class Doing(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer does; see :meth:`channels._platforms.base.Platform.say` and ``act``."""

    person: Annotated[str, Meta(min_length=1, max_length=60)]
    text: str = ""
    thread: str = ""
    choice: str = ""
    edit_of: str = ""
    delete_of: str = ""
    reply_to: str = ""
    files: tuple[Upload, ...] = ()
    act: str = ""


def words(platform: Platform, act: str) -> tuple[str, str, str]:
    """What a button for an act shows, in English, simplified and traditional Chinese."""
    return platform.act_words.get(act) or ACTS.get(act) or (act, act, act)


def application(platforms: Mapping[str, Platform], gateway: str) -> web.Application:
    """The page for some platforms; ``gateway`` is where its desk can be opened."""
    pages = Pages(platforms, gateway)
    app = web.Application(client_max_size=MAX_BODY, middlewares=[_from_here])
    app.add_routes(pages.routes())
    return app


class Pages:
    """The routes."""

    def __init__(self, platforms: Mapping[str, Platform], gateway: str) -> None:
        self._platforms, self._gateway = platforms, gateway

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/", self._page),
            web.get("/{file:(page\\.js|page\\.css|words\\.js)}", self._static),
            web.get("/platforms", self._list),
            web.get("/platforms/{name}", self._state),
            web.post("/platforms/{name}/do", self._do),
            web.post("/platforms/{name}/faults", self._faults),
            web.get("/platforms/{name}/files/{line}/{place}", self._file),
        ]

    async def _page(self, request: web.Request) -> web.StreamResponse:  # noqa: ARG002
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
        return web.Response(text=(STATIC / "index.html").read_text("utf-8"), content_type="text/html", headers=headers)

    async def _static(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(STATIC / request.match_info["file"], headers={"Cache-Control": "no-cache"})

    async def _list(self, request: web.Request) -> web.Response:  # noqa: ARG002
        names = [{"name": name, "url": p.url, "door": p.door} for name, p in self._platforms.items()]
        return _json({"platforms": names, "gateway": self._gateway, "faults": list(FAULTS)})

    async def _state(self, request: web.Request) -> web.Response:
        platform = self._platform(request)
        first = max(0, len(platform.lines) - LINES)
        return _json(
            {
                "door": platform.door,
                "held": len(platform.held),
                "answers": platform.answers[-8:],
                "faults": platform.faults,
                "acts": [{"name": act, "words": words(platform, act)} for act in platform.acts],
                "people": [{"name": one.name, "id": one.id} for one in platform.people.values()],
                "lines": [_line(n + first, line) for n, line in enumerate(platform.lines[first:])],
            }
        )

    async def _do(self, request: web.Request) -> web.Response:
        platform, doing = self._platform(request), await _read(request, Doing)
        if doing.act:
            if doing.act not in platform.acts:
                raise web.HTTPBadRequest(text=f"nobody can {doing.act} there")
            platform.act(doing.act, doing.person)
            return _json({"id": ""})
        given = {name: getattr(doing, name) for name in ("thread", "choice", "edit_of", "delete_of", "reply_to")}
        id = await platform.say(doing.text, person=doing.person, files=[_uploaded(one) for one in doing.files], **given)
        return _json({"id": id})

    async def _faults(self, request: web.Request) -> web.Response:
        wanted = await _read(request, dict[str, Annotated[float, Meta(ge=0, le=1)]])
        platform = self._platform(request)
        platform.faults = {name: rate for name, rate in wanted.items() if name in FAULTS and rate}
        return _json(platform.faults)

    async def _file(self, request: web.Request) -> web.Response:
        platform = self._platform(request)
        try:
            line = platform.lines[int(request.match_info["line"])]
            file = line.files[int(request.match_info["place"])]
        except (ValueError, IndexError) as err:
            raise web.HTTPNotFound(text="there is no such file") from err
        shown = file.type if file.type.startswith(("image/", "audio/", "video/")) else "application/octet-stream"
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        return web.Response(body=file.data, content_type=shown, headers=headers)

    def _platform(self, request: web.Request) -> Platform:
        try:
            return self._platforms[request.match_info["name"]]
        except KeyError as err:
            raise web.HTTPNotFound(text="this platform does not run here") from err


@web.middleware
async def _from_here(request: web.Request, handler: Any) -> web.StreamResponse:
    """A name of the internet may point at this machine, and any page may post forms to it."""
    if request.host.rpartition(":")[0] not in HERE and request.host not in HERE:
        raise web.HTTPForbidden(text="open this page by the address of this machine")
    if request.method == "POST" and request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send JSON")
    response: web.StreamResponse = await handler(request)
    return response


async def _read(request: web.Request, type: Any) -> Any:
    try:
        return msgspec.json.decode(await request.read(), type=type)
    except (msgspec.DecodeError, UnicodeDecodeError) as err:
        raise web.HTTPBadRequest(text=str(err)) from err


def _uploaded(file: Upload) -> File:
    try:
        return File(name=file.name, type=file.type, data=base64.b64decode(file.data, validate=True))
    except binascii.Error as err:
        raise web.HTTPBadRequest(text="the file is not base64") from err


def _line(n: int, line: Line) -> dict[str, Any]:
    shown = {name: getattr(line, name) for name in ("id", "thread", "person", "text", "choice", "edited", "deleted")}
    files = [{"name": file.name, "type": file.type, "size": len(file.data)} for file in line.files]
    return {**shown, "n": n, "at": line.at, "buttons": line.buttons, "files": files}


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
