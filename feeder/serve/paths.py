"""From what a client asks for to an open file below the root, and to nothing else on the disk."""

from __future__ import annotations

import errno
import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

Names: TypeAlias = tuple[str, ...]  # the directories a path leads through, and the file's
Stamp: TypeAlias = tuple[int, int, int, int, int]  # moves when anybody alters a file, exchanges it or closes it to us

# Whatever makes a file unknown to the public: no such name, a link, somebody else's, a name that cannot be, a socket.
ABSENT: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ENXIO}
)
ORIGIN: Final = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)  # a proxy's way to ask (RFC 9112, section 3.2.2)

_ROOT: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC  # may be a link: the operator chose it
_STEP: Final = _ROOT | os.O_NOFOLLOW
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file, open; whoever has it closes it."""

    file: io.FileIO
    stamp: Stamp
    size: int
    mtime_ns: int


def names(raw_path: bytes) -> Names | None:
    """Return the names a path leads through, the last one empty for a directory; None: it can lead nowhere.

    The path is split before it is decoded, so that an encoded slash does not pass for one.
    """
    first, *steps = raw_path.split(b"/")
    try:
        found = tuple(unquote_to_bytes(step).decode() for step in steps)
    except UnicodeDecodeError:
        return None
    is_sound = not first and found and all(found[:-1]) and not any(map(_is_forbidden, found))
    return found if is_sound else None


def _is_forbidden(name: str) -> bool:
    """Whether *name* leads elsewhere (``..``), or is a dot file, our temporary ones among them."""
    return name.startswith(".") or "/" in name or "\0" in name


def open_file(root: Path, names: Names) -> Found | None:
    """Open a file below *root*, step by step so that no link is followed; None: there is none for the public.

    Raises:
        OSError: The disk refuses it for now.
    """
    try:
        opened = _open_below(root, names)
    except OSError as error:
        if error.errno in ABSENT:
            return None
        raise
    status = os.fstat(opened)
    if S_ISREG(status.st_mode):
        return Found(file=io.FileIO(opened), stamp=stamp_of(status), size=status.st_size, mtime_ns=status.st_mtime_ns)
    os.close(opened)
    return None


def _open_below(root: Path, names: Names) -> int:
    directory = os.open(root, _ROOT)
    try:
        for name in names[:-1]:
            above, directory = directory, os.open(name, _STEP, dir_fd=directory)
            os.close(above)
        return os.open(names[-1], _READ, dir_fd=directory)
    finally:
        os.close(directory)


def is_file(root: Path, names: Names) -> bool:
    """Tell whether `open_file` would open something."""
    found = open_file(root, names)
    if found:
        found.file.close()
    return found is not None


def stamp_of(status: os.stat_result) -> Stamp:
    """Return what a file is known by again."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
