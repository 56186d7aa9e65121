"""`feeder explain`: every reason why an article is where it is, or is not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from build import NOON, article, source
from desk import Desk
from worlds import scratch, without_privileges

from feeder import dedup, explain
from feeder.errors import FeederError
from feeder.explain.documents import keys
from feeder.explain.finding import find
from feeder.model import Article, Dating, Memory

FILE = "newsroom/bridge.md"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.settle("newsroom", "partner")
    desk.write(FILE)
    return desk


def told(desk: Desk, name: str) -> Any:
    """Return what is explained about a file, as JSON."""
    done = desk.run("explain", desk.folder / name, "--json")
    assert done.code == 0, done.err
    return done.json


@pytest.mark.parametrize(
    "found",
    [
        article(),
        article(guid="g"),
        article(dating=Dating.NAIVE),
        article(published=None),
        article(published=None, guid="g"),
    ],
)
def test_each_key_has_a_name(found: Article) -> None:
    assert len(list(keys(found))) == len(dedup.keys(found, source=source(), locator="a.md"))


def test_the_key_by_title_and_day_names_both() -> None:
    assert list(keys(article("Bridge Opens", NOON))) == [("title and day", "bridge opens · 2026-03-10")]


# ---------------------------------------------------------------- shown


def test_an_article_in_its_feeds(desk: Desk) -> None:
    desk.run("once")
    done = desk.run("explain", desk.folder / FILE)
    assert done.code == 0
    assert done.out.startswith("Shown in 3 of 3 feeds.\n")
    rows = [" ".join(line.split()) for line in done.out.splitlines()]
    assert "title Bridge opens" in rows
    assert "published 2026-03-10 12:00:00 +0000" in rows
    assert "key: title and day bridge opens · 2026-03-10" in rows
    assert "City › Roads yes https://feeds.example.org/categories/city/roads/atom.xml" in rows
    assert "date as written 2026-03-10T12:00:00Z" in rows
    assert "date as read 2026-03-10 12:00:00 +0000 (with a time zone)" in rows


def test_times_are_told_in_the_zone_of_the_site(desk: Desk) -> None:
    desk.settle(site='timezone = "Asia/Shanghai"')
    desk.run("once")
    assert "published           2026-03-10 20:00:00 +0800" in desk.run("explain", desk.folder / FILE).out


def test_as_json(desk: Desk) -> None:
    desk.run("once")
    found = told(desk, FILE)
    assert found["state"] == "shown"
    assert found["id"].startswith("tag:feeds.example.org,2026:article/")
    assert found["published"] == "2026-03-10T12:00:00Z"
    assert found["categories"] == [["City", "Roads"]]
    assert [feed["holds"] for feed in found["feeds"]] == [True, True, True]
    (document,) = found["documents"]
    assert (document["source"], document["locator"], document["role"]) == ("newsroom", "bridge.md", "shown")
    assert (document["raw_title"], document["raw_date"], document["doubt"]) == (
        "Bridge opens",
        "2026-03-10T12:00:00Z",
        None,
    )


@pytest.mark.parametrize(
    "spelled", ["{id}", "{short}", "{loud}", "newsroom: bridge.md", "newsroom:bridge.md", "bridge.md"]
)
def test_an_article_is_found_by_its_id_and_by_what_status_calls_its_document(desk: Desk, spelled: str) -> None:
    desk.run("once")
    id_ = told(desk, FILE)["id"]
    word = spelled.format(id=id_, short=id_[-26:], loud=id_[-26:].upper())
    assert desk.run("explain", word, "--json").json["id"] == id_


def test_a_file_is_found_by_a_relative_path_and_through_links(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.run("once")
    (desk.folder / "link").symlink_to(desk.folder / "newsroom")
    monkeypatch.chdir(desk.folder / "partner")
    for path in ("../newsroom/bridge.md", "../link/bridge.md"):
        assert desk.run("explain", path, "--json").json["state"] == "shown"


def test_author_and_link_are_told(desk: Desk) -> None:
    desk.write(FILE, more="author: Ann\nlink: https://example.org/bridge")
    desk.run("once")
    rows = [line.split() for line in desk.run("explain", desk.folder / FILE).out.splitlines()]
    assert ["author", "Ann"] in rows
    assert ["link", "https://example.org/bridge"] in rows


def test_a_source_that_is_a_link_may_be_named_by_what_it_links_to(desk: Desk) -> None:
    (desk.folder / "partner").rmdir()
    (desk.folder / "partner").symlink_to(desk.folder / "release-7")
    real = desk.write("release-7/copy.md", title="Second")
    desk.run("once")
    assert told(desk, str(real))["documents"][0]["source"] == "partner"


def test_the_history_is_told(desk: Desk) -> None:
    desk.run("once")
    desk.write(FILE, body="The bridge is open again.")
    desk.run("once", "--all")
    found = told(desk, FILE)
    assert [event["what"] for event in found["history"]] == ["updated"]
    assert "newsroom: bridge.md" in desk.run("explain", desk.folder / FILE).out.split("History")[1]


# ---------------------------------------------------------------- merged


def test_a_copy_of_a_later_source_is_merged(desk: Desk) -> None:
    copy = desk.write("partner/copy.md", body="Another text.", more="categories: [Press]")
    desk.run("once")
    found = told(desk, str(copy))
    assert found["state"] == "merged"
    assert found["verdict"].startswith("Merged: newsroom: bridge.md is shown in its place, in 4 of 4 feeds.")
    assert [document["role"] for document in found["documents"]] == [
        "merged: newsroom comes before partner in the config",
        "wins",
    ]
    assert told(desk, FILE)["documents"][0]["role"] == "wins"


def test_of_one_source_the_copy_that_was_published_first_wins(desk: Desk) -> None:
    desk.write("newsroom/a.md", date="2026-03-10T13:00:00Z")
    desk.run("once")
    assert told(desk, "newsroom/a.md")["documents"][0]["role"] == "merged: the other was published earlier"


def test_of_equals_the_first_by_name_wins(desk: Desk) -> None:
    desk.write("newsroom/copy.md")
    desk.run("once")
    assert told(desk, "newsroom/copy.md")["documents"][0]["role"] == "merged: of equals the first by name is shown"


@pytest.mark.parametrize("name", ["newsroom/bridge.md", "newsroom/draft.md", "newsroom/new.md"])
def test_the_failure_of_a_source_is_told_with_each_of_its_files(desk: Desk, name: str) -> None:
    desk.write("newsroom/bridge.md")
    desk.write("newsroom/draft.md", more="draft: true")
    desk.run("once")
    (desk.folder / "newsroom").rename(desk.folder / "away")
    desk.run("once", "--all")
    (desk.folder / "away").rename(desk.folder / "newsroom")
    desk.write("newsroom/new.md", title="New")
    told = desk.run("explain", desk.folder / name)
    assert "The last poll of source newsroom failed (" in told.out + told.err
    assert "No such file or directory" in told.out + told.err


# ---------------------------------------------------------------- not shown


def test_a_draft(desk: Desk) -> None:
    desk.write("newsroom/draft.md", title="Not yet", more="draft: true")
    desk.run("once")
    found = told(desk, "newsroom/draft.md")
    assert (found["state"], found["id"]) == ("left_out", None)
    assert found["verdict"] == "Left out: draft."
    assert desk.run("explain", desk.folder / "newsroom/draft.md").code == 0


def test_a_broken_document(desk: Desk) -> None:
    desk.put("newsroom/bad.md", "\0")
    desk.run("once")
    found = told(desk, "newsroom/bad.md")
    assert (found["state"], found["documents"][0]["status"]) == ("broken", "broken")
    assert found["verdict"].startswith("Rejected: a binary file: it holds NUL characters.")


def test_a_document_that_broke_after_it_was_read(desk: Desk) -> None:
    desk.run("once")
    desk.put(FILE, "\0")
    desk.run("once", "--all")
    found = told(desk, FILE)
    assert found["state"] == "shown"
    assert (
        "Its document is broken now (a binary file: it holds NUL characters); what was read before stands."
        in (found["verdict"])
    )
    assert found["documents"][0]["doubt"] == "a binary file: it holds NUL characters"


def test_a_document_that_is_too_large(desk: Desk) -> None:
    desk.put("newsroom/large.md", "x" * (10 * 1024 * 1024 + 1))
    with desk.daemon() as app:
        app.prepare(NOON)
        app.poll("newsroom", NOON)
    found = told(desk, "newsroom/large.md")
    assert found["state"] == "broken"
    assert found["verdict"] == "Rejected: is larger than 10 MiB. It is read again when it changes."


def test_a_document_that_may_not_be_opened() -> None:
    with scratch() as folder:
        folder.chmod(0o755)  # anybody can reach it, unlike `tmp_path`
        desk = Desk(folder)
        desk.settle()
        desk.write(FILE).chmod(0)
        with desk.daemon() as app:
            app.prepare(NOON)
            with without_privileges():
                app.poll("newsroom", NOON)
        found = told(desk, FILE)
    assert found["state"] == "unreadable"
    assert found["verdict"] == "Could not be read: Permission denied. It is tried again at the next poll."


def test_a_takedown(desk: Desk) -> None:
    desk.run("once")
    desk.run("remove", desk.folder / FILE, "--note", "court order")
    found = told(desk, FILE)
    assert (found["state"], found["removed"], found["feeds"]) == ("removed", True, [])
    assert found["verdict"] == "Taken down: court order. It is in no feed and cannot return."
    assert found["documents"][0]["role"] == "not shown"


def test_a_takedown_without_a_note(desk: Desk) -> None:
    desk.run("once")
    desk.run("remove", desk.folder / FILE)
    assert told(desk, FILE)["verdict"].startswith("Taken down. ")


def test_an_article_of_the_future_is_held_until_its_hour(desk: Desk) -> None:
    desk.write("newsroom/later.md", title="Later", date="2199-01-01T00:00:00Z")
    desk.run("once")
    found = told(desk, "newsroom/later.md")
    assert (found["state"], found["held_until"]) == ("held", "2199-01-01T00:00:00Z")
    assert found["documents"][0]["role"] == "held until 2199-01-01 00:00:00 +0000"
    assert "Held until 2199-01-01 00:00:00 +0000 (in " in desk.run("explain", desk.folder / "newsroom/later.md").out


def test_an_old_article_is_beyond_the_newest_of_its_feeds(desk: Desk) -> None:
    desk.settle(feeds="entries = 2\nwindow = '0s'")
    for day in (11, 12, 13):
        desk.write(f"newsroom/{day}.md", title=f"Day {day}", date=f"2026-03-{day}T00:00:00Z", more="categories: [City]")
    desk.run("once")
    found = told(desk, FILE)
    assert (found["state"], [feed["holds"] for feed in found["feeds"]]) == ("shown", [False, False, True])
    assert found["feeds"][0]["reason"] == "beyond the newest 2: it is number 4"
    desk.write(FILE, more="categories: [City]")
    desk.run("once", "--all")
    assert told(desk, FILE)["state"] == "too_old"
    assert told(desk, FILE)["verdict"] == "In no feed: beyond the newest 2: it is number 4."


def test_an_article_that_waits_for_the_next_publish(desk: Desk) -> None:
    with desk.daemon() as app:
        app.prepare(NOON)
        app.poll("newsroom", NOON)
    found = told(desk, FILE)
    assert (found["state"], found["verdict"]) == ("waiting", "In no feed: waits for the next publish.")


def test_an_article_whose_text_was_gone_when_its_feed_was_written(desk: Desk) -> None:
    desk.write("newsroom/second.md", title="Second")
    with desk.daemon() as app:
        app.prepare(NOON)
        app.poll("newsroom", NOON)
        (desk.folder / FILE).unlink()
        app.publish(NOON)
        found = explain.explain(find(str(desk.folder / FILE), app), app, NOON)
    assert {feed.reason for feed in found.feeds} == {"its text could not be read when the feed was written"}


def test_an_article_whose_document_is_missing(desk: Desk) -> None:
    desk.write("newsroom/second.md", title="Second")
    desk.run("once")
    (desk.folder / FILE).unlink()
    desk.run("once", "--all")
    found = told(desk, FILE)
    assert found["state"] == "shown"
    assert "Its document is missing since 20" in found["verdict"]
    assert found["documents"][0]["missing_since"]
    assert found["documents"][0]["raw_title"] is None
    assert "title as written" not in desk.run("explain", desk.folder / FILE).out


def test_a_withdrawn_article_is_told_by_its_id(desk: Desk) -> None:
    desk.write("newsroom/second.md", title="Second")
    desk.run("once")
    id_ = told(desk, FILE)["id"]
    (desk.folder / FILE).unlink()
    for _ in range(3):
        desk.run("once", "--all")
    found = desk.run("explain", id_, "--json").json
    assert (found["state"], found["documents"]) == ("withdrawn", [])
    assert found["history"][-1]["what"] == "withdrawn"
    assert desk.run("explain", id_).out.startswith("Withdrawn: no source holds it any more.")


def test_an_adopted_entry_waits_for_its_article(desk: Desk) -> None:
    with desk.daemon() as app, app.store.transaction():
        app.store.adopt([(Memory(id="https://old.example.org/7", first_seen=NOON), ())])
    found = desk.run("explain", "https://old.example.org/7", "--json").json
    assert (found["state"], found["documents"]) == ("adopted", [])


# ---------------------------------------------------------------- dates and changes


def test_a_generators_stamp_is_not_believed(desk: Desk) -> None:
    with desk.daemon() as app:
        desk.write(FILE, date="2026-03-10 12:00:00")
        app.prepare(NOON)
        app.poll("newsroom", NOON)
        desk.write(FILE, date="2026-03-10 12:30:00")
        app.poll("newsroom", NOON.replace(hour=13))
        app.publish(NOON.replace(hour=13))
    shown = desk.run("explain", desk.folder / FILE).out
    assert "without a time zone, and not believed: it looks like the time of a generator's run" in shown
    assert told(desk, FILE)["published"] == "2026-03-10T12:00:00Z"


def test_a_missing_date_is_the_first_sight(desk: Desk) -> None:
    desk.write(FILE, date=None)
    desk.run("once")
    assert "no date that can be used: the first sight stands in" in desk.run("explain", desk.folder / FILE).out


def test_a_document_that_changed_since_it_was_polled(desk: Desk) -> None:
    desk.run("once")
    desk.write(FILE, title="Bridge closes")
    (document,) = told(desk, FILE)["documents"]
    assert document["doubt"] == "it has changed since it was polled"
    rows = [line.split() for line in desk.run("explain", desk.folder / FILE).out.splitlines()]
    assert ["but", "it", "has", "changed", "since", "it", "was", "polled"] in rows
    assert (document["raw_title"], document["title"]) == ("Bridge closes", "Bridge opens")


def test_a_document_that_was_read_leniently_says_so(desk: Desk) -> None:
    desk.write(FILE, more="tags: [open")
    desk.run("once")
    assert "read leniently" in desk.run("explain", desk.folder / FILE).out


def test_a_source_that_left_the_config_says_so(desk: Desk) -> None:
    desk.settle("newsroom\non_remove = 'keep'", "partner")
    desk.run("once")
    id_ = told(desk, FILE)["id"]
    desk.settle("partner")
    desk.run("once", "--all")
    (document,) = desk.run("explain", id_, "--json").json["documents"]
    assert document["doubt"] == "its source has left the config"


# ---------------------------------------------------------------- unknown


def unknown(desk: Desk, word: str | Path) -> str:
    done = desk.run("explain", word)
    assert (done.code, done.out) == (1, "")
    return done.err


def test_what_is_neither_an_id_nor_a_file(desk: Desk) -> None:
    desk.run("once")
    assert unknown(desk, "nothing") == "feeder: nothing: no article has this id or link, and there is no such file\n"


def test_a_file_outside_of_all_sources(desk: Desk) -> None:
    desk.run("once")
    assert "lies in no source; `feeder preview` shows how it would be read" in unknown(desk, desk.put("x.md", "x"))


def test_a_file_that_never_was(desk: Desk) -> None:
    desk.run("once")
    assert "source newsroom had none when it was polled" in unknown(desk, desk.folder / "newsroom/none.md")


def test_a_directory(desk: Desk) -> None:
    desk.run("once")
    assert "is a directory; name a document" in unknown(desk, desk.folder / "newsroom")


def test_a_file_that_was_not_polled_yet(desk: Desk) -> None:
    desk.run("once")
    assert "has not been polled yet; `feeder poll newsroom`" in unknown(desk, desk.write("newsroom/new.md"))


@pytest.mark.parametrize("name", ["picture.png", ".hidden.md", "_drafts/x.md"])
def test_a_file_that_its_source_does_not_take(desk: Desk, name: str) -> None:
    desk.run("once")
    assert "source newsroom does not take it: it takes *.md" in unknown(desk, desk.put(f"newsroom/{name}", "x"))


def test_a_file_that_is_excluded(desk: Desk) -> None:
    desk.settle('newsroom\nexclude = ["x*"]')
    desk.run("once")
    assert "but for x*;" in unknown(desk, desk.write("newsroom/x.md"))


def test_a_file_of_a_source_that_is_turned_off(desk: Desk) -> None:
    desk.settle("newsroom\nenabled = false", "partner")
    desk.run("once")
    assert "source newsroom is turned off" in unknown(desk, desk.folder / FILE)


def test_an_article_of_a_source_that_is_turned_off(desk: Desk) -> None:
    desk.run("once")
    id_ = told(desk, FILE)["id"]
    desk.settle("newsroom\nenabled = false", "partner")
    desk.run("once")
    for word in (id_, desk.folder / FILE):
        found = desk.run("explain", word, "--json").json
        assert (found["state"], found["feeds"]) == ("hidden", [])
        assert found["verdict"].startswith("Hidden: newsroom is turned off (enabled = false).")
        assert found["documents"][0]["role"] == "not shown: its source is turned off"


def test_an_article_that_is_shown_for_one_that_is_turned_off(desk: Desk) -> None:
    desk.write("partner/copy.md")
    desk.run("once")
    desk.settle("newsroom\nenabled = false", "partner")
    desk.run("once")
    found = told(desk, FILE)
    assert found["verdict"].startswith("Merged: partner: copy.md is shown in its place")
    assert [each["role"] for each in found["documents"]] == ["not shown: its source is turned off", "wins"]


def test_a_file_of_a_source_that_cannot_be_listed(desk: Desk) -> None:
    desk.run("once")
    new = desk.write("newsroom/new.md")
    with desk.daemon() as app:
        for entry in (desk.folder / "newsroom").iterdir():
            entry.unlink()
        (desk.folder / "newsroom").rmdir()
        desk.put("newsroom", "a file in place of the directory")
        with pytest.raises(FeederError, match="there is no such file"):
            find(str(new), app)


def test_an_id_that_is_nobodys(desk: Desk) -> None:
    desk.run("once")
    assert "no article has this id" in unknown(desk, "tag:feeds.example.org,2026:article/" + "0" * 26)


def test_bytes_of_a_name_that_are_no_text_are_found(desk: Desk) -> None:
    path = desk.folder / "newsroom" / os.fsdecode(b"caf\xe9.md")
    path.write_text("---\ntitle: Cafe\ndate: 2026-03-11T12:00:00Z\n---\nOpen.\n", "utf-8")
    desk.run("once")
    assert told(desk, str(path))["documents"][0]["locator"] == "caf%E9.md"
