"""What the dialects of front matter call things: fields as written to a RawItem."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TypeAlias

from feeder.errors import ParseError
from feeder.model import Dialect, RawItem, RawTree, Source

MAX_KEYS = 1000  # in one mapping

Value: TypeAlias = "str | tuple[Value, ...] | dict[str, Value] | None"
"""A value of the front matter; every scalar is text as written, an empty one is None."""

Names: TypeAlias = Mapping[str, tuple[str, ...]]
"""Our word -> the keys that may hold it, the preferred one first."""


class Fields(dict[str, Value]):
    """Front matter by key, in lower case, with `notes` for people: (line within the front matter, text)."""

    __slots__ = ("notes",)

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[tuple[int, str]] = []

    def put(self, key: str, value: Value, line: int) -> None:
        """Set *key* and note if it was there before; the last one counts.

        Raises:
            ParseError: There are too many.
        """
        if len(self) >= MAX_KEYS:
            raise ParseError(f"more than {MAX_KEYS} keys", line=line)
        name = key.strip().lower()
        if name in self:
            self.notes.append((line, "a key is given twice; the last one counts"))
        self[name] = value


_COMMON: Names = {"title": ("title",), "author": ("author", "authors"), "guid": ("guid", "id", "uuid")}
_NAMES: Mapping[Dialect, Names] = {
    Dialect.HEXO: {
        **_COMMON,
        "date": ("date",),
        "updated": ("updated",),
        "categories": ("categories", "category"),
        "tags": ("tags", "tag"),
        "image": ("cover", "thumbnail", "headimg", "photos"),
        "link": ("permalink", "canonical", "canonical_url", "link", "url", "source_url"),
        "slug": ("slug", "abbrlink"),
        "summary": ("excerpt", "description", "summary"),
    },
    Dialect.JEKYLL: {
        **_COMMON,
        "date": ("date",),
        "updated": ("last_modified_at",),
        "categories": ("categories", "category"),
        "tags": ("tags", "tag"),
        "image": ("image",),
        "link": ("canonical_url", "permalink"),
        "slug": ("slug",),
        "summary": ("excerpt", "description"),
    },
    Dialect.HUGO: {
        **_COMMON,
        "date": ("date", "publishdate"),
        "updated": ("lastmod",),
        "categories": ("categories", "category"),
        "tags": ("tags",),
        "image": ("images", "image", "featured_image", "cover"),
        "link": ("canonicalurl", "url"),
        "slug": ("slug",),
        "summary": ("description", "summary"),
    },
    Dialect.PELICAN: {
        **_COMMON,
        "author": ("authors", "author"),
        "date": ("date",),
        "updated": ("modified",),
        "categories": ("category",),
        "tags": ("tags", "keywords"),
        "slug": ("slug",),
        "summary": ("summary",),
    },
    Dialect.ELEVENTY: {
        **_COMMON,
        "date": ("date",),
        "tags": ("tags",),
        "link": ("permalink",),
        "summary": ("description",),
    },
    Dialect.ASTRO: {
        **_COMMON,
        "date": ("pubdate", "pubdatetime"),
        "updated": ("updateddate", "moddatetime"),
        "categories": ("category",),
        "tags": ("tags",),
        "image": ("heroimage", "ogimage"),
        "link": ("canonical", "canonicalurl"),
        "slug": ("slug",),
        "summary": ("description",),
    },
    Dialect.OBSIDIAN: {
        **_COMMON,
        "date": ("date created", "created", "date"),
        "updated": ("date modified", "modified"),
        "tags": ("tags", "tag"),
        "link": ("permalink",),
        "summary": ("description",),
    },
}

_TRUE = frozenset({"true", "yes", "1", "on"})
_FALSE = frozenset({"false", "no", "0", "off"})
_SWITCHES = _TRUE | _FALSE
_LEFT_OUT = (
    ("draft", _TRUE, "draft"),
    ("published", _FALSE, "published: false"),
    ("publish", _FALSE, "publish: false"),
    ("hidden", _TRUE, "hidden"),
    ("status", frozenset({"draft"}), "draft"),
    ("status", frozenset({"hidden", "private", "skip"}), "hidden"),
    ("eleventyexcludefromcollections", _TRUE, "excluded from collections"),
)
_LEFT_OUT_KEYS = frozenset(key for key, _, _ in _LEFT_OUT)

# Keys that only one dialect has.
_MARKS = (
    (Dialect.HUGO, frozenset({"publishdate", "lastmod", "expirydate"})),
    (Dialect.ASTRO, frozenset({"pubdate", "pubdatetime", "updateddate", "moddatetime", "heroimage", "ogimage"})),
    (Dialect.JEKYLL, frozenset({"last_modified_at"})),
    (Dialect.OBSIDIAN, frozenset({"date created", "date modified", "cssclass", "cssclasses"})),
    (Dialect.ELEVENTY, frozenset({"eleventynavigation", "eleventyexcludefromcollections", "eleventycomputed"})),
)
_ALL_MARKS = frozenset().union(*(marks for _, marks in _MARKS))
_OBSIDIAN_WITHOUT_TITLE = frozenset({"aliases", "publish"})


def _keys(*words: str) -> frozenset[str]:
    return frozenset(key for names in _NAMES.values() for word in words for key in names.get(word, ()))


TITLE_KEYS = _keys("title")
LIST_KEYS = _keys("categories", "tags", "author", "image")
KNOWN_KEYS = (
    _keys(*_NAMES[Dialect.HEXO]) | _LEFT_OUT_KEYS | _ALL_MARKS | _OBSIDIAN_WITHOUT_TITLE | {"layout", "comments"}
)

_DATED_NAME = re.compile(r"(\d{4}-\d{1,2}-\d{1,2})-(.+)")
_DATED_BY_FILE = frozenset({Dialect.AUTO, Dialect.JEKYLL, Dialect.ELEVENTY})
_COMMA = re.compile(r"[,，]")
_COMMA_OR_BLANK = re.compile(r"[\s,，]+")
_TAG_SEPARATORS = {Dialect.JEKYLL: _COMMA_OR_BLANK, Dialect.OBSIDIAN: _COMMA_OR_BLANK}
_TEMPLATE = re.compile(r"\{\{|\{%|/:")
_IMAGE_KEYS = ("url", "src", "path", "image", "href")


def to_item(
    fields: Fields, source: Source, *, locator: str, hint: Dialect | None, body: str, warnings: tuple[str, ...]
) -> RawItem:
    """Return *fields* under our names, by the habits of the source's dialect, or the one they look like."""
    dialect = source.dialect
    if dialect is Dialect.AUTO:
        dialect = hint or _dialect_of(fields, locator)
    reading = _Reading(
        fields=fields, names=_names(source.dialect, dialect, source.fields, frozenset(fields)), dialect=dialect
    )
    return RawItem(
        locator=locator,
        dialect=dialect,
        title=reading.first("title", _text) or _title_of_file(dialect, locator),
        date=reading.first("date", _text) or _date_of_file(source.dialect, locator),
        updated=reading.first("updated", _text),
        categories=reading.categories(),
        tags=reading.tags(),
        author=reading.author(),
        image=reading.first("image", _image),
        link=reading.first("link", _link),
        slug=reading.first("slug", _text) or _slug_of_file(dialect, locator),
        guid=reading.first("guid", _text),
        summary=reading.first("summary", _text),
        left_out=_left_out(fields, locator),
        body=body,
        warnings=warnings,
    )


def _dialect_of(fields: Fields, locator: str) -> Dialect:
    """Return the dialect that *fields* betray; Hexo if none."""
    if not _ALL_MARKS.isdisjoint(fields):
        return next(dialect for dialect, marks in _MARKS if not marks.isdisjoint(fields))
    if "layout" in fields and ("_posts" in locator.split("/") or _dated_name(locator)[0] is not None):
        return Dialect.JEKYLL
    if "title" not in fields and not _OBSIDIAN_WITHOUT_TITLE.isdisjoint(fields):
        return Dialect.OBSIDIAN
    return Dialect.HEXO


@lru_cache(maxsize=256)  # a generator writes the same keys into all its documents
def _names(asked: Dialect, dialect: Dialect, ours: tuple[tuple[str, str], ...], present: frozenset[str]) -> Names:
    """Return the keys of each word that are *present*, the preferred one first."""
    names = ((word, tuple(key for key in keys if key in present)) for word, keys in _all_names(asked, dialect, ours))
    return {word: keys for word, keys in names if keys}


@lru_cache(maxsize=64)
def _all_names(
    asked: Dialect, dialect: Dialect, ours: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the keys of each word: the config's, the dialect's, and with AUTO those of all others."""
    others = tuple(_NAMES.values()) if asked is Dialect.AUTO else ()
    configured = {word: (key.strip().lower(),) for word, key in ours}
    tables = (configured, _NAMES[dialect], *others)
    words = dict.fromkeys(word for table in tables for word in table)
    return tuple((word, tuple(dict.fromkeys(key for table in tables for key in table.get(word, ())))) for word in words)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    fields: Fields
    names: Names
    dialect: Dialect

    def first(self, word: str, read: Callable[[Value], str | None]) -> str | None:
        for key in self.names.get(word, ()):
            if (value := self.fields.get(key)) and (found := read(value)):
                return found
        return None

    def categories(self) -> RawTree | None:
        for key in self.names.get("categories", ()):
            tree = _tree(self.fields.get(key))
            if tree and self.dialect is Dialect.JEKYLL and key == "categories" and isinstance(tree, str):
                return tuple(tree.split())
            if tree:
                return tree
        return None

    def tags(self) -> tuple[str, ...]:
        for key in self.names.get("tags", ()):
            if value := self.fields.get(key):
                separator = _TAG_SEPARATORS.get(self.dialect, _COMMA)
                tags = separator.split(value) if isinstance(value, str) else _leaves(_tree(value))
                if found := tuple(tag for tag in map(_tag, tags) if tag):
                    return found
        return ()

    def author(self) -> str | None:
        found = self.first("author", _author)
        if found is None or self.dialect is not Dialect.PELICAN:
            return found
        separator = ";" if ";" in found else ","
        return ", ".join(name.strip() for name in found.split(separator) if name.strip()) or None


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _tree(value: Value) -> RawTree | None:
    """Return *value* without empty places; a mapping inside (``- a: b``) is the text it was meant as."""
    if isinstance(value, tuple):
        return tuple(tree for part in value if (tree := _tree(part))) or None
    if isinstance(value, dict):
        pairs = tuple(f"{key}: {_text(part) or ''}".strip() for key, part in value.items())
        return pairs[0] if len(pairs) == 1 else pairs or None
    return _text(value)


def _leaves(tree: RawTree | None) -> list[str]:
    if tree is None:
        return []
    return [tree] if isinstance(tree, str) else [leaf for part in tree for leaf in _leaves(part)]


def _tag(text: str) -> str:
    return text.strip().removeprefix("#")


def _author(value: Value) -> str | None:
    if isinstance(value, tuple):
        return ", ".join(name for part in value if (name := _author(part))) or None
    if isinstance(value, dict):
        return _text(_folded(value).get("name"))
    return _text(value)


def _image(value: Value) -> str | None:
    if isinstance(value, tuple):
        return next((image for part in value if (image := _image(part))), None)
    if isinstance(value, dict):
        folded = _folded(value)
        return next((image for key in _IMAGE_KEYS if (image := _image(folded.get(key)))), None)
    text = _text(value)
    return text if text and text.strip().lower() not in _SWITCHES else None


def _link(value: Value) -> str | None:
    """Return a link, unless it is a switch or a template of its generator."""
    text = _text(value)
    if text is None or text.strip().lower() in _SWITCHES or _TEMPLATE.search(text):
        return None
    return text


def _folded(value: dict[str, Value]) -> dict[str, Value]:
    return {key.lower(): part for key, part in value.items()}


def _left_out(fields: Fields, locator: str) -> str | None:
    """Return why the author does not want it shown, if so."""
    if not _LEFT_OUT_KEYS.isdisjoint(fields):
        for key, words, reason in _LEFT_OUT:
            value = fields.get(key)
            if isinstance(value, str) and value.strip().lower() in words:
                return reason
    return "in _drafts" if "_drafts" in locator and "_drafts" in locator.split("/") else None


def _title_of_file(dialect: Dialect, locator: str) -> str | None:
    """Return the title that a dialect takes from the name of the file."""
    if dialect is Dialect.OBSIDIAN:
        return PurePosixPath(locator).stem
    if dialect is Dialect.JEKYLL:
        return " ".join(word.capitalize() for word in _dated_name(locator)[1].split("-"))
    return None


def _date_of_file(asked: Dialect, locator: str) -> str | None:
    return _dated_name(locator)[0] if asked in _DATED_BY_FILE else None


def _slug_of_file(dialect: Dialect, locator: str) -> str | None:
    return _dated_name(locator)[1] if dialect is Dialect.JEKYLL else None


def _dated_name(locator: str) -> tuple[str | None, str]:
    """Return the day and the rest of a name like ``2022-02-22-a-day.md``; without a day all of it is the rest."""
    stem = PurePosixPath(locator).stem
    match = _DATED_NAME.fullmatch(stem)
    return (match[1], match[2]) if match else (None, stem)
