"""What the ``[categories."A/B"]`` tables say of one another: doubles, loops and clashes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from feeder.categories import join_path, node, renamed, slug
from feeder.config.values import shown
from feeder.model import CategoryPath, CategorySettings, Node


def faults_of_categories(categories: Mapping[str, CategorySettings]) -> Iterator[tuple[str, str]]:
    """Yield each key as written with what is wrong with it, seen beside the others."""
    first: dict[Node, str] = {}
    for key, category in categories.items():
        before = first.setdefault(node(category.path), key)
        if before != key:
            yield key, f"is the same category as {shown(before)}"
    aliases = {node(each.path): node(each.same_as) for each in categories.values() if each.same_as}
    yield from _faults_of_aliases(categories, aliases)
    yield from _clashes(categories, aliases)


def _faults_of_aliases(
    categories: Mapping[str, CategorySettings], aliases: Mapping[Node, Node]
) -> Iterator[tuple[str, str]]:
    for key, category in categories.items():
        if category.same_as and _leads_back(node(category.path), aliases):
            yield key, f"same_as: {shown(join_path(category.same_as))} leads back here"
        if category.same_as and replace(category, same_as=None) != CategorySettings(path=category.path):
            yield key, "same_as stands alone: the other category's settings count"


def _leads_back(start: Node, aliases: Mapping[Node, Node]) -> bool:
    """Tell whether *start* is, by way of *aliases*, the same as itself or as a category below itself."""
    here = start
    for _ in aliases:  # each serves once on a way that ends
        here = renamed(here, aliases)
        if here[: len(start)] == start:
            return True
    return False


def _clashes(categories: Mapping[str, CategorySettings], aliases: Mapping[Node, Node]) -> Iterator[tuple[str, str]]:
    """Find two categories in one directory, among those that are named, those above them and those that get articles."""
    slugs = {node(each.path): each.slug for each in categories.values() if each.slug}
    owners: dict[tuple[str, ...], CategoryPath] = {}
    told: set[Node] = set()
    for key, level in _levels(categories):
        at = node(level)
        if renamed(at, aliases) != at:
            continue  # it has no articles, and no feed
        owner = owners.setdefault(_directory(level, slugs), level)
        if node(owner) != at and at not in told:
            told.add(at)
            whose = "its feeds" if level == categories[key].path else f"the feeds of {shown(join_path(level))}"
            over = f"would be written over those of {shown(join_path(owner))}"
            yield key, f"{whose} {over}; give one of them another slug"


def _levels(categories: Mapping[str, CategorySettings]) -> Iterator[tuple[str, CategoryPath]]:
    for key, category in categories.items():
        path = category.same_as or category.path
        yield from ((key, path[:depth]) for depth in range(1, len(path) + 1))


def _directory(path: CategoryPath, slugs: Mapping[Node, str]) -> tuple[str, ...]:
    parts = enumerate(path, start=1)
    return tuple(slugs.get(node(path[:depth])) or slug(label) for depth, label in parts)
