"""Copies of a state as files: whole and durable, or not there at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from feeder.durable import flush

MODE: Final = 0o600  # a state knows what was taken down, and what is not shown yet

_OPEN: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def copied(source: sqlite3.Connection, target: Path, *, replaces: bool) -> Iterator[sqlite3.Connection]:
    """Yield a copy of what *source* holds now, to be worked on; at the end it becomes the file *target*, in one step.

    Writers of the state go on meanwhile. After an error nothing is left behind; what a process that was killed left is
    written over by the next one.

    Raises:
        FileExistsError: There is such a file, and the copy *replaces* none.
        BlockingIOError: Another process writes it just now.
    """
    if target.exists() and not replaces:
        raise FileExistsError
    with _part(target) as part:
        with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, which can be read where nothing may be written
            yield copy
        flush_path(part)
        if replaces:
            part.replace(target)
        else:
            os.link(part, target)
        flush_path(target.parent)


def sweep(folder: Path) -> None:
    """Remove copies in *folder* that nobody works on any more: a process was killed."""
    for path in folder.glob(".*.part"):
        with contextlib.suppress(OSError), _locked(path):
            path.unlink()


def flush_path(path: Path) -> None:
    """Wait until a file, or the names in a directory, would survive a loss of power."""
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        flush([opened])
    finally:
        os.close(opened)


@contextmanager
def _part(target: Path) -> Iterator[Path]:
    part = target.with_name(f".{target.name}.part")
    journal = part.with_name(f"{part.name}-journal")
    with _locked(part) as opened:
        os.ftruncate(opened, 0)
        journal.unlink(missing_ok=True)
        try:
            yield part
        finally:
            for left in (part, journal):
                left.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    opened = os.open(path, _OPEN, MODE)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield opened
    finally:
        os.close(opened)
