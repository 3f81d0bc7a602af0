"""Scores the normalizer on open evaluation data: ``python tests/bench/score_normalizer.py [--errors NAME]``.

The data lies beside the checkout in ``../shared/data`` and is not part of the project; what is absent is left out.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from channels.base import Inbound, Sender  # noqa: E402
from normalizer import likeness, tone  # noqa: E402
from normalizer.entities.entity import Entity  # noqa: E402
from normalizer.entities.extract import extract  # noqa: E402
from normalizer.normalize import normalize  # noqa: E402
from normalizer.record import ComplaintRecord  # noqa: E402
from normalizer.rules import Rules, compile_rules  # noqa: E402
from normalizer.source import Source  # noqa: E402
from normalizer.text import Text  # noqa: E402

DATA = ROOT.parent / "shared" / "data"
AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)

Score = dict[str, Any]
Errors = list[str]


def rules() -> Rules:
    """The packaged rules."""
    folder = ROOT / "normalizer" / "data"
    return compile_rules({path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")})


def rows(path: str) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file. Raises FileNotFoundError."""
    return [json.loads(line) for line in (DATA / path).read_text(encoding="utf-8").splitlines() if line.strip()]


def record_of(text: str, known: Rules, country: str = "CN") -> ComplaintRecord:
    """A message with this text as a record."""
    message = Inbound(channel="api", account="a", external_id="1", thread="t", sender=Sender(id="s"), at=AT, text=text)
    return normalize(message, key="k", rules=known, received_at=AT, processed_at=AT, conversation="c", country=country)


# --- language -----------------------------------------------------------------------------------------


def language(name: str) -> Callable[[Rules, Errors], Score]:
    """Accuracy on one of the lingua files, macro over languages."""

    def score(known: Rules, errors: Errors) -> Score:
        right: Counter[str] = Counter()
        total: Counter[str] = Counter()
        for row in rows(f"langid/lingua/{name}.jsonl"):
            said = known.detector.tell(row["text"]).tag.split("-")[0]
            total[row["lang"]] += 1
            right[row["lang"]] += said == row["lang"]
            if said != row["lang"]:
                errors.append(f"{row['lang']} as {said}: {row['text'][:90]}")
        each = {lang: right[lang] / total[lang] for lang in total}
        worst = sorted(each.items(), key=lambda item: item[1])[:4]
        # Most of the set's "Malay" is Indonesian ("Anda", "Jumat", rupiah): a figure without it tells more.
        others = [each[lang] for lang in each if lang != "ms"]
        apart = {"macro_without_ms": sum(others) / len(others)}
        return {"macro": sum(each.values()) / len(each), **apart, "n": sum(total.values()), "worst": worst}

    return score


def scripts(known: Rules, errors: Errors) -> Score:
    """Simplified against traditional: crossed and undecided."""
    crossed = undecided = total = 0
    for row in rows("langid/opencc/parallel_lines.jsonl"):
        for field, tag in (("hans", "zh-Hans"), ("hant_tw", "zh-Hant"), ("hant_hk", "zh-Hant")):
            if (field in row and row["hans"] != row.get(field, "")) or field == "hans":
                said = known.detector.tell(row[field]).tag
                total += 1
                undecided += said == "zh"
                if said not in (tag, "zh"):
                    crossed += 1
                    errors.append(f"{tag} as {said}: {row[field][:80]}")
    return {"crossed": crossed / total, "undecided": undecided / total, "n": total}


# --- tone ---------------------------------------------------------------------------------------------


def reviews(path: str) -> Callable[[Rules, Errors], Score]:
    """Accuracy of the balance of tone on labelled reviews, and F1 of the bad ones."""

    def score(known: Rules, errors: Errors) -> Score:
        table: Counter[tuple[int, int]] = Counter()
        for row in rows(path):
            source = Source(row["text"], "k", known)
            balance = tone.weigh(source.hits, tone.Around(source.text.plain, source.hits))
            said = int(balance.score > 0)
            table[row["label"], said] += 1
            if said != row["label"]:
                errors.append(f"{row['label']} {balance.score:+.1f}: {row['text'][:110]}")
        right, total = table[0, 0] + table[1, 1], sum(table.values())
        f1 = 2 * table[0, 0] / (2 * table[0, 0] + table[1, 0] + table[0, 1])
        recalls = {"bad_recall": table[0, 0] / (table[0, 0] + table[0, 1]), "n": total}
        return {"accuracy": right / total, "bad_f1": f1, **recalls}

    return score


_EMOTIONS = {
    "anger": "angry",
    "joy": "happy",
    "sadness": "sad",
    "disappointment": "sad",
    "worry": "fear",
    "": "neutral",
}


def emotions(known: Rules, errors: Errors) -> Score:
    """Macro F1 on the EWECT messages and recall of anger."""
    table: Counter[tuple[str, str]] = Counter()
    for row in rows("sentiment/ewect2020-emotion-zh/ewect.jsonl"):
        gravity = record_of(row["content"], known).gravity
        said = _EMOTIONS.get(gravity.emotion.value if gravity.emotion else "", "neutral")
        table[row["label"], said] += 1
        if said != row["label"]:
            errors.append(f"{row['label']} as {said}: {row['content'][:90]}")
    labels = sorted({label for label, _ in table})
    f1 = {}
    for label in labels:
        hit = table[label, label]
        wrong = sum(n for (gold, said), n in table.items() if (gold == label) != (said == label))
        f1[label] = 2 * hit / (2 * hit + wrong) if hit else 0.0
    angry = sum(n for (gold, _), n in table.items() if gold == "angry")
    return {"macro_f1": sum(f1.values()) / len(f1), "angry_recall": table["angry", "angry"] / angry, "n": table.total()}


# --- entities -----------------------------------------------------------------------------------------


def entities_of(text: str, known: Rules, country: str, at: datetime = AT) -> list[tuple[Entity, int, int]]:
    """Entities with their raw spans."""
    source = Source(text, "k", known)
    found = extract(source.text, source.hits, known, country=country, at=at)
    return [(entity, *source.text.span(entity.start, entity.end)) for entity in found]


def spans(path: str, kinds: set[str], country: str, types: tuple[str, ...]) -> Callable[[Rules, Errors], Score]:
    """Precision and recall of spans (overlap counts, exact ones are reported too) and of values."""

    def score(known: Rules, errors: Errors) -> Score:
        right = exact = value_right = said_total = gold_total = 0
        for row in rows(f"entities/recognizers-text/{path}.jsonl"):
            at = _reference(row)
            gold = [r for r in row["Results"] if r.get("TypeName") in types and not _is_empty(r)]
            others = [r for r in row["Results"] if r not in gold]
            said = [x for x in entities_of(row["Input"], known, country, at) if x[0].kind in kinds]
            matched = set()
            for entity, start, end in said:
                hit = next((i for i, g in enumerate(gold) if i not in matched and _overlap(g, row, start, end)), None)
                if hit is None:
                    if any(_overlap(g, row, start, end) for g in others):
                        continue  # another type of the same family (a range, a duration) stands there
                    said_total += 1
                    errors.append(f"+ {row['Input'][start:end]!r} in {row['Input'][:100]!r}")
                    continue
                said_total += 1
                matched.add(hit)
                right += 1
                exact += row["Input"][start:end].strip().lower() == gold[hit]["Text"].strip().lower()
                good = _value_fits(entity, gold[hit])
                value_right += good
                if not good:
                    errors.append(f"= {entity.value} for {gold[hit].get('Resolution')} in {row['Input'][:80]!r}")
            gold_total += len(gold)
            errors += [f"- {g['Text']!r} in {row['Input'][:100]!r}" for i, g in enumerate(gold) if i not in matched]
        return {
            "P": right / said_total if said_total else 0.0,
            "R": right / gold_total if gold_total else 0.0,
            "exact": exact / right if right else 0.0,
            "value": value_right / right if right else 0.0,
            "n": gold_total,
        }

    return score


def _is_empty(result: dict[str, Any]) -> bool:
    """What says nothing: a currency without a sum ("人民币"), "now", the 30th of February; the set gives them no value."""
    resolution = result.get("Resolution") or {}
    if result.get("TypeName") == "currency":
        return resolution.get("value") in (None, "")
    values = resolution.get("values") or [{}]
    return all(v.get("timex") == "PRESENT_REF" or v.get("value") == "not resolved" for v in values)


def _reference(row: dict[str, Any]) -> datetime:
    at = (row.get("Context") or {}).get("ReferenceDateTime")
    return datetime.fromisoformat(at[:19]).replace(tzinfo=UTC) if at else AT


def _overlap(gold: dict[str, Any], row: dict[str, Any], start: int, end: int) -> bool:
    low = gold.get("Start")
    if low is None:
        low = row["Input"].lower().find(gold["Text"].lower())
    return bool(low < end and start < low + len(gold["Text"]))


def _value_fits(entity: Entity, gold: dict[str, Any]) -> bool:
    resolution = gold.get("Resolution") or {}
    if entity.kind == "amount":
        code = resolution.get("isoCurrency")
        said = str(resolution.get("value"))
        gold_sum = float(said) / (100 if resolution.get("unit") == "Cent" else 1) if said not in ("None", "") else -1.0
        same = abs(float(entity.value.amount) - gold_sum) < 0.011
        return same and (not code or code == entity.value.currency)
    if entity.kind == "date":
        values = [str(v.get("value", "")).replace(" ", "T") for v in resolution.get("values", [])]
        return any(v[:10] == entity.value.iso[:10] for v in values)
    return True


def phones_in_mail(known: Rules, errors: Errors) -> Score:
    """Caller numbers in text, as E.164 without the plus."""
    right = said_total = gold_total = 0
    for row in rows("entities/zammad-phone-numbers/phones.jsonl"):
        if row["op"] != "extract":
            continue
        said = [e.value.lstrip("+") for e, *_ in entities_of(row["text"], known, "DE") if "phone" in e.kind]
        right += len(set(said) & set(row["expected"]))
        said_total += len(said)
        gold_total += len(row["expected"])
        if set(said) != set(row["expected"]):
            errors.append(f"{said} for {row['expected']}: {row['text']!r}")
    return {"P": right / max(1, said_total), "R": right / max(1, gold_total), "n": gold_total}


# --- complaints ---------------------------------------------------------------------------------------


def complaints(path: str, field: str, country: str) -> Callable[[Rules, Errors], Score]:
    """How many real complaints are taken for one, how many get a category; the risks that are seen."""

    def score(known: Rules, errors: Errors) -> Score:
        kinds: Counter[str] = Counter()
        risks: Counter[str] = Counter()
        named = total = 0
        for row in rows(path):
            record = record_of(row[field], known, country)
            kind = record.what.kind.value if record.what.kind else ""
            kinds[kind] += 1
            total += 1
            named += record.what.category is not None
            risks.update(risk.value for risk in record.gravity.risks)
            if kind != "complaint":
                errors.append(f"{kind}: {row[field][:110]}")
            errors += [f"RISK {r.value} {r.evidence[0].quote}: {row[field][:80]}" for r in record.gravity.risks]
        return {"complaint": kinds["complaint"] / total, "category": named / total, "n": total,
                "kinds": kinds.most_common(5), "risks": risks.most_common(10)}  # fmt: skip

    return score


#: Where questions stand that nobody asks in anger: (file, field, country).
_QUESTIONS = {
    "banking en": ("faq/banking77/banking77.jsonl", "text", "US"),
    "assistant en": ("faq/clinc150/clinc150.jsonl", "text", "US"),
    "insurance zh": ("faq/insuranceqa-zh/questions.jsonl", "question_zh", "CN"),
    "city zh-Hant": ("faq/taipei-qa-zh-hant/taipei_qa.jsonl", "text", "TW"),
}


def questions(path: str, field: str, country: str) -> Callable[[Rules, Errors], Score]:
    """How many questions are taken for complaints. In the banking set many are troubles ("my card was declined")."""

    def score(known: Rules, errors: Errors) -> Score:
        false = total = 0
        for row in rows(path)[::3]:
            text = row.get(field) or row["text"]
            kind = record_of(text, known, country).what.kind
            total += 1
            if kind and kind.value == "complaint":
                false += 1
                errors.append(f"{kind.evidence[0].rule}: {text[:110]}")
        return {"complaint": false / total, "n": total}

    return score


#: Texts of different people that are so much alike are one template; no text tells their matters apart.
COPIES = 0.8
ASKED = 900


def repeats(path: str) -> Callable[[Rules, Errors], Score]:
    """Recall of a complaint told again (edited, cut, extended, turned round), against one person's twenty other ones."""

    def score(known: Rules, errors: Errors) -> Score:
        chance = random.Random(1)
        texts = [row["text"] for row in rows(path)]
        plain = [Text(text, known.fold).plain for text in texts]
        told = [likeness.grams(text) for text in plain]
        found = false = copies = 0
        for n in range(ASKED):
            at = chance.randrange(len(texts))
            again = likeness.grams(_again(plain[at], n % 6, chance))
            found += likeness.alike(again, told[at]) >= likeness.ALIKE
            others = [other for other in chance.sample(range(len(told)), 20) if other != at]
            like = [other for other in others if likeness.alike(again, told[other]) >= likeness.ALIKE]
            wrong = [other for other in like if likeness.alike(told[at], told[other]) < COPIES]
            false += bool(wrong)
            copies += bool(like) and not wrong
            errors += [f"{plain[at][:60]} | {plain[other][:60]}" for other in wrong]
        return {"recall": found / ASKED, "false": false / ASKED, "templates": copies / ASKED, "n": ASKED}

    return score


def _again(text: str, how: int, chance: random.Random) -> str:
    """A text told again: 5 % or 15 % of its characters changed, the end or the beginning cut, a line more, halves turned."""
    if how == 2:
        return text[: len(text) * 7 // 10]
    if how == 3:
        return text + " please solve this soon 请尽快处理"
    if how == 4:
        return text[len(text) // 2 :] + text[: len(text) // 2]
    share = 0.15 if how == 1 else 0.05
    changed = [chance.choice(text) if chance.random() < share else char for char in text]
    return "".join(changed[len(text) // 5 :] if how == 5 else changed)


SCORES: dict[str, Callable[[Rules, Errors], Score]] = {
    "language sentences": language("sentences"),
    "language word pairs": language("word-pairs"),
    "language words": language("single-words"),
    "scripts hans/hant": scripts,
    "tone shopping": reviews("sentiment/online_shopping_10_cats-zh/shopping.jsonl"),
    "tone hotel": reviews("sentiment/chnsenticorp-hotel-zh/hotel.jsonl"),
    "tone waimai": reviews("sentiment/waimai_10k-zh/waimai.jsonl"),
    "emotion ewect": emotions,
    "phones zh": spans(
        "Chinese/Sequence.PhoneNumberModel", {"phone", "hotline", "their_phone"}, "CN", ("phonenumber",)
    ),
    "phones en": spans(
        "English/Sequence.PhoneNumberModel", {"phone", "hotline", "their_phone"}, "US", ("phonenumber",)
    ),
    "phones mail": phones_in_mail,
    "e-mail en": spans("English/Sequence.EmailModel", {"email"}, "US", ("email",)),
    "url zh": spans("Chinese/Sequence.URLModel", {"url"}, "CN", ("url",)),
    "url en": spans("English/Sequence.URLModel", {"url"}, "US", ("url",)),
    "amounts zh": spans("Chinese/NumberWithUnit.CurrencyModel", {"amount"}, "CN", ("currency",)),
    "amounts en": spans("English/NumberWithUnit.CurrencyModel", {"amount"}, "US", ("currency",)),
    "dates zh": spans("Chinese/DateTime.DateTimeModel", {"date"}, "CN", ("datetimeV2.date", "datetimeV2.datetime")),
    "dates en": spans("English/DateTime.DateTimeModel", {"date"}, "US", ("datetimeV2.date", "datetimeV2.datetime")),
    **{f"questions {name}": questions(*where) for name, where in _QUESTIONS.items()},
    "repeats zh": repeats("complaints/citizen-messages-zh/messages.jsonl"),
    "repeats en": repeats("complaints/cfpb-1000-en/cfpb.jsonl"),
    "repeats short zh": repeats("sentiment/waimai_10k-zh/waimai.jsonl"),
    "complaints comcast": complaints("complaints/comcast-fcc-en/comcast.jsonl", "text", "US"),
    "complaints cfpb": complaints("complaints/cfpb-1000-en/cfpb.jsonl", "text", "US"),
    "complaints citizens": complaints("complaints/citizen-messages-zh/messages.jsonl", "text", "CN"),
}


def lines(known: Rules, wanted: str, errors_of: str) -> Iterator[str]:
    """The score table, a line a set."""
    for name, score in SCORES.items():
        if not name.startswith(wanted):
            continue
        errors: Errors = []
        before = time.process_time()
        try:
            result = score(known, errors)
        except FileNotFoundError as err:
            yield f"{name:22} skipped: {err.filename} is absent"
            continue
        shown = "  ".join(
            f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in result.items()
        )
        yield f"{name:22} {shown}  ({time.process_time() - before:.1f} s CPU)"
        if errors_of and name.startswith(errors_of):
            yield from (f"    {error}" for error in errors)


def main() -> None:
    """Print the table; ``--errors NAME`` shows what went wrong in the sets whose name begins so, ``--only NAME`` those alone."""
    arguments = defaultdict(str, zip(sys.argv[1::2], sys.argv[2::2]))
    wanted = arguments["--only"] or arguments["--errors"]
    for line in lines(rules(), wanted, arguments["--errors"]):
        print(line, flush=True)


if __name__ == "__main__":
    main()
