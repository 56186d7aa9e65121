"""What a source would bring: all of its documents are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from feeder import categories, dedup
from feeder.batches import batches
from feeder.fetch import fetcher_of
from feeder.model import REJECTED, Article, Node, Place, Reading, SourceKind, Status, Verdict
from feeder.pipeline import work
from feeder.pipeline.allowance import Allowance
from feeder.preview.choosing import Subject
from feeder.store.records import Seen
from feeder.workers import Workers

NEWEST: Final = 10  # articles that are shown of a source
JOB: Final = 64  # documents in one job of a worker
ENOUGH: Final = 512  # documents that are worth starting processes for


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePreview:
    """What a source would bring."""

    name: str
    documents: int
    articles: tuple[Article, ...]  # newest first
    merged: int
    statuses: Counter[Status]
    rejected: tuple[tuple[str, str], ...]  # locator, reason
    left_out: tuple[tuple[str, str], ...]
    lenient: tuple[tuple[str, str], ...]
    feeds: tuple[Node, ...]
    unlisted: tuple[str, ...] = ()
    web: WebFinding | None = None  # of a URL


@dataclass(frozen=True, slots=True, kw_only=True)
class WebFinding:
    """What a URL was found to be, and when it would be asked again."""

    kind: SourceKind
    url: str  # that was read, after all redirects
    is_announced: bool  # by the page that the source's own URL is
    moved_to: str | None
    title: str | None
    home: str | None
    asked: datetime
    next_poll: datetime
    why: str | None
    older: int  # than the newest that a new source brings
    over: int  # categories that are too many
    warnings: tuple[str, ...]


def of_source(chosen: Subject, *, now: datetime) -> SourcePreview:
    """Read all documents of a source.

    Raises:
        FetchError: It cannot be listed.
    """
    source = chosen.source
    found = list(fetcher_of(source).look(source))
    places = sorted((each for each in found if isinstance(each, Place)), key=lambda place: place.locator)
    allowance = Allowance(source, lambda _: ())
    readings = [allowance.within(reading) for reading in _readings(places, chosen, now)]
    articles = [reading.article for reading in readings if reading.article]
    return SourcePreview(
        name=source.name,
        documents=len(places),
        articles=newest_first(articles, now),
        merged=_merged(readings, chosen, now),
        statuses=Counter(reading.status for reading in readings),
        rejected=_reasons(reading for reading in readings if reading.status in REJECTED),
        left_out=_reasons(reading for reading in readings if reading.status is Status.LEFT_OUT),
        lenient=leniently(readings),
        feeds=feeds_of(articles),
        unlisted=tuple(f"{each.locator}: {each.reason}" for each in found if not isinstance(each, Place)),
    )


def newest_first(articles: Iterable[Article], now: datetime) -> tuple[Article, ...]:
    """Return *articles* in the order of feeds; those without a date are dated now."""
    return tuple(sorted(articles, key=lambda each: (each.published or now, each.title_key), reverse=True))


def feeds_of(articles: Iterable[Article]) -> tuple[Node, ...]:
    """Return the categories that would have a feed because of *articles*."""
    nodes = (categories.node(path) for article in articles for path in article.categories)
    return tuple(sorted({each for node in nodes for each in categories.lineage(node)} | {()}))


def leniently(readings: Iterable[Reading]) -> tuple[tuple[str, str], ...]:
    """Return what should be looked at, with its locator."""
    return tuple((reading.place.locator, warning) for reading in readings for warning in reading.warnings)


def _readings(places: Sequence[Place], chosen: Subject, now: datetime) -> list[Reading]:
    workers = Workers()
    if len(places) > ENOUGH:
        workers.start()
    jobs = (
        work.ReadJob(
            source=chosen.source,
            site=chosen.site,
            seen=tuple(Seen(place=place) for place in part),
            now=now,
            everything=True,
            is_last=True,
        )
        for part in batches(places, JOB)
    )
    try:
        return [reading for _, readings in workers.map(work.read, jobs) for reading in readings if reading]
    finally:
        workers.stop()


def _merged(readings: Iterable[Reading], chosen: Subject, now: datetime) -> int:
    """Return how many documents are copies of others in the same source."""
    candidates = [
        dedup.Candidate(locator=r.place.locator, article=r.article, keys=r.keys, waiting=r.waiting)
        for r in readings
        if r.article
    ]
    rules = dedup.Rules(prefix="", never=dedup.never_shared(chosen.site))
    decision = dedup.decide(candidates, dedup.Known(), source=chosen.source, rules=rules, now=now)
    return sum(1 for change in decision.changes if change.verdict is Verdict.MERGED)


def _reasons(readings: Iterable[Reading]) -> tuple[tuple[str, str], ...]:
    return tuple((reading.place.locator, reading.reason or "") for reading in readings)
