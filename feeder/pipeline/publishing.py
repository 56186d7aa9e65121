"""Publishing: stale nodes become files. Marks are removed only after the files are in place."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import TypeVar

import structlog

from feeder import categories, plan, render, urls
from feeder.dedup import UNRANKED
from feeder.errors import FeederError, InvalidItem
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
from feeder.pipeline import Parts, work
from feeder.store import Mark, PublishedFeed, StoredBody

log = structlog.get_logger(__name__)

BATCH = 24  # nodes written with one flush to the disk
JOB = 48  # entries in one job of a worker
MANY = 400  # entries to render that are worth starting processes for
CACHED_BYTES = 48 << 20  # of rendered entries: enough for a category's children until its own turn comes
RETRY = timedelta(minutes=1)  # for a feed that could not be written

T = TypeVar("T")
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


def publish(parts: Parts, *, now: datetime, settle: timedelta, progress: Progress | None = None) -> Published:
    """Render and write the feeds of every stale node; a node that fails keeps its mark and its last good files."""
    published = Published()
    with parts.store.transaction():
        published.released = parts.store.release(now)
    marks = parts.store.stale(now, settle=settle)
    if not marks:
        return published
    kitchen = _Kitchen(parts, _Tree.of(parts), published)
    for done in _pipelined(kitchen, marks):
        _write(done, kitchen, now)
        published.nodes += len(done)
        if progress:
            progress(published.nodes, len(marks))
    _publish_indexes(parts, kitchen.tree, published, now)
    _poll_outdated(parts, published, now)
    return published


def audit(parts: Parts) -> int:
    """Mark the nodes whose files were altered or lost, or were rendered with other settings; return how many."""
    bad = [feed.node for feed in parts.store.feeds() if not _is_current(feed, parts)]
    if not _are_indexes_current(parts):
        bad.append(())
    with parts.store.transaction():
        parts.store.mark(bad)
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


def _is_current(feed: PublishedFeed, parts: Parts) -> bool:
    return feed.fingerprint == parts.fingerprint and all(
        parts.output.stamp(path) == stamp for path, _, stamp in feed.files
    )


def _are_indexes_current(parts: Parts) -> bool:
    wanted = {file.path: file.body for file in _indexes(parts, _Tree.of(parts))}
    return all(parts.output.read(path) == wanted.get(path) for path in render.INDEXES)


# ---------------------------------------------------------------- the tree


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """Every node that has articles, ready to be named in feeds."""

    places: Mapping[Node, Category]
    children: Mapping[Node, tuple[Node, ...]]
    clashes: Mapping[Node, Node]  # a node -> the one before it that has the same directory

    @classmethod
    def of(cls, parts: Parts) -> _Tree:
        labels = parts.store.nodes()
        children: dict[Node, list[Node]] = {}
        for node in sorted(labels):
            if node:
                children.setdefault(node[:-1], []).append(node)
        places = {node: place_of(node, labels, parts) for node in {(), *labels}}
        return cls(
            places=places,
            children={node: tuple(below) for node, below in children.items()},
            clashes=_clashes(places),
        )


def _clashes(places: Mapping[Node, Category]) -> dict[Node, Node]:
    """Return the nodes that would write another's files: a slug from the config may be that of a category."""
    first: dict[tuple[str, ...], Node] = {}
    owners = ((node, first.setdefault(places[node].slugs, node)) for node in sorted(places))
    return {node: owner for node, owner in owners if node != owner}


def place_of(node: Node, labels: Mapping[Node, str], parts: Parts) -> Category:
    """Return the category *node*, with what the config says of it; *labels* are those of `Store.nodes`."""
    path = tuple(labels.get(node[: depth + 1], node[depth]) for depth in range(len(node)))
    return plan.place(node, path, parts.site)


# ---------------------------------------------------------------- rendering


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A stale node and the articles that its feed will hold."""

    mark: Mark
    ids: tuple[str, ...]


class _Kitchen:
    """Renders each article once for all nodes that want it, in worker processes, and keeps the latest at hand."""

    def __init__(self, parts: Parts, tree: _Tree, published: Published) -> None:
        self.parts = parts
        self.tree = tree
        self.published = published
        self._running: dict[str, Future[list[work.Served]]] = {}
        self._served: OrderedDict[str, RenderedEntry | None] = OrderedDict()
        self._bytes = 0
        self._bodies: list[StoredBody] = []
        self.late: set[str] = set()  # ids whose document is not what was polled
        self._keys: dict[str, bytes] = {}
        self._sources: dict[str, str] = {}

    def order(self, marks: Sequence[Mark]) -> list[_Order]:
        """Choose the articles of some nodes and begin to render those that are not at hand."""
        orders = [_Order(mark=mark, ids=selected(mark.node, self.parts)) for mark in marks]
        wanted = dict.fromkeys(id_ for order in orders for id_ in order.ids)
        missing = [id_ for id_ in wanted if id_ not in self._served and id_ not in self._running]
        for id_ in wanted:
            if id_ in self._served:
                self._served.move_to_end(id_)
        if len(missing) > MANY:
            self.parts.workers.start()
        for part in _batches(missing, JOB):
            self._begin(part)
        return orders

    def entries(self, ids: Sequence[str]) -> list[RenderedEntry]:
        """Return the entries of *ids* in order, without those that cannot be shown."""
        found = []
        for id_ in ids:
            if id_ not in self._served:
                self._collect(self._running[id_] if id_ in self._running else self._begin([id_]))
            entry = self._served[id_]
            if entry:
                found.append(entry)
        return found

    def take_bodies(self) -> list[StoredBody]:
        """Return the bodies that were cleaned since the last call."""
        bodies, self._bodies = self._bodies, []
        return bodies

    def trim(self) -> None:
        """Let go of the entries that were not wanted for longest."""
        while self._bytes > CACHED_BYTES:
            _, entry = self._served.popitem(last=False)
            self._bytes -= _weight(entry)

    def _begin(self, ids: Collection[str]) -> Future[list[work.Served]]:
        store = self.parts.store
        shown, digests, bodies = store.shown(ids), store.digests(ids), store.bodies(ids)
        jobs = tuple(self._job(s, digests[s.id], bodies.get(s.id)) for s in shown.values())
        future = self.parts.workers.submit(work.render, work.RenderJob(site=self.parts.site, entries=jobs))
        self._running.update(dict.fromkeys(ids, future))
        return future

    def _job(self, shown: Shown, digest: bytes, stored: StoredBody | None) -> work.EntryJob:
        source = self.parts.sources.get(shown.source) or _gone(shown.source)
        key = work.body_key(shown, source)
        self._keys[shown.id], self._sources[shown.id] = key, shown.source
        return work.EntryJob(
            shown=shown,
            source=source,
            categories=self._categories(shown),
            content=self.parts.feeds.content,
            digest=digest,
            body=stored.packed if stored and stored.key == key else None,
            spare=stored.packed if stored else None,
        )

    def _categories(self, shown: Shown) -> tuple[Category, ...]:
        """Every level of every path, parents first; the order of the paths as written does not matter."""
        nodes = {n for path in shown.categories for n in categories.lineage(categories.node(path))[1:]}
        return tuple(self.tree.places[node] for node in sorted(nodes))

    def _collect(self, future: Future[list[work.Served]]) -> None:
        for served in future.result():
            self._running.pop(served.id, None)
            self._served[served.id] = served.entry
            self._bytes += _weight(served.entry)
            if served.body:
                self._bodies.append(StoredBody(id=served.id, key=self._keys[served.id], packed=served.body))
            if served.is_outdated:
                self.late.add(served.id)
                self.published.outdated.add(self._sources[served.id])
            if served.problem:
                self.published.left_out[served.id] = served.problem
                log.warning("entry_left_out", id=served.id, reason=served.problem)


def _gone(name: str) -> Source:
    """Stand in for a source that has left the config, and whose articles are kept."""
    return Source(name=name, order=UNRANKED, timezone=UTC_ZONE)


def _weight(entry: RenderedEntry | None) -> int:
    return len(entry.atom) + len(entry.rss) + len(entry.json) + len(entry.page) + 500 if entry else 100


def _pipelined(kitchen: _Kitchen, marks: Sequence[Mark]) -> Iterator[list[_Order]]:
    """Yield the orders batch by batch, the next batch always being rendered while one is written."""
    waiting: deque[list[_Order]] = deque()
    for part in _batches(marks, BATCH):
        waiting.append(kitchen.order(part))
        if len(waiting) > 1:
            yield waiting.popleft()
    yield from waiting


# ---------------------------------------------------------------- writing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plate:
    """A feed ready to be written."""

    order: _Order
    document: FeedDocument
    files: tuple[FeedFile, ...]


def _write(orders: Sequence[_Order], kitchen: _Kitchen, now: datetime) -> None:
    """Write a batch of feeds; if the batch fails as a whole, try each feed alone, so that only the bad one waits."""
    plates = [plate for order in orders if (plate := _plate(order, kitchen, now))]
    try:
        _serve(plates, kitchen, now)
    except FeederError:
        for plate in plates:
            _serve_alone(plate, kitchen, now)
    kitchen.trim()


def _plate(order: _Order, kitchen: _Kitchen, now: datetime) -> _Plate | None:
    entries = kitchen.entries(order.ids)
    if not order.ids:
        _drop(order.mark, kitchen.parts, kitchen.published)
        return None
    try:
        _check_plate(order.mark.node, entries, kitchen.tree)
        document = _document(order.mark.node, entries, kitchen)
        return _Plate(order=order, document=document, files=render.render(document))
    except (FeederError, ValueError) as error:
        _fail(order.mark.node, str(error), kitchen, now)
        return None


def _check_plate(node: Node, entries: Sequence[RenderedEntry], tree: _Tree) -> None:
    if not entries:
        raise InvalidItem("none of its articles can be read now; its last good files stay")
    if node in tree.clashes:
        raise InvalidItem(f"its directory is that of {'/'.join(tree.clashes[node])}; give one of them another slug")


def _document(node: Node, entries: Sequence[RenderedEntry], kitchen: _Kitchen) -> FeedDocument:
    tree, parts = kitchen.tree, kitchen.parts
    return plan.document(
        tree.places[node],
        entries,
        site=parts.site,
        settings=parts.feeds,
        parents=[tree.places[above] for above in categories.lineage(node)[:-1]],
        children=[tree.places[below] for below in tree.children.get(node, ())],
    )


def _serve(plates: Sequence[_Plate], kitchen: _Kitchen, now: datetime) -> None:
    parts, published = kitchen.parts, kitchen.published
    written = parts.output.publish(file for plate in plates for file in plate.files)
    feeds = [_published_feed(plate, parts) for plate in plates]
    # Removed while the store still knows them: a crash in between leaves no file that nobody would ever remove.
    removed = _clear(parts, {feed.node for feed in feeds}, keep={path for feed in feeds for path, _, _ in feed.files})
    with parts.store.transaction():
        parts.store.save_bodies(kitchen.take_bodies())
        for feed, plate in zip(feeds, plates, strict=True):
            parts.store.save_feed(feed, mark=plate.order.mark, now=now)
            if not kitchen.late.isdisjoint(plate.order.ids):
                parts.store.mark([feed.node], not_before=now + RETRY)
    published.written += written
    published.removed += removed


def _clear(parts: Parts, nodes: Collection[Node], *, keep: Collection[str] = ()) -> tuple[str, ...]:
    """Remove the files that *nodes* had, but for those to *keep* and those that are another node's by now."""
    old = {path for feed in parts.store.feeds_at(nodes) for path, _, _ in feed.files}.difference(keep)
    if old:
        old -= {path for feed in parts.store.feeds() if feed.node not in nodes for path, _, _ in feed.files}
    return parts.output.remove(sorted(old)) if old else ()


def _published_feed(plate: _Plate, parts: Parts) -> PublishedFeed:
    return PublishedFeed(
        node=plate.order.mark.node,
        fingerprint=parts.fingerprint,
        updated=plate.document.updated,
        files=tuple((f.path, sha256(f.body).hexdigest(), parts.output.stamp(f.path) or "") for f in plate.files),
        ids=tuple(entry.id for entry in plate.document.entries),
    )


def _serve_alone(plate: _Plate, kitchen: _Kitchen, now: datetime) -> None:
    try:
        _serve([plate], kitchen, now)
    except FeederError as error:
        _fail(plate.order.mark.node, str(error), kitchen, now)


def _fail(node: Node, reason: str, kitchen: _Kitchen, now: datetime) -> None:
    kitchen.published.failed[node] = reason
    log.error("feed_failed", category="/".join(node), reason=reason)
    with kitchen.parts.store.transaction():
        kitchen.parts.store.mark([node], not_before=now + RETRY)


def _drop(mark: Mark, parts: Parts, published: Published) -> None:
    """Remove the feed of a category that has no article any more."""
    published.removed += _clear(parts, {mark.node})
    with parts.store.transaction():
        parts.store.drop_feed(mark)


def _poll_outdated(parts: Parts, published: Published, now: datetime) -> None:
    """A document that is not what was polled is polled again at once."""
    with parts.store.transaction():
        for name in sorted(published.outdated):
            parts.store.request_poll(name, now)


# ---------------------------------------------------------------- indexes


def _publish_indexes(parts: Parts, tree: _Tree, published: Published, now: datetime) -> None:
    files = _indexes(parts, tree)
    try:
        published.written += parts.output.publish(files)
        published.removed += parts.output.remove(() if files else render.INDEXES)
    except FeederError as error:
        published.failed[("feeds.json",)] = str(error)
        log.error("indexes_failed", reason=str(error))
        with parts.store.transaction():
            parts.store.mark([()], not_before=now + RETRY)


def _indexes(parts: Parts, tree: _Tree) -> tuple[FeedFile, ...]:
    """Return the lists of all feeds; none if there is no feed."""
    records = [_record(feed, tree.places[feed.node], parts) for feed in parts.store.feeds() if feed.node in tree.places]
    return render.render_indexes(records, parts.site) if records else ()


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
