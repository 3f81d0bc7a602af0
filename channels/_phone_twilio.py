"""Twilio's recording callbacks: their signature, and what they say.

https://www.twilio.com/docs/usage/webhooks/webhooks-security: base64 of HMAC-SHA1 over the URL as configured with all
parameters, sorted, name and value without anything between. https://www.twilio.com/docs/voice/api/recording
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from channels.base import BadPayload, BadSignature, Secret

HEADER = "x-twilio-signature"
MAX_FIELDS = 200


def verify(token: Secret, url: str, form: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> None:
    """Raises :class:`BadSignature`. Twilio signs with or without the default port; both are tried."""
    given = headers.get(HEADER, "").encode()
    fits = [hmac.compare_digest(sign(token, one, form).encode(), given) for one in _forms_of(url)]
    if not any(fits):
        raise BadSignature("the signature does not fit")


def verify_stream(token: Secret, url: str, headers: Mapping[str, str]) -> None:
    """Check the request that opens a media stream: it signs the ``wss`` address. Raises :class:`BadSignature`."""
    _, _, rest = url.partition("://")
    verify(token, f"wss://{rest}", (), headers)


def sign(token: Secret, url: str, form: Sequence[tuple[str, str]]) -> str:
    """The signature of a form: all its parameters, the same name and value once."""
    said = url + "".join(name + value for name, value in sorted(set(form)))
    # SHA-1 is what the platform signs with; HMAC does not rest on its resistance to collisions.
    return base64.b64encode(hmac.new(token.encode(), said.encode(), hashlib.sha1).digest()).decode()


def _forms_of(url: str) -> list[str]:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    port = {"https": ":443", "wss": ":443", "http": ":80"}.get(scheme, "")
    other = host.removesuffix(port) if host.endswith(port) else host + port
    return [url, f"{scheme}://{other}{slash}{path}"]


def fields(body: bytes) -> list[tuple[str, str]]:
    """The form. Raises :class:`BadPayload`."""
    try:
        return parse_qsl(body.decode("utf-8"), keep_blank_values=True, strict_parsing=True, max_num_fields=MAX_FIELDS)
    except ValueError as err:
        raise BadPayload("not a form") from err
