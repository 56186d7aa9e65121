"""The daemon: real signals, real sockets, real clocks that go wrong; everything bounded in time."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import apscheduler.schedulers.base
import pytest
from lxml import etree
from structlog.testing import capture_logs
from visitors import ask, ask_unix
from waiting import until

from feeder import config, schedule, watching
from feeder.app import App
from feeder.errors import FeederError, OutputError, StoreError
from feeder.opening import opened
from feeder.pipeline import polling
from feeder.pipeline.polling import Polled
from feeder.schedule import _Pause
from feeder.store.sqlite import open_store

TIMEOUT = 30
SITE = "feeds.example.org,2026"
PROGRAM = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from feeder import config, log, schedule
from feeder.app import App
from feeder.opening import opened
from feeder.leaving import leave

class Stuck(App):
    def poll(self, name, now, *, jitter=0.0):
        print("stuck", flush=True)
        time.sleep(100)

log.configure("info", json=True)
with opened(config.load(Path(sys.argv[1])), workers=1) as app:
    if "stuck" in sys.argv:
        app = Stuck(config=app.config, parts=app.parts, archives=app.archives)
    schedule.run(app, clock=lambda: datetime.now(UTC), ready=lambda address: print(address, flush=True))
leave(0)
"""


def now() -> datetime:
    return datetime.now(UTC)


# ---------------------------------------------------------------- a place to run in


class Place:
    """A directory with a config, articles and what becomes of them."""

    def __init__(
        self,
        root: Path,
        *,
        interval: str = "1s",
        listen: str = "127.0.0.1:0",
        sources: int = 1,
        more: str = "watch = false",
    ) -> None:
        self.root = root
        self.config = root / "config.toml"
        self.output = root / "public"
        self.state = root / "var/feeder.db"
        tables = "".join(
            f'[[source]]\nname = "s{number}"\npath = "s{number}"\ninterval = "{interval}"\n{more}\n'
            for number in range(sources)
        )
        self.config.write_text(
            f'[site]\ntitle = "Example"\nurl = "https://feeds.example.org/"\nid = "{SITE}"\n'
            '[feeds]\nsettle = "0s"\n[storage]\nstate = "sqlite:///var/feeder.db"\noutput = "public"\n'
            f'[server]\nlisten = "{listen}"\n{tables}'
        )
        for number in range(sources):
            (root / f"s{number}").mkdir()

    def write(self, title: str, *, source: int = 0, text: str = "") -> None:
        head = f"---\ntitle: {title}\ndate: 2026-01-02T03:04:05Z\ncategories: [News]\n---\n"
        (self.root / f"s{source}" / f"{title}.md").write_text(head + (text or f"Written for {title}.") + "\n")

    def feed(self) -> str:
        file = self.output / "atom.xml"
        return file.read_text() if file.exists() else ""

    @contextmanager
    def opened(self, *, workers: int = 1) -> Iterator[App]:
        with opened(config.load(self.config), workers=workers) as app:
            yield app

    @contextmanager
    def second_connection(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.state, timeout=TIMEOUT)) as connection, connection:
            yield connection

    def ask(self, question: str) -> Any:
        with self.second_connection() as connection:
            return connection.execute(question).fetchone()[0]


def run(app: App, during: Callable[[str], None], *, clock: Callable[[], datetime] = now) -> None:
    """Run the daemon here until *during* is done, in a thread of its own."""
    failures: list[BaseException] = []

    def work(address: str) -> None:
        try:
            during(address)
        except BaseException as error:  # noqa: BLE001 - it is raised below
            failures.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    def ready(address: str) -> None:
        threading.Thread(target=work, args=(address,), daemon=True).start()

    schedule.run(app, clock=clock, ready=ready)
    if failures:
        raise failures[0]


@contextmanager
def child(place: Place, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the daemon as a process of its own; yield it and its address."""
    command = [sys.executable, "-c", PROGRAM, str(place.config), *arguments]
    with (
        (place.root / "log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        watchdog = threading.Timer(TIMEOUT * 2, process.kill)
        watchdog.start()
        try:
            assert process.stdout
            yield process, process.stdout.readline().strip()
        finally:
            watchdog.cancel()
            process.kill()


def logged(place: Place) -> list[str]:
    return [json.loads(line)["event"] for line in (place.root / "log").read_text().splitlines()]


# ---------------------------------------------------------------- what it is for


def test_feeds_are_made_and_served_while_it_runs(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write("First")

    def during(address: str) -> None:
        until(place.feed)
        with urlopen(f"{address}atom.xml", timeout=TIMEOUT) as response:  # noqa: S310 - our own server
            assert "First" in response.read().decode()

    with place.opened() as app:
        run(app, during)


def test_it_tells_the_operator_how_things_stand(tmp_path: Path) -> None:
    admin = tmp_path / "admin.sock"
    place = Place(tmp_path)
    place.config.write_text(place.config.read_text().replace("[server]", f'[server]\nadmin = "unix:{admin}"'))
    place.config.write_text(place.config.read_text().replace("[storage]", '[storage]\nstatus_every = "1s"'))
    place.write("First")

    def during(address: str) -> None:
        until(lambda: ask(address, "/readyz").status == 200)
        assert ask(address, "/healthz").body == b"alive\n"
        assert ask(address, "/status").status == 404
        until(lambda: json.loads(ask_unix(admin, "/status.json").body)["sources"][0]["state"] == "ok")
        assert ask_unix(admin, "/healthz").status == 200
        assert ask(address, "/metrics").status == 404
        until(lambda: b'feeder_polls_total{result="ok"} 0.0' not in ask_unix(admin, "/metrics").body)
        metrics = ask_unix(admin, "/metrics")
        assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert b'feeder_queue_length{queue="asked"} 0.0\n' in metrics.body
        assert b"feeder_articles 1.0\n" in metrics.body
        until((place.root / "var/feeder.status.json").exists)

    with place.opened() as app:
        run(app, during)


def test_a_new_file_is_found_at_the_next_interval(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write("First")

    def during(_address: str) -> None:
        until(lambda: "First" in place.feed())
        place.write("Second")
        until(lambda: "Second" in place.feed())

    with place.opened() as app:
        run(app, during)


def test_a_poll_that_another_process_asks_for_is_done(tmp_path: Path) -> None:
    place = Place(tmp_path, interval="1d")
    place.write("First")

    def during(_address: str) -> None:
        until(lambda: "First" in place.feed())
        place.write("Second")
        with closing(open_store(place.state, site_id=SITE)) as store, store.transaction():
            assert store.request_poll("s0", now())
        until(lambda: "Second" in place.feed())

    with place.opened() as app:
        run(app, during)


def test_a_poll_that_the_state_could_not_take_in_is_made_up_for_at_once(tmp_path: Path) -> None:
    place = Place(tmp_path, interval="1d")
    place.write("First")
    with place.opened() as app:
        app.prepare(now())
    with place.second_connection() as state:
        state.execute(
            "CREATE TRIGGER fault BEFORE UPDATE OF last_poll ON sources BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )

    def during(_address: str) -> None:
        until(lambda: "work_failed" in [line["event"] for line in logs])
        with place.second_connection() as state:
            state.execute("DROP TRIGGER fault")
        until(lambda: "First" in place.feed())

    with place.opened() as app, capture_logs() as logs:
        run(app, during)
    assert [line["event"] for line in logs if line["event"].startswith("work_")] == ["work_failed", "work_mended"]


def test_processes_that_have_nothing_more_to_do_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "HOUSEKEEPING", timedelta(seconds=1))
    place = Place(tmp_path, interval="1d")
    for number in range(polling.BATCH + 1):
        place.write(f"Article {number}")

    def during(_address: str) -> None:
        until(lambda: len(multiprocessing.active_children()) == 2)
        until(place.feed)
        until(lambda: not multiprocessing.active_children())

    with place.opened(workers=2) as app:
        run(app, during)


def test_without_a_server_it_works_all_the_same(tmp_path: Path) -> None:
    place = Place(tmp_path, listen="")
    place.write("First")
    addresses: list[str] = []

    def during(address: str) -> None:
        addresses.append(address)
        until(place.feed)

    with place.opened() as app:
        run(app, during)
    assert addresses == [""]


def test_nobody_needs_to_be_told_that_it_is_ready(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write("First")

    def end_it() -> None:
        until(place.feed)
        os.kill(os.getpid(), signal.SIGTERM)

    with place.opened() as app:
        threading.Thread(target=end_it).start()
        schedule.run(app, clock=now)
    assert "First" in place.feed()


def test_a_lost_file_is_written_again_at_the_start(tmp_path: Path) -> None:
    place = Place(tmp_path, interval="1d")
    place.write("First")
    with place.opened() as app:
        run(app, lambda _: until(place.feed))
    (place.output / "atom.xml").unlink()
    with place.opened() as app:
        run(app, lambda _: until(place.feed))


def test_start_and_stop_are_logged(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.opened() as app, capture_logs() as logs:
        run(app, lambda _: None)
    assert [line["event"] for line in logs if line["event"] != "polled"] == ["started", "stopping", "stopped"]
    started = next(line for line in logs if line["event"] == "started")
    assert started["sources"] == 1
    assert urlsplit(started["address"]).hostname == "127.0.0.1"


# ---------------------------------------------------------------- watching

ATOM_ID = re.compile(r"<id>(tag:[^<]*article/[^<]*)</id>")


def watched(root: Path, *, more: str = "") -> Place:
    """Return a place whose files are not polled again before tomorrow."""
    return Place(root, interval="1d", more=f"watch = true\n{more}")


def aside(place: Place) -> Path:
    """Return a directory on the same file system, that nobody watches."""
    folder = place.root / "aside"
    folder.mkdir(exist_ok=True)
    return folder


def test_what_changes_is_published_long_before_the_next_poll(tmp_path: Path) -> None:
    place = watched(tmp_path)
    place.write("First")

    def during(_address: str) -> None:
        until(lambda: "First" in place.feed())
        place.write("Second")
        until(lambda: "Second" in place.feed())
        place.write("Second", text="Written anew.")
        until(lambda: "Written anew" in place.feed())
        (place.root / "s0/First.md").rename(aside(place) / "Third.md")
        (aside(place) / "Third.md").rename(place.root / "s0/Third.md")
        until(lambda: place.ask("SELECT count(*) FROM history WHERE verdict = 'renamed'"))
        assert len(ATOM_ID.findall(place.feed())) == 2

    with place.opened() as app:
        run(app, during)


def test_directories_that_come_and_move_are_read(tmp_path: Path) -> None:
    place = watched(tmp_path)

    def during(_address: str) -> None:
        place.write("First")
        until(lambda: "First" in place.feed())
        (aside(place) / "deep/deeper").mkdir(parents=True)
        (place.root / "s0/First.md").rename(aside(place) / "deep/deeper/First.md")
        for name in ("Second", "Third"):
            place.write(name)
            (place.root / f"s0/{name}.md").rename(aside(place) / f"deep/deeper/{name}.md")
        (aside(place) / "deep").rename(place.root / "s0/moved")
        until(lambda: {"First", "Second", "Third"} <= titles(place))
        (place.root / "s0/moved").rename(place.root / "s0/again")
        until(lambda: place.ask("SELECT count(*) FROM sightings WHERE locator LIKE 'again/%'") == 3)

    with place.opened() as app:
        run(app, during)


def titles(place: Place) -> set[str]:
    return set(re.findall(r"<title>([^<]*)</title>", place.feed()))


def test_what_is_deleted_goes_when_it_has_been_away_for_long_enough(tmp_path: Path) -> None:
    place = watched(tmp_path, more='withdraw_after = "1s"')
    for title in ("First", "Second"):
        place.write(title)

    def during(_address: str) -> None:
        until(lambda: {"First", "Second"} <= titles(place))
        (place.root / "s0/First.md").unlink()
        until(lambda: "First" not in titles(place))
        assert "Second" in titles(place)

    with place.opened() as app:
        run(app, during)


def test_fault_74_a_document_that_is_being_written_is_published_when_it_is_whole(tmp_path: Path) -> None:
    place = watched(tmp_path)

    def during(_address: str) -> None:
        with (place.root / "s0/Slow.md").open("w") as document:
            for part in ("---\n", "title: Slow\n", "date: 2026-01-02T03:04:05Z\n", "---\n", "Written slowly.\n"):
                document.write(part)
                document.flush()
                time.sleep(0.4)
        until(lambda: "Written slowly" in place.feed())

    with place.opened() as app, capture_logs() as logs:
        run(app, during)
    assert not [line for line in logs if line["event"] == "item_rejected"]


def test_many_changes_at_once_are_all_found(tmp_path: Path) -> None:
    place = watched(tmp_path)
    many = watching.MANY + 100

    def during(_address: str) -> None:
        for number in range(many):
            place.write(f"Article {number}")
        until(lambda: place.ask("SELECT count(*) FROM sightings") == many)

    with place.opened() as app:
        run(app, during)


def test_what_changes_while_nobody_watches_is_found_at_the_start(tmp_path: Path) -> None:
    place = watched(tmp_path)
    place.write("First")
    with place.opened() as app:
        run(app, lambda _: until(place.feed))
    place.write("Second")
    with place.opened() as app:
        run(app, lambda _: until(lambda: "Second" in place.feed()))


def test_a_paused_source_is_not_looked_at(tmp_path: Path) -> None:
    place = watched(tmp_path)
    place.write("First")

    def during(_address: str) -> None:
        until(place.feed)
        with closing(open_store(place.state, site_id=SITE)) as store, store.transaction():
            store.set_paused("s0", paused=True)
        place.write("Second")
        time.sleep(2)  # many times what a look takes
        assert "Second" not in place.feed()

    with place.opened() as app:
        run(app, during)


def test_a_document_outside_of_what_is_read_changes_nothing(tmp_path: Path) -> None:
    place = watched(tmp_path, more='exclude = ["private/**"]')
    place.write("First")

    def during(_address: str) -> None:
        until(place.feed)
        for name in ("private", "_drafts", ".hidden"):
            (place.root / "s0" / name).mkdir()
            place.write(f"{name}/Secret")
        (place.root / "s0/notes.rst").write_text("---\ntitle: Notes\n---\n")
        (place.root / "s0/out.md").symlink_to(place.config)
        place.write("Last")
        until(lambda: "Last" in titles(place))
        assert place.ask("SELECT count(*) FROM sightings") == 2

    with place.opened() as app:
        run(app, during)


# ---------------------------------------------------------------- what stops it from beginning


def test_fault_a_port_in_use_is_told_before_anything_is_done(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        place = Place(tmp_path, listen=listen)
        with place.opened() as app, pytest.raises(FeederError, match=f"cannot listen on {listen}: Address already"):
            schedule.run(app, clock=now)
    assert not list(place.output.iterdir())


def test_an_output_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.opened() as app:
        place.output.write_text("a file in its place")
        with pytest.raises(OutputError, match="public: File exists"):
            schedule.run(app, clock=now)


def test_a_state_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.opened() as app:
        with place.second_connection() as connection:
            connection.execute("DROP TABLE sources")
        with pytest.raises(Exception, match="no such table: sources"):
            schedule.run(app, clock=now)


@pytest.mark.parametrize("is_replaced", [False, True], ids=["deleted", "replaced"])
def test_a_state_that_is_taken_away_ends_it(tmp_path: Path, *, is_replaced: bool) -> None:
    place = Place(tmp_path)
    place.write("First")

    def during() -> None:
        until(place.feed)
        if is_replaced:
            shutil.copy(place.state, tmp_path / "copy.db")
            (tmp_path / "copy.db").rename(place.state)
        else:
            place.state.unlink()

    expected = pytest.raises(StoreError, match=r"feeder.db: the state was deleted or replaced")
    with place.opened() as app, capture_logs() as logs, expected:
        schedule.run(app, clock=now, ready=lambda _: threading.Thread(target=during).start())
    assert [log["event"] for log in logs].count("stopping") == 1  # which has an end, whatever hangs


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_fault_83_a_signal_ends_it_with_0_and_whole_files(tmp_path: Path, number: signal.Signals) -> None:
    place = Place(tmp_path)
    for index in range(200):
        place.write(f"Article {index}")
    with child(place) as (process, _):
        until(place.feed)
        process.send_signal(number)
        assert process.wait(TIMEOUT) == 0
    for file in place.output.rglob("*.xml"):
        etree.parse(file)
    assert not list(place.output.rglob(".feeder-*"))
    assert logged(place).count("stopping") == 1
    assert logged(place)[-1] == "stopped"


def test_fault_83_a_signal_at_the_very_start_ends_it_with_0(tmp_path: Path) -> None:
    with child(Place(tmp_path)) as (process, _):
        process.terminate()
        assert process.wait(TIMEOUT) == 0


def test_it_starts_again_where_it_stopped(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write("First")
    with child(place) as (process, _):
        until(lambda: "First" in place.feed())
        process.terminate()
        assert process.wait(TIMEOUT) == 0
    place.write("Second")
    with child(place):
        until(lambda: "Second" in place.feed())


def test_fault_82_a_poll_that_was_killed_is_done_at_the_next_start(tmp_path: Path) -> None:
    place = Place(tmp_path, interval="1d")
    place.write("First")
    with child(place, "stuck") as (process, _):
        assert process.stdout
        assert process.stdout.readline() == "stuck\n"
        process.kill()
        assert process.wait(TIMEOUT) == -signal.SIGKILL
    with place.opened() as app:
        run(app, lambda _: until(place.feed))


def test_what_is_in_hand_is_finished(tmp_path: Path) -> None:
    place = Place(tmp_path)
    begun = threading.Event()
    done: list[str] = []

    class Slow(App):
        def poll(self, name: str, now: datetime, *, jitter: float = 0.0) -> Polled:
            begun.set()
            time.sleep(1)
            polled = App.poll(self, name, now, jitter=jitter)
            done.append(name)
            return polled

    with place.opened() as app:
        run(Slow(config=app.config, parts=app.parts, archives=app.archives), lambda _: _wait(begun))
        (state,) = app.store.sources()
    assert done == ["s0"]
    assert state.last_success is not None


def test_what_is_not_in_hand_is_not_begun(tmp_path: Path) -> None:
    place = Place(tmp_path, sources=3)
    begun = threading.Event()
    names: list[str] = []

    class Slow(App):
        def poll(self, name: str, now: datetime, *, jitter: float = 0.0) -> Polled:
            names.append(name)
            begun.set()
            time.sleep(1)
            return App.poll(self, name, now, jitter=jitter)

    with place.opened() as app:
        run(Slow(config=app.config, parts=app.parts, archives=app.archives), lambda _: _wait(begun))
    assert names == ["s0"]


def test_a_second_signal_gives_up_what_is_in_hand(tmp_path: Path) -> None:
    place = Place(tmp_path)
    begun = threading.Event()
    told: list[int] = []

    class Endless(App):
        def poll(self, name: str, now: datetime, *, jitter: float = 0.0) -> Polled:
            begun.set()
            for done in range(1_000_000):
                assert self.progress
                self.progress("articles", done, 1_000_000)
                time.sleep(0.01)
            return App.poll(self, name, now, jitter=jitter)

    def during(_address: str) -> None:
        _wait(begun)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)  # two signals at once would be taken for one

    with place.opened() as app, capture_logs() as logs:
        endless = Endless(
            config=app.config,
            parts=app.parts,
            archives=app.archives,
            progress=lambda _what, done, _all: told.append(done),
        )
        run(endless, during)
    assert {"event": "given_up", "work": "poll s0", "log_level": "warning"} in logs
    assert told == list(range(len(told)))


@pytest.mark.parametrize(
    "signals", [pytest.param(1, id="after-nine-seconds"), pytest.param(3, id="at-the-third-signal")]
)
def test_work_that_hangs_does_not_keep_the_process(tmp_path: Path, signals: int) -> None:
    place = Place(tmp_path)
    with child(place, "stuck") as (process, _):
        assert process.stdout
        assert process.stdout.readline() == "stuck\n"
        for number in range(signals):
            process.terminate()
            until(partial(_has_logged_or_ended, place, process, "stopping", times=number + 1))
        assert process.wait(TIMEOUT) == 1
    assert logged(place)[-1] == "stopped_at_once"


def _has_logged_or_ended(place: Place, process: subprocess.Popen[str], event: str, *, times: int) -> bool:
    return process.poll() is not None or _has_logged(place, event, times=times)


# ---------------------------------------------------------------- work that fails, or takes long


def test_fault_90_a_job_that_raises_is_logged_once_and_the_rest_goes_on(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write("First")

    def during(_address: str) -> None:
        until(lambda: "First" in place.feed())
        with place.second_connection() as connection:
            connection.execute("ALTER TABLE marks RENAME TO lost")
        until(lambda: [line["event"] for line in logs].count("work_failed"))
        time.sleep(2.5)
        with place.second_connection() as connection:
            connection.execute("ALTER TABLE lost RENAME TO marks")
        place.write("Second")
        until(lambda: "Second" in place.feed())

    with place.opened() as app, capture_logs() as logs:
        run(app, during)
    failed = [line["work"] for line in logs if line["event"] == "work_failed"]
    mended = [line["work"] for line in logs if line["event"] == "work_mended"]
    assert failed.count("publish") == mended.count("publish") == 1


@pytest.mark.parametrize("error", [SystemExit(3), MemoryError(), RuntimeError("bad")])
def test_fault_90_a_source_that_raises_does_not_keep_others_from_their_turn(
    tmp_path: Path, error: BaseException
) -> None:
    place = Place(tmp_path, sources=2)
    place.write("Good", source=1)

    class Faulty(App):
        def poll(self, name: str, now: datetime, *, jitter: float = 0.0) -> Polled:
            if name == "s0":
                raise error
            return App.poll(self, name, now, jitter=jitter)

    with place.opened() as app, capture_logs() as logs:
        run(
            Faulty(config=app.config, parts=app.parts, archives=app.archives),
            lambda _: until(lambda: "Good" in place.feed()),
        )
    failed = [(line["work"], line["error"]) for line in logs if line["event"] == "work_failed"]
    assert failed == [("poll s0", str(error) or "MemoryError")]


def test_fault_89_ticks_never_overlap_and_none_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = Place(tmp_path, sources=2)
    at_work: list[str] = []
    most: list[int] = []
    threads: set[int] = set()

    class Slow(App):
        def poll(self, name: str, now: datetime, *, jitter: float = 0.0) -> Polled:
            at_work.append(name)
            time.sleep(1.3)  # longer than a tick
            threads.add(threading.get_ident())
            most.append(len(at_work))
            at_work.remove(name)
            return App.poll(self, name, now, jitter=jitter)

    with place.opened() as app:
        run(Slow(config=app.config, parts=app.parts, archives=app.archives), lambda _: until(lambda: len(most) == 3))
    assert set(most) == {1}
    assert len(threads) == 1
    assert not [record for record in caplog.records if record.name.startswith("apscheduler")]


def test_feeds_are_served_while_a_poll_takes_its_time(tmp_path: Path) -> None:
    place = Place(tmp_path)
    begun, may_end = threading.Event(), threading.Event()

    class Slow(App):
        def poll(self, name: str, now: datetime, *, jitter: float = 0.0) -> Polled:
            begun.set()
            assert may_end.wait(TIMEOUT)
            return App.poll(self, name, now, jitter=jitter)

    def during(address: str) -> None:
        _wait(begun)
        (place.output / "note.txt").write_text("still here")
        with urlopen(f"{address}note.txt", timeout=TIMEOUT) as response:  # noqa: S310 - our own server
            assert response.read() == b"still here"
        may_end.set()

    with place.opened() as app:
        run(Slow(config=app.config, parts=app.parts, archives=app.archives), during)


def test_killed_workers_are_replaced(tmp_path: Path) -> None:
    place = Place(tmp_path, interval="1d")
    place.write("First")
    with place.opened() as app:
        run(app, lambda _: until(place.feed))
    (place.output / "atom.xml").unlink()
    with place.opened(workers=2) as app, capture_logs() as logs:
        app.parts.workers.start()
        app.parts.workers.submit(abs, -1).result(TIMEOUT)
        for worker in multiprocessing.active_children():
            worker.kill()
            worker.join(TIMEOUT)
        run(app, lambda _: until(place.feed))
    assert [line for line in logs if line["event"] == "work_failed"] == []


# ---------------------------------------------------------------- the clock


class Clock:
    """The time of day, as somebody has set it; for APScheduler as well."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, ahead: timedelta) -> None:
        self.ahead = ahead
        clock = self

        class Shifted(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return datetime.now(tz) + clock.ahead

        monkeypatch.setattr(apscheduler.schedulers.base, "datetime", Shifted)

    def __call__(self) -> datetime:
        return now() + self.ahead


@pytest.mark.parametrize("was_ahead", [timedelta(hours=1), timedelta(days=4000)])
def test_fault_87_a_clock_that_is_set_back_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_ahead: timedelta
) -> None:
    place = Place(tmp_path)
    clock = Clock(monkeypatch, ahead=was_ahead)

    def during(_address: str) -> None:
        until(lambda: place.ask("SELECT count(last_success) FROM sources"))
        clock.ahead = timedelta()
        place.write("Later")
        until(lambda: place.ask("SELECT count(*) FROM sightings"))

    with place.opened() as app, capture_logs() as logs:
        run(app, during, clock=clock)
    events = [line["event"] for line in logs]
    assert events.count("clock_set_back") == 1
    assert "source_recalled" in events


def test_fault_88_a_clock_that_leaps_forward_makes_no_burst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path, interval="1h")
    clock = Clock(monkeypatch, ahead=timedelta())
    polls: list[datetime] = []

    class Counting(App):
        def poll(self, name: str, now: datetime, *, jitter: float = 0.0) -> Polled:
            polls.append(now)
            return App.poll(self, name, now, jitter=jitter)

    def during(_address: str) -> None:
        until(lambda: len(polls) == 1)
        clock.ahead = timedelta(days=4000)
        until(lambda: len(polls) == 2)
        time.sleep(2.5)

    with place.opened() as app:
        run(Counting(config=app.config, parts=app.parts, archives=app.archives), during, clock=clock)
    assert len(polls) == 2


def test_a_source_polled_by_a_clock_that_was_ahead_is_due_at_the_start(tmp_path: Path) -> None:
    place = Place(tmp_path, interval="1d")
    with place.opened() as app:
        for name in _claimed(app, now() + timedelta(days=900)):
            app.poll(name, now() + timedelta(days=900))
    place.write("Later")
    with place.opened() as app:
        run(app, lambda _: until(lambda: place.ask("SELECT count(*) FROM sightings")))


def test_a_source_that_waits_its_turn_is_not_recalled(tmp_path: Path) -> None:
    place = Place(tmp_path, interval="1d")
    with place.opened() as app:
        for name in _claimed(app, now()):
            app.poll(name, now(), jitter=0.99)
        before = app.store.sources()
        run(app, lambda _: time.sleep(1.5))
        assert app.store.sources() == before


def test_a_pause_is_counted_from_now_whatever_was() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    pause = _Pause(timedelta(seconds=1))
    for previous in (None, moment - timedelta(days=400), moment + timedelta(days=400)):
        assert pause.get_next_fire_time(previous, moment) == moment + timedelta(seconds=1)


def _has_logged(place: Place, event: str, *, times: int) -> bool:
    return logged(place).count(event) == times


def _claimed(app: App, at: datetime) -> tuple[str, ...]:
    app.prepare(at)
    return app.claim_due(at)


def _wait(event: threading.Event) -> None:
    assert event.wait(TIMEOUT)
