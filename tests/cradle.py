"""Bears nodes, as many as are wanted: copies of a process that has imported everything, so that a start takes a moment.

An order is a line of JSON on standard input: the words of a command of `feeder`, or the configuration of a node and by
how much its clock is wrong; and perhaps for how many seconds a node waits for an answer of the database. The answers are lines: the number of each process that is born, and of each that has ended, with
how.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, NoReturn

from feeder import config, log
from feeder.cli import main as feeder
from feeder.cluster import node

LIMIT: Final = 60.0  # seconds
BORN: Final = "born"


class Cradle:
    """The process that bears nodes, as the tests have it.

    Args:
        environment: Of the nodes.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._born: SimpleQueue[int] = SimpleQueue()
        self._ended = threading.Condition()
        self._codes: dict[int, int] = {}
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def bear(self, folder: Path, **order: object) -> Born:
        """Start a process that works in *folder*, where its log is."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"folder": str(folder), **order}) + "\n")
        self._process.stdin.flush()
        return Born(self, self._born.get(timeout=LIMIT))

    def code(self, number: int, *, seconds: float = 0) -> int | None:
        """Return how a process ended, as `subprocess` tells it; None: not within so many seconds."""
        with self._ended:
            self._ended.wait_for(lambda: number in self._codes, seconds)
            return self._codes.get(number)

    def close(self) -> None:
        """End it; what it bore has ended before."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(LIMIT)
        self._reader.join()
        assert self._process.stdout
        self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            number, code = line.split()
            if code == BORN:
                self._born.put(int(number))
                continue
            with self._ended:
                self._codes[int(number)] = int(code)
                self._ended.notify_all()


class Born:
    """A process that a cradle bore."""

    def __init__(self, cradle: Cradle, number: int) -> None:
        self._cradle = cradle
        self.pid = number

    def poll(self) -> int | None:
        """Return how it ended; None: it runs."""
        return self._cradle.code(self.pid)

    def wait(self, timeout: float = LIMIT) -> int:
        """Wait until it ends; return how."""
        code = self._cradle.code(self.pid, seconds=timeout)
        assert code is not None, "it does not end"
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)


# ---------------------------------------------------------------- in the process


def _main() -> None:
    signal.signal(signal.SIGCHLD, _tell_ends)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _live(json.loads(line))
        _tell(child, BORN)


def _tell_ends(*_: object) -> None:
    while True:
        try:
            number, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not number:
            return
        _tell(number, str(os.waitstatus_to_exitcode(status)))


def _tell(number: int, what: str) -> None:
    os.write(1, f"{number} {what}\n".encode())


def _live(order: Mapping[str, Any]) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(order["folder"])
    for place, name, mode in ((0, os.devnull, os.O_RDONLY), (1, "log", _APPEND), (2, "log", _APPEND)):
        os.dup2(os.open(name, mode, 0o644), place)
    code = 1
    try:
        if "patience" in order:
            node.LASTING = timedelta(seconds=order["patience"])  # type: ignore[attr-defined]  # it is another module's
        code = _misled(order["config"], order["lead"]) if "lead" in order else _command(order["words"])
    finally:
        sys.stderr.flush()
        os._exit(code)


_APPEND: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT


def _command(words: Sequence[str]) -> int:
    try:
        feeder(words)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _misled(path: str, lead: float) -> int:
    log.configure("info", json=True)
    node.run(config.load(Path(path)), node.Duties(), clock=lambda: datetime.now(UTC) + timedelta(seconds=lead))
    return 0


if __name__ == "__main__":
    _main()
