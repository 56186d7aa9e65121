"""What is remembered of a URL: pure functions, one behaviour a test."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeder import memo
from feeder.memo import Memo
from feeder.model import Answer, ForeignFeed, Origin, Pace, SourceKind

HOUR = timedelta(hours=1)
URL = "https://news.example/feed.xml"
MOVED = "https://new.example/feed.xml"
OTHER = "https://other.example/feed.xml"

TEXTS = st.none() | st.text(max_size=20)
SPANS = st.none() | st.integers(0, 10**9).map(lambda seconds: timedelta(seconds=seconds))
PACES = st.builds(
    Pace,
    has_validators=st.none() | st.booleans(),
    fresh_for=SPANS,
    every=SPANS,
    skip_hours=st.frozensets(st.integers(0, 23)),
    skip_days=st.frozensets(st.integers(0, 6)),
    retry_after=SPANS,
    published=st.just(()),
)
MEMOS = st.builds(
    Memo,
    settings=TEXTS,
    url=TEXTS,
    kind=st.sampled_from(SourceKind),
    etag=TEXTS,
    last_modified=TEXTS,
    digest=TEXTS,
    moved_to=TEXTS,
    moves=st.integers(0, 5),
    is_gone=st.booleans(),
    pace=PACES,
)


def answer(**fields: Any) -> Answer:
    return Answer(**{"status": 200, "url": URL, **fields})


# ---------------------------------------------------------------- kept as text


@given(MEMOS)
def test_a_memo_is_read_back_as_it_was(known: Memo) -> None:
    assert memo.load(memo.dump(known)) == known


def test_the_times_of_articles_are_not_kept() -> None:
    known = Memo(pace=Pace(published=(datetime(2026, 1, 1, tzinfo=UTC),)))
    assert memo.load(memo.dump(known)) == Memo()


def _without_days() -> str:
    values = json.loads(memo.dump(Memo()))
    del values["pace"]["skip_days"]
    return json.dumps(values)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="never-asked"),
        pytest.param("", id="empty"),
        pytest.param("{", id="cut-short"),
        pytest.param("[]", id="no-object"),
        pytest.param('{"pace": null}', id="no-pace"),
        pytest.param(_without_days(), id="of-an-older-version"),
        pytest.param(memo.dump(Memo()).replace('"moves"', '"steps"'), id="of-a-newer-version"),
        pytest.param(memo.dump(Memo()).replace('"auto"', '"podcast"'), id="of-an-unknown-kind"),
    ],
)
def test_what_cannot_be_read_is_nothing(text: str | None) -> None:
    assert memo.load(text) == Memo()


def test_of_other_settings_only_what_was_found_counts() -> None:
    known = Memo(settings="a", url=MOVED, kind=SourceKind.ARCHIVE, etag="e", digest="d", is_gone=True)
    assert memo.under(known, "a") is known
    assert memo.under(known, "b") == Memo(settings="b", kind=SourceKind.ARCHIVE)


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("given_answer", "digest", "expected"),
    [
        pytest.param(answer(etag="e2"), "d2", ("e2", None, "d2", True), id="new-validators-take-the-place-of-old"),
        pytest.param(answer(), "d2", (None, None, "d2", False), id="a-new-body-without-any-forgets-the-old"),
        pytest.param(answer(), "d", (None, None, "d", False), id="so-does-the-same-body"),
        pytest.param(answer(status=304), None, ("e", "m", "d", True), id="not-modified-without-any-keeps-the-old"),
        pytest.param(answer(status=304, etag="e2"), None, ("e2", "m", "d", True), id="not-modified-keeps-the-other"),
    ],
)
def test_validators(given_answer: Answer, digest: str | None, expected: tuple[object, ...]) -> None:
    found = memo.answered(Memo(etag="e", last_modified="m", digest="d"), given_answer, digest=digest)
    assert (found.etag, found.last_modified, found.digest, found.pace.has_validators) == expected


def test_an_answer_ends_what_was_wrong() -> None:
    known = Memo(is_gone=True, pace=Pace(retry_after=HOUR, fresh_for=HOUR, every=HOUR))
    found = memo.answered(known, answer(), digest="d")
    assert not found.is_gone
    assert (found.pace.retry_after, found.pace.fresh_for, found.pace.every) == (None, None, HOUR)


@pytest.mark.parametrize(
    ("sightings", "expected"),
    [
        pytest.param([MOVED], None, id="once-is-not-enough"),
        pytest.param([MOVED, MOVED], MOVED, id="twice-is"),
        pytest.param([MOVED, None, MOVED], None, id="not-in-a-row"),
        pytest.param([MOVED, OTHER], None, id="to-two-places"),
        pytest.param([MOVED, OTHER, OTHER], OTHER, id="made-up-its-mind"),
        pytest.param([MOVED, MOVED, None], MOVED, id="stays-there"),
        pytest.param([MOVED, MOVED, OTHER, OTHER], OTHER, id="moved-on"),
    ],
)
def test_a_permanent_redirect_counts_when_it_is_seen_twice(sightings: list[str | None], expected: str | None) -> None:
    known = Memo()
    for moved_to in sightings:
        known = memo.answered(known, answer(moved_to=moved_to), digest="d")
    assert known.url == expected


def test_what_was_read_says_how_often_to_come() -> None:
    feed = ForeignFeed(origin=Origin(), items=(), every=HOUR, skip_hours=frozenset({1}), skip_days=frozenset({6}))
    found = memo.understood(Memo(url=MOVED, pace=Pace(fresh_for=HOUR)), SourceKind.FEED, feed)
    pace = Pace(fresh_for=HOUR, every=HOUR, skip_hours=frozenset({1}), skip_days=frozenset({6}))
    assert found == Memo(url=MOVED, kind=SourceKind.FEED, pace=pace)
    assert memo.understood(found, SourceKind.ARCHIVE, None) == replace(found, kind=SourceKind.ARCHIVE)
    assert memo.understood(found, SourceKind.FEED, feed, url=OTHER).url == OTHER


# ---------------------------------------------------------------- failures


def test_a_failure_forgets_nothing_until_there_were_three() -> None:
    known = Memo(settings="s", url=MOVED, kind=SourceKind.FEED, etag="e", digest="d", moves=1, pace=Pace(every=HOUR))
    assert memo.failed(known, failures=1) == known
    assert memo.failed(known, failures=2, retry_after=HOUR) == replace(known, pace=Pace(every=HOUR, retry_after=HOUR))
    fresh = Memo(settings="s", kind=SourceKind.FEED, pace=Pace(every=HOUR))
    assert memo.failed(known, failures=3) == fresh
    assert memo.failed(known, failures=3, is_gone=True) == replace(fresh, is_gone=True)


@given(MEMOS, st.integers(1, 9))
def test_a_wait_that_was_asked_for_is_over_with_the_next_failure(known: Memo, failures: int) -> None:
    told = memo.failed(known, failures=failures, retry_after=HOUR)
    assert told.pace.retry_after == HOUR
    assert memo.failed(told, failures=failures + 1).pace.retry_after is None


@pytest.mark.parametrize(("hours", "is_due"), [(23, False), (24, True), (48, True)])
def test_a_page_that_announced_a_feed_is_looked_at_again_every_day(hours: int, is_due: bool) -> None:  # noqa: FBT001
    then = datetime(2026, 3, 10, 12, tzinfo=UTC)
    known = Memo(url="https://lake.example/feed", looked_at=int(then.timestamp()))
    assert memo.is_page_due(known, then + timedelta(hours=hours)) is is_due
    assert not memo.is_page_due(Memo(), then + timedelta(hours=hours))
