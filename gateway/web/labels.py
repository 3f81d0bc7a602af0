"""What codes are called, for people: (English, 简体, 繁體). A code without a label shows as it is written."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("en", "zh-Hans", "zh-Hant")
Words = tuple[str, str, str]

CATEGORIES: Mapping[str, Words] = {
    "quality": ("Product quality", "产品质量", "產品品質"),
    "quality/defect": ("Defect", "产品故障", "產品故障"),
    "quality/short_life": ("Broke early", "使用不久即损坏", "使用不久即損壞"),
    "quality/missing_parts": ("Missing parts", "少件缺件", "缺件"),
    "quality/wrong_item": ("Wrong item", "发错货", "寄錯貨"),
    "quality/design": ("Design", "设计问题", "設計問題"),
    "quality/packaging": ("Packaging and labels", "包装与标签", "包裝與標籤"),
    "quality/connection": ("Connection or outage", "网络与信号", "網路與訊號"),
    "quality/safety": ("Product safety", "产品安全", "產品安全"),
    "service": ("Service", "服务", "服務"),
    "service/attitude": ("Attitude", "服务态度", "服務態度"),
    "service/response": ("Slow or no answer", "响应与效率", "回應與效率"),
    "service/skill": ("Skill of staff", "业务能力", "專業能力"),
    "service/promise": ("Promise not kept", "承诺未兑现", "承諾未兌現"),
    "price": ("Price", "价格", "價格"),
    "price/hidden_fee": ("Hidden fee", "隐形收费", "隱藏收費"),
    "price/price_change": ("Price change", "价格变动", "價格變動"),
    "billing": ("Billing", "账单", "帳單"),
    "billing/double_charge": ("Charged twice", "重复扣款", "重複扣款"),
    "billing/refund": ("Refund", "退款", "退款"),
    "billing/renewal": ("Renewal", "自动续费", "自動續費"),
    "billing/invoice": ("Invoice", "发票", "發票"),
    "logistics": ("Delivery", "物流", "物流"),
    "logistics/late": ("Late delivery", "物流延误", "物流延誤"),
    "logistics/damaged": ("Damaged on the way", "运输破损", "運送破損"),
    "logistics/lost": ("Lost parcel", "包裹丢失", "包裹遺失"),
    "logistics/address": ("Address", "地址问题", "地址問題"),
    "advertising": ("Advertising", "广告宣传", "廣告宣傳"),
    "advertising/fake": ("Fake product", "假冒商品", "假冒商品"),
    "advertising/false_discount": ("False discount", "虚假优惠", "不實優惠"),
    "process": ("Process", "流程", "流程"),
    "environment": ("Environment", "环境", "環境"),
    "privacy": ("Privacy", "隐私", "隱私"),
    "conduct": ("Conduct", "员工行为", "員工行為"),
    "contract": ("Contract terms", "合同条款", "合約條款"),
    "contract/limits": ("Usage limits", "使用限制", "使用限制"),
    "other": ("Other", "其他", "其他"),
}

DEMANDS: Mapping[str, Words] = {
    "refund": ("refund", "退款", "退款"),
    "replacement": ("replacement", "换货", "換貨"),
    "repair": ("repair", "维修", "維修"),
    "apology": ("apology", "道歉", "道歉"),
    "compensation": ("compensation", "赔偿", "賠償"),
    "explanation": ("explanation", "解释", "說明"),
    "information": ("information", "查询信息", "查詢資訊"),
    "cancellation": ("cancellation", "取消", "取消"),
    "delivery": ("delivery", "发货", "出貨"),
    "correction": ("correction", "更正", "更正"),
    "invoice": ("invoice", "发票", "發票"),
    "callback": ("call back", "回电", "回電"),
    "human": ("to speak to a person", "转人工", "轉人工"),
}


def label(labels: Mapping[str, Words], code: str, language: str) -> str:
    """A code's label in a language (one of :data:`LANGUAGES`)."""
    words = labels.get(code)
    return words[LANGUAGES.index(language)] if words else code.rpartition("/")[2].replace("_", " ")


def by_language(labels: Mapping[str, Words], code: str) -> dict[str, str]:
    """All labels of a code; a sub-category says its category too."""
    top, _, sub = code.partition("/")
    return {
        language: " › ".join(label(labels, part, language) for part in ((top, code) if sub else (code,)))
        for language in LANGUAGES
    }
