"""A state that is kept elsewhere and put back: nothing is lost, and no subscriber sees an article twice."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from remote import Newsroom, item, rss
from servers import Server
from test_store_faults import _make_first_schema, sealed

from feeder import backup as keeping
from feeder import config
from feeder.errors import StateInUse, StoreError
from feeder.store.backups import put_away


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return a desk with two published articles, one of which brings no date."""
    desk = Desk(tmp_path)
    desk.settle("newsroom")
    desk.write("newsroom/a.md")
    desk.write("newsroom/undated.md", title="Harvest", date=None)
    assert desk.run("once").code == 0
    return desk


def entries(desk: Desk, path: str = "public/feed.json") -> dict[str, Any]:
    """Return what a subscriber knows of each entry, by its id."""
    items = json.loads((desk.folder / path).read_text("utf-8"))["items"]
    return {each["id"]: (each["title"], each["date_published"], each.get("date_modified")) for each in items}


def rows(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [line for line in connection.iterdump() if '"backup"' not in line and "TABLE backup" not in line]


# ---------------------------------------------------------------- backup


def test_a_backup_is_one_file_with_the_whole_state_and_the_takedowns(desk: Desk) -> None:
    desk.run("remove", desk.folder / "newsroom/a.md", "--note", "court order")
    told = desk.run("backup", desk.folder / "kept.db")
    assert (told.code, "written" in told.out) == (0, True)
    assert rows(desk.folder / "kept.db") == rows(desk.folder / "var/state.db")
    with contextlib.closing(sqlite3.connect(desk.folder / "kept.db")) as connection:
        notes = dict(connection.execute("SELECT name, value FROM backup"))
    assert notes["removed.txt"] == (desk.folder / "removed.txt").read_text("utf-8")
    assert notes["config"] == str(desk.config)
    assert (desk.folder / "kept.db").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in desk.folder.glob("*kept*")] == ["kept.db"]


def test_a_backup_replaces_nothing_unless_it_is_told_to(desk: Desk) -> None:
    kept = desk.put("kept.db", "precious")
    told = desk.run("backup", kept)
    assert (told.code, "is there already; `--force` replaces it" in told.err) == (1, True)
    assert kept.read_text("utf-8") == "precious"
    assert desk.run("backup", "--force", kept).code == 0
    assert rows(kept) == rows(desk.folder / "var/state.db")
    assert not list(desk.folder.glob(".feeder-*"))


def test_a_directory_holds_so_many_backups_and_all_else_stays(desk: Desk) -> None:
    folder = desk.folder / "backups"
    folder.mkdir()
    other = desk.put("backups/state-mine.db", "")
    settings = config.load(desk.config)
    made = [
        keeping.backup(folder, settings, datetime(2026, 3, day, tzinfo=UTC), keep=2).path.name for day in range(1, 5)
    ]
    assert made[-1] == "state-20260304T000000Z.db"
    assert sorted(path.name for path in folder.iterdir()) == [*made[2:], other.name]
    assert desk.run("backup", folder).code == 0
    assert len(list(folder.iterdir())) == 4
    told = desk.run("backup", "--keep", "2", desk.folder / "one.db")
    assert (told.code, "is for a directory" in told.err) == (2, True)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        pytest.param("public/kept.db", "everybody could fetch it", id="output"),
        pytest.param("var/state.db", "has the name of the state", id="state"),
        pytest.param("config.toml", "no backup replaces", id="configuration"),
        pytest.param("removed.txt", "no backup replaces", id="takedowns"),
        pytest.param("var/state.db-wal", "a file that belongs to it", id="journal"),
        pytest.param("nowhere/kept.db", "cannot be written: No such file", id="no-directory"),
    ],
)
def test_a_backup_is_refused_where_it_would_do_harm(desk: Desk, target: str, reason: str) -> None:
    before = desk.tree("var", "public")
    told = desk.run("backup", "--force", desk.folder / target)
    assert (told.code, reason in told.err) == (1, True)
    assert desk.tree("var", "public") == before


@pytest.mark.parametrize("has_link", [True, False])
def test_a_pipe_or_a_device_is_not_replaced_by_a_backup(desk: Desk, *, has_link: bool) -> None:
    pipe = desk.folder / "pipe"
    os.mkfifo(pipe)
    (desk.folder / "link").symlink_to(pipe)
    target = desk.folder / "link" if has_link else pipe
    told = desk.run("backup", "--force", target)
    assert (told.code, "is no regular file" in told.err) == (1, True)
    assert target.is_fifo()


@pytest.mark.parametrize("is_at_work", [True, False])
def test_what_a_killed_backup_left_goes_but_not_what_another_writes(desk: Desk, *, is_at_work: bool) -> None:
    folder = desk.folder / "backups"
    left = desk.put("backups/.state-20260310T000000Z.db.part", "half")
    with left.open() as file:
        if is_at_work:
            fcntl.flock(file, fcntl.LOCK_EX)
        assert desk.run("backup", "--keep", "1", folder).code == 0
        assert left.exists() is is_at_work
    desk.put("backups/.one.db.part", "half" * 5000)
    desk.put("backups/.one.db.part-journal", "half" * 5000)
    with left.with_name(".one.db.part").open() as file:
        if is_at_work:
            fcntl.flock(file, fcntl.LOCK_EX)
        told = desk.run("backup", folder / "one.db")
    assert (told.code, "cannot be written" in told.err) == ((1, True) if is_at_work else (0, False))
    assert (folder / "one.db").exists() is not is_at_work


def test_without_a_state_there_is_nothing_to_keep(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.settle()
    told = desk.run("backup", tmp_path / "kept.db")
    assert (told.code, "there is no state yet" in told.err) == (1, True)


def test_a_damaged_state_takes_no_good_backup_s_place(desk: Desk) -> None:
    folder = desk.folder / "backups"
    folder.mkdir()
    assert desk.run("backup", "--keep", "1", folder).code == 0
    before = desk.tree("backups")
    with (desk.folder / "var/state.db").open("r+b") as file:
        file.seek(4096 * 12)
        file.write(b"\xff" * 4096 * 6)
    told = desk.run("backup", "--keep", "1", folder)
    assert (told.code, "damaged" in told.err or "cannot be used" in told.err) == (1, True)
    assert desk.tree("backups") == before


def test_a_backup_of_a_daemon_that_works_is_whole_and_of_one_moment(desk: Desk) -> None:
    codes: list[int | None] = []
    keep = [str(desk.folder / f"{number}.kept") for number in range(3)]
    keeper = threading.Thread(
        target=lambda: codes.extend(desk.program("backup", path, FEEDER_CONFIG=str(desk.config)).code for path in keep)
    )
    with desk.daemon() as app:
        keeper.start()
        for number in count():
            desk.write(f"newsroom/{number}.md", title=f"Title {number}")
            app.poll("newsroom", datetime.now(UTC))
            app.publish(datetime.now(UTC), settle=timedelta())
            if not keeper.is_alive():
                break
    assert codes == [0, 0, 0]
    for path in keep:
        shutil.rmtree(desk.folder / "var")
        assert desk.run("restore", path).code == 0
        with desk.daemon() as app:
            assert (app.store.damage(), app.store.breaches()) == ((), ())


# ---------------------------------------------------------------- restore


def test_a_restored_state_is_the_one_that_was_kept(desk: Desk) -> None:
    before, files = rows(desk.folder / "var/state.db"), desk.tree("public")
    desk.run("backup", desk.folder / "kept.db")
    shutil.rmtree(desk.folder / "var")
    told = desk.run("restore", desk.folder / "kept.db")
    assert (told.code, "kept as" in told.out) == (0, False)
    assert sorted(without_waiting(rows(desk.folder / "var/state.db"))) == sorted(without_waiting(before))
    assert [path.name for path in (desk.folder / "var").iterdir()] in (
        ["state.db", "state.db.lock"],
        ["state.db.lock", "state.db"],
    )
    assert desk.run("once", "--all").code == 0
    assert desk.tree("public") == files
    assert desk.run("doctor").code == 0


def without_waiting(lines: list[str]) -> list[str]:
    """Leave out the keys by which entries of published feeds wait for their articles."""
    return [line for line in lines if 'INTO "keys"' not in line and "sqlite_sequence" not in line]


def test_what_was_there_is_kept_with_its_journal(desk: Desk) -> None:
    desk.run("backup", desk.folder / "kept.db")
    state = desk.folder / "var/state.db"
    state.chmod(0o640)
    with contextlib.closing(sqlite3.connect(state)) as connection:
        connection.execute("INSERT INTO meta VALUES ('mine', 'newest')")
        connection.commit()
        assert state.with_name("state.db-wal").stat().st_size
        told = desk.run("restore", desk.folder / "kept.db")
        assert told.code == 0
    (kept,) = (path for path in (desk.folder / "var").glob("state.db.replaced-*") if path.name.endswith("Z"))
    assert str(kept) in told.out
    assert state.stat().st_mode & 0o777 == 0o640
    with contextlib.closing(sqlite3.connect(kept)) as connection:
        assert connection.execute("SELECT value FROM meta WHERE name = 'mine'").fetchone() == ("newest",)
    with contextlib.closing(sqlite3.connect(state)) as connection:
        assert not connection.execute("SELECT value FROM meta WHERE name = 'mine'").fetchone()
    assert desk.run("restore", desk.folder / "kept.db").code == 0
    assert (
        len(
            [
                path
                for path in (desk.folder / "var").glob("state.db.replaced-*")
                if "-wal" not in path.name and "-shm" not in path.name
            ]
        )
        == 2
    )


def test_no_subscriber_sees_an_article_as_new_after_an_older_state_came_back(desk: Desk) -> None:
    desk.run("backup", desk.folder / "kept.db")
    desk.write("newsroom/late.md", title="Night bus", date=None)
    desk.run("once", "--all")
    desk.write("newsroom/late.md", title="Night bus returns", date=None)  # another title: the id stays
    desk.write("newsroom/zoned.md", title="New bridge", date="2026-03-12T12:00:00Z")
    desk.write("newsroom/a.md", title="Bridge opens late")
    desk.run("once", "--all")
    before = entries(desk)
    assert len(before) == 4
    told = desk.run("restore", desk.folder / "kept.db")
    assert "2 articles of the published feeds are younger" in told.out
    assert desk.run("once", "--all").code == 0
    after = entries(desk)
    assert {id_: each[:2] for id_, each in after.items()} == {id_: each[:2] for id_, each in before.items()}
    assert desk.run("doctor").code == 0


def test_pages_of_the_archive_that_are_younger_than_the_backup_keep_their_numbers_to_themselves(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.settle("newsroom", feeds='entries = 1\nwindow = "0s"')
    for number in range(1, 5):
        desk.write(f"newsroom/{number}.md", title=f"Title {number}", date=f"2026-03-0{number}T12:00:00Z")
        desk.run("once", "--all")
        if number == 2:
            desk.run("backup", tmp_path / "kept.db")
    numbers = {path.name for path in (tmp_path / "public/archive").iterdir()}
    desk.run("restore", tmp_path / "kept.db")
    for number in range(7, 10):
        desk.write(f"newsroom/{number}.md", title=f"Title {number}", date=f"2026-03-0{number}T12:00:00Z")
        desk.run("once", "--all")
    with desk.daemon() as app:
        given = {str(number) for number, _ in app.store.page_sizes()}
        known = app.store.pages()
    assert max(map(int, given)) > max(map(int, numbers))
    assert len(known) >= 2


def test_entries_of_the_web_that_their_feed_forgot_keep_their_ids(room: Newsroom, server: Server) -> None:
    url = server.put("/feed.xml", rss(item("One"), item("Two")))
    room.settle(f'lake\nurl = "{url}"\nmin_interval = "1s"')
    room.poll("lake")
    settings = config.load(room.config)
    keeping.backup(room.root / "kept.db", settings, datetime(2026, 3, 11, tzinfo=UTC))
    server.put("/feed.xml", rss(item("Three"), item("Two")))
    room.poll("lake")
    before = {each["id"]: each["title"] for each in room.entries()}
    keeping.restore(room.root / "kept.db", settings, datetime(2026, 3, 12, tzinfo=UTC))
    room.poll("lake")
    assert {each["id"]: each["title"] for each in room.entries()} == before
    assert len(before) == 3


@pytest.mark.parametrize("is_lost", [True, False])
def test_takedowns_hold_after_a_restore(desk: Desk, *, is_lost: bool) -> None:
    desk.run("remove", desk.folder / "newsroom/a.md")
    desk.run("backup", desk.folder / "kept.db")
    if is_lost:
        (desk.folder / "removed.txt").unlink()
    else:
        (desk.folder / "removed.txt").write_text("# all undone\n", "utf-8")
    told = desk.run("restore", desk.folder / "kept.db")
    assert ("written, as it was then" in told.out, "holds 1 takedown less" in told.out) == (is_lost, not is_lost)
    desk.run("once", "--all")
    assert len(entries(desk)) == (1 if is_lost else 2)


def test_a_restore_is_refused_while_a_process_works_with_the_state(desk: Desk) -> None:
    desk.run("backup", desk.folder / "kept.db")
    with desk.daemon() as app:
        with pytest.raises(StateInUse):
            keeping.restore(desk.folder / "kept.db", config.load(desk.config), datetime.now(UTC))
        app.store.check_in_place()
    assert [path.name for path in (desk.folder / "var").glob("*.replaced*")] == []


def _other_site(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = 'other.example,2020' WHERE name = 'site.id'")


def _newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA user_version = 99")


def _damaged(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * 12)
        file.write(b"\xff" * 4096 * 6)


def _cut(path: Path) -> None:
    os.truncate(path, 9000)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _text(path: Path) -> None:
    path.write_text("no state", "utf-8")


def _gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param(_other_site, 'belongs to site.id "other.example,2020"', id="other-site"),
        pytest.param(_newer, "a newer Feeder", id="newer"),
        pytest.param(_damaged, "take another backup", id="damaged"),
        pytest.param(_cut, "is cut off (9000 bytes); take another backup", id="cut"),
        pytest.param(_empty, "there is no such backup, or it is empty", id="empty"),
        pytest.param(_text, "not a state of Feeder", id="text"),
        pytest.param(_gone, "there is no such backup", id="gone"),
    ],
)
def test_what_is_no_good_backup_is_refused_and_the_state_stays(desk: Desk, spoil: Any, reason: str) -> None:
    desk.run("backup", desk.folder / "kept.db")
    spoil(desk.folder / "kept.db")
    before = rows(desk.folder / "var/state.db")
    told = desk.run("restore", desk.folder / "kept.db")
    assert (told.code, reason in told.err, told.err.count("\n")) == (1, True, 1)
    assert rows(desk.folder / "var/state.db") == before
    assert {path.name for path in (desk.folder / "var").iterdir()} <= {
        "state.db",
        "state.db.lock",
        "state.status.json",
        "state.redirects.json",
        "state.redirects.nginx.conf",
        "state.redirects.caddy",
    }


def test_a_restore_that_was_killed_is_noticed_and_done_again(desk: Desk) -> None:
    desk.run("backup", desk.folder / "kept.db")
    files = desk.tree("public")
    put_away(desk.folder / "var/state.db", "state.db.replaced-then")
    desk.put("var/.state.db.restoring/state.db", "half")
    told = desk.run("once")
    assert (told.code, "Restore the state from a backup" in told.err) == (1, True)
    assert desk.run("restore", desk.folder / "kept.db").code == 0
    assert not (desk.folder / "var/.state.db.restoring").exists()
    assert desk.run("once", "--all").code == 0
    assert desk.tree("public") == files


def test_a_backup_of_an_older_version_is_brought_up_to_date(desk: Desk) -> None:
    files = desk.tree("public")
    _make_first_schema(desk.folder / "old.db", rows_of=desk.folder / "var/state.db")
    shutil.rmtree(desk.folder / "var")
    assert desk.run("restore", desk.folder / "old.db").code == 0
    assert desk.run("once", "--all").code == 0
    assert desk.tree("public") == files
    assert desk.run("doctor").code == 0


def test_the_daily_unit_runs_what_works(desk: Desk) -> None:
    unit = (Path(__file__).parent.parent / "systemd/feeder-backup.service").read_text("utf-8")
    (line,) = re.findall(r"^ExecStart=/usr/local/bin/feeder (.*)$", unit, re.MULTILINE)
    (desk.folder / "backups").mkdir()
    places = {"/etc/feeder/config.toml": desk.config, "/var/lib/feeder/backups": desk.folder / "backups"}
    assert desk.call(*(places.get(word, word) for word in line.split())).code == 0
    assert len(list((desk.folder / "backups").iterdir())) == 1


def test_the_state_is_no_backup_of_itself(desk: Desk) -> None:
    with pytest.raises(StoreError, match="is the state itself"):
        keeping.restore(desk.folder / "var/state.db", config.load(desk.config), datetime.now(UTC))


def test_a_plain_copy_of_a_state_is_a_backup_too(desk: Desk) -> None:
    shutil.copy(desk.folder / "var/state.db", desk.folder / "plain.db")
    told = desk.run("restore", desk.folder / "plain.db")
    assert (told.code, told.out.splitlines()[0]) == (0, f"{desk.folder / 'var/state.db'}: restored")
    assert desk.run("once", "--all").code == 0


def test_a_backup_without_room_is_told_and_leaves_nothing(desk: Desk) -> None:
    folder = desk.folder / "closed"
    folder.mkdir()
    with sealed(folder):
        told = desk.run("backup", folder / "kept.db")
    assert (told.code, "cannot be written" in told.err) == (1, True)
    assert list(folder.iterdir()) == []
