"""What becomes of feeds that lie in the output, and that the state knows nothing of."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from desk import Desk
from structlog.testing import capture_logs

from feeder import urls
from feeder.pipeline import auditing
from feeder.render import ASSETS
from feeder.store.sqlite import copy_state

NAMES = (*urls.FILE_NAMES.values(), urls.PAGE)
CITY, ROADS = "public/categories/city", "public/categories/city/roads"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return a desk with an article in City, Roads, which stays, and one in Country, which goes; both are published."""
    desk = Desk(tmp_path)
    desk.settle("newsroom")
    desk.write("newsroom/a.md")
    desk.write("newsroom/b.md", title="Harvest", more="categories: [Country, Farms]")
    return desk


def age(desk: Desk, seconds: float = 3600) -> None:
    """Have all feeds been written an hour ago: the state counts whole seconds."""
    then = datetime.now(UTC).timestamp() - seconds
    for path in (desk.folder / "public").rglob("*"):
        os.utime(path, (then, then))


def lose(desk: Desk, *flags: str) -> None:
    """Publish, and lose the state together with the article that goes."""
    desk.run("once")
    age(desk)
    (desk.folder / "newsroom/b.md").unlink()
    shutil.rmtree(desk.folder / "var")
    if not flags:
        desk.run("adopt", desk.folder / "public/feeds.json")


def country(desk: Desk) -> list[str]:
    return sorted(path.removeprefix("public/categories/") for path in desk.tree("public/categories/country"))


ALL = sorted(f"country/{folder}{name}" for folder in ("", "farms/") for name in NAMES)
FORMATS = [
    pytest.param("", id="all"),
    *(pytest.param(f'formats = ["{made}"]', id=made) for made in ("atom", "rss", "json")),
]


@pytest.mark.parametrize("feeds", FORMATS)
@pytest.mark.parametrize("flags", [[], ["--fresh"]], ids=["adopted", "begun-anew"])
def test_a_lost_state_leaves_no_feed_that_nobody_has(desk: Desk, feeds: str, flags: list[str]) -> None:
    desk.settle("newsroom", feeds=feeds)
    lose(desk, *flags)
    before = country(desk)
    rehearsed = desk.run("once", *flags, "--dry-run").out.splitlines()
    assert country(desk) == before
    told = desk.run("once", *flags, "--json").json
    page, *removed = told["removed"]
    assert (removed, country(desk)) == ([f"categories/{path}" for path in before], [])
    assert (page.partition("/")[0], len(desk.tree("public/articles"))) == ("articles", 1)
    assert [line for line in rehearsed if "would remove" in line] == [
        f"would remove {path}" for path in told["removed"]
    ]
    assert not (desk.folder / "public/categories/country").exists()
    assert len(desk.tree(ROADS)) == len(before) // 2


def test_an_older_backup_leaves_no_feed_that_nobody_has(desk: Desk) -> None:
    (desk.folder / "newsroom/b.md").rename(desk.folder / "later.md")
    desk.run("once")
    copy_state(desk.folder / "var/state.db", desk.folder / "backup.db")
    (desk.folder / "later.md").rename(desk.folder / "newsroom/b.md")
    desk.run("once", "--all")
    age(desk)
    assert country(desk) == ALL
    shutil.rmtree(desk.folder / "var")
    (desk.folder / "var").mkdir()
    (desk.folder / "backup.db").rename(desk.folder / "var/state.db")
    with desk.daemon() as app, capture_logs() as logs:
        age(desk, -60)
        auditing.audit(app.parts)  # the source was read by this state, but not since those feeds were written
        assert country(desk) == ALL
        age(desk)
        (desk.folder / "newsroom/b.md").unlink()
        app.poll("newsroom", datetime.now(UTC))
        auditing.audit(app.parts)
    assert (country(desk), [each["files"] for each in logs if each["event"] == "orphans_removed"]) == ([], [9])


def test_an_output_that_is_used_again_keeps_no_feed_that_nobody_has(desk: Desk) -> None:
    desk.run("once")
    text = desk.config.read_text("utf-8")
    desk.config.write_text(text.replace('"public"', '"other"'), "utf-8")
    (desk.folder / "newsroom/b.md").unlink()
    desk.run("once", "--all")
    desk.run("once", "--all")
    age(desk)
    desk.config.write_text(text, "utf-8")
    desk.run("once", "--all")
    (article,) = desk.tree("public/articles")
    assert (country(desk), {Path(path).name for path in desk.tree("public")}) == (
        [],
        {*NAMES, "feeds.json", "feeds.opml", Path(article).name, *(Path(path).name for path in ASSETS)},
    )


# ---------------------------------------------------------------- what stays


def test_while_a_source_fails_no_feed_goes(desk: Desk) -> None:
    desk.settle("newsroom", "partner")
    desk.write("partner/c.md", title="Third", more="categories: [Country, Farms]")
    lose(desk, "--fresh")
    (desk.folder / "partner").rename(desk.folder / "away")
    assert desk.run("once", "--fresh").code == 3
    assert country(desk) == ALL
    desk.settle("newsroom", "partner\nenabled = false")
    assert desk.run("once", "--all").code == 0
    assert country(desk) == []


def test_a_state_without_feeds_takes_none_away(desk: Desk) -> None:
    lose(desk, "--fresh")
    (desk.folder / "newsroom/a.md").unlink()
    before = {*desk.tree(CITY)}
    desk.run("once", "--fresh")
    assert (country(desk), {*desk.tree(CITY)}) == (ALL, before)


def test_what_others_keep_there_stays(desk: Desk) -> None:
    lose(desk, "--fresh")
    desk.put("public/categories/country/farms/photo.svg", "<svg/>")
    desk.put("public/categories/mine/index.html", "<p>A page.</p>")
    desk.put("public/categories/theirs/atom.xml", "<feed><id>tag:other.example,2026:feed/x</id></feed>")
    desk.put("public/categories/theirs/rss.xml", '<rss><a href="/categories/theirs/rss.xml" rel="self"/><item/></rss>')
    desk.put("public/categories/theirs/feed.json", '{"feed_url":"/categories/theirs/feed.json","items":[]}')
    desk.put("public/articles/mine.html", '<head><link rel="canonical" href="/articles/mine.html"></head>')
    desk.put("public/articles/other.html", '<head><meta name="generator" content="Feeder"></head>')
    desk.put("public/country/atom.xml", f"<feed><id>{FEED_ID}country</id></feed>")
    for name in ("odd\n.html", "back\\slash.html", "odd\udcff.html"):
        desk.put(f"public/articles/{name}", '<head><meta name="generator" content="Feeder"></head>')
    (desk.folder / "public/categories/link").symlink_to(desk.folder / "public/categories/theirs")
    (desk.folder / "public/categories/country/odd\udcff").mkdir()
    desk.put("public/categories/country/odd\n/atom.xml", f"<feed><id>{FEED_ID}odd</id></feed>")
    age(desk)
    kept = {
        path for path in desk.tree("public") if "/categories/city" not in path and Path(path).parent.name != "public"
    }
    own_pages = {path for path in desk.tree("public/articles") if len(Path(path).stem) == 26}
    desk.run("once", "--fresh")
    ours = {f"public/categories/{path}" for path in ALL} | own_pages.difference(desk.tree("public"))
    assert len(ours) == len(ALL) + 1
    assert kept - {*desk.tree("public")} == ours
    assert (desk.folder / "public/categories/country/farms/photo.svg").exists()


FEED_ID = "tag:feeds.example.org,2026:feed/"


def test_a_category_whose_feed_cannot_be_written_keeps_what_it_had(desk: Desk) -> None:
    desk.run("once")
    age(desk)
    shutil.rmtree(desk.folder / "var")
    (desk.folder / "public/categories/country/farms/feed.json").unlink()
    (desk.folder / "public/categories/country/farms/feed.json").mkdir()
    told = desk.run("once", "--fresh")
    assert (told.code, len(country(desk))) == (1, 7)
    with desk.daemon() as app:
        auditing.audit(app.parts)
    assert len(country(desk)) == 7
