"""Polling: what a source holds now becomes changes in the store. One poll is one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain

import structlog

from feeder import dedup
from feeder.batches import batches
from feeder.dedup import Candidate, Decision
from feeder.errors import FetchError
from feeder.fetch import fetcher_of
from feeder.log import Flood
from feeder.model import Article, Change, Place, Reading, Source, SourceKind, Status, Unlisted, Verdict
from feeder.pipeline import Parts, work
from feeder.pipeline.allowance import Allowance
from feeder.store.records import Outcome, Seen, SourceState, Standing, StoredBody

log = structlog.get_logger(__name__)

JOB = 64  # documents in one job of a worker
BATCH = 512  # documents decided on together: one round of questions to the store
PATIENCE = (0.25, 0.5, 0.5, 0.6)  # seconds between looks at a document that is being written: within 2 s
_FAILED = frozenset({Status.BROKEN, Status.UNSETTLED, Status.UNREADABLE})

Progress = Callable[[int, int], None]
"""Told how many documents have been read, and how many there are to read."""


@dataclass(slots=True, kw_only=True)
class Polled:
    """What a poll came to."""

    source: str
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    statuses: Counter[Status] = field(default_factory=Counter)
    held: int = 0
    places: int = 0
    is_paused: bool = False  # nothing was looked at
    error: str | None = None
    before: str | None = None  # the error of the poll before
    missing: int = 0  # documents that may come back
    unsettled: frozenset[str] = frozenset()  # locators of documents that are still being written
    size: int = 0  # bytes that were read
    flood: Flood = field(default_factory=Flood)


def poll(
    source: Source,
    state: SourceState,
    parts: Parts,
    *,
    now: datetime,
    at: Collection[str] | None = None,
    progress: Progress | None = None,
) -> Polled:
    """Read what changed in *source* and write what became of it; a source that cannot be listed changes nothing.

    With *at*, only documents at or below these locators are looked at, and those that are still being written are not
    waited for.
    """
    polled = Polled(source=source.name)
    found = _look(source, polled, at)
    if found is None:
        return polled
    everything = state.fingerprint != parts.fingerprints[source.name]
    unlisted = parts.store.unlisted(source.name)
    scanned = parts.store.scan(source.name, found, now, at=at)
    polled.places = scanned.places
    restand(scanned.shifted, parts, now=now)
    _report_unlisted(polled, unlisted, parts.store.unlisted(source.name))
    allowance = Allowance(source, parts.store.paths_of)
    unsettled = _read_changed(source, parts, polled, allowance, now=now, everything=everything, progress=progress)
    if at is None:
        late = _wait_for(unsettled, source, parts, now=now, everything=everything)
        take([(s, allowance.within(r)) for s, r in late], source, parts, polled, now=now)
    else:
        polled.unsettled = frozenset(seen.place.locator for seen in unsettled)
    _withdraw(source, parts, polled, now=now, accepted=state.is_accepted)
    parts.store.set_fingerprint(source.name, parts.fingerprints[source.name])
    if everything and state.fingerprint:
        reunite(parts, polled, now=now)
    return polled


def retire(name: str, parts: Parts, *, now: datetime) -> int:
    """Withdraw all that a source which has left the config brought; return how many articles go with it."""
    locators = parts.store.locators(name)
    withdrawn = _forget(name, locators, parts, now)
    if locators:
        log.info("source_retired", source=name, withdrawn=withdrawn)
    return withdrawn


def restand(ids: Collection[str], parts: Parts, *, now: datetime) -> int:
    """Work out anew what readers see of articles; return how many have no document any more."""
    copies = parts.store.copies(ids)
    parts.store.stand(
        (
            Standing(memory=memory, shown=dedup.show(group, memory, rules=parts.rules, now=now))
            for memory, group in copies.values()
        ),
        now,
    )
    return sum(1 for _, group in copies.values() if not group)


def reunite(parts: Parts, polled: Polled, *, now: datetime) -> None:
    """Compare the days of all articles that have been read with the settings of now: these may have moved them."""
    current = [s.name for s in parts.store.sources() if s.fingerprint == parts.fingerprints.get(s.name, "")]
    found = parts.store.namesakes(current)
    copies = parts.store.copies({sighting.id for sighting in found})
    memories = {id_: memory for id_, (memory, _) in copies.items()}
    reunion = dedup.reunite(found, memories, sources=parts.sources, rules=parts.rules)
    restand(parts.store.reunite(reunion, now), parts, now=now)
    polled.verdicts[Verdict.MERGED] += len(reunion.merged)


# ---------------------------------------------------------------- looking


def _look(source: Source, polled: Polled, at: Collection[str] | None) -> Iterator[Place | Unlisted] | None:
    """Begin to list the source: its first place shows whether it can be listed at all."""
    try:
        fetcher = fetcher_of(source)
        places = fetcher.look(source) if at is None else fetcher.look_at(source, at)
        first = next(places, None)
    except FetchError as error:
        polled.error = str(error)
        return None
    return places if first is None else chain([first], places)


def _report_unlisted(polled: Polled, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Log once when a directory cannot be listed any more, and once when that is over."""
    for locator, reason in after.items():
        if before.get(locator) != reason and polled.flood.lets("directory_unreadable"):
            log.warning("directory_unreadable", source=polled.source, locator=locator, reason=reason)
    for locator in sorted(before.keys() - after.keys()):
        if polled.flood.lets("directory_mended"):
            log.info("directory_mended", source=polled.source, locator=locator)


# ---------------------------------------------------------------- reading


def _read_changed(
    source: Source,
    parts: Parts,
    polled: Polled,
    allowance: Allowance,
    *,
    now: datetime,
    everything: bool,
    progress: Progress | None,
) -> list[Seen]:
    """Read and take what changed; return what is still being written."""
    total = parts.store.count_changed(source.name, everything=everything)
    if not total:
        return []
    if total > BATCH:
        parts.workers.start()
    seen = parts.store.changed(source.name, everything=everything)
    unsettled: list[Seen] = []
    for batch in batches(_readings(source, parts, seen, now=now, everything=everything), BATCH):
        polled.size += sum(reading.place.size for _, reading in batch)
        settled = [(s, allowance.within(r)) for s, r in batch if r.status is not Status.UNSETTLED]
        unsettled += [s for s, r in batch if r.status is Status.UNSETTLED]
        take(settled, source, parts, polled, now=now)
        if progress:
            progress(sum(polled.statuses.values()), total)
    return unsettled


def _readings(
    source: Source, parts: Parts, seen: Iterable[Seen], *, now: datetime, everything: bool, is_last: bool = False
) -> Iterator[tuple[Seen, Reading]]:
    jobs = (
        work.ReadJob(
            source=source,
            site=parts.site,
            seen=tuple(part),
            now=now,
            everything=everything,
            is_last=is_last,
        )
        for part in batches(seen, JOB)
    )
    for job, readings in parts.workers.map(work.read, jobs):
        parts.store.stay()  # they may lie on another machine
        yield from ((one, reading) for one, reading in zip(job.seen, readings, strict=True) if reading)


def _wait_for(
    unsettled: list[Seen], source: Source, parts: Parts, *, now: datetime, everything: bool
) -> list[tuple[Seen, Reading]]:
    """Look again at documents that seem to be still being written, for two seconds at most."""
    done: list[tuple[Seen, Reading]] = []
    for number, seconds in enumerate(PATIENCE, start=1):
        if not unsettled:
            break
        parts.wait(seconds)
        is_last = number == len(PATIENCE)
        again = list(_readings(source, parts, unsettled, now=now, everything=everything, is_last=is_last))
        done += [(s, r) for s, r in again if is_last or r.status is not Status.UNSETTLED]
        unsettled = [s for s, r in again if r.status is Status.UNSETTLED]
    return done


# ---------------------------------------------------------------- deciding


def take(
    readings: list[tuple[Seen, Reading]],
    source: Source,
    parts: Parts,
    polled: Polled,
    *,
    now: datetime,
    present: frozenset[str] | None = None,
) -> None:
    """Decide on a batch of readings and write the outcome; *present* are the locators in a feed or on a page."""
    _report(readings, polled)
    polled.statuses.update(reading.status for _, reading in readings)
    decision = _decide(readings, source, parts, now, present)
    changes = {change.locator: change for change in decision.changes}
    changes |= _left_out(readings, source, parts)
    outcomes = [Outcome(reading=_kept(s, r), change=changes.get(r.place.locator)) for s, r in readings]
    parts.store.record(source.name, outcomes, now)
    standings = [
        Standing(memory=m, shown=dedup.show(decision.copies[m.id], m, rules=parts.rules, now=now))
        for m in decision.memories
    ]
    parts.store.stand(standings, now)
    taken_back = {c.was_id for c in changes.values() if c.sighting is None and c.was_id}
    polled.verdicts[Verdict.WITHDRAWN] += restand(taken_back, parts, now=now)
    _keep(readings, standings, source, parts)
    polled.verdicts.update(change.verdict for change in decision.changes)
    polled.held += sum(1 for standing in standings if standing.shown and standing.shown.held)


def _decide(
    readings: list[tuple[Seen, Reading]],
    source: Source,
    parts: Parts,
    now: datetime,
    present: frozenset[str] | None,
) -> Decision:
    candidates = [_candidate(r, r.article, s) for s, r in readings if r.article]
    known = parts.store.known(
        source.name,
        locators=[seen.place.locator for seen, _ in readings if seen.status],
        keys=[key for c in candidates for key in (*c.keys, *c.waiting)],
        body_hashes={candidate.article.body_hash for candidate in candidates},
    )
    known = replace(known, present=present)
    return dedup.decide(candidates, known, source=source, rules=parts.rules, now=now)


def _keep(readings: list[tuple[Seen, Reading]], standings: Iterable[Standing], source: Source, parts: Parts) -> None:
    """Clean and keep the bodies of articles that are to outlive their documents, while these are there.

    What was unpacked here lies on no other machine, and others may publish it.
    """
    is_of_here = source.kind is SourceKind.ARCHIVE and parts.store.is_shared
    if not (source.keep_deleted or is_of_here):
        return
    digests = {reading.place.locator: reading.digest for _, reading in readings}
    shown = [s.shown for s in standings if s.shown and s.shown.source == source.name and s.shown.locator in digests]
    jobs = tuple(work.body_job(one, source, digests[one.locator]) for one in shown)
    served = parts.workers.submit(work.render, work.RenderJob(site=parts.site, formats=(), entries=jobs)).result()
    keys = {one.id: work.body_key(one, source) for one in shown}
    bodies = [StoredBody(id=one.id, key=keys[one.id], packed=one.body) for one in served if one.body]
    parts.store.save_bodies(bodies, kept=True)


def _candidate(reading: Reading, article: Article, seen: Seen) -> Candidate:
    return Candidate(
        locator=reading.place.locator,
        article=article,
        keys=reading.keys,
        waiting=reading.waiting,
        same_bytes=bool(seen.digest) and seen.digest == reading.digest,
    )


def _left_out(readings: list[tuple[Seen, Reading]], source: Source, parts: Parts) -> dict[str, Change]:
    """Return a withdrawal for each document whose author has taken its article back."""
    gone = [r.place.locator for _, r in readings if r.status is Status.LEFT_OUT]
    known = parts.store.known(source.name, locators=gone, keys=(), body_hashes=()).sightings if gone else {}
    return {
        locator: Change(verdict=Verdict.WITHDRAWN, locator=locator, sighting=None, was_id=sighting.id)
        for locator, sighting in known.items()
    }


def _kept(seen: Seen, reading: Reading) -> Reading:
    """A document with the same bytes keeps the status it had."""
    if reading.status is not Status.SAME:
        return reading
    return replace(reading, status=seen.status or Status.BROKEN, reason=seen.reason)


def _report(readings: list[tuple[Seen, Reading]], polled: Polled) -> None:
    """Log once when a document begins to fail, and once when it is well again, but not all of a flood."""
    name, lets = polled.source, polled.flood.lets
    for seen, reading in readings:
        locator = reading.place.locator
        if reading.status in _FAILED and reading.reason != seen.reason:
            if lets("item_rejected"):
                log.warning("item_rejected", source=name, locator=locator, reason=reading.reason)
        elif reading.status is Status.GOOD and seen.status in _FAILED and lets("item_mended"):
            log.info("item_mended", source=name, locator=locator)
        for warning in reading.warnings:
            if lets("item_read_leniently"):
                log.info("item_read_leniently", source=name, locator=locator, warning=warning)


# ---------------------------------------------------------------- withdrawing


def _withdraw(source: Source, parts: Parts, polled: Polled, *, now: datetime, accepted: bool) -> None:
    missing = parts.store.missing(source.name)
    if source.keep_deleted:
        missing = tuple(one for one in missing if one.id is None)  # a draft that has gone is nothing to keep
    if not missing:
        return
    total = parts.store.count(source.name)
    decision = dedup.withdraw(missing, total=total, source=source, now=now, accepted=accepted)
    if decision.refused:
        polled.error = f"{decision.refused}; `feeder accept {source.name}` confirms"
    polled.missing = len(missing) - len(decision.locators)
    polled.verdicts[Verdict.WITHDRAWN] += _forget(source.name, decision.locators, parts, now)


def _forget(name: str, locators: Collection[str], parts: Parts, now: datetime) -> int:
    """Remove documents; return how many articles go with them."""
    return restand(parts.store.forget(name, locators, now), parts, now=now) if locators else 0
