"""Host names to addresses, in a bounded number of threads: the system's look-up may hang, and cannot be stopped."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from feeder.fetch.guard import AddressInfo

LookUp: TypeAlias = Callable[..., list[Any]]
"""Called as `socket.getaddrinfo` is."""

MAX_THREADS: Final = 64


class Names:
    """Looks names up beside the loop. One that is given up is left to end by itself, in a thread that counts."""

    def __init__(self, look_up: LookUp = socket.getaddrinfo, *, max_threads: int = MAX_THREADS) -> None:
        self._look_up = look_up
        self._threads = asyncio.Semaphore(max_threads)

    async def addresses(self, host: str, port: int) -> list[AddressInfo]:
        """Return the addresses of *host*, the one to be tried first first.

        Raises:
            OSError: It has none.
        """
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[AddressInfo]] = loop.create_future()
        await self._threads.acquire()
        # A daemon: an end of the process does not wait for it, as it would for an executor's.
        thread = threading.Thread(target=self._find, args=(host, port, found), name=f"look-up of {host}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._threads.release()
            raise OSError("the system has no thread for a look-up") from error
        return await found

    def _find(self, host: str, port: int, found: asyncio.Future[list[AddressInfo]]) -> None:
        infos: list[AddressInfo] = []
        error: OSError | None = None
        try:
            infos = self._look_up(host, port, type=socket.SOCK_STREAM)
        except OSError as failure:
            error = failure
        except UnicodeError:  # a label of over 63 characters, or an empty one
            error = OSError("it is no host name")
        with contextlib.suppress(RuntimeError):  # the loop is over: nobody waits
            found.get_loop().call_soon_threadsafe(self._tell, found, infos, error)

    def _tell(self, found: asyncio.Future[list[AddressInfo]], infos: list[AddressInfo], error: OSError | None) -> None:
        self._threads.release()
        if found.cancelled():
            return
        if error:
            found.set_exception(error)
        else:
            found.set_result(infos)
