"""The archive of the site's feed (RFC 5005, 4): what has been in it goes to pages that keep their addresses for good.

Which articles are on which page is decided, and in the state, before any file is written: a crash in between never
makes two versions of a page.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from hashlib import sha256

from feeder import plan, render
from feeder.model import FeedDocument, RenderedEntry
from feeder.pipeline import Parts
from feeder.pipeline.cooking import Kitchen
from feeder.pipeline.edition import Edition
from feeder.pipeline.tree import place_of
from feeder.store.records import ArchivePage


def check(parts: Parts, altered: Collection[str] = ()) -> bool:
    """Make the pages stale whose files were altered, lost, rendered with other settings, or are not wanted any more.

    Those, too, that hold articles whose own pages were *altered*. Tells if there are any.
    """
    pages = parts.store.pages()
    stamps = parts.output.stamps(path for page in pages for path, _, _ in page.files)
    bad = [
        page.number
        for page in pages
        if not _most(parts)
        or page.fingerprint != parts.fingerprint
        or any(stamps.get(path) != stamp for path, _, stamp in page.files)
    ]
    bad += parts.store.pages_of(altered)
    with parts.store.transaction():
        parts.store.change_pages(bad)
    return bool(bad)


def file_away(ids: Sequence[str], parts: Parts) -> None:
    """Put on pages what the site's feed, which will hold the articles *ids*, newest first, leaves out from now on."""
    store, most = parts.store, _most(parts)
    if not most:
        return
    with store.transaction():
        store.enter_archive(ids[::-1])
        pages = plan.archive_cut(store.waiting(), ids)
        for page in pages:
            store.add_page(page)
        store.clear_archive(plan.archive_excess(store.page_sizes(), most) if pages else ())


def write(kitchen: Kitchen) -> None:
    """Write the pages that changed, the last first, so that no link leads nowhere.

    Raises:
        OutputError: A page cannot be written; it and those before it are as they were.
    """
    parts, published = kitchen.edition.parts, kitchen.edition.published
    if not _most(parts):
        _clear(parts)
    for page in _stale(parts):
        if not page.ids:
            published.removed += _drop(page, parts)
    for page in _stale(parts):
        entries = kitchen.entries(page.ids)
        if entries:
            _put(page, entries, kitchen.edition)
        kitchen.trim()


def _most(parts: Parts) -> int:
    """Return how many articles the archive is to hold."""
    return parts.feeds.archive if plan.archive_formats(parts.feeds) else 0


def _clear(parts: Parts) -> None:
    """Leave no page, and none to come."""
    with parts.store.transaction():
        parts.store.clear_archive([number for number, _ in parts.store.page_sizes()], waiting=True)


def _stale(parts: Parts) -> Iterable[ArchivePage]:
    return map(parts.store.page, parts.store.stale_pages())


def _drop(page: ArchivePage, parts: Parts) -> tuple[str, ...]:
    removed = parts.output.remove(page.paths)
    with parts.store.transaction():
        parts.store.drop_page(page)
    return removed


def _document(page: ArchivePage, entries: Sequence[RenderedEntry], parts: Parts) -> FeedDocument:
    return plan.archive_page(
        page.number,
        place_of((), {}, parts),
        entries,
        site=parts.site,
        settings=parts.feeds,
        before=page.before,
        after=page.after,
    )


def _put(page: ArchivePage, entries: Sequence[RenderedEntry], edition: Edition) -> None:
    parts, published, articles = edition.parts, edition.published, edition.articles
    files = render.render_archive(_document(page, entries, parts), page.number)
    published.written += (*articles.write(entries), *parts.output.publish(files))
    published.removed += parts.output.remove(sorted(set(page.paths).difference(file.path for file in files)))
    stamps = parts.output.stamps(file.path for file in files)
    noted = [(f.path, sha256(f.body).hexdigest(), stamps.get(f.path, "")) for f in files]
    with parts.store.transaction():
        articles.note()
        if edition.late.isdisjoint(page.ids):  # else it stays stale
            parts.store.save_page(page, parts.fingerprint, noted)
    articles.noted()
