"""Entries that were rendered for an earlier publish: of the fifty in a feed, most are what they were."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from feeder.model import RenderedEntry
from feeder.pipeline.work import EntryJob

ROOM: Final = 16 << 20  # bytes of entries that are kept: those of some hundred feeds' newest articles


class Larder:
    """Keeps the entries that were wanted last, each with all that it was made of."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._kept: OrderedDict[str, tuple[EntryJob, RenderedEntry]] = OrderedDict()
        self._bytes = 0

    def take(self, job: EntryJob) -> RenderedEntry | None:
        """Return what *job* would come to, if it has been done; None if it has not, or not lately."""
        made_of, entry = self._kept.get(job.shown.id, (None, None))
        if made_of != job:
            return None
        self._kept.move_to_end(job.shown.id)
        return entry

    def put(self, job: EntryJob, entry: RenderedEntry) -> None:
        """Keep what *job* came to; one whose body is read from its document may come to something else next time."""
        if job.body is None:
            return
        self._drop(job.shown.id)
        self._kept[job.shown.id] = job, entry
        self._bytes += weight(entry)
        while self._bytes > self._room:
            self._drop(next(iter(self._kept)))

    def _drop(self, id_: str) -> None:
        if id_ in self._kept:
            self._bytes -= weight(self._kept.pop(id_)[1])


def weight(entry: RenderedEntry) -> int:
    """Return about how many bytes *entry* takes."""
    return len(entry.atom) + len(entry.rss) + len(entry.json) + len(entry.page) + len(entry.article) + 500
