"""Half an hour in the life of a daemon, in which everything happens that happens in months; nothing may grow.

Articles come, change, move and go, in directories and on the web, whose servers fail and drag their feet; readers ask all the
time; the configuration is read anew, good or bad; the daemon is stopped and killed. At the end its feeds must be those of a
daemon that saw nothing but the end.

    python -m tests.endurance.soak --minutes 30
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from foreign import tree
from lxml import etree
from servers import Asked, Server, answer, free_port, talking
from waiting import until
from worlds import NO_HISTORY, Piece, Trees, any_step, edit

from endurance import measures
from endurance.measures import MIB, Limits, Sample, Trend

NAMES = ("first", "second")
ACTIONS = ("add", "add", "edit", "edit", "rename", "copy", "delete")
HELD = 120  # files in the directories, about
ROSTER = 20  # articles of each source on the web
PATIENCE = 120  # seconds for the daemon to come to rest, or to begin, on a slow machine
STILL = 60  # seconds after which a daemon that has logged nothing has come to a stop
RATE = 0.4  # seconds between two edits, about
LONG = 300  # seconds of a life from which on its memory tells something
SHORT_LIFE = 180  # seconds of a life, but for the first

# What may be added in the longest life, once it has warmed up. Readers come and go, and a pool of threads fills by and by; the
# state keeps a hundred events of every article, and is far from that after a few minutes.
LIMITS: Limits = {
    "memory": 8 * MIB,
    "descriptors": 8,
    "threads": 4,
    "processes": 1,
    "state file": 4 * MIB,
    "journal": 4 * MIB,
}
LULL = 1.5  # seconds of which the least counts in a short trial: readers and workers are a large part of it
SHORT_LIMITS: Limits = {**dict.fromkeys(LIMITS), "descriptors": 12, "threads": 6}
EXPECTED = frozenset({"reload_failed"})  # of the level "error"

# A daemon as its command starts it, but that it looks for silence and keeps house as often as a trial needs it. It says
# where it stands when it is asked with SIGUSR1.
DAEMON = """
import asyncio, signal, sys
from datetime import timedelta
from feeder import alerts, schedule
from feeder.cli import main
from feeder.pipeline import edition

alerts.go_on.__kwdefaults__["every"] = timedelta(seconds=1)
schedule.HOUSEKEEPING = timedelta(seconds=15)
edition.RETRY = timedelta(seconds=1)

def tell(*_):
    for task in asyncio.all_tasks():
        task.print_stack()

signal.signal(signal.SIGUSR1, tell)
main(["run", "-c", sys.argv[1]])
"""

SITE = """\
[site]
title = "Example newsroom"
url = "https://feeds.example.org/"
id = "feeds.example.org,2026"
timezone = "Asia/Shanghai"
[feeds]
{history}
window = "0s"
settle = "1s"
entries = {entries}
[storage]
state = "sqlite:///state.db"
output = "public"
status_every = "2s"
after_publish = ["true"]
[server]
listen = "{listen}"
admin = "{admin}"
[alerts]
command = ["sh", "-c", "cat >> told"]
"""
FOLDER = '[[source]]\nname = "{name}"\npath = "{path}"\ninterval = "5s"\nwithdraw_after = "0s"\nauthor = "{author}"\n'
URL = (
    '[[source]]\nname = "{name}"\nurl = "{url}"\ninterval = "2s"\nmin_interval = "1s"\nmax_interval = "4s"\ntimeout = "4s"\n'
    'allow_private = ["127.0.0.0/8"]\nfirst = {roster}\nwithdraw_after = "0s"\nalert_after = "6s"\n'
)


# ---------------------------------------------------------------- sources on the web


@dataclass(slots=True, kw_only=True)
class Station:
    """A server whose articles are edited; it tells of them in good weather, and of trouble otherwise."""

    name: str
    write: Callable[[Station], bytes]
    random: Random
    bad: float = 0.3  # share of its answers, unless it is calm; of some, others change it
    is_calm: bool = False
    versions: list[int] = field(default_factory=lambda: [0] * ROSTER)
    said: Counter[str] = field(default_factory=Counter)

    def edit(self) -> None:
        """Have one of its articles say something else; its title and date stay, and it says when that was."""
        self.versions[self.random.randrange(ROSTER)] += 1

    async def speak(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        """Answer once."""
        trouble = "" if self.is_calm or self.random.random() >= self.bad else self.random.choice([*TROUBLES])
        if trouble:
            self.said[trouble] += 1
            await TROUBLES[trouble](writer)
            return
        body = self.write(self)
        tag = f'"{zlib.crc32(body)}"'
        is_known = asked.headers.get("if-none-match") == tag
        self.said["304" if is_known else "200"] += 1
        writer.write(answer(b"" if is_known else body, status=304 if is_known else 200, etag=tag))

    def texts(self) -> Iterator[tuple[int, str, str, str, str]]:
        """Yield the number, title, date, time of the last edit, and text of every article."""
        for number, version in enumerate(self.versions):
            date = f"2025-03-{1 + number:02}T12:00:00Z"
            minutes = version % 1440
            updated = f"2025-04-{1 + version // 1440:02}T{minutes // 60:02}:{minutes % 60:02}:00Z"
            yield number, f"Story {number} of {self.name}", date, updated, f"<p>Edition {version}.</p>" + LONG_TEXT


LONG_TEXT = "<p>Calm water, and a bridge &amp; a ferry.</p>" * 20


def as_atom(station: Station) -> bytes:
    """Return a feed."""
    entries = "".join(
        f"<entry><id>urn:{station.name}:{number}</id><title>{title}</title><published>{date}</published>"
        f'<updated>{updated}</updated><category term="Shore {number % 3}"/><content type="xhtml">'
        f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div></content></entry>'
        for number, title, date, updated, text in station.texts()
    )
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:f</id><title>Shore</title>{entries}</feed>'.encode()


def as_json(station: Station) -> bytes:
    """Return a feed."""
    items = [
        {"id": f"{number}", "title": title, "date_published": date, "date_modified": updated, "content_html": text}
        for number, title, date, updated, text in station.texts()
    ]
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "Lake", "items": items}).encode()


def as_archive(station: Station) -> bytes:
    """Return a tree of documents."""
    return tree(
        **{
            f"{number}": f"---\ntitle: {title}\ndate: {date}\nupdated: {updated}\ncategories: [Hill]\n---\n{text}\n"
            for number, title, date, updated, text in station.texts()
        }
    )


WRITERS: Mapping[str, Callable[[Station], bytes]] = {
    "atom": as_atom,
    "json": as_json,
    "archive": as_archive,
    "stormy": as_atom,
    "guest": as_atom,  # it is in the configuration now and then
}


async def _drag(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n<rss>")
    for _ in range(80):  # longer than anybody waits
        await asyncio.sleep(0.1)
        writer.write(b" ")
        await writer.drain()


def _say(words: bytes) -> Callable[[asyncio.StreamWriter], Any]:
    async def speak(writer: asyncio.StreamWriter) -> None:
        writer.write(words)

    return speak


TROUBLES: Mapping[str, Callable[[asyncio.StreamWriter], Any]] = {
    "fails": _say(answer(b"oops", status=500)),
    "busy": _say(answer(status=503, retry_after="1")),
    "empty": _say(answer()),
    "noise": _say(bytes(range(256)) * 9),
    "cut": _say(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<rss"),
    "cut-short": _say(answer(gzip.compress(b"<rss>" * 999)[:-9], content_encoding="gzip")),
    "bomb": _say(answer(gzip.compress(b"<rss>" + b" " * (20 << 20)), content_encoding="gzip")),
    "login": _say(answer(b"<!DOCTYPE html><html><body><form>Log in</form></body></html>", content_type="text/html")),
    "unclosed": _say(answer(b"<?xml version='1.0'?><rss><channel><item><title>Lie</titel>")),
    "drags": _drag,
}


# ---------------------------------------------------------------- the world


@dataclass(slots=True, kw_only=True)
class World:
    """Articles in directories and on the web, a site over them, and what happens to all of it."""

    root: Path
    server: Server
    random: Random
    trees: Trees = field(init=False)
    stations: dict[str, Station] = field(default_factory=dict)
    ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))

    def __post_init__(self) -> None:
        self.trees = Trees(root=self.root / "articles", names=NAMES)
        for number, name in enumerate(NAMES):  # a source that lost everything would ask what that is to mean
            Trees.put(self.trees, (name, "kept.md"), Piece(title=0, day=20 + number, body=1))
            del self.trees.held[name, "kept.md"]
        for number, (name, write) in enumerate(WRITERS.items()):
            station = Station(name=name, write=write, random=Random(number))
            self.stations[name] = station
            self.server.let(f"/{name}", station.speak)
        while len(self.trees.held) < HELD:
            self.edit()
        self.configure()

    @property
    def site(self) -> Path:
        """The directory of the site that lives."""
        return self.root / "site"

    def configure(self, *, entries: int = 40, author: str = "Ann", guest: bool = True, tail: str = "") -> None:
        """Write the configuration."""
        listen, admin = (f"127.0.0.1:{port}" for port in self.ports)
        text = self._config(entries=entries, author=author, guest=guest, listen=listen, admin=admin)
        self.site.mkdir(exist_ok=True)
        (self.site / "config.new").write_text(text + tail, "utf-8")
        (self.site / "config.new").replace(self.site / "config.toml")

    def cold(self) -> dict[str, bytes]:
        """Return the files of a site that never was, over what there is now."""
        place = self.root / "cold"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        text = self._config(entries=40, author="Ann", guest=True, listen="", admin="")
        (place / "config.toml").write_text(text, "utf-8")
        command = [sys.executable, "-m", "feeder", "once", "--all", "-c", str(place / "config.toml")]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return published(place)

    def _config(self, *, entries: int, author: str, guest: bool, listen: str, admin: str) -> str:
        parts = [SITE.format(history=NO_HISTORY, entries=entries, listen=listen, admin=admin)]
        parts += [FOLDER.format(name=name, path=self.trees.root / name, author=author) for name in NAMES]
        for number, name in enumerate(self.stations):
            if name != "guest" or guest:
                parts.append(URL.format(name=name, url=self.server.at(number, f"/{name}"), roster=ROSTER))
        return "\n".join(parts)

    def edit(self) -> None:
        """Do one thing that an editor does."""
        step = any_step(self.random, names=NAMES, actions=ACTIONS)
        if step.action in {"add", "copy"} and len(self.trees.held) >= HELD:
            step = replace(step, action="delete")
        edit(step, self.trees)
        self.random.choice([*self.stations.values()]).edit()


def published(site: Path) -> dict[str, bytes]:
    """Return all files of a site, but those of a moment."""
    public = site / "public"
    found: dict[str, bytes] = {}
    for folder, _, names in os.walk(public):  # which takes it that directories go
        for path in (Path(folder, name) for name in names if not name.startswith(".feeder-")):
            with suppress(FileNotFoundError):
                found[str(path.relative_to(public))] = path.read_bytes()
    return found


# ---------------------------------------------------------------- what happens at the same time


@dataclass(slots=True, kw_only=True)
class Load:
    """Editors, readers and an operator, each in a thread of its own, until it is over."""

    world: World
    spell: float  # seconds of bad weather, and of good, where it changes
    over: threading.Event = field(default_factory=threading.Event)
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    daemon: subprocess.Popen[bytes] | None = None
    at_the_desk: threading.Lock = field(default_factory=threading.Lock)  # one at a time changes the configuration

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Have all of it happen within the block."""
        works = [self._edit, self._operate, *[self._read] * 3]
        threads = [threading.Thread(target=self._guarded, args=(work, number)) for number, work in enumerate(works)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join()

    def _guarded(self, work: Callable[[Random], None], number: int) -> None:
        try:
            work(Random(number))
        except Exception as error:  # noqa: BLE001 - it is told at the end
            self.wrong.append(f"{work.__name__}: {error!r}")

    def _edit(self, random: Random) -> None:
        while not self.over.wait(random.uniform(0, 2 * RATE)):
            self.world.edit()
            self.done["edits"] += 1
            self.world.stations["stormy"].bad = 0.0 if time.monotonic() % (2 * self.spell) < self.spell else 1.0

    # ------------------------------------------------------------ the operator

    def _operate(self, random: Random) -> None:
        """Change the configuration, for the better or the worse, and have it read."""
        while not self.over.wait(random.uniform(1, 8)):
            with self.at_the_desk:
                if self.daemon and self._is_up():
                    self._reconfigure(random)
                    self.daemon.send_signal(signal.SIGHUP)
                    self.done["reloads"] += 1

    def _reconfigure(self, random: Random) -> None:
        if random.random() < 0.3:
            self.world.configure(tail=random.choice(MISTAKES))
        else:
            author, entries = random.choice(("Ann", "Bo", "Cem")), random.choice((10, 40))
            self.world.configure(entries=entries, author=author, guest=random.random() < 0.5)

    def _is_up(self) -> bool:
        """Tell whether the daemon listens: before, a signal would end it, as it would any program."""
        try:
            status, _, _ = self._ask(self.world.ports[1], "/healthz", {})
        except (OSError, HTTPException):
            return False
        return status == 200

    # ------------------------------------------------------------ readers

    def _read(self, random: Random) -> None:
        """Ask for any file, in all the ways that readers do."""
        tags: dict[str, str] = {}
        while not self.over.wait(random.uniform(0, 0.3)):
            try:
                random.choice((self._get, self._get, self._get_again, self._leave, self._look))(random, tags)
                self.done["requests"] += 1
            except (OSError, HTTPException):
                self.done["unanswered"] += 1  # it is being started anew
                self.over.wait(0.2)

    def _get(self, random: Random, tags: dict[str, str]) -> None:
        path = _any_path(random, self.world.site / "public")
        coding = random.choice(("gzip", "identity"))
        status, headers, body = self._ask(self.world.ports[0], path, {"Accept-Encoding": coding})
        if status == 200:
            text = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
            tags[path] = headers.get("etag", "")
            self._check(path, text)
        elif status not in {304, 404, 410, 301, 308}:
            self.wrong.append(f"{path}: {status}")

    def _get_again(self, random: Random, tags: dict[str, str]) -> None:
        path = random.choice([*tags] or ["/atom.xml"])
        status, _, _ = self._ask(self.world.ports[0], path, {"If-None-Match": tags.get(path, '"none"')})
        self.done[f"again: {status}"] += 1

    def _leave(self, random: Random, _: dict[str, str]) -> None:
        """Go away in the middle of a question, or of the answer."""
        words = b"GET /atom.xml HTTP/1.1\r\nHost: localhost\r\n" + random.choice((b"", b"\r\n"))
        with socket.create_connection(("127.0.0.1", self.world.ports[0]), 5) as connection:
            connection.sendall(words)
            if words.endswith(b"\r\n\r\n"):
                connection.recv(100)

    def _look(self, random: Random, _: dict[str, str]) -> None:
        path = random.choice(("/metrics", "/status.json", "/status", "/readyz"))
        status, _, body = self._ask(self.world.ports[1], path, {})
        if status not in {200, 503} or not body:
            self.wrong.append(f"{path}: {status}")

    def _ask(self, port: int, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
            connection.request("GET", path, headers=dict(headers))
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return response.status, named, response.read()

    def _check(self, path: str, body: bytes) -> None:
        try:
            if path.endswith(".xml"):
                etree.fromstring(body)
            if path.endswith(".json"):
                json.loads(body)
        except (etree.XMLSyntaxError, ValueError) as error:
            self.wrong.append(f"{path}: {error}")


MISTAKES = ("\n[feeds\n", "\n[feeds]\nentries = 0\n", "\nunknown = 1\n", '\n[[source]]\nname = "first"\npath = "x"\n')


def _any_path(random: Random, public: Path) -> str:
    found = [path for path in public.glob("categories/*/*.*") if path.suffix in {".xml", ".json", ".html"}]
    names = ["/atom.xml", "/rss.xml", "/feed.json", "/feeds.json", "/", "/gone.xml"]
    names += [f"/categories/{path.parent.name}/{path.name}" for path in found if path.parent.name.isascii()]
    return random.choice(names)


# ---------------------------------------------------------------- lives


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the trial came to."""

    trends: Sequence[Trend]
    done: Mapping[str, int]
    events: Mapping[str, int]
    wrong: Sequence[str]

    @property
    def is_good(self) -> bool:
        """Whether nothing grew, and nothing went wrong."""
        return not self.wrong and all(trend.is_flat for trend in self.trends)

    def text(self) -> str:
        """Return it as it is shown."""
        counts = [
            ", ".join(f"{count} {name}" for name, count in sorted(each.items())) for each in (self.done, self.events)
        ]
        span = f"in {self.trends[0].seconds:.0f} s of the longest life, warmed up; sizes in MiB"
        return "\n".join(
            [measures.table(self.trends), span, "", *counts, *self.wrong, "GOOD" if self.is_good else "BAD"]
        )


def soak(root: Path, *, seconds: float, say: Callable[[str], None] = print) -> Verdict:
    """Live *seconds* and judge."""
    samples: list[Sample] = []
    with talking(addresses=len(WRITERS)) as server:
        world = World(root=root, server=server, random=Random(1))
        load = Load(world=world, spell=min(30, seconds / 6))
        with ExitStack() as opened, load.going_on():
            for number, (length, ending) in enumerate(lives(seconds)):
                load.daemon = opened.enter_context(daemon(world.site))
                samples += _live(world, load.daemon, number, length, say)
                _end(load, ending)
        wrong = [*load.wrong, *_settle(world, say)]
        said = sum((station.said for station in world.stations.values()), Counter[str]())
    events = logged(world.site / "log")
    wrong += [
        f"{line['event']}: {line}" for line in events if line["level"] == "error" and line["event"] not in EXPECTED
    ]
    happened = Counter(line["event"] for line in events)
    limits, warm, lull = (LIMITS, LONG, 0.0) if seconds / 2 > 2 * LONG else (SHORT_LIMITS, 0, LULL)
    found = measures.trends(samples, limits, warm=lambda age: max(warm, age / 3), lull=lull)
    return Verdict(trends=found, done={**load.done, **said}, events=happened, wrong=wrong)


def lives(seconds: float) -> Iterator[tuple[float, signal.Signals]]:
    """Yield how long the daemon lives each time, and what ends it: half of the time in one go, the rest in short lives."""
    yield seconds / 2, signal.SIGTERM
    count = max(2, round(seconds / 2 / SHORT_LIFE))
    for number in range(count):
        yield seconds / 2 / count, signal.SIGTERM if number % 2 else signal.SIGKILL


@contextmanager
def daemon(site: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run it; it is gone at the end of the block, however that comes."""
    command = [sys.executable, "-c", DAEMON, str(site / "config.toml")]
    with (
        (site / "log").open("ab") as log,
        subprocess.Popen(command, stderr=log, cwd=site, start_new_session=True) as process,
    ):
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _live(
    world: World, process: subprocess.Popen[bytes], life: int, length: float, say: Callable[[str], None]
) -> Iterator[Sample]:
    born = time.monotonic()
    pause = min(2.0, length / 20)
    while (age := time.monotonic() - born) < length:
        time.sleep(min(pause, length - age) + 0.001)
        _assert_lively(process, world.site / "log")
        yield (taken := measures.sample(process.pid, world.site / "state.db", life=life, born=born))
        if int(age // 30) != int((age + pause) // 30):
            say(
                f"life {life}, {taken.age:4.0f} s: {', '.join(f'{n} {measures.shown(v)}' for n, v in taken.taken.items())}"
            )


def _assert_lively(process: subprocess.Popen[bytes], log: Path) -> None:
    """Raise AssertionError if the daemon has ended, or has done nothing for long although there is always something to do."""
    assert process.poll() is None, "the daemon ended by itself"
    if time.time() - log.stat().st_mtime > STILL:
        process.send_signal(signal.SIGUSR1)
        time.sleep(1)
        raise AssertionError(f"the daemon stood still: {log.read_text('utf-8')[-8000:]}")


def _end(load: Load, ending: signal.Signals) -> None:
    with load.at_the_desk:
        process, load.daemon = load.daemon, None
        load.world.configure()  # the next start must not meet a mistake
    assert process
    process.send_signal(ending)
    code = process.wait(PATIENCE)
    load.done[ending.name] += 1
    if code != (0 if ending is signal.SIGTERM else -ending):
        load.wrong.append(f"it ended with exit code {code} after {ending.name}")


def _settle(world: World, say: Callable[[str], None]) -> Iterator[str]:
    """Let the last daemon come to rest in fine weather, and yield what is not as it should be."""
    for station in world.stations.values():
        station.is_calm = True
    world.configure()
    cold = world.cold()
    before = _starts(world)
    with daemon(world.site) as process:
        until(lambda: _starts(world) > before)  # it knows what the configuration names by then
        _ask_now(world)
        end = time.monotonic() + PATIENCE
        while (lived := published(world.site)) != cold and time.monotonic() < end:
            time.sleep(1)
        process.terminate()
        if process.wait(PATIENCE):
            yield "it did not end well"
    say(f"{len(cold)} files of a cold run, {len(lived)} of the one that lived")
    yield from (f"{path}: differs" for path in sorted(lived | cold) if lived.get(path) != cold.get(path))
    yield from (f"{path}: left" for path in (world.site / "public").rglob(".feeder-*"))


def _starts(world: World) -> int:
    return sum(line["event"] == "started" for line in logged(world.site / "log"))


def _ask_now(world: World) -> None:
    """Have all sources polled: one that has failed for long would be asked again only after hours."""
    program = [sys.executable, "-m", "feeder", "-c", str(world.site / "config.toml"), "poll", *NAMES, *world.stations]
    subprocess.run(program, check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)


def logged(log: Path) -> list[dict[str, Any]]:
    """Return the events of a log; the last of a daemon that was killed may be cut off."""
    found = []
    for line in log.read_text("utf-8").splitlines():
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


def main() -> int:
    """Run the trial as a program."""
    parser = argparse.ArgumentParser(description="A long life of the daemon, in which everything happens.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--folder", type=Path, help="where to live; it is kept")
    asked = parser.parse_args()
    with TemporaryDirectory(prefix="feeder-soak-") as folder:
        verdict = soak(asked.folder or Path(folder), seconds=asked.minutes * 60)
    print(verdict.text())
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
