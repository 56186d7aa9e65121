"""Runs pure functions over many jobs in child processes, or here while the work is small.

A process may die of what it reads: it has a bound in memory and in time, and the system may end it as well. What was
lost with it is done again, each job in a process of its own, and one that kills that too is divided, until it is known
which item does it. That one alone is given up. A process that does not even begin says nothing of what it was to read.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

from feeder import allocator
from feeder.errors import Stillborn
from feeder.leaving import begin_beside

Job = TypeVar("Job")
Result = TypeVar("Result")

NICENESS = 5  # whoever hands out the work and takes it in must not wait for a core
AHEAD = 16  # jobs in flight for each process: so many that none waits while a batch is decided on
PRELOAD = ["feeder.pipeline.work", "feeder.cli"]
MEMORY = 1 << 30  # bytes of addresses that a process may take beyond those that it begins with
CPU_SECONDS = 30  # for one job; the largest of a whole tree takes a few
OOM_SCORE = 500  # the system, when it has no memory left, ends one of these before whoever serves


@runtime_checkable
class Divisible(Protocol):
    """A job over several items; the results of such jobs are lists."""

    def halves(self) -> tuple[Self, ...]:
        """Return two jobs that come to the same, or none if there is but one item."""

    def given_up(self) -> list[Any]:
        """Return what comes of the one item, which kills whatever process it is given to."""


class Workers:
    """A pool that starts when `start` is called and the machine has more than one core; until then, here and now."""

    def __init__(self, count: int | None = None, *, seconds: int = CPU_SECONDS) -> None:
        self._count = (os.cpu_count() or 1) if count is None else count
        self._seconds = seconds
        self._pool: Executor | None = None
        self._starting = threading.Lock()
        self._repairing = threading.Lock()

    def start(self) -> None:
        """Start the processes, if there are to be any and they do not run yet. Any thread may do it."""
        with self._starting:
            if self._pool is None and self._count > 1:
                pool = ProcessPoolExecutor(self._count, mp_context=_context(), initializer=_follow_parent)
                with _uninterrupted():
                    # Starts them all, now: who goes on may start threads, beside which no process can be copied; a submit
                    # from elsewhere would have to wait; and a pool waits for ever for a process that it starts while
                    # another is being killed.
                    for _ in range(self._count):
                        pool.submit(abs, 0)
                self._pool = pool

    @property
    def is_running(self) -> bool:
        """Whether there are processes."""
        return self._pool is not None

    def stop(self) -> None:
        """End the processes; `start` begins anew."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def submit(self, function: Callable[[Job], Result], job: Job) -> Future[Result]:
        """Begin one job; what it raises is raised where its result is asked for.

        BrokenExecutor: It kills the processes that it is given to, and cannot be divided.
        Stillborn: No process begins that it could be given to.
        """
        done: Future[Result] = Future()
        pool = self._pool
        if pool is None:
            _settle(done, lambda: function(job))
            return done
        with _uninterrupted():
            try:
                inner = pool.submit(_bounded, function, job, self._seconds)
            except BrokenExecutor as error:
                inner = Future()
                inner.set_exception(error)
        done.add_done_callback(lambda done: done.cancelled() and inner.cancel())
        inner.add_done_callback(lambda inner: self._pass_on(inner, done, pool, function, job))
        return done

    def map(self, function: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[tuple[Job, Result]]:
        """Yield each job with its result, in the order of *jobs*, of which only a few are taken ahead."""
        running: deque[tuple[Job, Future[Result]]] = deque()
        for job in jobs:
            running.append((job, self.submit(function, job)))
            if len(running) > (AHEAD * self._count if self._pool else 0):
                first, done = running.popleft()
                yield first, done.result()
        yield from ((job, done.result()) for job, done in running)

    def _pass_on(
        self, inner: Future[Result], done: Future[Result], pool: Executor, function: Callable[[Job], Result], job: Job
    ) -> None:
        if inner.cancelled():
            done.cancel()
        elif not isinstance(inner.exception(), BrokenExecutor):
            _settle(done, inner.result)
        else:  # this thread is the pool's own, which has to end
            begin_beside(lambda: _settle(done, lambda: self._again(pool, function, job)))

    def _again(self, broken: Executor, function: Callable[[Job], Result], job: Job) -> Result:
        """Do once more what was lost with a process. One job at a time, since each may take much memory."""
        with self._repairing:
            if self._pool is broken:
                self.stop()
                self.start()
            result: Result = _alone(function, job, self._seconds)
            return result


def _settle(done: Future[Result], work: Callable[[], Result]) -> None:
    if not done.set_running_or_notify_cancel():
        return
    try:
        done.set_result(work())
    except Exception as error:  # noqa: BLE001 - as a pool does
        done.set_exception(error)


def _alone(function: Callable[[Job], Any], job: Job, seconds: int) -> Any:
    """Do *job* in a process of its own; if that is killed, each half of it."""
    pool = ProcessPoolExecutor(1, mp_context=_context(), initializer=_follow_parent)
    try:
        with _uninterrupted():
            begun = pool.submit(abs, 0)
        _await(begun)
        return pool.submit(_bounded, function, job, seconds).result()
    except BrokenExecutor:
        if not isinstance(job, Divisible):
            raise
        halves = job.halves()
        return [each for half in halves for each in _alone(function, half, seconds)] if halves else job.given_up()
    finally:
        pool.shutdown(cancel_futures=True)


def _await(begun: Future[int]) -> None:
    try:
        begun.result()
    except BrokenExecutor as error:
        raise Stillborn("a process to read or render in ends before it begins: is memory left?") from error


def _bounded(function: Callable[[Job], Result], job: Job, seconds: int) -> Result:
    """Do *job*, in a process that is ended by the system (SIGXCPU) if that takes too long."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    limit = int(time.process_time()) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))
    return function(job)


def _bound_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _context() -> BaseContext:
    """Return the way to start processes: by a copy of this one, which costs nothing, where no other thread can be hurt."""
    if threading.active_count() == 1 and sys.platform == "linux":
        return multiprocessing.get_context("fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    resource_tracker.ensure_running()  # else the next line starts it, and it lets interrupts through again
    with _uninterrupted():
        forkserver.ensure_running()
    return context


def _follow_parent() -> None:
    """End this process with its parent, even if that is killed: the pool's own pipes would keep it waiting for ever."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    allocator.keep_small()
    with suppress(OSError):  # a service's filter may forbid it; then they compete with whoever serves
        os.nice(NICENESS)
    with suppress(OSError, ValueError):  # there is no such file beside Linux
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), "ascii")
    with suppress(OSError, ValueError):
        _bound_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Keep interrupts waiting, and for good from the processes and threads that are started meanwhile.

    Ctrl-C goes to all processes of a terminal, but it is for this one to stop the others: one that dies with a queue's
    lock in its hand would leave us waiting for ever, and one that is half started would not be stopped.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
