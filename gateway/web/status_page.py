"""The words and the HTML of the status page. Everything that comes from outside is escaped here."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec

from gateway.store.base import BOT, NOBODY, JournalLine
from gateway.web.labels import CATEGORIES, DEMANDS, LANGUAGES, Words, by_language, label
from normalizer.record import ComplaintRecord

ENDED = ("resolved", "closed", "withdrawn")
_NAMES = {"en": "English", "zh-Hans": "简体中文", "zh-Hant": "繁體中文"}

_W: Mapping[str, Words] = {
    "title": ("How your case stands", "办理进度查询", "辦理進度查詢"),
    "number": ("Case number", "投诉单号", "投訴單號"),
    "code": ("Code", "查询码", "查詢碼"),
    "go": ("Show", "查询", "查詢"),
    "hint": (
        "You find both in the confirmation we sent you.",
        "单号和查询码在我们发给您的确认消息中。",
        "單號和查詢碼在我們傳給您的確認訊息中。",
    ),
    "unknown": (
        "There is no case with this number and code. Please check both.",
        "没有找到与该单号和查询码相符的投诉单，请核对后重试。",
        "沒有找到與該單號和查詢碼相符的投訴單，請核對後重試。",
    ),
    "throttled": (
        "Too many tries. Please wait ten minutes.",
        "查询次数过多，请十分钟后再试。",
        "查詢次數過多，請十分鐘後再試。",
    ),
    "state_working": (
        "We have your message and are working on it.",
        "我们已收到您的消息，正在处理。",
        "我們已收到您的訊息，正在處理。",
    ),
    "state_queue": (
        "Your case is with our team. A person will answer you.",
        "您的投诉已转交人工，客服将回复您。",
        "您的投訴已轉交人工，客服將回覆您。",
    ),
    "state_agent": ("{0} is looking after your case.", "{0} 正在为您处理。", "{0} 正在為您處理。"),
    "state_customer": (
        "We have answered and are waiting for your reply.",
        "我们已回复，正等待您的答复。",
        "我們已回覆，正等待您的答覆。",
    ),
    "state_resolved": ("Your case is resolved.", "您的投诉已解决。", "您的投訴已解決。"),
    "state_closed": ("Your case is closed.", "您的投诉已办结。", "您的投訴已辦結。"),
    "state_withdrawn": ("You have withdrawn this case.", "您已撤回该投诉。", "您已撤回該投訴。"),
    "again": (
        "If it is not settled for you, just write to us again in the same place.",
        "如果问题仍未解决，请在原渠道继续联系我们。",
        "如果問題仍未解決，請在原管道繼續聯絡我們。",
    ),
    "promise": ("What we promise", "我们的承诺", "我們的承諾"),
    "respond_by": ("A person answers by", "人工回复不晚于", "人工回覆不晚於"),
    "resolve_by": ("We want it solved by", "力争解决不晚于", "力爭解決不晚於"),
    "understood": ("What we understood", "我们了解到的情况", "我們了解到的情況"),
    "category": ("It is about", "涉及", "涉及"),
    "demands": ("You want", "您的诉求", "您的訴求"),
    "products": ("Product", "产品", "產品"),
    "orders": ("Order", "订单号", "訂單號"),
    "tracking": ("Tracking", "运单号", "運單號"),
    "amounts": ("Amount", "金额", "金額"),
    "nothing": ("We are still reading your message.", "我们正在阅读您的消息。", "我們正在閱讀您的訊息。"),
    "wrong": (
        "Something wrong here? Tell us in the same place where you wrote to us.",
        "有误？请在原渠道告诉我们。",
        "有誤？請在原管道告訴我們。",
    ),
    "steps": ("Steps so far", "办理过程", "辦理過程"),
    "s_opened": ("We received your message", "已收到您的投诉", "已收到您的投訴"),
    "s_handed_off": ("Handed to a person", "已转人工", "已轉人工"),
    "s_claimed": ("{0} took your case", "{0} 已受理", "{0} 已受理"),
    "s_replied": ("We wrote to you", "我们回复了您", "我們回覆了您"),
    "s_handed_back": ("Passed on within our team", "已在内部转交", "已在內部轉交"),
    "s_closed": ("Case closed", "已办结", "已辦結"),
    "s_reopened": ("Case opened again", "已重新受理", "已重新受理"),
    "zone": ("Times: {0}", "时间：{0}", "時間：{0}"),
    "languages": ("Language", "语言", "語言"),
}


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What the page is made from."""

    record: ComplaintRecord
    journal: Sequence[JournalLine]
    names: Mapping[str, str]
    company: str
    timezone: str
    now: datetime
    code: str
    style: str


def form(language: str, message: str, *, company: str, style: str) -> str:
    """The page to type number and code into, with what went wrong before."""
    problem = f'<p class="problem" role="alert">{_t(message, language)}</p>' if message else ""
    body = (
        f"<h1>{_t('title', language)}</h1>{problem}"
        '<form method="get" action="/status" class="card">'
        f'<input type="hidden" name="lang" value="{language}">'
        f'<label>{_t("number", language)}<input name="number" required autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="60"></label>'
        f'<label>{_t("code", language)}<input name="k" required autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="60"></label>'
        f'<p class="soft">{_t("hint", language)}</p><button>{_t("go", language)}</button></form>'
    )
    return _page(language, body, company=company, style=style, links={tag: f"/status?lang={tag}" for tag in LANGUAGES})


def case(shown: Shown, language: str) -> str:
    """How the case stands."""
    number = shown.record.number
    body = (
        f'<p class="soft">{_t("number", language)} <span class="number">{_e(number)}</span></p>'
        f'<h1 class="state {shown.record.standing.status}">{_state(shown, language)}</h1>'
        f"{_promises(shown, language)}{_understood(shown.record, language)}{_steps(shown, language)}"
        f'<p class="soft small">{_t("zone", language, shown.timezone)}</p>'
    )
    links = {tag: f"/status/{quote(number, safe='')}?k={quote(shown.code, safe='')}&lang={tag}" for tag in LANGUAGES}
    return _page(language, body, company=shown.company, style=shown.style, links=links)


def _state(shown: Shown, language: str) -> str:
    standing = shown.record.standing
    if standing.status in ENDED:
        return _t(f"state_{standing.status}", language)
    if standing.status == "waiting_customer":
        return _t("state_customer", language)
    if standing.owner not in (BOT, NOBODY) and standing.owner in shown.names:
        return _t("state_agent", language, shown.names[standing.owner])
    return _t("state_working" if standing.owner == BOT else "state_queue", language)


def _promises(shown: Shown, language: str) -> str:
    if shown.record.standing.status in ENDED:
        return f'<p class="soft">{_t("again", language)}</p>'
    deadlines = shown.record.standing.deadlines
    answered = any(line.what == "replied" and line.body.get("kind") == "human" for line in shown.journal)
    respond_by = None if answered else deadlines.first_response_by
    due = (("respond_by", respond_by), ("resolve_by", deadlines.resolve_by))
    rows = [(_t(name, language), _time(at, shown)) for name, at in due if at is not None]
    return _section("promise", _rows(rows), language) if rows else ""


def _understood(record: ComplaintRecord, language: str) -> str:
    what = record.what
    category = by_language(CATEGORIES, what.category.value)[language] if what.category else ""
    joined = "、" if language.startswith("zh") else ", "
    values: tuple[tuple[str, Iterable[str]], ...] = (
        ("category", [category] if category else []),
        ("demands", [label(DEMANDS, found.value, language) for found in what.demands]),
        ("products", [found.value for found in what.products]),
        ("orders", [found.value for found in what.order_numbers]),
        ("tracking", [found.value for found in what.tracking_numbers]),
        ("amounts", [f"{found.value.amount} {found.value.currency}".strip() for found in what.amounts]),
    )
    rows = [(_t(name, language), _e(joined.join(found))) for name, found in values if found]
    content = _rows(rows) if rows else f"<p>{_t('nothing', language)}</p>"
    return _section("understood", content + f'<p class="soft small">{_t("wrong", language)}</p>', language)


def _steps(shown: Shown, language: str) -> str:
    """The journal's steps that concern the customer, each run of equal ones as one."""
    steps: list[tuple[str, datetime]] = []
    for line in shown.journal:
        name = f"s_{line.what}"
        if name not in _W:
            continue
        text = _t(name, language, shown.names.get(line.by, ""))
        if not steps or steps[-1][0] != text:
            steps.append((text, line.at))
    items = "".join(f"<li><strong>{text}</strong> {_time(at, shown)}</li>" for text, at in steps)
    return _section("steps", f"<ol>{items}</ol>", language) if items else ""


def _section(name: str, content: str, language: str) -> str:
    return f'<section class="card"><h2>{_t(name, language)}</h2>{content}</section>'


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{name}</dt><dd dir=auto>{value}</dd>' for name, value in rows)}</dl>"


def _time(at: datetime, shown: Shown) -> str:
    local = at.astimezone(ZoneInfo(shown.timezone))
    return f'<time datetime="{at.isoformat()}">{local:%Y-%m-%d %H:%M}</time>'


def _page(language: str, body: str, *, company: str, style: str, links: Mapping[str, str]) -> str:
    choice = " ".join(
        f'<a href="{_e(url)}" lang="{tag}" hreflang="{tag}"{" aria-current=true" if tag == language else ""}>{_NAMES[tag]}</a>'
        for tag, url in links.items()
    )
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex, nofollow">'
        f'<meta name="color-scheme" content="light dark"><title>{_t("title", language)} · {_e(company)}</title>'
        f'<link rel="stylesheet" href="{_e(style)}"></head><body><header><strong dir="auto">{_e(company)}</strong>'
        f'<nav aria-label="{_t("languages", language)}">{choice}</nav></header><main>{body}</main></body></html>'
    )


def _t(name: str, language: str, *values: str) -> str:
    return _W[name][LANGUAGES.index(language)].format(*(_e(value) for value in values))


def _e(text: str) -> str:
    return html.escape(text)
