"""Content codings, undone in small steps and checked to their end. Only this module knows brotli and zstd.

A few hundred bytes may hold a gigabyte: whoever reads stops at any step. A stream that was cut short is told from a
whole one, which HTTP clients do not do.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, Protocol

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ACCEPTED: Final = "gzip, br, zstd"

_STEP: Final = 64 << 10  # bytes that are unpacked at a time, or a few more
_WINDOW_LOG: Final = 23  # 8 MiB: RFC 9659 lets no sender ask for more
_GZIP_START: Final = b"\x1f\x8b"


class Undecodable(Exception):
    """The bytes are not what their coding says; the text is for people and follows a name."""


class Decoder(Protocol):
    """Undoes one coding."""

    def feed(self, part: bytes) -> Iterator[bytes]:
        """Yield what *part* adds, in small parts.

        Raises:
            Undecodable: It is not valid.
        """

    def end(self) -> None:
        """Raise Undecodable unless the end was reached."""


def decoder_of(coding: str | None) -> Decoder:
    """Return what undoes *coding*, as a Content-Encoding writes it.

    Raises:
        Undecodable: It was not asked for, or is more than one.
    """
    names = [name for part in (coding or "").split(",") if (name := part.strip().lower()) not in {"", "identity"}]
    if len(names) > 1:
        raise Undecodable(f"is encoded more than once: {_shown(', '.join(names))}")
    name = names[0] if names else "identity"
    if name not in _DECODERS:
        raise Undecodable(f"is encoded as {_shown(name)}, which was not asked for")
    return _DECODERS[name]()


def _shown(text: str) -> str:
    return ascii(text[:50])[1:-1]


class _Plain:
    def feed(self, part: bytes) -> Iterator[bytes]:
        yield part

    def end(self) -> None:
        """Any end will do: whoever reads from the wire knows how long it should be."""


class _Gzip:
    """RFC 1952: one member after another. What follows the last and begins none is padding."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)  # gzip alone
        self._is_over = False

    def feed(self, part: bytes) -> Iterator[bytes]:
        waiting = part
        while waiting and not self._is_over:
            if self._member.eof:
                waiting = self._next_member(waiting)
                continue
            try:
                yield self._member.decompress(waiting, _STEP)
            except zlib.error as error:
                raise Undecodable("is no valid gzip") from error
            waiting = self._member.unused_data or self._member.unconsumed_tail

    def _next_member(self, waiting: bytes) -> bytes:
        if not _GZIP_START.startswith(waiting[:2]):
            self._is_over = True
            return b""
        self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        return waiting

    def end(self) -> None:
        if not self._member.eof:
            raise Undecodable("is cut short: its gzip has no end")


class _Brotli:
    """RFC 7932: one stream, and nothing after it."""

    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    def feed(self, part: bytes) -> Iterator[bytes]:
        try:
            piece = self._stream.process(part, output_buffer_limit=_STEP)
            while piece:  # only an empty one says that there is no more: https://github.com/google/brotli/pull/1234
                yield piece
                piece = self._stream.process(b"", output_buffer_limit=_STEP)
        except brotli.error as error:
            raise Undecodable("is no valid br") from error

    def end(self) -> None:
        if not self._stream.is_finished():
            raise Undecodable("is cut short: its br has no end")


class _Zstandard:
    """RFC 8878: one frame after another."""

    def __init__(self) -> None:
        self._frame = _new_frame()

    def feed(self, part: bytes) -> Iterator[bytes]:
        waiting = part
        while waiting or not (self._frame.needs_input or self._frame.eof):
            if self._frame.eof:
                self._frame = _new_frame()
            try:
                yield self._frame.decompress(waiting, _STEP)
            except zstd.ZstdError as error:
                raise Undecodable("is no valid zstd") from error
            waiting = self._frame.unused_data if self._frame.eof else b""

    def end(self) -> None:
        if not self._frame.eof:
            raise Undecodable("is cut short: its zstd has no end")


def _new_frame() -> zstd.ZstdDecompressor:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})


_DECODERS: Final[Mapping[str, Callable[[], Decoder]]] = MappingProxyType(
    {"identity": _Plain, "gzip": _Gzip, "x-gzip": _Gzip, "br": _Brotli, "zstd": _Zstandard}
)
