"""Fake platforms to try the channels with: where they run, the configuration for them, a page and a prompt."""
