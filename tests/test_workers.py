from __future__ import annotations

import os
from collections.abc import Iterator
from math import factorial

import pytest

from feeder.workers import AHEAD, Workers


def whose(_: int) -> int:
    """Return the process that does the work; here, for child processes must find it by its name."""
    return os.getpid()


def one_over(number: int) -> float:
    return 1 / number


@pytest.fixture(params=[1, 2])
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    """Workers that have been started: one works here, two are processes of their own."""
    started = Workers(request.param)
    started.start()
    yield started
    started.stop()


def test_results_come_in_the_order_of_the_jobs(workers: Workers) -> None:
    jobs = [2_000 if number % 7 == 0 else number for number in range(60)]  # some take much longer
    assert list(workers.map(factorial, jobs)) == [factorial(job) for job in jobs]


def test_no_jobs_are_no_results(workers: Workers) -> None:
    assert list(workers.map(factorial, [])) == []


def test_what_a_job_raises_is_raised_in_its_turn(workers: Workers) -> None:
    results = workers.map(one_over, [1, 2, 0, 4])
    assert [next(results), next(results)] == [1.0, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_what_a_job_raises_is_raised_where_its_result_is_asked_for(workers: Workers) -> None:
    future = workers.submit(one_over, 0)
    with pytest.raises(ZeroDivisionError):
        future.result()


def test_only_a_few_jobs_are_taken_ahead(workers: Workers) -> None:
    jobs = iter(range(100))
    results = workers.map(factorial, jobs)
    next(results)
    assert next(jobs) <= AHEAD * 2 + 1


def test_without_a_start_the_work_is_done_here() -> None:
    assert list(Workers(2).map(whose, [1, 2])) == [os.getpid()] * 2


def test_one_worker_works_here() -> None:
    alone = Workers(1)
    alone.start()
    assert alone.submit(whose, 1).result() == os.getpid()


def test_started_workers_work_elsewhere_and_stopped_ones_here_again() -> None:
    workers = Workers(2)
    workers.start()
    workers.start()
    assert workers.submit(whose, 1).result() != os.getpid()
    workers.stop()
    workers.stop()
    assert workers.submit(whose, 1).result() == os.getpid()
    workers.start()
    assert workers.submit(whose, 1).result() != os.getpid()
    workers.stop()


def test_by_default_there_are_as_many_workers_as_cores() -> None:
    assert Workers()._count == os.cpu_count()
