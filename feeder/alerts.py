"""Tells the operator once when a source or a category falls silent, and once when it is heard again.

What has been told lies in the state, so that no restart tells it twice.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from feeder import categories, program
from feeder.app import App
from feeder.config import Config
from feeder.errors import StoreError, Unheard
from feeder.life import Do
from feeder.model import AlertAfter, Node
from feeder.pipeline.faults import Faults
from feeder.silence import Signs, Silence, judge
from feeder.store import Store
from feeder.store.opening import open_to_read
from feeder.store.records import Alert, AlertKind, FaultKind, SourceState
from feeder.telling import pause

log = structlog.get_logger(__name__)

EVERY: Final = timedelta(minutes=5)  # it reads as much of the state as a poll does
LATE: Final = timedelta(
    minutes=5
)  # behind its due time, as after a long stop: a poll will tell more than the clock does
MOST: Final = 10_000  # characters of a variable; all of them together may be two million bytes at most

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is watched, how it is now, and what is the matter if that is news."""

    alert: Alert
    silence: Silence | None
    error: str | None = None
    is_news: bool = False
    is_new: bool = False  # it was not watched before


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """How all that is watched is, and what is not watched any more."""

    findings: tuple[Finding, ...]
    gone: tuple[tuple[AlertKind, str], ...]
    is_fault: bool = False  # the command could not be told, when it was last tried

    @property
    def to_note(self) -> tuple[Alert, ...]:
        """What the state does not have yet."""
        return tuple(found.alert for found in self.findings if found.is_news or found.is_new)


def survey(config: Config, now: datetime) -> Survey:
    """Return how all that is watched is; the state is read beside whoever writes it.

    Raises:
        StoreError: The state cannot be read.
    """
    with closing(open_to_read(config.state, site_id=config.site.id)) as store:
        known = {(alert.kind, alert.subject): alert for alert in store.alerts()}
        polled = {source.name for source in config.sources if source.enabled}
        states = {state.name: state for state in store.sources() if state.name in polled and not state.is_paused}
        watches = {(watch.kind, watch.subject): watch for watch in _watches(config)}
        findings = tuple(_find(watch, known.get(key), states, store, now) for key, watch in watches.items())
        is_fault = any(fault.kind is FaultKind.ALERT for fault in store.faults())
        return Survey(findings=findings, gone=tuple(known.keys() - watches.keys()), is_fault=is_fault)


async def go_on(app: App, do: Do, clock: Clock, *, every: timedelta = EVERY) -> None:
    """Look after all that is watched, again and again, until cancelled; after failures of the command later and later.

    Args:
        app: Opened.
        do: Does a piece of work with the state; None if that cannot be done.
        clock: The time of day.
        every: Between two looks.
    """
    failures = 0
    while True:
        wait = pause(failures, jitter=random.random()) if failures else every  # noqa: S311 - it is no secret
        await asyncio.sleep(max(wait, every).total_seconds())
        failures = 0 if await attend(app, do, clock) else failures + 1


async def attend(app: App, do: Do, clock: Clock) -> bool:
    """Log what fell silent or was heard again, and tell it to the operator's command; False if that failed."""
    try:
        found = await asyncio.to_thread(survey, app.config, clock())
    except StoreError:
        return False  # whoever writes the state tells it
    if found.to_note or found.gone:
        if not await do("alerts", partial(_note, app, found)):
            return False
        for finding in found.findings:
            if finding.is_news:
                _log(finding)
    return await _tell_all(app, do, clock, found)


# ---------------------------------------------------------------- what is watched


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watch:
    """A source or a category whose silence is told."""

    kind: AlertKind
    subject: str
    alert_after: AlertAfter
    node: Node = ()


def _watches(config: Config) -> Iterator[_Watch]:
    for source in config.sources:
        if source.alert_after and source.enabled:
            yield _Watch(kind=AlertKind.SOURCE, subject=source.name, alert_after=source.alert_after)
    aliases = {
        categories.node(each.path): categories.node(each.same_as) for each in config.site.categories if each.same_as
    }
    for path, alert_after in config.alerts.categories:
        node = categories.renamed(categories.node(path), aliases)
        subject = categories.join_path(path)
        yield _Watch(kind=AlertKind.CATEGORY, subject=subject, alert_after=alert_after, node=node)


def _find(
    watch: _Watch, known: Alert | None, states: Mapping[str, SourceState], store: Store, now: datetime
) -> Finding:
    """Return how something is; as it was, as long as nothing is known of it."""
    alert = known or Alert(kind=watch.kind, subject=watch.subject, watched=now)
    state = states.get(watch.subject) if watch.kind is AlertKind.SOURCE else None
    if any(_is_unknown(each, now) for each in ([state] if watch.kind is AlertKind.SOURCE else states.values())):
        return Finding(alert=alert, silence=None, is_new=known is None)
    error = state.error if state else None
    silence = judge(_signs(watch, alert, state, store, now), now)
    if (silence is None) == (alert.cause is None):
        return Finding(alert=alert, silence=silence, error=error, is_new=known is None)
    cause, since = (silence.cause, silence.since) if silence else (None, None)
    alert = replace(alert, cause=cause, since=since)
    return Finding(alert=alert, silence=silence, error=error, is_news=True)


def _is_unknown(state: SourceState | None, now: datetime) -> bool:
    """Tell whether a source, which may be paused, has not been looked at when it should have been."""
    return state is None or state.last_poll is None or state.next_poll < now - LATE


def _signs(watch: _Watch, alert: Alert, state: SourceState | None, store: Store, now: datetime) -> Signs:
    if state is None:
        published = store.rhythm_of_node(watch.node, now)
        return Signs(alert_after=watch.alert_after, watched=alert.watched, published=published)
    return Signs(
        alert_after=watch.alert_after,
        watched=alert.watched,
        published=store.rhythm_of_source(state.name, now),
        is_failing=state.error is not None,
        last_success=state.last_success,
    )


def _note(app: App, found: Survey) -> bool:
    with app.store.transaction():
        app.store.save_alerts(found.to_note, found.gone)
    return True


# ---------------------------------------------------------------- telling


def _log(finding: Finding) -> None:
    alert, silence = finding.alert, finding.silence
    is_source = alert.kind is AlertKind.SOURCE
    if silence is None:
        if is_source:
            log.info("source_fresh", source=alert.subject)
        else:
            log.info("category_fresh", category=alert.subject)
        return
    facts = {"since": silence.since.isoformat(), "allowed": int(silence.allowed.total_seconds())}
    if is_source:
        log.warning("source_stale", source=alert.subject, cause=silence.cause.value, error=finding.error, **facts)
    else:
        log.warning("category_stale", category=alert.subject, **facts)


async def _tell_all(app: App, do: Do, clock: Clock, found: Survey) -> bool:
    """Tell the command what it does not know, one thing after the other, up to the first failure."""
    pending = [each for each in found.findings if app.config.alerts.command and _is_untold(each.alert)]
    if found.is_fault and not pending:  # what could not be told is over, or nobody is to hear of it any more
        return bool(await do("note of an alert", partial(_note_telling, app, None, None, clock())))
    for finding in pending:
        failure = await _attempt(app.config, finding)
        is_noted = await do("note of an alert", partial(_note_telling, app, finding.alert, failure, clock()))
        if failure or not is_noted:
            return False
    return True


def _note_telling(app: App, alert: Alert | None, failure: Unheard | None, now: datetime) -> bool:
    """Note that the operator's command was told how *alert* is, or why not, or that nothing is to be told; return True."""
    faults = Faults(app.store, now)
    with app.store.transaction():
        if failure:
            faults.alert_failed(str(failure))
        else:
            faults.alert_mended()
            if alert:
                app.store.save_alerts([replace(alert, is_told=alert.cause is not None)])
        faults.save()
    return True


def _is_untold(alert: Alert) -> bool:
    return (alert.cause is not None) != alert.is_told


async def _attempt(config: Config, finding: Finding) -> Unheard | None:
    facts = _facts(finding)
    try:
        await program.run(
            config.alerts.command,
            [json.dumps(facts, ensure_ascii=True)],
            within=config.alerts.timeout,
            folder=config.path.parent.absolute(),
            further={f"FEEDER_{name.upper()}": _as_variable(text) for name, text in facts.items() if text},
        )
    except Unheard as failure:
        return failure
    except OSError as error:  # no room for a temporary file, no file descriptor left: that passes
        return Unheard(error.strerror or str(error))
    return None


def _as_variable(text: str) -> str:
    """Return what an environment can hold of *text*."""
    return text[:MOST].encode(errors="replace").decode().replace("\0", " ")


def _facts(finding: Finding) -> dict[str, str | None]:
    alert = finding.alert
    return {
        "event": f"{alert.kind.value}_{'stale' if alert.cause else 'fresh'}",
        "kind": alert.kind.value,
        "subject": alert.subject,
        "cause": alert.cause.value if alert.cause else None,
        "since": alert.since.isoformat() if alert.since else None,
        "error": finding.error,
    }
