"""Makes the recordings in ``speech/`` anew: ``python -m tests.transcription.make_speech`` (needs ``espeak-ng``).

The voice is one that the tiny model was not trained on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np

from transcription.tiny.features import RATE, Array
from transcription.tiny.sound import level, speak

FOLDER = Path(__file__).with_name("speech")
VOICES = {"en": "en-us+m4", "zh": "cmn-latn-pinyin+m4"}
AGENT = "en-us+paul"
#: What each recording says, as the model hears it.
SAID = {
    "en_late": "my order is late",
    "en_broken": "the package is broken i want a refund",
    "en_manager": "i want to speak to the manager",
    "en_number": "my order number is one double seven oh four",
    "en_twice": "i was charged twice",
    "zh_refund": "我 要 退款",
    "zh_late": "我 的 快递 没 收到",
    "zh_number": "我 的 订单 号码 是 一 二 三 四",
    "zh_phone": "我 的 电话 号码 是 幺 三 八",
    "zh_quality": "商品 质量 有 问题",
}
#: A card's number (of no card) with pauses between its groups, as people read it out.
CARD = "my number is four five three two, zero one five one, one two eight three, zero three six six"
#: A call: (speaker, what is said), one after the other; the customer is on the first channel.
CALL = (
    ("agent", "hello please help"),
    ("customer", "my order number is seven zero four two"),
    ("agent", "thank you"),
    ("customer", "my package was damaged i want a refund"),
)


def spoken(text: str, voice: str) -> Array:
    """Speech with a little room around it, at an ordinary level, with a little hiss."""
    glued = text.replace(" ", "") if voice.startswith("cmn") else text
    sound = level(speak(glued, voice, speed=150, pitch=50), 2500.0)
    sound = np.pad(sound, (RATE // 4, RATE // 4))
    return np.asarray(sound + np.random.default_rng(1).standard_normal(len(sound)) * 5)


def call() -> Array:
    """Both channels; while one speaks the other is silent."""
    parts = []
    for speaker, text in CALL:
        sound = spoken(text, AGENT if speaker == "agent" else VOICES["en"])
        other = np.random.default_rng(2).standard_normal(len(sound)) * 5
        parts.append(np.stack([sound, other] if speaker == "customer" else [other, sound]))
        parts.append(np.zeros((2, RATE // 2)))
    return np.concatenate(parts, axis=1)


def write(path: Path, sound: Array, *, rate: int = RATE, codec: str = "flac") -> None:
    """Samples (channels × samples, or one channel) as a file whose form follows from its name."""
    channels = np.atleast_2d(np.clip(np.round(sound), -32768, 32767).astype(np.int16))
    layout = "stereo" if len(channels) == 2 else "mono"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(channels.T.reshape(1, -1).copy(), format="s16", layout=layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=rate)
        for ready in resampler.resample(frame):
            out.mux(stream.encode(ready))
        out.mux(stream.encode(None))


def main() -> None:
    """Write all of them."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in SAID.items():
        write(FOLDER / f"{name}.flac", spoken(text, VOICES[name[:2]]))
    write(FOLDER / "card.flac", spoken(CARD, VOICES["en"]))
    write(FOLDER / "call.flac", call())


if __name__ == "__main__":
    main()
