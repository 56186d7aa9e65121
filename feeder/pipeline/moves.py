"""Directories that feeds have left: where they lead now, as far as the config and the published feeds tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final

from feeder import categories, redirects
from feeder.model import Node
from feeder.pipeline import Parts
from feeder.pipeline.tree import Shelf
from feeder.store.records import PublishedFeed

MOST_GONE: Final = 10_000  # directories that lead nowhere; of more, those that were left first are forgotten


def left(shelf: Shelf, feeds: Iterable[PublishedFeed]) -> dict[str, Node]:
    """Return the directories that *feeds* leave for others, with their categories."""
    return {before: feed.node for feed in feeds if (before := shelf.place(feed.node)) and before != _directory(feed)}


def dropped(shelf: Shelf, nodes: Iterable[Node]) -> dict[str, Node]:
    """Return the directories of the feeds of *nodes*, which are no more.

    The site's own is none of them: readers give up a feed that is gone, and the site will have articles again.
    """
    return {before: node for node in nodes if node and (before := shelf.place(node))}


def settled(parts: Parts, feeds: Iterable[PublishedFeed]) -> Mapping[str, str | None]:
    """Return where each directory leads now that was left, by what is published; bring the state up to date.

    What a category is called by now is kept there: it outlives the line of the config that says so.
    """
    departures = parts.store.departures()
    if not departures:
        return {}
    aliases = _aliases(parts)
    now = redirects.resolve(departures, {feed.node: _directory(feed) for feed in feeds if feed.node}, aliases)
    gone = [directory for directory in departures if directory in now and now[directory] is None]
    forgotten = frozenset(islice(gone, max(0, len(gone) - MOST_GONE)))
    heirs = {directory: redirects.heir(node, aliases) for directory, node in departures.items()}
    renamed = {directory: heir for directory, heir in heirs.items() if heir != departures[directory]}
    returned = (departures.keys() - now.keys()) | forgotten
    if renamed or returned:
        with parts.store.transaction():
            parts.store.inherit(renamed)
            parts.store.return_to(sorted(returned))
    return {directory: place for directory, place in now.items() if directory not in forgotten}


def _aliases(parts: Parts) -> Mapping[Node, Node]:
    named = parts.site.categories
    return {categories.node(each.path): categories.node(each.same_as) for each in named if each.same_as}


def _directory(feed: PublishedFeed) -> str:
    return next((path.rpartition("/")[0] for path, _, _ in feed.files), "")
