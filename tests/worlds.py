"""Builders of small worlds: trees of articles, sites that publish them, histories of what editors do, and crashes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import strategies as st

from feeder import asking, config
from feeder.app import App
from feeder.opening import opened
from feeder.pipeline.edition import Published
from feeder.pipeline.polling import Polled

START = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MEMORY = Path("/dev/shm")  # noqa: S108 - laws write many thousands of small files; a disk would take a minute for them

NOBODY = 65534

SITE = """\
[site]
title = "Example newsroom"
url = "https://feeds.example.org/"
id = "feeds.example.org,2026"
timezone = "{timezone}"

[feeds]
{history}
{feeds}

[storage]
state = "sqlite:///state.db"
output = "public"

[server]
listen = ""

[defaults]
withdraw_after = "0s"
"""

NO_HISTORY = 'archive = 0\ndeletions = "0s"'  # what feeds tell of the past is no function of the articles


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield an empty directory, in memory where there is such a place."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be nobody for a while, whom permissions stop; without being root, one is stopped anyway."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


# ---------------------------------------------------------------- articles


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """An article as an editor sees it; numbers choose from small alphabets, so that pieces often collide."""

    title: int
    day: int
    spelling: int = 0
    hour: int = 1
    body: int = 0
    categories: int = 0
    author: int = 0
    image: int = 0
    summary: int = 0
    is_dated_anew: bool = True  # has an `updated` of its own
    has_guid: bool = False
    is_draft: bool = False

    def text(self) -> str:
        """Return the document. Nothing but the title and the day decides about the guid."""
        lines = [
            f"title: {json.dumps(self.title_text)}",
            f"date: 2026-02-{self.day:02} {self.hour:02}:00:00 +0000",
            f"categories: {json.dumps(CATEGORIES[self.categories], ensure_ascii=False)}",
            *([f"author: {AUTHORS[self.author]}"] if self.author else []),
            *([f"cover: {IMAGES[self.image]}"] if self.image else []),
            *([f"excerpt: {SUMMARIES[self.summary]}"] if self.summary else []),
            *([f"updated: 2026-02-{self.body + 10:02} 05:00:00 +0000"] if self.is_dated_anew else []),
            *([f"guid: piece-{self.title}-{self.day}"] if self.has_guid else []),
            *(["draft: true"] if self.is_draft else []),
        ]
        return "\n".join(["---", *lines, "---", self.body_text])

    @property
    def title_text(self) -> str:
        """The title as it is spelled; all spellings are one title."""
        return SPELLINGS[self.spelling](TITLES[self.title])

    @property
    def body_text(self) -> str:
        """The body; it names the title, so that a file with another title is another text."""
        return f"<p>{TITLES[self.title]}</p>{BODIES[self.body]}" if self.body else ""

    @property
    def key(self) -> tuple[int, int]:
        """What makes two pieces one article."""
        return self.title, self.day

    def at(self, folder: str, number: int) -> str:
        """Return a locator that can only ever hold this title and day."""
        return f"{folder}/{self.title}-{self.day}-{number}.md"


TITLES = ("Floods in the north", "★★★", "Ein Café öffnet", "新书发布")
SPELLINGS: tuple[Callable[[str], str], ...] = (str, str.upper, lambda title: f"  {title.replace(' ', '   ')} ")
BODIES = ("", "<p>One.</p>", "<p>Two &amp; three.</p>", "<p>Four</p><img src='https://img.example/4.png'>", "<div>5")
AUTHORS = ("", "Ann", "Bo & Co")
IMAGES = ("", "https://img.example/a.jpg", "https://img.example/b.webp")
SUMMARIES = ("", "In short.", "In <b>other</b> words.")
CATEGORIES: tuple[Any, ...] = (
    [],
    ["News"],
    ["NEWS", "Local"],
    ["News", "local"],
    [["News", "Local"], ["Sport"]],
    ["C++"],
    ["C#"],
    ["社区", "读者来信"],
)


def pieces(*, titles: range = range(4), dated_anew: st.SearchStrategy[bool] | None = None) -> st.SearchStrategy[Piece]:
    """Draw any piece with one of some titles."""
    return st.builds(
        Piece,
        title=st.sampled_from(titles),
        day=st.sampled_from((3, 4)),
        spelling=st.integers(0, len(SPELLINGS) - 1),
        hour=st.sampled_from((1, 7)),
        body=st.integers(0, len(BODIES) - 1),
        categories=st.integers(0, len(CATEGORIES) - 1),
        author=st.integers(0, len(AUTHORS) - 1),
        image=st.integers(0, len(IMAGES) - 1),
        summary=st.integers(0, len(SUMMARIES) - 1),
        is_dated_anew=st.booleans() if dated_anew is None else dated_anew,
        has_guid=st.booleans(),
        is_draft=st.sampled_from((False, False, False, False, False, True)),
    )


# ---------------------------------------------------------------- trees


@dataclass(slots=True, kw_only=True)
class Trees:
    """Directories of articles, by source, and what is written in each file now."""

    root: Path
    names: tuple[str, ...] = ("first", "second", "third")
    habit: Callable[[Piece], Piece] = lambda piece: piece
    held: dict[tuple[str, str], Piece] = field(default_factory=dict)
    ever: set[Piece] = field(default_factory=set)
    _stamps: Iterator[int] = field(default_factory=lambda: count(1_700_000_000_000_000_000, 1_000_000_000))

    def __post_init__(self) -> None:
        for name in self.names:
            (self.root / name).mkdir(parents=True)

    def put(self, place: tuple[str, str], piece: Piece) -> None:
        """Write a file, or write over one."""
        piece = self.habit(piece)
        path = self._path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(piece.text(), encoding="utf-8")
        stamp = next(self._stamps)  # a clock that ticks slower than we write would hide an edit
        os.utime(path, ns=(stamp, stamp))
        self.held[place] = piece
        self.ever.add(piece)

    def rename(self, place: tuple[str, str], to: tuple[str, str]) -> None:
        """Move a file, keeping its time and inode."""
        self._path(to).parent.mkdir(parents=True, exist_ok=True)
        self._path(place).replace(self._path(to))
        self.held[to] = self.held.pop(place)

    def delete(self, place: tuple[str, str]) -> None:
        """Remove a file."""
        self._path(place).unlink()
        del self.held[place]

    def rewrite(self, *, tail: str = "") -> None:
        """Write every file again, with something at its end."""
        for place, piece in self.held.items():
            stamp = next(self._stamps)
            self._path(place).write_text(piece.text() + tail, encoding="utf-8")
            os.utime(self._path(place), ns=(stamp, stamp))

    def _path(self, place: tuple[str, str]) -> Path:
        return self.root / place[0] / place[1]


def spoken(piece: Piece) -> Piece:
    """Two titles are edited at will, but say so in `updated`; the others have one text for good."""
    return replace(piece, is_dated_anew=True) if piece.title < len(TITLES) // 2 else replace(piece, body=1)


# ---------------------------------------------------------------- sites


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteUnderTest:
    """A config with its state and output, in a directory of its own."""

    config_path: Path

    @property
    def public(self) -> Path:
        """The output directory."""
        return self.config_path.parent / "public"

    @contextmanager
    def opened(self, *, workers: int = 0) -> Iterator[App]:
        """Yield the whole, opened."""
        with opened(config.load(self.config_path), workers=workers) as app:
            yield app

    def run(self, now: datetime, *, workers: int = 0, names: Iterable[str] | None = None) -> Ran:
        """Do what `feeder once` does, at *now*; what has gone from a source altogether is accepted."""
        with self.opened(workers=workers) as app:
            return run(app, now, names=names)

    def become(self, other: SiteUnderTest) -> None:
        """Take over the state and the output of another site over the same trees.

        The output is linked, so that its files are those that were published: whoever wrote into one would change both.
        """
        shutil.rmtree(self.config_path.parent)
        shutil.copytree(other.config_path.parent, self.config_path.parent, ignore=lambda _, __: ["public"])
        shutil.copytree(other.public, self.public, copy_function=os.link)

    def files(self) -> dict[str, bytes]:
        """Return every published file."""
        return {str(p.relative_to(self.public)): p.read_bytes() for p in self.public.rglob("*") if p.is_file()}

    def stamps(self) -> dict[str, tuple[int, int]]:
        """Return what would move if a file or directory were touched."""
        found = {path: path.stat() for path in self.config_path.parent.glob("public/**/*")}
        return {str(path): (status.st_mtime_ns, status.st_ino) for path, status in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What one run came to."""

    polls: tuple[Polled, ...]
    published: Published


def run(app: App, now: datetime, *, names: Iterable[str] | None = None) -> Ran:
    """Poll and publish."""
    app.prepare(now)
    polls = tuple(_poll(app, name, now) for name in (app.parts.sources if names is None else names))
    return Ran(polls=polls, published=app.publish(now, settle=timedelta()))


def _poll(app: App, name: str, now: datetime) -> Polled:
    if app.is_remote(name):
        return asking.poll(app, [name], now)[0]
    polled = app.poll(name, now)
    if polled.error is None:
        return polled
    with app.store.transaction():
        app.store.accept(name, now)
    return app.poll(name, now)


def site(
    folder: Path,
    trees: Mapping[str, Path],
    *,
    feeds: str = 'entries = 3\nwindow = "0s"',
    history: str = NO_HISTORY,
    timezone: str = "Asia/Shanghai",
    sources: Mapping[str, str] | None = None,
) -> SiteUnderTest:
    """Write a config over *trees*; *sources* holds further lines of one of them."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [SITE.format(timezone=timezone, history=history, feeds=feeds)]
    for name, path in trees.items():
        parts.append(f"[[source]]\nname = {json.dumps(name)}\npath = {json.dumps(str(path))}\n")
        parts.append((sources or {}).get(name, ""))
    path = folder / "config.toml"
    path.write_text("\n".join(parts), encoding="utf-8")
    return SiteUnderTest(config_path=path)


def site_of(trees: Trees, name: str, *, sources: Mapping[str, str] | None = None) -> SiteUnderTest:
    """Return a new site over all of *trees*."""
    places = {tree: trees.root / tree for tree in trees.names}
    return site(trees.root / "sites" / name, places, sources=sources)


# ---------------------------------------------------------------- histories


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that an editor or the daemon does. `pick` chooses among the files that are there."""

    action: str
    piece: Piece
    place: tuple[str, str, int]  # source, folder, number
    pick: int
    order: tuple[str, ...]


def steps(piece: st.SearchStrategy[Piece], *, names: tuple[str, ...]) -> st.SearchStrategy[Step]:
    """Draw any step."""
    actions = ("add", "add", "edit", "edit", "rename", "copy", "delete", "delete", "poll", "poll")
    return st.builds(
        Step,
        action=st.sampled_from(actions),
        piece=piece,
        place=st.tuples(st.sampled_from(names), st.sampled_from(("x", "y")), st.integers(0, 1)),
        pick=st.integers(0, 30),
        order=st.permutations(names).map(tuple),
    )


def any_step(random: Random, *, names: tuple[str, ...], actions: Sequence[str]) -> Step:
    """Return anything that an editor does, one of *actions*; those that come more often stand there more often."""
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
    place = (random.choice(names), random.choice("xyz"), random.randrange(2))
    return Step(action=random.choice(actions), piece=piece, place=place, pick=random.randrange(1000), order=names)


def live(history: Iterable[Iterable[Step]], trees: Trees, site: SiteUnderTest) -> datetime:
    """Do all of *history*, the daemon being started anew for each part of it; return the time it ends at.

    Titles and days of known places never change, and what has gone from a source altogether is accepted.
    """
    now = START
    for part in history:
        with site.opened() as app:
            for step in part:
                now += MINUTE
                if step.action == "poll":
                    run(app, now, names=step.order[: 1 + step.pick % len(step.order)])
                else:
                    edit(step, trees)
    return now


def edit(step: Step, trees: Trees) -> None:
    """Do one thing to the files."""
    source, folder, number = step.place
    if step.action == "add" or not trees.held:
        trees.put((source, step.piece.at(folder, number)), step.piece)
        return
    place, piece = sorted(trees.held.items(), key=lambda item: item[0])[step.pick % len(trees.held)]
    target = (source, piece.at(folder, number))
    if step.action == "edit":
        trees.put(place, replace(step.piece, title=piece.title, day=piece.day))
    elif step.action == "delete":
        trees.delete(place)
    elif target != place:
        (trees.rename if step.action == "rename" else _copy_in(trees))(place, target)


def _copy_in(trees: Trees) -> Callable[[tuple[str, str], tuple[str, str]], None]:
    return lambda place, to: trees.put(to, trees.held[place])


# ---------------------------------------------------------------- crashes


class Crash(BaseException):
    """The process is gone; nothing of ours catches it."""


class Fuse:
    """Counts calls down, and blows in place of the last."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def guard(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return *call*, guarded by this fuse."""

        def guarded(*args: Any, **kwargs: Any) -> Any:
            self.calls -= 1
            if self.calls == 0:
                raise Crash
            return call(*args, **kwargs)

        return guarded


class Fused:
    """An edge whose every call goes through a fuse."""

    def __init__(self, edge: object, fuse: Fuse) -> None:
        self._edge = edge
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._edge, name)
        return call if name == "close" else self._fuse.guard(call)


def fuse(app: App, blown: Fuse) -> None:
    """Put a fuse between the pipeline and its edges."""
    app.parts = replace(app.parts, store=Fused(app.parts.store, blown), output=Fused(app.parts.output, blown))
