"""Runs pure functions over many jobs in child processes, or here while the work is small."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext
from typing import TypeVar

from feeder import allocator

Job = TypeVar("Job")
Result = TypeVar("Result")

NICENESS = 5  # whoever hands out the work and takes it in must not wait for a core
AHEAD = 16  # jobs in flight for each process: so many that none waits while a batch is decided on
PRELOAD = ["feeder.pipeline.work", "feeder.cli"]


class Workers:
    """A pool that starts when `start` is called and the machine has more than one core; until then, here and now."""

    def __init__(self, count: int | None = None) -> None:
        self._count = (os.cpu_count() or 1) if count is None else count
        self._pool: Executor | None = None
        self._starting = threading.Lock()

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
        """Begin one job; what it raises is raised where its result is asked for."""
        pool = self._pool
        if pool is not None:
            with _uninterrupted():
                return pool.submit(function, job)
        done: Future[Result] = Future()
        try:
            done.set_result(function(job))
        except Exception as error:  # noqa: BLE001 - as a pool does
            done.set_exception(error)
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
