"""XML sitemaps (sitemaps.org, 0.9) to the pages and further sitemaps that they list. They are read strictly."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from feeder.errors import ParseError
from feeder.links import web_url

MAX_BYTES: Final = 50 << 20  # unpacked; the protocol allows no more
MAX_ENTRIES: Final = 50_000  # of one sitemap; likewise
MAX_TEXT: Final = 2048  # characters; likewise for an address

_GZIP_START: Final = b"\x1f\x8b"
_NEWS: Final = "/sitemap-news/"
_NEWS_WORDS: Final = frozenset({"title", "publication_date"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A page or a further sitemap; dates are as written."""

    url: str
    lastmod: str | None = None
    title: str | None = None  # of an article in a news sitemap, as is `date`
    date: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitemap:
    """What a sitemap lists, in its order: pages, or in an index further sitemaps."""

    pages: tuple[Listed, ...] = ()
    parts: tuple[Listed, ...] = ()
    warnings: tuple[str, ...] = ()


def read_sitemap(body: bytes, *, url: str) -> Sitemap:
    """Return what the sitemap *body*, plain or in gzip, lists, each address once.

    Args:
        body: The sitemap.
        url: Its address after all redirects.

    Raises:
        ParseError: It is no sitemap, damaged, or too large.
    """
    pages: dict[str, Listed] = {}
    parts: dict[str, Listed] = {}
    warnings = []
    for number, (name, said) in enumerate(_entries(_unpacked(body))):
        if number == MAX_ENTRIES:
            warnings.append(f"lists more than {MAX_ENTRIES} addresses; the others are not read")
            break
        address = web_url(said.get("loc"), url)
        if address and name in {"url", "sitemap"}:
            (pages if name == "url" else parts).setdefault(address, _listed(address, said))
    return Sitemap(pages=tuple(pages.values()), parts=tuple(parts.values()), warnings=tuple(warnings))


def _listed(address: str, said: Mapping[str, str]) -> Listed:
    return Listed(url=address, lastmod=said.get("lastmod"), title=said.get("title"), date=said.get("publication_date"))


def _unpacked(body: bytes) -> bytes:
    if not body.startswith(_GZIP_START):
        unpacked, is_whole = body, True
    else:
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            unpacked = stream.decompress(body, MAX_BYTES + 1)
        except zlib.error as error:
            raise ParseError(f"not valid gzip: {error}") from error
        is_whole = stream.eof
    if len(unpacked) > MAX_BYTES:
        raise ParseError(f"larger than {MAX_BYTES >> 20} MiB")
    if not is_whole:
        raise ParseError("cut short: its gzip has no end")
    return unpacked


def _entries(body: bytes) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the name of each element right below the root, and the texts in it."""
    root = None
    try:
        for event, element in _events(body):
            if root is None:
                root = _checked(element)
            elif event == "end" and element.getparent() is root:
                yield _name(element), _texts(element)
                _forget(element, root)
    except etree.XMLSyntaxError as error:
        raise ParseError(f"not valid XML: {error.msg}", line=error.lineno) from error


def _events(body: bytes) -> Any:
    return etree.iterparse(
        io.BytesIO(body),
        events=("start", "end"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def _forget(entry: etree._Element, root: etree._Element) -> None:
    """Drop what was read; what follows may be in the tree already."""
    entry.clear()
    while (before := entry.getprevious()) is not None:
        root.remove(before)


def _checked(root: etree._Element) -> etree._Element:
    if _name(root) not in {"urlset", "sitemapindex"}:
        raise ParseError(f"not a sitemap: its first element is {_name(root)[:100]!a}")
    document: Any = root.getroottree().docinfo
    if document.doctype:
        raise ParseError("it holds a document type, which no sitemap needs")
    return root


def _texts(entry: etree._Element) -> Mapping[str, str]:
    """Return the texts of *entry* by name: its own, and those of a news sitemap that lie deeper."""
    found: dict[str, str] = {}
    for element in entry.iterdescendants():
        name, space = _name(element), etree.QName(element).namespace or ""
        is_own = element.getparent() is entry and name in {"loc", "lastmod"}
        if is_own or (name in _NEWS_WORDS and _NEWS in space):
            text = " ".join("".join(map(str, element.itertext())).split())
            if 0 < len(text) <= MAX_TEXT:
                found.setdefault(name, text)
    return found


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname
