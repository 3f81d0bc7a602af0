"""A text as the bot compares it: folded, cut to a length, its content words and the features of its similarity."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

from bot.kept import kept
from normalizer.text import Fold, Text

#: Characters of a message that are looked at; nobody asks a simple question in more.
LONGEST = 2_000
#: A message of more content units may hold more than one thought.
REMARK = 10.0
#: A message of more characters is a story, whatever it is made of; the words need not be counted.
LONG = 400
#: A message of more content units than this is a story, not a question.
STORY = 45

#: Stands for any number of five digits and more among the words.
NUMBER = "#"
_LONG_NUMBER = re.compile(r"\d{5}")
_TOKEN = re.compile(r"[㐀-鿿豈-﫿]+|[a-z]+(?:'[a-z]+)?|\d[\d\-]*")
_HAN = re.compile(r"[㐀-鿿豈-﫿]")
#: "refunds" and "arrives" are the words "refund" and "arrive".
_PLURAL = re.compile(r"[^su]s$")
_NOT_WORD = re.compile(r"[\W_]+")
_A_NOT_A = re.compile(
    r"(.)[不没]\1|是否|能否|可否|有没有|不好意思|没问题|不想要了|不要了|不过|不同|不客气|差不多|要不要"
)
_NEGATION_HAN = re.compile(r"[不没未无别勿]")
_QUESTION = re.compile(
    r"[?？吗呢]|怎|如何|哪|几[天点个号时月年]|多少|多久|多长|多大|什么|啥|谁|是否|能不能|可不可以|可以.{0,8}么|有没有|是不是|请问"
    r"|\b(?:how|what|when|where|which|who|why|can i|can you|could|do you|does|is it|is there|are there|are you|may i)\b"
)
_REQUEST = re.compile(
    r"我想|我要|想要|帮我|请帮|麻烦|申请|\b(?:please|i want|i would like|i'd like|i need|help me|want to|need to)\b"
)
#: What kind of answer a question wants; the first kind that is found counts.
_ASKS = re.compile(
    r"(?P<why>\bwhy\b|\bhow come\b|为什么|为何|为啥|怎么会|怎么回事|凭什么)"
    r"|(?P<quantity>\bhow (?:much|many|often|big|large|far)\b|多少|多大|多远|几[个张条次块元钱]"
    r"|\bwhat(?:'s| is| are)? (?:the )?(?:price|cost|amount|size)\b)"
    r"|(?P<time>\bhow (?:long|soon|fast|quickly)\b|\bwhen\b|\bwhat (?:time|date|day)\b"
    r"|什么时候|什么时间|几点|几天|几号|多久|多长|何时|啥时候)"
    r"|(?P<way>\bhow\b|\bway to\b|\bsteps\b|怎么|如何|怎样|咋)"
    r"|(?P<place>\bwhere\b|哪里|哪儿|在哪|何处)"
    r"|(?P<person>\bwho(?:m|se)?\b|谁)"
    r"|(?P<thing>\bwhat\b|\bwhats\b|\bwhich\b|什么|哪|啥)"
    r"|(?P<whether>^\W*(?:can|could|may|do|does|did|is|are|am|was|will|would|should|have|has|shall)\b"
    r"|\b(?:can|could|may) (?:i|you|we)\b|\b(?:is|are) there\b"
    r"|吗|么\W*$|能不能|可不可以|可以|是否|能否|可否|有没有|是不是|要不要)"
)
#: What a text may ask for, or that it wishes or tells.
ASKS = (*_ASKS.groupindex, "wish", "tale")
_OPENING = re.compile(
    r"^\W*(?:好的|好吧|嗯+)|你好|您好|我?想?(?:请问|问)一?下|我?想问|请问|打扰一下|麻烦问下?|\bquick question\b|\bjust wondering\b"
)
#: When it happened tells nothing of what is asked.
_WHEN = re.compile(
    r"今天|昨天|前天|刚才|刚刚|上周|上个月|上星期|前几天|最近|这几天|\b(?:today|yesterday|recently|last week|this morning)\b"
)
_NEGATION_WORDS = (
    "not no never cannot cant without unable dont doesnt didnt isnt wasnt wont havent hasnt nothing neither nor"
)
_NEGATIONS = frozenset(_NEGATION_WORDS.split())
_STOP_TEXT = (
    "a an the i me my we our you your it its is are was be been am do does did to of in on at for and or so if this that"
    " have has had can could will would should may please pls just there with by as from up out get got hi hello hey"
    " dear thanks thank ok okay want need like know im ive id ill about what how when where who which why tell ask asking wondering question possible way let something until us them they he she maybe perhaps"
)
_STOP_WORDS = frozenset(_STOP_TEXT.split())
_STOP_HAN = frozenset(
    "的了吗呢啊吧呀嘛我你您他她它们请问一下是在有和与就也都还这那个要想能可以会把被给到得地着过亲哈么阿呗咯喽噢哦诶欸"
)
#: Function words; how a text uses them tells what kind of thing is asked.
_SMALL = _STOP_WORDS | _STOP_HAN | frozenset("不没无别怎何哪谁几多")


@dataclass(frozen=True)
class Utterance:
    """What was said, prepared once and asked by every rule. ``text`` is the customer's own, ``folded`` is for comparing."""

    text: str
    table: Fold = field(repr=False, compare=False)

    @kept
    def folded(self) -> str:
        return Text(self.text[:LONGEST], self.table).plain

    @kept
    def compact(self) -> str:
        """Letters and digits alone, for phrases that must be the whole message."""
        return _NOT_WORD.sub("", self.folded)

    @kept
    def tokens(self) -> tuple[str, ...]:
        """Words, runs of Han characters and numbers, without what only opens a question."""
        return tuple(_TOKEN.findall(_OPENING.sub(" ", self.folded)))

    @kept
    def content(self) -> tuple[str, ...]:
        """Words that carry meaning: Latin words and single Han characters, without stop words and numbers."""
        found: list[str] = []
        for token in _TOKEN.findall(_OPENING.sub(" ", _WHEN.sub(" ", self.folded))):
            if _HAN.match(token):
                found += [char for char in token if char not in _STOP_HAN]
            elif token[0].isalpha() and len(token) > 1 and token not in _STOP_WORDS:
                found.append(token[:-1] if _PLURAL.search(token) else token)
        return tuple(found)

    @kept
    def units(self) -> float:
        """How much is said: a Latin word counts one, a Han character a half."""
        return sum(0.5 if len(word) == 1 else 1.0 for word in self.content)

    @kept
    def negated(self) -> bool:
        if any(token.replace("'", "") in _NEGATIONS for token in self.tokens):
            return True
        return bool(_NEGATION_HAN.search(_A_NOT_A.sub("", self.folded)))

    @kept
    def is_question(self) -> bool:
        return bool(_QUESTION.search(self.folded))

    @kept
    def asks(self) -> str:
        """One of :data:`ASKS`."""
        found = _ASKS.search(self.folded)
        return str(found.lastgroup) if found else "wish" if self.is_request else "tale"

    @kept
    def is_remark(self) -> bool:
        """A sentence that asks nothing and denies nothing: what it seems to say is all it says."""
        return self.units <= REMARK and not self.is_question and not self.negated

    @kept
    def is_request(self) -> bool:
        return bool(_REQUEST.search(self.folded))

    @property
    def is_long(self) -> bool:
        return len(self.text) > LONG or self.units > STORY

    @kept
    def features(self) -> dict[str, float]:
        """Feature → how often: Han characters and pairs, of which a run's ends are part; Latin words, word pairs, and 3- and
        4-grams (for typing mistakes)."""
        counts: dict[str, float] = {}
        before = ""
        for token in self.tokens:
            if _HAN.match(token):
                _han_grams(token, counts)
                before = ""
            elif token[0].isalpha():
                _latin_grams(token, before, counts)
                before = token
        return counts

    @kept
    def small(self) -> frozenset[str]:
        """The features that are function words: they tell how something is asked."""
        return frozenset(each for each in self.features if each in _SMALL or each.replace("'", "") in _NEGATIONS)

    @kept
    def terms(self) -> dict[str, float]:
        """What is said in whole words: content words, pairs of Han characters that are not both stop words, and
        :data:`NUMBER` where there is a long number: who names one means a certain thing."""
        counts: dict[str, float] = {NUMBER: 1.0} if _LONG_NUMBER.search(self.folded) else {}
        for word in self.content:
            counts[word] = counts.get(word, 0.0) + 1.0
        for run in self.tokens:
            if _HAN.match(run):
                for pair in map("".join, pairwise(run)):
                    if not (pair[0] in _STOP_HAN and pair[1] in _STOP_HAN):
                        counts[pair] = counts.get(pair, 0.0) + 1.0
        return counts


def is_pair(feature: str) -> bool:
    """Whether a feature is two words or two Han characters."""
    return " " in feature or (len(feature) == 2 and (feature[0] > "\u33ff" or feature[1] > "\u33ff"))


def _han_grams(run: str, counts: dict[str, float]) -> None:
    for gram in (*run, *map("".join, pairwise(f"^{run}$"))):
        counts[gram] = counts.get(gram, 0.0) + 1.0


def _latin_grams(word: str, before: str, counts: dict[str, float]) -> None:
    stop = word in _STOP_WORDS
    counts[word] = counts.get(word, 0.0) + (0.5 if stop else 1.0)
    if before:
        pair = f"{before} {word}"
        counts[pair] = counts.get(pair, 0.0) + 1.0
    if stop:
        return
    padded = f"^{word}$"
    for size in (3, 4):
        for start in range(len(padded) - size + 1):
            gram = padded[start : start + size]
            counts[gram] = counts.get(gram, 0.0) + 0.5


def has_han(text: str) -> bool:
    return _HAN.search(text) is not None
