"""An explanation as people read it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from feeder.app import App
from feeder.explain import Explanation
from feeder.explain.documents import DATINGS, Document
from feeder.model import Sighting
from feeder.screen import Block, Table
from feeder.store.records import Event
from feeder.wording import local, named, span


def blocks(told: Explanation, app: App, now: datetime) -> Iterator[Block]:
    """Yield *told* as people read it."""
    yield told.verdict
    zone = app.config.site.timezone
    yield Table(title="Article", rows=tuple(_facts(told, app)))
    documents = tuple(_document_row(each, app) for each in told.documents)
    columns = ("document", "status", "role", "first seen", "published", "missing since")
    yield Table(title="Documents", columns=columns, rows=documents)
    yield Table(title="How it was read", rows=tuple(fact for each in told.documents for fact in _reading(each, app)))
    yield Table(
        title="Feeds",
        columns=("category", "holds it", "feed"),
        rows=tuple((feed.title, feed.reason or "yes", feed.urls[0] if feed.urls else "-") for feed in told.feeds),
    )
    yield Table(
        title="History",
        columns=("at", "ago", "what", "document"),
        rows=tuple(
            (local(e.at, zone), span(now - e.at), e.verdict + (f" ({e.note})" if e.note else ""), _called(e))
            for e in told.history
        ),
    )


def _called(event: Event) -> str:
    return f"{event.source}: {event.locator}"


def _facts(told: Explanation, app: App) -> Iterator[tuple[str, str]]:
    zone = app.config.site.timezone
    if told.id:
        yield "id", told.id
    if told.shown:
        article = told.shown.article
        yield "title", article.title
        yield "published", local(told.shown.published, zone)
        yield "updated", local(told.shown.updated, zone)
        yield from (("category", named(path)) for path in told.shown.categories)
        yield from ((name, text) for name, text in (("author", article.author), ("link", article.link)) if text)
    if told.memory and told.documents:
        yield "first seen", local(told.memory.first_seen, zone)
    yield from ((f"key: {kind}", value) for kind, value in told.keys)


def _document_row(document: Document, app: App) -> tuple[str, ...]:
    row, zone = document.row, app.config.site.timezone
    sighting = row.sighting
    return (
        f"{row.source}: {row.place.locator}",
        row.status.replace("_", " ") + (f" ({row.reason})" if row.reason else ""),
        document.role,
        local(sighting.first_seen, zone) if sighting else "-",
        local(sighting.published, zone) if sighting else "-",
        local(row.missing_since, zone),
    )


def _reading(document: Document, app: App) -> Iterator[tuple[str, str]]:
    yield "document", f"{document.row.source}: {document.row.place.locator}"
    if document.doubt:
        yield "  but", document.doubt
    raw, sighting = document.raw, document.row.sighting
    if document.url:
        yield "  from", document.url
    if sighting and document.url:
        origin = sighting.article.origin
        written = {
            "published in": origin and (origin.title or origin.url),
            "guid as read": sighting.article.guid,
            "link as read": sighting.article.link,
        }
        yield from ((f"  {name}", text) for name, text in written.items() if text)
    if raw:
        yield "  title as written", raw.title or "-"
    if sighting:
        yield "  title as read", sighting.article.title
    if raw:
        yield "  date as written", raw.date or "-"
        yield from (("  read leniently", warning) for warning in raw.warnings)
    if sighting:
        yield "  date as read", f"{local(sighting.article.published, app.config.site.timezone)} ({_dated(sighting)})"


def _dated(sighting: Sighting) -> str:
    how = DATINGS[sighting.article.dating]
    if sighting.article.published is None:
        return (
            f"{how}: {'the first sight' if sighting.published == sighting.first_seen else 'an earlier date'} stands in"
        )
    if sighting.article.published != sighting.published:
        return f"{how}, and not believed: it looks like the time of a generator's run"
    return how
