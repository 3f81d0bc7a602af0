"""Those who stream calls, as they do it: a client of vosk-server, Twilio's media streams, Asterisk's AudioSocket."""

from __future__ import annotations

import base64
import json
import struct
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from channels import _phone_twilio as twilio
from channels.base import Secret

SPEECH = Path(__file__).parents[1] / "transcription" / "speech"
RATE = 8000


def sound(name: str, rate: int = RATE) -> bytes:
    """Interleaved samples of a recording."""
    from transcription.audio import Recording

    with Recording(SPEECH / f"{name}.flac", rate=rate) as recording:
        return np.concatenate(list(recording), axis=1).T.tobytes()


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


class Vosk:
    """As vosk-server's own test client: a config, then a piece and its answer, in turns."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, rate: int) -> None:
        self.ws, self.rate = ws, rate

    async def say(self, data: bytes) -> list[dict[str, Any]]:
        answers = []
        for piece in pieces(data, 2 * self.rate // 5):
            await self.ws.send_bytes(piece)
            answers.append(await self.ws.receive_json(timeout=100))
        return answers

    async def ask(self, text: str) -> dict[str, Any]:
        await self.ws.send_str(text)
        answer: dict[str, Any] = await self.ws.receive_json(timeout=100)
        return answer

    async def eof(self) -> dict[str, Any]:
        """Its last answer; the server closes the connection after it."""
        last = await self.ask('{"eof" : 1}')
        assert (await self.ws.receive(timeout=100)).type is aiohttp.WSMsgType.CLOSE
        assert self.ws.close_code == 1000
        return last


@asynccontextmanager
async def vosk(url: str, *, rate: int = RATE, **config: Any) -> AsyncIterator[Vosk]:
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
        await ws.send_str(json.dumps({"config": {"sample_rate": rate, **config}}))
        yield Vosk(ws, rate)


def mulaw(samples: bytes) -> bytes:
    """16-bit samples as µ-law, as ITU-T G.711 says it: sign, three bits of size, four of value, all turned round."""
    values = np.frombuffer(samples, np.int16).astype(np.int32)
    size = np.minimum(np.abs(values), 32635) + 132
    exponent = np.floor(np.log2(size)).astype(np.int32) - 7
    mantissa = (size >> (exponent + 3)) & 0x0F
    coded = ~(np.where(values < 0, 0x80, 0) | (exponent << 4) | mantissa)
    return bytes((coded & 0xFF).astype(np.uint8))


class Media:
    """Twilio's side of a media stream: 20 ms of µ-law in each frame."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, sid: str) -> None:
        self.ws, self.sid, self._count = ws, sid, 0
        self._at: dict[str, int] = {}

    async def start(self, call: str, *, tracks: tuple[str, ...], account: str = "AC1", **parameters: str) -> None:
        await self.ws.send_json({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        start = {
            "accountSid": account,
            "streamSid": self.sid,
            "callSid": call,
            "tracks": list(tracks),
            "customParameters": parameters,
            "mediaFormat": form,
        }
        await self._send("start", start)

    async def say(self, tracks: dict[str, bytes]) -> None:
        """Sound of each track (16-bit samples), frame by frame in turns."""
        frames = [(track, list(pieces(mulaw(data), 160))) for track, data in tracks.items()]
        for n in range(max(len(of) for _, of in frames)):
            for track, of in frames:
                if n < len(of):
                    await self._media(track, of[n])

    async def _media(self, track: str, payload: bytes) -> None:
        at = self._at.get(track, 0)
        self._at[track] = at + len(payload) // 8
        body = {"track": track, "chunk": str(at // 20 + 1), "timestamp": str(at)}
        await self._send("media", {**body, "payload": base64.b64encode(payload).decode()})

    async def skip(self, track: str, milliseconds: int) -> None:
        """Sound that the network has lost."""
        self._at[track] = self._at.get(track, 0) + milliseconds

    async def mark(self) -> None:
        await self._send("dtmf", {"track": "inbound_track", "digit": "5"})
        await self._send("mark", {"name": "m"})

    async def stop(self, call: str) -> None:
        await self._send("stop", {"accountSid": "AC1", "callSid": call})

    async def _send(self, event: str, body: dict[str, Any]) -> None:
        self._count += 1
        await self.ws.send_json(
            {"event": event, "sequenceNumber": str(self._count), "streamSid": self.sid, event: body}
        )


@asynccontextmanager
async def media(url: str, public: str, token: Secret) -> AsyncIterator[Media]:
    """``public`` is the address that Twilio calls, with ``wss``: it is what is signed."""
    headers = {"X-Twilio-Signature": twilio.sign(token, public, ())}
    async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=headers) as ws:
        yield Media(ws, "MZ1")


def frame(kind: int, payload: bytes = b"") -> bytes:
    """A frame of AudioSocket."""
    return struct.pack(">BH", kind, len(payload)) + payload


def asterisk(call: uuid.UUID, data: bytes) -> Iterator[bytes]:
    """A call's frames but the hang-up."""
    yield frame(0x01, call.bytes)
    yield from (frame(0x10, piece) for piece in pieces(data, 320))
