"""What there is once: the lists of all feeds, and what pages look like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from feeder import plan, render, urls
from feeder.errors import FeederError
from feeder.model import Category, FeedFile, FeedRecord, Format
from feeder.pipeline import Parts
from feeder.pipeline.edition import Edition
from feeder.pipeline.tree import Shelf, Tree
from feeder.store.records import PublishedFeed

_PATHS = (*render.INDEXES, *render.ASSETS)


def write_assets(edition: Edition) -> None:
    """Write what pages look like before the first of them; that it failed is told with the indexes, where it is tried again."""
    parts = edition.parts
    with suppress(FeederError):
        edition.published.written += parts.output.publish(render.render_assets(parts.site))


def write(edition: Edition, *, is_shared: bool) -> None:
    """Write the lists of all feeds, and remove the pages of articles that no feed holds (see `ArticlePages.clear`)."""
    output, published = edition.parts.output, edition.published
    files = _files(edition.parts, edition.shelf, edition.tree)
    done = set(published.written)
    try:
        published.removed += edition.articles.clear(is_shared=is_shared)  # first: a takedown needs no room on the disk
        published.written += output.publish(file for file in files if file.path not in done)
        published.removed += output.remove(() if files else _PATHS)
        edition.faults.indexes_mended()
    except FeederError as error:
        published.failed[("feeds.json",)] = str(error)
        edition.faults.indexes_failed(str(error))
        with edition.parts.store.transaction():
            edition.mark_again(())


def are_current(parts: Parts) -> bool:
    """Tell whether the lists of all feeds, and what pages look like, lie in the output as they should be."""
    shelf = Shelf(parts.store.feeds())
    wanted = {file.path: file.body for file in _files(parts, shelf, Tree.of(parts, shelf))}
    return all(parts.output.read(path) == wanted.get(path) for path in _PATHS)


def _files(parts: Parts, shelf: Shelf, tree: Tree) -> tuple[FeedFile, ...]:
    """Return the lists of all feeds, and what pages look like; nothing if there is no feed."""
    listed = (feed for feed in shelf if feed.node in tree.places and feed.node not in tree.refused)
    records = [_record(feed, tree.places[feed.node], parts) for feed in listed]
    return (*render.render_indexes(records, parts.site), *render.render_assets(parts.site)) if records else ()


def _record(feed: PublishedFeed, category: Category, parts: Parts) -> FeedRecord:
    digests = {path: digest for path, digest, _ in feed.files}
    return FeedRecord(
        category=category,
        id=plan.feed_id(category, parts.site),
        title=plan.feed_title(category, parts.site),
        updated=feed.updated,
        entries=feed.count,
        home=urls.page_url(category, parts.site),
        feeds=urls.feed_urls(category, parts.site, parts.feeds.formats),
        digests=tuple(_digests(category, digests, parts.feeds.formats)),
    )


def _digests(category: Category, digests: Mapping[str, str], formats: Iterable[Format]) -> Iterator[tuple[Format, str]]:
    for made in formats:
        path = urls.file_path(category, urls.FILE_NAMES[made])
        if path in digests:
            yield made, digests[path]
