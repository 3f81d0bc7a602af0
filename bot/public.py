"""What is said where everybody reads: nothing but an invitation to a private channel, once."""

from __future__ import annotations

import msgspec

from bot.decision import Decision, Handoff, Reply, State, Step

_INVITATION = {
    "en": "Thank you for telling us; we are sorry to read this. Everybody can read along here, so please do not post"
    " order numbers, telephone numbers or addresses. Send us a private message{where} and we will look into it.",
    "zh-Hans": "感谢您告诉我们，很抱歉给您带来不便。这里所有人都能看到，请不要公开订单号、电话或地址。"
    "请私信我们{where}，我们会马上为您核实处理。",
    "zh-Hant": "感謝您告訴我們，很抱歉造成您的不便。這裡所有人都看得到，請不要公開訂單編號、電話或地址。"
    "請私訊我們{where}，我們會立即為您查核處理。",
}
_WHERE = {"en": " ({contact})", "zh-Hans": "（{contact}）", "zh-Hant": "（{contact}）"}


def invitation(state: State, language: str, contact: str) -> Decision:
    """The decision on a public post: a person takes it from here. ``contact``: where to write instead, may be empty.

    Whoever goes on posting has been invited already and is not told again.
    """
    language = language if language in _INVITATION else "zh-Hans" if language.startswith("zh") else "en"
    where = _WHERE[language].format(contact=contact) if contact else ""
    reply = Reply(text=_INVITATION[language].format(where=where), kind="receipt", language=language, entry="@public")
    return Decision(
        state=msgspec.structs.replace(state, language=language, turns=state.turns + 1, handed_off=True),
        replies=() if state.handed_off else (reply,),
        handoff=Handoff(reason="complaint", summary="A public post: everybody reads what is answered there."),
        trace=(Step(rule="public", verdict="hands over"),),
    )
