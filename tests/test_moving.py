"""A state that moves from one machine to several, by the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from databases import Postgres
from desk import Desk
from nodes import tree_of

from feeder import config, migration
from feeder.cli import main
from feeder.errors import ConfigError, StateInUse, StoreError
from feeder.lock import alone
from feeder.store.address import Address
from feeder.store.opening import open_store
from feeder.store.records import Peer


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.settle("newsroom")
    for number in range(5):
        made.write(f"newsroom/{number}.md", title=f"Title {number}", body=f"Text {number}.")
    assert run(made, "once", "--all") == 0
    return made


@pytest.fixture
def place(postgres: Postgres) -> Iterator[Address]:
    chosen = postgres.address()
    yield chosen
    postgres.drop(chosen)


def run(desk: Desk, *words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([words[0], "-c", str(desk.config), *words[1:]])
    return int(ended.value.code or 0)


def state_of(desk: Desk) -> str:
    return f"sqlite:///{config.load(desk.config).state}"


def test_a_state_moves_there_and_back_and_no_byte_changes(
    desk: Desk, place: Address, postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    before, here, there = tree_of(desk.folder / "public"), state_of(desk), postgres.text(place)
    assert run(desk, "migrate", here, there) == 0
    assert "5 articles" in capsys.readouterr().out
    desk.settle("newsroom", state=there)
    assert run(desk, "once", "--all") == 0
    assert tree_of(desk.folder / "public") == before
    assert run(desk, "migrate", there, f"sqlite:///{desk.folder}/back.db") == 0
    desk.settle("newsroom", state=f"sqlite:///{desk.folder}/back.db")
    assert run(desk, "once", "--all") == 0
    assert tree_of(desk.folder / "public") == before


def test_a_state_moves_to_where_none_is(desk: Desk, place: Address, postgres: Postgres) -> None:
    settings, here, there = config.load(desk.config), state_of(desk), postgres.text(place)
    migration.move(here, there, settings)
    with pytest.raises(StoreError, match="is not empty"):
        migration.move(here, there, settings)
    with pytest.raises(StoreError, match="there is no state"):
        migration.move(f"sqlite:///{desk.folder}/none.db", there, settings)
    with pytest.raises(ConfigError, match="mysql"):
        migration.move("mysql://x", there, settings)


def test_a_state_moves_to_no_place_where_everybody_could_fetch_it(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="lies inside the output directory"):
        migration.move(state_of(desk), f"sqlite:///{desk.folder}/public/state.db", config.load(desk.config))
    assert not (desk.folder / "public/state.db").exists()


def test_a_state_that_is_in_use_stays(desk: Desk, place: Address, postgres: Postgres) -> None:
    settings = config.load(desk.config)
    assert isinstance(settings.state, Path)
    with alone(settings.state), pytest.raises(StateInUse):
        migration.move(state_of(desk), postgres.text(place), settings)


def test_status_lists_the_nodes(
    desk: Desk, place: Address, postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.settle("newsroom", state=postgres.text(place))
    facts = {"roles": ["poll"], "in_hand": {"poll": 2}, "done": {}, "waiting": {"publish": 3}}
    with closing(open_store(place, site_id=config.load(desk.config).site.id)) as store, store.transaction():
        store.note_peer(Peer(node="here:7:0a1b2c", started=store.clock(), facts=json.dumps(facts)))
    assert run(desk, "status") == 0
    told = capsys.readouterr().out
    assert "here:7 " in told
    assert "2 poll" in told
    assert "3 publish" in told
    assert "waits longest" in told
    assert run(desk, "status", "--json") == 0
    assert json.loads(capsys.readouterr().out)["nodes"][0]["name"] == "here:7"
