"""What channels remember: facts by key, for all accounts of a channel."""
