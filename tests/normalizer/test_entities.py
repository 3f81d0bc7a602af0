"""Entities in zh-Hans, zh-Hant, English and mixed text: value and span."""

from __future__ import annotations

from typing import Any

import pytest

from normalizer.record import Moment, Money

AMOUNTS = [
    ("修一次收了我八十八块五，太离谱", "八十八块五", "88.5", "CNY"),
    ("一共花了一万二，说坏就坏", "一万二", "12000", ""),
    ("充了3w进去，现在登不上", "3w", "30000", ""),
    ("账单多出1,299.00元", "1,299.00元", "1299.00", "CNY"),
    ("欠我两千五百元押金", "两千五百元", "2500", "CNY"),
    ("被扣了五百八，谁批准的", "五百八", "580", ""),
    ("损失三十多万元", "三十多万元", "300000", "CNY"),
    ("壹仟贰佰元整的发票", "壹仟贰佰元整", "1200", "CNY"),
    ("退还押金１９９元", "１９９元", "199", "CNY"),
    ("損失三萬塊", "三萬塊", "30000", "CNY"),
    ("多收了NT$1,290", "NT$1,290", "1290", "TWD"),
    ("賠償港幣300元", "港幣300元", "300", "HKD"),
    ("they took $50 from me", "$50", "50", "USD"),
    ("it cost me 50 bucks", "50 bucks", "50", "USD"),
    ("I paid £19.99 for this", "£19.99", "19.99", "GBP"),
    ("devuélvanme los 45,50 € ya", "45,50 €", "45.50", "EUR"),
    ("we lost $1.5 million", "$1.5 million", "1500000", "USD"),
    ("房费￥688.00没退", "￥688.00", "688.00", "CNY"),
    ("I was charged 200 dollars twice", "200 dollars", "200", "USD"),
    ("fifty dollars for nothing", "fifty dollars", "50", "USD"),
    ("a $48.20 charge I never made", "$48.20", "48.20", "USD"),
    ("thirteen dollars and forty-five cents gone", "thirteen dollars and forty-five cents", "13.45", "USD"),
    ("it was half a million dollars", "half a million dollars", "500000", "USD"),
    ("you took 115USD", "115USD", "115", "USD"),
    ("每月多扣10块钱", "10块钱", "10", "CNY"),
]


@pytest.mark.parametrize(("text", "quote", "amount", "currency"), AMOUNTS)
def test_amount(say: Any, text: str, quote: str, amount: str, currency: str) -> None:
    found = say(text).what.amounts
    assert [(f.value, f.evidence[0].quote) for f in found] == [(Money(amount=amount, currency=currency), quote)]


@pytest.mark.parametrize(
    "text",
    [
        "门口挂了一块牌匾",
        "换了两块电池也没用",
        "我等了3天",
        "打了五次电话",
        "元旦放假吗",
        "room 305 is dirty",
        "花了三十多天",
        "花了几十万元",
        "几十万元的车",
    ],
)
def test_no_amount(say: Any, text: str) -> None:
    assert say(text).what.amounts == ()


def test_currency_follows_the_country(say: Any) -> None:
    assert say("多扣了300元", country="TW").what.amounts[0].value == Money(amount="300", currency="TWD")
    assert say("I lost $20", country="AU").what.amounts[0].value == Money(amount="20", currency="AUD")


DATES = [
    ("昨天下午三点下的单", "昨天下午三点", "2026-11-21T15:00"),
    ("昨天下午3:20打的电话", "昨天下午3:20", "2026-11-21T15:20"),
    ("前天晚上八点半还在吵", "前天晚上八点半", "2026-11-20T20:30"),
    ("上周五买的", "上周五", "2026-11-13"),
    ("上個月28號買的冰箱", "上個月28號", "2026-10-28"),
    ("11月20日扣的款", "11月20日", "2026-11-20"),
    ("十月二号寄出", "十月二号", "2026-10-02"),
    ("12月1日报修到现在", "12月1日", "2026-12-01"),
    ("去年12月5号办的卡", "去年12月5号", "2025-12-05"),
    ("2026年3月8日购买", "2026年3月8日", "2026-03-08"),
    ("purchased 2026-11-20", "2026-11-20", "2026-11-20"),
    ("从2026-05开始", "2026-05", "2026-05"),
    ("三天前就该到了", "三天前", "2026-11-19"),
    ("20号还没发", "20号", "2026-11-20"),
    ("it broke last Friday", "last Friday", "2026-11-20"),
    ("I called yesterday at 3 pm", "yesterday at 3 pm", "2026-11-21T15:00"),
    ("on March 3 it failed", "March 3", "2026-03-03"),
    ("since 5th of June 2025", "5th of June 2025", "2025-06-05"),
    ("ordered Nov 11, 2025", "Nov 11, 2025", "2025-11-11"),
    ("stopped two weeks ago", "two weeks ago", "2026-11-08"),
    ("at 8.30 pm yesterday it stopped", "at 8.30 pm yesterday", "2026-11-21T20:30"),
    ("tomorrow 8:00am please", "tomorrow 8:00am", "2026-11-23T08:00"),
    ("on tuesday of last week", "tuesday of last week", "2026-11-10"),
    ("you said in 3 days", "in 3 days", "2026-11-25"),
    ("it came two days after yesterday", "two days after yesterday", "2026-11-23"),
    ("called 20 minutes ago", "20 minutes ago", "2026-11-22T15:40"),
    ("两小时前付的款", "两小时前", "2026-11-22T14:00"),
    ("it was due 3 days before November 20", "3 days before November 20", "2026-11-17"),
    ("去年双十一买的", "去年双十一", "2025-11-11"),
    ("ordered before christmas 2025", "christmas 2025", "2025-12-25"),
    ("due on the 25th, still nothing", "on the 25th", "2026-11-25"),
    ("Dec31, 2025 it broke", "Dec31, 2025", "2025-12-31"),
    ("Friday the 13th", "Friday the 13th", "2026-11-13"),
    ("10月12号，星期一", "10月12号", "2026-10-12"),
    ("updated 12/05/2025", "12/05/2025", "2025-12-05"),
    ("下单日期25-11-10", "25-11-10", "2025-11-10"),
    ("it came on Tuesday the thirty first", "Tuesday the thirty first", "2026-03-31"),
    ("where were you this past Wednesday", "past Wednesday", "2026-11-18"),
    ("on Monday of the following week", "Monday of the following week", "2026-11-23"),
    ("it was $12 November 20", "November 20", "2026-11-20"),
    ("bought on Black Friday 2025", "Black Friday 2025", "2025-11-28"),
    ("bought on black friday last year", "black friday last year", "2025-11-28"),
    ("复活节买的", "复活节", "2026-04-05"),
    ("since last Thanksgiving", "last Thanksgiving", "2025-11-27"),
    ("before the next Easter Monday", "next Easter Monday", "2027-03-29"),
    ("bought it on 29 February", "29 February", "2024-02-29"),
    ("客服说2小时后回电", "2小时后", "2026-11-22T18:00"),
]


def test_days_that_share_a_month(say: Any) -> None:
    found = say("nobody came on 18 and 19 November at 9 am").what.dates
    assert [f.value.iso for f in found] == ["2026-11-18", "2026-11-19T09:00"]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("10月3日下单，第二天就坏了", ["2026-10-03", "2026-10-04"]),
        ("It came on November 2 and broke 3 weeks later", ["2026-11-02", "2026-11-23"]),
        ("Ordered on November 2, cancelled the next day", ["2026-11-02", "2026-11-03"]),
        ("用了2小时后冒烟，第二天没人管", []),
    ],
)
def test_days_are_told_from_the_day_before(say: Any, text: str, days: list[str]) -> None:
    assert [found.value.iso for found in say(text).what.dates] == days


@pytest.mark.parametrize(("text", "quote", "iso"), DATES)
def test_date(say: Any, text: str, quote: str, iso: str) -> None:
    found = say(text).what.dates
    assert [(f.value, f.evidence[0].quote) for f in found] == [(Moment(iso=iso), quote)]


@pytest.mark.parametrize(
    "text", ["8号楼的电梯坏了", "按60号文件处理", "you may go", "version 1.2.3 crashes", "第3号窗口"]
)
def test_no_date(say: Any, text: str) -> None:
    assert say(text).what.dates == ()


def test_yesterday_is_the_customers(say: Any) -> None:
    """22 November 08:00 UTC is still the 21st in Honolulu (21:00... of the day before)."""
    assert say("昨天", timezone="Pacific/Honolulu").what.dates[0].value == Moment(iso="2026-11-20")


NUMBERS = [
    ("订单号JD20260903118822坏了", "order_numbers", "JD20260903118822"),
    ("订单编号：TW-2026-889013", "order_numbers", "TW-2026-889013"),
    ("訂單編號是20418395711", "order_numbers", "20418395711"),
    ("Order #112-3456789-1234567 is broken", "order_numbers", "112-3456789-1234567"),
    ("my order number is AB-99812", "order_numbers", "AB-99812"),
    ("Invoice INV-55120 is wrong", "order_numbers", "INV-55120"),
    ("单号SF1388820471193三天没更新", "tracking_numbers", "SF1388820471193"),
    ("tracking number 1Z999AA10123456784", "tracking_numbers", "1Z999AA10123456784"),
    ("圆通YT8823471902347显示签收", "tracking_numbers", "YT8823471902347"),
    ("型号KFR-35GW的空调漏水", "products", "KFR-35GW"),
    ("AirPods (model A2084) died", "products", "A2084"),
]


@pytest.mark.parametrize(("text", "field", "value"), NUMBERS)
def test_number(say: Any, text: str, field: str, value: str) -> None:
    assert value in [f.value for f in getattr(say(text).what, field)]


PHONES = [
    ("我手机13812345678", "+8613812345678"),
    ("联系电话：+86 139 1234 5678", "+8613912345678"),
    ("我的電話 +852 9123 4567", "+85291234567"),
    ("call me at +1 541-754-3010", "+15417543010"),
    ("电话010-62345678，晚上打", "+861062345678"),
    ("Tel. +34 612 345 678", "+34612345678"),
]


@pytest.mark.parametrize(("text", "number"), PHONES)
def test_phone(say: Any, text: str, number: str) -> None:
    assert [f.value for f in say(text).who.phones] == [number]


@pytest.mark.parametrize(
    "text",
    [
        "打95338一直占线",
        "订单号13812345678",
        "金额138123元",
        "400-820-8820没人接",
        "1971.12-1972.1在职",
        "均价8800-9500",
        "得分318284.65",
        "2026-11-20 10:30",
    ],
)
def test_no_contact(say: Any, text: str) -> None:
    assert say(text).who.phones == ()


def test_bare_domain(say: Any) -> None:
    assert [f.value for f in say("在taobao.com买的, see Shop.Example.co/a?x=1.").what.urls] == [
        "taobao.com",
        "Shop.Example.co/a?x=1",
    ]
    assert say("It broke.com on. It costs 3.50.De nada a@b.com").what.urls[1:] == ()


def test_email_and_link(say: Any) -> None:
    record = say("写信到 Li.Na@qq.com，看 https://shop.example/Item/9?x=1。")
    assert [f.value for f in record.who.emails] == ["li.na@qq.com"]
    assert [f.value for f in record.what.urls] == ["https://shop.example/Item/9?x=1"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("地址：浙江省杭州市西湖区文三路478号3幢502室，太吵", "浙江省杭州市西湖区文三路478号3幢502室"),
        ("I live at 1600 Pine Hill Avenue, the parcel went elsewhere", "1600 Pine Hill Avenue"),
    ],
)
def test_place(say: Any, text: str, place: str) -> None:
    assert [f.value for f in say(text).what.places] == [place]


@pytest.mark.parametrize(
    ("text", "name"), [("我叫王小明，要投诉", "王小明"), ("My name is Mary Jones and I am upset", "Mary Jones")]
)
def test_own_name(say: Any, text: str, name: str) -> None:
    assert [f.value for f in say(text).who.names] == [name]


@pytest.mark.parametrize(("text", "person"), [("客服小王骂人", "小王"), ("I spoke with Lisa about it", "Lisa")])
def test_staff(say: Any, text: str, person: str) -> None:
    assert [f.value for f in say(text).what.people] == [person]
