"""The public status page: a customer sees how their case stands, and only theirs.

The link holds the case's code. Without the right code every number, real or not, gets the same answer, and it is
given before the store is asked, so that nobody learns which numbers exist.
"""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import quote

from aiohttp import web

from gateway.context import GATEWAY, Gateway
from gateway.desk import people
from gateway.status_link import code_fits
from gateway.store.base import NotFound
from gateway.web import static, status_page
from gateway.web.doors import remote
from gateway.web.labels import LANGUAGES
from gateway.web.throttle import Throttle

#: Wrong numbers or codes from one address, and how long they count.
MISSES, WINDOW = 30, timedelta(minutes=10)
_NUMBER = re.compile(r"[A-Z0-9-]{4,40}")
_CODE = re.compile(r"[a-z2-7]{26}")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def routes() -> list[web.AbstractRouteDef]:
    """The form and the page."""
    area = Status()
    return [web.get("/status", area.form), web.get("/status/", area.form), web.get("/status/{number}", area.case)]


class Status:
    """The handlers, with the misses they count."""

    def __init__(self) -> None:
        self._misses = Throttle(MISSES, WINDOW)

    async def form(self, request: web.Request) -> web.Response:
        """Where number and code can be typed in; filled in, it leads to the page."""
        number, code = _typed(request.query.get("number", "")).upper(), _typed(request.query.get("k", "")).lower()
        if number and code:
            return web.Response(
                status=303,
                headers={**_HEADERS, "Location": f"/status/{quote(number, safe='')}?k={quote(code, safe='')}"},
            )
        return _answer(request, 200, _language(request), "")

    async def case(self, request: web.Request) -> web.Response:
        """How a case stands."""
        gateway = request.app[GATEWAY]
        language, address, now = _language(request), remote(request, gateway), gateway.clock()
        if self._misses.wait(address, now):
            return _answer(request, 429, language, "throttled")
        number, code = request.match_info["number"], request.query.get("k", "")
        known = _NUMBER.fullmatch(number) is not None and _CODE.fullmatch(code) is not None
        if code_fits(gateway.keys, number, code) and known:
            try:
                return await _case(request, gateway, number, code)
            except NotFound:
                pass  # erased since: the same answer as for one that never was
        self._misses.failed(address, now)
        return _answer(request, 404, language, "unknown")


async def _case(request: web.Request, gateway: Gateway, number: str, code: str) -> web.Response:
    record = await gateway.store.record(number)
    spoken = record.arrival.language.value if record.arrival.language else ""
    shown = status_page.Shown(
        record=record,
        journal=await gateway.store.journal(number),
        names=await people.names(gateway),
        company=gateway.config.company.called(_language(request, spoken)),
        timezone=gateway.config.company.timezone,
        now=gateway.clock(),
        code=code,
        style=static.url("status/status.css"),
    )
    text = status_page.case(shown, _language(request, spoken))
    return web.Response(text=text, content_type="text/html", headers=_HEADERS)


def _answer(request: web.Request, status: int, language: str, message: str) -> web.Response:
    company = request.app[GATEWAY].config.company.called(language)
    text = status_page.form(language, message, company=company, style=static.url("status/status.css"))
    return web.Response(status=status, text=text, content_type="text/html", headers=_HEADERS)


def _language(request: web.Request, spoken: str = "") -> str:
    """As chosen on the page, else as the customer wrote, else as the browser asks."""
    if (chosen := request.query.get("lang", "")) in LANGUAGES:
        return chosen
    tags = [spoken, *(part.split(";")[0].strip() for part in request.headers.get("Accept-Language", "").split(","))]
    return next((found for tag in tags if (found := _nearest(tag.lower()))), "en")


def _nearest(tag: str) -> str:
    if tag.startswith(("zh-hant", "zh-tw", "zh-hk", "zh-mo", "yue")):
        return "zh-Hant"
    if tag.startswith("zh"):
        return "zh-Hans"
    return "en" if tag.startswith("en") else ""


def _typed(text: str) -> str:
    """What somebody typed from a slip of paper: spaces and full-width characters do not matter."""
    return "".join(chr(ord(c) - 0xFEE0) if "！" <= c <= "～" else c for c in text if not c.isspace())[:60]
