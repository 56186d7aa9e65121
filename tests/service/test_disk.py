"""A disk that fails at a single call, for a moment or for a while: some of all the calls; `endurance.disk` takes every one."""

from __future__ import annotations

from pathlib import Path

import pytest
from endurance import disk
from endurance.disk import SCENES, Mood, Span, sweep, world

# So that a handful or two of calls of each fail; the steps are primes, so that they meet different kinds of calls.
STEPS = {"once, at first": 41, "once, again": 23, "backup": 23, "daemon": 53}


@pytest.mark.parametrize(("name", "below"), [(name, below) for name, (_, places) in SCENES.items() for below in places])
def test_a_disk_that_fails_at_any_call_costs_nothing_but_time(tmp_path: Path, name: str, below: str) -> None:
    play, _ = SCENES[name]
    with world(tmp_path) as found, play(found) as scene:
        assert sweep(found, scene, below, step=STEPS[name]) > 0


def test_a_log_that_cannot_be_written_is_missed_by_nobody(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        scene = disk.Once(found, is_first=True)
        scene.begin()
        with found.faults.failing(found.nursery.log, call=2, error=disk.ERRORS[0], span=Span.ON):
            code, _ = found.nursery.run(*found.command("once", "--all"))
        assert code == 0
        assert found.faults.refused
        scene.recover()


def test_a_fault_is_what_it_is_meant_to_be(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        scene = disk.Once(found, is_first=True)
        for error in disk.ERRORS:
            mood = Mood(error=error, span=Span.ON)
            scene.begin()
            with found.faults.failing(found.site / "var", call=2, error=error, span=mood.span):
                scene.suffer()
            assert "state.db" in found.faults.what
            assert found.faults.refused
            scene.recover()
        assert len(found.told) == len(disk.ERRORS)
