"""Which articles the feed of a stale node is to hold, and what its files are before these are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from feeder import categories, plan, urls
from feeder.model import Node
from feeder.pipeline import Parts
from feeder.pipeline.edition import Edition
from feeder.store.records import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A stale node and the articles that its feed will hold."""

    mark: Mark
    ids: tuple[str, ...]
    seen: Mapping[str, str]  # what its files were before its articles were read (see `Output.publish`)

    @property
    def node(self) -> Node:
        """The category."""
        return self.mark.node


def orders(marks: Sequence[Mark], edition: Edition) -> list[Order]:
    """Choose the articles of some nodes.

    Raises:
        OutputError: The output does not even say what is there.
    """
    paths = {mark.node: _files(mark.node, edition) for mark in marks}
    stamps = edition.parts.output.stamps(chain.from_iterable(paths.values()))
    chosen = [
        Order(
            mark=mark,
            ids=selected(mark.node, edition.parts),
            seen={path: stamps.get(path, "") for path in paths[mark.node]},
        )
        for mark in marks
    ]
    edition.articles.look(id_ for order in chosen for id_ in order.ids)
    return chosen


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


def _files(node: Node, edition: Edition) -> list[str]:
    """Return what files the feed of *node* is to have."""
    category = edition.tree.places.get(node)
    names = (*(urls.FILE_NAMES[made] for made in edition.parts.feeds.formats), urls.PAGE)
    return [urls.file_path(category, name) for name in names] if category else []
