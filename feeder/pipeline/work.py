"""What worker processes do: read documents, render entries. Pure but for the files that are read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from feeder import dedup, html, normalize, plan
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
from feeder.html import safe_text
from feeder.model import (
    Body,
    Category,
    ContentPolicy,
    Format,
    Place,
    Reading,
    RenderedEntry,
    Shown,
    Site,
    Snapshot,
    Source,
    Status,
    sendable,
)
from feeder.parse import parser_of
from feeder.render import render_entry
from feeder.store import Seen, pack, unpack, unpack_document

HTML_NAME = "item.html"  # what a body that is HTML for certain is cleaned as
NO_BODY = Body(content="", summary="")
LONGEST_REASON = 200  # characters; an error of a library may quote its whole input
FRESH_SECONDS = 10  # a document younger than this, with open front matter, may still be being written
_STATUSES = {Unsettled: Status.UNSETTLED, Oversized: Status.BROKEN}  # any other failure: UNREADABLE


@sendable
@dataclass(frozen=True, slots=True, kw_only=True)
class ReadJob:
    """Documents to be read. `everything`: also those whose bytes are as before."""

    source: Source
    site: Site
    seen: tuple[Seen, ...]
    now: datetime
    everything: bool = False
    is_last: bool = False  # no more patience with documents that are being written


@sendable
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
    body: bytes | None = None  # packed
    spare: bytes | None = None  # packed
    document: bytes | None = None  # packed, of an article that lies in no file


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderJob:
    """Articles to be rendered together."""

    site: Site
    formats: tuple[Format, ...]
    entries: tuple[EntryJob, ...]


@sendable
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
    return [_read_one(seen, job, never) for seen in job.seen]


def _read_one(seen: Seen, job: ReadJob, never: frozenset[str]) -> Reading | None:
    try:
        snapshot = fetcher_of(job.source).read(job.source, seen.place.locator)
    except Vanished:
        return None  # the next scan will miss it
    except FetchError as error:
        return Reading(place=seen.place, status=_STATUSES.get(type(error), Status.UNREADABLE), reason=error.reason)
    digest = digest_of(snapshot)
    if digest == seen.digest and not job.everything:
        return Reading(place=snapshot.place, status=Status.SAME, digest=digest)
    return _understood(snapshot, digest, job, never)


def _understood(snapshot: Snapshot, digest: bytes, job: ReadJob, never: frozenset[str]) -> Reading:
    place = snapshot.place
    try:
        raw = parser_of(job.source).parse(snapshot, job.source)
        if raw.left_out:
            return Reading(place=place, status=Status.LEFT_OUT, digest=digest, reason=raw.left_out)
        article = normalize.normalize(raw, job.source, job.site)
        told = (*raw.warnings, *normalize.warnings(raw, article, job.source, job.site))
    except Unfinished as error:
        status = Status.UNSETTLED if _is_fresh(place, job) else Status.BROKEN
        return Reading(place=place, status=status, digest=digest, reason=str(error))
    except (ParseError, InvalidItem) as error:
        return Reading(place=place, status=Status.BROKEN, digest=digest, reason=str(error))
    except Exception as error:  # noqa: BLE001 - one document must not cost the source its poll
        reason = f"could not be read: {unforeseen(error)}"
        return Reading(place=place, status=Status.BROKEN, digest=digest, reason=reason)
    return Reading(
        place=place,
        status=Status.GOOD,
        digest=digest,
        article=article,
        keys=dedup.keys(article, source=job.source, locator=place.locator, never=never),
        waiting=dedup.waiting_keys(article),
        warnings=told,
    )


def _is_fresh(place: Place, job: ReadJob) -> bool:
    return not job.is_last and job.now.timestamp() - place.mtime_ns / 1e9 < FRESH_SECONDS


def render(job: RenderJob) -> list[Served]:
    """Return an entry for each article, or why there is none."""
    return [_render_one(entry, job.site, job.formats) for entry in job.entries]


def _render_one(job: EntryJob, site: Site, formats: tuple[Format, ...]) -> Served:
    id_ = job.shown.id
    try:
        return _rendered(job, site, formats)
    except FeederError as error:
        return Served(id=id_, problem=str(error))
    except Exception as error:  # noqa: BLE001 - one entry must not cost the others their feeds
        return Served(id=id_, problem=f"could not be rendered: {unforeseen(error)}")


def _rendered(job: EntryJob, site: Site, formats: tuple[Format, ...]) -> Served:
    id_, cleaned = job.shown.id, None if job.body else _clean(job)
    is_outdated = not (job.body or cleaned or job.source.path is None)
    body = cleaned or _unpacked(job.body or job.spare)
    content = job.source.content or job.content
    if body is None and job.source.path is None:
        body, content = NO_BODY, ContentPolicy.SUMMARY
    if body is None:
        return Served(id=id_, problem="its document is not what it was when it was polled", is_outdated=True)
    entry = plan.entry(job.shown, body, job.categories, source=job.source, site=site, content=content)
    packed = pack(cleaned) if cleaned else None
    return Served(id=id_, entry=render_entry(entry, site, formats), body=packed, is_outdated=is_outdated)


def _unpacked(packed: bytes | None) -> Body | None:
    return unpack(packed) if packed else None


def _clean(job: EntryJob) -> Body | None:
    """Return the cleaned body of the document that was polled, or None if it is not that any more."""
    source, locator = job.source, job.shown.locator
    if job.document:
        found = unpack_document(job.document)
        name = HTML_NAME if found.is_html else locator
        base = found.base_url or source.base_url
        return html.clean(found.text, locator=name, base_url=base, remove=source.remove)
    if source.path is None:
        return None
    try:
        snapshot = fetcher_of(source).read(source, locator)
        if digest_of(snapshot) != job.digest:
            return None
        text = parser_of(source).read_body(snapshot, source)
    except (FetchError, ParseError):
        return None
    return html.clean(text, locator=locator, base_url=source.base_url, remove=source.remove)


def unforeseen(error: Exception) -> str:
    """Return what happened where nobody foresaw it, on one line."""
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
