"""Asks the daemon to read its config anew, and waits for what comes of it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from feeder.app import RELOADED
from feeder.config import Kept
from feeder.errors import ConfigError, FeederError
from feeder.lock import holder
from feeder.store import Store
from feeder.store.opening import is_there, open_to_read
from feeder.store.records import FaultKind

PATIENCE_SECONDS: Final = 60.0  # with a daemon that finishes a piece of work first
STEP_SECONDS: Final = 0.1
GOES_ON: Final = "the daemon goes on by the configuration of before"


def reload(kept: Kept) -> int:
    """Have the daemon that works with the state at *kept* read its config anew; return its number.

    Raises:
        ConfigError: It goes on by the config of before.
        FeederError: There is no daemon, or it does not come to it.
    """
    process = holder(kept.local)
    if process is None:
        raise FeederError(f"no daemon works with {kept.state}; {_instead(kept)}")
    if not _listens(process):
        raise FeederError(f"process {process} works with {kept.state}, but is no daemon, or only begins to be one")
    with closing(open_to_read(kept.state, site_id=kept.site_id)) as store:
        before, asked = store.noted(RELOADED), time.monotonic_ns()
        _signal(process)
        _await(store, before, asked, process)
        reasons = [fault.reason for fault in store.faults() if fault.kind is FaultKind.CONFIG]
    if reasons:
        raise ConfigError(reasons[0], GOES_ON)
    return process


def _instead(kept: Kept) -> str:
    nodes = list(_nodes(kept))
    if nodes:
        return f"nodes do ({', '.join(nodes)}), which read the configuration when they start: restart them"
    return "the next start reads the configuration anyway"


def _nodes(kept: Kept) -> Iterator[str]:
    if is_there(kept.state, site_id=kept.site_id):
        with closing(open_to_read(kept.state, site_id=kept.site_id)) as store:
            yield from (peer.node.rpartition(":")[0] for peer in store.peers())


def _listens(process: int) -> bool:
    """Tell whether a process waits for SIGHUP; any other would end at it. One that nobody may look at is the service's."""
    try:
        lines = Path(f"/proc/{process}/status").read_text("ascii", errors="replace").splitlines()
    except OSError:
        return True
    caught = next((line.split()[1] for line in lines if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (signal.SIGHUP - 1) & 1)


def _signal(process: int) -> None:
    try:
        os.kill(process, signal.SIGHUP)
    except OSError as error:
        raise FeederError(f"process {process} cannot be told: {error.strerror}") from error


def _await(store: Store, before: str | None, asked: int, process: int) -> None:
    """Wait until the config has been read after *asked*; what is read already when that comes may be an older one."""
    end = time.monotonic() + PATIENCE_SECONDS
    while (noted := store.noted(RELOADED)) == before or int(noted or 0) < asked:
        if time.monotonic() > end:
            raise FeederError(
                f"process {process} was told, and has not come to it within {PATIENCE_SECONDS:.0f} s: "
                "`feeder status` will say how it went"
            )
        time.sleep(STEP_SECONDS)
