"""The state in one SQLite file: WAL, one writer, SQL in files. Only this room knows sqlite3."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from feeder import categories
from feeder.dedup import Known, Missing, Reunion
from feeder.errors import StoreError
from feeder.model import (
    Article,
    CategoryPath,
    Change,
    Dating,
    Deletion,
    Due,
    Memory,
    Node,
    Place,
    Problem,
    Shown,
    Sighting,
    Source,
    Status,
    Tally,
    Unlisted,
    Verdict,
)
from feeder.silence import HOURS, Cause
from feeder.store import (
    Alert,
    AlertKind,
    ArchivePage,
    ArticlePage,
    Breach,
    Event,
    Fault,
    FaultKind,
    Listed,
    Mark,
    Outcome,
    PublishedFeed,
    Row,
    Seen,
    SourceState,
    Standing,
    StoredBody,
    WrittenPage,
    invariants,
    rows,
)
from feeder.store.file import (
    connect,
    connect_as_allowed,
    connect_to_read,
    look,
    script,
    scripts,
    told,
)
from feeder.store.migrating import migrate, version_of

HISTORY = 100  # events kept of one article: a file that changes at every poll would fill the disk
DAY_SECONDS = 86_400
SPARE_PAGES = 2000  # that are empty and stay so: they are needed again soon
SPARE_SHARE = 5  # and so does this part of the file
GIVEN_BACK = 2000  # pages at a time: a few MiB are moved within the file
JOURNAL_BYTES = 16 << 20  # that the journal keeps for itself, however large one transaction made it
PRIVATE = 0o640  # mode of a new state: addresses may be secret, and articles not published yet
SLICE = 500  # values in one IN (...)
WIDTH = len(rows.SIGHTING_COLUMNS)
QUIET = frozenset({Verdict.UNCHANGED, Verdict.NEW})  # what leaves no line in the history
NOWHERE = Place(locator="", size=-1, mtime_ns=-1, inode=-1)  # a stamp that no file has: read it again
_TRY_AGAIN = frozenset({Status.UNSETTLED, Status.UNREADABLE})


class SqliteStore:
    """The Store in a file. Ids that begin with *prefix* are kept without it."""

    def __init__(self, connection: sqlite3.Connection, *, path: Path, prefix: str, called: Path | None = None) -> None:
        self._db = connection
        self._place = path
        self._file = _identity(path)
        self._told = partial(told, called or path)
        self._prefix = prefix
        self._sql = _statements()
        self._forget_caches()

    # ------------------------------------------------------------ transactions

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all of what happens inside, or nothing; one inside of another is a part of it that can fail alone."""
        is_part = self._db.in_transaction
        if is_part:
            self._flush()
        with self._told():
            self._db.execute("SAVEPOINT part" if is_part else "BEGIN IMMEDIATE")
            try:
                yield
                self._flush()
                self._db.execute("RELEASE part" if is_part else "COMMIT")
            except BaseException:
                self._forget_caches()
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK TO part" if is_part else "ROLLBACK")
                raise

    def close(self) -> None:
        """Release the database."""
        self._db.close()

    def check_in_place(self) -> None:
        """Raise StoreError if the file is not the one that was opened: what is written would be lost."""
        if _identity(self._place) != self._file:
            raise StoreError(f"{self._place}: the state was deleted or replaced while it was in use")

    def _forget_caches(self) -> None:
        self._source_ids: dict[str, int] = {}
        self._path_ids: dict[CategoryPath, int] = {}
        self._paths: dict[int, CategoryPath] = {}
        self._node_ids: dict[Node, int] = {}
        self._lineages: dict[int, list[int]] = {}
        self._path_counts: Counter[int] = Counter()
        self._touched: set[int] = set()

    def _flush(self) -> None:
        for path, by in self._path_counts.items():
            self._count_path(path, by)
        self._path_counts.clear()
        if self._touched:
            (seq,) = self._one("next_seq")
            self._write("put_mark", [(node, seq) for node in sorted(self._touched)])
            self._touched.clear()

    # ------------------------------------------------------------ sources

    def sync_sources(self, sources: Sequence[Source]) -> tuple[str, ...]:
        """Take over the config's sources; return those whose articles go, as they have left the config."""
        for source in sources:
            if source.was and source.was not in {s.name for s in sources}:
                self._run("rename_source", source.name, source.was)
        self._run("unrank_sources")
        self._write("put_source", [(s.name, s.order, s.on_remove.value, int(s.enabled)) for s in sources])
        self._source_ids.clear()
        return tuple(name for (name,) in self._all("left_sources"))

    def sources(self) -> tuple[SourceState, ...]:
        """Return all sources, in the config's order, those that left it last."""
        return tuple(_source_state(row) for row in self._all("sources"))

    def source(self, name: str) -> SourceState:
        """Return one source, which there is."""
        return _source_state(self._one("source", name))

    def claim_due(self, now: datetime, *, limit: int, lease: timedelta) -> tuple[str, ...]:
        """Lease and return the names of sources whose poll is due and that nobody else holds."""
        due = self._all("due_sources", {"now": rows.seconds(now), "limit": limit})
        self._write("lease", [(rows.seconds(now + lease), source) for source, _ in due])
        return tuple(name for _, name in due)

    def finish_poll(
        self, name: str, *, now: datetime, due: Due, error: str | None, failed_with: str | None = None
    ) -> None:
        """Give a lease back with the poll's outcome; *failed_with* is the fingerprint of settings that failed."""
        times = {"now": rows.seconds(now), "next": rows.seconds(due.at)}
        values = times | {"name": name, "why": due.why, "error": error, "failed_with": failed_with}
        self._db.execute(self._sql["poll_failed" if error else "poll_succeeded"], values)

    def set_memo(self, name: str, memo: str) -> None:
        """Keep what a source's answer told."""
        self._run("set_memo", memo, name)

    def set_fingerprint(self, name: str, fingerprint: str) -> None:
        """Note with which settings all documents of the source have been read."""
        self._run("set_fingerprint", fingerprint, name)

    def request_poll(self, name: str, now: datetime) -> bool:
        """Make a source due now; False if there is none of that name."""
        return self._run("request_poll", rows.seconds(now), name) > 0

    def set_paused(self, name: str, *, paused: bool) -> bool:
        """Stop or resume the polling of a source; False if there is none of that name."""
        return self._run("set_paused", int(paused), name) > 0

    def accept(self, name: str, now: datetime) -> bool:
        """Note that what is missing is gone for good, and make the source due; False if there is none."""
        return self._run("accept", rows.seconds(now), name) > 0

    # ------------------------------------------------------------ polling

    def scan(
        self, name: str, found: Iterable[Place | Unlisted], now: datetime, *, at: Collection[str] | None = None
    ) -> int:
        """Compare what a source holds, or what is at or below some locators, with what is known.

        Notes what is missing there; returns the number of places.
        """
        unlisted: list[Unlisted] = []
        self._db.execute("DELETE FROM temp.scan")
        self._db.executemany(self._sql["scan_place"], _stamps(found, unlisted))
        if at is None:
            self._run("clear_unlisted", self._source(name))
        self._write("put_unlisted", [(self._source(name), each.locator, each.reason) for each in unlisted])
        self._run("scan_found_again", self._source(name))
        values = {"source": self._source(name), "now": rows.seconds(now)}
        if at is None:
            self._db.execute(self._sql["scan_missing"], values)
        else:
            for statement in ("scan_missing_at", "scan_missing_below"):
                self._db.executemany(self._sql[statement], [values | {"at": locator} for locator in at])
        (count,) = self._db.execute("SELECT count(*) FROM temp.scan").fetchone()
        return int(count)

    def unlisted(self, name: str) -> Mapping[str, str]:
        """Return what the last scan could not list, each with the reason."""
        return dict(self._all("unlisted", self._source(name)))

    def changed(self, name: str, *, everything: bool) -> Iterator[Seen]:
        """Yield the scan's places that are new or have another stamp, with what was last read there."""
        values = {"source": self._source(name), "everything": everything}
        for locator, size, mtime_ns, inode, digest, status, reason in self._stream("changed", values):
            place = Place(locator=locator, size=size, mtime_ns=mtime_ns, inode=inode)
            yield Seen(place=place, digest=digest, status=Status(status) if status else None, reason=reason)

    def seen(self, name: str, locators: Collection[str]) -> Mapping[str, Seen]:
        """Return what was last read at each of some locators where anything was."""
        return {
            locator: Seen(place=Place(locator=locator), digest=digest, status=Status(status), reason=reason)
            for locator, digest, status, reason in self._each("seen_at", locators, self._source(name))
        }

    def known_digests(self, name: str, limit: int) -> frozenset[bytes]:
        """Return the digests of what was last read at the places of a source, or at so many of them."""
        return frozenset(digest for (digest,) in self._all("known_digests", self._source(name), limit))

    def save_documents(self, name: str, documents: Mapping[str, bytes]) -> None:
        """Keep the bodies, by locator, of sightings that lie in no file."""
        self._write("put_document", [(self._source(name), locator, body) for locator, body in documents.items()])

    def documents(self, ids: Collection[str]) -> Mapping[str, bytes]:
        """Return the body of each article whose winning sighting lies in no file."""
        return {self._long(id_): body for id_, body in self._each("documents", map(self._short, ids))}

    def prune_documents(self, before: datetime) -> None:
        """Forget the bodies of sightings from before some time that are in no feed; those still offered come again."""
        old = self._all("old_documents", rows.seconds(before))
        self._write("delete_document", old)
        self._write("forget_reading", old)

    def note_offered(self, name: str, locators: Collection[str], now: datetime) -> None:
        """Note what of a source's articles, which lie in no file, it offers on this day."""
        day = rows.seconds(now) // DAY_SECONDS * DAY_SECONDS
        self._each("put_offered", locators, day, self._source(name), day)

    def expired(self, before: datetime, limit: int) -> tuple[tuple[str, str, str | None], ...]:
        """Return source, locator and article of what was last offered before some time, and is not now.

        An article that is offered elsewhere, in a feed, in the archive, held or taken down is none of these.
        """
        found = self._all("expired", {"before": rows.seconds(before), "limit": limit})
        return tuple((name, locator, self._long_or_none(id_)) for name, locator, id_ in found)

    def forgettable(self, before: datetime, limit: int) -> tuple[str, ...]:
        """Return the articles without a sighting of which nothing was heard since some time, and that nothing shows."""
        found = self._all("forgettable", {"before": rows.seconds(before), "limit": limit})
        return tuple(self._long(id_) for (id_,) in found)

    def erase(self, ids: Collection[str]) -> None:
        """Forget articles, with their keys and history, but for those that were taken down."""
        short = [self._short(id_) for id_ in ids]
        for statement in ("erase_history", "erase_body", "erase_keys", "erase_article"):
            self._each(statement, short)

    def give_back(self) -> int:
        """Return room that the file does not need to the disk, some at a time if it is much; return how many pages."""
        free, whole = self._pages("freelist_count"), self._pages("page_count")
        if free < max(SPARE_PAGES, whole // SPARE_SHARE):
            return 0
        with self._told():
            # As a script: `execute` takes but the first step, which gives back one page.
            self._db.executescript(f"PRAGMA incremental_vacuum({GIVEN_BACK})")
        return whole - self._pages("page_count")

    def spare_bytes(self) -> tuple[int, int]:
        """Return how much of the file's room is not in use, and how much it has."""
        size = self._pages("page_size")
        return self._pages("freelist_count") * size, self._pages("page_count") * size

    def compact(self) -> None:
        """Return all room that is not in use to the disk, now, and see to it that `give_back` can."""
        with self._told():
            self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a file that was made without, from VACUUM on
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _pages(self, which: str) -> int:
        with self._told():
            return int(self._db.execute(f"PRAGMA {which}").fetchone()[0])

    def paths_of(self, name: str) -> frozenset[CategoryPath]:
        """Return the category paths that the articles of a source have, as spelled."""
        found = self._all("source_paths", self._source(name))
        return frozenset(self._spelled(path) for (paths,) in found for path in rows.numbers_back(paths))

    def newest_of(self, name: str, limit: int) -> tuple[datetime, ...]:
        """Return when the newest articles of a source that say so were published."""
        return tuple(rows.moment(published) for (published,) in self._all("newest_of", self._source(name), limit))

    def count_changed(self, name: str, *, everything: bool) -> int:
        """Return how many places `changed` yields."""
        values = {"source": self._source(name), "everything": everything}
        (count,) = self._db.execute(f"SELECT count(*) FROM ({self._sql['changed'].rstrip(';')})", values).fetchone()
        return int(count)

    def known(
        self, name: str, *, locators: Collection[str], keys: Collection[bytes], body_hashes: Collection[bytes]
    ) -> Known:
        """Return all that touches items at *locators* with these keys and hashes."""
        source = self._source(name)
        here = {row[WIDTH]: self._sighting(name, row) for row in self._each("sightings_at", locators, source)}
        vanished = tuple(self._sighting(name, row) for row in self._each("vanished", body_hashes, source))
        owners = {key: self._long(id_) for key, id_ in self._each("owners", keys)}
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
        for row in self._each("copies", short):
            groups.setdefault(row[0], []).append(self._sighting(row[WIDTH + 1], row))
        return {
            memory.id: (memory, tuple(groups.get(self._short(memory.id), ())))
            for memory in (self._memory(row) for row in self._each("memories", short))
        }

    def record(self, name: str, outcomes: Iterable[Outcome], now: datetime) -> None:
        """Write what was read and decided."""
        source = self._source(name)
        done = list(outcomes)
        for change in (o.change for o in done if o.change and o.change.verdict not in QUIET):
            self._leave(source, change)
        seen = [o for o in done if o.change and o.change.sighting and o.change.verdict is not Verdict.UNCHANGED]
        rest = [o for o in done if not (o.change and o.change.sighting) or o.change.verdict is Verdict.UNCHANGED]
        self._write("put_sighting", [self._sighting_row(source, o) for o in seen])
        self._write("put_place", [(source, o.reading.place.locator, *_place_values(o)) for o in rest])
        self._write("put_date", [row for o in rest for row in _stamp_rows(source, o.change)])
        self._write("put_key", [row for o in done for row in self._key_rows(o.change)])
        self._write("take_key", [row for o in done for row in self._taken_rows(o.change)])
        self._put_events([e for o in done for e in self._events(name, o, now)])

    def _sighting_row(self, source: int, outcome: Outcome) -> tuple[object, ...]:
        sighting = _sighted(outcome)
        paths = [self._path(path) for path in sighting.article.categories]
        self._path_counts.update(paths)
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
            self._run("delete_sighting", source, change.was_locator or change.locator)

    def _uncount(self, source: int, locator: str) -> str | None:
        row = self._one_or_none("sighting_paths", source, locator)
        if row and row[1]:
            self._path_counts.subtract(rows.numbers_back(row[1]))
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
        self._write("put_event", events)
        self._write("trim_history", [(id_, HISTORY) for id_ in {event[0] for event in events}])

    def stand(self, standings: Iterable[Standing], now: datetime) -> None:
        """Write what readers see of articles, and mark the nodes in which that changed.

        What readers see no more leaves the archive, and is among the deletions of the feeds that held it.
        """
        new = {self._short(s.memory.id): s for s in standings}
        old = {row[0]: row for row in self._each("standing", new)}
        written, gone, come = [], [], []
        for id_, standing in new.items():
            before, after = old.get(id_), self._standing_row(id_, standing)
            if before and before[1:] == after[5:] and not standing.memory.removed:
                continue
            written.append(after)
            if before:
                gone += self._memberships(id_, before[4], before[6], before[7])
            come += self._memberships(id_, after[8], after[10], after[11])
        self._write("put_article", written)
        self._write("delete_membership", gone)
        self._write("put_membership", come)
        self._touched.update(node for node, _, _ in gone)
        self._touched.update(node for node, _, _ in come)
        seen, left = {id_ for _, _, id_ in come}, {id_ for _, _, id_ in gone}
        self._each("change_pages_of", left)
        self._delete(left - seen, now)
        self._undelete(seen.intersection(old))

    def _delete(self, ids: Collection[str], now: datetime) -> None:
        self._each("delete_from_feeds", ids, rows.seconds(now))
        self._each("delete_from_archive", ids, self._node(()), rows.seconds(now))
        self._each("leave_archive", ids)
        self._each("prune_bodies", ids)

    def _undelete(self, ids: Iterable[str]) -> None:
        self._touched.update(node for (node,) in self._each("undelete", ids))

    def _standing_row(self, id_: str, standing: Standing) -> tuple[object, ...]:
        memory, shown = standing.memory, standing.shown
        head = (id_, rows.seconds(memory.first_seen))
        if shown is None:
            kept = (memory.text_hash, rows.seconds_or_none(memory.text_since), int(memory.removed))
            return (*head, *kept, None, None, None, None, None, 0, None)
        return (
            *head,
            shown.article.text_hash,
            rows.seconds_or_none(shown.text_since),
            0,
            self._source(shown.source),
            shown.locator,
            shown.article.item_hash,
            rows.seconds(shown.published),
            rows.seconds(shown.updated),
            int(shown.held),
            rows.numbers(self._path(path) for path in shown.categories),
        )

    def _memberships(self, id_: str, published: Any, held: Any, paths: Any) -> list[tuple[int, int, str]]:
        if published is None or held:
            return []
        nodes = {self._node(())}.union(*map(self._nodes_of, rows.numbers_back(paths)))
        return [(node, published, id_) for node in nodes]

    def namesakes(self, names: Collection[str]) -> tuple[Sighting, ...]:
        """Return the good sightings of some sources whose title several articles have."""
        return tuple(self._sighting(row[WIDTH + 1], row) for row in self._each("namesakes", names))

    def reunite(self, reunion: Reunion, now: datetime) -> tuple[str, ...]:
        """Make articles one; return the ids of all that this touches."""
        short = {self._short(id_): self._short(other) for id_, other in reunion.merged.items()}
        found = self._each("sightings_of", short)
        told = [(id_, f"into {self._long(short[id_])}", name, at) for id_, name, at in found]
        told += [(short[id_], f"from {self._long(id_)}", name, at) for id_, name, at in found]
        when, verdict = rows.seconds(now), Verdict.MERGED.value
        self._put_events([(id_, when, verdict, name, at, note) for id_, note, name, at in told])
        for statement in ("move_sightings", "move_keys"):
            self._write(statement, [(other, id_) for id_, other in short.items()])
        self._write("take_key", [(self._short(id_), key) for key, id_ in reunion.owners.items()])
        return (*reunion.merged, *dict.fromkeys(reunion.merged.values()))

    def missing(self, name: str) -> tuple[Missing, ...]:
        """Return the documents that the last scan did not find."""
        found = self._all("missing", self._source(name))
        return tuple(
            Missing(locator=locator, id=self._long_or_none(id_), since=rows.moment(since), scans=scans)
            for locator, id_, since, scans in found
        )

    def count(self, name: str) -> int:
        """Return how many current sightings a source has."""
        return int(self._one("count", self._source(name))[0])

    def forget(self, name: str, locators: Collection[str], now: datetime) -> tuple[str, ...]:
        """Remove documents; return the ids of the articles that lose a sighting."""
        source, lost = self._source(name), []
        for locator in locators:
            id_ = self._uncount(source, locator)
            if id_:
                lost.append((id_, rows.seconds(now), Verdict.WITHDRAWN.value, name, locator, None))
        self._write("delete_sighting", [(source, locator) for locator in locators])
        self._put_events(lost)
        return tuple(dict.fromkeys(self._long(str(row[0])) for row in lost))

    def locators(self, name: str) -> tuple[str, ...]:
        """Return all locators of a source."""
        return tuple(locator for (locator,) in self._all("locators", self._source(name)))

    # ------------------------------------------------------------ publishing

    def release(self, now: datetime) -> int:
        """Let held articles in whose hour has come; return how many."""
        due = self._all("held_due", rows.seconds(now))
        come = [row for id_, published, paths in due for row in self._memberships(id_, published, 0, paths)]
        self._write("unhold", [(id_,) for id_, _, _ in due])
        self._write("put_membership", come)
        self._touched.update(node for node, _, _ in come)
        self._undelete(id_ for id_, _, _ in due)
        return len(due)

    def next_release(self) -> datetime | None:
        """Return when the next held article's hour comes."""
        return rows.moment_or_none(self._one("next_held")[0])

    def stale(self, now: datetime, *, settle: timedelta) -> tuple[Mark, ...]:
        """Return the marks that may be published now, deepest nodes first."""
        values = {"now": rows.seconds(now), "settle": int(settle.total_seconds())}
        found = (Mark(node=rows.labels(identity), seq=seq) for identity, seq in self._all("stale", values))
        return tuple(sorted(found, key=lambda mark: mark.node, reverse=True))

    def mark(self, nodes: Iterable[Node], *, not_before: datetime | None = None) -> None:
        """Make nodes stale, to be published at once or not before some time."""
        numbers = [self._node(node) for node in nodes]
        if not_before is None:
            self._touched.update(numbers)
            return
        (seq,) = self._one("next_seq")
        self._write("put_late_mark", [(node, seq, rows.seconds(not_before)) for node in numbers])

    def newest(self, node: Node) -> Iterator[Listed]:
        """Yield the node's articles in feed order: published descending, then id."""
        for id_, published, source in self._stream("newest", (self._node(node),)):
            yield Listed(id=self._long(id_), published=rows.moment(published), source=source)

    def census(self) -> Mapping[Node, Tally]:
        """Return what every node that has articles holds."""
        return {
            rows.labels(identity): Tally(articles=total, newest=rows.moment(published), title=title)
            for identity, total, published, title in self._all("census")
        }

    def published_since(self, node: Node, since: datetime) -> tuple[datetime, ...]:
        """Return when the node's articles were published, of those not older than *since*, in any order."""
        found = self._all("published_since", self._node(node), rows.seconds(since))
        return tuple(rows.moment(published) for (published,) in found)

    def nodes(self) -> Mapping[Node, str]:
        """Return every node that has articles, with its label; the site's is empty."""
        return {rows.labels(identity): label for identity, label in self._all("live_nodes")}

    def shown(self, ids: Collection[str]) -> Mapping[str, Shown]:
        """Return what readers see of articles."""
        return {
            shown.id: shown
            for row in self._each("shown", [self._short(id_) for id_ in ids])
            for shown in [self._shown(row)]
        }

    def digests(self, ids: Collection[str]) -> Mapping[str, bytes]:
        """Return the digest of each article's winning document, as last read."""
        found = self._each("digests", [self._short(id_) for id_ in ids])
        return {self._long(id_): digest for id_, digest in found}

    def bodies(self, ids: Collection[str]) -> Mapping[str, StoredBody]:
        """Return the cleaned bodies that are kept."""
        found = self._each("bodies", [self._short(id_) for id_ in ids])
        return {
            body.id: body
            for body in (StoredBody(id=self._long(id_), key=key, packed=packed) for id_, key, packed in found)
        }

    def save_bodies(self, bodies: Iterable[StoredBody], *, kept: bool = False) -> None:
        """Keep cleaned bodies while their articles are in a feed; with *kept*, for good."""
        self._write("put_body", [(self._short(b.id), b.key, b.packed, int(kept)) for b in bodies])

    def save_feed(self, feed: PublishedFeed, *, mark: Mark, now: datetime) -> None:
        """Note a feed as written, and remove its mark."""
        node = self._node(feed.node)
        values = (node, feed.fingerprint, rows.seconds(feed.updated), rows.seconds(now), _files_text(feed.files))
        self._run("put_feed", *values)
        self._set_feed_ids(node, {self._short(id_) for id_ in feed.ids})
        self._run("delete_mark", node, mark.seq)

    def drop_feed(self, mark: Mark) -> None:
        """Note a feed as gone, and remove its mark."""
        node = self._node(mark.node)
        self._run("delete_feed", node)
        self._run("drop_deletions", node)
        self._set_feed_ids(node, set())
        self._run("delete_mark", node, mark.seq)

    def shows_removed(self, node: Node) -> bool:
        """Tell whether the feed of a node, as it was written, holds an article that was taken down since."""
        return bool(self._one("shows_removed", self._node(node))[0])

    def feeds(self) -> tuple[PublishedFeed, ...]:
        """Return every published feed, without the ids of its entries."""
        return tuple(_published_feed(row) for row in self._all("feeds"))

    def depart(self, left: Mapping[str, Node]) -> None:
        """Note directories as left by the feeds of categories."""
        self._write("put_departure", [(directory, rows.texts(node)) for directory, node in left.items()])

    def departures(self) -> Mapping[str, Node]:
        """Return the directories that feeds have left, those left first before others, with their categories."""
        return {directory: rows.labels(identity) for directory, identity in self._all("departures")}

    def inherit(self, heirs: Mapping[str, Node]) -> None:
        """Note for directories that were left that they stand for other categories by now."""
        self._write("set_departure", [(rows.texts(node), directory) for directory, node in heirs.items()])

    def return_to(self, directories: Iterable[str]) -> None:
        """Forget that directories were left."""
        self._write("delete_departure", [(directory,) for directory in directories])

    def tell(self, listeners: Iterable[str], paths: Collection[str]) -> None:
        """Note for each of *listeners* that the files at *paths* changed."""
        self._write("put_news", [(listener, path) for listener in listeners for path in paths])

    def news(self, listener: str, limit: int) -> Mapping[str, int]:
        """Return the files that *listener* has not been told of, the first of them, each with the number of its news."""
        return {path: number for number, path in self._all("news", listener, limit)}

    def told(self, numbers: Iterable[int]) -> None:
        """Forget news that have been told."""
        self._write("delete_news", [(number,) for number in numbers])

    def silence(self, listener: str) -> None:
        """Forget all news for *listener*."""
        self._run("silence", listener)

    def deletions(self, node: Node, limit: int) -> tuple[Deletion, ...]:
        """Return the newest entries that the feed of a node held and that readers see no more."""
        found = self._all("deletions", self._node(node), limit)
        return tuple(Deletion(id=self._long(id_), at=rows.moment(at)) for id_, at in found)

    def end_deletions(self, before: datetime) -> None:
        """Forget the deletions up to some time, and mark the nodes that told of them."""
        self._touched.update(node for (node,) in self._all("end_deletions", rows.seconds(before)))

    # ------------------------------------------------------------ the archive of the site's feed

    def enter_archive(self, ids: Sequence[str]) -> None:
        """Note articles as being in the site's feed, those that have not been before in this order."""
        self._write("enter_archive", [(self._short(id_),) for id_ in ids])

    def waiting(self) -> tuple[str, ...]:
        """Return the articles that have been in the site's feed and are on no page yet, in the order they came."""
        return tuple(self._long(id_) for (id_,) in self._all("waiting"))

    def add_page(self, ids: Iterable[str]) -> None:
        """Put articles on a new page, the last."""
        before = self.last_page()
        number = self._insert("put_page")
        self._write("put_on_page", [(number, self._short(id_)) for id_ in ids])
        self.change_pages([] if before is None else [before])

    def clear_archive(self, numbers: Iterable[int], *, waiting: bool = False) -> None:
        """Take all articles off some pages; with *waiting*, forget those that are on no page, too."""
        pages = tuple(numbers)
        gone = [id_ for number in pages for (id_,) in self._all("clear_page", number)]
        gone += [id_ for (id_,) in (self._all("clear_waiting") if waiting else ())]
        self.change_pages(pages)
        self._each("prune_bodies", gone)

    def page_sizes(self) -> tuple[tuple[int, int], ...]:
        """Return the pages in their order, each with the number of its articles."""
        return tuple(self._all("page_sizes"))

    def skip_pages(self, number: int) -> None:
        """Give no new page a number up to this one."""
        self._run("put_page_number", number)
        self._run("delete_page", number)

    def stale_pages(self) -> tuple[int, ...]:
        """Return the pages that changed since they were written, the last first."""
        return tuple(number for (number,) in self._all("stale_pages"))

    def page(self, number: int) -> ArchivePage:
        """Return a page, which there is."""
        ((changes, files, before, after),) = self._all("page", {"page": number})
        return ArchivePage(
            number=number,
            changes=changes,
            ids=tuple(self._long(id_) for (id_,) in self._all("page_ids", number)),
            paths=tuple(path for path, _, _ in _files(files)),
            before=before,
            after=after,
        )

    def last_page(self) -> int | None:
        """Return the last page."""
        (number,) = self._one("last_page")
        return None if number is None else int(number)

    def pages(self) -> tuple[WrittenPage, ...]:
        """Return what was written of each page, in their order."""
        return tuple(
            WrittenPage(number=number, fingerprint=fingerprint, files=_files(files))
            for number, fingerprint, files in self._all("pages")
        )

    def pages_of(self, ids: Collection[str]) -> tuple[int, ...]:
        """Return the pages that hold articles."""
        return tuple(number for (number,) in self._each("pages_of", map(self._short, ids)))

    def change_pages(self, numbers: Iterable[int]) -> None:
        """Make pages stale."""
        self._each("change_pages", numbers)

    def save_page(self, page: ArchivePage, fingerprint: str, files: Iterable[tuple[str, str, str]]) -> None:
        """Note a page as written."""
        self._run("save_page", page.changes, fingerprint, _files_text(files), page.number)

    def drop_page(self, page: ArchivePage) -> None:
        """Note a page as gone; those beside it are stale."""
        self._run("delete_page", page.number)
        self.change_pages(number for number in (page.before, page.after) if number is not None)

    # ------------------------------------------------------------ faults

    def article_pages(self, ids: Collection[str] | None = None) -> Mapping[str, ArticlePage]:
        """Return the pages of articles, all or those of *ids*, by the article's id."""
        found = self._all("article_pages") if ids is None else self._each("article_pages_of", map(self._short, ids))
        pages = (ArticlePage(id=self._long(id_), digest=digest, stamp=stamp) for id_, digest, stamp in found)
        return {page.id: page for page in pages}

    def save_article_pages(self, pages: Iterable[ArticlePage]) -> None:
        """Note pages as written."""
        self._write("put_article_page", [(self._short(page.id), page.digest, page.stamp) for page in pages])

    def drop_article_pages(self, ids: Iterable[str]) -> None:
        """Note pages as gone."""
        self._write("delete_article_page", [(self._short(id_),) for id_ in ids])

    def left_article_pages(self) -> tuple[str, ...]:
        """Return the ids of articles whose page is to go, or that are in no feed and no archive."""
        return tuple(self._long(id_) for (id_,) in self._all("left_article_pages"))

    def faults(self) -> tuple[Fault, ...]:
        """Return what could not be published."""
        return tuple(
            Fault(kind=FaultKind(kind), subject=subject, since=rows.moment(since), reason=reason)
            for kind, subject, since, reason in self._all("faults")
        )

    def save_faults(self, begun: Iterable[Fault], ended: Iterable[tuple[FaultKind, str]]) -> None:
        """Note what cannot be published, or for another reason than before, and of what kind and subject that is over."""
        self._write("delete_fault", [(kind.value, subject) for kind, subject in ended])
        self._write("put_fault", [(f.kind.value, f.subject, rows.seconds(f.since), f.reason) for f in begun])

    def alerts(self) -> tuple[Alert, ...]:
        """Return what is known of all that is watched."""
        return tuple(
            Alert(
                kind=AlertKind(kind),
                subject=subject,
                watched=rows.moment(watched),
                cause=Cause(cause) if cause else None,
                since=rows.moment_or_none(since),
                is_told=bool(told),
            )
            for kind, subject, watched, cause, since, told in self._all("alerts")
        )

    def save_alerts(self, alerts: Iterable[Alert], gone: Iterable[tuple[AlertKind, str]] = ()) -> None:
        """Note how something that is watched is, and what is not watched any more."""
        self._write("delete_alert", [(kind.value, subject) for kind, subject in gone])
        self._write(
            "put_alert",
            [
                (
                    each.kind.value,
                    each.subject,
                    rows.seconds(each.watched),
                    each.cause.value if each.cause else None,
                    rows.seconds_or_none(each.since),
                    each.is_told,
                )
                for each in alerts
            ],
        )

    def rhythm_of_source(self, name: str, now: datetime) -> tuple[datetime, ...]:
        """Return when a source's articles were published, up to *now*: the last of each hour, newest first."""
        found = self._all("rhythm_of_source", name, rows.seconds(now), HOURS)
        return tuple(rows.moment(published) for (published,) in found)

    def rhythm_of_node(self, node: Node, now: datetime) -> tuple[datetime, ...]:
        """Return when a node's articles were published, likewise."""
        found = self._all("rhythm_of_node", rows.texts(node), rows.seconds(now), HOURS)
        return tuple(rows.moment(published) for (published,) in found)

    def _set_feed_ids(self, node: int, ids: set[str]) -> None:
        old = {id_ for (id_,) in self._all("feed_ids", node)}
        self._write("put_feed_entry", [(node, id_) for id_ in ids - old])
        self._write("delete_feed_entry", [(node, id_) for id_ in old - ids])
        self._each("prune_bodies", old - ids)

    def prune(self) -> None:
        """Remove the spellings of categories that no article has, and the nodes that nothing is known of any more."""
        self._flush()
        for (path,) in self._all("unused_paths"):
            nodes = self._nodes_of(path)
            if not self._one_or_none("is_member", nodes[-1]):  # else the count of sightings would be wrong
                self._write("delete_path_node", [(node, path) for node in nodes])
                self._run("delete_path", path)
        self._run("delete_unused_nodes")
        self._path_ids.clear()
        self._paths.clear()
        self._node_ids.clear()
        self._lineages.clear()

    # ------------------------------------------------------------ asking

    def row(self, name: str, locator: str) -> Row | None:
        """Return one document."""
        found = self._one_or_none("row", name, locator)
        return self._row(found) if found else None

    def rows(self, id_: str) -> tuple[Row, ...]:
        """Return the documents that are sightings of an article."""
        return tuple(self._row(row) for row in self._all("rows", self._short(id_)))

    def links(self) -> Iterator[tuple[str, str]]:
        """Yield the id of each article with each of its links."""
        for id_, link in self._all("links"):
            yield self._long(id_), link

    def history(self, id_: str) -> tuple[Event, ...]:
        """Return what happened to an article, oldest first."""
        return tuple(
            Event(at=rows.moment(at), verdict=verdict, source=source, locator=locator, note=note)
            for at, verdict, source, locator, note in self._all("history", self._short(id_))
        )

    def feeds_of(self, id_: str) -> tuple[Node, ...]:
        """Return the nodes whose feeds hold an article."""
        return tuple(rows.labels(identity) for (identity,) in self._all("feeds_of", self._short(id_)))

    def keys_of(self, id_: str) -> tuple[bytes, ...]:
        """Return every key an article ever had."""
        return tuple(key for (key,) in self._all("keys_of", self._short(id_)))

    def merges(self) -> tuple[tuple[str, tuple[Sighting, ...]], ...]:
        """Return the articles whose current sightings differ in text."""
        ids = [self._long(id_) for (id_,) in self._all("merged_ids")]
        return tuple((id_, group) for id_, (_, group) in sorted(self.copies(ids).items()))

    def problems(self) -> tuple[Problem, ...]:
        """Return the documents that could not be read."""
        return tuple(
            Problem(where=f"{name}: {locator}", reason=reason or "") for name, locator, reason in self._all("problems")
        )

    def counts(self) -> Mapping[str, int]:
        """Return how many articles, sightings, merged, held, removed, rejected and stale nodes there are."""
        return dict(self._all("counts"))

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

    def id_slices(self) -> Iterator[tuple[str, ...]]:
        """Yield the ids of all articles with sightings, some at a time."""
        ids = [self._long(id_) for (id_,) in self._all("live_ids")]
        for start in range(0, len(ids), SLICE):
            yield tuple(ids[start : start + SLICE])

    # ------------------------------------------------------------ the operator's word

    def note(self, name: str, value: str) -> bool:
        """Keep a note of the whole site; return whether it said something else before."""
        row = self._one("get_meta", name)
        self._run("set_meta", name, value)
        return row is not None and row[0] != value

    def noted(self, name: str) -> str | None:
        """Return what a note of the whole site says."""
        row = self._one("get_meta", name)
        return None if row is None else str(row[0])

    def adopt(self, entries: Iterable[tuple[Memory, tuple[bytes, ...]]]) -> int:
        """Remember articles that subscribers already have; return how many are new."""
        count = 0
        for memory, keys in entries:
            times = (memory.first_seen, memory.adopted, memory.text_since)
            count += self._run("adopt", self._short(memory.id), *map(rows.seconds_or_none, times), memory.link)
            self._write("put_key", [(key, self._short(memory.id)) for key in keys])
        return count

    def take_down(self, entries: Iterable[tuple[str, tuple[bytes, ...]]], now: datetime) -> tuple[str, ...]:
        """Make exactly these articles, and whatever shares a key with them, removed; return the ids that change."""
        wanted: set[str] = set()
        for id_, keys in entries:
            self._run("adopt", self._short(id_), rows.seconds(now), None, None, None)
            self._write("put_key", [(key, self._short(id_)) for key in keys])
            wanted |= {self._short(id_)} | {owner for _, owner in self._each("owners", keys)}
        before = {id_ for (id_,) in self._all("removed_ids")}
        self._write("set_removed", [(1, id_) for id_ in wanted - before])
        self._write("set_removed", [(0, id_) for id_ in before - wanted])
        return tuple(self._long(id_) for id_ in sorted(wanted ^ before))

    def removed(self) -> Iterator[tuple[str, bytes]]:
        """Yield the id of each article that is removed with each key that it ever had."""
        yield from ((self._long(id_), key) for id_, key in self._all("removed_keys"))

    # ------------------------------------------------------------ health

    def damage(self) -> tuple[str, ...]:
        """Return what is wrong with the file, a line each."""
        with self._told():
            return invariants.damage(self._db)

    def rebuild_indexes(self) -> None:
        """Make anew what is made of other things in the file."""
        with self._told():
            self._db.execute("REINDEX")

    def breaches(self) -> tuple[Breach, ...]:
        """Return what contradicts itself in the state."""
        with self._told():
            return invariants.breaches(self._db)

    def mend(self, breach: Breach, now: datetime) -> None:
        """Mend what contradicts itself, as far as the rows alone can tell what is right."""
        with self._told():
            invariants.mend(self._db, breach.name, now)
        self._forget_caches()

    def marked(self) -> frozenset[Node]:
        """Return the nodes whose feeds are stale."""
        return frozenset(rows.labels(identity) for (identity,) in self._all("marked"))

    # ------------------------------------------------------------ categories

    def _path(self, path: CategoryPath) -> int:
        if not self._path_ids:
            self._load_paths()
        found = self._path_ids.get(path)
        return self._new_path(path) if found is None else found

    def _load_paths(self) -> None:
        self._path_ids = {rows.labels(text): path for path, text in self._all("paths")}
        self._paths = {path: spelled for spelled, path in self._path_ids.items()}

    def _new_path(self, path: CategoryPath) -> int:
        number = self._insert("put_path", rows.texts(path))
        self._path_ids[path], self._paths[number] = number, path
        lineage = categories.lineage(categories.node(path))
        values = [(self._node(node), number, depth) for depth, node in enumerate(lineage)]
        self._write("put_path_node", values)
        return number

    def _spelled(self, number: int) -> CategoryPath:
        if number not in self._paths:
            self._load_paths()
        return self._paths[number]

    def _nodes_of(self, path: int) -> list[int]:
        found = self._lineages.get(path)
        if found is None:
            found = [self._node(node) for node in categories.lineage(categories.node(self._spelled(path)))]
            self._lineages[path] = found
        return found

    def _node(self, node: Node) -> int:
        if not self._node_ids:
            self._node_ids = {rows.labels(text): number for number, text in self._all("nodes")}
        if node not in self._node_ids:
            self._node_ids[node] = self._insert("put_node", rows.texts(node))
        return self._node_ids[node]

    def _count_path(self, path: int, by: int) -> None:
        if not by:
            return
        (count,) = self._one("count_path", by, path)
        if count in {0, by}:  # the spelling comes or goes
            for node in self._nodes_of(path)[1:]:
                self._relabel(node)

    def _relabel(self, node: int) -> None:
        """Give a node its smallest current spelling; every feed that names the node is stale if that is another."""
        spellings = [text for (text,) in self._all("spellings", node)]
        (old,) = self._one("get_label", node)
        if not spellings or min(spellings) == old:
            return
        self._run("set_label", min(spellings), node)
        self._run("change_pages_at", node)
        for (paths,) in self._all("nodes_beside", node):
            self._touched.update(n for path in rows.numbers_back(paths) for n in self._nodes_of(path))

    # ------------------------------------------------------------ rows

    def _sighting(self, name: str, row: Sequence[Any]) -> Sighting:
        paths = tuple(self._spelled(path) for path in rows.numbers_back(row[10]))
        return rows.sighting(name, row[WIDTH], self._long(row[0]), row, paths)

    def _shown(self, row: Sequence[Any]) -> Shown:
        name, published, updated, held, paths, link = row[WIDTH + 1 :]
        sighting = self._sighting(name, row)
        return Shown(
            id=sighting.id,
            source=name,
            locator=sighting.locator,
            article=_linked(sighting.article, link),
            published=rows.moment(published),
            updated=rows.moment(updated),
            categories=tuple(self._spelled(path) for path in rows.numbers_back(paths)),
            text_since=sighting.text_since,
            held=bool(held),
        )

    def _memory(self, row: Sequence[Any]) -> Memory:
        id_, first_seen, adopted, link, text_hash, text_since, removed = row
        return Memory(
            id=self._long(id_),
            first_seen=rows.moment(first_seen),
            adopted=rows.moment_or_none(adopted),
            link=link,
            text_hash=text_hash,
            text_since=rows.moment_or_none(text_since),
            removed=bool(removed),
        )

    def _short(self, id_: str) -> str:
        return id_.removeprefix(self._prefix)

    def _long(self, id_: str) -> str:
        return id_ if ":" in id_ else self._prefix + id_

    def _long_or_none(self, id_: str | None) -> str | None:
        return None if id_ is None else self._long(id_)

    def _source(self, name: str) -> int:
        if not self._source_ids:
            self._source_ids = dict(self._all("source_ids"))
        return self._source_ids[name]

    # ------------------------------------------------------------ statements

    def _all(self, statement: str, *values: Any) -> list[Any]:
        bound = values[0] if values and isinstance(values[0], dict) else values
        with self._told():
            return self._db.execute(self._sql[statement], bound).fetchall()

    def _stream(self, statement: str, values: Any) -> Iterator[Any]:
        with self._told():
            # `yield from` would close the cursor when this is dropped, perhaps after the database: an error nobody sees.
            for row in self._db.execute(self._sql[statement], values):  # noqa: UP028
                yield row

    def _one(self, statement: str, *values: Any) -> Any:
        with self._told():
            return self._db.execute(self._sql[statement], values).fetchone()

    def _one_or_none(self, statement: str, *values: Any) -> Any:
        return self._one(statement, *values)

    def _run(self, statement: str, *values: Any) -> int:
        with self._told():
            return self._db.execute(self._sql[statement], values).rowcount

    def _insert(self, statement: str, *values: Any) -> int:
        with self._told():
            return int(self._db.execute(self._sql[statement], values).lastrowid or 0)

    def _write(self, statement: str, many: Sequence[Sequence[Any]]) -> None:
        if many:
            with self._told():
                self._db.executemany(self._sql[statement], many)

    def _each(self, statement: str, values: Iterable[Any], *before: Any) -> list[Any]:
        """Run a statement with IN (?*) over slices of *values*; return all rows."""
        found: list[Any] = []
        pending = list(dict.fromkeys(values))
        for start in range(0, len(pending), SLICE):
            part = pending[start : start + SLICE]
            sql = self._sql[statement].replace("?*", ",".join("?" * len(part)))
            with self._told():
                found += self._db.execute(sql, (*before, *part)).fetchall()
        return found


# ---------------------------------------------------------------- opening


def open_store(path: Path, *, site_id: str, called: Path | None = None) -> SqliteStore:
    """Open the state at *path*, migrated to this version; make it if there is none.

    Raises:
        StoreError: It is not ours, damaged, of a newer version, of another site, or cannot be opened; with the path
            that it is *called* by, if that is another.
    """
    is_new = not look(path, site_id=site_id)
    with told(called or path, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE))
        connection = connect(path)
        with _closed_if_it_fails(connection):
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file: see `give_back`
            connection.execute("PRAGMA journal_mode = WAL")
            migrate(connection, path, [script(name) for name in scripts()])
            if is_new:
                connection.execute(_statements()["set_meta"], ("site.id", site_id))
            return _opened(connection, path, site_id=site_id, called=called)


def open_existing(path: Path, *, site_id: str) -> SqliteStore:
    """Open the state at *path* beside a process that works with it; without the right to write it, to be read.

    Raises:
        StoreError: As `open_store`, or there is none; or it must be migrated, which is for who works with it alone.
    """
    if not look(path, site_id=site_id):
        raise StoreError(f"{path}: there is no state yet; run `feeder once` first")
    with told(path, OSError):
        connection = connect_as_allowed(path)
        with _closed_if_it_fails(connection):
            if version_of(connection) < len(scripts()):
                raise StoreError(
                    f"{path}: the state is of an older Feeder; `feeder once`, or a restart of the daemon, brings it up to date"
                )
            return _opened(connection, path, site_id=site_id)


def open_to_read(path: Path, *, site_id: str) -> SqliteStore:
    """Open the state at *path* to be read, also by a process that has it open already.

    SQLite alone touches the file: who opens and closes it otherwise takes away the locks that the same process holds
    (https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).

    Raises:
        StoreError: It cannot be read.
    """
    with told(path, OSError):
        connection = connect_to_read(path)
        with _closed_if_it_fails(connection):
            return _opened(connection, path, site_id=site_id)


def _linked(article: Article, link: str | None) -> Article:
    return article if article.link or link is None else replace(article, link=link)


def copy_state(path: Path, target: Path) -> None:
    """Copy the state at *path* as it is now, even while a process uses it."""
    with (
        told(path, OSError),
        contextlib.closing(connect_as_allowed(path)) as source,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)


def prefix(site_id: str) -> str:
    """Return what the ids that a site mints begin with (a tag URI, RFC 4151)."""
    return f"tag:{site_id}:article/"


@contextmanager
def _closed_if_it_fails(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _opened(connection: sqlite3.Connection, path: Path, *, site_id: str, called: Path | None = None) -> SqliteStore:
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -16384")
    connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(
        "CREATE TEMP TABLE scan (locator TEXT PRIMARY KEY, size INT, mtime_ns INT, inode INT) WITHOUT ROWID"
    )
    return SqliteStore(connection, path=path, prefix=prefix(site_id), called=called)


def _statements() -> dict[str, str]:
    parts = re.split(r"^-- name: (\w+)\n", script("queries.sql"), flags=re.MULTILINE)[1:]
    return {name: _filled(sql.strip()) for name, sql in zip(parts[::2], parts[1::2], strict=True)}


def _filled(sql: str) -> str:
    """Put the column lists of rows.py in place of their names."""
    for name, columns in (("sighting", rows.SIGHTING_COLUMNS), ("place", rows.PLACE_COLUMNS)):
        plain = ", ".join(columns)
        sql = sql.replace(f"${name}_values", ", ".join("?" * len(columns)))
        sql = sql.replace(f"${name}_updates", ", ".join(f"{c} = excluded.{c}" for c in columns))
        sql = sql.replace(f"${name}", ", ".join(f"sightings.{c}" for c in columns) if "SELECT" in sql else plain)
    return sql


# ---------------------------------------------------------------- values


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _stamps(found: Iterable[Place | Unlisted], unlisted: list[Unlisted]) -> Iterator[tuple[str, int, int, int]]:
    for place in found:
        if isinstance(place, Unlisted):
            unlisted.append(place)
        else:
            yield place.locator, place.size, place.mtime_ns, place.inode


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


def _source_state(row: Sequence[Any]) -> SourceState:
    name, rank, next_poll, paused, accepted, failures, fingerprint, last_poll, last_success, error, *rest = row
    failed_with, why, memo = rest
    return SourceState(
        name=name,
        rank=rank,
        next_poll=rows.moment(next_poll),
        is_paused=bool(paused),
        is_accepted=bool(accepted),
        failures=failures,
        fingerprint=fingerprint,
        last_poll=rows.moment_or_none(last_poll),
        last_success=rows.moment_or_none(last_success),
        error=error,
        failed_with=failed_with,
        why=why,
        memo=memo,
    )


def _published_feed(row: Sequence[Any]) -> PublishedFeed:
    identity, fingerprint, updated, files, count = row
    return PublishedFeed(
        node=rows.labels(identity),
        fingerprint=fingerprint,
        updated=rows.moment(updated),
        files=_files(files),
        count=count,
    )


def _files_text(files: Iterable[tuple[str, str, str]]) -> str:
    return json.dumps({path: [digest, stamp] for path, digest, stamp in files}, ensure_ascii=False)


def _files(text: str) -> tuple[tuple[str, str, str], ...]:
    return tuple((path, digest, stamp) for path, (digest, stamp) in sorted(json.loads(text).items()))
