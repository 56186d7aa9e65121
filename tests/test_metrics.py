"""Numbers for Prometheus, read back by its own parser."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from desk import Desk
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from feeder import config
from feeder.app import App
from feeder.metrics import BUCKETS, MEASURES, Counts, Queues, State, exposition
from feeder.model import Status, Verdict
from feeder.pipeline.edition import Published
from feeder.pipeline.polling import Polled
from feeder.silence import Cause
from feeder.store.records import Alert, AlertKind, Fault, FaultKind

NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.settle("newsroom", "harbour", "gone\nenabled = false")
    desk.write("newsroom/one.md")
    return desk


def families(text: bytes) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text.decode())}


def samples(text: bytes) -> dict[tuple[str, str], float]:
    """Return each number by its name and what its label says."""
    found = [sample for family in families(text).values() for sample in family.samples]
    return {(sample.name, "|".join(sample.labels.values())): sample.value for sample in found}


def look(desk: Desk, *, counts: Counts | None = None, now: datetime = NOW) -> dict[tuple[str, str], float]:
    loaded = config.load(desk.config)
    return samples(exposition(State(lambda: loaded, lambda: now), counts or Counts(), Queues(dict))())


def observed(desk: Desk, act: Callable[[App], object]) -> Counts:
    """Do something with the whole, and return what is counted of it."""
    counts = Counts()
    with desk.daemon() as app:
        app.observer = counts
        app.prepare(NOW)
        act(app)
    return counts


def test_all_that_is_promised_is_there_and_is_what_it_says(desk: Desk) -> None:
    counts = observed(desk, lambda app: app.poll("newsroom", NOW))
    loaded = config.load(desk.config)
    collectors = State(lambda: loaded, lambda: NOW), counts, Queues(lambda: {"due": 1})
    found = families(exposition(*collectors)())
    own = {name: family for name, family in found.items() if name.startswith("feeder_")}
    expected = {name.removesuffix("_total"): measure for name, measure in MEASURES.items()}
    kinds = {"info": "gauge"}  # as this format has it
    assert {name: family.type for name, family in own.items()} == {
        name: kinds.get(measure.kind, measure.kind.value) for name, measure in expected.items()
    }
    assert {name: family.documentation for name, family in own.items()} == {
        name: measure.says for name, measure in expected.items()
    }
    labels = {
        name: {label for each in family.samples for label in each.labels} - {"le"} for name, family in own.items()
    }
    unlabelled = {name for name, measure in expected.items() if measure.label is None}
    assert {name for name, found in labels.items() if not found} - {"feeder_source_stale", "feeder_category_stale"} == (
        unlabelled - {"feeder_build_info"}
    )
    assert "process_resident_memory_bytes" in found


def test_polls_are_counted_with_what_they_came_to(desk: Desk) -> None:
    size = (desk.folder / "newsroom/one.md").stat().st_size
    desk.put("newsroom/broken.md", "---\ntitle: [\n")
    broken = (desk.folder / "newsroom/broken.md").stat().st_size

    def act(app: App) -> None:
        app.poll("newsroom", NOW)
        app.poll("newsroom", NOW + timedelta(hours=1))
        app.publish(NOW, settle=timedelta())
        (desk.folder / "harbour").rmdir()
        app.poll("harbour", NOW)

    found = look(desk, counts=observed(desk, act))
    assert (found["feeder_polls_total", "ok"], found["feeder_polls_total", "failed"]) == (2, 1)
    assert (found["feeder_items_total", "new"], found["feeder_items_total", "withdrawn"]) == (1, 0)
    assert found["feeder_documents_total", "good"] == 1
    assert found["feeder_poll_duration_seconds_count", "newsroom"] == 2
    assert found["feeder_poll_duration_seconds_sum", "newsroom"] > 0
    assert found["feeder_read_bytes_total", "newsroom"] == size + broken  # at the second poll, nothing is read
    assert found["feeder_publish_duration_seconds_count", ""] == 1
    assert found["feeder_publish_duration_seconds_bucket", "+Inf"] == 1
    assert found["feeder_files_total", "written"] > 3
    assert found["feeder_feed_failures_total", ""] == 0


def test_a_publishing_without_work_is_not_counted(desk: Desk) -> None:
    found = look(desk, counts=observed(desk, lambda app: app.publish(NOW)))
    assert found["feeder_publish_duration_seconds_count", ""] == 0


def test_the_state_is_told_as_it_stands(desk: Desk) -> None:
    since = NOW - timedelta(days=3)

    def act(app: App) -> None:
        app.poll("newsroom", NOW)
        (desk.folder / "harbour").rmdir()
        for _ in range(2):
            app.poll("harbour", NOW)
        stale = Alert(kind=AlertKind.SOURCE, subject="harbour", watched=since, cause=Cause.FAILING, since=since)
        fine = Alert(kind=AlertKind.CATEGORY, subject='City/"Roads"\n\\', watched=since)
        with app.store.transaction():
            app.store.save_alerts([stale, fine])
            app.store.save_faults([Fault(kind=FaultKind.HUB, subject="", since=NOW, reason="busy")], [])

    observed(desk, act)
    found = look(desk, now=NOW + timedelta(hours=2))
    assert found["feeder_state_readable", ""] == 1
    assert found["feeder_state_bytes", ""] > 4096
    assert found["feeder_sources", ""] == 2
    last = "feeder_source_last_success_timestamp_seconds"
    assert {label: value for (name, label), value in found.items() if name == last} == {"newsroom": NOW.timestamp()}
    assert (found["feeder_source_failures", "newsroom"], found["feeder_source_failures", "harbour"]) == (0, 2)
    assert found["feeder_source_stale", "harbour"] == 1
    assert found["feeder_category_stale", 'City/"Roads"\n\\'] == 0
    assert found["feeder_due_lag_seconds", ""] == timedelta(hours=2, minutes=-10).total_seconds()
    assert (found["feeder_faults", "hub"], found["feeder_faults", "feed"]) == (1, 0)
    assert (found["feeder_articles", ""], found["feeder_feeds_stale", ""], found["feeder_feeds", ""]) == (1, 3, 0)


def test_without_a_state_the_rest_is_told(desk: Desk) -> None:
    counts = Counts()
    counts.polled(Polled(source="newsroom"), 0.5)
    found = look(desk, counts=counts)
    assert found["feeder_state_readable", ""] == 0
    assert found["feeder_polls_total", "ok"] == 1
    assert ("feeder_articles", "") not in found


def test_what_was_never_polled_is_not_late_since_1970(desk: Desk) -> None:
    observed(desk, lambda app: app.poll("newsroom", NOW))
    assert look(desk, now=NOW)["feeder_due_lag_seconds", ""] == 0


def test_what_is_paused_is_not_late(desk: Desk) -> None:
    observed(desk, lambda app: app.poll("newsroom", NOW))
    assert desk.run("pause", "newsroom", "harbour").code == 0
    assert look(desk, now=NOW + timedelta(days=9))["feeder_due_lag_seconds", ""] == 0


def test_another_config_is_told_of_at_once(desk: Desk) -> None:
    observed(desk, lambda app: app.poll("newsroom", NOW))
    current = [config.load(desk.config)]
    told = exposition(State(lambda: current[0], lambda: NOW))
    assert samples(told())["feeder_sources", ""] == 2
    current[0] = replace(current[0], sources=current[0].sources[:1])
    assert samples(told())["feeder_sources", ""] == 1


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", 'é\n"\\', "c d"]),
            st.floats(0, 1e6),
            st.integers(0, 10**12),
            st.dictionaries(st.sampled_from(Verdict), st.integers(0, 9)),
            st.dictionaries(st.sampled_from(Status), st.integers(0, 9)),
            st.none() | st.text(),
        )
    ),
    st.lists(st.floats(0, 1e4)),
)
def test_whatever_happens_adds_up(
    polls: list[tuple[str, float, int, dict[Verdict, int], dict[Status, int], str | None]], publishings: list[float]
) -> None:
    counts = Counts()
    for source, seconds, size, verdicts, statuses, error in polls:
        polled = Polled(source=source, size=size, verdicts=Counter(verdicts), statuses=Counter(statuses), error=error)
        counts.polled(polled, seconds)
    for seconds in publishings:
        counts.published(Published(nodes=1, written=["a"]), seconds)
    found = samples(exposition(counts)())
    assert found["feeder_polls_total", "ok"] + found["feeder_polls_total", "failed"] == len(polls)
    assert sum(value for (name, _), value in found.items() if name == "feeder_read_bytes_total") == sum(
        p[2] for p in polls
    )
    for verdict in Verdict:
        assert found["feeder_items_total", verdict.value] == sum(poll[3].get(verdict, 0) for poll in polls)
    assert found["feeder_files_total", "written"] == len(publishings)
    for bound in BUCKETS:
        expected = sum(1 for seconds in publishings if seconds <= bound)
        assert found["feeder_publish_duration_seconds_bucket", str(float(bound))] == expected
    assert found["feeder_publish_duration_seconds_count", ""] == len(publishings)
