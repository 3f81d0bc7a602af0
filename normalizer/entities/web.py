"""E-mail addresses and links."""

from __future__ import annotations

import re

from normalizer.entities.entity import View

_EMAIL = re.compile(
    r"(?<![a-z0-9._%+\-])[a-z0-9][a-z0-9._%+\-]{0,63}@[a-z0-9\-]{1,63}(?:\.[a-z0-9\-]{1,63}){0,4}\.[a-z]{2,18}(?![a-z0-9])"
)
_AT_HOST = re.compile(r"(?<![a-z0-9._%+\-])[a-z0-9][a-z0-9._%+\-]{0,63}@\[\d{1,3}(?:\.\d{1,3}){3}\]")
_URL = re.compile(r"(?:https?://(?=[^\s/]{0,200}\.[a-z0-9]|localhost)|www\.)[a-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]{3,1000}")
_BARE = re.compile(
    r"(?<![a-z0-9@._/\-])(?:[a-z0-9](?:[a-z0-9\-]{0,40}[a-z0-9])?\.){0,3}(?=[0-9\-]{0,40}[a-z])[a-z0-9](?:[a-z0-9\-]{0,40}[a-z0-9])?\.(?:com|cn|net|org|io|co|shop|top|xyz|app|tw|hk|uk|de|jp|kr|gov|edu|info|biz|dev|tech|vip|cc|tv|ai|gg|ly|ms|si|aws"
    r"|academy|ru|fr|es|nl|pl|ch|se|dk|fi|cz|ca|au|nz|sg|br|mx|tr|vn|th|ph|eu)"
    r"(?![a-z0-9@\-]|\.[a-z])(?:/[a-z0-9\-._~/?#&=%]{0,500})?"
)
_TRAILING = ".,;:!?'"


def look(view: View) -> None:
    """Take addresses and links; the cheap tests spare most messages the search."""
    raw_case = view.text.quote
    if "@" in view.plain:
        for match in _EMAIL.finditer(view.plain):
            view.take("email", match.group(), *match.span(), "email.form", 0.97)
        for match in _AT_HOST.finditer(view.plain):
            view.take("email", match.group(), *match.span(), "email.form", 0.9)
    if "://" in view.plain or "www." in view.plain:
        for match in _URL.finditer(view.plain):
            start, end = match.span()
            end = start + len(match.group().rstrip(_TRAILING))
            if view.plain[end - 1] == ")" and "(" not in view.plain[start:end]:
                end -= 1
            view.take("url", raw_case(start, end), start, end, "url.form", 0.97)
    if "." in view.plain:
        for match in _BARE.finditer(view.plain):
            start, end = match.start(), match.start() + len(match.group().rstrip(_TRAILING))
            view.take("url", raw_case(start, end), start, end, "url.domain", 0.8)
