"""Access tokens that all nodes share: one asks the platform, the others take what it got.

A token is a secret: it lies in Redis encrypted (AES-GCM) under a key that derives from the installation's secret, ends there
with the token's own time, and beside it is a keyed digest, by which a node says which token the platform has refused.
While Redis is away each node asks for itself and keeps what it gets in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from channels._tokens import lasts
from channels.base import AskToken, Retry, Tools
from gateway.keys import Keys
from gateway.redis.link import Away, Link, Script

#: Milliseconds after which another node may ask: longer than an answer takes.
HOLD = 35_000
#: How long to wait for the node that asks, and between two looks (seconds).
PATIENCE, STEP = 40.0, 0.1
_NONCE = 12

#: KEYS: the token, who asks. ARGV: the refused token's digest, our word, milliseconds. Gives the token and the milliseconds it
#: has left; or 1: it is on us to ask; or nothing: somebody does.
_LOOK = Script(
    """
local found = redis.call('HMGET', KEYS[1], 'sealed', 'digest')
if found[1] and found[2] ~= ARGV[1] then return {found[1], redis.call('PTTL', KEYS[1])} end
if redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) then return 1 end
return false
"""
)
#: KEYS as above. ARGV: our word, then nothing, or the token, its digest and its milliseconds. Whoever took too long keeps nothing here.
_DONE = Script(
    """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return end
redis.call('DEL', KEYS[2])
if ARGV[2] then
  redis.call('HSET', KEYS[1], 'sealed', ARGV[2], 'digest', ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
"""
)


@dataclass(frozen=True)
class _Held:
    token: str = ""
    until: float = 0.0

    def __repr__(self) -> str:
        return "_Held(***)"


class SharedToken:
    """:class:`channels.base.Token` of one account, ``<channel>/<account>``."""

    def __init__(self, link: Link, keys: Keys, account: str) -> None:
        self._link, self._keys, self._account = link, keys, account
        self._cipher = AESGCM(keys.key("tokens in redis"))
        self._lock = asyncio.Lock()
        self._held = _Held()

    async def get(self, ask: AskToken, tools: Tools, *, refused: str = "") -> str:
        async with self._lock:
            if self._held.token == refused or tools.now().timestamp() >= self._held.until:
                self._held = await self._another(ask, tools, refused)
            return self._held.token

    async def _another(self, ask: AskToken, tools: Tools, refused: str) -> _Held:
        word = secrets.token_hex(8)
        for _ in range(int(PATIENCE / STEP)):
            try:
                found = await self._look(refused, word)
            except (Away, InvalidTag):
                return await self._asked(ask, tools)
            if isinstance(found, _Held):
                return _Held(found.token, tools.now().timestamp() + found.until)
            if found:
                return await self._ask_for_all(ask, tools, word)
            await asyncio.sleep(STEP)
        raise Retry("another node asks for the access token")

    async def _look(self, refused: str, word: str) -> _Held | bool:
        """The token with the seconds it has left, or whether we have to ask. Raises :class:`Away`, InvalidTag."""
        found = await self._link.script(_LOOK, self._places(), [self._digest(refused), word, HOLD])
        if not isinstance(found, list):
            return bool(found)
        sealed, left = found
        token = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], self._account.encode())
        return _Held(token.decode(), left / 1000)

    async def _ask_for_all(self, ask: AskToken, tools: Tools, word: str) -> _Held:
        result: tuple[str | bytes | int, ...] = ()
        try:
            held = await self._asked(ask, tools)
            nonce = secrets.token_bytes(_NONCE)
            sealed = nonce + self._cipher.encrypt(nonce, held.token.encode(), self._account.encode())
            left = max(1, int((held.until - tools.now().timestamp()) * 1000))
            result = (sealed, self._digest(held.token), left)
        finally:
            with contextlib.suppress(Away):
                await self._link.script(_DONE, self._places(), [word, *result])
        return held

    async def _asked(self, ask: AskToken, tools: Tools) -> _Held:
        token, seconds = await ask(tools)
        return _Held(token, tools.now().timestamp() + lasts(seconds))

    def _digest(self, token: str) -> str:
        return self._keys.tag("digests of tokens in redis", token) if token else ""

    def _places(self) -> list[str]:
        key = f"{self._link.prefix}:token:{self._account}"
        return [key, f"{key}:asking"]
