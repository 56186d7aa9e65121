"""HTTP: the published directory, and how things stand. Only this room knows uvicorn.

`paths` leads from what is asked for to a file, `replies` says what is said of it, `cache` keeps it in memory, `site`
answers, `connection` has the limits, `listening` the sockets, `probes` and `status` tell how things stand.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import uvicorn

from feeder.config import Address, Config
from feeder.model import Source, Watch
from feeder.redirects.forwarding import Forwarding, path_of
from feeder.serve import connection
from feeder.serve.connection import Connection, Crowd
from feeder.serve.listening import BACKLOG, FOR_ALL, Listener, is_meant, listen
from feeder.serve.probes import Desk, Probes
from feeder.serve.replies import Terms
from feeder.serve.site import Application, Site

FOR_US: Final = 0o660  # mode of a socket that tells how things stand
STOP_SECONDS: Final = 3  # for answers that are under way when the server is stopped
# After this the loop goes on though another thread computes. It gives way at every socket it reads or writes; five
# milliseconds for each of them, as Python has it, would make all clients wait while feeds are published.
SWITCH_SECONDS: Final = 0.0001
MOST_AGE: Final = timedelta(hours=1)
NOWHERE: Final = Path(os.devnull)  # nothing lies below it: what is in a bucket is not served from here


class Server:
    """Answers for an application on the running loop, from `start` to `stop`. Signals are left to others."""

    def __init__(self, application: Application, *, address: Address, mode: int = FOR_ALL) -> None:
        self._address = address
        self._mode = mode
        self._server = _Uvicorn(
            uvicorn.Config(
                application,
                http=type("_Connection", (Connection,), {"application": application, "crowd": Crowd()}),
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,  # uvicorn renews it once a second: a file may be younger
                proxy_headers=False,
                backlog=BACKLOG,
                limit_concurrency=connection.MOST_CONNECTIONS + 1,  # uvicorn counts the one that asks
                timeout_keep_alive=connection.REQUEST_SECONDS,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self._listener: Listener | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Listen, and return the URL of what is served; port 0 takes any free one.

        Raises:
            FeederError: The address cannot be had: it is in use, or not of this machine.
        """
        self._listener = listen(self._address, mode=self._mode)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._listener.socket]))
        return self._listener.url

    async def stop(self) -> None:
        """Take no more requests, answer those that are under way, and end."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving
        if self._listener is not None:
            self._listener.close()


class _Uvicorn(uvicorn.Server):
    """uvicorn as a part of a program that has its own mind about signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A site, and the URLs of what is for all and of what is for the operator."""

    site: Site
    urls: tuple[str, ...]

    def reconfigure(self, settings: Config) -> None:
        """Say what *settings* have to say."""
        self.site.change(terms(settings))


@asynccontextmanager
async def serving(settings: Config, probes: Probes) -> AsyncIterator[Served]:
    """Serve until the end of the block, and yield what is served, and where.

    Raises:
        FeederError: An address cannot be had.
    """
    moved = Forwarding(path_of(settings.local))
    root = settings.output if isinstance(settings.output, Path) else NOWHERE
    site = Site(root, terms=terms(settings), memory=settings.cache, moved=moved)
    places = (
        (settings.listen, Desk(site, probes.for_all), FOR_ALL),
        (settings.admin, Desk(site, probes.for_us, is_meant=partial(_is_meant, settings.admin)), FOR_US),
    )
    async with AsyncExitStack() as stack:
        stack.enter_context(_prompt())
        urls = []
        for address, desk, mode in places:
            if address:
                server = Server(desk, address=address, mode=mode)
                stack.push_async_callback(server.stop)
                urls.append(await server.start())
        yield Served(site=site, urls=tuple(urls))


def _is_meant(address: Address | None, host: str) -> bool:
    return address is None or is_meant(host, address)


@contextlib.contextmanager
def _prompt() -> Iterator[None]:
    """Let nothing else in this process hold the loop up for long until the end of the block."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def terms(settings: Config) -> Terms:
    """Return what the headers of all files of a site say."""
    return Terms(url=settings.site.url, max_age=_max_age(settings), hub=settings.feeds.hub)


def _max_age(settings: Config) -> timedelta:
    """Return how soon anything may have changed: no sooner than feeds are written, or the next source is polled."""
    settle = settings.feeds.settle
    soonest = min((_interval(source, settle) for source in settings.sources if source.enabled), default=settle)
    return min(max(soonest, settle), MOST_AGE)


def _interval(source: Source, settle: timedelta) -> timedelta:
    is_watched = source.path is not None and source.watch is not Watch.OFF
    return settle if is_watched or source.cron else source.interval
