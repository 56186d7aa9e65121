"""What becomes of feeds: those that go together, those that want one directory, and those that cannot be written."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import structlog
from desk import Desk
from structlog.testing import capture_logs
from worlds import START, Crash, SiteUnderTest, run, site

from feeder.app import App
from feeder.errors import OutputError, StoreError
from feeder.log import LOGGED
from feeder.model import CategorySettings, FeedFile, Shown
from feeder.output import Announce
from feeder.output.files import FileOutput
from feeder.pipeline.edition import Published
from feeder.pipeline.faults import Faults
from feeder.store import Store

HOUR = timedelta(hours=1)
TREE = "tree"
FEEDS = "entries = 9"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / TREE
    path.mkdir()
    return path


def put(tree: Path, name: str, *path: str) -> None:
    """Write an article that is in the category *path*."""
    text = f"---\ntitle: Story {name}\ndate: 2026-02-03 01:00:00 +0000\ncategories: {json.dumps(path)}\n---\nText.\n"
    (tree / f"{name}.md").write_text(text, "utf-8")


class Refusing:
    """A state that has no room for one of its transactions, counted from 1."""

    def __init__(self, store: Store, number: int) -> None:
        self._store = store
        self.left = number

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._store.transaction():
            yield
            self.left -= 1
            if self.left == 0:
                raise StoreError("the disk is full")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def newsroom(tree: Path, *, categories: str = "") -> SiteUnderTest:
    return site(tree.parent / "site", {TREE: tree}, feeds=f"{FEEDS}\n{categories}")


def titles(under_test: SiteUnderTest, directory: str) -> list[str]:
    """Return the titles of the feed in a directory below that of the categories."""
    path = under_test.public / "categories" / directory / "feed.json"
    return [item["title"] for item in json.loads(path.read_bytes())["items"]] if path.exists() else []


def listed(under_test: SiteUnderTest) -> list[str]:
    """Return the categories that the index lists."""
    return ["/".join(each["node"]) for each in json.loads((under_test.public / "feeds.json").read_bytes())["feeds"]]


# ---------------------------------------------------------------- floods


def test_of_a_flood_of_faults_the_beginning_is_told_and_how_much_more_there_was(tree: Path) -> None:
    put(tree, "a", "News")
    many = range(LOGGED + 7)
    with newsroom(tree).opened() as app, capture_logs() as logs:
        for _ in range(2):
            faults = Faults(app.store, START)
            for number in many:
                faults.feed_failed((f"c{number}",), OutputError("the disk is full"))
                faults.entry_left_out(f"urn:{number}", "its date is missing")
            with app.store.transaction():
                faults.save()
            faults.report_rest()
        faults = Faults(app.store, START)
        for number in many:
            faults.feed_mended((f"c{number}",))
            faults.entry_mended(f"urn:{number}")
        faults.report_rest()
    told = Counter(line["event"] for line in logs)
    events = ("feed_failed", "entry_left_out", "feed_mended", "entry_mended")
    assert told == {**dict.fromkeys(events, LOGGED), "events_left_out": 4}
    assert {line["left_out"]: line["count"] for line in logs if "left_out" in line} == dict.fromkeys(events, 7)


# ---------------------------------------------------------------- a process that ends in between


class Ending(FileOutput):
    """An output that writes feeds, whereupon the process is gone."""

    def publish(
        self, files: Iterable[FeedFile], *, announce: Announce | None = None, seen: Mapping[str, str] | None = None
    ) -> tuple[str, ...]:
        written = super().publish(files, announce=announce, seen=seen)
        if any(path.endswith("atom.xml") for path in written):
            raise Crash
        return written


def test_what_readers_have_seen_stays_though_the_process_ended_and_its_document_changed_since(tree: Path) -> None:
    put(tree, "a", "News")
    with newsroom(tree).opened() as app:
        app.prepare(START)
        app.poll(TREE, START)
        app.parts = replace(app.parts, output=Ending(newsroom(tree).public))
        with pytest.raises(Crash):
            app.publish(START)
    assert titles(newsroom(tree), "news") == ["Story a"]
    put(tree, "b", "News")
    with newsroom(tree).opened() as app:
        app.prepare(START)
        app.poll(TREE, START)
        put(tree, "a", "News", "Local")  # not polled yet
        app.publish(START)
    assert sorted(titles(newsroom(tree), "news")) == ["Story a", "Story b"]


# ---------------------------------------------------------------- feeds that go


class Counted:
    """An edge that counts what it is asked."""

    def __init__(self, edge: object) -> None:
        self._edge = edge
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self._edge, name)


def calls_to_drop(folder: Path, count: int) -> tuple[Published, Mapping[str, int], Mapping[str, int]]:
    """Publish *count* categories, drop them all, and return what the state and the output were asked for that."""
    tree = folder / TREE
    tree.mkdir(parents=True)
    put(tree, "stays", "Stays")
    for number in range(count):
        put(tree, f"a{number}", f"C{number}")
    under_test = newsroom(tree)
    under_test.run(START)
    for number in range(count):
        (tree / f"a{number}.md").unlink()
    with under_test.opened() as app:
        app.prepare(START + HOUR)
        with app.store.transaction():
            app.store.accept(TREE, START + HOUR)
        app.poll(TREE, START + HOUR)
        store, output = Counted(app.store), Counted(app.parts.output)
        app.parts = replace(app.parts, store=store, output=output)
        published = app.publish(START + HOUR, settle=timedelta())
    assert listed(under_test) == ["", "stays"]
    return published, store.calls, output.calls


def test_many_categories_that_go_at_once_cost_no_more_questions_than_one(tmp_path: Path) -> None:
    few, many = calls_to_drop(tmp_path / "few", 1), calls_to_drop(tmp_path / "many", 20)
    assert len(many[0].removed) == 20 * len(few[0].removed)
    assert many[1]["feeds"] == few[1]["feeds"] == 1
    assert many[1]["transaction"] == few[1]["transaction"]
    assert many[2]["remove"] == few[2]["remove"]


def test_a_feed_that_cannot_be_removed_fails_alone(tree: Path) -> None:
    for name in ("a", "b", "c"):
        put(tree, name, name)
    under_test = newsroom(tree)
    under_test.run(START)
    page = under_test.public / "categories" / "b" / "index.html"
    page.unlink()
    page.mkdir()  # in the place of a file, and not to be unlinked
    for name in ("a", "b"):
        (tree / f"{name}.md").unlink()
    under_test.run(START + HOUR)
    done = under_test.run(START + 2 * HOUR).published
    assert set(done.failed) == {("b",)}
    assert listed(under_test) == ["", "c"]
    assert not (under_test.public / "categories" / "a").exists()


# ---------------------------------------------------------------- feeds that want one directory

CLASH = '[categories."新闻"]\nslug = "news"\n'


def test_a_slug_does_not_take_the_directory_of_a_feed_that_is_published(tree: Path) -> None:
    put(tree, "theirs", "News")
    newsroom(tree).run(START)
    put(tree, "ours", "新闻")
    under_test = newsroom(tree, categories=CLASH)
    done = under_test.run(START + HOUR).published
    assert titles(under_test, "news") == ["Story theirs"]
    assert done.failed == {
        ("新闻",): 'the directory categories/news of "新闻" is that of "News", whose feeds stay; '
        'give [categories."新闻"] another slug'
    }


def test_a_feed_keeps_its_directory_when_a_category_of_that_name_comes(tree: Path) -> None:
    put(tree, "ours", "新闻")
    under_test = newsroom(tree, categories=CLASH)
    under_test.run(START)
    put(tree, "theirs", "News")
    done = under_test.run(START + HOUR).published
    assert titles(under_test, "news") == ["Story ours"]
    assert 'give [categories."News"] another slug' in done.failed["news",]


def test_of_two_new_feeds_the_one_of_that_name_gets_the_directory(tree: Path) -> None:
    put(tree, "theirs", "News")
    put(tree, "ours", "A")  # comes before the other by name
    under_test = newsroom(tree, categories='[categories."A"]\nslug = "news"\n')
    assert set(under_test.run(START).published.failed) == {("a",)}
    assert titles(under_test, "news") == ["Story theirs"]


def test_names_whose_hashes_collide_are_not_mixed(tree: Path) -> None:
    put(tree, "first", "??%?")
    under_test = newsroom(tree)
    under_test.run(START)
    put(tree, "second", "%|.!")
    assert set(under_test.run(START + HOUR).published.failed) == {("%|.!",)}
    assert titles(under_test, "08d8dd8a") == ["Story first"]


def test_a_feed_without_a_directory_is_linked_from_nowhere(tree: Path) -> None:
    put(tree, "theirs", "News")
    put(tree, "ours", "新闻")
    under_test = newsroom(tree, categories=CLASH)
    under_test.run(START)
    assert listed(under_test) == ["", "news"]
    assert "新闻" not in (under_test.public / "feeds.opml").read_text("utf-8")
    assert "新闻" not in (under_test.public / "index.html").read_text("utf-8")


def test_what_is_below_a_refused_category_waits_with_it(tree: Path) -> None:
    put(tree, "theirs", "News", "Local")
    put(tree, "ours", "新闻", "Deep")
    put(tree, "same", "新闻", "Local")
    under_test = newsroom(tree, categories=CLASH)
    assert set(under_test.run(START).published.failed) == {("新闻",), ("新闻", "deep"), ("新闻", "local")}
    assert titles(under_test, "news/local") == ["Story theirs"]
    assert titles(under_test, "news/deep") == []


def test_below_two_refused_categories_nobody_gets_the_directory(tree: Path) -> None:
    put(tree, "news", "News")
    for name in ("A", "B"):
        put(tree, name, name, "Local")
    under_test = newsroom(tree)
    under_test.run(START)
    with under_test.opened() as app:  # the config would be refused; the state is asked, whatever it says
        settings = tuple(CategorySettings(path=(name,), slug="news") for name in ("A", "B"))
        app.parts = replace(app.parts, site=replace(app.parts.site, categories=settings), fingerprint="other")
        done = run(app, START + HOUR).published
    assert set(done.failed) == {("a",), ("a", "local"), ("b",), ("b", "local")}
    assert titles(under_test, "news/local") == []
    assert titles(under_test, "a/local") == ["Story A"]


def shown(app: App) -> Mapping[str, Shown]:
    return app.store.shown([listed.id for listed in app.store.newest(())])


def test_a_refused_category_is_published_once_it_has_a_slug_of_its_own(tree: Path) -> None:
    put(tree, "theirs", "News")
    put(tree, "ours", "新闻", "Local")
    newsroom(tree, categories=CLASH).run(START)
    under_test = newsroom(tree, categories=CLASH.replace('"news"', '"xinwen"'))
    assert under_test.run(START).published.failed == {}
    assert titles(under_test, "xinwen/local") == ["Story ours"]
    assert listed(under_test) == ["", "news", "新闻", "新闻/local"]


def test_a_refused_category_gets_the_directory_once_the_other_has_gone(tree: Path) -> None:
    put(tree, "theirs", "News")
    put(tree, "ours", "新闻")
    under_test = newsroom(tree, categories=CLASH)
    under_test.run(START)
    (tree / "theirs.md").unlink()
    under_test.run(START + HOUR)
    assert under_test.run(START + 2 * HOUR).published.failed == {}
    assert titles(under_test, "news") == ["Story ours"]


def test_a_category_that_is_refused_a_new_directory_keeps_its_old_one(tree: Path) -> None:
    put(tree, "theirs", "News")
    put(tree, "ours", "新闻")
    newsroom(tree).run(START)
    under_test = newsroom(tree, categories=CLASH)
    assert set(under_test.run(START + HOUR).published.failed) == {("新闻",)}
    assert titles(under_test, "news") == ["Story theirs"]
    assert titles(under_test, "新闻") == ["Story ours"]


def test_a_category_that_is_refused_shows_nothing_that_was_taken_down(tree: Path) -> None:
    for name, category in (("theirs", "News"), ("ours", "新闻"), ("bad", "新闻")):
        put(tree, name, category)
    newsroom(tree).run(START)
    under_test = newsroom(tree, categories=CLASH)
    under_test.run(START + HOUR)
    with under_test.opened() as app:
        [bad] = [id_ for id_, seen in shown(app).items() if seen.article.title == "Story bad"]
        app.remove(bad, "", START + HOUR)
        assert set(app.publish(START + HOUR, settle=timedelta()).failed) == {("新闻",)}
    assert not [path for path, body in under_test.files().items() if b"Story bad" in body]
    under_test = newsroom(tree)
    under_test.run(START + 2 * HOUR)
    assert titles(under_test, "新闻") == ["Story ours"]


def test_a_directory_that_a_refused_category_cannot_leave_is_not_given_to_another(tree: Path) -> None:
    for name in ("A", "B", "C", "D"):
        put(tree, name, name)
    newsroom(tree).run(START)
    chain = '[categories.A]\nslug = "b"\n[categories.C]\nslug = "a"\n[categories.D]\nslug = "c"\n'
    under_test = newsroom(tree, categories=chain)
    assert set(under_test.run(START + HOUR).published.failed) == {("a",), ("c",), ("d",)}
    for name in ("A", "B", "C", "D"):
        assert titles(under_test, name.lower()) == [f"Story {name}"]
    assert listed(under_test) == ["", "b"]


def test_a_directory_that_is_left_may_be_had_by_another(tree: Path) -> None:
    for name in ("A", "B", "C"):
        put(tree, name, name)
    newsroom(tree).run(START)
    under_test = newsroom(tree, categories='[categories.A]\nslug = "x"\n[categories.C]\nslug = "a"\n')
    assert under_test.run(START + HOUR).published.failed == {}
    assert (titles(under_test, "x"), titles(under_test, "a"), titles(under_test, "c")) == (["Story A"], ["Story C"], [])


def test_a_file_that_passes_from_a_category_that_goes_to_another_stays(tree: Path) -> None:
    put(tree, "theirs", "News")
    put(tree, "ours", "新闻")
    newsroom(tree).run(START)
    (tree / "theirs.md").unlink()
    under_test = newsroom(tree, categories=CLASH)
    under_test.run(START + HOUR)
    done = under_test.run(START + 2 * HOUR).published
    assert "categories/news/atom.xml" not in done.removed
    assert titles(under_test, "news") == ["Story ours"]


# ---------------------------------------------------------------- what cannot be written


def told(logs: Iterable[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return the events of *logs* that tell of faults, with what they are about."""
    wanted = re.compile("(feed|indexes|entry)_(failed|left_out|mended)")
    return [
        (log["event"], *(str(log[name]) for name in ("category", "id") if name in log))
        for log in logs
        if wanted.fullmatch(log["event"])
    ]


def obstruct(path: Path) -> None:
    """Put a directory in the place of a file."""
    path.unlink(missing_ok=True)
    path.mkdir(parents=True)


def test_a_feed_that_fails_is_told_once_and_once_when_it_is_mended(tree: Path) -> None:
    put(tree, "a", "A", "B")
    under_test = newsroom(tree)
    obstacle = under_test.public / "categories" / "a" / "atom.xml"
    obstruct(obstacle)
    with capture_logs() as logs:
        for hours in range(3):  # each a start of its own
            assert set(under_test.run(START + hours * HOUR).published.failed) == {("a",)}
        obstacle.rmdir()
        for hours in (3, 4):
            under_test.run(START + hours * HOUR)
    assert told(logs) == [("feed_failed", "a"), ("feed_mended", "a")]


def test_a_feed_that_fails_for_another_reason_is_told_again(tree: Path) -> None:
    put(tree, "theirs", "News")
    put(tree, "ours", "新闻")
    under_test = newsroom(tree, categories=CLASH)
    with capture_logs() as logs:
        under_test.run(START)
        mended = newsroom(tree, categories=CLASH.replace('"news"', '"xinwen"'))
        obstruct(mended.public / "categories" / "xinwen" / "rss.xml")
        mended.run(START + HOUR)
        mended.run(START + 2 * HOUR)
    assert told(logs) == [("feed_failed", "新闻"), ("feed_failed", "新闻")]
    with mended.opened() as app:
        [fault] = app.store.faults()
    assert (fault.since, fault.subject) == (START + HOUR, "新闻")
    assert "rss.xml" in fault.reason


def test_a_feed_that_fails_and_then_is_not_wanted_any_more_is_no_fault(tree: Path) -> None:
    put(tree, "a", "A")
    put(tree, "b", "B")
    under_test = newsroom(tree)
    obstruct(under_test.public / "categories" / "a" / "atom.xml")
    with capture_logs() as logs:
        under_test.run(START)
        put(tree, "a", "B")
        under_test.run(START + HOUR)
    assert told(logs) == [("feed_failed", "a"), ("feed_mended", "a")]


def test_indexes_that_fail_are_told_once_and_once_when_they_are_mended(tree: Path) -> None:
    put(tree, "a", "A")
    under_test = newsroom(tree)
    obstruct(under_test.public / "feeds.json")
    with capture_logs() as logs:
        under_test.run(START)
        under_test.run(START + HOUR)
        (under_test.public / "feeds.json").rmdir()
        under_test.run(START + 2 * HOUR)
        under_test.run(START + 3 * HOUR)
    assert told(logs) == [("indexes_failed",), ("indexes_mended",)]


@pytest.mark.parametrize("text", ["---\ntitle: Story a\ndate: 2026-02-03 01:00:00 +0000\n---\nOther.\n", None])
def test_an_article_that_cannot_be_read_is_told_once_and_once_when_that_is_over(tree: Path, text: str | None) -> None:
    put(tree, "a")
    put(tree, "b")
    under_test = newsroom(tree)
    with capture_logs() as logs:
        with under_test.opened() as app:
            app.prepare(START)
            app.poll(TREE, START)
            (tree / "a.md").unlink()
            for minutes in range(3):
                done = app.publish(START + timedelta(minutes=2 * minutes), settle=timedelta())
                with app.store.transaction():
                    app.store.mark([()])
        assert len(done.left_out) == 1
        if text:
            (tree / "a.md").write_text(text, "utf-8")
        for hours in (1, 2, 3):
            under_test.run(START + hours * HOUR)
    assert [event for event, _ in told(logs)] == ["entry_left_out", "entry_mended"]


def test_a_publish_in_which_nothing_changes_is_no_news(tree: Path) -> None:
    put(tree, "a", "A")
    under_test = newsroom(tree)
    obstruct(under_test.public / "categories" / "a" / "atom.xml")
    with capture_logs() as logs:
        under_test.run(START)
        under_test.run(START + HOUR)
    assert [log["log_level"] for log in logs if log["event"] == "published"] == ["info", "debug"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    yield Desk(tmp_path)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def test_status_and_explain_say_what_cannot_be_published_and_why(desk: Desk) -> None:
    desk.settle(site='[categories."新闻"]\nslug = "news"\n')
    desk.write("newsroom/theirs.md", title="Theirs", more="categories: [News]")
    article = desk.write("newsroom/ours.md", title="Ours", more="categories: [新闻]")
    obstruct(desk.folder / "public" / "feeds.opml")
    assert desk.run("once").code == 1
    told = desk.run("status")
    assert "feed of 新闻" in told.out
    assert 'is that of "News"' in told.out
    assert "lists of all feeds" in told.out
    found = desk.run("status", "--json").json["unpublished"]
    assert [(fault["kind"], fault["what"]) for fault in found] == [("feed", "新闻"), ("indexes", "")]
    assert all(fault["since"].endswith("Z") for fault in found)
    feeds = desk.run("explain", article, "--json").json["feeds"]
    assert [feed["reason"] for feed in feeds if feed["category"] == ["新闻"]] == [found[0]["reason"]]


def test_a_dry_run_tells_that_a_slug_is_taken(desk: Desk) -> None:
    desk.settle()
    desk.write("newsroom/theirs.md", title="Theirs", more="categories: [News]")
    desk.write("newsroom/ours.md", title="Ours", more="categories: [新闻]")
    assert desk.run("once").code == 0
    desk.settle(site='[categories."新闻"]\nslug = "news"\n')
    done = desk.run("once", "--dry-run", "--json")
    assert done.code == 1
    assert 'is that of "News"' in done.json["feeds_failed"]["新闻"]


def test_categories_beyond_the_limit_make_no_feeds_and_are_told_everywhere(desk: Desk) -> None:
    desk.settle(feeds='formats = ["atom"]')
    names = json.dumps([[f"c{number}"] for number in range(3000)])
    article = desk.write("newsroom/a.md", more=f"categories: {names}")
    told = "2900 of its categories left out: an article has 100 at most, those above them counted"
    logged = desk.program("-c", str(desk.config), "once")
    assert f'"warning": "{told}"' in logged.err
    assert len(list((desk.folder / "public").rglob("atom.xml"))) == 101
    assert told in desk.run("explain", article).out
    assert told in desk.run("preview", article).out
    assert desk.run("preview", "newsroom", "--json").json["lenient"] == [{"document": "a.md", "reason": told}]


def test_a_draft_that_has_gone_is_forgotten_also_where_articles_are_kept(tree: Path) -> None:
    put(tree, "a", "A")
    (tree / "draft.md").write_text("---\ntitle: Draft\ndraft: true\n---\n", "utf-8")
    under_test = site(tree.parent / "site", {TREE: tree}, sources={TREE: "keep_deleted = true"})
    under_test.run(START)
    for name in ("a.md", "draft.md"):
        (tree / name).unlink()
    for hours in (1, 2):
        under_test.run(START + hours * HOUR)
    with under_test.opened() as app:
        assert app.store.locators(TREE) == ("a.md",)
    assert listed(under_test) == ["", "a"]


def test_a_state_that_refuses_any_one_transaction_of_publishing_costs_nothing_but_time(tree: Path) -> None:
    for name in "abc":
        put(tree, name, name, "shared")
    undisturbed = newsroom(tree)
    undisturbed.run(START)
    for number in count(1):
        under_test = site(tree.parent / f"site-{number}", {TREE: tree}, feeds=FEEDS)
        with under_test.opened() as app:
            app.prepare(START)
            app.poll(TREE, START)
            store = app.store
            refusing: Any = Refusing(store, number)
            app.parts = replace(app.parts, store=refusing)
            with suppress(StoreError):
                app.publish(START, settle=timedelta())
            app.parts = replace(app.parts, store=store)
            app.publish(START + HOUR, settle=timedelta())
            pages = store.article_pages()
            assert not store.faults()
            assert all(page.digest for page in pages.values())
            assert store.bodies(pages).keys() == pages.keys()
        assert under_test.files() == undisturbed.files()
        if refusing.left > 0:
            break
    assert number > 3
