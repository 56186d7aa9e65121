"""One process: ticks, signals, the server. Only this module knows APScheduler's scheduler."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Final

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from feeder import alerts, metrics, outputs
from feeder.app import App
from feeder.asking import GATHERING, TOGETHER, asker, paced
from feeder.bulletin import Bulletin
from feeder.config import Config
from feeder.errors import ConfigError, OutputError, StoreError
from feeder.life import Hand, Life, ended, kept_up
from feeder.model import EPOCH, Source, Verdict
from feeder.pipeline import auditing
from feeder.pipeline.polling import Polled
from feeder.pipeline.receiving import Heard, Question
from feeder.serve import Served, serving
from feeder.serve.probes import Probes
from feeder.serve.status import figures
from feeder.store.opening import open_to_read
from feeder.systemd import supervisor
from feeder.telling import go_on, tellers
from feeder.watching import EVERYTHING, Watcher

log = structlog.get_logger(__name__)

TICK: Final = timedelta(seconds=1)  # the shortest interval of a source
HOUSEKEEPING: Final = timedelta(minutes=10)
CLOCK_SECONDS: Final = 1.0  # between looks at the clock
SET_BACK_SECONDS: Final = 2.0  # a clock that goes back by less stops the ticks no longer than that

Clock = Callable[[], datetime]


def run(app: App, *, clock: Clock, ready: Callable[[str], None] | None = None) -> None:
    """Poll, publish and serve until SIGINT or SIGTERM.

    What is in hand is finished first; after five seconds, or at a second signal, it is given up at its next step
    and done anew at the next start; after nine seconds, or at a third signal, the process ends at once.

    Args:
        app: Opened; it is used by one thread of this function's until it returns.
        clock: The time of day.
        ready: Told the address that is served, "" if there is none, once all is running.

    Raises:
        FeederError: It cannot begin: the address is in use, or the state or the output cannot be used. Or it cannot go
            on: the state was deleted or replaced.
    """
    asyncio.run(_Daemon(app, clock).run(ready))


class _Daemon:
    """The jobs of a running Feeder. The store has one writer, so one thread does the work, a piece at a time."""

    def __init__(self, app: App, clock: Clock) -> None:
        self._app = app
        self._clock = clock
        self._life = Life()
        self._hand = Hand(self._life, app)
        self._running: set[asyncio.Task[None] | None] = set()
        self._asked: dict[str, asyncio.Task[None]] = {}  # sources of which the web is being asked
        self._heard: dict[str, Heard] = {}  # answers that the state is to take in
        self._taker: asyncio.Task[None] | None = None
        self._owed: dict[str, None] = {}  # sources that are leased, but whose poll the state could not take in
        self._watching: asyncio.Task[None] | None = None
        self._telling: list[asyncio.Task[None]] = []
        self._news: list[asyncio.Event] = []
        self._reload_asked = False
        self._is_prepared = True  # the state is in line with the config
        self._supervisor = supervisor()
        self._lost: StoreError | None = None
        self._has_looked = False  # at all that was due at the start
        self._has_published = False  # since then
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )

    async def run(self, ready: Callable[[str], None] | None) -> None:
        """Work until a signal."""
        self._life.take_signals(reload=self._ask_to_reload)
        try:
            async with self._serving() as self._served:
                await self._hand.must(self._prepare)
                log.info("started", address=self._address or None, sources=len(self._app.config.sources))
                if ready:
                    ready(self._address)
                async with asker(self._app) as self._asker:
                    await self._work()
        finally:
            self._hand.let_go()
        if self._lost:
            raise self._lost
        log.info("stopped")

    # ------------------------------------------------------------ beginning and end

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[Served]:
        outputs.make(self._app.config)
        self._app.observer = counts = metrics.Counts()
        state, queues = metrics.State(lambda: self._app.config, self._clock), metrics.Queues(self._queues)
        probes = Probes(
            waits_for=self._waits_for,
            figures=lambda: figures(self._app.config, self._clock()),
            metrics=metrics.exposition(state, counts, queues),
        )
        async with serving(self._app.config, probes) as served:
            yield served

    @property
    def _address(self) -> str:
        return next(iter(self._served.urls), "")

    def _prepare(self) -> bool:
        self._app.prepare(self._clock())
        return True

    def _queues(self) -> dict[str, int]:
        return {"due": len(self._owed), "asked": len(self._asked), "answered": len(self._heard)}

    def _waits_for(self) -> str | None:
        """Return what has not been done yet; the state is asked, so that it is seen when it cannot be."""
        config = self._app.config
        with closing(open_to_read(config.state, site_id=config.site.id)) as store:
            store.sources()
        return None if self._has_published else "nothing has been published yet since the start"

    async def _work(self) -> None:
        self._every(TICK, self._tick)
        self._every(TICK, self._publish)
        self._every(HOUSEKEEPING, self._keep_house, at_once=False)
        self._scheduler.start()
        clock = asyncio.create_task(self._watch_clock())
        life = asyncio.create_task(self._supervisor.reassure(self._life.pulse))
        looking = [
            asyncio.create_task(kept_up("alerts", lambda: alerts.go_on(self._app, self._hand.do, self._clock))),
            asyncio.create_task(
                kept_up("status", lambda: Bulletin().go_on(lambda: self._app.config, self._clock)),
            ),
        ]
        self._watch()
        self._begin_to_tell()
        self._supervisor.ready(self._summary())
        try:
            await self._life.stopping.wait()
        finally:
            self._supervisor.stopping()
            clock.cancel()
            life.cancel()
            self._scheduler.pause()
            await self._drained()
            await ended(self._asked.values())  # a server may be slow for as long as it likes
            await asyncio.gather(*filter(None, [self._taker]))
            async with self._hand.busy:  # no piece of work is cut off
                await ended(filter(None, [self._watching, *self._telling, *looking]))
            self._scheduler.shutdown(wait=False)

    async def _drained(self) -> None:
        """Wait for the jobs that run; APScheduler would cut them off."""
        await asyncio.sleep(0)  # one that was started a moment ago comes to run
        running = [task for task in self._running if task]
        if running:
            await asyncio.wait(running)

    def _watch(self) -> None:
        sources = self._app.config.sources
        self._watching = asyncio.create_task(kept_up("watch", lambda: Watcher(sources).run(self._look_at)))

    def _begin_to_tell(self) -> None:
        self._news = [asyncio.Event() for _ in self._app.parts.listeners]
        self._telling = [
            asyncio.create_task(
                kept_up(
                    f"telling the {teller.listener}",
                    partial(go_on, teller, self._app, self._hand.do, self._clock, news),
                )
            )
            for teller, news in zip(tellers(self._app), self._news, strict=True)
        ]

    def _summary(self, fault: ConfigError | None = None) -> str:
        summary = f"{len(self._app.config.sources)} sources; {self._address or 'serves nothing'}"
        return f"the configuration of before goes on: {'; '.join(fault.problems)}" if fault else summary

    # ------------------------------------------------------------ another config

    def _ask_to_reload(self) -> None:
        self._reload_asked = True  # the next tick does it

    async def _reload(self) -> None:
        """Go on by the config as it is written now; if that cannot be, by the one of before."""
        self._reload_asked, fault, begun = False, None, time.monotonic_ns()
        self._supervisor.reloading()
        try:
            settings = await asyncio.to_thread(self._app.reconfigured)
            async with self._hand.busy:
                await self._take_over(settings)
        except ConfigError as error:
            fault = error
        except OutputError as error:
            fault = ConfigError(str(error))
        except Exception as error:
            log.exception("reload_crashed")
            fault = ConfigError(f"{self._app.config.path}: cannot be read: {type(error).__name__}: {error}")
        if fault:
            log.error("reload_failed", problems=fault.problems)
        self._supervisor.ready(self._summary(fault))  # before the note, which `feeder reload` waits for
        await self._hand.do("note of the reload", lambda: self._app.note_reload(fault, self._clock(), begun=begun))

    async def _take_over(self, settings: Config) -> None:
        """Swap what depends on the config, while no work is in hand; what does not goes on, requests included."""
        before = self._app.config
        others = self._app.take_over(settings)
        await self._ask_no_more(others)
        self._served.reconfigure(settings)
        if _watched(settings) != _watched(before):
            await ended(filter(None, [self._watching]))
            self._watch()
        if _told(settings) != _told(before):
            await ended(self._telling)
            self._begin_to_tell()
        self._is_prepared = bool(await self._hand.attempt("prepare", self._prepare))
        log.info("reloaded", sources=len(settings.sources), changed=len(others), warnings=settings.warnings)

    async def _ask_no_more(self, names: Collection[str]) -> None:
        """Let go of what the web is asked, or has answered, for sources that are others now; those are asked anew."""
        asked = {name: self._asked[name] for name in names if name in self._asked}
        await ended(asked.values())
        dropped = [
            name for name in names if self._heard.pop(name, None) or self._asked.pop(name, None) or name in asked
        ]
        known = {source.name for source in self._app.config.sources if source.enabled}
        self._owed = {name: None for name in (*self._owed, *dropped) if name in known}

    # ------------------------------------------------------------ jobs

    def _every(self, interval: timedelta, work: Callable[[], Awaitable[None]], *, at_once: bool = True) -> None:
        """Run *work* again and again, with *interval* between an end and the next start."""

        async def job() -> None:
            # A job that is due while it runs would be skipped by APScheduler, with a warning each time.
            this.pause()
            task = asyncio.current_task()
            self._running.add(task)
            try:
                await work()
            finally:
                self._running.remove(task)
                this.resume()

        first = {"next_run_time": EPOCH} if at_once else {}
        this = self._scheduler.add_job(job, _Pause(interval), name=work.__name__, **first)

    async def _tick(self) -> None:
        try:
            self._app.store.check_in_place()
        except StoreError as error:
            self._lost = error
            self._life.stop("the state is lost")
        if self._reload_asked:
            await self._reload()
        if not self._is_prepared:
            self._is_prepared = bool(await self._hand.do("prepare", self._prepare))
            return
        names = await self._hand.do("claim", lambda: self._app.claim_due(self._clock()))
        self._owed |= dict.fromkeys(names or ())
        await self._begin_to_ask([name for name in self._owed if self._app.is_remote(name)])
        for name in [name for name in self._owed if not self._app.is_remote(name)]:
            if self._reload_asked:
                return  # what is left may be another source by then
            polled = await self._hand.do(f"poll {name}", partial(self._poll, name))
            if polled:
                del self._owed[name]
                await self._publish_news([polled])
        self._has_looked = True

    async def _begin_to_ask(self, names: Collection[str]) -> None:
        """Ask the web without holding up anybody, however long it takes; what it answers is taken in its turn."""
        new = [name for name in names if name not in self._asked]
        questions = (await self._hand.do("question", lambda: self._app.questions(new))) if new else {}
        async for name, question in paced((questions or {}).items()):
            self._asked[name] = asyncio.create_task(self._ask(name, question))
        for name in names:
            if name in (questions or {}) or name not in new:
                del self._owed[name]

    async def _ask(self, name: str, question: Question) -> None:
        try:
            self._heard[name] = await self._asker.ask(question, self._recall)
            self._begin_to_take()
        finally:
            del self._asked[name]

    async def _recall(self, name: str) -> frozenset[bytes]:
        return await self._hand.do("recall", lambda: self._app.known(name)) or frozenset()

    def _begin_to_take(self) -> None:
        if self._taker is None or self._taker.done():
            self._taker = asyncio.create_task(self._take())

    async def _take(self) -> None:
        """Take the answers that have come, and others that come within a moment.

        As long as the state cannot, try again: nobody is to be asked for them twice.
        """
        while self._heard and not self._life.stopping.is_set():
            await asyncio.sleep(GATHERING.total_seconds())
            polls = await self._hand.do("take", self._take_heard)
            if polls is None:
                await asyncio.sleep(TICK.total_seconds())
            else:
                await self._publish_news(polls)

    def _take_heard(self) -> list[Polled]:
        heard = dict(islice(self._heard.copy().items(), TOGETHER))
        polls = self._app.take(heard, self._clock(), jitter=random.random)
        for name in heard:
            del self._heard[name]
        return polls

    async def _look_at(self, name: str, locators: frozenset[str] | None) -> frozenset[str]:
        """Poll documents that have just changed; return those that are to be looked at again.

        They are still being written, or the state cannot take in now what was found.
        """
        polled = None
        if locators is not None:
            polled = await self._hand.do(f"look at {name}", lambda: self._app.look_at(name, locators, self._clock()))
        if polled is None:
            is_noted = await self._hand.do("request", lambda: self._app.request_poll(name, self._clock()))
            return frozenset() if is_noted else locators or EVERYTHING
        await self._publish_news([polled])
        return polled.unsettled

    async def _publish_news(self, polls: Iterable[Polled]) -> None:
        verdicts = (each for polled in polls for each in polled.verdicts.items())
        if any(count for verdict, count in verdicts if verdict is not Verdict.UNCHANGED):
            await self._publish()

    def _poll(self, name: str) -> Polled:
        jitter = random.random()  # noqa: S311 - it spreads the load; nothing depends on it being secret
        return self._app.poll(name, self._clock(), jitter=jitter)

    async def _publish(self) -> None:
        published = await self._hand.do("publish", lambda: self._app.publish(self._clock()))
        if published:
            self._has_published |= self._has_looked
            if published.nodes:  # even if it failed: some files may have changed before
                self._wake_tellers()

    def _wake_tellers(self) -> None:
        for news in self._news:
            news.set()

    async def _keep_house(self) -> None:
        if not self._asked:  # most polls are too small to need them
            await self._hand.do("rest", self._app.parts.workers.stop)
        await self._hand.do("audit", lambda: auditing.audit(self._app.parts))
        self._wake_tellers()  # it may have removed files
        await self._hand.do("recall", lambda: self._app.recall(self._clock()))
        await self._hand.do("prune", lambda: self._app.prune(self._clock()))

    # ------------------------------------------------------------ the clock

    async def _watch_clock(self) -> None:
        """Begin the jobs anew when the clock was set back: their next times would be as far away as it went."""
        lead = self._lead()
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            was, lead = lead, self._lead()
            if was - lead > SET_BACK_SECONDS:
                log.warning("clock_set_back", seconds=round(was - lead))
                for job in self._scheduler.get_jobs():
                    if job.next_run_time:  # it does not run just now
                        job.modify(next_run_time=EPOCH)

    def _lead(self) -> float:
        return self._clock().timestamp() - time.monotonic()


class _Pause(BaseTrigger):  # type: ignore[misc]  # APScheduler is not typed
    """Due an interval after it is asked: no run is made up for when the clock leaps forward, or after a suspend."""

    def __init__(self, interval: timedelta) -> None:
        self._interval = interval

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        """Return the next time."""
        return now + self._interval


def _watched(settings: Config) -> tuple[Source, ...]:
    return tuple(replace(source, order=0) for source in settings.sources if source.path)


def _told(settings: Config) -> tuple[object, ...]:
    """Return what those go by who tell others of files."""
    command = (settings.after_publish, settings.after_publish_timeout)
    return (*command, settings.feeds.hub, settings.pinged_at_once, settings.site.url)
