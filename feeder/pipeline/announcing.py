"""An output that notes which files change before they do, so that whoever is to be told hears of them, come what may."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from feeder.model import FeedFile
from feeder.output import Announce, Output
from feeder.output.wrapped import Wrapped
from feeder.store import Store


class Announcing(Wrapped):
    """Does as *output* does; what is about to change there is news for *listeners* from just before on.

    Afterwards would be too late: a process that dies in between leaves files that will never change again.
    """

    def __init__(self, output: Output, store: Store, listeners: tuple[str, ...]) -> None:
        super().__init__(output)
        self._store = store
        self._listeners = listeners

    def publish(
        self, files: Iterable[FeedFile], *, announce: Announce | None = None, seen: Mapping[str, str] | None = None
    ) -> tuple[str, ...]:
        """Note what changes, and have it written."""
        return self._output.publish(files, announce=announce or self._note, seen=seen)

    def remove(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Note which of *paths* are there, and have them removed."""
        wanted = tuple(paths)
        self._note(self._output.stamps(wanted))
        return self._output.remove(wanted)

    def sweep(self) -> int:
        """Remove what nobody was ever told of."""
        return self._output.sweep()

    def _note(self, paths: Collection[str]) -> None:
        if paths and self._listeners:
            with self._store.transaction():
                self._store.tell(self._listeners, paths)
