from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import databases
import pytest
import structlog
from build import site
from databases import Postgres
from hypothesis import settings
from remote import Newsroom
from servers import Server, talking

from feeder import log
from feeder.store import Store
from feeder.store.address import Address, State
from feeder.store.opening import open_store

# What a trial asserts is told in full, as in a test.
pytest.register_assert_rewrite("endurance")

# How long an example takes says more of the machine than of the law.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """What a test logs is not to depend on who set up logging before it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    for name in log.CHATTY:
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    with databases.server() as running:
        yield running


@pytest.fixture(scope="session")
def shared_schema(postgres: Postgres) -> Iterator[Address]:
    """A state in PostgreSQL that tests take in turns: to make a new one for each takes half a second."""
    schema = postgres.address()
    yield schema
    postgres.drop(schema)


@pytest.fixture(params=["sqlite", "postgres"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    """A place for every kind of state, which is empty."""
    if request.param == "sqlite":
        yield tmp_path / "state.db"
        return
    schema: Address = request.getfixturevalue("shared_schema")
    yield schema
    request.getfixturevalue("postgres").empty(schema)


@pytest.fixture
def store(state: State) -> Iterator[Store]:
    """Every kind of store, new and empty."""
    opened = open_store(state, site_id=site().id)
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
