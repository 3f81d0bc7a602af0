"""Who wrote a message, as far as that is proven: the names that proofs tie together. The same in every store."""

from __future__ import annotations

from channels.base import Inbound, Sender
from gateway.store.base import ProofHow, conversation_id
from gateway.store.names import short

#: Characters of an identity, and of an address (RFC 5321, section 4.5.3.1). Two of them are one key of an index.
LONGEST, LONGEST_EMAIL, LONGEST_PHONE = 255, 254, 20
EMAIL, PHONE = "email:", "phone:"
#: Channels whose verified senders a server of the company's has signed for.
_SIGNED = frozenset({"webchat"})


def identity(message: Inbound) -> str:
    """``channel/account/sender``. Where the sender is a claim (an unverified mail), the conversation's id: it is nobody else."""
    sender = message.sender
    if sender.verified or not (sender.email or sender.phone):
        return short(f"{message.channel}/{message.account}/{sender.id}", LONGEST)
    return conversation_id(message.channel, message.account, message.thread)


def addresses(sender: Sender) -> tuple[str, ...]:
    """The addresses of a sender, proven or not, as they are compared."""
    return tuple(filter(None, (email(sender.email), phone(sender.phone))))


def proven(message: Inbound) -> tuple[tuple[str, ProofHow], ...]:
    """Addresses that the message proves to be its sender's: never one that is only claimed."""
    if not message.sender.verified:
        return ()
    how: ProofHow = "signed" if message.channel in _SIGNED else "verified"
    return tuple((address, how) for address in addresses(message.sender))


def email(address: str) -> str:
    """``email:…`` in lower case, empty for what is none."""
    bare = address.strip().lower()
    return f"{EMAIL}{bare}" if "@" in bare and len(bare) <= LONGEST_EMAIL else ""


def phone(number: str) -> str:
    """``phone:+…`` with digits alone, empty for what is none."""
    digits = "".join(char for char in number if char.isascii() and char.isdigit())
    return f"{PHONE}+{digits}" if 6 <= len(digits) <= LONGEST_PHONE else ""


def sender(address: str) -> Sender:
    """What is known of the person behind an address, for a channel that is to write to them."""
    kind, _, value = address.partition(":")
    return Sender(id=value, email=value if kind == "email" else "", phone=value if kind == "phone" else "")


def is_address(node: str) -> bool:
    """Whether it is an address and no identity."""
    return node.startswith((EMAIL, PHONE))
