"""The benchmarks measure what they say: equal trees, whole process trees, right feeds."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks import Wrong, contenders, corpus, processes, works
from benchmarks.__main__ import WORKS, main
from benchmarks.processes import Command
from benchmarks.server import WORKS as WITH_WRK
from benchmarks.works import Bench

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
FEW = 60
MEGABYTES = 1_000_000

BUSY_CHILD = """\
import os, time
child = os.fork()
if child == 0:
    while time.process_time() < 0.2:
        pass
    os._exit(0)
os.waitpid(child, 0)
"""
LARGE_CHILD = """\
import os, time
child = os.fork()
held = bytearray(os.urandom(40_000_000))
time.sleep(0.5)
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
"""


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def python(code: str, folder: Path) -> Command:
    return Command(words=(sys.executable, "-c", code), folder=folder)


def bench(folder: Path) -> Bench:
    return Bench(folder=folder, count=FEW, runs=1, seconds=0.1, feeds=FEW, hugo=None)


# ---------------------------------------------------------------- the tree


def test_the_tree_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("first", "second"):
        corpus.write(tmp_path / name, corpus.stories(FEW))
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
    assert len(contents(tmp_path / "first")) == FEW


def test_a_small_tree_is_the_beginning_of_a_large_one() -> None:
    assert corpus.stories(500)[:FEW] == corpus.stories(FEW)


def test_the_tree_has_copies_and_levels_and_dates_without_a_zone() -> None:
    told = corpus.stories(2000)
    copies = [story for story in told if story.number != story.text_of]
    assert 40 <= len(copies) <= 80
    assert all(told[copy.text_of].text_of == copy.text_of for copy in copies)
    assert {len(story.path) for story in told} == {2, 3}
    assert 0.25 <= sum(story.is_naive for story in told) / len(told) <= 0.35


def test_no_two_categories_share_a_name() -> None:
    paths = corpus.sizes(corpus.stories(2000))
    names = [path[-1] for path in paths if path]
    assert len(names) == len(set(names))


def test_a_run_of_the_generator_writes_every_file_anew(tmp_path: Path) -> None:
    told = corpus.stories(FEW)
    corpus.write(tmp_path, told)
    before = contents(tmp_path)
    added = corpus.rewrite(tmp_path, told, at=NOW, new=3)
    after = contents(tmp_path)
    assert after.keys() - before.keys() == {story.locator for story in added}
    for story in told:
        text = after[story.locator].decode()
        assert ("2026-03-10 12:00:00" in text) == story.is_naive
        assert (after[story.locator] != before[story.locator]) == (story.is_naive or "random=" in text)


def test_sizes_count_an_article_once_in_each_of_its_categories() -> None:
    told = corpus.stories(500)
    sizes = corpus.sizes(told)
    assert sizes[()] == len({story.text_of for story in told})
    assert corpus.sizes(told, with_copies=True)[()] == len(told)


# ---------------------------------------------------------------- processes


def test_what_children_use_is_counted(tmp_path: Path) -> None:
    assert processes.timed(python(BUSY_CHILD, tmp_path)).cpu >= 0.2


def test_the_memory_of_all_processes_is_added_up(tmp_path: Path) -> None:
    assert processes.weighed(python(LARGE_CHILD, tmp_path)).peak >= 80 * MEGABYTES


def test_a_command_that_fails_has_no_time(tmp_path: Path) -> None:
    with pytest.raises(Wrong, match="too bad"):
        processes.timed(python("raise SystemExit('too bad')", tmp_path))


def test_a_daemon_runs_until_the_end_of_the_block(tmp_path: Path) -> None:
    daemon = python("import time; print('here I am', flush=True); time.sleep(60)", tmp_path)
    with processes.running(daemon, started="here I am") as session:
        assert processes.held(session).resident > MEGABYTES
        assert processes.cpu_seconds(session) >= 0
    assert processes.held(session).resident == 0


def test_a_daemon_that_ends_before_it_has_started_is_wrong(tmp_path: Path) -> None:
    with (
        pytest.raises(Wrong, match="no port"),
        processes.running(python("raise SystemExit('no port')", tmp_path), started="here I am"),
    ):
        pass


# ---------------------------------------------------------------- benchmarks


@pytest.mark.parametrize("name", sorted(WORKS.keys() - WITH_WRK.keys()))
def test_every_work_can_be_measured(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(works, "SETTLE_SECONDS", 0.1)
    monkeypatch.setattr(works, "SINGLE", 1)
    monkeypatch.setattr("benchmarks.__main__.find_hugo", lambda: None)
    options = ["--articles", str(FEW), "--feeds", "44", "--runs", "1", "--seconds", "0.1", "--dir", str(tmp_path)]
    assert main([name, *options]) == 0
    said = capsys.readouterr().out
    assert f"| {name}: " in said
    assert contenders.HOW_TO_INSTALL in said


def test_feeds_that_lack_an_article_are_wrong(tmp_path: Path) -> None:
    measured = bench(tmp_path)
    site = measured.feeder
    site.begin_anew()
    (measured.articles / measured.stories[0].locator).unlink()
    processes.timed(site.build)
    with pytest.raises(Wrong, match="entries, not"):
        site.check(measured.stories)


def test_a_feed_without_bodies_is_wrong(tmp_path: Path) -> None:
    measured = bench(tmp_path)
    site = contenders.Feeder(folder=tmp_path / "short", articles=measured.articles, feeds='content = "summary"')
    site.begin_anew()
    processes.timed(site.build)
    with pytest.raises(Wrong, match="without its body"):
        site.check(measured.stories)
