"""What agents do with a conversation, and the agents themselves."""
