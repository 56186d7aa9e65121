"""The file of a state, looked at before it is used: what cannot be used is refused, and not one byte of it changes."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import Final

from feeder.errors import StoreError
from feeder.store.address import State
from feeder.store.database import scripts

APPLICATION_ID: Final = 0x46656564  # "Feed", in the file's header
BUSY_SECONDS: Final = 30
DIALECT: Final = "sqlite"

_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_WAY_OUT: Final = (
    "restore it from a backup; without one, move it away and take over the ids of the published feeds "
    "(`feeder adopt …/feeds.json`), or begin anew (`feeder once --fresh`)"
)


def look(path: Path, *, site_id: str, way_out: str = _WAY_OUT) -> bool:
    """Tell whether there is a state at *path*; one whose making was interrupted holds nothing yet, and is none.

    Args:
        path: A state, or a copy of one.
        site_id: Whose it has to be.
        way_out: What to do if it is damaged.

    Raises:
        StoreError: What is there is not ours, damaged, of a newer version, of another site, or cannot be read.
    """
    with told(path, OSError, way_out=way_out):
        if not _has_bytes(path):
            return False
        _check_size(path, way_out)
        with contextlib.closing(connect_to_read(path)) as connection:
            _check_owner(connection, path)
            site = _site(connection)
    if site not in {None, site_id}:
        raise StoreError(
            f'{path}: this state belongs to site.id "{site}", not "{site_id}": '
            "another id would make every article new to every subscriber"
        )
    return site is not None


def connect(path: Path) -> sqlite3.Connection:
    """Open the database at *path*, or make one."""
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open the database at *path* without leaving a trace of it, or the need of a right to write."""
    real = Path(os.path.realpath(path))
    # SQLite makes a journal to read beside a writer, and cannot where nothing may be written. A database in use has one;
    # one without is taken as it is.
    has_journal = real.with_name(f"{real.name}-wal").exists()
    address = f"{real.as_uri()}?mode=ro{'' if has_journal else '&immutable=1'}"
    return sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def connect_as_allowed(path: Path) -> sqlite3.Connection:
    """Open the database at *path* to be read, safely beside writers if the rights are there."""
    return connect(path) if may_write(path) else connect_to_read(path)


def may_write(path: Path) -> bool:
    """Tell whether the database at *path*, and the journal beside it, may be written."""
    real = Path(os.path.realpath(path))
    return os.access(real, os.W_OK) and os.access(real.parent, os.W_OK)


@contextmanager
def told(path: State, *also: type[Exception], way_out: str = _WAY_OUT) -> Iterator[None]:
    """Raise SQLite's errors, and those of *also*, as errors of the state at *path*, with the way out of damage."""
    kinds: tuple[type[Exception], ...] = (sqlite3.Error, *also)
    try:
        yield
    except kinds as error:
        is_damage = getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE  # the rest of the number says more of it
        raise StoreError(f"{path}: the state cannot be used: {error}{f'; {way_out}' if is_damage else ''}") from error


def _has_bytes(path: Path) -> bool:
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    if not S_ISREG(status.st_mode):
        raise StoreError(f"{path}: not a state of Feeder (not a regular file)")
    return status.st_size > 0


def _check_size(path: Path, way_out: str) -> None:
    """Refuse what is no database, or was cut off; SQLite finds the latter out when it comes to the end."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(100)
    if not header.startswith(b"SQLite format 3\0"):
        raise StoreError(f"{path}: not a state of Feeder (not an SQLite database)")
    page = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    journal = path.with_name(f"{path.name}-wal")
    if journal.exists() and journal.stat().st_size:
        return  # a checkpoint that was cut off says more pages than it wrote; SQLite takes the rest from here
    if size < pages * (65536 if page == 1 else page):
        raise StoreError(f"{path}: the state is cut off ({size} bytes); {way_out}")


def _check_owner(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if owner != APPLICATION_ID and (owner or version or tables):
        raise StoreError(f"{path}: not a state of Feeder (an SQLite database of another program)")
    if version > len(scripts(DIALECT)):
        raise StoreError(
            f"{path}: the state was written by a newer Feeder (schema {version}, known: {len(scripts(DIALECT))})"
        )


def _site(connection: sqlite3.Connection) -> str | None:
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").fetchone():
        return None
    row = connection.execute("SELECT value FROM meta WHERE name = 'site.id'").fetchone()
    return row and str(row[0])
