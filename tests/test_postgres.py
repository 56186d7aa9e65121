"""The state in PostgreSQL: what is not so with SQLite. What both must do is in test_store.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

import corpus
import psycopg
import pytest
from build import DAY, HOUR, NOON, article, site
from databases import Own, Postgres, own_server
from desk import Desk
from pooler import pooled
from states import connection_of
from test_doctor import BROKEN
from test_store import NEWSROOM, PARTNER, RULES, SEEN, feed, forget, only_id, poll, publish, stale
from waiting import until

from feeder import config, dedup
from feeder.errors import Overtaken, StateInUse, StoreError
from feeder.model import Article, Shown
from feeder.opening import opened
from feeder.store import Store, moving, sqlite
from feeder.store.address import Address, address
from feeder.store.invariants import is_of_indexes
from feeder.store.opening import copy_state, is_there, open_existing, open_to_read
from feeder.store.postgres import Hold, look, open_store
from feeder.store.records import Standing

SITE_ID = site().id
WAIT_SECONDS = 60.0


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def schema(shared_schema: Address, postgres: Postgres) -> Iterator[Address]:
    """An address where a state is, which is empty."""
    open_store(shared_schema, site_id=SITE_ID).close()
    yield shared_schema
    postgres.empty(shared_schema)


@pytest.fixture
def unused(postgres: Postgres) -> Iterator[Address]:
    """An address where nothing is yet."""
    chosen = postgres.address()
    yield chosen
    postgres.drop(chosen)


@pytest.fixture
def nodes(schema: Address) -> Iterator[tuple[Store, Store]]:
    """Two that work with the same state, which knows two sources."""
    with ExitStack() as stack:
        one, other = (stack.enter_context(closing(node_at(schema))) for _ in range(2))
        with one.transaction():
            one.sync_sources([NEWSROOM, PARTNER])
        yield one, other


def node_at(schema: Address) -> Store:
    return open_store(schema, site_id=SITE_ID, hold=Hold.SHARED)


# ---------------------------------------------------------------- opening


def test_a_state_is_made_once_by_however_many_open_it_at_once(unused: Address) -> None:
    assert not is_there(unused, site_id=SITE_ID)
    with ThreadPoolExecutor(4) as threads:
        for store in threads.map(node_at, [unused] * 4):
            with closing(store):
                assert store.sources() == ()
    assert is_there(unused, site_id=SITE_ID)


def test_who_works_alone_is_named_to_others(schema: Address) -> None:
    with closing(open_store(schema, site_id=SITE_ID)):
        with pytest.raises(StateInUse, match=rf"in use by feeder {os.getpid()} on "):
            open_store(schema, site_id=SITE_ID)
        with closing(open_existing(schema, site_id=SITE_ID)) as beside:  # to ask, and to leave notes
            assert beside.sources() == ()
    open_store(schema, site_id=SITE_ID).close()


def test_sites_in_one_database_do_not_know_of_one_another(schema: Address, unused: Address) -> None:
    with (
        closing(open_store(schema, site_id=SITE_ID)) as here,
        closing(open_store(unused, site_id="other,2026")) as there,
    ):
        with here.transaction():
            here.sync_sources([NEWSROOM])
        assert there.sources() == ()


def _of_another_site(postgres: Postgres, schema: Address) -> None:
    postgres.execute(schema, "UPDATE meta SET value = 'other.example,2020' WHERE name = 'site.id'")


def _newer(postgres: Postgres, schema: Address) -> None:
    postgres.execute(schema, "UPDATE meta SET value = '99' WHERE name = 'schema'")


def _foreign(postgres: Postgres, schema: Address) -> None:
    postgres.drop(schema)
    postgres.execute(schema, f"CREATE SCHEMA {schema.schema}")
    postgres.execute(schema, "CREATE TABLE users (name text)")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(_of_another_site, 'belongs to site.id "other.example,2020"', id="other-site"),
        pytest.param(_newer, r"a newer Feeder \(schema 99, known: 1\)", id="newer"),
        pytest.param(_foreign, "not a state of Feeder", id="foreign"),
    ],
)
def test_what_is_no_state_of_ours_is_refused(
    damage: Callable[[Postgres, Address], None], message: str, postgres: Postgres, unused: Address
) -> None:
    open_store(unused, site_id=SITE_ID).close()
    damage(postgres, unused)
    for opening in (open_store, open_existing, is_there):
        with pytest.raises(StoreError, match=message):
            opening(unused, site_id=SITE_ID)


def test_an_older_state_is_left_to_who_works_with_it(postgres: Postgres, unused: Address) -> None:
    open_store(unused, site_id=SITE_ID).close()
    postgres.execute(unused, "UPDATE meta SET value = '0' WHERE name = 'schema'")
    with pytest.raises(StoreError, match="of an older Feeder"):
        open_existing(unused, site_id=SITE_ID)
    with pytest.raises(StoreError, match="already exists"):  # its script makes what is there
        open_store(unused, site_id=SITE_ID)
    assert postgres.execute(unused, "SELECT value FROM meta WHERE name = 'schema'") == [("0",)]


def test_asking_makes_nothing(unused: Address, postgres: Postgres) -> None:
    for opening in (open_existing, open_to_read):
        with pytest.raises(StoreError, match="there is no state yet"):
            opening(unused, site_id=SITE_ID)
    assert postgres.execute(unused, f"SELECT to_regnamespace('{unused.schema}')") == [(None,)]


def test_a_database_that_cannot_hold_all_characters_is_refused(postgres: Postgres, unused: Address) -> None:
    name = f"{unused.schema}_latin"
    postgres.execute(unused, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        latin = address(postgres.text(unused).replace("/postgres?", f"/{name}?"))
        with pytest.raises(StoreError, match="keeps text as LATIN1"):
            open_store(latin, site_id=SITE_ID)
    finally:
        postgres.execute(unused, f"DROP DATABASE {name}")


# ---------------------------------------------------------------- addresses and secrets


def test_a_short_password_does_not_spoil_what_is_told(unused: Address, postgres: Postgres) -> None:
    """A message without all of its letters would tell it."""
    with postgres.role("pauper", "r") as role, pytest.raises(StoreError) as caught:
        open_store(role(unused), site_id=SITE_ID)
    assert "permission denied for database" in str(caught.value)


def test_who_may_not_use_the_schema_is_told_so(schema: Address, postgres: Postgres) -> None:
    with postgres.role("stranger", "cret") as role, pytest.raises(StoreError, match="the role stranger may not use"):
        open_store(role(schema), site_id=SITE_ID)


def test_whoever_holds_the_state_is_named_once(schema: Address) -> None:
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(closing(open_store(schema, site_id=SITE_ID, hold=Hold.SHARED)))
        with pytest.raises(StateInUse) as caught:
            open_store(schema, site_id=SITE_ID)
    assert str(caught.value).count(f"feeder {os.getpid()} on") == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://feeder@db/feeder", "postgresql://feeder@db/feeder"),
        ("postgresql://u:s%40cret@db:5433/d?schema=news", "postgresql://u:***@db:5433/d?schema=news"),
        ("postgres:///d?host=/run/pg&password=s@cret", "postgres:///d?host=/run/pg&password=***"),
        (
            "postgresql://u@h1:1,h2:2/d?sslpassword=s@cret&sslmode=require",
            "postgresql://u@h1:1,h2:2/d?sslpassword=***&sslmode=require",
        ),
    ],
)
def test_an_address_shows_no_password(text: str, shown: str) -> None:
    found = address(text)
    assert str(found) == shown
    assert "cret" not in repr(found)
    assert "schema" not in found.url


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:s@cret@db/feeder",
        "postgresql://u:s@cr/et@db/feeder",
        "postgresql://u:s#cret@db/feeder",
        "postgresql://u:cret@db",
        "postgresql://u:cret@db/feeder?schema=A;DROP",
        "postgresql://u:cret@db/feeder?schema=a&schema=b",
        "postgresql://u:cret@[db/feeder",
    ],
)
def test_a_faulty_address_is_refused_without_being_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"percent-encoded|small letters") as caught:
        address(text)
    assert "cret" not in str(caught.value)


def test_a_password_is_in_no_message(desk: Desk) -> None:
    desk.settle(state="postgresql://feeder:s%3Ccret@127.0.0.1:1/feeder?connect_timeout=2")
    for command in ("once", "status", "doctor", "check"):
        done = desk.run(command)
        assert "cret" not in done.out + done.err
        assert "127.0.0.1:1/feeder" in done.out + done.err


def test_an_option_that_there_is_not_is_an_error_of_the_state() -> None:
    with pytest.raises(StoreError, match="cannot be used"):
        is_there(address("postgresql://u:cret@localhost/d?colour=blue"), site_id=SITE_ID)


# ---------------------------------------------------------------- several at once


def test_each_source_is_claimed_by_one(nodes: tuple[Store, Store]) -> None:
    one, other = nodes
    with one.transaction():
        mine = one.claim_due(SEEN, limit=1, lease=HOUR)
        with other.transaction():  # before the first is done
            theirs = other.claim_due(SEEN, limit=9, lease=HOUR)
    assert sorted(mine + theirs) == ["newsroom", "partner"]
    with other.transaction():
        assert other.claim_due(SEEN, limit=9, lease=HOUR) == ()


@contextmanager
def deciding(store: Store) -> Iterator[None]:
    """Begin a decision, whose view of the state is that of now."""
    with store.decision():
        store.sources()
        yield


def test_two_that_find_the_same_new_article_at_once_make_one(nodes: tuple[Store, Store]) -> None:
    one, other = nodes
    what = article("Same title", published=NOON)
    with pytest.raises(Overtaken), deciding(other):  # noqa: PT012
        poll(one, ("a.md", what))
        poll(other, ("b.md", what), name="partner")
    poll(other, ("b.md", what), name="partner")  # again, from its beginning
    ((memory, copies),) = other.copies([only_id(other, "a.md")]).values()
    assert {copy.source for copy in copies} == {"newsroom", "partner"}
    assert memory.id == only_id(one, "a.md")


def test_a_copy_that_comes_while_the_article_goes_is_not_lost(nodes: tuple[Store, Store]) -> None:
    one, other = nodes
    what = article("Same title", published=NOON)
    poll(one, ("a.md", what))
    with pytest.raises(Overtaken), deciding(other):  # noqa: PT012
        poll(one, ("b.md", what), name="partner")  # readers see no difference
        forget(other, "a.md")
    forget(other, "a.md")
    assert [listed.source for listed in other.newest(())] == ["partner"]
    assert one.breaches() == ()


def test_a_decision_about_something_else_goes_through(nodes: tuple[Store, Store]) -> None:
    one, other = nodes
    poll(one, ("0.md", article("First")))
    with deciding(other):
        poll(one, ("a.md", article("One", body="1")))
        poll(other, ("b.md", article("Other", body="2")), name="partner")
    assert len(list(one.newest(()))) == 3
    assert one.breaches() == ()


def test_a_mark_that_is_committed_late_is_not_lost(nodes: tuple[Store, Store]) -> None:
    one, other = nodes
    poll(one, ("a.md", article("One", categories=(("A",),))))
    with closing(psycopg.connect(connection_of(one).info.dsn)) as late:
        late.execute(
            b"SELECT set_config('search_path', %s, false)",
            (connection_of(one).execute("SELECT current_schema()").fetchone()[0],),
        )
        late.execute(
            b"INSERT INTO marks (node, seq) SELECT node, nextval('marks_made') FROM nodes WHERE identity = '[]'"
        )
        poll(other, ("b.md", article("Other", body="Another.", categories=(("A",),))), name="partner")
        assert publish(one) == {(), ("a",)}
        assert stale(one) == set()
        late.commit()
    assert stale(one) == {()}


def test_an_article_that_comes_while_a_feed_is_written_leaves_its_mark(nodes: tuple[Store, Store]) -> None:
    one, other = nodes
    poll(one, ("a.md", article("One")))
    marks = one.stale(SEEN, settle=timedelta())
    poll(other, ("b.md", article("Other", body="Another.")), name="partner")
    with one.transaction():
        for mark in marks:
            one.save_feed(feed(mark.node), mark=mark, now=SEEN)
    assert stale(one) == {()}


def test_writers_of_the_same_categories_do_not_wait_for_one_another(nodes: tuple[Store, Store]) -> None:
    one, other = nodes
    poll(one, ("0.md", article("First", categories=(("A",),))))
    connection_of(other).execute("SET lock_timeout = '2s'")
    with one.decision():
        poll(one, ("a.md", article("One", body="1", categories=(("A",),))))
        poll(other, ("b.md", article("Other", body="2", categories=(("A",),))), name="partner")
    assert [one.census()[node].articles for node in ((), ("a",))] == [3, 3]
    assert one.give_back() == 0  # adds up the steps
    assert [other.census()[node].articles for node in ((), ("a",))] == [3, 3]
    assert other.breaches() == ()


def test_however_many_decide_at_once_the_end_is_that_of_one_after_the_other(schema: Address, tmp_path: Path) -> None:
    names = [f"source {number}" for number in range(4)]
    sources = [replace(NEWSROOM, name=name, order=order) for order, name in enumerate(names)]
    with closing(node_at(schema)) as store, store.transaction():
        store.sync_sources(sources)
    with ThreadPoolExecutor(len(names)) as threads:
        overtaken = sum(threads.map(partial(_work, schema), names))
    assert overtaken  # else nothing was tried
    with closing(sqlite.open_store(tmp_path / "state.db", site_id=SITE_ID)) as alone:
        with alone.transaction():
            alone.sync_sources(sources)
        for name in names:
            for act in _acts(name):
                act(alone)
        with closing(node_at(schema)) as store:
            assert store.breaches() == ()
            assert _shown(store) == _shown(alone)
            assert store.marked() >= set(store.nodes())


def _work(schema: Address, name: str) -> int:
    """Do all that a source has to do; return how often another one was faster."""
    overtaken = 0
    with closing(node_at(schema)) as store:
        for act in _acts(name):
            for _ in range(1000):
                try:
                    act(store)
                    break
                except Overtaken:
                    overtaken += 1
            else:
                raise AssertionError("somebody else was always faster")
    return overtaken


def _acts(name: str) -> Iterator[Callable[[Store], object]]:
    """Yield what becomes of the documents of a source; all sources have the same articles, in several categories."""
    random = Random(name)  # noqa: S311 - the same every time
    for _ in range(25):
        number = random.randrange(12)
        where = f"{number}.md"
        what = article(
            f"Title {number}",
            published=NOON - number * HOUR,
            body=str(number),
            categories=((random.choice("Aa"),), ("B", name)),
        )
        if random.random() < 0.7:
            yield partial(_poll_decided, found=(where, what), name=name)
        else:
            yield partial(_forget_decided, where=where, name=name)


def _poll_decided(store: Store, *, found: tuple[str, Article], name: str) -> None:
    with store.decision():
        poll(store, found, name=name)


def _forget_decided(store: Store, *, where: str, name: str) -> None:
    with store.decision():
        ids = store.forget(name, [where], SEEN)
        copies = store.copies(ids).values()
        store.stand(
            [Standing(memory=m, shown=dedup.show(found, m, rules=RULES, now=SEEN)) for m, found in copies], SEEN
        )


def _shown(store: Store) -> object:
    return (
        {
            node: [
                (shown.source, shown.locator, shown.article.title, shown.categories) for shown in _in_order(store, node)
            ]
            for node in store.nodes()
        },
        store.nodes(),
        {node: tally.articles for node, tally in store.census().items()},
    )


def _in_order(store: Store, node: tuple[str, ...]) -> list[Shown]:
    ids = [listed.id for listed in store.newest(node)]
    return [shown for _, shown in sorted(store.shown(ids).items())]


def test_a_category_that_another_forgot_is_made_again(
    nodes: tuple[Store, Store], schema: Address, postgres: Postgres
) -> None:
    one, other = nodes
    what = article(categories=(("A",),))
    poll(other, ("a.md", what))  # it knows the category from now on
    for table in ("marks", "memberships", "path_nodes", "paths", "nodes"):
        postgres.execute(schema, f"DELETE FROM {table}")
    again = ("b.md", article("Other", body="2", categories=(("A",),)))
    with pytest.raises(Overtaken):
        poll(other, again, name="partner")
    poll(other, again, name="partner")
    assert one.nodes() == {(): "", ("a",): "A"}


def test_an_error_that_somebody_hides_undoes_the_transaction_and_is_told(nodes: tuple[Store, Store]) -> None:
    one, _ = nodes
    with pytest.raises(StoreError, match="a statement failed"), one.transaction():  # noqa: PT012
        one.request_poll("newsroom", SEEN)
        with suppress(psycopg.Error):
            connection_of(one).execute("SELECT nonsense")
    assert one.source("newsroom").next_poll < SEEN


def test_what_can_never_be_written_is_told_as_it_is(nodes: tuple[Store, Store]) -> None:
    one, _ = nodes
    with pytest.raises(StoreError, match="out of range"), one.transaction():
        one.told([1 << 70])


def test_text_that_postgresql_cannot_hold_never_reaches_it(nodes: tuple[Store, Store]) -> None:
    one, _ = nodes
    with one.transaction():
        one.note("strange", "a\0b\ud800c")
    assert one.noted("strange") == "a\ufffdb?c"


def test_useless_indexes_are_damage_and_are_made_anew(
    nodes: tuple[Store, Store], schema: Address, postgres: Postgres
) -> None:
    one, _ = nodes
    assert one.damage() == ()
    postgres.execute(schema, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'keys_3_id_idx'::regclass")
    assert one.damage() == ("index keys_3_id_idx is not valid",)
    assert is_of_indexes(one.damage())
    one.rebuild_indexes()
    assert one.damage() == ()


# ---------------------------------------------------------------- the whole


MADE = corpus.stories(60)


def _write(folder: Path, *, run: int, held: Iterable[corpus.Story]) -> None:
    corpus.write(folder, held, ran_at=corpus.NEWEST + run * HOUR, run=run)


def _edit(folder: Path) -> None:
    _write(folder, run=2, held=[replace(story, words=("改过的。", *story.words)) for story in MADE[30:40]])


def _delete(folder: Path) -> None:
    for story in MADE[5:9]:
        (folder / story.locator).unlink()


def _rename(folder: Path) -> None:
    for story in MADE[20:24]:
        path = folder / story.locator
        path.rename(path.with_name(f"renamed {path.name}"))


STEPS: list[Callable[[Path], None]] = [
    partial(_write, run=1, held=MADE),
    _edit,
    partial(_write, run=3, held=corpus.stories(12, seed=8)),
    _delete,
    lambda _: None,  # what is missing twice is gone
    _rename,
    partial(_write, run=6, held=MADE[5:7]),
]


def published(desk: Desk, now: datetime) -> dict[str, bytes]:
    """Poll and publish all; return the feeds."""
    with opened(config.load(desk.config), workers=1) as app:
        app.prepare(now)
        app.request_poll("newsroom", now)
        for name in app.claim_due(now):
            polled = app.poll(name, now)
            assert polled.error is None
        app.publish(now, settle=timedelta())
        app.prune(now)
        assert app.store.breaches() == ()
    return desk.tree("public")


def test_both_kinds_of_state_give_the_same_feeds_byte_for_byte_whatever_happens_to_the_articles(
    tmp_path: Path, postgres: Postgres, unused: Address
) -> None:
    desks = [Desk(tmp_path / name) for name in ("sqlite", "postgres")]
    for desk, place in zip(desks, ("sqlite:///var/state.db", postgres.text(unused)), strict=True):
        desk.folder.mkdir()
        desk.settle(feeds="entries = 20\narchive = 10", state=place)
    seen = []
    for number, step in enumerate(STEPS):
        now = corpus.NEWEST + DAY + number * HOUR
        trees = []
        for desk in desks:
            step(desk.folder / "newsroom")
            trees.append(published(desk, now))
        assert trees[0] == trees[1]
        seen.append(trees[0])
    assert len({str(tree) for tree in seen}) >= 5  # something happened


def test_commands_work_with_a_state_in_postgresql(desk: Desk, postgres: Postgres, unused: Address) -> None:
    desk.settle(state=postgres.text(unused))
    path = desk.write("newsroom/bridge.md")
    assert "nothing has been polled yet" in desk.run("doctor").out
    assert desk.run("once").code == 0
    assert desk.run("status").rows("Counts")["articles"] == "1"
    assert "Bridge opens" in desk.run("explain", path).out
    assert desk.run("doctor").code == 0
    assert desk.run("doctor", "--repair").code == 0
    assert desk.run("pause", "newsroom").code == 0
    assert desk.run("resume", "newsroom").code == 0
    assert str(unused) in desk.run("check").out
    assert desk.run("check", "--json").json["state_exists"] is None
    for command, program in (("backup", "pg_dump"), ("restore", "pg_restore")):
        refused = desk.run(command, desk.folder / "kept.db")
        assert (refused.code, program in refused.err) == (1, True)
    with desk.daemon():
        assert f"in use by process {os.getpid()}" in desk.run("once").err
    assert sorted(name for name in desk.tree("var")) == [
        f"var/feeder.{name}"
        for name in ("lock", "redirects.caddy", "redirects.json", "redirects.nginx.conf", "status.json")
    ]


SPELLED = {
    " WHERE page IS NOT NULL": "",
    "held = 0": "NOT held",
    "removed = 1": "removed = TRUE",
    "x'00'": "'\\\\x00'::bytea",
    "UPDATE tallies": "UPDATE tally_steps",
}


def test_contradictions_are_found_and_mended_as_those_of_a_file(
    desk: Desk, postgres: Postgres, unused: Address
) -> None:
    desk.settle(feeds='entries = 2\nwindow = "0s"', state=postgres.text(unused))
    desk.write("newsroom/b.md", title="Harvest", date="2026-03-09T12:00:00Z", more="categories: [Country]")
    desk.write("newsroom/c.md", title="Night bus", date="2026-03-08T12:00:00Z")
    desk.write("newsroom/copy.md", more="categories: [Country, Farms]")
    assert desk.run("once").code == 0
    desk.write("newsroom/a.md")
    assert desk.run("once", "--all").code == 0
    for name, statements in BROKEN.items():
        if name == "marks_of_nothing":
            continue  # there can be none
        for statement in statements:
            postgres.execute(unused, _spelled(statement))
        with desk.daemon() as app:
            assert name in {breach.name for breach in app.store.breaches()}
        desk.run("doctor", "--repair")
        desk.run("once", "--all")  # what only documents tell, and what is to be published again
    assert desk.run("doctor").code == 0


def _spelled(statement: str) -> str:
    for old, new in SPELLED.items():
        statement = statement.replace(old, new)
    return statement


def test_a_mark_of_no_category_cannot_be_made(schema: Address, postgres: Postgres) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        postgres.execute(schema, BROKEN["marks_of_nothing"][0])


def test_without_the_library_it_is_said_what_to_install(desk: Desk) -> None:
    desk.settle(state="postgresql://localhost/feeder")
    code = "import sys; sys.modules['psycopg'] = None; from feeder.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "once", "-c", str(desk.config)], capture_output=True, encoding="utf-8", check=False
    )
    assert (done.returncode, "pip install 'feeder[cluster]'" in done.stderr) == (1, True), done.stderr


def test_a_preview_works_on_a_copy_and_changes_nothing(desk: Desk, postgres: Postgres, unused: Address) -> None:
    desk.settle(state=postgres.text(unused))
    desk.write("newsroom/bridge.md")
    assert desk.run("once").code == 0
    before = postgres.execute(unused, "SELECT id, first_seen, published FROM articles")
    desk.write("newsroom/tunnel.md", title="Tunnel opens", body="A tunnel.")
    seen = desk.run("once", "--all", "--dry-run")
    assert (seen.code, "1 new" in seen.out) == (0, True), seen
    assert postgres.execute(unused, "SELECT id, first_seen, published FROM articles") == before


def test_a_copy_as_a_file_tells_the_same(nodes: tuple[Store, Store], schema: Address, tmp_path: Path) -> None:
    one, _ = nodes
    poll(one, *((f"{n}.md", article(f"Title {n}", body=str(n), categories=(("A", str(n % 3)),))) for n in range(20)))
    publish(one)
    with one.transaction():
        one.enter_archive([listed.id for listed in one.newest(())])
        one.add_page(one.waiting()[:5])
    poll(one, ("0.md", article("Title 0", body="Edited.")))
    copy_state(schema, tmp_path / "copy.db", site_id=SITE_ID)
    with closing(open_existing(tmp_path / "copy.db", site_id=SITE_ID)) as copy:
        assert _told(copy) == _told(one)
        assert copy.breaches() == ()
        assert copy.damage() == ()


def test_a_file_moves_to_postgresql_and_goes_on_there(unused: Address, tmp_path: Path) -> None:
    with closing(sqlite.open_store(tmp_path / "state.db", site_id=SITE_ID)) as file:
        with file.transaction():
            file.sync_sources([NEWSROOM, PARTNER])
        poll(file, *((f"{n}.md", article(f"Title {n}", body=str(n), categories=(("A",),))) for n in range(20)))
        publish(file)
        with file.transaction():
            file.skip_pages(7)
        with closing(open_store(unused, site_id=SITE_ID)) as there:
            moving.copy(file, there)
            assert _told(there) == _told(file)
            poll(there, ("new.md", article("New", body="New.", categories=(("B",),))), name="partner")
            with there.transaction():
                there.add_page(())
            assert there.last_page() == 8
            assert there.breaches() == ()


def _told(store: Store) -> tuple[object, ...]:
    ids = [listed.id for listed in store.newest(())]
    asked = (
        store.counts(),
        store.sources(),
        set(store.feeds()),
        store.nodes(),
        store.shown(ids),
        store.marked(),
        store.pages(),
    )
    return *asked, store.page_sizes(), [store.history(id_) for id_ in ids], [store.keys_of(id_) for id_ in ids]


# ---------------------------------------------------------------- a server that comes and goes


@pytest.fixture
def own() -> Iterator[Own]:
    """A server that the test may stop."""
    with own_server() as running:
        yield running


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_store_finds_back_to_a_server_that_was_away(own: Own, how: signal.Signals) -> None:
    schema = own.address("news")
    with closing(open_store(schema, site_id=SITE_ID)) as store:
        with store.transaction():
            store.sync_sources([NEWSROOM])
        poll(store, ("a.md", article()))
        with pytest.raises(StoreError, match="cannot be used"), store.transaction():  # noqa: PT012
            store.request_poll("newsroom", SEEN)
            own.stop(how)
            store.request_poll("newsroom", SEEN)
        with pytest.raises(StoreError, match="cannot be used"):
            store.sources()
        own.start()
        poll(store, ("b.md", article("Other", body="Another.")))
        assert store.count("newsroom") == 2
        with pytest.raises(StateInUse):
            open_store(schema, site_id=SITE_ID)


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_that_shares_sessions_is_refused(own: Own, desk: Desk, mode: str) -> None:
    with pooled(own, mode) as behind:
        schema = behind.address("news")
        for open_ in (open_store, open_existing, look):
            with pytest.raises(StoreError, match=r"shares sessions between transactions; .* pool_mode = session"):
                open_(schema, site_id=SITE_ID)
        desk.settle("newsroom", state=behind.text(schema))
        told = desk.run("doctor")
        assert "pool_mode = session" in told.out + told.err


def test_a_pooler_of_sessions_is_as_good_as_none(own: Own) -> None:
    with pooled(own, "session") as behind:
        schema = behind.address("news")
        with closing(open_store(schema, site_id=SITE_ID)), pytest.raises(StateInUse):
            open_store(schema, site_id=SITE_ID)
        until(lambda: _opens(schema))  # the lock goes with its session, once the pooler has heard of the end


def _opens(schema: Address) -> bool:
    with suppress(StateInUse), closing(open_store(schema, site_id=SITE_ID)):
        return True
    return False


def test_a_daemon_goes_on_when_the_server_is_back_and_tells_once_that_it_was_away(own: Own, desk: Desk) -> None:
    desk.settle('newsroom\ninterval = "10s"', feeds='settle = "0s"', state=own.text(own.address("news")))
    desk.write("newsroom/bridge.md")
    with (desk.folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "feeder", "run", "-c", str(desk.config)], stdout=log, stderr=log
        )
        try:
            _await(lambda: _shows(desk, "Bridge opens"))
            own.stop()
            desk.write("newsroom/tunnel.md", title="Tunnel opens", body="A tunnel.")
            _await(lambda: "work_failed" in (desk.folder / "log").read_text())
            time.sleep(3)  # in which it tries again
            own.start()
            _await(lambda: _shows(desk, "Tunnel opens"))
        finally:
            daemon.terminate()
            assert daemon.wait(60) == 0
    lines = [json.loads(line) for line in (desk.folder / "log").read_text().splitlines() if line.startswith("{")]
    failed = [(line["work"], line["error"]) for line in lines if line["event"] == "work_failed"]
    assert failed
    assert len(failed) == len(set(failed)), failed
    assert any(line["event"] == "work_mended" for line in lines)


def test_a_state_is_looked_at_where_nothing_may_be_written(postgres: Postgres, schema: Address) -> None:
    only = address(f"{postgres.text(schema)}&options=-c%20default_transaction_read_only%3Don")
    with closing(open_existing(only, site_id=SITE_ID)) as store:
        assert store.counts()["articles"] == 0
        with pytest.raises(StoreError, match="read-only transaction"), store.transaction():
            store.note("a", "b")


def test_a_state_moves_from_one_schema_to_another(schema: Address, unused: Address) -> None:
    with closing(open_store(schema, site_id=SITE_ID)) as source, closing(open_store(unused, site_id=SITE_ID)) as target:
        with source.transaction():
            source.sync_sources([NEWSROOM, PARTNER])
        poll(source, ("a.md", article(categories=(("City",),))), ("b.md", article("Another", categories=(("City",),))))
        moving.copy(source, target)
        assert target.breaches() == ()
        assert target.census() == source.census()


def test_what_nobody_has_counted_yet_is_counted_when_a_state_moves(
    postgres: Postgres, unused: Address, tmp_path: Path
) -> None:
    with closing(open_store(unused, site_id=SITE_ID)) as source:
        with source.transaction():
            source.sync_sources([NEWSROOM, PARTNER])
        postgres.execute(
            unused,
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'killed'; END $$;"
            "CREATE TRIGGER die BEFORE UPDATE OF label ON nodes EXECUTE FUNCTION die()",
        )
        with pytest.raises(StoreError, match="killed"):
            poll(source, ("a.md", article(categories=(("City",),))))
    copy_state(unused, tmp_path / "copy.db", site_id=SITE_ID)
    with closing(sqlite.open_store(tmp_path / "copy.db", site_id=SITE_ID)) as copy:
        assert copy.nodes() == {(): "", ("city",): "City"}
        assert copy.breaches() == ()


def _shows(desk: Desk, title: str) -> bool:
    path = desk.folder / "public/atom.xml"
    return path.exists() and title in path.read_text("utf-8")


def _await(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < end, "it has not come to it"
        time.sleep(0.1)
