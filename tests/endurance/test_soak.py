"""The soak in short: all of it happens, and what a daemon holds open does not grow; and the rule that judges."""

from __future__ import annotations

from pathlib import Path

from endurance.measures import Sample, slope, table, trends
from endurance.soak import soak

SECONDS = 20


def test_a_life_in_which_everything_happens_leaves_no_trace(tmp_path: Path) -> None:
    verdict = soak(tmp_path, seconds=SECONDS)
    assert verdict.is_good, verdict.text()
    assert {"SIGTERM", "SIGKILL", "edits", "requests", "200"} <= verdict.done.keys()
    assert {"polled", "published", "poll_failed"} <= verdict.events.keys()


def samples(*levels: float, leak: float) -> list[Sample]:
    return [
        Sample(life=life, age=float(age), taken={"memory": level + leak * age})
        for life, level in enumerate(levels)
        for age in range(100)
    ]


def test_lives_with_levels_of_their_own_have_one_slope() -> None:
    rows = [[(float(x), 7.0 + 2 * x) for x in range(9)], [(float(x), 500.0 + 2 * x) for x in range(5)]]
    assert round(slope(rows), 9) == 2


def test_what_grows_in_every_life_is_told_and_another_level_is_not() -> None:
    limits = {"memory": 10.0}
    (flat,) = trends(samples(50.0, 300.0, 10.0, leak=0.0), limits, warm=lambda age: age / 3)
    (leak,) = trends(samples(50.0, 300.0, 10.0, leak=0.5), limits, warm=lambda age: age / 3)
    assert (flat.is_flat, leak.is_flat) == (True, False)
    assert (flat.seconds, round(leak.growth, 9)) == (66.0, 33.0)
    assert table([leak]).endswith("GREW")


def test_what_comes_and_goes_is_no_growth_if_there_are_lulls() -> None:
    coming = [Sample(life=0, age=float(age), taken={"fd": 9.0 + (age > 50) * (age % 10)}) for age in range(100)]
    leaking = [Sample(life=0, age=float(age), taken={"fd": age + float(age % 10)}) for age in range(100)]
    growths = [trends(each, {"fd": 1.0}, warm=lambda _: 0, lull=10)[0].growth for each in (coming, leaking)]
    assert [round(growth) for growth in growths] == [0, 99]


def test_the_beginning_of_a_life_is_left_out() -> None:
    warming = [Sample(life=0, age=float(age), taken={"memory": min(age, 30.0)}) for age in range(100)]
    (trend,) = trends(warming, {"memory": 1.0}, warm=lambda age: age / 3)
    assert (trend.first, trend.growth, trend.is_flat) == (30.0, 0.0, True)
