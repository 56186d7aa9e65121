"""Who may work with a state: its owner. Only root can be several users, so these tests stand apart."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_schedule import TIMEOUT, Place, watched

from feeder.errors import StoreError
from feeder.lock import alone, holder

NOBODY = 65534


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be another user than before; only root can."""
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def state_in(place: Path) -> Path:
    state = place / "var" / "feeder.db"
    state.parent.mkdir()
    state.touch()
    return state


def let_through(place: Path) -> None:
    """Let everybody go to a directory of pytest's, which are for their user alone."""
    for folder in (place, *place.parents):
        if folder.stat().st_uid == os.getuid() and not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(0o755)


def test_only_the_owner_of_a_state_works_with_it(tmp_path: Path) -> None:
    state = state_in(tmp_path)
    os.chown(state, NOBODY, NOBODY)
    with (
        pytest.raises(StoreError, match="belongs to the user nobody, who could not write what root leaves behind"),
        alone(state),
    ):
        pass
    assert not (tmp_path / "var" / "feeder.db.lock").exists()
    os.chown(state, 4_000_000, -1)
    with (
        pytest.raises(StoreError, match=r"user #4000000, .*`setpriv --reuid=4000000 --clear-groups feeder"),
        alone(state),
    ):
        pass
    os.chown(state, 0, 0)
    let_through(tmp_path)
    (tmp_path / "var").chmod(0o777)
    with as_nobody(), pytest.raises(StoreError, match="belongs to the user root"), alone(state):
        pass


def test_root_does_not_begin_a_state_in_the_directory_of_another_user(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    for state in (folder / "feeder.db", folder / "deeper" / "feeder.db"):
        with pytest.raises(StoreError, match="runuser -u nobody -- feeder"), alone(state):
            pass
    assert list(folder.iterdir()) == []


def test_others_than_root_begin_a_state_wherever_they_may_write(tmp_path: Path) -> None:
    let_through(tmp_path)
    place = tmp_path / "var"
    place.mkdir()
    place.chmod(0o777)
    with as_nobody(), alone(place / "feeder.db"):
        assert holder(place / "feeder.db") == os.getpid()


def test_once_of_another_user_changes_nothing_and_says_who_may(tmp_path: Path) -> None:
    place = watched(tmp_path)
    place.write("First")
    assert once(place).returncode == 0
    os.chown(place.state, NOBODY, NOBODY)
    place.write("Second")
    done = once(place)
    assert done.returncode == 1
    assert "runuser -u nobody -- feeder" in done.stderr
    assert "Second" not in place.feed()


@pytest.mark.parametrize("command", ["remove", "poll", "pause", "resume", "accept"])
def test_what_steers_as_another_user_changes_nothing_and_says_who_may(command: str, tmp_path: Path) -> None:
    place = watched(tmp_path)
    place.write("First")
    assert once(place).returncode == 0
    os.chown(place.state, NOBODY, NOBODY)
    name = str(place.root / "s0" / "First.md") if command == "remove" else "s0"
    words = [sys.executable, "-m", "feeder", command, "-c", str(place.config), name]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=TIMEOUT * 2)
    assert (done.returncode, done.stdout) == (1, "")
    assert "runuser -u nobody -- feeder" in done.stderr
    assert not (place.config.parent / "removed.txt").exists()


def once(place: Place) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "feeder", "once", "--all", "-c", str(place.config)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT * 2)
