"""The queue in PostgreSQL. Only this module knows pgqueuer."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final

import psycopg
import structlog
from pgqueuer.adapters.drivers.psycopg import PsycopgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import FailingListenerError
from pgqueuer.domain.models import Job as Record
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from pgqueuer.ports.driver import NotifyCallback

from feeder.cluster import Job, Kind
from feeder.errors import StoreError
from feeder.store.address import Address
from feeder.store.postgres import Hold, manners, options_of, told

log = structlog.get_logger(__name__)

# A node that is silent for so long has lost its jobs. pgqueuer's own advice is a minute, since a loop that is blocked
# looks dead; here a job that runs twice is held off by its lease.
SILENT: Final = timedelta(seconds=30)
LOOK: Final = timedelta(seconds=2)  # for jobs of which no notice came: those that a silent node has lost
BATCH: Final = 1  # jobs taken at once: a second one may be done sooner by another node
AHEAD: Final = 1  # jobs that wait on this node for a slot: the queue is looked at every so often only
TIDY: Final = timedelta(minutes=10)
PRIORITIES: Final[Mapping[Kind, int]] = MappingProxyType(
    {Kind.CHORES: 3, Kind.HOUSE: 2, Kind.SITE: 1, Kind.PUBLISH: 1, Kind.POLL: 0}
)
"""Few jobs before many: a million sources that are due must not keep a feed waiting."""

# pgqueuer says for itself, with tracebacks, what is told here in one line.
logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)


class PostgresQueue:
    """The jobs of all nodes that work with one state."""

    def __init__(self, lines: _Lines, settings: DBSettings, *, slots: int) -> None:
        self._lines = lines
        self._queries = queries = _queries(lines, settings)
        self._manager = QueueManager(queries, settings.channel)
        self._most = max(slots + AHEAD, 2 * BATCH)  # pgqueuer wants to hold two batches
        self._scheduled: list[tuple[timedelta, Callable[[], Awaitable[None]]]] = [(TIDY, self._tidy)]

    def register(self, kind: Kind, work: Callable[[Job], Awaitable[None]]) -> None:
        """Have *work* do the jobs of a kind; what it raises ends the job."""

        async def do(record: Record) -> None:
            await work(Job(kind=kind, shard=int(record.payload or b"0")))

        self._manager.entrypoint(kind.value, accepts_context=False)(do)

    async def enqueue(self, jobs: Collection[Job]) -> int:
        """Add those of *jobs* that neither wait nor run; return how many those were."""
        ordered = sorted(jobs, key=lambda job: job.key)  # two that add the same ones never wait for each other
        if not ordered:
            return 0
        try:
            added = await self._queries.enqueue(
                [job.kind.value for job in ordered],
                [str(job.shard).encode() for job in ordered],
                [PRIORITIES[job.kind] for job in ordered],
                dedupe_key=[job.key for job in ordered],
                on_conflict="skip",
            )
        except psycopg.Error as error:
            raise _lost(error) from error
        return sum(1 for id_ in added if id_ is not None)

    def schedule(self, every: timedelta, work: Callable[[], Awaitable[None]]) -> None:
        """Have *work* done on this node so often; others do it as well, at the same time perhaps."""
        self._scheduled.append((every, work))

    async def run(self, stopping: asyncio.Event) -> None:
        """Do jobs until *stopping* is set, and finish those in hand.

        Raises:
            StoreError: The queue was lost; a new process may find it again.
        """
        self._manager.shutdown = stopping
        self._lines.fail = stopping.set  # it waits for the jobs in hand before it raises, and they for this
        timers = [asyncio.create_task(_again_and_again(every, work)) for every, work in self._scheduled]
        for timer in timers:
            timer.add_done_callback(lambda _: stopping.set())
        try:
            await self._manager.run(
                dequeue_timeout=LOOK,
                batch_size=BATCH,
                max_concurrent_tasks=self._most,
                shutdown_on_listener_failure=True,
                heartbeat_timeout=SILENT,
                log_aggregation_interval=timedelta(0),
            )
        except (psycopg.Error, FailingListenerError) as error:
            raise _lost(error) from error
        finally:
            for timer in timers:
                timer.cancel()
            ended = await asyncio.gather(*timers, return_exceptions=True)
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome

    async def waiting(self) -> Mapping[str, int]:
        """Return how many jobs wait for a node, by kind."""
        try:
            found = await self._queries.queue_size()
        except psycopg.Error as error:
            raise _lost(error) from error
        waiting: Counter[str] = Counter()
        for each in found:
            waiting[each.entrypoint] += each.count if each.status == "queued" else 0
        return +waiting

    async def _tidy(self) -> None:
        """Forget the jobs that were done: pgqueuer keeps a line of each."""
        with suppress(psycopg.Error):  # whoever asks for jobs tells it
            await self._queries.clear_queue_log([kind.value for kind in Kind])


@asynccontextmanager
async def queue_of(place: Address, *, slots: int = 1) -> AsyncIterator[PostgresQueue]:
    """Yield the queue in the schema of a state; it is made if need be.

    Args:
        place: Of the state.
        slots: Jobs done at once on this node.

    Raises:
        StoreError: It cannot be reached.
    """
    with told(place):
        async with await _connected(place) as asking, await _connected(place) as listening:
            settings = _settings(place)
            lines = _Lines(asking, listening)
            await _install(_queries(lines, settings))
            yield PostgresQueue(lines, settings, slots=slots)


class _Lines(PsycopgDriver):
    """Asks on one connection and listens on another: while one listens, psycopg keeps queries waiting, up to a second."""

    def __init__(self, asking: psycopg.AsyncConnection[Any], listening: psycopg.AsyncConnection[Any]) -> None:
        super().__init__(listening)
        self._asking = PsycopgDriver(asking)
        self._listens = asyncio.Event()
        self.fail: Callable[[], None] = lambda: None  # told when a question cannot be answered

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        await super().add_listener(channel, callback)
        self._listens.set()

    async def notify(self, channel: str, payload: str) -> None:
        await self._listens.wait()  # the first look at its own health would not be heard otherwise
        await super().notify(channel, payload)

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        try:
            return await self._asking.fetch(query, *args)
        except psycopg.Error:
            self.fail()
            raise

    async def execute(self, query: str, *args: object) -> str:
        return await self._asking.execute(query, *args)


async def _connected(place: Address) -> psycopg.AsyncConnection[Any]:
    connection = await psycopg.AsyncConnection.connect(**options_of(place), autocommit=True)
    await connection.execute(*manners(place, Hold.SHARED))
    return connection


def _settings(place: Address) -> DBSettings:
    """Name what pgqueuer makes after the schema: notices go to all of a database, which may hold several sites."""
    mark = blake2b(place.schema.encode(), digest_size=8).hexdigest()
    # What the queue holds is in the state as well: a crash of the database may take it along.
    return DBSettings(prefix="", db_schema=None, channel=Channel(f"feeder_{mark}"), durability=Durability.volatile)


def _queries(driver: PsycopgDriver, settings: DBSettings) -> Queries:
    return Queries(
        driver,
        qbe=QueryBuilderEnvironment(settings),
        qbq=QueryQueueBuilder(settings),
        qbs=QuerySchedulerBuilder(settings),
    )


async def _install(queries: Queries) -> None:
    """Make its tables, or bring them up to this version of pgqueuer; of several nodes that start at once, one does."""
    async with queries.schema_lock():
        if not await queries.schema_is_installed():
            await queries.install(create_schema=False)
    await queries.upgrade()


async def _again_and_again(every: timedelta, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await work()
        await asyncio.sleep(every.total_seconds())


def _lost(error: Exception) -> StoreError:
    return StoreError(f"the queue was lost: {_line(error)}")


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
