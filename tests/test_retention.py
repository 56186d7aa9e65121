"""What is forgotten, and when; and what never is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from build import article, source
from remote import DAY, NOON, Newsroom, item, rss
from servers import Server
from states import connection_of
from structlog.testing import capture_logs
from test_store import poll
from test_store_faults import opened

from feeder.pipeline import retention
from feeder.store.sqlite import JOURNAL_BYTES
from feeder.store.tables import Tables

KEEP = timedelta(days=30)
SETTINGS = 'entries = 1\nwindow = "0s"\narchive = 0'


def settle(room: Newsroom, *sources: str, keep: str = "30d") -> None:
    room.settle(*sources, feeds=SETTINGS)
    text = room.config.read_text("utf-8")
    room.config.write_text(text.replace("[storage]\n", f'[storage]\nkeep = "{keep}"\n'), "utf-8")


def lake(server: Server, *items: str) -> str:
    return f'lake\nurl = "{server.put("/feed.xml", rss(*items))}"\nmin_interval = "1s"'


def known(room: Newsroom) -> set[str]:
    """Return the titles of all articles with sightings, and "?" for each that has none."""
    with closing(sqlite3.connect(room.root / "state.db")) as connection:
        found = connection.execute("SELECT title FROM articles LEFT JOIN sightings USING (source, locator)").fetchall()
    return {title or "?" for (title,) in found}


def prune(room: Newsroom, now: datetime) -> None:
    with room.opened(now) as app:
        app.prune(now)
        app.publish(now, settle=timedelta())
        assert app.store.breaches() == ()


def dated(title: str, days: int) -> str:
    return item(title, date=NOON + days * DAY)


def test_what_left_a_feed_long_ago_is_forgotten_and_no_feed_moves(room: Newsroom, server: Server) -> None:
    settle(room, lake(server, dated("One", 0), dated("Two", 1)))
    room.poll("lake", now=NOON + DAY)
    server.put("/feed.xml", rss(dated("Two", 1), dated("Three", 2)))
    room.poll("lake", now=NOON + 2 * DAY)
    files = room.files()
    prune(room, NOON + 30 * DAY)
    assert known(room) == {"One", "Two", "Three"}
    with capture_logs() as logs:
        prune(room, NOON + 40 * DAY)
    assert known(room) == {"Two", "Three"}
    assert [each["articles"] for each in logs if each["event"] == "forgotten"] == [1]
    feeds = {path: body for path, body in files.items() if path.endswith((".xml", ".json"))}
    assert {path: room.files()[path] for path in feeds} == feeds
    with closing(sqlite3.connect(room.root / "state.db")) as connection:
        owners = connection.execute("SELECT DISTINCT id FROM keys ORDER BY id").fetchall()
        assert owners == connection.execute("SELECT id FROM articles ORDER BY id").fetchall()


def test_what_a_feed_still_offers_stays_however_seldom_it_changes(room: Newsroom, server: Server) -> None:
    settle(room, lake(server, dated("One", 0), dated("Two", 1)))
    room.poll("lake", now=NOON)
    room.poll("lake", now=NOON + 400 * DAY)  # not a byte is new
    prune(room, NOON + 401 * DAY)
    assert known(room) == {"One", "Two"}
    before = {each["id"] for each in room.entries()}
    server.put("/feed.xml", rss(dated("One", 0), dated("Two", 1), dated("Three", 410)))
    room.poll("lake", now=NOON + 410 * DAY)
    prune(room, NOON + 800 * DAY)
    assert known(room) == {"One", "Two", "Three"}
    assert before


def test_what_is_in_a_feed_or_taken_down_is_never_forgotten(room: Newsroom, server: Server) -> None:
    with_category = item("Alone", date=NOON, categories=("Quiet",))
    settle(room, lake(server, with_category, dated("Gone", 1), dated("Two", 2)))
    room.poll("lake", now=NOON + 2 * DAY)
    with room.opened(NOON + 2 * DAY) as app:
        (gone,) = (
            id_
            for id_, shown in app.store.shown([x.id for x in app.store.newest(())]).items()
            if shown.article.title == "Gone"
        )
        app.remove(gone, "", NOON + 2 * DAY)
    server.put("/feed.xml", rss(dated("Three", 3)))
    room.poll("lake", now=NOON + 3 * DAY)
    prune(room, NOON + 100 * DAY)
    assert known(room) == {"Alone", "Three", "?"}
    assert room.titles("quiet") == ["Alone"]
    server.put("/feed.xml", rss(dated("Gone", 1), dated("Three", 3)))
    room.poll("lake", now=NOON + 101 * DAY)
    assert known(room) == {"Alone", "Three", "?"}


def test_an_article_that_lies_in_a_tree_too_stays(room: Newsroom, server: Server) -> None:
    tree = room.root / "tree"
    tree.mkdir()
    (tree / "one.md").write_text(f"---\ntitle: One\ndate: {NOON.isoformat()}\n---\nText.\n", "utf-8")
    settle(room, lake(server, dated("One", 0), dated("Two", 1)), 'tree\npath = "tree"')
    room.poll("lake", "tree", now=NOON + DAY)
    server.put("/feed.xml", rss(dated("Three", 2)))
    room.poll("lake", "tree", now=NOON + 2 * DAY)
    prune(room, NOON + 100 * DAY)
    assert known(room) == {"One", "Three"}


def test_what_was_deleted_from_a_tree_is_forgotten_after_that_time(room: Newsroom) -> None:
    tree = room.root / "tree"
    tree.mkdir()
    for number in range(3):
        when = (NOON + number * DAY).isoformat()
        (tree / f"{number}.md").write_text(f"---\ntitle: Title {number}\ndate: {when}\n---\nText.\n", "utf-8")
    settle(room, 'tree\npath = "tree"\nwithdraw_after = "0s"')
    room.poll("tree", now=NOON + 3 * DAY)
    (tree / "0.md").unlink()
    for hours in (1, 2):
        room.poll("tree", now=NOON + 3 * DAY + timedelta(hours=hours))
    prune(room, NOON + 32 * DAY)
    assert known(room) == {"Title 1", "Title 2", "?"}
    prune(room, NOON + 34 * DAY)
    assert known(room) == {"Title 1", "Title 2"}


def test_without_the_setting_nothing_is_forgotten(room: Newsroom, server: Server) -> None:
    room.settle(lake(server, dated("One", 0)), feeds=SETTINGS)
    room.poll("lake", now=NOON)
    server.put("/feed.xml", rss(dated("Two", 2)))
    room.poll("lake", now=NOON + 2 * DAY)
    prune(room, NOON + 10_000 * DAY)
    assert known(room) == {"One", "Two"}


@pytest.mark.parametrize("change", ["enabled = false", "gone"])
def test_a_source_that_is_off_forgets_nothing(room: Newsroom, server: Server, change: str) -> None:
    (room.root / "tree").mkdir()
    text = lake(server, dated("One", 0)) + '\non_remove = "keep"'
    settle(room, text, 'tree\npath = "tree"')
    room.poll("lake", now=NOON)
    server.put("/feed.xml", rss(dated("Two", 2)))
    room.poll("lake", now=NOON + 2 * DAY)
    settle(room, *([] if change == "gone" else [f"{text}\n{change}"]), 'tree\npath = "tree"')
    prune(room, NOON + 100 * DAY)
    with closing(sqlite3.connect(room.root / "state.db")) as connection:
        assert connection.execute("SELECT count(*) FROM sightings").fetchone() == (2,)


def test_one_pass_forgets_so_many_and_the_next_goes_on(
    room: Newsroom, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(room, lake(server, *(dated(f"Title {number}", 0) for number in range(8))))
    room.poll("lake", now=NOON)
    server.put("/feed.xml", rss(dated("New", 2)))
    room.poll("lake", now=NOON + 2 * DAY)
    monkeypatch.setattr(retention, "MOST", 3)
    left = []
    for _ in range(4):
        prune(room, NOON + 100 * DAY)
        left.append(len(known(room)))
    assert left == [6, 3, 1, 1]


# ---------------------------------------------------------------- the file


def test_room_that_is_not_needed_is_given_back_some_at_a_time(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "state.db")) as store:
        with store.transaction():
            store.sync_sources([source()])
        _fill(store, 6000)
        assert store.give_back() == 0
        with store.transaction():
            store.forget("newsroom", store.locators("newsroom"), NOON)
        connection_of(store).execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = (tmp_path / "state.db").stat().st_size
        given = list(iter(store.give_back, 0))
        assert given
        assert max(given) < 2100  # pages that point to them go, too
        connection_of(store).execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert (tmp_path / "state.db").stat().st_size == before - 4096 * sum(given)
        assert store.damage() == ()


def test_a_state_that_was_made_without_it_gives_room_back_once_it_was_compacted(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as old:
        old.execute("PRAGMA auto_vacuum = NONE")
        old.execute("CREATE TABLE first (it)")
        old.execute("DROP TABLE first")
    with closing(opened(path)) as store:
        for _ in range(2):
            with store.transaction():
                store.sync_sources([source()])
            _fill(store, 6000)
            with store.transaction():
                store.forget("newsroom", store.locators("newsroom"), NOON)
            given = sum(iter(store.give_back, 0))
            spare, whole = store.spare_bytes()
            assert spare <= whole
            before = path.stat().st_size
            store.compact()
            assert path.stat().st_size < before or given
            assert store.spare_bytes()[0] == 0
        assert given  # by itself, after it was compacted once
        assert store.damage() == ()


def test_the_journal_does_not_stay_as_large_as_one_transaction_made_it(tmp_path: Path) -> None:
    journal = tmp_path / "state.db-wal"
    with closing(opened(tmp_path / "state.db")) as store:
        with store.transaction():
            store.sync_sources([source()])
            _fill(store, 5000)
        assert journal.stat().st_size > JOURNAL_BYTES
        for number in range(2):  # the first that begins the journal anew cuts it
            with store.transaction():
                store.set_memo("newsroom", f"{number}")
        assert journal.stat().st_size <= JOURNAL_BYTES


def _fill(store: Tables, count: int) -> None:
    poll(store, *[(f"{n}.md", article(f"Title {n}", summary="s" * 2000)) for n in range(count)])
