"""How a process that goes on lives and ends: what is in hand is finished, given up, or cut off, and nothing stops the rest."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

import structlog

from feeder.app import App, Progress
from feeder.errors import FeederError
from feeder.systemd import Pulse

log = structlog.get_logger(__name__)

GRACE_SECONDS: Final = 5.0  # for the work in hand, once a stop is asked for
LIMIT_SECONDS: Final = 9.0  # and then the process ends, whatever hangs
AGAIN_SECONDS: Final = 10.0  # before what goes on beside the rest begins anew, after a fault that nobody foresaw

T = TypeVar("T")


class GivenUp(BaseException):
    """The work in hand is not worth waiting for any longer; its transaction is undone. It is nobody's to catch."""


class Do(Protocol):
    """Does a piece of work with the state."""

    async def __call__(self, what: str, work: Callable[[], T], /) -> T | None:
        """Return what comes of *work*; None if it could not be done."""


async def at_once(_what: str, work: Callable[[], T], /) -> T:
    """Do a piece of work with the state, as `Do`, in a run that nobody else shares."""
    return work()


class Life:
    """One process, from its start to the signal that ends it."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.given_up = threading.Event()
        self.pulse = Pulse()
        self._is_limited = False

    def take_signals(self, *, reload: Callable[[], None]) -> None:
        """Stop at SIGINT and SIGTERM, and *reload* at SIGHUP."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._take, number)
        loop.add_signal_handler(signal.SIGHUP, reload)

    def counting(self, told: Progress | None) -> Progress:
        """Return what polls and publishing tell of each step, as well as *told*: they learn there whether to go on."""

        def progress(what: str, done: int, total: int) -> None:
            self.pulse.step()
            if self.given_up.is_set():
                raise GivenUp
            if told:
                told(what, done, total)

        return progress

    def _take(self, number: signal.Signals) -> None:
        if self.given_up.is_set():
            _end()
        if self.stopping.is_set():
            self.given_up.set()
        self.stop(number.name)

    def stop(self, why: str) -> None:
        """Begin to end: what is in hand has a few seconds."""
        log.info("stopping", signal=why)
        if not self.stopping.is_set():
            self.stopping.set()
            self._limit()

    async def limit(self) -> None:
        """Have the end come in time, whoever begins it."""
        await self.stopping.wait()
        self._limit()

    def _limit(self) -> None:
        if self._is_limited:
            return
        self._is_limited = True
        loop = asyncio.get_running_loop()
        loop.call_later(GRACE_SECONDS, self.given_up.set)
        loop.call_later(LIMIT_SECONDS, _end)


class Hand:
    """Does pieces of work with one state, one at a time, in a thread of its own."""

    def __init__(self, life: Life, app: App, *, begin: Callable[[], None] | None = None) -> None:
        self._life = life
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="feeder", initializer=begin)
        self._failing: dict[str, str] = {}
        self.busy = asyncio.Lock()
        app.progress = life.counting(app.progress)

    async def do(self, what: str, work: Callable[[], T], /) -> T | None:
        """Do one piece of work, in its turn; None if it failed, or if there is no time left for it."""
        async with self.busy:
            return await self.attempt(what, work)

    async def attempt(self, what: str, work: Callable[[], T]) -> T | None:
        """Do it at once, for one who has the turn."""
        if self._life.stopping.is_set():
            return None
        try:
            result = await self.must(work)
        except GivenUp:
            log.warning("given_up", work=what)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the next piece may go well
            self._report(what, error)
        else:
            if self._failing.pop(what, None):
                log.info("work_mended", work=what)
            return result
        return None

    async def must(self, work: Callable[[], T]) -> T:
        """Do it, come what may; what it raises is raised."""
        with self._life.pulse.around():
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def let_go(self) -> None:
        """Wait for the piece in hand, and take no more."""
        self._thread.shutdown()

    def _report(self, what: str, error: BaseException) -> None:
        """Log once when work begins to fail, and when it fails for another reason."""
        reason = str(error) or type(error).__name__
        if self._failing.get(what) != reason:
            log.error("work_failed", work=what, error=reason, exc_info=not isinstance(error, FeederError))
        self._failing[what] = reason


async def kept_up(what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do *work* until its end, or until cancelled; whatever it raises is logged, and it begins anew in a while.

    It is for what nobody waits for: a task that fails is not heard of before it is asked for its result.
    """
    while True:
        try:
            return await work()
        except Exception:
            log.exception("work_crashed", work=what)
            await asyncio.sleep(AGAIN_SECONDS)


async def ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel *tasks*, and wait for their end."""
    ending = tuple(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)


def _end() -> None:
    """End the process now. State and feeds are whole at any time; what was in hand is done anew."""
    log.error("stopped_at_once", reason="the work in hand did not end")
    for child in multiprocessing.active_children():
        child.terminate()
    os._exit(1)
