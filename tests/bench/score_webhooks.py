"""Score the channels against outside webhooks (``../shared/data/webhooks``): fields, housekeeping, repeats, signatures.

Run ``python tests/bench/score_webhooks.py [folder…]``; ``--data FOLDER`` names another place. Each payload is signed as its
platform signs and read by the channel with the settings of its contract case. Every miss is listed. What is in which set
and who reads it stands in :mod:`tests.bench.webhook_sets`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from channels import _standard_webhooks as standard_webhooks  # noqa: E402
from channels.base import BadSignature, ChannelError, Inbound, Request, Secret  # noqa: E402
from tests.bench.webhook_sets import NOT_READ, SETS, Set, stored, tampered  # noqa: E402
from tests.contract import case as cases  # noqa: E402
from tests.contract.case import NOW, Case  # noqa: E402

DATA = ROOT.parent / "shared" / "data" / "webhooks"
VECTORS = "signature-vectors"


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
        """Whether a text stands in what an agent sees; what we have said ourselves is seen as well."""
        return any(text in m.text for m in self.messages if m.kind in ("message", "edit"))


def _attachment(seen: Seen, kind: str) -> bool:
    if kind in ("location", "contact"):
        return any(m.placeholder == f"a {kind}" for m in seen.said)
    if any(kind.removeprefix("ig_") in m.placeholder for m in seen.said):
        return True
    return any(a.type.startswith(kind) or kind == "file" for m in seen.said for a in m.attachments)


def _name(seen: Seen, want: str) -> bool:
    """A peer calls somebody without a name by their number; ours then have no name, and the number."""
    digits = re.sub(r"\D", "", want)
    return want in seen.all(lambda m: m.sender.name) or any(
        not m.sender.name and digits and digits == m.sender.phone.removeprefix("+") for m in seen.messages
    )


def _error(seen: Seen, want: str) -> bool:
    """The words are each product's own, the platform's number of the error is not."""
    number = re.search(r"\d{4,}", want)
    wanted = number[0] if number else want
    return any(m.delivery == "failed" and wanted in m.text for m in seen.messages)


#: Expected key → whether it is met. Keys that are left out say how the peer works inside.
CHECKS: dict[str, Callable[[Seen, Any], bool]] = {
    "text": lambda seen, want: seen.holds(want) if want else not any(m.text for m in seen.said),
    "text_is_null": lambda seen, want: all(not m.text for m in seen.said) == want,
    "contact_name": _name,
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
    "delivery_error": _error,
    "attachments": lambda seen, want: sum(len(m.attachments) for m in seen.said) == want,
    "external_id": lambda seen, want: want in seen.all(lambda m: m.external_id),
    "at": lambda seen, want: want in seen.all(lambda m: m.at),
    "outgoing": lambda seen, want: all((m.machine == "echo") == want for m in seen.messages),
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


def score_file(case: Case, path: Path, read_by: Set, score: Score) -> None:
    """One payload: its fields, the same again, and a wrong signature."""
    example = stored(path)
    channel = case.channel(**read_by.settings(example.payload))
    body = read_by.body(case, example.payload)
    note = f"{path.parent.name}/{path.stem} ({example.title})"
    try:
        seen = Seen(list(channel.accept(read_by.request(case, body, NOW))))
        again = channel.accept(read_by.request(case, body, NOW.replace(hour=9)))
    except ChannelError as err:
        score.mark("read", False, f"{note}: {type(err).__name__}: {err}")
        return
    score.mark("read", True, note)
    score.mark("repeat", [_key(m) for m in seen.messages] == [_key(m) for m in again], note)
    score.mark("wrong signature", _refuses(channel, tampered(read_by.request(case, body, NOW))), note)
    for key, want in read_by.expected(example).items():
        if key in CHECKS:
            score.mark(key, CHECKS[key](seen, want), f"{note} want {want!r}, got {_told(seen)}")


def _key(message: Inbound) -> tuple[str, str]:
    return message.external_id, message.digest


def _refuses(channel: Any, request: Request) -> bool:
    try:
        channel.accept(request)
    except BadSignature:
        return True
    except ChannelError:
        return False
    return False


def _told(seen: Seen) -> str:
    return str([(m.kind, m.machine, m.sender.name, m.text[:40], m.placeholder, m.delivery) for m in seen.messages])


# --- signatures alone ---------------------------------------------------------------------------------


def _wechat_believes(vector: dict[str, Any]) -> bool:
    query = {name: str(vector[name]) for name in ("signature", "timestamp", "nonce")}
    at = datetime.fromtimestamp(int(vector["timestamp"]), UTC)
    channel = cases.load("wechat").channel(token=vector["token"])
    return _believed(lambda: channel.handshake(Request(method="GET", query=query | {"echostr": "1"}, at=at)))


def _line_believes(vector: dict[str, Any]) -> bool:
    """A body that is no delivery of LINE's is refused for another reason than its signature."""
    request = Request(body=vector["body"].encode(), headers={"x-line-signature": vector["signature"]}, at=NOW)
    return _believed(lambda: cases.load("line").channel(channel_secret=vector["secret"]).accept(request))


def _standard_webhooks_believes(vector: dict[str, Any]) -> bool:
    headers = {"webhook-id": vector["msg_id"], "webhook-timestamp": str(vector["timestamp"])}
    headers["webhook-signature"] = vector["signature"]
    at = datetime.fromtimestamp(int(vector["timestamp"]), UTC)
    secrets = [Secret(vector["secret"])]
    return _believed(lambda: standard_webhooks.verify(secrets, headers, vector["body"].encode(), at))


def _believed(ask: Callable[[], Any]) -> bool:
    try:
        ask()
    except BadSignature:
        return False
    except ChannelError:
        return True
    return True


#: First words of a vector's scheme → whether we believe what it signs.
SCHEMES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "wechat plain": _wechat_believes,
    "line": _line_believes,
    "standard webhooks": _standard_webhooks_believes,
}


def score_vectors(file: Path) -> Score:
    """Published signatures, good and bad ones."""
    score = Score()
    for line in file.read_text(encoding="utf-8").splitlines():
        vector = json.loads(line)
        believes = next((b for scheme, b in SCHEMES.items() if vector["scheme"].startswith(scheme)), None)
        good = believes is not None and believes(vector) == vector["expected"]
        score.mark("believed" if vector["expected"] else "refused", good, f"{VECTORS}/{vector['id']}")
    return score


def scores(data: Path, wanted: Sequence[str] = ()) -> Iterator[tuple[str, Score]]:
    """The score of each set that is there."""
    for name, read_by in SETS.items():
        folder = data / name.partition("#")[0]
        if (wanted and name not in wanted) or not folder.is_dir():
            continue
        score, case = Score(), cases.load(read_by.channel)
        for path in read_by.paths(folder):
            score_file(case, path, read_by, score)
        yield name, score
    if (not wanted or VECTORS in wanted) and (data / VECTORS).is_dir():
        yield VECTORS, score_vectors(data / VECTORS / "vectors.jsonl")


def main() -> None:
    """Print a table and the misses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", help=", ".join([*SETS, VECTORS]))
    parser.add_argument("--data", type=Path, default=DATA)
    args = parser.parse_args()
    misses = []
    for folder, score in scores(args.data, args.folders):
        print(f"{folder}: {score.right.total()}/{score.looked_at.total()}")
        for what in sorted(score.looked_at):
            print(f"    {what:28}{score.right[what]:4}/{score.looked_at[what]}")
        misses += score.misses
    print(*(f"not read: {folder}: {why}" for folder, why in NOT_READ.items()), sep="\n")
    print(*(f"miss: {miss}" for miss in misses), sep="\n")


if __name__ == "__main__":
    main()
