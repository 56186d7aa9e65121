from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import worlds
from build import HOUR, NOON, article, site, source
from databases import Postgres
from test_store import poll, publish

from feeder import config, shards
from feeder.app import App
from feeder.cluster import Kind
from feeder.cluster.work import LAST, wanted
from feeder.errors import FeederError, LeaseLost, StateInUse, StoreError
from feeder.model import Due
from feeder.reload import reload
from feeder.store import Store
from feeder.store.address import State
from feeder.store.opening import open_shared, open_store
from feeder.store.records import Lease, Peer

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
        store.keep_leases("n2", lasting=LONG)
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
                beside.keep_leases("n1", lasting=LONG)
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
