"""JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from feeder.errors import ParseError
from feeder.links import web_url
from feeder.model import Enclosure, ForeignFeed, Origin
from feeder.parse.found import (
    Found,
    FoundEntry,
    as_html,
    as_line,
    as_plain,
    category,
    enclosure,
    files,
    picture,
    unique,
)
from feeder.parse.strict import json_value

MAX_PARTS: Final = 500_000  # values and lists: each costs some ten times its bytes in memory

_VERSION: Final = "jsonfeed.org/version/1"


def read_json(text: str, url: str) -> Found:
    """Return what the JSON Feed in *text* holds.

    Raises:
        ParseError: It is no JSON Feed.
    """
    feed = _json(text)
    items = feed.get("items")
    if _VERSION not in (_text(feed.get("version")) or "") or not isinstance(items, list):
        raise ParseError("JSON that is not a JSON Feed: it has no such version, or no items")
    origin = _origin(feed, url)
    language = as_line(_text(feed.get("language")))
    objects = [item for item in items if isinstance(item, dict)]
    odd = len(items) - len(objects)
    warnings = (f"{odd} items that are no objects are left out",) if odd else ()
    return Found(
        feed=ForeignFeed(origin=origin, items=(), warnings=warnings),
        entries=(_entry(item, origin.home or url, language) for item in objects),
        count=len(objects),
    )


def _json(text: str) -> dict[str, Any]:
    if sum(map(text.count, "{[,")) > MAX_PARTS:
        raise ParseError(f"JSON of more than {MAX_PARTS} parts: no feed needs them")
    found = json_value(text)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _name(value: object) -> str | None:
    """Return a text; a number is one too, as many ids are."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def _origin(feed: dict[str, Any], url: str) -> Origin:
    return Origin(
        title=as_plain(_text(feed.get("title"))),
        url=web_url(_text(feed.get("feed_url")), url) or url,
        home=web_url(_text(feed.get("home_page_url")), url),
        author=", ".join(_authors(feed)) or None,
    )


def _objects(value: object) -> Iterator[dict[str, Any]]:
    return (each for each in value if isinstance(each, dict)) if isinstance(value, list) else iter(())


def _authors(parent: dict[str, Any]) -> tuple[str, ...]:
    """Return the names; version 1.0 has one author, 1.1 several."""
    return unique(
        as_plain(_text(each.get("name"))) for each in _objects(parent.get("authors") or [parent.get("author")])
    )


def _entry(item: dict[str, Any], base: str, language: str | None) -> FoundEntry:
    enclosures = files(_attachments(item, base))
    html = _text(item.get("content_html")) or as_html(_text(item.get("content_text")) or "")
    summary = as_html(_text(item.get("summary")) or "")
    tags = item.get("tags")
    return FoundEntry(
        guid=_name(item.get("id")),
        link=web_url(_text(item.get("url")), base) or web_url(_text(item.get("external_url")), base),
        title=as_plain(_text(item.get("title"))),
        date=_text(item.get("date_published")),
        updated=_text(item.get("date_modified")),
        body=(html or summary).strip(),
        summary=summary if html and summary and summary != html else None,
        authors=_authors(item),
        categories=unique(category(None, _name(tag)) for tag in tags) if isinstance(tags, list) else (),
        image=picture((web_url(_text(item.get(name)), base) for name in ("image", "banner_image")), enclosures),
        enclosures=enclosures,
        language=as_line(_text(item.get("language"))) or language,
        base=base,
    )


def _attachments(item: dict[str, Any], base: str) -> Iterator[Enclosure | None]:
    for each in _objects(item.get("attachments")):
        yield enclosure(
            web_url(_text(each.get("url")), base), _text(each.get("mime_type")), _name(each.get("size_in_bytes"))
        )
