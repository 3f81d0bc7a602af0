"""What is said when the bot itself fails: an honest sentence and a person. Nothing here can fail."""

from __future__ import annotations

from bot.decision import Decision, Handoff, Reply, State, Step

_SORRY = {
    "en": "Sorry, our automatic assistant cannot answer this. Your message is safe and one of our colleagues will read it.",
    "zh-Hans": "抱歉，自动助手暂时无法回答。您的消息已经收到并保存，我们的同事会查看并回复您。",
    "zh-Hant": "抱歉，自動助手暫時無法回答。您的訊息已經收到並保存，我們的同事會查看並回覆您。",
}


def failed(asked_language: str = "", state: State | None = None, why: str = "") -> Decision:
    """The decision when :func:`bot.decide.decide` raised or came too late.

    It says something once: in a conversation that is already handed over the customer is not told again.
    ``why`` is the error's type, never the customer's text.
    """
    before = state if isinstance(state, State) else State()
    language = asked_language if asked_language in _SORRY else before.language if before.language in _SORRY else "en"
    reply = Reply(text=_SORRY[language], kind="receipt", language=language, entry="@failure")
    after = State(
        language=language,
        greeted=True,
        receipt_for=before.receipt_for,
        slots=before.slots,
        turns=before.turns + 1,
        handed_off=True,
        opted_out=before.opted_out,
    )
    return Decision(
        state=after,
        replies=() if before.handed_off or before.opted_out else (reply,),
        handoff=Handoff(reason="failure", summary="The automatic assistant failed on this message."),
        trace=(Step(rule="failure", verdict="hands over", detail=why[:80]),),
    )
