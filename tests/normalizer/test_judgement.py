"""Kind, category, demands, tone, urgency and risks of messages as customers write them."""

from __future__ import annotations

from typing import Any

import pytest

KINDS = [
    ("我要投诉你们的快递员，态度太恶劣了", "complaint"),
    ("用了两次就冒烟，退钱！", "complaint"),
    ("等了三天還沒發貨，太慢了", "complaint"),
    ("The blender arrived broken and nobody answers", "complaint"),
    ("I was charged twice for one order", "complaint"),
    ("请问你们几点下班？", "enquiry"),
    ("怎么开发票？", "enquiry"),
    ("How long does shipping take?", "enquiry"),
    ("请帮我修改收货地址", "request"),
    ("Please cancel my subscription", "request"),
    ("建议你们增加夜间客服", "suggestion"),
    ("It would be nice to have dark mode, just a suggestion", "suggestion"),
    ("客服小王态度非常好，表扬一下！", "praise"),
    ("Great service, thank you so much!", "praise"),
    ("处理得怎么样了", "chaser"),
    ("any update on my case", "chaser"),
    ("我要撤销投诉", "withdrawal"),
    ("I want to withdraw my complaint", "withdrawal"),
    ("兼职刷单日赚五百，加微信领取", "spam"),
    ("Make money fast! click here for bitcoin investment", "spam"),
    ("怎么退货", "enquiry"),
    ("退款多久到账", "enquiry"),
    ("怎麼退貨", "enquiry"),
    ("商品破损可以退吗", "enquiry"),
    ("发错货怎么处理", "enquiry"),
    ("会不会掉色", "enquiry"),
    ("快递丢了怎么办", "enquiry"),
    ("怎么投诉", "enquiry"),
    ("What if my item arrives damaged", "enquiry"),
    ("how do I make a complaint", "enquiry"),
    ("发票抬头写错了", "request"),
    ("我的快递丢了怎么办", "complaint"),
    ("手被烫伤了怎么办？", "complaint"),
    ("为什么扣我两次钱", "complaint"),
    ("为什么还不发货", "complaint"),
    ("why was I charged twice?", "complaint"),
    ("你们能不能有点良心，垃圾平台还不退钱？", "complaint"),
    ("小区违建没人管，污水随意排放，臭气熏天", "complaint"),
    ("Comcast data cap", "complaint"),
    ("嗯", "other"),
    ("ok", "other"),
]


@pytest.mark.parametrize(("text", "kind"), KINDS)
def test_kind(say: Any, text: str, kind: str) -> None:
    found = say(text).what.kind
    assert found.value == kind, found


CATEGORIES = [
    ("客服骂人，态度恶劣", "service/attitude"),
    ("快递迟迟不到", "logistics/late"),
    ("退款一直拖着不给", "billing/refund"),
    ("投诉了一个月一直拖着", "service/response"),
    ("快递员态度很差", "service/attitude"),
    ("My refund is taking forever", "billing/refund"),
    ("Delivery has been dragging on for weeks", "logistics/late"),
    ("打了十几次没人接", "service/response"),
    ("快递三天没更新，还没到", "logistics/late"),
    ("包裹丢了，显示已签收", "logistics/lost"),
    ("買到假貨了", "advertising/fake"),
    ("扣了我两次钱", "billing/double_charge"),
    ("会员自动续费没有提醒", "billing/renewal"),
    ("你们泄露了我的个人信息", "privacy"),
    ("wrong size delivered", "quality/wrong_item"),
    ("My refund has not been processed, where is my money back", "billing/refund"),
    ("the agent was rude and hung up on me", "service/attitude"),
]


@pytest.mark.parametrize(("text", "category"), CATEGORIES)
def test_category(say: Any, text: str, category: str) -> None:
    assert say(text).what.category.value == category


def test_several_demands(say: Any) -> None:
    record = say("要求全额退款并赔偿损失，还要书面道歉")
    assert {d.value for d in record.what.demands} == {"refund", "compensation", "apology"}
    assert all(d.evidence[0].quote for d in record.what.demands)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("质量很好", "质量不好"),
        ("没有任何问题", "有很多问题"),
        ("非常满意", "非常不满意"),
        ("一点都不慢", "实在太慢"),
        ("服務很周到", "服務不周到"),
        ("I am happy with it", "I am not happy with it"),
        ("no problems at all", "nothing but problems"),
        ("it works well", "it never works well"),
        ("味道不错", "味道真差"),
        ("从没让我失望", "让我失望"),
        ("没什么可挑剔的", "没什么值得夸的"),
        ("没有异味", "有一股异味"),
        ("I have no complaints about the quality", "I have many complaints about the quality"),
        ("It never let me down", "It let me down again"),
        ("No damage and no delay", "Damaged and delayed"),
        ("I don't regret buying it", "I regret buying it"),
    ],
)
def test_negation_turns_the_tone(say: Any, good: str, bad: str) -> None:
    order = {"very_negative": -2, "negative": -1, "neutral": 0, "positive": 1}
    first, second = say(good).gravity.sentiment.value, say(bad).gravity.sentiment.value
    assert order[first] >= 0 > order[second], (first, second)


def test_irony_is_not_praise(say: Any) -> None:
    record = say("呵呵，你们服务可真好，等了三天还没发货")
    assert record.gravity.sentiment.value == "negative"
    assert record.what.kind.value == "complaint"


RISKS = [
    ("电池起火把桌子烧了", "fire"),
    ("The charger caught fire last night", "fire"),
    ("孩子吃了上吐下泻，送医院急诊", "injury"),
    ("我要去法院起诉你们", "legal"),
    ("再不处理我就打12315", "regulator"),
    ("I will report this to the ombudsman", "regulator"),
    ("發到網上曝光你們", "media"),
    ("我不想活了", "self_harm"),
    ("信用卡被盗刷", "fraud"),
    ("师傅动手打人", "violence"),
]


@pytest.mark.parametrize(("text", "risk"), RISKS)
def test_risk(say: Any, text: str, risk: str) -> None:
    assert risk in [r.value for r in say(text).gravity.risks]


@pytest.mark.parametrize(
    "text",
    [
        "the box was on fire sale",
        "I fired up the app and it works",
        "my firewall blocks your site",
        "这家火锅真不错",
        "跳楼价买的",
        "没有受伤",
        "nobody was hurt",
        "minor scratches on the lid",
        "the tennis court is booked",
        "隐私政策在哪里看",
    ],
)
def test_no_risk(say: Any, text: str) -> None:
    assert say(text).gravity.risks == ()


@pytest.mark.parametrize(
    ("text", "urgency"),
    [
        ("漏电了，救命", "urgent"),
        ("十万火急，请马上处理", "urgent"),
        ("I need this fixed immediately", "urgent"),
        ("不急，有空的时候看看", "low"),
        ("no rush, whenever you can", "low"),
        ("颜色和图片不一样", "normal"),
    ],
)
def test_urgency(say: Any, text: str, urgency: str) -> None:
    assert say(text).gravity.urgency.value == urgency


def test_difficulty_grows(say: Any) -> None:
    assert say("颜色发错了").gravity.difficulty.value == "simple"
    hard = say("漏电把孩子电伤住院，我已找律师起诉并打12315，要求赔偿、道歉和解释！")
    assert hard.gravity.difficulty.value == "complex"


@pytest.mark.parametrize(
    ("text", "emotion"),
    [("气死我了，骗子！", "anger"), ("太失望了", "disappointment"), ("I am worried about my data", "worry")],
)
def test_emotion(say: Any, text: str, emotion: str) -> None:
    assert say(text).gravity.emotion.value == emotion


def test_long_complaint_gets_a_short_summary(say: Any) -> None:
    filler = "那天天气很热我和家人一起出门去看房子。" * 60
    record = say(filler + "冰箱送来就坏了，客服一直没人接，我要求退款。" + filler)
    assert "要求退款" in record.what.summary
    assert len(record.what.summary) <= 160
