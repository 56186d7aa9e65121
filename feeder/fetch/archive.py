"""Archives of trees to directories, which are read like any other. Only this module writes what it unpacks.

Each source has a place of its own: a directory with one unpacked tree in it, and the link ``tree`` that leads there.
The link is replaced when all is written: whatever happens, it leads to the tree of before or to the new one.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import takewhile
from pathlib import Path
from typing import Final

from feeder.durable import flush, flush_around
from feeder.errors import FetchError, ParseError
from feeder.fetch.directory import MAX_SIZE, chooser
from feeder.fetch.tar import Kind, Member, members
from feeder.model import Source

NAME_MAX: Final = 255  # bytes of a name on the usual file systems
PATH_MAX: Final = 1024  # bytes of a path below the source
DEPTH_MAX: Final = 64  # directories that a document may lie in; half a path could be their names
MAX_DIRECTORIES: Final = 200_000  # of an archive: a member of nothing but a name may stand for hundreds
MAX_NAMES: Final = 32 << 20  # bytes of all names in an archive, which are held at once

_LINK: Final = "tree"
_PRIVATE: Final = 0o700
_ONLY_READ: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """What came of an archive."""

    documents: int
    is_changed: bool  # since the last time
    warnings: tuple[str, ...] = ()


def unpack(body: bytes, source: Source, *, below: Path) -> Unpacked:
    """Make the documents in the archive *body* those of *source*, as `as_directory` has it.

    Only what `DirectoryFetcher.look` would list is written. The directory that holds all others (that of a
    repository's archive has the commit in its name) is left out of the paths. A document whose bytes are those of
    before stays the file that it is; of several with one name the last counts.

    Args:
        body: A tar archive, plain or in gzip or xz.
        source: Whose documents these are.
        below: Where archives are unpacked; each source has a directory there.

    Raises:
        FetchError: It is no archive, it is damaged, or it cannot be written; the documents of before stay.
    """
    place = _place(source, below)
    try:
        wanted, warnings = _survey(body, source, place)
        is_changed = _Replacement(place).fill(body, wanted)
    except ParseError as error:
        raise FetchError(_name(source), error.reason) from error
    except OSError as error:
        raise FetchError(_name(source), f"cannot be unpacked: {error.strerror or type(error).__name__}") from error
    return Unpacked(documents=len(wanted), is_changed=is_changed, warnings=tuple(warnings))


def as_directory(source: Source, *, below: Path) -> Source:
    """Return *source* as the directory that its archive was last unpacked into; ask anew after each `unpack`."""
    link = _place(source, below) / _LINK
    with suppress(OSError):
        return replace(source, path=link.parent / link.readlink())
    return replace(source, path=link)  # there is none yet: who looks is told so


def sweep(below: Path, sources: Iterable[Source]) -> None:
    """Remove what was unpacked for others than *sources*."""
    kept = {_place(source, below).name for source in sources}
    with suppress(FileNotFoundError):
        for place in sorted(below.iterdir()):
            if place.name not in kept:
                shutil.rmtree(place, ignore_errors=True)


def _place(source: Source, below: Path) -> Path:
    return below / blake2b(source.name.encode(), digest_size=16).hexdigest()


def _name(source: Source) -> str:
    return source.url or source.name


# ---------------------------------------------------------------- what is wanted


def _survey(body: bytes, source: Source, place: Path) -> tuple[Mapping[int, str], Iterator[str]]:
    """Return the path of each member that is wanted, by its number, and what to tell people.

    The whole archive is read for it: nothing is written of one that turns out to be damaged.
    """
    found = _Survey()
    for number, member in enumerate(members(body)):
        found.note(number, member)
    if not found.files:
        raise ParseError("an archive without files")
    wanted = found.wanted(chooser(replace(source, path=place)))
    return wanted, found.warnings()


class _Survey:
    """The names in an archive."""

    def __init__(self) -> None:
        self.files: dict[str, int] = {}  # the last member of each name
        self._names = 0  # bytes of them
        self._unsafe = 0
        self._others = 0
        self._is_dotted = False  # made from inside its directory, as "./a.md"

    def note(self, number: int, member: Member) -> None:
        self._is_dotted |= member.name.startswith("./")
        self._names += len(member.name)
        if self._names > MAX_NAMES:
            raise ParseError(f"an archive with more than {MAX_NAMES >> 20} MiB of names")
        path = _safe(member.name)
        if path is None:
            self._unsafe += 1
        elif member.kind is Kind.FILE:
            self.files[path] = number
        elif member.kind is Kind.OTHER:
            self._others += 1
            self.files.pop(path, None)

    def wanted(self, is_wanted: Callable[[str], bool]) -> dict[int, str]:
        start = len(self._top())
        wanted = {
            number: path[start:]
            for path, number in self.files.items()
            if is_wanted(path[start:]) and self.files.keys().isdisjoint(_above(path))
        }
        _check_directories(wanted.values())
        return wanted

    def warnings(self) -> Iterator[str]:
        if self._unsafe:
            yield f"members with unsafe names, which are left out: {self._unsafe}"
        if self._others:
            yield f"links, devices and sparse files, which are left out: {self._others}"

    def _top(self) -> str:
        tops = {f"{top}{sign}" for top, sign, _ in (path.partition("/") for path in self.files)}
        top = tops.pop()
        return "" if tops or self._is_dotted or not top.endswith("/") else top


def _safe(name: str) -> str | None:
    """Return *name* as a path below some directory; None if it could be no such thing."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    path = "/".join(parts)
    written = path.encode("utf-8", "surrogateescape")
    is_long = len(written) > PATH_MAX or any(len(part) > NAME_MAX for part in written.split(b"/"))
    is_deep = len(parts) - 1 > DEPTH_MAX
    if name.startswith("/") or ".." in parts or "\0" in name or is_long or is_deep or not path:
        return None
    return path


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _check_directories(paths: Iterable[str]) -> None:
    """Raise ParseError if *paths* lie in more directories than an archive may make."""
    found: set[str] = set()
    for path in paths:
        found.update(takewhile(lambda each: each not in found, _above(path)))  # those above it are in there as well
        if len(found) > MAX_DIRECTORIES:
            raise ParseError(f"an archive of more than {MAX_DIRECTORIES} directories")


# ---------------------------------------------------------------- what is written


class _Replacement:
    """A tree that is written beside the present one, and then takes its place."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._link = place / _LINK
        self._old = self._present()
        self._new = place / secrets.token_hex(8)
        self._is_changed = False

    def fill(self, body: bytes, wanted: Mapping[int, str]) -> bool:
        """Make the *wanted* members of *body* the present tree; tell whether it has changed."""
        self._place.mkdir(_PRIVATE, parents=True, exist_ok=True)
        self._sweep()
        try:
            self._new.mkdir(_PRIVATE)
            for number, member in enumerate(members(body)):
                if number in wanted:
                    self._put(wanted[number], member)
            if self._is_changed or self._old is None or _count(self._old) != len(wanted):
                self._take_place()
                return True
        finally:
            self._sweep()
        return False

    def _present(self) -> Path | None:
        with suppress(OSError):
            tree = self._place / self._link.readlink()
            return tree if tree.is_dir() else None
        return None

    def _put(self, path: str, member: Member) -> None:
        target = self._new / path
        target.parent.mkdir(_PRIVATE, parents=True, exist_ok=True)
        # What is too large is told when it is read, as in a directory; it takes no room.
        content = member.read() if member.size <= MAX_SIZE else None
        if self._stays(path, target, content):
            return
        self._is_changed = True
        with target.open("xb") as file:
            file.write(content or b"")
            if content is None:
                file.truncate(MAX_SIZE + 1)
        os.utime(target, ns=(member.mtime_ns, member.mtime_ns))

    def _stays(self, path: str, target: Path, content: bytes | None) -> bool:
        """Make *target* the file of before, if that holds *content*; so nobody needs to read it again."""
        if self._old is None:
            return False
        with suppress(OSError):
            known = self._old / path
            size = known.stat().st_size
            if size > MAX_SIZE if content is None else (size == len(content) and known.read_bytes() == content):
                target.hardlink_to(known)
                return True
        return False

    def _take_place(self) -> None:
        directory = os.open(self._place, _ONLY_READ)
        try:
            flush_around(directory)
            waiting = f".{self._new.name}"
            os.symlink(self._new.name, waiting, dir_fd=directory)
            os.replace(waiting, _LINK, src_dir_fd=directory, dst_dir_fd=directory)
            flush([directory])
        finally:
            os.close(directory)

    def _sweep(self) -> None:
        """Remove all but the present tree: the one before it, and what an interrupted run left behind."""
        present = self._present()
        for each in self._place.iterdir():
            if each in {self._link, present}:
                continue
            if each.is_symlink():
                each.unlink()
            else:
                shutil.rmtree(each, ignore_errors=True)


def _count(tree: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(tree))
