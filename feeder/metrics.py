"""Numbers for Prometheus: what polls and publishing came to, and how the state stands. Only this module knows its client."""

from __future__ import annotations

import platform
import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from feeder.config import Config
from feeder.errors import StoreError
from feeder.model import Status, Verdict
from feeder.pipeline.edition import Published
from feeder.pipeline.polling import Polled
from feeder.store.opening import open_to_read
from feeder.store.records import Alert, AlertKind, Fault, FaultKind, SourceState

Clock = Callable[[], datetime]

BUCKETS: Final = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)  # seconds of publishing
COUNTED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "articles": "feeder_articles",
        "held": "feeder_articles_held",
        "removed": "feeder_articles_removed",
        "sightings": "feeder_sightings",
        "missing": "feeder_sightings_missing",
        "rejected": "feeder_documents_rejected",
        "feeds": "feeder_feeds",
        "stale": "feeder_feeds_stale",
    }
)
"""What the store counts, and what it is called here."""


class Kind(StrEnum):
    """What Prometheus calls it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    SUMMARY = "summary"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What a metric is, and what it is told apart by."""

    kind: Kind
    says: str
    label: str | None = None


MEASURES: Final[Mapping[str, Measure]] = MappingProxyType(
    {
        "feeder_polls_total": Measure(kind=Kind.COUNTER, label="result", says="Polls since the start."),
        "feeder_items_total": Measure(kind=Kind.COUNTER, label="verdict", says="What became of articles at polls."),
        "feeder_documents_total": Measure(kind=Kind.COUNTER, label="status", says="Documents read at polls."),
        "feeder_poll_duration_seconds": Measure(
            kind=Kind.SUMMARY, label="source", says="Seconds of polls, those in which a server was waited for included."
        ),
        "feeder_read_bytes_total": Measure(
            kind=Kind.COUNTER, label="source", says="Bytes read of documents and answers."
        ),
        "feeder_publish_duration_seconds": Measure(kind=Kind.HISTOGRAM, says="Seconds of publishing stale feeds."),
        "feeder_files_total": Measure(kind=Kind.COUNTER, label="change", says="Files written and removed."),
        "feeder_feed_failures_total": Measure(kind=Kind.COUNTER, says="Feeds that could not be written."),
        "feeder_queue_length": Measure(
            kind=Kind.GAUGE,
            label="queue",
            says="Sources that are due and wait, are being asked, or whose answer waits for the state.",
        ),
        "feeder_state_readable": Measure(
            kind=Kind.GAUGE, says="Whether the state can be read; without it, what is in it is missing."
        ),
        "feeder_state_bytes": Measure(kind=Kind.GAUGE, says="Size of the state and its log on the disk."),
        "feeder_sources": Measure(kind=Kind.GAUGE, says="Sources in the configuration that are enabled."),
        "feeder_source_last_success_timestamp_seconds": Measure(
            kind=Kind.GAUGE, label="source", says="When a source was last polled with success."
        ),
        "feeder_source_failures": Measure(kind=Kind.GAUGE, label="source", says="Failed polls in a row."),
        "feeder_source_stale": Measure(
            kind=Kind.GAUGE, label="source", says="Whether a source with alert_after fails or is silent for too long."
        ),
        "feeder_category_stale": Measure(
            kind=Kind.GAUGE, label="category", says="Whether a category with alert_after is silent for too long."
        ),
        "feeder_due_lag_seconds": Measure(kind=Kind.GAUGE, says="How long the source that waits longest has been due."),
        "feeder_faults": Measure(kind=Kind.GAUGE, label="kind", says="What cannot be published now."),
        "feeder_articles": Measure(kind=Kind.GAUGE, says="Articles that readers see, or will."),
        "feeder_articles_held": Measure(kind=Kind.GAUGE, says="Articles held until their date."),
        "feeder_articles_removed": Measure(kind=Kind.GAUGE, says="Articles taken down."),
        "feeder_sightings": Measure(kind=Kind.GAUGE, says="Documents that are articles."),
        "feeder_sightings_missing": Measure(
            kind=Kind.GAUGE, says="Those of them that were not there at the last poll."
        ),
        "feeder_documents_rejected": Measure(kind=Kind.GAUGE, says="Documents that cannot be used."),
        "feeder_feeds": Measure(kind=Kind.GAUGE, says="Feeds that are published."),
        "feeder_feeds_stale": Measure(kind=Kind.GAUGE, says="Feeds that are to be published anew."),
        "feeder_build_info": Measure(kind=Kind.INFO, says="The versions of Feeder and Python."),
    }
)
"""All there is, by name; the client adds those of the process, `process_…`."""


def exposition(*collectors: Collector) -> Callable[[], bytes]:
    """Return a function that returns what *collectors* find then, in the text format; it takes its time."""
    registry = CollectorRegistry()
    for collector in (*collectors, _Build()):
        registry.register(collector)
    ProcessCollector(registry=registry)
    return lambda: generate_latest(registry)


class Counts(Collector):
    """Counts what polls and publishing came to, from the start on.

    There are few names for each source, all of them from the config; plain numbers take less time and memory for them
    than the client's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._results = Counter(ok=0, failed=0)
        self._verdicts: Counter[Verdict] = Counter(dict.fromkeys(Verdict, 0))
        self._statuses: Counter[Status] = Counter(dict.fromkeys(Status, 0))
        self._polls: Counter[str] = Counter()  # this and the next two: by source
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._bytes: Counter[str] = Counter()
        self._files = Counter(written=0, removed=0)
        self._failures = 0
        self._publishings = [0] * (len(BUCKETS) + 1)  # by the bucket that their seconds fall into
        self._publishing_seconds = 0.0

    def polled(self, polled: Polled, seconds: float) -> None:
        """Take note of a poll."""
        with self._lock:
            self._results["failed" if polled.error else "ok"] += 1
            self._verdicts.update(polled.verdicts)
            self._statuses.update(polled.statuses)
            self._polls[polled.source] += 1
            self._seconds[polled.source] += seconds
            self._bytes[polled.source] += polled.size

    def published(self, published: Published, seconds: float) -> None:
        """Take note of a publishing."""
        with self._lock:
            self._publishings[bisect_left(BUCKETS, seconds)] += 1
            self._publishing_seconds += seconds
            self._files.update(written=len(published.written), removed=len(published.removed))
            self._failures += len(published.failed)

    def collect(self) -> Iterator[Metric]:
        """Yield what was counted."""
        with self._lock:  # for a moment, and not until all of it is written
            families = [
                _family("feeder_polls_total", self._results.items()),
                _family("feeder_items_total", self._verdicts.items()),
                _family("feeder_documents_total", self._statuses.items()),
                _durations("feeder_poll_duration_seconds", self._polls, self._seconds),
                _family("feeder_read_bytes_total", self._bytes.items()),
                _family("feeder_files_total", self._files.items()),
                _family("feeder_feed_failures_total", [("", self._failures)]),
                _histogram("feeder_publish_duration_seconds", self._publishings, self._publishing_seconds),
            ]
        yield from families


class Queues(Collector):
    """Tells how much waits, by queue."""

    def __init__(self, lengths: Callable[[], Mapping[str, int]]) -> None:
        self._lengths = lengths

    def collect(self) -> Iterator[Metric]:
        """Yield how much waits now."""
        yield _family("feeder_queue_length", self._lengths().items())


class State(Collector):
    """Tells how the state stands, which is read beside whoever writes it."""

    def __init__(self, settings: Callable[[], Config], clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Yield how it stands now."""
        settings = self._settings()
        try:
            found = _look(settings)
        except StoreError:
            found = None
        yield _family("feeder_state_readable", [("", found is not None)])
        if isinstance(settings.state, Path):
            yield _family("feeder_state_bytes", [("", _size(settings.state))])
        if found is not None:
            yield from _stands(found, self._clock())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What is read of the state; `sources` are the enabled ones."""

    sources: tuple[SourceState, ...]
    counts: Mapping[str, int]
    faults: tuple[Fault, ...]
    alerts: tuple[Alert, ...]


def _look(settings: Config) -> _Found:
    enabled = {source.name for source in settings.sources if source.enabled}
    with closing(open_to_read(settings.state, site_id=settings.site.id)) as store:
        return _Found(
            sources=tuple(state for state in store.sources() if state.name in enabled),
            counts=store.counts(),
            faults=store.faults(),
            alerts=store.alerts(),
        )


def _size(state: Path) -> int:
    files = (state, state.with_name(state.name + "-wal"))
    size = 0
    for file in files:
        with suppress(OSError):
            size += file.stat().st_size
    return size


def _stands(found: _Found, now: datetime) -> Iterator[Metric]:
    sources = found.sources
    yield _family("feeder_sources", [("", len(sources))])
    succeeded = ((each.name, each.last_success.timestamp()) for each in sources if each.last_success)
    yield _family("feeder_source_last_success_timestamp_seconds", succeeded)
    yield _family("feeder_source_failures", ((each.name, each.failures) for each in sources))
    lags = (now - each.next_poll for each in sources if each.last_poll and not each.is_paused)
    yield _family("feeder_due_lag_seconds", [("", max((*lags, timedelta())).total_seconds())])
    for kind in AlertKind:
        stale = ((alert.subject, alert.cause is not None) for alert in found.alerts if alert.kind is kind)
        yield _family(f"feeder_{kind.value}_stale", stale)
    faults = Counter(fault.kind for fault in found.faults)
    yield _family("feeder_faults", [(kind, faults[kind]) for kind in FaultKind])
    for counted, name in COUNTED.items():
        yield _family(name, [("", found.counts.get(counted, 0))])


class _Build(Collector):
    """Tells the versions."""

    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        facts = {"version": version("feeder"), "python": platform.python_version()}
        yield InfoMetricFamily("feeder_build", MEASURES["feeder_build_info"].says, value=facts)


_FAMILIES: Final[Mapping[Kind, type[CounterMetricFamily | GaugeMetricFamily]]] = MappingProxyType(
    {Kind.COUNTER: CounterMetricFamily, Kind.GAUGE: GaugeMetricFamily}
)


def _family(name: str, values: Iterable[tuple[str, float]]) -> Metric:
    measure = MEASURES[name]
    family = _FAMILIES[measure.kind](name, measure.says, labels=[measure.label] if measure.label else None)
    for label, value in values:
        family.add_metric([label] if measure.label else [], value)
    return family


def _durations(name: str, counts: Mapping[str, int], sums: Mapping[str, float]) -> Metric:
    measure = MEASURES[name]
    family = SummaryMetricFamily(name, measure.says, labels=[measure.label or ""])
    for label, count in counts.items():
        family.add_metric([label], count, sums[label])
    return family


def _histogram(name: str, counts: Iterable[int], total: float) -> Metric:
    names = [*(str(float(bound)) for bound in BUCKETS), "+Inf"]
    buckets = list(zip(names, accumulate(counts), strict=True))
    return HistogramMetricFamily(name, MEASURES[name].says, buckets=buckets, sum_value=total)
