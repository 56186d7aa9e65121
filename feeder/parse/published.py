"""Feeds that were published, by us or by others, to their entries. They are read strictly, and nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from lxml import etree

from feeder.characters import safe_text, unescaped
from feeder.dates import parse_date
from feeder.errors import ParseError
from feeder.links import web_url
from feeder.model import UTC_ZONE
from feeder.parse.strict import json_value, xml_root

MAX_BYTES: Final = 64 << 20  # of one feed; ours of 500 whole articles have a tenth of it
BEST_FIRST: Final = ("atom", "json", "rss")  # RSS does not say when an article was updated

_ATOM: Final = "{http://www.w3.org/2005/Atom}"
_RSS1: Final = "{http://purl.org/rss/1.0/}"
_RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC_DATE: Final = "{http://purl.org/dc/elements/1.1/}date"
_MODIFIED: Final = "{http://purl.org/dc/terms/}modified"
_JSON_FEED: Final = "https://jsonfeed.org/version/1"

_HTML_TITLES: Final = frozenset({"html", "text/html"})
_OLDER: Final = ("next", "prev-archive")  # RFC 5005, 3 and 4
_WEB_PAGE = re.compile(rb"\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_BLANK_START = b"\xef\xbb\xbf \t\r\n"

_Tags: TypeAlias = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedEntry:
    """An entry as subscribers have it. `guid` is as written; where there is none, readers go by the link."""

    guid: str | None = None
    link: str | None = None
    title: str | None = None
    published: datetime | None = None
    updated: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPage:
    """A feed, or a part of one. `older` is the address of the part that goes on where it ends (RFC 5005)."""

    entries: tuple[PublishedEntry, ...]
    older: str | None = None


def read_published(path: Path, *, zone: ZoneInfo = UTC_ZONE) -> tuple[PublishedEntry, ...]:
    """Return the entries of the Atom, RSS or JSON feed in the file at *path*; dates without a zone are in *zone*.

    Raises:
        ParseError: It cannot be read, or is no such feed.
    """
    return parse_published(_body(path), zone=zone).entries


def parse_published(body: bytes, *, zone: ZoneInfo = UTC_ZONE, url: str | None = None) -> PublishedPage:
    """Return what an Atom, RSS or JSON feed holds; dates without a zone are in *zone*.

    Args:
        body: The feed.
        zone: Of dates without one.
        url: Where it was found; what is relative in it is relative to that.

    Raises:
        ParseError: It is no such feed.
    """
    read = _json_page if _is_json(body) else _xml_page
    page = read(body, zone, url)
    return replace(page, entries=tuple(_complete(entry) for entry in page.entries))


def feed_files(path: Path) -> tuple[tuple[Path, ...], ...]:
    """Return the feeds that the file at *path* stands for: itself, or those of a ``feeds.json``, which lie below it.

    Each is one or more files with the same entries, the one that says most first.

    Raises:
        ParseError: It cannot be read, or lists feeds that do not lie beside it.
    """
    body = _body(path)
    if not _is_json(body):
        return ((path,),)
    index = _json(body)
    if not isinstance(index.get("feeds"), list) or "items" in index:
        return ((path,),)
    home = _text(index.get("home")) or ""
    return tuple(_listed(feed, home, path.parent) for feed in index["feeds"])


def _listed(feed: Any, home: str, directory: Path) -> tuple[Path, ...]:
    urls = feed.get("urls") if isinstance(feed, dict) else None
    found = [url for name in BEST_FIRST if isinstance(urls, dict) and (url := _text(urls.get(name)))]
    if not found:
        raise ParseError("it lists a feed without a URL")
    return tuple(directory / _relative(url, home) for url in found)


def _relative(url: str, home: str) -> PurePosixPath:
    path = PurePosixPath(unquote(url.removeprefix(home)))
    if not url.startswith(home) or path.is_absolute() or ".." in path.parts or "\0" in str(path):
        raise ParseError(f"it lists {url[:200]!a}, which is not below its own home")
    return path


def _body(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            body = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ParseError(f"cannot be read: {error.strerror}") from error
    if len(body) > MAX_BYTES:
        raise ParseError(f"larger than {MAX_BYTES >> 20} MiB")
    return body


def _is_json(body: bytes) -> bool:
    return body[:1000].lstrip(_BLANK_START).startswith(b"{")


def _complete(entry: PublishedEntry) -> PublishedEntry:
    """Let a link stand in for a missing guid, as feed readers do, and a guid that is a link for a missing link."""
    guid = entry.guid or entry.link
    return replace(entry, guid=guid, link=web_url(safe_text(entry.link or guid or ""), None))


def _moment(text: str | None, zone: ZoneInfo) -> datetime | None:
    return parse_date(text, zone=zone, names={})[0]


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


# ---------------------------------------------------------------- JSON Feed


def _json(body: bytes) -> dict[str, Any]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParseError("not UTF-8", line=body.count(b"\n", 0, error.start) + 1) from error
    found = json_value(text)
    return found if isinstance(found, dict) else {}


def _json_page(body: bytes, zone: ZoneInfo, url: str | None) -> PublishedPage:
    feed = _json(body)
    items = feed.get("items")
    if not str(feed.get("version")).startswith(_JSON_FEED) or not isinstance(items, list):
        raise ParseError("not a JSON Feed")
    return PublishedPage(entries=tuple(_json_entries(items, zone)), older=web_url(_text(feed.get("next_url")), url))


def _json_entries(items: list[Any], zone: ZoneInfo) -> Iterator[PublishedEntry]:
    for item in items:
        if not isinstance(item, dict):
            raise ParseError("not a JSON Feed: an item is no object")
        number = item.get("id")
        yield PublishedEntry(
            guid=str(number) if isinstance(number, int | float) else _text(number),
            link=_text(item.get("url")) or _text(item.get("external_url")),
            title=_text(item.get("title")),
            published=_moment(_text(item.get("date_published")), zone),
            updated=_moment(_text(item.get("date_modified")), zone),
        )


# ---------------------------------------------------------------- Atom and RSS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """Where a kind of XML feed keeps its entries, and the elements of each word of ours, the first one counting."""

    entries: str
    tags: _Tags


_RSS_DATES: Final[_Tags] = {"published": ("pubDate", _DC_DATE), "updated": (f"{_ATOM}updated", _MODIFIED)}
_KINDS: Final[Mapping[str, _Kind]] = MappingProxyType(
    {
        f"{_ATOM}feed": _Kind(
            entries=f"{_ATOM}entry", tags={word: (_ATOM + word,) for word in ("id", "title", "published", "updated")}
        ),
        "rss": _Kind(
            entries="channel/item", tags={"id": ("guid",), "link": ("link",), "title": ("title",), **_RSS_DATES}
        ),
        f"{_RDF}RDF": _Kind(
            entries=f"{_RSS1}item", tags={"link": (f"{_RSS1}link",), "title": (f"{_RSS1}title",), **_RSS_DATES}
        ),
    }
)


def _xml_page(body: bytes, zone: ZoneInfo, url: str | None) -> PublishedPage:
    root = _root(body, url)
    kind = _KINDS.get(root.tag)
    if kind is None:
        raise ParseError("not an Atom, RSS or JSON feed")
    return PublishedPage(entries=tuple(_xml_entries(root, kind, zone)), older=_older(root))


def _xml_entries(root: etree._Element, kind: _Kind, zone: ZoneInfo) -> Iterator[PublishedEntry]:
    for entry in root.findall(kind.entries):
        yield PublishedEntry(
            guid=_found(entry, kind, "id") or _text(entry.get(f"{_RDF}about")),
            link=_found(entry, kind, "link") or _alternate(entry),
            title=_title(entry, kind),
            published=_moment(_found(entry, kind, "published"), zone),
            updated=_moment(_found(entry, kind, "updated"), zone),
        )


def _older(root: etree._Element) -> str | None:
    links = [*root.findall(f"{_ATOM}link"), *root.findall(f"channel/{_ATOM}link")]
    found = {link.get("rel"): web_url(link.get("href"), link.base) for link in links}
    return next((address for rel in _OLDER if (address := found.get(rel))), None)


def _root(body: bytes, url: str | None) -> etree._Element:
    if _WEB_PAGE.match(body):
        raise ParseError("a web page, not a feed")
    return xml_root(body, what="feed", url=url or "")


def _found(entry: etree._Element, kind: _Kind, word: str) -> str | None:
    elements = (element for tag in kind.tags.get(word, ()) for element in entry.findall(tag))
    return next((text for element in elements if (text := _text("".join(map(str, element.itertext()))))), None)


def _title(entry: etree._Element, kind: _Kind) -> str | None:
    """Return the title as plain text; RSS does not say what its titles are, and many are escaped twice."""
    written = _found(entry, kind, "title")
    element = entry.find(f"{_ATOM}title")
    if written is None or (element is not None and element.get("type") not in _HTML_TITLES):
        return written
    return _text(unescaped(_TAG.sub("", written)))


def _alternate(entry: etree._Element) -> str | None:
    """Return the address of the entry's page, the one in HTML first."""
    links = [link for link in entry.findall(f"{_ATOM}link") if link.get("rel", "alternate") == "alternate"]
    ranked = sorted(links, key=lambda link: link.get("type", "text/html") != "text/html")
    return next((url for link in ranked if (url := web_url(link.get("href"), link.base))), None)
