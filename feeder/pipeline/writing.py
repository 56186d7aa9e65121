"""Writing feeds: batch by batch, a bad one by itself. Marks are removed only after the files are in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, TypeVar

from feeder import categories, plan, render
from feeder.errors import FeederError, InvalidItem
from feeder.model import FeedDocument, FeedFile, Node, RenderedEntry
from feeder.pipeline import Parts, archiving, moves
from feeder.pipeline.choosing import Order
from feeder.pipeline.cooking import Kitchen
from feeder.pipeline.edition import Edition
from feeder.store.records import PublishedFeed

DELETIONS = 100  # that one feed tells of: a source that goes takes all it had along


class _Placed(Protocol):
    """Something to be done for a node's feed."""

    @property
    def node(self) -> Node:
        """The category."""


W = TypeVar("W", bound=_Placed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plate:
    """A feed ready to be written."""

    order: Order
    document: FeedDocument
    files: tuple[FeedFile, ...]

    @property
    def node(self) -> Node:
        return self.order.node


def write(orders: Sequence[Order], kitchen: Kitchen) -> None:
    """Write a batch of feeds, and remove those of categories that have no article any more."""
    plates = [plate for order in orders if order.ids and (plate := _plate(order, kitchen))]
    _together_or_alone(_serve, plates, kitchen)
    # Last, so that a file which passes from a category that has gone to another is there at any time.
    _together_or_alone(_drop, [order for order in orders if not order.ids], kitchen)
    kitchen.trim()


def _together_or_alone(act: Callable[[Sequence[W], Kitchen], None], feeds: Sequence[W], kitchen: Kitchen) -> None:
    """Do a batch; if it fails as a whole, try each feed alone, so that only the bad one waits."""
    try:
        act(feeds, kitchen)
    except FeederError:
        for feed in feeds:
            try:
                act([feed], kitchen)
            except FeederError as error:
                kitchen.edition.fail(feed.node, error)


# ---------------------------------------------------------------- a feed


def _plate(order: Order, kitchen: Kitchen) -> _Plate | None:
    edition = kitchen.edition
    try:
        if not order.node:
            archiving.write(kitchen)  # first: a takedown does not wait until the feed can be written
        entries = _entries(order, kitchen)
        if not order.node:
            archiving.file_away([entry.id for entry in entries], edition.parts)
            archiving.write(kitchen)  # before the site's feed leads there
        document = _document(order.node, entries, edition)
        return _Plate(order=order, document=document, files=render.render(document, edition.parts.site))
    except (FeederError, ValueError) as error:
        with suppress(FeederError):  # it is tried again with the feed
            _take_back(order, edition)
        edition.fail(order.node, error)
        return None


def _entries(order: Order, kitchen: Kitchen) -> list[RenderedEntry]:
    refused = kitchen.edition.tree.refused
    if order.node in refused:
        raise InvalidItem(refused[order.node])
    entries = kitchen.entries(order.ids)
    if not entries:
        raise InvalidItem("none of its articles can be read now; its last good files stay")
    return entries


def _document(node: Node, entries: Sequence[RenderedEntry], edition: Edition) -> FeedDocument:
    parts = edition.parts
    return plan.document(
        edition.place(node),
        entries,
        site=parts.site,
        settings=parts.feeds,
        parents=[*map(edition.place, categories.lineage(node)[:-1])],
        tally=edition.overview.tally(node),
        branches=edition.overview.branches(node),
        deletions=parts.store.deletions(node, DELETIONS),
        archive=None if node else parts.store.last_page(),
    )


def _take_back(order: Order, edition: Edition) -> None:
    """Remove the last good files of a feed that has no directory, if they show what was taken down."""
    parts, node = edition.parts, order.node
    if node not in edition.tree.refused or not parts.store.shows_removed(node):
        return
    edition.note_removed(parts.output.remove(edition.shelf.left_by({node})))
    with parts.store.transaction():
        parts.store.depart(moves.dropped(edition.shelf, [node]))
        parts.store.drop_feed(order.mark)
    edition.shelf.drop(node)


# ---------------------------------------------------------------- a batch


def _serve(plates: Sequence[_Plate], kitchen: Kitchen) -> None:
    edition = kitchen.edition
    edition.keep_bodies()  # first: if the process ends below, what readers see by then can be shown again
    written = _files_written(plates, edition)
    feeds = _published_feeds(plates, edition.parts)
    # Removed while the store still knows them: a crash in between leaves no file that nobody would ever remove.
    keep = {path for feed in feeds for path, _, _ in feed.files}
    removed = edition.parts.output.remove(edition.shelf.left_by({feed.node for feed in feeds}, keep=keep))
    _note(plates, feeds, edition)
    for feed in feeds:
        edition.shelf.put(feed)
    edition.published.written += written
    edition.note_removed(removed)


def _files_written(plates: Sequence[_Plate], edition: Edition) -> tuple[str, ...]:
    entries = [entry for plate in plates for entry in plate.document.entries]
    pages = edition.articles.write(entries)  # before the feeds that lead there
    seen = {path: "" if path in edition.left else stamp for plate in plates for path, stamp in plate.order.seen.items()}
    return (*pages, *edition.parts.output.publish((file for plate in plates for file in plate.files), seen=seen))


def _published_feeds(plates: Sequence[_Plate], parts: Parts) -> list[PublishedFeed]:
    stamps = parts.output.stamps(file.path for plate in plates for file in plate.files)
    return [_published_feed(plate, stamps, parts) for plate in plates]


def _published_feed(plate: _Plate, stamps: Mapping[str, str], parts: Parts) -> PublishedFeed:
    return PublishedFeed(
        node=plate.node,
        fingerprint=parts.fingerprint,
        updated=plate.document.updated,
        files=tuple((f.path, sha256(f.body).hexdigest(), stamps.get(f.path, "")) for f in plate.files),
        ids=tuple(entry.id for entry in plate.document.entries),
        count=len(plate.document.entries),
    )


def _note(plates: Sequence[_Plate], feeds: Sequence[PublishedFeed], edition: Edition) -> None:
    store = edition.parts.store
    with edition.noting():
        store.depart(moves.left(edition.shelf, feeds))
        for feed, plate in zip(feeds, plates, strict=True):
            store.save_feed(feed, mark=plate.order.mark, now=edition.now)
            edition.faults.feed_mended(feed.node)
            if _is_late(plate, edition):
                edition.mark_again(feed.node)
        if any(edition.shelf.differs(feed) for feed in feeds):
            edition.mark_site()


def _is_late(plate: _Plate, edition: Edition) -> bool:
    """Tell if the feed, or its archive, shows an article otherwise than its document does by now."""
    return bool(edition.late) if not plate.node else not edition.late.isdisjoint(plate.order.ids)


def _drop(orders: Sequence[Order], kitchen: Kitchen) -> None:
    edition, store = kitchen.edition, kitchen.edition.parts.store
    nodes = {order.node for order in orders}
    if () in nodes:
        archiving.write(kitchen)
    removed = edition.parts.output.remove(edition.shelf.left_by(nodes))
    with edition.noting():
        store.depart(moves.dropped(edition.shelf, sorted(nodes)))
        for order in orders:
            store.drop_feed(order.mark)
            edition.faults.feed_mended(order.node)
        if orders:
            edition.mark_site()
    for order in orders:
        edition.shelf.drop(order.node)
    edition.note_removed(removed)
