"""Sites, sources and articles for tests to start from: each call says only what its test is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from feeder.likeness import body_hash, title_key
from feeder.model import Article, Dating, Place, Reading, Site, Source, Status

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PREFIX = "tag:feeds.example.org,2026:article/"


def site(**changes: Any) -> Site:
    plain = Site(title="Example", url="https://feeds.example.org/", id="feeds.example.org,2026", author="Desk")
    return replace(plain, **changes)


def source(name: str = "newsroom", order: int = 0, **changes: Any) -> Source:
    return replace(Source(name=name, order=order, timezone=ZoneInfo("UTC")), **changes)


def article(
    title: str = "Bridge opens",
    published: datetime | None = NOON,
    *,
    body: str = "The bridge is open.",
    dating: Dating = Dating.ZONED,
    **changes: Any,
) -> Article:
    """Return an article with the hashes that normalizing would give it; a naive date is no part of what it shows."""
    key, text = title_key(title), body_hash(body)
    dated = dating if published else Dating.NONE
    plain = Article(
        title=title,
        title_key=key,
        published=published,
        day=published.date() if published else None,
        dating=dated,
        body_hash=text,
        text_hash=_digest(key, text.hex()),
        item_hash=b"",
    )
    changed = replace(plain, **changes)
    told = replace(changed, published=published if dated is Dating.ZONED else None, day=None)
    return replace(changed, item_hash=_digest(repr(told), text.hex()))


def reading(locator: str, found: Article | None = None, status: Status = Status.GOOD, **changes: Any) -> Reading:
    """Return what a poll read at *locator*; the digest is another for every article."""
    digest = _digest(repr(found))
    plain = Reading(place=place(locator), status=status, digest=digest, article=found)
    return replace(plain, **changes)


def place(locator: str, **changes: Any) -> Place:
    return replace(Place(locator=locator, size=100, mtime_ns=1, inode=1), **changes)


def _digest(*parts: str) -> bytes:
    return blake2b("\0".join(parts).encode(), digest_size=16).digest()
