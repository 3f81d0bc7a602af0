"""Pairs that differ by a denial, a degree or a turn of phrase, written after the words and before they were scored.

The first of a pair is content, the second is not. All sets are kept as they were written: 10, 16 and 30 (of 62), then 14 and
9 were told by sign then; the floors are what is told since the misses were mended.
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

#: A large third set, on which the reach of denials was worked out.
WORKED_ON = [
    ("地板擦过以后一点不滑", "地板擦过以后滑得站不住"),
    ("师傅没有乱收费", "师傅乱收费"),
    ("这款油漆刷完没有味道", "这款油漆刷完味道很冲"),
    ("押金一分没扣", "押金一分没退"),
    ("客服没让我多等", "客服让我白等了一下午"),
    ("不得不夸一下这位司机", "不得不投诉这位司机"),
    ("没有不满意的地方", "没有满意的地方"),
    ("没有哪个菜不好吃", "没有哪个菜好吃"),
    ("谈不上便宜，可东西是真的好", "谈不上好，价钱还死贵"),
    ("我不觉得等得久", "我觉得等得太久"),
    ("售后没有踢皮球", "售后互相踢皮球"),
    ("这台洗衣机几乎听不见声音", "这台洗衣机吵得整栋楼都听得见"),
    ("合同里没有藏着别的费用", "合同里藏着一堆别的费用"),
    ("电池用了三年还没鼓包", "电池用了三个月就鼓包"),
    ("老板不但没生气，还帮我换了新的", "老板不但没换，还冲我发火"),
    ("牙医动作轻，我没觉得疼", "牙医动作重，疼得我直掉眼泪"),
    ("并不像网上说的那么难用", "并不像网上说的那么好用"),
    ("这次没有发错货", "这次又发错货"),
    ("门锁装得严实，没留缝", "门锁装歪了，留着大缝"),
    ("剪完头发，没有一处让我不满意", "剪完头发，没有一处让我满意"),
    ("衣服洗了十次没掉色", "衣服洗一次就掉色"),
    ("快递没有扔在门口", "快递直接扔在门口"),
    ("没人催我办卡", "一直有人催我办卡"),
    ("水管修好后再也没漏过", "水管修好后照样漏"),
    ("他们没有食言", "他们食言了"),
    ("不是不好，是好得超出我的想象", "不是好，是差得超出我的想象"),
    ("老师从不骂学生", "老师动不动就骂学生"),
    ("说好的赠品一样不缺", "说好的赠品一样没有"),
    ("宽带装上以后没断过线", "宽带装上以后天天断线"),
    ("菜里没有放味精，吃着放心", "菜里全是味精，吃完口渴"),
    ("導遊沒有帶我們去購物店", "導遊一直帶我們去購物店"),
    ("螢幕沒有亮點也沒有漏光", "螢幕有亮點還漏光"),
    ("這家診所不用排隊", "這家診所要排三個小時的隊"),
    ("店員沒有擺臭臉", "店員擺臭臉"),
    ("沒有一次讓我失望", "沒有一次不讓我失望"),
    ("未见任何划痕", "到处都是划痕"),
    ("价格没有虚高", "价格虚高"),
    ("The roof has not leaked since they fixed it", "The roof has leaked ever since they fixed it"),
    ("I cannot fault the way they handled my claim", "I can only fault the way they handled my claim"),
    ("I cannot say enough good things about the nurse", "I cannot say anything good about the nurse"),
    ("There were no hidden fees", "There were plenty of hidden fees"),
    ("They did not overcharge us", "They overcharged us"),
    ("The jacket is waterproof and does not smell", "The jacket is not waterproof and smells"),
    ("Nothing was missing from the box", "Half of it was missing from the box"),
    ("My complaint did not fall on deaf ears", "My complaint fell on deaf ears"),
    ("We never felt rushed", "We felt rushed"),
    ("The coffee wasn't bitter", "The coffee was bitter"),
    ("He did not try to sell me anything", "He kept trying to sell me something"),
    ("The printer hasn't jammed once", "The printer jams every day"),
    ("It did not disappoint", "It did nothing but disappoint"),
    ("I don't regret buying it", "I regret buying it"),
    ("The bus is hardly ever late", "The bus is hardly ever on time"),
    ("No one at the desk was unfriendly", "No one at the desk was friendly"),
    ("The stitching is not loose anywhere", "The stitching is loose everywhere"),
    ("They would not let us leave hungry", "They let us leave hungry"),
    ("You will not find a kinder doctor", "You will not find a kind doctor there"),
    ("The bank didn't block my card again", "The bank blocked my card again"),
    ("It isn't that I dislike it, I adore it", "It isn't that I like it, I was stuck with it"),
    ("She never makes you feel stupid", "She makes you feel stupid"),
    ("The paint doesn't peel", "The paint peels"),
    ("There's no waiting and no fuss", "There's nothing but waiting and fuss"),
    ("The heating has not failed all winter", "The heating has failed all winter"),
]

#: Written when that was done, and scored once before anything else was.
LAST = [
    ("这双鞋穿一天也不累脚", "这双鞋穿一小时就累脚"),
    ("房东没有找借口扣钱", "房东找各种借口扣钱"),
    ("并非大家说的那样差，我很喜欢", "并非大家说的那样好，我很失望"),
    ("看病没花冤枉钱", "看病花了不少冤枉钱"),
    ("蛋糕不会甜得发腻", "蛋糕甜得发腻"),
    ("这款耳机戴久了不夹头", "这款耳机戴一会儿就夹头"),
    ("我没遇到过比他更耐心的老师", "我没遇到过比他更不耐烦的老师"),
    ("不能不说，这家店服务周到", "不能说这家店服务周到"),
    ("空调安装没有另外收费", "空调安装另外收费，事先还不说"),
    ("没什么可抱怨的", "可抱怨的太多了"),
    ("孩子没有哭闹，医生很会哄", "孩子一直哭闹，医生也不哄"),
    ("说明书不复杂，一看就会", "说明书复杂得看不懂"),
    ("機場服務未讓人失望", "機場服務未讓人滿意"),
    ("Our luggage was not lost after all", "Our luggage was lost after all"),
    ("I have no reason to complain", "I have every reason to complain"),
    ("The mattress doesn't sag in the middle", "The mattress sags in the middle"),
    ("They never left me without an answer", "They left me without an answer"),
    ("The technician was neither late nor rude", "The technician was both late and rude"),
    ("It took no time at all to get a refund", "It took far too long to get a refund"),
    ("I was not once put on hold", "I was put on hold over and over"),
    ("The garden isn't noisy even at night", "The garden is noisy even at night"),
    ("You can't beat their prices", "You can't trust their prices"),
    ("There is nothing wrong with the screen", "There is something wrong with the screen"),
    ("They weren't unhelpful, just busy", "They weren't helpful, just busy"),
    ("The sauce did not taste of plastic", "The sauce tasted of plastic"),
]

#: Written after more words had been added, of troubles that few lists name, and scored once before anything else was.
RARE = [
    ("这次体检没有漏项", "这次体检漏项不少"),
    ("阳台的门关得上，不透风", "阳台的门关不严，四处透风"),
    ("老师讲课一点不枯燥", "老师讲课枯燥得很"),
    ("车位没被人占过", "车位老是被人占"),
    ("粽子没有散", "粽子一煮就散了"),
    ("这家银行没让我跑第二趟", "这家银行让我来回跑了四趟"),
    ("谈不上惊艳，倒也让人安心", "谈不上安心，倒让人提心吊胆"),
    ("不是谁都能做到这么细心", "谁都比他细心"),
    ("我没有后悔选了他们", "我后悔选了他们"),
    ("墙面刷得均匀，没有流挂", "墙面刷得不均匀，到处流挂"),
    ("這雙襪子不會勒腿", "這雙襪子勒腿"),
    ("没见他们摆过架子", "没见他们笑过"),
    ("电梯从没停运过", "电梯三天两头停运"),
    ("The kennel did not lose my dog's blanket", "The kennel lost my dog's blanket"),
    ("The tent kept us dry and never let in a drop", "The tent let in water all night"),
    ("I don't have a single bad word for them", "I don't have a single good word for them"),
    ("Not one of the plates was chipped", "Every one of the plates was chipped"),
    ("He didn't talk over me", "He talked over me all the time"),
    ("The insurer never wriggled out of paying", "The insurer wriggled out of paying"),
    ("The lesson wasn't a waste of money", "The lesson was a waste of money"),
    ("I wouldn't change a thing about the cake", "I would change everything about the cake"),
    ("The staff hardly ever get an order wrong", "The staff hardly ever get an order right"),
    ("There wasn't any mould in the bathroom", "There was mould all over the bathroom"),
    ("They did not make a fuss about the return", "They made a fuss about the return"),
    ("My hearing aid no longer whistles", "My hearing aid whistles again"),
]


def _balance(text: str, rules: Rules) -> float:
    source = Source(text, "k", rules)
    return weigh(source.hits, Around(source.text.plain, source.hits)).score


@pytest.mark.parametrize(
    ("pairs", "by_sign", "in_order"),
    [(BLIND, 24, 25), (AGAIN, 23, 24), (WORKED_ON, 50, 58), (LAST, 22, 23), (RARE, 9, 14)],
)
def test_pairs_are_told(rules: Rules, pairs: list[tuple[str, str]], by_sign: int, in_order: int) -> None:
    balances = [(_balance(good, rules), _balance(bad, rules)) for good, bad in pairs]
    assert sum(good > 0 > bad for good, bad in balances) >= by_sign, balances
    assert sum(good > bad for good, bad in balances) >= in_order, balances
