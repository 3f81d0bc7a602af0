"""The webchat channel for the contract suite: what a visitor's window posts to ``/widget/v1/messages``."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from channels.base import Request, Secret, Sender
from channels.webchat import SESSION, Session, Settings, Webchat
from gateway.blobs import Blobs

SESSION_SECRET = Secret("session-secret-for-tests-only-0123456789")
IDENTITY_SECRET = Secret("identity-secret-for-tests-only-987654321")
SETTINGS = {
    "site_key": "lantern",
    "session_secret": str(SESSION_SECRET),
    "identity_secret": str(IDENTITY_SECRET),
    "origins": ["https://shop.example"],
}
#: The same settings without a credential: they must be refused.
UNSAFE = {**SETTINGS, "session_secret": ""}
#: What may never be seen in a log, repr or error.
SECRETS = (str(SESSION_SECRET), str(IDENTITY_SECRET))
ACCOUNT = "main"
THREAD = "v-abcdefghijklmnopqrstuvwxyz"


def channel() -> Webchat:
    """The window with the settings above."""
    settings = Settings(
        site_key="lantern",
        session_secret=SESSION_SECRET,
        identity_secret=IDENTITY_SECRET,
        origins=("https://shop.example",),
    )
    return Webchat(ACCOUNT, settings)


def sign(body: bytes, at: datetime, id: str = "") -> dict[str, str]:
    """The headers of a good request: a session token, which is not made over the body."""
    sender = Sender(id="visitor:abcdefghijklmnopqrstuvwxyz")
    session = Session(account=ACCOUNT, thread=THREAD, sender=sender, expires_at=at + SESSION)
    return {"authorization": f"Bearer {channel().token(session)}", "content-type": "application/json"}


def request(body: bytes, at: datetime, headers: Mapping[str, str] | None = None) -> Request:
    """A message as the window posts it."""
    return Request(
        url="https://intake.example/widget/v1/messages?site=lantern",
        query={"site": "lantern"},
        headers=sign(body, at) if headers is None else headers,
        body=body,
        at=at,
    )


#: What ``text.json`` says.
EXPECTED = [
    {
        "external_id": f"{THREAD}:5b0f7f0e-6a5f-4a1e-9d83-6d3c5f7f2c11",
        "thread": THREAD,
        "sender": "visitor:abcdefghijklmnopqrstuvwxyz",
        "text": "灯笼收到就是破的，我要退款！",
        "language": "zh-Hans",
    }
]

URL = "https://intake.example/widget/v1/messages"
QUERY = {"site": "lantern"}
HANDSHAKE = Request(
    url="https://intake.example/widget/v1/session",
    query=QUERY,
    headers={"content-type": "application/json"},
    body=b'{"visitor":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}',
    at=datetime(2026, 11, 22, 8, 0, tzinfo=UTC),
)
#: The smallest picture that is one.
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


async def attachment(blobs: Blobs, at: datetime) -> bytes:
    """A message with an upload: the window has sent the file before."""
    kept = await blobs.put(PIXEL, name="crack.png", type="image/png", limit=len(PIXEL))
    sender = Sender(id="visitor:abcdefghijklmnopqrstuvwxyz")
    session = Session(account=ACCOUNT, thread=THREAD, sender=sender, expires_at=at + SESSION)
    token = channel().upload_token(session, kept, at)
    return msgspec.json.encode({"client_msg_id": "a-file-0001", "text": "看照片", "attachments": [token]})
