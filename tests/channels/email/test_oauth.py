"""OAuth2: tokens from a command or by a refresh token, renewed in time, thrown away when refused."""

from __future__ import annotations

import base64
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels._email import oauth
from channels.base import Retry, Unauthorized
from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.tools import GatewayTools
from tests.channels.email.office import open_office, settings
from tests.channels.email.test_faults import CAPABILITY, SELECT, Script


class Issuer:
    """A token endpoint."""

    def __init__(self) -> None:
        self.forms: list[dict[str, list[str]]] = []
        self.status, self.seconds = 200, 3600
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.forms.append(parse_qs((await request.read()).decode()))
        body = {"access_token": f"token{len(self.forms)}", "expires_in": self.seconds, "token_type": "Bearer"}
        return web.json_response(body if self.status == 200 else {"error": "invalid_grant"}, status=self.status)


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    made = Issuer()
    app = web.Application()
    app.router.add_post("/token", made.answer)
    async with TestServer(app) as server:
        made.url = str(server.make_url("/token"))
        yield made


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[GatewayTools]:
    egress = Egress(["127.0.0.0/8"])
    yield GatewayTools(egress, Blobs(tmp_path / "blobs"))
    await egress.close()


async def test_a_token_is_kept_until_shortly_before_it_ends(issuer: Issuer, tools: GatewayTools) -> None:
    tokens = oauth.by_refresh(issuer.url, "id", "secret", "refresh", "imap")
    assert [await tokens.get(tools) for _ in range(3)] == ["token1"] * 3
    assert issuer.forms[0] == {
        "grant_type": ["refresh_token"],
        "client_id": ["id"],
        "client_secret": ["secret"],
        "refresh_token": ["refresh"],
        "scope": ["imap"],
    }
    tokens.forget()
    issuer.seconds = 60
    assert [await tokens.get(tools), await tokens.get(tools)] == ["token2", "token3"]


@pytest.mark.parametrize(("status", "error"), [(400, Unauthorized), (401, Unauthorized), (503, Retry), (429, Retry)])
async def test_what_an_issuer_says(issuer: Issuer, tools: GatewayTools, status: int, error: type[Exception]) -> None:
    issuer.status = status
    with pytest.raises(error):
        await oauth.by_refresh(issuer.url, "id", "", "refresh", "").get(tools)


async def test_a_command_prints_the_token(tools: GatewayTools, tmp_path: Path) -> None:
    script = tmp_path / "token.py"
    script.write_text("print('from-the-command')")
    assert await oauth.by_command(f"{sys.executable} {script}").get(tools) == "from-the-command"
    script.write_text("raise SystemExit(3)")
    with pytest.raises(Unauthorized, match="status 3"):
        await oauth.by_command(f"{sys.executable} {script}").get(tools)
    with pytest.raises(Unauthorized):
        await oauth.by_command("/no/such/program").get(tools)


async def test_a_refused_token_is_fetched_anew_at_the_next_attempt(issuer: Issuer, tmp_path: Path) -> None:
    def xoauth2(token: str) -> str:
        return base64.b64encode(f"user=desk\1auth=Bearer {token}\1\1".encode()).decode().replace("+", "\\+")

    rules: list[tuple[str, str]] = [
        CAPABILITY,
        SELECT,
        (f"AUTHENTICATE XOAUTH2 {xoauth2('token2')}$", "TAG OK welcome\r\n"),
        ("AUTHENTICATE", "TAG NO [AUTHENTICATIONFAILED] expired\r\n"),
    ]
    async with Script(tmp_path, rules) as server:
        tree: dict[str, Any] = settings(None, None, tmp_path, imap_port=server.port, ca_file=str(server.ca))
        tree |= {"oauth_url": issuer.url, "oauth_client_id": "id", "oauth_refresh_token": "r"}
        del tree["password"]
        async with open_office(tmp_path, {"main": tree}) as office:
            first = await office.channel.check(office.tools)
            second = await office.channel.check(office.tools)
        assert (first[0].ok, second[0].ok) == (False, True)
        assert len(issuer.forms) >= 2
