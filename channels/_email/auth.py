"""Authentication-Results (RFC 8601): what the receiving server found out about the sender.

Anyone can write such a field, so it only counts when our own server wrote it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Sequence

from channels._email import words
from channels._email.mail import AuthResult
from channels._email.mime import Headers

_RESULT = re.compile(r"(?:^|;)\s*(spf|dkim|dmarc|compauth|arc|iprev|auth|smime)\s*=\s*([a-z]+)([^;]*)", re.I)
_DOMAIN = re.compile(r"(?:header\.(?:d|i|from)|smtp\.mailfrom)\s*=\s*\"?(?:[^@\s;\"]*@)?([\w.-]+)", re.I)
_BY = re.compile(r"(?i)\bby\s+([\w.:\[\]-]+)")
MAX_FIELDS = 10


def read(headers: Headers) -> tuple[AuthResult, ...]:
    """Every Authentication-Results field, top first, with the hosts that stamped Received above it."""
    hops: list[str] = []
    out: list[AuthResult] = []
    for name, value in headers.fields:
        if name == "received":
            found = _BY.search(words.header(value))
            hops.append(found.group(1).lower() if found else "")
        elif name == "authentication-results" and len(out) < MAX_FIELDS:
            out.append(_one(words.header(value), tuple(hops)))
    return tuple(out)


def _one(text: str, hops: tuple[str, ...]) -> AuthResult:
    text = re.sub(r"\([^()]{0,500}\)", " ", text)
    first = text.split(";", 1)[0].strip()
    server = "" if "=" in first else first.split()[0].lower() if first else ""
    results = tuple(
        (method.lower(), result.lower(), (_DOMAIN.search(rest) or re.match("()", rest)).group(1).lower())  # type: ignore[union-attr]
        for method, result, rest in _RESULT.findall(text)
    )
    return AuthResult(server=server, results=results, hops=hops)


def verified(found: Sequence[AuthResult], sender: str, servers: Collection[str]) -> bool:
    """Whether our own server proved the domain of ``sender`` (an address).

    ``servers`` are the names our receiving servers sign with (authserv-id). Only the topmost field of such a
    server counts, and only when no foreign host stamped Received above it.
    """
    ours = {server.lower() for server in servers}
    mine = next((result for result in found if result.server in ours), None)
    if mine is None or any(not _own_hop(hop, ours) for hop in mine.hops):
        return False
    domain = sender.rpartition("@")[2].lower()
    passed = [(method, of) for method, result, of in mine.results if result == "pass"]
    if any(method == "dmarc" for method, of in passed if of in ("", domain)):
        return True
    return any(method in ("dkim", "spf") and of and _aligned(of, domain) for method, of in passed)


def _aligned(of: str, domain: str) -> bool:
    return bool(domain) and (domain == of or domain.endswith("." + of))


def _own_hop(host: str, ours: Collection[str]) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return (
            any(host == name or host.endswith("." + name) or name.endswith("." + host) for name in ours)
            or "." not in host
        )
    return True
