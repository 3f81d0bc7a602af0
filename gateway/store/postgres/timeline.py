"""The lines of a conversation: inbound ones are the inbox rows, all others stand in ``timeline``."""
