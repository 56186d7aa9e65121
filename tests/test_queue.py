from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from build import site
from databases import Own, Postgres, own_server

from feeder.cluster import Job, Kind
from feeder.cluster.queue import PostgresQueue, queue_of
from feeder.errors import StoreError
from feeder.store.address import Address
from feeder.store.postgres import open_store

JOBS = [Job(kind=Kind.POLL, shard=number) for number in range(20)]
MOMENT = timedelta(seconds=0.2)
LIMIT = 60


@pytest.fixture
def place(postgres: Postgres) -> Iterator[Address]:
    chosen = postgres.address()
    open_store(chosen, site_id=site().id).close()
    yield chosen
    postgres.drop(chosen)


def run(work: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(LIMIT):
            await work

    asyncio.run(limited())


async def queues(place: Address, number: int, stack: AsyncExitStack) -> list[PostgresQueue]:
    """Open the queue that many times, at once."""
    opening = (stack.enter_async_context(queue_of(place, slots=4)) for _ in range(number))
    return [await each for each in opening]


def noting(done: list[Job], stop: asyncio.Event, *, most: int) -> Callable[[Job], Awaitable[None]]:
    async def work(job: Job) -> None:
        done.append(job)
        await asyncio.sleep(0.01)
        if len(done) >= most:
            stop.set()

    return work


def test_a_job_is_there_once_however_many_add_it_at_once(place: Address) -> None:
    async def work() -> None:
        async with AsyncExitStack() as stack:
            ours = await queues(place, 3, stack)
            added = await asyncio.gather(*(queue.enqueue(JOBS) for queue in ours))
            assert sum(added) == len(JOBS)
            assert await ours[0].waiting() == {"poll": len(JOBS)}
            assert await ours[0].enqueue([]) == 0

    run(work())


def test_nodes_share_the_jobs(place: Address) -> None:
    async def work() -> None:
        async with AsyncExitStack() as stack:
            one, other = await queues(place, 2, stack)
            stop, done = asyncio.Event(), list[Job]()
            for queue in (one, other):
                queue.register(Kind.POLL, noting(done, stop, most=len(JOBS)))
            await one.enqueue(JOBS)
            await asyncio.gather(one.run(stop), other.run(stop))
            assert sorted(job.key for job in done) == sorted(job.key for job in JOBS)
            assert await one.waiting() == {}

    run(work())


def test_a_job_that_runs_is_not_added_again_and_one_that_fails_is_over(place: Address) -> None:
    async def work() -> None:
        async with AsyncExitStack() as stack:
            (queue,) = await queues(place, 1, stack)
            stop, added = asyncio.Event(), list[int]()

            async def fail(_job: Job) -> None:
                added.append(await queue.enqueue(JOBS[:1]))
                raise ValueError("as it happens")

            async def again() -> None:
                await queue.enqueue(JOBS[:1])
                if len(added) > 1:
                    stop.set()

            queue.register(Kind.POLL, fail)
            queue.schedule(MOMENT, again)
            await queue.run(stop)
            assert set(added) == {0}

    run(work())


def test_work_of_a_schedule_that_fails_ends_the_node(place: Address) -> None:
    async def work() -> None:
        async with AsyncExitStack() as stack:
            (queue,) = await queues(place, 1, stack)

            async def fail() -> None:
                raise StoreError("the state was out of reach")

            queue.schedule(MOMENT, fail)
            with pytest.raises(StoreError, match="out of reach"):
                await queue.run(asyncio.Event())

    run(work())


def test_what_is_in_hand_is_finished_at_a_stop(place: Address) -> None:
    async def work() -> None:
        async with AsyncExitStack() as stack:
            (queue,) = await queues(place, 1, stack)
            stop, done = asyncio.Event(), list[Job]()

            async def slow(job: Job) -> None:
                stop.set()
                await asyncio.sleep(0.5)
                done.append(job)

            queue.register(Kind.HOUSE, slow)
            await queue.enqueue([Job(kind=Kind.HOUSE)])
            await queue.run(stop)
            assert done == [Job(kind=Kind.HOUSE)]

    run(work())


def test_sites_in_one_database_have_queues_of_their_own(place: Address, postgres: Postgres) -> None:
    other = postgres.address()
    open_store(other, site_id=site().id).close()

    async def work() -> None:
        async with AsyncExitStack() as stack:
            (here,) = await queues(place, 1, stack)
            (there,) = await queues(other, 1, stack)
            assert await here.enqueue(JOBS[:3]) == 3
            assert await there.enqueue(JOBS[:2]) == 2
            assert await there.waiting() == {"poll": 2}

    run(work())
    postgres.drop(other)


def test_a_queue_that_goes_is_an_error_of_ours() -> None:
    async def work(own: Own, place: Address) -> None:
        async with AsyncExitStack() as stack:
            (queue,) = await queues(place, 1, stack)

            async def stop() -> None:
                await asyncio.to_thread(own.stop)
                await asyncio.sleep(LIMIT)

            queue.schedule(MOMENT, stop)
            with pytest.raises(StoreError, match="the queue was lost"):
                await queue.run(asyncio.Event())
            with pytest.raises(StoreError, match="the queue was lost"):
                await queue.enqueue(JOBS)

    with own_server() as own:
        place = own.address()
        open_store(place, site_id=site().id).close()
        run(work(own, place))


def test_a_question_that_fails_ends_what_goes_on(place: Address, postgres: Postgres) -> None:
    async def work() -> None:
        async with AsyncExitStack() as stack:
            (queue,) = await queues(place, 1, stack)
            stop = asyncio.Event()

            async def go_on(_job: Job) -> None:
                await asyncio.to_thread(postgres.execute, place, "ALTER TABLE pgqueuer RENAME TO lost")
                await stop.wait()

            queue.register(Kind.CHORES, go_on)
            await queue.enqueue([Job(kind=Kind.CHORES)])
            with pytest.raises(StoreError, match="the queue was lost"):
                await queue.run(stop)

    run(work())
