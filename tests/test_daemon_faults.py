"""What files, disks and other processes do to the daemon while it runs and watches."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from urllib.request import urlopen

import pytest
from desk import Desk
from lxml import etree
from test_schedule import Place, titles, watched
from waiting import until

TIMEOUT = 30

DAEMON = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from feeder import config, log, schedule
from feeder.opening import opened
from feeder.cli import main  # as when it is started by its command
from feeder.pipeline import edition

edition.RETRY = timedelta(seconds=1)
_, path, workers = sys.argv
log.configure("info", json=True)
with opened(config.load(Path(path)), workers=int(workers)) as app:
    schedule.run(app, clock=lambda: datetime.now(UTC), ready=lambda address: print(address, flush=True))
"""


@contextmanager
def daemon(place: Place, *, workers: int = 1, around: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    """Run it in a process of its own, and see to it that it ends well when it is told to, with all it started."""
    command = [*around, sys.executable, "-c", DAEMON, str(place.config), str(workers)]
    with (
        (place.root / "log").open("a") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True) as process,
    ):
        watchdog = threading.Timer(TIMEOUT * 2, process.kill)
        watchdog.start()
        try:
            assert process.stdout
            process.stdout.readline()  # it listens to signals now
            yield process
            process.terminate()
            assert process.wait(TIMEOUT) == 0
            until(lambda: not in_session(process.pid))
        finally:
            watchdog.cancel()
            process.kill()
            print((place.root / "log").read_text("utf-8"))  # noqa: T201 - shown if the test fails


def in_session(number: int) -> list[int]:
    """Return the processes of a session that are alive."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            status, _, _, session = (entry / "stat").read_text("utf-8").rpartition(")")[2].split()[:4]
            if int(session) == number and status not in {"Z", "X"}:
                found.append(int(entry.name))
    return found


def events(place: Place) -> list[dict[str, str]]:
    return [json.loads(line) for line in (place.root / "log").read_text("utf-8").splitlines()]


def told(place: Place, event: str) -> list[dict[str, str]]:
    return [line for line in events(place) if line["event"] == event]


def assert_calm(place: Place, *, but: frozenset[str] = frozenset()) -> None:
    """Nothing was logged that somebody should look at, but what is expected."""
    assert [line for line in events(place) if line["level"] in {"warning", "error"} and line["event"] not in but] == []


def sightings(place: Place) -> int:
    return int(place.ask("SELECT count(*) FROM sightings"))


# ---------------------------------------------------------------- files that are none, or not for long


def test_fault_71_and_72_links_pipes_sockets_and_devices_hold_nothing_up(tmp_path: Path) -> None:
    place = watched(tmp_path)
    folder = place.root / "s0"
    with daemon(place):
        place.write("First")
        until(lambda: "First" in titles(place))
        (folder / "loop.md").symlink_to("loop.md")
        (folder / "round").symlink_to(".")
        (folder / "device.md").symlink_to("/dev/zero")
        os.mkfifo(folder / "pipe.md")
        with suppress(PermissionError):
            os.mknod(folder / "zero.md", 0o600 | 0o020000, os.makedev(1, 5))
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(folder / "socket.md"))
        (folder / "later.md").write_text("not whole")
        (folder / "later.md").unlink()
        os.mkfifo(folder / "later.md")
        place.write("Last")
        until(lambda: "Last" in titles(place))
        assert sightings(place) == 2
    assert_calm(place)


def test_fault_73_files_that_vanish_at_once_leave_no_trace(tmp_path: Path) -> None:
    place = watched(tmp_path, more='withdraw_after = "0s"')
    with daemon(place):
        for number in range(300):
            place.write(f"Short {number}")
            (place.root / f"s0/Short {number}.md").unlink()
            if number % 50 == 0:
                place.write(f"Kept {number}")
                (place.root / f"s0/folder {number}").mkdir()
                place.write(f"folder {number}/Inside")
                shutil.rmtree(place.root / f"s0/folder {number}")
        until(lambda: {f"Kept {number}" for number in range(0, 300, 50)} <= titles(place))
        until(lambda: sightings(place) == 6)
    assert_calm(place, but=frozenset({"entry_left_out"}))


def test_fault_74_a_file_that_goes_on_growing_keeps_nobody_waiting(tmp_path: Path) -> None:
    place = watched(tmp_path)
    stop = threading.Event()

    def grow() -> None:
        with (place.root / "s0/Slow.md").open("w") as document:
            document.write("---\ntitle: Slow\ndate: 2026-01-02T03:04:05Z\ncategories: [News]\n---\n")
            for number in count():
                document.write(f"Line {number}.\n")
                document.flush()
                if stop.wait(0.02):
                    break
            document.write("The end.\n")

    writer = threading.Thread(target=grow)
    with daemon(place):
        place.write("First")
        until(lambda: "First" in titles(place))
        writer.start()
        for number in range(3):
            place.write(f"Other {number}")
            until(lambda title=f"Other {number}": title in titles(place))  # type: ignore[misc]  # a default
        stop.set()
        until(lambda: "The end." in place.feed())
        writer.join()


# ---------------------------------------------------------------- rights


# Without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, root is stopped by permissions as others are.
BOUND = """
import ctypes, os, sys
for right in (1, 2):
    ctypes.CDLL(None).prctl(24, right, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
UNPRIVILEGED = (sys.executable, "-c", BOUND)


def test_fault_75_what_may_not_be_read_is_told_once_and_stays_as_it_was(tmp_path: Path) -> None:
    place, folder = watched(tmp_path, more='withdraw_after = "0s"'), tmp_path / "s0"
    (folder / "closed").mkdir()
    place.write("closed/Deep")
    with daemon(place, around=UNPRIVILEGED):
        place.write("First")
        until(lambda: {"closed/Deep", "First"} <= titles(place))
        place.write("Secret")
        (folder / "Secret.md").chmod(0)
        (folder / "closed").chmod(0)
        requests = count()

        def ask_for_a_poll() -> None:
            with place.second_connection() as connection:
                connection.execute("UPDATE sources SET next_poll = 0")

        def is_seen(event: str) -> bool:
            if next(requests) % 50 == 0:
                ask_for_a_poll()
            return len(told(place, event)) == 1

        until(lambda: is_seen("directory_unreadable"))
        place.write("Second")
        until(lambda: "Second" in titles(place))
        assert {"closed/Deep", "First"} <= titles(place)
        (folder / "Secret.md").chmod(0o644)
        (folder / "closed").chmod(0o755)
        until(lambda: is_seen("directory_mended"))
        until(lambda: "Secret" in titles(place))
    assert {line["reason"] for line in told(place, "item_rejected")} <= {"Permission denied"}
    assert_calm(place, but=frozenset({"directory_unreadable", "item_rejected"}))


def test_fault_75_what_may_not_be_read_does_not_keep_the_rest_from_being_watched(tmp_path: Path) -> None:
    place, folder = watched(tmp_path), tmp_path / "s0"
    for number in range(9):
        (folder / f"{number}/deep/deeper").mkdir(parents=True)
    (folder / "4/deep/closed").mkdir(mode=0)
    place.write("0/First")
    with daemon(place, around=UNPRIVILEGED):
        until(lambda: "0/First" in titles(place))
        time.sleep(1.5)  # all is watched, and has been looked at again
        for number in range(9):
            place.write(f"{number}/deep/deeper/Deep")
            until(lambda title=f"{number}/deep/deeper/Deep": title in titles(place))  # type: ignore[misc]
        (folder / "4/deep/new").mkdir()
        place.write("4/deep/new/New")
        until(lambda: "4/deep/new/New" in titles(place))
    assert_calm(place, but=frozenset({"directory_unreadable"}))


def test_fault_80_an_output_that_may_not_be_written_keeps_its_files_and_is_tried_again(tmp_path: Path) -> None:
    place = watched(tmp_path)
    with daemon(place, around=UNPRIVILEGED):
        place.write("First")
        until(lambda: "First" in titles(place))
        folders = [place.output, *(path for path in place.output.rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        place.write("Second")
        until(lambda: told(place, "feed_failed"))
        time.sleep(2.5)  # it is tried again meanwhile
        assert "Second" not in titles(place)
        for folder in folders:
            folder.chmod(0o755)
        until(lambda: "Second" in titles(place))
        until(lambda: len(told(place, "feed_mended")) == len(told(place, "feed_failed")))
    assert sorted(line["category"] for line in told(place, "feed_failed")) == ["", "news"]


# ---------------------------------------------------------------- disks


@contextmanager
def full(disk: Path, process: subprocess.Popen[str], *, is_mounted: bool) -> Iterator[None]:
    """Let a disk be full; where none can be mounted, let files of the process have no more than some size."""
    if not is_mounted:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (700_000, resource.RLIM_INFINITY))
        yield
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return
    with (disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    yield
    (disk / "filler").unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Place, bool]]:
    """A place whose output is a disk of 8 MiB, and whether it is: without the right to mount one, it is not."""
    place = watched(tmp_path)
    place.output.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place.output)]
    is_mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield place, is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(place.output)], check=True)


def test_fault_78_a_full_disk_keeps_the_old_feeds_until_there_is_room(small_disk: tuple[Place, bool]) -> None:
    place, is_mounted = small_disk
    with daemon(place) as process:
        place.write("First")
        until(lambda: "First" in titles(place))
        with full(place.output, process, is_mounted=is_mounted):
            place.write("Second", text="Much to say. " * 30_000)
            place.write("Third", text="More to say. " * 30_000)
            until(lambda: told(place, "feed_failed"))
            etree.fromstring(place.feed().encode())
            assert not list(place.output.rglob(".feeder-*"))
        until(lambda: {"First", "Second", "Third"} <= titles(place))
        until(lambda: len(told(place, "feed_mended")) == len(told(place, "feed_failed")))


def test_fault_79_a_state_that_cannot_grow_costs_nothing_but_time(tmp_path: Path) -> None:
    place = watched(tmp_path)
    with daemon(place) as process:
        place.write("First")
        until(lambda: "First" in titles(place))
        time.sleep(1.5)  # all has been looked at
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (8_000, resource.RLIM_INFINITY))
        for number in range(20):
            place.write(f"Second {number}")
        until(lambda: told(place, "work_failed"))
        assert titles(place).isdisjoint(f"Second {number}" for number in range(20))
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        until(lambda: {f"Second {number}" for number in range(20)} <= titles(place))
        assert place.ask("PRAGMA integrity_check") == "ok"


@pytest.mark.parametrize("way", ["2>/dev/full", "2>&-"])
def test_fault_81_a_log_that_takes_nothing_stops_nothing(tmp_path: Path, way: str) -> None:
    place = watched(tmp_path)
    place.write("First")
    command = f'exec "{sys.executable}" -m feeder run -c "{place.config}" {way}'
    with subprocess.Popen(["sh", "-c", command], stdout=subprocess.DEVNULL) as process:
        until(lambda: "First" in titles(place))
        place.write("Second")
        until(lambda: "Second" in titles(place))
        process.terminate()
        assert process.wait(TIMEOUT) == 0


# ---------------------------------------------------------------- other processes


def test_fault_84_a_state_that_is_locked_for_seconds_is_waited_for_and_feeds_are_served(tmp_path: Path) -> None:
    place = watched(tmp_path)
    with daemon(place):
        address = told(place, "started")[0]["address"]
        place.write("First")
        until(lambda: "First" in titles(place))
        with place.second_connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            place.write("Second")
            for _ in range(8):
                time.sleep(0.25)
                with urlopen(f"{address}atom.xml", timeout=TIMEOUT) as response:  # noqa: S310 - our own server
                    assert b"First" in response.read()
            assert "Second" not in titles(place)
        until(lambda: "Second" in titles(place))
    assert_calm(place)


def test_fault_86_a_second_daemon_says_who_is_first_and_harms_nothing(tmp_path: Path) -> None:
    place = watched(tmp_path)
    command = [sys.executable, "-m", "feeder", "run", "-c", str(place.config)]
    with daemon(place) as first:
        place.write("First")
        until(lambda: "First" in titles(place))
        second = subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT)
        assert second.returncode == 1
        assert f"in use by process {first.pid}" in second.stderr
        place.write("Second")
        until(lambda: "Second" in titles(place))
    assert_calm(place)


# ---------------------------------------------------------------- directories that come and go, and too many of them


def test_fault_76_a_source_that_is_taken_away_and_brought_back_keeps_its_articles(tmp_path: Path) -> None:
    place = Place(tmp_path, more='watch = true\nwithdraw_after = "0s"')
    source, away = place.root / "s0", place.root / "away"
    with daemon(place):
        for number in range(3):
            place.write(f"Kept {number}")
        until(lambda: {"Kept 0", "Kept 1", "Kept 2"} <= titles(place))
        for number in range(2):
            source.rename(away)
            until(lambda times=number + 1: len(told(place, "poll_failed")) == times)  # type: ignore[misc]
            time.sleep(1.5)  # more polls fail
            assert {"Kept 0", "Kept 1", "Kept 2"} <= titles(place)
            away.rename(source)
            until(lambda times=number + 1: len(told(place, "source_mended")) == times)  # type: ignore[misc]
            place.write(f"After {number}")
            until(lambda title=f"After {number}": title in titles(place))  # type: ignore[misc]
        assert place.ask("SELECT count(*) FROM history WHERE verdict = 'withdrawn'") == 0


def test_fault_76_an_empty_directory_in_the_place_of_a_source_withdraws_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, more='watch = true\nwithdraw_after = "0s"')
    source, away = place.root / "s0", place.root / "away"
    with daemon(place):
        for number in range(3):
            place.write(f"Kept {number}")
        until(lambda: {"Kept 0", "Kept 1", "Kept 2"} <= titles(place))
        source.rename(away)
        source.mkdir()  # what is there when a disk is not mounted
        until(lambda: any("vanished at once" in line["error"] for line in told(place, "poll_failed")))
        assert {"Kept 0", "Kept 1", "Kept 2"} <= titles(place)
        source.rmdir()
        away.rename(source)
        until(lambda: told(place, "source_mended"))
        (source / "Kept 0.md").write_text((source / "Kept 0.md").read_text().replace("Written", "Watched again, it is"))
        until(lambda: "Watched again" in place.feed())


def test_fault_77_what_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write("First")
    path = place.root / "s0/First.md"
    with daemon(place):
        until(lambda: "First" in titles(place))
    before = path.stat()
    path.write_text(path.read_text().replace("Written", "Altered"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_ino) == (before.st_size, before.st_ino)
    with daemon(place):
        place.write("Second")
        until(lambda: "Second" in titles(place))
        assert "Altered" not in place.feed()


def test_fault_77_memory_does_not_grow_with_the_tree(tmp_path: Path) -> None:
    """Twenty times as many articles: 120 MB of them."""
    used = []
    for count_ in (150, 3000):
        desk = Desk(tmp_path / str(count_))
        desk.folder.mkdir()
        desk.settle(feeds='entries = 10\nwindow = "0s"')
        for number in range(count_):
            desk.write(f"newsroom/{number % 30}/{number}.md", f"Article {number}", body="Calm water. " * 3400)
        first, most = desk.weighed("once")
        again, most_again = desk.weighed("once", "--all")
        assert (first.code, again.code) == (0, 0), first.err + again.err
        used.append(max(most, most_again))
    assert used[1] - used[0] < 40, used


LIMITED = 'echo 5 > /proc/sys/user/max_inotify_watches && exec "$@"'
IN_A_NAMESPACE = ("unshare", "--user", "--map-root-user", "sh", "-c", LIMITED, "sh")


@contextmanager
def unable_to_watch(place: Place) -> Iterator[None]:
    """Run the daemon where five directories may be watched; where that cannot be had, with no descriptor to do it."""
    if subprocess.run([*IN_A_NAMESPACE, "true"], check=False, capture_output=True).returncode == 0:
        with daemon(place, around=IN_A_NAMESPACE):
            until(lambda: told(place, "watch_failed"))
            yield
        return
    source, away = place.root / "s0", place.root / "away"
    source.rename(away)
    with daemon(place) as process:
        used = {int(entry.name) for entry in Path(f"/proc/{process.pid}/fd").iterdir()}
        free = next(number for number in count() if number not in used)
        soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (free + 1, hard))
        away.rename(source)
        until(lambda: told(place, "watch_failed"))
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
        yield


def test_what_cannot_be_watched_is_polled_and_said_once(tmp_path: Path) -> None:
    place = Place(tmp_path, more="watch = true")
    for number in range(20):
        (place.root / f"s0/folder {number}").mkdir()
    place.write("folder 0/First")
    with unable_to_watch(place):
        for number in range(3):
            place.write(f"folder {number}/Later {number}")
            until(lambda title=f"folder {number}/Later {number}": title in titles(place))  # type: ignore[misc]
        assert "folder 0/First" in titles(place)
    assert len(told(place, "watch_failed")) == 1


# ---------------------------------------------------------------- stopping


def fill(place: Place, *, articles: int) -> None:
    for number in range(articles):
        place.write(f"Article {number}", text=f"Number {number}. " * 40)


def assert_whole(place: Place) -> None:
    for file in place.output.rglob("*.xml"):
        etree.parse(file)
    assert not list(place.output.rglob(".feeder-*"))
    assert place.ask("PRAGMA quick_check") == "ok"


def test_fault_83_a_stop_in_a_big_first_poll_leaves_no_process_and_a_whole_state(tmp_path: Path) -> None:
    place = watched(tmp_path)
    fill(place, articles=3000)
    with daemon(place, workers=2) as process:
        until(lambda: len(in_session(process.pid)) > 2)
    assert_whole(place)
    with daemon(place, workers=2):
        until(lambda: sightings(place) == 3000)
        until(place.feed)
    assert_whole(place)
    assert_calm(place)


def test_a_stop_at_once_leaves_no_process_and_a_whole_state(tmp_path: Path) -> None:
    place = watched(tmp_path)
    fill(place, articles=3000)
    command = [sys.executable, "-c", DAEMON, str(place.config), "2"]
    with (
        (place.root / "log").open("a") as log,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True) as process,
    ):
        until(lambda: len(in_session(process.pid)) > 2)
        while process.poll() is None:
            process.terminate()
            time.sleep(0.01)
        assert process.returncode in {0, 1}
        until(lambda: not in_session(process.pid))
    assert place.ask("PRAGMA quick_check") == "ok"
    with daemon(place, workers=2):
        until(lambda: sightings(place) == 3000)
        until(place.feed)
    assert_whole(place)


def test_fault_83_a_stop_in_a_burst_of_changes_leaves_all_whole(tmp_path: Path) -> None:
    place = watched(tmp_path)
    place.write("First")
    with daemon(place):
        until(lambda: "First" in titles(place))
        for number in range(700):
            place.write(f"Article {number}")
        until(lambda: sightings(place) > 1)
    for number in range(700, 1500):
        place.write(f"Article {number}")
    assert_whole(place)
    with daemon(place):
        until(lambda: sightings(place) == 1501)
    assert_calm(place)


def test_fault_83_a_stop_while_feeds_are_written_leaves_all_whole(tmp_path: Path) -> None:
    place = watched(tmp_path)
    for number in range(400):
        place.write(f"Article {number}")
        path = place.root / f"s0/Article {number}.md"
        path.write_text(path.read_text().replace("[News]", f"[News, Part {number % 300}]"))
    with daemon(place, workers=2):
        until(lambda: list(place.output.rglob("*.xml")))
    assert_whole(place)
    with daemon(place, workers=2):
        until(lambda: len(list(place.output.rglob("atom.xml"))) == 302)
    assert_whole(place)
    assert_calm(place)
