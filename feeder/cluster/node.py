"""One node: a process that takes jobs from the queue until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from secrets import token_hex
from typing import Final

import structlog

from feeder import metrics, outputs
from feeder.app import App
from feeder.asking import asker
from feeder.cluster import Job, Kind
from feeder.cluster.joining import LASTING, Terms, is_current, join, terms_of
from feeder.cluster.queue import PostgresQueue, queue_of
from feeder.cluster.work import Slot, Work, wanted
from feeder.config import Address, Config
from feeder.errors import ConfigError, StoreError
from feeder.life import Hand, Life, ended
from feeder.opening import shared
from feeder.serve import serving
from feeder.serve.probes import Probes
from feeder.serve.status import figures
from feeder.store import address as addresses
from feeder.store.records import Lease, Peer
from feeder.systemd import supervisor
from feeder.workers import Workers

log = structlog.get_logger(__name__)

BEAT: Final = timedelta(seconds=5)  # in which a node says that it is there
DISPATCH: Final = timedelta(seconds=2)
SPACING: Final = timedelta(seconds=1)  # between two dispatches of whatever nodes
SKEW_SECONDS: Final = 2.0  # a clock that is wrong by less is right: the database tells whole seconds
DEFAULT_SLOTS: Final = 4

Act = Callable[[Slot, Job], Awaitable[None]]


class Role(StrEnum):
    """What a node may do."""

    POLL = "poll"
    PUBLISH = "publish"
    DISPATCH = "dispatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Duties:
    """What a node is to do, and how much of it at once."""

    roles: frozenset[Role] = frozenset(Role)
    slots: int = DEFAULT_SLOTS
    admin: Address | None = None
    name: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")


def run(
    settings: Config,
    duties: Duties,
    *,
    clock: Callable[[], datetime],
    ready: Callable[[str], None] | None = None,
) -> None:
    """Take jobs until SIGINT or SIGTERM, as `schedule.run` goes on.

    Args:
        settings: What is polled and published.
        duties: What of it is for this node.
        clock: The time of day on this machine, which may be wrong.
        ready: Told the address that tells how things stand, "" if there is none, once all is running.

    Raises:
        FeederError: It cannot begin, or it lost the queue or the state: a new process may find them again.
    """
    asyncio.run(_Node(settings, duties, Clock(clock)).run(ready))


class _Node:
    def __init__(self, settings: Config, duties: Duties, clock: Clock) -> None:
        self._settings = settings
        self._duties = duties
        self._name = f"{duties.name}:{token_hex(3)}"  # nobody else ever: a number of a process comes again
        self._life = Life()
        self._clock = clock
        self._started = clock()
        self._workers = Workers()
        self._counts = metrics.Counts()
        self._in_hand: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._free: asyncio.Queue[Slot] = asyncio.Queue()
        self._waiting: Mapping[str, int] = {}  # jobs in the queue, by kind
        self._heard = time.monotonic()  # when a beat was heard last
        self._held = {self._name}  # holders of the leases that beats keep
        self._terms: Terms | None = None  # the same on all slots; it takes a while to find out

    async def run(self, ready: Callable[[str], None] | None) -> None:
        """Work until a signal."""
        self._name_logs()
        self._life.take_signals(reload=_refuse_to_reload)
        place = self._settings.state
        if not isinstance(place, addresses.Address):
            raise ConfigError(f'state: {place} is for one process: nodes share one in PostgreSQL, "postgresql://…"')
        outputs.make(self._settings)
        async with AsyncExitStack() as stack:
            stack.callback(self._workers.stop)
            desk, pulse = (stack.enter_context(self._slot()) for _ in range(2))
            async with self._beating(pulse):
                await desk.hand.must(lambda: self._begin(desk))
            self._heard = time.monotonic()  # to bring the state in line may have taken long
            for _ in range(self._duties.slots):
                self._free.put_nowait(stack.enter_context(self._slot()))
            queue = await stack.enter_async_context(queue_of(place, slots=self._duties.slots + 1))
            address = await stack.enter_async_context(self._serving())
            one = await stack.enter_async_context(asker(desk.app))
            work = Work(one, self._life, self._clock, node=self._name, held=self._held)
            self._register(queue, work, desk, pulse)
            await self._work(queue, desk, address, ready)
        log.info("stopped")

    async def _work(self, queue: PostgresQueue, desk: Slot, address: str, ready: Callable[[str], None] | None) -> None:
        told = supervisor()
        life = asyncio.create_task(told.reassure(self._life.pulse))
        limit = asyncio.create_task(self._life.limit())
        log.info("started", address=address or None, roles=sorted(self._duties.roles), slots=self._duties.slots)
        told.ready(f"{self._duties.slots} slots for {', '.join(sorted(self._duties.roles))}")
        if ready:
            ready(address)
        try:
            await queue.run(self._life.stopping)
        finally:
            told.stopping()
            life.cancel()
            self._life.stopping.set()
            await limit
            await _gone(desk, self._name)

    # ------------------------------------------------------------ slots

    @contextmanager
    def _slot(self) -> Iterator[Slot]:
        with shared(self._settings, workers=self._workers) as app:
            app.observer = self._counts
            hand = Hand(self._life, app, begin=self._name_logs)
            self._terms = self._terms or terms_of(app)
            try:
                yield Slot(app=app, hand=hand, terms=self._terms)
            finally:
                hand.let_go()

    def _name_logs(self) -> None:
        """Have the events of a thread say whose they are."""
        structlog.contextvars.bind_contextvars(node=self._duties.name)

    def _register(self, queue: PostgresQueue, work: Work, desk: Slot, pulse: Slot) -> None:
        acts: Mapping[Kind, tuple[Role, Act, Slot | None]] = {
            Kind.POLL: (Role.POLL, work.poll, None),
            Kind.PUBLISH: (Role.PUBLISH, work.publish, None),
            Kind.SITE: (Role.PUBLISH, work.publish_site, None),
            Kind.HOUSE: (Role.PUBLISH, work.keep_house, None),
            Kind.CHORES: (Role.DISPATCH, work.do_chores, desk),
        }
        for kind, (role, act, own) in acts.items():
            if role in self._duties.roles:
                queue.register(kind, self._on_slot(act, own))
        queue.schedule(BEAT, lambda: self._beat(pulse))
        if Role.DISPATCH in self._duties.roles:
            queue.schedule(DISPATCH, lambda: self._dispatch(queue, desk))

    def _on_slot(self, act: Act, own: Slot | None) -> Callable[[Job], Awaitable[None]]:
        async def do(job: Job) -> None:
            slot = own or await self._free.get()
            self._in_hand[job.kind] += 1
            try:
                await act(slot, job)
            except Exception:
                log.exception("job_crashed", job=job.key)
            finally:
                self._in_hand[job.kind] -= 1
                self._done[job.kind] += 1
                if own is None:
                    self._free.put_nowait(slot)

        return do

    # ------------------------------------------------------------ again and again

    @asynccontextmanager
    async def _beating(self, pulse: Slot) -> AsyncIterator[None]:
        """Keep the leases of this node until the end of the block."""

        async def keep() -> None:
            while True:
                await pulse.hand.do("beat", lambda: self._keep(pulse.app))
                await asyncio.sleep(BEAT.total_seconds())

        task = asyncio.create_task(keep())
        try:
            yield
        finally:
            await ended([task])

    async def _beat(self, pulse: Slot) -> None:
        """Say that this node is there, so that it keeps its jobs; whoever is not heard any more ends."""
        heard = None
        with suppress(TimeoutError):  # no answer comes on a road that is cut
            async with asyncio.timeout(LASTING.total_seconds()):
                heard = await pulse.hand.do("beat", lambda: self._say(pulse))
        if heard or self._life.stopping.is_set():
            self._heard = time.monotonic()
        if self._is_silent_for(LASTING):
            self._life.stop("silent")
            raise StoreError("the state was out of reach for too long")
        if heard is False:
            self._life.stop("another configuration")
            raise StoreError(
                "nodes work by a newer configuration; this one ends, to begin again with its own as it is now"
            )

    def _is_silent_for(self, least: timedelta) -> bool:
        return time.monotonic() - self._heard >= least.total_seconds()

    def _keep(self, app: App) -> None:
        with app.store.transaction():
            app.store.keep_leases(self._held.copy(), lasting=LASTING)

    def _say(self, pulse: Slot) -> bool:
        """Return whether the configuration of this node is that of all."""
        store = pulse.app.store
        facts = {
            "roles": sorted(self._duties.roles),
            "slots": self._duties.slots,
            "in_hand": {kind: count for kind, count in self._in_hand.items() if count},
            "done": dict(self._done),
            "waiting": dict(self._waiting),
        }
        self._keep(pulse.app)
        with store.transaction():
            store.note_peer(Peer(node=self._name, started=self._started, facts=json.dumps(facts)))
        self._clock.set_by(store.clock())
        return is_current(pulse.app, pulse.terms)

    async def _dispatch(self, queue: PostgresQueue, desk: Slot) -> None:
        jobs = await desk.hand.do("dispatch", lambda: self._wanted(desk.app))
        if jobs and not self._life.stopping.is_set():
            await queue.enqueue(jobs)
            self._waiting = await queue.waiting()

    def _wanted(self, app: App) -> list[Job]:
        """Return what there is to do, unless another node has just looked."""
        lease = Lease(name="dispatch", holder=token_hex(8), node="")  # kept by nobody: it ends by itself
        with app.store.transaction():
            is_ours = app.store.take_lease(lease, lasting=SPACING)
        return wanted(app, self._clock()) if is_ours else []

    # ------------------------------------------------------------ how it stands

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[str]:
        """Tell how this node stands, where it is to; feeds are for others to serve."""
        settings = replace(self._settings, listen=None, admin=self._duties.admin)
        state, queues = metrics.State(lambda: settings, self._clock), metrics.Queues(lambda: dict(self._in_hand))
        probes = Probes(
            waits_for=lambda: "the state is out of reach" if self._is_silent_for(2 * BEAT) else None,
            figures=lambda: figures(settings, self._clock()),
            metrics=metrics.exposition(state, self._counts, queues),
        )
        async with serving(settings, probes) as served:
            yield next(iter(served.urls), "")

    def _begin(self, desk: Slot) -> None:
        self._clock.set_by(desk.app.store.clock())
        self._started = self._clock()
        lease = Lease(name="join", holder=self._name, node=self._name)
        join(desk.app, desk.terms, lease, self._clock, self._life.stopping.is_set)


class Clock:
    """The time of day, by the database's clock where this machine's is wrong."""

    def __init__(self, ours: Callable[[], datetime]) -> None:
        self._ours = ours
        self._lead = timedelta()

    def __call__(self) -> datetime:
        """Return it."""
        return self._ours() + self._lead

    def set_by(self, theirs: datetime) -> None:
        """Go by *theirs*, which was a moment ago."""
        lead = theirs - self._ours().replace(microsecond=0)
        is_wrong = abs(lead.total_seconds()) > SKEW_SECONDS
        if is_wrong and not self._lead:
            log.warning("clock_is_wrong", seconds=round(lead.total_seconds()))
        self._lead = lead if is_wrong else timedelta()


async def _gone(desk: Slot, name: str) -> None:
    def forget() -> None:
        with desk.app.store.transaction():
            desk.app.store.forget_peer(name)

    try:
        await desk.hand.must(forget)
    except StoreError:
        log.info("not_forgotten")  # in a while it is


def _refuse_to_reload() -> None:
    log.warning("reload_refused", reason="a node reads its configuration when it starts: restart it")


def roles_of(text: str) -> frozenset[Role]:
    """Return the roles in a list such as "poll,publish".

    Raises:
        ConfigError: One is none.
    """
    names: Collection[str] = [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in set(Role)]
    if wrong or not names:
        raise ConfigError(f"--roles: {', '.join(wrong) or 'none'}: wanted are some of {', '.join(Role)}")
    return frozenset(map(Role, names))
