"""Makes characters.yaml with OpenCC (Apache-2.0, https://github.com/BYVoid/OpenCC). Run: pip install opencc; python make_characters.py

The map folds traditional characters to simplified ones for matching only; what is shown stays as written.
"""

from __future__ import annotations

from pathlib import Path

import opencc

HAN = [chr(code) for low, high in ((0x3400, 0x4DC0), (0x4E00, 0xA000)) for code in range(low, high)]

#: Simplified characters that traditional texts write too, for another word (皇后, 公里, 茶几).
SHARED = (
    "后里干台面谷丑斗几余范云郁姜向松征伙仆冲凶划卷吁回困弦志扎折曲札朱杰杯板沈洒涌淀灶症秋种累胡舍芸荐蒙蔑虫表"
    "辟适酸采占周致岳布游升克出千卜咽哄夸了才托抵挽旋烟群峰秘只系制吃于御念愿家吊同注泛熏燕欲核栗梁昆旗影彩席幸"
)

#: Written in every other simplified text ("什么"); that it once stood for 幺 is not worth telling apart.
PLAIN = "么"

HEADER = """\
# Made by make_characters.py from the character tables of OpenCC (Apache-2.0). Do not edit by hand.
# traditional[i] is folded to simplified[i]; *_only are characters that only one of the two scripts writes.
"""


def _end(folds: dict[str, str], char: str) -> str:
    """Where a chain of folds ends (薴 → 苧 → 苎): folding twice must change nothing."""
    while char in folds:
        char = folds[char]
    return char


def main() -> None:
    """Write the file beside this script."""
    to_simplified, to_traditional = opencc.OpenCC("t2s").convert, opencc.OpenCC("s2t").convert
    variants = [opencc.OpenCC(name).convert for name in ("tw2s", "hk2s")]
    folds = {}
    for char in HAN:
        targets = [convert(char) for convert in (to_simplified, *variants)]
        changed = [t for t in targets if t != char and len(t) == 1]
        if changed and char not in PLAIN:
            folds[char] = changed[0]
    folds = {char: _end(folds, char) for char in folds}
    written = [to_traditional, *(opencc.OpenCC(name).convert for name in ("s2tw", "s2hk"))]
    simplified_only = "".join(c for c in HAN if all(w(c) != c for w in written) and c not in folds and c not in SHARED)
    traditional_only = "".join(c for c in folds if to_simplified(c) != c and to_traditional(c) == c)
    lines = {
        "traditional": "".join(folds),
        "simplified": "".join(folds.values()),
        "simplified_only": simplified_only,
        "traditional_only": traditional_only,
    }
    body = "".join(f'{name}: "{value}"\n' for name, value in lines.items())
    Path(__file__).with_name("characters.yaml").write_text(HEADER + body, encoding="utf-8")


if __name__ == "__main__":
    main()
