"""What is known of articles, and what was decided about them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from feeder.dedup import Known, Reunion
from feeder.model import Change, Dating, Memory, Place, Sighting, Status, Verdict
from feeder.store import rows
from feeder.store.records import Outcome, Standing
from feeder.store.tables.ground import WIDTH, Ground

HISTORY = 100  # events kept of one article: a file that changes at every poll would fill the disk
QUIET = frozenset({Verdict.UNCHANGED, Verdict.NEW})  # what leaves no line in the history
NOWHERE = Place(locator="", size=-1, mtime_ns=-1, inode=-1)  # a stamp that no file has: read it again
_TRY_AGAIN = frozenset({Status.UNSETTLED, Status.UNREADABLE})


class Deciding(Ground):
    """What is known of articles, and what was decided about them."""

    def known(
        self, name: str, *, locators: Collection[str], keys: Collection[bytes], body_hashes: Collection[bytes]
    ) -> Known:
        """Return all that touches items at *locators* with these keys and hashes."""
        source = self._source(name)
        here = {row[WIDTH]: self._sighting(name, row) for row in self._db.each("sightings_at", locators, source)}
        vanished = tuple(self._sighting(name, row) for row in self._db.each("vanished", body_hashes, source))
        owners = {key: self._long(id_) for key, id_ in self._db.each("owners", keys)}
        ids = {*owners.values(), *(s.id for s in here.values()), *(s.id for s in vanished)}
        copies = self.copies(ids)
        return Known(
            sightings=here,
            vanished=vanished,
            owners=owners,
            memories={id_: memory for id_, (memory, _) in copies.items()},
            copies={id_: group for id_, (_, group) in copies.items()},
        )

    def copies(self, ids: Collection[str]) -> Mapping[str, tuple[Memory, tuple[Sighting, ...]]]:
        """Return each article's memory and current sightings."""
        short = [self._short(id_) for id_ in ids]
        groups: dict[str, list[Sighting]] = {}
        for row in self._db.each("copies", short):
            groups.setdefault(row[0], []).append(self._sighting(row[WIDTH + 1], row))
        return {
            memory.id: (memory, tuple(groups.get(self._short(memory.id), ())))
            for memory in (self._memory(row) for row in self._db.each("memories", short))
        }

    def record(self, name: str, outcomes: Iterable[Outcome], now: datetime) -> None:
        """Write what was read and decided."""
        source = self._source(name)
        done = list(outcomes)
        for change in (o.change for o in done if o.change and o.change.verdict not in QUIET):
            self._leave(source, change)
        seen = [o for o in done if o.change and o.change.sighting and o.change.verdict is not Verdict.UNCHANGED]
        rest = [o for o in done if not (o.change and o.change.sighting) or o.change.verdict is Verdict.UNCHANGED]
        self._db.write("put_sighting", [self._sighting_row(source, o) for o in seen])
        self._db.write("put_place", [(source, o.reading.place.locator, *_place_values(o)) for o in rest])
        self._db.write("put_date", [row for o in rest for row in _stamp_rows(source, o.change)])
        self._db.write("put_key", sorted((row for o in done for row in self._key_rows(o.change)), key=itemgetter(0)))
        self._db.write("take_key", [row for o in done for row in self._taken_rows(o.change)])
        self._put_events([e for o in done for e in self._events(name, o, now)])

    def namesakes(self, names: Collection[str]) -> tuple[Sighting, ...]:
        """Return the good sightings of some sources whose title several articles have."""
        return tuple(self._sighting(row[WIDTH + 1], row) for row in self._db.each("namesakes", names))

    def reunite(self, reunion: Reunion, now: datetime) -> tuple[str, ...]:
        """Make articles one; return the ids of all that this touches."""
        short = {self._short(id_): self._short(other) for id_, other in reunion.merged.items()}
        found = self._db.each("sightings_of", short)
        told = [(id_, f"into {self._long(short[id_])}", name, at) for id_, name, at in found]
        told += [(short[id_], f"from {self._long(id_)}", name, at) for id_, name, at in found]
        when, verdict = rows.seconds(now), Verdict.MERGED.value
        self._put_events([(id_, when, verdict, name, at, note) for id_, note, name, at in told])
        for statement in ("move_sightings", "move_keys"):
            self._db.write(statement, [(other, id_) for id_, other in short.items()])
        self._db.write("take_key", [(self._short(id_), key) for key, id_ in reunion.owners.items()])
        return (*reunion.merged, *dict.fromkeys(reunion.merged.values()))

    def forget(self, name: str, locators: Collection[str], now: datetime) -> tuple[str, ...]:
        """Remove documents; return the ids of the articles that lose a sighting."""
        source, lost = self._source(name), []
        for locator in locators:
            id_ = self._uncount(source, locator)
            if id_:
                lost.append((id_, rows.seconds(now), Verdict.WITHDRAWN.value, name, locator, None))
        self._db.write("delete_sighting", [(source, locator) for locator in locators])
        self._put_events(lost)
        return tuple(dict.fromkeys(self._long(str(row[0])) for row in lost))

    def stand(self, standings: Iterable[Standing], now: datetime) -> None:
        """Write what readers see of articles, and mark the nodes in which that changed.

        What readers see no more leaves the archive, and is among the deletions of the feeds that held it.
        """
        new = {self._short(s.memory.id): s for s in standings}
        old = {row[0]: row for row in self._db.each("standing", new)}
        same, written, gone, come = [], [], [], []
        for id_, standing in new.items():
            before, after = old.get(id_), self._standing_row(id_, standing)
            if before and before[1:] == after[5:] and not standing.memory.removed:
                same.append(id_)
                continue
            written.append(after)
            if before:
                gone += self._memberships(id_, before[4], before[6], before[7])
            come += self._memberships(id_, after[8], after[10], after[11])
        self._db.each("hold_article", sorted(same))
        self._db.write("put_article", sorted(written, key=itemgetter(0)))
        self._db.write("delete_membership", gone)
        self._db.write("put_membership", come)
        self._touch(node for node, _, _ in gone)
        self._touch(node for node, _, _ in come)
        seen, left = {id_ for _, _, id_ in come}, {id_ for _, _, id_ in gone}
        self._db.each("change_pages_of", left)
        self._delete(left - seen, now)
        self._undelete(seen.intersection(old))

    def release(self, now: datetime) -> int:
        """Let held articles in whose hour has come; return how many."""
        due = self._db.all("held_due", rows.seconds(now))
        come = [row for id_, published, paths in due for row in self._memberships(id_, published, False, paths)]
        self._db.write("unhold", [(id_,) for id_, _, _ in due])
        self._db.write("put_membership", come)
        self._touch(node for node, _, _ in come)
        self._undelete(id_ for id_, _, _ in due)
        return len(due)

    def _sighting_row(self, source: int, outcome: Outcome) -> tuple[object, ...]:
        sighting = _sighted(outcome)
        paths = [self._path(path) for path in sighting.article.categories]
        self._pending[-1].paths.update(paths)
        values = rows.sighting_values(sighting, self._short(sighting.id), rows.numbers(paths))
        return (source, sighting.locator, *_place_values(outcome), *values)

    def _key_rows(self, change: Change | None) -> list[tuple[bytes, str]]:
        if change is None or change.sighting is None:
            return []
        return [(key, self._short(change.sighting.id)) for key in change.keys]

    def _taken_rows(self, change: Change | None) -> list[tuple[str, bytes]]:
        if change is None or change.sighting is None:
            return []
        return [(self._short(change.sighting.id), key) for key in change.taken]

    def _leave(self, source: int, change: Change) -> None:
        """Uncount what stood at the places that a change writes anew or empties."""
        for locator in {change.locator, change.was_locator or change.locator}:
            self._uncount(source, locator)
        if change.was_locator or change.sighting is None:
            self._db.run("delete_sighting", source, change.was_locator or change.locator)

    def _uncount(self, source: int, locator: str) -> str | None:
        row = self._db.one("sighting_paths", source, locator)
        if row and row[1]:
            self._pending[-1].paths.subtract(rows.numbers_back(row[1]))
        return row[0] if row else None

    def _events(self, name: str, outcome: Outcome, now: datetime) -> Iterator[tuple[object, ...]]:
        change = outcome.change
        if change is None or (change.verdict in QUIET and not change.note):
            return
        ids = {i for i in (change.was_id, change.sighting.id if change.sighting else None) if i}
        note = f"from {change.was_locator}" if change.was_locator else change.note
        for id_ in sorted(ids):
            yield (self._short(id_), rows.seconds(now), change.verdict.value, name, change.locator, note)

    def _put_events(self, events: Sequence[tuple[object, ...]]) -> None:
        self._db.write("put_event", events)
        self._db.write("trim_history", [(id_, HISTORY) for id_ in {event[0] for event in events}])

    def _standing_row(self, id_: str, standing: Standing) -> tuple[object, ...]:
        memory, shown = standing.memory, standing.shown
        head = (id_, rows.seconds(memory.first_seen))
        if shown is None:
            kept = (memory.text_hash, rows.seconds_or_none(memory.text_since), memory.removed)
            return (*head, *kept, None, None, None, None, None, False, None)
        return (
            *head,
            shown.article.text_hash,
            rows.seconds_or_none(shown.text_since),
            False,
            self._source(shown.source),
            shown.locator,
            shown.article.item_hash,
            rows.seconds(shown.published),
            rows.seconds(shown.updated),
            shown.held,
            rows.numbers(self._path(path) for path in shown.categories),
        )

    def _memberships(self, id_: str, published: Any, held: Any, paths: Any) -> list[tuple[int, int, str]]:
        if published is None or held:
            return []
        nodes = {self._node(())}.union(*map(self._nodes_of, rows.numbers_back(paths)))
        return [(node, published, id_) for node in nodes]

    def _delete(self, ids: Collection[str], now: datetime) -> None:
        self._db.each("delete_from_feeds", ids, rows.seconds(now))
        self._db.each("delete_from_archive", ids, self._node(()), rows.seconds(now))
        self._db.each("leave_archive", ids)
        self._db.each("prune_bodies", ids)

    def _undelete(self, ids: Iterable[str]) -> None:
        self._touch(node for (node,) in self._db.each("undelete", ids))


def _sighted(outcome: Outcome) -> Sighting:
    assert outcome.change and outcome.change.sighting  # noqa: S101, PT018 - only such outcomes get here
    return outcome.change.sighting


def _place_values(outcome: Outcome) -> tuple[object, ...]:
    reading = outcome.reading
    place = NOWHERE if reading.status in _TRY_AGAIN else reading.place
    return place.size, place.mtime_ns, place.inode, reading.digest, reading.status.value, reading.reason


def _stamp_rows(source: int, change: Change | None) -> list[tuple[object, ...]]:
    """Return the date as read now where it is believed no more than before; it tells the same stamp from another."""
    if change is None or change.sighting is None or change.sighting.article.dating is not Dating.NAIVE:
        return []
    return [(rows.seconds_or_none(change.sighting.article.published), source, change.locator)]
