"""Who calls the API, and what they may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from channels.api import Api, ApiToken, Scope
from gateway.context import Gateway
from gateway.store.base import Conversation
from gateway.web.problems import ProblemError
from normalizer.record import ComplaintRecord

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="allears"'}


@dataclass(frozen=True)
class Caller:
    """The holder of a token, and the channel account that the token belongs to."""

    channel: Api
    token: ApiToken

    def sees(self, channel: str, account: str) -> bool:
        """Whether what came by this channel account may be read with the token."""
        if not self.token.reads:
            return (channel, account) == (self.channel.name, self.channel.account)
        return "*" in self.token.reads or f"{channel}/{account}" in self.token.reads

    def accounts(self) -> list[tuple[str, str]] | None:
        """The (channel, account) pairs that it may read; None for all."""
        if "*" in self.token.reads:
            return None
        if not self.token.reads:
            return [(self.channel.name, self.channel.account)]
        return [(channel, account) for channel, _, account in (pair.partition("/") for pair in self.token.reads)]

    def sees_record(self, record: ComplaintRecord) -> bool:
        return self.sees(record.arrival.channel, record.arrival.account)


def caller(gateway: Gateway, headers: Mapping[str, str], scope: Scope) -> Caller:
    """Who calls. Raises :class:`ProblemError`: 401 without a known token, 403 without the scope."""
    for channel in gateway.channels.values():
        if isinstance(channel, Api) and (token := channel.token(headers)) is not None:
            if scope not in token.scopes:
                raise ProblemError(403, f"This token has no scope `{scope}`.")
            return Caller(channel, token)
    raise ProblemError(401, "A known bearer token is needed.", headers=CHALLENGE)


async def visible_record(gateway: Gateway, who: Caller, number: str) -> ComplaintRecord:
    """A record that the caller may see. One of others is answered like one that does not exist."""
    record = await gateway.store.record(number)
    if not who.sees_record(record):
        raise ProblemError(404)
    return record


async def visible_conversation(gateway: Gateway, who: Caller, id: str) -> Conversation:
    """A conversation that the caller may see; see :func:`visible_record`."""
    conversation = await gateway.store.conversation(id)
    if not who.sees(conversation.channel, conversation.account):
        raise ProblemError(404)
    return conversation
