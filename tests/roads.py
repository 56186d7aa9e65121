"""A network of one's own, in which a road can be cut: packets on it are lost, and nobody is told. As root, with iptables."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

NEAR: Final = "127.0.0.1"
FAR: Final = "127.0.77.1"  # the same machine, by a road that can be cut
LISTEN: Final = "0.0.0.0"  # noqa: S104 - a network without a way out
DATABASE: Final = 5432  # its port

_MARK: Final = "FEEDER_OWN_NETWORK"


def enter(module: str, arguments: Sequence[str]) -> None:
    """Have the rest of the program run in a network of its own, which ends with it."""
    if os.environ.get(_MARK):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    assert shutil.which("iptables"), "this trial needs iptables (Debian: the package iptables)"
    os.environ[_MARK] = "1"
    sys.stdout.flush()
    os.execvp("unshare", ["unshare", "--net", sys.executable, "-m", module, *arguments])  # noqa: S606 - no shell is wanted


@contextmanager
def cut(port: int | None = None) -> Iterator[None]:
    """Lose all that goes to the far side or comes from there, or to and from a port there: on new connections as well as old ones."""
    rules = tuple(_rules(port))
    for rule in rules:
        _change("--append", rule)
    try:
        yield
    finally:
        for rule in rules:
            _change("--delete", rule)


def _rules(port: int | None) -> Iterator[tuple[str, ...]]:
    for address, side in (("--destination", "--dport"), ("--source", "--sport")):
        yield (address, FAR, *(("--protocol", "tcp", side, str(port)) if port else ()))


def _change(how: str, rule: Sequence[str]) -> None:
    subprocess.run(["iptables", "--wait", how, "INPUT", *rule, "--jump", "DROP"], check=True)
