"""The customer's own link to their case: the number, and a code that only we can make from it."""

from __future__ import annotations

from urllib.parse import quote

from gateway.context import Gateway
from gateway.keys import Keys

_PURPOSE = "status"


def status_code(keys: Keys, number: str) -> str:
    """The code of a case: 130 bits, the same every time, so it is stored nowhere."""
    return keys.tag(_PURPOSE, number)


def code_fits(keys: Keys, number: str, code: str) -> bool:
    """Whether the code is this case's, in constant time."""
    return keys.fits(_PURPOSE, number, code)


def status_url(gateway: Gateway, number: str) -> str:
    """Where a customer follows their case. Whoever holds the link sees it."""
    return f"{gateway.config.base_url}/status/{quote(number, safe='')}?k={status_code(gateway.keys, number)}"
