"""What is noted and logged of a poll: how it went, what the source told of itself, and when it is due again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from feeder import cadence, config
from feeder import memo as memory
from feeder.memo import Memo
from feeder.model import Due, Source
from feeder.pipeline import Parts
from feeder.pipeline.polling import Polled
from feeder.store.records import SourceState

log = structlog.get_logger(__name__)

GONE = timedelta(days=36_500)


def finish(
    polled: Polled, source: Source, state: SourceState, memo: Memo | None, parts: Parts, *, now: datetime, jitter: float
) -> None:
    """Note how a poll went and when the next one is due; the *state* is that from before it."""
    polled.before = state.error
    failures = state.failures + 1 if polled.error else 0
    due = next_due(source, memo, parts, now=now, failures=failures, jitter=jitter)
    if polled.missing and not polled.error and source.cron is None and source.url is None:
        due = replace(due, at=min(due.at, confirmation(source, now)))
    tried = config.whole_fingerprint(source) if polled.error else None
    parts.store.finish_poll(source.name, now=now, due=due, error=polled.error, failed_with=tried)


def next_due(
    source: Source,
    memo: Memo | None,
    parts: Parts,
    *,
    now: datetime,
    failures: int,
    jitter: float,
    learned: tuple[datetime, ...] | None = None,
) -> Due:
    """Return when *source* is to be polled next; *learned* from its newest articles, if the state was asked already."""
    if source.url is None or memo is None:
        return cadence.next_poll(source, now, failures=failures, jitter=jitter)
    memo = memory.under(memo, parts.fingerprints[source.name])
    if memo.is_gone:
        return Due(at=now + GONE, why="its server says that it is gone for good")
    pace = memo.pace
    if source.is_adaptive:
        if learned is None:
            learned = parts.store.newest_of([source.name], cadence.NEWEST).get(source.name, ())
        pace = replace(pace, published=learned)
    return cadence.next_poll(source, now, failures=failures, jitter=jitter, pace=pace)


def recall(sources: Mapping[str, Source], parts: Parts, now: datetime) -> None:
    """Make those sources due whose next poll is further away than their settings can have put it.

    The clock was ahead when they were polled, or their interval was longer.
    """
    for state in parts.store.sources():
        source = sources.get(state.name)
        if source is None:
            continue
        memo = memory.load(state.memo)
        latest = next_due(source, memo, parts, now=now, failures=state.failures, jitter=1.0).at
        if state.next_poll > latest:
            parts.store.request_poll(state.name, now)
            log.info("source_recalled", source=state.name, was_due=state.next_poll.isoformat())


def confirmation(source: Source, now: datetime) -> datetime:
    """Return when files that are missing now will have been away for long enough; the state counts whole seconds."""
    return now + source.withdraw_after + timedelta(seconds=1)


def log_news(name: str, before: Memo, memo: Memo) -> None:
    """Log that a source has moved for good, or is gone for good, or what could not be read of it as it stands."""
    if memo.has_moved and memo.url != before.url:
        log.info("source_moved", source=name, url=memo.url)
    if memo.is_gone and not before.is_gone:
        log.warning("source_gone", source=name)
    for warning in memo.warnings:
        if warning not in before.warnings:
            log.info("source_read_leniently", source=name, warning=warning)


def log_poll(polled: Polled, seconds: float) -> None:
    """Log what became of articles; of a fault that it has begun, that it is another one, or that it is over."""
    for event, count in polled.flood.rest().items():
        log.warning("events_left_out", source=polled.source, left_out=event, count=count)
    facts = {verdict.value: count for verdict, count in polled.verdicts.items() if count}
    facts.pop("unchanged", None)
    if polled.error and polled.error != polled.before:
        log.warning("poll_failed", source=polled.source, error=polled.error, **facts)
        return
    if polled.before and not polled.error:
        log.info("source_mended", source=polled.source)
    if facts or not polled.error:
        tell = log.info if facts else log.debug
        tell("polled", source=polled.source, places=polled.places, seconds=round(seconds, 3), **facts)
