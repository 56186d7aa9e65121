"""When a source is polled next: interval or cron, back-off, jitter. Only this module knows APScheduler's triggers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from feeder.model import EPOCH, Source

if TYPE_CHECKING:
    from apscheduler.triggers.base import BaseTrigger

MAX_WAIT: Final = timedelta(days=1)  # a failing source is looked at once a day at least
JITTER_SHARE: Final = 0.1  # of the interval, at most
MAX_DOUBLINGS: Final = 17  # a second doubled so often is longer than a day

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


def next_poll(source: Source, now: datetime, *, failures: int = 0, jitter: float = 0.0) -> datetime:
    """Return the next due time, always after *now*: the interval, doubled per failure, or a time of the cron.

    Args:
        source: Its interval or cron counts; a cron is read in its time zone.
        now: The time of the poll that has just been.
        failures: Failed polls since the last good one.
        jitter: In [0, 1): the share of a tenth of the interval to wait longer. A cron is kept to the minute.
    """
    start = now.replace(microsecond=0)
    if source.cron is not None:
        return _next_by_cron(cron_trigger(source.cron, source.timezone), now, failures=failures)
    late = timedelta(seconds=int(source.interval.total_seconds() * JITTER_SHARE * jitter))
    return start + _backed_off(source.interval, failures, cap=max(MAX_WAIT, source.interval)) + late


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


def _backed_off(interval: timedelta, failures: int, *, cap: timedelta) -> timedelta:
    return min(interval * (1 << min(failures, MAX_DOUBLINGS)), cap)


def _next_by_cron(trigger: BaseTrigger, now: datetime, *, failures: int) -> datetime:
    first = _fire_after(trigger, now)
    if not failures:
        return first
    period = _fire_after(trigger, first) - first
    return _fire_after(trigger, now + _backed_off(period, failures, cap=max(MAX_WAIT, period)) - period)


def _fire_after(trigger: BaseTrigger, now: datetime) -> datetime:
    moment = now.astimezone(UTC) + timedelta(microseconds=1)  # a trigger may answer with the very moment asked
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
