"""newsboat, a feed reader of the trade, reads what was published. It must be installed, so these stand apart."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from calendar import timegm
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import feedparser
import pytest
from corpus import stories, write
from worlds import START, site


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("newsroom")
    write(folder / "tree", stories(300), ran_at=START - timedelta(hours=1))
    newsroom = site(folder / "site", {"tree": folder / "tree"}, feeds='entries = 50\nwindow = "0s"', history="")
    newsroom.run(START)
    for path in sorted((folder / "tree").rglob("*.md"))[::7]:
        path.unlink()
    for minutes in (1, 2):
        newsroom.run(START + timedelta(minutes=minutes))
    for number in range(60):
        text = f"---\ntitle: News {number}\ndate: {START:%F %T} +0000\ncategories: [News]\n---\n新闻。\n"
        (folder / "tree" / f"news-{number}.md").write_text(text, "utf-8")
    newsroom.run(START + timedelta(hours=1))
    return newsroom.public


@pytest.mark.parametrize("name", ["atom.xml", "rss.xml"])
def test_newsboat_reads_a_page_of_the_archive(tmp_path: Path, public: Path, name: str) -> None:
    assert b"deleted-entry" in (public / "atom.xml").read_bytes()
    page = public / "archive" / "1" / name
    found = {row[:3] for row in rows(page, tmp_path / "reader")}
    entries = feedparser.parse(page.read_bytes()).entries
    assert found == {(each.id, each.title, timegm(each.published_parsed)) for each in entries}
    assert found


def rows(feed: Path, home: Path) -> list[tuple[str, str, int, str]]:
    """Return the id, title, time and body of each article that newsboat finds in a feed."""
    home.mkdir()
    (home / "urls").write_text(f"file://{feed}\n", encoding="utf-8")
    (home / "config").touch()
    command = ("newsboat", "-u", "urls", "-C", "config", "-c", "cache.db", "-x", "reload")
    environment = {**os.environ, "HOME": str(home), "LC_ALL": "C.UTF-8"}
    subprocess.run(command, cwd=home, env=environment, check=True, capture_output=True, timeout=120)
    with closing(sqlite3.connect(home / "cache.db")) as cache:
        return cache.execute("SELECT guid, title, pubDate, content FROM rss_item").fetchall()


@pytest.mark.parametrize("name", ["atom.xml", "rss.xml"])
def test_newsboat_reads_what_feedparser_reads(tmp_path: Path, public: Path, name: str) -> None:
    for number, path in enumerate(sorted(public.rglob(name))[::20]):
        found = rows(path, tmp_path / f"reader-{number}")  # one for each feed: it keeps what is in two feeds once
        entries = feedparser.parse(path.read_bytes()).entries
        assert {row[:3] for row in found} == {(each.id, each.title, timegm(each.published_parsed)) for each in entries}
        assert all("。" in row[3] for row in found)
