"""FeedFiles to readers. One contract, an implementation per scheme."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Protocol, TypeAlias

from feeder.model import FeedFile

Announce: TypeAlias = Callable[[Collection[str]], None]
"""Told which files are about to be replaced. What it raises keeps them from it."""


class Output(Protocol):
    """A tree of published files that readers may read at any moment."""

    def publish(self, files: Iterable[FeedFile], *, announce: Announce | None = None) -> tuple[str, ...]:
        """Write those of *files* whose bytes differ from what is there, durably; return their paths.

        Each file is replaced in one step: a reader sees the old one or the new one.

        Raises:
            OutputError: Nothing of the batch can be relied on but what was there before, whole.
        """

    def remove(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Remove the files at *paths* and directories left empty; return those that were there."""

    def stamps(self, paths: Iterable[str]) -> Mapping[str, str]:
        """Return for each file at *paths* that is there a token that moves when anybody alters it."""

    def read(self, path: str) -> bytes | None:
        """Return the file's bytes, or None if it is not there."""

    def find(self, below: str, names: Collection[str] | None = None) -> Iterator[str]:
        """Yield the paths of the files in or below the directory *below*: all, or those called one of *names*."""

    def written(self, path: str) -> datetime | None:
        """Return when the file at *path* was written, or None if it is not there."""

    def sweep(self) -> int:
        """Remove what an interrupted run left behind; return how many files that were."""
