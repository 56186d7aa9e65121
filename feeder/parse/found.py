"""What the readers of foreign feeds find, and how it becomes items: the rules that hold whatever the format."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import blake2b
from html import escape
from itertools import islice
from typing import Final, NamedTuple

from feeder.characters import safe_text, unescaped
from feeder.links import web_url
from feeder.model import Dialect, Enclosure, ForeignFeed, Origin, RawItem

MAX_ENTRIES: Final = 5_000  # of one feed; more is an archive that went astray
MAX_NAMES: Final = 200  # categories of an entry, files, authors
MAX_NAME: Final = 300  # characters of a person's name with an address
MAX_LOCATOR: Final = 1_000  # bytes in UTF-8, as of a guid; a longer one is a text that went astray
LONGEST_WAIT: Final = 366 * 24 * 60  # minutes
MAX_WARNINGS: Final = 10  # of one kind
MAX_SHOWN: Final = 200  # characters of a text from outside, in a warning
HOURS: Final = 24
DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_PERIODS: Final = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(weeks=1),
    "monthly": timedelta(days=30),
    "yearly": timedelta(days=365),
}
_HTML_NAMES = (
    "a abbr acronym address article aside audio b bdi bdo big blink blockquote body br button canvas center cite code "
    "del dfn div dl dd dt em embed figure figcaption font footer form h[1-6] head header hr html i iframe img input ins "
    "kbd label li link mark marquee meta nobr object ol p picture pre q rp rt ruby s samp script section small source "
    "span strike strong style sub summary sup svg table tbody td textarea th thead time tr tt u ul var video wbr"
).replace(" ", "|")
_TAG = re.compile(rf"</?(?:{_HTML_NAMES})(?:[\s/][^<>]*)?>", re.IGNORECASE)
_LINE = re.compile(r"[!-~]++(?: [!-~]++)*+")  # as most are
_LINE_END = re.compile(r"\r\n?|\n")
_PARAGRAPHS = re.compile(r"\n\s*\n")
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*+://|urn:|tag:[^,\s]+,\d)\S+$", re.IGNORECASE)
_WITH_MAIL = (
    re.compile(r"[^\s()<>]+@[^\s()<>]+\s*\((.+)\)"),  # RSS: mail (Name)
    re.compile(r"\"?([^\"<>]*[^\"<>\s])\"?\s*<[^\s<>]+@[^\s<>]+>"),  # RFC 5322: Name <mail>
)
_NUMBER = re.compile(r"\s*([0-9]{1,15})\s*", re.ASCII)
_AVATAR = re.compile(r"https?://[^/]*\bgravatar\.com/avatar/", re.IGNORECASE)  # the author's, not the article's
_PICTURE_NAME = re.compile(r"\.(?:jpe?g|png|gif|webp|avif)(?:[?#]|$)", re.IGNORECASE)


class FoundEntry(NamedTuple):
    """An entry as it stands in a feed of any format: addresses absolute, title and names plain, body and summary HTML."""

    guid: str | None = None
    guid_may_be_link: bool = True
    link: str | None = None
    title: str | None = None
    date: str | None = None
    updated: str | None = None
    body: str = ""
    summary: str | None = None
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    image: str | None = None
    enclosures: tuple[Enclosure, ...] = ()
    origin: Origin | None = None
    rights: str | None = None
    language: str | None = None
    base: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A feed without its items, and its entries, of which only so many are asked for as are read."""

    feed: ForeignFeed
    entries: Iterable[FoundEntry]
    count: int  # of the entries that there are


def with_items(found: Found) -> ForeignFeed:
    """Return the feed with its items, each at a locator of its own."""
    warnings = list(found.feed.warnings)
    if found.count > MAX_ENTRIES:
        warnings.append(f"{found.count} entries: all after the first {MAX_ENTRIES} are left out")
    entries = list(islice(found.entries, MAX_ENTRIES))
    full = [entry for entry in entries if _says_something(entry)]
    if len(full) < len(entries):
        warnings.append(f"{len(entries) - len(full)} entries without title, text and link are left out")
    items, told = _told_apart([_item(entry, found.feed.origin) for entry in full])
    return replace(found.feed, items=items, warnings=(*warnings, *told))


# ---------------------------------------------------------------- texts


def as_line(text: str | None) -> str | None:
    """Return *text* safe and in one line; None if nothing is left."""
    if not text or _LINE.fullmatch(text):
        return text or None
    return " ".join(safe_text(text).split()) or None


def as_plain(markup: str | None) -> str | None:
    """Return what *markup*, which may be HTML and may be plain text, says, in one line.

    Nobody knows of ``List<String>`` which it is: only what HTML has a name for is taken for a tag.
    """
    if markup and ("<" in markup or "&" in markup):
        markup = unescaped(_TAG.sub("", markup))
    return as_line(markup)


def as_html(text: str) -> str:
    """Return plain text as HTML with the same lines and paragraphs."""
    lines = escape(_LINE_END.sub("\n", text.strip()), quote=False)
    if "\n" not in lines:
        return lines
    paragraphs = _PARAGRAPHS.split(lines)
    return "".join(f"<p>{paragraph.replace(chr(10), '<br>')}</p>" for paragraph in paragraphs)


def person(written: str | None) -> str | None:
    """Return a person's name, which RSS hides in ``mail (Name)``."""
    name = as_plain(written)
    if not name or "@" not in name or len(name) > MAX_NAME:
        return name
    matches = (pattern.fullmatch(name) for pattern in _WITH_MAIL)
    return next((match[1].strip() or name for match in matches if match), name)


def category(label: str | None, term: str | None) -> str | None:
    """Return a category's name: its label, else its term unless that is a mere address."""
    if shown := as_plain(label):
        return shown
    name = as_plain(term)
    return None if name and _ADDRESS.match(name) else name


def number(text: str | None) -> int | None:
    """Return the whole number that *text* is, if it is one above zero."""
    match = _NUMBER.fullmatch(text or "")
    return (int(match[1]) or None) if match else None


def unique(names: Iterable[str | None]) -> tuple[str, ...]:
    """Return the *names* that are there, each once, and not too many."""
    return tuple(islice(dict.fromkeys(filter(None, names)), MAX_NAMES))


# ---------------------------------------------------------------- files


def enclosure(url: str | None, media_type: str | None, length: str | None) -> Enclosure | None:
    """Return the file at the absolute address *url*, with what is known of it."""
    kind = as_line(media_type)
    return Enclosure(url=url, media_type=kind and kind.lower(), length=number(length)) if url else None


def files(found: Iterable[Enclosure | None]) -> tuple[Enclosure, ...]:
    """Return the files that are there, each address once, and not too many."""
    once: dict[str, Enclosure] = {}
    for each in found:
        if each:
            once.setdefault(each.url, each)
    return tuple(islice(once.values(), MAX_NAMES))


def is_picture(url: str, media_type: str | None, medium: str | None = None) -> bool:
    """Tell whether a file is a picture, by what is said of it, else by its name."""
    if medium or media_type:
        return medium == "image" or (media_type or "").startswith("image/")
    return _PICTURE_NAME.search(url) is not None


def picture(candidates: Iterable[str | None], enclosures: Iterable[Enclosure]) -> str | None:
    """Return the first address that shows the article and not its author; an enclosed picture comes last."""
    enclosed = (each.url for each in enclosures if is_picture(each.url, each.media_type))
    return next((url for found in (candidates, enclosed) for url in found if url and not _AVATAR.match(url)), None)


# ---------------------------------------------------------------- pace


def pace(*, ttl: str | None, period: str | None = None, frequency: str | None = None) -> timedelta | None:
    """Return the longer of the times between updates that a feed states: ``<ttl>`` in minutes, or so often a period."""
    minutes = number(ttl)
    span = _PERIODS.get((as_line(period) or "").lower())
    stated = (
        timedelta(minutes=min(minutes, LONGEST_WAIT)) if minutes else None,
        span / (number(frequency) or 1) if span else None,
    )
    return max(filter(None, stated), default=None)


def hours_skipped(written: Iterable[str | None]) -> frozenset[int]:
    """Return hours of the day; some count from 1 to 24. None of them if that were all, for nobody means that."""
    hours = {int(text) % HOURS for text in map(as_line, written) if text and text.isdecimal() and len(text) <= 2}  # noqa: PLR2004 - digits
    return frozenset() if len(hours) == HOURS else frozenset(hours)


def days_skipped(written: Iterable[str | None]) -> frozenset[int]:
    """Return days of the week, Monday as 0; none of them if that were all."""
    names = {(as_line(text) or "").lower() for text in written}
    days = frozenset(number for number, name in enumerate(DAYS) if name in names)
    return frozenset() if len(days) == len(DAYS) else days


def locator_of(text: str) -> str:
    """Return the locator of the item that its source calls *text*."""
    return text if len(text.encode()) <= MAX_LOCATOR else _sign(text)


# ---------------------------------------------------------------- items


def _says_something(entry: FoundEntry) -> bool:
    return bool(entry.title or entry.body or entry.link or entry.enclosures or entry.image)


def _item(entry: FoundEntry, feed: Origin) -> RawItem:
    guid = as_line(entry.guid)
    link = entry.link or (web_url(guid, None) if entry.guid_may_be_link else None)
    title, date = entry.title, as_line(entry.date)
    updated = as_line(entry.updated)
    authors = ", ".join(entry.authors) or (entry.origin and entry.origin.author) or feed.author
    body = safe_text(entry.body)
    return RawItem(
        locator=locator_of(guid or link or _sign(title, date, "" if title and date else body)),
        dialect=Dialect.AUTO,
        title=title,
        # Many feeds know one date only, and call it that of the last change.
        date=date or updated,
        updated=updated,
        categories=entry.categories or None,
        author=authors,
        image=entry.image,
        link=link,
        guid=guid,
        summary=safe_text(entry.summary) if entry.summary else None,
        body=body,
        is_html=True,
        base_url=entry.base,
        origin=entry.origin,
        rights=entry.rights,
        language=entry.language,
        enclosures=entry.enclosures,
    )


def _sign(*parts: str | None) -> str:
    """Return a name made of what an entry says; one with a title and a date keeps it when its text is edited."""
    written = "\0".join(part or "" for part in parts)
    return "entry:" + blake2b(written.encode("utf-8"), digest_size=16).hexdigest()


def _told_apart(items: Collection[RawItem]) -> tuple[tuple[RawItem, ...], tuple[str, ...]]:
    """Return *items* without repeats, each at a locator of its own, and what people should know of that.

    A guid that several have says of none which article it is, and is forgotten; link, title and date tell them apart,
    then all the rest. The place in the feed does not: the newest is on top only until tomorrow.
    """
    if len({item.locator for item in items}) == len(items):
        return tuple(items), ()
    once = tuple(dict.fromkeys(items))
    shared = _shared(item.locator for item in once)
    marked = [_marked(item, item.link, item.title, item.date) if item.locator in shared else item for item in once]
    twice = _shared(item.locator for item in marked)
    apart = (_marked(item, repr(item)) if item.locator in twice else item for item in marked)
    repeats = len(items) - len(once)
    return tuple(apart), (
        *([f"{repeats} entries are repeated word for word"] if repeats else []),
        *(f"several entries share the id {name[:MAX_SHOWN]!a}" for name in sorted(shared)[:MAX_WARNINGS]),
    )


def _shared(locators: Iterable[str]) -> frozenset[str]:
    return frozenset(locator for locator, count in Counter(locators).items() if count > 1)


def _marked(item: RawItem, *parts: str | None) -> RawItem:
    return replace(item, locator=_sign(item.locator, *parts), guid=None)
