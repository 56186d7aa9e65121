"""Tells a service manager how the daemon stands, as sd_notify(3) has it, and that it may restart one that hangs."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog

log = structlog.get_logger(__name__)

LOOKS: Final = 4  # at the pulse, in the time after which the manager restarts the daemon
PATIENCE_SECONDS: Final = 1.0  # with a manager that does not read
STATUS_MOST: Final = 400  # characters


class Pulse:
    """Counts the steps of all work: a daemon that works, or waits for work, makes some every second."""

    def __init__(self) -> None:
        self._steps = 0
        self._seen = 0

    def step(self) -> None:
        """Count a step; any thread may do so."""
        self._steps += 1

    @contextmanager
    def around(self) -> Iterator[None]:
        """Count the beginning and the end of a piece of work."""
        self.step()
        try:
            yield
        finally:
            self.step()

    def beats(self) -> bool:
        """Tell whether there was a step since this was asked last."""
        before, self._seen = self._seen, self._steps
        return self._seen != before


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervisor:
    """The service manager that started this process.

    Args:
        address: Of its socket; None if nobody wants to be told anything.
        watchdog: Seconds without a sign of life after which it restarts this process; None: it does not.
    """

    address: str | None = None
    watchdog: float | None = None

    def ready(self, status: str) -> None:
        """Tell that all is running, or that a reload is over, and how it stands."""
        self._tell("READY=1", _status(status))

    def reloading(self) -> None:
        """Tell that the configuration is being read anew; `ready` follows."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Tell that the end has begun."""
        self._tell("STOPPING=1", _status("finishes what is in hand"))

    async def reassure(self, pulse: Pulse) -> None:
        """Give signs of life until cancelled, but only as long as *pulse* beats.

        A loop that hangs does not come here, and work that hangs makes no steps.
        """
        while self.address and self.watchdog:
            if pulse.beats():
                self._tell("WATCHDOG=1")
            await asyncio.sleep(self.watchdog / LOOKS)

    def _tell(self, *lines: str) -> None:
        if self.address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as telling:
                telling.settimeout(PATIENCE_SECONDS)
                telling.sendto("\n".join(lines).encode(errors="replace"), _place(self.address))
        except OSError as error:
            log.warning("supervisor_not_told", what=lines[0], error=str(error))


def supervisor(environment: Mapping[str, str] = os.environ) -> Supervisor:
    """Return whom the *environment* names: $NOTIFY_SOCKET, and $WATCHDOG_USEC if that is meant for this process."""
    address = environment.get("NOTIFY_SOCKET", "")
    is_known = len(address) > 1 and address[0] in "/@"  # others, such as vsock, are for virtual machines
    microseconds = environment.get("WATCHDOG_USEC", "")
    is_ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    is_watched = is_ours and microseconds.isascii() and microseconds.isdigit() and int(microseconds) > 0
    return Supervisor(
        address=address if is_known else None, watchdog=int(microseconds) / 1_000_000 if is_watched else None
    )


def _place(address: str) -> str:
    return f"\0{address[1:]}" if address.startswith("@") else address


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())[:STATUS_MOST]}"
