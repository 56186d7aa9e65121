"""A daemon that is killed while articles come, change, move and go. FEEDER_KILLS=1000 asks for so many kills.

It is started by a copy of a process that has imported everything: a start takes a hundredth of a second then.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from lxml import etree
from past import Witness
from worlds import (
    BODIES,
    CATEGORIES,
    NO_HISTORY,
    SPELLINGS,
    TITLES,
    Piece,
    SiteUnderTest,
    Step,
    Trees,
    edit,
    scratch,
    site,
)

from feeder.render import assets

SEEDS = range(4)
KILLS = int(os.environ.get("FEEDER_KILLS", "200"))
LONGEST = 0.2  # seconds that a daemon lives
NAMES = ("first", "second")
TIMEOUT = 60

NURSERY = """
import os, sys, threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL
from feeder import config, log, schedule
from feeder.app import opened
from feeder.cli import main  # what a worker would import

def now():
    return datetime.now(UTC)

def daemon(settings):
    with opened(settings, workers=1) as app:
        schedule.run(app, clock=now)

def once(settings):
    with opened(settings, workers=1) as app:
        app.prepare(now())
        for name in app.parts.sources:
            app.poll(name, now())
        app.publish(now())

def die_at(call, number):
    calls = Counter()
    def look(frame, event, called):
        if event == "c_call":
            calls[called.__qualname__] += 1
            if calls[call] == number:
                os.kill(os.getpid(), SIGKILL)
    sys.setprofile(look)

log.configure("info", json=True)
settings = config.load(Path(sys.argv[1]))
for order in sys.stdin:
    call, number = order.split()
    child = os.fork()
    if not child:
        if int(number):
            die_at(call, int(number))
        (once if int(number) else daemon)(settings)
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


# ---------------------------------------------------------------- what is killed


@dataclass(frozen=True, slots=True, kw_only=True)
class Nursery:
    """A process whose copies are daemons, one at a time."""

    process: subprocess.Popen[str]

    def bear(self, call: str = "-", number: int = 0) -> int:
        """Start a daemon, or a single run that kills itself at some call of a function; return its number."""
        assert self.process.stdin
        self.process.stdin.write(f"{call} {number}\n")
        self.process.stdin.flush()
        return self._read()

    def bury(self) -> int:
        """Return the exit code of what was started last, once it has ended."""
        return self._read()

    def _read(self) -> int:
        assert self.process.stdout
        return int(self.process.stdout.readline())


@contextmanager
def nursery(site: SiteUnderTest, log: Path) -> Iterator[Nursery]:
    command = [sys.executable, "-c", NURSERY, str(site.config_path)]
    with (
        log.open("w") as lines,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=lines, text=True) as process,
    ):
        yield Nursery(process=process)


# ---------------------------------------------------------------- the load


class Desk(Trees):
    """Trees that are written as editors and generators do: in place, bit by bit, or renamed into place."""

    def put(self, place: tuple[str, str], piece: Piece) -> None:
        path = self._path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        stamp = next(self._stamps)
        text = piece.text().encode()
        target = path if stamp // 10**9 % 2 else path.with_name(".new")
        with target.open("wb", buffering=0) as file:
            for start in range(0, len(text), 50):
                file.write(text[start : start + 50])
        os.utime(target, ns=(stamp, stamp))  # a clock that ticks slower than we write would hide an edit
        target.replace(path)
        self.held[place] = piece
        self.ever.add(piece)


def any_step(random: Random) -> Step:
    actions = ("add", "add", "add", "edit", "edit", "rename", "copy", "delete")
    piece = Piece(
        title=random.randrange(len(TITLES)),
        day=random.randint(1, 9),
        spelling=random.randrange(len(SPELLINGS)),
        body=random.randrange(len(BODIES)),
        categories=random.randrange(len(CATEGORIES)),
        summary=random.randrange(3),
        has_guid=random.random() < 0.5,
        is_draft=random.random() < 0.1,
    )
    place = (random.choice(NAMES), random.choice("xyz"), random.randrange(2))
    return Step(action=random.choice(actions), piece=piece, place=place, pick=random.randrange(1000), order=NAMES)


@dataclass(slots=True, kw_only=True)
class World:
    """Articles and the site that is killed over and over."""

    folder: Path
    random: Random
    trees: Desk = field(init=False)
    site: SiteUnderTest = field(init=False)
    read: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.trees = Desk(root=self.folder / "articles", names=NAMES)
        self.site = self.any_site("killed")
        for number, name in enumerate(NAMES):  # a source that lost everything would ask what that is to mean
            always = Piece(title=0, day=20 + number, body=1)
            Trees.put(self.trees, (name, "kept.md"), always)
            del self.trees.held[name, "kept.md"]
        for _ in range(40):
            self.edit()

    def any_site(self, name: str, *, history: str = NO_HISTORY) -> SiteUnderTest:
        """Return a new site over the articles."""
        places = {tree: self.trees.root / tree for tree in NAMES}
        at_once = dict.fromkeys(NAMES, 'interval = "1s"\nwatch = true')
        feeds = 'settle = "0s"\nentries = 5\nwindow = "0s"'
        return site(self.folder / name, places, feeds=feeds, history=history, sources=at_once)

    def edit(self) -> None:
        edit(any_step(self.random), self.trees)

    def edit_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, self.random.uniform(0, 0.03)))
            self.edit()


@contextmanager
def world(seed: int) -> Iterator[World]:
    with scratch() as folder:
        yield World(folder=folder, random=Random(seed))  # noqa: S311 - it is to be the same every time


# ---------------------------------------------------------------- what is left


def assert_whole(world: World) -> None:
    """Every feed is whole and valid, and the state is one."""
    for path in world.site.public.rglob("[!.]*.*"):
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        if world.read.get(path) != stamp:
            assert_valid(path)
            world.read[path] = stamp
    assert_state_is_whole(world.site.config_path.parent / "state.db", world.folder / "copy.db")


def assert_valid(path: Path) -> None:
    body = path.read_bytes()
    if path.suffix == ".html":
        assert body.rstrip().endswith(b"</html>"), path
        return
    if path.parent.name == "assets":
        assert body == assets.files("en")[f"assets/{path.name}"], path
        return
    ids = ids_of_json(body) if path.suffix == ".json" else ids_of_xml(body)
    assert len(set(ids)) == len(ids), path


def ids_of_json(body: bytes) -> list[str]:
    return [item["id"] for item in json.loads(body).get("items", ())]


def ids_of_xml(body: bytes) -> list[str]:
    root = etree.fromstring(body)
    return [str(each.text) for each in (*root.iterfind("{*}entry/{*}id"), *root.iterfind("channel/item/guid"))]


def assert_state_is_whole(state: Path, copy: Path) -> None:
    """Look at a copy: what the killed process left is for the next one to mend."""
    if not state.exists():
        return
    for end in ("", "-wal"):
        with suppress(FileNotFoundError):
            shutil.copy(f"{state}{end}", f"{copy}{end}")
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    copy.with_name(f"{copy.name}-wal").unlink(missing_ok=True)


def strays(world: World) -> list[Path]:
    return list(world.site.public.rglob(".feeder-*"))


def assert_converged(world: World) -> None:
    """After runs that nobody disturbs, the feeds are those of a site that never was."""
    world.site.run(datetime.now(UTC))
    assert not strays(world)
    world.site.run(datetime.now(UTC))
    world.site.run(datetime.now(UTC))
    fresh = world.any_site("fresh")
    fresh.run(datetime.now(UTC))
    lived, cold = world.site.files(), fresh.files()
    assert {path: lived.get(path) for path in lived | cold if lived.get(path) != cold.get(path)} == {}
    shutil.rmtree(fresh.config_path.parent)


# What may be told of an article that is written to, or has gone, when its turn comes.
EXPECTED = ("its document is not what it was when it was polled", "none of its articles can be read now; its last good")


def assert_nothing_failed(log: Path) -> None:
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    bad = [line for line in lines if line["level"] not in {"info", "debug"}]
    assert [line for line in bad if not str(line.get("reason")).startswith(EXPECTED)] == []


# ---------------------------------------------------------------- kills


@pytest.mark.parametrize("seed", SEEDS, ids="seed-{}".format)
def test_fault_82_a_daemon_that_is_killed_at_any_moment_loses_nothing(seed: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with world(seed) as scene, nursery(scene.site, log) as place:
        for number in range(1, KILLS // len(SEEDS) + 1):
            daemon = place.bear()
            scene.edit_for(scene.random.uniform(0, LONGEST))
            os.kill(daemon, signal.SIGKILL)
            assert place.bury() == -signal.SIGKILL
            assert_whole(scene)
            if number % 10 == 0:
                assert_converged(scene)
    assert_nothing_failed(log)


def test_a_daemon_that_is_killed_at_any_moment_loses_nothing_of_the_past(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with world(len(SEEDS)) as scene:
        scene.site = scene.any_site("remembered", history="")
        witness = Witness(scene.site)
        with nursery(scene.site, log) as place:
            for _ in range(KILLS // len(SEEDS)):
                daemon = place.bear()
                scene.edit_for(scene.random.uniform(0, LONGEST))
                os.kill(daemon, signal.SIGKILL)
                assert place.bury() == -signal.SIGKILL
                assert_whole(scene)
                scene.site.run(datetime.now(UTC))
                witness.look(saw_all=False)
    assert_nothing_failed(log)


# What scanning, reading, recording, rendering and writing call at their ends: the run dies before the call is made.
CALLS = (
    "flock",
    "scandir",
    "lstat",
    "read",
    "Connection.execute",
    "Connection.executemany",
    "mkdir",
    "open",
    "write",
    "fsync",
    "replace",
    "unlink",
    "rmdir",
    "Connection.close",
)
STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


@pytest.mark.parametrize("call", CALLS)
def test_fault_82_a_run_that_is_killed_at_any_step_loses_nothing(call: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with world(len(call)) as scene, nursery(scene.site, log) as place:
        leave_a_feed_to_be_removed(scene)
        killed = 0
        for number in STEPS:
            for _ in range(15):
                scene.edit()
            place.bear(call, number)
            code = place.bury()
            assert_whole(scene)
            if code == 0:
                break
            assert code == -signal.SIGKILL
            assert strays(scene) or call != "replace"
            killed += 1
            assert_converged(scene)
        assert killed
    assert_nothing_failed(log)


def leave_a_feed_to_be_removed(world: World) -> None:
    path = world.trees.root / "first" / "gone.md"
    path.write_text(Piece(title=0, day=25).text().replace("categories: []", "categories: [Gone]"), "utf-8")
    world.site.run(datetime.now(UTC))
    path.unlink()
    world.site.run(datetime.now(UTC))
    assert (world.site.public / "categories" / "gone" / "atom.xml").exists()
