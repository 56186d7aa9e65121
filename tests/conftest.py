from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from build import site
from hypothesis import settings
from remote import Newsroom
from servers import Server, talking

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


@pytest.fixture
def server() -> Iterator[Server]:
    """A web server that says what the test wants."""
    with talking() as opened:
        yield opened


@pytest.fixture
def room(tmp_path: Path) -> Newsroom:
    """A site without sources."""
    return Newsroom(tmp_path)
