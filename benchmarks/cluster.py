"""Nodes that share a planet: `python -m benchmarks.cluster postgresql://…` uses a schema of its own and drops it at the end."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks import Wrong, processes
from benchmarks.polls import LOOK_SECONDS, PATIENCE_SECONDS, Planet, single_cold, unchanging
from benchmarks.processes import Command, await_that, running
from feeder.errors import FeederError
from feeder.store import Store
from feeder.store.address import Address, address
from feeder.store.opening import open_shared, open_to_read
from feeder.store.tables import Tables

SCHEMA: Final = "feeder_benchmark_cluster"
NODES: Final = (1, 2, 4)
STARTED: Final = '"event": "started"'
SETTLED_SECONDS: Final = 8.0  # until all of the nodes ask as fast as they can
SITE: Final = "feeds.example.org,2026"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure with one node, two and four, and print a table in Markdown."""
    asked = _parser().parse_args(arguments)
    at = address(f"{asked.database}{'&' if '?' in asked.database else '?'}schema={SCHEMA}")
    text = f"{asked.database}{'&' if '?' in asked.database else '?'}schema={SCHEMA}"
    with tempfile.TemporaryDirectory(prefix="feeder-benchmarks-") as scratch:
        folder = Path(scratch)
        print("| work | seconds, or polls a second |\n|---|---|")
        with unchanging(folder, asked.cold) as site:
            _row(f"{asked.cold:,} feeds cold, one daemon with a file", [single_cold(site) for _ in range(asked.runs)])
            for nodes in asked.nodes:
                found = [_cold(site, at, text, nodes) for _ in range(asked.runs)]
                _row(f"{asked.cold:,} feeds cold, nodes: {nodes}", found)
        with unchanging(folder, asked.feeds) as site:
            _cold(site, at, text, max(asked.nodes))
            for nodes in asked.nodes:
                _row(
                    f"polls a second that find nothing new, nodes: {nodes}", [_polls(site, text, nodes, asked.seconds)]
                )
        _drop(at)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("database", help=f"postgresql://…; its schema {SCHEMA} is made, and dropped at the end")
    parser.add_argument("--cold", type=int, default=1000, help="feeds that are read for the first time (1,000)")
    parser.add_argument("--feeds", type=int, default=6000, help="feeds that are asked again and again (6,000)")
    parser.add_argument("--nodes", type=int, nargs="+", default=NODES, help="how many at once, in turns (1 2 4)")
    parser.add_argument("--seconds", type=float, default=20, help="for which polls are counted (20)")
    parser.add_argument("--runs", type=int, default=1, help="of the cold ones, of which the median is told (1)")
    return parser


def _cold(site: Planet, at: Address, text: str, nodes: int) -> float:
    """Return the seconds from the start of nodes that know nothing until all feeds are read and published."""
    _drop(at)
    site.begin_anew()
    _configure(site, text, interval="1d")
    started = time.monotonic()
    with _running(site, nodes), closing(open_to_read(at, site_id=SITE)) as store:
        await_that(lambda: _is_done(site, store), seconds=PATIENCE_SECONDS, pause=LOOK_SECONDS)
        return time.monotonic() - started


def _polls(site: Planet, text: str, nodes: int, seconds: float) -> float:
    """Return how many polls a second nodes make of feeds that are always due."""
    _configure(site, text, interval="1s")
    with _running(site, nodes):
        time.sleep(SETTLED_SECONDS)
        before, started = site.answers(), time.monotonic()
        time.sleep(seconds)
        found = site.answers() - before
    if set(found) != {304}:
        raise Wrong(f"the farm answered {dict(found)}")
    return found[304] / (time.monotonic() - started)


def _configure(site: Planet, text: str, *, interval: str) -> None:
    lines = site.config.read_text("utf-8").splitlines()
    values = {"state": f'state = "{text}"\nlocal = "var"', "interval": f'interval = "{interval}"', "local": None}
    kept = (values.get(line.partition(" ")[0], line) for line in lines)
    site.config.write_text("\n".join(line for line in kept if line is not None) + "\n", "utf-8")


@contextmanager
def _running(site: Planet, nodes: int) -> Iterator[None]:
    with ExitStack() as stack:
        for number in range(nodes):
            folder = site.folder / f"node-{number}"
            folder.mkdir(exist_ok=True)
            words = (sys.executable, "-m", "feeder", "worker", "-c", site.config, "--name", f"n{number}")
            stack.enter_context(running(Command(words=words, folder=folder), started=STARTED))
        yield


def _is_done(site: Planet, store: Store) -> bool:
    read = sum(1 for source in store.sources() if source.last_success)
    return read == site.count and not store.marked()


def _drop(at: Address) -> None:
    try:
        with closing(open_shared(at, site_id=SITE)) as store:
            assert isinstance(store, Tables)  # noqa: S101 - all stores are
            store.database.connection.execute(f"DROP SCHEMA {at.schema} CASCADE")  # type: ignore[attr-defined]
    except FeederError as error:
        raise Wrong(str(error)) from error


def _row(work: str, found: Sequence[float]) -> None:
    print(f"| {work} | {median(found):,.1f} |", flush=True)


if __name__ == "__main__":
    processes.adopt_orphans()
    sys.exit(main())
