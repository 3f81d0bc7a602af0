"""The twenty rules that every peer gets, and the texts that are sent: each text meets one rule, whose answer is known.

Without imports of the house: the peers' own programs read this file, too.
"""

from __future__ import annotations

from collections.abc import Sequence

#: (id, regular expression, question, answer).
RULES: Sequence[tuple[str, str, str, str]] = (
    ("opening-hours", r"\bopening hours\b", "What are your opening hours?", "We are open from nine to six."),
    ("car-park", r"\bpark(ing)?\b", "Where can I park my car near you?", "There is a car park behind the house."),
    ("gift-card", r"\bgift cards?\b", "Do you sell a gift card?", "Gift cards are at every till."),
    ("newsletter", r"\bnewsletter\b", "How do I subscribe to the newsletter?", "Write your address below."),
    ("wifi", r"\bwi-?fi\b", "Is there free wifi in the cafe?", "The network is called Guest."),
    ("loyalty-points", r"\bloyalty points\b", "How do I collect loyalty points?", "Show your card when you pay."),
    ("student-discount", r"\bstudent discount\b", "Is there a student discount?", "Ten per cent with your card."),
    ("vouchers", r"\bvouchers?\b", "Where do I enter a voucher?", "On the last page before you pay."),
    ("careers", r"\bcareers?\b", "Where do I find your careers page?", "All posts are under Work with us."),
    ("wheelchair", r"\bwheelchairs?\b", "Can I come in with a wheelchair?", "There is a ramp at the side door."),
    ("size-guide", r"\bsize guide\b", "Where do I find the size guide?", "It is beside each picture."),
    ("gift-wrapping", r"\bgift wrapping\b", "Do you offer gift wrapping?", "Yes, at the till on the first floor."),
    ("repairs-workshop", r"\bworkshop\b", "Do you have a workshop of your own?", "Yes, in the basement."),
    ("invoice-copy", r"\bcopy of (my|the) invoice\b", "How do I get a copy of my invoice?", "Under My orders."),
    ("catalogue", r"\bcatalogue\b", "Can I have the printed catalogue?", "It is free at the entrance."),
    ("bank-transfer", r"\bbank transfer\b", "Can I pay by bank transfer?", "Yes, the account is on the invoice."),
    ("click-collect", r"\bclick and collect\b", "How does click and collect work?", "Choose a branch at the end."),
    ("mobile-app", r"\bmobile app\b", "Where do I get the mobile app?", "In the usual two stores."),
    ("lost-property", r"\blost property\b", "Where is the lost property office?", "At the information desk."),
    ("dogs", r"\bdogs?\b", "Are dogs allowed in the shop?", "Dogs on a lead are welcome."),
)


def question(n: int) -> tuple[str, str]:
    """The n-th text, and the words that its answer has."""
    _, _, text, answer = RULES[n % len(RULES)]
    return text, answer
