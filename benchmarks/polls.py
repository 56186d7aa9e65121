"""What is measured of URL sources: a function for each name."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.request import urlopen

from benchmarks import Wrong, farm, feeds, planet
from benchmarks.contenders import URL
from benchmarks.processes import Command, await_that, running, timed, weighed
from benchmarks.works import MB, STARTED, Bench, Row
from feeder import config
from feeder.store.opening import open_existing
from feeder.store.packing import unpack_document

LATENCY_SECONDS: Final = 0.05
MANY_TIMES: Final = 5  # as many feeds, for the peak of memory
PATIENCE_SECONDS: Final = 600.0
LOOK_SECONDS: Final = 0.5
SLICE: Final = 500  # articles looked at together


@dataclass(frozen=True, slots=True, kw_only=True)
class Planet:
    """A site of ours that has the feeds of a farm as its sources."""

    folder: Path
    count: int
    port: int

    @property
    def feeds(self) -> range:
        """The numbers of all feeds."""
        return range(self.count)

    @property
    def config(self) -> Path:
        """Where its config is."""
        return self.folder / "config.toml"

    def begin_anew(self) -> None:
        """Forget what was read."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        sources = (SOURCE.format(feed=feed, host=planet.address(feed), port=self.port) for feed in self.feeds)
        self.config.write_text(CONFIG + "".join(sources), "utf-8")

    def command(self, round_: str) -> Command:
        """Return what runs a round of `benchmarks.rounds`."""
        return Command(words=(sys.executable, "-m", "benchmarks.rounds", self.config, round_), folder=self.folder)

    def measured(self, *, statuses: Mapping[int, int]) -> Mapping[str, float]:
        """Ask all feeds once, and return the round's own figures; its start does not count.

        Raises:
            Wrong: An answer could not be used, or the farm gave others than these *statuses*.
        """
        before = self.answers()
        command = self.command("once")
        timed(command)
        self._check_answers(before, statuses)
        return _figures(command)

    def weighed(self) -> float:
        """Ask all feeds once, and return the peak of memory in bytes."""
        command = self.command("once")
        peak = weighed(command).peak
        _figures(command)
        return peak

    def is_done(self) -> bool:
        """Tell whether all sources have been read and all feeds are written."""
        settings = config.load(self.config)
        store = open_existing(settings.state, site_id=settings.site.id)
        try:
            read = sum(1 for source in store.sources() if source.last_success)
            return read == self.count and not store.counts()["stale"]
        finally:
            store.close()

    def check(self, *, edition: int = 0) -> None:
        """See that no title is there twice on a day, and that every category and every word has come through."""
        wanted = planet.told(self.feeds, edition=edition)
        found = {key: labels for key, labels, _ in self._articles()}
        found_keys = Counter(key for key, _, _ in self._articles())
        if found_keys != Counter(wanted.keys()):
            lost, added = wanted.keys() - found.keys(), found.keys() - wanted.keys()
            twice = sum(count - 1 for count in found_keys.values())
            raise Wrong(f"{len(lost)} articles are missing, {len(added)} were not sent, {twice} are there twice")
        for key, labels in found.items():
            if labels != wanted[key].labels:
                raise Wrong(f"{key[0]}: is in {sorted(labels)}, not in {sorted(wanted[key].labels)}")
        for (title, _), _, text in self._articles():
            if title not in text:
                raise Wrong(f"{title}: has the text of another, or in another charset")
        newest = sorted(wanted, key=lambda key: wanted[key].moment, reverse=True)[: feeds.ENTRIES]
        feeds.check(self.folder / "public", sizes=planet.sizes(wanted), newest=sorted(title for title, _ in newest))

    def _articles(self) -> Iterator[tuple[tuple[str, Any], set[str], str]]:
        """Yield title and day, the categories and the text of everything that the state shows to readers."""
        settings = config.load(self.config)
        store = open_existing(settings.state, site_id=settings.site.id)
        try:
            ids = [listed.id for listed in store.newest(())]
            for start in range(0, len(ids), SLICE):
                part = ids[start : start + SLICE]
                texts = {id_: unpack_document(body).text for id_, body in store.documents(part).items()}
                for one in store.shown(part).values():
                    labels = {path[0] for path in one.categories}
                    yield (one.article.title, one.article.day), labels, texts.get(one.id, "")
        finally:
            store.close()

    def answers(self) -> Counter[int]:
        """Return how often the farm has answered what."""
        with urlopen(f"http://127.0.0.1:{self.port}{farm.TOLD}") as answer:
            return Counter({int(status): count for status, count in json.load(answer).items()})

    def _check_answers(self, before: Counter[int], statuses: Mapping[int, int]) -> None:
        answers = self.answers() - before
        if answers != Counter(statuses):
            raise Wrong(f"the farm answered {dict(answers)}, not {dict(statuses)}")


def feeds_cold(bench: Bench) -> Iterator[Row]:
    """All feeds of a planet, read for the first time and published."""
    with _planet(bench, bench.feeds) as site:
        found = [_cold(site) for _ in range(bench.runs)]
        site.check()
    yield _seconds("feeds-cold: wall", [each["wall"] for each in found])
    yield _seconds("feeds-cold: polling alone", [each["polling"] for each in found])
    yield _milliseconds("feeds-cold: CPU per feed", [each["cpu"] / site.count for each in found])


def feeds_unchanged(bench: Bench) -> Iterator[Row]:
    """The same once more: all say that nothing has changed."""
    yield from _unchanged("feeds-unchanged", bench, latency=0)


def feeds_latency(bench: Bench) -> Iterator[Row]:
    """The same with servers that take their time."""
    yield from _unchanged("feeds-latency", bench, latency=LATENCY_SECONDS)


def feeds_changed(bench: Bench) -> Iterator[Row]:
    """All feeds have one new entry, and are published."""
    folder = bench.folder / "feeds-changed"
    shutil.rmtree(folder, ignore_errors=True)
    with _served(bench.folder, folder, bench.feeds) as site:
        _cold(site)
        found = []
        for edition in range(1, bench.runs + 1):
            planet.write(folder, site.feeds, edition=edition)
            found.append(site.measured(statuses={200: site.count}))
    yield _seconds("feeds-changed: wall", [each["wall"] for each in found])
    yield _milliseconds("feeds-changed: CPU per feed", [each["cpu"] / site.count for each in found])


def feeds_memory(bench: Bench) -> Iterator[Row]:
    """Most memory of all processes together while five times as many feeds are read for the first time."""
    with _planet(bench, bench.feeds * MANY_TIMES) as site:
        site.begin_anew()
        peak = site.weighed()
        site.check()
    yield Row(work="feeds-memory: peak", ours=f"{peak / MB:.0f} MB")


def feeds_stall(bench: Bench) -> Iterator[Row]:
    """The longest time for which the loop of a daemon that reads all feeds for the first time does not answer."""
    with _planet(bench, bench.feeds) as site:
        site.begin_anew()
        command = site.command("run")
        with running(command, started=STARTED):
            await_that(site.is_done, seconds=PATIENCE_SECONDS, pause=LOOK_SECONDS)
        site.check()
    yield _milliseconds("feeds-stall: longest", [_figures(command)["stall"]])


WORKS: Final[Mapping[str, Callable[[Bench], Iterator[Row]]]] = {
    "feeds-cold": feeds_cold,
    "feeds-unchanged": feeds_unchanged,
    "feeds-latency": feeds_latency,
    "feeds-changed": feeds_changed,
    "feeds-memory": feeds_memory,
    "feeds-stall": feeds_stall,
}


# ---------------------------------------------------------------- rounds


@contextmanager
def unchanging(folder: Path, count: int) -> Iterator[Planet]:
    """Yield a site in *folder* whose sources, which nobody changes, are served until the end of the block."""
    with _served(folder, folder / f"feeds-{_version()}", count) as site:
        yield site


def single_cold(site: Planet) -> float:
    """Return the seconds from the start of a daemon that knows nothing until all feeds are read and published."""
    site.begin_anew()
    started = time.monotonic()
    with running(site.command("run"), started=STARTED):
        await_that(site.is_done, seconds=PATIENCE_SECONDS, pause=LOOK_SECONDS)
        return time.monotonic() - started


@contextmanager
def _planet(bench: Bench, count: int, *, latency: float = 0) -> Iterator[Planet]:
    """Yield a site whose sources, which nobody changes, are served until the end of the block."""
    with _served(bench.folder, bench.folder / f"feeds-{_version()}", count, latency=latency) as site:
        yield site


@contextmanager
def _served(folder: Path, feeds_in: Path, count: int, *, latency: float = 0) -> Iterator[Planet]:
    planet.write(feeds_in, (feed for feed in range(count) if not (feeds_in / str(feed)).exists()))
    place = folder / "farm"
    place.mkdir(exist_ok=True)
    server = Command(words=(sys.executable, "-m", "benchmarks.farm", feeds_in, str(latency)), folder=place)
    with running(server, started=farm.STARTED):
        port = int(server.log.read_text("utf-8").partition(farm.STARTED)[2].partition(".")[0])
        yield Planet(folder=folder / "planet", count=count, port=port)


def _version() -> str:
    """Return what changes with the feeds, so that old ones are not taken for them."""
    return sha256(Path(planet.__file__).read_bytes()).hexdigest()[:8]


def _cold(site: Planet) -> Mapping[str, float]:
    site.begin_anew()
    return site.measured(statuses={200: site.count})


def _unchanged(name: str, bench: Bench, *, latency: float) -> Iterator[Row]:
    with _planet(bench, bench.feeds, latency=latency) as site:
        _cold(site)
        found = [site.measured(statuses={304: site.count}) for _ in range(bench.runs)]
        site.check()
    yield _seconds(f"{name}: wall", [each["wall"] for each in found])
    yield _milliseconds(f"{name}: CPU per feed", [each["cpu"] / site.count for each in found])


def _figures(command: Command) -> Mapping[str, float]:
    said = command.log.read_text("utf-8").splitlines()
    figures: dict[str, Any] = json.loads(said[-1])
    if errors := figures.pop("errors"):
        raise Wrong(f"{len(errors)} sources failed: {errors[0]}")
    return figures


def _seconds(work: str, found: list[float]) -> Row:
    return Row(work=work, ours=f"{median(found):.2f} s")


def _milliseconds(work: str, found: list[float]) -> Row:
    return Row(work=work, ours=f"{median(found) * 1000:.1f} ms")


CONFIG: Final = f"""\
[site]
title = "Planet"
url = "{URL}"
id = "feeds.example.org,2026"

[feeds]
formats = ["atom", "rss"]
entries = {feeds.ENTRIES}
window = "0s"

[storage]
state = "sqlite:///state.db"
output = "public"

[server]
listen = ""

[defaults]
interval = "1d"
min_interval = "1s"
allow_private = ["127.0.0.0/8"]
"""
SOURCE: Final = """
[[source]]
name = "feed-{feed}"
url = "http://{host}:{port}/{feed}"
"""
