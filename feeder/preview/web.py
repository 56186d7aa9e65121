"""What a URL would bring: it is asked once, as politely as ever, and nothing is stored."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus

from feeder.app import App
from feeder.asking import asker, nothing_known
from feeder.errors import FeederError, FetchError
from feeder.model import REJECTED, Answer, Article, CategoryPath, ForeignFeed, Origin, Source, SourceKind, Status
from feeder.opening import blank
from feeder.parse.page import guess_item
from feeder.pipeline.answers import Received
from feeder.pipeline.receiving import OLDER, Heard, Question
from feeder.preview.choosing import DEFAULT_SITE, Subject
from feeder.preview.source import SourcePreview, WebFinding, feeds_of, leniently, newest_first, of_source
from feeder.store.records import Row


def of_url(chosen: Subject, *, now: datetime) -> SourcePreview:
    """Ask the web for a source, and return what it would bring to a site that has no articles yet.

    Raises:
        FetchError: Nothing can be had.
        FeederError: What came cannot be read.
    """
    source = chosen.source
    # Without a configuration there is nobody whom a server's operator could turn to.
    site = replace(chosen.site, url="") if chosen.site is DEFAULT_SITE else chosen.site
    with blank(site, (source,)) as app:
        heard = asyncio.run(_ask(app, source))
        received = _received(heard, source)
        (polled,) = app.take({source.name: heard}, now)
        if polled.error:
            raise FeederError(polled.error)
        places = [reading.place.locator for reading in received.readings]
        rows = tuple(row for place in places if (row := app.store.row(source.name, place)))
        if received.kind is SourceKind.ARCHIVE:
            seen = of_source(replace(chosen, source=app.parts.sources[source.name]), now=now)
        else:
            seen = _of_received(received, rows, source.name, app, now)
        return replace(seen, web=_finding(heard, received, rows, app, now))


async def _ask(app: App, source: Source) -> Heard:
    async with asker(app) as one:
        return await one.ask(Question(source=source), nothing_known)


def _received(heard: Heard, source: Source) -> Received:
    if heard.error:
        raise heard.error
    answer, received = heard.answer, heard.received
    if answer is None or received is None:
        raise FetchError(source.url or source.name, "answers with nothing new, though it was never asked before")
    if received.problem:
        is_page = received.kind is SourceKind.PAGE and not source.select
        raise FeederError(f"{answer.url}: {received.problem}{_hint(answer) if is_page else ''}")
    return received


def _hint(answer: Answer) -> str:
    """Return which selectors may read the articles on a page."""
    guessed = guess_item(answer.body, url=answer.url, charset=answer.charset)
    if guessed:
        item, count = guessed
        return f'; a source with select = {{ item = "{item}" }} would read {count} articles of the page itself'
    example = 'select = { item = "article", title = "h2", link = "h2 a", date = "time" }'
    return f"; if there are articles on the page itself, say by CSS selectors where: {example}"


# ---------------------------------------------------------------- what came


def _of_received(received: Received, rows: Sequence[Row], name: str, app: App, now: datetime) -> SourcePreview:
    copies = list(_copies(app))
    articles = [article for several in copies for article in several]
    return SourcePreview(
        name=name,
        documents=len(received.readings),
        articles=newest_first(articles, now),
        merged=len(articles) - len(copies),
        statuses=Counter(Status(row.status) for row in rows),
        rejected=_reasons(row for row in rows if row.status in REJECTED),
        left_out=_reasons(row for row in rows if row.status == Status.LEFT_OUT and row.reason != OLDER),
        lenient=leniently(received.readings),
        feeds=feeds_of(articles),
    )


def _copies(app: App) -> Iterator[tuple[Article, ...]]:
    """Yield each article as it was read wherever it was seen."""
    for ids in app.store.id_slices():
        for _, sightings in app.store.copies(ids).values():
            yield tuple(sighting.article for sighting in sightings)


def _reasons(rows: Iterable[Row]) -> tuple[tuple[str, str], ...]:
    return tuple((row.place.locator, row.reason or "") for row in rows)


def _finding(heard: Heard, received: Received, rows: Sequence[Row], app: App, now: datetime) -> WebFinding:
    (state,) = app.store.sources()
    feed = received.feed or ForeignFeed(origin=Origin(), items=())
    answer = heard.answer or Answer(status=HTTPStatus.OK, url="")
    return WebFinding(
        kind=received.kind,
        url=answer.url,
        is_announced=heard.elsewhere is not None,
        moved_to=answer.moved_to,
        title=feed.origin.title,
        home=feed.origin.home,
        asked=now,
        next_poll=state.next_poll,
        why=state.why,
        older=sum(1 for row in rows if row.reason == OLDER),
        over=len(_over(received, rows)),
        warnings=received.warnings,
    )


def _over(received: Received, rows: Sequence[Row]) -> set[CategoryPath]:
    """Return the categories that the articles lost, as there are too many."""
    kept = {row.place.locator: row.sighting.article for row in rows if row.sighting}
    found = {
        path
        for reading in received.readings
        if reading.article and reading.place.locator in kept
        for path in reading.article.categories
    }
    return found - {path for article in kept.values() for path in article.categories}
