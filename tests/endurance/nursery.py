"""Bears daemons, one at a time: copies of a process that has imported everything, so that a start takes a moment.

Each is `feeder run` in a group of processes of its own, and kills the whole group when it is asked to and finds itself
where it is meant to die. An order is a line of JSON on standard input; the answers are the number of the process and,
once it has ended, how.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import linecache
import os
import re
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from signal import SIG_IGN, SIGKILL, SIGUSR1, SIGUSR2, signal
from types import FrameType
from typing import Any, NamedTuple, NoReturn

from feeder import asking, config, log, schedule
from feeder.cli import main as feeder
from feeder.opening import opened

IMPORTED = schedule  # by the command, when it runs

# What a stack is seen to be doing: the innermost of its frames that is in such a file, on a line with such words.
STEPS = (
    ("rename", "feeder/output/files.py", "os.replace("),
    ("remove", "feeder/output/files.py", "os.unlink("),
    ("flush", "feeder/durable.py", ""),
    ("write", "feeder/output/files.py", ""),
    ("commit", "feeder/store/sqlite.py", '"COMMIT"'),
    ("state", "feeder/store/", ""),
    ("render", "feeder/render/", ""),
    ("scan", "feeder/fetch/directory.py", ""),
    ("parse", "feeder/parse/", ""),
    ("decide", "feeder/dedup/", ""),
)
# In the course of what: the outermost of its frames that is a call of such a function.
COURSES = {
    "_prepare": "start",
    "opened": "start",
    "claim_due": "poll",
    "poll": "poll",
    "look_at": "poll",
    "take": "poll",
    "publish": "publish",
}
CALL = re.compile(r'^  File "(.+)", line (\d+) in (.+)$', re.MULTILINE)
THREAD = re.compile(r"^(?:Current thread|Thread) 0x([0-9a-f]+).*$", re.MULTILINE)
MOST_TOLD = 1 << 20  # bytes, of the stacks of all threads
ROOMS = str(Path(config.__file__).parents[2])


def main(site: Path) -> None:
    """Do as ordered until nobody orders any more."""
    for number in (SIGUSR1, SIGUSR2):
        signal(number, SIG_IGN)  # until a child that is born can heed them
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            _live(site, order)
        os.setpgid(child, child)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _live(site: Path, order: dict[str, Any]) -> NoReturn:
    if "call" in order:
        log.configure("info", json=True)
        _die_at(order["call"], order["number"])
        _once(site)
        os._exit(0)
    doom = Doom(wanted=order["wanted"], notes=Path(order["notes"]))
    signal(SIGUSR1, doom.look)
    signal(SIGUSR2, doom.fulfil)
    try:
        feeder(["run", "-c", str(site)])
    except SystemExit as end:
        os._exit(int(end.code or 0))
    except BaseException:  # noqa: BLE001 - the interpreter would take the signals' handlers back before it ends
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


# ---------------------------------------------------------------- a daemon that dies where it is meant to


class Doom:
    """Kills the group of this process in the midst of some step, and notes which it was.

    The other threads stand still while it looks, but for what they wait for from the system.
    """

    def __init__(self, *, wanted: str, notes: Path) -> None:
        self._wanted = wanted
        self._notes = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def look(self, _number: int, _frame: FrameType | None) -> None:
        """Die if this is the moment."""
        course, step = moment()
        if self._wanted in {course, step}:
            self._die(course, step)

    def fulfil(self, _number: int, _frame: FrameType | None) -> None:
        """Die in any case."""
        self._die(*moment())

    def _die(self, course: str, step: str) -> None:
        os.write(self._notes, f"{course}: {step}\n".encode())
        os.killpg(0, SIGKILL)


def moment() -> tuple[str, str]:
    """Return in the course of what this process is, and what it does there."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    stacks = _stacks()
    working = next((stack for ident, stack in stacks.items() if names.get(ident, "").startswith("feeder")), None)
    course, step = _doing(working or ())
    if course:
        return course, step or "work"
    main = stacks.get(threading.main_thread().ident, ())
    course, step = _doing(main)
    if working is None:
        return "start", step or "work"
    if any("feeder/serve/" in call.file for call in main):
        return "serve", "answer"
    return ("poll", "ask") if _is_asking() else ("wait", "wait")


class Call(NamedTuple):
    """A call that a thread is in the midst of."""

    file: str
    line: int
    function: str


def _stacks() -> dict[int | None, tuple[Call, ...]]:
    """Return the calls of each thread, the innermost first.

    Frames of a thread that runs cannot be followed by code that other threads may interrupt: they are gone meanwhile.
    """
    told = os.memfd_create("stacks")
    try:
        faulthandler.dump_traceback(told, all_threads=True)
        _, *parts = THREAD.split(os.pread(told, MOST_TOLD, 0).decode())
    finally:
        os.close(told)
    return {
        int(ident, 16): tuple(Call(file, int(line), function) for file, line, function in CALL.findall(calls))
        for ident, calls in zip(parts[::2], parts[1::2], strict=True)
    }


def _doing(stack: Iterable[Call]) -> tuple[str, str]:
    course = step = ""
    for call in stack:
        place = call.file.removeprefix(ROOMS).lstrip("/")
        if not place.startswith("feeder/"):
            continue
        course = COURSES.get(call.function, course)
        if not step:
            line = linecache.getline(call.file, call.line)
            step = next((name for name, file, words in STEPS if place.startswith(file) and words in line), "")
    return course, step


def _is_asking() -> bool:
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:
        return False
    return any(getattr(task.get_coro(), "__qualname__", "") == "_Daemon._ask" for task in tasks)


# ---------------------------------------------------------------- a single run that kills itself at some call


def _die_at(call: str, number: int) -> None:
    """Die in place of a call of a function that is not written in Python, the *number*-th."""
    calls: Counter[str] = Counter()

    def look(_frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call":
            calls[called.__qualname__] += 1
            if calls[call] == number:
                os.kill(os.getpid(), SIGKILL)

    sys.setprofile(look)


def _once(site: Path) -> None:
    now: Callable[[], datetime] = lambda: datetime.now(UTC)  # noqa: E731
    with opened(config.load(site), workers=1) as app:
        app.prepare(now())
        asking.poll_all(app, tuple(app.parts.sources), now())
        app.publish(now())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
