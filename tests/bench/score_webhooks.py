"""Score the channels against outside webhooks (``../shared/data/webhooks``): fields, housekeeping, repeats, signatures.

Run ``python tests/bench/score_webhooks.py [folder…]``; ``--data FOLDER`` names another place. Each payload is signed as its
platform signs and read by the channel with the settings of its contract case. Every miss is listed. A channel is added by
a line in :data:`SETS`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from channels.base import BadSignature, ChannelError, Inbound  # noqa: E402
from tests.contract import case as cases  # noqa: E402
from tests.contract.case import Case  # noqa: E402

DATA = ROOT.parent / "shared" / "data" / "webhooks"


# --- how a set's payload becomes what the platform sends ----------------------------------------------


def whatsapp(payload: Any) -> Any:
    """Some are the value of a change alone."""
    if "entry" in payload:
        return payload
    change = {"field": "messages", "value": payload}
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}


def facebook(payload: Any) -> Any:
    """One is a single event in the wrapping of the peer's own code."""
    if "entry" in payload:
        return payload
    return {"object": "page", "entry": [{"id": "1", "messaging": [next(iter(payload.values()))["messaging"]]}]}


def instagram(payload: Any) -> Any:
    """One is the entries alone."""
    return payload if "entry" in payload else {"object": "instagram", "entry": payload["messaging"]}


def telegram(payload: Any) -> Any:
    """One is the part that all messages of the peer's tests share."""
    if "update_id" in payload:
        return payload
    return {"update_id": 1, "edited_message": {"message_id": 1, "text": "edited", **payload}}


#: Folder of the data → channel, and what is put around a payload.
SETS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "chatwoot/whatsapp": ("whatsapp", whatsapp),
    "chatwoot/facebook": ("messenger", facebook),
    "chatwoot/instagram": ("instagram", instagram),
    "chatwoot/telegram": ("telegram", telegram),
    "zammad/telegram/private": ("telegram", telegram),
    "zammad/telegram/channel": ("telegram", telegram),
}


# --- judging ------------------------------------------------------------------------------------------


@dataclass
class Seen:
    """What a channel made of one payload."""

    messages: list[Inbound]

    @property
    def said(self) -> list[Inbound]:
        """The customers' words among it."""
        return [m for m in self.messages if m.kind in ("message", "edit") and m.machine != "echo"]

    def all(self, what: Callable[[Inbound], Any]) -> list[Any]:
        return [what(m) for m in self.messages]

    def holds(self, text: str) -> bool:
        """Whether a text stands in what an agent sees."""
        return any(text in m.text for m in self.said)


def _attachment(seen: Seen, kind: str) -> bool:
    if kind in ("location", "contact"):
        return any(m.placeholder == f"a {kind}" for m in seen.said)
    if any(kind.removeprefix("ig_") in m.placeholder for m in seen.said):
        return True
    return any(a.type.startswith(kind) or kind == "file" for m in seen.said for a in m.attachments)


#: Expected key → whether it is met. Keys that are left out say how the peer works inside.
CHECKS: dict[str, Callable[[Seen, Any], bool]] = {
    "text": lambda seen, want: seen.holds(want),
    "contact_name": lambda seen, want: want in seen.all(lambda m: m.sender.name),
    "contact_phone": lambda seen, want: want in seen.all(lambda m: m.sender.phone),
    "sender_id": lambda seen, want: want in seen.all(lambda m: m.sender.id),
    "recipient_id": lambda seen, want: want in seen.all(lambda m: m.thread.partition("/")[0]),
    "attachment_type": _attachment,
    "attachment_title": lambda seen, want: seen.holds(want),
    "lat": lambda seen, want: seen.holds(str(want)),
    "long": lambda seen, want: seen.holds(str(want)),
    "external_url": lambda seen, want: seen.holds(want),
    "messages": lambda seen, want: len(seen.said) == want,
    "conversations": lambda seen, want: len({m.thread for m in seen.said}) == want,
    "creates_conversation": lambda seen, want: bool(seen.said) == want,
    "delivery_status": lambda seen, want: want in seen.all(lambda m: m.delivery),
    "delivery_error": lambda seen, want: any(m.delivery == "failed" and m.text == want for m in seen.messages),
    "attachment_names": lambda seen, want: [a.name for m in seen.said for a in m.attachments] == want,
    "creates_case": lambda seen, want: any(m.choice != "start" for m in seen.said) == want,
    "closes_case": lambda seen, want: any(m.choice == "end" for m in seen.said) == want,
    "in_reply_to_external_id": lambda seen, want: any(m.reply_to for m in seen.messages),
}


@dataclass
class Score:
    """What was right of what was looked at, by field, and the misses."""

    right: Counter[str] = field(default_factory=Counter)
    looked_at: Counter[str] = field(default_factory=Counter)
    misses: list[str] = field(default_factory=list)

    def mark(self, what: str, good: bool, note: str) -> None:
        self.looked_at[what] += 1
        self.right[what] += good
        if not good:
            self.misses.append(f"{note}: {what}")


#: The keys of a peer that writes its expectations beside its payloads, as the checks call them.
_BESIDE = {"body": "text", "sender": "contact_name", "attachments": "attachment_names", "articles": "messages"}


def _stored(path: Path) -> tuple[Any, dict[str, Any], str]:
    """Payload, expectations and the peer's title of a case, which lie in one file or in two."""
    tree = json.loads(path.read_text(encoding="utf-8"))
    beside = path.with_suffix(".expected.json")
    if not beside.exists():
        return tree["payload"], tree.get("expected") or {}, tree.get("peer_case", "")
    told = json.loads(beside.read_text(encoding="utf-8"))
    return tree, {_BESIDE.get(key, key): want for key, want in told.items()}, told.get("note", "")


def score_file(case: Case, path: Path, wrap: Callable[[Any], Any], score: Score) -> None:
    """One payload: its fields, the same again, and a wrong signature."""
    payload, expected, title = _stored(path)
    body = json.dumps(wrap(payload)).encode()
    note = f"{path.parent.name}/{path.stem} ({title})"
    try:
        seen = Seen(list(case.channel().accept(case.request(body))))
        again = case.channel().accept(case.request(body, at=cases.NOW.replace(hour=9)))
    except ChannelError as err:
        score.mark("read", False, f"{note}: {type(err).__name__}: {err}")
        return
    score.mark("read", True, note)
    score.mark("repeat", [_key(m) for m in seen.messages] == [_key(m) for m in again], note)
    score.mark("wrong signature", _refuses(case, body), note)
    for key, want in expected.items():
        if key in CHECKS:
            score.mark(key, CHECKS[key](seen, want), f"{note} want {want!r}, got {_told(seen)}")


def _key(message: Inbound) -> tuple[str, str]:
    return message.external_id, message.digest


def _refuses(case: Case, body: bytes) -> bool:
    headers = {name: value[:-3] + "xyz" for name, value in case.module.sign(body, cases.NOW).items()}
    try:
        case.channel().accept(case.request(body, headers=headers))
    except BadSignature:
        return True
    return False


def _told(seen: Seen) -> str:
    return str([(m.kind, m.machine, m.sender.name, m.text[:40], m.placeholder, m.delivery) for m in seen.messages])


def scores(data: Path, wanted: Sequence[str] = ()) -> Iterator[tuple[str, Score]]:
    """The score of each set that is there."""
    for folder, (channel, wrap) in SETS.items():
        if (wanted and folder not in wanted) or not (data / folder).is_dir():
            continue
        score, case = Score(), cases.load(channel)
        for path in sorted(set((data / folder).glob("*.json")) - set((data / folder).glob("*.expected.json"))):
            score_file(case, path, wrap, score)
        yield folder, score


def main() -> None:
    """Print a table and the misses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", help=", ".join(SETS))
    parser.add_argument("--data", type=Path, default=DATA)
    args = parser.parse_args()
    misses = []
    for folder, score in scores(args.data, args.folders):
        print(f"{folder}: {score.right.total()}/{score.looked_at.total()}")
        for what in sorted(score.looked_at):
            print(f"    {what:28}{score.right[what]:4}/{score.looked_at[what]}")
        misses += score.misses
    print(*(f"miss: {miss}" for miss in misses), sep="\n")


if __name__ == "__main__":
    main()
