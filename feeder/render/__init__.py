"""Entries, feeds and indexes to bytes: one module for each format, all with the same few functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from types import MappingProxyType

from feeder.errors import InvalidItem
from feeder.model import Entry, FeedDocument, FeedFile, FeedRecord, Format, RenderedEntry, Site
from feeder.render import assets, atom, json, opml, page, rss
from feeder.render.elements import escaped
from feeder.urls import FILE_NAMES, PAGE, archive_path, file_path

VERSION = 1
"""Raised when equal values come to other bytes than before, so that every feed is written anew."""

FORMATS: Mapping[Format, Callable[[FeedDocument], bytes]] = MappingProxyType(
    {Format.ATOM: atom.render, Format.RSS: rss.render, Format.JSON: json.render}
)
_ENTRIES: Mapping[Format, Callable[[Entry, Site, bytes], bytes]] = MappingProxyType(
    {
        Format.ATOM: atom.render_entry,
        Format.RSS: rss.render_entry,
        Format.JSON: lambda entry, _site, _content: json.render_entry(entry),
    }
)
INDEXES = ("feeds.json", "feeds.opml")
"""The lists of all feeds, below the output root."""
ASSETS = assets.PATHS
"""What pages need, below the output root."""
_WEB = ("https://", "http://")


def render_entries(entries: Sequence[Entry], site: Site, formats: Collection[Format]) -> list[RenderedEntry]:
    """Return each of *entries* in each of *formats* and for pages, as the bytes that each feed joins.

    One format is written for all of them before the next: see `feeder.pipeline.work` for the reason.

    Raises:
        InvalidItem: An entry would make a feed that holds it invalid or unsafe.
    """
    for entry in entries:
        _check_addresses(entry)
    try:
        contents = [escaped(entry.content or "") for entry in entries]
        made = [list(map(_ENTRIES[each], entries, repeat(site), contents)) for each in formats]
        pages = [page.render_entry(entry, site) for entry in entries]
        articles = [page.render_article(entry, site) if entry.own_page is not None else b"" for entry in entries]
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidItem(f"it cannot be written: {error}") from error
    names = [each.value for each in formats]
    return [
        RenderedEntry(
            id=entry.id, updated=entry.updated, page=shown, article=own, **dict(zip(names, written, strict=True))
        )
        for entry, shown, own, *written in zip(entries, pages, articles, *made, strict=True)
    ]


def render(document: FeedDocument, site: Site) -> tuple[FeedFile, ...]:
    """Return *document* in each of its formats, and its page."""
    category = document.category
    style = assets.instruction(category, site)
    bodies = {FILE_NAMES[made]: assets.styled(FORMATS[made](document), style) for made, _ in document.feeds}
    bodies[PAGE] = page.render(document, site)
    return tuple(FeedFile(path=file_path(category, name), body=body) for name, body in bodies.items())


def render_assets(site: Site) -> tuple[FeedFile, ...]:
    """Return what the pages and the feeds of *site* look like in a browser, and the script of the pages."""
    return tuple(FeedFile(path=path, body=body) for path, body in assets.files(site.language).items())


def look(site: Site) -> str:
    """Return what changes whenever `render_assets` comes to other bytes: pages and feeds name these."""
    return " ".join(assets.version(path, site.language) for path in ASSETS)


def render_archive(document: FeedDocument, number: int) -> tuple[FeedFile, ...]:
    """Return *document*, which is a page of the archive, in each of its formats."""
    return tuple(
        FeedFile(path=archive_path(number, FILE_NAMES[made]), body=FORMATS[made](document))
        for made, _ in document.feeds
    )


def render_indexes(records: Iterable[FeedRecord], site: Site) -> tuple[FeedFile, ...]:
    """Return the lists of all feeds; the order of *records* does not matter."""
    ordered = sorted(records, key=lambda record: record.category.node)
    bodies = (json.render_index(ordered, site), opml.render_index(ordered, site))
    return tuple(FeedFile(path=path, body=body) for path, body in zip(INDEXES, bodies, strict=True))


def _check_addresses(entry: Entry) -> None:
    for name, address in _addresses(entry):
        if address and not address.startswith(_WEB):
            raise InvalidItem(f"its {name} is not an address of the web")


def _addresses(entry: Entry) -> Iterator[tuple[str, str | None]]:
    yield "link", entry.link
    yield "picture", entry.picture.url if entry.picture else None
    yield from (("enclosure", each.url) for each in entry.enclosures)
    if entry.origin:
        yield from (("origin", entry.origin.url), ("origin", entry.origin.home))
