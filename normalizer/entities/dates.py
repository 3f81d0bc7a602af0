"""Days and times that were said, resolved against the message's own time in the customer's zone.

A complaint tells of the past: a day that could be in two years or weeks is the last one that has been.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from normalizer.entities import holidays, numerals, offsets
from normalizer.entities.entity import View
from normalizer.lexicon import Hit
from normalizer.record import Moment

_N = r"(?:\d{1,2}|[一二三四五六七八九十]{1,3})"
_YEAR_WORD = {"去年": -1, "今年": 0, "本年": 0, "前年": -2, "明年": 1, "": 0}
_ISO = re.compile(r"(?<!\d)(?<!\d[.\-/])(?<![.a-z])((?:19|20)\d\d)([\-/. ])(\d{1,2})(?:\2(\d{1,2}))?(?!\d|[\-/.]\d)")
_EIGHT = re.compile(r"(?<![a-z0-9])((?:19|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?![a-z0-9])")
_GLUED = re.compile(
    r"(?<![a-z])(jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)/?(\d{1,2})(?:st|nd|rd|th)?(?: ?, ?((?:19|20)\d\d))?(?![\da-z/])"
)
_THE = re.compile(
    r"(?:(?:on|by|since|until|till|from|before|after|around) )?the (\d{1,2})(?:st|nd|rd|th)"
    r"(?: day)?(?: of)?( (?:this|next|last) month| of the month)?(?=[.,;!?]?$|[.,;!?] | (?:and|at|but|because|when|as)(?![a-z]))"
)
_ZH_YEAR = re.compile(
    rf"(?<!\d)((?:19|20)\d\d|[零〇一二三四五六七八九]{{4}}|\d\d)年(?:({_N})月(?:份)?(?:({_N})[日号]?(?![\d日号年元块]))?)?"
)
_ZH_MONTH = re.compile(
    rf"(?<![\d一二三四五六七八九十个几两年])(?:(去年|今年|前年|明年|本年))?的?({_N})月(?:({_N})[日号]|份|底|初|中旬|上旬|下旬)"
)
_ZH_MONTH_BARE = re.compile(rf"(?<![\d一二三四五六七八九十个几两年第])({_N})月({_N})(?![\d日号年元块个次])")
_ZH_DAY = re.compile(
    rf"(?<![\d一二三四五六七八九十a-z\-第./月周个])({_N})[日号](?![线楼院店码栋文院机门馆厅柜桌幢室公])"
)
_SLASH = re.compile(r"(?<![\d./\-a-z])(\d{1,2})([/.\-])(\d{1,2})(?:\2((?:19|20)?\d\d))?(?![\d/]|[.\-]\d|[%元块])")
_WEEKDAY_ZH = re.compile(r"(上上个?|上个?|这个?|本|下下个?|下个?|)(?:周|星期|礼拜)([一二三四五六日天])(?!天)")
_AGO_ZH = re.compile(r"(\d{1,3}|[一二两三四五六七八九十]{1,3})个?(天|日|周|星期|礼拜|月|年)(?:之|以)?前")
_AGO_EN = re.compile(
    r"(?:about |around )?(\d{1,3}|an?|one|two|three|four|five|six|seven|eight|nine|ten|a couple of)\s(day|week|month|year)s?\sago"
)
_TIME_ZH = re.compile(
    rf"[的]?\s?(?:(凌晨|半夜|早上|早晨|上午|清晨|中午|下午|午后|傍晚|晚上|夜里|晚间|晚)\s?)?(?:({_N})(?:点|时)(?:(半|一刻|三刻)|({_N})分?)?(?:钟|左右|多)?|(\d{{1,2}})[:](\d\d)(?:[:]\d\d)?)"
)
_TIME_EN = re.compile(
    r",?\s?(?:at|around|about|@)?\s?(\d{1,2})(?:[:.](\d\d))?(?:[:]\d\d)?\s?(am|pm|a\.m\.?|p\.m\.?|o'clock)|(?:,?\s(?:at|around|about)|t|,?)\s?(\d{1,2}):(\d\d)(?!\d)"
)
_AROUND_MONTH_BEFORE = re.compile(r"(?<![\d.,$€£¥])(?<![$€£¥] )(?<!\d:)(\d{1,2})(?:st|nd|rd|th)?(?:\sof)?[\s\-/]$")
_AROUND_MONTH_AFTER = re.compile(
    r"\.?[\s\-]{0,2}(\d{1,2})(?:st|nd|rd|th)?(?![\d:])(?:(?:\s?,?\s?|-|\sof\s)((?:19|20)\d\d))?(?!\d)"
)
_YEAR_AFTER = re.compile(r"\.?,?(?:[\s\-/]|\sof\s)((?:19|20)\d\d)(?!\d)")
_MONTH_YEAR = re.compile(r"\.?,?\s((?:19|20)\d\d)(?!\d)")
_OF_WEEK = re.compile(r" of (?:the )?(last|previous|past|this|next|following) week(?![a-z])")
_WEEKS_EN = {"last": -7, "previous": -7, "past": -7, "this": 0, "next": 7, "following": 7}
_DAY_BEFORE_AND = re.compile(r"(?<![\d.,:/$€£¥\-])(\d{1,2})(?:st|nd|rd|th)? (?:and|or|to|&) (?:the )?$")
_TIME_BEFORE = re.compile(r"(?<![\d:.])(?:at |around )?(\d{1,2})(?:[:.](\d\d))?\s?(am|pm|a\.m\.|p\.m\.)(?: on)? $")
_DAY_OF_MONTH = re.compile(rf"的?({_N})[日号]")
_PART = {"凌晨": 0, "半夜": 0, "早上": 6, "早晨": 6, "上午": 6, "清晨": 6, "中午": 11, "下午": 12, "午后": 12, "傍晚": 12,
         "晚上": 18, "夜里": 18, "晚间": 18, "晚": 18}  # fmt: skip
_ENGLISH_WEEKDAY = {
    name: n for n, name in enumerate(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), 1)
}
_WEEKDAY_AFTER = re.compile(
    r"(?: on)?,? (monday|tuesday|wednesday|thursday|friday|saturday|sunday|mon|tue|wed|thu|fri|sat|sun)(?![a-z])"
)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth"
    " seventeenth eighteenth nineteenth twentieth twenty-first twenty-second twenty-third twenty-fourth twenty-fifth"
    " twenty-sixth twenty-seventh twenty-eighth twenty-ninth thirtieth thirty-first"
).split()
_ORDINAL = "(" + "|".join(word.replace("-", "[ -]") for word in reversed(_ORDINALS)) + ")"
_DAY_TH = re.compile(rf",? (?:the )?(?:(\d{{1,2}})(?:st|nd|rd|th)|{_ORDINAL})(?![a-z])(?! (?:of|time))")
_ORDINAL_BEFORE = re.compile(rf"(?<![a-z]){_ORDINAL}(?: of)? $")
_ORDINAL_AFTER = re.compile(rf" (?:the )?{_ORDINAL}(?![a-z])(?:,? ((?:19|20)\d\d))?")
_WORDS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
          "nine": 9, "ten": 10, "a couple of": 2}  # fmt: skip
_SPAN_DAYS = {"天": 1, "日": 1, "周": 7, "星期": 7, "礼拜": 7, "day": 1, "week": 7}
_WEEKS = {"上上": -2, "上上个": -2, "上": -1, "上个": -1, "下": 1, "下个": 1, "下下": 2, "下下个": 2}
#: Where 12-11-10 is the tenth of November.
_YEAR_FIRST = ("CN", "TW", "HK", "MO", "JP", "KR")
_HAN_WEEKDAY = {c: i for i, c in enumerate("一二三四五六日", 1)} | {"天": 7}


def look(view: View) -> None:
    """Take the days that were said, the surest forms first."""
    plain = view.plain
    if view.has_digit:
        _look_digits(view)
    if "年" in plain or "月" in plain:
        _look_calendar(view)
    if "前" in plain:
        for match in _AGO_ZH.finditer(plain):
            _ago(view, match, match.group(2))
    if " ago" in plain:
        for match in _AGO_EN.finditer(plain):
            _ago(view, match, match.group(2))
    if "周" in plain or "星期" in plain or "礼拜" in plain:
        _look_weekdays(view)
    offsets.look(view)
    words = view.hits.get("moments", ())
    for hit in words:
        unit, _, value = hit.label.partition(":")
        if unit == "month_name":
            _english_month(view, hit, int(value))
        elif unit == "holiday":
            _holiday(view, hit, value)
    if view.has_digit:
        _look_the(view)
    for hit in words:
        _by_word(view, hit)
    if "号" in plain or "日" in plain:
        for match in _ZH_DAY.finditer(plain):
            if (day := _number(match.group(1))) and (found := _last_day(view.at.date(), day)):
                _keep(view, found, *match.span(), "date.day", 0.75)
    if view.found:
        offsets.shift(view)
        offsets.follow(view)


def _look_the(view: View) -> None:
    """The 4th, the 21st of next month."""
    if "the " not in view.plain:
        return
    for match in _THE.finditer(view.plain):
        day, month = int(match.group(1)), match.group(2) or ""
        found = _last_day(view.at.date(), day)
        if month and not month.endswith("the month"):
            away = {"this": 0, "next": 1, "last": -1}[month.split()[0]]
            first = offsets.moved(view.at.date().replace(day=1), away, "month")
            found = _day(first.year, first.month, day)
        elif not match.group().startswith("the"):
            pass
        elif not month:
            continue  # "the 2nd" alone is more often a thing than a day
        _keep(view, found, *match.span(), "date.day", 0.7)


def _look_digits(view: View) -> None:
    plain = view.plain
    if "20" in plain or "19" in plain:
        for match in _ISO.finditer(plain):
            year, mark, month, day = match.groups()
            if day:
                _keep(view, _day(int(year), int(month), int(day)), *match.span(), "date.iso", 0.97)
            elif mark in "-/" and 1 <= int(month) <= 12 and len(month) == 2:
                _keep_month(view, int(year), int(month), *match.span(), "date.iso")
        for match in _EIGHT.finditer(plain):
            _keep(view, _day(*map(int, match.groups())), *match.span(), "date.iso", 0.7)
    for match in _GLUED.finditer(plain):
        month, day, year = _MONTHS.index(match.group(1)[:3]) + 1, int(match.group(2)), int(match.group(3) or 0)
        found = _day(year, month, day) if year else _last(view.at.date(), month, day)
        _keep(view, found, *match.span(), "date.month_name", 0.85)
    if "/" in plain or "." in plain or "-" in plain:
        for match in _SLASH.finditer(plain):
            _slashed(view, match)


def _slashed(view: View, match: re.Match[str]) -> None:
    first, mark, second, year = match.groups()
    if not year and (mark != "/" or view.text.plain[match.start() - 1 : match.start()] == "$"):
        return
    a, b = int(first), int(second)
    if mark == "-" and year and len(year) == 2 and view.country in _YEAR_FIRST:
        _keep(view, _day(2000 + a, b, int(year)), *match.span(), "date.slashes", 0.8)
        return
    day_first = a > 12 or (view.country in ("GB", "FR", "DE", "ES", "IT", "AU", "NZ", "IE", "IN") and b <= 12)
    day, month = (a, b) if day_first else (b, a)
    if year:
        full = int(year) if len(year) == 4 else 2000 + int(year)
        _keep(view, _day(full, month, day), *match.span(), "date.slashes", 0.9)
    else:
        _keep(view, _last(view.at.date(), month, day), *match.span(), "date.slashes", 0.6)


def _look_calendar(view: View) -> None:
    plain, today = view.plain, view.at.date()
    if "年" in plain:
        for match in _ZH_YEAR.finditer(plain):
            year = _year(match.group(1))
            month, day = _number(match.group(2)), _number(match.group(3))
            if year and month and day:
                _keep(view, _day(year, month, day), *match.span(), "date.calendar", 0.97)
            elif year and month and 1 <= month <= 12:
                _keep_month(view, year, month, *match.span(), "date.calendar")
            elif year and len(match.group(1)) == 4 and match.end() == match.end(1) + 1 and 1900 < year < 2100:
                _keep_text(view, f"{year:04d}", *match.span(), "date.year", 0.8)
    for match in (*_ZH_MONTH.finditer(plain), *_ZH_MONTH_BARE.finditer(plain)):
        groups = match.groups()
        word, month_text, day_text = groups if len(groups) == 3 else (None, *groups)
        month, day = _number(month_text), _number(day_text)
        if not month or not 1 <= month <= 12:
            continue
        year = today.year + _YEAR_WORD[word] if word else 0
        if day:
            found = _day(year, month, day) if year else _last(today, month, day)
            _keep(view, found, *match.span(), "date.calendar", 0.95)
        elif not day_text:
            _keep_month(view, year or _year_of(today, month), month, *match.span(), "date.calendar")


def _ago(view: View, match: re.Match[str], unit: str) -> None:
    count = _WORDS.get(match.group(1)) or _number(match.group(1))
    if not count:
        return
    if unit in _SPAN_DAYS:
        _keep(view, view.at.date() - timedelta(days=count * _SPAN_DAYS[unit]), *match.span(), "date.ago", 0.85)
        return
    months = view.at.year * 12 + view.at.month - 1 - count * (12 if unit in ("年", "year") else 1)
    if months >= 12:
        _keep_month(view, months // 12, months % 12 + 1, *match.span(), "date.ago")


def _look_weekdays(view: View) -> None:
    for match in _WEEKDAY_ZH.finditer(view.plain):
        weeks = _WEEKS.get(match.group(1), 0)
        today = view.at.date()
        found = today + timedelta(days=_HAN_WEEKDAY[match.group(2)] - today.isoweekday() + 7 * weeks)
        if not match.group(1):
            if _beside_a_day(view, *match.span()):
                continue
            found -= timedelta(days=7 * (found > today))
        _keep(view, found, *match.span(), "date.weekday", 0.9 if match.group(1) else 0.7)


def _by_word(view: View, hit: Hit) -> None:
    unit, _, value = hit.label.partition(":")
    if not view.free(hit.start, hit.end):
        return
    if unit in ("holiday", "month_name"):
        return
    today, offset = view.at.date(), int(value)
    if unit == "day":
        _keep(view, today + timedelta(days=offset), hit.start, hit.end, "date.word", 0.9)
    elif unit == "weekday":
        _english_weekday(view, hit, offset)
    elif unit == "month":
        _relative_month(view, hit, offset)
    elif unit == "week":
        if match := _WEEKDAY_AFTER.match(view.plain, hit.end):
            day = next(n for name, n in _ENGLISH_WEEKDAY.items() if name.startswith(match.group(1)))
            found = today + timedelta(days=day - today.isoweekday() + 7 * offset)
            _keep(view, found, hit.start, match.end(), "date.weekday", 0.9)
            return
        monday = today - timedelta(days=today.isoweekday() - 1) + timedelta(days=7 * offset)
        year, week, _ = monday.isocalendar()
        _keep_text(view, f"{year:04d}-W{week:02d}", hit.start, hit.end, "date.week", 0.8)
    elif unit == "year":
        _keep_text(view, f"{today.year + offset:04d}", hit.start, hit.end, "date.year", 0.8)


def _holiday(view: View, hit: Hit, rule: str) -> None:
    found, start, end = holidays.said(view.plain, hit.start, hit.end, rule, view.at.date())
    _keep(view, found, start, end, "date.holiday", 0.75 if (start, end) == (hit.start, hit.end) else 0.85)


def _relative_month(view: View, hit: Hit, offset: int) -> None:
    months = view.at.year * 12 + view.at.month - 1 + offset
    year, month = months // 12, months % 12 + 1
    match = _DAY_OF_MONTH.match(view.plain, hit.end)
    if match and (day := _number(match.group(1))):
        _keep(view, _day(year, month, day), hit.start, match.end(), "date.month", 0.9)
    else:
        _keep_month(view, year, month, hit.start, hit.end, "date.month")


def _english_month(view: View, hit: Hit, month: int) -> None:
    start, end, day, year = hit.start, hit.end, 0, 0
    if before := _AROUND_MONTH_BEFORE.search(view.plain[max(0, start - 9) : start]):
        day, start = int(before.group(1)), start - len(before.group())
        if after := _YEAR_AFTER.match(view.plain, end):
            year, end = int(after.group(1)), after.end()
    elif after := _AROUND_MONTH_AFTER.match(view.plain, end):
        day, year, end = int(after.group(1)), int(after.group(2) or 0), after.end()
    elif before := _ORDINAL_BEFORE.search(view.plain[max(0, start - 24) : start]):
        day, start = _ordinal(before.group(1)), start - len(before.group())
        if after := _YEAR_AFTER.match(view.plain, end):
            year, end = int(after.group(1)), after.end()
    elif after := _ORDINAL_AFTER.match(view.plain, end):
        day, year, end = _ordinal(after.group(1)), int(after.group(2) or 0), after.end()
    elif after := _MONTH_YEAR.match(view.plain, end):
        _keep_month(view, int(after.group(1)), month, start, after.end(), "date.month_name")
        return
    if not day:
        if view.plain[start:end] not in ("may", "mar", "march", "dec", "sep", "jan"):
            _keep_month(view, _year_of(view.at.date(), month), month, start, end, "date.month_name")
        return
    found = _day(year, month, day) if year else _last(view.at.date(), month, day)
    _keep(view, found, start, end, "date.month_name", 0.95)
    if found and (other := _DAY_BEFORE_AND.search(view.plain[max(0, start - 14) : start])):  # "18 and 19 June"
        first = start - len(other.group())
        _keep_day(view, _day(found.year, found.month, int(other.group(1))), first, first + len(other.group(1)))


def _english_weekday(view: View, hit: Hit, weekday: int) -> None:
    word = view.plain[hit.start : hit.end]
    if _beside_a_day(view, hit.start, hit.end):
        return
    if match := _DAY_TH.match(view.plain, hit.end):
        day = int(match.group(1)) if match.group(1) else _ordinal(match.group(2))
        _keep(view, _agreeing(view.at.date(), weekday, day), hit.start, match.end(), "date.day", 0.85)
        return
    before = view.plain[max(0, hit.start - 10) : hit.start]
    start = hit.start
    today = view.at.date()
    found = today + timedelta(days=weekday - today.isoweekday())
    sure, end = 0.75, hit.end
    if match := _OF_WEEK.match(view.plain, end):
        found += timedelta(days=_WEEKS_EN[match.group(1)])
        sure, end = 0.9, match.end()
    elif before.endswith("last "):
        start, sure = start - 5, 0.9
        found = found if found < today else found - timedelta(days=7)
    elif before.endswith("past "):
        start, sure = start - 5, 0.9
        found -= timedelta(days=7 * (found >= today))
    elif before.endswith("previous "):
        start, sure = start - 9, 0.9
        found -= timedelta(days=7)
    elif before.endswith(("next ", "following ")):
        start, sure = start - (5 if before.endswith("next ") else 10), 0.9
        found += timedelta(days=7)
    elif before.endswith("coming "):
        start, sure = start - 7, 0.9
        found += timedelta(days=7 * (found <= today))
    elif before.endswith("this "):
        start, sure = start - 5, 0.9
    elif word in ("sun", "sat", "mon", "wed", "fri"):
        return
    elif found > today:
        found -= timedelta(days=7)
    _keep(view, found, start, end, "date.weekday", sure)


def _agreeing(today: date, weekday: int, day: int) -> date | None:
    """The nearest day of a month that is this weekday: who says "Friday the 13th" means one that is."""
    first = today.replace(day=1)
    months = [offsets.moved(first, away, "month") for away in range(-12, 13)]
    days = [found for month in months if (found := _day(month.year, month.month, day))]
    return min(
        (each for each in days if each.isoweekday() == weekday), key=lambda each: abs(each - today), default=None
    )


def _ordinal(word: str) -> int:
    return _ORDINALS.index(word.replace(" ", "-")) + 1


def _beside_a_day(view: View, start: int, end: int) -> bool:
    """Whether a weekday only names again the date that stands next to it ("Friday, 20 November")."""
    return any(e.kind == "date" and (0 <= e.start - end <= 2 or 0 <= start - e.end <= 2) for e in view.found)


def _number(written: str | None) -> int:
    if not written:
        return 0
    return int(written) if written.isdigit() else numerals.chinese(written) or 0


def _year(written: str) -> int:
    year = int(written) if written.isdigit() else numerals.chinese(written) or 0
    return year + 2000 if 0 < year < 50 else year


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _last(today: date, month: int, day: int) -> date | None:
    """The last time this day was; a few days ahead still counts as this year (a delivery date)."""
    this_year = _day(today.year, month, day)
    if this_year and this_year > today + timedelta(days=45):
        return _day(today.year - 1, month, day)
    years = range(today.year, today.year - 9, -1)  # 29 February was up to eight years ago
    return next((found for year in years if (found := _day(year, month, day))), None)


def _last_day(today: date, day: int) -> date | None:
    this_month = _day(today.year, today.month, day)
    if this_month and this_month <= today + timedelta(days=7):
        return this_month
    before = today.replace(day=1) - timedelta(days=1)
    return _day(before.year, before.month, day)


def _year_of(today: date, month: int) -> int:
    return today.year if month <= today.month + 1 else today.year - 1


def _keep(view: View, found: date | None, start: int, end: int, rule: str, confidence: float) -> None:
    if found is None:
        return
    clock, end = _clock(view, start, end)
    if not clock and (match := _TIME_BEFORE.search(view.plain[max(0, start - 18) : start])):
        hour, minute = _half_day(int(match.group(1)), match.group(3)), int(match.group(2) or 0)
        clock, start = _clock_text(hour, minute, start - len(match.group()), start)
    _keep_text(view, f"{found.isoformat()}{clock}", start, end, rule, confidence)


def _keep_day(view: View, found: date | None, start: int, end: int) -> None:
    """A day that shares its month with the next one; a time behind it is not its own."""
    if found:
        _keep_text(view, found.isoformat(), start, end, "date.month_name", 0.85)


def _keep_month(view: View, year: int, month: int, start: int, end: int, rule: str) -> None:
    _keep_text(view, f"{year:04d}-{month:02d}", start, end, rule, 0.85)


def _keep_text(view: View, iso: str, start: int, end: int, rule: str, confidence: float) -> None:
    view.take("date", Moment(iso=iso), start, end, rule, confidence)


def _clock(view: View, start: int, end: int) -> tuple[str, int]:
    """The time of day that follows a day: ``T15:00`` and where it ends, or nothing."""
    english = _TIME_EN.match(view.plain, end)
    if not (english and english.group(3)) and (match := _TIME_ZH.match(view.plain, end)):
        part, hour_text, quarter, minute_text, digital_hour, digital_minute = match.groups()
        hour = _number(hour_text) if hour_text else int(digital_hour)
        minute = (
            {"半": 30, "一刻": 15, "三刻": 45}.get(quarter or "") or _number(minute_text) or int(digital_minute or 0)
        )
        part_start = _PART.get(part or "", _part_inside(view.plain[start:end]))
        if part_start >= 11 and hour < 12 and not (part_start == 11 and hour >= 11):
            hour += 12
        return _clock_text(hour, minute, match.end(), end)
    if english and (english.group(3) or english.group(5)):
        hour, minute = int(english.group(1) or english.group(4)), int(english.group(2) or english.group(5) or 0)
        return _clock_text(_half_day(hour, english.group(3)), minute, english.end(), end)
    return "", end


def _half_day(hour: int, half: str | None) -> int:
    """The hour of a 24-hour day, from one with am or pm."""
    if half and half[0] == "p" and hour < 12:
        return hour + 12
    return 0 if half and half[0] == "a" and hour == 12 else hour


def _part_inside(day_words: str) -> int:
    if "晚" in day_words or "夜" in day_words or day_words in ("tonight", "last night"):
        return 18
    return 0


def _clock_text(hour: int, minute: int, end: int, before: int) -> tuple[str, int]:
    return (f"T{hour:02d}:{minute:02d}", end) if hour < 24 and minute < 60 else ("", before)


def local_time(at: datetime, zone: str) -> datetime:
    """A UTC time in a zone; an unknown zone is UTC."""
    try:
        return at.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return at
