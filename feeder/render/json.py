"""Entries and feeds to JSON Feed 1.1, and the index of all feeds to ``feeds.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from feeder.model import EPOCH, Enclosure, Entry, FeedDocument, FeedRecord, Format, Site
from feeder.render.elements import UNKNOWN_TYPE

_VERSION = "https://jsonfeed.org/version/1.1"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def render_entry(entry: Entry) -> bytes:
    """Return the item of *entry*, in one line.

    Raises:
        ValueError: A text of the entry has no bytes: it holds a lone surrogate.
    """
    item = {
        "id": entry.id,
        "url": entry.link,
        "title": entry.title,
        "content_html": entry.content,
        "content_text": entry.summary if entry.content is None else None,
        "summary": entry.summary or None,
        "image": entry.picture.url if entry.picture else None,
        "date_published": _time(entry.published),
        "date_modified": _time(entry.updated),
        "authors": _authors(entry.author),
        "tags": list(dict.fromkeys([*(level.labels[-1] for level in entry.categories), *entry.tags])) or None,
        "language": entry.language,
        "attachments": [_attachment(each) for each in entry.enclosures] or None,
    }
    return _bytes(item)


def render(document: FeedDocument) -> bytes:
    """Return *document* as a JSON Feed."""
    head = {
        "version": _VERSION,
        "title": document.title,
        "home_page_url": document.home,
        "feed_url": dict(document.feeds)[Format.JSON],
        "description": document.subtitle,
        "language": document.language,
        "authors": _authors(document.author),
        "hubs": [{"type": "WebSub", "url": document.hub}] if document.hub else None,
    }
    return _listing(head, "items", (entry.json for entry in document.entries))


def render_index(records: Sequence[FeedRecord], site: Site) -> bytes:
    """Return ``feeds.json``: every feed, so that one conditional request tells what changed."""
    head = {
        "site": site.title,
        "id": site.id,
        "home": site.url,
        "updated": _time(max((record.updated for record in records), default=EPOCH)),
    }
    return _listing(head, "feeds", (_bytes(_described(record)) for record in records))


def _described(record: FeedRecord) -> dict[str, Any]:
    return {
        "path": record.category.labels,
        "node": record.category.node,
        "title": record.title,
        "id": record.id,
        "home": record.home,
        "urls": dict(record.feeds),
        "sha256": dict(record.digests),
        "updated": _time(record.updated),
        "entries": record.entries,
    }


def _attachment(enclosure: Enclosure) -> dict[str, str | int]:
    told: dict[str, str | int] = {"url": enclosure.url, "mime_type": enclosure.media_type or UNKNOWN_TYPE}
    return told | ({"size_in_bytes": enclosure.length} if enclosure.length else {})


def _authors(name: str | None) -> list[dict[str, str]] | None:
    return [{"name": name}] if name else None


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _listing(head: dict[str, Any], name: str, lines: Iterable[bytes]) -> bytes:
    """Return an object with the members of *head*, then the list *name*, one line for each of its values."""
    opening = _bytes(head).removesuffix(b"}") + f',"{name}":[\n'.encode()
    return opening + b",\n".join(lines) + b"\n]}\n"


def _bytes(members: dict[str, Any]) -> bytes:
    return _encode({name: value for name, value in members.items() if value is not None}).encode()
