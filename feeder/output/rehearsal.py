"""An output that notes what it would do, and does nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from feeder.model import FeedFile
from feeder.output import Announce, Output


class Rehearsal:
    """Answers as *output* would, which is only read."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def publish(self, files: Iterable[FeedFile], *, announce: Announce | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """Return the paths of those files that would be written."""
        return tuple(file.path for file in files if self._output.read(file.path) != file.body)

    def remove(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Return the paths of those files that would be removed."""
        return tuple(self._output.stamps(paths))

    def stamps(self, paths: Iterable[str]) -> Mapping[str, str]:
        """Return the files' stamps as they are."""
        return self._output.stamps(paths)

    def read(self, path: str) -> bytes | None:
        """Return the file's bytes as they are."""
        return self._output.read(path)

    def find(self, below: str, names: Collection[str] | None = None) -> Iterator[str]:
        """Yield the paths of files as they are."""
        return self._output.find(below, names)

    def written(self, path: str) -> datetime | None:
        """Return when the file was written."""
        return self._output.written(path)

    def sweep(self) -> int:
        """Leave everything where it is."""
        return 0
