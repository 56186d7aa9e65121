"""States kept elsewhere, each in one file: a state with a table more, which says where it is from."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from feeder.errors import StoreError
from feeder.store.copies import MODE, copied, flush_path
from feeder.store.file import connect_as_allowed, connect_to_read, told
from feeder.store.sqlite import open_store
from feeder.store.tables import Tables

TABLE = "backup"
BETTER = "take another backup; what is there stays as it is"  # the way out, if one is damaged


def save(state: Path, target: Path, notes: Callable[[], Mapping[str, str]], *, replaces: bool) -> None:
    """Write the state as it is now, and *notes*, which are asked for after it was read, to the file *target*.

    Raises:
        FileExistsError: There is such a file, and it is not to be replaced.
        OSError: It cannot be written.
        StoreError: The state is damaged: nothing is written, and older backups are worth more.
    """
    with (
        told(state),
        contextlib.closing(connect_as_allowed(state)) as source,
        copied(source, target, replaces=replaces) as copy,
    ):
        _check(copy, state, way_out="`feeder doctor` tells more")
        copy.execute(f"CREATE TABLE {TABLE} (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
        copy.executemany(f"INSERT INTO {TABLE} (name, value) VALUES (?, ?)", sorted(notes().items()))


def notes_in(path: Path) -> Mapping[str, str]:
    """Return the notes in the backup at *path*; a plain copy of a state has none.

    Raises:
        StoreError: It is damaged.
    """
    with told(path, way_out=BETTER), contextlib.closing(connect_to_read(path)) as connection:
        _check(connection, path, way_out=BETTER)
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (TABLE,)).fetchone():
            return {}
        return dict(connection.execute(f"SELECT name, value FROM {TABLE}"))


@contextmanager
def restoring(backup: Path, state: Path, *, site_id: str) -> Iterator[Tables]:
    """Yield a copy of *backup*, migrated to this version, that takes the place of *state* at the end.

    Nobody else works with the state meanwhile, and what is there must have been put away by then (see `put_away`).

    Raises:
        StoreError: It cannot be used, or there is no room for it.
    """
    real = Path(os.path.realpath(state))
    like = real.stat() if real.exists() else None
    with told(state, OSError):
        real.parent.mkdir(parents=True, exist_ok=True)
        with _workshop(real) as folder:
            copy = folder / real.name
            _copy(backup, copy)
            store = open_store(copy, site_id=site_id, called=state)
            try:
                yield store
            finally:
                store.close()
            _give(copy, like or real.parent.stat(), mode=like.st_mode & 0o777 if like else None)
            flush_path(copy)
            copy.replace(real)
            flush_path(real.parent)


def put_away(state: Path, name: str) -> Path | None:
    """Give what is at *state* another name in the same directory, with its journal; None if there is nothing.

    The journal goes last: without its database nobody reads it, but the other way round the newest changes would be lost.
    """
    real = Path(os.path.realpath(state))
    kept = real.with_name(name)
    if not real.exists():
        return None
    for ending in ("", "-wal"):
        with contextlib.suppress(FileNotFoundError):
            real.with_name(real.name + ending).rename(kept.with_name(kept.name + ending))
    real.with_name(f"{real.name}-shm").unlink(missing_ok=True)
    return kept


@contextmanager
def _workshop(real: Path) -> Iterator[Path]:
    """Yield an empty directory beside the state; one that a process left is that of one that was killed."""
    folder = real.with_name(f".{real.name}.restoring")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(backup: Path, target: Path) -> None:
    with contextlib.closing(connect_to_read(backup)) as source, copied(source, target, replaces=False) as copy:
        copy.execute(f"DROP TABLE IF EXISTS {TABLE}")


def _give(path: Path, like: os.stat_result, *, mode: int | None) -> None:
    """Give a file to whom another belongs: root may restore what the daemon works with."""
    path.chmod(MODE if mode is None else mode)
    with contextlib.suppress(OSError):  # only root gives files away
        os.chown(path, like.st_uid, like.st_gid)


def _check(connection: sqlite3.Connection, path: Path, *, way_out: str) -> None:
    (word,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if word != "ok":
        raise StoreError(f"{path}: is damaged: {' '.join(word.split())}; {way_out}")
