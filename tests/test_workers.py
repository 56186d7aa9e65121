from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from math import factorial
from pathlib import Path

import pytest

from feeder.workers import AHEAD, MEMORY, OOM_SCORE, Workers

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


@dataclass(frozen=True)
class Numbers:
    """A job over several numbers, of which 13 kills, and 14 takes for ever."""

    numbers: tuple[int, ...]

    def halves(self) -> tuple[Numbers, ...]:
        middle = len(self.numbers) // 2
        return (Numbers(self.numbers[:middle]), Numbers(self.numbers[middle:])) if middle else ()

    def given_up(self) -> list[int]:
        return [-number for number in self.numbers]


def doubled(job: Numbers) -> list[int]:
    if 13 in job.numbers:
        os.kill(os.getpid(), signal.SIGKILL)
    while 14 in job.numbers:
        pass
    return [2 * number for number in job.numbers]


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


@pytest.mark.parametrize("bad", [13, 14], ids=["it kills", "it takes for ever"])
def test_an_item_that_ends_its_process_is_given_up_alone(bad: int) -> None:
    workers = Workers(2, seconds=1)
    workers.start()
    jobs = [Numbers((0, 1, 2)), Numbers((3, bad, 4, 5)), *(Numbers((n,)) for n in range(20, 50))]
    results = [result for _, results in workers.map(doubled, jobs) for result in results]
    assert results == [0, 2, 4, 6, -bad, 8, 10, *range(40, 100, 2)]
    assert workers.is_running
    assert workers.submit(whose, 1).result() != os.getpid()
    workers.stop()


def test_a_job_that_cannot_be_divided_and_kills_again_is_an_error() -> None:
    workers = Workers(2)
    workers.start()
    others = [workers.submit(factorial, number) for number in range(10)]
    bad = workers.submit(os._exit, 1)
    with pytest.raises(BrokenExecutor):
        bad.result()
    assert [other.result() for other in others] == [factorial(number) for number in range(10)]
    workers.stop()


STILLBORN = """
import sys, threading, time
from feeder.errors import Stillborn
from feeder.workers import Workers
from test_workers import Numbers, doubled
if __name__ != "__main__":
    sys.exit("a process that does not begin")
threading.Thread(target=time.sleep, args=[600], daemon=True).start()
workers = Workers(2)
workers.start()
try:
    print(list(workers.map(doubled, [Numbers((1, 2))])), flush=True)
except Stillborn as error:
    print(error, flush=True)
workers.stop()
"""


def test_nothing_is_given_up_because_processes_do_not_begin(tmp_path: Path) -> None:
    script = tmp_path / "stillborn.py"
    script.write_text(STILLBORN)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert "ends before it begins" in process.stdout.readline()
        process.kill()


def test_a_process_takes_no_more_memory_than_it_may() -> None:
    workers = Workers(2)
    workers.start()
    with pytest.raises(MemoryError):
        workers.submit(bytearray, MEMORY + (64 << 20)).result()
    assert len(workers.submit(bytes, MEMORY // 8).result()) == MEMORY // 8
    workers.stop()


def test_the_system_ends_a_process_of_ours_before_whoever_serves() -> None:
    workers = Workers(2)
    workers.start()
    score = Path("/proc/self/oom_score_adj")
    assert int(workers.submit(Path.read_text, score).result()) >= OOM_SCORE > int(score.read_text("ascii"))
    workers.stop()


def test_work_that_nobody_waits_for_any_more_is_not_begun() -> None:
    workers = Workers(2)
    workers.start()
    begun = [workers.submit(time.sleep, 0.3) for _ in range(20)]
    assert begun[-1].cancel()
    workers.stop()
    assert begun[-1].cancelled()


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
