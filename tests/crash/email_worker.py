"""The process that the crash run of the mailbox kills: the gateway's own watcher and store."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from channels.base import PullChannel
from gateway import config
from gateway.app import assemble
from gateway.pull import Pull


async def main(folder: Path) -> None:
    """Watch until killed."""
    tree = json.loads((folder / "config.json").read_text())
    loaded = config.Loaded(config=config.convert(tree, config.Config), file="", text="", folder=folder)
    gateway = assemble(loaded)
    await gateway.store.open()
    (channel,) = gateway.channels.values()
    assert isinstance(channel, PullChannel)
    print("watching", flush=True)
    await Pull(gateway, channel, first=0.05).run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
