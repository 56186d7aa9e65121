"""One publishing: what it knows of the feeds that there are, and what it has found out and not noted in the state yet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from feeder.errors import InvalidItem, Replaced
from feeder.model import Category, Node
from feeder.pipeline import Parts
from feeder.pipeline.article_pages import ArticlePages
from feeder.pipeline.faults import Faults
from feeder.pipeline.overview import Overview
from feeder.pipeline.tree import Shelf, Tree
from feeder.store.records import StoredBody

RETRY = timedelta(seconds=30)  # after which a feed that could not be written is tried again
SOON = timedelta(seconds=1)  # the same, if somebody else wrote just then


@dataclass(slots=True, kw_only=True)
class Published:
    """What publishing came to: paths below the output root, and how many nodes were looked at."""

    written: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    nodes: int = 0
    failed: dict[Node, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    outdated: set[str] = field(default_factory=set)  # sources to be polled again
    left: Mapping[str, str | None] = field(default_factory=dict)  # directories, and where they lead (see `moves`)


class Edition:
    """One publishing, of all stale feeds or of a part of them (*is_part*): then the site's own is another's."""

    def __init__(self, parts: Parts, published: Published, now: datetime, *, is_part: bool = False) -> None:
        self.parts = parts
        self.published = published
        self.now = now
        self.shelf = Shelf(parts.store.feeds())
        self.tree = Tree.of(parts, self.shelf)
        self.overview = Overview(parts, self.tree)
        self.articles = ArticlePages(parts)
        self.faults = Faults(parts.store, now)
        self.bodies: list[StoredBody] = []  # that were cleaned, and are not kept yet
        self.late: set[str] = set()  # ids whose document is not what was polled
        self.left: set[str] = set()  # files that this publishing has removed: feeds have moved away from there
        self._is_part = is_part

    def place(self, node: Node) -> Category:
        """Return the category of a node; another process may have made it a moment ago."""
        if node not in self.tree.places:
            self.tree = Tree.of(self.parts, self.shelf)
        if node not in self.tree.places:
            raise InvalidItem("it has no articles any more")
        return self.tree.places[node]

    def note_removed(self, paths: Collection[str]) -> None:
        """Note files as removed by this publishing."""
        self.published.removed += paths
        self.left.update(paths)

    def keep_bodies(self) -> None:
        """Note the bodies that were cleaned since the last time; if that fails, they stay new."""
        if self.bodies:
            with self.parts.store.transaction():
                self.parts.store.save_bodies(self.bodies)
            self.bodies = []

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note in one transaction what became of feeds, and what is new of their articles; if it fails, that stays new."""
        with self.parts.store.transaction():
            self.parts.store.save_bodies(self.bodies)
            yield
            self.articles.note()
            self.faults.save()
        self.bodies = []
        self.articles.noted()
        self.faults.saved()

    def fail(self, node: Node, error: Exception) -> None:
        """Note why the feed of *node* cannot be written now, and have it tried again."""
        self.published.failed[node] = str(error)
        self.faults.feed_failed(node, error)
        with self.noting():
            self.mark_again(node, after=SOON if isinstance(error, Replaced) else RETRY)

    def mark_again(self, node: Node, *, after: timedelta = RETRY) -> None:
        """Have the feed of *node* written once more, in a while."""
        self.parts.store.mark([node], not_before=self.now + after)

    def mark_site(self) -> None:
        """Have the lists of all feeds written anew, by whoever writes the site's own."""
        if self._is_part:
            self.parts.store.mark([()])

    def finish(self) -> None:
        """Have documents polled at once that are not what was polled, and forget faults of articles that have gone."""
        store, faults = self.parts.store, self.faults
        for id_ in set(faults.entries()).difference(store.digests(faults.entries())):
            faults.entry_mended(id_)
        with store.transaction():
            for name in sorted(self.published.outdated):
                store.request_poll(name, self.now)
            faults.save()
        faults.saved()
        faults.report_rest()
