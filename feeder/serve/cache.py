"""Files in memory, each as long as it is what lies on the disk."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from pathlib import Path
from typing import Final

from feeder.serve.paths import Names, stamp_of
from feeder.serve.replies import Version

OVERHEAD: Final = 2048  # bytes of a version beside its bodies and headers: the objects, and its place in the order


class Cache:
    """The versions that were asked for last, as many as *most* bytes hold."""

    def __init__(self, root: Path, *, most: int) -> None:
        self._root = os.fspath(root)
        self._most = most
        self._versions: OrderedDict[Names, Version] = OrderedDict()
        self.weight = 0

    def current(self, names: Names) -> Version | None:
        """Return what is known of a file, if it is there and nobody touched it since, nor set the clock back before that.

        One `stat` tells. It may follow a link that was put in a directory's place meanwhile; yet it leads to the very
        inode that was opened without one, or the version is forgotten: nothing else can come out.
        """
        version = self._versions.get(names)
        if version is None:
            return None
        try:
            status = os.lstat("/".join((self._root, *names)))
        except OSError:
            self.forget(names)
            return None
        if stamp_of(status) != version.stamp or version.changed > time.time():
            self.forget(names)
            return None
        self._versions.move_to_end(names)
        return version

    def keep(self, names: Names, version: Version) -> None:
        """Keep a version in place of that of before; the ones that were asked for longest ago make room."""
        self.forget(names)
        self._versions[names] = version
        self.weight += _weight(names, version)
        while self.weight > self._most:
            self.forget(next(iter(self._versions)))

    def clear(self) -> None:
        """Let go of everything."""
        self._versions.clear()
        self.weight = 0

    def forget(self, names: Names) -> None:
        """Let go of a file."""
        version = self._versions.pop(names, None)
        if version:
            self.weight -= _weight(names, version)


def _weight(names: Names, version: Version) -> int:
    return OVERHEAD + version.weight + sum(map(len, names))
