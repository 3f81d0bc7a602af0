"""How WeChat and WeCom encrypt what they deliver.

Rules: https://developers.weixin.qq.com/doc/subscription/guide/dev/push/encryption.html and
https://developer.work.weixin.qq.com/document/path/90968. The plain ``signature`` covers no body; only the encrypted
mode proves what was said.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from channels.base import BadPayload, Secret

#: Characters of an EncodingAESKey: 32 bytes in base64 without the last ``=``.
KEY_LENGTH = 43
#: PKCS#7 with blocks of 32 bytes, whatever AES itself has.
_BLOCK = 32


def aes_key(encoded: Secret) -> bytes:
    """The 32 bytes of an EncodingAESKey. Raises ValueError."""
    try:
        key = base64.b64decode(f"{encoded}=", validate=True)
    except binascii.Error:
        key = b""
    if len(encoded) != KEY_LENGTH or len(key) != 32:
        raise ValueError(f"an EncodingAESKey has {KEY_LENGTH} letters and digits; copy it from the platform's console")
    return key


def opened(keys: Sequence[bytes], receiver: str, sealed: str) -> bytes:
    """What was encrypted for ``receiver`` (app id or corp id), by the first key that fits.

    Raises:
        BadPayload: none fits, or it is meant for somebody else.
    """
    try:
        cipher = base64.b64decode(sealed, validate=True)
    except (binascii.Error, ValueError):
        raise BadPayload("`Encrypt` is not base64") from None
    if not cipher or len(cipher) % 16:
        raise BadPayload("`Encrypt` is cut off")
    for key in keys:
        said, meant_for = _layout(_decrypted(key, cipher))
        if hmac.compare_digest(meant_for, receiver.encode()):
            return said
    raise BadPayload("`Encrypt` fits none of our keys, or is meant for another account")


def _decrypted(key: bytes, cipher: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    padded = decryptor.update(cipher) + decryptor.finalize()
    pad = padded[-1]
    return padded[:-pad] if 1 <= pad <= _BLOCK else b""


def _layout(plain: bytes) -> tuple[bytes, bytes]:
    """16 random bytes, the length in 4, so many bytes of message, then whom it is meant for."""
    length = int.from_bytes(plain[16:20], "big")
    return plain[20 : 20 + length], plain[20 + length :]
