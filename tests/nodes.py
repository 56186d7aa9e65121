"""Nodes of a cluster as processes: they share a PostgreSQL server and a place for feeds, and are started anew when they end."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from bucket import World as Bucket
from cradle import Cradle
from databases import Postgres
from roads import FAR, NEAR
from waiting import PATIENCE, until

from feeder.asking import poll_all
from feeder.config import load
from feeder.errors import FeederError, OutputError
from feeder.opening import opened
from feeder.output.files import FileOutput
from feeder.store.address import Address
from feeder.store.opening import open_to_read

SOURCES: Final = 6
ENVIRONMENT: Final = {**os.environ, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
CONFIG: Final = """
[site]
title = "Example newsroom"
url = "https://feeds.example.org/"
id = "feeds.example.org,2026"
author = "Example newsroom"
language = "en"
timezone = "UTC"

[feeds]
settle = "1s"
entries = 5000
max_entries = 5000

[storage]
state = "{state}"
output = "{output}"
{local}
{bucket}
[server]
listen = ""

[defaults]
interval = "1s"
withdraw_after = "0s"
"""


class Process(Protocol):
    """A node, or one that was."""

    @property
    def pid(self) -> int:
        """Its number."""

    def poll(self) -> int | None:
        """Return how it ended; None: it runs."""

    def wait(self, timeout: float = ...) -> int:
        """Wait until it ends; return how."""

    def send_signal(self, sig: int, /) -> None:
        """Send it a signal, if it runs."""


class Cluster:
    """A site, the nodes that publish it, and one who looks that no feed gets older."""

    def __init__(
        self,
        folder: Path,
        cradle: Cradle,
        state: Address,
        state_text: str,
        bucket: Bucket | None,
        *,
        endpoint: str = "",
    ) -> None:
        self.folder = folder
        self.state = state
        self.bucket = bucket
        self._output = bucket.output() if bucket else FileOutput(folder / "public")
        self.titles: set[str] = set()
        self._processes: list[Process] = []
        self.keep = 0  # so many nodes, whatever ends
        self.ends: list[int] = []  # exit codes
        self.seen: dict[str, int] = {}
        self._stop = threading.Event()
        self._cradle = cradle
        self.below = 2  # categories below each of those at the top
        for number in range(SOURCES):
            (folder / f"articles{number}").mkdir(parents=True)
        self.config = self._write("cluster.toml", state=state_text, endpoint=endpoint)

    # ------------------------------------------------------------ what there is to publish

    def put(
        self, title: str, *, source: int = 0, categories: str = "[[A, B]]", day: int = 1, text: str = "Text."
    ) -> None:
        """Write an article."""
        path = self._path(title, source)
        body = f"---\ntitle: {title}\ndate: 2026-03-{day:02} 10:00:00+00:00\ncategories: {categories}\n---\n{text}\n"
        fresh = path.with_suffix(".new")
        fresh.write_text(body, "utf-8")
        fresh.replace(path)
        self.titles.add(title)

    def take_back(self, title: str, *, source: int = 0) -> None:
        """Remove an article."""
        self._path(title, source).unlink()
        self.titles.discard(title)

    def put_many(self, numbers: range, *, chance: random.Random | None = None) -> None:
        """Write articles: in all sources and many categories, some of them in two sources at once."""
        for number in numbers:
            own = number % SOURCES
            where = [own, (own + 1) % SOURCES] if number % 5 == 0 else [own]
            for source in where:
                self.put(
                    f"Article {number}",
                    source=source,
                    categories=f"[[Top {number % 3}, Below {number % self.below}], [Other {number % 4}]]",
                    day=number % 28 + 1,
                    text=f"Text {number}.",
                )
            if chance and chance.random() < 0.3:
                time.sleep(0.05)

    def _path(self, title: str, source: int) -> Path:
        return self.folder / f"articles{source}" / f"{title.replace(' ', '-').lower()}.md"

    # ------------------------------------------------------------ nodes

    def start(self, count: int = 1, *words: str) -> list[Process]:
        """Start nodes; those that end by themselves are not started again."""
        return [self._note(self._cradle.bear(self.folder, words=self._words(*words))) for _ in range(count)]

    def start_program(self) -> Process:
        """Start a node as anybody does."""
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "feeder", *self._words()]
            return self._note(subprocess.Popen(command, stdout=log, stderr=log, env=ENVIRONMENT, cwd=self.folder))

    def start_skewed(self, seconds: float) -> Process:
        """Start a node whose clock is wrong."""
        return self._note(self._cradle.bear(self.folder, config=str(self.config), lead=seconds))

    def start_impatient(self, seconds: float) -> Process:
        """Start a node that waits no longer than that for the database."""
        return self._note(self._cradle.bear(self.folder, words=self._words(), patience=seconds))

    def start_far(self) -> Process:
        """Start a node whose road to the database and the bucket can be cut."""
        path = self.folder / "far.toml"
        path.write_text(self.config.read_text("utf-8").replace(NEAR, FAR), "utf-8")
        shutil.copystat(self.config, path)  # else it is the newer configuration
        return self._note(self._cradle.bear(self.folder, words=["worker", "-c", str(path), "--concurrency", "2"]))

    @contextmanager
    def kept(self, count: int) -> Iterator[None]:
        """Have so many nodes run, others in place of those that end, as a service manager does."""
        self.keep = count
        self.start(count)
        nurse = threading.Thread(target=self._nurse)
        nurse.start()
        try:
            yield
        finally:
            self.keep = 0
            nurse.join()

    def kill(self, chance: random.Random, *, count: int = 1) -> None:
        """Kill some nodes, or all if there are not so many."""
        alive = self.alive()
        for process in chance.sample(alive, min(count, len(alive))):
            process.send_signal(signal.SIGKILL)
            process.wait(60)

    def alive(self) -> list[Process]:
        """Return the nodes that run."""
        return [process for process in list(self._processes) if process.poll() is None]

    def stop(self) -> list[int]:
        """End all nodes; return their exit codes."""
        self._stop.set()
        running = self.alive()
        for process in running:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
        return [process.wait(60) for process in running]

    def close(self) -> None:
        """Kill whatever runs."""
        self.keep = 0
        for process in self.alive():
            process.send_signal(signal.SIGKILL)
            process.wait(60)

    def events(self) -> list[dict[str, object]]:
        """Return all that the nodes logged."""
        text = (self.folder / "log").read_text("utf-8", errors="replace") if (self.folder / "log").exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]

    def _words(self, *words: str) -> list[str]:
        return ["worker", "-c", str(self.config), "--concurrency", "2", *words]

    def _note(self, process: Process) -> Process:
        self._processes.append(process)
        return process

    def _nurse(self) -> None:
        while self.keep:
            for process in list(self._processes):
                code = process.poll()
                if code is not None:
                    self.ends.append(code)
                    self._processes.remove(process)
            self.start(max(0, self.keep - len(self._processes)))
            time.sleep(0.2)

    # ------------------------------------------------------------ what comes of it

    def tree(self) -> Mapping[str, bytes]:
        """Return all that is published."""
        return self.bucket.tree() if self.bucket else tree_of(self.folder / "public")

    def read(self, path: str) -> bytes | None:
        """Return a published file."""
        return self._output.read(path)

    def shown(self) -> set[str]:
        """Return the titles in the site's feed."""
        body = self.read("feed.json")
        return {item["title"] for item in json.loads(body)["items"]} if body else set()

    def await_quiet(self, *, seconds: float = PATIENCE, between: Callable[[], object] = lambda: None) -> None:
        """Wait until every article is shown, and nothing is stale; do something between two looks."""

        def is_quiet() -> bool:
            between()
            return self.shown() == self.titles and self._is_quiet()

        until(is_quiet, lambda: f"{sorted(self.titles - self.shown())} missing", seconds=seconds)

    def _is_quiet(self) -> bool:
        with suppress(FeederError), closing(open_to_read(self.state, site_id="feeds.example.org,2026")) as store:
            return not store.marked()
        return False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Fail if a feed that only grows is ever seen with fewer articles than before."""
        older: list[str] = []

        def watch() -> None:
            while not self._stop.wait(0.2):
                for path in ("feed.json", "categories/top-1/feed.json", "categories/other-1/feed.json"):
                    with suppress(OutputError):
                        body = self.read(path)
                        count = len(json.loads(body)["items"]) if body else 0
                        if count < self.seen.get(path, 0):
                            older.append(f"{path}: {count} after {self.seen[path]}")
                        self.seen[path] = max(count, self.seen.get(path, 0))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            self._stop.set()
            watcher.join()
        assert older == [], older

    def assert_as_one_node(self) -> None:
        """See that one node with a file of its own makes the same of the same articles, byte for byte."""
        alone = self._write("alone.toml", state="sqlite:///alone.db", output="alone")
        with opened(load(alone), workers=1) as app:
            app.prepare(now())
            poll_all(app, [f"s{number}" for number in range(SOURCES)], now())
            app.publish(now())
        expected, found = tree_of(self.folder / "alone"), self.tree()
        assert sorted(found) == sorted(expected)
        assert {path for path in found if found[path] != expected[path]} == set()

    def assert_whole(self) -> None:
        """See that the state does not contradict itself, and that no article is there twice."""
        with closing(open_to_read(self.state, site_id="feeds.example.org,2026")) as store:
            assert store.breaches() == ()
            assert store.counts()["articles"] == len(self.titles)

    def _write(self, name: str, *, state: str, output: str = "", endpoint: str = "") -> Path:
        place = output or (f"s3://{self.bucket.name}/{self.bucket.prefix}" if self.bucket else "public")
        bucket = f'[bucket]\nregion = "us-east-1"\npath_style = true\nendpoint = "{endpoint}"\n' if endpoint else ""
        local = "" if state.startswith("sqlite") else 'local = "var"\n'
        sources = "".join(f'[[source]]\nname = "s{n}"\npath = "articles{n}"\n' for n in range(SOURCES))
        path = self.folder / name
        path.write_text(CONFIG.format(state=state, output=place, local=local, bucket=bucket) + sources, "utf-8")
        return path


@contextmanager
def cradle_of_nodes() -> Iterator[Cradle]:
    """Yield what bears nodes."""
    with closing(Cradle(ENVIRONMENT)) as made:
        yield made


@contextmanager
def cluster(
    folder: Path, cradle: Cradle, postgres: Postgres, bucket: Bucket | None = None, *, through: bool = False
) -> Iterator[Cluster]:
    """Yield a cluster without nodes; with *through*, the bucket is behind its proxy."""
    state = postgres.address()
    endpoint = (bucket.proxy.url if through else bucket.direct) if bucket else ""
    made = Cluster(folder, cradle, state, postgres.text(state), bucket, endpoint=endpoint)
    try:
        yield made
    finally:
        made.close()
        postgres.drop(state)


def tree_of(root: Path) -> Mapping[str, bytes]:
    """Return all files below a directory."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def now() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)
