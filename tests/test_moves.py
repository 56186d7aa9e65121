"""Feeds that moved: their old addresses lead to where they are, for good, and those of feeds that are gone say so."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from test_publishing import HOUR, newsroom, obstruct, put, tree
from visitors import Answer, ask, served
from worlds import START, SiteUnderTest

from feeder import config
from feeder.opening import rehearsed
from feeder.pipeline import moves
from feeder.pipeline.edition import RETRY
from feeder.redirects import Moved, forwarding
from feeder.serve import site

__all__ = ["tree"]  # a fixture

RENAMED = '[categories."A"]\nslug = "alpha"\n'
MERGED = '[categories."A"]\nsame_as = "Z"\n'


class Clock:
    """Runs sites one after another."""

    def __init__(self) -> None:
        self.now = START

    def run(self, under_test: SiteUnderTest) -> SiteUnderTest:
        self.now += HOUR
        under_test.run(self.now)
        return under_test


@pytest.fixture
def clock() -> Clock:
    return Clock()


def state(under_test: SiteUnderTest) -> Path:
    return under_test.config_path.parent / "state.db"


def moved(under_test: SiteUnderTest, path: str) -> str | None:
    """Return where a path leads; "" for one that was never anything, None for one that is gone."""
    found = forwarding.Forwarding(forwarding.path_of(state(under_test)))(path)
    return "" if found is None else found.location


def test_a_feed_whose_slug_changes_leads_on_and_so_do_those_below(tree: Path, clock: Clock) -> None:
    put(tree, "a", "A", "B")
    clock.run(newsroom(tree))
    under_test = clock.run(newsroom(tree, categories=RENAMED))
    assert moved(under_test, "/categories/a/rss.xml") == "./../alpha/rss.xml"
    assert moved(under_test, "/categories/a/b/") == "./../../alpha/b/"
    assert moved(under_test, "/categories/alpha/none.xml") == ""


def test_chains_are_short_and_a_place_that_is_used_again_leads_nowhere(tree: Path, clock: Clock) -> None:
    put(tree, "a", "A")
    clock.run(newsroom(tree))
    clock.run(newsroom(tree, categories=RENAMED))
    under_test = clock.run(newsroom(tree, categories=RENAMED.replace("alpha", "aleph")))
    assert moved(under_test, "/categories/a/atom.xml") == "./../aleph/atom.xml"
    assert moved(under_test, "/categories/alpha/atom.xml") == "./../aleph/atom.xml"
    under_test = clock.run(newsroom(tree))
    assert moved(under_test, "/categories/a/atom.xml") == ""
    assert moved(under_test, "/categories/aleph/atom.xml") == "./../a/atom.xml"


def test_a_merged_category_leads_to_the_other_also_when_the_config_does_not_say_so_any_more(
    tree: Path, clock: Clock
) -> None:
    put(tree, "a", "A", "B")
    put(tree, "z", "Z")
    clock.run(newsroom(tree))
    under_test = clock.run(newsroom(tree, categories=MERGED))
    assert moved(under_test, "/categories/a/b/feed.json") == "./../../z/b/feed.json"
    put(tree, "a", "Z", "B")
    under_test = clock.run(newsroom(tree))
    assert moved(under_test, "/categories/a/b/feed.json") == "./../../z/b/feed.json"
    assert moved(under_test, "/categories/a/index.html") == "./../z/index.html"


def test_a_feed_without_articles_is_gone_until_it_comes_back(tree: Path, clock: Clock) -> None:
    put(tree, "a", "A")
    put(tree, "b", "B")
    clock.run(newsroom(tree))
    put(tree, "a", "B")
    under_test = clock.run(newsroom(tree))
    assert moved(under_test, "/categories/a/rss.xml") is None
    put(tree, "c", "A")
    clock.run(under_test)
    assert moved(under_test, "/categories/a/rss.xml") == ""


def test_the_feed_of_the_site_is_never_gone(tree: Path, clock: Clock) -> None:
    put(tree, "a", "A")
    clock.run(newsroom(tree))
    (tree / "a.md").unlink()
    under_test = clock.run(newsroom(tree))
    clock.run(under_test)
    assert not (under_test.public / "rss.xml").exists()
    assert moved(under_test, "/categories/a/rss.xml") is None
    assert moved(under_test, "/rss.xml") == ""


def test_of_feeds_that_are_gone_the_last_ones_are_remembered(
    tree: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moves, "MOST_GONE", 1)
    for name in ("a", "b", "c"):
        put(tree, name, name)
    under_test = clock.run(newsroom(tree))
    for name in ("a", "b"):
        put(tree, name, "c")
        clock.run(under_test)
    assert [moved(under_test, f"/categories/{name}/rss.xml") for name in "ab"] == ["", None]


def test_redirects_that_did_not_change_leave_their_files_alone(tree: Path, clock: Clock) -> None:
    put(tree, "a", "A")
    under_test = clock.run(newsroom(tree))
    before = {path: path.stat().st_mtime_ns for path in state(under_test).parent.glob("*.redirects.*")}
    put(tree, "b", "A")
    clock.run(under_test)
    assert len(before) == 3
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_redirects_that_cannot_be_written_are_told_once_and_feeds_go_on(tree: Path) -> None:
    put(tree, "a", "A")
    under_test = newsroom(tree)
    with under_test.opened() as app, capture_logs() as logs:
        place = forwarding.path_of(app.config.local)
        obstruct(place)
        app.prepare(START)
        for hours in (1, 2):
            put(tree, f"b{hours}", "A")
            app.poll("tree", START + hours * HOUR)
            assert app.publish(START + hours * HOUR, settle=timedelta()).written
        place.rmdir()
        put(tree, "c", "A")
        app.poll("tree", START + 3 * HOUR)
        app.publish(START + 3 * HOUR, settle=timedelta())
    assert [log["event"] for log in logs if "redirects" in log["event"]] == ["redirects_failed", "redirects_mended"]


def test_redirects_that_could_not_be_written_are_tried_again_though_nothing_changes(tree: Path) -> None:
    put(tree, "a", "A")
    with newsroom(tree).opened() as app:
        place = forwarding.path_of(app.config.local)
        obstruct(place)
        app.prepare(START)
        app.poll("tree", START)
        app.publish(START, settle=timedelta())
        place.rmdir()
        app.publish(START + RETRY / 2, settle=timedelta())
        assert not place.exists()
        app.publish(START + RETRY, settle=timedelta())
        assert place.exists()
    assert place.exists()


def test_what_a_killed_run_left_of_them_is_swept(tree: Path) -> None:
    put(tree, "a", "A")
    under_test = newsroom(tree)
    under_test.run(START)
    left = state(under_test).with_name(f".feeder-{'0' * 16}.tmp")
    elsewhere = state(under_test).parent / "archives" / left.name
    elsewhere.parent.mkdir()
    for path in (left, elsewhere):
        path.touch()
    with rehearsed(config.load(under_test.config_path)) as app:
        app.prepare(START)
    assert left.exists()
    under_test.run(START + HOUR)
    assert (left.exists(), elsewhere.exists()) == (False, True)


# ---------------------------------------------------------------- over HTTP


def asked(under_test: SiteUnderTest, path: str) -> Answer:
    with served(under_test.public, moved=forwarding.Forwarding(forwarding.path_of(state(under_test)))) as address:
        return ask(address, path)


def test_the_server_leads_on_and_says_what_is_gone(tree: Path, clock: Clock) -> None:
    put(tree, "a", "A")
    put(tree, "b", "B", "新")
    clock.run(newsroom(tree))
    put(tree, "a", "B", "新")
    rules = f'{RENAMED.replace("A", "B").replace("alpha", "beta")}[redirects]\n"/feeds/{{slug}}.xml" = "/categories/{{slug}}/rss.xml"\n'
    under_test = clock.run(newsroom(tree, categories=rules))
    answer = asked(under_test, "/categories/b/%E6%96%B0/rss.xml?utm_source=x")
    assert (answer.status, answer.headers["location"]) == (301, "./../../beta/%E6%96%B0/rss.xml")
    assert answer.headers["cache-control"] == site.MOVED_CACHING
    gone = asked(under_test, "/categories/a/rss.xml")
    assert (gone.status, gone.body) == (410, b"This feed is gone: its category has no article any more.\n")
    assert asked(under_test, "/feeds/b.xml").headers["location"] == "./../categories/beta/rss.xml"
    assert asked(under_test, "/feeds/a.xml").status == 410
    assert asked(under_test, "/feeds/%2e%2e%2f.xml").status == 404
    assert asked(under_test, "/feeds/x%0d%0aSet-Cookie:%20a.xml").headers["location"].isascii()
    assert "set-cookie" not in asked(under_test, "/feeds/x%0d%0aSet-Cookie:%20a.xml").headers
    assert asked(under_test, "//elsewhere.example/feeds/b.xml").status == 404


def test_a_file_of_redirects_that_cannot_be_read_is_told_once_and_none_are_known(tmp_path: Path) -> None:
    path = tmp_path / "redirects.json"
    forward = forwarding.Forwarding(path)
    assert forward("/old") is None
    path.write_text(json.dumps({"base": "/", "rules": [["/old", "/new"]], "left": {}}), "utf-8")
    assert forward("/old") == Moved(location="./new")
    path.write_text("{", "utf-8")
    with capture_logs() as logs:
        assert forward("/old") is None
        assert forward("/old") is None
    assert [log["event"] for log in logs] == ["redirects_not_read"]
    path.unlink()
    assert forward("/old") is None
