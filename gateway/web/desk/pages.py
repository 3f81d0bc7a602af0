"""The desk's page itself. It holds nothing that is not public, so anybody may load it."""

from __future__ import annotations

from aiohttp import web

from gateway.context import GATEWAY
from gateway.web import static

#: Everything the page loads is ours; a customer's text can at worst be text.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def routes() -> list[web.AbstractRouteDef]:
    """The page; its files are the static area's."""
    return [web.get("/desk", _page), web.get("/desk/", _page)]


async def _page(request: web.Request) -> web.Response:
    company = request.app[GATEWAY].config.company.called()
    return static.page("desk/index.html", {"company": company}, policy=POLICY)
