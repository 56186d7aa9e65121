from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from math import factorial
from pathlib import Path

import pytest

from feeder.workers import AHEAD, Workers

START = """
import os, threading, time
from feeder.workers import Workers
if __name__ == "__main__":
    {before}
    workers = Workers(2)
    workers.start()
    running = [workers.submit(time.sleep, 0.2) for _ in range(4)]
    [future.result() for future in running]
    print(*workers._pool._processes, flush=True)
    workers.submit(time.sleep, 600).result()
"""
# A copy of a process has only the thread that made it, so that there are other ways to start one beside threads.
BEFORE = {"alone": "pass", "beside a thread": "threading.Thread(target=time.sleep, args=[600], daemon=True).start()"}


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
    assert list(workers.map(factorial, jobs)) == [(job, factorial(job)) for job in jobs]


def test_no_jobs_are_no_results(workers: Workers) -> None:
    assert list(workers.map(factorial, [])) == []


def test_what_a_job_raises_is_raised_in_its_turn(workers: Workers) -> None:
    results = workers.map(one_over, [1, 2, 0, 4])
    assert [next(results), next(results)] == [(1, 1.0), (2, 0.5)]
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
    assert list(Workers(2).map(whose, [1, 2])) == [(1, os.getpid()), (2, os.getpid())]


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


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
def test_processes_end_with_one_that_is_killed(before: str, tmp_path: Path) -> None:
    script = tmp_path / "start.py"
    script.write_text(START.format(before=before), "utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        children = [int(word) for word in parent.stdout.readline().split()]
        assert len(children) == 2
        assert all(map(is_running, children))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_until_gone(children)


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def wait_until_gone(processes: list[int]) -> None:
    deadline = time.monotonic() + 30
    while any(map(is_running, processes)):
        assert time.monotonic() < deadline, "processes are left behind"
        time.sleep(0.02)
