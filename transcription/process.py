"""How the processes that hear are started, and what is said of their end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

_ROOT = Path(__file__).parents[1]


async def start(module: str, limit: int) -> Process:
    """Start ``python -m module``, talked to by pipes; ``limit`` bytes of its output are read ahead."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        limit=limit,
        cwd=_ROOT,
        start_new_session=True,  # a Ctrl-C at the terminal is the gateway's to handle
        env={"PATH": os.environ.get("PATH", ""), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )


async def how_it_ended(process: Process) -> str:
    """How a process ended, in words."""
    code = await process.wait()
    if code >= 0:
        return f"the process that heard it ended with status {code}"
    try:
        return f"the process that heard it was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"the process that heard it was ended by signal {-code}"
