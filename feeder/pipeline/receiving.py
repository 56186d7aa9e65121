"""Receiving: what a URL holds becomes changes in the store. What is absent from a feed is not gone: it is a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

import structlog

from feeder import memo as memory
from feeder.errors import FetchError, Gone, ToldToWait
from feeder.memo import Memo
from feeder.model import Answer, Reading, Source, SourceKind, Status
from feeder.pipeline import Parts, polling
from feeder.pipeline.allowance import Allowance
from feeder.pipeline.polling import Polled, Progress
from feeder.store.records import Seen, SourceState

if TYPE_CHECKING:  # what reads feeds and pages takes a while to load, and few sites have any
    from feeder.pipeline.answers import Received

log = structlog.get_logger(__name__)

OLDER: Final = "older than the newest that a new source brings"
MOST_KNOWN: Final = 500  # items of a source that are known again before they are read; more are read anew
_LAST: Final = ""  # sorts before any date


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to ask the web on behalf of a source. `digest` is that of the last body, which would be no news."""

    source: Source
    kind: SourceKind | None = None  # in place of the source's own
    url: str | None = None  # likewise
    etag: str | None = None
    last_modified: str | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of a question: an error, or an answer, and what it holds if that is news."""

    answer: Answer | None = None
    digest: str | None = None
    received: Received | None = None
    elsewhere: str | None = None  # where the feed is that a page announced
    error: FetchError | None = None
    size: int = 0  # bytes of the answer, unpacked
    seconds: float = 0.0  # from the question to what came of it, waiting in turn included


def question(source: Source, state: SourceState, parts: Parts) -> Question:
    """Return what to ask now; with other settings than those of the last answer, all of it is wanted anew."""
    memo = _known(state, parts)
    is_new = memo.digest is None or state.fingerprint != memo.settings
    if is_new or _is_lost(source, memo, parts) or memory.is_page_due(memo, state.last_poll):
        return Question(source=source)
    return Question(
        source=source,
        kind=memo.kind,
        url=memo.url,
        etag=memo.etag,
        last_modified=memo.last_modified,
        digest=memo.digest,
    )


def is_quiet(heard: Heard, state: SourceState) -> bool:
    """Tell if what was *heard* is no news: taking it reads nothing of the state, and writes what is remembered alone."""
    is_unchanged = heard.answer is not None and heard.error is None and heard.received is None
    return is_unchanged and memory.load(state.memo).kind is not SourceKind.ARCHIVE


def take(
    source: Source,
    state: SourceState,
    heard: Heard,
    parts: Parts,
    *,
    now: datetime,
    progress: Progress | None = None,
) -> tuple[Polled, Memo]:
    """Take what was *heard*, and return it with what is to be remembered; what is wrong with it changes nothing."""
    known = _known(state, parts)
    error = heard.error or _problem(heard, source)
    if heard.answer is None or error:
        failure = _failed(known, error, failures=state.failures + 1)
        return Polled(source=source.name, error=str(error)), _looked(failure, state, now)
    memo = _looked(memory.answered(known, heard.answer, digest=heard.digest), state, now, found=bool(heard.elsewhere))
    if heard.received:
        received = heard.received
        memo = memory.understood(memo, received.kind, received.feed, warnings=received.warnings, url=heard.elsewhere)
    if memo.kind is SourceKind.ARCHIVE:  # no news is news as well: what was missing once is missing twice
        polled = polling.poll(parts.sources[source.name], state, parts, now=now, progress=progress)
        polled.size = heard.size
        return polled, memo
    polled = Polled(source=source.name, size=heard.size)
    if heard.received:
        memo = _receive(source, state, heard.received, parts, polled, memo=memo, now=now)
    return polled, memo


def _looked(memo: Memo, state: SourceState, now: datetime, *, found: bool = False) -> Memo:
    """Note that the page which announces the feed has been looked at, if it was."""
    is_look = found or memory.is_page_due(memo, state.last_poll)
    return replace(memo, looked_at=int(now.timestamp())) if is_look else memo


def _known(state: SourceState, parts: Parts) -> Memo:
    return memory.under(memory.load(state.memo), parts.fingerprints[state.name])


def _is_lost(source: Source, known: Memo, parts: Parts) -> bool:
    """Tell if an archive's tree is not where it was unpacked: somebody removed it, or it is another copy of the state."""
    tree = parts.sources[source.name].path
    return known.kind is SourceKind.ARCHIVE and not (tree and tree.is_dir())


def _failed(known: Memo, error: FetchError | None, *, failures: int) -> Memo:
    """Return what is remembered after a failure. What is gone from another place than the source's own is looked for."""
    wait = error.retry_after if isinstance(error, ToldToWait) else None
    if not isinstance(error, Gone):
        return memory.failed(known, failures=failures, retry_after=wait)
    return memory.failed(known, failures=memory.PATIENCE, is_gone=known.url is None)


def _problem(heard: Heard, source: Source) -> FetchError | None:
    if heard.received and heard.received.problem:
        return FetchError(heard.elsewhere or source.url or source.name, heard.received.problem)
    return None


def _receive(
    source: Source, state: SourceState, received: Received, parts: Parts, polled: Polled, *, memo: Memo, now: datetime
) -> Memo:
    polled.places = len(received.readings)
    everything = state.fingerprint != parts.fingerprints[source.name]
    known = parts.store.seen(source.name, [reading.place.locator for reading in received.readings])
    is_new = not known and not parts.store.count(source.name)
    readings = _newest(received.readings, source.first) if is_new else received.readings
    told = [_told(known.get(reading.place.locator), reading, everything=everything) for reading in readings]
    news = [(seen, reading) for seen, reading in told if reading.status is not Status.SAME]
    polled.statuses[Status.SAME] += len(told) - len(news)
    affordable, memo = _affordable(news, received, memo, now)
    if len(affordable) < len(news):
        log.warning("news_put_off", source=source.name, count=len(news) - len(affordable))
        memo = memory.unread(memo)
    allowance = Allowance(source, parts.store.paths_of)
    taken = [(seen, allowance.within(reading)) for seen, reading in affordable]
    present = frozenset(reading.place.locator for reading in received.readings)
    polling.take(taken, source, parts, polled, now=now, present=present)
    good = {reading.place.locator for _, reading in taken if reading.status is Status.GOOD}
    parts.store.save_documents(source.name, {at: body for at, body in received.documents.items() if at in good})
    parts.store.note_offered(source.name, present, now)
    parts.store.set_fingerprint(source.name, parts.fingerprints[source.name])
    if everything and state.fingerprint:
        polling.reunite(parts, polled, now=now)
    return memo


def _affordable(
    news: list[tuple[Seen, Reading]], received: Received, memo: Memo, now: datetime
) -> tuple[list[tuple[Seen, Reading]], Memo]:
    """Return *news* without what is beyond that which a source may bring and change in a day.

    The rest comes another day, if it is still offered.
    """
    new = [reading.place.locator for seen, reading in news if seen.status is None]
    edited = [r.place.locator for seen, r in news if seen.status is not None and seen.digest != r.digest]
    most, memo = memory.spending(memo, (len(received.documents.get(at, b"")) for at in new), now)
    most_edits, memo = memory.editing(memo, len(edited), now)
    put_off = frozenset(new[most:] + edited[most_edits:])
    return [each for each in news if each[1].place.locator not in put_off], memo


def _told(seen: Seen | None, reading: Reading, *, everything: bool) -> tuple[Seen, Reading]:
    """Return *reading* beside what was read there before; the same item as before is no news."""
    before = seen or Seen(place=reading.place)
    if before.status is Status.LEFT_OUT and before.reason == OLDER:
        return before, _older(reading)
    if before.digest == reading.digest and not everything:
        return before, Reading(place=reading.place, status=Status.SAME, digest=reading.digest)
    return before, reading


def _newest(readings: Sequence[Reading], most: int) -> tuple[Reading, ...]:
    """Return *readings* with all but the newest good ones left out, for good; those without a date come last."""
    ranked = sorted((r for r in readings if r.article), key=_age, reverse=True)
    old = {reading.place.locator for reading in ranked[most:]}
    return tuple(_older(reading) if reading.place.locator in old else reading for reading in readings)


def _older(reading: Reading) -> Reading:
    return Reading(place=reading.place, status=Status.LEFT_OUT, digest=reading.digest, reason=OLDER)


def _age(reading: Reading) -> str:
    published = reading.article.published if reading.article else None
    return published.isoformat() if published else _LAST
