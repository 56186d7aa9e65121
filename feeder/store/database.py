"""A database that runs statements by name: what the tables need of SQLite, PostgreSQL, or another one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any, Final, Protocol

from feeder.store import rows

ORDERED: Final = "history"  # the table whose rows have no other order than that in which they came, by "rowid"
FOLDER: Final = resources.files("feeder.store") / "sql"


class Database(Protocol):
    """One connection. Statements have names, which lead to their text in files; rows are tuples.

    Every error is a StoreError.
    """

    is_shared: bool  # others may write at the same time

    def transaction(self, *, is_decision: bool = False) -> AbstractContextManager[None]:
        """Commit all of what happens inside, or nothing; one inside of another is a part of it that can fail alone.

        A decision sees nothing of what others commit meanwhile, and raises Overtaken where they were faster.
        """

    @property
    def has_begun(self) -> bool:
        """Whether anything was done in the transaction."""

    def close(self) -> None:
        """Release it."""

    def check_in_place(self) -> None:
        """Raise StoreError if it is not the one that was opened any more."""

    def stay(self) -> None:
        """Hear that a transaction goes on."""

    def all(self, statement: str, *values: Any) -> list[Any]:
        """Return all rows; *values* are those of its placeholders, or one mapping of their names."""

    def stream(self, statement: str, values: Mapping[str, Any]) -> Iterator[Any]:
        """Yield the rows, which may be many, while other statements run."""

    def one(self, statement: str, *values: Any) -> Any:
        """Return the first row, or None."""

    def run(self, statement: str, *values: Any) -> int:
        """Return how many rows it wrote."""

    def insert(self, statement: str, *values: Any) -> int:
        """Return the number of the new row, which the statement returns."""

    def write(self, statement: str, many: Iterable[Sequence[Any] | Mapping[str, Any]]) -> None:
        """Run a statement with each of *many* values, in their order."""

    def each(self, statement: str, values: Iterable[Any], *before: Any) -> list[Any]:
        """Run a statement with IN (?*) for all of *values*, those *before* first; return all rows."""

    def count(self, statement: str, values: Mapping[str, Any]) -> int:
        """Return how many rows there would be."""

    def look(self, statement: str) -> list[Any]:
        """Return the rows of one of the invariants."""

    def mend(self, name: str, values: Mapping[str, Any]) -> list[Any]:
        """Run the statements that mend an invariant, if there are any, and return their rows."""

    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """Return the columns of each table."""

    def dump(self, table: str, columns: Sequence[str]) -> Iterator[Any]:
        """Yield the rows of a table, in the order in which they came if that says anything."""

    def fill(self, table: str, columns: Sequence[str], many: Iterable[Any]) -> None:
        """Add rows to a table; what is there already stays."""

    def renumber(self) -> None:
        """Have new rows get numbers above those that are there."""

    def damage(self) -> tuple[str, ...]:
        """Return what is wrong with it, a line each."""

    def rebuild_indexes(self) -> None:
        """Make all indexes anew."""

    def spare_bytes(self) -> tuple[int, int]:
        """Return how much of the room that it takes is not in use, and how much it takes."""

    def compact(self) -> None:
        """Return all room that is not in use, now."""

    def give_back(self) -> int:
        """Return room that is not needed, some at a time; return how much, in pages."""


@cache
def statements(dialect: str) -> Mapping[str, str]:
    """Return every statement of the tables as *dialect* has it."""
    return MappingProxyType({name: _filled(sql) for name, sql in _named("queries.sql", dialect).items()})


@cache
def invariants(dialect: str) -> Mapping[str, tuple[str, ...]]:
    """Return the statements of the invariants as *dialect* has them."""
    return MappingProxyType({name: tuple(_parted(sql)) for name, sql in _named("invariants.sql", dialect).items()})


@cache
def scripts(dialect: str) -> tuple[str, ...]:
    """Return the scripts that make the schema, in their order."""
    folder = FOLDER / dialect
    names = sorted(each.name for each in folder.iterdir() if re.fullmatch(r"\d{4}\.sql", each.name))
    return tuple(_text(folder / name) for name in names)


def _named(file: str, dialect: str) -> dict[str, str]:
    """Return the statements of a file by name, in place of some those of the file of a dialect."""
    found: dict[str, str] = {}
    for folder in (FOLDER, FOLDER / dialect):
        parts = re.split(r"^-- name: (\w+)\n", _text(folder / file), flags=re.MULTILINE)[1:]
        found |= {name: sql.strip() for name, sql in zip(parts[::2], parts[1::2], strict=True)}
    return found


def _text(file: Traversable) -> str:
    return file.read_text("utf-8")


def _filled(sql: str) -> str:
    """Put the column lists of rows.py in place of their names."""
    for name, columns in (("sighting", rows.SIGHTING_COLUMNS), ("place", rows.PLACE_COLUMNS)):
        plain = ", ".join(columns)
        sql = sql.replace(f"${name}_values", ", ".join("?" * len(columns)))
        sql = sql.replace(f"${name}_updates", ", ".join(f"{c} = excluded.{c}" for c in columns))
        sql = sql.replace(f"${name}", ", ".join(f"sightings.{c}" for c in columns) if "SELECT" in sql else plain)
    return sql


def _parted(sql: str) -> Iterator[str]:
    return (part.strip().rstrip(";") for part in re.split(r";\n", sql) if part.strip())
