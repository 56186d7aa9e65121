"""Who works with a state: one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_schedule import TIMEOUT, Place, watched

from feeder.errors import StateInUse, StoreError
from feeder.lock import alone, holder


def state_in(place: Path) -> Path:
    state = place / "var" / "feeder.db"
    state.parent.mkdir()
    state.touch()
    return state


def test_the_holder_is_known_as_long_as_it_holds(tmp_path: Path) -> None:
    state = state_in(tmp_path)
    assert holder(state) is None
    with alone(state):
        assert holder(state) == os.getpid()
        with pytest.raises(StateInUse, match=f"in use by process {os.getpid()}"), alone(state):
            pass
    assert holder(state) is None  # though its number is still there


def test_a_holder_without_a_number_is_not_guessed(tmp_path: Path) -> None:
    state = state_in(tmp_path)
    with alone(state):
        for text in ("", "1", "-5", "²", "none"):
            (tmp_path / "var" / "feeder.db.lock").write_text(text)
            with pytest.raises(StoreError, match="left no number"):
                holder(state)


def test_a_lock_that_is_none_is_an_error(tmp_path: Path) -> None:
    state = state_in(tmp_path)
    (tmp_path / "var" / "feeder.db.lock").symlink_to("feeder.db.lock")
    with pytest.raises(StoreError, match="cannot be opened"):
        holder(state)
    with pytest.raises(StoreError, match="cannot be opened"), alone(state):
        pass


def test_a_state_is_not_for_everybody_to_read(tmp_path: Path) -> None:
    place = watched(tmp_path)
    assert once(place).returncode == 0
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in place.state.parent.glob("feeder.db*")} == {
        "feeder.db": "0o640",
        "feeder.db.lock": "0o640",
    }


def once(place: Place) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "feeder", "once", "--all", "-c", str(place.config)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT * 2)


def test_nobody_else_can_hold_the_lock(tmp_path: Path) -> None:
    state = state_in(tmp_path)
    with alone(state):
        assert (tmp_path / "var" / "feeder.db.lock").stat().st_mode & 0o007 == 0
    (tmp_path / "var" / "feeder.db.lock").unlink()
    (tmp_path / "var" / "feeder.db.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="cannot be opened"), alone(state):
        pass
    assert not (tmp_path / "elsewhere").exists()
