"""Pages of articles that have no other: there while a feed holds the article, and gone with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from worlds import START, Crash, SiteUnderTest, site

from feeder.errors import OutputError
from feeder.model import FeedFile
from feeder.output.files import FileOutput

HOUR = timedelta(hours=1)
TREE = "tree"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / TREE
    path.mkdir()
    return path


def put(tree: Path, name: str, *path: str, day: int = 1, text: str = "Text.", more: str = "") -> None:
    front = f"title: Story {name}\ndate: 2026-02-{day:02} 01:00:00 +0000\ncategories: {json.dumps(path)}\n{more}"
    (tree / f"{name}.md").write_text(f"---\n{front}---\n{text}\n", "utf-8")


def newsroom(
    tree: Path, *, pages: str = "", feeds: str = 'entries = 2\nwindow = "0s"', source: str = ""
) -> SiteUnderTest:
    return site(tree.parent / "site", {TREE: tree}, feeds=f"{feeds}\n{pages}", sources={TREE: source})


def pages(under_test: SiteUnderTest) -> dict[str, str]:
    """Return the pages of articles by their address."""
    found = (under_test.public / "articles").glob("*")
    return {f"https://feeds.example.org/articles/{path.name}": path.read_text("utf-8") for path in found}


def links(under_test: SiteUnderTest) -> set[str]:
    """Return the links of all entries in all feeds."""
    found = under_test.public.rglob("feed.json")
    return {item["url"] for path in found for item in json.loads(path.read_bytes())["items"] if "url" in item}


def titles(under_test: SiteUnderTest) -> list[str]:
    return sorted(re.findall(r"<h1[^>]*>Story (\w+)", " ".join(pages(under_test).values())))


def test_a_page_is_there_while_any_feed_holds_its_article(tree: Path) -> None:
    put(tree, "a", "A", day=1)
    put(tree, "b", "B", day=2)
    put(tree, "c", "B", day=3)
    under_test = newsroom(tree)
    under_test.run(START)
    assert (titles(under_test), links(under_test)) == (["a", "b", "c"], set(pages(under_test)))
    put(tree, "d", "B", day=4)  # b leaves both of its feeds; a is in that of A alone
    ran = under_test.run(START + HOUR)
    assert (titles(under_test), links(under_test)) == (["a", "c", "d"], set(pages(under_test)))
    assert sum(path.startswith("articles/") for path in ran.published.removed) == 1
    assert sum(path.startswith("articles/") for path in ran.published.written) == 1


def test_every_format_leads_to_the_page(tree: Path) -> None:
    put(tree, "a")
    under_test = newsroom(tree)
    under_test.run(START)
    (address,) = pages(under_test)
    for name in ("atom.xml", "rss.xml", "feed.json", "index.html"):
        assert address in (under_test.public / name).read_text("utf-8")


def test_without_pages_there_are_none_and_no_link_to_one(tree: Path) -> None:
    put(tree, "a")
    under_test = newsroom(tree, pages="[pages]\narticles = false")
    under_test.run(START)
    assert (pages(under_test), links(under_test)) == ({}, set())


def test_pages_go_when_they_are_not_wanted_any_more_and_come_back(tree: Path) -> None:
    put(tree, "a")
    newsroom(tree).run(START)
    under_test = newsroom(tree, pages="[pages]\narticles = false")
    under_test.run(START + HOUR)
    assert (pages(under_test), links(under_test)) == ({}, set())
    under_test = newsroom(tree)
    under_test.run(START + 2 * HOUR)
    assert titles(under_test) == ["a"]


def test_an_article_that_gets_a_link_loses_its_page(tree: Path) -> None:
    put(tree, "a")
    under_test = newsroom(tree)
    under_test.run(START)
    put(tree, "a", more="link: https://news.example.org/a\n")
    under_test.run(START + HOUR)
    assert (pages(under_test), links(under_test)) == ({}, {"https://news.example.org/a"})


def test_a_changed_article_changes_its_page_and_no_other(tree: Path) -> None:
    put(tree, "a", "A")
    put(tree, "b", "B")
    under_test = newsroom(tree)
    under_test.run(START)
    before = pages(under_test)
    put(tree, "a", "A", text="Edited.")
    ran = under_test.run(START + HOUR)
    after = pages(under_test)
    (moved,) = [path for path in ran.published.written if path.startswith("articles/")]
    assert {address for address in after if before[address] != after[address]} == {f"https://feeds.example.org/{moved}"}
    assert "Edited." in after[f"https://feeds.example.org/{moved}"]


@pytest.mark.parametrize("harm", ["lost", "altered"])
def test_a_page_that_is_lost_or_altered_is_written_again(tree: Path, harm: str) -> None:
    put(tree, "a", "A")
    under_test = newsroom(tree)
    under_test.run(START)
    before = pages(under_test)
    (path,) = (under_test.public / "articles").iterdir()
    path.unlink() if harm == "lost" else path.write_text("altered", "utf-8")
    under_test.run(START + HOUR, names=())
    assert pages(under_test) == before


def test_a_quiet_run_touches_no_page(tree: Path) -> None:
    put(tree, "a", "A")
    under_test = newsroom(tree)
    under_test.run(START)
    before = under_test.stamps()
    under_test.run(START + HOUR)
    assert under_test.stamps() == before


def test_a_page_that_cannot_be_removed_is_removed_later(tree: Path) -> None:
    put(tree, "a", "A")
    put(tree, "b", "B")
    under_test = newsroom(tree)
    under_test.run(START)
    put(tree, "a", "A", more="link: https://news.example.org/a\n")
    (page,) = [path for path in (under_test.public / "articles").iterdir() if "Story a" in path.read_text("utf-8")]
    page.unlink()
    page.mkdir()  # in the place of a file, and not to be unlinked
    ran = under_test.run(START + HOUR)
    assert any(page.name in reason for reason in ran.published.failed.values())
    page.rmdir()
    page.write_text("left", "utf-8")
    under_test.run(START + 2 * HOUR)
    assert titles(under_test) == ["b"]
    assert not page.exists()


def test_a_page_that_goes_does_not_wait_for_the_list_of_all_feeds(tree: Path) -> None:
    put(tree, "a", "A")
    put(tree, "b", "B")
    under_test = newsroom(tree)
    under_test.run(START)
    (under_test.public / "feeds.opml").unlink()
    (under_test.public / "feeds.opml").mkdir()
    (tree / "a.md").unlink()
    under_test.run(START + HOUR)
    ran = under_test.run(START + 2 * HOUR)
    assert ("feeds.json",) in ran.published.failed
    assert titles(under_test) == ["b"]


def test_what_a_killed_run_has_left_goes_with_the_next(tree: Path) -> None:
    put(tree, "a", "A")
    under_test = newsroom(tree)
    under_test.run(START)
    with under_test.opened() as app:
        (known,) = app.store.article_pages().values()
        with app.store.transaction():
            app.store.save_article_pages([type(known)(id=known.id.replace("article/", "article/zz"), digest="d")])
        assert len(app.store.left_article_pages()) == 1
    under_test.run(START + HOUR, names=())
    with under_test.opened() as app:
        assert app.store.left_article_pages() == ()
    assert titles(under_test) == ["a"]


def test_a_page_that_was_written_before_its_feed_goes_if_nobody_wants_it_any_more(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tree, "a", "A")
    under_test = newsroom(tree)
    under_test.run(START)
    put(tree, "b", "A")
    publish = FileOutput.publish

    def killed(output: FileOutput, files: Iterable[FeedFile], **further: Any) -> tuple[str, ...]:
        made = tuple(files)
        if any(file.path.endswith("atom.xml") for file in made):
            raise Crash
        return publish(output, made, **further)

    with monkeypatch.context() as patch, suppress(Crash):
        patch.setattr(FileOutput, "publish", killed)
        under_test.run(START + HOUR)
    assert titles(under_test) == ["a", "b"]
    (tree / "b.md").unlink()
    under_test.run(START + 2 * HOUR)
    under_test.run(START + 3 * HOUR)
    assert titles(under_test) == ["a"]


def test_a_republished_article_is_credited_and_kept_from_search_engines(tree: Path) -> None:
    put(tree, "a", more="rights: CC BY\n")
    under_test = newsroom(tree, source='attribution = "First published by the harbour."\n')
    under_test.run(START)
    (page,) = pages(under_test).values()
    assert "First published by the harbour." in page
    assert "noindex" not in page


def test_a_page_that_cannot_be_written_keeps_its_feeds_from_leading_there(tree: Path) -> None:
    put(tree, "a", "A")
    under_test = newsroom(tree)
    (under_test.public).mkdir()
    (under_test.public / "articles").write_text("a file in the place of the directory", "utf-8")
    ran = under_test.run(START)
    assert set(ran.published.failed) == {(), ("a",)}
    assert not (under_test.public / "atom.xml").exists()
    (under_test.public / "articles").unlink()
    under_test.run(START + HOUR)
    assert links(under_test) == set(pages(under_test)) != set()


def test_no_name_of_an_article_leads_out_of_the_output(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        FileOutput(tmp_path).publish([FeedFile(path="articles/../../a.html", body=b"")])
