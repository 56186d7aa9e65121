"""Who may ask whom, and when: one request to a host at a time, with a rest between two, and so many in all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class _Host:
    """The queue before one host."""

    __slots__ = ("free_at", "lock", "waiting")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0  # whoever has the turn included
        self.free_at = 0.0  # of the loop's clock


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
                    async with self._slots:
                        yield
                finally:
                    host.free_at = asyncio.get_running_loop().time() + self._spacing
        finally:
            host.waiting -= 1
            asyncio.get_running_loop().call_later(self._spacing, self._forget, name, host)

    async def _rest(self, host: _Host) -> None:
        left = host.free_at - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)

    def _forget(self, name: str, host: _Host) -> None:
        is_free = host.free_at <= asyncio.get_running_loop().time()
        if not host.waiting and is_free and self._hosts.get(name) is host:
            del self._hosts[name]
