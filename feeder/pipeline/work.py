"""What worker processes do: read documents, render entries. Pure but for the files that are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple, TypeVar

from feeder import dedup, html, normalize, plan
from feeder.characters import safe_text
from feeder.errors import (
    FeederError,
    FetchError,
    InvalidItem,
    Oversized,
    ParseError,
    Unfinished,
    Unsettled,
    Vanished,
)
from feeder.fetch import fetcher_of
from feeder.model import (
    Article,
    Body,
    Category,
    ContentPolicy,
    Entry,
    Format,
    Place,
    RawItem,
    Reading,
    RenderedEntry,
    Shown,
    Site,
    Snapshot,
    Source,
    Status,
)
from feeder.parse import parser_of
from feeder.render import render_entries
from feeder.store.packing import Document, pack, unpack, unpack_document
from feeder.store.records import Seen
from feeder.travel import travels

T = TypeVar("T")

HTML_NAME = "item.html"  # what a body that is HTML for certain is cleaned as
NO_BODY = Body(content="", summary="")
LONGEST_REASON = 200  # characters; an error of a library may quote its whole input
TOGETHER = 128 << 10  # bytes of documents that are parsed before the first is normalized; a core's own cache holds more
PORTION = 4_000_000  # characters of documents that one process holds before it cleans them
KILLED = "ends the process that reads it, by the memory or the time that it takes"
OUTDATED = "its document is not what it was when it was polled"
FRESH_SECONDS = 10  # a document younger than this, with open front matter, may still be being written
_STATUSES = {Unsettled: Status.UNSETTLED, Oversized: Status.BROKEN}  # any other failure: UNREADABLE


class _Parsed(NamedTuple):
    """A document on its way from the parser to being normalized."""

    place: Place
    digest: bytes
    raw: RawItem


@travels
@dataclass(frozen=True, slots=True, kw_only=True)
class ReadJob:
    """Documents to be read. `everything`: also those whose bytes are as before."""

    source: Source
    site: Site
    seen: tuple[Seen, ...]
    now: datetime
    everything: bool = False
    is_last: bool = False  # no more patience with documents that are being written

    def halves(self) -> tuple[ReadJob, ...]:
        """Return two jobs with half of the documents each, or none if there is but one."""
        return tuple(replace(self, seen=part) for part in _halves(self.seen))

    def given_up(self) -> list[Reading | None]:
        """Return readings of documents that kill the process that reads them; they are not read before they change."""
        return [Reading(place=seen.place, status=Status.BROKEN, reason=KILLED) for seen in self.seen]


@travels
@dataclass(frozen=True, slots=True, kw_only=True)
class EntryJob:
    """An article to be rendered. `body` is at hand, or read from the document with this digest; else `spare` serves.

    Of an article that lies in no file, no document may be kept any more: it is shown without a body then.
    """

    shown: Shown
    source: Source
    categories: tuple[Category, ...]
    content: ContentPolicy
    digest: bytes
    has_pages: bool = False  # of their own, for articles without a link
    body: bytes | None = None  # packed
    spare: bytes | None = None  # packed
    document: bytes | None = None  # packed, of an article that lies in no file


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderJob:
    """Articles to be rendered together."""

    site: Site
    formats: tuple[Format, ...]
    entries: tuple[EntryJob, ...]

    def halves(self) -> tuple[RenderJob, ...]:
        """Return two jobs with half of the articles each, or none if there is but one."""
        return tuple(replace(self, entries=part) for part in _halves(self.entries))

    def given_up(self) -> list[Served]:
        """Return why there are no entries for articles that kill the process that renders them."""
        return [Served(id=entry.shown.id, problem=KILLED) for entry in self.entries]


@travels
@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An entry, or why there is none; `body` only where it was cleaned just now."""

    id: str
    entry: RenderedEntry | None = None
    body: bytes | None = None  # packed
    problem: str | None = None
    is_outdated: bool = False  # its document is not the one that was polled


def read(job: ReadJob) -> list[Reading | None]:
    """Return a reading for each of the job's documents, or None for one that is not there any more."""
    never = dedup.never_shared(job.site)
    with fetcher_of(job.source).reading(job.source) as fetch:
        parts = _in_parts(_parsed(seen, job, fetch) for seen in job.seen)
        return [_finished(document, job, never) for part in parts for document in part]


def _halves(items: tuple[T, ...]) -> tuple[tuple[T, ...], ...]:
    middle = len(items) // 2
    return (items[:middle], items[middle:]) if middle else ()


def _in_parts(documents: Iterable[_Parsed | Reading | None]) -> Iterator[list[_Parsed | Reading | None]]:
    """Yield *documents* some at a time.

    Doing one thing to many documents, then the next to all of them, takes a tenth less time than doing all to each:
    the processor still has the code in its caches.
    """
    part: list[_Parsed | Reading | None] = []
    size = 0
    for document in documents:
        part.append(document)
        size += document.place.size if document else 0
        if size >= TOGETHER:
            yield part
            part, size = [], 0
    yield part


def _parsed(seen: Seen, job: ReadJob, fetch: Callable[[str], Snapshot]) -> _Parsed | Reading | None:
    try:
        snapshot = fetch(seen.place.locator)
    except Vanished:
        return None  # the next scan will miss it
    except FetchError as error:
        return Reading(place=seen.place, status=_STATUSES.get(type(error), Status.UNREADABLE), reason=error.reason)
    digest = digest_of(snapshot)
    if digest == seen.digest and not job.everything:
        return Reading(place=snapshot.place, status=Status.SAME, digest=digest)
    try:
        return _Parsed(snapshot.place, digest, parser_of(job.source).parse(snapshot, job.source))
    except Exception as error:  # noqa: BLE001 - one document must not cost the source its poll
        failure = _broken(error, snapshot.place, digest)
        is_awaited = isinstance(error, Unfinished) and _is_fresh(snapshot.place, job)
        return replace(failure, status=Status.UNSETTLED) if is_awaited else failure


def _finished(document: _Parsed | Reading | None, job: ReadJob, never: frozenset[str]) -> Reading | None:
    if not isinstance(document, _Parsed):
        return document
    place, digest, raw = document
    return understood(raw, place, digest, source=job.source, site=job.site, never=never)


def understood(
    raw: RawItem, place: Place, digest: bytes, *, source: Source, site: Site, never: frozenset[str]
) -> Reading:
    """Return what becomes of the item *raw*, as it was read at *place* with this *digest*.

    *never* are the title keys that are never shared (see `dedup.never_shared`).
    """
    if raw.left_out:
        return Reading(place=place, status=Status.LEFT_OUT, digest=digest, reason=raw.left_out)
    try:
        article = normalize.normalize(raw, source, site)
        told = (*raw.warnings, *normalize.warnings(raw, article, source, site))
        left_out = _unwanted(article, source)
    except Exception as error:  # noqa: BLE001 - one item must not cost its source the poll
        return _broken(error, place, digest)
    if left_out:
        return Reading(place=place, status=Status.LEFT_OUT, digest=digest, reason=left_out)
    return Reading(
        place=place,
        status=Status.GOOD,
        digest=digest,
        article=article,
        keys=dedup.keys(article, source=source, locator=place.locator, never=never),
        waiting=dedup.waiting_keys(article),
        warnings=told,
    )


def _unwanted(article: Article, source: Source) -> str | None:
    """Return why the source leaves *article* out, or None."""
    if source.only is None and source.without is None:
        return None
    # RE2 takes a while to load, and few sources have patterns.
    from feeder.filters import unwanted  # noqa: PLC0415

    return unwanted(article, only=source.only, without=source.without)


def _broken(error: Exception, place: Place, digest: bytes) -> Reading:
    is_foreseen = isinstance(error, ParseError | InvalidItem)
    reason = str(error) if is_foreseen else f"could not be read: {unforeseen(error)}"
    return Reading(place=place, status=Status.BROKEN, digest=digest, reason=reason)


def _is_fresh(place: Place, job: ReadJob) -> bool:
    return not job.is_last and job.now.timestamp() - place.mtime_ns / 1e9 < FRESH_SECONDS


def render(job: RenderJob) -> list[Served]:
    """Return an entry for each article, or why there is none."""
    try:
        return _rendered(job.entries, job)
    except Exception:  # noqa: BLE001 - one entry must not cost the others their feeds
        return [_rendered_alone(entry, job) for entry in job.entries]


def _rendered_alone(entry: EntryJob, job: RenderJob) -> Served:
    try:
        return _rendered((entry,), job)[0]
    except FeederError as error:
        return Served(id=entry.shown.id, problem=str(error))
    except Exception as error:  # noqa: BLE001 - one entry must not cost the others their feeds
        return Served(id=entry.shown.id, problem=f"could not be rendered: {unforeseen(error)}")


def _rendered(jobs: Sequence[EntryJob], together: RenderJob) -> list[Served]:
    """Return an entry for each of *jobs*, or fail if one fails.

    Every step is done for all of them before the next begins, so that its code stays in the processor's cache. Entry
    by entry, all of it would take half as long again.
    """
    cleaned = _cleaned(jobs)
    bodies = [body or _at_hand(job) for job, body in zip(jobs, cleaned, strict=True)]
    entries = [_entry(job, body, together.site) for job, body in zip(jobs, bodies, strict=True) if body]
    rendered = iter(render_entries(entries, together.site, together.formats))
    made = [next(rendered) if body else None for body in bodies]
    packed = [pack(body) if body else None for body in cleaned]
    return list(map(_served, jobs, made, packed))


def _cleaned(jobs: Sequence[EntryJob]) -> list[Body | None]:
    """Return the cleaned body of each document that is to be read, or None if it is not what was polled any more."""
    read = ((job, None if job.body else _document(job)) for job in jobs)
    return [_clean(job, document) if document else None for part in _portions(read) for job, document in part]


def _document(job: EntryJob) -> Document | None:
    """Return the body, as written, of the document that was polled, or None if it is not that any more."""
    if job.document:
        return unpack_document(job.document)
    source = job.source
    if source.path is None:
        return None
    try:
        snapshot = fetcher_of(source).read(source, job.shown.locator)
        if digest_of(snapshot) != job.digest:
            return None
        return Document(text=parser_of(source).read_body(snapshot, source))
    except (FetchError, ParseError):
        return None


def _portions(read: Iterable[tuple[EntryJob, Document | None]]) -> Iterator[list[tuple[EntryJob, Document | None]]]:
    """Yield lists of what was *read*: one, unless documents are so large that it must not be all in memory at once."""
    part, room = [], PORTION
    for job, document in read:
        part.append((job, document))
        room -= len(document.text) if document else 0
        if room <= 0:
            yield part
            part, room = [], PORTION
    yield part


def _clean(job: EntryJob, document: Document) -> Body:
    source = job.source
    name = HTML_NAME if document.is_html else job.shown.locator
    base = document.base_url or source.base_url
    return html.clean(document.text, locator=name, base_url=base, remove=source.remove)


def _at_hand(job: EntryJob) -> Body | None:
    """Return the body that was cleaned before; an article that lies in no file may do without."""
    packed = job.body or job.spare
    if packed:
        return unpack(packed)
    return NO_BODY if job.source.path is None else None


def _entry(job: EntryJob, body: Body, site: Site) -> Entry:
    content = ContentPolicy.SUMMARY if body is NO_BODY else job.source.content or job.content
    return plan.entry(
        job.shown,
        body,
        job.categories,
        source=job.source,
        site=site,
        content=content,
        has_pages=job.has_pages,
    )


def _served(job: EntryJob, entry: RenderedEntry | None, packed: bytes | None) -> Served:
    is_outdated = not (job.body or packed or job.source.path is None)
    if entry is None:
        return Served(id=job.shown.id, problem=OUTDATED, is_outdated=is_outdated)
    return Served(id=job.shown.id, entry=entry, body=packed, is_outdated=is_outdated)


def unforeseen(error: Exception) -> str:
    """Return what happened where nobody foresaw it, on one line."""
    if isinstance(error, MemoryError):
        return "it takes more memory than a process may have"
    told = " ".join(safe_text(str(error)).split())[:LONGEST_REASON]
    return ": ".join(filter(None, (type(error).__name__, told)))


def body_job(shown: Shown, source: Source, digest: bytes) -> EntryJob:
    """Return the job that cleans the body of *shown*, whatever feed it will be in."""
    return EntryJob(shown=shown, source=source, categories=(), content=ContentPolicy.FULL, digest=digest)


def digest_of(snapshot: Snapshot) -> bytes:
    """Return what stands for the bytes of *snapshot*."""
    return blake2b(snapshot.body, digest_size=16).digest()


def body_key(shown: Shown, source: Source, document: bytes | None = None) -> bytes:
    """Return what a cleaned body depends on: the text, and all that cleaning is told."""
    markup = shown.locator.rpartition(".")[2].lower()
    told = repr((html.VERSION, source.base_url, source.remove, markup)).encode()
    return blake2b(told + (document or b""), key=shown.article.text_hash, digest_size=16).digest()
