"""A state copied row by row from one database to another, whatever kinds they are of."""

from __future__ import annotations

from typing import Final

from feeder.store.tables import Tables

# The tallies come by themselves with the memberships.
_MADE_ANEW: Final = frozenset({"marks", "tally_steps"})
_STEPS: Final = "path_steps"
_OF_THE_DATABASE: Final = "schema"


def copy(source: Tables, target: Tables) -> None:
    """Copy all that *source* holds, as it is now, to *target*, which is empty; processes may work with the former."""
    wanted, there = target.database.columns(), source.database.columns()
    with source.decision(), target.decision():
        target.skip_pages(int(source.database.one("last_number")[0]))
        for table, columns in there.items():
            shared = tuple(name for name in columns if name in wanted.get(table, ()))
            if shared and table not in _MADE_ANEW:
                found = source.database.dump(table, shared)
                target.database.fill(table, shared, (row for row in found if row[0] != _OF_THE_DATABASE))
        if _STEPS in there and _STEPS not in wanted:
            target.count_paths(source.database.dump(_STEPS, ("path", "sightings")))
        target.mark(source.marked())
        target.database.renumber()
