"""Copies of a state as files: whole and durable, or not there at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feeder.durable import flush

MODE = 0o600  # a state knows what was taken down, and what is not shown yet


@contextmanager
def copied(source: sqlite3.Connection, target: Path, *, replaces: bool) -> Iterator[sqlite3.Connection]:
    """Yield a copy of what *source* holds now, to be worked on; at the end it becomes the file *target*, in one step.

    Writers of the state go on meanwhile. With an error nothing is left behind.

    Raises:
        FileExistsError: There is such a file, and the copy *replaces* none.
    """
    temp = target.with_name(f".feeder-{secrets.token_hex(8)}.tmp")
    os.close(os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE))
    try:
        with contextlib.closing(sqlite3.connect(temp, isolation_level=None)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, which can be read where nothing may be written
            yield copy
        _put(temp, target, replaces=replaces)
    finally:
        for left in (temp, temp.with_name(f"{temp.name}-journal")):
            left.unlink(missing_ok=True)


def flush_path(path: Path) -> None:
    """Wait until a file, or the names in a directory, would survive a loss of power."""
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        flush([opened])
    finally:
        os.close(opened)


def _put(temp: Path, target: Path, *, replaces: bool) -> None:
    flush_path(temp)
    if replaces:
        temp.replace(target)
    else:
        os.link(temp, target)
    flush_path(target.parent)
