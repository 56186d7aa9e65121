"""What operators ask, and what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from feeder.model import Memory, Node, Place, Problem, Sighting
from feeder.store import rows
from feeder.store.records import Event, Row
from feeder.store.tables.deciding import Deciding

SLICE = 500  # ids at a time


class Asking(Deciding):
    """What operators ask, and what they say."""

    def row(self, name: str, locator: str) -> Row | None:
        """Return one document."""
        found = self._db.one("row", name, locator)
        return self._row(found) if found else None

    def rows(self, id_: str) -> tuple[Row, ...]:
        """Return the documents that are sightings of an article."""
        return tuple(self._row(row) for row in self._db.all("rows", self._short(id_)))

    def links(self) -> Iterator[tuple[str, str]]:
        """Yield the id of each article with each of its links."""
        for id_, link in self._db.all("links"):
            yield self._long(id_), link

    def history(self, id_: str) -> tuple[Event, ...]:
        """Return what happened to an article, oldest first."""
        return tuple(
            Event(at=rows.moment(at), verdict=verdict, source=source, locator=locator, note=note)
            for at, verdict, source, locator, note in self._db.all("history", self._short(id_))
        )

    def feeds_of(self, id_: str) -> tuple[Node, ...]:
        """Return the nodes whose feeds hold an article."""
        return tuple(rows.labels(identity) for (identity,) in self._db.all("feeds_of", self._short(id_)))

    def keys_of(self, id_: str) -> tuple[bytes, ...]:
        """Return every key an article ever had."""
        return tuple(key for (key,) in self._db.all("keys_of", self._short(id_)))

    def merges(self) -> tuple[tuple[str, tuple[Sighting, ...]], ...]:
        """Return the articles whose current sightings differ in text."""
        ids = [self._long(id_) for (id_,) in self._db.all("merged_ids")]
        return tuple((id_, group) for id_, (_, group) in sorted(self.copies(ids).items()))

    def problems(self) -> tuple[Problem, ...]:
        """Return the documents that could not be read."""
        return tuple(
            Problem(where=f"{name}: {locator}", reason=reason or "")
            for name, locator, reason in self._db.all("problems")
        )

    def counts(self) -> Mapping[str, int]:
        """Return how many articles, sightings, merged, held, removed, rejected and stale nodes there are."""
        return dict(self._db.all("counts"))

    def id_slices(self) -> Iterator[tuple[str, ...]]:
        """Yield the ids of all articles with sightings, some at a time."""
        ids = [self._long(id_) for (id_,) in self._db.all("live_ids")]
        for start in range(0, len(ids), SLICE):
            yield tuple(ids[start : start + SLICE])

    def note(self, name: str, value: str) -> bool:
        """Keep a note of the whole site; return whether it said something else before."""
        row = self._db.one("get_meta", name)
        self._db.run("set_meta", name, value)
        return row is not None and row[0] != value

    def noted(self, name: str) -> str | None:
        """Return what a note of the whole site says."""
        row = self._db.one("get_meta", name)
        return None if row is None else str(row[0])

    def adopt(self, entries: Iterable[tuple[Memory, tuple[bytes, ...]]]) -> int:
        """Remember articles that subscribers already have; return how many are new."""
        count = 0
        for memory, keys in entries:
            times = (memory.first_seen, memory.adopted, memory.text_since)
            count += self._db.run("adopt", self._short(memory.id), *map(rows.seconds_or_none, times), memory.link)
            self._db.write("put_key", [(key, self._short(memory.id)) for key in keys])
        return count

    def take_down(
        self, entries: Iterable[tuple[str, tuple[bytes, ...]]], now: datetime, *, is_all: bool = True
    ) -> tuple[str, ...]:
        """Make these articles, and whatever shares a key with them, removed; return the ids that change."""
        wanted: set[str] = set()
        for id_, keys in entries:
            self._db.run("adopt", self._short(id_), rows.seconds(now), None, None, None)
            self._db.write("put_key", [(key, self._short(id_)) for key in keys])
            wanted |= {self._short(id_)} | {owner for _, owner in self._db.each("owners", keys)}
        before = {id_ for (id_,) in self._db.all("removed_ids")}
        if not is_all:
            wanted |= before
        self._db.write("set_removed", [(True, id_) for id_ in sorted(wanted - before)])
        self._db.write("set_removed", [(False, id_) for id_ in sorted(before - wanted)])
        return tuple(self._long(id_) for id_ in sorted(wanted ^ before))

    def removed(self) -> Iterator[tuple[str, bytes]]:
        """Yield the id of each article that is removed with each key that it ever had."""
        yield from ((self._long(id_), key) for id_, key in self._db.all("removed_keys"))

    def _row(self, values: Sequence[Any]) -> Row:
        name, locator, size, mtime_ns, inode, digest, status, reason, missing_since, *rest = values
        return Row(
            source=name,
            place=Place(locator=locator, size=size, mtime_ns=mtime_ns, inode=inode),
            digest=digest,
            status=status,
            reason=reason,
            missing_since=rows.moment_or_none(missing_since),
            sighting=self._sighting(name, [*rest, locator]) if rest[0] else None,
        )
