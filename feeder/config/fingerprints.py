"""Hashes of the settings that shape what is read and what is rendered; another hash means: do it again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from feeder.config.settings import Config
from feeder.model import CategorySettings, FeedSettings, PageSettings, Patterns, Select, Site, Source

READ_VERSION: Final = 1  # raise it when the same settings read the same document otherwise than before
RENDER_VERSION: Final = 1  # raise it when the same settings render the same articles otherwise than before

# Each setting stands in a table of its kind: what is read and what is rendered may depend on the same.
READ_OF_SOURCE: Final = (
    "dialect",
    "require_front_matter",
    "timezone",
    "dates",
    "date_offset",
    "category",
    "category_mode",
    "category_from",
    "fields",
    "author",
    "permalink",
    "base_url",
    "image",
    "remove",
    "dedup",
)
READ_WHERE_SET: Final = ("only", "without", "max_categories")  # as well, of a source that has some
READ_OF_URL: Final = (  # as well, of a source that has one: an answer of before is of no use
    "url",
    "kind",
    "select",
    "include",
    "exclude",
    "keep_ids",
    "headers",
)
RENDER_OF_SOURCE: Final = (
    "language",
    "future",
    "permalink",
    "base_url",
    "image",
    "remove",
    "limit",
    "content",
    "rights",
    "attribution",
)
NEITHER_OF_SOURCE: Final = (
    "name",
    "order",
    "path",
    "enabled",
    "interval",
    "cron",
    "watch",
    "include",
    "exclude",
    "keep_deleted",
    "withdraw_after",
    "on_remove",
    "was",
    "is_adaptive",
    "min_interval",
    "max_interval",
    "timeout",
    "max_size",
    "allow_private",
    "auth",
    "cookies",
    "proxy",
    "tls_ca",
    "first",
    "alert_after",
)
READ_OF_SITE: Final = ("timezone", "zones", "never_merge")  # and of the categories what is the same as what
RENDER_OF_SITE: Final = ("title", "url", "id", "author", "language", "timezone", "categories")
RENDER_OF_FEEDS: Final = ("formats", "entries", "window", "max_entries", "content", "hub")
RENDER_OF_PAGES: Final = ("articles",)
NEITHER_OF_FEEDS: Final = ("settle", "archive", "deletions")  # what feeds tell of the past is in the state


def fingerprint(source: Source, site: Site) -> str:
    """Return the hash of all that shapes how a document of *source* is read."""
    aliases = [(each.path, each.same_as) for each in site.categories if each.same_as]
    further = [_picked(source, READ_OF_URL)] if source.url else []
    if any(getattr(source, name) is not None for name in READ_WHERE_SET):
        further.append(_picked(source, READ_WHERE_SET))
    return _hash(READ_VERSION, _picked(source, READ_OF_SOURCE), _picked(site, READ_OF_SITE), sorted(aliases), *further)


def whole_fingerprint(source: Source) -> str:
    """Return the hash of all settings of *source*, but for its place among the others: with each it may fail or not."""
    return _hash(_picked(source, (each.name for each in fields(source) if each.name != "order")))


def render_fingerprint(config: Config, *, look: str = "") -> str:
    """Return the hash of all that shapes how feeds are rendered from articles; *look* stands for what pages look like."""
    sources = [(source.name, _picked(source, RENDER_OF_SOURCE)) for source in config.sources]
    site, feeds = _picked(config.site, RENDER_OF_SITE), _picked(config.feeds, RENDER_OF_FEEDS)
    return _hash(RENDER_VERSION, site, feeds, _picked(config.pages, RENDER_OF_PAGES), sources, look)


def _picked(value: Source | Site | FeedSettings | PageSettings, names: Iterable[str]) -> dict[str, object]:
    return {name: getattr(value, name) for name in names}


def _hash(*values: object) -> str:
    return sha256(json.dumps(values, default=_plain, sort_keys=True).encode()).hexdigest()


def _plain(value: timedelta | ZoneInfo | Path | CategorySettings | Patterns | Select) -> object:
    """Return what JSON has no word for, the same in every version of Python."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, ZoneInfo):
        return value.key
    return {field.name: getattr(value, field.name) for field in fields(value)}
