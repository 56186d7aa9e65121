"""What is measured: a function for each name."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Final

from benchmarks import Wrong, corpus, feeds
from benchmarks.churn import Churn
from benchmarks.contenders import Contender, Feeder, Hugo
from benchmarks.corpus import Story
from benchmarks.processes import Command, Cost, Held, await_that, cpu_seconds, held, running, timed, weighed

NEW: Final = 50  # articles that a rewritten tree has more
SINGLE: Final = 20  # articles that come one by one
PATIENCE_SECONDS: Final = 120.0  # for the feeds of one article
SETTLE_SECONDS: Final = 5.0  # until a daemon that has started has nothing to do
A_SECOND: Final = 1.0  # no generator runs in the second of the poll before, and dates are whole seconds
PAUSE_SECONDS: Final = 0.5  # between articles that come one by one
MB: Final = 1e6
STARTED: Final = '"event": "started"'
GONE_AT_ONCE: Final = 'withdraw_after = "1s"'
AT_ONCE: Final = 'settle = "0s"'  # else the second article in ten seconds waits
NO_HISTORY: Final = 'archive = 0\ndeletions = "0s"'  # a first build has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    work: str
    ours: str
    peer: str = "-"
    ratio: str = "-"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all measurements share."""

    folder: Path
    count: int
    runs: int
    seconds: float
    feeds: int
    hugo: Path | None

    @cached_property
    def stories(self) -> tuple[Story, ...]:
        """All articles."""
        return corpus.stories(self.count)

    @cached_property
    def articles(self) -> Path:
        """The tree, which nobody changes; made when it is needed."""
        root = self.folder / f"articles-{self.count}-{_version()}"
        whole = root.with_suffix(".whole")
        if not whole.exists():
            shutil.rmtree(root, ignore_errors=True)
            corpus.write(root, self.stories)
            whole.touch()
        return root

    @property
    def feeder(self) -> Feeder:
        """Our site."""
        return Feeder(folder=self.folder / "feeder", articles=self.articles)

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """Our site and the peer's, if it is there."""
        return self.over(self.articles)

    def over(self, articles: Path) -> tuple[Contender, ...]:
        """Return the same sites over another tree."""
        ours = Feeder(folder=self.folder / "feeder", articles=articles)
        if self.hugo is None:
            return (ours,)
        return ours, Hugo(folder=self.folder / "hugo", articles=articles, program=self.hugo)

    def own_tree(self) -> Path:
        """Return a tree like that of all, which may be changed."""
        root = self.folder / "own"
        shutil.rmtree(root, ignore_errors=True)
        corpus.write(root, self.stories)
        return root


def cold(bench: Bench) -> Iterator[Row]:
    """All feeds, with nothing there before."""
    for contender in bench.contenders:
        _anew(bench, contender, timed)
    costs = _in_turns(bench, timed)
    yield _compared("cold: wall", costs, lambda cost: cost.wall, "s")
    yield _compared("cold: CPU", costs, lambda cost: cost.cpu, "s")
    yield _facts("cold: feeds", {each.name: _amount(each.output) for each in bench.contenders})


def memory_peak(bench: Bench) -> Iterator[Row]:
    """Most memory of all processes together while all feeds are made."""
    costs = _in_turns(bench, weighed)
    yield _compared("memory: peak", costs, lambda cost: cost.peak / MB, "MB")


def again(bench: Bench) -> Iterator[Row]:
    """The same once more, with nothing changed."""
    costs: dict[str, list[Cost]] = {}
    touched = {}
    for contender in bench.contenders:
        _anew(bench, contender, timed)
        before = _stamps(contender.output)
        costs[contender.name] = [timed(contender.build) for _ in range(bench.runs)]
        touched[contender.name] = len(before.items() ^ _stamps(contender.output).items())
    if touched["Feeder"]:
        raise Wrong(f"again: {touched['Feeder']} files or directories were touched, though nothing had changed")
    yield _compared("again: wall", costs, lambda cost: cost.wall, "s")
    yield _compared("again: CPU", costs, lambda cost: cost.cpu, "s")


def rewrite(bench: Bench) -> Iterator[Row]:
    """Every file written anew, and a few articles more."""
    costs, changed = {}, {}
    for contender in bench.over(bench.folder / "own"):
        bench.own_tree()
        _anew(bench, contender, timed)
        before = _digests(contender.output)
        sleep(A_SECOND)
        added = corpus.rewrite(bench.folder / "own", bench.stories, at=datetime.now(UTC), new=NEW)
        costs[contender.name] = [timed(contender.build)]
        moved = {path for path, digest in _digests(contender.output).items() if before.get(path) != digest}
        if isinstance(contender, Feeder):
            contender.check((*bench.stories, *added))
            _check_moved(contender, moved, added)
        changed[contender.name] = f"{len(moved)} of {len(before)}"
    yield _compared("rewrite: wall", costs, lambda cost: cost.wall, "s")
    yield _compared("rewrite: CPU", costs, lambda cost: cost.cpu, "s")
    yield _facts("rewrite: feeds that changed", changed)


def one_article(bench: Bench) -> Iterator[Row]:
    """From an article in its place until a running daemon has replaced its feeds."""
    site = Feeder(folder=bench.folder / "feeder", articles=bench.own_tree(), feeds=AT_ONCE)
    _anew(bench, site, timed)
    added = corpus.news(SINGLE + 1, bench.stories, at=datetime.now(UTC))
    with running(site.daemon, started=STARTED):
        _, *took = [_seconds_until_published(site, story) for story in added]  # the first finds the daemon cold
    site.check((*bench.stories, *added))
    yield Row(work="one-article: median", ours=f"{median(took) * 1000:.0f} ms")
    yield Row(work="one-article: worst", ours=f"{max(took) * 1000:.0f} ms")


def idle(bench: Bench) -> Iterator[Row]:
    """A daemon that has nothing to do."""
    _anew(bench, bench.feeder, timed)
    with running(bench.feeder.daemon, started=STARTED) as session:
        sleep(SETTLE_SECONDS)
        before = cpu_seconds(session)
        sleep(bench.seconds)
        used, rest = cpu_seconds(session) - before, held(session)
    bench.feeder.check(bench.stories)
    share = used / bench.seconds
    yield Row(work="idle: CPU", ours=f"{used:.2f} s in {bench.seconds:.0f} s, {share:.2%}")
    yield Row(work="idle: resident memory", ours=f"{rest.resident / MB:.0f} MB")
    yield Row(work="idle: proportional memory", ours=f"{rest.proportional / MB:.0f} MB")


def churn(bench: Bench) -> Iterator[Row]:
    """A daemon whose articles come, go, move and are touched, every second."""
    site = Feeder(folder=bench.folder / "feeder", articles=bench.own_tree(), feeds=NO_HISTORY, source=GONE_AT_ONCE)
    _anew(bench, site, timed)
    changes = Churn(site.articles, bench.stories)
    with running(site.daemon, started=STARTED) as session:
        found = [_after_a_second(changes, session) for _ in range(max(2, round(bench.seconds)))]
        _await_equal(site, replace(site, folder=bench.folder / "cold"))
    early = found[len(found) // 10]
    for name in ("resident", "proportional"):
        sizes = [getattr(each, name) / MB for each in (early, found[-1])]
        yield Row(work=f"churn: {name} memory, early and late", ours=f"{sizes[0]:.0f} MB, {sizes[1]:.0f} MB")
    yield Row(work="churn: open files, early and late", ours=f"{early.files}, {found[-1].files}")
    yield Row(work="churn: threads, early and late", ours=f"{early.threads}, {found[-1].threads}")


def state(bench: Bench) -> Iterator[Row]:
    """What is remembered of the tree."""
    _anew(bench, bench.feeder, timed)
    yield Row(work="state: files", ours=f"{sum(path.stat().st_size for path in bench.feeder.state) / MB:.0f} MB")


WORKS: Final[Mapping[str, Callable[[Bench], Iterator[Row]]]] = {
    "cold": cold,
    "memory": memory_peak,
    "again": again,
    "one-article": one_article,
    "idle": idle,
    "rewrite": rewrite,
    "churn": churn,
    "state": state,
}


def _version() -> str:
    """Return what changes with the tree, so that an old one is not taken for it."""
    return sha256(Path(corpus.__file__).read_bytes()).hexdigest()[:8]


# ---------------------------------------------------------------- runs


def _in_turns(bench: Bench, measure: Callable[[Command], Cost]) -> dict[str, list[Cost]]:
    """Let each build its feeds anew, one after the other, so that what else the machine does meets them alike."""
    costs: dict[str, list[Cost]] = {}
    for _ in range(bench.runs):
        for contender in bench.contenders:
            costs.setdefault(contender.name, []).append(_anew(bench, contender, measure))
    return costs


def _anew(bench: Bench, contender: Contender, measure: Callable[[Command], Cost]) -> Cost:
    contender.begin_anew()
    cost = measure(contender.build)
    contender.check(bench.stories)
    return cost


def _seconds_until_published(site: Feeder, story: Story) -> float:
    """Put an article in its place in one step, and wait for the feeds of its category and of the site."""
    sleep(PAUSE_SECONDS)
    waiting = [site.directories()[path] / "atom.xml" for path in (story.path, ())]
    path = site.articles / story.locator
    draft = path.with_name(".draft")
    draft.write_text(corpus.text(story, corpus.Run()), "utf-8")
    begun = perf_counter()
    draft.replace(path)
    for feed in waiting:
        _await_title(feed, story.title)
    return perf_counter() - begun


def _after_a_second(changes: Churn, session: int) -> Held:
    end = perf_counter() + 1
    changes.step()
    sleep(max(0.0, end - perf_counter()))
    return held(session)


def _await_equal(site: Feeder, cold: Feeder) -> None:
    """Wait until the feeds of *site* are those that are made of the same tree with nothing there before."""
    cold.begin_anew()
    timed(cold.build)
    wanted = {path.relative_to(cold.output): digest for path, digest in _digests(cold.output).items()}

    def are_equal() -> bool:
        return {path.relative_to(site.output): digest for path, digest in _digests(site.output).items()} == wanted

    await_that(are_equal, seconds=PATIENCE_SECONDS, pause=1.0)


def _await_title(feed: Path, title: str) -> None:
    """Wait for a title; a feed that is no other file is not read again."""
    read: dict[int, bool] = {}

    def is_there() -> bool:
        inode = feed.stat().st_ino
        if inode not in read:
            read[inode] = title in feed.read_text("utf-8")
        return read[inode]

    await_that(is_there, seconds=PATIENCE_SECONDS)


# ---------------------------------------------------------------- results


def _check_moved(site: Feeder, moved: set[Path], added: tuple[Story, ...]) -> None:
    """See that the feeds of every level that has a new article changed, and no other."""
    levels = {story.path[:depth] for story in added for depth in range(len(story.path) + 1)}
    directories = site.directories()
    due = {directories[level] / form.name for level in levels for form in feeds.FORMATS}
    if moved != due:
        raise Wrong(f"rewrite: {len(moved - due)} feeds changed without news, {len(due - moved)} with news did not")


def _digests(output: Path) -> dict[Path, bytes]:
    return {path: sha256(path.read_bytes()).digest() for path in feeds.published(output)}


def _stamps(output: Path) -> dict[Path, tuple[int, int]]:
    """Return what would move if a file or directory were touched."""
    found = {path: path.stat() for path in (output, *output.rglob("*"))}
    return {path: (status.st_mtime_ns, status.st_ino) for path, status in found.items()}


def _amount(output: Path) -> str:
    sizes = [path.stat().st_size for path in feeds.published(output)]
    return f"{len(sizes)} files, {sum(sizes) / MB:.0f} MB"


def _compared(work: str, costs: dict[str, list[Cost]], value: Callable[[Cost], float], unit: str) -> Row:
    """Return the medians, and ours as a part of the peer's."""
    middle = {name: median(map(value, runs)) for name, runs in costs.items()}
    told = _facts(work, {name: f"{number:.3g} {unit}" for name, number in middle.items()})
    return replace(told, ratio=f"{middle['Feeder'] / middle['Hugo']:.2f} x") if "Hugo" in middle else told


def _facts(work: str, told: dict[str, str]) -> Row:
    return Row(work=work, ours=told["Feeder"], peer=told.get("Hugo", "not installed"))
