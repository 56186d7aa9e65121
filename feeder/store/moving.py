"""A state copied row by row from one database to another, whatever kinds they are of."""

from __future__ import annotations

from typing import Final

from feeder.store.tables import Tables

# The tallies are no tables of the same name, and come by themselves with the memberships.
_MADE_ANEW: Final = frozenset({"marks"})
_OF_THE_DATABASE: Final = "schema"


def copy(source: Tables, target: Tables) -> None:
    """Copy all that *source* holds, as it is now, to *target*, which is empty; processes may work with the former."""
    wanted = target.database.columns()
    with source.decision(), target.decision():
        target.skip_pages(int(source.database.one("last_number")[0]))
        for table, columns in source.database.columns().items():
            shared = tuple(name for name in columns if name in wanted.get(table, ()))
            if shared and table not in _MADE_ANEW:
                found = source.database.dump(table, shared)
                target.database.fill(table, shared, (row for row in found if row[0] != _OF_THE_DATABASE))
        target.mark(source.marked())
        target.database.renumber()
