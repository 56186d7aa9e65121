"""FeedFiles to a directory that readers may read at any moment. Only this module writes what is published."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from types import TracebackType
from typing import Final, Self

from feeder.batches import batches
from feeder.durable import flush
from feeder.errors import OutputError, Replaced
from feeder.model import FeedFile
from feeder.output import Announce
from feeder.output.checks import BAD_SIGN, STRAY, Parts, check, names_of, parts_of

# A batch is written, flushed and renamed together. Its files and directories are held open until then.
BATCH_FILES: Final = 128
BATCH_DIRECTORIES: Final = 128
BATCH_BYTES: Final = 32 * 1024 * 1024  # what it may take on the disk beside the files it replaces

FILE_MODE: Final = 0o644  # less the umask, as for directories
DIRECTORY_MODE: Final = 0o755

_ABSENT: Final = (FileNotFoundError, NotADirectoryError)  # a link in place of a directory is no directory

_ROOT: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_DIRECTORY: Final = _ROOT | os.O_NOFOLLOW
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FileOutput:
    """Publishes below a directory; a `feeder.output.Output`.

    No link below the root is followed, by any method. A path that could mean a file elsewhere (``..``, absolute,
    empty or overlong names, control characters, a backslash) is refused with an OutputError.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._left: list[str] = []  # temporary files that a broken disk kept from being removed

    def publish(
        self,
        files: Iterable[FeedFile],
        *,
        announce: Announce | None = None,
        seen: Mapping[str, str] | None = None,
    ) -> tuple[str, ...]:
        """Write those of *files* whose bytes differ from what is there, durably; return their paths.

        XML and JSON are read back first; what is not well-formed replaces nothing. Of *files* one at a time is kept
        in memory, however many they are.

        Raises:
            OutputError: A batch could not be written. Every file is whole, old or new; nothing is left beside them.
        """
        self._clear_away()
        written: list[str] = []
        queue = iter(files)
        for first in queue:
            with _Batch(self._root, self._left) as batch:
                batch.add(first)
                while not batch.is_full and (file := next(queue, None)):
                    batch.add(file)
                written += batch.commit(announce, seen or {})
        return tuple(written)

    def remove(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Remove the files at *paths* and directories left empty, durably; return those that were there."""
        wanted = tuple(paths)
        removed: list[str] = []
        for start in range(0, len(wanted), BATCH_FILES):
            with _told(str(self._root)), suppress(*_ABSENT), _Tree(self._root) as tree:
                for path in wanted[start : start + BATCH_FILES]:
                    with _told(path):
                        removed += [path] * tree.remove(parts_of(path))
                flush(tree.changed)
        return tuple(removed)

    def stamps(self, paths: Iterable[str]) -> Mapping[str, str]:
        """Return for each file at *paths* that is there a token that moves when anybody alters it."""
        found = ((path, status) for path, status in self._statuses(paths) if status)
        return {path: _stamp(status) for path, status in found}

    def written(self, path: str) -> datetime | None:
        """Return when the file at *path* was written, or None if it is not there."""
        ((_, status),) = self._statuses([path], names=names_of)
        return datetime.fromtimestamp(status.st_mtime, UTC) if status else None

    def read(self, path: str) -> bytes | None:
        """Return the file's bytes, or None if it is not there."""
        *parents, name = parts_of(path)
        with _told(path), suppress(*_ABSENT), _Tree(self._root) as tree:
            directory = tree.enter(tuple(parents))
            return _read(directory, name) if _status(directory, name) else None
        return None

    def find(self, below: str, names: Collection[str] | None = None) -> Iterator[str]:
        """Yield the paths of the files in or below the directory *below*: all, or those called one of *names*."""
        root = os.path.realpath(self._root)
        with _told(below), suppress(*_ABSENT):
            for directory, folders, files in os.walk(f"{root}/{below}"):
                # No name of ours is like that, and what is called so can be neither read nor removed here.
                folders[:] = sorted(name for name in folders if not BAD_SIGN.search(name))
                place = os.path.relpath(directory, root)
                known = (name for name in sorted(files) if names is None or name in names)
                yield from (f"{place}/{name}" for name in known if not BAD_SIGN.search(name))

    def sweep(self, *, below: bool = True) -> int:
        """Remove what an interrupted run left in the directory and *below* it; return how many files that were."""
        swept = 0
        with _told(str(self._root)), suppress(*_ABSENT):
            for _, folders, names, directory in os.fwalk(os.path.realpath(self._root)):
                folders[:] = folders if below else []
                for name in filter(STRAY.fullmatch, names):
                    os.unlink(name, dir_fd=directory)
                    swept += 1
        return swept

    def _clear_away(self) -> None:
        """Remove what could not be removed before; if it still cannot, that is for the next time."""
        for path in self._left.copy():
            *parents, name = path.split("/")
            with suppress(OSError), _Tree(self._root) as tree:
                _unlink(tree.enter(tuple(parents)), name)
                self._left.remove(path)

    def _statuses(
        self, paths: Iterable[str], *, names: Callable[[str], Parts] = parts_of
    ) -> Iterator[tuple[str, os.stat_result | None]]:
        for part in batches(paths, BATCH_FILES):
            with ExitStack() as opened:
                tree = self._entered(opened)
                for path in part:
                    *parents, name = names(path)
                    status = None
                    with _told(path), suppress(*_ABSENT):
                        status = _status(tree.enter(tuple(parents)), name) if tree else None
                    yield path, status

    def _entered(self, opened: ExitStack) -> _Tree | None:
        with _told(str(self._root)), suppress(*_ABSENT):
            return opened.enter_context(_Tree(self._root))
        return None


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or type(error).__name__}") from error


# ---------------------------------------------------------------- directories


class _Tree:
    """Directories below a root, opened part by part so that no link is followed, and kept open for a while."""

    def __init__(self, root: Path) -> None:
        self._opened: dict[Parts, int] = {(): os.open(root, _ROOT)}
        self.changed: set[int] = set()  # those whose list of names must be flushed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for directory in self._opened.values():
            os.close(directory)

    def __len__(self) -> int:
        return len(self._opened)

    def enter(self, parts: Parts, *, create: bool = False) -> int:
        """Return the directory at *parts*, open."""
        directory = self._opened.get(parts)
        if directory is not None:
            return directory
        directory = self._opened[()]
        for depth, name in enumerate(parts, start=1):
            step = parts[:depth]
            if step not in self._opened:
                self._opened[step] = (
                    self._make(directory, name) if create else os.open(name, _DIRECTORY, dir_fd=directory)
                )
            directory = self._opened[step]
        return directory

    def _make(self, parent: int, name: str) -> int:
        with suppress(FileNotFoundError):
            return os.open(name, _DIRECTORY, dir_fd=parent)
        with suppress(FileExistsError):
            os.mkdir(name, DIRECTORY_MODE, dir_fd=parent)
        self.changed.add(parent)
        return os.open(name, _DIRECTORY, dir_fd=parent)

    def remove(self, parts: Parts) -> bool:
        """Remove a file and the directories above it that are empty now; tell whether it was there."""
        *parents, name = parts
        try:
            directory = self.enter(tuple(parents))
        except _ABSENT:
            return False
        was_there = _unlink(directory, name)
        if was_there:
            self.changed.add(directory)
        self._prune(tuple(parents))  # in any case: the last run may have been stopped before it came to this
        return was_there

    def _prune(self, parts: Parts) -> None:
        for depth in range(len(parts), 0, -1):
            parent = self._opened[parts[: depth - 1]]
            try:
                os.rmdir(parts[depth - 1], dir_fd=parent)
            except OSError:  # it holds something, or may stay: an empty directory does no harm
                return
            gone = self._opened.pop(parts[:depth])
            self.changed.discard(gone)
            self.changed.add(parent)
            os.close(gone)


def _unlink(directory: int, name: str) -> bool:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)
        return True
    return False


def _status(directory: int, name: str) -> os.stat_result | None:
    """Return the status of a regular file; None for anything else."""
    with suppress(FileNotFoundError):
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        return status if S_ISREG(status.st_mode) else None
    return None


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"


def _read(directory: int, name: str) -> bytes:
    with os.fdopen(os.open(name, _READ, dir_fd=directory), "rb") as file:
        return file.read()


# ---------------------------------------------------------------- batches


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """A file that waits under another name for its batch."""

    path: str
    directory: int
    name: str
    temp: str
    opened: int


class _Batch:
    """Files written beside those they replace. None is renamed before all are flushed; none stays behind."""

    def __init__(self, root: Path, left: list[str]) -> None:
        self._root = str(root)
        self._left = left
        with _told(self._root):
            root.mkdir(parents=True, exist_ok=True)
            self._tree = _Tree(root)
        self._waiting: list[_Written] = []
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._waiting:
            with suppress(OSError):  # after a flush it has nothing to tell; after an error one is enough
                os.close(file.opened)
            if kind is not None:
                self._remove(file)
        self._tree.__exit__()

    def _remove(self, file: _Written) -> None:
        try:
            _unlink(file.directory, file.temp)  # it may be renamed already
        except OSError:
            self._left.append("".join([*file.path.rpartition("/")[:2], file.temp]))

    @property
    def is_full(self) -> bool:
        """Whether it is time to commit."""
        return len(self._waiting) >= BATCH_FILES or self._size >= BATCH_BYTES or len(self._tree) >= BATCH_DIRECTORIES

    def add(self, file: FeedFile) -> None:
        """Write *file* beside the one it will replace, unless that holds the same bytes."""
        *parents, name = parts_of(file.path)
        with _told(file.path):
            directory = self._tree.enter(tuple(parents), create=True)
            if self._is_there(directory, name, file):
                return
            check(file)
            self._write(directory, name, file)

    def _is_there(self, directory: int, name: str, file: FeedFile) -> bool:
        if any(file.path == waiting.path for waiting in self._waiting):
            return False
        status = _status(directory, name)
        return status is not None and status.st_size == len(file.body) and _read(directory, name) == file.body

    def _write(self, directory: int, name: str, file: FeedFile) -> None:
        temp = f".feeder-{secrets.token_hex(8)}.tmp"
        opened = os.open(temp, _WRITE, FILE_MODE, dir_fd=directory)
        self._waiting.append(_Written(path=file.path, directory=directory, name=name, temp=temp, opened=opened))
        self._size += len(file.body)
        left = memoryview(file.body)
        while left:
            left = left[os.write(opened, left) :]

    def commit(self, announce: Announce | None, seen: Mapping[str, str]) -> list[str]:
        """Put every file in its place, unless that is not as it was *seen*; return their paths."""
        with _told(self._root):
            flush([file.opened for file in self._waiting])
        if announce:
            announce([file.path for file in self._waiting])
        for file in self._waiting:
            with _told(file.path):
                # Nothing of the system does both at once: a process that is paused just here puts an older file over
                # a newer one. Whoever has the lease puts it right.
                _check_seen(file, seen)
                os.replace(file.temp, file.name, src_dir_fd=file.directory, dst_dir_fd=file.directory)
            self._tree.changed.add(file.directory)
        with _told(self._root):
            flush(self._tree.changed)
        return [file.path for file in self._waiting]


def _check_seen(file: _Written, seen: Mapping[str, str]) -> None:
    if file.path in seen:
        status = _status(file.directory, file.name)
        if (_stamp(status) if status else "") != seen[file.path]:
            raise Replaced(file.path)
