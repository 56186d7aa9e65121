"""What lies below a store: for tests of what no method of it tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from feeder.store import Store
from feeder.store.tables import Tables


def connection_of(store: Store) -> Any:
    """Return the driver's connection."""
    assert isinstance(store, Tables)
    return store._db.connection  # type: ignore[attr-defined]


def statements_of(store: Store) -> Mapping[str, str]:
    """Return the statements by name."""
    assert isinstance(store, Tables)
    return store._db._sql  # type: ignore[attr-defined,no-any-return]
