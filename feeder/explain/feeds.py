"""The feeds of an article's categories: which of them hold it, and why the others do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from feeder import categories, urls
from feeder.app import App
from feeder.model import Node, Shown
from feeder.pipeline import choosing, tree
from feeder.store.records import FaultKind
from feeder.wording import named


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A feed of one of the article's categories. `reason` says why it does not hold the article."""

    node: Node
    title: str
    urls: tuple[str, ...]
    reason: str | None = None


def feeds_of(shown: Shown, app: App, now: datetime) -> Iterator[Feed]:
    """Yield the feeds of all categories of an article, those of parents first."""
    labels = app.store.nodes()
    reasons = _reasons(shown, app, now)
    nodes = {node for path in shown.categories for node in categories.lineage(categories.node(path))} | {()}
    for node in sorted(nodes):
        place = tree.place_of(node, labels, app.parts)
        made = urls.feed_urls(place, app.config.site, app.config.feeds.formats)
        yield Feed(node=node, title=named(place.labels), urls=tuple(url for _, url in made), reason=reasons(node))


def _reasons(shown: Shown, app: App, now: datetime) -> Callable[[Node], str | None]:
    """Return what tells why the feed of a node does not hold the article."""
    holding = set(app.store.feeds_of(shown.id))
    stale = {mark.node for mark in app.store.stale(now, settle=timedelta())}
    faults = {fault.subject: fault.reason for fault in app.store.faults() if fault.kind is FaultKind.FEED}

    def reason(node: Node) -> str | None:
        if node in holding:
            return None
        fault = faults.get(categories.join_path(node))
        return fault or _why_not_held(node, shown.id, app, is_stale=node in stale)

    return reason


def _why_not_held(node: Node, id_: str, app: App, *, is_stale: bool) -> str:
    chosen = choosing.selected(node, app.parts)
    if id_ not in chosen:
        rank = next((at for at, each in enumerate(app.store.newest(node), start=1) if each.id == id_), 0)
        return f"beyond the newest {len(chosen)}: it is number {rank}"
    if is_stale:
        return "waits for the next publish"
    return "its text could not be read when the feed was written"
