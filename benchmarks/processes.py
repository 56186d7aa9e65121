"""Runs commands and tells what their whole process trees cost, as Linux counts it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import Wrong

PROC: Final = Path("/proc")
SAMPLE_SECONDS: Final = 0.02
START_SECONDS: Final = 300.0  # within which a daemon says that it has started
STOP_SECONDS: Final = 20.0
PR_SET_CHILD_SUBREAPER: Final = 36  # linux/prctl.h
SESSION: Final = 3  # of the fields of `stat` behind the name
THREADS: Final = 17
TIMES: Final = slice(11, 15)  # utime, stime, cutime, cstime
KIB: Final = 1024
LAST_WORDS: Final = 2000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is to be run, and where what it says goes."""

    words: Sequence[str | Path]
    folder: Path

    @property
    def log(self) -> Path:
        """Holds what the last run said."""
        return self.folder / "command.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run took."""

    wall: float  # seconds until the command ended
    cpu: float  # seconds of all its processes
    peak: int = 0  # bytes of memory of all its processes at one time, if that was looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What processes hold."""

    resident: int  # bytes; pages that several processes share count in each
    proportional: int  # such pages are divided among them
    files: int  # that are open
    threads: int


def adopt_orphans() -> None:
    """Become the parent of processes that outlive theirs, so that their work is counted as well."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def timed(command: Command) -> Cost:
    """Run *command*, and return its time and that of all processes it started.

    Raises:
        Wrong: It says that it failed.
    """
    return _run(command, _waited)


def weighed(command: Command) -> Cost:
    """Run *command*, and return its peak of memory; to look at it costs time, so the times are no good."""
    return _run(command, _watched)


@contextmanager
def running(command: Command, *, started: str) -> Iterator[int]:
    """Yield the number of a process that runs until the end of the block, once it has said *started*."""
    process = _begin(command)
    try:
        await_that(lambda: process.poll() is not None or started in _said(command), seconds=START_SECONDS)
        if process.returncode is not None:
            raise _failure(command)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS)


def await_that(is_so: Callable[[], bool], *, seconds: float, pause: float = 0.002) -> None:
    """Look until it is so.

    Raises:
        Wrong: It did not come to be so in time.
    """
    end = time.perf_counter() + seconds
    while not is_so():
        if time.perf_counter() > end:
            raise Wrong(f"nothing came of it in {seconds:.0f} seconds")
        time.sleep(pause)


def cpu_seconds(session: int) -> float:
    """Return what the processes of a session have used so far, with those of their children that ended."""
    ticks = sum(sum(map(int, fields[TIMES])) for _, fields in _session(session))
    return ticks / os.sysconf("SC_CLK_TCK")


def held(session: int) -> Held:
    """Return what the processes of a session hold now."""
    found = list(_session(session))
    rollups = [_rollup(process) for process, _ in found]
    return Held(
        files=sum(_open_files(process) for process, _ in found),
        threads=sum(int(fields[THREADS]) for _, fields in found),
        resident=sum(each.get("Rss", 0) for each in rollups) * KIB,
        proportional=sum(each.get("Pss", 0) for each in rollups) * KIB,
    )


_Usage = tuple[int, float, int]  # status, seconds of CPU, peak of memory


def _run(command: Command, wait: Callable[[int], _Usage]) -> Cost:
    begun = time.perf_counter()
    process = _begin(command)
    status, cpu, peak = wait(process.pid)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise _failure(command)
    return Cost(wall=wall, cpu=cpu + _of_orphans(process.pid), peak=peak)


def _begin(command: Command) -> subprocess.Popen[bytes]:
    """Start *command* as the first process of a session, by whose number all of its processes are known."""
    with command.log.open("wb") as log:
        return subprocess.Popen(
            command.words, cwd=command.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def _waited(number: int) -> _Usage:
    _, status, usage = os.wait4(number, 0)
    return status, usage.ru_utime + usage.ru_stime, 0


def _watched(number: int) -> _Usage:
    peak = 0
    while True:
        ended, status, usage = os.wait4(number, os.WNOHANG)
        if ended:
            return status, usage.ru_utime + usage.ru_stime, peak
        peak = max(peak, held(number).proportional)
        time.sleep(SAMPLE_SECONDS)


def _of_orphans(group: int) -> float:
    """Return the CPU seconds of processes that came to be ours, once they have ended."""
    seconds = 0.0
    while True:
        try:
            _, _, usage = os.wait4(-group, 0)
        except ChildProcessError:
            return seconds
        seconds += usage.ru_utime + usage.ru_stime


def _session(number: int) -> Iterator[tuple[Path, list[str]]]:
    """Yield each process of a session, with the fields of its `stat` from the state on: proc_pid_stat(5)."""
    for process in PROC.iterdir():
        if process.name.isdecimal():
            with suppress(OSError):  # it has ended meanwhile
                fields = (process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
                if int(fields[SESSION]) == number:
                    yield process, fields


def _rollup(process: Path) -> dict[str, int]:
    """Return the sums over all memory of a process, in KiB; none if it has ended."""
    try:
        lines = (process / "smaps_rollup").read_text("utf-8").splitlines()[1:]
    except OSError:
        return {}
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}


def _open_files(process: Path) -> int:
    try:
        return len(list((process / "fd").iterdir()))
    except OSError:
        return 0


def _said(command: Command) -> str:
    return command.log.read_text("utf-8", "replace")


def _failure(command: Command) -> Wrong:
    return Wrong(f"{' '.join(map(str, command.words))}\n{_said(command)[-LAST_WORDS:]}")
