"""FeedFiles to readers. One contract, an implementation per scheme."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol, TypeAlias

from feeder.model import FeedFile

CACHE_CONTROL: Final = "public, max-age=60, stale-while-revalidate=600, stale-if-error=86400"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A place in S3, or in a store that speaks as it does. Of its secrets it holds the names."""

    name: str
    prefix: str = ""  # without "/" at its ends
    region: str = ""  # "": as the environment says
    endpoint: str = ""  # "": Amazon's
    path_style: bool = False  # the bucket is named in the path of requests, not in their host
    access_key: str = field(default="", repr=False)  # "": as the environment, or the machine, says
    secret_key: str = field(default="", repr=False)
    cache_control: str = CACHE_CONTROL

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")


Announce: TypeAlias = Callable[[Collection[str]], None]
"""Told which files are about to be replaced. What it raises keeps them from it."""


class Output(Protocol):
    """A tree of published files that readers may read at any moment."""

    def publish(
        self, files: Iterable[FeedFile], *, announce: Announce | None = None, seen: Mapping[str, str] | None = None
    ) -> tuple[str, ...]:
        """Write those of *files* whose bytes differ from what is there, durably; return their paths.

        Each file is replaced in one step: a reader sees the old one or the new one.

        Args:
            files: One at a time is asked for.
            announce: See above.
            seen: The stamps of files as they were before that was read which *files* are made from, "" for one that was
                not there. Where several processes write, none puts an older file over a newer one.

        Raises:
            OutputError: Nothing of the batch can be relied on but that each file is whole, old or new.
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
