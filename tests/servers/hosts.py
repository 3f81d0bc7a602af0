"""Another host on this machine: a network namespace, with a cable of its own from each of those who reach it.

Needs root and iproute2; :func:`possible` says whether there are both.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache


@cache
def possible() -> bool:
    """Whether namespaces can be made here."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"allears-try-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return False
    _ip("netns", "del", name)
    return True


class Host:
    """A host with ``cables`` to this one. Cable ``n`` (from 0) leads to it as :meth:`address`; a cut one swallows everything."""

    def __init__(self, cables: int) -> None:
        self._name = f"allears{os.getpid()}"
        self._net = 1 + os.getpid() % 250
        self._cables = range(cables)

    @property
    def inside(self) -> tuple[str, ...]:
        """What runs a program there."""
        return ("ip", "netns", "exec", self._name)

    def address(self, cable: int) -> str:
        return f"10.{self._net}.{cable}.2"

    def open(self) -> None:
        _ip("netns", "add", self._name)
        self._there("link", "set", "lo", "up")
        for n in self._cables:
            here, there = self._ends(n)
            _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", self._name)
            _ip("addr", "add", f"10.{self._net}.{n}.1/24", "dev", here)
            _ip("link", "set", here, "up")
            self._there("addr", "add", f"{self.address(n)}/24", "dev", there)
            self._there("link", "set", there, "up")

    def close(self) -> None:
        _ip("netns", "del", self._name)

    def cut(self, cable: int) -> None:
        """From now on every packet is lost, without a word to anybody."""
        self._there("link", "set", self._ends(cable)[1], "down")

    def mend(self, cable: int) -> None:
        self._there("link", "set", self._ends(cable)[1], "up")

    def _ends(self, cable: int) -> tuple[str, str]:
        number = f"{os.getpid() % 100_000}n{cable}"
        return f"ah{number}", f"at{number}"

    def _there(self, *words: str) -> None:
        _ip("-n", self._name, *words)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
