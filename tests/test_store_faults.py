from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import IO

import pytest
from build import NOON, article, site, source
from states import connection_of, statements_of
from test_store import only_id, poll, publish

from feeder.errors import StoreError
from feeder.store.file import APPLICATION_ID, look
from feeder.store.migrating import kept_at, migrate
from feeder.store.sqlite import copy_state, open_existing, open_store
from feeder.store.tables import Tables

SCHEMA = resources.files("feeder.store") / "sql" / "sqlite"
VERSIONS = sum(1 for script in SCHEMA.iterdir() if re.fullmatch(r"\d{4}\.sql", script.name))


def opened(path: Path) -> Tables:
    return open_store(path, site_id=site().id)


def known(path: Path, count: int = 300) -> Tables:
    """Return a new state with some articles."""
    store = opened(path)
    with store.transaction():
        store.sync_sources([source()])
    poll(store, *[(f"{n}.md", article(f"Title {n}", body=f"Text {n}.", categories=(("A",),))) for n in range(count)])
    return store


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state as a daemon that stopped leaves it."""
    path = tmp_path / "state.db"
    known(path).close()
    return path


# ---------------------------------------------------------------- files that are no state


def _text(path: Path) -> None:
    path.write_text("title: not a database\n" * 200, "utf-8")


def _cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _cut_off_in_its_header(path: Path) -> None:
    os.truncate(path, 50)


def _damaged_schema(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3_000)


def _newer(path: Path) -> None:
    _execute(path, f"PRAGMA user_version = {VERSIONS + 1}")


def _foreign(path: Path) -> None:
    path.unlink()
    _execute(path, "CREATE TABLE bookmarks (url TEXT)")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.unlink()
    path.symlink_to(os.devnull)


def _foreign_and_empty(path: Path) -> None:
    path.unlink()
    _execute(path, "PRAGMA application_id = 7")


def _other_site(path: Path) -> None:
    _execute(path, "UPDATE meta SET value = 'other.example.org,2026' WHERE name = 'site.id'")


def _execute(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        pytest.param(_text, "not a state of Feeder (not an SQLite database)", id="text"),
        pytest.param(_cut_off, "the state is cut off", id="cut-off"),
        pytest.param(_cut_off_in_its_header, "the state is cut off", id="cut-off-in-its-header"),
        pytest.param(_damaged_schema, "the state cannot be used: ", id="damaged"),
        pytest.param(_newer, f"written by a newer Feeder (schema {VERSIONS + 1}, known: {VERSIONS})", id="newer"),
        pytest.param(_foreign, "not a state of Feeder (an SQLite database of another program)", id="foreign"),
        pytest.param(_folder, "not a state of Feeder (not a regular file)", id="folder"),
        pytest.param(_pipe, "not a state of Feeder (not a regular file)", id="pipe"),
        pytest.param(_device, "not a state of Feeder (not a regular file)", id="device"),
    ],
)
def test_fault_85_a_file_that_is_no_state_is_refused_in_clear_words(
    state: Path, damage: Callable[[Path], None], told: str
) -> None:
    damage(state)
    with pytest.raises(StoreError) as refused:
        opened(state)
    assert told in str(refused.value)
    assert str(state) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("damage", [_foreign, _foreign_and_empty, _newer, _other_site])
def test_fault_85_a_refused_file_is_left_as_it_was(state: Path, damage: Callable[[Path], None]) -> None:
    damage(state)
    _execute(state, "PRAGMA journal_mode = DELETE")
    before = state.read_bytes()
    with pytest.raises(StoreError):
        opened(state)
    assert [path.name for path in state.parent.iterdir()] == [state.name]
    assert state.read_bytes() == before


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param("", id="0-bytes"),
        pytest.param("PRAGMA journal_mode = WAL;", id="no-table"),
        pytest.param(
            (SCHEMA / "0001.sql").read_text("utf-8")
            + f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;",
            id="no-site",
        ),
    ],
)
def test_a_state_whose_making_was_interrupted_is_made(tmp_path: Path, begun: str) -> None:
    path = tmp_path / "state.db"
    path.touch()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(begun)
    assert not look(path, site_id=site().id)
    with contextlib.closing(known(path)) as store:
        assert store.count("newsroom") == 300
        assert look(path, site_id=site().id)


@contextlib.contextmanager
def sealed(folder: Path) -> Iterator[None]:
    """Have a folder on a file system that cannot be written; where mounting is not allowed, one that may not be."""
    bound = subprocess.run(["mount", "--bind", folder, folder], check=False, capture_output=True).returncode == 0
    if bound:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
    else:
        folder.chmod(0o555)
    try:
        yield
    finally:
        if bound:
            subprocess.run(["umount", "--lazy", folder], check=True)
        folder.chmod(0o755)


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A state in a folder of its own."""
    path = tmp_path / "closed" / "state.db"
    known(path).close()
    return path


def test_a_state_that_may_not_be_written_is_read(closed: Path, tmp_path: Path) -> None:
    with sealed(closed.parent):
        with contextlib.closing(open_existing(closed, site_id=site().id)) as store:
            assert store.count("newsroom") == 300
            assert not store.missing("newsroom")
        copy_state(closed, tmp_path / "copy.db")
    assert [path.name for path in closed.parent.iterdir()] == [closed.name]


@pytest.mark.parametrize("is_sealed", [False, True])
def test_an_older_state_is_left_to_who_works_with_it(closed: Path, *, is_sealed: bool) -> None:
    _make_first_schema(old := closed.with_name("old.db"), rows_of=closed)
    before = old.read_bytes()
    within = sealed(closed.parent) if is_sealed else contextlib.nullcontext()
    with within, pytest.raises(StoreError, match="the state is of an older Feeder"):
        open_existing(old, site_id=site().id)
    assert (old.read_bytes(), {path.name for path in closed.parent.iterdir()}) == (before, {closed.name, old.name})


@pytest.mark.parametrize("is_replaced", [False, True], ids=["deleted", "replaced"])
def test_a_state_that_is_taken_away_while_it_is_open_is_noticed(state: Path, *, is_replaced: bool) -> None:
    with contextlib.closing(opened(state)) as store:
        store.check_in_place()
        shutil.copy(state, copy := state.with_name("copy.db"))
        copy.rename(state) if is_replaced else state.unlink()
        with pytest.raises(StoreError, match="was deleted or replaced while it was in use"):
            store.check_in_place()


def test_fault_85_damage_deep_inside_is_an_error_of_the_state(state: Path) -> None:
    size = state.stat().st_size
    with state.open("r+b") as file:
        file.seek(size * 2 // 3)  # behind the schema
        file.write(b"\xff" * (size // 3))
    with contextlib.closing(opened(state)) as store, pytest.raises(StoreError) as damaged:
        poll(store, *[(f"{n}.md", article(f"New {n}")) for n in range(300)])
    said = str(damaged.value)
    assert said.startswith(f"{state}: the state cannot be used: database disk image is malformed; restore it from a ")
    assert "feeder adopt" in said
    assert "--fresh" in said


def test_a_state_of_another_site_is_refused(state: Path) -> None:
    with pytest.raises(StoreError, match=r'belongs to site.id "feeds.example.org,2026", not "other.example.org,2026"'):
        open_store(state, site_id="other.example.org,2026")


def test_a_state_that_is_not_there_is_not_made_by_asking(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no state yet"):
        open_existing(tmp_path / "state.db", site_id=site().id)
    assert list(tmp_path.iterdir()) == []


def test_a_state_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(StoreError, match="cannot be used"):
        opened(tmp_path / "file" / "state.db")


def test_a_checkpoint_that_was_cut_off_is_finished(tmp_path: Path) -> None:
    path, copy = tmp_path / "state.db", tmp_path / "copy.db"
    store = opened(path)
    connection_of(store).execute("PRAGMA wal_autocheckpoint = 0")
    with store.transaction():
        store.sync_sources([source()])
    poll(store, *[(f"{n}.md", article(f"Title {n}", body=f"Text {n}.")) for n in range(300)])
    shutil.copy(path, copy)
    shutil.copy(f"{path}-wal", f"{copy}-wal")
    store.close()  # checkpoints
    with copy.open("r+b") as file:
        file.write(path.read_bytes()[:4_096])
    assert copy.stat().st_size < path.stat().st_size
    with contextlib.closing(opened(copy)) as mended:
        assert mended.count("newsroom") == 300


def test_a_copy_of_a_state_in_use_is_whole(tmp_path: Path) -> None:
    with contextlib.closing(known(tmp_path / "state.db")):
        copy_state(tmp_path / "state.db", tmp_path / "copy.db")
    with contextlib.closing(opened(tmp_path / "copy.db")) as copy:
        assert copy.count("newsroom") == 300


# ---------------------------------------------------------------- other processes

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
connection.close()
print("released", flush=True)
"""


@contextlib.contextmanager
def child(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run *script* in a process of its own, which ends with the block."""
    command = [sys.executable, "-c", script, *arguments]
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(stream: IO[str] | None) -> str:
    assert stream
    return stream.readline().strip()


def release(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


def test_fault_84_a_state_that_another_process_locks_is_waited_for(state: Path) -> None:
    with contextlib.closing(opened(state)) as store, child(HOLDER, str(state)) as holder:
        assert said(holder.stdout) == "locked"
        threading.Timer(0.2, release, [holder]).start()
        with store.transaction():
            assert said(holder.stdout) == "released"
            store.request_poll("newsroom", NOON)


def test_fault_84_a_state_that_stays_locked_is_an_error_and_works_afterwards(state: Path) -> None:
    with contextlib.closing(opened(state)) as store, child(HOLDER, str(state)) as holder:
        connection_of(store).execute("PRAGMA busy_timeout = 20")
        assert said(holder.stdout) == "locked"
        with pytest.raises(StoreError, match="database is locked"), store.transaction():
            pass
        release(holder)
        assert said(holder.stdout) == "released"
        with store.transaction():
            assert store.request_poll("newsroom", NOON)


def test_what_is_not_the_state_s_fault_passes_through_a_transaction(state: Path) -> None:
    with contextlib.closing(opened(state)) as store, pytest.raises(FileNotFoundError), store.transaction():
        (state.parent / "nowhere").read_bytes()


KILLED = """
import sys
from pathlib import Path
from build import article
from states import connection_of
from test_store import poll
from test_store_faults import opened

store = opened(Path(sys.argv[1]))
poll(store, ("kept.md", article("Kept")))
record = store.record
def stop(*arguments):
    record(*arguments)
    connection_of(store).execute("PRAGMA cache_spill = 1")
    print("inside", flush=True)
    sys.stdin.readline()
store.record = stop
poll(store, *[(f"lost/{n}.md", article(f"Lost {n}", body=str(n) * 900)) for n in range(2_000)])
"""


def test_fault_82_a_process_that_is_killed_in_a_transaction_leaves_what_was_committed(state: Path) -> None:
    with child(KILLED, str(state)) as killed:
        assert said(killed.stdout) == "inside"
        killed.send_signal(signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
    with contextlib.closing(opened(state)) as store:
        assert _is_whole(store)
        assert store.count("newsroom") == 301
        poll(store, ("lost/1.md", article("Lost 1")))
        assert len(list(store.newest(()))) == 302


# ---------------------------------------------------------------- a full disk

FILLER = """
import resource, signal, sys
from pathlib import Path
from build import article
from states import connection_of
from feeder.errors import StoreError
from test_store import poll
from test_store_faults import opened

if limit := int(sys.argv[2]):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
store = opened(Path(sys.argv[1]))
count = 300
try:
    while True:
        found = [(f"more/{count + n}.md", article(f"More {count + n}", summary="s" * 500)) for n in range(100)]
        poll(store, *found)
        count += 100
except StoreError as error:
    print(count, error, flush=True)
    with store.transaction():
        print(store.count("newsroom"), flush=True)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A folder on a disk of 2 MiB; where mounting is not allowed, a plain one and the size that files may have."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    mounted = bool(shutil.which("mount")) and subprocess.run(mount, check=False).returncode == 0
    try:
        yield folder, 0 if mounted else 2 << 20
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", folder], check=True)


def test_fault_79_a_full_disk_rolls_back_and_leaves_the_state_whole(small_disk: tuple[Path, int]) -> None:
    folder, limit = small_disk
    spare = folder / "spare"
    spare.write_bytes(b"\0" * (256 << 10))
    known(folder / "state.db").close()
    with child(FILLER, str(folder / "state.db"), str(limit)) as filler:
        committed, _, error = said(filler.stdout).partition(" ")
        assert "the state cannot be used: " in error
        assert said(filler.stdout) == committed
        filler.wait()
    spare.unlink()
    with contextlib.closing(opened(folder / "state.db")) as store:
        assert _is_whole(store)
        assert store.count("newsroom") == int(committed)
        poll(store, ("new.md", article("New")))
        assert store.count("newsroom") == int(committed) + 1


def _is_whole(store: Tables) -> bool:
    return bool(connection_of(store).execute("PRAGMA integrity_check").fetchall() == [("ok",)])


# ---------------------------------------------------------------- the schema


def test_a_state_of_the_first_schema_is_upgraded_and_keeps_its_rows(tmp_path: Path) -> None:
    now, old = tmp_path / "now.db", tmp_path / "old.db"
    with contextlib.closing(known(now)) as store:
        publish(store)
        before = _told(store)
    _make_first_schema(old, rows_of=now)
    with contextlib.closing(opened(old)) as store:
        assert _told(store) == before
        assert _is_whole(store)
        assert _schema(store) == _schema_of(now)
        assert connection_of(store).execute("PRAGMA user_version").fetchone() == (VERSIONS,)
        poll(store, ("0.md", article("Title 0", body="Edited.", categories=(("A",),))))
        assert store.count("newsroom") == 300
    with contextlib.closing(sqlite3.connect(old.with_name("old.db.v1.bak"))) as kept:
        assert kept.execute("PRAGMA user_version").fetchone() == (1,)
        assert kept.execute("SELECT count(*) FROM articles").fetchone() == (300,)
        assert kept.execute("SELECT title FROM sightings WHERE locator = '0.md'").fetchone() == ("Title 0",)


def _make_first_schema(path: Path, *, rows_of: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript((SCHEMA / "0001.sql").read_text("utf-8"))
        connection.execute("ATTACH ? AS other", (str(rows_of),))
        for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA table_info({table})"))
            connection.execute(f"INSERT OR REPLACE INTO {table} ({columns}) SELECT {columns} FROM other.{table}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()


def _told(store: Tables) -> tuple[object, ...]:
    id_ = only_id(store, "7.md")
    asked = store.counts(), store.sources(), store.feeds(), store.nodes(), store.shown([id_]), store.keys_of(id_)
    return *asked, tuple(store.newest(("a",)))


def _schema(store: Tables) -> set[tuple[str, str]]:
    return set(connection_of(store).execute("SELECT type, name FROM sqlite_schema"))


def _schema_of(path: Path) -> set[tuple[str, str]]:
    with contextlib.closing(opened(path)) as store:
        return _schema(store)


def test_an_upgrade_that_fails_leaves_the_state_as_it_was(tmp_path: Path) -> None:
    now, old = tmp_path / "now.db", tmp_path / "old.db"
    known(now).close()
    _make_first_schema(old, rows_of=now)
    _execute(old, "CREATE INDEX sightings_offered ON sightings (id)")  # in the way of the last script
    before = _schema_at(old)
    with pytest.raises(StoreError, match="already exists"):
        opened(old)
    with contextlib.closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM articles").fetchone() == (300,)
    assert _schema_at(old) == before
    assert not list(tmp_path.glob(".feeder-*"))


def _schema_at(path: Path) -> set[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("SELECT type, name FROM sqlite_schema"))


def test_a_further_script_changes_a_state_with_content_and_nothing_else(state: Path) -> None:
    scripts = [(SCHEMA / f"{number:04}.sql").read_text("utf-8") for number in range(1, VERSIONS + 1)]
    further = "ALTER TABLE sources ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue'; DELETE FROM history;"
    with contextlib.closing(opened(state)) as store:
        before = _told(store)
        migrate(connection_of(store), state, [*scripts, further])
        assert _told(store) == before
        assert connection_of(store).execute("SELECT colour FROM sources").fetchall() == [("blue",)]
        migrate(connection_of(store), state, [*scripts, further])
    with pytest.raises(StoreError, match=rf"a newer Feeder \(schema {VERSIONS + 1}, known: {VERSIONS}\)"):
        opened(state)
    with contextlib.closing(opened(kept_at(state, VERSIONS).rename(state))) as store:
        assert _told(store) == before


def test_without_room_for_the_copy_a_state_is_not_migrated(state: Path) -> None:
    kept_at(state, VERSIONS).mkdir()
    scripts = [""] * VERSIONS
    with contextlib.closing(opened(state)) as store, pytest.raises(OSError, match=r"state\.db"):
        migrate(connection_of(store), state, [*scripts, "DROP TABLE keys;"])
    with contextlib.closing(opened(state)) as store:
        assert store.count("newsroom") == 300
    assert not list(state.parent.glob(".feeder-*"))


def test_no_statement_reads_a_table_of_articles_whole_but_to_count_them_and_to_find_a_link(state: Path) -> None:
    big = re.compile(r"SCAN (articles|sightings|keys|memberships|feed_entries|bodies|history)\b(?! USING)")
    with contextlib.closing(opened(state)) as store:
        scans = {name for name, sql in statements_of(store).items() if any(map(big.match, _plan(store, sql)))}
    assert scans == {"counts", "links"}  # both only when somebody asks


def test_no_statement_reads_a_source_whole_but_to_see_what_is_missing_from_it(state: Path) -> None:
    whole = "SEARCH sightings USING PRIMARY KEY (source=?)"
    with contextlib.closing(opened(state)) as store:
        readers = {name for name, sql in statements_of(store).items() if whole in _plan(store, sql)}
    # Once in a scan, to judge how much is missing, when settings have changed, when the source has left the config, and
    # every few minutes, beside the writer, if its silence is told.
    assert readers == {"scan_missing", "count", "namesakes", "locators", "rhythm_of_source"}


def _plan(store: Tables, sql: str) -> list[str]:
    filled = sql.replace("?*", "?")
    named = dict.fromkeys(re.findall(r":(\w+)", filled), 0)
    numbered = [int(number) for number in re.findall(r"\?(\d+)", filled)]
    values = named or [0] * (max(numbered) if numbered else filled.count("?"))
    return [row[3] for row in connection_of(store).execute(f"EXPLAIN QUERY PLAN {filled}", values)]


def test_a_new_state_is_closed_to_others(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with contextlib.closing(opened(tmp_path / "state.db")):
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert "state.db" in modes
    assert set(modes.values()) == {0o640}
