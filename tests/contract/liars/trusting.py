"""Lets everybody in who shows no signature, and starts without a secret."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from channels.api import Api, ApiSettings
from channels.base import Inbound, Promise, Request
from tests.contract import case


class Settings(ApiSettings, frozen=True, kw_only=True):
    def __post_init__(self) -> None:
        """Nothing is asked for."""


class Trusting(Api):
    settings = Settings
    breaks: ClassVar[tuple[Promise, ...]] = ("signature", "raw_body")

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        signed = case.load("api").module.sign(request.body, request.at)
        return super().accept(msgspec.structs.replace(request, headers=signed))


CHANNEL = Trusting
