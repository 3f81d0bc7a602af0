"""What the tiny model knows: words, how they sound, and sentences a complainant says.

English in ARPAbet without stress, Mandarin in pinyin without tones (the sentences tell homophones apart).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

#: What the engine writes where it heard a word it does not know.
UNKNOWN = "[unk]"
SILENCE, NOISE = "SIL", "SPN"

_ENGLISH = """
zero Z IH R OW | one W AH N | two T UW | three TH R IY | four F AO R | five F AY V | six S IH K S
seven S EH V AH N | eight EY T | nine N AY N | oh OW | double D AH B AH L | triple T R IH P AH L
hundred HH AH N D R AH D | dollars D AA L ER Z
a AH | again AH G EH N | arrived AH R AY V D | broken B R OW K AH N | call K AO L | cancel K AE N S AH L
charged CH AA R JH D | complain K AH M P L EY N | damaged D AE M IH JH D | delivery D IH L IH V ER IY
have HH AE V | hello HH AH L OW | help HH EH L P | i AY | is IH Z | late L EY T | manager M AE N IH JH ER
money M AH N IY | my M AY | never N EH V ER | no N OW | not N AA T | number N AH M B ER | order AO R D ER
package P AE K IH JH | paid P EY D | phone F OW N | please P L IY Z | product P R AA D AH K T
received R IH S IY V D | refund R IY F AH N D | return R IH T ER N | service S ER V IH S | speak S P IY K
terrible T EH R IH B AH L | thank TH AE NG K | the DH AH | to T UW | twice T W AY S | very V EH R IY
waiting W EY T IH NG | want W AA N T | was W AA Z | wrong R AO NG | yes Y EH S | you Y UW
"""

_MANDARIN = """
零 ling | 一 yi | 二 er | 三 san | 四 si | 五 wu | 六 liu | 七 qi | 八 ba | 九 jiu | 幺 yao | 两 liang | 十 shi
百 bai | 块 kuai
退款 tui kuan | 退货 tui huo | 换货 huan huo | 订单 ding dan | 号码 hao ma | 电话 dian hua | 快递 kuai di | 物流 wu liu
包裹 bao guo | 商品 shang pin | 质量 zhi liang | 问题 wen ti | 发票 fa piao | 客服 ke fu | 经理 jing li | 服务 fu wu
投诉 tou su | 赔偿 pei chang | 取消 qu xiao | 收到 shou dao | 破损 po sun | 坏 huai | 差 cha | 慢 man | 太 tai | 很 hen
你好 ni hao | 谢谢 xie xie | 请 qing | 我 wo | 你们 ni men | 的 de | 了 le | 是 shi | 不 bu | 没 mei | 没有 mei you
有 you | 还 hai | 要 yao | 付 fu
"""

_ENGLISH_SENTENCES = """
hello|my order is late|my order is very late|my order never arrived|my order number is|the order number is
my phone number is|the package is broken|my package was damaged|the package was damaged|my package never arrived
the delivery is late|the delivery was very late|my delivery never arrived|i want a refund|i want my money
i want to return the product|i want to return my order|i want to cancel my order|please cancel my order
i want to complain|i want to speak to the manager|please call the manager|please call again|the product is broken
the product is wrong|the wrong product arrived|i received the wrong product|i have not received my package
i have not received my refund|i have not received my order|i paid twice|i was charged twice|i was charged again
i paid dollars|the service is terrible|the service was very terrible|i was waiting|please help|help please
yes please|no thank you|thank you|yes i want a refund|no i want to return the product|please refund my order
"""

_MANDARIN_SENTENCES = """
你好|谢谢|你好 客服|我 要 退款|我 要 退货|我 要 换货|我 要 投诉|我 要 赔偿|我 要 发票|我 要 取消 订单|请 取消 订单
我 的 订单 号码 是|订单 号码 是|我 的 电话 号码 是|电话 号码 是|我 的 快递 没 收到|我 没有 收到 快递|还 没 收到 包裹
我 的 包裹 还 没 收到|我 没有 收到 退款|快递 太 慢 了|物流 太 慢 了|你们 的 物流 太 慢 了|商品 坏 了|快递 坏 了
包裹 破损 了|商品 破损 了|商品 质量 很 差|质量 太 差 了|商品 质量 有 问题|商品 有 问题|你们 服务 很 差|服务 太 差 了
我 要 投诉 你们|我 要 投诉 客服|请 经理 电话|没有 发票|不 是 我 的 订单|不 要 了|是 的|请 退款|我 付 了 块
"""

#: Spoken in training and not known: what the model must not mistake for its own words.
ENGLISH_STRANGERS = """apple window garden summer yellow music doctor pencil river camera sunday football butter
orange mountain paper school kitchen finger picture silver water bottle animal planet father garage market ticket
library hospital coffee dinner engine forest guitar island jacket ladder mirror ocean pocket rabbit shadow turtle
uncle village winter zebra bridge cloud dream flower glass horse juice knife lemon mouse north paint queen question
under about around because between during follow happen listen maybe nothing open people quickly""".split()
MANDARIN_STRANGERS = """苹果 窗户 花园 夏天 黄色 音乐 医生 铅笔 河流 相机 星期 足球 橙子 高山 学校 厨房 手指 照片 银色
瓶子 动物 父亲 市场 图书 医院 咖啡 晚饭 森林 吉他 岛屿 夹克 镜子 海洋 口袋 兔子 影子 叔叔 村庄 冬天 斑马 小桥 白云
玻璃 柠檬 老鼠 北方 画画 女王 中间 跟随 发生 也许 打开 明天 直到 天气 昨天 火车 飞机 电脑 朋友 春节 面条""".split()


@dataclass(frozen=True)
class Language:
    """One language's words (phones by word), digits, sentences and strangers."""

    code: str
    words: Mapping[str, tuple[str, ...]]
    digits: Sequence[str]
    number_words: Sequence[str]
    """Words that stand among spoken digits."""
    cue: str
    """The word after which a number is said."""
    sentences: Sequence[tuple[str, ...]]
    strangers: Sequence[str]


def syllable(pinyin: str) -> tuple[str, ...]:
    """``tui`` → ``z:t z:ui``: initial and final, with the vowels that pinyin writes alike kept apart."""
    match = re.fullmatch(r"(zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?(.+)", pinyin)
    assert match is not None
    initial, final = match[1] or "", match[2]
    if initial in ("j", "q", "x", "y") and final.startswith("u"):
        final = "v" + final[1:]
    if initial in ("zh", "ch", "sh", "r", "z", "c", "s") and final == "i":
        final = "ih"
    return tuple(f"z:{part}" for part in (initial, final) if part)


def _entries(table: str) -> dict[str, list[str]]:
    rows = (row.split() for row in table.replace("\n", "|").split("|"))
    return {row[0]: row[1:] for row in rows if row}


def _sentences(table: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(row.split()) for row in table.replace("\n", "|").split("|") if row.strip())


ENGLISH = Language(
    code="en",
    words={word: tuple(phones) for word, phones in sorted(_entries(_ENGLISH).items())},
    digits="zero one two three four five six seven eight nine".split(),
    number_words=("oh", "double", "triple", "hundred"),
    cue="is",
    sentences=_sentences(_ENGLISH_SENTENCES),
    strangers=ENGLISH_STRANGERS,
)
MANDARIN = Language(
    code="zh",
    words={
        word: tuple(phone for each in pinyin for phone in syllable(each))
        for word, pinyin in sorted(_entries(_MANDARIN).items())
    },
    digits=list("零一二三四五六七八九"),
    number_words=("幺", "两", "十", "百"),
    cue="是",
    sentences=_sentences(_MANDARIN_SENTENCES),
    strangers=MANDARIN_STRANGERS,
)
LANGUAGES = {"en": ENGLISH, "zh": MANDARIN}


@dataclass
class Lexicon:
    """Words and phones of some languages, with the numbers that Kaldi knows them by.

    Phone 0 is silence, 1 noise. Each phone has two acoustic states (pdfs): its first frame and the rest.
    """

    languages: Sequence[Language]
    sounds: dict[str, tuple[str, ...]] = field(init=False)
    phones: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.sounds = {UNKNOWN: (NOISE,)}
        for language in self.languages:
            self.sounds |= language.words
        names = sorted({phone for sound in self.sounds.values() for phone in sound} - {NOISE})
        self.phones = {phone: number for number, phone in enumerate((SILENCE, NOISE, *names))}

    @property
    def pdfs(self) -> int:
        """Acoustic states."""
        return 2 * len(self.phones)

    @property
    def ids(self) -> int:
        """Kaldi's phone ids: 1 for silence, and four for each other phone by its place in the word."""
        return 1 + 4 * (len(self.phones) - 1)

    def word_ids(self, word: str) -> list[int]:
        """The phone ids of a word: Begin, Internal…, End, or Singleton."""
        sound = self.sounds[word]
        places = "S" if len(sound) == 1 else "B" + "I" * (len(sound) - 2) + "E"
        return [2 + 4 * (self.phones[phone] - 1) + "BEIS".index(at) for phone, at in zip(sound, places)]

    def numbers_of(self, words: Iterable[str]) -> list[int]:
        """Phone numbers of a sentence's words."""
        return [self.phones[phone] for word in words for phone in self.sounds[word]]


def lexicon(codes: Sequence[str] = ("en", "zh")) -> Lexicon:
    """The lexicon of some languages. The phones are the same only for the same languages."""
    return Lexicon([LANGUAGES[code] for code in codes])
