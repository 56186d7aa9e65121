"""Opens a state, whatever kind of database it lies in."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from feeder.errors import StoreError
from feeder.store import Store, file, sqlite
from feeder.store.address import State

EXTRA = "feeder[cluster]"


def is_there(state: State, *, site_id: str) -> bool:
    """Tell whether there is a state.

    Raises:
        StoreError: What is there cannot be used.
    """
    if isinstance(state, Path):
        return file.look(state, site_id=site_id)
    return bool(_postgres().look(state, site_id=site_id))


def open_store(state: State, *, site_id: str) -> Store:
    """Open a state for the one process that works with it, migrated to this version; make it if there is none.

    Raises:
        StoreError: It cannot be used, or another process works with it.
    """
    if isinstance(state, Path):
        return sqlite.open_store(state, site_id=site_id)
    opened: Store = _postgres().open_store(state, site_id=site_id)
    return opened


def open_shared(state: State, *, site_id: str) -> Store:
    """Open a state for one of many processes that work with it, as `open_store` does.

    Raises:
        StoreError: It cannot be used, is a file, or a process works with it that wants to be alone.
    """
    if isinstance(state, Path):
        raise StoreError(f"{state}: a file is for one process: nodes share a state in PostgreSQL (see docs/scale.md)")
    postgres = _postgres()
    opened: Store = postgres.open_store(state, site_id=site_id, hold=postgres.Hold.SHARED)
    return opened


def open_existing(state: State, *, site_id: str) -> Store:
    """Open a state beside a process that works with it; without the right to write it, to be read.

    Raises:
        StoreError: There is none, or it cannot be used as it is.
    """
    if isinstance(state, Path):
        return sqlite.open_existing(state, site_id=site_id)
    opened: Store = _postgres().open_existing(state, site_id=site_id)
    return opened


def open_to_read(state: State, *, site_id: str) -> Store:
    """Open a state to be read, also by a process that has it open already.

    Raises:
        StoreError: It cannot be read.
    """
    if isinstance(state, Path):
        return sqlite.open_to_read(state, site_id=site_id)
    opened: Store = _postgres().open_existing(state, site_id=site_id)
    return opened


def copy_state(state: State, target: Path, *, site_id: str) -> None:
    """Copy a state, as it is now, to a file, even while processes use it."""
    if isinstance(state, Path):
        sqlite.copy_state(state, target)
    else:
        _postgres().copy_state(state, target, site_id=site_id)


def _postgres() -> ModuleType:
    """Return what knows PostgreSQL, which not everybody has."""
    try:
        from feeder.store import postgres  # noqa: PLC0415 - an optional library
    except ImportError as error:
        raise StoreError(
            f"a state in PostgreSQL needs more than is installed: pip install '{EXTRA}' ({error})"
        ) from error
    return postgres
