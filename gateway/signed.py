"""The settings of calls that we sign: what ticket systems and the company's own systems have in common."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from channels import _standard_webhooks as webhooks
from channels.base import Secret


class SignedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Address and secrets of signed calls."""

    url: Annotated[str, Meta(description="Where the calls go, an http or https address.")]
    secret: Annotated[
        Secret,
        Meta(
            description="It signs the calls, and a callback is signed with it: `whsec_` and 24 to 64 bytes in base64."
        ),
    ]
    previous_secret: Annotated[
        Secret, Meta(description="The secret before, while it is being changed: both sign, and both are believed.")
    ] = Secret("")

    def __post_init__(self) -> None:
        """Raises ValueError, which says what to change."""
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise ValueError("`url` must be an http or https address")
        for secret in self.secrets:
            webhooks.key_of(secret)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secrets in force, the current one first."""
        return (self.secret, self.previous_secret) if self.previous_secret else (self.secret,)
