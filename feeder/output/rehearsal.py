"""An output that notes what it would do, and does nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from feeder.model import FeedFile
from feeder.output import Announce
from feeder.output.wrapped import Wrapped


class Rehearsal(Wrapped):
    """Answers as *output* would, which is only read."""

    def publish(
        self,
        files: Iterable[FeedFile],
        *,
        announce: Announce | None = None,  # noqa: ARG002
        seen: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """Return the paths of those files that would be written."""
        return tuple(file.path for file in files if self._output.read(file.path) != file.body)

    def remove(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Return the paths of those files that would be removed."""
        return tuple(self._output.stamps(paths))

    def sweep(self) -> int:
        """Leave everything where it is."""
        return 0
