"""Nodes that share a site, as processes, with a PostgreSQL server and a bucket. Longer trials: tests/endurance/cluster.py."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import psycopg
import pytest
from bucket import Passage, store_of_buckets, world
from bucket import World as Bucket
from cradle import Cradle
from databases import Own, Postgres, both, own_server, standby_of
from nodes import ENVIRONMENT, Cluster, cluster, cradle_of_nodes
from pooler import pooled
from waiting import until

NUMBERS = count()
SEED = 7
# Time that nodes would otherwise have to wait for: nobody was heard of for longer than leases and jobs last.
FORGET = (
    "UPDATE leases SET until = 1 WHERE until > 0",
    "UPDATE pgqueuer SET heartbeat = now() - interval '1 hour' WHERE status = 'picked'",
)
FEED = "categories/now-and-then/feed.json"
KEEP_HOUSE_NOW = "DELETE FROM meta WHERE name = 'house'"
RETRY_NOW = "UPDATE marks SET retry_at = NULL WHERE retry_at IS NOT NULL"

ODD_SETTINGS = (
    "statement_timeout = '20ms'",
    "idle_session_timeout = '500ms'",
    "idle_in_transaction_session_timeout = '5ms'",
    "default_transaction_isolation = 'serializable'",
    "array_nulls = off",
    "quote_all_identifiers = on",
    "standard_conforming_strings = off",
    "transform_null_equals = on",
    "bytea_output = 'escape'",
    "datestyle = 'German'",
    "intervalstyle = 'sql_standard'",
    "timezone = 'Asia/Kathmandu'",
    "search_path = 'pg_catalog'",
)


@pytest.fixture(scope="module")
def cradle() -> Iterator[Cradle]:
    with cradle_of_nodes() as made:
        yield made


@pytest.fixture(scope="module")
def store_of_all() -> Iterator[str]:
    with store_of_buckets() as url:
        yield url


@pytest.fixture
def bucket(store_of_all: str) -> Iterator[Bucket]:
    with world(store_of_all, f"cluster-{next(NUMBERS)}") as made:
        yield made


@pytest.fixture
def site(tmp_path: Path, cradle: Cradle, postgres: Postgres) -> Iterator[Cluster]:
    """A site that is published to a directory."""
    with cluster(tmp_path, cradle, postgres) as made:
        yield made


@pytest.fixture
def own() -> Iterator[Own]:
    """A server that the test may stop."""
    with own_server() as running:
        yield running


def forget(site: Cluster, postgres: Postgres) -> None:
    for statement in FORGET:
        postgres.execute(site.state, statement)


def test_four_nodes_make_what_one_makes_byte_for_byte(
    tmp_path: Path, cradle: Cradle, postgres: Postgres, bucket: Bucket
) -> None:
    """The clocks of two are wrong, and one only polls."""
    with cluster(tmp_path, cradle, postgres, bucket) as site:
        site.put_many(range(24))
        site.start_program()
        site.start(1, "--roles", "poll", "--name", "poller")
        for hour in (-3600, 3600):
            site.start_skewed(hour)
        with site.watched():
            site.await_quiet()
            site.put_many(range(24, 36))
            site.await_quiet()
        assert site.stop() == [0] * 4
        site.assert_as_one_node()
        site.assert_whole()
        events = site.events()
    told = [str(event["event"]) for event in events]
    assert told.count("configuration_in_force") == 1
    assert told.count("clock_is_wrong") == 2
    assert not [event for event in events if event["level"] != "info" and event["event"] != "clock_is_wrong"]
    assert "published" not in {event["event"] for event in events if event["node"] == "poller"}


def test_nodes_that_are_killed_at_any_moment_lose_and_double_nothing(site: Cluster, postgres: Postgres) -> None:
    chance = random.Random(SEED)  # noqa: S311 - no secret
    site.put_many(range(3))
    with site.kept(2), site.watched():
        site.await_quiet()
        for step in range(4):
            site.put_many(range(step * 8, step * 8 + 8), chance=chance)
            time.sleep(chance.uniform(0.2, 1.0))
            site.kill(chance)
            until(lambda: len(site.alive()) == 2)
            forget(site, postgres)
        site.await_quiet()
    site.stop()
    assert site.ends.count(-signal.SIGKILL) == 4
    site.assert_as_one_node()
    site.assert_whole()


def test_nodes_come_back_with_the_database(tmp_path: Path, cradle: Cradle, own: Own) -> None:
    with cluster(tmp_path, cradle, own) as site:
        site.put_many(range(10))
        with site.kept(2), site.watched():
            site.await_quiet()
            own.stop(signal.SIGQUIT)
            site.put_many(range(10, 20))
            until(lambda: len(site.ends) >= 2)
            own.start()
            forget(site, own)
            site.await_quiet()
        site.stop()
        assert set(site.ends) == {1}  # so that a service manager starts them again
        site.assert_as_one_node()
        site.assert_whole()


def test_a_node_does_not_wait_for_ever_for_a_database_that_stands_still(
    tmp_path: Path, cradle: Cradle, own: Own
) -> None:
    """Connections stay, and packets are taken: nothing but the clock tells."""
    with cluster(tmp_path, cradle, own) as site:
        site.put_many(range(5))
        node = site.start_impatient(2)
        site.await_quiet()
        own.pause()
        try:
            assert node.wait(60) == 1
        finally:
            own.resume()
        site.put_many(range(5, 10))
        site.start()
        forget(site, own)
        site.await_quiet()
        site.stop()
        assert "silent" in {event.get("signal") for event in site.events()}
        site.assert_as_one_node()
        site.assert_whole()


@pytest.mark.parametrize("heard", [True, False], ids=["of-all", "less-than-was-published"])
def test_nodes_go_on_with_a_standby_that_takes_the_place_of_the_database(
    tmp_path: Path, cradle: Cradle, own: Own, *, heard: bool
) -> None:
    with standby_of(own) as standby, cluster(tmp_path, cradle, both(own, standby)) as site:
        site.put_many(range(10))
        with site.kept(2):
            site.await_quiet()
            if not heard:
                standby.follow_no_more()
            site.put_many(range(10, 20))
            site.await_quiet()
            shown = site.read("feed.json")
            own.stop(signal.SIGQUIT)
            standby.promote()
            until(lambda: len(site.ends) >= 2)
            forget(site, standby)
            site.put_many(range(20, 25))
            site.await_quiet()
        site.stop()
        assert set(site.ends) == {1}
        assert ids_in(shown) < ids_in(site.read("feed.json"))
        site.assert_as_one_node()
        site.assert_whole()


def ids_in(feed: bytes | None) -> set[str]:
    return {item["id"] for item in json.loads(feed or b"{}")["items"]}


def test_nodes_share_a_site_behind_a_pooler_of_sessions(tmp_path: Path, cradle: Cradle, own: Own) -> None:
    with pooled(own, "session") as behind, cluster(tmp_path, cradle, behind) as site:
        site.put_many(range(10))
        with site.kept(2), site.watched():
            site.await_quiet()
            site.kill(random.Random(SEED))  # noqa: S311 - no secret
            site.put_many(range(10, 15))
            forget(site, behind)
            site.await_quiet()
        assert site.stop() == [0, 0]
        site.assert_as_one_node()
        site.assert_whole()


def test_nodes_work_whatever_a_database_is_set_to_for_people(tmp_path: Path, cradle: Cradle, own: Own) -> None:
    with cluster(tmp_path, cradle, own) as site, closing(psycopg.connect(own.url, autocommit=True)) as connection:
        for setting in ODD_SETTINGS:
            connection.execute(f"ALTER DATABASE postgres SET {setting}".encode())
        site.put_many(range(10))
        one, other = site.start(2)
        site.await_quiet()
        time.sleep(3)  # in which connections have nothing to do
        assert site.alive() == [one, other]
        site.start()
        site.put("Article 11")
        site.await_quiet()
        assert site.stop() == [0, 0, 0]
        site.assert_as_one_node()
        connection.execute("ALTER DATABASE postgres RESET ALL")


def test_what_a_late_order_removes_is_put_back(
    tmp_path: Path, cradle: Cradle, postgres: Postgres, bucket: Bucket
) -> None:
    """Removing cannot be made conditional: an order on its way may meet what has been written since."""
    held, let_go, gone = threading.Event(), threading.Event(), threading.Event()

    def hold(passage: Passage, _method: str, path: str) -> bool:
        if held.is_set() or not path.endswith("?delete") or FEED.encode() not in passage.body:
            return False
        held.set()
        let_go.wait(60)
        passage.forward(passage.body)
        gone.set()
        return passage.cut()

    with cluster(tmp_path, cradle, postgres, bucket, through=True) as site:
        site.put_many(range(5))
        site.put("Comes and goes", categories="[[Now and then]]")
        (first,) = site.start()
        site.await_quiet()
        bucket.proxy.fault = hold
        site.take_back("Comes and goes")
        until(held.is_set)
        first.send_signal(signal.SIGKILL)
        first.wait()
        site.put("Comes and goes", categories="[[Now and then]]", text="It is back.")
        site.start()
        forget(site, postgres)
        site.await_quiet()
        until(lambda: b"It is back." in (site.read(FEED) or b""))
        let_go.set()
        until(gone.is_set)
        bucket.proxy.fault = lambda *_: False
        assert site.read(FEED) is None
        postgres.execute(site.state, KEEP_HOUSE_NOW)
        until(lambda: b"It is back." in (site.read(FEED) or b""))
        assert site.stop() == [0]


@pytest.mark.parametrize(
    "fault",
    [(403, "AccessDenied", "access is denied"), (412, "PreconditionFailed", "another process has replaced it")],
)
def test_nodes_go_on_when_the_bucket_does(
    tmp_path: Path, cradle: Cradle, postgres: Postgres, bucket: Bucket, fault: tuple[int, str, str]
) -> None:
    status, code, told = fault

    def refuse(passage: Passage, method: str, _path: str) -> bool:
        return method == "PUT" and passage.refuse(status, code)

    with cluster(tmp_path, cradle, postgres, bucket, through=True) as site:
        site.put_many(range(5))
        site.start()
        with site.watched():
            site.await_quiet()
            bucket.proxy.fault = refuse
            site.put_many(range(5, 10))
            until(lambda: any(told in str(event.get("reason")) for event in site.events()))
            bucket.proxy.fault = lambda *_: False
            site.await_quiet(between=lambda: postgres.execute(site.state, RETRY_NOW))
        site.stop()
        site.assert_as_one_node()
        site.assert_whole()


def test_a_node_that_wakes_after_its_work_was_given_away_changes_nothing(site: Cluster, postgres: Postgres) -> None:
    site.put_many(range(30))
    (sleeper,) = site.start()
    with site.watched():
        until(site.shown)
        site.put_many(range(30, 40))
        time.sleep(1.2)  # it polls or publishes now
        sleeper.send_signal(signal.SIGSTOP)
        site.start()
        time.sleep(0.5)
        forget(site, postgres)
        site.put("Written meanwhile", categories="[[Top 1, Below 1], [Other 1]]")
        until(lambda: "Written meanwhile" in site.shown())
        sleeper.send_signal(signal.SIGCONT)
        site.await_quiet()
    site.stop()
    site.assert_as_one_node()
    site.assert_whole()


def test_nodes_have_the_newest_configuration_or_none(site: Cluster) -> None:
    site.put_many(range(5))
    site.start()
    site.await_quiet()
    text = site.config.read_text("utf-8")
    other = site.config.with_name("other.toml")
    other.write_text(text.replace("Example newsroom", "Another name"), "utf-8")
    (newer,) = site.start(1, "-c", str(other))
    until(lambda: site.alive() == [newer])
    until(lambda: b"Another name" in (site.read("atom.xml") or b""))
    older = site.start()[0]
    assert older.wait(60) == 1
    assert "newer configuration" in (site.folder / "log").read_text("utf-8")


def test_a_takedown_of_one_machine_outlives_a_takedown_and_a_configuration_of_another(site: Cluster) -> None:
    """Each machine has a list of its own, beside its configuration."""
    site.put_many(range(6))
    there = site.folder / "there"
    there.mkdir()
    other = there / "cluster.toml"

    def copy() -> None:
        text = site.config.read_text("utf-8").replace('"1s"', '"2s"').replace('path = "', f'path = "{site.folder}/')
        text = text.replace('"public"', f'"{site.folder}/public"')
        other.write_text(text, "utf-8")

    site.start()
    site.await_quiet()
    remove(site.config, "articles1/article-1.md", site.folder)
    copy()
    remove(other, str(site.folder / "articles2/article-2.md"), there)
    site.titles -= {"Article 1", "Article 2"}
    site.await_quiet()
    assert site.stop() == [0]
    os.utime(other, (time.time() + 5,) * 2)
    site.config = other
    site.start()
    site.put("Article 7")
    site.await_quiet()
    assert "Article 1" not in site.shown()


def test_nodes_do_not_take_for_theirs_what_one_process_made_of_another_configuration(site: Cluster) -> None:
    site.put_many(range(6))
    site.start()
    site.await_quiet()
    assert site.stop() == [0]
    text = site.config.read_text("utf-8")
    site.config.write_text(text.replace('name = "s1"', 'name = "s1"\nenabled = false'), "utf-8")
    call(site.config, "once", folder=site.folder)
    assert "Article 1" not in site.shown()
    site.config.write_text(text, "utf-8")
    site.start()
    site.put("Article 7", source=1)
    site.await_quiet()


def test_a_node_takes_down_what_a_state_of_before_does_not_know(site: Cluster) -> None:
    site.put_many(range(6))
    site.start()
    site.await_quiet()
    assert site.stop() == [0]
    items = json.loads(site.read("feed.json") or b"")["items"]
    (id_,) = [item["id"] for item in items if item["title"] == "Article 1"]
    (site.folder / "removed.txt").write_text(f"{id_}\n", "utf-8")
    site.titles.discard("Article 1")
    site.start()
    site.await_quiet()


def remove(config: Path, article: str, folder: Path) -> None:
    """Take an article down, on one of the machines."""
    call(config, "remove", article, folder=folder)


def call(config: Path, *words: str, folder: Path) -> None:
    """Run a command."""
    done = subprocess.run(
        [sys.executable, "-m", "feeder", "-c", str(config), *words],
        cwd=folder,
        env=ENVIRONMENT,
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
