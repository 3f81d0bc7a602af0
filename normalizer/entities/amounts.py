"""Amounts of money, in digits and Chinese numerals, with the currency as said or as meant in the country."""

from __future__ import annotations

import re
from decimal import Decimal

from normalizer.entities import numerals
from normalizer.entities.entity import View
from normalizer.lexicon import Hit
from normalizer.record import Money

_HAN = numerals.HAN_NUMBER
_FIGURES = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?"
_SCALE = r"(?:百万|千万|十万|万亿|千亿|百亿|十亿|[十百千万亿]|thousand|million|lakhs?|crores?|mil|billion|bn|trillion|[kwm](?![a-z0-9]))"
_AFTER = re.compile(rf" ?({_FIGURES})(?: ?({_SCALE}))?")
_BEFORE = re.compile(
    rf"(?:(?<![\d.a-z\-])({_FIGURES})(?:[ \-]|多|余)?({_SCALE})?([{_HAN}]*)|([{_HAN}]+(?:[多余][千万亿])?))(?:多|余|来)? ?$"
)
_WORDS_BEFORE = re.compile(
    r"(?:\b(?:a|an|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    r"|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|half|quarters?|and)[ \-]){1,8}$"
)
_TAIL = re.compile(rf"([{_HAN}]|\d)(?![{_HAN}\d%.:])(?=$|[^\u4e00-\u9fff]|[的了吧呢啊就都还才])")
_JIAO = re.compile(rf"([{_HAN}]|\d)[毛角](?:([{_HAN}]|\d)分)?")
_BARE = re.compile(rf"[^\d{_HAN}。，,.!?;\n]{{0,6}}?(?:({_FIGURES})\s?({_SCALE})?([{_HAN}]*)|([{_HAN}]{{2,}}))")
#: What may follow a bare amount: anything that does not make it a count of something.
_ENDS = re.compile(
    r"(?:多|余|来|左右)?(?:$|[^\u4e00-\u9fffa-z%\d:/\-.％°]|[的了不没就还才说给也都买钱却可是，])|\.(?!\d)"
)
_COUNTED = re.compile(r"(?:多|余|来|左右)?[人名户次平亩公里吨字个台辆米股条年月日天件份位只支粉岁家亿]|[a-z]")
#: "15 dollars 50", "10 $ 30 cents", "thirteen dollars and forty-five cents".
_CENTS = re.compile(
    r",? (?:and )?(?:(\d{2}) ?cents?(?![a-z])|((?:[a-z]+[ \-]){1,2})cents?(?![a-z]))|( )(\d{2})(?=[.;!?]?$|[.;!?]\s)"
)
#: "115usd" and "usd50": no word of a lexicon ends inside a token.
_GLUED = re.compile(
    rf"(?<![a-z0-9.,])(?:({_FIGURES})(?P<after>[a-z]{{3}})|(?P<before>[a-z]{{3}})({_FIGURES}))(?![a-z0-9])"
)
#: "30 MUSD", "MAUD 60": millions of a currency.
_MILLIONS = re.compile(
    rf"(?<![a-z0-9.,])(?:({_FIGURES}) m(?P<after>[a-z]{{3}})|m(?P<before>[a-z]{{3}}) ({_FIGURES}))(?![a-z0-9])"
)
_PARTS = {"half": Decimal("0.5"), "quarter": Decimal("0.25")}
_ENGLISH = {w: n for n, w in enumerate(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
)} | {w: 10 * n for n, w in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)} | {"a": 1, "an": 1}  # fmt: skip

#: 几十万 says no number.
_VAGUE = ("几", "数", "上")

#: A number stands within this many characters before its currency.
_REACH = 28


def look(view: View) -> None:
    """Take the amounts beside currency words, then the bare ones beside words of paying."""
    for hit in view.hits.get("currencies", ()):
        if view.free(hit.start, hit.end):
            _beside(view, hit)
    if view.has_digit:
        for match in _GLUED.finditer(view.plain):
            _glued(view, match, 1)
        for match in _MILLIONS.finditer(view.plain):
            _glued(view, match, 10**6)
    for hit in view.hits.get("context", ()):
        if hit.label == "money":
            _bare(view, hit)


def _beside(view: View, hit: Hit) -> None:
    if hit.label in ("yuan", "cent"):
        _number_before(view, hit)
    elif _leads(view.plain, hit) and _number_after(view, hit):
        return
    elif not _number_before(view, hit):
        _number_after(view, hit)


def _leads(plain: str, hit: Hit) -> bool:
    """A sign stands before its number ("a $48 bill"), but for one that is spaced alike from two ("10 $ 30 cent")."""
    if plain[hit.end - 1].isalnum():
        return False
    spaced = plain[hit.end : hit.end + 1] == " " and plain[: hit.start].endswith(" ")
    return not (spaced and plain[hit.start - 2 : hit.start - 1].isdigit())


def _number_after(view: View, hit: Hit) -> bool:
    match = _AFTER.match(view.plain, hit.end)
    if not match:
        return False
    value = numerals.arabic(match.group(1))
    if value is None:
        return False
    value = numerals.scaled(value, match.group(2) or "")
    start, end, code = hit.start, match.end(), _code(view, hit)
    for other in view.hits.get("currencies", ()):
        if (
            0 <= other.start - end <= 1
            and other.label in (hit.label, "yuan")
            and not _AFTER.match(view.plain, other.end)
        ):
            end = other.end
        elif 0 <= start - other.end <= 1 and other.label.isupper() and hit.label == "dollar":
            start, code = other.start, _code(view, other)  # "mxn$ 15" names its dollars
    return _keep(view, value, code, start, end, "amount.currency", 0.96)


def _glued(view: View, match: re.Match[str], times: int) -> None:
    code = (match["after"] or match["before"]).upper()
    code = "CNY" if code == "RMB" else code
    value = numerals.arabic(match.group(1) or match.group(4))
    if value is not None and code in view.rules.currencies:
        _keep(view, value * times, code, *match.span(), "amount.currency", 0.9)


def _and_cents(view: View, end: int) -> tuple[Decimal, int]:
    """The cents after a whole sum, and where they end."""
    match = _CENTS.match(view.plain, end)
    if not match:
        return Decimal(0), end
    figures, words = match.group(1) or match.group(4), match.group(2) or ""
    cents = int(figures) if figures else sum(_ENGLISH.get(word, 0) for word in re.split("[ -]", words))
    return (Decimal(cents) / 100, match.end()) if 0 < cents < 100 else (Decimal(0), end)


def _number_before(view: View, hit: Hit) -> bool:
    floor = max(0, hit.start - _REACH)
    window = view.plain[floor : hit.start]
    match = _BEFORE.search(window)
    if match is None:
        return _spelled(view, hit, floor, window)
    value = _value(*match.groups())
    if value is None or (hit.label == "yuan" and _names_a_thing(view.plain, hit, match.group(4))):
        return False
    end = hit.end
    if hit.label == "yuan":
        value, end = _with_tail(view.plain, value, end)
    if hit.label == "cent":
        value /= 100
    elif value == value.to_integral_value() and hit.label != "yuan":
        cents, end = _and_cents(view, end)
        value += cents
    start = floor + match.start()
    if view.plain[start - 1 : start] in _VAGUE:
        return False
    before = view.plain[start - 1 : start]
    if before and before in "¥$£€":
        start -= 1
    return _keep(view, value, _code(view, hit), start, end, "amount.currency", 0.96)


def _names_a_thing(plain: str, hit: Hit, han: str | None) -> bool:
    """一块牌匾 and 两块电池 count pieces, not money; 元 in 元旦 is a date."""
    follows = plain[hit.end : hit.end + 1]
    if (
        plain[hit.start : hit.end] == "块"
        and follows
        and follows not in "钱，。,.！!？?、的 ;；)）的了吧就还多一二三四五六七八九也都呢啊\n"
    ):
        return han is not None or not follows.isascii()
    return follows in ("旦", "宵", "件", "素", "月")


def _with_tail(plain: str, value: Decimal, end: int) -> tuple[Decimal, int]:
    """八十八块五 → 88.5, 三块五毛二分 stays with its jiao."""
    match = _JIAO.match(plain, end) or (_TAIL.match(plain, end) if plain[end - 1] == "块" else None)
    if not match:
        return value, end
    digit = _one(match.group(1))
    if digit is None:
        return value, end
    value += Decimal(digit) / 10
    if match.re is _JIAO and match.group(2) and (cents := _one(match.group(2))) is not None:
        value += Decimal(cents) / 100
    return value, match.end()


def _one(char: str) -> int | None:
    return int(char) if char.isdigit() and char.isascii() else numerals.chinese(char)


def _value(figures: str | None, scale: str | None, rest: str | None, han: str | None) -> Decimal | None:
    if han is not None:
        if han[0] in "百千万亿":
            return None  # "千元" names a size, no sum
        number = numerals.chinese(han.replace("多", "").replace("余", ""))
        return None if number is None else Decimal(number)
    value = numerals.arabic(figures or "")
    if value is None:
        return None
    value = numerals.scaled(value, scale or "")
    if rest:
        more = numerals.chinese(rest)
        if more is None:
            return None
        value += more * (numerals.scale(scale or "") // 10 if len(rest) == 1 else 1)
    return value


def _spelled(view: View, hit: Hit, floor: int, window: str) -> bool:
    match = _WORDS_BEFORE.search(window)
    if not match:
        return False
    value = section = Decimal(0)
    words = match.group().replace("-", " ").split()
    for word, follows in zip(words, [*words[1:], ""]):
        if word in ("a", "an") and (follows in _PARTS or section == _PARTS["half"]):
            continue
        if word in _PARTS:
            section += _PARTS[word]
        elif word == "quarters":
            section /= 4
        elif word in _ENGLISH:
            section += _ENGLISH[word]
        elif word != "and":
            section = (section or Decimal(1)) * numerals.scale(word)
            if section >= 1000:
                value, section = value + section, Decimal(0)
    number, end = value + section, hit.end
    if hit.label == "cent":
        number /= 100
    elif number == number.to_integral_value():
        cents, end = _and_cents(view, end)
        number = Decimal(int(number)) + cents
    return bool(number) and _keep(view, number, _code(view, hit), floor + match.start(), end, "amount.words", 0.9)


def _bare(view: View, hit: Hit) -> None:
    match = _BARE.match(view.plain, hit.end)
    if not match or not _is_sum(view.plain, match) or (view.plain[match.end() - 1] in "零百" and match.group(4)):
        return
    figures, scale, rest, han = match.groups()
    if figures and not scale and len(figures.split(".")[0]) > 7:
        return
    value = _value(figures, scale, rest, han)
    start = match.start(1) if figures else match.start(4)
    if value is not None and value >= 10 and view.plain[start - 1] not in _VAGUE:
        _keep(view, value, "", start, match.end(), "amount.bare", 0.7)


def _is_sum(plain: str, match: re.Match[str]) -> bool:
    """Whether what follows lets a bare number be money: no unit, and for a small number hardly anything."""
    if match.group(2):
        return not _COUNTED.match(plain, match.end())
    return _ENDS.match(plain, match.end()) is not None


def _keep(view: View, value: Decimal, code: str, start: int, end: int, rule: str, confidence: float) -> bool:
    amount = Money(amount=numerals.plain(value), currency=code)
    return view.take("amount", amount, start, end, rule, confidence)


def _code(view: View, hit: Hit) -> str:
    return view.rules.currencies[hit.label].resolve(view.country)
