"""The command line: `python -m benchmarks NAME` prints a table in Markdown."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import Wrong, polls, processes, server, works
from benchmarks.contenders import HOW_TO_INSTALL, find_hugo, version_of
from benchmarks.works import Bench, Row

WORKS = {**works.WORKS, **polls.WORKS, **server.WORKS}
NOTES = """\
Both make, from the same tree, an Atom and an RSS feed for the site and for every level of every category, with the 50
newest articles, whole. Feeder also finds copies, cleans the bodies, keeps ids and dates, and writes a page for every feed, `feeds.json`
and `feeds.opml`; Hugo does not, its copies are two entries, and it makes everything anew each time. Medians of {runs}
runs in turns; CPU and memory are those of all processes of a command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for."""
    asked = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="feeder-benchmarks-") as scratch:
        bench = Bench(
            folder=(asked.dir or Path(scratch)).resolve(),
            count=asked.articles,
            runs=asked.runs,
            seconds=asked.seconds,
            feeds=asked.feeds,
            hugo=asked.hugo or find_hugo(),
        )
        print("\n".join(_head(bench)), flush=True)
        try:
            for line in _table(_rows(bench, WORKS if asked.name == "all" else [asked.name])):
                print(line, flush=True)
        except Wrong as wrong:
            print(f"\nwrong: {wrong}", file=sys.stderr)
            return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure Feeder on a tree of invented articles, and Hugo beside it.",
        epilog="\n".join(f"  {name:15} {work.__doc__}" for name, work in WORKS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=["all", *WORKS])
    parser.add_argument("--articles", type=int, default=10_000, help="how many there are (10,000)")
    parser.add_argument("--feeds", type=int, default=1000, help="how many URL sources there are (1,000)")
    parser.add_argument("--runs", type=int, default=5, help="of each, of which the median is told (5)")
    parser.add_argument("--seconds", type=float, default=60, help="that the idle daemon is looked at (60)")
    parser.add_argument("--dir", type=Path, help="keeps the tree and the feeds for the next time")
    parser.add_argument("--hugo", type=Path, help=f"the peer, if it is not that of {HOW_TO_INSTALL}")
    return parser


def _head(bench: Bench) -> Iterator[str]:
    load = ", ".join(f"{number:.1f}" for number in os.getloadavg())
    peer = f"Hugo {version_of(bench.hugo)}" if bench.hugo else f"Hugo is not installed: {HOW_TO_INSTALL}"
    yield (
        f"{bench.count:,} articles; {os.cpu_count()} cores, load {load} at the start; {platform.system()}"
        f" {platform.machine()}, Python {platform.python_version()}, {peer}; {datetime.now(UTC):%Y-%m-%d}"
    )
    yield ""
    yield NOTES.format(runs=bench.runs)
    yield ""


def _rows(bench: Bench, names: Iterable[str]) -> Iterator[Row]:
    for name in names:
        yield from WORKS[name](bench)


def _table(rows: Iterable[Row]) -> Iterator[str]:
    yield "| work | Feeder | Hugo | Feeder : Hugo |"
    yield "|---|---|---|---|"
    yield from (f"| {row.work} | {row.ours} | {row.peer} | {row.ratio} |" for row in rows)


if __name__ == "__main__":
    processes.adopt_orphans()
    sys.exit(main())
