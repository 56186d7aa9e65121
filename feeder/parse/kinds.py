"""What an answer is: a feed, a page, a document or an archive. Its bytes decide, then its media type, then its address."""

from __future__ import annotations

import lzma
import re
import tarfile
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from feeder.model import Answer, SourceKind
from feeder.parse.frontmatter import begins_document

_LOOKED_AT: Final = 65_536  # bytes
_JUNK: Final = 4096  # characters of it, such as the warnings of a program, may stand before a feed
_ARCHIVE_LOOKED_AT: Final = 4096  # bytes that hold the first header of an archive
_XZ_MEMORY: Final = 80 << 20  # bytes

_GZIP_START: Final = b"\x1f\x8b"
_XZ_START: Final = b"\xfd7zXZ\0"
_MARKS = re.compile(rb"\A(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)")

_ROOT = re.compile(
    r"(?:\s++|<\?.*?\?>|<!--.*?-->)*+<(?:!doctype\s+)?(?:[\w.-]{1,40}:)?([\w.-]{1,40})(?=[\s/>\[])",
    re.IGNORECASE | re.DOTALL,
)
_LATE_ROOT = re.compile(r"<(?:!doctype\s+)?(?:[\w.-]{1,40}:)?(rss|rdf|feed|html)(?=[\s>])", re.IGNORECASE)
_JSON_FEED = re.compile(rb'"version"\s{0,20}:\s{0,20}"https?:\\?/\\?/(?:www\.)?jsonfeed\.org')

_BY_ROOT: Mapping[str, SourceKind] = MappingProxyType(
    {
        **dict.fromkeys(("rss", "rdf", "feed"), SourceKind.FEED),
        **dict.fromkeys(
            [
                "html",
                "head",
                "body",
                "title",
                "meta",
                "link",
                "base",
                "script",
                "style",
                "div",
                "p",
                "a",
                "h1",
                "h2",
                "h3",
                "ul",
                "ol",
                "table",
                "main",
                "article",
                "section",
            ],
            SourceKind.PAGE,
        ),
    }
)
_BY_TYPE: Mapping[str, SourceKind] = MappingProxyType(
    {
        "application/rss+xml": SourceKind.FEED,
        "application/atom+xml": SourceKind.FEED,
        "application/rdf+xml": SourceKind.FEED,
        "application/feed+json": SourceKind.FEED,
        "text/html": SourceKind.PAGE,
        "application/xhtml+xml": SourceKind.PAGE,
        "text/markdown": SourceKind.DOCUMENT,
        "text/x-markdown": SourceKind.DOCUMENT,
        "application/x-tar": SourceKind.ARCHIVE,
        "application/x-gtar": SourceKind.ARCHIVE,
        "application/x-compressed-tar": SourceKind.ARCHIVE,
    }
)
_BY_ENDING: Mapping[str, SourceKind] = MappingProxyType(
    {
        **dict.fromkeys((".rss", ".atom", ".rdf", ".xml"), SourceKind.FEED),
        **dict.fromkeys((".html", ".htm", ".xhtml"), SourceKind.PAGE),
        **dict.fromkeys((".md", ".markdown"), SourceKind.DOCUMENT),
        **dict.fromkeys((".tar.gz", ".tgz", ".tar", ".tar.xz", ".txz"), SourceKind.ARCHIVE),
    }
)
_NAMES: Mapping[SourceKind, str] = MappingProxyType(
    {
        SourceKind.FEED: "a feed",
        SourceKind.PAGE: "a web page",
        SourceKind.DOCUMENT: "a front-matter document",
        SourceKind.ARCHIVE: "an archive",
    }
)


def kind_of(answer: Answer) -> SourceKind | None:
    """Return what *answer* holds, never AUTO; None if nothing tells."""
    return _by_bytes(answer) or _BY_TYPE.get(answer.media_type or "") or _by_ending(answer.url)


def surprise(answer: Answer, *, expected: SourceKind) -> str | None:
    """Return for people what came in place of what was *expected*: "a web page, not a feed".

    None if it is as expected, or nothing tells.
    """
    found = kind_of(answer)
    if found is None or expected in {found, SourceKind.AUTO}:
        return None
    return f"{_NAMES[found]}, not {_NAMES[expected]}"


def _by_bytes(answer: Answer) -> SourceKind | None:
    start = answer.body[:_LOOKED_AT]
    if _is_archive(start):
        return SourceKind.ARCHIVE
    # All that is looked for is ASCII: without its zeros, UTF-16 is as good as any other encoding.
    text = _MARKS.sub(b"", start).replace(b"\0", b"").decode("utf-8", "replace")
    if root := _ROOT.match(text):
        return _BY_ROOT.get(root[1].lower()) or _behind_junk(text)
    if text.lstrip().startswith("{"):
        return _of_json(answer, text)
    if begins_document(text):
        return SourceKind.DOCUMENT
    return _behind_junk(text) if _BY_TYPE.get(answer.media_type or "") is not SourceKind.DOCUMENT else None


def _of_json(answer: Answer, text: str) -> SourceKind | None:
    if _JSON_FEED.search(answer.body):
        return SourceKind.FEED
    is_only_json = "json" in (answer.media_type or "")
    return SourceKind.DOCUMENT if begins_document(text) and not is_only_json else None


def _behind_junk(text: str) -> SourceKind | None:
    root = _LATE_ROOT.search(text, 0, _JUNK)
    return _BY_ROOT[root[1].lower()] if root else None


def _by_ending(url: str) -> SourceKind | None:
    path = url.partition("#")[0].partition("?")[0].lower()
    return next((kind for ending, kind in _BY_ENDING.items() if path.endswith(ending)), None)


def _is_archive(start: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(_unpacked(start[:_ARCHIVE_LOOKED_AT])[: tarfile.BLOCKSIZE], "utf-8", "replace")
    except (tarfile.HeaderError, zlib.error, lzma.LZMAError):
        return False
    return True


def _unpacked(start: bytes) -> bytes:
    if start.startswith(_GZIP_START):
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(start, tarfile.BLOCKSIZE)
    if start.startswith(_XZ_START):
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY).decompress(start, tarfile.BLOCKSIZE)
    return start
