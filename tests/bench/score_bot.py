"""Scores the bot's matcher on open evaluation data: ``python tests/bench/score_bot.py [--errors] [NAME …]``.

The data lies beside the checkout in ``../shared/data`` (another folder: ``ALLEARS_DATA``) and is not part of the project;
what is absent is left out. Thresholds are learned from training rows alone, by the same code as ``allears bot calibrate``.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more threads only get in each other's way

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from bot.acceptor import forbidden  # noqa: E402
from bot.learn import calibrate, practise  # noqa: E402
from bot.similarity import Index  # noqa: E402
from bot.words import Utterance  # noqa: E402
from gateway.library import read_knowledge, read_rules  # noqa: E402
from gateway.rehearsal import Rehearsal  # noqa: E402

DATA = Path(os.environ.get("ALLEARS_DATA", ROOT.parent / "shared" / "data"))
ASKED = (0.98, 0.97, 0.95, 0.90)
#: What `make bench` and the report compare with: name → (what, baseline, goal).
GOALS = {
    "hint3": ("HINT3, own thresholds, precision at in-scope coverage", ".987 at .073; .92 at .20", ".98 at .15; .95 at .25"),
    "hint3-rank": ("HINT3 in-scope accuracy; among three", ".776; .921", ".79; .94"),
    "clinc150": ("CLINC150, half out of scope", ".992 at .262", ".99 at .40"),
    "banking77": ("BANKING77, 20 intents held out, mean of 3", "asked .98: .20; .95: .97 at .52", ".98 at .45"),
    "smp": ("Chinese intents, 20 examples each", "accuracy .92; asked .95: .18", ".93; .35 at .95"),
    "honesty": ("runs that keep what was asked, within .01", ".84", ".90"),
    "complaints": ("automatic answers to complaints", "0 of 1,336", "0"),
}  # fmt: skip

Row = tuple[str, str]
Examples = dict[str, list[str]]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """Examples to learn from and questions to ask; an intent that is no entry is out of scope (``""``).

    ``share`` is the weight of what is out of scope, None for the natural mix.
    """

    name: str
    examples: Examples
    asked: list[Row]
    share: float | None


def _rows(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / path).read_text(encoding="utf-8").splitlines() if line.strip()]


def _order(text: str, salt: str = "") -> str:
    return hashlib.sha256(f"{salt}\x00{text}".encode()).hexdigest()


def _grouped(rows: Sequence[Row], most: int | None = None) -> Examples:
    found: Examples = defaultdict(list)
    for text, intent in rows:
        found[intent].append(text)
    return {intent: sorted(set(texts), key=_order)[:most] for intent, texts in found.items()}


def hint3() -> Iterator[Case]:
    """Three live bots: their authors' examples, their users' questions."""
    for name in ("curekart", "powerplay11", "sofmattress"):
        rows = {}
        for part in ("train", "test"):
            with (DATA / f"faq/hint3/{name}_{part}.csv").open(encoding="utf-8") as file:
                rows[part] = [(row["sentence"], row["label"]) for row in csv.DictReader(file)]
        examples = _grouped(rows["train"])
        yield Case(name, examples, [(text, label if label in examples else "") for text, label in rows["test"]], None)


def clinc150() -> Iterator[Case]:
    """All 150 intents; the validation questions (the test's where it is there) and what is out of scope, half each."""
    rows = _rows("faq/clinc150/clinc150.jsonl")
    splits = {row["split"] for row in rows}
    test = "test" if "test" in splits else "val"
    known = [(row["text"], row["intent"]) for row in rows if row["split"] == "train" and row["intent"] != "oos"]
    asked = [(row["text"], row["intent"]) for row in rows if row["split"] == test]
    strange = [
        (row["text"], "") for row in rows if row["intent"] == "oos" and (test != "test" or row["split"] == "oos_test")
    ]
    for most in (None, 20):
        yield Case(f"clinc150{f'-{most}' if most else ''}", _grouped(known, most), asked + strange, 0.5)


def banking77() -> Iterator[Case]:
    """57 intents known, 20 taken away and asked as near misses, three times; a quarter of the rows is asked."""
    rows = [(row["text"], row["intent"]) for row in _rows("faq/banking77/banking77.jsonl")]
    kept_back = {text for text, _ in rows if int(_order(text)[:8], 16) % 4 == 0}
    for seed in range(3):
        gone = set(sorted({intent for _, intent in rows}, key=lambda intent: _order(intent, str(seed)))[:20])
        train = [(text, intent) for text, intent in rows if text not in kept_back and intent not in gone]
        asked = [(text, "" if intent in gone else intent) for text, intent in rows if text in kept_back]
        yield Case(f"banking77-{seed}", _grouped(train), asked, 0.5)


def smp() -> Iterator[Case]:
    """Chinese intents with 25 rows and more, 20 of them learned; a quarter of the intents and all small ones are strange."""
    rows = sorted(
        {(row["text"], f"{row['domain']}.{row['intent']}") for row in _rows("faq/smp2019-nlu-zh/smp2019.jsonl")}
    )
    sizes = Counter(intent for _, intent in rows)
    large = sorted((intent for intent in sizes if sizes[intent] >= 25), key=_order)
    gone = set(large[: len(large) // 4])
    examples = {intent: texts for intent, texts in _grouped(rows, 20).items() if intent in large and intent not in gone}
    learned = {text for texts in examples.values() for text in texts}
    yield Case("smp-20", examples, [(t, i if i in examples else "") for t, i in rows if t not in learned], 0.5)


CASES: Mapping[str, Callable[[], Iterator[Case]]] = {
    "hint3": hint3, "clinc150": clinc150, "banking77": banking77, "smp": smp,
}  # fmt: skip


@dataclass
class Result:
    """A case's figures; ``runs`` is asked → (precision, in-scope coverage, answered, wrong), None where refused."""

    name: str
    inside: int
    first: int
    three: int
    best: dict[float, float]
    runs: dict[float, tuple[float, float, int, int] | None]
    milliseconds: float


def score(case: Case, table: Any, errors: bool) -> Result:
    """Learn, ask, compare."""
    index = Index(case.examples, table)
    started = time.process_time()
    found = [_ask(index, text, table) for text, _ in case.asked]
    spent = (time.process_time() - started) / len(case.asked) * 1e3
    truth = [intent for _, intent in case.asked]
    inside = np.array([bool(intent) for intent in truth])
    right = np.array([bool(want) and names[:1] == [want] for want, (names, _) in zip(truth, found)])
    three = sum(bool(want) and want in names[:3] for want, (names, _) in zip(truth, found))
    weights = np.ones(len(truth))
    if case.share is not None:
        weights = np.where(inside, (1 - case.share) / inside.sum(), case.share / (~inside).sum()) * len(truth)
    runs: dict[float, tuple[float, float, int, int] | None] = {}
    sure = np.zeros(len(truth))
    practice = practise(case.examples, table, {})
    for asked in ASKED:
        if practice is None:
            runs[asked] = None
            continue
        calibration = calibrate(practice, digest="", fires=lambda entry, text: False, precision=asked)
        sure = np.array([_sure(calibration.acceptor, signals) for _, signals in found])
        weak = np.array([names[:1] != [] and names[0] in calibration.weak and s is not None for names, s in found])
        if calibration.alone is None:
            runs[asked] = None
            continue
        said = (sure >= calibration.alone) & ~weak
        wrong = said & ~right
        precision = float(weights[said & right].sum() / max(weights[said].sum(), 1e-9))
        runs[asked] = (precision, float((said & right).sum() / inside.sum()), int(said.sum()), int(wrong.sum()))
        if errors and asked == ASKED[0]:
            for at in np.flatnonzero(wrong).tolist():
                print(f"    {sure[at]:.3f} {case.asked[at][0]!r} is {truth[at] or 'nothing'}, got {found[at][0][0]}")
    return Result(
        case.name, int(inside.sum()), int(right.sum()), three, _oracle(sure, right, weights, inside), runs, spent
    )


def _ask(index: Index, text: str, table: Any) -> tuple[list[str], Any]:
    """The nearest entries and the signals of the first; none where the text is an example itself."""
    said = Utterance(text, table)
    near = index.nearest(said)
    if same := index.exact(said.compact):
        return [same, *(each.entry for each in near if each.entry != same)], None
    return [each.entry for each in near], near[0].signals if near else ()


def _sure(acceptor: Any, signals: Any) -> float:
    if signals is None:
        return 1.0
    return 0.0 if not signals or forbidden(signals) else float(acceptor.confidence(signals))


def _oracle(sure: Array, right: NDArray[np.bool_], weights: Array, inside: NDArray[np.bool_]) -> dict[float, float]:
    """The coverage a threshold chosen on the test itself would have: the limit of the order, not a result."""
    order = np.argsort(-sure, kind="stable")
    precision = np.cumsum((weights * right)[order]) / np.cumsum(weights[order])
    coverage = np.cumsum(right[order]) / inside.sum()
    return {
        level: float(coverage[np.flatnonzero(precision >= level)[-1]]) if (precision >= level).any() else 0.0
        for level in (0.99, 0.98, 0.95)
    }


def complaints() -> dict[str, tuple[int, int]]:
    """Automatic answers of the sample knowledge to real complaints and to CLINC's out-of-scope questions."""
    knowledge, rules = read_knowledge(None), read_rules(None)
    sources = {
        "citizen-messages-zh": "complaints/citizen-messages-zh/messages.jsonl",
        "comcast-fcc-en": "complaints/comcast-fcc-en/comcast.jsonl",
        "cfpb-1000-en": "complaints/cfpb-1000-en/cfpb.jsonl",
    }
    texts = {name: [row["text"] for row in _rows(path)] for name, path in sources.items() if (DATA / path).exists()}
    if (DATA / "faq/clinc150/clinc150.jsonl").exists():
        texts["clinc out of scope"] = [r["text"] for r in _rows("faq/clinc150/clinc150.jsonl") if r["intent"] == "oos"]
    return {
        name: (sum(bool(Rehearsal(knowledge, rules).say(text).entry) for text in each), len(each))
        for name, each in texts.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Score the bot's matcher.")
    parser.add_argument("names", nargs="*", choices=[[], *CASES, "complaints"], metavar="NAME")
    parser.add_argument("--errors", action="store_true", help="show what was answered wrongly where 0.98 was asked")
    args = parser.parse_args()
    table = read_knowledge(None).table
    results: dict[str, list[Result]] = {}
    for name in args.names or CASES:
        if name in CASES:
            results[name] = _all(name, table, args.errors)
    _table(results)
    if not args.names or "complaints" in args.names:
        print(_goal("complaints"))
        for name, (answered, total) in complaints().items():
            print(f"    {name}: {answered} of {total}")
    return 0


def _all(name: str, table: Any, errors: bool) -> list[Result]:
    try:
        cases = list(CASES[name]())
    except FileNotFoundError as error:
        print(f"{name}: {error.filename} is not here")
        return []
    found = []
    for case in cases:
        found.append(score(case, table, errors))
        print(_line(found[-1]), flush=True)
    return found


def _line(result: Result) -> str:
    runs = "  ".join(
        f"{asked:.2f}: {'refused' if run is None else f'{run[0]:.3f} at {run[1]:.3f} ({run[2]}/{run[3]})'}"
        for asked, run in result.runs.items()
    )
    limit = "/".join(f"{value:.3f}" for value in result.best.values())
    return (
        f"  {result.name}: first {result.first / result.inside:.3f}, among three {result.three / result.inside:.3f}, "
        f"asked {runs}  limit at .99/.98/.95 {limit}  {result.milliseconds:.2f} ms"
    )


def _goal(name: str) -> str:
    what, baseline, goal = GOALS[name]
    return f"{what} | baseline {baseline} | goal {goal}"


def _table(results: Mapping[str, Sequence[Result]]) -> None:
    print()
    for name, each in results.items():
        if each:
            print(_goal(name))
            print("    " + _pooled(each))
        if name == "hint3" and each:
            inside = sum(result.inside for result in each)
            print(_goal("hint3-rank"))
            first, three = sum(r.first for r in each) / inside, sum(r.three for r in each) / inside
            print(f"    {first:.3f}; {three:.3f}")
    runs = [(asked, run) for each in results.values() for r in each for asked, run in r.runs.items()]
    kept = [run is None or run[2] == 0 or run[0] >= asked - 0.01 for asked, run in runs]
    answering = [ok for ok, (_, run) in zip(kept, runs) if run is not None and run[2]]
    if runs:
        print(_goal("honesty"))
        print(f"    {sum(answering)} of {len(answering)} that answered; {sum(run is None for _, run in runs)} refused")


def _pooled(each: Sequence[Result]) -> str:
    """HINT3's bots are counted together, by question; the others are the mean over the runs."""
    if each[0].name != "curekart":
        return "; ".join(_line(result).strip() for result in each)
    parts = []
    for asked in ASKED:
        runs = [result.runs[asked] for result in each]
        answered = sum(run[2] for run in runs if run)
        wrong = sum(run[3] for run in runs if run)
        inside = sum(result.inside for result in each)
        share = (answered - wrong) / inside
        parts.append(
            f"asked {asked:.2f}: {(answered - wrong) / max(answered, 1):.3f} at {share:.3f} ({answered}/{wrong})"
        )
    return "; ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
