"""The truth: what was taken in, what was decided, what is still to be said."""
