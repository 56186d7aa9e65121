"""Which articles a feed holds, and what it says of itself. Decides, does nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from hashlib import sha256
from html import escape, unescape
from itertools import accumulate
from math import ceil
from types import MappingProxyType
from typing import Final, Protocol, TypeVar
from urllib.parse import quote

from feeder.categories import node as node_of
from feeder.categories import slug
from feeder.model import (
    EPOCH,
    PATH_MARK,
    Body,
    Branch,
    Category,
    CategoryPath,
    CategorySettings,
    ContentPolicy,
    Deletion,
    Enclosure,
    Entry,
    FeedDocument,
    FeedFile,
    FeedRecord,
    FeedSettings,
    Format,
    ImagePolicy,
    Node,
    Origin,
    Picture,
    RenderedEntry,
    Shown,
    Site,
    Source,
    Tally,
)
from feeder.urls import FILE_NAMES, archive_urls, article_path, encoded, feed_urls, file_path, page_url

ARCHIVE_PAGE: Final = 100
"""The most articles on one page of the archive."""
DAYS = 30
"""How far back the chart of a site goes from its newest article."""
_TITLE_MARK = " – "
_MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {
        ".apng": "image/apng",
        ".avif": "image/avif",
        ".bmp": "image/bmp",
        ".gif": "image/gif",
        ".jfif": "image/jpeg",
        ".jpe": "image/jpeg",
        ".jpeg": "image/jpeg",
        ".jpg": "image/jpeg",
        ".png": "image/png",
        ".svg": "image/svg+xml",
        ".tif": "image/tiff",
        ".tiff": "image/tiff",
        ".webp": "image/webp",
    }
)
_FILE_TYPES: Mapping[str, str] = MappingProxyType(
    {
        **_MEDIA_TYPES,
        ".aac": "audio/aac",
        ".epub": "application/epub+zip",
        ".flac": "audio/flac",
        ".m4a": "audio/mp4",
        ".m4v": "video/mp4",
        ".mov": "video/quicktime",
        ".mp3": "audio/mpeg",
        ".mp4": "video/mp4",
        ".oga": "audio/ogg",
        ".ogg": "audio/ogg",
        ".ogv": "video/ogg",
        ".opus": "audio/ogg",
        ".pdf": "application/pdf",
        ".wav": "audio/wav",
        ".webm": "video/webm",
        ".zip": "application/zip",
    }
)
# Cleaned HTML has every attribute double-quoted; possessive, so that no text can make it slow.
_IMAGE_SOURCE = re.compile(r'<img (?:(?!src=)[a-z-]++="[^"]*+" ?)*+src="([^"]*+)"')


class Candidate(Protocol):
    """What choosing needs to know of an article."""

    @property
    def published(self) -> datetime:
        """The time that feeds are sorted by."""

    @property
    def source(self) -> str:
        """The name of the source it is from."""


T = TypeVar("T", bound=Candidate)


def select(
    candidates: Iterable[T], *, entries: int, window: timedelta, max_entries: int, limits: Mapping[str, int]
) -> tuple[T, ...]:
    """Return the newest *entries*, or all within *window* of the newest if those are more, up to *max_entries*.

    *candidates* come newest first, and no more of them are asked for than are needed. *limits* holds the most that
    one source may have, by its name; what is over it is passed over and does not count.
    """
    chosen: list[T] = []
    taken: Counter[str] = Counter()
    most = max_entries if window else min(entries, max_entries)
    for candidate in candidates if most > 0 else ():
        if chosen and len(chosen) >= entries and candidate.published < chosen[0].published - window:
            break
        if taken[candidate.source] < limits.get(candidate.source, most):
            taken[candidate.source] += 1
            chosen.append(candidate)
        if len(chosen) == most:
            break
    return tuple(chosen)


def place(node: Node, labels: CategoryPath, site: Site) -> Category:
    """Return the category *node*, whose path is written as *labels*, with what the config says of it.

    A slug holds for everything below it, and so does a language; a title and a description are of one category.
    """
    settings = _settings(site.categories)
    levels = [settings.get(node[: depth + 1]) for depth in range(len(node))]
    own = levels[-1] if levels else None
    return Category(
        node=node,
        labels=labels,
        # A slug from the config passes the same gate: it must not lead out of the output directory either.
        slugs=tuple(slug((level and level.slug) or label) for level, label in zip(levels, labels, strict=True)),
        title=own.title if own else None,
        description=own.description if own else None,
        language=next((level.language for level in reversed(levels) if level and level.language), None),
    )


def feed_id(category: Category, site: Site) -> str:
    """Return the permanent IRI of the feed of *category*: whatever it is called or wherever it moves."""
    return "/".join((f"tag:{site.id}:feed", *(quote(identity, safe="") for identity in category.node)))


def feed_title(category: Category, site: Site) -> str:
    """Return what the feed of *category* is called."""
    if not category.node:
        return site.title
    return category.title or PATH_MARK.join(category.labels) + _TITLE_MARK + site.title


def entry(
    shown: Shown,
    body: Body,
    categories: tuple[Category, ...],
    *,
    source: Source,
    site: Site,
    content: ContentPolicy,
    has_pages: bool = False,  # of their own, for articles without a link
) -> Entry:
    """Return *shown* as feeds carry it.

    *categories* are every level of every path, parents first; *source* is that of the article's winning sighting.
    """
    article = shown.article
    origin = article.origin
    link = encoded(article.link) if article.link else None
    original = link or (origin.home if origin else None)
    summary, text = _credited(article.summary or body.summary, body.content, source.attribution, original, content)
    own_page = _own_page(summary, text, body, source, original) if has_pages and link is None else None
    return Entry(
        id=shown.id,
        title=article.title,
        link=link if own_page is None else site.url + article_path(shown.id, site),
        published=shown.published,
        updated=shown.updated,
        author=article.author or source.author or _publisher(origin),
        categories=categories,
        tags=tuple(dict.fromkeys(article.tags)),
        language=_foreign(article.language or source.language, site),
        picture=_picture(article.image, body, source.image),
        summary=summary,
        content=text,
        rights=article.rights or (origin and origin.rights) or source.rights,
        origin=origin,
        enclosures=tuple(_enclosures(article.enclosures, body, source.image)),
        own_page=own_page,
        is_republished=source.is_of_another,
    )


def document(
    category: Category,
    entries: Sequence[RenderedEntry],
    *,
    site: Site,
    settings: FeedSettings,
    parents: Sequence[Category] = (),
    tally: Tally | None = None,
    branches: Sequence[Branch] = (),
    deletions: Iterable[Deletion] = (),
    archive: int | None = None,
) -> FeedDocument:
    """Return the feed of *category*, which holds *entries*, newest first.

    *parents* are the categories above it, from the site down; *branches* those below it, in any order; *archive* is the
    newest page of its archive.

    Raises:
        ValueError: Two of *entries* have the same id, which no feed may have.
    """
    if len({held.id for held in entries}) != len(entries):
        raise ValueError(f"two entries of {feed_id(category, site)} have one id")
    return FeedDocument(
        category=category,
        id=feed_id(category, site),
        title=feed_title(category, site),
        subtitle=category.description,
        language=category.language or site.language,
        author=site.author,
        home=page_url(category, site),
        feeds=feed_urls(category, site, settings.formats),
        updated=max((held.updated for held in entries), default=EPOCH),
        hub=settings.hub,
        parents=tuple(_listed(parent, site) for parent in parents),
        tally=tally,
        branches=tuple(sorted(branches, key=lambda branch: branch.category.node)),
        entries=tuple(entries),
        deletions=tuple(deletions),
        history=tuple(_places(site, settings, {"prev-archive": archive})),
    )


def archive_formats(settings: FeedSettings) -> tuple[Format, ...]:
    """Return the formats of the archive: JSON Feed knows of none."""
    return tuple(made for made in settings.formats if made is not Format.JSON)


def archive_cut(waiting: Sequence[str], held: Collection[str]) -> tuple[tuple[str, ...], ...]:
    """Return the pages of the archive that come to be when the site's feed holds the articles *held*.

    *waiting* are those that have been in it and are on no page yet, oldest first. As long as the feed holds all of
    them, nobody misses them; once it does not, all go, so that a page never grows after it was first seen (RFC 5005, 4).
    """
    if not set(waiting).difference(held):
        return ()
    size = ceil(len(waiting) / ceil(len(waiting) / ARCHIVE_PAGE))
    return tuple(tuple(waiting[start : start + size]) for start in range(0, len(waiting), size))


def archive_excess(pages: Sequence[tuple[int, int]], most: int) -> tuple[int, ...]:
    """Return the oldest of *pages*, each with the number of its articles, that *most* articles can do without."""
    over = sum(count for _, count in pages) - most
    ends = accumulate(count for _, count in pages)
    return tuple(number for (number, _), end in zip(pages, ends, strict=True) if end <= over)


def archive_page(
    number: int,
    category: Category,
    entries: Sequence[RenderedEntry],
    *,
    site: Site,
    settings: FeedSettings,
    before: int | None,
    after: int | None,
) -> FeedDocument:
    """Return a page of the archive of the feed of *category*; *before* and *after* are the pages beside it."""
    formats = archive_formats(settings)
    beside = {"prev-archive": before, "next-archive": after}
    return replace(
        document(category, entries, site=site, settings=settings),
        feeds=archive_urls(number, site, formats),
        is_archive=True,
        history=(("current", feed_urls(category, site, formats)), *_places(site, settings, beside)),
    )


def activity(published: Iterable[datetime], *, until: datetime, zone: tzinfo) -> tuple[int, ...]:
    """Return how many of some articles were published on each of the last `DAYS` days up to that of *until*."""
    last = until.astimezone(zone).toordinal()
    found = Counter(last - each.astimezone(zone).toordinal() for each in published)
    return tuple(found[ago] for ago in range(DAYS - 1, -1, -1))


def record(document: FeedDocument, files: Iterable[FeedFile]) -> FeedRecord:
    """Return what the indexes say of *document*, which was written as *files*."""
    bodies = {file.path: file.body for file in files}
    return FeedRecord(
        category=document.category,
        id=document.id,
        title=document.title,
        updated=document.updated,
        entries=len(document.entries),
        home=document.home,
        feeds=document.feeds,
        digests=tuple(
            (made, sha256(bodies[file_path(document.category, FILE_NAMES[made])]).hexdigest())
            for made, _ in document.feeds
        ),
    )


def _places(
    site: Site, settings: FeedSettings, pages: Mapping[str, int | None]
) -> Iterator[tuple[str, tuple[tuple[Format, str], ...]]]:
    for relation, number in pages.items():
        if number is not None:
            yield relation, archive_urls(number, site, archive_formats(settings))


@lru_cache(maxsize=16)  # the same few settings are asked for at every category
def _settings(settings: tuple[CategorySettings, ...]) -> Mapping[Node, CategorySettings]:
    return MappingProxyType({node_of(level.path): level for level in settings})


def _foreign(language: str | None, site: Site) -> str | None:
    return language if language != site.language else None


def _picture(image: str | None, body: Body, policy: ImagePolicy) -> Picture | None:
    if policy is ImagePolicy.NONE:
        return None
    url = image or (body.image if policy is ImagePolicy.AUTO else None)
    if not url:
        return None
    return Picture(url=encoded(url), media_type=_MEDIA_TYPES.get(_ending(url)), in_content=url in _pictures(body))


def _enclosures(enclosures: tuple[Enclosure, ...], body: Body, policy: ImagePolicy) -> Iterator[Enclosure]:
    """Yield *enclosures*, but no picture that is shown in *body*, and none where no pictures are wanted."""
    pictures = _pictures(body) if enclosures else frozenset()
    for each in enclosures:
        media_type = each.media_type or _FILE_TYPES.get(_ending(each.url))
        is_picture = (media_type or "").startswith("image/")
        if not is_picture or (policy is not ImagePolicy.NONE and each.url not in pictures):
            yield replace(each, media_type=media_type)


def _pictures(body: Body) -> frozenset[str]:
    return frozenset(unescape(found) for found in _IMAGE_SOURCE.findall(body.content))


def _ending(url: str) -> str:
    path = url.partition("#")[0].partition("?")[0]
    stem, dot, ending = path.rstrip("/").rpartition("/")[2].rpartition(".")
    return dot + ending.lower() if stem else ""


def _publisher(origin: Origin | None) -> str | None:
    """Return who stands for an article of nobody's: without an author of its own, it would be taken for our site's."""
    return origin.author or origin.title if origin else None


def _credited(
    summary: str, content: str, attribution: str | None, link: str | None, policy: ContentPolicy
) -> tuple[str, str | None]:
    """Return summary and content with the attribution at the end of the one that readers show."""
    if policy is ContentPolicy.FULL and (content or not summary):
        return summary, content + _attribution(attribution, link)
    credited = " ".join(filter(None, (summary, attribution)))
    return credited, content if policy is ContentPolicy.FULL else None


def _own_page(summary: str, text: str | None, body: Body, source: Source, original: str | None) -> str:
    """Return what the page of an article holds: all of it, unless a source on the web lets feeds have only a summary."""
    if text is not None:
        return text
    if not source.is_of_another and body.content:
        return body.content + _attribution(source.attribution, original)
    return f"<p>{escape(summary, quote=False)}</p>" if summary else ""


def _attribution(text: str | None, link: str | None) -> str:
    if not text:
        return ""
    said = escape(text, quote=False)
    return f'\n<p><a href="{escape(link)}">{said}</a></p>' if link else f"\n<p>{said}</p>"


def _listed(category: Category, site: Site) -> tuple[str, str]:
    label = category.labels[-1] if category.labels else site.title
    return label, page_url(category, site)
