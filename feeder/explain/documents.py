"""An article's documents: as they were read, as they read now, and which of them is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from feeder import dedup, memo, normalize
from feeder.app import App
from feeder.errors import FetchError, ParseError
from feeder.explain.finding import Found
from feeder.fetch import fetcher_of
from feeder.model import Article, Dating, RawItem, Shown, Source
from feeder.parse import parser_of
from feeder.pipeline import work
from feeder.store.records import Row
from feeder.wording import local

DATINGS = {
    Dating.ZONED: "with a time zone",
    Dating.NAIVE: "without a time zone",
    Dating.NONE: "no date that can be used",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One of an article's documents, as it was read and as it reads now."""

    row: Row
    role: str
    source: Source | None  # None: it has left the config
    url: str | None = None  # that was asked for it
    raw: RawItem | None = None
    doubt: str | None = None  # about what `raw` says of the reading


def document_of(row: Row, role: str, app: App) -> Document:
    """Return a document as it was read and as it reads now."""
    source = app.parts.sources.get(row.source)
    if source is None:
        return Document(row=row, role=role, source=None, doubt="its source has left the config")
    url = _asked(row.source, app)
    if source.path is None:
        return Document(row=row, role=role, source=source, url=url)
    try:
        snapshot = fetcher_of(source).read(source, row.place.locator)
        is_same = work.digest_of(snapshot) == row.digest
        raw = parser_of(source).parse(snapshot, source)
    except FetchError as error:
        return Document(row=row, role=role, source=source, url=url, doubt=error.reason)
    except ParseError as error:
        return Document(row=row, role=role, source=source, url=url, doubt=str(error))
    doubt = None if is_same else "it has changed since it was polled"
    if row.sighting and is_same:
        told = normalize.warnings(raw, row.sighting.article, source, app.config.site)
        raw = replace(raw, warnings=(*raw.warnings, *told))
    return Document(row=row, role=role, source=source, url=url, raw=raw, doubt=doubt)


def keys(article: Article) -> Iterator[tuple[str, str]]:
    """Yield by what copies of *article* are found, in the order of `dedup.keys`."""
    if article.day:
        yield "title and day", f"{article.title_key} · {article.day.isoformat()}"
    if article.guid:
        yield "given id", article.guid
    if article.dating is not Dating.ZONED:
        yield "title and text", f"{article.title_key} · {article.text_hash.hex()[:12]}…"


def is_winner(row: Row, shown: Shown) -> bool:
    """Tell whether readers see the article as this document has it."""
    return (row.source, row.place.locator) == (shown.source, shown.locator)


def _asked(name: str, app: App) -> str | None:
    """Return the address that is asked for a source, its own or where that led to; a directory has none."""
    source = next(source for source in app.config.sources if source.name == name)
    state = next(state for state in app.store.sources() if state.name == name)
    return source.url and (memo.load(state.memo).url or source.url)


def role_of(row: Row, found: Found, shown: Shown | None, app: App) -> str:
    """Return what a document of the article that was *found* is to readers."""
    if row.source in app.parts.rules.hidden:
        return "not shown: its source is turned off"
    if shown is None:
        return "not shown"
    if is_winner(row, shown) and shown.held:
        return f"held until {local(shown.published, app.config.site.timezone)}"
    if is_winner(row, shown):
        return "shown" if len(found.rows) == 1 else "wins"
    winner = next((other for other in found.rows if is_winner(other, shown)), row)
    return f"merged: {_why_lost(row, winner, app)}"


def _why_lost(row: Row, winner: Row, app: App) -> str:
    ranks = app.parts.rules.ranks
    mine, other = ranks.get(row.source, dedup.UNRANKED), ranks.get(winner.source, dedup.UNRANKED)
    if mine != other:
        return f"{winner.source} comes before {row.source} in the config"
    if _published(row) != _published(winner):
        return "the other was published earlier"
    return "of equals the first by name is shown"


def _published(row: Row) -> datetime | None:
    return row.sighting.published if row.sighting else None
