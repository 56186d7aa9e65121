"""Whether the state is sound."""

from __future__ import annotations

from datetime import datetime

from feeder.store import rows
from feeder.store.invariants import TOLD
from feeder.store.records import Breach
from feeder.store.tables.ground import Ground


class Health(Ground):
    """Whether the state is sound."""

    def damage(self) -> tuple[str, ...]:
        """Return what is wrong with the database, a line each."""
        return self._db.damage()

    def rebuild_indexes(self) -> None:
        """Make anew what is made of other things in the database."""
        self._db.rebuild_indexes()

    def breaches(self) -> tuple[Breach, ...]:
        """Return what contradicts itself in the state."""
        self._db.mend("views", {})
        looked = (Breach(name=name, told=TOLD[name], found=self._found(name)) for name in TOLD)
        return tuple(breach for breach in looked if breach.found)

    def mend(self, breach: Breach, now: datetime) -> None:
        """Mend what contradicts itself, as far as the rows alone can tell what is right."""
        self._touch(node for (node,) in self._db.mend(f"mend_{breach.name}", {"now": rows.seconds(now)}))
        self._flush()
        self._forget_caches()

    def _found(self, name: str) -> tuple[str, ...]:
        return tuple(str(found) for (found,) in self._db.look(name))
