"""The pages of articles that have no other: each lies in the output while any feed holds its article.

Many feeds hold one article, so that no feed owns its page: what is in a feed is in the state, and so is each page.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from feeder import urls
from feeder.model import FeedFile, RenderedEntry
from feeder.pipeline import Parts
from feeder.store.records import ArticlePage


class ArticlePages:
    """Writes the pages of a publish, each once, however many feeds hold the article."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._seen: set[str] = set()
        self._changed: dict[str, ArticlePage] = {}
        self._looked: dict[str, str] = {}  # what their files were before the articles were read; "": not there

    def look(self, ids: Iterable[str]) -> None:
        """Note what the pages of *ids* are, before these articles are read (see `Output.publish`)."""
        new = {id_ for id_ in ids if id_ not in self._looked}
        paths = {id_: self._path(id_) for id_ in self._parts.store.article_pages(new)} if new else {}
        stamps = self._parts.output.stamps(paths.values())
        self._looked |= {id_: stamps.get(paths.get(id_, ""), "") for id_ in new}

    def write(self, entries: Iterable[RenderedEntry]) -> tuple[str, ...]:
        """Write the pages of *entries* that are not there as they should be; return their paths.

        Raises:
            OutputError: A page cannot be written.
        """
        new = {entry.id: entry for entry in entries if entry.id not in self._seen}
        known = self._parts.store.article_pages(new)
        self._changed |= {id_: ArticlePage(id=id_) for id_ in known if not new[id_].article}
        wanted = {self._path(id_): entry for id_, entry in new.items() if entry.article}
        if not wanted:
            return ()
        self.look(new)
        seen = {path: self._looked[entry.id] for path, entry in wanted.items()}
        files = [
            FeedFile(path=path, body=entry.article)
            for path, entry in wanted.items()
            if known.get(entry.id) != _as_written(entry, seen[path])
        ]
        self._announce(entry for entry in wanted.values() if entry.id not in known)
        written = self._parts.output.publish(files, seen=seen)
        stamps = self._parts.output.stamps(file.path for file in files)
        for file in files:
            entry = wanted[file.path]
            self._changed[entry.id] = _as_written(entry, stamps.get(file.path, ""))
        self._seen.update(new)
        return written

    def note(self) -> None:
        """Note in the state what has changed; to be called in the transaction of its feeds, and `noted` behind it."""
        self._parts.store.save_article_pages(self._changed.values())

    def noted(self) -> None:
        """Take it that the transaction was committed; until then, it may have to be done again."""
        self._changed = {}

    def clear(self, *, is_shared: bool = False) -> tuple[str, ...]:
        """Remove the pages of articles that are in no feed any more, or have another page; return their paths.

        Where others publish at the same time (*is_shared*), those of articles that are shown stay for now: somebody may be
        about to write the feed that leads there.

        Raises:
            OutputError: A page cannot be removed.
        """
        store = self._parts.store
        left = store.left_article_pages()
        if left and is_shared:
            shown = store.shown(left)
            left = tuple(id_ for id_ in left if id_ not in shown)
        if not left:
            return ()
        # Removed while the store still knows them: a crash in between leaves no file that nobody would ever remove.
        removed = self._parts.output.remove(map(self._path, left))
        with store.transaction():
            store.drop_article_pages(left)
        return removed

    def _announce(self, entries: Iterable[RenderedEntry]) -> None:
        """Have the state know new pages before they are there: a crash leaves none that nobody would ever remove."""
        new = [ArticlePage(id=entry.id) for entry in entries]
        if new:
            with self._parts.store.transaction():
                self._parts.store.save_article_pages(new)

    def _path(self, id_: str) -> str:
        return urls.article_path(id_, self._parts.site)


def altered(parts: Parts) -> tuple[str, ...]:
    """Return the ids of articles whose page is not what was written."""
    pages = parts.store.article_pages()
    known = {urls.article_path(id_, parts.site): page for id_, page in pages.items() if page.digest}
    stamps = parts.output.stamps(known)
    return tuple(page.id for path, page in known.items() if stamps.get(path) != page.stamp)


def _as_written(entry: RenderedEntry, stamp: str) -> ArticlePage:
    return ArticlePage(id=entry.id, digest=sha256(entry.article).hexdigest(), stamp=stamp)
