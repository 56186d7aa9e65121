"""What is kept of articles that lie in no file, and of bodies, and for how long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from feeder.model import CategoryPath
from feeder.store import rows
from feeder.store.records import StoredBody
from feeder.store.tables.ground import Ground

DAY_SECONDS = 86_400


class Keeping(Ground):
    """What is kept of articles that lie in no file, and of bodies, and for how long."""

    def save_documents(self, name: str, documents: Mapping[str, bytes]) -> None:
        """Keep the bodies, by locator, of sightings that lie in no file."""
        self._db.write("put_document", [(self._source(name), locator, body) for locator, body in documents.items()])

    def documents(self, ids: Collection[str]) -> Mapping[str, bytes]:
        """Return the body of each article whose winning sighting lies in no file."""
        return {self._long(id_): body for id_, body in self._db.each("documents", map(self._short, ids))}

    def prune_documents(self, before: datetime) -> None:
        """Forget the bodies of sightings from before some time that are in no feed; those still offered come again."""
        old = self._db.all("old_documents", rows.seconds(before))
        self._db.write("delete_document", old)
        self._db.write("forget_reading", [(b"", *place) for place in old])

    def note_offered(self, name: str, locators: Collection[str], now: datetime) -> None:
        """Note what of a source's articles, which lie in no file, it offers on this day."""
        day = rows.seconds(now) // DAY_SECONDS * DAY_SECONDS
        self._db.each("put_offered", locators, day, self._source(name), day)

    def expired(self, before: datetime, limit: int) -> tuple[tuple[str, str, str | None], ...]:
        """Return source, locator and article of what was last offered before some time, and is not now.

        An article that is offered elsewhere, in a feed, in the archive, held or taken down is none of these.
        """
        found = self._db.all("expired", {"before": rows.seconds(before), "limit": limit})
        return tuple((name, locator, self._long_or_none(id_)) for name, locator, id_ in found)

    def forgettable(self, before: datetime, limit: int) -> tuple[str, ...]:
        """Return the articles without a sighting of which nothing was heard since some time, and that nothing shows."""
        found = self._db.all("forgettable", {"before": rows.seconds(before), "limit": limit})
        return tuple(self._long(id_) for (id_,) in found)

    def erase(self, ids: Collection[str]) -> None:
        """Forget articles, with their keys and history, but for those that were taken down."""
        short = [self._short(id_) for id_ in ids]
        for statement in ("erase_history", "erase_body", "erase_keys", "erase_article"):
            self._db.each(statement, short)

    def paths_of(self, name: str) -> frozenset[CategoryPath]:
        """Return the category paths that the articles of a source have, as spelled."""
        found = self._db.all("source_paths", self._source(name))
        return frozenset(self._spelled(path) for (paths,) in found for path in rows.numbers_back(paths))

    def newest_of(self, names: Collection[str], limit: int) -> Mapping[str, tuple[datetime, ...]]:
        """Return when the newest articles of each source that has any that say so were published."""
        found: defaultdict[str, list[datetime]] = defaultdict(list)
        for name, published in self._db.each("newest_of", names, limit):
            found[name].append(rows.moment(published))
        return {name: tuple(times) for name, times in found.items()}

    def bodies(self, ids: Collection[str]) -> Mapping[str, StoredBody]:
        """Return the cleaned bodies that are kept."""
        found = self._db.each("bodies", [self._short(id_) for id_ in ids])
        return {
            body.id: body
            for body in (StoredBody(id=self._long(id_), key=key, packed=packed) for id_, key, packed in found)
        }

    def save_bodies(self, bodies: Iterable[StoredBody], *, kept: bool = False) -> None:
        """Keep cleaned bodies while their articles are in a feed; with *kept*, for good."""
        self._db.write("put_body", [(self._short(b.id), b.key, b.packed, kept) for b in bodies])

    def spare_bytes(self) -> tuple[int, int]:
        """Return how much of the room that the state takes is not in use, and how much it takes."""
        return self._db.spare_bytes()

    def compact(self) -> None:
        """Return all room that is not in use to the disk, now; meanwhile as much again is needed."""
        self._db.compact()

    def give_back(self) -> int:
        """Return room that is not needed to the disk, some at a time if it is much; return how many pages."""
        return self._db.give_back()
