"""The past of feeds: a client that reads the archive backwards misses nothing, and what is gone is told for a while."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from past import NAMESPACES, SCHEMA, URL, Client, Witness, entries_in
from worlds import (
    MINUTE,
    START,
    Crash,
    Fuse,
    Piece,
    SiteUnderTest,
    Step,
    Trees,
    edit,
    fuse,
    pieces,
    run,
    scratch,
    site,
    steps,
)

from feeder import plan
from feeder.model import FeedSettings

settings.register_profile(
    "histories", deadline=None, derandomize=True, max_examples=40, suppress_health_check=list(HealthCheck)
)
settings.register_profile("long-histories", settings.get_profile("histories"), derandomize=False, max_examples=2000)
LAWS = settings.get_profile("long-histories" if os.environ.get("FEEDER_LAWS") == "long" else "histories")

TREE = "tree"
FEEDS = 'entries = 3\nwindow = "0s"'
DAY = timedelta(days=1)


# ---------------------------------------------------------------- what is published


def gone_in(under_test: SiteUnderTest, directory: str = "") -> dict[str, str]:
    """Return the ids that a feed says are deleted, each with the time."""
    root = etree.fromstring((under_test.public / directory / "atom.xml").read_bytes())
    assert SCHEMA.validate(root), SCHEMA.error_log
    return {each.get("ref", ""): each.get("when", "") for each in root.iterfind("at:deleted-entry", NAMESPACES)}


def archive_files(under_test: SiteUnderTest) -> dict[str, tuple[bytes, int, int]]:
    """Return what would move if a page of the archive were touched."""
    found = sorted((under_test.public / "archive").rglob("*.*"))
    return {
        str(path.relative_to(under_test.public)): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
        for path in found
    }


# ---------------------------------------------------------------- a newsroom


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / TREE
    path.mkdir()
    return path


def put(tree: Path, number: int, *, text: str = "Text.", category: str = "News") -> None:
    """Write the article of an hour."""
    stamp = START - 90 * DAY + number * timedelta(hours=1)
    body = f"---\ntitle: Story {number}\ndate: {stamp:%Y-%m-%d %H:%M:%S} +0000\ncategories: [{category}]\n---\n{text}\n"
    (tree / f"{number}.md").write_text(body, "utf-8")


def newsroom(tree: Path, history: str = "", feeds: str = FEEDS) -> SiteUnderTest:
    return site(tree.parent / "site", {TREE: tree}, feeds=feeds, history=history)


def lived(tree: Path, under_test: SiteUnderTest, count: int) -> datetime:
    """Publish articles one by one; return when that ended."""
    with under_test.opened() as app:
        for number in range(count):
            put(tree, number)
            run(app, START + number * MINUTE)
    return START + count * MINUTE


def withdraw(tree: Path, under_test: SiteUnderTest, now: datetime, *numbers: int) -> datetime:
    """Delete articles, and look until they are believed to be gone."""
    for number in numbers:
        (tree / f"{number}.md").unlink()
    for later in (0, 1):
        under_test.run(now + later * MINUTE)
    return now + 2 * MINUTE


def titles(entries: dict[str, bytes]) -> set[int]:
    found = (etree.fromstring(body) for body in entries.values())
    return {int((each.findtext("title", "") or each.findtext("{*}title", "")).split()[1]) for each in found}


def with_line(under_test: SiteUnderTest, line: str) -> None:
    """Add a setting to the source."""
    config = under_test.config_path
    config.write_text(config.read_text("utf-8") + f"{line}\n", "utf-8")


# ---------------------------------------------------------------- the archive


@pytest.mark.parametrize("name", ["atom.xml", "rss.xml"])
def test_a_client_that_was_away_gets_every_article(tree: Path, name: str) -> None:
    under_test = newsroom(tree)
    client = Client(under_test, name)
    now = lived(tree, under_test, 4)
    client.walk()
    with under_test.opened() as app:
        for number in range(4, 21):
            put(tree, number)
            run(app, now + number * MINUTE)
    read = client.walk()
    assert titles(client.entries) == set(range(21))
    fresh = Client(under_test, name)
    assert len(fresh.walk()) > len(read)
    assert fresh.entries.keys() == client.entries.keys()


def test_no_archive_is_announced_until_something_has_left_the_feed(tree: Path) -> None:
    under_test = newsroom(tree)
    lived(tree, under_test, 3)
    assert Client(under_test).walk() == ["atom.xml"]
    assert not (under_test.public / "archive").exists()


def test_what_was_never_in_the_feed_of_the_site_is_not_in_the_archive(tree: Path) -> None:
    under_test = newsroom(tree)
    for number in range(10):
        put(tree, number)
    under_test.run(START)
    put(tree, 10)
    under_test.run(START + MINUTE)
    client = Client(under_test)
    client.walk()
    assert titles(client.entries) == {7, 8, 9, 10}


def test_an_article_that_comes_late_with_an_old_date_is_archived_in_its_turn(tree: Path) -> None:
    under_test = newsroom(tree)
    for number in (1, 5, 6):
        put(tree, number)
    under_test.run(START)
    put(tree, 4)
    under_test.run(START + MINUTE)
    first = archive_files(under_test)
    put(tree, 3)  # too old for the feed
    under_test.run(START + 2 * MINUTE)
    put(tree, 7)
    under_test.run(START + 3 * MINUTE)
    client = Client(under_test)
    client.walk()
    assert titles(client.entries) == {1, 4, 5, 6, 7}
    assert first
    assert [titles(entries_in(etree.fromstring(body))) for path, (body, _, _) in first.items() if "atom" in path] == [
        {1, 4, 5, 6}
    ]


def test_a_page_keeps_its_bytes_once_another_follows(tree: Path) -> None:
    under_test = newsroom(tree)
    now = lived(tree, under_test, 8)
    before = archive_files(under_test)
    newest = max(path.split("/")[1] for path in before)
    with under_test.opened() as app:
        for number in range(8, 20):
            put(tree, number)
            run(app, now + number * MINUTE)
    after = archive_files(under_test)
    assert len(after) > len(before)
    settled = {path: stamp for path, stamp in before.items() if path.split("/")[1] != newest}
    assert settled.items() <= after.items()
    for path in before.keys() - settled.keys():  # it learnt which page follows, and nothing else
        assert entries_in(etree.fromstring(after[path][0])) == entries_in(etree.fromstring(before[path][0]))


def test_many_articles_make_pages_of_a_hundred_at_most(tree: Path) -> None:
    under_test = newsroom(tree, feeds='entries = 230\nwindow = "0s"')
    for number in range(230):
        put(tree, number)
    under_test.run(START)
    put(tree, 230)
    under_test.run(START + MINUTE)
    client = Client(under_test)
    assert client.walk() == ["atom.xml", "archive/3/atom.xml", "archive/2/atom.xml", "archive/1/atom.xml"]
    assert titles(client.entries) == set(range(231))
    assert [
        len(entries_in(etree.fromstring((under_test.public / "archive" / page / "atom.xml").read_bytes())))
        for page in "123"
    ] == [77, 77, 77]


def test_an_edit_reaches_an_article_that_left_the_feed_long_ago(tree: Path) -> None:
    under_test = newsroom(tree)
    now = lived(tree, under_test, 12)
    before = archive_files(under_test)
    put(tree, 0, text="Corrected.")
    under_test.run(now)
    after = archive_files(under_test)
    assert {path for path in before if before[path] != after[path]} == {"archive/1/atom.xml", "archive/1/rss.xml"}
    assert b"Corrected." in after["archive/1/atom.xml"][0]
    assert b"Corrected." in after["archive/1/rss.xml"][0]


def test_a_takedown_rewrites_its_page_alone(tree: Path) -> None:
    under_test = newsroom(tree)
    now = lived(tree, under_test, 12)
    client = Client(under_test)
    client.walk()
    [id_] = [id_ for id_, body in client.entries.items() if b"Story 1<" in body]
    before = archive_files(under_test)
    with under_test.opened() as app:
        app.remove(id_, "a court says so", now)
        app.publish(now, settle=timedelta())
    after = archive_files(under_test)
    assert {path for path in before if before[path] != after[path]} == {"archive/1/atom.xml", "archive/1/rss.xml"}
    assert not [path for path in under_test.public.rglob("*.*") if b"Story 1<" in path.read_bytes()]
    assert gone_in(under_test) == {id_: now.isoformat()}
    assert b"court" not in (under_test.public / "atom.xml").read_bytes()


def test_a_page_without_articles_goes_and_its_neighbours_meet(tree: Path) -> None:
    under_test = newsroom(tree)
    now = lived(tree, under_test, 16)
    pages = {path.split("/")[1] for path in archive_files(under_test)}
    assert pages == {"1", "2", "3", "4"}
    withdraw(tree, under_test, now, 4, 5, 6, 7)
    client = Client(under_test)
    assert client.walk() == ["atom.xml", *(f"archive/{page}/atom.xml" for page in "431")]
    assert titles(client.entries) == set(range(16)) - {4, 5, 6, 7}
    assert not (under_test.public / "archive" / "2").exists()


def test_a_site_without_articles_has_no_archive(tree: Path) -> None:
    under_test = newsroom(tree)
    now = lived(tree, under_test, 12)
    withdraw(tree, under_test, now, *range(12))
    assert not [path for path in under_test.public.rglob("*") if path.is_file()]


def test_an_article_that_returns_is_news_to_the_archive(tree: Path) -> None:
    under_test = newsroom(tree)
    now = lived(tree, under_test, 8)
    client = Client(under_test)
    client.walk()
    now = withdraw(tree, under_test, now, 7)
    put(tree, 7)
    under_test.run(now)
    client.walk()
    assert titles(client.entries) == set(range(8))
    assert gone_in(under_test) == {}


def test_a_lost_output_is_rebuilt_byte_for_byte(tree: Path) -> None:
    under_test = newsroom(tree)
    now = lived(tree, under_test, 12)
    now = withdraw(tree, under_test, now, 2, 9)
    before = under_test.files()
    shutil.rmtree(under_test.public)
    under_test.run(now)
    assert under_test.files() == before


def test_a_page_that_was_altered_is_written_again_and_nothing_else(tree: Path) -> None:
    under_test = newsroom(tree)
    now = lived(tree, under_test, 12)
    before = archive_files(under_test)
    page = under_test.public / "archive" / "2" / "rss.xml"
    page.write_bytes(b"<rss/>")
    under_test.run(now)
    after = archive_files(under_test)
    assert {path for path in before if before[path] != after[path]} == {"archive/2/rss.xml"}
    assert after["archive/2/rss.xml"][0] == before["archive/2/rss.xml"][0]


def test_another_address_of_the_site_is_that_of_the_archive_as_well(tree: Path) -> None:
    under_test = newsroom(tree)
    now = lived(tree, under_test, 12)
    settings_file = under_test.config_path
    settings_file.write_text(settings_file.read_text("utf-8").replace(URL, "https://new.example.org/"), "utf-8")
    under_test.run(now)
    assert not [path for path in under_test.public.rglob("*.*") if URL.encode() in path.read_bytes()]
    settings_file.write_text(settings_file.read_text("utf-8").replace("https://new.example.org/", URL), "utf-8")
    under_test.run(now)
    client = Client(under_test)
    client.walk()
    assert titles(client.entries) == set(range(12))


def test_another_spelling_of_a_category_reaches_the_archive(tree: Path) -> None:
    under_test = newsroom(tree)
    now = lived(tree, under_test, 12)
    put(tree, 12, category="NEWS")
    under_test.run(now)
    before = under_test.files()
    assert b'term="NEWS"' in before["archive/1/atom.xml"]
    shutil.rmtree(under_test.public)
    under_test.run(now + MINUTE)
    assert under_test.files() == before


def test_the_oldest_pages_go_when_the_archive_is_full(tree: Path) -> None:
    under_test = newsroom(tree, "archive = 9")
    lived(tree, under_test, 30)
    client = Client(under_test)
    client.walk()
    archived = titles(client.entries) - {27, 28, 29}
    assert archived == set(range(min(archived), 27))
    assert 9 <= len(archived) < 9 + 4
    assert {path.split("/")[1] for path in archive_files(under_test)}.isdisjoint("12")


def test_an_archive_that_is_turned_off_goes_and_its_numbers_are_never_given_again(tree: Path) -> None:
    on, off = 'deletions = "0s"\narchive = 100', 'deletions = "0s"\narchive = 0'
    under_test = newsroom(tree, on)
    now = lived(tree, under_test, 12)
    newest = max(int(path.split("/")[1]) for path in archive_files(under_test))
    ran = newsroom(tree, off).run(now)
    assert not [path for path in ran.published.written if path.startswith("archive/")]  # in vain
    assert Client(under_test).walk() == ["atom.xml"]
    assert not (under_test.public / "archive").exists()
    newsroom(tree, on)
    put(tree, 12)
    under_test.run(now + MINUTE)
    put(tree, 13)
    under_test.run(now + 2 * MINUTE)
    assert {int(path.split("/")[1]) for path in archive_files(under_test)} == {newest + 1}


def test_json_alone_has_no_archive(tree: Path) -> None:
    under_test = newsroom(tree, feeds=f'{FEEDS}\nformats = ["json"]')
    lived(tree, under_test, 8)
    assert not (under_test.public / "archive").exists()


def test_a_format_that_is_not_wanted_any_more_leaves_the_archive(tree: Path) -> None:
    under_test = newsroom(tree)
    now = lived(tree, under_test, 8)
    newsroom(tree, feeds=f'{FEEDS}\nformats = ["atom"]').run(now)
    assert {path.rpartition("/")[2] for path in archive_files(under_test)} == {"atom.xml"}


def test_an_article_whose_body_cannot_be_had_any_more_keeps_the_one_it_had(tree: Path) -> None:
    under_test = newsroom(tree, feeds=FEEDS)
    with_line(under_test, "keep_deleted = true")
    now = lived(tree, under_test, 12)
    before = archive_files(under_test)
    now = withdraw(tree, under_test, now, 0)
    shutil.rmtree(under_test.public)
    under_test.run(now)
    assert archive_files(under_test)["archive/1/atom.xml"][0] == before["archive/1/atom.xml"][0]


def test_an_article_that_is_edited_while_its_page_is_written_is_shown_anew_a_minute_later(tree: Path) -> None:
    under_test = newsroom(tree)
    now = lived(tree, under_test, 12)
    with_line(under_test, 'remove = [".ad"]')  # bodies are cleaned anew
    with under_test.opened() as app:
        app.prepare(now)
        app.poll(TREE, now)
        put(tree, 0, text="Corrected.")
        published = app.publish(now, settle=timedelta())
        assert published.outdated == {TREE}
        assert archive_files(under_test)["archive/1/atom.xml"][0].count(b"Text.") > 4
        app.poll(TREE, now + MINUTE)
        app.publish(now + MINUTE, settle=timedelta())
    assert b"Corrected." in archive_files(under_test)["archive/1/atom.xml"][0]
    before = under_test.stamps()
    under_test.run(now + 2 * MINUTE)
    assert under_test.stamps() == before


def test_a_page_of_which_nothing_can_be_read_stays_as_it_is(tree: Path) -> None:
    under_test = newsroom(tree)
    now = lived(tree, under_test, 12)
    before = archive_files(under_test)
    with closing(sqlite3.connect(under_test.config_path.parent / "state.db")) as connection, connection:
        connection.execute("DELETE FROM bodies")
    for number in range(4):
        (tree / f"{number}.md").rename(tree / f"{number}.gone")
    with_line(under_test, 'rights = "CC BY 4.0"')
    done = under_test.run(now).published
    assert len(done.left_out) == 4
    after = archive_files(under_test)
    assert {path for path in before if before[path] == after[path]} == {"archive/1/atom.xml", "archive/1/rss.xml"}


def test_a_takedown_does_not_wait_for_a_feed_that_cannot_be_written(tree: Path) -> None:
    under_test = newsroom(tree)
    now = lived(tree, under_test, 12)
    client = Client(under_test)
    client.walk()
    [id_] = [id_ for id_, body in client.entries.items() if b"Story 1<" in body]
    with closing(sqlite3.connect(under_test.config_path.parent / "state.db")) as connection, connection:
        connection.execute("DELETE FROM bodies")
    for number in range(9, 12):
        (tree / f"{number}.md").rename(tree / f"{number}.gone")
    with_line(under_test, 'rights = "CC BY 4.0"')
    with under_test.opened() as app:
        app.prepare(now)
        app.remove(id_, "", now)
        assert () in app.publish(now, settle=timedelta()).failed
    assert not [path for path in under_test.public.rglob("*.*") if b"Story 1<" in path.read_bytes()]


def test_what_a_lost_state_left_of_its_archive_goes_once_all_has_been_read(tree: Path) -> None:
    under_test = newsroom(tree)
    now = lived(tree, under_test, 12)
    shutil.copytree(under_test.public / "archive" / "1", under_test.public / "archive" / "777")
    shutil.copytree(under_test.public / "archive" / "1", under_test.public / "archive" / "mine")
    for path in (under_test.public / "archive" / "777").iterdir():
        path.write_bytes(path.read_bytes().replace(b"archive/1/", b"archive/777/"))
    (under_test.public / "archive" / "mine" / "atom.xml").write_bytes(b"<feed/>")
    (under_test.public / "archive" / "mine" / "rss.xml").unlink()
    under_test.run(now + 3650 * DAY)
    with under_test.opened() as app:
        app.clear()
    assert not (under_test.public / "archive" / "777").exists()
    assert (under_test.public / "archive" / "mine" / "atom.xml").exists()
    assert (under_test.public / "archive" / "1" / "atom.xml").exists()


# ---------------------------------------------------------------- what is gone


def test_what_goes_is_told_for_a_month_by_the_feeds_that_held_it(tree: Path) -> None:
    under_test = newsroom(tree, "archive = 0")
    for number in range(5):
        put(tree, number, category="News" if number % 2 else "Sport")
    under_test.run(START)
    withdraw(tree, under_test, START + MINUTE, 4)
    [(id_, when)] = gone_in(under_test).items()
    assert when == (START + 2 * MINUTE).isoformat()
    assert gone_in(under_test, "categories/sport") == {id_: when}
    assert gone_in(under_test, "categories/news") == {}
    assert b"tombstones" not in (under_test.public / "rss.xml").read_bytes()
    before = under_test.stamps()
    under_test.run(START + 30 * DAY)
    assert under_test.stamps() == before
    under_test.run(START + 30 * DAY + 2 * MINUTE)
    assert gone_in(under_test) == gone_in(under_test, "categories/sport") == {}


def test_what_comes_back_is_not_told_to_be_gone(tree: Path) -> None:
    under_test = newsroom(tree)
    for number in range(3):
        put(tree, number)
    under_test.run(START)
    before = under_test.files()
    now = withdraw(tree, under_test, START + MINUTE, 2)
    assert len(gone_in(under_test)) == len(gone_in(under_test, "categories/news")) == 1
    put(tree, 2)
    under_test.run(now)
    assert gone_in(under_test) == gone_in(under_test, "categories/news") == {}
    assert under_test.files() == before


def test_an_article_that_is_to_wait_is_gone_until_its_hour(tree: Path) -> None:
    under_test = newsroom(tree)
    with_line(under_test, 'future = "hold"')
    for number in range(2):
        put(tree, number)
    text = (tree / "1.md").read_text("utf-8")
    under_test.run(START)
    day = START - 90 * DAY
    assert f"{day:%Y-%m-%d} 01:00:00" in text
    (tree / "1.md").write_text(text.replace(f"{day:%Y-%m-%d} 01:00:00", f"{START:%Y-%m-%d} 01:00:00"), "utf-8")
    under_test.run(START + MINUTE)
    assert len(gone_in(under_test)) == 1
    under_test.run(START + timedelta(hours=2))
    assert gone_in(under_test) == {}


def test_a_source_that_goes_does_not_blow_up_the_feeds(tree: Path) -> None:
    under_test = newsroom(tree, feeds='entries = 300\nwindow = "0s"')
    for number in range(150):
        put(tree, number)
    under_test.run(START)
    withdraw(tree, under_test, START + MINUTE, *range(1, 150))
    assert len(gone_in(under_test)) == len(gone_in(under_test, "categories/news")) == 100


def test_a_category_that_comes_again_tells_nothing_of_its_past(tree: Path) -> None:
    under_test = newsroom(tree)
    put(tree, 0)
    put(tree, 1, category="Sport")
    under_test.run(START)
    now = withdraw(tree, under_test, START + MINUTE, 1)
    assert not (under_test.public / "categories" / "sport").exists()
    put(tree, 2, category="Sport")
    under_test.run(now)
    assert gone_in(under_test, "categories/sport") == {}


def test_what_is_gone_from_the_archive_is_told_by_the_feed_of_the_site(tree: Path) -> None:
    under_test = newsroom(tree)
    now = lived(tree, under_test, 12)
    client = Client(under_test)
    client.walk()
    withdraw(tree, under_test, now, 0)
    [id_] = gone_in(under_test)
    assert b"Story 0<" in client.entries[id_]
    assert gone_in(under_test, "categories/news") == {}


def test_nothing_is_told_where_nothing_is_to_be_told(tree: Path) -> None:
    under_test = newsroom(tree, 'deletions = "0s"')
    for number in range(3):
        put(tree, number)
    under_test.run(START)
    withdraw(tree, under_test, START + MINUTE, 2)
    assert b"tombstones" not in (under_test.public / "atom.xml").read_bytes()


# ---------------------------------------------------------------- laws

NAMES = ("first", "second")
HISTORIES = st.lists(st.lists(steps(pieces(), names=NAMES), min_size=3, max_size=16), min_size=1, max_size=3)


def site_with_history(trees: Trees, name: str) -> SiteUnderTest:
    places = {tree: trees.root / tree for tree in trees.names}
    return site(trees.root / "sites" / name, places, feeds='entries = 2\nwindow = "0s"', history="")


def live_and_look(history: list[list[Step]], trees: Trees, under_test: SiteUnderTest) -> Iterator[datetime]:
    """Do all of *history*, and yield the time after each publishing."""
    now = START
    for part in history:
        for step in part:
            now += MINUTE
            if step.action == "poll":
                under_test.run(now, names=step.order[: 1 + step.pick % len(step.order)])
                yield now
            else:
                edit(step, trees)
    for _ in range(3):
        now += MINUTE
        under_test.run(now)
        yield now


@settings(LAWS)
@given(HISTORIES)
def test_whoever_reads_backwards_has_all_that_was_ever_in_the_feed_and_is_not_withdrawn(
    history: list[list[Step]],
) -> None:
    with scratch() as folder:
        trees = Trees(root=folder, names=NAMES)
        under_test = site_with_history(trees, "site")
        witness = Witness(under_test)
        for _ in live_and_look(history, trees, under_test):
            witness.look()


@settings(LAWS)
@given(HISTORIES)
def test_whatever_happened_a_lost_output_is_rebuilt_and_an_old_one_is_not_touched(history: list[list[Step]]) -> None:
    with scratch() as folder:
        trees = Trees(root=folder, names=NAMES)
        under_test = site_with_history(trees, "site")
        *_, now = live_and_look(history, trees, under_test)
        files, stamps = under_test.files(), under_test.stamps()
        under_test.run(now + MINUTE)
        assert under_test.stamps() == stamps
        shutil.rmtree(under_test.public, ignore_errors=True)
        under_test.run(now + 2 * MINUTE)
        assert under_test.files() == files


@settings(LAWS)
@given(HISTORIES)
def test_the_same_history_has_the_same_bytes(history: list[list[Step]]) -> None:
    with scratch() as folder:
        made = []
        for name in ("one", "other"):
            trees = Trees(root=folder / name, names=NAMES)
            under_test = site_with_history(trees, "site")
            list(live_and_look(history, trees, under_test))
            made.append(under_test.files())
        assert made[0] == made[1]


@settings(LAWS)
@given(HISTORIES, st.integers(1, 120), st.lists(steps(pieces(), names=NAMES), max_size=8))
def test_a_crash_at_any_point_loses_nothing_of_the_past(
    history: list[list[Step]], calls: int, edits: list[Step]
) -> None:
    with scratch() as folder:
        trees = Trees(root=folder, names=NAMES)
        under_test = site_with_history(trees, "site")
        witness = Witness(under_test)
        now = START
        for now in live_and_look(history, trees, under_test):  # noqa: B007 - the last is used
            witness.look()
        for step in edits:
            edit(step, trees)
        with under_test.opened() as app, suppress(Crash):
            fuse(app, Fuse(calls))
            run(app, now + MINUTE)
        under_test.run(now + MINUTE)
        witness.look()


def test_a_crash_at_every_single_call_costs_the_archive_nothing() -> None:
    with scratch() as folder:
        trees = Trees(root=folder, names=NAMES)
        before, whole, crashed = (site_with_history(trees, name) for name in ("before", "whole", "crashed"))
        for number in range(7):
            trees.put(("first", f"{number}.md"), Piece(title=number % 4, day=3 + number, body=1))
            before.run(START + number * MINUTE)
        now = START + 10 * MINUTE
        trees.delete(("first", "0.md"))
        trees.delete(("first", "5.md"))
        trees.put(("second", "8.md"), Piece(title=0, day=12, body=1))
        trees.put(("second", "9.md"), Piece(title=1, day=13, body=1))
        before.run(now + MINUTE)
        published = before.files()
        whole.become(before)
        whole.run(now + 2 * MINUTE)
        calls = 0
        while True:
            calls += 1
            crashed.become(before)
            with crashed.opened() as app:
                blown = Fuse(calls)
                with suppress(Crash):
                    fuse(app, blown)
                    run(app, now + 2 * MINUTE)
            crashed.run(now + 2 * MINUTE)
            assert crashed.files() == whole.files(), calls
            if blown.calls > 0:
                break
        assert before.files() == published  # nobody wrote into a file in place of a new one


# ---------------------------------------------------------------- what is decided


@given(st.lists(st.integers(0, 400), unique=True), st.sets(st.integers(0, 400)))
@settings(LAWS)
def test_a_cut_takes_all_or_nothing(waiting: list[int], held: set[int]) -> None:
    cut = plan.archive_cut([str(each) for each in waiting], {str(each) for each in held})
    if set(waiting) <= held:
        assert cut == ()
    else:
        assert [int(each) for page in cut for each in page] == waiting
        assert all(0 < len(page) <= plan.ARCHIVE_PAGE for page in cut)


@given(st.lists(st.integers(0, 9)), st.integers(0, 60))
@settings(LAWS)
def test_an_archive_keeps_as_many_articles_as_it_is_to(sizes: list[int], most: int) -> None:
    pages = list(enumerate(sizes, start=1))
    gone = plan.archive_excess(pages, most)
    kept = [count for number, count in pages if number not in gone]
    assert gone == tuple(range(1, len(gone) + 1))
    assert sum(kept) >= min(most, sum(sizes))
    assert not kept or sum(kept[1:]) < most or sum(sizes) <= most


def test_json_feed_knows_no_archive() -> None:
    assert [made.value for made in plan.archive_formats(FeedSettings())] == ["atom", "rss"]
