"""A URL says where Redis is, and a wrong one says what is wrong with it, without its password."""

from __future__ import annotations

import pytest

from channels.base import Secret
from gateway.redis.url import Address, address


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("redis://localhost", Address(kind="server", hosts=(("localhost", 6379),))),
        ("redis://[::1]:7000/3", Address(kind="server", hosts=(("::1", 7000),), db=3)),
        (
            "rediss://me:p%40ss@redis.example:6380/1?ca=/etc/ca.pem",
            Address(
                kind="server",
                hosts=(("redis.example", 6380),),
                db=1,
                username="me",
                password=Secret("p@ss"),
                tls=True,
                ca="/etc/ca.pem",
            ),
        ),
        (
            "redis+sentinel://:word@a,b:26380,[::2]/house/2?sentinel_password=other",
            Address(
                kind="sentinel",
                hosts=(("a", 26379), ("b", 26380), ("::2", 26379)),
                service="house",
                db=2,
                password=Secret("word"),
                sentinel_password=Secret("other"),
            ),
        ),
        ("rediss+cluster://a:7001,b:7002", Address(kind="cluster", hosts=(("a", 7001), ("b", 7002)), tls=True)),
    ],
)
def test_what_a_url_means(url: str, meant: Address) -> None:
    assert address(url) == meant


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("localhost:6379", "begins with"),
        ("http://x:secret@localhost", "begins with"),
        ("redis+raft://x:secret@localhost", "begins with"),
        ("redis://x:secret@a,b", "several hosts"),
        ("redis://x:secret@", "written host"),
        ("redis://x:secret@a:port", "written host"),
        ("redis://x:secret@a:70000", "written host"),
        ("redis://x:secret@a/zero", "number of the database"),
        ("redis://x:secret@a/0/1", "number of the database"),
        ("redis+sentinel://x:secret@a", "the name that the Sentinels have"),
        ("redis+cluster://x:secret@a/1", "database 0 alone"),
        ("redis://x:secret@a?timeout=3", "no option `timeout`"),
    ],
)
def test_what_is_wrong_with_it(url: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong) as said:
        address(url)
    assert "secret" not in str(said.value)


def test_a_password_does_not_show_itself() -> None:
    assert "opensesame" not in repr(address("redis://me:opensesame@localhost"))
