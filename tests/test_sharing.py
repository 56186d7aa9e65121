from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import worlds
from build import HOUR, NOON, article, place, site, source
from databases import Postgres
from remote import Newsroom, document, tar_gz
from servers import Server
from test_store import poll, publish
from waiting import until

from feeder import config, shards
from feeder.app import App
from feeder.asking import asker, poll_all
from feeder.cluster import Job, Kind
from feeder.cluster.joining import join, terms_of
from feeder.cluster.work import LAST, Slot, Work, wanted
from feeder.errors import FeederError, LeaseLost, StateInUse, StoreError
from feeder.life import Hand, Life
from feeder.model import Due, Place, Status
from feeder.opening import shared
from feeder.pipeline import polling
from feeder.reload import reload
from feeder.store import Store
from feeder.store import postgres as store_postgres
from feeder.store.address import Address, State
from feeder.store.opening import open_shared, open_store
from feeder.store.records import Lease, Peer
from feeder.workers import Workers

LONG, NO_TIME = timedelta(minutes=1), timedelta()
MINE = Lease(name="poll/1", holder="a", node="n1")
YOURS = replace(MINE, holder="b", node="n2")
HERE = [source(f"s{number}", number) for number in range(9)]


@contextmanager
def two_stores(postgres: Postgres) -> Iterator[tuple[Store, Store]]:
    schema = postgres.address()
    try:
        with (
            closing(open_shared(schema, site_id=site().id)) as one,
            closing(open_shared(schema, site_id=site().id)) as other,
        ):
            yield one, other
    finally:
        postgres.drop(schema)


def take(store: Store, lease: Lease, lasting: timedelta = LONG) -> bool:
    with store.transaction():
        return store.take_lease(lease, lasting=lasting)


def test_a_lease_has_one_holder_until_it_is_given_back(store: Store) -> None:
    assert take(store, MINE)
    assert not take(store, YOURS)
    assert not take(store, MINE)
    with store.transaction():
        store.end_lease(YOURS)
    assert not take(store, YOURS)
    with store.transaction():
        store.end_lease(MINE)
    assert take(store, YOURS)


def test_a_lease_that_was_not_kept_is_another_ones(store: Store) -> None:
    assert take(store, MINE, NO_TIME)
    assert take(store, YOURS, NO_TIME)
    with store.transaction():
        store.keep_leases([YOURS.holder], lasting=LONG)
    assert not take(store, MINE)


def test_whoever_lost_a_lease_writes_nothing(store: Store) -> None:
    take(store, MINE, NO_TIME)
    with store.under(MINE), store.transaction():
        store.note("first", "1")
    take(store, YOURS)
    with store.under(MINE), pytest.raises(LeaseLost), store.transaction():
        store.note("second", "2")
    assert (store.noted("first"), store.noted("second")) == ("1", None)
    with store.transaction():
        store.note("third", "3")
    assert store.noted("third") == "3"


@pytest.mark.parametrize("is_decision", [False, True])
def test_a_lease_that_goes_in_the_middle_of_a_transaction_undoes_it(postgres: Postgres, *, is_decision: bool) -> None:
    with two_stores(postgres) as (paused, other):
        take(paused, MINE, NO_TIME)
        begin = paused.decision if is_decision else paused.transaction
        with paused.under(MINE), pytest.raises(StoreError), begin():  # noqa: PT012 - that is what it is about
            paused.note("told", "late")
            assert take(other, YOURS)
        assert other.noted("told") is None


@pytest.mark.parametrize("is_decision", [False, True])
def test_a_long_transaction_rests_on_a_lease_that_is_kept_meanwhile(postgres: Postgres, *, is_decision: bool) -> None:
    with two_stores(postgres) as (busy, beside):
        take(busy, MINE)
        begin = busy.decision if is_decision else busy.transaction
        with busy.under(MINE), begin():
            busy.note("told", "in time")
            with beside.transaction():
                beside.keep_leases([MINE.holder], lasting=LONG)
        assert beside.noted("told") == "in time"


def test_nobody_works_alone_with_a_state_that_is_shared(postgres: Postgres) -> None:
    with two_stores(postgres) as (one, _):
        schema = one._db._address  # type: ignore[attr-defined]
        with pytest.raises(StateInUse):
            open_store(schema, site_id=site().id)


def test_a_file_is_not_shared(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="a file is for one process"):
        open_shared(tmp_path / "state.db", site_id=site().id)


def test_due_sources_are_told_by_their_shards(store: Store) -> None:
    with store.transaction():
        store.sync_sources(HERE)
    wanted = {shards.of_source(each) for each in HERE}
    assert store.due_shards(NOON) == tuple(sorted(wanted))
    found = {name for shard in wanted for name in store.due_in(shard, NOON, limit=99)}
    assert found == {each.name for each in HERE}
    first = HERE[0]
    with store.transaction():
        store.finish_poll(first.name, now=NOON, due=Due(at=NOON + HOUR, why="interval"), error=None)
        store.set_paused(HERE[1].name, paused=True)
    assert first.name not in store.due_in(shards.of_source(first), NOON, limit=99)
    assert HERE[1].name not in store.due_in(shards.of_source(HERE[1]), NOON, limit=99)
    assert first.name in store.due_in(shards.of_source(first), NOON + HOUR, limit=99)


def test_one_node_asks_a_host() -> None:
    urls = ("https://a.example/1", "http://u:p@A.example/2", "https://a.example/")
    found = {shards.of_source(replace(source(f"s{url}"), path=None, url=url)) for url in urls}
    assert len(found) == 1
    assert found <= set(range(shards.SOURCES))


def test_stale_feeds_are_told_by_their_shards(store: Store) -> None:
    with store.transaction():
        store.sync_sources([source()])
    poll(store, *((f"{number}.md", article(str(number), categories=((f"c{number}", "x"),))) for number in range(5)))
    told = store.stale_shards(NOON, settle=NO_TIME)
    assert told[0] == shards.SITE
    parts = [store.stale(NOON, settle=NO_TIME, shard=shard) for shard in told]
    assert [mark.node for mark in parts[0]] == [()]
    assert {mark.node for part in parts for mark in part} == {mark.node for mark in store.stale(NOON, settle=NO_TIME)}
    assert sum(map(len, parts)) == len(store.stale(NOON, settle=NO_TIME))
    publish(store)
    assert store.stale_shards(NOON, settle=NO_TIME) == ()


def test_nodes_are_there_until_they_go_or_fall_silent(store: Store) -> None:
    now = store.clock()
    with store.transaction():
        store.note_peer(Peer(node="n1", started=NOON, facts='{"polls": 1}'))
        store.note_peer(Peer(node="n2", started=NOON))
        store.note_peer(Peer(node="n1", started=NOON, facts='{"polls": 2}'))
    one, _ = store.peers()
    assert (one.node, one.started, one.facts) == ("n1", NOON, '{"polls": 2}')
    assert one.seen >= now
    with store.transaction():
        store.forget_peer("n2")
        store.forget_silent(since=timedelta(hours=1))
    assert [peer.node for peer in store.peers()] == ["n1"]
    with store.transaction():
        store.forget_silent(since=timedelta(hours=-1))
    assert store.peers() == ()


def test_nodes_are_to_be_restarted_in_place_of_a_reload(tmp_path: Path, postgres: Postgres) -> None:
    state = postgres.address()
    config_path = worlds.site(tmp_path / "site", {"here": tmp_path / "tree"}).config_path
    text = config_path.read_text("utf-8")
    config_path.write_text(text.replace("sqlite:///state.db", f'{postgres.text(state)}"\nlocal = "var'), "utf-8")
    settings = config.load(config_path)
    try:
        with closing(open_shared(state, site_id=settings.site.id)) as store:
            with pytest.raises(FeederError, match="the next start reads"):
                reload(settings.kept)
            with store.transaction():
                store.note_peer(Peer(node="north:a1b2", started=NOON, facts="{}"))
            with pytest.raises(FeederError, match=r"nodes do \(north\), .* restart them"):
                reload(settings.kept)
    finally:
        postgres.drop(state)


def test_leases_that_nobody_has_are_forgotten(store: Store, state: State) -> None:
    del state
    take(store, MINE)
    with store.transaction():
        store.forget_silent(since=NO_TIME)
    assert not take(store, YOURS)
    with store.transaction():
        store.end_lease(MINE)
        store.forget_silent(since=NO_TIME)
    assert take(store, YOURS)


def test_a_node_can_ask_whether_it_still_has_its_lease(store: Store) -> None:
    store.check_lease()
    take(store, MINE, NO_TIME)
    with store.under(MINE):
        store.check_lease()
    take(store, YOURS)
    with store.under(MINE), pytest.raises(LeaseLost):
        store.check_lease()


def test_a_transaction_in_which_nothing_is_done_keeps_nobody_waiting(postgres: Postgres) -> None:
    with two_stores(postgres) as (one, other):
        with one.decision(), other.transaction():
            other.note("seen", "yes")
            with one.transaction():
                pass
        with one.transaction(), pytest.raises(RuntimeError), one.transaction():
            raise RuntimeError
        assert one.noted("seen") == "yes"


def test_a_directory_that_is_slow_to_list_loses_no_transaction(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried = {store_postgres.Hold.SHARED: {"idle_in_transaction_session_timeout": "2s"}}
    monkeypatch.setattr(store_postgres, "_MANNERS", hurried)
    monkeypatch.setattr(store_postgres, "CHUNK_SECONDS", 0.1)

    def listed() -> Iterator[Place]:
        for number in range(12):
            time.sleep(0.25)
            yield place(f"{number}.md")

    with two_stores(postgres) as (one, _):
        with one.transaction():
            one.sync_sources([source("s")])
        with one.decision():
            one.unlisted("s")
            assert one.scan("s", listed(), NOON).places == 12


def test_documents_that_are_slow_to_read_lose_no_transaction(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried = {store_postgres.Hold.SHARED: {"idle_in_transaction_session_timeout": "2s"}}
    monkeypatch.setattr(store_postgres, "_MANNERS", hurried)
    room, state = Newsroom(tmp_path), postgres.address()
    for number in range(4 * polling.JOB):
        write(tmp_path / "tree", f"{number}.md")
    room.settle('here\npath = "tree"')
    try:
        with node(room, postgres, state, "a", workers=SlowWorkers(0)) as app:
            app.prepare(NOON)
            polled = app.poll("here", NOON)
            assert (polled.error, polled.statuses[Status.GOOD]) == (None, 4 * polling.JOB)
    finally:
        postgres.drop(state)


class SlowWorkers(Workers):
    def map(self, function: Callable[[Any], Any], jobs: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        for each in super().map(function, jobs):
            time.sleep(0.8)
            yield each


def test_the_site_is_written_after_the_feeds_that_it_tells_of(tmp_path: Path) -> None:
    write(tmp_path / "tree", "a.md")
    with worlds.site(tmp_path / "site", {"here": tmp_path / "tree"}).opened() as app:
        app.prepare(NOON)
        app.poll("here", NOON)
        assert Kind.SITE in kinds(app, NOON)  # nothing is there yet
        app.publish(NOON)
        write(tmp_path / "tree", "b.md")
        app.poll("here", later := NOON + LAST)
        assert Kind.PUBLISH in kinds(app, later)
        assert Kind.SITE not in kinds(app, later)
        assert Kind.SITE in kinds(app, later + LAST)  # others may be stale for ever
        for job in wanted(app, later):
            if job.kind is Kind.PUBLISH:
                app.publish_shard(job.shard, later)
        assert Kind.SITE in kinds(app, later)


def write(tree: Path, name: str) -> None:
    tree.mkdir(exist_ok=True)
    (tree / name).write_text(f"---\ntitle: {name}\ndate: 2026-01-02\ncategories: [News]\n---\nText\n", "utf-8")


def kinds(app: App, now: datetime) -> set[Kind]:
    return {job.kind for job in wanted(app, now)}


@pytest.mark.parametrize("is_far", [False, True], ids=["same-machine", "another-machine"])
def test_a_feed_is_the_same_whoever_unpacked_the_archive_that_it_is_made_of(
    tmp_path: Path, postgres: Postgres, server: Server, *, is_far: bool
) -> None:
    server.put("/tree", tar_gz({"lake.md": document("Lake", body="Calm water."), "sea.md": document("Sea")}))
    alone, many = Newsroom(tmp_path / "alone"), Newsroom(tmp_path / "many")
    for room in (alone, many):
        room.root.mkdir()
        room.settle(f'partner\nurl = "{server.at(0, "/tree")}"')
    alone.poll("partner")
    state = postgres.address()
    try:
        with ExitStack() as stack:
            one, other = (stack.enter_context(node(many, postgres, state, where)) for where in ("a", "ab"[is_far]))
            one.prepare(NOON)
            poll_all(one, ["partner"], NOON)
            other.publish_site(NOON)
    finally:
        postgres.drop(state)
    assert many.files() == alone.files()


@contextmanager
def node(
    room: Newsroom, postgres: Postgres, state: Address, local: str, *, workers: Workers | None = None
) -> Iterator[App]:
    """Yield the whole as a node has it whose own files are in *local*."""
    path = room.root / f"{local}.toml"
    text = room.config.read_text("utf-8")
    path.write_text(text.replace("sqlite:///state.db", f'{postgres.text(state)}"\nlocal = "{local}'), "utf-8")
    with shared(config.load(path), workers=workers or Workers(0)) as app:
        yield app


def test_of_two_configurations_with_one_date_nodes_do_not_go_by_the_one_and_the_other_in_turn(
    tmp_path: Path, postgres: Postgres
) -> None:
    room, state = Newsroom(tmp_path), postgres.address()
    try:
        with ExitStack() as stack:
            for entries, name in ((7, "a"), (8, "b")):
                room.settle(feeds=f"entries = {entries}")
                stack.enter_context(node(room, postgres, state, name))
            refused = [_is_refused(room.root / f"{name}.toml") for name in "abab"]
    finally:
        postgres.drop(state)
    assert refused in ([False, True] * 2, [False, False, True, False])


def _is_refused(path: Path) -> bool:
    """Tell if a node is whose configuration has the date that all have."""
    os.utime(path, (NOON.timestamp(),) * 2)
    with shared(config.load(path), workers=Workers(0)) as app:
        try:
            join(app, terms_of(app), Lease(name="join", holder=path.name, node=path.name), lambda: NOON, lambda: False)
        except StoreError as error:
            return "newer configuration" in str(error)
    return False


def test_a_lease_that_could_not_be_given_back_ends_though_its_node_lives(tmp_path: Path, postgres: Postgres) -> None:
    room, state = Newsroom(tmp_path), postgres.address()
    room.settle()
    held: set[str] = set()

    def clock() -> datetime:
        """Tell the time, in the middle of the work, while the database begins to refuse that any lease changes."""
        postgres.execute(state, REFUSAL)
        return NOON

    try:
        with node(room, postgres, state, "a") as app, slot_of(app) as slot:
            asyncio.run(publish_site(slot, clock, held))
            postgres.execute(state, "DROP TRIGGER refuse ON leases")
            before = postgres.execute(state, LEASE)
            assert before != [(0,)]
            with app.store.transaction():
                app.store.keep_leases(held, lasting=timedelta(hours=1))
            assert postgres.execute(state, LEASE) == before
    finally:
        postgres.drop(state)


REFUSAL = """
CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
CREATE OR REPLACE TRIGGER refuse BEFORE UPDATE ON leases FOR EACH ROW EXECUTE FUNCTION refuse()
"""
LEASE = f"SELECT until FROM leases WHERE name = 'site/{shards.SITE}'"


@contextmanager
def slot_of(app: App) -> Iterator[Slot]:
    """Yield a slot of a node that has joined."""
    terms = terms_of(app)
    join(app, terms, Lease(name="join", holder="n1", node="n1"), lambda: NOON, lambda: False)
    hand = Hand(Life(), app)
    yield Slot(app=app, hand=hand, terms=terms)
    hand.let_go()


async def publish_site(slot: Slot, clock: Callable[[], datetime], held: set[str]) -> None:
    async with asker(slot.app) as one:
        work = Work(one, Life(), clock, node="n1", held=held)
        await work.publish_site(slot, Job(kind=Kind.SITE, shard=shards.SITE))


def test_nobody_begins_by_the_configuration_of_before_while_another_one_comes_into_force(
    tmp_path: Path, postgres: Postgres
) -> None:
    room, state = Newsroom(tmp_path), postgres.address()
    room.settle()
    works: list[str] = []

    def clock() -> datetime:
        """Tell the time, which is asked for once there is work to do."""
        works.append("by the configuration of before")
        return NOON

    try:
        with ExitStack() as stack:
            old = stack.enter_context(slot_of(stack.enter_context(node(room, postgres, state, "a"))))
            room.settle(feeds="entries = 7")
            new = stack.enter_context(node(room, postgres, state, "b"))
            take(old.app.store, site_lease := Lease(name=f"site/{shards.SITE}", holder="n1", node="n1"), NO_TIME)
            locker = stack.enter_context(closing(psycopg.connect(state.url)))
            locker.execute(f"SELECT FROM {state.schema}.leases WHERE name = %s FOR UPDATE".encode(), (site_lease.name,))
            pool = stack.enter_context(ThreadPoolExecutor())
            joined = pool.submit(
                join, new, terms_of(new), Lease(name="join", holder="n2", node="n2"), lambda: NOON, lambda: False
            )
            until(lambda: postgres.execute(state, WAITING) == [(1,)])
            published = pool.submit(asyncio.run, publish_site(old, clock, set()))
            until(lambda: postgres.execute(state, WAITING) == [(2,)])
            locker.rollback()
            joined.result()
            published.result()
    finally:
        postgres.drop(state)
    assert works == []


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%leases%'"


def test_a_category_has_its_name_before_its_spellings_are_counted(postgres: Postgres) -> None:
    schema = postgres.address()
    try:
        with closing(open_shared(schema, site_id=site().id)) as store:
            with store.transaction():
                store.sync_sources(HERE)
            postgres.execute(
                schema,
                "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'killed'; END $$;"
                "CREATE TRIGGER die BEFORE UPDATE OF label ON nodes EXECUTE FUNCTION die()",
            )
            with pytest.raises(StoreError, match="killed"):
                poll(store, ("a.md", article(categories=(("con", "nul"), ("CON", "Nul")))), name="s1")
            assert store.nodes() == {(): "", ("con",): "CON", ("con", "nul"): "Nul"}
    finally:
        postgres.drop(schema)
