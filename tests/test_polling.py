"""What polls say in the log: faults when they begin or change, and once when they end."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from structlog.testing import capture_logs

from feeder.log import LOGGED

NOW = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.settle()
    desk.write("newsroom/bridge.md")
    return desk


@contextmanager
def polled(desk: Desk, **broken: Any) -> Iterator[list[Any]]:
    """Poll the newsroom, with some parts broken; yield what that logs."""
    with desk.daemon() as app, capture_logs() as logs:
        app.prepare(NOW)
        app.parts = replace(app.parts, **broken)
        app.poll("newsroom", NOW)
        yield logs


def said(desk: Desk, **broken: Any) -> list[tuple[str, str]]:
    """Poll, and return the events and what each is about."""
    with polled(desk, **broken) as logs:
        return [(e["event"], e.get("error") or e.get("locator") or e["source"]) for e in logs if e["event"] != "polled"]


def test_of_a_flood_the_beginning_is_told_and_how_much_more_there_was(desk: Desk) -> None:
    said(desk)
    for number in range(LOGGED + 30):
        desk.put(f"newsroom/{number:03}.md", "---\ntitle: [\n")
        desk.put(f"newsroom/odd{number:03}.md", f"---\ntitle: Odd {number}\ntitle: Twice {number}\n---\nText.\n")
    with polled(desk) as logs:
        told = Counter(line["event"] for line in logs)
        rest = {line["left_out"]: line["count"] for line in logs if line["event"] == "events_left_out"}
        assert {line["source"] for line in logs} == {"newsroom"}
    assert (told["item_rejected"], told["item_read_leniently"]) == (LOGGED, LOGGED)
    assert rest == {"item_rejected": 30, "item_read_leniently": 30}
    for number in range(LOGGED + 30):
        desk.write(f"newsroom/{number:03}.md", title=f"Mended {number}")
    with polled(desk) as logs:
        told = Counter(line["event"] for line in logs)
        rest = {line["left_out"]: line["count"] for line in logs if line["event"] == "events_left_out"}
    assert (told["item_mended"], rest) == (LOGGED, {"item_mended": 30})


def test_a_poll_that_is_no_flood_is_told_in_full(desk: Desk) -> None:
    for number in range(LOGGED):
        desk.put(f"newsroom/{number:03}.md", "---\ntitle: [\n")
    with polled(desk) as logs:
        assert Counter(line["event"] for line in logs) == {"item_rejected": LOGGED, "polled": 1}


def test_a_source_that_fails_is_told_when_that_begins_changes_and_ends(desk: Desk) -> None:
    tree = desk.folder / "newsroom"
    said(desk)
    tree.rename(desk.folder / "away")
    [(event, first)] = said(desk)
    assert event == "poll_failed"
    assert [said(desk) for _ in range(3)] == [[], [], []]
    tree.write_text("a file in place of the directory")
    [(event, second)] = said(desk)
    assert (event, second != first) == ("poll_failed", True)
    assert said(desk) == []
    tree.unlink()
    (desk.folder / "away").rename(tree)
    assert said(desk) == [("source_mended", "newsroom")]
    assert said(desk) == []


def test_news_of_a_source_that_goes_on_failing_is_told(desk: Desk) -> None:
    said(desk)
    (desk.folder / "newsroom/bridge.md").unlink()
    assert [event for event, _ in said(desk)] == ["poll_failed"]
    with polled(desk) as logs:
        assert logs == []
    desk.write("newsroom/other.md", title="Other", date="2026-03-12T12:00:00Z", body="Other text.")
    with polled(desk) as logs:
        assert [(line["event"], line.get("new")) for line in logs] == [("source_mended", None), ("polled", 1)]


def test_a_crash_is_told_once_while_it_stays_the_same(desk: Desk) -> None:
    assert [event for event, _ in said(desk, fingerprints={})] == ["poll_crashed", "poll_failed"]
    assert said(desk, fingerprints={}) == []
    assert said(desk) == [("source_mended", "newsroom")]


def test_a_directory_that_cannot_be_listed_is_told_when_that_begins_and_ends(desk: Desk) -> None:
    said(desk)
    deepest = dig(desk.folder / "newsroom")
    [(event, locator)] = said(desk)
    assert (event, locator.startswith("n" * 200)) == ("directory_unreadable", True)
    assert said(desk) == []
    (desk.folder / "newsroom" / deepest).rename(desk.folder / "newsroom" / "short")
    ended = said(desk)
    assert ("directory_mended", locator) in ended
    assert said(desk) == []


def dig(root: Path) -> str:
    """Make directories deeper than a path may name; return the name of the first."""
    name = "n" * 200
    directory = os.open(root, os.O_RDONLY)
    for _ in range(21):
        os.mkdir(name, dir_fd=directory)
        below = os.open(name, os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = below
    os.close(directory)
    return name
