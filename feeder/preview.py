"""What would be read of a source or of one document. Nothing is stored."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from feeder import categories, dedup, html, normalize
from feeder.config import Config, imagined, values
from feeder.errors import FeederError, ParseError, UnknownName
from feeder.explain import DATINGS, keys
from feeder.fetch import fetcher_of
from feeder.fetch.directory import locator_of
from feeder.model import (
    REJECTED,
    Article,
    Body,
    Node,
    Place,
    RawItem,
    RawTree,
    Reading,
    Site,
    Source,
    SourceKind,
    Status,
    Verdict,
)
from feeder.parse import parser_of
from feeder.pipeline import work
from feeder.pipeline.allowance import Allowance
from feeder.screen import FEW, Block, Table, clipped
from feeder.store import Seen
from feeder.wording import apart, local, many, named, stamp
from feeder.workers import Workers

NEWEST: Final = 10  # articles that are shown of a source
JOB: Final = 64  # documents in one job of a worker
ENOUGH: Final = 512  # documents that are worth starting processes for
UNNAMED: Final = "preview"  # a source that the config does not have
BEGINNING: Final = 500  # characters of a body that are shown
NOUNS: Final = {
    SourceKind.FEED: ("entry", "entries"),
    SourceKind.PAGE: ("item",),
    SourceKind.DOCUMENT: ("document",),
    SourceKind.ARCHIVE: ("document",),
}
KINDS: Final = {
    SourceKind.FEED: "a feed",
    SourceKind.PAGE: "a page, read by its selectors",
    SourceKind.DOCUMENT: "a document with front matter",
    SourceKind.ARCHIVE: "an archive of a tree",
}
# A host before the first slash; what ends like a file is one.
_HOST: Final = re.compile(
    r"[\w-]+(?:\.[\w-]+)*\.(?!(?:md|markdown|html?|txt|xml|json|toml|ya?ml)(?:/|$))[\w-]+(?::\d+)?(?:/|$)"
)
DEFAULT_SITE: Final = Site(title="Preview", url="http://localhost/", id="localhost,2000", author="Preview")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is to be read, and with which settings. `note` says so where the config does not name it."""

    source: Source
    site: Site
    locator: str | None = None  # None: the whole source
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePreview:
    """What a source would bring."""

    name: str
    documents: int
    articles: tuple[Article, ...]  # newest first
    merged: int
    statuses: Counter[Status]
    rejected: tuple[tuple[str, str], ...]  # locator, reason
    left_out: tuple[tuple[str, str], ...]
    lenient: tuple[tuple[str, str], ...]
    feeds: tuple[Node, ...]
    unlisted: tuple[str, ...] = ()
    web: WebFinding | None = None  # of a URL


@dataclass(frozen=True, slots=True, kw_only=True)
class WebFinding:
    """What a URL was found to be, and when it would be asked again."""

    kind: SourceKind
    url: str  # that was read, after all redirects
    is_announced: bool  # by the page that the source's own URL is
    moved_to: str | None
    title: str | None
    home: str | None
    asked: datetime
    next_poll: datetime
    why: str | None
    older: int  # than the newest that a new source brings
    over: int  # categories that are too many
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPreview:
    """How one document would be read. `problem` says why it is no article."""

    raw: RawItem
    article: Article
    body: Body
    problem: str | None = None


# ---------------------------------------------------------------- choosing


def subject(word: str, settings: Config | None) -> Subject:
    """Return what *word* names: a source of the config, a URL, a file or a directory.

    A file in a source is read as the source has it; any other with the settings of the first source, or the defaults.
    A URL of no source is asked for with the defaults of the main file: the secrets of a source are for nobody else.

    Raises:
        UnknownName: There is neither such a source nor such a file, and it is no URL.
    """
    sources = settings.sources if settings else ()
    site = settings.site if settings else DEFAULT_SITE
    named_so = next((source for source in sources if source.name == word), None)
    if named_so:
        return Subject(source=named_so, site=site)
    if "://" in word:
        return _remote(word, settings, site)
    path = Path(word).absolute()
    if not os.path.exists(path):  # noqa: PTH110 - a name may be too long for pathlib
        names = [source.name for source in sources]
        near = f"; did you mean https://{word} ?" if _HOST.match(word) else values.suggestion(word, names)
        raise UnknownName(f"{word}: there is neither a source nor a file of this name{near}")
    for source in sources:
        if source.path and not path.is_dir() and path.resolve().is_relative_to(source.path.resolve()):
            return Subject(source=source, site=site, locator=locator_of(source.path.resolve(), path.resolve()))
    return _stranger(path.resolve(), settings, site)


def _remote(word: str, settings: Config | None, site: Site) -> Subject:
    try:
        url = values.source_url(word)
    except ValueError as error:
        raise UnknownName(f"url: {error}") from error
    known = next((source for source in settings.sources if source.url == url), None) if settings else None
    if known:
        return Subject(source=known, site=site)
    like, used = _by_default(settings, url=url)
    note = f"{url} is the url of no source; the settings used are {used}"
    return Subject(source=replace(like, name=urlsplit(url).netloc), site=site, note=note)


def _stranger(path: Path, settings: Config | None, site: Site) -> Subject:
    root = path if path.is_dir() else path.parent
    if settings and settings.sources:
        like = settings.sources[0]
        used = f"those of source {like.name}"
    else:
        like, used = _by_default(settings, path=".")
    locator = None if path.is_dir() else locator_of(root, path)
    note = f"{path} lies in no source; the settings used are {used}"
    return Subject(source=replace(like, path=root), site=site, locator=locator, note=note)


def _by_default(settings: Config | None, **told: str) -> tuple[Source, str]:
    """Return a source that has nothing but what is *told* of itself, and what its settings are called."""
    if settings:
        return imagined(settings, name=UNNAMED, **told), f"the defaults of {settings.path.name}"
    return Source(name=UNNAMED, order=0, url=told.get("url")), "the defaults"


# ---------------------------------------------------------------- a source


def of_source(chosen: Subject, *, now: datetime) -> SourcePreview:
    """Read all documents of a source.

    Raises:
        FetchError: It cannot be listed.
    """
    source = chosen.source
    found = list(fetcher_of(source).look(source))
    places = sorted((each for each in found if isinstance(each, Place)), key=lambda place: place.locator)
    allowance = Allowance(source, lambda _: ())
    readings = [allowance.within(reading) for reading in _readings(places, chosen, now)]
    articles = [reading.article for reading in readings if reading.article]
    return SourcePreview(
        name=source.name,
        documents=len(places),
        articles=newest_first(articles, now),
        merged=_merged(readings, chosen, now),
        statuses=Counter(reading.status for reading in readings),
        rejected=_reasons(reading for reading in readings if reading.status in REJECTED),
        left_out=_reasons(reading for reading in readings if reading.status is Status.LEFT_OUT),
        lenient=leniently(readings),
        feeds=feeds_of(articles),
        unlisted=tuple(f"{each.locator}: {each.reason}" for each in found if not isinstance(each, Place)),
    )


def newest_first(articles: Iterable[Article], now: datetime) -> tuple[Article, ...]:
    """Return *articles* in the order of feeds; those without a date are dated now."""
    return tuple(sorted(articles, key=lambda each: (each.published or now, each.title_key), reverse=True))


def feeds_of(articles: Iterable[Article]) -> tuple[Node, ...]:
    """Return the categories that would have a feed because of *articles*."""
    nodes = (categories.node(path) for article in articles for path in article.categories)
    return tuple(sorted({each for node in nodes for each in categories.lineage(node)} | {()}))


def leniently(readings: Iterable[Reading]) -> tuple[tuple[str, str], ...]:
    """Return what should be looked at, with its locator."""
    return tuple((reading.place.locator, warning) for reading in readings for warning in reading.warnings)


def _readings(places: Sequence[Place], chosen: Subject, now: datetime) -> list[Reading]:
    workers = Workers()
    if len(places) > ENOUGH:
        workers.start()
    jobs = (
        work.ReadJob(
            source=chosen.source,
            site=chosen.site,
            seen=tuple(Seen(place=place) for place in places[start : start + JOB]),
            now=now,
            everything=True,
            is_last=True,
        )
        for start in range(0, len(places), JOB)
    )
    try:
        return [reading for _, readings in workers.map(work.read, jobs) for reading in readings if reading]
    finally:
        workers.stop()


def _merged(readings: Iterable[Reading], chosen: Subject, now: datetime) -> int:
    """Return how many documents are copies of others in the same source."""
    candidates = [
        dedup.Candidate(locator=r.place.locator, article=r.article, keys=r.keys, waiting=r.waiting)
        for r in readings
        if r.article
    ]
    rules = dedup.Rules(prefix="", never=dedup.never_shared(chosen.site))
    decision = dedup.decide(candidates, dedup.Known(), source=chosen.source, rules=rules, now=now)
    return sum(1 for change in decision.changes if change.verdict is Verdict.MERGED)


def _reasons(readings: Iterable[Reading]) -> tuple[tuple[str, str], ...]:
    return tuple((reading.place.locator, reading.reason or "") for reading in readings)


def source_blocks(seen: SourcePreview, chosen: Subject) -> Iterator[Block]:
    """Yield *seen* as people read it."""
    copies = f" ({many(seen.merged, 'of them a copy', 'of them copies')})" if seen.merged else ""
    documents = many(seen.documents, *(NOUNS[seen.web.kind] if seen.web else ("document",)))
    yield (
        f"{seen.name}: {documents}: {many(len(seen.articles), 'article')}{copies}, "
        f"{len(seen.left_out)} left out, {len(seen.rejected)} rejected; {len(seen.lenient)} read leniently"
    )
    deepest = ", ".join(named(node) for node in seen.feeds[:FEW]) + (", …" if len(seen.feeds) > FEW else "")
    yield f"It would make {many(len(seen.feeds), 'feed')}: {deepest}"
    yield from (f"cannot be listed: {each}" for each in seen.unlisted)
    if seen.web:
        yield Table(title="On the web", rows=tuple(_web_rows(seen.web, chosen.source)))
    rows = tuple(_article_row(article, chosen.site) for article in seen.articles[:NEWEST])
    yield Table(title=f"The newest {len(rows)}", columns=("date", "title", "categories"), rows=rows)
    for title, found in (("Rejected", seen.rejected), ("Left out", seen.left_out), ("Read leniently", seen.lenient)):
        yield from clipped(Table(title=title, columns=("document", "reason"), rows=found))


def _web_rows(web: WebFinding, source: Source) -> Iterator[tuple[str, str]]:
    yield "is", "a page that announces a feed" if web.is_announced else KINDS[web.kind]
    yield "read from", web.url
    if web.moved_to:
        yield "has moved", f"for good to {web.moved_to}; its url may be changed to that"
    yield from ((name, text) for name, text in (("title", web.title), ("site", web.home)) if text)
    if web.older:
        older = many(web.older, "older entry is", "older entries are")
        yield "left behind", f"{older} not for a new source: it brings the newest {source.first} (first)"
    if web.over:
        over = many(web.over, "category is", "categories are")
        yield "too many", f"{over} left out: it may bring {source.max_categories} (max_categories)"
    yield from (("warning", warning) for warning in web.warnings)
    yield "next poll", f"{apart(web.next_poll, web.asked)}: {web.why}"


def _article_row(article: Article, site: Site) -> tuple[str, ...]:
    return (local(article.published, site.timezone), article.title, "; ".join(map(named, article.categories)) or "-")


def source_values(seen: SourcePreview, chosen: Subject) -> dict[str, object]:
    """Return *seen* as JSON has it."""
    return {
        "source": seen.name,
        "note": chosen.note,
        "documents": seen.documents,
        "articles": len(seen.articles),
        "merged": seen.merged,
        "feeds": [list(node) for node in seen.feeds],
        "newest": [_article_values(article) for article in seen.articles[:NEWEST]],
        "rejected": _pairs(seen.rejected),
        "left_out": _pairs(seen.left_out),
        "lenient": _pairs(seen.lenient),
        "unlisted": list(seen.unlisted),
        "web": _web_values(seen.web) if seen.web else None,
    }


def _web_values(web: WebFinding) -> dict[str, object]:
    return {
        "kind": web.kind.value,
        "url": web.url,
        "is_announced": web.is_announced,
        "moved_to": web.moved_to,
        "title": web.title,
        "home": web.home,
        "next_poll": stamp(web.next_poll),
        "why": web.why,
        "older": web.older,
        "categories_over": web.over,
        "warnings": list(web.warnings),
    }


def _pairs(found: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"document": locator, "reason": reason} for locator, reason in found]


def _article_values(article: Article) -> dict[str, object]:
    return {
        "title": article.title,
        "published": stamp(article.published),
        "updated": stamp(article.updated),
        "dating": article.dating.value,
        "categories": [list(path) for path in article.categories],
        "tags": list(article.tags),
        "author": article.author,
        "image": article.image,
        "link": article.link,
        "guid": article.guid,
        "keys": [{"kind": kind, "value": value} for kind, value in keys(article)],
    }


# ---------------------------------------------------------------- a document


def of_document(chosen: Subject) -> DocumentPreview:
    """Read one document.

    Raises:
        FetchError: It cannot be read.
        ParseError: It is no article.
        InvalidItem: Nothing in it can serve as a title.
    """
    source, locator = chosen.source, chosen.locator or ""
    snapshot = fetcher_of(source).read(source, locator)
    try:
        raw = parser_of(source).parse(snapshot, source)
        article = normalize.normalize(raw, source, chosen.site)
        raw = replace(raw, warnings=(*raw.warnings, *normalize.warnings(raw, article, source, chosen.site)))
        body = html.clean(raw.body, locator=locator, base_url=source.base_url, remove=source.remove)
    except FeederError:
        raise
    except Exception as error:
        raise ParseError(f"could not be read: {work.unforeseen(error)}") from error
    problem = f"left out: {raw.left_out}" if raw.left_out else None
    return DocumentPreview(raw=raw, article=article, body=body, problem=problem)


def document_blocks(seen: DocumentPreview, chosen: Subject) -> Iterator[Block]:
    """Yield *seen* as people read it."""
    yield f"{chosen.source.name}: {seen.raw.locator}: " + (seen.problem or "an article")
    yield Table(title="Fields", columns=("field", "as written", "as read"), rows=tuple(_fields(seen, chosen.site)))
    yield Table(title="Copies are found by", columns=("key", "value"), rows=tuple(keys(seen.article)))
    yield Table(title="Read leniently", columns=("what",), rows=tuple((warning,) for warning in seen.raw.warnings))
    yield Table(title="Summary", rows=((_summary(seen) or "-",),))
    beginning = seen.body.content[:BEGINNING] + ("…" if len(seen.body.content) > BEGINNING else "")
    yield Table(title="Body", rows=tuple((line,) for line in beginning.splitlines()) or (("-",),))


def _summary(seen: DocumentPreview) -> str:
    return seen.article.summary or seen.body.summary


def _fields(seen: DocumentPreview, site: Site) -> Iterator[tuple[str, str, str]]:
    raw, article = seen.raw, seen.article
    yield "dialect", "-", raw.dialect.value
    yield "title", raw.title or "-", article.title
    yield "date", raw.date or "-", f"{stamp(article.published) or '-'} ({DATINGS[article.dating]})"
    yield "day", "-", f"{article.day or '-'} in {site.timezone}"
    yield "updated", raw.updated or "-", stamp(article.updated) or "-"
    yield "categories", _written(raw.categories), "; ".join(map(named, article.categories)) or "-"
    yield "tags", ", ".join(raw.tags) or "-", ", ".join(article.tags) or "-"
    yield "author", raw.author or "-", article.author or "-"
    yield "picture", raw.image or "-", article.image or seen.body.image or "-"
    yield "link", raw.link or "-", article.link or "-"
    yield "id", raw.guid or "-", article.guid or "-"
    yield "summary", raw.summary or "-", article.summary or "-"


def _written(tree: RawTree | None) -> str:
    """Return a value of the front matter as it stands there, to a depth that people can read."""
    if tree is None:
        return "-"
    return tree if isinstance(tree, str) else "[" + ", ".join(_written_part(part) for part in tree) + "]"


def _written_part(part: RawTree) -> str:
    if isinstance(part, str):
        return part
    return "[" + ", ".join(each if isinstance(each, str) else "[…]" for each in part) + "]"


def document_values(seen: DocumentPreview, chosen: Subject) -> dict[str, object]:
    """Return *seen* as JSON has it."""
    raw, body = seen.raw, seen.body
    return {
        "source": chosen.source.name,
        "locator": raw.locator,
        "note": chosen.note,
        "problem": seen.problem,
        "raw": {
            "dialect": raw.dialect.value,
            "title": raw.title,
            "date": raw.date,
            "updated": raw.updated,
            "categories": None if raw.categories is None else _written(raw.categories),
            "tags": list(raw.tags),
            "author": raw.author,
            "image": raw.image,
            "link": raw.link,
            "guid": raw.guid,
            "summary": raw.summary,
        },
        "article": _article_values(seen.article),
        "picture": seen.article.image or body.image,
        "summary": _summary(seen),
        "body": body.content,
        "lenient": list(raw.warnings),
    }
