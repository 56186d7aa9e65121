"""Tells the operator's command and the hub which files changed, after they are in place; nothing waits for it.

What is to be told lies in the state, so that neither a restart nor a failure loses it; a file that changes twice in the
meantime is told once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Final, Protocol

from feeder import program, websub
from feeder.app import App
from feeder.config import Config
from feeder.errors import Declined, OutputError, Unheard
from feeder.life import Do
from feeder.outputs import output_of
from feeder.pipeline.faults import Faults
from feeder.store.records import Listener

PAUSE: Final = timedelta(seconds=10)  # after a failure; doubled by each further one
LONGEST_PAUSE: Final = timedelta(hours=1)
PINGS: Final = 50  # in a row, before what was told is noted
HUB_PATIENCE: Final = timedelta(seconds=60)  # that a single run has for the hub; the rest is told at the next one
EVERYTHING: Final = 1 << 62

Clock = Callable[[], datetime]


class Teller(Protocol):
    """Tells one listener."""

    @property
    def listener(self) -> Listener:
        """Who that is."""

    @property
    def limit(self) -> int:
        """How many files are told at a time."""

    async def tell(self, paths: Collection[str]) -> None:
        """Tell of the files at *paths*, changed or removed.

        Raises:
            Declined: They are not wanted, some or all; they are told.
            Unheard: They are to be told again, all of them.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The operator's command, run with a list of files."""

    config: Config
    listener: Listener = Listener.COMMAND
    limit: int = EVERYTHING

    async def tell(self, paths: Collection[str]) -> None:
        """Run it, in the directory of the config."""
        await program.run(
            self.config.after_publish,
            sorted(paths),
            within=self.config.after_publish_timeout,
            folder=self.config.path.parent.absolute(),
            further={"FEEDER_OUTPUT": str(self.config.output)},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """The hub, told of feeds that changed; it would find nothing at those that were removed."""

    config: Config
    listener: Listener = Listener.HUB

    @property
    def limit(self) -> int:
        """As many files as make `PINGS` pings."""
        return PINGS * self.config.pinged_at_once

    async def tell(self, paths: Collection[str]) -> None:
        """Ping it; a feed that it declines keeps it from none of the others.

        Raises:
            Declined: It declined some feeds, but not all: it is not the hub's address that is wrong.
            Unheard: As in `Teller`.
        """
        named = [path for path in paths if websub.is_topic(path)]
        try:
            present = await asyncio.to_thread(lambda: output_of(self.config).stamps(named))
        except OutputError as error:
            raise Unheard(str(error)) from error
        feeds = [path for path in named if path in present]
        topics = [websub.topic(path, self.config.site.url) for path in feeds]
        at_once, hub = self.config.pinged_at_once, self.config.feeds.hub or ""
        parts = [topics[start : start + at_once] for start in range(0, len(topics), at_once)]
        declined: list[str] = []
        async with websub.caller() as client:
            for part in parts:
                try:
                    await websub.ping(client, hub, part)
                except Declined as error:
                    declined.append(f"{error} to {part[0]}")
        if declined:
            raise (Declined if len(declined) < len(parts) else Unheard)(declined[0])


_TELLERS: Final[Mapping[Listener, Callable[..., Teller]]] = MappingProxyType(
    {Listener.COMMAND: Command, Listener.HUB: Hub}
)


def tellers(app: App) -> Iterator[Teller]:
    """Yield a teller for each listener that the config names."""
    return (_TELLERS[Listener(name)](config=app.config) for name in app.parts.listeners)


async def go_on(teller: Teller, app: App, do: Do, clock: Clock, news: asyncio.Event) -> None:
    """Tell whatever is to be told, whenever *news* is set, until cancelled; after failures later and later.

    Args:
        teller: Who tells.
        app: Opened.
        do: Does a piece of work with the state; None if that cannot be done.
        clock: The time of day.
        news: Set when files changed.
    """
    failures = 0
    while True:
        news.clear()
        paths = await do(f"news for the {teller.listener}", lambda: app.store.news(teller.listener, teller.limit))
        if not paths:
            with suppress(TimeoutError):  # the state that cannot tell now may have some
                async with asyncio.timeout(PAUSE.total_seconds() if paths is None else None):
                    await news.wait()
            continue
        failure = await _attempt(teller, paths)
        told = partial(note, app, teller.listener, paths, failure, clock())
        is_noted = await do(f"note of the {teller.listener}", told)
        is_done = failure is None or isinstance(failure, Declined)
        failures = 0 if is_noted and is_done else failures + 1
        if failures:
            wait = pause(failures, jitter=_jitter(), asked=failure.wait if failure else None)
            await asyncio.sleep(wait.total_seconds())


async def tell_all(app: App, clock: Clock) -> None:
    """Tell everybody all there is; what fails, or takes the hub too long, is told at the next run."""
    for teller in tellers(app):
        with suppress(TimeoutError):
            async with asyncio.timeout(HUB_PATIENCE.total_seconds() if teller.listener is Listener.HUB else None):
                await _tell_what_there_is(teller, app, clock)


def note(app: App, listener: Listener, news: Mapping[str, int], failure: Unheard | None, now: datetime) -> bool:
    """Note that *listener* was told of *news*, or why not; return True."""
    faults = Faults(app.store, now)
    with app.store.transaction():
        if failure:
            faults.telling_failed(listener, str(failure))
        else:
            faults.telling_mended(listener)
        if failure is None or isinstance(failure, Declined):
            app.store.told(news.values())
        faults.save()
    return True


def pause(failures: int, *, jitter: float, asked: timedelta | None = None) -> timedelta:
    """Return how long to wait after so many failures in a row; as long as was *asked*, if that is longer."""
    backed_off = min(PAUSE * (1 << min(failures - 1, 20)), LONGEST_PAUSE)
    return max(backed_off * (1 + jitter / 2), asked or timedelta())


async def _tell_what_there_is(teller: Teller, app: App, clock: Clock) -> None:
    while paths := app.store.news(teller.listener, teller.limit):
        failure = await _attempt(teller, paths)
        note(app, teller.listener, paths, failure, clock())
        if failure and not isinstance(failure, Declined):
            return


async def _attempt(teller: Teller, paths: Collection[str]) -> Unheard | None:
    try:
        await teller.tell(paths)
    except Unheard as failure:
        return failure
    except OSError as error:  # no room for a temporary file, no file descriptor left: that passes
        return Unheard(error.strerror or str(error))
    return None


def _jitter() -> float:
    return random.random()  # noqa: S311 - it spreads the load; nothing depends on it being secret
