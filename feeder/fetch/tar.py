"""Compressed tar archives to their members, within bounds. Nothing is written, and no name is trusted.

Of the standard library only the reading of a single header is used: its reader of whole archives takes time without end
for odd sizes and as much memory as an extended header asks for.
"""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

from feeder.errors import ParseError

MAX_UNPACKED: Final = 512 << 20  # bytes of the whole archive
MAX_MEMBERS: Final = 200_000
MAX_EXTENDED: Final = 1 << 20  # bytes of an extended header; it holds a name, and whatever else its writer likes

_STEP: Final = 256 << 10  # bytes that are unpacked at a time
_BLOCK: Final = tarfile.BLOCKSIZE
_XZ_MEMORY: Final = 80 << 20  # bytes; what `xz -9` needs
_GZIP_START: Final = b"\x1f\x8b"
_XZ_START: Final = b"\xfd7zXZ\0"
_LONG_NAMES: Final = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_EXTENDED: Final = (*_LONG_NAMES, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE)
_SPARSE: Final = "GNU.sparse."
_MAX_DIGITS: Final = 20
_NANO: Final = 1_000_000_000
_LATEST: Final = 1 << 33  # seconds since 1970; a file system may know no later time


class Kind(Enum):
    """What a member is."""

    FILE = auto()
    DIRECTORY = auto()
    OTHER = auto()  # a link, a device, a sparse file


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of an archive. Its name is as written, decoded as the system does it."""

    name: str
    kind: Kind
    size: int
    mtime_ns: int
    read: Callable[[], bytes]  # its bytes, before the next member is asked for


def members(body: bytes) -> Iterator[Member]:
    """Yield the members of the archive *body* (tar, plain or in gzip or xz), in order; checksums are checked.

    Raises:
        ParseError: It is no such archive, damaged, cut short, or larger than an archive of articles can be.
    """
    stream = _Stream(_unpacked(body))
    for _ in range(MAX_MEMBERS):
        member = _next(stream)
        if member is None:
            stream.drain()
            return
        end = stream.position + _padded(member.size)
        yield member
        stream.skip(end - stream.position)
    raise ParseError(f"an archive of more than {MAX_MEMBERS} members")


# ---------------------------------------------------------------- headers


def _next(stream: _Stream) -> Member | None:
    """Return the next member; None at the end of the archive."""
    said: dict[str, str] = {}
    header = _header(stream)
    while header is not None and header.type in _EXTENDED:
        said |= _extended(stream, header)
        header = _header(stream)
    return None if header is None else _member(header, said, stream)


def _header(stream: _Stream) -> tarfile.TarInfo | None:
    block = stream.read(_BLOCK)
    if not block.strip(b"\0"):
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise ParseError(f"not a tar archive, or a damaged one: {error}") from error
    if header.size < 0:
        raise ParseError("a damaged archive: a member of negative size")
    return header


def _extended(stream: _Stream, header: tarfile.TarInfo) -> Mapping[str, str]:
    """Return what a header says of the member that follows."""
    if header.size > MAX_EXTENDED:
        raise ParseError(f"an archive with a header of more than {MAX_EXTENDED >> 20} MiB")
    content = stream.read(_padded(header.size))[: header.size]
    if header.type in _LONG_NAMES:
        name = content.partition(b"\0")[0].decode("utf-8", "surrogateescape")
        return {"path": name} if header.type == tarfile.GNUTYPE_LONGNAME else {}
    return {} if header.type == tarfile.XGLTYPE else dict(_records(content))


def _records(content: bytes) -> Iterator[tuple[str, str]]:
    r"""Yield key and value of the records ``<length> <key>=<value>\n`` (POSIX pax, Extended Header)."""
    position = 0
    while position < len(content):
        digits, blank, _ = content[position : position + _MAX_DIGITS].partition(b" ")
        end = position + (int(digits) if digits.isdigit() else 0)
        key, sign, value = content[position + len(digits) + 1 : end - 1].partition(b"=")
        if not (blank and sign and position < end <= len(content)):
            raise ParseError("a damaged archive: an extended header that cannot be read")
        yield key.decode("utf-8", "replace"), value.decode("utf-8", "surrogateescape")
        position = end


def _member(header: tarfile.TarInfo, said: Mapping[str, str], stream: _Stream) -> Member:
    size = _number(said["size"]) if "size" in said else header.size
    mtime = _seconds(said["mtime"]) if "mtime" in said else header.mtime
    return Member(
        name=said.get("path", header.name),
        kind=_kind(header, said),
        size=size if header.isreg() or header.type not in tarfile.SUPPORTED_TYPES else 0,  # others have no content
        mtime_ns=min(max(int(mtime), 0), _LATEST) * _NANO,
        read=lambda: stream.read(size),
    )


def _kind(header: tarfile.TarInfo, said: Mapping[str, str]) -> Kind:
    if header.type == tarfile.GNUTYPE_SPARSE:
        raise ParseError("an archive with a sparse file, which no article is")
    if any(key.startswith(_SPARSE) for key in said):
        return Kind.OTHER
    if header.isdir():
        return Kind.DIRECTORY
    return Kind.FILE if header.isreg() else Kind.OTHER


def _seconds(written: str) -> int:
    return 0 if written.startswith("-") else _number(written.partition(".")[0])


def _number(written: str) -> int:
    if not (written.isascii() and written.isdigit() and len(written) <= _MAX_DIGITS):
        raise ParseError("a damaged archive: an extended header with a number that is none")
    return int(written)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


# ---------------------------------------------------------------- bytes


class _Stream:
    """The unpacked archive, read from its beginning to its end."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._rest = memoryview(b"")
        self.position = 0

    def read(self, size: int) -> bytes:
        """Return the next *size* bytes."""
        return b"".join(self._take(size))

    def skip(self, size: int) -> None:
        """Pass over the next *size* bytes."""
        for _ in self._take(size):
            pass

    def drain(self) -> None:
        """Read to the end, where the checksums are."""
        for _ in self._parts:
            pass

    def _take(self, size: int) -> Iterator[memoryview]:
        while size:
            while not self._rest:
                self._rest = memoryview(self._more())
            piece, self._rest = self._rest[:size], self._rest[size:]
            size -= len(piece)
            self.position += len(piece)
            yield piece

    def _more(self) -> bytes:
        try:
            return next(self._parts)
        except StopIteration:
            raise ParseError("an archive that is cut short") from None


def _unpacked(body: bytes) -> Iterator[bytes]:
    """Yield what *body* unpacks to, and stop at what no archive of articles needs."""
    total = 0
    for part in _parts(body):
        total += len(part)
        if total > MAX_UNPACKED:
            raise ParseError(f"an archive of more than {MAX_UNPACKED >> 20} MiB, unpacked")
        yield part


def _parts(body: bytes) -> Iterator[bytes]:
    if body.startswith(_GZIP_START):
        return _decompressed(body, _Gunzip)
    if body.startswith(_XZ_START):
        return _decompressed(body, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY))
    return (body[start : start + _STEP] for start in range(0, len(body), _STEP))


class _Decompressor(Protocol):
    """What the decompressors of the standard library have in common, but for that of zlib."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gunzip:
    """zlib's own, made like the others; it checks length and checksum."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return at most *max_length* bytes; what is left of *data* is kept for the next call."""
        part = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self.needs_input = not self._stream.unconsumed_tail and len(part) < max_length
        return part


def _decompressed(body: bytes, new: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """Yield in small parts what *body* holds: one stream after another, with zeros behind the last at most."""
    stream = new()
    for start in range(0, len(body), _STEP):
        waiting = body[start : start + _STEP]
        while waiting or not (stream.needs_input or stream.eof):
            if stream.eof:
                waiting = waiting.lstrip(b"\0")
                if not waiting:
                    break
                stream = new()
            try:
                yield stream.decompress(waiting, _STEP)
            except (zlib.error, lzma.LZMAError) as error:
                raise ParseError(f"a damaged archive: {error}") from error
            waiting = stream.unused_data if stream.eof else b""
    if not stream.eof:
        raise ParseError("an archive that is cut short")
