"""Files in a bucket of an S3-compatible store (AWS, MinIO, Ceph and others), by aiobotocore.

Every upload carries its MD5 as RFC 1864 wants it, the one checksum that all of these stores check before they say yes, and what
they say they have is compared. The endpoint is the operator's; no redirect leads away from it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import hashlib
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiobotocore.config import AioConfig  # type: ignore[import-untyped]
from aiobotocore.httpsession import AIOHTTPSession  # type: ignore[import-untyped]
from aiobotocore.session import get_session  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError  # type: ignore[import-untyped]

from gateway.blobs.place import PIECE, Damaged, disk
from gateway.config import FileSettings
from gateway.store.base import NotFound, StoreUnavailable

log = logging.getLogger(__name__)
# They would log bodies and signatures with `--log debug`.
for _name in ("botocore", "aiobotocore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

#: Bytes of a part; larger files go in parts, :data:`PARALLEL` at a time. S3 takes from 5 MB on, and 10,000 parts.
PART = 8 * 1024 * 1024
PARALLEL = 2
#: Up to so many bytes nobody asks whether a file is there: to send it costs less than a request more for each.
SMALL = 256 * 1024
#: Seconds that one request may take with all its repetitions.
PATIENCE = 60.0
#: Seconds until a connection stands, and without a byte.
CONNECT, SILENCE = 5.0, 15.0
#: How often a request is tried in all, where the store is away or says that it is busy.
TRIES = 4
#: How often a broken download is gone on with.
RESUMES = 3
#: Names that are asked for at once; S3 tells no more.
PAGE = 1000
#: One that was kept so many seconds ago is as good as new: a sweep lets it lie for the rest of a day, and nothing that
#: relies on a file takes longer than 20 hours to name it (an upload of a chat window).
YOUNG = 3 * 3600.0


#: What says that the file (or upload) is missing. Without a body, as with HEAD, the code is the status.
_MISSING = {
    "head_object": ("404", "NoSuchKey"),
    "get_object": ("NoSuchKey",),
    "copy_object": ("NoSuchKey",),
    "abort_multipart_upload": ("NoSuchUpload",),
    "list_multipart_uploads": ("NotImplemented",),
}


class S3:
    """Implements :class:`gateway.blobs.place.Place`."""

    def __init__(self, settings: FileSettings, *, patience: float = PATIENCE, silence: float = SILENCE) -> None:
        self._settings, self._patience = settings, patience
        self._prefix = settings.prefix.rstrip("/") + "/" if settings.prefix else ""
        self._config = _config(settings, silence)
        self._opening = asyncio.Lock()
        self._exit = contextlib.AsyncExitStack()
        self._client: Any = None

    async def keep(self, name: str, file: Path) -> None:
        """Upload it; a large one only if it is not there, whole and young."""
        size = (await asyncio.to_thread(file.stat)).st_size
        if size > SMALL and _as_good(await self._head(name), size):
            return
        if size <= PART:
            await self._put(name, file)
        else:
            await self._put_parts(name, file, size)

    async def size(self, name: str) -> int:
        """How many bytes it has."""
        there = await self._head(name)
        if there is None:
            # An answer to HEAD has no body that would say what is missing; without its bucket nothing is known of files.
            await self._call("head_bucket")
            raise NotFound("there is no such file")
        size: int = there["ContentLength"]
        return size

    async def read(self, name: str, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """Its bytes; a download that breaks off is gone on with where it stands."""
        broken = 0
        while stop is None or start < stop:
            until = "" if stop is None else stop - 1
            got = await self._call("get_object", Key=self._prefix + name, Range=f"bytes={start}-{until}")
            if start and "ContentRange" not in got:
                raise StoreUnavailable("the file store does not know parts of files")
            end = min(start + got["ContentLength"], math.inf if stop is None else stop)
            fault: BaseException | None = None
            try:
                async with got["Body"] as body:
                    while start < end and (piece := await body.read(min(PIECE, end - start))):
                        start += len(piece)
                        yield piece
            except (BotoCoreError, aiohttp.ClientError, OSError, TimeoutError) as err:
                fault = err
            if start >= end:
                return
            broken += 1
            if broken > RESUMES:
                raise StoreUnavailable(_away(fault)) from fault
            stop = end

    async def move(self, name: str, to: str) -> None:
        """Copied by the store, then removed: at no moment it is nowhere."""
        source = {"Bucket": self._settings.bucket, "Key": self._prefix + name}
        await self._call("copy_object", Key=self._prefix + to, CopySource=source)
        await self.remove(name)

    async def remove(self, name: str) -> None:
        """Take it away."""
        await self._call("delete_object", Key=self._prefix + name)

    async def names(self, prefix: str = "", *, before: float = math.inf) -> AsyncIterator[str]:
        """A page at a time."""
        more: dict[str, str] = {}
        while True:
            page = await self._call("list_objects_v2", Prefix=self._prefix + prefix, MaxKeys=PAGE, **more)
            for one in page.get("Contents", ()):
                if one["LastModified"].timestamp() < before:
                    yield one["Key"].removeprefix(self._prefix)
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    async def tidy(self, before: float) -> int:
        """Uploads in parts that nobody has finished or given up: their node died."""
        old = datetime.fromtimestamp(before, UTC)
        try:
            page = await self._call("list_multipart_uploads", Prefix=self._prefix)
        except NotFound:
            return 0  # a small store that does not tell
        torn = [one for one in page.get("Uploads", ()) if one["Initiated"] < old]
        for one in torn:
            await self._abort(one["Key"], one["UploadId"])
        return len(torn)

    def path(self, name: str) -> Path | None:  # noqa: ARG002
        """Not on this machine."""
        return None

    async def check(self) -> str:
        """List the bucket: it is there, and ours to see."""
        await self._call("list_objects_v2", Prefix=self._prefix, MaxKeys=1)
        return f"in the bucket {self._settings.bucket} at {self._settings.endpoint or 'AWS'}"

    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._client = None
        await self._exit.aclose()

    # uploads

    async def _put(self, name: str, file: Path) -> None:
        with disk():
            data = await asyncio.to_thread(file.read_bytes)
        sum = hashlib.md5(data, usedforsecurity=False)
        got = await self._call(
            "put_object", Key=self._prefix + name, Body=data, ContentMD5=base64.b64encode(sum.digest()).decode()
        )
        _confirmed(got, sum.hexdigest())

    async def _put_parts(self, name: str, file: Path, size: int) -> None:
        key = self._prefix + name
        upload = (await self._call("create_multipart_upload", Key=key))["UploadId"]
        slots = asyncio.Semaphore(PARALLEL)

        async def part(number: int) -> dict[str, Any]:
            async with slots:
                return await self._part(key, upload, file, number)

        try:
            async with asyncio.TaskGroup() as group:
                parts = [group.create_task(part(number)) for number in range(1, -(-size // PART) + 1)]
            sent = {"Parts": [task.result() for task in parts]}
            await self._call("complete_multipart_upload", Key=key, UploadId=upload, MultipartUpload=sent)
        except BaseException as err:
            await asyncio.shield(self._given_up(key, upload))
            if isinstance(err, BaseExceptionGroup):
                raise err.exceptions[0] from None
            raise
        there = await self._head(name)
        if there is None or there["ContentLength"] != size:
            raise StoreUnavailable("the file store has not kept what it was sent")

    async def _part(self, key: str, upload: str, file: Path, number: int) -> dict[str, Any]:
        data = await asyncio.to_thread(_part_of, file, number)
        sum = await asyncio.to_thread(hashlib.md5, data, usedforsecurity=False)
        got = await self._call(
            "upload_part",
            Key=key,
            UploadId=upload,
            PartNumber=number,
            Body=data,
            ContentMD5=base64.b64encode(sum.digest()).decode(),
        )
        _confirmed(got, sum.hexdigest())
        return {"PartNumber": number, "ETag": got["ETag"]}

    async def _given_up(self, key: str, upload: str) -> None:
        try:
            await self._abort(key, upload)
        except StoreUnavailable as err:
            log.warning("files: a broken upload could not be taken back and is swept later: %s", err)

    async def _abort(self, key: str, upload: str) -> None:
        with contextlib.suppress(NotFound):
            await self._call("abort_multipart_upload", Key=key, UploadId=upload)

    # requests

    async def _head(self, name: str) -> dict[str, Any] | None:
        """What the store says of it, None when it is not there."""
        try:
            got: dict[str, Any] = await self._call("head_object", Key=self._prefix + name)
        except NotFound:
            return None
        return got

    async def _call(self, operation: str, **params: Any) -> Any:
        """Raises NotFound for a missing file or upload, Damaged for a part that there is not, else StoreUnavailable."""
        try:
            client = await self._open()
            async with asyncio.timeout(self._patience):
                got = await getattr(client, operation)(Bucket=self._settings.bucket, **params)
        except ClientError as err:
            code = str(err.response.get("Error", {}).get("Code", ""))
            if code in _MISSING.get(operation, ()):
                raise NotFound("there is no such file") from err
            if code == "InvalidRange":
                raise Damaged("the file was cut off") from err
            raise StoreUnavailable(f"the file store says {code or 'no'} to {operation}") from err
        except (BotoCoreError, aiohttp.ClientError, OSError, TimeoutError) as err:
            raise StoreUnavailable(_away(err)) from err
        if (status := got["ResponseMetadata"]["HTTPStatusCode"]) >= 300:
            raise StoreUnavailable(f"the file store sends us elsewhere ({status})")
        return got

    async def _open(self) -> Any:
        async with self._opening:
            if self._client is None:
                made = _session().create_client(
                    "s3",
                    # Stores that are not AWS have one region, and call it so.
                    region_name=self._settings.region or ("us-east-1" if self._settings.endpoint else None),
                    endpoint_url=self._settings.endpoint or None,
                    aws_access_key_id=self._settings.access_key or None,
                    aws_secret_access_key=self._settings.secret_key or None,
                    config=self._config,
                )
                self._client = await self._exit.enter_async_context(made)
                self._client.meta.events.register("before-call.s3", _stay)
            return self._client


class _Straight(AIOHTTPSession):  # type: ignore[misc]
    """aiobotocore follows redirects, bodies and all, wherever they lead."""

    async def _get_session(self, proxy_url: str | None) -> Any:
        session = await super()._get_session(proxy_url)
        return SimpleNamespace(request=functools.partial(session.request, allow_redirects=False))


def _stay(context: dict[str, Any], **_: Any) -> None:
    """botocore would look for the bucket in another region: say that it has done so."""
    context.setdefault("s3_redirect", {})["redirected"] = True


@functools.cache
def _session() -> Any:
    """It has read AWS's description of S3, which takes a while."""
    return get_session()


def _config(settings: FileSettings, silence: float) -> AioConfig:
    style = settings.addressing
    if style == "auto" and settings.endpoint:
        style = "path"  # what MinIO, Ceph and their like understand without a name server of their own
    return AioConfig(
        connect_timeout=CONNECT,
        read_timeout=silence,
        retries={"mode": "standard", "total_max_attempts": TRIES},
        max_pool_connections=32,
        http_session_cls=_Straight,
        s3={"addressing_style": style},
        # Newer checksums are not understood by all stores; every upload has its MD5.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def _part_of(file: Path, number: int) -> bytes:
    with disk(), file.open("rb") as source:
        source.seek((number - 1) * PART)
        return source.read(PART)


def _confirmed(answer: dict[str, Any], md5: str) -> None:
    """The ETag is the MD5, unless the store encrypts: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html."""
    etag = str(answer.get("ETag", "")).strip('"')
    if "ServerSideEncryption" not in answer and etag != md5:
        raise StoreUnavailable("the file store has kept other bytes than it was sent")


def _as_good(there: dict[str, Any] | None, size: int) -> bool:
    if there is None or there["ContentLength"] != size:
        return False
    age: timedelta = datetime.now(UTC) - there["LastModified"]
    return age.total_seconds() < YOUNG


def _away(err: BaseException | None) -> str:
    if err is None:
        return "the file store breaks off"
    if isinstance(err, NoCredentialsError | NoRegionError):
        return f"the file store cannot be asked: {err}"
    return f"the file store does not answer ({type(err).__name__})"
