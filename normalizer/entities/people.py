"""Names of people: the customer's own, and staff that are spoken of. Modest: only beside a telling word."""

from __future__ import annotations

import re

from normalizer.entities.entity import View
from normalizer.lexicon import Hit

#: The family names that most Chinese people have.
_FAMILY = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳欧管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝"
)
_HAN_NAME = re.compile(
    r"[:是叫 ]{0,2}([\u4e00-\u9fff]{2,4}?)(?=先生|女士|小姐|[，,。.;；、\s\d()（）!！]|$|的|电话|手机|投诉|我|是|今|住|在)"
)
_HAN_STAFF = re.compile(
    r"[\s:]?(小[\u4e00-\u9fff](?![\u4e00-\u9fff]{0,1}时)|[\u4e00-\u9fff](?:经理|主管|师傅|店长|先生|女士|小姐|某某?)|工号[:是为]?\s?[a-z]?\d{3,10}|[:]?\s?[a-z]?\d{3,8}(?!\d))"
)
_LATIN_NAME = re.compile(
    r"[\s:]{1,2}((?:(?:Mr|Mrs|Ms|Dr)\.?\s)?[A-Z][a-zA-Z'\-]{1,20}(?:\s[A-Z][a-zA-Z'\-]{1,20}){0,2})(?![a-z])"
)
_NOT_NAMES = frozenset({"i", "the", "my", "your", "a", "at", "on", "in", "this", "and", "to", "customer", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "not", "please", "comcast", "order", "he", "she", "they", "it", "we", "no", "who", "is", "was"})  # fmt: skip


def look(view: View) -> None:
    """Take names that follow "my name is", 我叫, 客服 and the like."""
    for hit in view.hits.get("context", ()):
        if hit.label == "own_name":
            _own(view, hit)
        elif hit.label == "staff":
            _staff(view, hit)


def _own(view: View, hit: Hit) -> None:
    if match := _HAN_NAME.match(view.plain, hit.end):
        name = match.group(1)
        if name[0] in _FAMILY and not any(c in "的了是不我你他她们什么" for c in name[1:]):
            view.take("name", view.text.quote(*match.span(1)), *match.span(1), "name.own", 0.85)
        return
    _latin(view, hit, "name", "name.own")


def _staff(view: View, hit: Hit) -> None:
    match = _HAN_STAFF.match(view.plain, hit.end)
    if match and view.plain[hit.start] > "\u4dff":
        found = match.group(1)
        if not found[0].isdigit() or view.plain[hit.start : hit.end] == "工号":
            first = found[0]
            if first in _FAMILY or first in "小工" or view.plain[hit.start : hit.end] == "工号":
                view.take("person", view.text.quote(*match.span(1)), *match.span(1), "name.staff", 0.75)
    elif view.plain[hit.start] < "\u0250":
        _latin(view, hit, "person", "name.staff")


def _latin(view: View, hit: Hit, kind: str, rule: str) -> None:
    """A capitalised name: capitals are only in the text as written."""
    _, from_raw = view.text.span(hit.start, hit.end)
    match = _LATIN_NAME.match(view.text.raw, from_raw)
    if not match or match.group(1).split()[0].lower() in _NOT_NAMES:
        return
    length = len(match.group())
    start, end = hit.end + length - len(match.group(1)), hit.end + length
    if end <= len(view.plain) and view.text.quote(start, end) == match.group(1):
        view.take(kind, match.group(1), start, end, rule, 0.8)
