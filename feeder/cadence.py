"""When a source is polled next, and why: interval or cron, back-off, jitter, and what a URL source asks for.

Only this module knows APScheduler's triggers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from feeder.model import EPOCH, Due, Pace, Source
from feeder.wording import span

if TYPE_CHECKING:
    from apscheduler.triggers.base import BaseTrigger

MAX_WAIT: Final = timedelta(days=1)  # a failing source is looked at once a day at least
JITTER_SHARE: Final = 0.1  # of the interval, at most
MAX_DOUBLINGS: Final = 17  # a second doubled so often is longer than a day
INSTANT: Final = timedelta(microseconds=1)
SECOND: Final = timedelta(seconds=1)
HOUR: Final = timedelta(hours=1)

MIN_INTERVAL: Final = timedelta(minutes=10)  # between two polls of a URL
MIN_UNCHECKED: Final = HOUR  # where the server cannot say "not modified" and sends everything anew
UNKNOWN_INTERVAL: Final = HOUR  # of a source that learns, and has no article yet
LOOKS_PER_GAP: Final = 2  # between two articles of a source whose interval is learned
SILENCE_SHARE: Final = 8  # it then waits for this part of the time since its newest article, if that is longer
NEWEST: Final = 20  # articles that are learned from

CRON_FIELDS: Final = ("minute", "hour", "day", "month", "day_of_week")
CRON_NAMES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")  # cron knows Sunday as 0 and as 7


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wait:
    """A time to let pass between two polls, and who wants it."""

    length: timedelta
    why: str


def next_poll(
    source: Source, now: datetime, *, failures: int = 0, jitter: float = 0.0, pace: Pace | None = None
) -> Due:
    """Return the next due time, always after *now*.

    That is the interval, doubled per failure, or a time of the cron. For a URL it is never earlier than its minimum
    interval, its server (Cache-Control, Retry-After) and its feed (ttl, sy:updatePeriod, skipHours, skipDays) want it.

    Args:
        source: Its interval or cron counts; a cron is read in its time zone.
        now: The time of the poll that has just been.
        failures: Failed polls since the last good one.
        jitter: In [0, 1): the share of a tenth of the time to wait longer. A cron is kept to the minute.
        pace: What a URL source told; another source has none.
    """
    pace = pace or Pace()
    start = now.replace(microsecond=0)
    waits = (_least(source, pace), *_wishes(source, pace)) if source.url else ()
    if source.cron is not None:
        return _due_by_cron(source, start, waits, pace, failures=failures)
    usual = _longest((_own(source, pace, now), *waits))
    wait = _longest((usual, *_back_off(usual.length, failures), *_told(pace)))
    length = _jittered(wait.length, jitter)
    if wait is not usual:
        length = min(length, max(MAX_WAIT, _jittered(usual.length, jitter)))
    due = start + max(length, SECOND)
    heeded = min(_unskipped(due, pace), start + source.max_interval) if source.url else due
    return Due(at=heeded, why="its feed asks not to be polled before") if heeded > due else Due(at=due, why=wait.why)


def cron_trigger(text: str, zone: ZoneInfo) -> BaseTrigger:
    """Return the trigger of a crontab line of five fields, or of a name such as "@daily".

    The days mean what cron means by them: 0 and 7 are Sunday, and of a day of the month and a day of the
    week that are both given either is enough. APScheduler by itself starts at Monday and wants both.

    Raises:
        ValueError: It is not such a line, or it never comes due.
    """
    # Importing APScheduler takes longer than most commands run, and few sources have a cron.
    from apscheduler.triggers.combining import OrTrigger  # noqa: PLC0415
    from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415

    lines = [CronTrigger(**fields, timezone=zone) for fields in _cron_fields(text)]
    if any(line.get_next_fire_time(None, EPOCH) is None for line in lines):
        raise ValueError("it never comes due")
    return lines[0] if len(lines) == 1 else OrTrigger(lines)


# ---------------------------------------------------------------- reasons to wait


def _own(source: Source, pace: Pace, now: datetime) -> _Wait:
    if source.is_adaptive:
        return _learned(pace.published, now, cap=source.max_interval)
    return _Wait(length=source.interval, why=f"every {span(source.interval)}")


def _learned(published: Iterable[datetime], now: datetime, *, cap: timedelta) -> _Wait:
    """Return half the usual time between the newest articles, or a part of the silence since, if that is longer."""
    times = sorted({moment for moment in published if moment <= now}, reverse=True)[:NEWEST]
    if not times:
        return _Wait(length=min(UNKNOWN_INTERVAL, cap), why="how often it publishes is not known yet")
    gaps = sorted(newer - older for newer, older in pairwise(times))
    gap = gaps[len(gaps) // 2] if gaps else timedelta()
    silence = now - times[0]
    if silence / SILENCE_SHARE > gap / LOOKS_PER_GAP:
        return _Wait(length=min(silence / SILENCE_SHARE, cap), why=f"published nothing for {span(silence)}")
    return _Wait(length=min(gap / LOOKS_PER_GAP, cap), why=f"publishes about every {span(gap)}")


def _least(source: Source, pace: Pace) -> _Wait:
    if source.min_interval is not None:
        return _Wait(length=source.min_interval, why=f"min_interval is {span(source.min_interval)}")
    if pace.has_validators is False:
        return _Wait(length=min(MIN_UNCHECKED, source.max_interval), why="its server cannot say what is unchanged")
    return _Wait(
        length=min(MIN_INTERVAL, source.max_interval), why=f"a URL is polled every {span(MIN_INTERVAL)} at most"
    )


def _wishes(source: Source, pace: Pace) -> Iterator[_Wait]:
    for length, who in ((pace.fresh_for, "its server"), (pace.every, "its feed")):
        if length is not None:
            capped = min(length, source.max_interval)
            yield _Wait(length=capped, why=f"{who} asks for {span(capped)}")


def _told(pace: Pace) -> Iterator[_Wait]:
    if pace.retry_after is not None:
        length = min(pace.retry_after, MAX_WAIT)
        yield _Wait(length=length, why=f"its server said to come back in {span(length)}")


def _back_off(interval: timedelta, failures: int) -> Iterator[_Wait]:
    if failures:
        doubled = interval * (1 << min(failures, MAX_DOUBLINGS))
        yield _Wait(length=min(doubled, max(MAX_WAIT, interval)), why=_failed(failures))


def _failed(failures: int) -> str:
    return "back-off after 1 failure" if failures == 1 else f"back-off after {failures} failures"


def _longest(waits: Iterable[_Wait]) -> _Wait:
    return max(waits, key=lambda wait: wait.length)


def _jittered(length: timedelta, jitter: float) -> timedelta:
    whole = timedelta(seconds=length // SECOND)
    return whole + timedelta(seconds=int(whole.total_seconds() * JITTER_SHARE * jitter))


def _unskipped(moment: datetime, pace: Pace) -> datetime:
    """Return *moment*, or the first full hour after it that the feed does not ask to skip, within a week."""
    hour = moment.replace(minute=0, second=0)
    hours = (hour + number * HOUR for number in range(8 * 24))
    free = (each for each in hours if each.hour not in pace.skip_hours and each.weekday() not in pace.skip_days)
    return max(moment, next(free, moment))


# ---------------------------------------------------------------- cron


def _due_by_cron(source: Source, start: datetime, waits: Iterable[_Wait], pace: Pace, *, failures: int) -> Due:
    """Return a time of the cron. It may come a little before a wait ends, which began when the last poll was done."""
    trigger = cron_trigger(source.cron or "", source.timezone)
    why = _failed(failures) if failures else f"cron is {source.cron}"
    due = Due(at=_next_by_cron(trigger, start, failures=failures), why=why)
    earliest = [(start + wait.length * (1 - JITTER_SHARE), wait.why) for wait in waits]
    earliest += [(start + wait.length, wait.why) for wait in _told(pace)]
    for moment, reason in earliest:
        if due.at < moment:
            due = Due(at=_fire_after(trigger, moment - INSTANT), why=reason)
    return due


def _next_by_cron(trigger: BaseTrigger, now: datetime, *, failures: int) -> datetime:
    first = _fire_after(trigger, now)
    if not failures:
        return first
    period = _fire_after(trigger, first) - first
    backed_off = min(period * (1 << min(failures, MAX_DOUBLINGS)), max(MAX_WAIT, period))
    return _fire_after(trigger, now + backed_off - period)


def _fire_after(trigger: BaseTrigger, now: datetime) -> datetime:
    moment = now.astimezone(UTC) + INSTANT  # a trigger may answer with the very moment asked
    due: datetime = trigger.get_next_fire_time(None, moment)
    return due.astimezone(UTC)


def _cron_fields(text: str) -> Iterator[dict[str, str]]:
    values = CRON_NAMES.get(text.strip().lower(), text).split()
    if len(values) != len(CRON_FIELDS):
        raise ValueError(f"it has {len(values)} fields in place of five")
    fields = dict(zip(CRON_FIELDS, values, strict=True))
    fields["day_of_week"] = ",".join(_weekdays(part) for part in values[-1].lower().split(","))
    if "*" in (values[2][0], values[4][0]):
        yield fields
    else:
        yield fields | {"day_of_week": "*"}
        yield fields | {"day": "*"}


def _weekdays(part: str) -> str:
    """Return one part of cron's fifth field by names, which mean the same to everybody."""
    days, slash, step = part.partition("/")
    if days == "*" and not slash:
        return "*"
    first, dash, last = ("0-6" if days == "*" else days).partition("-")
    low = _weekday(first)
    high = _weekday(last) if dash else 6 if slash else low
    if low > high and high == 0:
        high = 7  # "fri-sun"
    if low > high:
        raise ValueError(f'"{days}" ends before it begins')
    return ",".join(WEEKDAYS[day] for day in range(low, high + 1, _step(step) if slash else 1))


def _weekday(text: str) -> int:
    if text in WEEKDAYS:
        return WEEKDAYS.index(text)
    if text.isascii() and text.isdigit() and int(text) < len(WEEKDAYS):
        return int(text)
    raise ValueError(f'"{text}" is not a day of the week (0-7 or sun-sat)')


def _step(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text):
        return int(text)
    raise ValueError(f'"{text}" is not a step')
