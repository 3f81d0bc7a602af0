"""Errors as answers: RFC 9457 problem details for programs, a small page for people; and the security headers.

:func:`install` puts both into an application. A handler raises :class:`ProblemError` (or lets an error of the
channels or the store pass through) and builds no error answer itself.
"""

from __future__ import annotations

import html
import logging
import secrets
import traceback
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from channels.base import BadPayload, BadSignature, Forbidden, Invalid
from gateway.store.base import Conflict, NotFound, Stale, StoreUnavailable

log = logging.getLogger(__name__)

#: Seconds after which a client may come back when the store is away.
RETRY_AFTER = 5
#: Paths that programs call: their errors are problem details whatever the Accept header says.
API_PATHS = ("/v1/", "/in/", "/sinks/", "/healthz", "/readyz", "/metrics", "/openapi.json")

#: OWASP's baseline; a handler that sets one of these itself keeps its own value (the framable ``/widget``).
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class ProblemError(Exception):
    """Raised in a handler to answer with a problem. ``extra`` become members of the problem's JSON."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        title: str = "",
        type: str = "about:blank",
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail or title or str(status))
        self.status, self.detail, self.title, self.type = status, detail, title, type
        self.headers, self.extra = dict(headers or {}), extra


def problem(status: int, title: str = "", detail: str = "", *, type: str = "about:blank", **extra: Any) -> web.Response:
    """An RFC 9457 answer: ``type``, ``title`` (the status' own when empty), ``status``, ``detail`` and ``extra``."""
    body: dict[str, Any] = {"type": type, "title": title or _phrase(status), "status": status}
    if detail:
        body["detail"] = detail
    return web.Response(status=status, body=msgspec.json.encode(body | extra), content_type="application/problem+json")


def install(app: web.Application) -> None:
    """Errors become answers, and every answer of ``app`` (also a streamed one) carries the security headers."""
    app.middlewares.append(middleware)
    app.on_response_prepare.append(security_headers)


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The one place where an error becomes an answer."""
    try:
        return await handler(request)
    except web.HTTPException as err:
        if err.status < 400:
            raise
        return _answer(request, _of_http(err))
    except ConnectionError:
        raise  # the caller has gone: there is nobody to answer, and nothing of ours is wrong
    except Exception as err:
        if request.writer is not None and request.writer.output_size > 0:
            raise  # the answer has begun: all that can be done is to cut the connection
        return _answer(request, _of(err) or _unexpected(request, err))


async def security_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Called for every answer before its head is written."""
    harden(request, response)


def harden(request: web.Request, response: web.StreamResponse) -> None:
    """Set what the handler has not set. Everything but the static files is not to be kept by anyone."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    resource = request.match_info.route.resource
    if not isinstance(resource, web.StaticResource):
        response.headers.setdefault("Cache-Control", "no-store")


def _of(err: Exception) -> ProblemError | None:
    """The problem that a known error is, None for one that nobody expected."""
    match err:
        case ProblemError():
            return err
        case Invalid():
            extra: dict[str, Any] = {"where": err.where} if err.where else {}
            return ProblemError(err.status, err.detail, **extra)
        case BadSignature():
            # RFC 9110 wants a challenge with every 401; bearer is the one that a client of ours can answer.
            headers = {"WWW-Authenticate": "Bearer"}
            return ProblemError(401, "The signature or token is missing, wrong or too old.", headers=headers)
        case Forbidden():
            return ProblemError(403, str(err))
        case BadPayload():
            return ProblemError(400, "The body could not be read.")
        case UnicodeEncodeError():
            # A header's bytes that are no UTF-8 arrive as lone surrogates, which no digest or store takes.
            return ProblemError(400, "A header or the address is not UTF-8.")
        case NotFound():
            return ProblemError(404)
        case Stale():
            return ProblemError(409, "Somebody else has the conversation by now; load it again.")
        case Conflict():
            return ProblemError(409, str(err))
        case StoreUnavailable():
            return ProblemError(
                503, "The store is not available; try again.", headers={"Retry-After": str(RETRY_AFTER)}
            )
    return None


def _of_http(err: web.HTTPException) -> ProblemError:
    kept = {name: value for name, value in err.headers.items() if name.lower() in ("allow", "retry-after")}
    detail = err.text if err.text and err.text != f"{err.status}: {err.reason}" else ""
    return ProblemError(err.status, detail, title=err.reason, headers=kept)


def _unexpected(request: web.Request, err: Exception) -> ProblemError:
    """Log where it happened, never the error's words or the path's values: they may be a customer's."""
    reference = secrets.token_hex(6)
    resource = request.match_info.route.resource
    log.error(
        "unexpected %s, reference %s, at %s %s\n%s",
        type(err).__name__,
        reference,
        request.method,
        resource.canonical if resource else "-",
        "".join(traceback.format_tb(err.__traceback__)),
    )
    return ProblemError(500, f"This is our fault; the reference is {reference}.", reference=reference)


def _answer(request: web.Request, err: ProblemError) -> web.Response:
    answer = (
        page(request, err)
        if wants_page(request)
        else problem(err.status, err.title, err.detail, type=err.type, **err.extra)
    )
    answer.headers.update(err.headers)
    return answer


def wants_page(request: web.Request) -> bool:
    """Whether a browser asks for a page, so that a person will read the answer."""
    return "text/html" in request.headers.get("Accept", "") and not request.path.startswith(API_PATHS)


_PAGES: Mapping[str, Mapping[int, str]] = {
    "en": {
        401: "Please sign in first.",
        403: "You may not do this.",
        404: "There is no such page.",
        413: "That is too large.",
        429: "Too many requests. Please wait a moment.",
        503: "We cannot do this right now. Please try again in a moment.",
        500: "Something went wrong on our side. Nothing that you sent before is lost.",
        0: "This request could not be handled.",
    },
    "zh-Hans": {
        401: "请先登录。",
        403: "您没有权限进行此操作。",
        404: "没有这个页面。",
        413: "内容过大。",
        429: "操作过于频繁，请稍候再试。",
        503: "暂时无法处理，请稍后再试。",
        500: "我们这边出了问题。您此前发送的内容不会丢失。",
        0: "无法处理此请求。",
    },
    "zh-Hant": {
        401: "請先登入。",
        403: "您沒有權限進行此操作。",
        404: "沒有這個頁面。",
        413: "內容過大。",
        429: "操作過於頻繁，請稍候再試。",
        503: "暫時無法處理，請稍後再試。",
        500: "我們這邊出了問題。您先前傳送的內容不會遺失。",
        0: "無法處理此請求。",
    },
}


#: Within the page, so that it looks the same whatever else is out of order.
_STYLE = (
    ":root{color-scheme:light dark;font:17px/1.55 system-ui,sans-serif}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;background:#f4f3ef;color:#1b2225}"
    "main{padding:24px;max-width:32rem;text-align:center}"
    "h1{font-size:1.5rem;line-height:1.35;text-wrap:balance}p{color:#5a666b}"
    "@media(prefers-color-scheme:dark){body{background:#0f1416;color:#e7ecee}p{color:#9aa8ae}}"
)
_PAGE_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def page(request: web.Request, err: ProblemError) -> web.Response:
    """The error as a page in the browser's language; it needs no other file."""
    language = language_of(request.headers.get("Accept-Language", ""))
    words = _PAGES[language]
    title = words.get(err.status, words[500] if err.status >= 500 else words[0])
    detail = f"<p>{html.escape(err.detail)}</p>" if err.detail else ""
    text = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{detail}<p>{err.status}</p></main></body></html>"
    )
    headers = {"Content-Security-Policy": _PAGE_POLICY}
    return web.Response(status=err.status, text=text, content_type="text/html", headers=headers)


def language_of(accept: str) -> str:
    """``zh-Hans``, ``zh-Hant`` or ``en`` from an Accept-Language header: the first that we have."""
    for part in accept.lower().split(","):
        tag = part.split(";")[0].strip()
        if tag.startswith(("zh-tw", "zh-hk", "zh-mo", "zh-hant")):
            return "zh-Hant"
        if tag.startswith("zh"):
            return "zh-Hans"
        if tag.startswith("en"):
            return "en"
    return "en"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
