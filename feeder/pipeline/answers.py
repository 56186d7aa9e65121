"""What a worker makes of an answer from the web: readings, and the bodies that can be had from nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from hashlib import blake2b
from operator import attrgetter
from types import MappingProxyType
from typing import Final

from feeder import dedup
from feeder.errors import ParseError
from feeder.model import (
    Answer,
    ForeignFeed,
    Origin,
    Place,
    RawItem,
    Reading,
    Site,
    Snapshot,
    Source,
    SourceKind,
    Status,
)
from feeder.parse import frontmatter
from feeder.parse.feed import read_feed
from feeder.parse.kinds import kind_of, surprise
from feeder.parse.page import find_feed, read_page
from feeder.pipeline.work import understood, unforeseen
from feeder.store.packing import Document, pack_document

_all_but_body = attrgetter(*(each.name for each in fields(RawItem) if each.name != "body"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerJob:
    """An answer with a body to be read. Items with the `known` digests are the same as before."""

    source: Source
    site: Site
    answer: Answer
    known: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What an answer came to: readings with the documents of the good ones, by locator; or a problem of the whole.

    Of a page that only announces a feed, `elsewhere` is where that is. An ARCHIVE is for whoever can write it to disk.
    """

    kind: SourceKind
    readings: tuple[Reading, ...] = ()
    documents: Mapping[str, bytes] = field(default_factory=dict)
    feed: ForeignFeed | None = None  # without its items
    elsewhere: str | None = None
    problem: str | None = None
    warnings: tuple[str, ...] = ()  # for people


def receive(job: AnswerJob) -> Received:
    """Return what the job's answer holds; whatever is wrong with it is in the result."""
    kind = _kind(job)
    if kind is None:
        return Received(kind=SourceKind.FEED, problem="is neither a feed nor a page, a document or an archive")
    read = _READERS.get(kind)
    if read is None:
        return Received(kind=kind)
    try:
        return read(job)
    except ParseError as error:
        told = surprise(job.answer, expected=kind)
        return Received(kind=kind, problem=f"is {told}" if told else f"cannot be read: {error}")
    except Exception as error:  # noqa: BLE001 - one answer must not cost the others their poll
        return Received(kind=kind, problem=f"cannot be read: {unforeseen(error)}")


def _kind(job: AnswerJob) -> SourceKind | None:
    if job.source.kind is not SourceKind.AUTO:
        return job.source.kind
    return SourceKind.PAGE if job.source.select else kind_of(job.answer)


def _of_feed(job: AnswerJob) -> Received:
    answer = job.answer
    return _understood(read_feed(answer.body, url=answer.url, charset=answer.charset), SourceKind.FEED, job)


def _of_page(job: AnswerJob) -> Received:
    answer, select = job.answer, job.source.select
    if select:
        found = read_page(answer.body, url=answer.url, charset=answer.charset, select=select)
        return _understood(found, SourceKind.PAGE, job)
    feeds = find_feed(answer.body, url=answer.url, charset=answer.charset, links=answer.links)
    if not feeds:
        raise ParseError("a web page that announces no feed")
    return Received(kind=SourceKind.PAGE, elsewhere=feeds[0])


def _of_document(job: AnswerJob) -> Received:
    answer, source = job.answer, job.source
    locator = source.url or answer.url
    found = frontmatter.parse(Snapshot(locator=locator, body=answer.body, place=Place(locator=locator)), source)
    item = replace(found, link=found.link or answer.url, base_url=answer.url)
    return _understood(ForeignFeed(origin=Origin(), items=(item,)), SourceKind.DOCUMENT, job)


_READERS: Final[Mapping[SourceKind, Callable[[AnswerJob], Received]]] = MappingProxyType(
    {SourceKind.FEED: _of_feed, SourceKind.PAGE: _of_page, SourceKind.DOCUMENT: _of_document}
)


def _understood(feed: ForeignFeed, kind: SourceKind, job: AnswerJob) -> Received:
    never = dedup.never_shared(job.site)
    origin = _origin(feed.origin, job.source)
    readings = tuple(_reading(raw, origin, kind, job, never) for raw in feed.items)
    good = (raw for raw, reading in zip(feed.items, readings, strict=True) if reading.article)
    return Received(
        kind=kind,
        readings=readings,
        documents={raw.locator: pack_document(_document(raw)) for raw in good},
        feed=replace(feed, items=()),
        warnings=feed.warnings,
    )


def _origin(origin: Origin, source: Source) -> Origin | None:
    """Return where items come from that do not say so themselves: a feed with a name.

    The address of one that is asked with a secret is nobody else's business.
    """
    is_private = bool(source.auth or source.cookies or source.headers)
    named = replace(origin, url=None) if is_private else origin
    return named if origin.title else None


def _document(raw: RawItem) -> Document:
    return Document(text=raw.body, base_url=raw.base_url, is_html=raw.is_html)


def _digest(raw: RawItem) -> bytes:
    """Return a digest of all that *raw* says; the body is not escaped, which would take longer than all the rest."""
    text = repr(_all_but_body(raw)) + raw.body  # the first ends where its brackets do
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _reading(written: RawItem, feed: Origin | None, kind: SourceKind, job: AnswerJob, never: frozenset[str]) -> Reading:
    """Return the item as *written*, in some *feed*; its digest says nothing of what else stands there."""
    place = Place(locator=written.locator)
    digest = _digest(written)
    if digest in job.known:
        return Reading(place=place, status=Status.SAME, digest=digest)
    # The address of a document is that of the next one, too: it tells no article from another.
    stand_in = None if kind is SourceKind.DOCUMENT else written.link
    raw = replace(written, guid=written.guid or stand_in, origin=written.origin or feed)
    return understood(raw, place, digest, source=job.source, site=job.site, never=never)
