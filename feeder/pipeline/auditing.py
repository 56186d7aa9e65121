"""Whether what lies in the output is what was written, and is wanted: what is not is marked, or cleared away."""

from __future__ import annotations

from collections.abc import Mapping

from feeder.pipeline import Parts, archiving, article_pages, indexes, orphans
from feeder.pipeline.article_pages import ArticlePages
from feeder.pipeline.faults import failed_feeds
from feeder.store.records import PublishedFeed


def audit(parts: Parts) -> int:
    """Keep the output in order: mark what `check` finds, and clear orphans away; return how many nodes were marked."""
    marked = check(parts)
    orphans.clear(parts)
    return marked


def clear_pages(parts: Parts) -> None:
    """Remove the pages of articles that are in no feed any more."""
    ArticlePages(parts).clear()


def check(parts: Parts) -> int:
    """Mark the nodes whose files were altered, lost, failed, or rendered with other settings; return how many."""
    feeds = parts.store.feeds()
    stamps = parts.output.stamps(path for feed in feeds for path, _, _ in feed.files)
    bad = [feed.node for feed in feeds if not _is_current(feed, stamps, parts)]
    altered = article_pages.altered(parts)
    bad += (node for id_ in altered for node in parts.store.feeds_of(id_))
    # Pages that are left over are those of a run that was stopped before it removed them: the next one does.
    if archiving.check(parts, altered) or parts.store.left_article_pages() or not indexes.are_current(parts):
        bad.append(())
    bad += failed_feeds(parts.store)  # other settings may have mended them
    with parts.store.transaction():
        parts.store.mark(bad)
        parts.store.prune()
    return len(bad)


def _is_current(feed: PublishedFeed, stamps: Mapping[str, str], parts: Parts) -> bool:
    return feed.fingerprint == parts.fingerprint and all(stamps.get(path) == stamp for path, _, stamp in feed.files)
