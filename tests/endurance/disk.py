"""A disk that fails at every single call: full, broken, read-only or over quota, for a moment or for a while.

A library between a process and the system (faults.c) refuses the n-th call that changes a file below some directory: for
n = 1, 2, 3 … until a run comes to its end undisturbed. Whatever is refused, what was published stays whole, nothing is left
lying about, and once the disk works again the feeds become those of a run that nothing disturbed.

    python -m tests.endurance.disk
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import mmap
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol, TypeAlias

from lxml import etree
from remote import item, rss
from web import serving
from worlds import NO_HISTORY

from endurance.soak import published

PATIENCE = 60  # seconds after which what has not happened never will
REST_SECONDS = 4.0  # in which a daemon that has anything to do does something
HELD_SECONDS = 1.0  # that the disk of a daemon fails for, so that it is tried again meanwhile
FOREVER = 1 << 40  # calls
SOURCE = Path(__file__).with_name("faults.c")

ERRORS: Final = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT)
STRAY = re.compile(r"\.feeder-|\.part$|-journal$|\.restoring$")

# Copies of a process that has imported everything, each of which does one command: a start takes a hundredth of a second.
NURSERY = """
import json, os, sys
from datetime import timedelta
from feeder import asking, backup, opening, schedule
from feeder.cli import main
from feeder.pipeline import edition

edition.RETRY = timedelta(seconds=1)
for order in sys.stdin:
    words, log = json.loads(order)
    child = os.fork()
    if not child:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            main(words)
        except SystemExit as end:
            os._exit(int(end.code or 0))
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

SITE = """\
[site]
title = "Example newsroom"
url = "https://feeds.example.org/"
id = "feeds.example.org,2026"
[feeds]
{history}
settle = "0s"
[storage]
state = "sqlite:///var/state.db"
output = "public"
status_every = "1s"
[server]
listen = ""
[defaults]
interval = "1s"
withdraw_after = "0s"
[[source]]
name = "newsroom"
path = {articles}
[[source]]
name = "partner"
url = "{url}"
min_interval = "1s"
max_interval = "2s"
allow_private = ["127.0.0.0/8"]
"""
DOCUMENT = "---\ntitle: {title}\ndate: 2026-03-0{day}T12:00:00Z\nupdated: 2026-03-10T0{version}:00:00Z\ncategories: [{category}]\n---\n"

# What reads a file that is published to its end; by the ending of its name.
WHOLE: Final[Mapping[str, Callable[[bytes], object]]] = {
    "xml": etree.fromstring,
    "opml": etree.fromstring,
    "json": json.loads,
    "html": lambda body: body.index(b"</html>"),
}

Files: TypeAlias = Mapping[str, bytes]


class Disturbed(AssertionError):
    """Something is not as it should be after a fault."""


class Span(StrEnum):
    """For how long the disk fails."""

    ONCE = "once"
    ON = "from then on"
    SHORT = "after a half"  # from then on, but of the first write a half is done, as on a disk that fills up


# ---------------------------------------------------------------- faults


class Control(ctypes.Structure):
    """What the library is told, and tells; as in faults.c."""

    _fields_ = (
        ("first", ctypes.c_int64),
        ("last", ctypes.c_int64),
        ("error", ctypes.c_int64),
        ("shortens", ctypes.c_int64),
        ("calls", ctypes.c_int64),
        ("refused", ctypes.c_int64),
        ("below", ctypes.c_char * 1024),
        ("what", ctypes.c_char * 1024),
    )


class Faults:
    """The disk's mood, for all processes that were started with `environment`."""

    def __init__(self, folder: Path) -> None:
        library, control = folder / "faults.so", folder / "faults"
        compiler = shutil.which("cc")
        assert compiler, "a C compiler is missing: install one (Debian: gcc)"
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
        control.write_bytes(bytes(ctypes.sizeof(Control)))
        with control.open("r+b") as file:
            self._control = Control.from_buffer(mmap.mmap(file.fileno(), 0))
        self.environment = {**os.environ, "LD_PRELOAD": str(library), "FEEDER_FAULTS": str(control)}

    @contextmanager
    def failing(self, below: Path, *, call: int, error: int, span: Span) -> Iterator[None]:
        """Refuse the call of that number below a directory, counted from 1, until the end of the block."""
        control = self._control
        control.below, control.what = os.fsencode(below), b""
        control.error, control.shortens = error, span is Span.SHORT
        control.calls = control.refused = 0
        control.first, control.last = call, call if span is Span.ONCE else FOREVER
        try:
            yield
        finally:
            control.last = 0

    @property
    def refused(self) -> int:
        """How many calls were refused."""
        return int(self._control.refused)

    @property
    def what(self) -> str:
        """The first call that was refused."""
        return os.fsdecode(self._control.what)


# ---------------------------------------------------------------- processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Nursery:
    """A process whose copies do a command each, one at a time, on a disk that may fail."""

    process: subprocess.Popen[str]
    log: Path

    def begin(self, *words: str) -> int:
        """Start a command; return the number of its process."""
        assert self.process.stdin
        self.log.unlink(missing_ok=True)
        self.process.stdin.write(json.dumps([words, str(self.log)]) + "\n")
        self.process.stdin.flush()
        return self._read()

    def end(self) -> int:
        """Wait for what was started, and return its exit code."""
        return self._read()

    def run(self, *words: str) -> tuple[int, str]:
        """Return the exit code of a command, and the last line that it said of what is wrong."""
        self.begin(*words)
        code = self.end()
        said = self.log.read_text("utf-8")
        if "Traceback" in said:
            raise Disturbed(said)
        return code, next(filter(None, map(_complaint, reversed(said.splitlines()))), "")

    def _read(self) -> int:
        assert self.process.stdout
        return int(self.process.stdout.readline())


def _complaint(line: str) -> str:
    """Return what a line says of something that is wrong, "" if it says nothing of the kind."""
    if not line.startswith("{"):
        return line
    event = json.loads(line)
    if event["level"] == "info":
        return ""
    return f"{event['event']}: {event.get('reason') or event.get('error')}"


@contextmanager
def nursery(faults: Faults, log: Path) -> Iterator[Nursery]:
    """Start one, which ends with the block."""
    command = [sys.executable, "-c", NURSERY]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, env=faults.environment, start_new_session=True) as process:  # type: ignore[call-overload]  # the pipes
        try:
            yield Nursery(process=process, log=log)
        finally:
            os.killpg(process.pid, 9)


# ---------------------------------------------------------------- the world


@dataclass(slots=True, kw_only=True)
class World:
    """A site over a few articles, which has two states of affairs: before and after somebody edited."""

    root: Path
    faults: Faults
    nursery: Nursery
    partner: Callable[[bytes], object]
    told: Counter[str] = field(default_factory=Counter)  # what commands that failed said

    @property
    def site(self) -> Path:
        """The directory of the site."""
        return self.root / "site"

    def command(self, *words: str) -> tuple[str, ...]:
        """Return a command for this site."""
        return (*words, "-c", str(self.site / "config.toml"))

    def be(self, version: int) -> None:
        """Let the articles be as they are in a version, 1 or 2: one is edited, one comes, and a category goes."""
        self._write("steady", "Steady", day=1, version=1, category="News")
        self._write("edited", "Edited", day=2, version=version, category="News, Local")
        come, gone = ("new", "gone") if version == 2 else ("gone", "new")
        self._write(come, come.title(), day=3, version=1, category=come.title())
        (self.root / "articles" / f"{gone}.md").unlink(missing_ok=True)
        updated = f'<u:updated xmlns:u="http://www.w3.org/2005/Atom">2026-03-12T0{version}:00:00Z</u:updated>'
        self.partner(rss(item("Ferry", body=f"<p>Version {version} of it.</p>", categories=("Sea",), more=updated)))

    def _write(self, name: str, title: str, *, day: int, version: int, category: str) -> None:
        text = DOCUMENT.format(title=title, day=day, version=version, category=category)
        part = self.root / "articles" / f".{name}"
        part.write_text(text + f"Version {version} of it.\n" * 200, "utf-8")
        part.replace(part.with_name(f"{name}.md"))

    def run(self) -> None:
        """Poll and publish, undisturbed."""
        code, said = self.nursery.run(*self.command("once", "--all"))
        if code:
            raise Disturbed(f"exit code {code} of a run that nothing disturbs: {said}")

    def forget(self, name: str) -> None:
        """Let an article be gone."""
        (self.root / "articles" / f"{name}.md").unlink()

    def assert_whole(self) -> None:
        """Raise Disturbed unless every published file is whole; what has been polled so far may be old or new."""
        for path, body in published(self.site).items():
            try:
                WHOLE.get(path.rpartition(".")[2], bool)(body)
            except (etree.XMLSyntaxError, ValueError) as error:
                raise Disturbed(f"{path}: is not whole: {error}") from error

    def hear(self, code: int, said: str) -> None:
        """Take note of what a command said that failed; raise Disturbed if nobody could tell why."""
        if not said:
            raise Disturbed(f"exit code {code} without a word")
        self.told[f"{code}: {said.replace(str(self.root), '…')}"] += 1

    def is_forwarded(self) -> bool:
        """Tell whether the redirects are of the category that has gone, and of no other."""
        there = {path.parent.name for path in self.site.glob("public/categories/*/atom.xml")}
        text = (self.site / "var/state.redirects.json").read_text("utf-8")
        return all((f"categories/{name}" in text) == (name not in there) for name in ("gone", "new"))

    def strays(self) -> list[Path]:
        """Return what should not be there after a run."""
        return [path for path in self.site.rglob("*") if STRAY.search(path.name)]

    def assert_clean(self) -> None:
        """Raise Disturbed if anything is left, or the state is damaged."""
        if left := self.strays():
            raise Disturbed(f"left: {left}")
        with closing(sqlite3.connect(self.site / "var/state.db")) as connection:
            if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                raise Disturbed("the state is damaged")


@contextmanager
def world(root: Path) -> Iterator[World]:
    """Yield a site without state, with its articles as they are before."""
    faults = Faults(root)
    with nursery(faults, root / "log") as place, serving() as web:
        found = World(root=root, faults=faults, nursery=place, partner=lambda body: web.put("/rss", body))
        (root / "articles").mkdir()
        found.site.mkdir()
        found.be(1)
        text = SITE.format(history=NO_HISTORY, articles=json.dumps(str(root / "articles")), url=f"{web.url}/rss")
        (found.site / "config.toml").write_text(text, "utf-8")
        yield found


@dataclass(frozen=True, slots=True, kw_only=True)
class Mood:
    """How the disk fails."""

    error: int
    span: Span

    def __str__(self) -> str:
        return f"{errno.errorcode[self.error]} {self.span}"


EVERY_MOOD = tuple(Mood(error=error, span=span) for span in Span for error in ERRORS)


# ---------------------------------------------------------------- what is done meanwhile


class Scene(Protocol):
    """What is done on a disk that fails."""

    def begin(self) -> None:
        """Set the scene, while the disk works."""

    def suffer(self) -> None:
        """Work while the disk fails."""

    def recover(self) -> None:
        """Work while it does not, and see that all is well."""


class Once:
    """A single run, from nothing or over the feeds of before."""

    def __init__(self, world: World, *, is_first: bool) -> None:
        self._world = world
        self._before = world.root / "before"
        world.be(1)
        if not is_first:
            world.run()
            world.forget("gone")
            world.run()  # it goes once it is missed again
        world.be(2)
        shutil.copytree(world.site, self._before)
        world.run()
        self._new = published(world.site)

    def begin(self) -> None:
        """Go back to where it began."""
        shutil.rmtree(self._world.site)
        shutil.copytree(self._before, self._world.site)

    def suffer(self) -> None:
        """Run; it must say clearly how that went."""
        code, said = self._world.nursery.run(*self._world.command("once", "--all"))
        self._world.assert_whole()
        if code == 0 and published(self._world.site) != self._new:
            raise Disturbed("it said that all was well")
        if code:
            self._world.hear(code, said)

    def recover(self) -> None:
        """Run again."""
        self._world.run()
        if published(self._world.site) != self._new:
            raise Disturbed("the feeds are others than those of an undisturbed run")
        self._world.assert_clean()


class Backup:
    """A backup, in place of an older one."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._target = world.site / "backups" / "state.db"
        self._target.parent.mkdir()
        world.run()
        self._back_up()

    def begin(self) -> None:
        """Have an older one."""
        self._stood = self._target.read_bytes()

    def suffer(self) -> None:
        """Write it; what is there is whole at any time."""
        code, said = self._world.nursery.run(*self._words)
        if code:
            self._world.hear(code, said)
        self._assert_whole()

    def recover(self) -> None:
        """Write it again."""
        self._back_up()
        self._assert_whole()
        self._world.assert_clean()

    @property
    def _words(self) -> tuple[str, ...]:
        return self._world.command("backup", "--force", str(self._target))

    def _back_up(self) -> None:
        code, said = self._world.nursery.run(*self._words)
        if code:
            raise Disturbed(f"exit code {code} of a backup that nothing disturbs: {said}")

    def _assert_whole(self) -> None:
        with closing(sqlite3.connect(f"{self._target.as_uri()}?mode=ro", uri=True)) as connection:
            if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                raise Disturbed("the backup is damaged")


class Daemon:
    """A daemon, which sees the articles become those of one version and then of the other, over and over."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._process = world.nursery.begin(*world.command("run"))
        self._feeds: dict[int, Files] = {}
        for version in (1, 2, 1):
            world.be(version)
            self._version = version
            self._feeds[version] = self._at_rest()

    def _at_rest(self) -> Files:
        """Return the feeds, once nothing has changed for a while."""
        since, last = time.monotonic(), published(self._world.site)
        while not last or time.monotonic() < since + REST_SECONDS:
            time.sleep(0.1)
            if (found := published(self._world.site)) != last:
                since, last = time.monotonic(), found
        return last

    def begin(self) -> None:
        """See that it lives."""
        if not Path(f"/proc/{self._process}").exists():
            raise Disturbed("the daemon is gone")

    def suffer(self) -> None:
        """Change the articles; the disk fails for a while, unless all goes well in spite of it."""
        self._version = 3 - self._version
        self._world.be(self._version)
        end = time.monotonic() + PATIENCE
        while published(self._world.site) != self._feeds[self._version]:
            self._world.assert_whole()
            time.sleep(0.05)
            if self._world.faults.refused:
                end = min(end, time.monotonic() + HELD_SECONDS)
            if time.monotonic() > end:
                return

    def recover(self) -> None:
        """Have it catch up, without being started anew."""
        until(self._is_current, "the feeds are not those of the articles, or the redirects not those of the feeds")
        until(self._is_clean, "something is left")

    def _is_current(self) -> bool:
        return published(self._world.site) == self._feeds[self._version] and self._world.is_forwarded()

    def _is_clean(self) -> bool:
        return not self._world.strays()

    def end(self) -> None:
        """Stop it."""
        os.kill(self._process, signal.SIGTERM)
        code = self._world.nursery.end()
        if code:
            raise Disturbed(f"the daemon ended with exit code {code}")
        self._world.assert_clean()


def until(is_so: Callable[[], bool], else_: str) -> None:
    """Wait until *is_so*; raise Disturbed if it never is."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > end:
            raise Disturbed(else_)
        time.sleep(0.05)


# ---------------------------------------------------------------- trials


def sweep(world: World, scene: Scene, below: str, *, step: int = 1, moods: Sequence[Mood] = EVERY_MOOD) -> int:
    """Let the disk fail at one call of a scene after the other, or at every so-manieth; return how often it did.

    Each call meets another of the *moods*.

    Raises:
        Disturbed: It did harm.
    """
    for number, call in enumerate(count(1, step)):
        mood = moods[number % len(moods)]
        scene.begin()
        try:
            with world.faults.failing(world.site / below, call=call, error=mood.error, span=mood.span):
                scene.suffer()
            scene.recover()
        except Disturbed as harm:
            raise Disturbed(f"{below}: call {call}, {mood}: {world.faults.what}: {harm}") from harm
        if not world.faults.refused:
            return number
    raise AssertionError


@contextmanager
def living(world: World) -> Iterator[Daemon]:
    """Yield a daemon, which ends well with the block."""
    daemon = Daemon(world)
    yield daemon
    daemon.end()


SCENES: Mapping[str, tuple[Callable[[World], AbstractContextManager[Scene]], tuple[str, ...]]] = {
    "once, at first": (lambda world: nullcontext(Once(world, is_first=True)), ("var", "public")),
    "once, again": (lambda world: nullcontext(Once(world, is_first=False)), ("var", "public")),
    "backup": (lambda world: nullcontext(Backup(world)), ("var", "backups")),
    "daemon": (living, ("var", "public")),
}
"""Each with the directories whose disk may fail."""


def main() -> int:
    """Run the trials as a program."""
    parser = argparse.ArgumentParser(description="A disk that fails at every single call.")
    parser.add_argument("--step", type=int, default=1, help="fail at every so-manieth call only")
    parser.add_argument("--only", choices=SCENES, nargs="*", help="not all of it")
    asked = parser.parse_args()
    for name in asked.only or SCENES:
        play, places = SCENES[name]
        for below in places:
            began = time.monotonic()
            with (
                TemporaryDirectory(prefix="feeder-disk-") as folder,
                world(Path(folder)) as found,
                play(found) as scene,
            ):
                number = sweep(found, scene, below, step=asked.step)
            print(f"{name}, {below}: {number} calls failed, {time.monotonic() - began:.0f} s")
            for said, times in found.told.most_common():
                print(f"  {times:4} {said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
