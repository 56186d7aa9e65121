"""Publishing: stale nodes become files. Marks are removed only after the files are in place."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import chain, islice
from typing import Protocol, TypeVar

from feeder import categories, plan, render, shards, urls
from feeder.dedup import UNRANKED
from feeder.errors import FeederError, InvalidItem, OutputError
from feeder.model import (
    UTC_ZONE,
    Category,
    FeedDocument,
    FeedFile,
    FeedRecord,
    Format,
    Node,
    RenderedEntry,
    Shown,
    Source,
)
from feeder.pipeline import Parts, archiving, article_pages, moves, orphans, work
from feeder.pipeline.article_pages import ArticlePages
from feeder.pipeline.faults import Faults, failed_feeds
from feeder.pipeline.larder import weight
from feeder.pipeline.overview import Overview
from feeder.pipeline.tree import Shelf, Tree
from feeder.store import Mark, PublishedFeed, StoredBody

BATCH = 24  # nodes written with one flush to the disk
AHEAD = 2  # batches being rendered while one is written: enough to keep all cores busy while the disk is waited for
JOB = 64  # entries in one job of a worker: each step is done for all of them, so more are faster, but harder to share
MANY = 400  # entries to render that are worth starting processes for
CACHED_BYTES = 24 << 20  # of rendered entries: enough for a category's children until its own turn comes
DELETIONS = 100  # that one feed tells of: a source that goes takes all it had along
_INDEXES = (*render.INDEXES, *render.ASSETS)
RETRY = timedelta(seconds=30)  # after which a feed that could not be written is tried again


class _Placed(Protocol):
    """Something to be done for a node's feed."""

    @property
    def node(self) -> Node:
        """The category."""


T = TypeVar("T")
W = TypeVar("W", bound=_Placed)
Progress = Callable[[int, int], None]
"""Told how many feeds are done, and how many there are to do."""


@dataclass(slots=True, kw_only=True)
class Published:
    """What publishing came to: paths below the output root, and how many nodes were looked at."""

    written: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    nodes: int = 0
    released: int = 0
    failed: dict[Node, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    outdated: set[str] = field(default_factory=set)  # sources to be polled again
    left: Mapping[str, str | None] = field(default_factory=dict)  # directories, and where they lead (see `moves`)


def publish(parts: Parts, *, now: datetime, settle: timedelta, progress: Progress | None = None) -> Published:
    """Render and write the feeds of every stale node; a node that fails keeps its mark and its last good files."""
    published = Published(released=ripen(parts, now))
    marks = parts.store.stale(now, settle=settle)
    if marks:
        _publish_all(marks, parts, published, now=now, progress=progress)
    return published


def ripen(parts: Parts, now: datetime) -> int:
    """Mark what has become another by itself; return how many articles' hour has come."""
    with parts.store.transaction():
        released = parts.store.release(now)
        parts.store.end_deletions(now - parts.feeds.deletions)
    return released


def publish_site(parts: Parts, *, now: datetime, settle: timedelta, progress: Progress | None = None) -> Published:
    """Publish the site's own feed and what there is once, beside others who publish the shards of all other feeds."""
    published = Published()
    marks = parts.store.stale(now, settle=settle, shard=shards.SITE)
    if marks:
        _publish_all(marks, parts, published, now=now, progress=progress, is_shared=True)
    return published


def publish_shard(
    parts: Parts, shard: int, *, now: datetime, settle: timedelta, progress: Progress | None = None
) -> Published:
    """Publish the stale feeds of a shard; where that changes what is told of them elsewhere, the site is stale."""
    published = Published()
    marks = parts.store.stale(now, settle=settle, shard=shard)
    if marks:
        kitchen = _kitchen(parts, published, now, is_part=True)
        _publish_feeds(marks, kitchen, now, progress)
        _finish(kitchen, now)
    return published


def _publish_all(
    marks: Sequence[Mark],
    parts: Parts,
    published: Published,
    *,
    now: datetime,
    progress: Progress | None,
    is_shared: bool = False,
) -> None:
    kitchen = _kitchen(parts, published, now)
    _publish_assets(kitchen)
    _publish_feeds(marks, kitchen, now, progress)
    _publish_indexes(kitchen, now, is_shared=is_shared)
    _finish(kitchen, now)
    published.left = moves.settled(parts, kitchen.shelf)


def _kitchen(parts: Parts, published: Published, now: datetime, *, is_part: bool = False) -> _Kitchen:
    shelf = Shelf(parts.store.feeds())
    faults = Faults(parts.store, now)
    return _Kitchen(parts, shelf, Tree.of(parts, shelf), faults, published, is_part=is_part)


def _publish_feeds(marks: Sequence[Mark], kitchen: _Kitchen, now: datetime, progress: Progress | None) -> None:
    for done in _pipelined(kitchen, marks, now):
        _write(done, kitchen, now)
        kitchen.published.nodes += len(done)
        if progress:
            progress(kitchen.published.nodes, len(marks))


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
    if archiving.check(parts, altered) or parts.store.left_article_pages() or not are_indexes_current(parts):
        bad.append(())
    bad += failed_feeds(parts.store)  # other settings may have mended them
    with parts.store.transaction():
        parts.store.mark(bad)
        parts.store.prune()
    return len(bad)


def selected(node: Node, parts: Parts) -> tuple[str, ...]:
    """Return the ids of the articles that the feed of *node* is to hold, newest first."""
    own = (each.entries for each in parts.site.categories if each.entries and categories.node(each.path) == node)
    chosen = plan.select(
        parts.store.newest(node),
        entries=next(own, parts.feeds.entries),
        window=parts.feeds.window,
        max_entries=parts.feeds.max_entries,
        limits={name: source.limit for name, source in parts.sources.items() if source.limit},
    )
    return tuple(listed.id for listed in chosen)


def _is_current(feed: PublishedFeed, stamps: Mapping[str, str], parts: Parts) -> bool:
    return feed.fingerprint == parts.fingerprint and all(stamps.get(path) == stamp for path, _, stamp in feed.files)


def are_indexes_current(parts: Parts) -> bool:
    """Tell whether the lists of all feeds, and what pages look like, lie in the output as they should be."""
    shelf = Shelf(parts.store.feeds())
    wanted = {file.path: file.body for file in _indexes(parts, shelf, Tree.of(parts, shelf))}
    return all(parts.output.read(path) == wanted.get(path) for path in _INDEXES)


# ---------------------------------------------------------------- rendering


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A stale node and the articles that its feed will hold."""

    mark: Mark
    ids: tuple[str, ...]
    seen: Mapping[str, str]  # what its files were before its articles were read (see `Output.publish`)

    @property
    def node(self) -> Node:
        return self.mark.node


class _Kitchen:
    """Renders each article once for all nodes that want it, in worker processes, and keeps the latest at hand."""

    def __init__(
        self, parts: Parts, shelf: Shelf, tree: Tree, faults: Faults, published: Published, *, is_part: bool
    ) -> None:
        self.parts = parts
        self.is_part = is_part  # of what is published; the site's own feed is another's
        self.shelf = shelf
        self.tree = tree
        self.overview = Overview(parts, tree)
        self.articles = ArticlePages(parts)
        self.faults = faults
        self.published = published
        self._running: dict[str, Future[list[work.Served]]] = {}
        self._served: OrderedDict[str, RenderedEntry | None] = OrderedDict()
        self._bytes = 0
        self._bodies: list[StoredBody] = []
        self.late: set[str] = set()  # ids whose document is not what was polled
        self.left: set[str] = set()  # files that this publishing has removed: feeds have moved away from there
        self._larder = parts.larder
        self._jobs: dict[str, work.EntryJob] = {}  # those of articles that are not served yet

    def order(self, marks: Sequence[Mark], now: datetime) -> list[_Order]:
        """Choose the articles of some nodes and begin to render those that are not at hand."""
        try:
            orders = self._orders(marks)
        except OutputError as error:  # the output does not even say what is there
            for mark in marks:
                _fail(mark.node, str(error), self, now)
            return []
        self._begin_all(id_ for order in orders if order.node not in self.tree.refused for id_ in order.ids)
        return orders

    def _orders(self, marks: Sequence[Mark]) -> list[_Order]:
        paths = {mark.node: self._files(mark.node) for mark in marks}
        stamps = self.parts.output.stamps(chain.from_iterable(paths.values()))
        orders = [
            _Order(
                mark=mark,
                ids=selected(mark.node, self.parts),
                seen={path: stamps.get(path, "") for path in paths[mark.node]},
            )
            for mark in marks
        ]
        self.articles.look(id_ for order in orders for id_ in order.ids)
        return orders

    def _files(self, node: Node) -> list[str]:
        """Return what files the feed of *node* is to have."""
        category = self.tree.places.get(node)
        names = (*(urls.FILE_NAMES[made] for made in self.parts.feeds.formats), urls.PAGE)
        return [urls.file_path(category, name) for name in names] if category else []

    def entries(self, ids: Sequence[str]) -> list[RenderedEntry]:
        """Return the entries of *ids* in order, without those that cannot be shown."""
        self._begin_all(ids)
        found = []
        for id_ in ids:
            if id_ not in self._served and id_ in self._running:
                self._collect(self._running[id_])
            entry = self._served.get(id_)  # one that was withdrawn a moment ago has none, and marked the feed anew
            if entry:
                found.append(entry)
        return found

    def note_removed(self, paths: Collection[str]) -> None:
        """Note files as removed by this publishing."""
        self.published.removed += paths
        self.left.update(paths)

    def keep_bodies(self) -> None:
        """Note the bodies that were cleaned since the last time; if that fails, they stay new."""
        if self._bodies:
            with self.parts.store.transaction():
                self.parts.store.save_bodies(self._bodies)
            self._bodies = []

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note in one transaction what became of feeds, and what is new of their articles; if it fails, that stays new."""
        with self.parts.store.transaction():
            self.parts.store.save_bodies(self._bodies)
            yield
            self.articles.note()
            self.faults.save()
        self._bodies = []
        self.articles.noted()
        self.faults.saved()

    def trim(self) -> None:
        """Let go of the entries that were not wanted for longest."""
        while self._bytes > CACHED_BYTES:
            _, entry = self._served.popitem(last=False)
            self._bytes -= _weight(entry)

    def _begin_all(self, ids: Iterable[str]) -> None:
        wanted = dict.fromkeys(ids)
        missing = [id_ for id_ in wanted if id_ not in self._served and id_ not in self._running]
        for id_ in wanted:
            if id_ in self._served:
                self._served.move_to_end(id_)
        if len(missing) > MANY:
            self.parts.workers.start()
        for part in _batches(missing, JOB):
            self._begin(part)

    def _begin(self, ids: Collection[str]) -> Future[list[work.Served]]:
        store = self.parts.store
        with store.decision():  # all of it as it was at one moment
            shown, digests, bodies = store.shown(ids), store.digests(ids), store.bodies(ids)
            documents = store.documents([s.id for s in shown.values() if self._lies_in_no_file(s)])
        jobs = {s.id: self._job(s, digests[s.id], bodies.get(s.id), documents.get(s.id)) for s in shown.values()}
        self._jobs |= jobs
        ready = [work.Served(id=id_, entry=entry) for id_, job in jobs.items() if (entry := self._larder.take(job))]
        at_hand = {served.id for served in ready}
        future = self._render([job for id_, job in jobs.items() if id_ not in at_hand])
        self._running.update(dict.fromkeys(jobs.keys() - at_hand, future))
        self._put_out(ready)
        return future

    def _render(self, jobs: Sequence[work.EntryJob]) -> Future[list[work.Served]]:
        if not jobs:
            nothing: Future[list[work.Served]] = Future()
            nothing.set_result([])
            return nothing
        job = work.RenderJob(site=self.parts.site, formats=self.parts.feeds.formats, entries=tuple(jobs))
        return self.parts.workers.submit(work.render, job)

    def _lies_in_no_file(self, shown: Shown) -> bool:
        source = self.parts.sources.get(shown.source)
        return source is None or source.path is None

    def _job(self, shown: Shown, digest: bytes, stored: StoredBody | None, document: bytes | None) -> work.EntryJob:
        source = self.parts.sources.get(shown.source) or _gone(shown.source)
        key = work.body_key(shown, source, document)
        return work.EntryJob(
            shown=shown,
            source=source,
            categories=self._categories(shown),
            content=self.parts.feeds.content,
            digest=digest,
            has_pages=self.parts.pages.articles,
            body=stored.packed if stored and stored.key == key else None,
            spare=stored.packed if stored else None,
            document=document,
        )

    def _categories(self, shown: Shown) -> tuple[Category, ...]:
        """Every level of every path, parents first; the order of the paths as written does not matter."""
        nodes = {n for path in shown.categories for n in categories.lineage(categories.node(path))[1:]}
        return tuple(map(self.place, sorted(nodes)))

    def place(self, node: Node) -> Category:
        """Return the category of a node; another process may have made it a moment ago."""
        if node not in self.tree.places:
            self.tree = Tree.of(self.parts, self.shelf)
        if node not in self.tree.places:
            raise InvalidItem("it has no articles any more")
        return self.tree.places[node]

    def _collect(self, future: Future[list[work.Served]]) -> None:
        done = future.result()
        for served in done:
            self._running.pop(served.id, None)
            if served.entry:
                self._larder.put(self._jobs[served.id], served.entry)
        self._put_out(done)

    def _put_out(self, done: Iterable[work.Served]) -> None:
        for served in done:
            job = self._jobs.pop(served.id)
            self._served[served.id] = served.entry
            self._bytes += _weight(served.entry)
            if served.body:
                key = work.body_key(job.shown, job.source, job.document)
                self._bodies.append(StoredBody(id=served.id, key=key, packed=served.body))
            if served.is_outdated:
                self.late.add(served.id)
                self.published.outdated.add(job.shown.source)
            if served.problem:
                self.published.left_out[served.id] = served.problem
                self.faults.entry_left_out(served.id, served.problem)
            else:
                self.faults.entry_mended(served.id)


def _gone(name: str) -> Source:
    """Stand in for a source that has left the config, and whose articles are kept."""
    return Source(name=name, order=UNRANKED, timezone=UTC_ZONE)


def _weight(entry: RenderedEntry | None) -> int:
    return weight(entry) if entry else 100


def _pipelined(kitchen: _Kitchen, marks: Sequence[Mark], now: datetime) -> Iterator[list[_Order]]:
    """Yield the orders batch by batch, the next ones always being rendered while one is written."""
    waiting: deque[list[_Order]] = deque()
    for part in _batches(marks, BATCH):
        waiting.append(kitchen.order(part, now))
        if len(waiting) > AHEAD:
            yield waiting.popleft()
    yield from waiting


# ---------------------------------------------------------------- writing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plate:
    """A feed ready to be written."""

    order: _Order
    document: FeedDocument
    files: tuple[FeedFile, ...]

    @property
    def node(self) -> Node:
        return self.order.node


def _write(orders: Sequence[_Order], kitchen: _Kitchen, now: datetime) -> None:
    """Write a batch of feeds, and remove those of categories that have no article any more."""
    plates = [plate for order in orders if order.ids and (plate := _plate(order, kitchen, now))]
    _together_or_alone(_serve, plates, kitchen, now)
    # Last, so that a file which passes from a category that has gone to another is there at any time.
    _together_or_alone(_drop, [order for order in orders if not order.ids], kitchen, now)
    kitchen.trim()


def _together_or_alone(
    act: Callable[[Sequence[W], _Kitchen, datetime], None], feeds: Sequence[W], kitchen: _Kitchen, now: datetime
) -> None:
    """Do a batch; if it fails as a whole, try each feed alone, so that only the bad one waits."""
    try:
        act(feeds, kitchen, now)
    except FeederError:
        for feed in feeds:
            try:
                act([feed], kitchen, now)
            except FeederError as error:
                _fail(feed.node, str(error), kitchen, now)


def _plate(order: _Order, kitchen: _Kitchen, now: datetime) -> _Plate | None:
    try:
        if not order.node:
            _archive(kitchen)  # first: a takedown does not wait until the feed can be written
        entries = _entries(order, kitchen)
        if not order.node:
            archiving.file_away([entry.id for entry in entries], kitchen.parts)
            _archive(kitchen)
        document = _document(order.node, entries, kitchen)
        return _Plate(order=order, document=document, files=render.render(document, kitchen.parts.site))
    except (FeederError, ValueError) as error:
        with suppress(FeederError):  # it is tried again with the feed
            _take_back(order, kitchen)
        _fail(order.node, str(error), kitchen, now)
        return None


def _take_back(order: _Order, kitchen: _Kitchen) -> None:
    """Remove the last good files of a feed that has no directory, if they show what was taken down."""
    parts, node = kitchen.parts, order.node
    if node not in kitchen.tree.refused or not parts.store.shows_removed(node):
        return
    kitchen.note_removed(parts.output.remove(kitchen.shelf.left_by({node})))
    with parts.store.transaction():
        parts.store.depart(moves.dropped(kitchen.shelf, [node]))
        parts.store.drop_feed(order.mark)
    kitchen.shelf.drop(node)


def _archive(kitchen: _Kitchen) -> None:
    """Write what changed of the archive, before the site's feed leads there."""
    written, removed = archiving.write(kitchen.parts, kitchen)
    kitchen.published.written += written
    kitchen.published.removed += removed


def _entries(order: _Order, kitchen: _Kitchen) -> list[RenderedEntry]:
    if order.node in kitchen.tree.refused:
        raise InvalidItem(kitchen.tree.refused[order.node])
    entries = kitchen.entries(order.ids)
    if not entries:
        raise InvalidItem("none of its articles can be read now; its last good files stay")
    return entries


def _document(node: Node, entries: Sequence[RenderedEntry], kitchen: _Kitchen) -> FeedDocument:
    parts = kitchen.parts
    return plan.document(
        kitchen.place(node),
        entries,
        site=parts.site,
        settings=parts.feeds,
        parents=[*map(kitchen.place, categories.lineage(node)[:-1])],
        tally=kitchen.overview.tally(node),
        branches=kitchen.overview.branches(node),
        deletions=parts.store.deletions(node, DELETIONS),
        archive=None if node else parts.store.last_page(),
    )


def _serve(plates: Sequence[_Plate], kitchen: _Kitchen, now: datetime) -> None:
    parts, published = kitchen.parts, kitchen.published
    entries = [entry for plate in plates for entry in plate.document.entries]
    kitchen.keep_bodies()  # first: if the process ends below, what readers see by then can be shown again
    written = kitchen.articles.write(entries)  # before the feeds that lead there
    seen = {path: "" if path in kitchen.left else stamp for plate in plates for path, stamp in plate.order.seen.items()}
    written += parts.output.publish((file for plate in plates for file in plate.files), seen=seen)
    stamps = parts.output.stamps(file.path for plate in plates for file in plate.files)
    feeds = [_published_feed(plate, stamps, parts) for plate in plates]
    # Removed while the store still knows them: a crash in between leaves no file that nobody would ever remove.
    keep = {path for feed in feeds for path, _, _ in feed.files}
    removed = parts.output.remove(kitchen.shelf.left_by({feed.node for feed in feeds}, keep=keep))
    with kitchen.noting():
        parts.store.depart(moves.left(kitchen.shelf, feeds))
        for feed, plate in zip(feeds, plates, strict=True):
            parts.store.save_feed(feed, mark=plate.order.mark, now=now)
            kitchen.faults.feed_mended(feed.node)
            if _is_late(plate, kitchen):
                parts.store.mark([feed.node], not_before=now + RETRY)
        _mark_site(kitchen, is_stale=any(kitchen.shelf.differs(feed) for feed in feeds))
    for feed in feeds:
        kitchen.shelf.put(feed)
    published.written += written
    kitchen.note_removed(removed)


def _is_late(plate: _Plate, kitchen: _Kitchen) -> bool:
    """Tell if the feed, or its archive, shows an article otherwise than its document does by now."""
    return bool(kitchen.late) if not plate.node else not kitchen.late.isdisjoint(plate.order.ids)


def _published_feed(plate: _Plate, stamps: Mapping[str, str], parts: Parts) -> PublishedFeed:
    return PublishedFeed(
        node=plate.node,
        fingerprint=parts.fingerprint,
        updated=plate.document.updated,
        files=tuple((f.path, sha256(f.body).hexdigest(), stamps.get(f.path, "")) for f in plate.files),
        ids=tuple(entry.id for entry in plate.document.entries),
        count=len(plate.document.entries),
    )


def _fail(node: Node, reason: str, kitchen: _Kitchen, now: datetime) -> None:
    kitchen.published.failed[node] = reason
    kitchen.faults.feed_failed(node, reason)
    with kitchen.noting():
        kitchen.parts.store.mark([node], not_before=now + RETRY)


def _drop(orders: Sequence[_Order], kitchen: _Kitchen, _now: datetime) -> None:
    parts = kitchen.parts
    nodes = {order.node for order in orders}
    if () in nodes:
        _archive(kitchen)
    removed = parts.output.remove(kitchen.shelf.left_by(nodes))
    with kitchen.noting():
        parts.store.depart(moves.dropped(kitchen.shelf, sorted(nodes)))
        for order in orders:
            parts.store.drop_feed(order.mark)
            kitchen.faults.feed_mended(order.node)
        _mark_site(kitchen, is_stale=bool(orders))
    for order in orders:
        kitchen.shelf.drop(order.node)
    kitchen.note_removed(removed)


def _mark_site(kitchen: _Kitchen, *, is_stale: bool) -> None:
    """Have the lists of all feeds written anew, by the one who writes the site's own."""
    if kitchen.is_part and is_stale:
        kitchen.parts.store.mark([()])


def _finish(kitchen: _Kitchen, now: datetime) -> None:
    """Have documents polled at once that are not what was polled, and forget faults of articles that have gone."""
    store, faults = kitchen.parts.store, kitchen.faults
    for id_ in set(faults.entries()).difference(store.digests(faults.entries())):
        faults.entry_mended(id_)
    with store.transaction():
        for name in sorted(kitchen.published.outdated):
            store.request_poll(name, now)
        faults.save()
    faults.saved()
    faults.report_rest()


# ---------------------------------------------------------------- indexes


def _publish_assets(kitchen: _Kitchen) -> None:
    """Write what pages look like before the first of them; that it failed is told with the indexes, where it is tried again."""
    parts = kitchen.parts
    with suppress(FeederError):
        kitchen.published.written += parts.output.publish(render.render_assets(parts.site))


def _publish_indexes(kitchen: _Kitchen, now: datetime, *, is_shared: bool) -> None:
    parts, published = kitchen.parts, kitchen.published
    files = _indexes(parts, kitchen.shelf, kitchen.tree)
    done = set(published.written)
    try:
        published.removed += kitchen.articles.clear(is_shared=is_shared)  # first: a takedown needs no room on the disk
        published.written += parts.output.publish(file for file in files if file.path not in done)
        published.removed += parts.output.remove(() if files else _INDEXES)
        kitchen.faults.indexes_mended()
    except FeederError as error:
        published.failed[("feeds.json",)] = str(error)
        kitchen.faults.indexes_failed(str(error))
        with parts.store.transaction():
            parts.store.mark([()], not_before=now + RETRY)


def _indexes(parts: Parts, shelf: Shelf, tree: Tree) -> tuple[FeedFile, ...]:
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


def _batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part
