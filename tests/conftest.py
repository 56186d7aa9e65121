from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from build import site
from hypothesis import settings

from feeder.store import Store
from feeder.store.sqlite import open_store

# How long an example takes says more of the machine than of the law.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def open_sqlite(folder: Path) -> Store:
    return open_store(folder / "state.db", site_id=site().id)


STORES: dict[str, Callable[[Path], Store]] = {"sqlite": open_sqlite}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Every kind of store, new and empty."""
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()
