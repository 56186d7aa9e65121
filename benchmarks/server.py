"""What is measured of the web server, with wrk: answers a second, and how long clients wait while feeds are published."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Final
from urllib.request import Request, urlopen

from benchmarks import Wrong, static
from benchmarks.contenders import URL
from benchmarks.processes import Command, await_that, running
from benchmarks.works import STARTED, Bench, Row

CONNECTIONS: Final = 32
MOST_SECONDS: Final = 5.0  # of each run
CATEGORIES: Final = 500  # feeds that a publish writes
LARGE: Final = 50  # articles of the category whose feed is asked for
PARAGRAPHS: Final = 9  # of each of them: about 3 kB
WORDS: Final = tuple(
    f"{first}{second}{end}"
    for first in ("har", "fer", "lan", "mor", "sto", "win", "ba", "qui")
    for second in ("bo", "ri", "ta", "ne", "lu", "mi", "ko", "se")
    for end in ("ur", "s", "n", "rt", "ck", "ing", "ed", "a")
)
WORDS_EACH: Final = 35  # in a paragraph
PATIENCE_SECONDS: Final = 120.0
PAUSE_SECONDS: Final = 1.5  # between two changes of all categories
HOW_TO_INSTALL: Final = "apt-get install wrk"

FEED: Final = "categories/large/atom.xml"
GZIP: Final = ("Accept-Encoding: gzip",)
_ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:\d+/")
_RATE: Final = re.compile(r"Requests/sec:\s+([\d.]+)")
_WAIT: Final = re.compile(r"99%\s+([\d.]+)(us|ms|s)\b")
_FAILED: Final = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.+)")
_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What wrk found: answers a second, and the time in which 99 of 100 came."""

    rate: float
    wait: float  # seconds


def server(bench: Bench) -> Iterator[Row]:
    """A feed of 150 kB, asked for by 32 clients at once: known already, packed, and while 500 feeds are published."""
    wrk = _find_wrk()
    site = _Site(folder=bench.folder / "server")
    site.begin_anew()
    seconds = min(bench.seconds, MOST_SECONDS)
    with running(site.daemon, started=STARTED):
        await_that(site.is_published, seconds=PATIENCE_SECONDS, pause=0.1)
    with _both(site) as (ours, peer):
        yield Row(work="server: the feed", ours=_sizes(ours))
        for name, fields in (("304", lambda url: (*GZIP, f"If-None-Match: {_etag(url)}")), ("200", lambda _: GZIP)):
            loads = [
                [_measured(wrk, url, fields(url), seconds=seconds) for url in (ours, peer)] for _ in range(bench.runs)
            ]
            yield _compared(f"server: {name}", loads)
    yield from _while_published(bench, site, wrk, seconds)


WORKS: Final[Mapping[str, Callable[[Bench], Iterator[Row]]]] = {"server": server}


def _find_wrk() -> str:
    found = shutil.which("wrk")
    if found is None:
        raise Wrong(f"wrk is not installed: {HOW_TO_INSTALL}")
    return found


# ---------------------------------------------------------------- what is served


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """A site of one large category and many small ones."""

    folder: Path

    @property
    def feed(self) -> Path:
        return self.folder / "public" / FEED

    @property
    def daemon(self) -> Command:
        return self._command("run")

    @property
    def server(self) -> Command:
        return self._command("serve")

    @property
    def peer(self) -> Command:
        folder = self.folder / "peer"
        folder.mkdir(exist_ok=True)
        return Command(words=(sys.executable, "-m", "benchmarks.static", self.folder / "public"), folder=folder)

    def begin_anew(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "articles").mkdir(parents=True)
        (self.folder / "config.toml").write_text(CONFIG, "utf-8")
        for number in range(LARGE):
            self._write(f"large-{number}", "Large", PARAGRAPHS)
        self.change_all(0)

    def change_all(self, edition: int) -> None:
        """Give every small category an article that says something else."""
        for number in range(CATEGORIES):
            self._write(f"small-{number}", f"Small {number}", PARAGRAPHS + edition % 3)

    def is_published(self) -> bool:
        last = self.folder / f"public/categories/small-{CATEGORIES - 1}/atom.xml"
        return self.feed.exists() and last.exists()

    def _write(self, name: str, category: str, paragraphs: int) -> None:
        random = Random(name)  # noqa: S311 - it only has to differ
        text = "".join(f"<p>{' '.join(random.choices(WORDS, k=WORDS_EACH))}</p>\n" for _ in range(paragraphs))
        head = f"---\ntitle: {name}\ndate: 2026-03-01T08:00:00Z\ncategories: [{category}]\n---\n"
        path = self.folder / "articles" / f"{name}.md"
        path.with_suffix(".new").write_text(head + text, "utf-8")
        path.with_suffix(".new").replace(path)

    def _command(self, name: str) -> Command:
        words = (sys.executable, "-m", "feeder", "-c", self.folder / "config.toml", name)
        return Command(words=words, folder=self.folder)


@contextmanager
def _both(site: _Site) -> Iterator[tuple[str, str]]:
    """Yield the feed's URL at our server and at the peer's."""
    with (
        running(site.server, started='"event": "serving"'),
        running(site.peer, started=static.STARTED),
    ):
        yield _address(site.server) + FEED, _address(site.peer) + FEED


def _address(command: Command) -> str:
    found = _ADDRESS.search(command.log.read_text("utf-8"))
    if found is None:
        raise Wrong("the server did not say where it is")
    return found[0]


def _etag(url: str) -> str:
    with urlopen(Request(url, headers={"Accept-Encoding": "gzip"})) as answer:  # noqa: S310 - of ours
        return str(answer.headers["ETag"])


def _sizes(url: str) -> str:
    with urlopen(Request(url, headers={"Accept-Encoding": "gzip"})) as answer:  # noqa: S310 - of ours
        packed = answer.read()
    return f"{len(gzip.decompress(packed)) / 1000:.0f} kB, {len(packed) / 1000:.0f} kB packed"


# ---------------------------------------------------------------- how it is asked


def _measured(wrk: str, url: str, fields: Sequence[str], *, seconds: float) -> Load:
    options = [word for field in fields for word in ("-H", field)]
    length = f"-d{max(round(seconds), 1)}s"
    words = (wrk, "-t1", f"-c{CONNECTIONS}", length, "--latency", *options, url)
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    if failed := _FAILED.search(said):
        raise Wrong(f"{url}: {failed[0]}")
    rate, wait = _RATE.search(said), _WAIT.search(said)
    if rate is None or wait is None:
        raise Wrong(f"wrk says something else than before: {said}")
    return Load(rate=float(rate[1]), wait=float(wait[1]) * _UNITS[wait[2]])


def _compared(work: str, loads: Sequence[Sequence[Load]]) -> Row:
    ours, peers = (median(turn[which].rate for turn in loads) for which in (0, 1))
    wait = median(turn[0].wait for turn in loads)
    return Row(
        work=work,
        ours=f"{ours:,.0f}/s, 99 % in {wait * 1000:.1f} ms",
        peer=f"StaticFiles: {peers:,.0f}/s",
        ratio=f"{ours / peers:.1f}",
    )


def _while_published(bench: Bench, site: _Site, wrk: str, seconds: float) -> Iterator[Row]:
    """Ask a daemon that publishes all feeds again and again."""
    with running(site.daemon, started=STARTED):
        url = _address(site.daemon) + FEED
        fields = (*GZIP, f"If-None-Match: {_etag(url)}")
        quiet = [_measured(wrk, url, fields, seconds=seconds) for _ in range(bench.runs)]
        with _changing(site):
            loads = [_measured(wrk, url, fields, seconds=seconds) for _ in range(bench.runs)]
    for name, found in (("a quiet daemon", quiet), (f"{CATEGORIES} feeds published", loads)):
        rate, wait = median(load.rate for load in found), median(load.wait for load in found)
        yield Row(work=f"server: {name}", ours=f"{rate:,.0f}/s, 99 % in {wait * 1000:.1f} ms")


@contextmanager
def _changing(site: _Site) -> Iterator[None]:
    end = threading.Event()

    def change() -> None:
        edition = 0
        while not end.wait(PAUSE_SECONDS):
            edition += 1
            site.change_all(edition)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        yield
    finally:
        end.set()
        changing.join()


CONFIG: Final = f"""\
[site]
title = "Benchmark"
url = "{URL}"
id = "feeds.example.org,2026"

[feeds]
settle = "0s"

[storage]
state = "sqlite:///state.db"
output = "public"

[server]
listen = "127.0.0.1:0"

[[source]]
name = "newsroom"
path = "articles"
interval = "1s"
"""
