"""HTML of a mail to lines of text, by a walk over the parsed tree.

Nothing of the HTML itself goes further. Quoted history is recognised by the containers that mail programs put
around it; the lines say so, and :mod:`channels._email.quote` decides.
"""

from __future__ import annotations

import re

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

#: More is not read: no person writes it. Pictures inlined as ``data:`` do not count.
MAX_CHARS = 1_000_000
#: Nodes looked at; a large newsletter has a tenth of it.
MAX_NODES = 200_000
#: Tags nested deeper than this are dropped before the parser sees them: its time grows with the square.
MAX_NESTING = 250

_BLOCK = frozenset(
    "p div tr li h1 h2 h3 h4 h5 h6 blockquote table ul ol dl hr pre section article header footer main aside dd dt "
    "center address form fieldset figure tbody thead title-page".split()
)
_SKIP = frozenset("script style head title template svg object iframe meta link noembed noframes select".split())
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
#: Their end tag may be missing and the parser closes them itself, so they do not nest.
_LOOSE = frozenset("p li td th tr dd dt option tbody thead html body".split())

_QUOTE_CLASS = re.compile(
    r"(?:^|\s)(?:gmail_quote|gmail_quote_container|gmail_extra_quote|yahoo_quoted|yahoo-quoted\S*|moz-cite-prefix|protonmail_quote|"
    r"tutanota_quote|zmail_extra|zm_quote|history-quote-wrapper|lark-mail-quote\S*|ntes-mailmaster-quote|"
    r"__aliyun_previous_quote|qmbox|mail-quote-collapse|mail_quote|quoted-text|x_gmail_quote|x_yahoo_quoted|"
    r"ms-outlook-mobile-reference-message|mailbird-quote|hm_quote\S*)(?:\s|$)",
    re.I,
)
_QUOTE_ID = frozenset(
    "olk_src_body_section isreplycontent fmoriginalcontent mail-editor-reference-message-container "
    "x_olk_src_body_section aliyun_quote yahoo_quoted ntes-pcmail-quote reply-intro replyblockquote orig_mail_content".split()
)
#: From here to the end of the mail everything is history.
_CUT_ID = frozenset("divrplyfwdmsg x_divrplyfwdmsg appendonsend x_appendonsend stopspelling".split())
_SPACE = re.compile(r"[ \t\r\n\f\u00a0]+")
_DATA_URI = re.compile(r"data:[\w/+.-]{1,60};base64,[A-Za-z0-9+/=\s%]{200,}", re.I)
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:]*)[^<>]*>")


class Line(msgspec.Struct):
    """A line of text. ``quoted``: history by its mark or container; ``boxed``: in a container that only holds history
    (a mail program's own, not a mere ``blockquote``); ``cut``: everything from here on is history."""

    text: str
    quoted: bool = False
    cut: bool = False
    boxed: bool = False


#: What a node stands in, as flags.
_CITE, _BOX = 1, 2


class _Walk:
    """Collects lines; state is the line being written."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.words: list[str] = []
        self.cut = False
        self.cited = False

    def add(self, text: str) -> None:
        if text:
            self.words.append(text)

    def end_line(self, inside: int, *, keep_empty: bool = False) -> None:
        text = "".join(self.words)
        text = re.sub(r" *\n *", "\n", re.sub(r" {2,}", " ", text)) if "\n" not in text else text
        self.words = []
        if text.strip() or keep_empty:
            for piece in text.split("\n"):
                self.lines.append(self._line(piece.strip("\r\t "), inside))
                self.cut = False

    def _line(self, text: str, inside: int) -> Line:
        """Inside a box, words after the first cited block and outside of any are an answer between the lines."""
        if not inside & _BOX:
            self.cited = False
        elif inside & _CITE:
            self.cited = True
        elif self.cited:
            inside = 0
        return Line(text, bool(inside), self.cut, bool(inside & _BOX))


def to_lines(html: str, flaws: list[str] | None = None) -> list[Line]:
    """The visible text of ``html`` as lines; hidden text only when there is no other."""
    if len(html) > MAX_CHARS:
        html = _DATA_URI.sub("", html)
        if len(html) > MAX_CHARS:
            html = html[:MAX_CHARS]
            if flaws is not None:
                flaws.append("html size")
    tree = LexborHTMLParser(_flat(html))
    root = tree.body or tree.root
    if root is None:
        return []
    lines = _walk(root, show_hidden=False)
    if not any(line.text for line in lines):
        lines = _walk(root, show_hidden=True)
    return _squeezed(lines)


def text_of(lines: list[Line]) -> str:
    """The lines as plain text, history marked with ``> ``."""
    return "\n".join(("> " + line.text if line.text else ">") if line.quoted else line.text for line in lines).strip()


#: A node, what it stands in, whether white space counts, whether only its end is left to do.
_Step = tuple[LexborNode, int, bool, bool]


def _walk(root: LexborNode, *, show_hidden: bool) -> list[Line]:
    walk = _Walk()
    stack: list[_Step] = [(root, 0, False, False)]
    left = MAX_NODES
    while stack and left:
        left -= 1
        node, quoted, pre, closing = stack.pop()
        tag = node.tag or ""
        if closing:
            walk.end_line(quoted)
            if tag == "p":
                walk.end_line(quoted, keep_empty=True)
            continue
        if tag == "-text":
            text = node.text_content or ""
            walk.add(text.replace("\r\n", "\n") if pre else _SPACE.sub(" ", text))
            continue
        if tag in _SKIP or tag[:1] in "-!_" or (not show_hidden and _hidden(node)):
            continue
        if tag == "br":
            walk.end_line(quoted, keep_empty=True)
            continue
        if tag == "img":
            walk.add(_alt(node))
            continue
        if _opens_cut(node):
            walk.end_line(quoted)
            walk.cut = True
        inner = quoted | _quote_flags(node, tag)
        if tag in _BLOCK or inner != quoted:
            walk.end_line(quoted)
            stack.append((node, inner, pre, True))
        elif tag in ("td", "th"):
            walk.add(" ")
        if tag == "hr":
            walk.lines.append(Line("________________________________", bool(quoted), False, bool(quoted & _BOX)))
            continue
        _push_children(stack, node, inner, pre or tag == "pre")
    walk.end_line(0)
    return walk.lines


def _push_children(stack: list[_Step], node: LexborNode, quoted: int, pre: bool) -> None:
    children = []
    child = node.child
    while child is not None:
        children.append((child, quoted, pre, False))
        child = child.next
    stack.extend(reversed(children))


def _squeezed(lines: list[Line]) -> list[Line]:
    """At most one empty line at a time, none at the ends."""
    out: list[Line] = []
    for line in lines:
        if line.text or line.cut or (out and out[-1].text):
            out.append(line)
    while out and not out[-1].text:
        out.pop()
    return out


def _quote_flags(node: LexborNode, tag: str) -> int:
    """What a node adds: a cite, a box, or nothing."""
    attributes = node.attributes
    boxed = (
        (attributes.get("id") or "").lower() in _QUOTE_ID
        or attributes.get("data-marker") == "__QUOTED_TEXT__"  # Zimbra
        or _QUOTE_CLASS.search(attributes.get("class") or "")
    )
    return (_CITE if tag == "blockquote" else 0) | (_BOX if boxed else 0)


def _opens_cut(node: LexborNode) -> bool:
    attributes = node.attributes
    if (attributes.get("id") or "").lower() in _CUT_ID:
        return True
    style = re.sub(r"\s", "", (attributes.get("style") or "").lower())
    # Outlook and Windows Mail draw one line above the headers of what they quote.
    return bool(
        re.search(r"border:none;border-top:solid(?:#?\w+)?1\.0pt|border-top:#?\w{3,7}(?:1\.0pt|1px)solid", style)
    ) and (node.tag == "div")


def _hidden(node: LexborNode) -> bool:
    style = node.attributes.get("style") or ""
    if not style:
        return False
    style = re.sub(r"\s", "", style.lower())
    return bool(
        re.search(r"(?:^|;)(?:display:none|visibility:hidden|mso-hide:all|font-size:0(?:px|pt|em|%)?(?:;|$))", style)
    )


def _alt(node: LexborNode) -> str:
    """What a picture says in words; a file name or an icon's name says nothing."""
    alt = _SPACE.sub(" ", node.attributes.get("alt") or "").strip()[:200]
    if not alt or re.fullmatch(r"\S*\.(?:png|jpe?g|gif|bmp|webp|svg)|image\d*|图像|图片|picture|logo|icon", alt, re.I):
        return ""
    return f" [{alt}] "


def _flat(html: str) -> str:
    """Drop start tags that nest deeper than :data:`MAX_NESTING`."""
    if html.count("<") <= MAX_NESTING:
        return html
    out: list[str] = []
    depth = at = 0
    for found in _TAG.finditer(html):
        name = found.group(2).lower()
        if name in _VOID or name in _LOOSE:
            continue
        if found.group(1):
            depth = max(0, depth - 1)
        elif not found.group().endswith("/>"):
            depth += 1
            if depth > MAX_NESTING:
                out.append(html[at : found.start()])
                at = found.end()
    out.append(html[at:])
    return "".join(out)
