"""Errors as answers: a problem for programs, a page for people, and never a customer's words in the log."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from channels.base import BadPayload, BadSignature, Forbidden, Invalid
from gateway.store.base import Conflict, NotFound, Stale, StoreUnavailable
from gateway.web import problems
from gateway.web.problems import ProblemError

Client = TestClient[web.Request, web.Application]
PAGE = {"Accept": "text/html,application/xhtml+xml", "Accept-Language": "en"}

ERRORS: dict[str, Callable[[], Exception]] = {
    "problem": lambda: ProblemError(418, "short and stout", title="Teapot", type="https://a.example/tea", colour="red"),
    "invalid": lambda: Invalid("say which order", where="$.order", status=400),
    "signature": lambda: BadSignature("inner reason"),
    "forbidden": lambda: Forbidden("this token may only read"),
    "payload": lambda: BadPayload("at byte 7"),
    "missing": lambda: NotFound("conversation of somebody else"),
    "stale": lambda: Stale("fence 3, not 2"),
    "conflict": lambda: Conflict("the case is closed"),
    "away": lambda: StoreUnavailable("disk full: /var/lib/secret"),
    "http": lambda: web.HTTPTooManyRequests(text="slow down", headers={"Retry-After": "9"}),
    "method": lambda: web.HTTPMethodNotAllowed("PUT", ["GET", "POST"]),
    "found": lambda: web.HTTPFound("/elsewhere"),
    "fault": lambda: ValueError("my card number is 6222 0200 1234 5678"),
    "markup": lambda: ProblemError(400, "<script>alert(1)</script>"),
}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    app = web.Application()
    problems.install(app)

    def raises(name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handler(request: web.Request) -> web.Response:
            raise ERRORS[name]()

        return handler

    async def fine(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def framed(request: web.Request) -> web.Response:
        return web.Response(headers={"Content-Security-Policy": "frame-ancestors https://shop.example"})

    async def streams(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        raise ValueError("in the middle")

    for name in ERRORS:
        app.router.add_get(f"/v1/{name}", raises(name))
        app.router.add_get(f"/pages/{name}/{{who}}", raises(name))
    app.router.add_get("/fine", fine)
    app.router.add_get("/widget", framed)
    app.router.add_get("/stream", streams)
    (tmp_path / "a.js").write_text("1")
    app.router.add_static("/static", tmp_path)
    async with TestClient(TestServer(app)) as it:
        yield it


@pytest.mark.parametrize(
    ("name", "status", "detail"),
    [
        ("problem", 418, "short and stout"),
        ("invalid", 400, "say which order"),
        ("signature", 401, "The signature or token is missing, wrong or too old."),
        ("forbidden", 403, "this token may only read"),
        ("payload", 400, "The body could not be read."),
        ("missing", 404, ""),
        ("stale", 409, "Somebody else has the conversation by now; load it again."),
        ("conflict", 409, "the case is closed"),
        ("away", 503, "The store is not available; try again."),
        ("http", 429, "slow down"),
        ("method", 405, ""),
    ],
)
async def test_every_error_is_a_problem(name: str, status: int, detail: str, client: Client) -> None:
    async with client.get(f"/v1/{name}", headers=PAGE) as answer:
        assert answer.status == status
        assert answer.content_type == "application/problem+json"
        body = await answer.json(content_type=None)
    assert (body["status"], body.get("detail", "")) == (status, detail)
    assert body["title"]
    assert body["type"]


async def test_what_a_problem_carries(client: Client) -> None:
    tea = await (await client.get("/v1/problem")).json(content_type=None)
    assert (tea["type"], tea["title"], tea["colour"]) == ("https://a.example/tea", "Teapot", "red")
    assert (await (await client.get("/v1/invalid")).json(content_type=None))["where"] == "$.order"
    assert (await client.get("/v1/away")).headers["Retry-After"] == "5"
    assert (await client.get("/v1/http")).headers["Retry-After"] == "9"
    assert (await client.get("/v1/method")).headers["Allow"] == "GET,POST"


async def test_an_unknown_path_is_a_problem_too(client: Client) -> None:
    answer = await client.get("/nowhere")
    assert (answer.status, answer.content_type) == (404, "application/problem+json")


async def test_a_redirect_passes(client: Client) -> None:
    answer = await client.get("/v1/found", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, "/elsewhere")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en-GB,en;q=0.9", "There is no such page."),
        ("zh-CN,zh;q=0.9", "没有这个页面。"),
        ("zh-TW,zh;q=0.9", "沒有這個頁面。"),
        ("de", "There is no such page."),
        ("", "There is no such page."),
    ],
)
async def test_a_person_gets_a_page(language: str, words: str, client: Client) -> None:
    answer = await client.get("/pages/missing/me", headers=PAGE | {"Accept-Language": language})
    assert (answer.status, answer.content_type) == (404, "text/html")
    text = await answer.text()
    assert words in text
    assert "somebody else" not in text
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert b64encode(sha256(style.encode()).digest()).decode() in answer.headers["Content-Security-Policy"]


async def test_a_page_shows_markup_as_text(client: Client) -> None:
    text = await (await client.get("/pages/markup/me", headers=PAGE)).text()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("path", ["/v1/fault", "/pages/fault/li.wei@example.com"])
async def test_a_fault_is_logged_without_anybodys_words(
    path: str, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "gateway"):
        answer = await client.get(path)
        body = await answer.json(content_type=None)
    assert answer.status == 500
    assert body["reference"] in body["detail"]
    assert body["reference"] in caplog.text
    assert "ValueError" in caplog.text
    assert "handler" in caplog.text  # where it happened
    assert "6222" not in caplog.text + str(body)
    assert "li.wei" not in caplog.text


async def test_an_answer_that_has_begun_is_cut(client: Client) -> None:
    answer = await client.get("/stream")
    with pytest.raises(aiohttp.ClientPayloadError):
        await answer.read()


@pytest.mark.parametrize(
    "path", ["/fine", "/v1/fault", "/v1/missing", "/nowhere", "/stream", "/static/a.js", "/v1/found"]
)
async def test_every_answer_has_the_security_headers(path: str, client: Client) -> None:
    headers = (await client.get(path, allow_redirects=False)).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "camera=()" in headers["Permissions-Policy"]
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers.get("Cache-Control") == (None if path.startswith("/static") else "no-store")


async def test_a_handlers_own_header_stays(client: Client) -> None:
    headers = (await client.get("/widget")).headers
    assert headers.getall("Content-Security-Policy") == ["frame-ancestors https://shop.example"]
