"""``allears files copy``: the attachments from the data folder into the bucket, or back."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from gateway import config
from gateway.blobs.configured import bucket
from gateway.blobs.disk import Disk
from gateway.blobs.moving import Copied, copy
from gateway.cli import options
from gateway.cli.progress import Bar
from gateway.config import ConfigError, Loaded


def add(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser("files", help="where the attachments lie", description="Where the attachments lie.")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    copying = actions.add_parser(
        "copy",
        help="copy them into the bucket or back",
        description="Copy all attachments between the data folder and the bucket of [files], as they lie. What is there already is "
        "passed over and nothing is removed, so it may be done while the gateway runs, and again.",
    )
    options.config(copying)
    options.as_json(copying)
    copying.add_argument("--to", choices=("bucket", "folder"), required=True, help="where to")
    copying.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Copy, and say how many there were."""
    loaded = config.load(args.config)
    if not loaded.config.files.bucket:
        raise ConfigError("names no bucket; see docs/files.md", key="files")
    done = asyncio.run(_copied(loaded, args.to))
    options.print_rows([done._asdict()], json=args.json)
    return 0


async def _copied(loaded: Loaded, to: str) -> Copied:
    folder = loaded.data / "blobs"
    disk, store = Disk(folder), bucket(loaded)
    source, target = (disk, store) if to == "bucket" else (store, disk)
    try:
        with Bar("copying") as bar:
            return await copy(source, target, folder, lambda done: bar.show(0, 0, f"{done.copied} files"))
    finally:
        await store.close()
