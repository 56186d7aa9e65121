"""Feeds and pages that lie in the output and that nobody has, and pages of an archive that is not this one.

They are of a state that was lost, or is newer than this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

import structlog

from feeder import urls
from feeder.model import Format
from feeder.pipeline import Parts
from feeder.pipeline.tree import Shelf, Tree

log = structlog.get_logger(__name__)

_NAMES: Final = frozenset({*urls.FILE_NAMES.values(), urls.PAGE})


def clear(parts: Parts) -> tuple[str, ...]:
    """Remove the feeds of categories that have no article, and that the state does not know; return their files.

    Nothing is removed before every source has been read, without a fault, since those files were written: until then
    their articles may only not have been met yet. A directory whose feeds are not provably ours is left alone.

    Raises:
        OutputError: A file cannot be removed.
    """
    read = _read_since(parts)
    shelf = Shelf(parts.store.feeds())
    if read is None or not any(shelf):
        return ()
    orphans = [path for group in _strange(parts, shelf) if _is_orphan(group, parts, read) for path in group]
    removed = parts.output.remove([*orphans, *_orphan_articles(parts, read)])
    if removed:
        log.info("orphans_removed", files=len(removed))
    return removed


def _read_since(parts: Parts) -> datetime | None:
    """Return when the source was read that was not read for longest; None if one fails or was never read."""
    wanted = {name for name, source in parts.sources.items() if source.enabled}
    states = [state for state in parts.store.sources() if state.name in wanted]
    times = [state.last_success for state in states if state.last_success and not state.error]
    return min(times, default=None) if len(times) == len(wanted) else None


def _strange(parts: Parts, shelf: Shelf) -> Iterator[list[str]]:
    """Yield the files in each directory that no feed and no archive of the state has, and no category with articles."""
    found: dict[str, list[str]] = {}
    for place in (urls.TOP, urls.ARCHIVE):
        for path in parts.output.find(place, _NAMES):
            found.setdefault(_above(path), []).append(path)
    for feed in shelf:
        for path, _, _ in feed.files:
            found.pop(_above(path), None)
    for page in parts.store.pages():  # one that is being written has no files yet
        found.pop(_above(urls.archive_path(page.number, urls.PAGE)), None)
    if found:
        for category in Tree.of(parts, shelf).places.values():
            found.pop(urls.directory(category), None)
    yield from found.values()


def _orphan_articles(parts: Parts, read: datetime) -> Iterator[str]:
    """Yield the pages of articles that the state does not know, and that are provably ours."""
    known = {urls.article_path(id_, parts.site) for id_ in parts.store.article_pages()}
    for path in parts.output.find(urls.ARTICLES):
        if path not in known and _is_orphan([path], parts, read):
            yield path


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _is_orphan(group: Iterable[str], parts: Parts, read: datetime) -> bool:
    times = [parts.output.written(path) for path in group]
    return all(time and time < read for time in times) and any(_is_ours(path, parts) for path in group)


# ---------------------------------------------------------------- whose it is


def _is_ours(path: str, parts: Parts) -> bool:
    """Tell if the file at *path* is a feed, or the page of an article, that this site wrote for that place."""
    is_article = path.startswith(f"{urls.ARTICLES}/")
    proof = _is_our_article if is_article else _PROOFS.get(path.rpartition("/")[2])
    body = parts.output.read(path) if proof else None
    return bool(proof and body and proof(body, f"tag:{parts.site.id}:".encode(), quote(path).encode()))


def _is_our_atom(body: bytes, tag: bytes, _path: bytes) -> bool:
    return body.partition(b"<id>")[2].startswith(tag + b"feed/")


def _is_our_rss(body: bytes, tag: bytes, path: bytes) -> bool:
    head, _, items = body.partition(b"<item>")
    is_here = b'/%b" rel="self"' % path in head and b"<generator>Feeder</generator>" in head
    return is_here and items.partition(b"<guid")[2].partition(b">")[2].startswith(tag + b"article/")


def _is_our_json(body: bytes, tag: bytes, path: bytes) -> bool:
    head, _, items = body.partition(b'"items":[\n')
    return b'/%b",' % path in head and items.startswith(b'{"id":"%barticle/' % tag)


def _is_our_article(body: bytes, _tag: bytes, path: bytes) -> bool:
    head = body.partition(b"</head>")[0]
    return b'<meta name="generator" content="Feeder">' in head and b'/%b">' % path in head


_PROOFS: Final[Mapping[str, Callable[[bytes, bytes, bytes], bool]]] = MappingProxyType(
    {
        urls.FILE_NAMES[Format.ATOM]: _is_our_atom,
        urls.FILE_NAMES[Format.RSS]: _is_our_rss,
        urls.FILE_NAMES[Format.JSON]: _is_our_json,
    }
)
