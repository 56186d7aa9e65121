"""Receiving: what a URL holds becomes changes in the store. What is absent from a feed is not gone: it is a window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from feeder import memo as memory
from feeder.categories import lineage, node
from feeder.errors import FetchError, Gone, ToldToWait
from feeder.memo import Memo
from feeder.model import Answer, Article, CategoryPath, Node, Reading, Source, SourceKind, Status
from feeder.pipeline import Parts, polling
from feeder.pipeline.polling import Polled
from feeder.store import Seen, SourceState

if TYPE_CHECKING:  # what reads feeds and pages takes a while to load, and few sites have any
    from feeder.pipeline.answers import Received

OLDER = "older than the newest that a new source brings"
MOST_KNOWN = 500  # items of a source that its next answer is compared with before they are read; more are read anew
_LAST = ""  # sorts before any date


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to ask the web on behalf of a source. `digest` is that of the last body, which would be no news.

    Nor would be items with the `known` digests.
    """

    source: Source
    url: str | None = None  # in place of the source's own
    etag: str | None = None
    last_modified: str | None = None
    digest: str | None = None
    known: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of a question: an error, or an answer, and what it holds if that is news."""

    answer: Answer | None = None
    digest: str | None = None
    received: Received | None = None
    elsewhere: str | None = None  # where the feed is that a page announced
    error: FetchError | None = None


def question(source: Source, state: SourceState, parts: Parts) -> Question:
    """Return what to ask now; with other settings than those of the last answer, all of it is wanted anew."""
    known = memory.load(state.memo)
    if state.fingerprint != parts.fingerprints[source.name]:
        return Question(source=source)
    return Question(
        source=source if known.kind is SourceKind.AUTO else replace(source, kind=known.kind),
        url=known.url,
        etag=known.etag,
        last_modified=known.last_modified,
        digest=known.digest,
        known=parts.store.known_digests(source.name, MOST_KNOWN),
    )


def take(source: Source, state: SourceState, heard: Heard, parts: Parts, *, now: datetime) -> tuple[Polled, Memo]:
    """Take what was *heard*, and return it with what is to be remembered; what is wrong with it changes nothing."""
    known = memory.load(state.memo)
    polled = Polled(source=source.name)
    error = heard.error or _problem(heard, source)
    if heard.answer is None or error:
        polled.error = str(error)
        wait = error.retry_after if isinstance(error, ToldToWait) else None
        is_gone = isinstance(error, Gone)
        return polled, memory.failed(known, failures=state.failures + 1, is_gone=is_gone, retry_after=wait)
    known = memory.answered(known, heard.answer, digest=heard.digest)
    if heard.received is None:
        return polled, known
    received = heard.received
    if received.kind is SourceKind.ARCHIVE:
        polled = polling.poll(parts.sources[source.name], state, parts, now=now)
    else:
        _receive(source, state, received, parts, polled, now=now)
    return polled, memory.understood(known, received.kind, received.feed, url=heard.elsewhere)


def _problem(heard: Heard, source: Source) -> FetchError | None:
    if heard.received and heard.received.problem:
        return FetchError(heard.elsewhere or source.url or source.name, heard.received.problem)
    return None


def _receive(
    source: Source, state: SourceState, received: Received, parts: Parts, polled: Polled, *, now: datetime
) -> None:
    polled.places = len(received.readings)
    everything = state.fingerprint != parts.fingerprints[source.name]
    known = parts.store.seen(source.name, [reading.place.locator for reading in received.readings])
    readings = received.readings if known or state.last_success else _newest(received.readings, source.first)
    told = [_told(known.get(reading.place.locator), reading, everything=everything) for reading in readings]
    news = [(seen, reading) for seen, reading in told if reading.status is not Status.SAME]
    polled.statuses[Status.SAME] += len(told) - len(news)
    taken = _within(news, source, parts)
    polling.take(taken, source, parts, polled, now=now)
    good = {reading.place.locator for _, reading in taken if reading.status is Status.GOOD}
    parts.store.save_documents(source.name, {at: body for at, body in received.documents.items() if at in good})
    parts.store.set_fingerprint(source.name, parts.fingerprints[source.name])


def _told(seen: Seen | None, reading: Reading, *, everything: bool) -> tuple[Seen, Reading]:
    """Return *reading* beside what was read there before; the same item as before is no news."""
    before = seen or Seen(place=reading.place)
    if before.digest == reading.digest and not everything:
        return before, Reading(place=reading.place, status=Status.SAME, digest=reading.digest)
    return before, reading


def _newest(readings: Sequence[Reading], most: int) -> tuple[Reading, ...]:
    """Return *readings* with all but the newest good ones left out, for good; those without a date come last."""
    ranked = sorted((r for r in readings if r.article), key=_age, reverse=True)
    old = {reading.place.locator for reading in ranked[most:]}
    return tuple(
        replace(r, status=Status.LEFT_OUT, article=None, reason=OLDER) if r.place.locator in old else r
        for r in readings
    )


def _age(reading: Reading) -> str:
    published = reading.article.published if reading.article else None
    return published.isoformat() if published else _LAST


# ---------------------------------------------------------------- categories


def _within(told: list[tuple[Seen, Reading]], source: Source, parts: Parts) -> list[tuple[Seen, Reading]]:
    """Return what was *told* with no more categories than the source may bring; the rest goes to its own category."""
    if not any(reading.article for _, reading in told):
        return told
    nodes = {each for path in parts.store.paths_of(source.name) for each in lineage(node(path))[1:]}
    return [
        (seen, replace(reading, article=_allowed(reading.article, nodes, source)) if reading.article else reading)
        for seen, reading in told
    ]


def _allowed(article: Article, nodes: set[Node], source: Source) -> Article:
    kept = tuple(_kept(article.categories, nodes, source))
    if kept == article.categories:
        return article
    return replace(article, categories=kept or ((source.category,) if source.category else ()))


def _kept(paths: Iterable[CategoryPath], nodes: set[Node], source: Source) -> Iterator[CategoryPath]:
    for path in paths:
        new = set(lineage(node(path))[1:]) - nodes
        if path == source.category or len(nodes) + len(new) <= source.max_categories:
            nodes |= new
            yield path
