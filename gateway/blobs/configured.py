"""The attachment files as the configuration wants them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from gateway.blobs import Blobs
from gateway.blobs.place import Place
from gateway.config import ConfigError, Loaded
from gateway.keys import Keys

if TYPE_CHECKING:
    from gateway.blobs.sealing import Sealing


def configured(loaded: Loaded, keys: Keys) -> Blobs:
    """Nothing is opened yet. Raises :class:`ConfigError` where a library is missing."""
    settings = loaded.config.files
    can_seal = find_spec("cryptography") is not None
    if settings.encrypt and not can_seal:
        raise ConfigError("needs `pip install 'allears[encryption]'`", key="files.encrypt")
    return Blobs(
        loaded.data / "blobs",
        place=bucket(loaded) if settings.bucket else None,
        sealing=(lambda: _sealing(keys)) if can_seal else None,
        sealed=settings.encrypt,
    )


def bucket(loaded: Loaded) -> Place:
    """The bucket that the configuration names. Raises :class:`ConfigError` where the library is missing."""
    if find_spec("aiobotocore") is None:
        raise ConfigError("needs `pip install 'allears[s3]'`", key="files.bucket")
    # 17 MB and 0.15 s: only where there is a bucket.
    from gateway.blobs.s3 import S3

    return S3(loaded.config.files)


def _sealing(keys: Keys) -> Sealing:
    from gateway.blobs.sealing import Sealing

    return Sealing(keys)
