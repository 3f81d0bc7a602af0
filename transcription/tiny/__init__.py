"""A speech model of about 120 words, made by this project's own script from synthesized speech.

It exists so that tests and a first look decode real audio through the real engine with nothing to download. It is no
recogniser for the public: it was trained on one synthesizer's voices. Build it again with
``python -m transcription.tiny.build``.
"""

from __future__ import annotations

from pathlib import Path

#: The model as it comes with Allears; it hears English and Mandarin.
MODEL = Path(__file__).with_name("tiny")
