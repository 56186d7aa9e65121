"""What the jobs do: each under a lease, so that a node which was thought dead and comes back changes nothing any more."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from secrets import token_hex
from typing import Final, TypeVar

import structlog

from feeder import alerts, shards
from feeder.app import App
from feeder.asking import Asker, Round
from feeder.bulletin import Bulletin
from feeder.cluster import Job, Kind
from feeder.cluster.joining import LASTING, Terms, is_current
from feeder.errors import StoreError
from feeder.life import Do, Hand, Life, ended, kept_up
from feeder.pipeline import auditing, publishing
from feeder.pipeline.edition import Published
from feeder.store.records import Lease
from feeder.telling import go_on, tellers

log = structlog.get_logger(__name__)

ROUND_SECONDS: Final = 20.0  # for which a job takes more sources that are due: then others have their turn
LATE_SECONDS: Final = 60.0  # for slow servers after that; who has not answered by then is asked by the next job
LOOK_SECONDS: Final = 1.0  # between looks at what is due, while servers are waited for
GATHERING: Final = timedelta(seconds=0.5)  # for which an answer waits for others: it is far to the database
LAST: Final = timedelta(seconds=20)  # for which the site waits until all other stale feeds are written
CHORE_SECONDS: Final = 5.0  # between looks for news of other nodes
MOST_DUE: Final = 500  # sources taken at once
HOUSEKEEPING: Final = timedelta(minutes=10)
HOUSE: Final = "house"  # a note of when it was last kept

Clock = Callable[[], datetime]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A connection to the state, and the thread that uses it."""

    app: App
    hand: Hand
    terms: Terms


class Work:
    """Does jobs of all kinds, on the slots of one node."""

    def __init__(self, asker: Asker, life: Life, clock: Clock, *, node: str, held: set[str]) -> None:
        self._asker = asker
        self._life = life
        self._clock = clock
        self._node = node
        self._held = held  # holders of the leases that are to be kept

    async def poll(self, slot: Slot, job: Job) -> None:
        """Poll the sources of a shard until none is due, or others want their turn."""
        async with self._under_lease(slot, job) as do:
            if do:
                await self._poll_due(slot.app, job.shard, do)

    async def publish(self, slot: Slot, job: Job) -> None:
        """Publish the stale feeds of a shard."""
        await self._publish(slot, job, lambda: slot.app.publish_shard(job.shard, self._clock()))

    async def publish_site(self, slot: Slot, job: Job) -> None:
        """Publish what there is once."""
        await self._publish(slot, job, lambda: slot.app.publish_site(self._clock()))

    async def keep_house(self, slot: Slot, job: Job) -> None:
        """Look whether all files are what they should be, and forget what is not needed any more."""
        app = slot.app
        async with self._under_lease(slot, job) as do:
            if do is None:
                return
            if await do("note of the house", lambda: self._note_house(app)):
                await do("audit", lambda: auditing.audit(app.parts))
                await do("pages", lambda: auditing.clear_pages(app.parts))
                await do("recall", lambda: app.recall(self._clock()))
                await do("prune", lambda: app.prune(self._clock()))
                await do("nodes", lambda: _forget_silent(app))

    async def do_chores(self, slot: Slot, job: Job) -> None:
        """Tell others of files that changed, and look after what falls silent, until this node stops or lost the job."""
        async with self._under_lease(slot, job) as do, AsyncExitStack() as stack:
            if do:
                news = [asyncio.Event() for _ in slot.app.parts.listeners]
                tasks = [asyncio.create_task(each) for each in self._chores(slot.app, do, news)]
                stack.push_async_callback(ended, tasks)
                while await do("chores", lambda: _holds(slot.app)):
                    for each in news:
                        each.set()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._life.stopping.wait(), CHORE_SECONDS)

    # ------------------------------------------------------------ leases

    @asynccontextmanager
    async def _under_lease(self, slot: Slot, job: Job) -> AsyncIterator[Do | None]:
        """Yield what does work under the job's lease; None if another node has it, or it cannot be had."""
        store = slot.app.store
        lease = Lease(name=job.key, holder=token_hex(8), node=self._node)

        async def do(what: str, work: Callable[[], T], /) -> T | None:
            def fenced() -> T:
                with store.under(lease):
                    return work()

            return await slot.hand.do(what, fenced)

        taken = None
        self._held.add(lease.holder)
        try:
            taken = await slot.hand.do("lease", partial(_take, slot, lease))
            yield do if taken else None
        finally:
            self._held.discard(lease.holder)
            if taken:
                with suppress(StoreError):  # it ends by itself
                    await slot.hand.must(partial(_end, slot.app, lease))

    # ------------------------------------------------------------ polling

    async def _poll_due(self, app: App, shard: int, do: Do) -> None:
        round_ = Round(self._asker, app, do, gathering=GATHERING)
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            while loop.time() < started + ROUND_SECONDS + LATE_SECONDS:
                takes_more = loop.time() < started + ROUND_SECONDS
                names = await self._due(app, shard, do) if takes_more else ()
                await round_.begin([name for name in names if app.is_remote(name)])
                here = [name for name in names if not app.is_remote(name)]
                if not await self._poll_here(app, here, do) or not (here or round_.asked):
                    return
                if round_.asked and not await self._take(round_):
                    return
        finally:
            await round_.end()

    async def _due(self, app: App, shard: int, do: Do) -> tuple[str, ...]:
        found = await do("due", lambda: app.store.due_in(shard, self._clock(), limit=MOST_DUE))
        return tuple(name for name in found or () if app.knows(name))

    async def _poll_here(self, app: App, names: Iterable[str], do: Do) -> bool:
        for name in names:
            if await do(f"poll {name}", partial(self._poll_one, app, name)) is None:
                return False
        return True

    def _poll_one(self, app: App, name: str) -> object:
        return app.poll(name, self._clock(), jitter=_jitter())

    async def _take(self, round_: Round) -> bool:
        return await round_.take(self._clock, jitter=_jitter, patience=LOOK_SECONDS) is not None

    # ------------------------------------------------------------ publishing

    async def _publish(self, slot: Slot, job: Job, act: Callable[[], Published]) -> None:
        async with self._under_lease(slot, job) as do:
            if do:
                stale = await do("stale", partial(self._stale, slot.app, job)) or frozenset()
                if await do(f"publish {job.key}", act) is None and stale:
                    # A directory takes what is older, if this node was paused; whoever has the lease puts it right.
                    await slot.hand.do("mark", lambda: _mark(slot.app, stale))

    def _stale(self, app: App, job: Job) -> frozenset[tuple[str, ...]]:
        marks = app.store.stale(self._clock(), settle=app.parts.feeds.settle, shard=job.shard)
        return frozenset(mark.node for mark in marks)

    # ------------------------------------------------------------ what there is once

    def _note_house(self, app: App) -> bool:
        with app.store.transaction():
            app.store.note(HOUSE, self._clock().isoformat())
        return True

    def _chores(self, app: App, do: Do, news: Iterable[asyncio.Event]) -> Iterator[Coroutine[None, None, None]]:
        yield kept_up("alerts", lambda: alerts.go_on(app, do, self._clock))
        yield kept_up("status", lambda: Bulletin().go_on(lambda: app.config, self._clock))
        for teller, each in zip(tellers(app), news, strict=True):
            yield kept_up(f"telling the {teller.listener}", partial(go_on, teller, app, do, self._clock, each))


def wanted(app: App, now: datetime) -> list[Job]:
    """Return the jobs that there are, as the state has it; what has become another by itself is marked first."""
    store, settle = app.store, app.parts.feeds.settle
    publishing.ripen(app.parts, now)
    stale = set(store.stale_shards(now, settle=settle))
    if stale > {shards.SITE}:  # it tells of the others
        stale &= {*range(shards.FEEDS), *store.stale_shards(now, settle=settle + LAST)}
    jobs = [Job(kind=Kind.CHORES), *(Job(kind=Kind.POLL, shard=shard) for shard in store.due_shards(now))]
    jobs += [Job(kind=Kind.PUBLISH if shard >= 0 else Kind.SITE, shard=shard) for shard in sorted(stale)]
    kept = store.noted(HOUSE)
    if kept is None or datetime.fromisoformat(kept) + HOUSEKEEPING <= now:
        jobs.append(Job(kind=Kind.HOUSE))
    return jobs


def _take(slot: Slot, lease: Lease) -> bool:
    """Take a lease, if this node may work at all.

    That is asked last: who brings another configuration says so, and takes all leases away then.
    """
    with slot.app.store.transaction():
        is_taken = slot.app.store.take_lease(lease, lasting=LASTING)
    if is_taken and not is_current(slot.app, slot.terms):
        _end(slot.app, lease)
        return False
    return is_taken


def _end(app: App, lease: Lease) -> None:
    with app.store.transaction():
        app.store.end_lease(lease)


def _mark(app: App, nodes: Iterable[tuple[str, ...]]) -> bool:
    with app.store.transaction():
        app.store.mark(sorted(nodes))
    return True


def _forget_silent(app: App) -> bool:
    with app.store.transaction():
        app.store.forget_silent(since=HOUSEKEEPING)
    return True


def _holds(app: App) -> bool:
    app.store.check_lease()
    return True


def _jitter() -> float:
    return random.random()  # noqa: S311 - it spreads the load; nothing depends on it being secret
