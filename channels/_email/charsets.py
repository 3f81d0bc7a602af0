"""Bytes to text when the declared charset may lie.

Mail programs label GB18030 as ``gb2312``, HKSCS as ``big5``, Windows code pages as ISO, UTF-8 as anything.
:func:`decode` takes the label as a hint; :func:`guess` works without one.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from channels._email import jis

#: Labels in the wild and the superset codec that reads what is really sent under them.
_SUPERSET = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "cp936": "gb18030",
    "ms936": "gb18030",
    "windows936": "gb18030",
    "eucgb2312cn": "gb18030",
    "euccn": "gb18030",
    "gb231280": "gb18030",
    "chinesesimplified": "gb18030",
    "xgbk": "gb18030",
    "gb18030": "gb18030",
    "hzgb2312": "hz",
    "big5": "big5hkscs",
    "big5eten": "big5hkscs",
    "big5hkscs": "big5hkscs",
    "xbig5": "big5hkscs",
    "cp950": "big5hkscs",
    "windows950": "big5hkscs",
    "chinesetraditional": "big5hkscs",
    "ksc56011987": "cp949",
    "ksc56011989": "cp949",
    "ksc5601": "cp949",
    "euckr": "cp949",
    "cp949": "cp949",
    "uhc": "cp949",
    "windows949": "cp949",
    "shiftjis": "cp932",
    "sjis": "cp932",
    "xsjis": "cp932",
    "mskanji": "cp932",
    "windows31j": "cp932",
    "cp932": "cp932",
    "windows932": "cp932",
    "eucjp": "euc_jp",
    "xeucjp": "euc_jp",
    "iso2022jp": "iso2022_jp",
    "iso2022jp1": "iso2022_jp",
    "iso2022jp2": "iso2022_jp",
    "iso2022jpms": "iso2022_jp",
    "cp50220": "iso2022_jp",
    "cp50221": "iso2022_jp",
    "csiso2022jp": "iso2022_jp",
    "iso88591": "cp1252",
    "latin1": "cp1252",
    "iso88599": "cp1254",
    "iso885911": "cp874",
    "tis620": "cp874",
    "iso88598i": "iso8859_8",
    "iso88598e": "iso8859_8",
    "usascii": "ascii",
    "ascii": "ascii",
    "ansix341968": "ascii",
    "iso646us": "ascii",
    "unicode11utf7": "utf-7",
    "unicode11utf8": "utf-8",
    "utf7": "utf-7",
    "utf8": "utf-8",
    "utf8mb4": "utf-8",
    "unicode": "utf-8",
    "xmacroman": "mac_roman",
    "macintosh": "mac_roman",
}
#: Labels that say nothing.
_NOTHING = {"unknown8bit", "8bit", "7bit", "xunknown", "unknown", "binary", "none", "default", "defaultcharset", "iso"}

_SINGLE = re.compile(r"^(cp125\d|cp874|iso8859|latin|koi8|mac|cp437|cp85|cp866)")

#: Python's codecs for text that are no charsets of mail.
_NO_CHARSETS = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"}

#: The most frequent characters of running text in each script: what a right guess is full of.
_COMMON = frozenset(
    "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小心多天而能好都然没日于"
    "起还发成事只作当想看文无开手用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理点月明其"
    "种全工己话者向情部正名定问力机给等几很业最间新什打便位因重被走电第门相次教再平真信少关内加化由产入先体别处总才场师书比住员"
    "性通目报立件安表原车应路期叫常提更反合放做系计或利受果务制解任物台记边共接请交让认论吃服题度货款退单订客诉投买卖店家坏换快递"
    "這為來們國個說時會過學對後麼還發當開無經頭動兩長樣現將與進實點種話問機給幾業間電門關內產體別處總場師書員報應車題務訂單貨請讓認論買賣壞換遞訴謝您處，。！？、：；“”（）《》「」"
)
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa\u30fc]")
_HANGUL = frozenset(
    "이다는에을를가의로하고지은도한기어사서나리자인정일시아습니요해있대제수보스것그들게면안전주장부여세원라문과와내만드신불접배송"
)


@lru_cache(maxsize=256)
def codec(label: str) -> str:
    """The codec for a charset label, ``""`` when the label names none we may use."""
    plain = re.sub(r"[^a-z0-9]", "", label.lower().split("*")[0])
    if plain in _NOTHING:
        return ""
    if plain in _SUPERSET:
        return _SUPERSET[plain]
    for name in (
        label.strip().strip("\"'").split("*")[0],
        plain,
        re.sub(r"^x", "", plain),
        "cp" + plain.lstrip("wcpindos"),
    ):
        try:
            found = codecs.lookup(name)
        except (LookupError, ValueError):
            continue
        if getattr(found, "_is_text_encoding", False) and found.name.replace("-", "_") not in _NO_CHARSETS:
            return found.name
    return ""


_SURROGATE = re.compile("[\ud800-\udfff]")


def decode(data: bytes, label: str = "") -> str:
    """Text of ``data`` whose sender claims charset ``label``. Never raises; U+FFFD marks what is unreadable."""
    return _SURROGATE.sub("\ufffd", _decode(data, label))


def _decode(data: bytes, label: str) -> str:
    name = codec(label) if label else ""
    for bom, utf in ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if data.startswith(bom):
            return data.decode(utf, "replace")
    if name.startswith(("utf-16", "utf-32")):
        return data.decode(name, "replace") if b"\0" in data else guess(data)
    if (b"\x1b$" in data or b"\x1b(" in data) and name in ("iso2022_jp", "", "ascii"):
        return jis.decode(data)
    if name == "iso2022_jp":
        name = "cp932"
    if name in ("utf-7", "hz", "iso2022_kr"):
        return _strict(data, name) or guess(data)
    if data.isascii():
        return data.decode("ascii")
    if not name or name == "ascii":
        return guess(data)
    if name == "utf-8":
        return _utf8(data)
    if _SINGLE.match(name):
        return _single_byte(data, name)
    return _multi_byte(data, name)


def guess(data: bytes) -> str:
    """Text of bytes without a usable label: UTF-8 if it can be, else the charset whose text looks most like writing."""
    text = _strict(data, "utf-8")
    if text is not None:
        return text
    if b"\x1b$" in data:
        return jis.decode(data)
    sample = data[:4000]
    best = max(_CANDIDATES, key=lambda name: likeness(_open_ended(sample, name), name))
    return data.decode("cp1252" if best == "cp1252" else best, "replace")


_CANDIDATES = ("gb18030", "big5hkscs", "cp932", "euc_jp", "cp949", "cp1252")


def likeness(text: str, name: str) -> float:
    """How much ``text`` looks like writing in the scripts of charset ``name`` (about -1 to 1)."""
    high = [c for c in text if c > "\x7f"]
    if not high:
        return 0.0
    if name == "cp1252":
        return _western(text, len(high))
    return sum(_worth(c, name) for c in high) / len(high)


def _worth(char: str, name: str) -> float:
    if char == "\ufffd":
        return -2.0
    if name in ("cp932", "euc_jp"):
        if _KANA.match(char):
            return 1.0
        return -0.5 if "\uff61" <= char <= "\uff9f" else _hanzi(char, "cp932") * 0.9
    if name == "cp949":
        if "\uac00" <= char <= "\ud7a3":
            return 1.0 if char in _HANGUL else 0.5
        return 0.0
    return _hanzi(char, name)


#: Where the everyday characters end in each national set: what follows is sorted out as rare.
_EVERYDAY = {"gb18030": ("gb2312", 0xD8), "big5hkscs": ("big5", 0xC9), "cp932": ("cp932", 0x98)}


def _hanzi(char: str, name: str) -> float:
    if char in _COMMON:
        return 1.0
    if "\uff01" <= char <= "\uff5e":
        return 0.35
    if not "\u4e00" <= char <= "\u9fff":
        return -0.2
    national, rare = _EVERYDAY.get(name, _EVERYDAY["cp932"])
    try:
        return 0.5 if char.encode(national)[0] < rare else 0.1
    except UnicodeEncodeError:
        return 0.0


#: An accented letter in company of plain letters: what Western text in one byte per letter looks like.
_ACCENTED = re.compile(
    r"(?<=[A-Za-z])[\u00c0-\u00ff]|[\u00c0-\u00ff](?=[a-z])|[\u2018\u2019\u201c\u201d\u20ac\u2013\u2014\u2026\u00a0\u00ab\u00bb\u00b0\u00a7]"
)


def _western(text: str, high: int) -> float:
    runs = sum(len(m.group()) for m in re.finditer(r"[\u0080-\u024f\u2018-\u20ac]{4,}", text))
    return 0.95 * len(_ACCENTED.findall(text)) / high - runs / high


def _open_ended(data: bytes, name: str) -> str:
    """Decode a sample that may end inside a character."""
    decoder = codecs.getincrementaldecoder(name)("replace")
    return decoder.decode(data)


def _strict(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeError, LookupError):
        return None


def _utf8(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd") - data.count(b"\xef\xbf\xbd")
    # A cut or damaged character here and there is still UTF-8; many mean that the label lies.
    return text if bad <= max(1, (len(text) - len(re.findall(r"[\x00-\x7f]", text))) // 10) else guess(data)


def _single_byte(data: bytes, name: str) -> str:
    text = _strict(data, "utf-8")
    if text is not None:
        return text
    text = data.decode(name, "replace")
    if name == "cp1252" and likeness(text, "cp1252") < 0.3:
        other = guess(data)
        if likeness(other, "gb18030") > 0.6:
            return other
    return text


#: A three-byte UTF-8 character: valid UTF-8 with one of these is never text of another multi-byte charset by chance.
_THREE = re.compile(rb"[\xe0-\xef][\x80-\xbf]{2}")


def _multi_byte(data: bytes, name: str) -> str:
    if _THREE.search(data):
        text = _strict(data, "utf-8")
        if text is not None:
            return text
    text = _strict(data, name)
    if text is not None:
        return text
    if name == "big5hkscs":
        text = _strict(data, "cp950")
    if name == "euc_jp":
        return jis.decode_euc(data)
    if text is not None:
        return text
    text = data.decode(name, "replace")
    return text if text.count("\ufffd") * 20 <= len(text) else guess(data)
