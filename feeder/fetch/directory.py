"""Directory trees to Places and Snapshots. Only this module walks and opens the files of a source."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import Final
from urllib.parse import unquote_to_bytes

from feeder.errors import FetchError, Oversized, Unsettled, Vanished
from feeder.model import Place, Snapshot, Source, Unlisted

MAX_PREFIX: Final = (
    1_800  # bytes of the path of a directory, as in locators: with a name in it, all that an index of PostgreSQL takes
)
MAX_SHOWN: Final = 200  # characters of a path that is too long
MAX_SIZE: Final = 10 * 1024 * 1024  # bytes of one document; articles have a few thousand
NOT_REGULAR: Final = "is not a regular file"
LEFT_OUT: Final = "_drafts"  # the name that Hexo and Jekyll give the directory of what is not ready

# A link is never followed by the kernel, and nothing we open can block us or become our terminal.
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DOCUMENT: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# To go on from a directory one need not be allowed to list it; where the system cannot say so, one must be.
_FOLDER: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC

# Anybody may date a file to after 2262, and some file systems number files with 64 bits: no state holds such a number.
_KEPT_BITS: Final = (1 << 63) - 1

# What a locator cannot hold as it is: the escape itself, controls, line separators, bytes that are not UTF-8.
_UNSAFE: Final = re.compile("[%\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NOT_NAMES: Final = frozenset({"", ".", ".."})

_GLOB_SIGN: Final = re.compile(r"\*+|\?|\[!?.[^\]]*\]|.", re.DOTALL)
_CLASS_MEMBER: Final = re.compile(r"(.)-(.)|(.)", re.DOTALL)


class DirectoryFetcher:
    """Reads sources that are directories; a `feeder.fetch.Fetcher`.

    Hidden names (with a dot in front) and ``_drafts`` are left out. Linked directories are not entered; a linked
    file counts if it is a regular file inside the source. Pipes, sockets and devices are never opened.
    """

    def look(self, source: Source) -> Iterator[Place | Unlisted]:
        """Yield a place for each document, a directory's own before those below it, by name.

        A glob without "/" is matched with names, one with "/" with paths below the source; letters of either case
        match. An excluded directory is not entered.

        Raises:
            FetchError: The directory of the source itself is missing or cannot be listed.
        """
        walk = _Walk(source)
        walk.pending.append("")
        yield from walk.rest()

    def look_at(self, source: Source, locators: Iterable[str]) -> Iterator[Place | Unlisted]:
        """Yield a place for each document that `look` would find at or below *locators*.

        Raises:
            FetchError: The directory of the source itself is missing or cannot be listed.
        """
        walk = _Walk(source)
        try:
            os.close(os.open(walk.root, _DIRECTORY & ~os.O_NOFOLLOW))
        except OSError as error:
            raise FetchError(walk.root, _reason(error)) from error
        for locator in sorted(locators):
            yield from walk.at(_below(locator))
            yield from walk.rest()

    def read(self, source: Source, locator: str) -> Snapshot:
        """Return the bytes at *locator*, with the place they were read from.

        Raises:
            FetchError: It vanished, is no regular file of this source, or cannot be read.
            Oversized: It is too large.
            Unsettled: It changed while it was read.
        """
        with self.reading(source) as read:
            return read(locator)

    @contextmanager
    def reading(self, source: Source) -> Iterator[Callable[[str], Snapshot]]:
        """Give what `read` is for one locator after another, quicker where neighbours follow each other."""
        reader = _Reader(source)
        try:
            yield reader.read
        finally:
            reader.close()


def locator_of(root: Path, path: Path) -> str:
    """Return the locator of *path*: its way down from *root*, with "%XX" for every byte that is not plain text.

    Raises:
        FetchError: The path does not lie below the root.
    """
    try:
        below = path.relative_to(root).as_posix()
        locator = _escape(below)
    except ValueError as error:
        raise FetchError(ascii(str(path)), f"is not below {root}") from error
    if not _NOT_NAMES.isdisjoint(below.split("/")):
        raise FetchError(locator, f"is not below {root}")
    return locator


def path_of(root: Path, locator: str) -> Path:
    """Return the path that `locator_of` made *locator* from.

    Raises:
        FetchError: It made no such locator: this one climbs out, is absolute, or is spelled otherwise.
    """
    return root / _below(locator)


def chooser(source: Source) -> Callable[[str], bool]:
    """Return what tells, of a path below *source*, whether `DirectoryFetcher.look` would list a regular file there."""
    return _Walk(source).would_list


def directories(source: Source, locator: str = "") -> Iterator[str]:
    """Yield the locators of the directories that `DirectoryFetcher.look` enters, at and below *locator*; "" is the root.

    One that cannot be listed is left out, with all below it.
    """
    walk = _Walk(source)
    if locator:
        list(walk.at(_below(locator)))
    else:
        walk.pending.append("")
    while walk.pending:
        below = walk.pending.pop()
        with suppress(OSError):
            walk.pending.extend(walk.directories(below))
            yield _escape(below.rstrip("/"))


def _root(source: Source) -> str:
    if source.path is None:
        raise FetchError(source.name, "is not a directory source")
    return str(source.path)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _escape(name: str) -> str:
    if name.isprintable() and "%" not in name:  # nothing unsafe is printable; this is ten times faster than a regex
        return name
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in os.fsencode(found[0])), name)


def _prefix(below: str) -> str:
    """Return what the locators in a directory begin with; of one whose path is too long, a name that nothing begins with."""
    prefix = _escape(below)
    if len(prefix.encode()) <= MAX_PREFIX:
        return prefix
    return f"{prefix[:MAX_SHOWN]}…/{blake2b(prefix.encode(), digest_size=16).hexdigest()}/"


def _sound_prefix(below: str) -> str:
    """Return `_prefix`, or raise OSError."""
    prefix = _prefix(below)
    if prefix != _escape(below):
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    return prefix


def _below(locator: str) -> str:
    try:
        below = os.fsdecode(unquote_to_bytes(locator)) if "%" in locator else locator
        is_ours = _escape(below) == locator
    except ValueError:
        is_ours = False
    if not is_ours or "\0" in below or not _NOT_NAMES.isdisjoint(below.split("/")):
        raise FetchError(ascii(locator), "is not a locator of a file")
    return below


# ---------------------------------------------------------------- looking


class _Walk:
    """One look at a tree: what is wanted of it, and the directories still to be entered.

    Names are below the root, as the system has them; those of directories end with "/".
    """

    def __init__(self, source: Source) -> None:
        self.root = _root(source)
        self.pending: list[str] = []
        include, exclude = _any_of(source.include), _any_of(source.exclude)
        self._is_wanted = _matcher(f"(?!(?:{exclude})\\Z)(?:{include})" if source.exclude else include)
        self._is_pruned = _matcher(_any_of(map(_directory_glob, source.exclude)))

    def rest(self) -> Iterator[Place | Unlisted]:
        """Yield the places in the directories that are pending, and below them."""
        while self.pending:
            below = self.pending.pop()
            try:
                yield from self._enter(below)
            except OSError as error:
                if not below:
                    raise FetchError(self.root, _reason(error)) from error
                if not isinstance(error, FileNotFoundError | NotADirectoryError):
                    yield Unlisted(locator=_prefix(below), reason=_reason(error))

    def at(self, below: str) -> Iterator[Place | Unlisted]:
        """Yield the place at one name, or put off the directory there; nothing if it is to be left out."""
        above = below.rpartition("/")[0]
        try:
            yield from self._at(below)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            yield Unlisted(locator=_prefix(f"{above}/") if above else "", reason=_reason(error))

    def would_list(self, below: str) -> bool:
        """Tell whether a regular file at *below* is wanted, by its name."""
        *above, name = below.split("/")
        if name[0] == "." or not self._is_wanted(below):
            return False
        return not any(self._is_left_out("/".join(above[: depth + 1])) for depth in range(len(above)))

    def _at(self, below: str) -> Iterator[Place]:
        *above, name = below.split("/")
        if not all(self._is_entered("/".join(above[: depth + 1])) for depth in range(len(above))):
            return
        if self._is_entered(below):
            self.pending.append(f"{below}/")
        elif name[0] != "." and self._is_wanted(below):
            found = os.lstat(f"{self.root}/{below}")
            status = found if S_ISREG(found.st_mode) else _linked_status(self.root, below)
            if status:
                yield _place(_sound_prefix(f"{'/'.join(above)}/" if above else "") + _escape(name), status)

    def _is_entered(self, below: str) -> bool:
        return not self._is_left_out(below) and S_ISDIR(os.lstat(f"{self.root}/{below}").st_mode)

    def _is_left_out(self, below: str) -> bool:
        name = below.rpartition("/")[2]
        return name[0] == "." or name == LEFT_OUT or bool(self._is_pruned(below))

    def _enter(self, below: str) -> Iterator[Place]:
        """Yield the places right in one directory, and put off the directories in it."""
        # Each name is looked up in the open directory: nobody can swap it for another meanwhile, and it is faster.
        prefix = _sound_prefix(below)
        opened = self._open(below)
        try:
            names, directories = self._list(opened, below)
            for name in names:
                try:
                    found = os.stat(name, dir_fd=opened, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                status = found if S_ISREG(found.st_mode) else _linked_status(self.root, below + name)
                if status:
                    yield _place(prefix + _escape(name), status)
            self.pending.extend(directories)
        finally:
            os.close(opened)

    def directories(self, below: str) -> list[str]:
        """Return the directories in one directory that are to be entered."""
        opened = self._open(below)
        try:
            return self._list(opened, below)[1]
        finally:
            os.close(opened)

    def _open(self, below: str) -> int:
        # The slash behind must go: with it the system follows a link.
        path = f"{self.root}/{below[:-1]}"
        opened = os.open(path, _DIRECTORY if below else _DIRECTORY & ~os.O_NOFOLLOW)
        # A directory further up may have been exchanged for a link since it was entered.
        real = _real(opened, path) if below else path
        if real == path or _is_inside(f"{real}/", self.root):
            return opened
        os.close(opened)
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))

    def _list(self, opened: int, below: str) -> tuple[list[str], list[str]]:
        # Names alone are kept: entries of a directory of a million files would fill 300 MB.
        names, directories = [], []
        with os.scandir(opened) as entries:
            for entry in entries:
                name = entry.name
                if name[0] == ".":
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if name != LEFT_OUT and not self._is_pruned(below + name):
                        directories.append(f"{below}{name}/")
                elif self._is_wanted(below + name):
                    names.append(name)
        names.sort()
        directories.sort(reverse=True)  # the last is entered first
        return names, directories


def _place(locator: str, status: os.stat_result) -> Place:
    return Place(
        locator=locator,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns & _KEPT_BITS,
        inode=status.st_ino & _KEPT_BITS,
    )


def _linked_status(root: str, below: str) -> os.stat_result | None:
    """Return the status of the regular file that a link leads to; None for anything but such a link."""
    try:
        status = os.lstat(_target(root, below))
    except (OSError, FetchError):  # a loop, a broken link or one that leads out says nothing of its directory
        return None
    return status if S_ISREG(status.st_mode) else None


# ---------------------------------------------------------------- globs


def _matcher(pattern: str) -> Callable[[str], object]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL).fullmatch


def _any_of(globs: Iterable[str]) -> str:
    """Return a regular expression for the paths that at least one of *globs* matches."""
    globs = tuple(globs)
    names = "|".join(_segment(glob) for glob in globs if "/" not in glob)
    paths = (_path(glob) for glob in globs if "/" in glob)
    return "|".join([f"(?>(?:.*/)?)(?:{names})"] * bool(names) + [*paths]) or "(?!)"


def _directory_glob(glob: str) -> str:
    """Return what names the directories that *glob* excludes whole: ``drafts/``, ``drafts/**`` and plain names."""
    return f"/{glob.removesuffix('/**')}" if glob.endswith("/**") else glob.rstrip("/")


def _path(glob: str) -> str:
    *directories, name = glob.lstrip("/").split("/")
    way = "".join("(?:[^/]+/)*" if part == "**" else f"{_segment(part)}/" for part in directories)
    return way + (".+" if name == "**" else _segment(name))


def _segment(glob: str) -> str:
    """Translate one part of a glob.

    After a star the first place where the text up to the next star fits is as good as any later one, so it is
    never taken back: matching is linear in the name.
    """
    chunks = [""]
    for sign in _GLOB_SIGN.findall(glob):
        if sign[0] == "*":
            chunks.append("")
        else:
            chunks[-1] += _character(sign)
    first, *middle = chunks
    last = f"[^/]*{middle.pop()}" if middle else ""
    return first + "".join(f"(?>[^/]*?{chunk})" for chunk in middle) + last


def _character(sign: str) -> str:
    if sign == "?":
        return "[^/]"
    return re.escape(sign) if len(sign) == 1 else _character_class(sign[1:-1])


def _character_class(body: str) -> str:
    negated = "^" if body[0] == "!" and len(body) > 1 else ""
    found = _CLASS_MEMBER.finditer(body[len(negated) :])
    ranges = [(member[1] or member[3], member[2] or member[3]) for member in found]
    inside = "".join(f"{re.escape(low)}-{re.escape(high)}" for low, high in ranges if low <= high)
    return f"(?!/)[{negated}{inside}]" if inside else "(?!)"


# ---------------------------------------------------------------- reading


class _Reader:
    """Reads documents of a source, and keeps the directory of the last one open."""

    def __init__(self, source: Source) -> None:
        self._root = _root(source)
        self._path: str | None = None  # of the directory that is open
        self._opened = -1

    def read(self, locator: str) -> Snapshot:
        """Return the bytes at *locator*; see `DirectoryFetcher.read`."""
        below = _below(locator)
        try:
            document = self._open(below, locator)
            try:
                return _snapshot(document, locator)
            finally:
                os.close(document)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Vanished(locator, "vanished") from error
        except OSError as error:
            raise FetchError(locator, _reason(error)) from error

    def close(self) -> None:
        """Let go of the directory."""
        if self._path is not None:
            self._path = None
            os.close(self._opened)

    def _open(self, below: str, locator: str) -> int:
        """Open a regular file of the source for reading, whatever links lie on the way."""
        path, _, name = f"{self._root}/{below}".rpartition("/")
        self._enter(path, locator)
        mode = os.stat(name, dir_fd=self._opened, follow_symlinks=False).st_mode
        if S_ISLNK(mode):
            path, _, name = _target(self._root, below).rpartition("/")
            self._enter(path, locator)
            mode = os.stat(name, dir_fd=self._opened, follow_symlinks=False).st_mode
        if not S_ISREG(mode):
            raise FetchError(locator, NOT_REGULAR)
        return os.open(name, _DOCUMENT, dir_fd=self._opened)

    def _enter(self, path: str, locator: str) -> None:
        """Open the directory *path*, which must lie inside the source, unless it is open.

        What is looked up in an open directory is in it: whether links on the way lead out is asked once for all names.
        """
        if path == self._path:
            return
        self.close()
        self._opened = os.open(path, _FOLDER)
        self._path = path
        real = _real(self._opened, path)
        if real != path and not _is_inside(f"{real}/", self._root):
            self.close()
            raise FetchError(locator, "lies outside of the source")


def _target(root: str, below: str) -> str:
    """Return the real path of a link, which must lie inside the source."""
    path = os.path.realpath(f"{root}/{below}", strict=True)
    if not _is_inside(path, root):
        raise FetchError(_escape(below), "is a link out of the source")
    return path


def _is_inside(real: str, root: str) -> bool:
    return real.startswith(os.path.realpath(root).rstrip("/") + "/")


def _real(opened: int, path: str) -> str:
    """Return where an open file really is; the system knows best, and in one call."""
    try:
        return os.readlink(f"/proc/self/fd/{opened}")  # noqa: PTH115 - making a Path takes longer than the call
    except OSError:  # not on Linux
        return os.path.realpath(path)


def _snapshot(document: int, locator: str) -> Snapshot:
    before = os.fstat(document)
    if not S_ISREG(before.st_mode):  # it was, a moment ago
        raise FetchError(locator, NOT_REGULAR)
    if before.st_size > MAX_SIZE:
        raise Oversized(locator, f"is larger than {MAX_SIZE >> 20} MiB")
    body = _read_all(document, before.st_size)
    after = os.fstat(document)
    if (after.st_size, after.st_mtime_ns) != (len(body), before.st_mtime_ns):
        raise Unsettled(locator, "changed while it was read")
    return Snapshot(locator=locator, body=body, place=_place(locator, after))


def _read_all(document: int, size: int) -> bytes:
    """Read *size* bytes, or one more if there are more: the file has grown."""
    body = os.read(document, size + 1)
    while len(body) < size and (chunk := os.read(document, size + 1 - len(body))):
        body += chunk
    return body
