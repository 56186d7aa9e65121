"""A daemon that is killed again and again while it works, and what a reader finds each time.

Articles come, change, move and go, in directories and in feeds on the web, whose server fails now and then; the daemon is
killed with all its processes, at any moment or in the midst of a step, and started again. What it leaves must be whole and
no older than what was there before; and in the end its feeds must be those of a daemon that nobody disturbed.

    python -m tests.endurance.kill --times 1000 --seed 1
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from jsonschema import Draft202012Validator
from lxml import etree
from web import Web, serving
from worlds import NO_HISTORY, Piece, SiteUnderTest, Trees, any_step, edit, scratch, site

from feeder import log
from feeder.render import assets

HERE = Path(__file__).parent
SCHEMAS = HERE.parent / "schemas"
ATOM = etree.RelaxNG(file=SCHEMAS / "atom.rng")
JSON_FEED = Draft202012Validator(json.loads((SCHEMAS / "jsonfeed.json").read_bytes()))

NAMES = ("first", "second")  # sources in which titles collide
ACTIONS = ("add", "add", "add", "edit", "edit", "rename", "copy", "delete")
PATIENCE = 60  # seconds for the daemon to begin, or to come to rest, on a slow machine
LONGEST = 0.5  # seconds that a daemon lives before its end is near
NEAR = 0.7  # seconds in which it is to come where it is meant to die
LOOK = 0.004  # seconds between two looks whether it is there
PAUSE = 0.08  # seconds between two edits, at most: of the fifth of a source that goes at once, an operator is asked
ASK = 0.03  # seconds between two requests
STARTED = re.compile(rb'"address": "([^"]+)"')
REST = 25  # kills between two rests, at which the feeds are compared
WISHES = (
    *("rename", "remove", "flush", "write", "commit", "state", "render", "scan", "parse", "ask", "start"),
    "",
    "",
    "",
)
MOST = {"ledger": 30, "ferries": 40, "gazette": 40}  # articles
LEAST = 5  # of a source that would ask what it is to mean if all were gone

DAY_ONE = datetime(2026, 3, 1, tzinfo=UTC)
CHANNEL = "<title>Harbour</title><link>https://harbour.example/</link><description>Ships.</description>"
ENTRY = (
    "<entry><id>https://harbour.example/{number}</id><title>{title}</title><published>{published}</published>"
    "<updated>{updated}</updated><category term='Ferries'/><link href='https://harbour.example/{number}'/>"
    "<content type='html'>{text}</content></entry>"
)
ITEM = (
    "<item><guid isPermaLink='false'>gazette-{number}</guid><title>{title}</title><pubDate>{published}</pubDate>"
    "<link>https://gazette.example/{number}</link><category>Gazette</category><description>{text}</description></item>"
)
FEED = "<feed xmlns='http://www.w3.org/2005/Atom'><id>https://harbour.example/</id><title>Harbour</title>{}</feed>"
URL_SOURCE = """
[[source]]
name = "{name}"
url = "{url}"
interval = "1s"
min_interval = "0s"
max_interval = "3s"
allow_private = ["127.0.0.0/8"]
"""


# ---------------------------------------------------------------- what is killed


@dataclass(slots=True, kw_only=True)
class Nursery:
    """A process whose copies are daemons, one at a time."""

    process: subprocess.Popen[str]
    notes: Path  # where they died
    _living: int | None = None

    def bear(self, wanted: str = "") -> int:
        """Start a daemon that dies at some step when it is looked at; return its number."""
        self._living = self._order({"wanted": wanted, "notes": str(self.notes)})
        return self._living

    def run_to(self, call: str, number: int) -> int:
        """Have a single run kill itself at some call of a function; return how it ended."""
        self._order({"call": call, "number": number})
        return self.bury()

    def bury(self) -> int:
        """Return the exit code of what was started last, once it has ended."""
        code = self._read()
        self._living = None
        return code

    def end(self) -> None:
        """End what lives, and all that it started."""
        if self._living:
            os.killpg(self._living, signal.SIGKILL)
            self.bury()

    def _order(self, order: Mapping[str, object]) -> int:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> int:
        assert self.process.stdout
        return int(self.process.stdout.readline())


@contextmanager
def nursery(site: SiteUnderTest, log: Path) -> Iterator[Nursery]:
    """Yield a nursery of daemons of *site*, which log to *log*."""
    command = [sys.executable, str(HERE / "nursery.py"), str(site.config_path)]
    with (
        log.open("w") as lines,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=lines, text=True) as process,
    ):
        born = Nursery(process=process, notes=log.with_name("notes"))
        try:
            yield born
        finally:
            born.end()


# ---------------------------------------------------------------- the load


class Desk(Trees):
    """Trees that are written as editors and generators do: in place, bit by bit, or renamed into place."""

    def put(self, place: tuple[str, str], piece: Piece) -> None:
        """Write a file, or write over one."""
        stamp = next(self._stamps)
        scrawl(self._path(place), piece.text(), stamp=stamp, is_in_place=bool(stamp // 10**9 % 2))
        self.held[place] = piece
        self.ever.add(piece)


def scrawl(path: Path, text: str, *, stamp: int, is_in_place: bool) -> None:
    """Write a file bit by bit, perhaps elsewhere at first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    target = path if is_in_place else path.with_name(".new")
    body = text.encode()
    with target.open("wb", buffering=0) as file:
        for start in range(0, len(body), 50):
            file.write(body[start : start + 50])
    os.utime(target, ns=(stamp, stamp))  # a clock that ticks slower than we write would hide an edit
    target.replace(path)


@dataclass(slots=True, kw_only=True)
class Story:
    """An article that is in one place only; each of its revisions is dated later than all others were."""

    number: int
    kind: str
    revision: int = 0

    @property
    def title(self) -> str:
        """Its title, which is nobody else's, and stays."""
        return f"{self.kind} {self.number}"

    @property
    def published(self) -> datetime:
        """Its date, which stays."""
        return DAY_ONE + timedelta(hours=self.number)

    @property
    def updated(self) -> datetime:
        """The time of its revision."""
        return DAY_ONE + timedelta(days=30, minutes=self.revision)

    @property
    def text(self) -> str:
        """The body of its revision."""
        return f"Revision {self.revision} of {self.title}. " * (1 + self.revision % 7)

    def document(self) -> str:
        """Return it as a file."""
        dates = f"date: {self.published.isoformat()}\nupdated: {self.updated.isoformat()}"
        return f"---\ntitle: {self.title}\n{dates}\ncategories: [Ledger]\n---\n{self.text}\n"

    def entry(self) -> str:
        """Return it as an entry of Atom."""
        return ENTRY.format(
            number=self.number,
            title=self.title,
            text=self.text,
            published=self.published.isoformat(),
            updated=self.updated.isoformat(),
        )

    def item(self) -> str:
        """Return it as an item of RSS, which has no date of a revision."""
        date = self.published.strftime("%d %b %Y %H:%M:%S GMT")
        return ITEM.format(number=self.number, title=self.title, text=self.title, published=date)


@dataclass(slots=True, kw_only=True)
class Ledger:
    """A directory of stories."""

    root: Path
    random: Random
    revisions: Iterator[int]
    held: dict[Path, Story] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)  # titles that were deleted, and may be shown for a while
    _places: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        for _ in range(LEAST):
            self._add()

    def step(self) -> None:
        """Do one thing."""
        action = self.random.choice(("add", "edit", "edit", "rename", "delete"))
        if action == "add" and len(self.held) < MOST["ledger"]:
            self._add()
        elif action == "rename":
            path, to = self._any(), self._place()
            to.parent.mkdir(parents=True, exist_ok=True)
            path.replace(to)
            self.held[to] = self.held.pop(path)
        elif action == "delete" and len(self.held) > LEAST:
            path = self._any()
            path.unlink()
            self.gone.add(self.held.pop(path).title)
        else:
            path = self._any()
            self._write(path, self.held[path])

    def rest(self) -> None:
        """Begin anew: all has been seen."""
        self.gone.clear()

    def _add(self) -> None:
        """Add a story, which may be one that was there before the last rest."""
        taken = self.gone | {story.title for story in self.held.values()}
        stories = (Story(number=number, kind="Ledger") for number in range(10 * MOST["ledger"]))
        free = [story for story in stories if story.title not in taken]
        self._write(self._place(), self.random.choice(free[: MOST["ledger"]]))

    def _write(self, path: Path, story: Story) -> None:
        story.revision = next(self.revisions)
        stamp = 1_700_000_000_000_000_000 + story.revision * 1_000_000_000
        scrawl(path, story.document(), stamp=stamp, is_in_place=self.random.random() < 0.3)
        self.held[path] = story

    def _any(self) -> Path:
        return self.random.choice(sorted(self.held))

    def _place(self) -> Path:
        return self.root / self.random.choice(("", "north", "south/deep")) / f"{next(self._places)}.md"


@dataclass(slots=True, kw_only=True)
class Agency:
    """Feeds on the web, with validators, from a server that fails or takes its time now and then."""

    web: Web
    random: Random
    revisions: Iterator[int]
    is_calm: bool = False
    ferries: list[Story] = field(default_factory=list)
    gazette: list[Story] = field(default_factory=list)
    _first: dict[str, int] = field(default_factory=lambda: {"ferries": 0, "gazette": 0})  # that are offered still

    def __post_init__(self) -> None:
        self.web.let("/ferries.xml", lambda request: self._answer(request, self._atom()))
        self.web.let("/gazette.xml", lambda request: self._answer(request, self._rss()))
        for _ in range(LEAST):
            self._add(self.ferries, "Ferry")
            self._add(self.gazette, "Gazette")

    def step(self) -> None:
        """Do one thing."""
        if self.random.random() < 0.1 and len(self.gazette) < MOST["gazette"]:
            self._add(self.gazette, "Gazette")
        elif self.random.random() < 0.3 and len(self.ferries) < MOST["ferries"]:
            self._add(self.ferries, "Ferry")
        else:
            self.random.choice(self.ferries[self._first["ferries"] :]).revision = next(self.revisions)

    def scroll(self) -> None:
        """Offer only the newest from now on."""
        self._first = {"ferries": len(self.ferries) - LEAST, "gazette": len(self.gazette) - LEAST}

    def _add(self, stories: list[Story], kind: str) -> None:
        stories.append(Story(number=len(stories), kind=kind, revision=next(self.revisions)))

    def _atom(self) -> str:
        return FEED.format("".join(story.entry() for story in self.ferries[self._first["ferries"] :]))

    def _rss(self) -> str:
        items = "".join(story.item() for story in self.gazette[self._first["gazette"] :])
        return f"<rss version='2.0'><channel>{CHANNEL}{items}</channel></rss>"

    def _answer(self, request: BaseHTTPRequestHandler, text: str) -> None:
        body = text.encode()
        etag = f'"{hash(text):x}"'
        mood = 1.0 if self.is_calm else self.random.random()
        if mood < 0.03:
            request.send_error(503)
            return
        if mood < 0.3:
            time.sleep(mood)
        is_known = request.headers.get("If-None-Match") == etag
        request.send_response(304 if is_known else 200)
        request.send_header("ETag", etag)
        if not is_known:
            request.send_header("Content-Type", "application/xml")
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if not is_known:
            request.wfile.write(body[: len(body) // 2] if mood < 0.06 else body)
        request.close_connection = True


# ---------------------------------------------------------------- the world


@dataclass(slots=True, kw_only=True)
class World:
    """Articles, the site that is killed over and over, and one like it that nobody disturbs."""

    folder: Path
    web: Web
    random: Random
    history: str = NO_HISTORY
    has_web: bool = True  # among its sources
    trees: Desk = field(init=False)
    ledger: Ledger = field(init=False)
    agency: Agency = field(init=False)
    site: SiteUnderTest = field(init=False)
    twin: SiteUnderTest = field(init=False)
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        revisions = count(1)
        self.trees = Desk(root=self.folder / "articles", names=NAMES)
        self.ledger = Ledger(root=self.folder / "articles" / "ledger", random=self.random, revisions=revisions)
        self.agency = Agency(web=self.web, random=Random(self.random.random()), revisions=revisions)
        self.site = self._any_site("killed", listen="127.0.0.1:0")
        self.twin = self._any_site("undisturbed")
        self.reader = Reader(public=self.site.public, memory=Memory(gone=self.ledger.gone))
        for number, name in enumerate(NAMES):  # a source that lost everything would ask what that is to mean
            always = Piece(title=0, day=20 + number, body=1)
            Trees.put(self.trees, (name, "kept.md"), always)
            del self.trees.held[name, "kept.md"]
        for _ in range(40):
            self.edit()

    def edit(self) -> None:
        """Do one thing, anywhere."""
        where = self.random.random()
        if where < 0.5:
            edit(any_step(self.random, names=NAMES, actions=ACTIONS), self.trees)
        elif where < 0.8:
            self.ledger.step()
        else:
            self.agency.step()

    def edit_for(self, seconds: float) -> None:
        """Do things for some time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, self.random.uniform(0, PAUSE)))
            self.edit()

    def _any_site(self, name: str, *, listen: str = "") -> SiteUnderTest:
        places = {tree: self.folder / "articles" / tree for tree in (*NAMES, "ledger")}
        at_once = dict.fromkeys(places, 'interval = "1s"\nwatch = true')
        feeds = 'settle = "0s"\nentries = 300\nwindow = "0s"'
        made = site(self.folder / name, places, feeds=feeds, history=self.history, sources=at_once)
        text = made.config_path.read_text("utf-8").replace('listen = ""', f'listen = "{listen}"')
        for source in ("ferries", "gazette") if self.has_web else ():
            text += URL_SOURCE.format(name=source, url=f"{self.web.url}/{source}.xml")
        made.config_path.write_text(text, "utf-8")
        return made


@contextmanager
def world(seed: int, *, history: str = NO_HISTORY, has_web: bool = True) -> Iterator[World]:
    """Yield a new world; what happens in it depends on *seed*, as far as the machine lets it."""
    with scratch() as folder, serving() as web:
        yield World(folder=folder, web=web, random=Random(seed), history=history, has_web=has_web)


# ---------------------------------------------------------------- what is left


@dataclass(slots=True, kw_only=True)
class Memory:
    """What somebody has read, which must never become older or less, but for stories that are gone."""

    gone: set[str]
    ids: dict[str, str] = field(default_factory=dict)  # by title, for ever
    updated: dict[tuple[str, str], datetime] = field(default_factory=dict)  # by feed and title

    def take(self, feed: str, body: bytes) -> None:
        """Read a feed of Atom, and compare it with what it was."""
        root = etree.fromstring(body)
        assert ATOM.validate(root), (feed, ATOM.error_log)
        entries = {str(entry.findtext("{*}title")): entry for entry in root.iterfind("{*}entry")}
        stories = {
            title: entry for title, entry in entries.items() if title.split()[0] in {"Ledger", "Ferry", "Gazette"}
        }
        for title, entry in stories.items():
            id_ = str(entry.findtext("{*}id"))
            assert self.ids.setdefault(title, id_) == id_, (feed, title)
            updated = datetime.fromisoformat(str(entry.findtext("{*}updated")))
            assert updated >= self.updated.get((feed, title), updated), (feed, title)
            self.updated[feed, title] = updated
        lost = self._expected(feed) - stories.keys()
        assert not lost, (feed, lost)

    def assert_there(self, feed: str) -> None:
        """A feed that was there must be there."""
        assert not self._expected(feed), f"{feed} is gone"

    def forget(self) -> None:
        """Expect what is gone in no feed any more; its id stays."""
        for key in [key for key in self.updated if key[1] in self.gone]:
            del self.updated[key]

    def _expected(self, feed: str) -> set[str]:
        return {title for seen, title in self.updated if seen == feed} - self.gone


@dataclass(slots=True, kw_only=True)
class Reader:
    """Reads every file that is published, each time that it has changed."""

    public: Path
    memory: Memory
    _read: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def look(self) -> int:
        """Read what has changed; return how many files that were. All must be whole, valid and no older than before."""
        found = {path: path.stat() for path in self.public.rglob("[!.]*.*") if path.is_file()}
        stamps = {path: (status.st_mtime_ns, status.st_ino) for path, status in found.items()}
        changed = [path for path, stamp in stamps.items() if self._read.get(path) != stamp]
        for path in changed:
            self._assert_valid(path)
        for path in self._read.keys() - stamps.keys():
            self.memory.assert_there(str(path.relative_to(self.public)))
        self._read = stamps
        return len(changed)

    def _assert_valid(self, path: Path) -> None:
        body = path.read_bytes()
        if path.suffix == ".html":
            assert body.rstrip().endswith(b"</html>"), path
        elif path.parent.name == "assets":
            assert body == assets.files("en")[f"assets/{path.name}"], path
        elif path.suffix == ".json":
            _assert_distinct(path, _ids_of_json(path.name, body))
        else:
            _assert_distinct(path, _ids_of_xml(body))
            if path.name == "atom.xml":
                self.memory.take(str(path.relative_to(self.public)), body)


def _assert_distinct(path: Path, ids: list[str]) -> None:
    assert len(set(ids)) == len(ids), path


def _ids_of_json(name: str, body: bytes) -> list[str]:
    found = json.loads(body)
    if name == "feed.json":
        JSON_FEED.validate(found)
    return [item["id"] for item in found.get("items", ())]


def _ids_of_xml(body: bytes) -> list[str]:
    root = etree.fromstring(body)
    return [str(each.text) for each in (*root.iterfind("{*}entry/{*}id"), *root.iterfind("channel/item/guid"))]


def assert_whole(world: World) -> None:
    """Every feed is whole, valid and no older than before, and the state is one."""
    world.reader.look()
    assert_state_is_whole(world.site.config_path.parent / "state.db", world.folder / "copy.db")


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


def strays(world: World) -> set[Path]:
    """Return files that wait to take the place of others."""
    return set(world.site.public.rglob(".feeder-*"))


def differences(world: World) -> dict[str, tuple[bytes | None, bytes | None]]:
    """Return the files that differ from those of the site that nobody disturbed."""
    lived, calm = world.site.files(), world.twin.files()
    return {path: (lived.get(path), calm.get(path)) for path in lived | calm if lived.get(path) != calm.get(path)}


def rest(scene: World) -> None:
    """Have the site that nobody disturbs see what there is."""
    scene.agency.is_calm = True
    for _ in range(3):  # what is missing is gone when it is missing twice
        scene.twin.run(datetime.now(UTC))


def assert_converged(scene: World) -> None:
    """After runs that nobody disturbs, the feeds are those of the site that nobody disturbed."""
    rest(scene)
    for _ in range(3):
        scene.site.run(datetime.now(UTC))
        assert not strays(scene)
    assert differences(scene) == {}
    go_on(scene)


def go_on(scene: World) -> None:
    """Begin anew after a rest, at which all has been seen."""
    scene.reader.look()
    scene.reader.memory.forget()
    scene.ledger.rest()
    scene.agency.scroll()
    scene.agency.is_calm = False


# What may be told of an article that is written to, or has gone, when its turn comes.
EXPECTED = ("its document is not what it was when it was polled", "none of its articles can be read now; its last good")


def assert_nothing_failed(log: Path) -> None:
    """Nothing was logged that somebody should look at, but that a server failed which did."""
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    bad = [line for line in lines if line["level"] not in {"info", "debug"}]
    bad = [line for line in bad if (line["event"], line.get("source")) not in FAILING]
    assert [line for line in bad if not str(line.get("reason")).startswith(EXPECTED)] == []


FAILING = {("poll_failed", source) for source in ("ferries", "gazette")}


# ---------------------------------------------------------------- the trial


@dataclass(slots=True, kw_only=True)
class Subscriber:
    """Asks the daemon's server for feeds all the time, and is cut off whenever that is killed."""

    log: Path
    memory: Memory
    random: Random
    begins: int = 0  # in the log, the life of the daemon that is to be asked
    answers: int = 0
    cut_off: int = 0
    away: threading.Lock = field(default_factory=threading.Lock)  # held while it is not to ask
    _fault: AssertionError | None = None
    _ends: threading.Event = field(default_factory=threading.Event)

    def go_on(self) -> None:
        """Ask until `end` is called; for a thread of its own."""
        while not self._ends.wait(ASK) and self._fault is None:
            with self.away:
                try:
                    self._ask()
                except AssertionError as fault:
                    self._fault = fault

    def check(self) -> None:
        """Fail if it found a fault."""
        if self._fault:
            raise self._fault

    def end(self) -> None:
        """Ask no more."""
        self._ends.set()

    def _ask(self) -> None:
        address = address_of(self.log, self.begins)
        feed = self.random.choice(("", "categories/ledger/", "categories/ferries/", "categories/gazette/")) + "atom.xml"
        try:
            with urlopen(f"{address}{feed}", timeout=PATIENCE) as response:  # noqa: S310 - our own server
                self.memory.take(feed, response.read())
                self.answers += 1
        except HTTPError as error:
            with error:
                self.memory.assert_there(feed)
            if error.code != HTTPStatus.NOT_FOUND:
                raise AssertionError(f"{feed}: {error}") from error
        except (OSError, ValueError, HTTPException):  # a ValueError: there is no address yet
            self.cut_off += 1


def address_of(log: Path, begins: int) -> str | None:
    """Return the address of the server that was started last, as the log tells it from some place on."""
    with log.open("rb") as lines:
        lines.seek(begins)
        started = [line for line in lines if b'"event": "started"' in line and line.endswith(b"}\n")]
    found = STARTED.search(started[-1]) if started else None
    return found[1].decode() if found else None


@dataclass(slots=True, kw_only=True)
class Trial:
    """Kills a daemon over and over."""

    scene: World
    place: Nursery
    log: Path
    subscriber: Subscriber
    seen: int = 0  # files that were read after a kill
    rests: int = 0
    _old: set[Path] = field(default_factory=set)

    def kill(self) -> None:
        """Let a daemon live for a while, kill it, and look at what it leaves."""
        self.subscriber.check()
        begins, random = self._next_life(), self.scene.random
        daemon = self.place.bear(random.choice(WISHES))
        self.scene.edit_for(random.uniform(0, LONGEST))
        code = self._end(daemon)
        self._next_life()  # the port may be another program's by now
        assert code == -signal.SIGKILL, f"it ended by itself: {code}"
        self.seen += self.scene.reader.look()
        assert_whole(self.scene)
        left = strays(self.scene)
        if address_of(self.log, begins):
            assert not left & self._old, "what was left before was not swept"
        self._old = left

    def settle(self) -> None:
        """Let a daemon live until its feeds are those of the site that nobody disturbed; it ends when it is told to."""
        self.rests += 1
        with self.subscriber.away:
            self._settle()

    def _settle(self) -> None:
        rest(self.scene)
        daemon = self.place.bear()
        end = time.monotonic() + PATIENCE
        while not _is_equal(self.scene):
            assert time.monotonic() < end, sorted(differences(self.scene))
            time.sleep(0.1)
        os.kill(daemon, signal.SIGTERM)
        assert self.place.bury() == 0
        assert differences(self.scene) == {}
        assert not strays(self.scene)
        assert_whole(self.scene)
        self.subscriber.memory.forget()
        go_on(self.scene)

    def figures(self) -> Counter[str]:
        """Return how often it was killed in the course of what."""
        return Counter(self.place.notes.read_text("utf-8").splitlines())

    def _next_life(self) -> int:
        self.subscriber.begins = self.log.stat().st_size
        return self.subscriber.begins

    def _end(self, daemon: int) -> int:
        """Look whether it is where it is meant to die, work going on; at last, kill it wherever it is."""
        end = time.monotonic() + NEAR
        while time.monotonic() < end and _is_alive(daemon):
            _signal(daemon, signal.SIGUSR1)
            if self.scene.random.random() < LOOK / PAUSE:
                self.scene.edit()
            time.sleep(LOOK)
        _signal(daemon, signal.SIGUSR2)
        end = time.monotonic() + 1
        while time.monotonic() < end and _is_alive(daemon):
            time.sleep(LOOK)
        with suppress(ProcessLookupError):
            os.killpg(daemon, signal.SIGKILL)
        return self.place.bury()


def _is_equal(scene: World) -> bool:
    try:
        return not differences(scene)
    except FileNotFoundError:  # it is writing
        return False


def _signal(daemon: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(daemon, number)


def _is_alive(daemon: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{daemon}/stat").read_text("utf-8").rpartition(")")[2].split()[0] not in {"Z", "X"}
    return False


@contextmanager
def trial(seed: int, folder: Path) -> Iterator[Trial]:
    """Yield a trial in a new world; its log is in *folder*."""
    lines = folder / "log"
    with world(seed) as scene, nursery(scene.site, lines) as place:
        subscriber = Subscriber(log=lines, memory=Memory(gone=scene.ledger.gone), random=Random(seed))
        asking = threading.Thread(target=subscriber.go_on)
        asking.start()
        try:
            yield Trial(scene=scene, place=place, log=lines, subscriber=subscriber)
        except BaseException:
            print(*deque(lines.open(), 50), sep="")
            raise
        finally:
            subscriber.end()
            asking.join()
        subscriber.check()
    assert_nothing_failed(lines)


def endure(one: Trial, *, times: int, tell: Callable[[int], None] = lambda _: None) -> None:
    """Kill so often, and let it rest now and then and at the end."""
    for number in range(1, times + 1):
        one.kill()
        if number % REST == 0 or number == times:
            one.settle()
            tell(number)


@contextmanager
def kept(one: Trial, folder: Path | None) -> Iterator[None]:
    """Copy the world and the log to *folder* if the trial fails."""
    try:
        yield
    except BaseException:
        if folder:
            shutil.copytree(one.scene.folder, folder, dirs_exist_ok=True)
            shutil.copy(one.log, folder)
        raise


def main(arguments: Any = None) -> None:
    """Do the trial and print what came of it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.endurance.kill", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--times", type=int, default=1000, help="kills (1000)")
    parser.add_argument("--seed", type=int, default=1, help="of what happens (1)")
    parser.add_argument("--keep", type=Path, help="a directory to copy everything to if it fails")
    asked = parser.parse_args(arguments)
    log.configure("error")
    began = time.monotonic()
    with scratch() as folder, trial(asked.seed, folder) as one, kept(one, asked.keep):
        endure(one, times=asked.times, tell=lambda number: print(number, "kills", flush=True))
        for moment, number in one.figures().most_common():
            print(f"{number:6} {moment}")
        minutes = (time.monotonic() - began) / 60
        print(
            f"{asked.times} kills, seed {asked.seed}, {minutes:.1f} minutes; {one.rests} times at rest: the feeds of an"
        )
        print(
            f"undisturbed daemon; {one.seen} files and {one.subscriber.answers} answers of its server read on the way: all valid"
        )


if __name__ == "__main__":
    main()
