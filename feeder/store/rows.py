"""Rows of SQL to values and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from feeder.model import Article, CategoryPath, Dating, Enclosure, Origin, Sighting

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
PLACE_COLUMNS = ("size", "mtime_ns", "inode", "digest", "status", "reason")
SIGHTING_COLUMNS = (
    "id",
    "first_seen",
    "published",
    "text_since",
    "title",
    "title_key",
    "date",
    "day",
    "dating",
    "updated",
    "paths",
    "tags",
    "author",
    "image",
    "link",
    "guid",
    "summary",
    "body_hash",
    "text_hash",
    "item_hash",
    "dated_since",
    "extra",
    "missing_since",
)


def seconds(moment: datetime) -> int:
    """Return *moment* as a row has it."""
    return int(moment.timestamp())


def seconds_or_none(moment: datetime | None) -> int | None:
    """Return *moment* as a row has it."""
    return None if moment is None else int(moment.timestamp())


def moment(value: int) -> datetime:
    """Return what `seconds` was given."""
    return datetime.fromtimestamp(value, UTC)


def moment_or_none(value: int | None) -> datetime | None:
    """Return what `seconds_or_none` was given."""
    return None if value is None else datetime.fromtimestamp(value, UTC)


def texts(values: Iterable[str]) -> str:
    """Return a list of texts as a row has it: compact JSON, which SQLite's json_extract reads as well."""
    return _ENCODER.encode(list(values))


def numbers(values: Iterable[int]) -> str:
    """Return a list of numbers as a row has it."""
    return ",".join(map(str, values))


def numbers_back(text: str) -> list[int]:
    """Return what `numbers` was given."""
    return [int(number) for number in text.split(",")] if text else []


def labels(text: str) -> CategoryPath:
    """Return what `texts` was given."""
    return tuple(json.loads(text))


def files_text(files: Iterable[tuple[str, str, str]]) -> str:
    """Return files with their digests and stamps as a row has them."""
    return json.dumps({path: [digest, stamp] for path, digest, stamp in files}, ensure_ascii=False)


def files(text: str) -> tuple[tuple[str, str, str], ...]:
    """Return what `files_text` was given, in the order of their paths."""
    return tuple((path, digest, stamp) for path, (digest, stamp) in sorted(json.loads(text).items()))


def sighting_values(sighting: Sighting, short_id: str, paths: str) -> tuple[object, ...]:
    """Return the values of SIGHTING_COLUMNS."""
    article = sighting.article
    return (
        short_id,
        seconds(sighting.first_seen),
        seconds(sighting.published),
        seconds_or_none(sighting.text_since),
        article.title,
        None if article.title_key == article.title else article.title_key,
        seconds_or_none(article.published),
        article.day.toordinal() if article.day else None,
        article.dating.value,
        seconds_or_none(article.updated),
        paths,
        texts(article.tags) if article.tags else None,
        article.author,
        article.image,
        article.link,
        article.guid,
        article.summary,
        article.body_hash,
        article.text_hash,
        article.item_hash,
        seconds_or_none(sighting.dated_since),
        _extra(article),
        None,  # whatever was read is there
    )


def sighting(
    source: str, locator: str, id_: str, values: Sequence[Any], categories: tuple[CategoryPath, ...]
) -> Sighting:
    """Return what `sighting_values` was given, from the values of SIGHTING_COLUMNS."""
    return Sighting(
        source=source,
        locator=locator,
        id=id_,
        article=_article(values, categories),
        first_seen=moment(values[1]),
        published=moment(values[2]),
        text_since=moment_or_none(values[3]),
        dated_since=moment_or_none(values[20]),
        missing_since=moment_or_none(values[22]),
    )


def _article(values: Sequence[Any], categories: tuple[CategoryPath, ...]) -> Article:
    (title, key, published, day, dating, updated, _paths, tags, author, image, link, guid, summary) = values[4:17]
    body_hash, text_hash, item_hash = values[17:20]
    return Article(
        title=title,
        title_key=title if key is None else key,
        published=moment_or_none(published),
        day=date.fromordinal(day) if day else None,
        dating=Dating(dating),
        updated=moment_or_none(updated),
        categories=categories,
        tags=tuple(json.loads(tags)) if tags else (),
        author=author,
        image=image,
        link=link,
        guid=guid,
        summary=summary,
        **_extra_back(values[21]),
        body_hash=body_hash,
        text_hash=text_hash,
        item_hash=item_hash,
    )


def _extra(article: Article) -> str | None:
    """Return what only articles from feeds of others have; None if there is nothing."""
    origin, enclosures = article.origin, article.enclosures
    extra = {
        "origin": _told(origin) if origin else None,
        "rights": article.rights,
        "language": article.language,
        "enclosures": [_told(each) for each in enclosures] or None,
    }
    told = {name: value for name, value in extra.items() if value is not None}
    return _ENCODER.encode(told) if told else None


@lru_cache(maxsize=256)  # the entries of a feed share their origin
def _told(value: Origin | Enclosure) -> dict[str, str | int]:
    return {each.name: told for each in fields(value) if (told := getattr(value, each.name)) is not None}


def _extra_back(text: str | None) -> dict[str, Any]:
    """Return the fields of an article that `_extra` was given."""
    if text is None:
        return {}
    extra: dict[str, Any] = json.loads(text)
    if "origin" in extra:
        extra["origin"] = Origin(**extra["origin"])
    if "enclosures" in extra:
        extra["enclosures"] = tuple(Enclosure(**each) for each in extra["enclosures"])
    return extra
