"""What outputs share that stand before another one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from feeder.output import Output


class Wrapped:
    """Passes on to *output* whatever only looks."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def stamps(self, paths: Iterable[str]) -> Mapping[str, str]:
        """Return the files' stamps."""
        return self._output.stamps(paths)

    def read(self, path: str) -> bytes | None:
        """Return the file's bytes."""
        return self._output.read(path)

    def find(self, below: str, names: Collection[str] | None = None) -> Iterator[str]:
        """Yield the paths of files."""
        return self._output.find(below, names)

    def written(self, path: str) -> datetime | None:
        """Return when the file was written."""
        return self._output.written(path)
