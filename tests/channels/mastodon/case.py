"""The Mastodon channel for the contract suite: the fake instance."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from channels._platforms.base import Line
from channels._platforms.mastodon import TOKEN, Mastodon

SETTINGS = {"instance": "http://127.0.0.1:1", "token": TOKEN}
#: What may never be seen in a log, repr or error.
SECRETS = (TOKEN,)
BESIDE_FILES = "照片见附件。"
#: What ``text.json`` says.
EXPECTED: list[dict[str, Any]] = [
    {
        "external_id": "113500000000000001",
        "thread": "113500000000000001/wangfang@remote.example",
        "sender": "wangfang@remote.example",
        "text": "灯笼收到就是破的，订单 20261118-0042，我要退款！",
        "at": datetime(2026, 11, 22, 7, 0, tzinfo=UTC),
    }
]


class Provider(Mastodon):
    """The fake as the suite asks for it: it holds what nobody has asked beyond."""

    def __init__(self, folder: Path) -> None:
        super().__init__()

    def put(self, body: Any) -> None:
        try:
            notification = json.loads(body)
        except (ValueError, RecursionError):
            notification = None
        if body[-3:].strip().isdigit():  # the suite makes several of one by a number at its end
            notification = json.loads(body[: body.rindex(b"}") + 1])
            notification["status"]["id"] += body[-3:].strip().decode()
        if not isinstance(notification, dict):
            notification = {"type": "mention", "status": {"bytes": body.hex()[:2000]}}
        status = notification["status"]
        self.statuses[str(status.get("id"))] = status
        if "account" in status:
            thread = "113500000000000001/" + status["account"]["acct"]
            self.lines.append(Line(id=status["id"], thread=thread, at=EXPECTED[0]["at"], person="王芳"))
        self.deliver(notification)

    def again(self) -> None:
        for one in list(self.notifications):
            self.deliver(one)

    def untaken(self) -> int:
        return sum(int(one["id"]) > self.taken for one in self.notifications)

    def fail(self, how: str) -> None:
        statuses = {"later": 503, "never": 422, "login": 401, "in doubt": 0}
        self.script = [(statuses[how], {})] if how else []
