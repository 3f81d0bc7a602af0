"""The page of a one-time login link: looking at it spends nothing, because programs that preview links look too."""

from __future__ import annotations

import html
from collections.abc import Mapping

from gateway.web import static
from gateway.web.labels import LANGUAGES, Words

_W: Mapping[str, Words] = {
    "title": ("Log in to the desk", "登录客服工作台", "登入客服工作台"),
    "once": (
        "This link works once. Whoever presses the button is logged in.",
        "此链接只能使用一次，点击按钮即可登录。",
        "此連結只能使用一次，點擊按鈕即可登入。",
    ),
    "go": ("Log in", "登录", "登入"),
}


def page(language: str, company: str) -> str:
    """The page. Its form posts to its own address, so the token stands nowhere in it."""
    words = {key: html.escape(text[LANGUAGES.index(language)]) for key, text in _W.items()}
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{words["title"]}</title><link rel="stylesheet" href="{html.escape(static.url("status/status.css"))}"></head>'
        f"<body><header><strong>{html.escape(company)}</strong></header><main><h1>{words['title']}</h1>"
        f'<form class="card" method="post"><p class="soft">{words["once"]}</p><button autofocus>{words["go"]}</button></form>'
        "</main></body></html>"
    )
