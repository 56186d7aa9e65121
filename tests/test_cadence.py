from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder import cadence
from feeder.cadence import MAX_WAIT, cron_trigger
from feeder.model import Pace, Source

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


def next_poll(source: Source, now: datetime, *, failures: int = 0, jitter: float = 0.0) -> datetime:
    return cadence.next_poll(source, now, failures=failures, jitter=jitter).at


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


# ---------------------------------------------------------------- URLs

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
KNOWN = Pace(has_validators=True)
LEARNING = {"is_adaptive": True}


def web(**settings: Any) -> Source:
    return Source(name="a", order=0, url="https://example.org/feed.xml", **settings)


def articles_every(*gaps: timedelta, last: timedelta = timedelta()) -> tuple[datetime, ...]:
    """Return the dates of articles with these times between them, the newest *last* before now."""
    dates = [NOW - last]
    for gap in gaps:
        dates.append(dates[-1] - gap)
    return tuple(dates)


@pytest.mark.parametrize(
    ("source", "pace", "wait", "why"),
    [
        pytest.param(web(), KNOWN, 10 * MINUTE, "every 10 min", id="plain"),
        pytest.param(web(interval=HOUR), KNOWN, HOUR, "every 1 h", id="interval"),
        pytest.param(web(interval=MINUTE), KNOWN, 10 * MINUTE, "a URL is polled every 10 min at most", id="minimum"),
        pytest.param(web(), Pace(), 10 * MINUTE, "every 10 min", id="nothing-known"),
        pytest.param(
            web(), Pace(has_validators=False), HOUR, "its server cannot say what is unchanged", id="no-validators"
        ),
        pytest.param(
            web(max_interval=30 * MINUTE),
            Pace(has_validators=False),
            30 * MINUTE,
            "its server cannot say what is unchanged",
            id="no-validators-and-a-smaller-maximum",
        ),
        pytest.param(
            web(interval=MINUTE, min_interval=5 * MINUTE), KNOWN, 5 * MINUTE, "min_interval is 5 min", id="own-minimum"
        ),
        pytest.param(
            web(interval=MINUTE, min_interval=timedelta()),
            Pace(has_validators=False),
            MINUTE,
            "every 1 min",
            id="no-minimum",
        ),
        pytest.param(web(), replace(KNOWN, fresh_for=2 * HOUR), 2 * HOUR, "its server asks for 2 h", id="max-age"),
        pytest.param(web(), replace(KNOWN, fresh_for=MINUTE), 10 * MINUTE, "every 10 min", id="shorter-max-age"),
        pytest.param(web(), replace(KNOWN, fresh_for=365 * DAY), DAY, "its server asks for 1 d", id="max-age-capped"),
        pytest.param(web(interval=3 * DAY), KNOWN, 3 * DAY, "every 3 d", id="longer-than-the-maximum"),
        pytest.param(web(), replace(KNOWN, every=3 * HOUR), 3 * HOUR, "its feed asks for 3 h", id="ttl"),
        pytest.param(
            web(), replace(KNOWN, every=HOUR, fresh_for=2 * HOUR), 2 * HOUR, "its server asks for 2 h", id="longest"
        ),
        pytest.param(
            web(),
            replace(KNOWN, retry_after=2 * HOUR),
            2 * HOUR,
            "its server said to come back in 2 h",
            id="retry-after",
        ),
        pytest.param(
            web(max_interval=HOUR),
            replace(KNOWN, retry_after=1800 * DAY),
            DAY,
            "its server said to come back in 1 d",
            id="retry-after-capped",
        ),
        pytest.param(
            web(),
            replace(KNOWN, skip_hours=frozenset({12, 13})),
            2 * HOUR,
            "its feed asks not to be polled before",
            id="skip-hours",
        ),
        pytest.param(
            web(max_interval=7 * DAY),
            replace(KNOWN, skip_days=frozenset({2, 3})),
            36 * HOUR,
            "its feed asks not to be polled before",
            id="skip-days",
        ),
        pytest.param(
            web(max_interval=HOUR),
            replace(KNOWN, skip_hours=frozenset({12, 13})),
            HOUR,
            "its feed asks not to be polled before",
            id="skip-hours-capped",
        ),
        pytest.param(
            web(), replace(KNOWN, skip_hours=frozenset(range(24))), 10 * MINUTE, "every 10 min", id="skip-always"
        ),
        pytest.param(
            web(**LEARNING), KNOWN, HOUR, "how often it publishes is not known yet", id="learning-from-nothing"
        ),
        pytest.param(
            web(**LEARNING),
            replace(KNOWN, published=articles_every()),
            10 * MINUTE,
            "a URL is polled every 10 min at most",
            id="learning-from-one",
        ),
        pytest.param(
            web(**LEARNING),
            replace(KNOWN, published=articles_every(4 * HOUR, 4 * HOUR, 4 * HOUR)),
            2 * HOUR,
            "publishes about every 4 h",
            id="learning",
        ),
        pytest.param(
            web(**LEARNING),
            replace(KNOWN, published=articles_every(4 * HOUR, 4 * HOUR, 3000 * DAY)),
            2 * HOUR,
            "publishes about every 4 h",
            id="learning-past-an-old-one",
        ),
        pytest.param(
            web(**LEARNING),
            replace(KNOWN, published=articles_every(4 * HOUR, 4 * HOUR, last=4 * DAY)),
            12 * HOUR,
            "published nothing for 4 d",
            id="learning-from-silence",
        ),
        pytest.param(
            web(**LEARNING),
            replace(KNOWN, published=articles_every(4 * HOUR, last=900 * DAY)),
            DAY,
            "published nothing for 900 d",
            id="learning-from-a-long-silence",
        ),
        pytest.param(
            web(**LEARNING),
            replace(KNOWN, published=(NOW + DAY, *articles_every(4 * HOUR))),
            2 * HOUR,
            "publishes about every 4 h",
            id="learning-but-not-from-dates-ahead",
        ),
        pytest.param(
            web(cron="* * * * *"), KNOWN, 9 * MINUTE, "a URL is polled every 10 min at most", id="cron-too-often"
        ),
        pytest.param(web(cron="0 * * * *"), KNOWN, HOUR, "cron is 0 * * * *", id="cron"),
        pytest.param(
            web(cron="0 * * * *"),
            replace(KNOWN, retry_after=90 * MINUTE),
            2 * HOUR,
            "its server said to come back in 1 h",
            id="cron-and-retry-after",
        ),
        pytest.param(
            web(cron="0 * * * *"),
            replace(KNOWN, fresh_for=2 * HOUR + 5 * MINUTE),
            2 * HOUR,
            "its server asks for 2 h",
            id="cron-and-max-age",
        ),
    ],
)
def test_a_url_is_polled_as_its_server_and_its_feed_want_it(
    source: Source, pace: Pace, wait: timedelta, why: str
) -> None:
    due = cadence.next_poll(source, NOW, pace=pace)
    assert (due.at - NOW, due.why) == (wait, why)


@pytest.mark.parametrize(
    ("failures", "pace", "wait", "why"),
    [
        pytest.param(1, KNOWN, 20 * MINUTE, "back-off after 1 failure", id="one"),
        pytest.param(3, KNOWN, 80 * MINUTE, "back-off after 3 failures", id="three"),
        pytest.param(3000, KNOWN, DAY, "back-off after 3000 failures", id="never-given-up"),
        pytest.param(1, replace(KNOWN, retry_after=HOUR), HOUR, "its server said to come back in 1 h", id="told"),
        pytest.param(
            3, replace(KNOWN, retry_after=HOUR), 80 * MINUTE, "back-off after 3 failures", id="told-less-than-that"
        ),
        pytest.param(1, replace(KNOWN, fresh_for=HOUR), 2 * HOUR, "back-off after 1 failure", id="from-what-is-usual"),
    ],
)
def test_a_failing_url_is_polled_ever_more_rarely(failures: int, pace: Pace, wait: timedelta, why: str) -> None:
    due = cadence.next_poll(web(), NOW, failures=failures, pace=pace)
    assert (due.at - NOW, due.why) == (wait, why)


def test_sources_that_failed_together_do_not_come_back_together() -> None:
    dues = {next_poll(web(), NOW, failures=4, jitter=jitter / 10) for jitter in range(10)}
    assert len(dues) == 10
    assert max(dues) - min(dues) > 14 * MINUTE


def test_a_directory_has_neither_a_minimum_nor_manners_to_keep() -> None:
    source = Source(name="a", order=0, interval=timedelta(seconds=1))
    pace = Pace(fresh_for=DAY, every=DAY, skip_hours=frozenset({12}))
    assert cadence.next_poll(source, NOW, pace=pace).at == NOW + timedelta(seconds=1)


lengths = st.integers(0, 400 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
pasts = st.lists(lengths.map(lambda past: NOW - past), max_size=30)
paces = st.builds(
    Pace,
    has_validators=st.sampled_from([None, True, False]),
    fresh_for=st.none() | lengths,
    every=st.none() | lengths,
    skip_hours=st.frozensets(st.integers(0, 23)),
    skip_days=st.frozensets(st.integers(0, 6)),
    retry_after=st.none() | lengths,
    published=pasts.map(tuple),
)
webs = st.builds(
    web,
    interval=lengths.map(lambda length: length + timedelta(seconds=1)),
    is_adaptive=st.booleans(),
    min_interval=st.none() | lengths,
    max_interval=lengths.map(lambda length: length + timedelta(seconds=1)),
    cron=st.sampled_from([None, None, None, "* * * * *", "0 * * * *", "30 2 * * *"]),
    timezone=zones,
)


@given(webs, paces, failure_counts, failure_counts, jitters)
@settings(deadline=None)
def test_whatever_a_url_asks_for_its_next_poll_lies_between_its_bounds(
    source: Source, pace: Pace, failures: int, more: int, jitter: float
) -> None:
    due = cadence.next_poll(source, NOW, failures=failures, jitter=jitter, pace=pace)
    wait = due.at - NOW
    assert due.why
    assert wait > timedelta()
    assert due.at.microsecond == 0
    share = 0.9 if source.cron else 1
    told = min(pace.retry_after or timedelta(), MAX_WAIT)
    assert wait >= max((source.min_interval or timedelta()) * share, told)
    asked = max(source.min_interval or timedelta(), source.max_interval, source.interval)
    assert source.cron or wait <= max(asked * 1.1 + HOUR, MAX_WAIT)
    later = cadence.next_poll(source, NOW, failures=max(failures, more), jitter=jitter, pace=pace)
    assert later.at >= due.at


@given(webs.map(lambda source: replace(source, is_adaptive=True, cron=None)), pasts, lengths, st.randoms())
@settings(deadline=None)
def test_a_silent_source_is_polled_ever_more_rarely(
    source: Source, published: list[datetime], later: timedelta, chance: Random
) -> None:
    mixed = published + published[:3]
    chance.shuffle(mixed)
    waits = [
        cadence.next_poll(source, moment, pace=Pace(published=tuple(dates))).at - moment
        for moment, dates in ((NOW, published), (NOW, mixed), (NOW + later, published))
    ]
    assert waits[0] == waits[1] <= waits[2]


@given(webs.map(lambda source: replace(source, is_adaptive=True, cron=None)), pasts, st.integers(1, 20))
@settings(deadline=None)
def test_a_source_that_publishes_more_rarely_is_polled_more_rarely(
    source: Source, published: list[datetime], slower: int
) -> None:
    slow = tuple(NOW - (NOW - moment) * slower for moment in published)
    waits = [cadence.next_poll(source, NOW, pace=Pace(published=dates)).at for dates in (tuple(published), slow)]
    assert waits[0] <= waits[1]
