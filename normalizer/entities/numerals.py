"""Numbers written in Chinese numerals, in digits, or in both ("3万5", "一万二", "五百八")."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

_DIGITS = {
    **{c: i for i, c in enumerate("零一二三四五六七八九")},
    **{c: i for i, c in enumerate("〇壹贰叁肆伍陆柒捌玖")},
    "两": 2,
    "俩": 2,
}
_SMALL = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_LARGE = {"万": 10**4, "亿": 10**8}
_SCALES = {"k": 10**3, "w": 10**4, "m": 10**6, "thousand": 10**3, "million": 10**6, "mil": 10**6, "billion": 10**9, "lakh": 10**5, "lakhs": 10**5, "crore": 10**7, "crores": 10**7,
           "bn": 10**9, "trillion": 10**12, "hundred": 100, **_SMALL, **_LARGE, "百万": 10**6, "千万": 10**7,
           "十万": 10**5, "十亿": 10**9, "百亿": 10**10, "千亿": 10**11, "万亿": 10**12}  # fmt: skip

#: The characters a Chinese number is written with.
HAN_NUMBER = "零〇一二三四五六七八九十百千万亿两俩壹贰叁肆伍陆柒捌玖拾佰仟"

#: Longest number that is read.
MAX_DIGITS = 18

_WRITTEN = re.compile(r"(\d[\d,. ]*)?\s*([a-z]+|[十百千万亿]+)?\s*(.*)", re.DOTALL)


def chinese(numeral: str) -> int | None:
    """The value of Chinese numerals, ``None`` when they are none; a last digit counts one place down (五百八 is 580)."""
    if numeral and all(c in _DIGITS for c in numeral):
        return int("".join(str(_DIGITS[c]) for c in numeral)) if len(numeral) <= MAX_DIGITS else None
    total = section = 0
    digit: int | None = None
    place = 1
    for char in numeral:
        if char in _DIGITS:
            if digit:
                return None
            digit = _DIGITS[char]
            place = 1 if digit == 0 else place
        elif char in _SMALL:
            section += (1 if digit is None else digit) * _SMALL[char]
            digit, place = None, _SMALL[char] // 10
        elif char in _LARGE:
            total = (
                (total + section + (digit or 0)) * _LARGE[char]
                if _LARGE[char] > 10**4
                else (total + (section + (digit or 0)) * _LARGE[char])
            )
            section, digit, place = 0, None, _LARGE[char] // 10
        else:
            return None
    return total + section + (digit or 0) * place


def arabic(written: str) -> Decimal | None:
    """The value of digits with separators: ``1,299.00``, ``45,50`` (a decimal comma), ``1.299,00``."""
    figures = written.replace(" ", "").strip(".,")
    if figures.count(",") == 1 and "." not in figures and len(figures) - figures.index(",") != 4:
        figures = figures.replace(",", ".")
    elif "," in figures and "." in figures and figures.rindex(",") > figures.rindex("."):
        figures = figures.replace(".", "").replace(",", ".")
    elif figures.count(".") > 1:
        figures = figures.replace(".", "")
    try:
        return Decimal(figures.replace(",", "")) if len(figures) <= MAX_DIGITS + 6 else None
    except InvalidOperation:
        return None


def scale(word: str) -> int:
    """What a word after a number multiplies it by; 1 for no such word."""
    return _SCALES.get(word, 1)


def plain(value: Decimal) -> str:
    """A decimal as a string without exponent, with the places that were said."""
    return format(value, "f")


def scaled(value: Decimal, word: str) -> Decimal:
    """A value times a scale word: 1.5 million is 1500000, without the places of 1.5."""
    factor = scale(word)
    if factor == 1:
        return value
    product = value * factor
    whole = product.to_integral_value()
    return whole if whole == product else product
