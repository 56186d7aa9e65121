"""What lies in the output beside what the state says of it: missing, altered and stray files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import compress
from typing import Final

from feeder import render, urls
from feeder.batches import batches
from feeder.doctor.findings import Area, Finding, Mend, few
from feeder.errors import OutputError
from feeder.model import Node
from feeder.output.checks import is_temporary
from feeder.pipeline import Parts, indexes, orphans
from feeder.pipeline.tree import Shelf, Tree
from feeder.store.records import ArticlePage, FaultKind

AT_ONCE: Final = 32  # files being read
AT_HAND: Final = 1000  # files that wait for it
LEFT_BEHIND: Final = timedelta(hours=1)  # after which no run works on a file any more

MOMENT_SECONDS: Final = 1.0  # after the last feed, a daemon writes the indexes

_OWN: Final = tuple(f"{name}/" for name in (urls.TOP, urls.ARCHIVE, urls.ARTICLES, urls.ASSETS))
_NAMES: Final = (*urls.FILE_NAMES.values(), urls.PAGE)
_UNKNOWN: Final = "?"  # a stamp that no file has
_NEXT_RUN: Final = "`feeder doctor --repair`: it is written again when the daemon, or `feeder once`, publishes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A file as it was last written, and whose it is: a feed's, a page's of the archive, or an article's."""

    path: str
    digest: str
    node: Node | None = None
    page: int | None = None
    article: ArticlePage | None = None


def differing(parts: Parts) -> tuple[Expected, ...]:
    """Return the files that are not as they were written; those that are to be written or removed anyway are left out."""
    found = list(_differing(_files(parts), parts))
    if not found:
        return ()
    # A daemon may have written some of them in the meantime: then they were marked, or are noted by now, in this order.
    waiting = _Waiting.of(parts)
    still = set(_files(parts))
    return tuple(each for each in found if each in still and not waiting.has(each))


def of_files(parts: Parts) -> Iterator[Finding]:
    """Yield that files are missing or altered."""
    found = differing(parts)
    are_there = {each.path: _digest(each, parts) is not None for each in found}
    missing = [path for path, is_there in are_there.items() if not is_there]
    altered = [path for path, is_there in are_there.items() if is_there]
    for paths, word in ((missing, "missing"), (altered, "not what was written")):
        if paths:
            what = f"{_many(paths)} {word}: {few(paths)}"
            yield Finding(area=Area.OUTPUT, what=what, do=_NEXT_RUN, mend=Mend.PUBLISH)
    if _are_indexes_old(parts) and _are_indexes_old(parts, after=MOMENT_SECONDS):
        what = "the lists of all feeds, or what pages look like, are not what they should be"
        yield Finding(area=Area.OUTPUT, what=what, do=_NEXT_RUN, mend=Mend.PUBLISH)


def _are_indexes_old(parts: Parts, *, after: float = 0.0) -> bool:
    """Tell whether the indexes are not those of the feeds, though nothing has been published for so many seconds."""
    before = parts.store.feeds()
    parts.wait(after)
    is_quiet = not parts.store.marked() and parts.store.feeds() == before
    return is_quiet and not indexes.are_current(parts)


def of_faults(parts: Parts) -> Iterator[Finding]:
    """Yield what could not be published when it was last tried."""
    for fault in parts.store.faults():
        what = f"{fault.kind.value} {fault.subject or '(the whole site)'}: {fault.reason}"
        is_fault = fault.kind is not FaultKind.ENTRY
        yield Finding(area=Area.OUTPUT, what=what, do="mend the reason; it is tried again", is_fault=is_fault)


def of_strays(parts: Parts, now: datetime) -> Iterator[Finding]:
    """Yield files that nobody knows of."""
    known = {*render.INDEXES, *render.ASSETS, *(each.path for each in _files(parts)), *_places(parts)}
    # A daemon writes a file first, and notes it then.
    strange = [path for path in _found(parts) if path not in known and _is_old(path, parts, now)]
    left = [path for path in strange if is_temporary(path)]
    placed = [path for path in strange if path.startswith(_OWN) and not is_temporary(path)]
    ours = [path for path in placed if orphans.is_ours(path, parts)]
    others = sorted(set(placed).difference(ours, _beside(placed, ours)))
    if left:
        what = f"{_many(left)} left by a run that was interrupted: {few(left)}"
        do = "`feeder doctor --repair`, or the next start, removes them"
        yield Finding(area=Area.OUTPUT, what=what, do=do, mend=Mend.CLEAR, is_fault=False)
    if ours:
        what = f"{_many(ours)} of feeds that the state does not know: {few(ours)}"
        do = "`feeder doctor --repair` removes them once all sources have been read since they were written"
        yield Finding(area=Area.OUTPUT, what=what, do=do, mend=Mend.CLEAR)
    if others:
        what = f"{_many(others)} not Feeder's: {few(others)}"
        yield Finding(area=Area.OUTPUT, what=what, do="move them away, or let them be", is_fault=False)


def mark(parts: Parts) -> int:
    """Have all that differs written again; return how many files that are."""
    store = parts.store
    found, is_site_old = differing(parts), not indexes.are_current(parts)
    with store.transaction():  # files were read before: a daemon can write until now
        store.mark(each.node for each in found if each.node is not None)
        pages = [each.page for each in found if each.page is not None]
        store.change_pages(pages)
        articles = [each.article for each in found if each.article]
        store.save_article_pages(ArticlePage(id=page.id, digest=page.digest, stamp=_UNKNOWN) for page in articles)
        store.mark(node for page in articles for node in store.feeds_of(page.id))
        on_pages = store.pages_of([page.id for page in articles])
        store.change_pages(on_pages)
        if pages or on_pages or is_site_old:
            store.mark([()])
    return len(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """What the next publishing changes."""

    parts: Parts
    nodes: frozenset[Node]
    pages: frozenset[int]
    leaving: frozenset[str]

    @classmethod
    def of(cls, parts: Parts) -> _Waiting:
        store = parts.store
        pages, leaving = frozenset(store.stale_pages()), frozenset(store.left_article_pages())
        return cls(parts=parts, nodes=store.marked(), pages=pages, leaving=leaving)

    def has(self, each: Expected) -> bool:
        if each.article:
            id_ = each.article.id
            return id_ in self.leaving or not self.nodes.isdisjoint(self.parts.store.feeds_of(id_))
        return each.node in self.nodes or each.page in self.pages


def _files(parts: Parts) -> Iterator[Expected]:
    """Yield all files that the state knows of."""
    store = parts.store
    for feed in store.feeds():
        yield from (Expected(path=path, digest=digest, node=feed.node) for path, digest, _ in feed.files)
    for page in store.pages():
        yield from (Expected(path=path, digest=digest, page=page.number) for path, digest, _ in page.files)
    for article in store.article_pages().values():
        path = urls.article_path(article.id, parts.site)
        yield Expected(path=path, digest=article.digest, article=article)


def _differing(files: Iterable[Expected], parts: Parts) -> Iterator[Expected]:
    """Yield those of *files* that differ; many are read at once, since a bucket is far away."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for part in batches(files, AT_HAND):
            differ = pool.map(lambda each: _differs(each, parts), part)
            yield from compress(part, differ)


def _differs(each: Expected, parts: Parts) -> bool:
    return bool(each.digest) and _digest(each, parts) != each.digest


def _digest(each: Expected, parts: Parts) -> str | None:
    try:
        body = parts.output.read(each.path)
    except OutputError:  # it is there, and cannot be read
        return ""
    return None if body is None else sha256(body).hexdigest()


def _places(parts: Parts) -> Iterator[str]:
    """Yield where the feeds of all categories with articles are, or will be."""
    for category in Tree.of(parts, Shelf(parts.store.feeds())).places.values():
        yield from (urls.file_path(category, name) for name in _NAMES)


def _found(parts: Parts) -> Iterator[str]:
    return (path.removeprefix("./") for path in parts.output.find(""))


def _beside(paths: Iterable[str], feeds: Iterable[str]) -> Iterator[str]:
    """Yield the files that belong to feeds of ours and do not say themselves whose they are."""
    directories = {path.rpartition("/")[0] for path in feeds}
    for path in paths:
        directory, _, name = path.rpartition("/")
        if name in _NAMES and directory in directories:
            yield path


def _is_old(path: str, parts: Parts, now: datetime) -> bool:
    try:
        written = parts.output.written(path)
    except OutputError:  # no path of ours
        return False
    return written is not None and written < now - LEFT_BEHIND  # None: it took its place meanwhile


def _many(paths: list[str]) -> str:
    return "1 file is" if len(paths) == 1 else f"{len(paths)} files are"
