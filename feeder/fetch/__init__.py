"""Sources to Snapshots. One contract, an implementation per scheme."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from feeder.fetch.directory import DirectoryFetcher
from feeder.model import Place, Snapshot, Source, Unlisted

_DIRECTORY = DirectoryFetcher()


class Fetcher(Protocol):
    """Looks at what a source holds and reads single documents of it."""

    def look(self, source: Source) -> Iterator[Place | Unlisted]:
        """Yield a place for each document that is there now, in no particular order.

        Raises:
            FetchError: The source as a whole cannot be listed.
        """

    def look_at(self, source: Source, locators: Iterable[str]) -> Iterator[Place | Unlisted]:
        """Yield a place for each document that `look` would find at or below *locators*.

        Raises:
            FetchError: The source as a whole cannot be listed.
        """

    def read(self, source: Source, locator: str) -> Snapshot:
        """Return the bytes at *locator*.

        Raises:
            FetchError: It cannot be read (vanished, permission, too large, not a regular file).
            Unsettled: It changed while it was read.
        """

    def reading(self, source: Source) -> AbstractContextManager[Callable[[str], Snapshot]]:
        """Give what `read` is for one locator after another; it may keep open what serves the next one."""


def fetcher_of(_source: Source) -> Fetcher:
    """Return who looks at a source and reads its documents."""
    return _DIRECTORY
