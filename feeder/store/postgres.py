"""The state in a schema of a PostgreSQL database, for many writers. Only this room knows psycopg."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import Enum, auto
from functools import cache
from hashlib import sha256
from itertools import chain, count, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeVar, cast

import psycopg
import structlog
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumper

from feeder.errors import Overtaken, StateInUse, StoreError, Unstorable
from feeder.store import moving, sqlite
from feeder.store.address import MASK, Address
from feeder.store.database import ORDERED, invariants, scripts, statements
from feeder.store.tables import Tables, prefix

DIALECT: Final = "postgres"


class Hold(Enum):
    """Who else may work with a state that is open."""

    ALONE = auto()  # nobody
    SHARED = auto()  # others who share it, as nodes of a cluster do
    BESIDE = auto()  # anybody: it is looked at, or something is noted there


LEAST_VERSION: Final = 140_000  # of the server
WAIT: Final = "30s"  # for a lock that another process holds
GOING: Final = (0.0, 0.1, 0.3, 0.6)  # seconds for one who has just closed a connection, until the server knows
LOOKS: Final = 5  # whether a session is ours alone; in between others may have had it
LONG_SECRET: Final = 8  # characters
CHUNK: Final = 5000  # rows in one statement
CHUNK_SECONDS: Final = 5.0  # for which they are gathered: a transaction that is idle for `WAIT` is ended
ITERSIZE: Final = 2000  # rows of a stream in memory

# A server that is cut off is noticed within a minute, by both sides.
_PATIENCE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "connect_timeout": "10",
        "keepalives_idle": "20",
        "keepalives_interval": "10",
        "keepalives_count": "3",
        "tcp_user_timeout": "50000",
    }
)
_SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "lock_timeout": WAIT,
        "jit": "off",  # all statements are short
        # What a role or a database is set to for people would end what takes long, or a node that has nothing to do.
        "statement_timeout": "0",
        "transaction_timeout": "0",
        "idle_session_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        # And this is read by programs, ours and pgqueuer.
        "default_transaction_isolation": "read committed",
        "array_nulls": "on",
        "quote_all_identifiers": "off",
        "standard_conforming_strings": "on",
        "transform_null_equals": "off",
        "DateStyle": "ISO",
        "IntervalStyle": "postgres",
        "TimeZone": "UTC",
        "tcp_keepalives_idle": "20",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "50s",  # an answer that nobody takes; else it is sent again and again for a quarter of an hour
    }
)
# A node that is paused in the middle of a transaction must not keep the others from what it has locked.
_MANNERS: Final[Mapping[Hold, Mapping[str, str]]] = MappingProxyType(
    {Hold.SHARED: {"idle_in_transaction_session_timeout": WAIT}}
)
_LOCKS: Final[Mapping[Hold, str]] = MappingProxyType(
    {Hold.ALONE: "SELECT pg_try_advisory_lock(%s)", Hold.SHARED: "SELECT pg_try_advisory_lock_shared(%s)"}
)
# Serialization and deadlock; and what is there, or gone, since another process was faster.
_OVERTAKEN: Final = frozenset({"40001", "40P01", "23505", "23503"})
_OF_VALUES: Final = ("22", "54000")  # a value that is none of its type; one that is too long for an index
_BULK: Final = re.compile(r"INSERT INTO (\w+) \(([^)]*)\)\s+VALUES \([?, ]+\)(.*)", re.DOTALL)
_TARGET: Final = re.compile(r"ON CONFLICT \(([^)]*)\) DO UPDATE")

log = structlog.get_logger(__name__)

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
T = TypeVar("T")


class PostgresDatabase:
    """A connection to a schema, and another one when it is lost."""

    is_shared = True

    def __init__(self, connection: Connection, address: Address, *, hold: Hold) -> None:
        self.connection = connection
        self._address = address
        self._hold = hold
        self._sql = _translated()
        self._bulk: dict[str, tuple[str, tuple[int, ...]] | None] = {}
        self._depth = 0
        self._begin = ""  # what begins the transaction, until something is done in it
        self._numbers = count()

    @contextmanager
    def transaction(self, *, is_decision: bool = False) -> Iterator[None]:
        """Commit all of what happens inside, or nothing; one inside of another is a part of it that can fail alone.

        A decision sees nothing of what others commit meanwhile, and raises Overtaken where they were faster.
        """
        is_part = self._depth > 0
        with self._told():
            if is_part:
                self._execute("SAVEPOINT part")
            else:  # many have nothing to do after all
                self._begin = "BEGIN ISOLATION LEVEL REPEATABLE READ" if is_decision else "BEGIN"
            self._depth += 1
            try:
                yield
                if not self._begin:
                    self._end("RELEASE SAVEPOINT part" if is_part else "COMMIT")
            except BaseException:
                self._undo(is_part=is_part)
                raise
            finally:
                self._depth -= 1
                self._begin = ""

    @property
    def has_begun(self) -> bool:
        """Whether anything was done in the transaction."""
        return self._depth > 0 and not self._begin

    def close(self) -> None:
        """Release the connection."""
        self.connection.close()

    def check_in_place(self) -> None:
        """Do nothing: another database in the same place is refused when the connection to this one is lost."""

    def stay(self) -> None:
        """Have the server hear that a transaction goes on, if there is one: it ends those that are idle for `WAIT`."""
        if self.has_begun:
            with self._told():
                self._execute("SELECT 1")

    def all(self, statement: str, *values: Any) -> list[Any]:
        """Return all rows; *values* are those of its placeholders, or one mapping of their names."""
        with self._told():
            return self._execute(self._sql[statement], _bound(values)).fetchall()

    def stream(self, statement: str, values: Mapping[str, Any]) -> Iterator[Any]:
        """Yield the rows, which may be many, while other statements run; outside of a transaction, all are taken first."""
        if not self._depth:
            yield from self.all(statement, values)
            return
        with self._told(), self._ready().cursor(name=f"stream_{next(self._numbers)}") as cursor:
            cursor.itersize = ITERSIZE
            yield from cursor.execute(self._sql[statement], values)

    def one(self, statement: str, *values: Any) -> Any:
        """Return the first row, or None."""
        with self._told():
            return self._execute(self._sql[statement], _bound(values)).fetchone()

    def run(self, statement: str, *values: Any) -> int:
        """Return how many rows it wrote."""
        with self._told():
            return self._execute(self._sql[statement], _bound(values)).rowcount

    def insert(self, statement: str, *values: Any) -> int:
        """Return the number of the new row, which the statement returns."""
        return int(self.one(statement, *values)[0])

    def write(self, statement: str, many: Iterable[Sequence[Any] | Mapping[str, Any]]) -> None:
        """Run a statement with each of *many* values, in their order; insertions go many at once."""
        with self._told():
            for chunk in _chunks(many):
                self._write(statement, chunk)

    def each(self, statement: str, values: Iterable[Any], *before: Any) -> list[Any]:
        """Run a statement with IN (?*) for all of *values*, those *before* first; return all rows."""
        wanted = list(dict.fromkeys(values))
        if not wanted:
            return []
        with self._told():
            found = self._execute(self._sql[statement], (*before, wanted))
            return found.fetchall() if found.description else []

    def count(self, statement: str, values: Mapping[str, Any]) -> int:
        """Return how many rows there would be."""
        with self._told():
            found = self._execute(f"SELECT count(*) FROM ({self._sql[statement].rstrip(';')}) AS counted", values)
            return _number(found)

    def look(self, statement: str) -> list[Any]:
        """Return the rows of one of the invariants."""
        (text,) = invariants(DIALECT)[statement]
        with self._told():
            return self._execute(text).fetchall()

    def mend(self, name: str, values: Mapping[str, Any]) -> list[Any]:
        """Run the statements that mend an invariant, if there are any, and return their rows."""
        with self._told():
            done = (self._execute(_named(text), values) for text in invariants(DIALECT).get(name, ()))
            return list(chain.from_iterable(each.fetchall() for each in done if each.description))

    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """Return the columns of each table."""
        with self._told():
            found = self._execute(
                "SELECT relname, array_agg(attname::text ORDER BY attnum) FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid "
                "WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition "
                "AND attnum > 0 AND NOT attisdropped GROUP BY relname ORDER BY relname"
            )
            return {table: tuple(columns) for table, columns in found}

    def dump(self, table: str, columns: Sequence[str]) -> Iterator[Any]:
        """Yield the rows of a table, in the order in which they came if that says anything; within a transaction."""
        order = " ORDER BY rowid" if table == ORDERED else ""
        with self._told(), self._ready().cursor(name=f"stream_{next(self._numbers)}") as cursor:
            cursor.itersize = ITERSIZE
            yield from cursor.execute(f"SELECT {', '.join(columns)} FROM {table}{order}")

    def fill(self, table: str, columns: Sequence[str], many: Iterable[Any]) -> None:
        """Add rows to a table; what is there already stays."""
        rest = iter(many)
        types = self._types(table)
        arrays = ", ".join(f"%s::{types[column]}[]" for column in columns)
        text = f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"
        with self._told():
            while chunk := list(islice(rest, CHUNK)):
                rows = zip(columns, zip(*chunk, strict=True), strict=True)
                self._execute(
                    text, [[_CASTS.get(types[name], _same)(each) for each in column] for name, column in rows]
                )

    def renumber(self) -> None:
        """Have new rows get numbers above those that are there."""
        with self._told():
            numbered = self._execute(
                "SELECT table_name, column_name FROM information_schema.columns "
                "WHERE table_schema = current_schema() AND is_identity = 'YES'"
            ).fetchall()
            for table, column in numbered:
                highest = f"SELECT coalesce(max({column}), 0) + 1 FROM {table}"
                self._execute(f"SELECT setval(pg_get_serial_sequence(%s, %s), ({highest}), false)", (table, column))

    def damage(self) -> tuple[str, ...]:
        """Return the indexes that PostgreSQL itself holds for useless; for more there are its own tools."""
        with self._told():
            found = self._execute(
                "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
                "WHERE relnamespace = current_schema()::regnamespace AND NOT indisvalid ORDER BY relname"
            )
            return tuple(f"index {name} is not valid" for (name,) in found)

    def rebuild_indexes(self) -> None:
        """Make all indexes anew."""
        with self._told():
            self._execute(sql.SQL("REINDEX SCHEMA {}").format(sql.Identifier(self._address.schema)))

    def spare_bytes(self) -> tuple[int, int]:
        """Return that all room is in use, and how much it is: what is spare is autovacuum's matter."""
        with self._told():
            found = self._execute(
                "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class "
                "WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
            )
            return 0, _number(found)

    def compact(self) -> None:
        """Do nothing: a table that is made anew is locked meanwhile; who wants that knows when."""

    def give_back(self) -> int:
        """Add up what writers left to be added up; room is for PostgreSQL's own housekeeping (autovacuum)."""
        self.run("add_up")
        return 0

    def _execute(
        self, text: str | sql.Composed, values: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        return self._ready().execute(text, values)

    def _ready(self) -> Connection:
        """Return the connection, or another one if it was lost, with the transaction begun if there is one."""
        if self.connection.closed and not self.has_begun:
            self.connection = _connected(self._address, hold=self._hold)
            _check(self.connection, self._address, hold=self._hold)
            log.info("state_connected", state=str(self._address))
        if self._begin:
            self.connection.execute(self._begin.encode())
            self._begin = ""
        return self.connection

    def _end(self, how: str) -> None:
        done = self._execute(how)
        if done.statusmessage == "ROLLBACK":  # somebody caught the error of a statement
            raise StoreError(f"{self._address}: a statement failed, and with it all before")

    def _undo(self, *, is_part: bool) -> None:
        if self._begin:
            return
        with suppress(psycopg.Error):  # the connection is lost, and all with it
            for each in ("ROLLBACK TO SAVEPOINT part", "RELEASE SAVEPOINT part") if is_part else ("ROLLBACK",):
                self.connection.execute(each)

    def _write(self, statement: str, many: list[Any]) -> None:
        if statement not in self._bulk:
            self._bulk[statement] = self._at_once(statement)
        bulk = self._bulk[statement]
        if bulk is None:
            with self._ready().cursor() as cursor:
                cursor.executemany(self._sql[statement], many)
            return
        text, target = bulk
        if target:  # one statement must not write a row twice
            many = list({tuple(row[at] for at in target): row for row in many}.values())
        self._execute(text, [list(column) for column in zip(*many, strict=True)])

    def _at_once(self, statement: str) -> tuple[str, tuple[int, ...]] | None:
        """Return a statement for columns of values in place of a row's, and which columns tell rows apart."""
        if "FROM unnest(" in self._sql[statement]:  # it is written for columns
            return self._sql[statement], ()
        found = _BULK.fullmatch(statements(DIALECT)[statement])
        if not found:
            return None
        table, names, rest = found.groups()
        columns = [name.strip() for name in names.split(",")]
        types = self._types(table)
        arrays = ", ".join(f"%s::{types[column]}[]" for column in columns)
        target = _TARGET.search(rest)
        keys = tuple(columns.index(name.strip()) for name in target[1].split(",")) if target else ()
        return f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays}) {_positional(rest)}", keys

    def _types(self, table: str) -> dict[str, str]:
        found = self._execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            (table,),
        )
        return dict(found.fetchall())

    @contextmanager
    def _told(self) -> Iterator[None]:
        with told(self._address):
            yield


# ---------------------------------------------------------------- opening


def look(address: Address, *, site_id: str) -> bool:
    """Tell whether there is a state at *address*.

    Raises:
        StoreError: What is there is not ours, of a newer version, of another site, or cannot be read.
    """
    with told(address), _connected(address, hold=Hold.BESIDE) as connection:
        return _is_begun(connection, address, site_id=site_id)


def open_store(address: Address, *, site_id: str, hold: Hold = Hold.ALONE) -> Tables:
    """Open the state at *address*, migrated to this version; make it if there is none.

    Raises:
        StoreError: As `look`; StateInUse: another process works with it alone, or this one is to and another is there.
    """
    with told(address):
        connection = _connected(address, hold=hold)
        with _closed_if_it_fails(connection):
            _is_begun(connection, address, site_id=site_id)
            _migrate(connection, address, site_id=site_id)
    return Tables(PostgresDatabase(connection, address, hold=hold), prefix=prefix(site_id))


def open_existing(address: Address, *, site_id: str) -> Tables:
    """Open the state at *address* beside processes that work with it.

    Raises:
        StoreError: As `look`, or there is none; or it must be migrated, which is for who works with it alone.
    """
    with told(address):
        connection = _connected(address, hold=Hold.BESIDE)
        with _closed_if_it_fails(connection):
            if not _is_begun(connection, address, site_id=site_id):
                raise StoreError(f"{address}: there is no state yet; run `feeder once` first")
            _check(connection, address, hold=Hold.BESIDE)
    return Tables(PostgresDatabase(connection, address, hold=Hold.BESIDE), prefix=prefix(site_id))


def copy_state(address: Address, target: Path, *, site_id: str) -> None:
    """Copy the state at *address*, as it is now, to a new SQLite file."""
    with (
        contextlib.closing(open_existing(address, site_id=site_id)) as source,
        contextlib.closing(sqlite.open_store(target, site_id=site_id)) as copy,
    ):
        moving.copy(source, copy)


@contextmanager
def told(address: Address) -> Iterator[None]:
    """Raise PostgreSQL's errors as errors of the state at *address*, in one line, without a password."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate in _OVERTAKEN:
            raise Overtaken(f"{address}: another process was faster: {_line(error, address)}") from error
        if (error.sqlstate or "").startswith(_OF_VALUES):
            raise Unstorable(f"the state does not take what it brings: {_line(error, address)}") from error
        raise StoreError(f"{address}: the state cannot be used: {_line(error, address)}") from error


def options_of(address: Address) -> dict[str, Any]:
    """Return what a connection to *address* is made with."""
    options = {**_PATIENCE, **conninfo_to_dict(address.url), "client_encoding": "utf8"}
    options.setdefault("application_name", f"feeder {os.getpid()} on {socket.gethostname()}"[:63])
    return cast("dict[str, Any]", options)


def manners(address: Address, hold: Hold) -> tuple[str, list[list[str]]]:
    """Return the statement, and its values, with which a session at *address* begins."""
    settings = {**_SETTINGS, **_MANNERS.get(hold, {}), "search_path": f'"{address.schema}"'}
    text = (
        "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS wanted (name, value) "
        "WHERE current_setting(name, true) IS NOT NULL"  # an older server does not have all of them
    )
    return text, [list(settings), list(settings.values())]


def _connected(address: Address, *, hold: Hold) -> Connection:
    """Connect, and make all that a session needs; as *hold* says, nobody else works with the state until its end."""
    connection = psycopg.connect(autocommit=True, **options_of(address))
    with _closed_if_it_fails(connection):
        _check_server(connection, address)
        _check_session(connection, address)
        connection.adapters.register_dumper(int, Int8Dumper)
        connection.adapters.register_dumper(str, _TextDumper)
        connection.execute(*manners(address, hold))
        if hold in _LOCKS:
            _lock(connection, address, hold)
    return connection


@contextmanager
def _closed_if_it_fails(connection: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _check_server(connection: Connection, address: Address) -> None:
    if connection.info.server_version < LEAST_VERSION:
        least = LEAST_VERSION // 10_000
        raise StoreError(
            f"{address}: PostgreSQL {connection.info.server_version // 10_000} is too old; {least} is wanted"
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreError(f"{address}: the database keeps text as {encoding}; make one with ENCODING 'UTF8'")


def _check_session(connection: Connection, address: Address) -> None:
    """Raise StoreError if others get this session between two transactions: locks, settings and notices would be theirs."""
    process = _process(connection)
    if process == connection.info.backend_pid:
        return  # a pooler tells a number of its own
    with psycopg.connect(autocommit=True, **options_of(address)) as other:
        for _ in range(LOOKS):
            if _process(other) == process or _process(connection) != process:
                raise StoreError(
                    f"{address}: is a pooler that shares sessions between transactions; it must pool sessions "
                    "(PgBouncer: pool_mode = session), or is to be left out"
                )


def _process(connection: Connection) -> int:
    return _number(connection.execute("SELECT pg_backend_pid()"))


def _lock(connection: Connection, address: Address, hold: Hold) -> None:
    key = _key(address, "alone")
    for seconds in GOING:
        time.sleep(seconds)
        row = connection.execute(_LOCKS[hold], (key,)).fetchone()
        if row and row[0]:
            return
    holders = connection.execute(
        "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND (classid::bigint << 32) | objid::bigint = %s",
        (key,),
    ).fetchall()
    raise StateInUse(
        f"{address}: the state is in use by {', '.join(sorted({name for (name,) in holders})) or 'another process'}"
    )


def _key(address: Address, purpose: str) -> int:
    """Return the number of an advisory lock of this schema; the database is told apart by PostgreSQL."""
    digest = sha256(f"feeder/{address.schema}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def _migrate(connection: Connection, address: Address, *, site_id: str) -> None:
    """Run the scripts that the schema has not seen yet, all or none, one process at a time."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_key(address, "migration"),))
        if _schema_of(connection, address) is None:  # the right to make one is wanted only where there is none
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(address.schema)))
        found = _notes(connection, address)
        before = _check_version(found, address)
        for script in scripts(DIALECT)[before:]:
            connection.execute(script)
        for name, value in (("schema", str(len(scripts(DIALECT)))), ("site.id", site_id)):
            connection.execute(_translated()["set_meta"], (name, value))
    _make_scan(connection)
    if 0 < before < len(scripts(DIALECT)):
        log.info("state_migrated", schema=len(scripts(DIALECT)), before=before)


def _check(connection: Connection, address: Address, *, hold: Hold) -> None:
    """Raise StoreError unless there is a state of this version."""
    if _check_version(_notes(connection, address), address) < len(scripts(DIALECT)):
        raise StoreError(
            f"{address}: there is no state, or that of an older Feeder; `feeder once`, or a restart of the daemon, "
            "brings it up to date"
        )
    if hold is not Hold.BESIDE:  # who only looks may be on a standby, which takes not even a temporary table
        _make_scan(connection)


def _make_scan(connection: Connection) -> None:
    connection.execute(
        'CREATE TEMP TABLE IF NOT EXISTS scan (locator text COLLATE "C" PRIMARY KEY, '
        "size bigint, mtime_ns bigint, inode bigint)"
    )


def _schema_of(connection: Connection, address: Address) -> object:
    row = connection.execute("SELECT to_regnamespace(%s)::oid", (f'"{address.schema}"',)).fetchone()
    return row and row[0]


def _notes(connection: Connection, address: Address) -> dict[str, str]:
    """Return what the state says of itself; nothing if there is none.

    Raises:
        StoreError: The schema belongs to another program.
    """
    tables = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'p')",
        (f'"{address.schema}"',),
    ).fetchall()
    if not tables:
        return {}
    if not {("meta",), ("sources",), ("sightings",)} <= set(tables):
        raise StoreError(
            f"{address}: not a state of Feeder (the schema {address.schema} holds tables of another program)"
        )
    row = connection.execute("SELECT has_schema_privilege(%s, 'USAGE')", (address.schema,)).fetchone()
    if row != (True,):
        raise StoreError(f"{address}: the role {connection.info.user} may not use the schema {address.schema}")
    return dict(connection.execute("SELECT name, value FROM meta WHERE name IN ('schema', 'site.id')").fetchall())


def _is_begun(connection: Connection, address: Address, *, site_id: str) -> bool:
    notes = _notes(connection, address)
    _check_version(notes, address)
    site = notes.get("site.id")
    if site not in {None, site_id}:
        raise StoreError(
            f'{address}: this state belongs to site.id "{site}", not "{site_id}": '
            "another id would make every article new to every subscriber; another site needs a schema of its own (`?schema=…`)"
        )
    return site is not None


def _check_version(notes: Mapping[str, str], address: Address) -> int:
    version, known = int(notes.get("schema", "0")), len(scripts(DIALECT))
    if version > known:
        raise StoreError(f"{address}: the state was written by a newer Feeder (schema {version}, known: {known})")
    return version


def _line(error: psycopg.Error, address: Address) -> str:
    primary = error.diag.message_primary
    text = primary or " ".join(str(error).split()) or type(error).__name__
    for secret in address.secrets:
        # One as short as "r" is in most words, and a message without these would tell it.
        whole = rf"(?<!\w){re.escape(secret)}(?!\w)" if len(secret) < LONG_SECRET else re.escape(secret)
        text = re.sub(whole, MASK, text)
    return text


# ---------------------------------------------------------------- statements


@cache
def _translated() -> Mapping[str, str]:
    return MappingProxyType({name: _named(_positional(text)) for name, text in statements(DIALECT).items()})


def _positional(text: str) -> str:
    """Return a statement as psycopg reads it, without what only SQLite's planner must be told."""
    text = re.sub(r" INDEXED BY \w+", "", text.replace("%", "%%"))
    text = re.sub(r"CROSS JOIN (\w+ USING)", r"JOIN \1", text)
    return text.replace("+id IS", "id IS").replace("IN (?*)", "= ANY(?)").replace("?*", "?").replace("?", "%s")


def _named(text: str) -> str:
    return re.sub(r"(?<!:):([a-z_]+)", r"%(\1)s", text)


def _bound(values: tuple[Any, ...]) -> Any:
    return values[0] if values and isinstance(values[0], dict) else values


def _chunks(many: Iterable[T]) -> Iterator[list[T]]:
    """Yield *many* some at a time, fewer where they are slow to come, such as what lies on the disk of another machine."""
    chunk: list[T] = []
    began = time.monotonic()
    for each in many:
        chunk.append(each)
        if len(chunk) >= CHUNK or time.monotonic() - began > CHUNK_SECONDS:
            yield chunk
            chunk, began = [], time.monotonic()
    if chunk:
        yield chunk


def _number(cursor: psycopg.Cursor[tuple[Any, ...]]) -> int:
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def _same(value: Any) -> Any:
    return value


_CASTS: Final[Mapping[str, Callable[[Any], Any]]] = MappingProxyType({"boolean": bool})  # others have numbers for it


class _TextDumper(StrDumper):
    """Text without what PostgreSQL cannot hold: NUL, and halves of surrogate pairs."""

    def dump(self, obj: str) -> bytes:
        return obj.replace("\0", "\ufffd").encode("utf-8", "replace")
