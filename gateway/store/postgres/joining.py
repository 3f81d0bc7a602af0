"""A case that goes on in another conversation: a call whose receipt goes by mail, and the answer to it."""
