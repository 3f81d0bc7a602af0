"""How much may go out by itself. Signs of machines always leak, so loops also have an end by count.

A person's mails are never counted. Times are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from channels._email.facts import Facts, Said
from channels.base import Memo, Outbound, Refused, Withheld

HOUR, DAY = 3600.0, 86_400.0
#: Providers whose domain says nothing about who writes: there the address and the mailbox are counted alone.
PUBLIC = frozenset(
    "qq.com foxmail.com 163.com 126.com yeah.net sina.com sina.cn sohu.com aliyun.com 139.com 189.cn wo.cn 21cn.com "
    "gmail.com googlemail.com outlook.com hotmail.com live.com live.cn msn.com yahoo.com yahoo.com.hk yahoo.com.tw "
    "yahoo.co.jp icloud.com me.com aol.com gmx.de gmx.net web.de t-online.de proton.me protonmail.com mail.ru "
    "yandex.ru naver.com daum.net hanmail.net orange.fr free.fr laposte.net libero.it".split()
)


class Caps(msgspec.Struct, frozen=True, kw_only=True):
    """Automatic mails an hour to one address, to one domain and from one mailbox, and in one conversation without a
    person's word in between."""

    address: int = 5
    domain: int = 20
    mailbox: int = 500
    conversation: int = 6


class Count(msgspec.Struct, omit_defaults=True):
    """When automatic mails went out, newest last, and the newest acknowledgement."""

    times: list[float] = []
    receipt: float = 0.0


_COUNT = msgspec.json.Decoder(Count)


async def count(
    out: Outbound, recipient: str, said: Said, text: str, caps: Caps, known: Facts, now: datetime
) -> list[Memo]:
    """The counters after one more automatic mail.

    Raises:
        Withheld: one acknowledgement a day for an address is enough.
        Refused: a cap is reached; a person takes over.
    """
    at = now.timestamp()
    domain = recipient.lower().rpartition("@")[2]
    places = {
        "address": (known.cap("address", recipient), caps.address),
        "domain": (known.cap("domain", domain), 0 if domain in PUBLIC else caps.domain),
        "mailbox": (known.cap("mailbox", ""), caps.mailbox),
    }
    found = await known.recall(key for key, _ in places.values())
    counts = {name: _recent(found, key, at) for name, (key, _) in places.items()}
    _check(out, said, text, counts, {name: most for name, (_, most) in places.items()}, caps, at)
    memos = []
    for name, (key, _) in places.items():
        counts[name].times.append(at)
        if out.kind == "receipt":
            counts[name].receipt = at
        memos.append(Memo(key=key, value=msgspec.json.encode(counts[name]).decode()))
    return memos


def _check(
    out: Outbound,
    said: Said,
    text: str,
    counts: Mapping[str, Count],
    most: Mapping[str, int],
    caps: Caps,
    at: float,
) -> None:
    if out.kind == "receipt" and at - counts["address"].receipt < DAY:
        raise Withheld("this address was told within a day that we have its mail")
    if said.automatic and said.last == text:
        raise Refused("the same automatic answer again: it looks like a loop")
    if said.automatic >= caps.conversation:
        raise Refused(f"{said.automatic} automatic answers without a person's word: it looks like a loop")
    for name, found in counts.items():
        if most[name] and len(found.times) >= most[name]:
            raise Refused(f"{len(found.times)} automatic mails within an hour for one {name}: it looks like a loop")


def _recent(found: Mapping[str, str], key: str, at: float) -> Count:
    counted = _COUNT.decode(found[key]) if key in found else Count()
    counted.times = [time for time in counted.times if at - time < HOUR]
    return counted
