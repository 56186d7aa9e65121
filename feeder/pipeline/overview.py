"""What the pages of categories say of the categories below them: how much they hold, and how new it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from feeder import plan
from feeder.model import Branch, Node, Tally
from feeder.pipeline import Parts
from feeder.pipeline.tree import Tree


class Overview:
    """The tree with what each category holds, as the state has it; it is counted once, when the first page asks."""

    def __init__(self, parts: Parts, tree: Tree) -> None:
        self._parts = parts
        self._tree = tree
        self._counted: Mapping[Node, Tally] | None = None

    def tally(self, node: Node) -> Tally | None:
        """Return what *node* holds; of the site, with its days. None: nothing is left by now."""
        found = self._tallies().get(node)
        return found if node or found is None else self._with_days(node, found)

    def branches(self, node: Node) -> tuple[Branch, ...]:
        """Return the categories right below *node*; those of the site with all that is below, and with their days."""
        return tuple(self._branches(node, is_whole=not node))

    def _branches(self, node: Node, *, is_whole: bool) -> Iterator[Branch]:
        known = self._tallies()
        for below in filter(known.__contains__, self._tree.children.get(node, ())):
            yield Branch(
                category=self._tree.places[below],
                tally=known[below] if node else self._with_days(below, known[below]),
                branches=tuple(self._branches(below, is_whole=True)) if is_whole else (),
            )

    def _tallies(self) -> Mapping[Node, Tally]:
        if self._counted is None:
            self._counted = self._parts.store.census()
        return self._counted

    def _with_days(self, node: Node, tally: Tally) -> Tally:
        until = self._tallies()[()].newest
        since = until - timedelta(days=plan.DAYS + 1)  # a day more: those of a zone begin at other hours than these
        times = self._parts.store.published_since(node, since)
        return replace(tally, days=plan.activity(times, until=until, zone=self._parts.site.timezone))
