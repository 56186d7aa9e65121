"""Redirects as files beside the state: for our own server, which reads them again when they change, and for others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import structlog

from feeder import redirects
from feeder.model import FeedFile
from feeder.output.files import FileOutput
from feeder.redirects import Moved, Redirects, snippets

log = structlog.get_logger(__name__)

OWN: Final = "json"
WRITERS: Final[Mapping[str, Callable[[Redirects, str], bytes]]] = MappingProxyType(
    {
        OWN: lambda found, _site_url: redirects.dump(found),
        "nginx.conf": snippets.nginx,
        "caddy": snippets.caddy,
    }
)
"""What is written, by the ending of its name."""


def path_of(state: Path, ending: str = OWN) -> Path:
    """Return where the redirects of the site with this state are: not where everybody could fetch them."""
    return state.with_name(f"{state.stem}.redirects.{ending}")


def write(found: Redirects, output: FileOutput, state: Path, *, site_url: str) -> tuple[str, ...]:
    """Write the files that are not as they should be to *output*, the directory of the state; return their names.

    Raises:
        OutputError: They cannot be written; those of before stay.
    """
    made = {path_of(state, ending).name: make(found, site_url) for ending, make in WRITERS.items()}
    return output.publish(FeedFile(path=name, body=body) for name, body in made.items())


def sweep(state: Path) -> int:
    """Remove what an interrupted `write` left; return how many files that were."""
    return FileOutput(state.parent).sweep(below=False)


class Forwarding:
    """Tells what became of a path, as the file at *path* has it at that time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, ...] | None = None
        self._redirects = Redirects()

    def __call__(self, path: str) -> Moved | None:
        """Return where *path* leads, or that it is gone; None: neither. As `Redirects.moved`."""
        stamp = self._look()
        if stamp != self._stamp:
            self._redirects = self._read() if stamp else Redirects()
            self._stamp = stamp
        return self._redirects.moved(path)

    def _look(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except OSError:  # there is none: nothing was published yet
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _read(self) -> Redirects:
        try:
            return redirects.load(self._path.read_bytes())
        except (OSError, ValueError) as error:
            log.warning("redirects_not_read", path=str(self._path), error=str(error))
            return Redirects()
