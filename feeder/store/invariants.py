"""What must hold in every state, looked at and mended. The statements are in sql/invariants.sql."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Final

from feeder.store import Breach, rows
from feeder.store.file import script

TOLD: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sightings_of_nothing": "documents belong to articles that are not known",
        "keys_of_nothing": "keys belong to articles that are not known",
        "articles_without_a_key": "articles have no key, so that copies of them are not found",
        "shown_without_a_sighting": "articles are shown for documents that are not there",
        "not_shown": "articles are not shown although a document of them is there",
        "shown_though_taken_down": "articles are shown although they were taken down",
        "counts_of_spellings": "spellings of categories are counted wrongly",
        "memberships": "articles are in the wrong lists of categories",
        "tallies": "categories count their articles wrongly",
        "labels": "categories have another name than their articles give them",
        "marks_of_nothing": "marks are for categories that are not known",
        "feeds_of_nothing": "feeds are of categories that are not known",
        "entries_of_nothing": "entries of feeds are of nothing that is known",
        "feeds_that_are_missing": "categories have articles and no feed",
        "feeds_that_are_over": "feeds are of categories without an article",
        "archived_nowhere": "articles are on pages of the archive that are not known",
    }
)
"""What it means that an invariant is broken, in the order in which they are to be mended."""

RESTOOD: Final = frozenset({"sightings_of_nothing", "shown_without_a_sighting", "not_shown", "shown_though_taken_down"})
"""Those that are mended by working out anew what readers see of the articles that are found."""

_INDEX: Final = re.compile(r"row \d+ missing from index|wrong # of entries in index|non-unique entry in index")
_MOST: Final = 20  # lines of damage


def damage(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return what SQLite finds wrong with the file, a line each."""
    lines = [str(line) for (line,) in connection.execute(f"PRAGMA integrity_check({_MOST})")]
    lost = Counter((table, other) for table, _, other, _ in connection.execute("PRAGMA foreign_key_check"))
    nowhere = (f"{count} rows of {table} lead to no row of {other}" for (table, other), count in lost.items())
    return (*(line for line in lines if line != "ok"), *nowhere)


def is_of_indexes(lines: tuple[str, ...]) -> bool:
    """Tell whether all that is damaged can be made anew from what is whole."""
    return all(_INDEX.search(line) for line in lines)


def breaches(connection: sqlite3.Connection) -> tuple[Breach, ...]:
    """Return the invariants that are broken."""
    for statement in _statements()["views"]:
        connection.execute(statement)
    looked = (Breach(name=name, told=TOLD[name], found=tuple(_find(connection, name))) for name in TOLD)
    return tuple(breach for breach in looked if breach.found)


def mend(connection: sqlite3.Connection, name: str, now: datetime) -> None:
    """Mend an invariant, as far as SQL can (see RESTOOD); to be called in a transaction, after `breaches`."""
    for statement in _statements().get(f"mend_{name}", ()):
        connection.execute(statement, {"now": rows.seconds(now)})


def _find(connection: sqlite3.Connection, name: str) -> Iterator[str]:
    (statement,) = _statements()[name]
    for (found,) in connection.execute(statement):
        yield str(found)


@cache
def _statements() -> Mapping[str, tuple[str, ...]]:
    parts = re.split(r"^-- name: (\w+)\n", script("invariants.sql"), flags=re.MULTILINE)[1:]
    return {name: tuple(_parted(sql)) for name, sql in zip(parts[::2], parts[1::2], strict=True)}


def _parted(sql: str) -> Iterator[str]:
    return (part.strip() for part in re.split(r";\n", sql) if part.strip())
