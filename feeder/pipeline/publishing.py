"""Publishing: stale nodes become files, the next ones being rendered while some are written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from feeder import shards
from feeder.batches import batches
from feeder.errors import OutputError
from feeder.pipeline import Parts, indexes, moves, writing
from feeder.pipeline.choosing import Order, orders
from feeder.pipeline.cooking import Kitchen
from feeder.pipeline.edition import Edition, Published
from feeder.store.records import Mark

BATCH = 24  # nodes written with one flush to the disk
AHEAD = 2  # batches being rendered while one is written: enough to keep all cores busy while the disk is waited for

Progress = Callable[[int, int], None]
"""Told how many feeds are done, and how many there are to do."""


def publish(parts: Parts, *, now: datetime, settle: timedelta, progress: Progress | None = None) -> Published:
    """Render and write the feeds of every stale node; a node that fails keeps its mark and its last good files."""
    ripen(parts, now)
    published = Published()
    marks = parts.store.stale(now, settle=settle)
    if marks:
        _publish_all(marks, Edition(parts, published, now), progress)
    return published


def ripen(parts: Parts, now: datetime) -> None:
    """Mark what has become another by itself."""
    with parts.store.transaction():
        parts.store.release(now)
        parts.store.end_deletions(now - parts.feeds.deletions)


def publish_site(parts: Parts, *, now: datetime, settle: timedelta, progress: Progress | None = None) -> Published:
    """Publish the site's own feed and what there is once, beside others who publish the shards of all other feeds."""
    published = Published()
    marks = parts.store.stale(now, settle=settle, shard=shards.SITE)
    if marks:
        _publish_all(marks, Edition(parts, published, now), progress, is_shared=True)
    return published


def publish_shard(
    parts: Parts, shard: int, *, now: datetime, settle: timedelta, progress: Progress | None = None
) -> Published:
    """Publish the stale feeds of a shard; where that changes what is told of them elsewhere, the site is stale."""
    published = Published()
    marks = parts.store.stale(now, settle=settle, shard=shard)
    if marks:
        edition = Edition(parts, published, now, is_part=True)
        _publish_feeds(marks, edition, progress)
        edition.finish()
    return published


def _publish_all(
    marks: Sequence[Mark], edition: Edition, progress: Progress | None, *, is_shared: bool = False
) -> None:
    indexes.write_assets(edition)
    _publish_feeds(marks, edition, progress)
    indexes.write(edition, is_shared=is_shared)
    edition.finish()
    edition.published.left = moves.settled(edition.parts, edition.shelf)


def _publish_feeds(marks: Sequence[Mark], edition: Edition, progress: Progress | None) -> None:
    kitchen = Kitchen(edition)
    for done in _pipelined(marks, kitchen):
        writing.write(done, kitchen)
        edition.published.nodes += len(done)
        if progress:
            progress(edition.published.nodes, len(marks))


def _pipelined(marks: Sequence[Mark], kitchen: Kitchen) -> Iterator[list[Order]]:
    """Yield the orders batch by batch, the next ones always being rendered while one is written."""
    waiting: deque[list[Order]] = deque()
    for part in batches(marks, BATCH):
        waiting.append(_ordered(part, kitchen))
        if len(waiting) > AHEAD:
            yield waiting.popleft()
    yield from waiting


def _ordered(marks: Sequence[Mark], kitchen: Kitchen) -> list[Order]:
    """Choose the articles of some nodes and begin to render those that are not at hand."""
    edition = kitchen.edition
    try:
        chosen = orders(marks, edition)
    except OutputError as error:
        for mark in marks:
            edition.fail(mark.node, error)
        return []
    kitchen.begin(id_ for order in chosen if order.node not in edition.tree.refused for id_ in order.ids)
    return chosen
