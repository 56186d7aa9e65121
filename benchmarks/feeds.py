"""Reads feeds back: what is fast and wrong is not fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lxml import etree

from benchmarks import Wrong

ENTRIES: Final = 50  # of a feed, at most
LEAST: Final = 500  # characters of a body; every article of the tree has more
ATOM: Final = "{http://www.w3.org/2005/Atom}"
CONTENT: Final = "{http://purl.org/rss/1.0/modules/content/}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format, and the words that it has for the same things."""

    name: str  # of the file
    entry: str
    title: str
    body: str


FORMATS: Final = (
    Format(name="atom.xml", entry=f"{ATOM}entry", title=f"{ATOM}title", body=f"{ATOM}content"),
    Format(name="rss.xml", entry="item", title="title", body=f"{CONTENT}encoded"),
)


def check(output: Path, *, sizes: Counter[tuple[str, ...]], newest: list[str]) -> None:
    """See that there is a feed of each format for every category, with its newest articles, whole.

    Args:
        output: Where the feeds are.
        sizes: How many articles each category has; () is the whole site.
        newest: The titles in the feed of the whole site, sorted.

    Raises:
        Wrong: It is not so.
    """
    due = sorted(min(size, ENTRIES) for size in sizes.values())
    for form in FORMATS:
        found = {path: _titles(path, form) for path in _written(output, form)}
        if sorted(map(len, found.values())) != due:
            held = sum(map(len, found.values()))
            raise Wrong(f"{output}: {len(found)} {form.name} with {held} entries, not {len(due)} with {sum(due)}")
        if sorted(found[output / form.name]) != newest:
            raise Wrong(f"{output / form.name}: not the newest articles")


def published(output: Path) -> Iterator[Path]:
    """Yield the feeds below a directory."""
    for form in FORMATS:
        yield from _written(output, form)


def _written(output: Path, form: Format) -> Iterator[Path]:
    """Yield the feeds of categories; pages of the archive are no feeds of their own, and the peer has none."""
    archive = output / "archive"
    yield from (path for path in output.rglob(form.name) if not path.is_relative_to(archive))


def _titles(path: Path, form: Format) -> list[str]:
    entries = list(etree.parse(path).iter(form.entry))
    for entry in entries:
        if len(entry.findtext(form.body) or "") < LEAST:
            raise Wrong(f"{path}: an entry without its body")
    return [entry.findtext(form.title) or "" for entry in entries]
