"""Load time, memory and time a message of large knowledge: ``python tests/bench/knowledge_size.py [ENTRIES …]``.

Entries are made of syllables (English) or characters (Chinese) by checksum, five examples each, so that they share words as
real ones do. Each size runs in a process of its own; times are processor time.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

SYLLABLES = "ka re mo ti lu sa ne po vi da gu fe zo ma ri tu le bo ni sha".split()
FILLERS = "how can i when does my the please where is it a to for with change check".split()
EXAMPLES = 5
ASKED = 40


def _number(*key: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:6], "big")


def _word(number: int) -> str:
    return "".join(SYLLABLES[number // 20**place % 20] for place in range(3))


def _english(entry: int, form: int) -> str:
    own = [_word(_number(entry, place) % 4_000) for place in range(3)]
    fill = [FILLERS[_number(entry, form, place) % len(FILLERS)] for place in range(4)]
    return " ".join([*fill[:3], *(own[place] for place in range(3) if (form + place) % 4), fill[3], _word(form % 500)])


def _chinese(entry: int, form: int) -> str:
    own = ["".join(chr(0x4E00 + _number(entry, place, at) % 3_000 * 6) for at in range(2)) for place in range(3)]
    return "怎么我的"[_number(entry, form) % 3 :] + "".join(own[p] for p in range(3) if (form + p) % 4) + "可以吗"


def _file(entries: int, language: str) -> str:
    form = _english if language == "en" else _chinese
    lines = ["entries:"]
    for entry in range(entries):
        said = [form(entry, number) for number in range(EXAMPLES)]
        words = sorted(
            set([w for w in said[0].split() if len(w) > 5] if language == "en" else [said[0][-7:-5], said[0][-5:-3]])
        )
        quoted = ", ".join(f"'{text}'" for text in said)
        lines += [
            f"  - id: e{entry}",
            f"    title: {{{language}: '{said[0]}'}}",
            f"    patterns: [{{all: [['{words[0]}'], ['{words[-1]}']]}}]",
            f"    examples: {{{language}: [{quoted}]}}",
            f"    answer: {{{language}: 'Answer {entry}.'}}",
        ]
    return "\n".join(lines)


def _memory() -> float:
    """Resident memory in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(entries: int, language: str) -> str:
    """One line of the table."""
    from gateway.library import read_knowledge, read_rules
    from gateway.rehearsal import Rehearsal

    rules = read_rules(None)
    with TemporaryDirectory() as folder:
        Path(folder, "large.yaml").write_text(_file(entries, language), encoding="utf-8")
        before, started = _memory(), time.process_time()
        knowledge = read_knowledge(Path(folder))
        load = time.process_time() - started
    texts = [
        _english(e, 2) if language == "en" else _chinese(e, 2) for e in range(0, entries, max(1, entries // ASKED))
    ]
    now = " now" if language == "en" else "现在"
    Rehearsal(knowledge, rules).say("x")
    match, turn = [], []
    for text in texts:
        said, chat = knowledge.utterance(text + now), Rehearsal(knowledge, rules)
        started = time.process_time()
        knowledge.matcher.scan(said)
        knowledge.index.nearest(said)
        match.append(time.process_time() - started)
        started = time.process_time()
        chat.say(text + now)
        turn.append(time.process_time() - started)
    return (
        f"{entries:>7} {language:<8} load {load:5.2f} s  match {_spread(match)}  normalize and decide {_spread(turn)}"
        f"  memory {_memory():.0f} MB ({_memory() - before:+.0f})"
    )


def _spread(times: list[float]) -> str:
    times = sorted(times)
    return f"{times[len(times) // 2] * 1e3:.2f} ms (slowest {times[-1] * 1e3:.2f})"


STORY = (
    "昨天下午三点买的电饭煲冒烟了，打了十几次客服没人接，要求退款299元，订单号20261102003317。 The kettle leaks too. "
)


def lengths() -> str:
    """How normalizing grows with a message."""
    from gateway.library import read_rules
    from tests.bench.score_normalizer import record_of

    rules, told = read_rules(None), []
    for size in (50, 500, 5_000):
        text = (STORY * 80)[:size]
        times = []
        for _ in range(ASKED):
            started = time.process_time()
            record_of(text, rules)
            times.append(time.process_time() - started)
        told.append(f"{size} characters {_spread(times)}")
    return "normalize: " + ", ".join(told)


def main() -> int:
    if len(sys.argv) == 3 and sys.argv[2] in ("en", "zh-Hans"):
        print(measure(int(sys.argv[1]), sys.argv[2]), flush=True)
        return 0
    for entries in [int(each) for each in sys.argv[1:]] or [10, 1_000, 10_000]:
        for language in ("en", "zh-Hans"):
            subprocess.run([sys.executable, __file__, str(entries), language], check=True)
    print(lengths())
    return 0


if __name__ == "__main__":
    sys.exit(main())
