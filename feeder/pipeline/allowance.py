"""How many categories a source may bring: of its own, those that came first; what is in others goes to the source's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace

from feeder.categories import lineage, node
from feeder.model import CategoryPath, Node, Reading, Source

Brought = Callable[[str], Collection[CategoryPath]]
"""Returns the category paths that the articles of a source have."""


class Allowance:
    """What a source may still bring in the course of one poll; the categories that the operator gave do not count."""

    def __init__(self, source: Source, brought: Brought) -> None:
        self._source = source
        self._brought = brought
        self._given = _nodes(source.category)
        self._nodes: set[Node] | None = None  # that it brought; None: that was not asked yet

    def within(self, reading: Reading) -> Reading:
        """Return *reading* with no more categories than the source may bring."""
        most, article = self._source.max_categories, reading.article
        if most is None or article is None:
            return reading
        nodes = self._nodes = self._known(most) if self._nodes is None else self._nodes
        kept = tuple(self._kept(article.categories, nodes, most))
        if kept == article.categories:
            return reading
        own = (self._source.category,) if self._source.category else ()
        return replace(reading, article=replace(article, categories=kept or own))

    def _known(self, most: int) -> set[Node]:
        known = {each for path in self._brought(self._source.name) for each in _nodes(path)} - self._given
        return set(sorted(known)[:most])  # parents come before their children

    def _kept(self, paths: Iterable[CategoryPath], nodes: set[Node], most: int) -> Iterator[CategoryPath]:
        for path in paths:
            new = _nodes(path) - nodes - self._given
            if not new or len(nodes) + len(new) <= most:
                nodes |= new
                yield path


def _nodes(path: CategoryPath) -> frozenset[Node]:
    return frozenset(lineage(node(path))[1:])
