"""A large state in PostgreSQL: `python -m benchmarks.large postgresql://…` fills a schema of its own and drops it at the end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path
from random import Random
from statistics import median, quantiles
from time import perf_counter
from typing import Any, Final, Protocol, cast

from feeder import dedup
from feeder.dedup import Candidate, Rules
from feeder.model import UTC_ZONE, Article, Dating, Place, Reading, Source, Status
from feeder.store.address import Address, address
from feeder.store.opening import open_store
from feeder.store.records import Outcome, Standing
from feeder.store.tables import Tables, prefix

SCHEMA: Final = "feeder_benchmark"
SITE: Final = "feeds.example.org,2026"
NODES: Final = 1000
EACH: Final = 3  # categories of an article
ASKED: Final = 300  # times
ADDED: Final = 1000  # articles
ROUNDS: Final = 5
FEED: Final = 50
SINCE: Final = 1_700_000_000
LATEST: Final = datetime(2026, 3, 1, tzinfo=UTC)
SOURCE: Final = Source(name="large", order=0, timezone=UTC_ZONE)
RULES: Final = Rules(prefix=prefix(SITE), ranks={"large": 0})

FILL: Final = Path(__file__).with_suffix(".sql")


class _Connection(Protocol):
    def execute(self, statement: str) -> Any: ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill, ask, add, and print a table in Markdown."""
    asked = _parser().parse_args(arguments)
    at = address(f"{asked.database}{'&' if '?' in asked.database else '?'}schema={SCHEMA}")
    with _filled(at, asked.articles) as (store, seconds):
        print("| work | median | 95 % |\n|---|---|---|")
        print(
            f"| {asked.articles:,} articles in {EACH} of {NODES:,} categories each are made | {seconds:.0f} s | |",
            flush=True,
        )
        _row(f"the newest {FEED} of a category", _timed(lambda n: _newest(store, n), ASKED))
        _row(f"what readers see of them ({FEED} articles)", _timed(lambda n: store.shown(_newest(store, n)), ASKED))
        _row(f"{ADDED:,} articles are decided about and added", _timed(lambda n: _add(store, n), ROUNDS))
        _row("what is stale is asked for", _timed(lambda _: store.stale(LATEST, settle=timedelta()), ROUNDS))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    parser.add_argument("database", help=f"postgresql://…; its schema {SCHEMA} is made, and dropped at the end")
    parser.add_argument("--articles", type=int, default=1_000_000, help="how many there are (1,000,000)")
    return parser


@contextmanager
def _filled(at: Address, articles: int) -> Iterator[tuple[Tables, float]]:
    with closing(cast("Tables", open_store(at, site_id=SITE))) as store:
        connection: _Connection = store.database.connection  # type: ignore[attr-defined]
        try:
            with store.transaction():
                store.sync_sources([SOURCE])
            started = perf_counter()
            connection.execute(FILL.read_text("utf-8").format(nodes=NODES, each=EACH, since=SINCE, articles=articles))
            connection.execute("VACUUM ANALYZE")  # as autovacuum does, sooner or later
            yield store, perf_counter() - started
        finally:
            connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


def _row(work: str, seconds: Sequence[float]) -> None:
    print(f"| {work} | {median(seconds) * 1000:.1f} ms | {quantiles(seconds, n=20)[-1] * 1000:.1f} ms |", flush=True)


def _timed(act: Callable[[int], object], times: int) -> list[float]:
    seconds = []
    for number in range(times):
        started = perf_counter()
        act(number)
        seconds.append(perf_counter() - started)
    return seconds


def _newest(store: Tables, number: int) -> list[str]:
    node = (f"c{Random(number).randrange(NODES) + 1}",) if number else ()  # noqa: S311 - the same ones every time
    return [listed.id for listed in islice(store.newest(node), FEED)]


def _add(store: Tables, number: int) -> None:
    """Take in new articles as a poll does."""
    with store.decision():
        found = [_candidate(number * ADDED + each) for each in range(ADDED)]
        known = store.known(
            "large",
            locators=[],
            keys=[key for candidate in found for key in candidate.keys],
            body_hashes=[candidate.article.body_hash for candidate in found],
        )
        decision = dedup.decide(found, known, source=SOURCE, rules=RULES, now=LATEST)
        outcomes = [
            Outcome(reading=_reading(candidate), change=change)
            for candidate, change in zip(found, decision.changes, strict=True)
        ]
        store.record("large", outcomes, LATEST)
        shown = (
            dedup.show(decision.copies[memory.id], memory, rules=RULES, now=LATEST) for memory in decision.memories
        )
        store.stand([Standing(memory=m, shown=each) for m, each in zip(decision.memories, shown, strict=True)], LATEST)


def _candidate(number: int) -> Candidate:
    title, moment = f"A new article with the number {number}", LATEST - timedelta(seconds=number)
    digest = sha256(title.encode()).digest()[:16]
    article = Article(
        title=title,
        title_key=title.casefold(),
        published=moment,
        day=moment.date(),
        dating=Dating.ZONED,
        categories=tuple((f"C{each}",) for each in Random(number).sample(range(1, NODES + 1), EACH)),  # noqa: S311
        body_hash=digest,
        text_hash=digest,
        item_hash=digest,
    )
    locator = f"new/{number}.md"
    return Candidate(
        locator=locator, article=article, keys=dedup.keys(article, source=SOURCE, locator=locator), waiting=()
    )


def _reading(candidate: Candidate) -> Reading:
    place = Place(locator=candidate.locator, size=4000, mtime_ns=1, inode=1)
    return Reading(place=place, status=Status.GOOD, article=candidate.article, digest=candidate.article.item_hash)


if __name__ == "__main__":
    sys.exit(main())
