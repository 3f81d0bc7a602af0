"""WeCom's customer service for the contract suite: the fake platform, asked for what customers wrote."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from channels._platforms.wecom import AES_KEY, CORP_ID, OPEN_KFID, SECRET, TOKEN, WeCom

SETTINGS = {"corp_id": CORP_ID, "secret": SECRET, "open_kfid": OPEN_KFID, "token": TOKEN, "aes_key": AES_KEY}
#: What may never be seen in a log, repr or error.
SECRETS = (SECRET, TOKEN, AES_KEY)
#: What ``text.json`` says.
EXPECTED = [
    {
        "external_id": "4rYpsBmVgQ9tH1",
        "thread": "wmAAAAJ2GCAAAXt5Zx1o",
        "sender": "wmAAAAJ2GCAAAXt5Zx1o",
        "text": "灯笼收到就是破的，订单 20261118-0042，我要退款！",
        "at": datetime(2026, 11, 22, 7, 0, tzinfo=UTC),
        "replies_until": datetime(2026, 11, 24, 7, 0, tzinfo=UTC),
    }
]


class Provider(WeCom):
    """The fake as the suite asks for it: it holds what nobody has shown to have."""

    def __init__(self, folder: Path) -> None:
        super().__init__()

    def now(self) -> datetime:
        return datetime(2026, 11, 22, 8, 0, tzinfo=UTC)

    def put(self, body: Any) -> None:
        try:
            item = json.loads(body)
        except (ValueError, RecursionError):
            item = None
        if not isinstance(item, dict):
            item = {"msgid": f"odd-{self.number()}", "bytes": body.hex()[:2000]}
        if body[-3:].strip().isdigit():  # the suite makes several of one by a number at its end
            item = json.loads(body[: body.rindex(b"}") + 1]) | {"msgid": f"m{body[-3:].strip().decode()}"}
        self.wrote[str(item.get("external_userid", ""))] = self.now()
        self.replies[str(item.get("external_userid", ""))] = -1_000_000
        self.items.append(item)

    def again(self) -> None:
        self.era += 1
        self.asked_after = 0

    def untaken(self) -> int:
        return len(self.items) - self.asked_after

    def fail(self, how: str) -> None:
        self.script = [
            {"later": (503, {}), "never": (400, {}), "login": (401, {}), "in doubt": (0, {})}.get(how, (200, {}))
        ]
        self.script *= 2 if how == "login" else 1
        if not how:
            self.script = []
