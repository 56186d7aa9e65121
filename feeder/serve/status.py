"""How everything stands, as a live page for people and as JSON for programs: the words of `feeder status`, and more."""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from importlib import resources
from itertools import islice, takewhile
from pathlib import Path
from typing import Final

from markupsafe import Markup

from feeder.config import Config
from feeder.output import Bucket
from feeder.report import status as standing
from feeder.screen import Table
from feeder.store import Store
from feeder.store.opening import open_to_read
from feeder.store.records import PublishedFeed
from feeder.templates import templates_of
from feeder.wording import apart, named, stamp

DAYS: Final = 30
MOST_ARTICLES: Final = 100_000  # that are counted for the chart
KIB: Final = 1024

_STYLE: Final = (resources.files("feeder.serve") / "templates/status.css").read_text("utf-8")
_STYLE_HASH: Final = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_TEMPLATE: Final = templates_of("feeder.serve").get_template("status.html")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFigures:
    """A published feed: how much it holds, and since when. `written` is None if its files are gone, or in a bucket.

    How large these are a page that asks for itself anew does not ask a bucket: `size` is 0 there.
    """

    name: str
    path: str  # of its first file
    entries: int
    size: int  # bytes of all its files
    updated: datetime  # when its newest entry changed
    written: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How everything stands at one moment."""

    title: str
    now: datetime
    stands: standing.Standing
    days: tuple[tuple[date, int], ...]  # articles published on each, the last one today
    feeds: tuple[FeedFigures, ...]


def figures(settings: Config, now: datetime) -> Figures:
    """Return how everything stands; the state is read beside whoever writes it.

    Raises:
        StoreError: The state cannot be read.
    """
    if isinstance(settings.state, Path) and not settings.state.exists():
        stands = standing.standing(settings, None, merges=False)
        return Figures(title=settings.site.title, now=now, stands=stands, days=(), feeds=())
    with closing(open_to_read(settings.state, site_id=settings.site.id)) as store:
        return Figures(
            title=settings.site.title,
            now=now,
            stands=standing.standing(settings, store, merges=False),
            days=tuple(_days(settings, store, now)),
            feeds=tuple(_feeds(settings, store)),
        )


def _days(settings: Config, store: Store, now: datetime) -> Iterator[tuple[date, int]]:
    zone = settings.site.timezone
    today = now.astimezone(zone).date()
    first = today - timedelta(days=DAYS - 1)
    newest = islice(store.newest(()), MOST_ARTICLES)
    published = (listed.published.astimezone(zone).date() for listed in newest)
    counts = Counter(takewhile(lambda day: day >= first, published))
    yield from ((day, counts[day]) for day in (first + timedelta(days=number) for number in range(DAYS)))


def _feeds(settings: Config, store: Store) -> Iterator[FeedFigures]:
    labels = store.nodes()
    for feed in store.feeds():
        path = tuple(labels.get(feed.node[:level], feed.node[level - 1]) for level in range(1, len(feed.node) + 1))
        yield _feed(feed, named(path), settings.output)


def _feed(feed: PublishedFeed, name: str, output: Path | Bucket) -> FeedFigures:
    statuses = list(_statuses(feed, output))
    return FeedFigures(
        name=name,
        path=feed.files[0][0] if feed.files else "",
        entries=feed.count,
        size=sum(status.st_size for status in statuses),
        updated=feed.updated,
        written=datetime.fromtimestamp(max(status.st_mtime for status in statuses), feed.updated.tzinfo)
        if statuses
        else None,
    )


def _statuses(feed: PublishedFeed, output: Path | Bucket) -> Iterator[os.stat_result]:
    if isinstance(output, Bucket):
        return
    for path, _, _ in feed.files:
        with suppress(OSError):
            yield (output / path).lstat()


def values(stands: Figures) -> dict[str, object]:
    """Return *stands* as JSON has it."""
    return {
        **standing.values(stands.stands),
        "now": stamp(stands.now),
        "articles_a_day": {day.isoformat(): count for day, count in stands.days},
        "feeds": [
            {
                "name": feed.name,
                "path": feed.path,
                "entries": feed.entries,
                "bytes": feed.size,
                "updated": stamp(feed.updated),
                "written": stamp(feed.written),
            }
            for feed in stands.feeds
        ],
    }


def page(stands: Figures) -> str:
    """Return *stands* as a page that asks for itself anew."""
    blocks = [*standing.blocks(stands.stands, stands.now), _table(stands)]
    return _TEMPLATE.render(
        title=stands.title,
        now=stamp(stands.now.replace(microsecond=0)),
        style=Markup(_STYLE),  # noqa: S704 - a file of ours
        days=stands.days,
        most=max((count for _, count in stands.days), default=0),
        blocks=[(block, isinstance(block, Table)) for block in blocks],
    )


def _table(stands: Figures) -> Table:
    rows = (
        (
            feed.name,
            f"{feed.entries}",
            f"{feed.size / KIB:,.0f} KiB",
            apart(feed.updated, stands.now),
            apart(feed.written, stands.now),
        )
        for feed in stands.feeds
    )
    return Table(title="Feeds", columns=("feed", "entries", "size", "newest change", "written"), rows=tuple(rows))
