"""How a command ends: exit codes, signals, and an output that nobody reads."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, NoReturn

import click

DONE, FAILED, WRONG, SOURCES_FAILED = 0, 1, 2, 3  # exit codes
INTERRUPTED: Final = 130  # as shells have it: 128 + SIGINT
PIPE_CLOSED: Final = 141  # 128 + SIGPIPE
TERMINATED: Final = 143  # 128 + SIGTERM


class Terminated(BaseException):
    """SIGTERM came; what is open is closed on the way up."""


@contextmanager
def terminable() -> Iterator[None]:
    """Have SIGTERM and SIGINT unwind what is open, until this ends."""
    # asyncio would put a handler of its own in place of Python's, and turn the first interrupt into a cancelled task.
    handlers = {signal.SIGTERM: _terminate, signal.SIGINT: _interrupt}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stand_in_for_closed_streams() -> None:
    """Put the null device where a standard stream is closed: else the next file that is opened would be taken for it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free, which is this one
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - it is open until the end
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def drop_output() -> None:
    """Leave what is in the buffer, which nobody takes: the interpreter must not fail over it on its way out."""
    if sys.stdout:
        with suppress(OSError):  # in tests it has no number
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(*lines: str) -> None:
    """Print lines to standard error, with nothing in them that could drive a terminal."""
    from feeder.screen import printable

    for line in lines:
        click.echo(printable(line), err=True)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated
