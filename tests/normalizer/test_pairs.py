"""Pairs that differ by a denial, a degree or a turn of phrase, written after the words and before they were scored.

The first of a pair is content, the second is not. Both sets are kept as they were written: 10 and 16 of 25 were told by
sign then; the floors are what is told since the misses were mended.
"""

from __future__ import annotations

import pytest

from normalizer.rules import Rules
from normalizer.source import Source
from normalizer.tone import Around, weigh

BLIND = [
    ("房间谈不上豪华，但住得很舒心", "房间谈不上舒服，更谈不上干净"),
    ("师傅修得很细致，问题没再出现", "师傅修得马虎，问题又出现了"),
    ("药效比我想象的快多了", "药效没有说明书写的那么快"),
    ("客服一点架子都没有，讲得明明白白", "客服架子大得很，讲得不明不白"),
    ("这家早餐每天换花样，吃不腻", "这家早餐天天一个样，早吃腻了"),
    ("退款当天就到账了，没有拖", "退款拖了半个月也没到账"),
    ("车开起来没有一点噪音", "车开起来噪音不是一点半点"),
    ("教练从来不催，教得也用心", "教练总是催，教得也不用心"),
    ("价格算不上低，可是物有所值", "价格算不上低，质量也配不上这个价"),
    ("寄过来的玻璃杯一个都没碎", "寄过来的玻璃杯没有一个是好的"),
    ("直播里吹得不多，实物反而更好看", "直播里吹得天花乱坠，实物没那么好看"),
    ("护士扎针不疼，说话也温和", "护士扎针疼死了，说话也不温和"),
    ("貸款手續一點也不麻煩", "貸款手續不是一般的麻煩"),
    ("The driver was anything but rude", "The driver was anything but polite"),
    ("I have yet to find a fault with this vacuum", "I have yet to get an answer about this vacuum"),
    ("The gym is never too crowded", "The gym is always too crowded"),
    ("Nobody at the clinic made us wait", "Nobody at the clinic wanted to help"),
    ("The soup could not have tasted better", "The soup could have tasted better"),
    ("My internet no longer drops out", "My internet no longer works in the evening"),
    ("The dress fits and the seams are not coming apart", "The dress does not fit and the seams are coming apart"),
    ("It isn't cheap but it is worth it", "It isn't cheap and it isn't worth it"),
    ("The hotel was not only clean but quiet", "The hotel was neither clean nor quiet"),
    ("There is hardly anything to criticise", "There is hardly anything to like"),
    ("They refunded me without any argument", "They argued and would not refund me"),
    ("The course was far from boring", "The course was far from useful"),
]

#: A second set, written when the misses of the first had been mended, and scored once before anything else was.
AGAIN = [
    ("理赔没有为难我，两天就办下来了", "理赔处处为难我，两个月都办不下来"),
    ("菜没怎么放盐，正好合我口味", "菜没怎么放盐，根本咽不下去"),
    ("他们从不随便涨价", "他们三天两头涨价"),
    ("手机用了两年还没卡过", "手机用了两天就卡"),
    ("不是我挑剔，这床真的舒服", "不是我挑剔，这床真的没法睡"),
    ("没想到这么顺利", "没想到这么不顺利"),
    ("物业没有推卸责任", "物业一直在推卸责任"),
    ("行李一件没少", "行李少了一件"),
    ("不能说不好，就是挺满意的", "不能说好，反正我不满意"),
    ("比别家贵一点但贵得有道理", "比别家贵一倍，贵得没道理"),
    ("奶粉没有結塊，沖開很細", "奶粉全是結塊，怎麼也沖不開"),
    ("这份保险值不值？值！", "这份保险值不值？不值！"),
    ("小区保安不凶，见人就打招呼", "小区保安很凶，见人就吼"),
    ("The plumber didn't leave a mess", "The plumber left a mess"),
    ("I couldn't be more grateful to the nurse", "I couldn't be more upset with the nurse"),
    ("The seats are not at all cramped", "The seats are really cramped"),
    ("There was never a dull moment", "It was one dull moment after another"),
    ("They never once raised the fee", "They raised the fee without warning"),
    ("My parcel did not get lost this time", "My parcel got lost again"),
    ("She wasn't rude, quite the opposite", "She wasn't friendly, quite the opposite"),
    ("No one could have been more patient", "No one showed any patience"),
    ("The app has stopped crashing", "The app has stopped working"),
    ("Not a single bone in the fish, lovely", "Not a single thing in the meal was fresh"),
    ("I would not hesitate to book again", "I would hesitate to book again"),
    ("The battery is not as weak as people say", "The battery is not as strong as people say"),
]


def _balance(text: str, rules: Rules) -> float:
    source = Source(text, "k", rules)
    return weigh(source.hits, Around(source.text.plain, source.hits)).score


@pytest.mark.parametrize(("pairs", "by_sign", "in_order"), [(BLIND, 24, 25), (AGAIN, 23, 24)])
def test_pairs_are_told(rules: Rules, pairs: list[tuple[str, str]], by_sign: int, in_order: int) -> None:
    balances = [(_balance(good, rules), _balance(bad, rules)) for good, bad in pairs]
    assert sum(good > 0 > bad for good, bad in balances) >= by_sign, balances
    assert sum(good > bad for good, bad in balances) >= in_order, balances
