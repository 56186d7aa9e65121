"""What sources hold, as compared with what was last read there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from feeder.dedup import Missing
from feeder.model import Place, Status, Unlisted
from feeder.store import rows
from feeder.store.records import Scanned, Seen
from feeder.store.tables.ground import Ground


class Scanning(Ground):
    """What sources hold, as compared with what was last read there."""

    def scan(
        self, name: str, found: Iterable[Place | Unlisted], now: datetime, *, at: Collection[str] | None = None
    ) -> Scanned:
        """Compare what a source holds, or what is at or below some locators, with what is known.

        Notes what is missing there.
        """
        unlisted: list[Unlisted] = []
        self._db.run("clear_scan")
        self._db.write("scan_place", _stamps(found, unlisted))
        if at is None:
            self._db.run("clear_unlisted", self._source(name))
        self._db.write("put_unlisted", [(self._source(name), each.locator, each.reason) for each in unlisted])
        values = {"source": self._source(name), "now": rows.seconds(now)}
        shifted = self._db.all("scan_returns", values)
        self._db.run("scan_found_again", self._source(name))
        if at is None:
            self._db.run("scan_missing", values)
        else:
            for statement in ("scan_missing_at", "scan_missing_below"):
                self._db.write(statement, [values | {"at": locator} for locator in at])
        shifted += self._db.all("scan_leaves", values)
        (places,) = self._db.one("count_scan")
        return Scanned(places=int(places), shifted=tuple(dict.fromkeys(self._long(id_) for (id_,) in shifted)))

    def unlisted(self, name: str) -> Mapping[str, str]:
        """Return what the last scan could not list, each with the reason."""
        return dict(self._db.all("unlisted", self._source(name)))

    def changed(self, name: str, *, everything: bool) -> Iterator[Seen]:
        """Yield the scan's places that are new or have another stamp, with what was last read there."""
        values = {"source": self._source(name), "everything": everything}
        for locator, size, mtime_ns, inode, digest, status, reason in self._db.stream("changed", values):
            place = Place(locator=locator, size=size, mtime_ns=mtime_ns, inode=inode)
            yield Seen(place=place, digest=digest or b"", status=Status(status) if status else None, reason=reason)

    def count_changed(self, name: str, *, everything: bool) -> int:
        """Return how many places `changed` yields."""
        values = {"source": self._source(name), "everything": everything}
        return self._db.count("changed", values)

    def seen(self, name: str, locators: Collection[str]) -> Mapping[str, Seen]:
        """Return what was last read at each of some locators where anything was."""
        return {
            locator: Seen(place=Place(locator=locator), digest=digest, status=Status(status), reason=reason)
            for locator, digest, status, reason in self._db.each("seen_at", locators, self._source(name))
        }

    def known_digests(self, name: str, limit: int) -> frozenset[bytes]:
        """Return the digests of what was last read at the places of a source, or at so many of them."""
        return frozenset(digest for (digest,) in self._db.all("known_digests", self._source(name), limit))

    def missing(self, name: str) -> tuple[Missing, ...]:
        """Return the documents that the last scan did not find."""
        found = self._db.all("missing", self._source(name))
        return tuple(
            Missing(locator=locator, id=self._long_or_none(id_), since=rows.moment(since), scans=scans)
            for locator, id_, since, scans in found
        )

    def count(self, name: str) -> int:
        """Return how many current sightings a source has."""
        return int(self._db.one("count", self._source(name))[0])

    def locators(self, name: str) -> tuple[str, ...]:
        """Return all locators of a source."""
        return tuple(locator for (locator,) in self._db.all("locators", self._source(name)))


def _stamps(found: Iterable[Place | Unlisted], unlisted: list[Unlisted]) -> Iterator[tuple[str, int, int, int]]:
    for place in found:
        if isinstance(place, Unlisted):
            unlisted.append(place)
        else:
            yield place.locator, place.size, place.mtime_ns, place.inode
