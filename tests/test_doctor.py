"""What `feeder doctor` finds, and what it mends."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, Result
from test_store_faults import sealed

from feeder import config, doctor, urls
from feeder.cluster.node import Role
from feeder.doctor import publication, surroundings
from feeder.doctor.findings import Area
from feeder.opening import beside
from feeder.output import Output
from feeder.output.wrapped import Wrapped
from feeder.report.status import WITHOUT
from feeder.store import sqlite
from feeder.store.invariants import TOLD
from feeder.store.records import Peer

ATOM = "public/categories/city/roads/atom.xml"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return a desk with three published articles, one of them with a copy, in three categories."""
    desk = Desk(tmp_path)
    desk.settle("newsroom", feeds='entries = 2\nwindow = "0s"')
    desk.write("newsroom/b.md", title="Harvest", date="2026-03-09T12:00:00Z", more="categories: [Country]")
    desk.write("newsroom/c.md", title="Night bus", date="2026-03-08T12:00:00Z")
    assert desk.run("once").code == 0
    desk.write("newsroom/a.md")
    desk.write("newsroom/copy.md", more="categories: [Country, Farms]")
    assert desk.run("once", "--all").code == 0
    return desk


def change(desk: Desk, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(desk.folder / "var/state.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def dump(desk: Desk) -> list[str]:
    """Return the state, without what tells of marks and of when feeds were written."""
    with contextlib.closing(sqlite3.connect(desk.folder / "var/state.db")) as connection:
        lines = list(connection.iterdump())
    volatile = ('INTO "marks"', 'INTO "feeds"', 'INTO "sources"', 'INTO "article_pages"', 'INTO "archive_pages"')
    return [line for line in lines if not any(word in line for word in volatile)]


def found(told: Result) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = told.json["findings"]
    return listed


def faults(told: Result) -> list[str]:
    return [each["what"] for each in found(told) if each["level"] == "fault"]


def test_all_is_well_after_a_run_and_looking_changes_nothing(desk: Desk) -> None:
    before = desk.tree(".")
    told = desk.run("doctor")
    assert (told.code, told.err) == (0, "")
    areas = ", ".join(Area)
    assert told.out == f"Nothing is wrong: looked at {areas}.\n"
    assert desk.tree(".") == before
    assert desk.run("doctor", "--json").json == {"is_well": True, "findings": [], "mended": [], "in_use": False}


def test_before_the_first_run_nothing_is_wrong(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.settle()
    told = desk.run("doctor", "--json")
    assert (told.code, [each["what"] for each in found(told)]) == (0, ["nothing has been polled yet"])
    assert not (tmp_path / "var").exists()


def test_a_wrong_configuration_is_told_as_everywhere(desk: Desk) -> None:
    desk.config.write_text("site = 1", "utf-8")
    assert desk.run("doctor").code == 2


# ---------------------------------------------------------------- the state

SITE = "(SELECT node FROM nodes WHERE identity = '[]')"
BROKEN = {
    "sightings_of_nothing": ("DELETE FROM articles WHERE published < 1773057601 AND held = 0",),
    "keys_of_nothing": ("INSERT INTO keys (key, id) VALUES (x'00', 'lost')",),
    "articles_without_a_key": ("DELETE FROM keys WHERE id = (SELECT id FROM sightings WHERE locator = 'c.md')",),
    "shown_without_a_sighting": ("UPDATE articles SET locator = 'gone.md' WHERE locator = 'c.md'",),
    "not_shown": ("UPDATE articles SET source = NULL, locator = NULL WHERE locator = 'c.md'",),
    "shown_though_taken_down": ("UPDATE articles SET removed = 1 WHERE locator = 'c.md'",),
    "counts_of_spellings": ("UPDATE paths SET sightings = sightings + 1",),
    "memberships": (
        f"DELETE FROM memberships WHERE node <> {SITE}",
        f"INSERT INTO memberships (node, published, id) VALUES ({SITE}, 1, 'nobody')",
    ),
    "tallies": ("UPDATE tallies SET articles = 7",),
    "labels": ("UPDATE nodes SET label = 'Other' WHERE identity = '[\"city\"]'",),
    "marks_of_nothing": ("INSERT INTO marks (node, seq) VALUES (99, 1)",),
    "feeds_of_nothing": ("INSERT INTO feeds SELECT 99, fingerprint, updated, published_at, '{}' FROM feeds LIMIT 1",),
    "entries_of_nothing": (f"INSERT INTO feed_entries (node, id) VALUES (99, 'a'), ({SITE}, 'nobody')",),
    "feeds_that_are_missing": (f"DELETE FROM feeds WHERE node <> {SITE}",),
    "feeds_that_are_over": (
        "INSERT INTO nodes (node, identity) VALUES (98, '[\"over\"]')",
        "INSERT INTO feeds SELECT 98, fingerprint, updated, published_at, '{}' FROM feeds LIMIT 1",
    ),
    "archived_nowhere": ("UPDATE archived SET page = 99 WHERE page IS NOT NULL",),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_contradicts_itself_is_found_and_mended(desk: Desk, name: str) -> None:
    good, files = dump(desk), desk.tree("public")
    change(desk, *BROKEN[name])
    with desk.daemon() as app:
        assert name in {breach.name for breach in app.store.breaches()}
    told = desk.run("doctor", "--json")
    assert told.code == 1
    assert {each["repair"] for each in found(told) if each["where"] == "state"} == {"rebuild"}
    mended = desk.run("doctor", "--repair", "--json")
    is_at_once = name != "articles_without_a_key"  # only their documents tell
    assert (mended.json["is_well"], bool(mended.json["mended"])) == (is_at_once, is_at_once)
    desk.run("once", "--all")
    assert desk.run("doctor").code == 0
    if name in {"shown_though_taken_down", "archived_nowhere"}:  # what left the archive comes to another page
        assert desk.tree("public").keys() - files.keys() <= {
            f"public/archive/2/{made}" for made in ("atom.xml", "rss.xml")
        }
        return
    if name not in {"keys_of_nothing", "sightings_of_nothing"}:  # first sights that can only be guessed
        assert without_moments(dump(desk)) == without_moments(good)
    assert desk.tree("public") == files


def without_moments(lines: list[str]) -> list[str]:
    tables = ("sqlite_sequence", '"history"', '"meta"', '"archived"', '"nodes"', '"deletions"')
    return sorted(line for line in lines if not any(table in line for table in tables))


def test_every_contradiction_has_a_test() -> None:
    assert set(BROKEN) == set(TOLD)


def test_a_damaged_state_is_told_with_the_way_out(desk: Desk) -> None:
    state = desk.folder / "var/state.db"
    with state.open("r+b") as file:
        file.seek(4096 * 12)
        file.write(b"\xff" * 4096 * 6)
    told = desk.run("doctor", "--json")
    assert told.code == 1
    assert all(each["where"] == "state" and "restore" in each["do"] for each in found(told))
    before = state.read_bytes()
    assert desk.run("doctor", "--repair").code == 1
    assert state.read_bytes() == before


def test_an_index_that_lacks_rows_is_made_anew(desk: Desk) -> None:
    change(
        desk,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = 'CREATE INDEX keys_of ON keys (id) WHERE id < ''''' WHERE name = 'keys_of'",
    )
    change(desk, "REINDEX keys_of")
    change(
        desk,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = 'CREATE INDEX keys_of ON keys (id)' WHERE name = 'keys_of'",
    )
    assert desk.run("doctor").code == 1
    told = desk.run("doctor", "--repair", "--json")
    assert (told.code, bool(told.json["mended"])) == (0, True)


def test_a_lost_state_is_told(desk: Desk) -> None:
    for path in (desk.folder / "var").glob("state.db*"):
        path.unlink()
    told = desk.run("doctor")
    assert (told.code, "there is no state, but" in told.out) == (1, True)


# ---------------------------------------------------------------- the output


@pytest.mark.parametrize(
    "path",
    [ATOM, "public/index.html", "public/feeds.json", "public/assets/site.css", "articles", "archive"],
)
@pytest.mark.parametrize("is_missing", [True, False], ids=["missing", "altered"])
def test_files_that_are_missing_or_altered_are_found_and_written_again(
    desk: Desk, path: str, *, is_missing: bool
) -> None:
    good = desk.tree("public")
    file = desk.folder / (path if "/" in path else next(each for each in good if each.startswith(f"public/{path}/")))
    if is_missing:
        file.unlink()
    else:
        status = file.stat()
        file.write_bytes(b"?" + file.read_bytes()[1:])
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))  # as a disk that rots
    told = desk.run("doctor", "--json")
    assert told.code == 1
    assert [each["repair"] for each in found(told)] == ["publish"]
    assert desk.run("doctor", "--repair").code == 0
    desk.run("once")
    assert desk.tree("public") == good


def test_beside_a_daemon_feeds_are_marked_for_it(desk: Desk) -> None:
    good = desk.tree("public")
    (desk.folder / ATOM).write_text("?", "utf-8")
    change(desk, "UPDATE tallies SET articles = 7")
    with desk.daemon() as app:
        told = desk.run("doctor", "--repair")
        assert (told.code, "A daemon works with the state" in told.out) == (1, True)
        assert "categories count their articles wrongly" in told.out
        app.publish(datetime.now(UTC), settle=timedelta())
    assert (desk.folder / ATOM).read_bytes() == good[ATOM]


def test_where_nothing_is_to_be_mended_a_daemon_is_no_matter(desk: Desk) -> None:
    with desk.daemon():
        told = desk.run("doctor", "--repair")
    assert told.code == 0
    assert "stop it" not in told.out


class Watched(Wrapped):
    """An output that looks, at each file which is read, whether a daemon could write to the state meanwhile."""

    def __init__(self, output: Output, state: Path) -> None:
        super().__init__(output)
        self._state = state
        self._one = threading.Lock()  # many files are read at once

    def read(self, path: str) -> bytes | None:
        """Return the file's bytes."""
        with self._one, contextlib.closing(sqlite3.connect(self._state, timeout=0)) as connection:
            connection.execute("BEGIN IMMEDIATE")
        return super().read(path)


def test_a_daemon_can_write_while_files_are_compared_with_the_state(desk: Desk) -> None:
    (desk.folder / ATOM).unlink()
    with beside(config.load(desk.config)) as app:
        output = Watched(app.parts.output, desk.folder / "var/state.db")
        assert publication.mark(replace(app.parts, output=output)) == 1  # type: ignore[arg-type]
        assert app.store.marked()


def test_what_is_to_be_published_anyway_is_not_wrong(desk: Desk) -> None:
    desk.write("newsroom/d.md", title="New", date="2026-03-11T12:00:00Z")
    with desk.daemon() as app:
        app.poll("newsroom", datetime.now(UTC))
    (desk.folder / ATOM).unlink()
    assert desk.run("doctor").code == 0


def test_strays_are_told_apart_and_only_ours_go(desk: Desk) -> None:
    old = datetime.now(UTC).timestamp() - 7200
    ours = desk.put("public/categories/gone/atom.xml", "<feed><id>tag:feeds.example.org,2026:feed/gone</id></feed>")
    page = desk.put("public/categories/gone/index.html", "<p>")
    left = desk.put("public/categories/.feeder-0123456789abcdef.tmp", "<")
    fresh = desk.put("public/.feeder-0123456789abcdee.tmp", "<")
    others = desk.put("public/categories/mine/photo.svg", "<svg/>")
    root = desk.put("public/robots.txt", "")
    for path in (ours, page, left, others):
        os.utime(path, (old, old))
    told = desk.run("doctor", "--json")
    assert told.code == 1
    assert [(each["level"], each["repair"]) for each in found(told)] == [
        ("warning", "clear"),
        ("fault", "clear"),
        ("warning", None),
    ]
    mended = desk.run("doctor", "--repair", "--json")
    assert (mended.code, len(mended.json["mended"])) == (0, 2)
    assert not any(path.exists() for path in (ours, page, left, fresh))
    assert others.exists()
    assert root.exists()


def test_a_feed_that_cannot_be_written_is_a_fault(desk: Desk) -> None:
    (desk.folder / ATOM).unlink()
    (desk.folder / ATOM).mkdir()
    desk.write("newsroom/d.md", title="New", date="2026-03-11T12:00:00Z")
    assert desk.run("once").code == 1
    told = desk.run("doctor", "--json")
    assert (told.code, [each["where"] for each in found(told)]) == (1, ["output"])


# ---------------------------------------------------------------- what is around it


def test_a_source_that_fails_is_told_and_is_no_fault(desk: Desk) -> None:
    (desk.folder / "newsroom").rename(desk.folder / "away")
    desk.run("once", "--all")
    told = desk.run("doctor", "--json")
    assert (told.code, {each["where"] for each in found(told)}) == (0, {"configuration", "sources"})


def test_a_clock_that_is_behind_the_state_is_a_fault(desk: Desk) -> None:
    early = datetime.now(UTC) - timedelta(days=1)
    told = doctor.examine(config.load(desk.config), early)
    assert [finding.area for finding in told.findings] == [Area.CLOCK]
    assert [f.area for f in surroundings.of_clock((), datetime(1970, 1, 1, tzinfo=UTC))] == [Area.CLOCK]


def test_a_secret_that_is_not_here_is_told_by_its_name(desk: Desk) -> None:
    text = desk.config.read_text("utf-8")
    lake = '\n[[source]]\nname = "lake"\nurl = "https://lake.example/feed"\nauth = "bearer:env:LAKE_TOKEN_NOT_SET"\n'
    desk.config.write_text(text + lake, "utf-8")
    told = desk.run("doctor", "--json")
    assert (told.code, ["LAKE_TOKEN_NOT_SET" in each["what"] for each in found(told)]) == (0, [True])


def test_a_list_of_takedowns_that_stops_the_next_start_is_a_fault(desk: Desk) -> None:
    desk.put("removed.txt", "no id\n")
    told = desk.run("doctor", "--json")
    assert (told.code, [each["where"] for each in found(told)]) == (1, ["configuration"])


def test_what_may_not_be_written_is_told(desk: Desk) -> None:
    with sealed(desk.folder / "var"):
        told = desk.run("doctor", "--json")
    assert (told.code, [each["where"] for each in found(told)]) == (1, ["permissions", "permissions"])
    assert "cannot be written" in faults(told)[0]


def test_what_only_its_owner_can_read_is_told_for_web_servers(desk: Desk) -> None:
    (desk.folder / ATOM).chmod(0o600)
    (desk.folder / "public/categories/country").chmod(0o700)
    (told,) = found(desk.run("doctor", "--json"))
    assert (told["where"], told["level"]) == ("permissions", "warning")
    assert "only their owner can read 2 published files and directories: " in told["what"]
    assert ATOM in told["what"]
    assert f"chmod -R a+rX {desk.folder}/public" in told["do"]


def test_a_list_of_takedowns_that_cannot_be_written_is_told(desk: Desk) -> None:
    desk.put(
        "etc/config.toml",
        desk.config.read_text("utf-8")
        .replace('"sqlite:///', '"sqlite:///../')
        .replace('= "public"', '= "../public"')
        .replace('path = "', 'path = "../'),
    )
    with sealed(desk.folder / "etc"):
        (told,) = found(desk.call("doctor", "--json", "-c", desk.folder / "etc/config.toml"))
    assert (told["where"], told["level"]) == ("permissions", "warning")
    assert "removed.txt: cannot be written" in told["what"]


def test_a_directory_of_the_output_that_may_not_be_written_is_a_fault(desk: Desk) -> None:
    with sealed(desk.folder / "public/categories/city"):
        told = desk.run("doctor", "--json")
    assert told.code == 1
    assert faults(told)[0].startswith("2 directories of the output cannot be written to: ")


def test_a_full_disk_is_a_fault(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config.load(desk.config)
    monkeypatch.setattr(surroundings, "NOTHING_FILES", 1 << 60)
    assert [(f.area, f.is_fault) for f in surroundings.of_disks(settings)] == [(Area.DISK, True)] * 2
    monkeypatch.setattr(surroundings, "NOTHING_FILES", 0)
    monkeypatch.setattr(surroundings, "LITTLE_BYTES", 1 << 60)
    assert [(f.area, f.is_fault) for f in surroundings.of_disks(settings)] == [(Area.DISK, False)] * 2


def test_looking_beside_a_daemon_that_publishes_finds_nothing(desk: Desk) -> None:
    results: list[Result] = []
    watcher = threading.Thread(target=lambda: results.extend(desk.program("doctor", "--json") for _ in range(3)))
    with desk.daemon() as app:
        watcher.start()
        for number in count():
            desk.write("newsroom/a.md", body=f"Version {number}.")
            app.poll("newsroom", datetime.now(UTC))
            app.publish(datetime.now(UTC), settle=timedelta())
            if not watcher.is_alive():
                break
    assert [found(each) for each in results] == [[], [], []]


def test_the_words_of_json_are_plain(desk: Desk) -> None:
    (desk.folder / ATOM).unlink()
    (each,) = json.loads(desk.run("doctor", "--json").out)["findings"]
    assert each["what"] == f"1 file is missing: {ATOM.removeprefix('public/')}"
    assert urls.TOP in each["what"]


# ---------------------------------------------------------------- room


def test_room_that_the_state_does_not_need_is_told_and_given_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MUCH_SPARE", 1 << 20)
    file = desk.folder / "var/state.db"
    before = file.stat().st_size
    change(desk, "CREATE TABLE big (it)", f"INSERT INTO big VALUES (randomblob({8 << 20}))", "DROP TABLE big")
    told = desk.run("doctor", "--json")
    (spare,) = [each for each in found(told) if each["repair"] == "compact"]
    assert told.code == 0  # nothing is wrong
    assert "MiB that the state takes are not in use" in spare["what"]
    kept = sorted(dump(desk))
    assert desk.run("doctor", "--repair").code == 0
    assert sorted(dump(desk)) == kept
    assert file.stat().st_size <= before + 4096
    assert "compact" not in desk.run("doctor", "--json").out


def test_a_role_that_no_node_has_is_a_fault(desk: Desk) -> None:
    path = desk.folder / "var/state.db"
    site_id = config.load(desk.config).site.id
    with contextlib.closing(sqlite.open_store(path, site_id=site_id)) as store, store.transaction():
        for role in ("poll", "publish"):
            store.note_peer(Peer(node=f"{role}:1", started=store.clock(), facts=json.dumps({"roles": [role]})))
    told = desk.run("doctor", "--json")
    [fault] = [finding for finding in found(told) if finding["where"] == Area.NODES]
    assert fault["what"] == "No node has the role dispatch: nobody hands out what there is to do"
    assert told.code == 1
    assert fault["what"] in desk.run("status").out


def test_each_role_is_missed() -> None:
    assert set(WITHOUT) == {role.value for role in Role}
