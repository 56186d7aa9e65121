"""Where feeds are and where they are to be: which category has which directory, and which has to wait for one."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from feeder import categories, plan, urls
from feeder.model import Category, Node
from feeder.pipeline import Parts
from feeder.store.records import PublishedFeed


class Shelf:
    """The feeds that are published, as the state has them, and whose each file is: read once, then kept in step."""

    def __init__(self, feeds: Iterable[PublishedFeed]) -> None:
        self._feeds: dict[Node, PublishedFeed] = {}
        self._owners: dict[str, set[Node]] = {}
        for feed in feeds:
            self.put(feed)

    def __iter__(self) -> Iterator[PublishedFeed]:
        return iter(self._feeds.values())

    def put(self, feed: PublishedFeed) -> None:
        """Note a feed as published, in place of its node's last one."""
        self.drop(feed.node)
        self._feeds[feed.node] = feed
        for path, _, _ in feed.files:
            self._owners.setdefault(path, set()).add(feed.node)

    def differs(self, feed: PublishedFeed) -> bool:
        """Tell whether *feed* is another than its node's last one, to whoever lists all feeds."""
        last = self._feeds.get(feed.node)
        return last is None or (last.updated, last.count, _digests(last)) != (feed.updated, feed.count, _digests(feed))

    def drop(self, node: Node) -> None:
        """Note the feed of *node* as gone."""
        for path in self._paths(node):
            self._owners[path].discard(node)
        self._feeds.pop(node, None)

    def left_by(self, nodes: Collection[Node], *, keep: Collection[str] = ()) -> list[str]:
        """Return the files that *nodes* had, but for those to *keep* and those that are another node's by now."""
        old = {path for node in nodes for path in self._paths(node)}.difference(keep)
        return sorted(path for path in old if self._owners[path].issubset(nodes))

    def place(self, node: Node) -> str | None:
        """Return the directory of the feed of *node* below the output root; None if there is none."""
        return next((path.rpartition("/")[0] for path in self._paths(node)), None)

    def directory(self, node: Node) -> tuple[str, ...] | None:
        """Return where the feed of *node* is, as slugs; None if there is none."""
        return next(map(_slugs_in, self._paths(node)), None)

    def holders(self, directories: Collection[tuple[str, ...]]) -> Mapping[tuple[str, ...], set[Node]]:
        """Return for each of *directories*, given as slugs, the nodes that have files in it or below it."""
        found: dict[tuple[str, ...], set[Node]] = {slugs: set() for slugs in directories}
        for feed in self:
            for slugs in {_slugs_in(path) for path, _, _ in feed.files}:
                for depth in range(len(slugs) + 1):
                    if slugs[:depth] in found:
                        found[slugs[:depth]].add(feed.node[:depth])
        return found

    def _paths(self, node: Node) -> Iterator[str]:
        feed = self._feeds.get(node)
        return (path for path, _, _ in (feed.files if feed else ()))


def _digests(feed: PublishedFeed) -> frozenset[tuple[str, str]]:
    return frozenset((path, digest) for path, digest, _ in feed.files)


def _slugs_in(path: str) -> tuple[str, ...]:
    return tuple(path.split("/")[1:-1])


# ---------------------------------------------------------------- the tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Every node that has articles, ready to be named in feeds."""

    places: Mapping[Node, Category]
    children: Mapping[Node, tuple[Node, ...]]  # without the refused
    refused: Mapping[Node, str]  # why a node has no directory

    @classmethod
    def of(cls, parts: Parts, shelf: Shelf) -> Tree:
        """Return the tree of the state, as the config and what is published let it be."""
        labels = parts.store.nodes()
        places = {node: place_of(node, labels, parts) for node in {(), *labels}}
        refused = _refused(places, shelf)
        children: dict[Node, list[Node]] = {}
        for node in sorted(labels):
            if node and node not in refused:
                children.setdefault(node[:-1], []).append(node)
        return cls(places=places, children={node: tuple(below) for node, below in children.items()}, refused=refused)


def _refused(places: Mapping[Node, Category], shelf: Shelf) -> dict[Node, str]:
    """Return the nodes whose directory is another's, with all below them: a directory never changes hands.

    Two nodes want one directory if the config says so, or if the hashes of their names collide. A node that is refused
    another directory stays in its own, so that nobody else can have that: it takes a few rounds to find them all.
    """
    reasons: dict[Node, str] = {}
    refused: dict[Node, str] = {}
    while lost := _losers(places, shelf, refused):
        reasons |= lost
        refused = {node: reasons[above] for node in places for above in categories.lineage(node) if above in reasons}
    return refused


def _losers(places: Mapping[Node, Category], shelf: Shelf, refused: Collection[Node]) -> dict[Node, str]:
    wanted: dict[tuple[str, ...], list[Node]] = {}
    for node in sorted(places):
        slugs = shelf.directory(node) if node in refused else places[node].slugs
        if slugs is not None:
            wanted.setdefault(slugs, []).append(node)
    contested = {slugs: nodes for slugs, nodes in wanted.items() if len(nodes) > 1}
    holders = shelf.holders(contested) if contested else {}
    lost: dict[Node, str] = {}
    for slugs in sorted(contested, key=len):
        rivals = [node for node in contested[slugs] if lost.keys().isdisjoint(categories.lineage(node))]
        rivals.sort(key=lambda n: (n not in refused, n not in holders[slugs], _is_renamed(places[n]), n))
        lost |= {node: _refusal(places[node], places[rivals[0]]) for node in rivals[1:] if node not in refused}
    return lost


def _is_renamed(category: Category) -> bool:
    return category.slugs != categories.slugs(category.node)


def _refusal(category: Category, owner: Category) -> str:
    # A string of JSON is one of TOML, too: it can be copied into the config.
    ours, theirs = (json.dumps(categories.join_path(each.labels), ensure_ascii=False) for each in (category, owner))
    return (
        f"the directory {urls.directory(category)} of {ours} is that of {theirs}, whose feeds stay; "
        f"give [categories.{ours}] another slug"
    )


def place_of(node: Node, labels: Mapping[Node, str], parts: Parts) -> Category:
    """Return the category *node*, with what the config says of it; *labels* are those of `Store.nodes`."""
    path = tuple(labels.get(node[: depth + 1], node[depth]) for depth in range(len(node)))
    return plan.place(node, path, parts.site)
