"""When silence is news."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder.silence import LEAST, Cause, Signs, judge, patience

NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def days_ago(*days: float) -> tuple[datetime, ...]:
    return tuple(NOW - number * DAY for number in days)


def signs(**changes: object) -> Signs:
    usual = {"alert_after": 2 * DAY, "watched": NOW - 30 * DAY, "published": days_ago(1)}
    return Signs(**(usual | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(signs(), None, id="an-article-yesterday"),
        pytest.param(signs(published=days_ago(2)), None, id="just-in-time"),
        pytest.param(signs(published=days_ago(2.1)), Cause.SILENT, id="silent"),
        pytest.param(signs(published=()), Cause.SILENT, id="never-an-article"),
        pytest.param(signs(published=(), watched=NOW), None, id="watched-from-now-on"),
        pytest.param(signs(is_failing=True, last_success=NOW - DAY), None, id="fails-a-little"),
        pytest.param(signs(is_failing=True, last_success=NOW - 3 * DAY), Cause.FAILING, id="fails"),
        pytest.param(signs(is_failing=True), Cause.FAILING, id="never-succeeded"),
        pytest.param(signs(is_failing=True, watched=NOW), None, id="new-and-failing"),
        pytest.param(signs(last_success=NOW - 3 * DAY), None, id="polled-rarely"),
        pytest.param(signs(alert_after="auto", published=days_ago(40, 41)), None, id="too-little-to-learn-from"),
        pytest.param(
            signs(alert_after="auto", published=days_ago(40, 41), is_failing=True, last_success=NOW - 1.1 * DAY),
            Cause.FAILING,
            id="failing-all-the-same",
        ),
        pytest.param(signs(alert_after="auto", published=days_ago(6, 7, 8, 11, 12)), None, id="a-long-weekend"),
        pytest.param(signs(alert_after="auto", published=days_ago(6.1, 7, 8, 11, 12)), Cause.SILENT, id="a-dead-daily"),
        pytest.param(
            signs(alert_after="auto", published=days_ago(1.1, 1.2, 1.3, 1.4, 1.5)), Cause.SILENT, id="a-day-at-least"
        ),
        pytest.param(
            signs(alert_after="auto", published=days_ago(3, 4, 5, 6, 7, 70, 300)), Cause.SILENT, id="last-year-is-over"
        ),
    ],
)
def test_what_is_the_matter(seen: Signs, expected: Cause | None) -> None:
    found = judge(seen, NOW)
    assert (found and found.cause) == expected


def test_it_is_told_since_when_and_what_would_have_been_nothing() -> None:
    found = judge(signs(published=days_ago(5, 9)), NOW)
    assert found
    assert (found.since, found.allowed) == (NOW - 5 * DAY, 2 * DAY)


@settings(deadline=None)
@given(st.lists(st.integers(0, 90 * 24), min_size=1, unique=True))
def test_what_has_been_before_is_never_an_alert(hours: list[int]) -> None:
    """Played back, a rhythm that goes on as it was is borne with, each silence not longer than the longest before."""
    published = sorted((NOW - timedelta(hours=hour) for hour in hours), reverse=True)
    learned = patience(published)
    assert learned is None or learned >= LEAST
    if learned:
        recent = [moment for moment in published if published[0] - moment <= 60 * DAY]
        gaps = [newer - older for newer, older in pairwise(recent)]
        for gap in gaps:
            assert judge(signs(alert_after="auto", published=published), published[0] + gap) is None
