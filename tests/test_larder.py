"""Entries kept between publishes: they are what rendering them anew would come to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import build
import feed_values
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import START, Piece, run, scratch, site

from feeder.model import Body, ContentPolicy, RenderedEntry
from feeder.pipeline.larder import Larder, weight
from feeder.pipeline.work import EntryJob
from feeder.store.packing import pack


def job(number: int = 1) -> EntryJob:
    return EntryJob(
        shown=replace(feed_values.shown(), id=f"tag:example.org,2026:{number}"),
        source=build.source(),
        categories=(),
        content=ContentPolicy.FULL,
        digest=b"",
        body=pack(Body(content="<p>Open.</p>", summary="Open.")),
    )


def entry(number: int = 1) -> RenderedEntry:
    made = feed_values.rendered(feed_values.entry())[0]
    return replace(made, id=f"tag:example.org,2026:{number}")


def test_what_was_made_of_the_same_is_at_hand() -> None:
    larder = Larder()
    assert larder.take(job()) is None
    larder.put(job(), entry())
    assert larder.take(job()) == entry()
    assert larder.take(job(2)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"categories": (feed_values.DAILY,)},
        {"content": ContentPolicy.SUMMARY},
        {"body": pack(Body(content="<p>Other.</p>", summary="Other."))},
        {"source": build.source(author="Ann")},
        {"shown": replace(job().shown, updated=job().shown.updated + timedelta(seconds=1))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_was_made_of_something_else_is_not(change: dict[str, object]) -> None:
    larder = Larder()
    larder.put(job(), entry())
    assert larder.take(replace(job(), **change)) is None  # type: ignore[arg-type]  # each is one of its fields


def test_what_was_read_from_a_document_is_not_kept() -> None:
    larder = Larder()
    larder.put(replace(job(), body=None), entry())
    assert larder.take(replace(job(), body=None)) is None


def test_what_was_not_wanted_for_longest_goes_first() -> None:
    larder = Larder(weight(entry()) * 2)
    larder.put(job(1), entry(1))
    larder.put(job(2), entry(2))
    larder.take(job(1))
    larder.put(job(3), entry(3))
    assert [larder.take(job(number)) is not None for number in (1, 2, 3)] == [True, False, True]


def test_what_is_kept_anew_takes_its_room_once() -> None:
    larder = Larder(weight(entry()) * 2)
    for _ in range(3):
        larder.put(job(1), entry(1))
    larder.put(job(2), entry(2))
    assert larder.take(job(1)) == entry(1)


pieces = st.builds(
    Piece,
    title=st.integers(0, 3),
    day=st.integers(1, 2),
    body=st.integers(0, 4),
    categories=st.integers(0, 7),
    author=st.integers(0, 2),
    image=st.integers(0, 2),
    summary=st.integers(0, 2),
    is_draft=st.booleans(),
)


@settings(max_examples=25)
@given(st.lists(st.lists(pieces, min_size=1, max_size=6), min_size=2, max_size=5))
def test_a_daemon_that_goes_on_writes_what_one_that_is_restarted_writes(steps: list[list[Piece]]) -> None:
    with scratch() as folder:
        tree = folder / "tree"
        tree.mkdir()
        going_on, restarted = (site(folder / name, {"tree": tree}) for name in ("on", "again"))
        with going_on.opened() as app:
            for number, step in enumerate(steps):
                for piece in step:
                    (folder / piece.at("tree", 0)).write_text(piece.text(), "utf-8")
                run(app, START + timedelta(hours=number))
                restarted.run(START + timedelta(hours=number))
                assert going_on.files() == restarted.files()
