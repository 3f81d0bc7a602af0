"""No credential, no start; secrets compared in constant time; nothing of anybody in the logs.

Elsewhere: signatures, byte by byte, too old or of another key (tests/channels/test_standard_webhooks.py,
tests/channels/webchat/test_sessions.py, tests/channels/api/test_api.py, tests/sinks/test_webhook.py, and for every
channel the contract suite); passwords, cookies, sessions and links (tests/desk/test_login.py).
"""

from __future__ import annotations

import ast
import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.app import assemble
from gateway.config import ConfigError, load
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
SECRET = "0123456789012345678901234567890123456789"
HASH = "0" * 64
TOKEN = f'[[channels.api.main.tokens]]\nname = "t"\nsha256 = "{HASH}"\nscopes = ["records:read"]\n'
WHSEC = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
CHAT = '[channels.webchat.shop]\nsite_key = "lantern"\n'


@pytest.mark.parametrize(
    ("configuration", "key"),
    [
        ("", "secret"),
        ('secret = "short"\n', "secret"),
        (f'secret = "{SECRET}"\n{CHAT}', "session_secret"),
        (f'secret = "{SECRET}"\n{CHAT}session_secret = "short"\n', "session_secret"),
        (f'secret = "{SECRET}"\n{CHAT}session_secret = "{SECRET}"\nidentity_secret = "short"\n', "identity_secret"),
        (f'secret = "{SECRET}"\n[channels.api.main]\n', "tokens"),
        (f'secret = "{SECRET}"\n[channels.api.main]\nwebhook_secrets = ["whsec_c2hvcnQ="]\n', "whsec_"),
        (f'secret = "{SECRET}"\n[channels.api.main]\n{TOKEN.replace(HASH, "")}', "sha256"),
        (f'secret = "{SECRET}"\n[channels.api.main]\nreply_url = "https://a.example/"\n{TOKEN}', "whsec_"),
        (f'secret = "{SECRET}"\n[sinks.s]\nkind = "webhook"\nurl = "https://a.example/"\n', "secret"),
        (f'secret = "{SECRET}"\n[sinks.s]\nkind = "webhook"\nurl = "https://a.example/"\nsecret = ""\n', "whsec_"),
        (
            f'secret = "{SECRET}"\n[sinks.s]\nkind = "webhook"\nurl = "https://a.example/"\nsecret = "{WHSEC}"\n'
            'previous_secret = "whsec_x"\n',
            "whsec_",
        ),
    ],
)
def test_without_a_good_secret_nothing_starts(tmp_path: Path, configuration: str, key: str) -> None:
    file = tmp_path / "allears.toml"
    file.write_text(configuration)
    with pytest.raises(ConfigError, match=key) as refused:
        assemble(load(file, env={}))
    assert SECRET not in str(refused.value)
    assert WHSEC not in str(refused.value)


#: What a name sounds like whose value nobody may find out byte by byte.
TELLING = ("secret", "signature", "csrf", "password", "mac", "token", "given")
#: Comparisons that look like one and compare something public.
PUBLIC = {
    ("gateway/cli/agents.py", "password != getpass.getpass('Again: ')"),  # both are typed by one person
    ("gateway/singular.py", "await store.take_lease(lease) != token"),  # fencing tokens count the changes of a lease
    ("gateway/store/postgres/leases.py", "tokens.get(name) != token"),
    ("gateway/redis/tokens.py", "self._held.token == refused"),  # both are ours: is it still the one that was refused?
}


def comparisons(tree: ast.AST) -> Iterator[ast.Compare]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            yield node


def test_no_secret_is_compared_with_equals() -> None:
    """``==`` stops at the first byte that differs, and the time it takes tells how many were right.

    The simulated platforms are left out: they listen on this machine alone, and their tokens are printed in their source.
    """
    found = []
    for file in (*ROOT.glob("channels/**/*.py"), *ROOT.glob("gateway/**/*.py")):
        path = file.relative_to(ROOT).as_posix()
        if path.startswith("channels/_platforms/"):
            continue
        for node in comparisons(ast.parse(file.read_text())):
            sides = [ast.unparse(side) for side in (node.left, *node.comparators)]
            plain = any(side.startswith(("'", '"', "len(", "{")) or side.isdecimal() for side in sides)
            telling = any(side.rpartition(".")[2].casefold() in TELLING for side in sides)
            if telling and not plain and (path, ast.unparse(node)) not in PUBLIC:
                found.append(f"{path}:{node.lineno}: {ast.unparse(node)}")
    assert not found


def test_every_check_of_a_secret_is_constant_in_time() -> None:
    """The modules that check one: a new one belongs on the list, with its ``compare_digest``."""
    checking = {
        file.relative_to(ROOT).as_posix()
        for folder in ("channels", "gateway")
        for file in ROOT.glob(f"{folder}/**/*.py")
        if "hmac.compare_digest" in file.read_text()
    }
    assert checking >= {
        "channels/_api_messages.py",
        "channels/_jwt.py",
        "channels/_standard_webhooks.py",
        "channels/api.py",
        "channels/webchat.py",
        "gateway/desk/passwords.py",
        "gateway/keys.py",
        "gateway/web/desk/guard.py",
    }


async def test_a_whole_day_at_debug_leaves_nothing_of_anybody_in_the_log(tmp_path: Path) -> None:
    """The real program in a process of its own: what is on its standard error is what an operator's disk would hold."""
    day = Day(tmp_path)
    await day.start()
    try:
        await day.live()
    finally:
        log = await day.stop()
    assert "DEBUG" in log
    assert "Error handling request" in log, "the broken requests were not seen: the test proves nothing"
    told = [word for word in day.private if word in log]
    assert not told


class Day:
    """A server, and everything that goes right and wrong with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.private = [
            "leaking-boiler",
            "Hortensia",
            "hortensia@example.org",
            "13800138000",
            "very-private.png",
            SECRET,
        ]
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    async def allears(self, *args: str) -> str:
        command = (sys.executable, "-m", "gateway.cli.main", *args)
        done = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        return (await done.communicate())[0].decode()

    async def start(self) -> None:
        said = await self.allears("init", str(self.folder))
        self.token = said.split("aat_")[1].split()[0]
        config = self.folder / "allears.toml"
        text = config.read_text().replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        config.write_text(text)
        self.private += [self.token, *(line.split('"')[1] for line in text.splitlines() if "secret =" in line)]
        self._log = (self.folder / "log.txt").open("wb")
        command = (
            sys.executable,
            "-X",
            "dev",
            "-m",
            "gateway.cli.main",
            "serve",
            "--log",
            "debug",
            "--config",
            str(config),
        )
        self._process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=self._log
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            while "/desk/login/" not in (line := (await self._process.stdout.readline()).decode()):
                assert self._process.returncode is None, (self.folder / "log.txt").read_text()
        self.link = line.split()[-1]
        self.private.append(self.link.rpartition("/")[2])

    async def stop(self) -> str:
        self._process.terminate()
        await self._process.wait()
        self._log.close()
        return (self.folder / "log.txt").read_text(errors="replace")

    async def live(self) -> None:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            self.session = session
            await self._customers()
            await self._agent()
            await self._vandals()
            await asyncio.sleep(1)

    async def _ask(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        async with self.session.request(method, self.url + path, **more) as answer:
            return answer.status, await answer.json() if "json" in answer.content_type else await answer.read()

    async def _customers(self) -> None:
        words = "My leaking-boiler from Hortensia, call 13800138000 or hortensia@example.org. I want a refund!"
        token = {"Authorization": f"Bearer aat_{self.token}"}
        sender = {"name": "Hortensia", "email": "hortensia@example.org", "phone": "13800138000"}
        body = {"text": words, "external_id": "1", "sender": sender}
        assert (await self._ask("POST", "/v1/messages", json=body, headers=token))[0] == 202
        for broken in ({"text": words, "sender": words}, {"kind": "leaking-boiler"}, {"leaking-boiler": 1}):
            assert (await self._ask("POST", "/v1/messages", json=broken, headers=token))[0] == 422
        wrong = {"Authorization": "Bearer leaking-boiler"}
        assert (await self._ask("POST", "/v1/messages", json=body, headers=wrong))[0] == 401
        visitor = "A" * 42 + "E"
        _, hello = await self._ask("POST", "/widget/v1/session?site=lantern", json={"visitor": visitor})
        self.private += [visitor, hello["token"]]
        mine = {"Authorization": f"Bearer {hello['token']}"}
        file = {**mine, "X-File-Name": "very-private.png"}
        status, up = await self._ask("POST", "/widget/v1/uploads?site=lantern", data=b"leaking-boiler", headers=file)
        assert status == 200
        said = {"client_msg_id": "12345678", "text": words, "attachments": [up["upload"]]}
        assert (await self._ask("POST", "/widget/v1/messages?site=lantern", json=said, headers=mine))[0] == 200
        url = f"{self.url}/widget/v1/socket?site=lantern"
        async with self.session.ws_connect(url) as ws:
            await ws.send_json({"type": "resume", "token": hello["token"], "last_seq": 0})
            await ws.receive_json()
            await ws.send_str("leaking-boiler")

    async def _agent(self) -> None:
        async with self.session.post(self.link):
            pass
        _, me = await self._ask("GET", "/desk/api/me")
        self.private += [me["csrf"], *(cookie.value for cookie in self.session.cookie_jar)]
        acting = {"Origin": self.url, "X-Desk-Token": me["csrf"]}
        _, queue = await self._ask("GET", "/desk/api/conversations?q=leaking-boiler")
        for line in queue["items"]:
            path = f"/desk/api/conversations/{line['id']}"
            _, taken = await self._ask("POST", f"{path}/claim", json={}, headers=acting)
            body = {"fence": taken.get("fence", 0), "key": "key-00000001", "text": "the leaking-boiler is replaced"}
            await self._ask("POST", f"{path}/reply", json=body, headers=acting)
            await self._ask("POST", f"{path}/note", json={"key": "leaking-boiler", "text": "x"}, headers=acting)
            await self._ask("POST", f"{path}/reply", json={"text": "leaking-boiler"}, headers=acting)
        wrong = {"login": "hortensia@example.org", "password": "leaking-boiler"}
        await self._ask("POST", "/desk/api/login", json=wrong, headers={"Origin": self.url})
        await self._ask("GET", "/desk/login/leaking-boiler")
        await self._ask("GET", "/status/leaking-boiler?k=leaking-boiler")

    async def _vandals(self) -> None:
        for data in (
            b"GET /?leaking-boiler HTTP/1.1\r\nHost: x\r\nCookie: allears-desk=leaking-boiler\0\r\n\r\n",
            b"GET /leaking-boiler leaking-boiler HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer leaking-boiler\r\n leaking-boiler\r\n\r\n",
            b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nleaking-boiler\r\n",
            b"POST /desk/api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nleaking-boiler",
            b"GET /desk/api/me HTTP/1.1\r\nHost: x\r\nCookie: allears-desk=leaking-boiler\xff\r\n\r\n",
        ):
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(0.1)
            writer.close()
