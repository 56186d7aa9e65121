"""The state brought up to the schema of this version: forward only, in one transaction, with a copy of what it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import structlog

from feeder.store.copies import copied
from feeder.store.file import APPLICATION_ID

log = structlog.get_logger(__name__)


def migrate(connection: sqlite3.Connection, path: Path, scripts: Sequence[str]) -> None:
    """Run those of *scripts* that the database at *path* has not seen yet, all or none.

    What it was is kept beside it (see `kept_at`), for a version that turns out to be no good.
    """
    version = version_of(connection)
    if version == len(scripts):
        return
    kept = kept_at(path, version) if version else None
    if kept:
        with copied(connection, kept, replaces=True):
            pass
    text = "\n".join(scripts[version:])
    stamp = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {len(scripts)};"
    connection.executescript(f"BEGIN IMMEDIATE;\n{text}\n{stamp} COMMIT;")
    if kept:
        log.info("state_migrated", schema=len(scripts), before=version, kept=str(kept))


def version_of(connection: sqlite3.Connection) -> int:
    """Return how many scripts a database has seen."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def kept_at(path: Path, version: int) -> Path:
    """Return where the state at *path* is kept as it was before it left *version*."""
    return path.with_name(f"{path.name}.v{version}.bak")
