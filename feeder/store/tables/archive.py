"""The archive of the site's feed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from feeder.store import rows
from feeder.store.records import ArchivePage, WrittenPage
from feeder.store.tables.ground import Ground


class Archive(Ground):
    """The archive of the site's feed."""

    def enter_archive(self, ids: Sequence[str]) -> None:
        """Note articles as being in the site's feed, those that have not been before in this order."""
        self._db.write("enter_archive", [(self._short(id_),) for id_ in ids])

    def waiting(self) -> tuple[str, ...]:
        """Return the articles that have been in the site's feed and are on no page yet, in the order they came."""
        return tuple(self._long(id_) for (id_,) in self._db.all("waiting"))

    def add_page(self, ids: Iterable[str]) -> None:
        """Put articles on a new page, the last."""
        before = self.last_page()
        number = self._db.insert("put_page")
        self._db.write("put_on_page", [(number, self._short(id_)) for id_ in ids])
        self.change_pages([] if before is None else [before])

    def page_sizes(self) -> tuple[tuple[int, int], ...]:
        """Return the pages in their order, each with the number of its articles."""
        return tuple(self._db.all("page_sizes"))

    def clear_archive(self, numbers: Iterable[int], *, waiting: bool = False) -> None:
        """Take all articles off some pages; with *waiting*, forget those that are on no page, too."""
        pages = tuple(numbers)
        gone = [id_ for number in pages for (id_,) in self._db.all("clear_page", number)]
        gone += [id_ for (id_,) in (self._db.all("clear_waiting") if waiting else ())]
        self.change_pages(pages)
        self._db.each("prune_bodies", gone)

    def skip_pages(self, number: int) -> None:
        """Give no new page a number up to this one."""
        self._db.run("put_page_number", {"number": number})
        self._db.run("delete_page", number)

    def stale_pages(self) -> tuple[int, ...]:
        """Return the pages that changed since they were written, the last first."""
        return tuple(number for (number,) in self._db.all("stale_pages"))

    def page(self, number: int) -> ArchivePage:
        """Return a page, which there is."""
        ((changes, files, before, after),) = self._db.all("page", {"page": number})
        return ArchivePage(
            number=number,
            changes=changes,
            ids=tuple(self._long(id_) for (id_,) in self._db.all("page_ids", number)),
            paths=tuple(path for path, _, _ in rows.files(files)),
            before=before,
            after=after,
        )

    def last_page(self) -> int | None:
        """Return the last page."""
        (number,) = self._db.one("last_page")
        return None if number is None else int(number)

    def pages(self) -> tuple[WrittenPage, ...]:
        """Return what was written of each page, in their order."""
        return tuple(
            WrittenPage(number=number, fingerprint=fingerprint, files=rows.files(files))
            for number, fingerprint, files in self._db.all("pages")
        )

    def pages_of(self, ids: Collection[str]) -> tuple[int, ...]:
        """Return the pages that hold articles."""
        return tuple(number for (number,) in self._db.each("pages_of", map(self._short, ids)))

    def change_pages(self, numbers: Iterable[int]) -> None:
        """Make pages stale."""
        self._db.each("change_pages", numbers)

    def save_page(self, page: ArchivePage, fingerprint: str, files: Iterable[tuple[str, str, str]]) -> None:
        """Note a page as written."""
        self._db.run("save_page", page.changes, fingerprint, rows.files_text(files), page.number)

    def drop_page(self, page: ArchivePage) -> None:
        """Note a page as gone; those beside it are stale."""
        self._db.run("delete_page", page.number)
        self.change_pages(number for number in (page.before, page.after) if number is not None)
