"""A daemon whose clock is set beneath it; the long form is `python -m tests.endurance.clock`. It wants libfaketime."""

from __future__ import annotations

from pathlib import Path

from endurance import clock


def test_fault_87_and_88_a_clock_that_is_set_stops_hurries_and_dates_nothing(tmp_path: Path) -> None:
    with clock.trial(tmp_path) as one:
        clock.short(one)
    assert (one.steps, one.checks) == (6, 7)
