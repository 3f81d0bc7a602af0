"""Where Redis is: one server, one that Sentinels name, or a Cluster.

``redis://[user:password@]host[:6379][/db]``, ``redis+sentinel://host1[:26379],host2/service[/db]``,
``redis+cluster://host1[:6379],host2``; with ``rediss`` instead of ``redis`` over TLS. Options after ``?``: ``ca`` (file with the
certificates that are trusted, else the system's), ``sentinel_password`` (the Sentinels' own).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal
from urllib.parse import parse_qsl, unquote

import msgspec

from channels.base import Secret

Kind = Literal["server", "sentinel", "cluster"]

_SCHEMES: dict[str, Kind] = {"": "server", "+sentinel": "sentinel", "+cluster": "cluster"}
_PORTS: dict[Kind, int] = {"server": 6379, "sentinel": 26379, "cluster": 6379}
_OPTIONS = frozenset({"ca", "sentinel_password"})


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """``hosts`` are Sentinels, any nodes of the Cluster, or the one server."""

    kind: Kind
    hosts: tuple[tuple[str, int], ...]
    service: str = ""
    db: int = 0
    username: str = ""
    password: Secret = Secret("")
    sentinel_password: Secret = Secret("")
    tls: bool = False
    ca: str = ""


def address(url: str) -> Address:
    """Read a URL. Raises ValueError, which says what to change and shows no password."""
    scheme, found, rest = url.partition("://")
    word = scheme.removeprefix("rediss") if scheme.startswith("rediss") else scheme.removeprefix("redis")
    if not found or word == scheme or word not in _SCHEMES:
        raise ValueError("the URL begins with redis://, rediss://, redis+sentinel:// or redis+cluster://")
    kind = _SCHEMES[word]
    rest, _, query = rest.partition("?")
    place, _, path = rest.partition("/")
    login, _, hosts = place.rpartition("@")
    username, _, password = login.partition(":")
    service, db = _path(kind, [unquote(part) for part in path.split("/") if part])
    options = _options(query)
    return Address(
        kind=kind,
        hosts=tuple(_hosts(kind, hosts)),
        service=service,
        db=db,
        username=unquote(username),
        password=Secret(unquote(password)),
        sentinel_password=Secret(options.get("sentinel_password", "")),
        tls=scheme.startswith("rediss"),
        ca=options.get("ca", ""),
    )


def _hosts(kind: Kind, hosts: str) -> Iterator[tuple[str, int]]:
    many = hosts.split(",")
    if kind == "server" and len(many) > 1:
        raise ValueError("several hosts are Sentinels (redis+sentinel://) or a Cluster (redis+cluster://)")
    for one in many:
        host, port = one, ""
        if not one.endswith("]"):
            left, colon, right = one.rpartition(":")
            host, port = (left, right) if colon else (one, "")
        if not host.strip("[]") or (port and not port.isdecimal()) or int(port or 1) > 65535:
            raise ValueError("a host of the URL is written host or host:port")
        yield host.strip("[]"), int(port or _PORTS[kind])


def _path(kind: Kind, path: list[str]) -> tuple[str, int]:
    if kind == "sentinel" and not path:
        raise ValueError("the name that the Sentinels have for the server is missing: redis+sentinel://host/service")
    service = path.pop(0) if kind == "sentinel" else ""
    db = path.pop(0) if path else "0"
    if path or not db.isdecimal():
        raise ValueError("the URL ends with the number of the database, such as /0")
    if kind == "cluster" and db != "0":
        raise ValueError("a Redis Cluster has the database 0 alone")
    return service, int(db)


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query))
    if unknown := sorted(options.keys() - _OPTIONS):
        raise ValueError(f"the URL has no option `{unknown[0]}`; there are {', '.join(sorted(_OPTIONS))}")
    return options
