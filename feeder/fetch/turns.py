"""Who may ask whom, and when: one request to a host at a time, with a rest between two, and so many in all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

PATIENCE: Final = 5.0  # seconds; whoever takes longer counts no more, or slow servers would keep all others waiting


class _Host:
    """The queue before one host."""

    __slots__ = ("free_at", "lock", "waiting")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0  # whoever has the turn included
        self.free_at = 0.0  # of the loop's clock


class _Slot:
    """One of so many that may ask at once, until it is let go for the first time."""

    __slots__ = ("_slots",)

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots: asyncio.Semaphore | None = slots

    def let_go(self) -> None:
        slots, self._slots = self._slots, None
        if slots:
            slots.release()


class Turns:
    """Hands out turns, in the order they were asked for at each host."""

    def __init__(self, *, spacing: float, limit: int) -> None:
        self._spacing = spacing
        self._slots = asyncio.Semaphore(limit)
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def at(self, name: str) -> AsyncIterator[None]:
        """Wait for a turn at the host *name*, and have it meanwhile."""
        host = self._hosts.setdefault(name, _Host())
        host.waiting += 1
        try:
            async with host.lock:
                await self._rest(host)
                try:
                    async with self._slot():
                        yield
                finally:
                    host.free_at = asyncio.get_running_loop().time() + self._spacing
        finally:
            host.waiting -= 1
            asyncio.get_running_loop().call_later(self._spacing, self._forget, name, host)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        await self._slots.acquire()
        slot = _Slot(self._slots)
        timer = asyncio.get_running_loop().call_later(PATIENCE, slot.let_go)
        try:
            yield
        finally:
            timer.cancel()
            slot.let_go()

    async def _rest(self, host: _Host) -> None:
        left = host.free_at - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)

    def _forget(self, name: str, host: _Host) -> None:
        is_free = host.free_at <= asyncio.get_running_loop().time()
        if not host.waiting and is_free and self._hosts.get(name) is host:
            del self._hosts[name]
