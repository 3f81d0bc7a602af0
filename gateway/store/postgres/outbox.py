"""The outbox: lanes, their heads, and what became of each row."""
