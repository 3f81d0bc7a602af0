"""The web chat: our own protocol between the visitor's window and the gateway.

A visitor has a session token that proves itself (HS256): the gateway keeps no list of sessions. Messages come by
``POST /widget/v1/messages`` with an id made by the window, so a repeated request is the same message. Replies go out
by being written: the window reads the stored timeline (``gateway/web/visitor``), there is no second copy to lose.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from channels import _jwt
from channels.base import (
    Accepted,
    Answer,
    Attachment,
    BadSignature,
    Finding,
    Forbidden,
    Inbound,
    Invalid,
    Limits,
    Outbound,
    Promise,
    Receipt,
    Request,
    Route,
    Secret,
    Sender,
    Tools,
)

#: How long a session token is good for. An anonymous one is renewed by each handshake.
SESSION = timedelta(days=30)
#: How long a finished upload waits for its message: less than the day after which unclaimed files are swept.
UPLOAD = timedelta(hours=20)
#: Longest life of an identity token, in seconds between ``iat`` and ``exp``.
IDENTITY_SECONDS = 300
#: The fewest characters of a secret.
MIN_SECRET = 32
#: The visitor's secret: bytes from the browser's random generator.
VISITOR_BYTES = 32

Greeting = dict[str, str]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One chat window: ``[channels.webchat.<account>]``."""

    site_key: Annotated[
        str,
        Meta(
            min_length=4,
            max_length=64,
            pattern=r"^[A-Za-z0-9_-]+$",
            description="Public name of this chat window; stands in the script tag.",
        ),
    ]
    session_secret: Annotated[
        Secret,
        Meta(
            description="Signs the visitors' sessions, at least 32 characters; `allears init` makes one. Changing it ends all sessions."
        ),
    ]
    identity_secret: Annotated[
        Secret,
        Meta(
            description="Shared with your shop's server, which signs who is logged in, at least 32 characters; empty: all visitors are anonymous."
        ),
    ] = Secret("")
    origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Sites that may show the window, such as `https://shop.example`; `*` is every site; the gateway's own pages always may."
        ),
    ] = ()
    title: Annotated[
        dict[str, str],
        Meta(
            description='Heading of the window by language, for example `en = "Customer care"`; empty: the company\'s name.'
        ),
    ] = msgspec.field(default_factory=dict)
    greeting: Annotated[
        Greeting, Meta(description="First lines of an empty window by language; empty: a built-in sentence.")
    ] = msgspec.field(default_factory=dict)
    color: Annotated[str, Meta(pattern=r"^#[0-9a-fA-F]{6}$", description="The window's colour, `#rrggbb`.")] = "#0f766e"
    buttons: Annotated[
        tuple[dict[str, str], ...], Meta(max_length=6, description="Suggestions in an empty window: texts by language.")
    ] = ()
    rate: Annotated[int, Meta(gt=0, description="Most messages of one visitor in ten seconds.")] = 5

    def __post_init__(self) -> None:
        if len(self.session_secret) < MIN_SECRET:
            raise ValueError(f"session_secret has fewer than {MIN_SECRET} characters; `allears init` makes a good one")
        if self.identity_secret and len(self.identity_secret) < MIN_SECRET:
            raise ValueError(f"identity_secret has fewer than {MIN_SECRET} characters")
        for origin in self.origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"`{origin}` is not an origin; write it as https://shop.example")


_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a session token. ``verified``: the shop's server has vouched for ``sender``."""

    account: str
    thread: str
    sender: Sender
    expires_at: datetime


class _Handshake(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of ``POST /widget/v1/session``: one of an identity token, an earlier session, a new visitor's secret."""

    identity: Annotated[str, Meta(max_length=_jwt.MAX_TOKEN)] = ""
    token: Annotated[str, Meta(max_length=_jwt.MAX_TOKEN)] = ""
    visitor: Annotated[str, Meta(max_length=64)] = ""


class _Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of ``POST /widget/v1/messages``; ``attachments`` are upload tokens."""

    client_msg_id: Annotated[str, Meta(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
    text: str = ""
    choice: Annotated[str, Meta(max_length=200)] = ""
    language: Annotated[str, Meta(max_length=35, pattern=r"^([A-Za-z0-9-]*)$")] = ""
    attachments: tuple[Annotated[str, Meta(max_length=_jwt.MAX_TOKEN)], ...] = ()


class Webchat:
    """One chat window (a site key) of the gateway."""

    name: ClassVar[str] = "webchat"
    settings: ClassVar[type[msgspec.Struct]] = Settings
    limits: ClassVar[Limits] = Limits(text=4000, file=10 * 1024 * 1024, files=10, buttons=6, body=128 * 1024)
    routes: ClassVar[tuple[Route, ...]] = (Route(path="/widget/v1/session"), Route(path="/widget/v1/messages"))
    exempt: ClassVar[Mapping[Promise, str]] = {
        "raw_body": "A visitor's bearer token is not made over the body; TLS protects the body, the token says who sends.",
        "whole_batch": "One request of our own window carries exactly one message.",
        "unknown_event": "Our own window sends messages only; anything else is answered 4xx and stays with its sender.",
        "no_echo": "Nothing the gateway says comes back in: the window reads replies, it never posts them.",
        "edits": "The window offers neither edit nor delete: what was said stays said.",
        "retry": "Sending calls nobody: the commit that settles the outbox row is the delivery.",
        "limits": "Sending calls nobody: the window shows texts of any length and all buttons of the stored line.",
    }

    idempotent: ClassVar[bool] = True

    def __init__(self, account: str, settings: Settings) -> None:
        self.account = account
        self.site = settings
        self._session_key = _derive(settings.session_secret, "session")
        self._upload_key = _derive(settings.session_secret, "upload")
        self._thread_key = _derive(settings.session_secret, "thread")

    # --- coming in ---

    def owns(self, request: Request) -> bool:
        """The site key in the query says which window."""
        return hmac.compare_digest(request.query.get("site", "").encode(), self.site.site_key.encode())

    def handshake(self, request: Request) -> Answer | None:
        """``POST session``: a new token. Messages are no handshake.

        Raises:
            BadSignature: the identity or the session is not good (ask without it).
            Forbidden: the page's origin is not on the list.
            Invalid: the body is not what it should be.
        """
        if not request.url.partition("?")[0].endswith("/session"):
            return None
        self.check_origin(request.headers, request.url)
        session = self._greet(_body(request.body, _Handshake), request.at)
        return _json({"token": self.token(session), "expires_at": session.expires_at.isoformat()})

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        """``POST messages``: one message. Raises as :meth:`handshake`."""
        self.check_origin(request.headers, request.url)
        session = self.session(bearer(request.headers), request.at)
        said = _body(request.body, _Message)
        text = said.text.replace("\0", "\ufffd")
        if len(text) > self.limits.text:
            raise Invalid(f"A message has at most {self.limits.text} characters.", where="text")
        if len(said.attachments) > self.limits.files:
            raise Invalid(f"A message has at most {self.limits.files} files.", where="attachments")
        if not (text.strip() or said.choice or said.attachments):
            raise Invalid("The message is empty: give it text, a choice or attachments.", where="text")
        return (
            Inbound(
                channel=self.name,
                account=self.account,
                external_id=f"{session.thread}:{said.client_msg_id}",
                thread=session.thread,
                sender=session.sender,
                at=request.at,
                text=text,
                choice=said.choice.replace("\0", "\ufffd"),
                language=said.language,
                attachments=tuple(self._uploaded(session, token, request.at) for token in said.attachments),
                raw=request.body,
            ),
        )

    def answer(self, request: Request, accepted: tuple[Accepted, ...]) -> Answer:  # noqa: ARG002
        """``{"seq": n}``: the place of the message in its conversation; the same for a repeated request."""
        return _json({"seq": accepted[0].seq, "duplicate": accepted[0].duplicate})

    # --- going out ---

    async def send(self, out: Outbound, tools: Tools) -> Receipt:  # noqa: ARG002
        """Nothing to call: the visitor's window reads the line that the gateway writes when it settles this."""
        return Receipt(external_ids=(out.key,), written=True)

    async def check(self, tools: Tools) -> tuple[Finding, ...]:  # noqa: ARG002
        """What an operator should know before embedding the window."""
        named = ", ".join(self.site.origins) or "only the gateway's own pages"
        wide = "*" in self.site.origins
        return (
            Finding(
                what="sites that may show the window",
                ok=not wide,
                detail="every site may; list yours" if wide else named,
            ),
            Finding(
                what="visitor identity", ok=True, detail="signed" if self.site.identity_secret else "anonymous only"
            ),
        )

    # --- sessions ---

    def session(self, token: str, at: datetime) -> Session:
        """Who holds the token. Raises :class:`BadSignature`."""
        claims = _jwt.verify(self._session_key, token, at, audience=self.account)
        try:
            sender = msgspec.convert(claims["sender"], Sender)
            return Session(
                account=self.account, thread=str(claims["sub"]), sender=sender, expires_at=_moment(claims["exp"], at)
            )
        except (KeyError, msgspec.ValidationError) as err:
            raise BadSignature("not a session token") from err

    def token(self, session: Session) -> str:
        """The session as a token. It says not when it was made: the clocks of our own nodes need not agree."""
        claims = {
            "aud": self.account,
            "sub": session.thread,
            "sender": session.sender,
            "exp": int(session.expires_at.timestamp()),
        }
        return _jwt.sign(self._session_key, claims)

    def _greet(self, hello: _Handshake, at: datetime) -> Session:
        if hello.identity:
            return self._identified(hello.identity, at)
        if hello.token:
            return self._renewed(hello.token, at)
        return self._anonymous(hello.visitor, at)

    def _identified(self, token: str, at: datetime) -> Session:
        if not self.site.identity_secret:
            raise Forbidden("this window takes no signed identities: its identity_secret is not set")
        claims = _jwt.verify(self.site.identity_secret.encode(), token, at, audience=self.site.site_key)
        sub, issued = claims.get("sub"), claims.get("iat")
        if (
            not isinstance(sub, str)
            or not 0 < len(sub) <= 200
            or isinstance(issued, bool)
            or not isinstance(issued, int | float)
        ):
            raise BadSignature("an identity needs sub and iat")
        if claims["exp"] - issued > IDENTITY_SECONDS:
            raise BadSignature(f"an identity may live {IDENTITY_SECONDS} seconds at most")
        sender = Sender(id=f"user:{sub}", name=_claim(claims, "name"), email=_claim(claims, "email"), verified=True)
        return self._open(f"u-{self._tag('user', sub)}", sender, at)

    def _anonymous(self, visitor: str, at: datetime) -> Session:
        try:
            secret = base64.b64decode(visitor + "=" * (-len(visitor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as err:
            raise Invalid("`visitor` is not base64url.", where="visitor") from err
        if len(secret) != VISITOR_BYTES:
            raise Invalid(f"`visitor` is {VISITOR_BYTES} random bytes as base64url.", where="visitor")
        tag = self._tag("visitor", secret.hex())
        return self._open(f"v-{tag}", Sender(id=f"visitor:{tag}"), at)

    def _renewed(self, token: str, at: datetime) -> Session:
        """A fresh token for the same visitor. An identity is not prolonged: the shop must vouch again."""
        session = self.session(token, at)
        return session if session.sender.verified else self._open(session.thread, session.sender, at)

    def _open(self, thread: str, sender: Sender, at: datetime) -> Session:
        return Session(account=self.account, thread=thread, sender=sender, expires_at=at + SESSION)

    def _tag(self, kind: str, text: str) -> str:
        """Threads cannot be guessed from who the visitor is, nor the other way round."""
        digest = hmac.new(self._thread_key, f"{kind}:{text}".encode(), hashlib.sha256).digest()
        return base64.b32encode(digest).decode().lower()[:26]

    # --- files ---

    def upload_token(self, session: Session, file: Attachment, at: datetime) -> str:
        """What the window shows to attach a file that the gateway has kept for this visitor."""
        claims = {
            "aud": session.thread,
            "file": (file.digest, file.name, file.type, file.size),
            "exp": int((at + UPLOAD).timestamp()),
        }
        return _jwt.sign(self._upload_key, claims)

    def _uploaded(self, session: Session, token: str, at: datetime) -> Attachment:
        try:
            claims = _jwt.verify(self._upload_key, token, at, audience=session.thread)
            digest, name, type, size = msgspec.convert(claims.get("file"), tuple[str, str, str, int])
        except (BadSignature, msgspec.ValidationError) as err:
            raise Invalid(
                "An attachment is no upload of this visitor, or is too old: upload it again.", where="attachments"
            ) from err
        return Attachment(digest=digest, name=name, type=type, size=size, state="kept")

    # --- where the window may stand ---

    def check_origin(self, headers: Mapping[str, str], url: str) -> None:
        """Raises :class:`Forbidden` when a browser says that a page of another site asks.

        A request without ``Origin`` comes from no browser page (an app, a script): its token decides.
        """
        origin = headers.get("origin", "")
        if origin and not self.allows(origin, headers.get("host", ""), url):
            raise Forbidden("this site may not show the chat window: add it to `origins`")

    def allows(self, origin: str, host: str, url: str) -> bool:
        """Whether a page of ``origin`` may talk to this window, which is itself at ``url`` or ``host``."""
        if origin in self.site.origins or "*" in self.site.origins:
            return True
        try:
            return origin != "null" and urlsplit(origin).netloc in (host, urlsplit(url).netloc)
        except ValueError:  # such as `http://[`
            return False

    def __repr__(self) -> str:
        return f"Webchat({self.account})"


def bearer(headers: Mapping[str, str]) -> str:
    """The token of ``Authorization: Bearer …``. Raises :class:`BadSignature`."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise BadSignature("no session token")
    return token.strip()


def _derive(secret: Secret, purpose: str) -> bytes:
    return hmac.new(secret.encode(), f"webchat {purpose}".encode(), hashlib.sha256).digest()


def _claim(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value[:200] if isinstance(value, str) else ""


def _moment(seconds: float, like: datetime) -> datetime:
    return datetime.fromtimestamp(seconds, like.tzinfo)


def _body(body: bytes, type: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=type)
    except msgspec.ValidationError as err:
        raise Invalid(str(err), where=str(err).partition("`$.")[2].rstrip("`")) from err
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise Invalid("The body is not JSON.", status=400) from err


def _json(value: Mapping[str, Any]) -> Answer:
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return Answer(headers=headers, body=msgspec.json.encode(value))


CHANNEL = Webchat
