"""Recordings that came with messages: from waiting to be heard to their transcripts."""
