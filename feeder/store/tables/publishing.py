"""What is stale, what feeds are to hold, and what they held when they were written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Any

from feeder import shards
from feeder.model import Deletion, Node, Shown, Tally
from feeder.store import rows
from feeder.store.records import ArticlePage, Listed, Mark, PublishedFeed
from feeder.store.tables.ground import Ground

PAGES = (100, 400, 1600, 6400)  # articles asked for at a time: most who ask want few of them
LATEST = 1 << 62  # later than any time


class Publishing(Ground):
    """What is stale, what feeds are to hold, and what they held when they were written."""

    def stale(self, now: datetime, *, settle: timedelta, shard: int | None = None) -> tuple[Mark, ...]:
        """Return the marks that may be published now, all or those of a shard, deepest nodes first."""
        values: dict[str, object] = {"now": rows.seconds(now), "settle": int(settle.total_seconds())}
        if shard is not None:
            values |= {"shard": shard, "feeds": shards.FEEDS}
        found = self._db.all("stale" if shard is None else "stale_in", values)
        if found:
            self._add_up_paths()  # what is stale is published under the names of now
        marks = (Mark(node=rows.labels(text), seqs=tuple(rows.numbers_back(seqs))) for text, seqs in found)
        return tuple(sorted(marks, key=lambda mark: mark.node, reverse=True))

    def marked(self) -> frozenset[Node]:
        """Return the nodes whose feeds are stale."""
        return frozenset(rows.labels(identity) for (identity,) in self._db.all("marked"))

    def mark(self, nodes: Iterable[Node], *, not_before: datetime | None = None) -> None:
        """Make nodes stale, to be published at once or not before some time."""
        numbers = [self._node(node) for node in nodes]
        if not_before is None:
            self._touch(numbers)
            return
        (seq,) = self._db.one("next_seq")
        self._db.write("put_late_mark", [(node, seq, rows.seconds(not_before)) for node in numbers])

    def newest(self, node: Node) -> Iterator[Listed]:
        """Yield the node's articles in feed order: published descending, then id."""
        last: tuple[int, str] = (LATEST, "")
        for size in chain(PAGES, repeat(PAGES[-1])):
            values = {"node": self._node(node), "published": last[0], "id": last[1], "limit": size}
            found = self._db.all("newest", values)
            for id_, published, source in found:
                yield Listed(id=self._long(id_), published=rows.moment(published), source=source)
            if len(found) < size:
                return
            last = (found[-1][1], found[-1][0])

    def census(self) -> Mapping[Node, Tally]:
        """Return what every node that has articles holds."""
        return {
            rows.labels(identity): Tally(articles=total, newest=rows.moment(published), title=title)
            for identity, total, published, title in self._db.all("census")
        }

    def published_since(self, node: Node, since: datetime) -> tuple[datetime, ...]:
        """Return when the node's articles were published, of those not older than *since*, in any order."""
        found = self._db.all("published_since", self._node(node), rows.seconds(since))
        return tuple(rows.moment(published) for (published,) in found)

    def nodes(self) -> Mapping[Node, str]:
        """Return every node that has articles, with its label; the site's is empty."""
        return {rows.labels(identity): label for identity, label in self._db.all("live_nodes")}

    def shown(self, ids: Collection[str]) -> Mapping[str, Shown]:
        """Return what readers see of articles."""
        return {
            shown.id: shown
            for row in self._db.each("shown", [self._short(id_) for id_ in ids])
            for shown in [self._shown(row)]
        }

    def digests(self, ids: Collection[str]) -> Mapping[str, bytes]:
        """Return the digest of each article's winning document, as last read."""
        found = self._db.each("digests", [self._short(id_) for id_ in ids])
        return {self._long(id_): digest for id_, digest in found}

    def save_feed(self, feed: PublishedFeed, *, mark: Mark, now: datetime) -> None:
        """Note a feed as written, and remove its mark."""
        node = self._node(feed.node)
        values = (node, feed.fingerprint, rows.seconds(feed.updated), rows.seconds(now), rows.files_text(feed.files))
        self._db.run("put_feed", *values)
        self._set_feed_ids(node, {self._short(id_) for id_ in feed.ids})
        self._db.each("delete_mark", mark.seqs, node)

    def drop_feed(self, mark: Mark) -> None:
        """Note a feed as gone, and remove its mark."""
        node = self._node(mark.node)
        self._db.run("delete_feed", node)
        self._db.run("drop_deletions", node)
        self._set_feed_ids(node, set())
        self._db.each("delete_mark", mark.seqs, node)

    def shows_removed(self, node: Node) -> bool:
        """Tell whether the feed of a node, as it was written, holds an article that was taken down since."""
        return bool(self._db.one("shows_removed", self._node(node))[0])

    def feeds(self) -> tuple[PublishedFeed, ...]:
        """Return every published feed, without the ids of its entries."""
        return tuple(_published_feed(row) for row in self._db.all("feeds"))

    def deletions(self, node: Node, limit: int) -> tuple[Deletion, ...]:
        """Return the newest entries that the feed of a node held and that readers see no more."""
        found = self._db.all("deletions", self._node(node), limit)
        return tuple(Deletion(id=self._long(id_), at=rows.moment(at)) for id_, at in found)

    def end_deletions(self, before: datetime) -> None:
        """Forget the deletions up to some time, and mark the nodes that told of them."""
        self._touch(node for (node,) in self._db.all("end_deletions", rows.seconds(before)))

    def article_pages(self, ids: Collection[str] | None = None) -> Mapping[str, ArticlePage]:
        """Return the pages of articles, all or those of *ids*, by the article's id."""
        found = (
            self._db.all("article_pages") if ids is None else self._db.each("article_pages_of", map(self._short, ids))
        )
        pages = (ArticlePage(id=self._long(id_), digest=digest, stamp=stamp) for id_, digest, stamp in found)
        return {page.id: page for page in pages}

    def save_article_pages(self, pages: Iterable[ArticlePage]) -> None:
        """Note pages as written."""
        self._db.write("put_article_page", [(self._short(page.id), page.digest, page.stamp) for page in pages])

    def drop_article_pages(self, ids: Iterable[str]) -> None:
        """Note pages as gone."""
        self._db.write("delete_article_page", [(self._short(id_),) for id_ in ids])

    def left_article_pages(self) -> tuple[str, ...]:
        """Return the ids of articles whose page is to go, or that are in no feed and no archive."""
        return tuple(self._long(id_) for (id_,) in self._db.all("left_article_pages"))

    def prune(self) -> None:
        """Remove the spellings of categories that no article has, and the nodes that nothing is known of any more."""
        self._flush()
        self._add_up_paths()
        for (path,) in self._db.all("unused_paths"):
            nodes = self._nodes_of(path)
            if not self._db.one("is_member", nodes[-1]):  # else the count of sightings would be wrong
                self._db.write("delete_path_node", [(node, path) for node in nodes])
                self._db.run("delete_path", path)
        self._db.run("delete_unused_nodes")
        self._path_ids.clear()
        self._paths.clear()
        self._node_ids.clear()
        self._lineages.clear()

    def _set_feed_ids(self, node: int, ids: set[str]) -> None:
        old = {id_ for (id_,) in self._db.all("feed_ids", node)}
        self._db.write("put_feed_entry", [(node, id_) for id_ in ids - old])
        self._db.write("delete_feed_entry", [(node, id_) for id_ in old - ids])
        self._db.each("prune_bodies", old - ids)


def _published_feed(row: Sequence[Any]) -> PublishedFeed:
    identity, fingerprint, updated, files, count = row
    return PublishedFeed(
        node=rows.labels(identity),
        fingerprint=fingerprint,
        updated=rows.moment(updated),
        files=rows.files(files),
        count=count,
    )
