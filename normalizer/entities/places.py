"""Addresses: the number in the street is the anchor, the rest is read around it."""

from __future__ import annotations

import re

from normalizer.entities.entity import View

_HAN_ANCHOR = re.compile(r"(?:路|街|道|巷|弄|大街|胡同)(?:[东南西北中])?\s?\d{1,5}[号弄](?:院|之\d)?")
_HAN_TAIL = re.compile(
    r"[a-z0-9\u4e00-\u9fff]{0,12}?(?:座|室|楼|栋|幢|塔|单元|大厦|广场|小区|公寓)(?:\d{1,4}(?:室|楼|层|号))?"
)
_HAN_HEAD = re.compile(
    r"((?:[\u4e00-\u9fff]{2,6}(?:省|自治区))?(?:[\u4e00-\u9fff]{2,5}市)?(?:[\u4e00-\u9fff]{1,5}[区县旗])?(?:[\u4e00-\u9fff]{1,6}(?:镇|乡|街道))?[\u4e00-\u9fff\d]{1,8})$"
)
_LEAD = re.compile(r"^(?:地址|收货|我家|我|住|在|到|送|把|包裹|放|寄|是|位于|了|的|改成|改为|换成|快递员|请|至)+")
_LATIN = re.compile(
    r"(?<![\w.#\-])\d{1,5}[a-z]?\s(?:[nsew]\.?\s)?(?:[a-z][a-z']{1,20}\s){1,3}(?:street|st|avenue|ave|road|rd|blvd|boulevard|lane|ln|drive|dr"
    r"|court|ct|square|sq|parkway|pkwy|highway|hwy)\b\.?(?:\s(?:nw|ne|sw|se|n|s|e|w)\b)?(?:,?\s(?:apt|unit|suite|#)\.?\s?\w{1,5})?"
    r"(?:,?\s[a-z]{3,20}(?:\s[a-z]{3,20})?,?\s[a-z]{2}\s\d{5}(?:-\d{4})?)?"
)
_HEAD_REACH = 30


def look(view: View) -> None:
    """Take street addresses."""
    if not view.has_digit:
        return
    if "号" in view.plain or "弄" in view.plain:
        for match in _HAN_ANCHOR.finditer(view.plain):
            _han(view, match)
    if any(hit.label == "street" for hit in view.hits.get("context", ())):
        for match in _LATIN.finditer(view.plain):
            view.take("place", view.text.quote(*match.span()), *match.span(), "place.street", 0.8)


def _han(view: View, anchor: re.Match[str]) -> None:
    floor = max(0, anchor.start() - _HEAD_REACH)
    head = _HAN_HEAD.search(view.plain[floor : anchor.start()])
    if not head:
        return
    start = floor + head.start(1)
    start += max(head.group(1).rfind(word) + 1 for word in "在于到")
    if lead := _LEAD.match(view.plain[start : anchor.start()]):
        start += lead.end()
    end = anchor.end()
    if tail := _HAN_TAIL.match(view.plain, end):
        end = tail.end()
    if anchor.start() - start >= 1:
        view.take("place", view.text.quote(start, end), start, end, "place.street", 0.8)
