"""From files to what readers read: whole runs over real trees, as an operator and a subscriber see them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from calendar import timegm
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import feedparser
import pytest
from corpus import NEWEST, Dated, stories, write
from worlds import MINUTE, START, Crash, Fuse, SiteUnderTest, fuse, run, scratch, site

from feeder import config
from feeder.categories import slugs
from feeder.errors import ConfigError
from feeder.likeness import title_key
from feeder.model import Verdict
from feeder.pipeline import publishing

HOUR = timedelta(hours=1)
FEEDS = 'entries = 50\nwindow = "2d"'
PICTURE = "https://img.example/2026/ferry.png"
ARTICLE = f"""
---
title: '渡口重开第一天，老船工说"水还是那条水"'
categories:\x20
 - 社区
 - 河岸日报
 - 河岸日报－沿江
headimg: '{PICTURE}'
author: 河岸日报
comments: false
date: Tue, 24 Feb 2026 08:19:50 GMT
thumbnail: '{PICTURE}'
---

<div>\x20\x20\x20
<p>　　清晨六点，渡口的铁链第一次被解开。</p>
<p>　　船工把旧缆绳盘好，说：“水还是那条水。”</p>






<!-- text only -->


<!-- notice -->



            <!-- code start -->
            <style>
            .code_wrap&#123;border:1px solid #E6E6E6;padding:8px;&#125;
            .code_text&#123;float:left;line-height:74px;&#125;
            </style>


<p class="editor">编辑：灯舟</p>

\x20\x20
</div>
            """
TREE = "tree"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / TREE
    path.mkdir()
    return path


@pytest.fixture
def newsroom(tmp_path: Path, tree: Path) -> SiteUnderTest:
    return site(tmp_path / "site", {TREE: tree}, feeds=FEEDS)


def read(path: Path) -> Any:
    """Return what feedparser makes of a feed, with every entry's time as a time."""
    found = feedparser.parse(path.read_bytes())
    assert not found.bozo
    for entry in found.entries:
        entry["time"] = datetime.fromtimestamp(timegm(entry.published_parsed), UTC)
    return found


def feeds(newsroom: SiteUnderTest, name: str = "atom.xml") -> list[Path]:
    return sorted(newsroom.public.rglob(name))


def ids(newsroom: SiteUnderTest) -> dict[str, str]:
    return {entry.title: entry.id for entry in read(newsroom.public / "atom.xml").entries}


def put(tree: Path, name: str, front: str, body: str = "") -> None:
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"---\n{front}\n---\n{body}", encoding="utf-8")


def only(newsroom: SiteUnderTest) -> Any:
    (entry,) = read(newsroom.public / "atom.xml").entries
    return entry


# ---------------------------------------------------------------- one article

PLACES = ("", "categories/社区", "categories/社区/河岸日报", "categories/社区/河岸日报/河岸日报-沿江")


@pytest.mark.parametrize("name", ["atom.xml", "rss.xml"])
def test_an_article_is_in_the_feed_of_the_site_and_of_every_level_of_its_path(
    tree: Path, newsroom: SiteUnderTest, name: str
) -> None:
    (tree / "渡口.md").write_text(ARTICLE, encoding="utf-8")
    newsroom.run(START)
    assert set(feeds(newsroom, name)) == {newsroom.public / place / name for place in PLACES}
    for place in PLACES:
        (entry,) = read(newsroom.public / place / name).entries
        assert entry.title == '渡口重开第一天，老船工说"水还是那条水"'
        assert entry.time == datetime(2026, 2, 24, 8, 19, 50, tzinfo=UTC)
        assert [tag.term for tag in entry.tags] == ["社区", "河岸日报", "河岸日报－沿江"]
        assert entry.author == "河岸日报"
        assert entry.media_thumbnail == [{"url": PICTURE}]


@pytest.mark.parametrize("name", ["atom.xml", "rss.xml"])
def test_a_body_is_shown_without_what_nobody_should_read(tree: Path, newsroom: SiteUnderTest, name: str) -> None:
    (tree / "渡口.md").write_text(ARTICLE, encoding="utf-8")
    newsroom.run(START)
    (entry,) = read(newsroom.public / name).entries
    content = entry.content[0].value
    assert "水还是那条水。" in content
    assert "编辑：灯舟" in content
    for unwanted in ("<!--", "style", "code_wrap", "&#123;", "border", "\n\n\n"):
        assert unwanted not in content
    assert content == content.strip()
    assert entry.summary.startswith("清晨六点，渡口的铁链第一次被解开。")
    assert "code" not in entry.summary


def test_a_second_run_touches_nothing(tree: Path, newsroom: SiteUnderTest) -> None:
    (tree / "渡口.md").write_text(ARTICLE, encoding="utf-8")
    newsroom.run(START)
    before = newsroom.stamps()
    ran = newsroom.run(START + HOUR)
    assert newsroom.stamps() == before
    assert not ran.published.nodes


# ---------------------------------------------------------------- a whole tree

CORPUS = stories(300)


@pytest.fixture
def published(tree: Path, newsroom: SiteUnderTest) -> SiteUnderTest:
    write(tree, CORPUS, ran_at=START - HOUR)
    newsroom.run(START)
    return newsroom


def test_no_feed_of_a_tree_with_copies_holds_an_article_twice(published: SiteUnderTest) -> None:
    for path in feeds(published):
        seen = Counter((title_key(entry.title), entry.time.date()) for entry in read(path).entries)
        assert max(seen.values()) == 1, path
    assert len({story.title for story in CORPUS}) == 300
    with published.opened() as app:
        counts = app.store.counts()
    assert (counts["articles"], counts["sightings"], counts["merged"]) == (300, 309, 9)


def test_every_story_is_in_the_feed_of_its_channel(tree: Path, tmp_path: Path) -> None:
    wide = site(tmp_path / "site", {TREE: tree}, feeds="entries = 400\nmax_entries = 400")
    write(tree, CORPUS, ran_at=START - HOUR)
    wide.run(START)
    held = {tuple(entry.title for entry in read(path).entries) for path in feeds(wide)}
    for path in {story.path for story in CORPUS}:
        titles = {story.title for story in CORPUS if story.path == path}
        assert any(titles == set(feed) for feed in held), path


def test_atom_and_rss_say_the_same_to_feedparser(published: SiteUnderTest) -> None:
    paths = feeds(published)
    assert len(paths) > 50
    for path in paths:
        assert list(told(path)) == list(told(path.with_name("rss.xml")))


def told(path: Path) -> Iterator[tuple[Any, ...]]:
    for entry in read(path).entries:
        tags = [(tag.term, tag.scheme) for tag in entry.tags]
        yield (
            entry.id,
            entry.title,
            entry.time,
            entry.author,
            tags,
            entry.content[0].value,
            entry.get("media_thumbnail"),
        )


def test_a_tree_written_again_by_its_generator_moves_no_byte(tree: Path, published: SiteUnderTest) -> None:
    before = published.stamps()
    for hours in (1, 7, 30):
        write(tree, CORPUS, ran_at=START + hours * HOUR - MINUTE, run=hours)
        ran = published.run(START + hours * HOUR)
        assert set(+ran.polls[0].verdicts) == {Verdict.UNCHANGED}
        assert published.stamps() == before


def test_new_stories_move_nothing_but_the_feeds_that_hold_them(tree: Path, published: SiteUnderTest) -> None:
    before = published.files()
    new = tuple(
        replace(old, title=f"新的{old.title}", name=f"new {old.name}", dated=Dated.ZONED, moment=NEWEST + HOUR)
        for old in CORPUS[:2]
    )
    write(tree, (*CORPUS, *new), ran_at=START + HOUR, run=2)
    published.run(START + HOUR)
    after = published.files()
    moved = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    indexes = {"feeds.json", "feeds.opml", *(path for path in moved if path.startswith("articles/"))}
    assert {path.rpartition("/")[0] for path in moved - indexes} == {
        "/".join(("categories", *slugs(story.path[:depth]))) if depth else "" for story in new for depth in range(4)
    }
    for path in moved - indexes:
        if path.endswith("atom.xml"):
            old_entries, new_entries = entries(before[path]), entries(after[path])
            fresh = [title for title in new_entries if title not in old_entries]
            assert set(fresh) <= {story.title for story in new}
            assert {
                title: new_entries[title] for title in new_entries if title not in fresh
            }.items() <= old_entries.items()


def entries(body: bytes) -> dict[str, bytes]:
    """Return the bytes of every entry of an Atom feed, by its title."""
    found = re.findall(rb"<entry>.*?</entry>", body, re.DOTALL)
    return {str(re.search("<title>(.*?)</title>", entry.decode())[1]): entry for entry in found}  # type: ignore[index]


@pytest.mark.parametrize(
    ("key", "made"),
    [
        pytest.param('category = "Rest"\nmax_categories = 2', ["rest", "t00", "t01"], id="as-many-as-it-may"),
        pytest.param("max_categories = 2", ["t00", "t01"], id="the-rest-in-none"),
        pytest.param('category = "Rest"', [f"t{number:02}" for number in range(12)], id="any-number"),
    ],
)
def test_a_directory_brings_as_many_categories_as_it_may(tree: Path, tmp_path: Path, key: str, made: list[str]) -> None:
    newsroom = site(tmp_path / "site", {TREE: tree}, feeds=FEEDS, sources={TREE: key})
    for number in range(12):
        put(
            tree,
            f"{number:02}.md",
            f"title: Story {number}\ndate: 2026-02-03 01:00:00 +0000\ncategories: [T{number:02}]",
        )
    for hour in (0, 1):
        newsroom.run(START + hour * HOUR)
        assert sorted(path.name for path in (newsroom.public / "categories").iterdir()) == made
    assert len(read(newsroom.public / "atom.xml").entries) == 12


# ---------------------------------------------------------------- copies and edits

FIRST = 'title: "Floods in the north"\ndate: 2026-02-03 01:00:00 +0000'


@pytest.mark.parametrize(
    "second",
    [
        pytest.param('title: "Floods in the north"\ndate: 2026-02-03 05:00:00 +0000', id="later-that-day"),
        pytest.param('title: "  FLOODS   in the north "\ndate: 2026-02-03 01:00:00 +0000', id="blanks-and-case"),
        pytest.param('title: "Ｆｌｏｏｄｓ in\u200b the north"\ndate: 2026-02-03 01:00:00 +0000', id="widths"),
    ],
)
def test_fault_93_equal_title_and_day_is_one_entry_of_the_earliest_text(
    tree: Path, newsroom: SiteUnderTest, second: str
) -> None:
    put(tree, "b.md", second, "<p>Second text.</p>")
    put(tree, "a.md", FIRST, "<p>First text.</p>")
    newsroom.run(START)
    assert only(newsroom).summary == "First text."
    with newsroom.opened() as app:
        assert app.store.counts()["merged"] == 1


def test_fault_93_an_equal_title_on_another_day_is_another_entry(tree: Path, newsroom: SiteUnderTest) -> None:
    put(tree, "a.md", FIRST, "<p>Text.</p>")
    put(tree, "b.md", FIRST.replace("-03 ", "-04 "), "<p>Text.</p>")
    newsroom.run(START)
    assert len({entry.id for entry in read(newsroom.public / "atom.xml").entries}) == 2


def test_fault_94_an_edited_article_keeps_its_id_and_place_and_says_when(tree: Path, newsroom: SiteUnderTest) -> None:
    put(tree, "a.md", FIRST, "<p>As it was.</p>")
    newsroom.run(START)
    before = only(newsroom)
    assert before.updated_parsed == before.published_parsed
    put(tree, "a.md", FIRST, "<p>As it is.</p>")
    newsroom.run(START + HOUR)
    after = only(newsroom)
    assert (after.id, after.time, after.summary) == (before.id, before.time, "As it is.")
    assert datetime.fromtimestamp(timegm(after.updated_parsed), UTC) == START + HOUR


def test_an_article_that_moves_while_it_is_edited_shows_its_new_text_at_once_and_says_when(
    tree: Path, tmp_path: Path
) -> None:
    newsroom = site(tmp_path / "site", {TREE: tree}, feeds=FEEDS, sources={TREE: 'withdraw_after = "30d"'})
    put(tree, "other.md", FIRST.replace("north", "south"))
    put(tree, "a.md", FIRST, "<p>As it was.</p>")
    newsroom.run(START)
    before = only_of(newsroom, "Floods in the north")
    for hour, (old, new, text) in enumerate(
        [("a", "b", "edited"), ("b", "c", "edited"), ("c", "d", "edited twice")], 1
    ):
        (tree / f"{old}.md").unlink()
        put(tree, f"{new}.md", FIRST, f"<p>As it is {text}.</p>")
        newsroom.run(START + hour * HOUR)
        now = only_of(newsroom, "Floods in the north")
        edited = START + (3 if "twice" in text else 1) * HOUR
        assert (now.id, now.time, now.summary) == (before.id, before.time, f"As it is {text}.")
        assert datetime.fromtimestamp(timegm(now.updated_parsed), UTC) == edited
    (tree / "d.md").unlink()
    newsroom.run(START + 9 * HOUR)
    assert only_of(newsroom, "Floods in the north") == now  # until all its places are given up


def test_of_two_documents_of_one_article_the_one_that_is_there_is_shown(tree: Path, tmp_path: Path) -> None:
    newsroom = site(tmp_path / "site", {TREE: tree}, feeds=FEEDS, sources={TREE: 'withdraw_after = "30d"'})
    put(tree, "b.md", FIRST, "<p>Second text.</p>")
    put(tree, "a.md", FIRST, "<p>First text.</p>")
    newsroom.run(START)
    (tree / "a.md").rename(tmp_path / "a.md")
    shown = []
    for hour in (1, 2, 3):
        newsroom.run(START + hour * HOUR)
        shown.append(only(newsroom).summary)
    (tmp_path / "a.md").rename(tree / "a.md")
    newsroom.run(START + 4 * HOUR)
    assert [*shown, only(newsroom).summary] == [*["Second text."] * 3, "First text."]


def only_of(newsroom: SiteUnderTest, title: str) -> Any:
    (entry,) = (each for each in read(newsroom.public / "atom.xml").entries if each.title == title)
    return entry


def test_fault_95_one_guid_in_two_sources_is_two_articles(tmp_path: Path) -> None:
    for name in ("honest", "spoofing"):
        put(tmp_path / name, "a.md", f"title: {name}\ndate: 2026-02-03 01:00:00 +0000\nguid: https://honest.example/1")
    both = site(tmp_path / "site", {name: tmp_path / name for name in ("spoofing", "honest")})
    both.run(START)
    assert len(set(ids(both).values())) == 2
    assert set(ids(both)) == {"honest", "spoofing"}


def test_fault_96_the_output_is_refused_as_a_source(tmp_path: Path, tree: Path) -> None:
    looping = site(tmp_path / "site", {TREE: tree, "loop": tmp_path / "site" / "public"})
    with pytest.raises(ConfigError, match="loop"):
        config.load(looping.config_path)


def test_fault_96_published_files_among_the_articles_change_nothing(tree: Path, newsroom: SiteUnderTest) -> None:
    put(tree, "a.md", FIRST, "<p>Text.</p>")
    newsroom.run(START)
    before = newsroom.stamps()
    for hours in (1, 2):
        shutil.copytree(newsroom.public, tree / "mirror", dirs_exist_ok=True)
        newsroom.run(START + hours * HOUR)
        assert newsroom.stamps() == before


def test_fault_97_no_link_or_picture_runs_a_script_or_brings_its_own_bytes(tree: Path, newsroom: SiteUnderTest) -> None:
    bad = (
        "javascript:alert(1)",
        "data:text/html,<b>1",
        "vbscript:x",
        "JaVaScRiPt:alert(1)",
        " javascript:1",
        "file:///x",
    )
    for number, address in enumerate(bad):
        front = f'title: "t{number}"\ndate: 2026-02-03 01:00:00 +0000\nlink: "{address}"\ncover: "{address}"'
        put(tree, f"{number}.md", front, f"<p><a href=\"{address}\">there</a><img src='{address}'></p>")
    newsroom.run(START)
    assert len(ids(newsroom)) == len(bad)
    for path, body in newsroom.files().items():
        for scheme in (b"javascript:", b"data:", b"vbscript:", b"file:"):
            assert scheme not in body.lower().replace(b"img-src * data:", b""), path  # but for what pages allow


# ---------------------------------------------------------------- the machine it runs on


IN_ITS_LOCALE = """
import locale, sys, time
from feeder.cli import main

locale.setlocale(locale.LC_ALL, "")
print(time.strftime("%a %b", time.gmtime(0)), file=sys.stderr)
main()
"""


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the locales that the tests run in, as few machines have them."""
    folder = tmp_path_factory.mktemp("locales")
    for name in ("zh_CN", "de_DE"):
        command = ["localedef", "-i", name, "-f", "UTF-8", str(folder / f"{name}.UTF-8")]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert (folder / f"{name}.UTF-8").exists(), f"{done.stderr}; apt install locales"
    return folder


def test_fault_100_locale_zone_and_hash_seed_of_the_process_move_no_byte(
    tmp_path: Path, tree: Path, locales: Path
) -> None:
    dated = [story for story in stories(60) if story.dated is not Dated.INVALID]  # the others show the run's time
    write(tree, dated, ran_at=START)
    found, names = [], []
    for number, (language, zone) in enumerate(
        (("C", "UTC"), ("zh_CN.UTF-8", "Asia/Kolkata"), ("de_DE.UTF-8", "America/Lima"))
    ):
        under_test = site(tmp_path / f"site-{number}", {TREE: tree}, feeds=FEEDS)
        spoken = {"LANG": language, "LC_ALL": language, "LOCPATH": str(locales)}
        environment = {**os.environ, **spoken, "TZ": zone, "PYTHONHASHSEED": str(number), "PYTHONIOENCODING": "utf-8"}
        command = (sys.executable, "-c", IN_ITS_LOCALE, "--config", str(under_test.config_path), "once")
        done = subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
        names.append(done.stderr.decode().splitlines()[0])
        found.append(under_test.files())
    assert names == ["Thu Jan", "四 1月", "Do Jan"]  # the processes really speak so
    assert len(found[0]) > 100
    assert found[0] == found[1] == found[2]
    assert re.search(rb"<pubDate>(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-S][a-y]{2} 20\d\d ", found[1]["rss.xml"])


def test_the_setting_of_the_time_zone_moves_no_id(tmp_path: Path, tree: Path) -> None:
    write(tree, CORPUS, ran_at=START - HOUR)
    wide = "entries = 400\nmax_entries = 400"
    before = site(tmp_path / "site", {TREE: tree}, feeds=wide)
    before.run(START)
    held = ids(before)
    for zone in ("America/New_York", "Pacific/Kiritimati", "Asia/Shanghai"):
        moved = site(tmp_path / "site", {TREE: tree}, feeds=wide, timezone=zone)
        moved.run(START + HOUR)
        assert ids(moved) == held


# ---------------------------------------------------------------- what went wrong once


def test_a_site_that_loses_its_last_article_is_left_like_one_that_never_had_any(
    tree: Path, newsroom: SiteUnderTest
) -> None:
    put(tree, "a.md", FIRST)
    newsroom.run(START)
    (tree / "a.md").unlink()
    newsroom.run(START + HOUR)
    assert newsroom.files() == {}


def test_an_index_that_is_older_than_its_feeds_is_written_again(tree: Path, newsroom: SiteUnderTest) -> None:
    put(tree, "a.md", FIRST)
    newsroom.run(START)
    stale = (newsroom.public / "feeds.json").read_bytes()
    put(tree, "b.md", FIRST.replace("north", "south"))
    newsroom.run(START + HOUR)
    fresh = (newsroom.public / "feeds.json").read_bytes()
    assert fresh != stale
    (newsroom.public / "feeds.json").write_bytes(stale)
    newsroom.run(START + 2 * HOUR)
    assert (newsroom.public / "feeds.json").read_bytes() == fresh


def test_an_index_that_could_not_be_written_is_tried_again(tree: Path, newsroom: SiteUnderTest) -> None:
    put(tree, "a.md", FIRST)
    newsroom.public.mkdir()
    (newsroom.public / "feeds.json").mkdir()
    with newsroom.opened() as app:
        assert run(app, START).published.failed
        (newsroom.public / "feeds.json").rmdir()
        assert app.publish(START + HOUR).written == ["feeds.json", "feeds.opml"]


SWAPPED = 'entries = 9\n[categories.a]\nslug = "b"\n[categories.b]\nslug = "a"'


def test_categories_that_swap_their_directories_lose_no_feed(
    tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "BATCH", 1)
    for name in ("a", "b"):
        put(tree, f"{name}.md", FIRST.replace("north", name) + f"\ncategories: [{name}]")
    site(tmp_path / "site", {TREE: tree}).run(START)
    swapped = site(tmp_path / "site", {TREE: tree}, feeds=SWAPPED)
    swapped.run(START + HOUR)
    for name, other in (("a", "b"), ("b", "a")):
        (entry,) = read(swapped.public / "categories" / other / "atom.xml").entries
        assert entry.title == f"Floods in the {name}"


def test_a_crash_while_a_category_moves_leaves_nothing_in_its_old_directory() -> None:
    with scratch() as folder:
        trees = {TREE: folder / TREE}
        trees[TREE].mkdir()
        put(trees[TREE], "a.md", FIRST + "\ncategories: [a]")
        before, crashed = (site(folder / name, trees) for name in ("before", "crashed"))
        before.run(START)
        published = before.files()
        calls = crash_while_it_moves(crashed, before, trees, calls=0)
        for call in range(1, calls + 1):
            crash_while_it_moves(crashed, before, trees, calls=call)
            crashed.run(START + HOUR)
            assert {path.parent.name for path in feeds(crashed)} == {"public", "z"}, call
        assert before.files() == published  # nobody wrote into a file in place of a new one


def crash_while_it_moves(
    crashed: SiteUnderTest, before: SiteUnderTest, trees: Mapping[str, Path], *, calls: int
) -> int:
    """Go on from *before* with other settings until a fuse blows; return how many calls were made."""
    crashed.become(before)
    site(crashed.config_path.parent, trees, feeds='entries = 9\n[categories.a]\nslug = "z"')
    blown = Fuse(calls)
    with crashed.opened() as app, suppress(Crash):
        fuse(app, blown)
        run(app, START + HOUR)
    return calls - blown.calls
