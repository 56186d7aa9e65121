"""The lock beside a state: one process works with it, as the user who owns it."""

from __future__ import annotations

import fcntl
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from feeder.errors import StateInUse, StoreError

MODE = 0o640  # as that of the state: whoever may read the file can hold its lock


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Hold the lock of *state* until the end of the block.

    Raises:
        StateInUse: Another process has it.
        StoreError: It cannot be had, or the state belongs to another user, who could not use what this one leaves.
    """
    path = _path(state)
    check_owner(state)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened: {error.strerror}") from error
    try:
        _lock(file, path)
        yield
    finally:
        os.close(file)


def check_owner(state: Path) -> None:
    """Refuse to work as another user than the owner of the state, or root beside a directory that waits for one.

    Raises:
        StoreError: We are another user.
    """
    us = os.geteuid()
    try:
        owner = state.stat().st_uid
    except OSError:  # there is none, or whoever opens it says why it cannot be had
        nearest = next((parent for parent in state.parents if parent.is_dir()), state.parent)
        owner = nearest.stat().st_uid if us == 0 and nearest.is_dir() else us
    if owner != us:
        raise StoreError(
            f"{state}: belongs to the user {_user(owner)}, who could not write what {_user(us)} leaves behind: "
            f"run this as that user: `{_as_user(owner)} feeder …`"
        )


def holder(state: Path) -> int | None:
    """Return the number of the process that works with *state*; None if there is none.

    Raises:
        StoreError: One has the lock, but left no number there, or the lock cannot be read.
    """
    path = _path(state)
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _number(_written(file), path)
    else:
        return None
    finally:
        os.close(file)


def _path(state: Path) -> Path:
    return state.with_name(state.name + ".lock")


def _user(number: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(number).pw_name
    return f"#{number}"


def _as_user(number: int) -> str:
    name = _user(number)
    return f"setpriv --reuid={number} --clear-groups" if name.startswith("#") else f"runuser -u {name} --"


def _lock(file: int, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StateInUse(f"{path}: the state is in use by process {_written(file) or 'unknown'}") from error
    with suppress(OSError):  # a disk may be full; the lock holds without the number, which is for people
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)


def _written(file: int) -> str:
    return os.pread(file, 32, 0).decode(errors="replace").strip()


def _number(text: str, path: Path) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 1):
        raise StoreError(f"{path}: a process works with the state, but left no number here")
    return int(text)
