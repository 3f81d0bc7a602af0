"""Score the reading of mail against outside cases (``../shared/data/email``), field by field.

Run ``python tests/bench/score_email.py [source…]``; ``--data FOLDER`` names another place. Beside our own
column stands the standard library's ``email`` package, and for reply text the parsers ``email_reply_parser``
and ``talon`` where they are installed. Every miss of ours is listed with what came and what was wanted.
"""

from __future__ import annotations

import argparse
import email
import email.policy
import email.utils
import hashlib
import importlib
import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from channels._email import charsets, html, ids, mime, quote  # noqa: E402
from channels._email.classify import may_answer  # noqa: E402
from channels._email.mail import Mail  # noqa: E402
from channels._email.read import read  # noqa: E402
from channels._email.threading import Known, Lookup, place  # noqa: E402

Reply = Callable[[str], str]


class Board:
    """Right and total per (source, field, reader), and our misses."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
        self.misses: list[str] = []
        self.seconds: list[tuple[float, str]] = []

    def mark(self, source: str, field: str, reader: str, right: bool, note: str = "") -> None:
        """Count one comparison; ``note`` explains a miss of ours."""
        cell = self.counts[source, field][reader]
        cell[0] += right
        cell[1] += 1
        if not right and reader == "allears":
            self.misses.append(f"{source} · {field} · {note}")

    def show(self) -> None:
        """Print the table, then the misses."""
        readers = ["allears", "stdlib", "zapier", "talon"]
        print(f"{'source':26}{'field':24}" + "".join(f"{reader:>15}" for reader in readers))
        for (source, field), cells in self.counts.items():
            row = "".join(
                f"{cells[r][0]:>5}/{cells[r][1]:<4}{100 * cells[r][0] / cells[r][1]:4.0f}%" if r in cells else " " * 15
                for r in readers
            )
            print(f"{source:26}{field:24}{row}")
        slow = sorted(self.seconds)[-3:]
        total = sum(seconds for seconds, _ in self.seconds)
        if total:
            print(f"\n{len(self.seconds)} mails, mean {1000 * total / len(self.seconds):.2f} ms, slowest {slow}")
        print(f"\n{len(self.misses)} misses")
        for miss in self.misses:
            print(" -", miss)


def tight(text: str) -> str:
    """Text without any white space."""
    return re.sub(r"\s+", "", text)


def line(text: str) -> str:
    """Text with single blanks."""
    return " ".join(text.split())


def say(got: object, want: object) -> str:
    """A short line of what came and what was wanted."""
    return f"got {str(got)[:160]!r} want {str(want)[:160]!r}"


def load(path: Path) -> Any:
    """The JSON of a file."""
    return json.loads(path.read_text(encoding="utf-8"))


# --- the yardsticks -----------------------------------------------------------------------------------


def standard(raw: bytes) -> dict[str, Any]:
    """What the standard library's modern policy says; a field it cannot give is None."""

    def attempt(what: Callable[[], Any]) -> Any:
        try:
            return what()
        except Exception:  # the yardstick may fail in any way: that is what is measured
            return None

    message = attempt(lambda: email.message_from_bytes(raw, policy=email.policy.default))
    if message is None:
        return {}
    assert isinstance(message, EmailMessage)
    sender = attempt(lambda: message["from"].addresses[0])
    parts = attempt(lambda: [p for p in message.walk() if not p.is_multipart()]) or []
    return {
        "subject": attempt(lambda: str(message["subject"] or "")),
        "from_email": attempt(lambda: sender.addr_spec),
        "from_display_name": attempt(lambda: sender.display_name),
        "md5": {h for p in parts for h in hashes(_payload(p), _content(p))},
        "names": {attempt(p.get_filename) for p in parts} - {None},
        "body": attempt(lambda: _standard_body(message)) or "",
        "message_id": attempt(lambda: str(message["message-id"]).strip("<> ")),
        "attachments": attempt(lambda: sum(1 for _ in message.iter_attachments())),
    }


def _payload(part: Any) -> bytes:
    try:
        return part.get_payload(decode=True) or b""
    except Exception:  # as above
        return b""


def _content(part: Any) -> str:
    """The text of a text part, so that the yardstick may be compared in every form too."""
    try:
        return str(part.get_content()) if part.get_content_maintype() == "text" else ""
    except Exception:  # as above
        return ""


def _standard_body(message: Any) -> str:
    return str(message.get_body(("plain", "html")).get_content())


def peers() -> dict[str, Reply]:
    """Reply parsers of others, where they are installed."""
    found: dict[str, Reply] = {}
    for name, module in (("zapier", "email_reply_parser"), ("talon", "talon.quotations")):
        try:
            loaded = importlib.import_module(module)
        except ImportError:
            continue
        found[name] = loaded.EmailReplyParser.parse_reply if name == "zapier" else loaded.extract_from_plain
    return found


def hashes(data: bytes, text: str) -> set[str]:
    """MD5 of the bytes, with plain line ends, and of the text in UTF-8: peers differ in which they keep."""
    forms = {
        data,
        data.replace(b"\r\n", b"\n"),
        text.encode("utf-8", "surrogatepass"),
        text.replace("\r\n", "\n").encode("utf-8", "surrogatepass"),
    }
    return {hashlib.md5(form, usedforsecurity=False).hexdigest() for form in forms}


def timed(board: Board, raw: bytes, name: str, own: tuple[str, ...] = ()) -> Mail:
    """Read and note the time."""
    begun = time.perf_counter()
    mail = read(raw, own)
    board.seconds.append((round(time.perf_counter() - begun, 4), name))
    return mail


# --- sources ------------------------------------------------------------------------------------------


def zammad_mail(data: Path, board: Board) -> None:
    """The peer's own parse of real mails."""
    for path in sorted(data.glob("*.expected.json")):
        wanted = load(path)
        source = path.with_name(path.name.replace(".expected.json", ".box"))
        raw, name = source.read_bytes(), source.stem
        mail, other = timed(board, raw, name), standard(raw)
        if "parsed" in wanted:
            _zammad_fields(board, name, raw, mail, other, wanted["parsed"])
        behaviour = wanted.get("behaviour", {})
        if "is_auto_response" in behaviour:
            got = mail.kind in ("bounce", "auto_reply")
            board.mark(
                "zammad-mail", "machine", "allears", got == behaviour["is_auto_response"], f"{name}: {mail.kind}"
            )
        for want in behaviour.get("attachments", []):
            got_file = any(f.name == want["filename"] and want["data"].encode() in f.data for f in mail.attachments)
            board.mark(
                "zammad-mail", "attachment names", "allears", got_file, f"{name}: {[f.name for f in mail.attachments]}"
            )


def _zammad_fields(
    board: Board, name: str, raw: bytes, mail: Mail, other: dict[str, Any], want: dict[str, Any]
) -> None:
    ours = {"subject": mail.subject, "from_email": mail.from_.email, "from_display_name": mail.from_.name}
    whole = True
    for field, got in ours.items():
        if want.get(field) is None:
            continue
        right = line(got) == line(want[field])
        whole &= right
        board.mark("zammad-mail", field, "allears", right, f"{name}: {say(got, want[field])}")
        theirs = other.get(field)
        board.mark("zammad-mail", field, "stdlib", theirs is not None and line(theirs) == line(want[field]))
    if "content_type" in want:
        got = "text/html" if mail.html.strip() else "text/plain"
        whole &= got == want["content_type"]
        board.mark(
            "zammad-mail",
            "content type",
            "allears",
            got == want["content_type"],
            f"{name}: {say(got, want['content_type'])}",
        )
    if want.get("reply-to"):
        got = mail.reply_to[0].email if mail.reply_to else ""
        board.mark(
            "zammad-mail",
            "reply-to",
            "allears",
            got in want["reply-to"] and bool(got),
            f"{name}: {say(got, want['reply-to'])}",
        )
    if "body" in want and want["body"].strip() not in ("", "no visible content"):
        right = _same_body(mail, want)
        whole &= right
        board.mark(
            "zammad-mail", "body", "allears", right, f"{name}: {say(line(mail.full_text), line(_peer_text(want)))}"
        )
        board.mark("zammad-mail", "body", "stdlib", tight(_peer_text(want)) == tight(_as_text(other.get("body") or "")))
    found = set(_all_hashes(raw))
    for attachment in want.get("attachments", []):
        right = attachment["data_md5"] in found
        whole &= right
        board.mark(
            "zammad-mail",
            "attachment md5",
            "allears",
            right,
            f"{name}: {attachment['filename']} {attachment['data_len']}",
        )
        board.mark("zammad-mail", "attachment md5", "stdlib", attachment["data_md5"] in other.get("md5", set()))
        if not attachment.get("preferences", {}).get("content-alternative"):
            right = attachment["filename"] in {f.name for f in mail.attachments}
            whole &= right
            note = f"{name}: {say([f.name for f in mail.attachments], attachment['filename'])}"
            board.mark("zammad-mail", "attachment names", "allears", right, note)
            board.mark("zammad-mail", "attachment names", "stdlib", attachment["filename"] in other.get("names", set()))
    board.mark("zammad-mail", "whole mail", "allears", whole, name)


def _all_hashes(raw: bytes) -> Iterator[str]:
    for part in mime.parse(raw).parts:
        data = part.data()
        text = charsets.decode(data, part.charset) if part.type.startswith("text/") else ""
        yield from hashes(data, text)


def _as_text(body: str) -> str:
    return html.text_of(html.to_lines(body)) if "<" in body and ">" in body else body


def _peer_text(want: dict[str, Any]) -> str:
    body: str = want["body"]
    return _as_text(body) if want.get("content_type") == "text/html" else body


def _same_body(mail: Mail, want: dict[str, Any]) -> bool:
    """The peer keeps sanitised HTML: compare the words of either form, quote marks and link targets aside."""
    forms = [mail.full_text, _as_text(mail.html) if mail.html else ""]
    return any(_bare(form) == _bare(_peer_text(want)) for form in forms)


def _bare(text: str) -> str:
    """Without white space, quote marks and what pictures say in words (the peer drops those)."""
    return re.sub(r"\[[^\[\]]*\]|[>\s]+", "", text)


def zammad_process(data: Path, board: Board) -> None:
    """Mails through the peer's whole process; only what reading decides is compared."""
    for path in sorted(data.glob("*.expected.json")):
        want = load(path)
        source = data / want["mail_file"].replace("/visible/", "/")
        if not source.exists():
            continue
        raw, name = source.read_bytes(), path.name.split(".")[0]
        mail, other = timed(board, raw, name), standard(raw)
        if "send_auto_response" in want:
            reasons = [r for r in may_answer(mail, (), datetime.now(UTC)) if r not in ("not addressed to us", "old")]
            own = f"@{want['own_fqdn']}>".encode() in b"".join(mime.parse(raw).headers.all("message-id")) + b">"
            board.mark(
                "zammad-process",
                "may answer",
                "allears",
                (not reasons and not own) == want["send_auto_response"],
                f"{name}: {reasons}",
            )
            continue
        result = want.get("result", {})
        title = result.get("0", {}).get("title")
        if title and title != "-":
            board.mark(
                "zammad-process",
                "subject",
                "allears",
                line(mail.subject) == line(title),
                f"{name}: {say(mail.subject, title)}",
            )
            board.mark("zammad-process", "subject", "stdlib", line(other.get("subject") or "") == line(title))
        body = result.get("1", {}).get("body")
        if body and body != "no visible content":
            wanted = {
                "body": body,
                "content_type": result["1"].get("content_type", "text/html" if "</" in body else "text/plain"),
            }
            board.mark(
                "zammad-process",
                "body",
                "allears",
                _same_body(mail, wanted),
                f"{name}: {say(line(mail.full_text), line(_peer_text(wanted)))}",
            )
        emails = {user["email"] for user in want.get("verify", {}).get("users", []) if user.get("email")}
        if emails:
            seen = {
                a.email.lower().rstrip(".") for a in (mail.from_, *mail.more_from, *mail.to, *mail.cc, *mail.reply_to)
            }
            board.mark(
                "zammad-process", "addresses", "allears", emails <= seen, f"{name}: missing {emails - seen} of {seen}"
            )


def zammad_behaviour(data: Path, board: Board) -> None:
    """Out-of-office, automatic answers and Reply-To."""
    for case in rows(data / "out_of_office.jsonl"):
        mail = read(case["raw"].encode())
        board.mark(
            "zammad-behaviour",
            "out of office",
            "allears",
            (mail.kind == "auto_reply") == case["expected_out_of_office"],
            f"{case['id']}: {mail.kind}",
        )
    for case in rows(data / "auto_response_headers.jsonl"):
        if any(name.startswith("x-zammad") for name in case["headers"]):
            continue  # the peer's own switches
        raw = "".join(f"{name}: {value}\n" for name, value in case["headers"].items()) + "From: a@x.example\n\nhi"
        mail = read(raw.encode())
        board.mark(
            "zammad-behaviour",
            "may answer",
            "allears",
            (not mail.silent) == case["send_auto_response"],
            f"{case['id']}: {mail.silent}",
        )
    for case in rows(data / "reply_to.jsonl"):
        mail = read(case["raw"].encode())
        want = case["expected"]
        got = mail.from_.email if case["setting"] == "off" else mail.reply_to[0].email
        board.mark(
            "zammad-behaviour", "reply-to", "allears", got == want["customer_email"], f"{case['id']}: {say(got, want)}"
        )
    threading_rows(data, board)


def threading_rows(data: Path, board: Board) -> None:
    """Where the case's mark sits, and whether the mail joins. We always look in the subject and the references and
    never in bodies or files, so the peer's rows for "search also in: nothing" (subject) and "references" apply.
    """
    mark = b"261122-7KQX2-M2PDA"  # our form of a case number
    carriers: dict[str, tuple[bytes, bytes]] = {
        "subject": (b"Subject: Re: " + mark + b" cup\r\n", b""),
        "body": (b"", mark),
        "att_text": (b"", b"--b\r\nContent-Disposition: attachment\r\n\r\n" + mark + b"\r\n--b--"),
        "att_html": (b"", b"--b\r\nContent-Type: text/html; name=a.html\r\n\r\n<b>" + mark + b"</b>\r\n--b--"),
        "att_html_attr": (b"", b"--b\r\nContent-Type: text/html; name=a.html\r\n\r\n<b x=" + mark + b">\r\n--b--"),
        "att_jpg": (b"", b"--b\r\nContent-Type: image/jpg; name=a.jpg\r\n\r\n" + mark + b"\r\n--b--"),
        "in_reply_to": (b"In-Reply-To: <ours@shop>\r\n", b"hi"),
        "references": (b"References: <ours@shop>\r\n", b"hi"),
        "references_auto": (b"References: <ours@shop>\r\nAuto-Submitted: auto-replied\r\n", b"hi"),
    }
    known = Known(thread="t", participants=frozenset({"a@x.example"}))
    nothing: dict[str, Known] = {}
    lookup = Lookup(
        by_id={"ours@shop": known}.get,
        by_thread=nothing.get,
        by_number={mark.decode(): known}.get,
        by_ancestor=nothing.get,
    )
    for row in rows(data / "threading.jsonl"):
        carrier = row.get("carrier")
        if row.get("search_also_in") not in ("nothing", "references") or carrier not in carriers:
            continue
        head, body = carriers[carrier]
        kind = b"Content-Type: multipart/mixed; boundary=b\r\n" if body.startswith(b"--b") else b""
        mail = read(b"From: a@x.example\r\n" + head + kind + b"\r\n" + body)
        joined = bool(place(mail, lookup, keys=[b"k" * 32], now=datetime.now(UTC)).thread)
        want = row["expected"].startswith("adds")
        board.mark("zammad-behaviour", "threading", "allears", joined == want, f"{row['id']}: joined {joined}")


def zammad_signatures(data: Path, board: Board) -> None:
    """Where one sender's common signature begins. The peer compares several mails, we see one."""
    for path in sorted(data.glob("*.expected.json")):
        want = load(path)
        for name in want["files"]:
            text = (data / name).read_text(encoding="utf-8")
            lines = html.to_lines(text) if name.endswith(".html") else quote.plain(text)
            view = quote.split(lines)
            first = next(row for row in want["signature"].splitlines() if row.strip())
            right = first.strip() in view.signature or first.strip() in view.quoted
            board.mark(
                "zammad-signatures",
                "signature found",
                "allears",
                right,
                f"{name}: {say(view.signature, want['signature'])}",
            )


def chatwoot(data: Path, board: Board) -> None:
    """A peer's mail fixtures."""
    for path in sorted(data.glob("*.eml")):
        raw, name = path.read_bytes(), path.stem
        mail, other = timed(board, raw, name), standard(raw)
        expected = path.with_suffix(".expected.json")
        want = load(expected) if expected.exists() else {}
        checks: dict[str, tuple[object, object]] = {}
        if "subject" in want:
            checks["subject"] = (mail.subject, want["subject"])
            board.mark("chatwoot", "subject", "stdlib", other.get("subject") == want["subject"])
        if "reply" in want:
            checks["reply"] = (line(mail.new_text), line(want["reply"]))
        if "text" in want:
            got = mail.new_text if line(mail.new_text) == line(want["text"]) else mail.full_text
            checks["text"] = (line(got), line(want["text"]))
        if isinstance(want.get("attachments"), int):
            checks["attachments"] = (len(mail.attachments), want["attachments"])
            board.mark("chatwoot", "attachments", "stdlib", other.get("attachments") == want["attachments"])
        if "in_reply_to" in want:
            checks["in-reply-to"] = (
                mail.in_reply_to[:1],
                (want["in_reply_to"],) if isinstance(want["in_reply_to"], str) else tuple(want["in_reply_to"] or ()),
            )
        if "references" in want:
            checks["references"] = (list(mail.references), want["references"])
        if "auto_reply" in want:
            checks["machine"] = (mail.kind in ("auto_reply", "bounce"), want["auto_reply"])
        if "kind" in want:
            checks["kind"] = (mail.kind, want["kind"])
        for key in ("from", "customer", "sender"):
            if isinstance(want.get(key), str):
                people = {a.email for a in (mail.from_, *mail.reply_to)}
                checks["customer"] = (want[key] in people, True)
        board.mark("chatwoot", "no failure", "allears", True)
        for field, (found, wanted) in checks.items():
            board.mark("chatwoot", field, "allears", found == wanted, f"{name}: {say(found, wanted)}")


def talon(data: Path, board: Board) -> None:
    """Reply text and signatures of talon's own tests."""
    others = peers()
    for case in rows(data / "cases.jsonl"):
        name, text = case["id"], case["input"]
        if case["op"] == "reply_from_text":
            want = case["expected_reply"]
            _reply(board, "talon", "reply from text", name, quote.split(quote.plain(text)).reply, want)
            for peer, parse in others.items():
                board.mark("talon", "reply from text", peer, tight(parse(text)) == tight(want))
        elif case["op"] == "reply_from_html":
            got = quote.split(html.to_lines(text)).reply
            _reply(
                board,
                "talon",
                "reply from html",
                name,
                tight(got).replace(">", ""),
                tight(html.text_of(html.to_lines(case["expected_reply"]))).replace(">", ""),
            )
        else:
            view = quote.split(quote.plain(text))
            right = tight(view.new) == tight(case["expected_body"]) and tight(view.signature) == tight(
                case["expected_signature"] or ""
            )
            board.mark("talon", "signature", "allears", right, f"{name}: {say(view, case['expected_body'])}")
    for path in sorted((data / "standard_replies").glob("*.eml")):
        want = load(path.with_suffix(".expected.json"))["reply"]
        mail = timed(board, path.read_bytes(), path.stem)
        _reply(
            board,
            "talon",
            "standard replies",
            path.stem,
            "\n".join(filter(None, (mail.new_text, mail.signature))),
            want,
        )
        for peer, parse in others.items():
            board.mark("talon", "standard replies", peer, tight(parse(mail.full_text)) == tight(want))
    for path in [*sorted((data / "html_replies").glob("*.html")), data / "OLK_SRC_BODY_SECTION.html"]:
        want = load(path.with_suffix(".expected.json"))
        wanted = want.get("reply_text") or html.text_of(html.to_lines(want["reply_html"]))
        raw = path.read_bytes()
        got = quote.split(html.to_lines(charsets.decode(raw, "utf-8"))).reply
        _reply(board, "talon", "html replies", path.stem, tight(got), tight(wanted))
    for path in sorted((data / "signature/emails/stripped").glob("*_body")):
        signature = path.with_name(path.name.replace("_body", "_signature")).read_text(
            encoding="utf-8", errors="replace"
        )
        view = quote.split(quote.plain(path.read_text(encoding="utf-8", errors="replace")))
        first = next((row for row in signature.splitlines() if row.strip()), "")
        board.mark(
            "talon",
            "signature (learned set)",
            "allears",
            tight(first) in tight(view.signature),
            f"{path.name}: {say(view.signature, signature)}",
        )


def _reply(board: Board, source: str, field: str, name: str, got: str, want: str) -> None:
    same = [row.rstrip() for row in got.strip().splitlines() if row.strip()] == [
        row.rstrip() for row in want.strip().splitlines() if row.strip()
    ]
    board.mark(source, field, "allears", same, f"{name}: {say(got, want)}")


def fragments(family: str) -> Callable[[Path, Board], None]:
    """The three reply-parser families: what is shown, what is hidden."""

    def score(data: Path, board: Board) -> None:
        others = peers()
        for path in sorted(data.glob("*.expected.json")):
            name = path.name.removesuffix(".expected.json")
            text = path.with_name(name + ".txt").read_text(encoding="utf-8", errors="replace")
            want = load(path)
            begun = time.perf_counter()
            view = quote.split(quote.plain(text))
            board.seconds.append((round(time.perf_counter() - begun, 4), name))
            readers: dict[str, tuple[str, str]] = {"allears": (view.new, view.reply)}
            readers |= {peer: (shown := parse(text), shown) for peer, parse in others.items()}
            readers["stdlib"] = (text, text)
            for reader, (new, reply) in readers.items():
                verdict = _shown(want, new, reply, text)
                if verdict is not None:
                    board.mark(
                        family,
                        "reply text",
                        reader,
                        verdict,
                        f"{name}: {say(new, json.dumps(want, ensure_ascii=False))}",
                    )

    return score


def _shown(want: dict[str, Any], new: str, reply: str, text: str) -> bool | None:
    """Whether what is shown fits every statement about the visible text; None when there is no such statement."""
    if want.get("peer_known_limitation"):
        want = {key: value for key, value in want.items() if key not in ("fragments", "fragment_matches")}
    verdicts: list[bool] = []
    for key in ("first_fragment_trimmed", "reply_trimmed", "reply"):
        if key in want:
            verdicts.append(tight(want[key]) in (tight(new), tight(reply)))
    if "visible_text" in want:
        verdicts.append(tight(want["visible_text"]) in (tight(new), tight(reply)))
    first = want.get("fragment_text", {}).get("0")
    if first is not None and "visible_text" not in want:
        later = any(not hides for hides in want.get("hidden", [True])[1:])
        same = tight(first) in (tight(new), tight(reply))
        verdicts.append(tight(new).startswith(tight(first)) if later else same)
    hidden = want.get("hidden") or [s or q for s, q in zip(want.get("signature", []), want.get("quoted", []))]
    for number, start in {
        **want.get("fragment_starts", {}),
        **want.get("fragment_contains", {}),
    }.items():
        shown = not hidden[int(number)] if int(number) < len(hidden) else number == "0"
        verdicts.append((tight(start) in tight(new)) == shown)
    for number, patterns in want.get("fragment_matches", {}).items():
        if number == "0":
            verdicts += [bool(re.search(pattern, new, re.M)) for pattern in patterns]
        else:
            verdicts += [not re.search(pattern, new, re.M) for pattern in patterns]
    verdicts += [tight(piece) in tight(new) for piece in want.get("reply_contains", [])]
    verdicts += [tight(piece) not in tight(new) for piece in want.get("reply_excludes", [])]
    if want.get("fragments") == 1 and not verdicts:
        verdicts.append(tight(text) in (tight(new), tight(reply)))
    return all(verdicts) if verdicts else None


def mikel(data: Path, board: Board) -> None:
    """Checks on mails; a file may be used by several tests, so any of the values named for a field will do."""
    for path in sorted(data.rglob("*.expected.json")):
        source = path.with_name(path.name.removesuffix(".expected.json"))
        raw, name = source.read_bytes(), source.stem
        mail, other = timed(board, raw, name), standard(raw)
        ours: dict[str, object] = {
            "subject": mail.subject,
            "from": [a.email for a in (mail.from_, *mail.more_from) if a.email],
            "to": [a.email for a in mail.to],
            "cc": [a.email for a in mail.cc],
            "message_id": mail.message_id,
            "in_reply_to": mail.in_reply_to[0] if mail.in_reply_to else "",
            "attachments.length": len(mail.attachments),
            "attachments.size": len(mail.attachments),
            "attachments.first.filename": mail.attachments[0].name if mail.attachments else "",
        }
        theirs = {
            "subject": other.get("subject"),
            "message_id": other.get("message_id"),
            "attachments.length": other.get("attachments"),
        }
        values: dict[str, list[object]] = defaultdict(list)
        for check in load(path)["checks"]:
            if "equals" in check and check["what"] in ours:
                values[check["what"]].append(check["equals"])
        for what, wanted in values.items():
            field = what.replace(".size", ".length")
            got = ours[what]
            board.mark("mikel-mail", field, "allears", got in wanted, f"{name}: {say(got, wanted)}")
            if what in theirs:
                board.mark("mikel-mail", field, "stdlib", theirs[what] in wanted)
        board.mark("mikel-mail", "no failure", "allears", True)
        _mikel_bounce(board, name, mail, {c["what"]: c for c in load(path)["checks"]})


def _mikel_bounce(board: Board, name: str, mail: Mail, checks: dict[str, Any]) -> None:
    if "be_bounced" in checks:
        right = (mail.bounce is not None and mail.bounce.failed) != bool(checks["be_bounced"].get("negated"))
        board.mark("mikel-mail", "bounced", "allears", right, f"{name}: {mail.kind} {mail.bounce}")
    first = mail.bounce.recipients[0] if mail.bounce and mail.bounce.recipients else None
    for what, got in (
        ("action", first.action if first else ""),
        ("error_status", first.status if first else ""),
        ("final_recipient", first.email if first else ""),
    ):
        if "equals" in checks.get(what, {}):
            want = str(checks[what]["equals"]).partition(";")[2].strip() or checks[what]["equals"]
            board.mark(
                "mikel-mail",
                f"dsn {what}",
                "allears",
                str(got).lower() == str(want).lower(),
                f"{name}: {say(got, want)}",
            )


def sisimai(data: Path, board: Board) -> None:
    """Machine mail against people's: the labelled bounces here, the ordinary mails of the other sources."""
    hit = miss = false = 0
    for row in rows(data / "labels.jsonl"):
        path = data / row["file"]
        mail = timed(board, path.read_bytes(), row["file"])
        machine = mail.kind in ("bounce", "auto_reply", "feedback_report")
        if row["label"] == "not_bounce":
            board.mark(
                "sisimai-bounces",
                "not a bounce",
                "allears",
                mail.kind != "bounce",
                f"{row['file']}: {mail.kind} {mail.why}",
            )
            continue
        hit, miss = hit + machine, miss + (not machine)
        board.mark(
            "sisimai-bounces",
            f"kind {row['label']}",
            "allears",
            mail.kind == row["label"],
            f"{row['file']}: {mail.kind} {mail.why} {mail.subject[:80]!r}",
        )
        if mail.bounce is not None:
            board.mark("sisimai-bounces", "names a recipient", "allears", bool(mail.bounce.recipients), row["file"])
    for name, mail in people(data.parent):
        machine = mail.kind in ("bounce", "auto_reply", "feedback_report")
        false += machine
        board.mark(
            "people", "not machine", "allears", not machine, f"{name}: {mail.kind} {mail.why} {mail.subject[:60]!r}"
        )
        board.mark(
            "people", "not list either", "allears", mail.kind == "human", f"{name}: {mail.kind} {mail.subject[:60]!r}"
        )
    precision, recall = hit / (hit + false), hit / (hit + miss)
    print(
        f"machine mail: precision {precision:.4f} recall {recall:.4f} F1 {2 * precision * recall / (precision + recall):.4f}\n"
    )


#: Names and contents that say a mail of the other sources is itself a machine's.
_MACHINE = re.compile(
    r"bounce|undeliver|auto_?reply|out.?of.?office|autoresp|report|delivery|mail033|mail063|mail052|mail018|notification|"
    # a delay notice, a sendmail warning and a virus filter's report
    r"mail078\.box|mimepart_without_content_type|msg_43",
    re.I,
)


def people(data: Path) -> Iterator[tuple[str, Mail]]:
    """Ordinary mails of the other sources."""
    for folder in (
        "zammad-mail",
        "zammad-process",
        "chatwoot",
        "talon",
        "mikel-mail",
        "libredesk",
        "freescout",
        "cpython",
    ):
        for path in sorted((data / folder).rglob("*")):
            a_mail = path.suffix in (".eml", ".box") or (folder == "cpython" and path.suffix == ".txt")
            if a_mail and not _MACHINE.search(str(path.relative_to(data))):
                mail = read(path.read_bytes())
                if mail.from_.email or mail.full_text:
                    yield f"{folder}/{path.name}", mail


def cpython(data: Path, board: Board) -> None:
    """Nothing may fail and nothing may be lost: each part the standard library finds, we hold too."""
    for path in sorted(data.glob("*.txt")):
        raw = path.read_bytes()
        mail = timed(board, raw, path.name)
        ours = b" ".join(p.data() for p in mime.parse(raw).parts) + mail.full_text.encode()
        message = email.message_from_bytes(raw)
        lost = [
            p.get_content_type() for p in message.walk() if not p.is_multipart() and _payload(p).strip() not in ours
        ]
        board.mark("cpython", "nothing lost", "allears", not lost, f"{path.name}: {lost}")


def libredesk(data: Path, board: Board) -> None:
    """Attachments and broken ids."""
    for path in sorted(data.glob("*.eml")):
        mail = timed(board, path.read_bytes(), path.stem)
        for want in load(path.with_suffix(".expected.json")).get("attachments", []):
            file = next((f for f in mail.attachments if f.name == want["name"]), None)
            right = file is not None and ("inline" if file.inline else "attachment") == want["disposition"]
            right = right and file is not None and file.content_id == want.get("content_id", file.content_id)
            board.mark("libredesk", "attachments", "allears", right, f"{path.stem}: {say(mail.attachments, want)}")
    for row in rows(data / "ids.jsonl"):
        if row["what"] == "message_id":
            board.mark(
                "libredesk", "message ids", "allears", ids.one(row["input"].encode()) == row["expected"], row["input"]
            )


def freescout(data: Path, board: Board) -> None:
    """Subjects and attachment names."""
    for path in sorted(data.glob("*.eml")):
        raw = path.read_bytes()
        mail, other = timed(board, raw, path.stem), standard(raw)
        want = load(path.with_suffix(".expected.json"))
        if "subject" in want:
            board.mark(
                "freescout",
                "subject",
                "allears",
                line(mail.subject) == line(want["subject"]),
                f"{path.stem}: {say(mail.subject, want)}",
            )
            board.mark("freescout", "subject", "stdlib", line(other.get("subject") or "") == line(want["subject"]))
        for wanted in want.get("attachments", []):
            got = [f.name for f in mail.attachments]
            board.mark("freescout", "attachment names", "allears", wanted in got, f"{path.stem}: {say(got, wanted)}")
            board.mark("freescout", "attachment names", "stdlib", wanted in other.get("names", set()))
        if "attachment_size" in want:
            sizes = [len(part.body) for part in mime.parse(raw).parts]  # the peer counts the encoded bytes
            board.mark(
                "freescout", "attachment size", "allears", want["attachment_size"] in sizes, f"{path.stem}: {sizes}"
            )


def rows(path: Path) -> Iterator[Any]:
    """The lines of a JSON Lines file."""
    for row in path.read_text(encoding="utf-8").splitlines():
        if row.strip():
            yield json.loads(row)


SOURCES: dict[str, Callable[[Path, Board], None]] = {
    "zammad-mail": zammad_mail,
    "zammad-process": zammad_process,
    "zammad-behaviour": zammad_behaviour,
    "zammad-signatures": zammad_signatures,
    "chatwoot": chatwoot,
    "talon": talon,
    "crisp-email-reply-parser": fragments("crisp"),
    "github-email_reply_parser": fragments("github"),
    "zapier-email-reply-parser": fragments("zapier"),
    "mikel-mail": mikel,
    "sisimai-bounces": sisimai,
    "cpython": cpython,
    "libredesk": libredesk,
    "freescout": freescout,
}


def main() -> None:
    """Score the sources named on the command line, or all."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("source", nargs="*", choices=[*SOURCES, []])
    options.add_argument("--data", type=Path, default=ROOT.parent / "shared/data/email")
    chosen = options.parse_args()
    if not chosen.data.exists():
        raise SystemExit(f"skipped: no evaluation data at {chosen.data}")
    board = Board()
    for name in chosen.source or SOURCES:
        if (chosen.data / name).exists():
            SOURCES[name](chosen.data / name, board)
    board.show()


if __name__ == "__main__":
    main()
