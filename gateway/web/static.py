"""Pages, scripts and styles. All files of a build share one address prefix with the build's hash in it.

So a browser may keep every file for ever, a script's relative imports stay within its build, and a new release is
seen at once because the pages (never kept) name the new prefix. Everything is read once and served from memory.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import html
import mimetypes
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from channels.webchat import Webchat
from gateway.context import GATEWAY
from gateway.web import doors
from gateway.web.problems import ProblemError
from gateway.web.visitor import who

FOLDER = Path(__file__).parent / "static"
YEAR = 365 * 24 * 3600
#: Types that are worth compressing.
TEXT = ("text/", "application/json", "image/svg+xml")

_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d+)?|\[[0-9A-Fa-f:]+\](:\d+)?")

mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("image/svg+xml", ".svg")
mimetypes.add_type("application/manifest+json", ".webmanifest")


@dataclass(frozen=True)
class File:
    """A file in memory."""

    body: bytes
    zipped: bytes | None
    type: str
    etag: str


def routes() -> list[web.AbstractRouteDef]:
    return [
        web.get("/", _home),
        web.get("/widget", _chat),
        web.get("/widget.js", _widget_script),
        web.get("/favicon.ico", _icon),
        web.get("/static/{build}/{path:.+}", _file),
    ]


@functools.cache
def files() -> Mapping[str, File]:
    """Every file below the folder by its path; pages (``.html``) are served by their own routes only."""
    found = sorted(path for path in FOLDER.rglob("*") if path.is_file())
    return {path.relative_to(FOLDER).as_posix(): _read(path) for path in found}


def _read(path: Path) -> File:
    body = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    zipped = gzip.compress(body, mtime=0) if kind.startswith(TEXT) else None
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    return File(body, zipped, kind, hashlib.sha256(body).hexdigest()[:20])


@functools.cache
def build() -> str:
    """The hash of all files together."""
    together = "".join(f"{path}:{file.etag};" for path, file in files().items())
    return hashlib.sha256(together.encode()).hexdigest()[:12]


def url(path: str) -> str:
    """The address of a static file, good for ever."""
    return f"/static/{build()}/{path}"


def page(path: str, values: Mapping[str, str], *, policy: str) -> web.Response:
    """A page with ``$name`` filled in (escaped), ``$static`` being the build's prefix; ``policy`` is its CSP."""
    template = string.Template(files()[path].body.decode())
    text = template.substitute({name: html.escape(value) for name, value in values.items()}, static=url("").rstrip("/"))
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return web.Response(text=text, content_type="text/html", headers=headers)


def serve(http: web.Request, path: str, *, cache: str) -> web.StreamResponse:
    """A static file, compressed where the browser takes it. Raises :class:`ProblemError` 404."""
    file = files().get(path)
    if file is None or path.endswith(".html"):
        raise ProblemError(404, "there is no such file")
    headers = {"Content-Type": file.type, "Cache-Control": cache, "ETag": f'"{file.etag}"', "Vary": "Accept-Encoding"}
    if any(tag.value == file.etag for tag in http.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    if file.zipped is not None and "gzip" in http.headers.get("Accept-Encoding", ""):
        return web.Response(body=file.zipped, headers={**headers, "Content-Encoding": "gzip"})
    return web.Response(body=file.body, headers=headers)


async def _file(http: web.Request) -> web.StreamResponse:
    """A page of an older build that is still open gets today's file, but may not keep it."""
    current = http.match_info["build"] == build()
    return serve(http, http.match_info["path"], cache=f"public, max-age={YEAR}, immutable" if current else "no-cache")


async def _widget_script(http: web.Request) -> web.StreamResponse:
    """The one script of the embedding sites. It may be loaded from anywhere and says nothing secret."""
    response = serve(http, "widget.js", cache="public, max-age=300")
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


async def _icon(http: web.Request) -> web.StreamResponse:
    return serve(http, "chat/icon.svg", cache="public, max-age=86400")


async def _chat(http: web.Request) -> web.StreamResponse:
    """``/widget?site=…``: the chat window, as a page of its own or in a frame on the sites that may show it."""
    channel = who.window(http)
    title = channel.site.title.get("en") or next(
        iter(channel.site.title.values()), http.app[GATEWAY].config.company.called()
    )
    return page("chat/index.html", {"title": title}, policy=_chat_policy(http, channel))


def _chat_policy(http: web.Request, channel: Webchat) -> str:
    sites = "*" if "*" in channel.site.origins else " ".join(("'self'", *channel.site.origins))
    return f"{_policy(http)}; frame-ancestors {sites}"


def _policy(http: web.Request) -> str:
    """Our own scripts and styles only. Older browsers do not count a WebSocket of ours as 'self'."""
    named = (http.host, urlsplit(doors.public_url(http, http.app[GATEWAY])).netloc)
    hosts = {host for host in named if _HOST.fullmatch(host)}
    sockets = " ".join(f"{scheme}://{host}" for host in sorted(hosts) for scheme in ("ws", "wss"))
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' blob: data:; "
        f"media-src blob:; connect-src 'self' {sockets}; manifest-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'"
    )


async def _home(http: web.Request) -> web.StreamResponse:
    """The sample shop's page with the window in its corner."""
    gateway = http.app[GATEWAY]
    channel = next((channel for channel in gateway.channels.values() if isinstance(channel, Webchat)), None)
    if channel is None:
        raise ProblemError(404, "no chat window is configured: add [channels.webchat.<account>]")
    called = gateway.config.company.called
    values = {"company": called("en"), "hans": called("zh-Hans"), "hant": called("zh-Hant")}
    values |= {"site": channel.site.site_key, "color": channel.site.color}
    return page("index.html", values, policy=f"{_policy(http)}; frame-ancestors 'none'")
