from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder.cadence import MAX_WAIT, cron_trigger, next_poll
from feeder.model import Source

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday
SHANGHAI = ZoneInfo("Asia/Shanghai")

moments = st.timedeltas(timedelta(), timedelta(days=70_000)).map(lambda past: datetime(1990, 1, 1, tzinfo=UTC) + past)
failure_counts = st.integers(0, 1_000_000)
jitters = st.floats(0, 1, exclude_max=True)
zones = st.sampled_from([ZoneInfo(name) for name in ("UTC", "Asia/Shanghai", "Europe/Berlin", "America/St_Johns")])
sources = st.builds(
    lambda interval, cron, zone: Source(name="a", order=0, interval=interval, cron=cron, timezone=zone),
    st.integers(1, 3660 * 86_400).map(lambda seconds: timedelta(seconds=seconds)),
    st.sampled_from([None, "* * * * *", "*/10 * * * *", "30 2 * * *", "0 9 * * 1-5", "0 0 29 2 *", "@weekly"]),
    zones,
)


def every(text: str, zone: ZoneInfo = SHANGHAI) -> Source:
    return Source(name="a", order=0, cron=text, timezone=zone)


@pytest.mark.parametrize(
    ("failures", "minutes"),
    [
        pytest.param(0, 10, id="good"),
        pytest.param(1, 20, id="first-failure"),
        pytest.param(2, 40, id="second-failure"),
        pytest.param(7, 1280, id="seventh-failure"),
        pytest.param(8, 1440, id="a-day-at-most"),
        pytest.param(10**9, 1440, id="a-day-for-ever"),
    ],
)
def test_the_interval_is_doubled_per_failure(failures: int, minutes: int) -> None:
    source = Source(name="a", order=0, interval=timedelta(minutes=10))
    assert next_poll(source, NOW, failures=failures) == NOW + timedelta(minutes=minutes)


def test_a_failing_source_is_never_asked_more_often_than_a_good_one() -> None:
    source = Source(name="a", order=0, interval=timedelta(days=3))
    assert next_poll(source, NOW, failures=4) == NOW + timedelta(days=3)


def test_jitter_is_a_tenth_of_the_interval_at_most() -> None:
    source = Source(name="a", order=0, interval=timedelta(minutes=10))
    assert next_poll(source, NOW, jitter=0.999) == NOW + timedelta(minutes=10, seconds=59)


def test_due_times_are_whole_seconds() -> None:
    source = Source(name="a", order=0, interval=timedelta(seconds=1))
    assert next_poll(source, NOW.replace(microsecond=999_999), jitter=0.5) == NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        pytest.param("*/10 * * * *", "2026-03-04T12:10", id="ten-minutes"),
        pytest.param("0 9 * * *", "2026-03-05T01:00", id="nine-in-shanghai"),
        pytest.param("0 9 * * 0", "2026-03-08T01:00", id="zero-is-sunday"),
        pytest.param("0 9 * * 7", "2026-03-08T01:00", id="seven-is-sunday"),
        pytest.param("0 9 * * 1", "2026-03-09T01:00", id="one-is-monday"),
        pytest.param("0 9 * * sat,mon", "2026-03-07T01:00", id="names"),
        pytest.param("0 9 * * Fri-Sun", "2026-03-06T01:00", id="to-sunday"),
        pytest.param("0 9 * * 6-7", "2026-03-07T01:00", id="weekend"),
        pytest.param("0 9 * * */3", "2026-03-07T01:00", id="every-third-day-of-the-week"),
        pytest.param("0 9 * * 5/1", "2026-03-06T01:00", id="from-friday"),
        pytest.param("0 9 20 * 5", "2026-03-06T01:00", id="either-day-friday-first"),
        pytest.param("0 9 5 * 5", "2026-03-05T01:00", id="either-day-fifth-first"),
        pytest.param("@hourly", "2026-03-04T13:00", id="hourly"),
        pytest.param("@weekly", "2026-03-07T16:00", id="weekly"),
    ],
)
def test_a_crontab_line_means_what_cron_means_by_it(text: str, due: str) -> None:
    assert next_poll(every(text), NOW) == datetime.fromisoformat(f"{due}:00+00:00")


def test_a_cron_is_kept_to_the_minute_whatever_the_jitter() -> None:
    assert next_poll(every("0 * * * *"), NOW, jitter=0.9) == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("failures", "hours"),
    [
        pytest.param(0, 1, id="good"),
        pytest.param(1, 2, id="one"),
        pytest.param(2, 4, id="two"),
        pytest.param(9, 24, id="nine"),
    ],
)
def test_a_failing_cron_leaves_out_times(failures: int, hours: int) -> None:
    assert next_poll(every("0 * * * *"), NOW, failures=failures) == NOW + timedelta(hours=hours)


def test_a_cron_at_an_hour_that_summer_time_skips_still_comes_due() -> None:
    zone = ZoneInfo("Europe/Berlin")
    due = next_poll(every("30 2 * * *", zone), datetime(2026, 3, 28, 12, 0, tzinfo=UTC))
    assert due.astimezone(zone).date().isoformat() in {"2026-03-29", "2026-03-30"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "it has 0 fields in place of five", id="empty"),
        pytest.param("* * * * * *", "it has 6 fields in place of five", id="six"),
        pytest.param("@reboot", "it has 1 fields in place of five", id="unknown-name"),
        pytest.param("60 * * * *", "the last value \\(60\\) is higher than the maximum value \\(59\\)", id="minute"),
        pytest.param("x * * * *", "Unrecognized expression", id="word"),
        pytest.param("* * * * 8", '"8" is not a day of the week', id="day"),
        pytest.param("* * * * mon-", '"" is not a day of the week', id="half-a-range"),
        pytest.param("* * * * fri-mon", '"fri-mon" ends before it begins', id="backwards"),
        pytest.param("* * * * */0", '"0" is not a step', id="step"),
        pytest.param("* * * * ٣", '"٣" is not a day of the week', id="other-digits"),
        pytest.param("0 0 31 2 *", "it never comes due", id="never"),
    ],
)
def test_what_is_no_crontab_line_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        cron_trigger(text, SHANGHAI)


@given(sources, moments, failure_counts, jitters)
@settings(deadline=None)
def test_the_next_poll_is_always_ahead_in_whole_utc_seconds(
    source: Source, now: datetime, failures: int, jitter: float
) -> None:
    due = next_poll(source, now, failures=failures, jitter=jitter)
    assert due > now
    assert (due.tzinfo, due.microsecond) == (UTC, 0)


@given(sources, moments, failure_counts, failure_counts, jitters)
@settings(deadline=None)
def test_more_failures_never_mean_an_earlier_poll(
    source: Source, now: datetime, fewer: int, more: int, jitter: float
) -> None:
    first, second = sorted((fewer % 30, more))
    assert next_poll(source, now, failures=first, jitter=jitter) <= next_poll(
        source, now, failures=second, jitter=jitter
    )


@given(sources.filter(lambda source: source.cron is None), moments, failure_counts, jitters)
@settings(deadline=None)
def test_no_wait_is_longer_than_a_day_or_the_interval_and_a_tenth(
    source: Source, now: datetime, failures: int, jitter: float
) -> None:
    wait = next_poll(source, now, failures=failures, jitter=jitter) - now
    assert wait <= max(source.interval, MAX_WAIT) + source.interval / 10
