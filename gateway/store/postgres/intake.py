"""Accepting: all messages that wait at a moment are written by a handful of statements."""
