"""A daemon that is killed while articles come, change, move and go; the long form is `python -m tests.endurance.kill`."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from endurance.kill import (
    World,
    assert_converged,
    assert_nothing_failed,
    assert_whole,
    endure,
    nursery,
    strays,
    trial,
    world,
)
from past import Witness
from worlds import Piece

KILLS = 15  # in a world
LONGEST = 0.2  # seconds that a daemon lives


@pytest.mark.parametrize("seed", [11, 12], ids="seed-{}".format)
def test_fault_82_a_daemon_that_is_killed_at_any_moment_loses_nothing(seed: int, tmp_path: Path) -> None:
    with trial(seed, tmp_path) as one:
        endure(one, times=KILLS)
    assert sum(one.figures().values()) >= KILLS // 2  # most told where they were
    assert one.seen > KILLS


def test_a_daemon_that_is_killed_at_any_moment_loses_nothing_of_the_past(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with world(4, history="") as scene:
        witness = Witness(scene.site)
        with nursery(scene.site, log) as place:
            for _ in range(KILLS):
                daemon = place.bear()
                scene.edit_for(scene.random.uniform(0, LONGEST))
                os.killpg(daemon, signal.SIGKILL)
                assert place.bury() == -signal.SIGKILL
                assert_whole(scene)
                scene.site.run(datetime.now(UTC))
                witness.look(saw_all=False)
    assert_nothing_failed(log)


# What scanning, reading, recording, rendering and writing call at their ends: the run dies before the call is made.
CALLS = (
    "flock",
    "scandir",
    "lstat",
    "read",
    "Connection.execute",
    "Connection.executemany",
    "mkdir",
    "open",
    "write",
    "fsync",
    "replace",
    "unlink",
    "rmdir",
    "Connection.close",
)
STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


@pytest.mark.parametrize("call", CALLS)
def test_fault_82_a_run_that_is_killed_at_any_step_loses_nothing(call: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with world(len(call), has_web=False) as scene, nursery(scene.site, log) as place:
        leave_a_feed_to_be_removed(scene)
        killed = 0
        for number in STEPS:
            for _ in range(15):
                scene.edit()
            code = place.run_to(call, number)
            assert_whole(scene)
            if code == 0:
                break
            assert code == -signal.SIGKILL
            assert strays(scene) or call != "replace"
            killed += 1
            assert_converged(scene)
        assert killed
    assert_nothing_failed(log)


def leave_a_feed_to_be_removed(scene: World) -> None:
    path = scene.trees.root / "first" / "gone.md"
    path.write_text(Piece(title=0, day=25).text().replace("categories: []", "categories: [Gone]"), "utf-8")
    scene.site.run(datetime.now(UTC))
    path.unlink()
    scene.site.run(datetime.now(UTC))
    assert (scene.site.public / "categories" / "gone" / "atom.xml").exists()
