"""What a cluster of some size needs, computed from measured costs: `python -m benchmarks.sizing --sources 1000000 --interval 1h`."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

# Measured on two cores (docs/scale.md says how); everything else is multiplication.
POLL_CPU: Final = 0.0009  # seconds of a node's core for a poll that finds nothing new
POLL_DATABASE_CPU: Final = 0.00011  # and of PostgreSQL's
ARTICLE_CPU: Final = 0.00075  # for a new article of a feed: parsed, decided, written
ARTICLE_DATABASE_CPU: Final = 0.00035
FEED_CPU: Final = 0.047  # for a feed of 50 entries, all of them new, rendered in two formats and a page
FEED_DATABASE_CPU: Final = 0.015
POLL_LOG: Final = 500  # bytes of write-ahead log
ARTICLE_LOG: Final = 5_600
ARTICLE_DISK: Final = 4_800  # bytes in all tables and their indexes, a body of a few lines among them
ANSWER: Final = 350  # bytes of a 304 with its headers, and of the question
FEED_FILES: Final = 4  # formats and a page
BUSY: Final = 0.6  # of a core that is used; the rest is for bursts
UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
DAY: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What there is to do."""

    sources: int
    interval: float  # seconds between two polls of a source
    articles: int  # new ones in a day
    feeds: int
    changes: int  # of a feed in a day
    kept: int  # articles in the state


def needs(load: Load) -> Iterator[tuple[str, str]]:
    """Yield what *load* takes, in words and numbers."""
    polls = load.sources / load.interval
    writes = load.feeds * load.changes / DAY
    cores = polls * POLL_CPU + load.articles / DAY * ARTICLE_CPU + writes * FEED_CPU
    database = polls * POLL_DATABASE_CPU + load.articles / DAY * ARTICLE_DATABASE_CPU + writes * FEED_DATABASE_CPU
    yield "polls a second", f"{polls:,.0f}"
    yield "bandwidth, if 19 of 20 polls find nothing new (answers of 30 kB else)", _bits(polls * (ANSWER + 30_000 / 20))
    yield "cores of nodes", f"{max(1, math.ceil(cores / BUSY))}"
    yield "cores of PostgreSQL", f"{max(1, math.ceil(database / BUSY))}"
    yield "write-ahead log", f"{(polls * POLL_LOG + load.articles / DAY * ARTICLE_LOG) / 1e6:,.1f} MB/s"
    yield "disk of PostgreSQL", f"{load.kept * ARTICLE_DISK / 1e9:,.0f} GB"
    yield "PUTs a day", f"{load.feeds * load.changes * FEED_FILES:,.0f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=__doc__)
    parser.add_argument("--sources", type=int, default=1_000_000)
    parser.add_argument("--interval", default="1h", help="between two polls of a source (1h)")
    parser.add_argument("--articles", type=int, default=1_000_000, help="new ones in a day")
    parser.add_argument("--feeds", type=int, default=100_000)
    parser.add_argument("--changes", type=int, default=24, help="of a feed in a day (24)")
    parser.add_argument("--kept", type=int, default=100_000_000, help="articles in the state")
    asked = parser.parse_args(arguments)
    found = re.fullmatch(r"(\d+)([smhd])", asked.interval)
    if not found:
        parser.error("--interval is a number and s, m, h or d")
    load = Load(
        sources=asked.sources,
        interval=int(found[1]) * UNITS[found[2]],
        articles=asked.articles,
        feeds=asked.feeds,
        changes=asked.changes,
        kept=asked.kept,
    )
    print("| what | how much |\n|---|--:|")
    print("\n".join(f"| {what} | {much} |" for what, much in needs(load)))
    return 0


def _bits(size: float) -> str:
    return f"{size * 8 / 1e6:,.0f} Mbit/s"


if __name__ == "__main__":
    sys.exit(main())
