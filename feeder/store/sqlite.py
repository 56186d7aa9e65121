"""The state in one SQLite file: WAL, one writer. Only this room knows sqlite3."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from feeder.errors import StoreError
from feeder.store.address import State
from feeder.store.database import ORDERED, invariants, scripts, statements
from feeder.store.file import DIALECT, connect, connect_as_allowed, connect_to_read, look, told
from feeder.store.migrating import migrate, version_of
from feeder.store.tables import Tables, prefix

SPARE_PAGES = 2000  # that are empty and stay so: they are needed again soon
SPARE_SHARE = 5  # and so does this part of the file
GIVEN_BACK = 2000  # pages at a time: a few MiB are moved within the file
JOURNAL_BYTES = 16 << 20  # that the journal keeps for itself, however large one transaction made it
PRIVATE = 0o640  # mode of a new state: addresses may be secret, and articles not published yet
SLICE = 500  # values in one IN (...)
MOST_DAMAGE = 20  # lines


class SqliteDatabase:
    """A file. Errors name the path that it is *called* by, if that is another."""

    is_shared = False

    def __init__(self, connection: sqlite3.Connection, *, path: Path, called: State | None = None) -> None:
        self.connection = connection
        self._place = path
        self._file = _identity(path)
        self._told = partial(told, called or path)
        self._sql = statements(DIALECT)
        self._invariants = invariants(DIALECT)

    @contextmanager
    def transaction(self, *, is_decision: bool = False) -> Iterator[None]:  # noqa: ARG002 - there is one writer at a time
        """Commit all of what happens inside, or nothing; one inside of another is a part of it that can fail alone."""
        is_part = self.connection.in_transaction
        with self._told():
            self.connection.execute("SAVEPOINT part" if is_part else "BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("RELEASE part" if is_part else "COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK TO part" if is_part else "ROLLBACK")
                raise

    @property
    def has_begun(self) -> bool:
        """Whether there is a transaction: one begins at once."""
        return self.connection.in_transaction

    def close(self) -> None:
        """Release the file."""
        self.connection.close()

    def check_in_place(self) -> None:
        """Raise StoreError if the file is not the one that was opened: what is written would be lost."""
        if _identity(self._place) != self._file:
            raise StoreError(f"{self._place}: the state was deleted or replaced while it was in use")

    def stay(self) -> None:
        """Do nothing: a transaction may take as long as it likes."""

    def all(self, statement: str, *values: Any) -> list[Any]:
        """Return all rows; *values* are those of its placeholders, or one mapping of their names."""
        with self._told():
            return self.connection.execute(self._sql[statement], _bound(values)).fetchall()

    def stream(self, statement: str, values: Mapping[str, Any]) -> Iterator[Any]:
        """Yield the rows, which may be many, while other statements run."""
        with self._told():
            # `yield from` would close the cursor when this is dropped, perhaps after the database: an error nobody sees.
            for row in self.connection.execute(self._sql[statement], values):  # noqa: UP028
                yield row

    def one(self, statement: str, *values: Any) -> Any:
        """Return the first row, or None."""
        with self._told():
            return self.connection.execute(self._sql[statement], _bound(values)).fetchone()

    def run(self, statement: str, *values: Any) -> int:
        """Return how many rows it wrote."""
        with self._told():
            return self.connection.execute(self._sql[statement], _bound(values)).rowcount

    def insert(self, statement: str, *values: Any) -> int:
        """Return the number of the new row, which the statement returns."""
        with self._told():
            ((number,),) = self.connection.execute(self._sql[statement], _bound(values)).fetchall()
            return int(number)

    def write(self, statement: str, many: Iterable[Sequence[Any] | Mapping[str, Any]]) -> None:
        """Run a statement with each of *many* values, in their order."""
        with self._told():
            self.connection.executemany(self._sql[statement], many)

    def each(self, statement: str, values: Iterable[Any], *before: Any) -> list[Any]:
        """Run a statement with IN (?*) over slices of *values*, those *before* first; return all rows."""
        found: list[Any] = []
        pending = list(dict.fromkeys(values))
        for start in range(0, len(pending), SLICE):
            part = pending[start : start + SLICE]
            sql = self._sql[statement].replace("?*", ",".join("?" * len(part)))
            with self._told():
                found += self.connection.execute(sql, (*before, *part)).fetchall()
        return found

    def count(self, statement: str, values: Mapping[str, Any]) -> int:
        """Return how many rows there would be."""
        with self._told():
            (count,) = self.connection.execute(
                f"SELECT count(*) FROM ({self._sql[statement].rstrip(';')})", values
            ).fetchone()
            return int(count)

    def look(self, statement: str) -> list[Any]:
        """Return the rows of one of the invariants."""
        (sql,) = self._invariants[statement]
        with self._told():
            return self.connection.execute(sql).fetchall()

    def mend(self, name: str, values: Mapping[str, Any]) -> list[Any]:
        """Run the statements that mend an invariant, if there are any, and return their rows."""
        with self._told():
            return list(
                chain.from_iterable(self.connection.execute(sql, values) for sql in self._invariants.get(name, ()))
            )

    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """Return the columns of each table."""
        with self._told():
            found = self.connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
            return {table: self._columns(table) for (table,) in found.fetchall()}

    def dump(self, table: str, columns: Sequence[str]) -> Iterator[Any]:
        """Yield the rows of a table, in the order in which they came if that says anything."""
        order = " ORDER BY rowid" if table == ORDERED else ""
        with self._told():
            yield from self.connection.execute(f"SELECT {', '.join(columns)} FROM {table}{order}")

    def fill(self, table: str, columns: Sequence[str], many: Iterable[Any]) -> None:
        """Add rows to a table; what is there already stays."""
        values = ", ".join("?" * len(columns))
        with self._told():
            text = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({values})"
            self.connection.executemany(text, many)

    def renumber(self) -> None:
        """Do nothing: SQLite looks at the numbers that are there."""

    def _columns(self, table: str) -> tuple[str, ...]:
        return tuple(row[1] for row in self.connection.execute(f"PRAGMA table_info({table})"))

    def damage(self) -> tuple[str, ...]:
        """Return what SQLite finds wrong with the file, a line each."""
        with self._told():
            lines = [str(line) for (line,) in self.connection.execute(f"PRAGMA integrity_check({MOST_DAMAGE})")]
            lost = Counter((table, other) for table, _, other, _ in self.connection.execute("PRAGMA foreign_key_check"))
        nowhere = (f"{count} rows of {table} lead to no row of {other}" for (table, other), count in lost.items())
        return (*(line for line in lines if line != "ok"), *nowhere)

    def rebuild_indexes(self) -> None:
        """Make all indexes anew."""
        with self._told():
            self.connection.execute("REINDEX")

    def give_back(self) -> int:
        """Return room that the file does not need to the disk, some at a time if it is much; return how many pages."""
        free, whole = self._pages("freelist_count"), self._pages("page_count")
        if free < max(SPARE_PAGES, whole // SPARE_SHARE):
            return 0
        with self._told():
            # As a script: `execute` takes but the first step, which gives back one page.
            self.connection.executescript(f"PRAGMA incremental_vacuum({GIVEN_BACK})")
        return whole - self._pages("page_count")

    def spare_bytes(self) -> tuple[int, int]:
        """Return how much of the file's room is not in use, and how much it has."""
        size = self._pages("page_size")
        return self._pages("freelist_count") * size, self._pages("page_count") * size

    def compact(self) -> None:
        """Return all room that is not in use to the disk, now, and see to it that `give_back` can."""
        with self._told():
            self.connection.execute(
                "PRAGMA auto_vacuum = INCREMENTAL"
            )  # of a file that was made without, from VACUUM on
            self.connection.execute("VACUUM")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _pages(self, which: str) -> int:
        with self._told():
            return int(self.connection.execute(f"PRAGMA {which}").fetchone()[0])


# ---------------------------------------------------------------- opening


def open_store(path: Path, *, site_id: str, called: State | None = None) -> Tables:
    """Open the state at *path*, migrated to this version; make it if there is none.

    Raises:
        StoreError: It is not ours, damaged, of a newer version, of another site, or cannot be opened; with the path
            that it is *called* by, if that is another.
    """
    is_new = not look(path, site_id=site_id)
    with told(called or path, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE))
        connection = connect(path)
        with _closed_if_it_fails(connection):
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file: see `give_back`
            connection.execute("PRAGMA journal_mode = WAL")
            migrate(connection, path, scripts(DIALECT))
            if is_new:
                connection.execute(statements(DIALECT)["set_meta"], ("site.id", site_id))
            return _opened(connection, path, site_id=site_id, called=called)


def open_existing(path: Path, *, site_id: str) -> Tables:
    """Open the state at *path* beside a process that works with it; without the right to write it, to be read.

    Raises:
        StoreError: As `open_store`, or there is none; or it must be migrated, which is for who works with it alone.
    """
    if not look(path, site_id=site_id):
        raise StoreError(f"{path}: there is no state yet; run `feeder once` first")
    with told(path, OSError):
        connection = connect_as_allowed(path)
        with _closed_if_it_fails(connection):
            if version_of(connection) < len(scripts(DIALECT)):
                raise StoreError(
                    f"{path}: the state is of an older Feeder; `feeder once`, or a restart of the daemon, brings it up to date"
                )
            return _opened(connection, path, site_id=site_id)


def open_to_read(path: Path, *, site_id: str) -> Tables:
    """Open the state at *path* to be read, also by a process that has it open already.

    SQLite alone touches the file: who opens and closes it otherwise takes away the locks that the same process holds
    (https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).

    Raises:
        StoreError: It cannot be read.
    """
    with told(path, OSError):
        connection = connect_to_read(path)
        with _closed_if_it_fails(connection):
            return _opened(connection, path, site_id=site_id)


def copy_state(path: Path, target: Path) -> None:
    """Copy the state at *path* as it is now, even while a process uses it."""
    with (
        told(path, OSError),
        contextlib.closing(connect_as_allowed(path)) as source,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)


@contextmanager
def _closed_if_it_fails(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _opened(connection: sqlite3.Connection, path: Path, *, site_id: str, called: State | None = None) -> Tables:
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -16384")
    connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(
        "CREATE TEMP TABLE scan (locator TEXT PRIMARY KEY, size INT, mtime_ns INT, inode INT) WITHOUT ROWID"
    )
    return Tables(SqliteDatabase(connection, path=path, called=called), prefix=prefix(site_id))


def _bound(values: tuple[Any, ...]) -> Any:
    return values[0] if values and isinstance(values[0], dict) else values


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
