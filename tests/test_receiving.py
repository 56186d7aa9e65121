"""What becomes of a URL's articles, poll by poll: a real server, a real state, real feeds at the end."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from remote import DAY, HOUR, NOON, Newsroom, document, item, rss, tar_gz
from servers import Asked, Server, answer

from feeder import config, html, takedowns
from feeder import memo as memory
from feeder.config import fingerprints
from feeder.memo import Memo
from feeder.model import SourceKind, Verdict
from feeder.opening import opened
from feeder.pipeline.booking import GONE
from feeder.pipeline.polling import Polled
from feeder.store.records import SourceState


def lake(server: Server, more: str = "", *, path: str = "/f") -> str:
    return f'lake\nurl = "{server.url}{path}"\n{more}'


def state(room: Newsroom, name: str = "lake") -> SourceState:
    with opened(config.load(room.config), workers=0) as app:
        return next(each for each in app.store.sources() if each.name == name)


def remembered(room: Newsroom) -> Memo:
    return memory.load(state(room).memo)


def ask(room: Newsroom, question: str) -> Any:
    with closing(sqlite3.connect(room.root / "state.db")) as connection:
        return connection.execute(question).fetchone()[0]


def counts(polled: Polled) -> dict[Verdict, int]:
    return {verdict: count for verdict, count in polled.verdicts.items() if count}


# ---------------------------------------------------------------- what a new source brings


def test_a_new_source_brings_its_newest_and_never_the_older_ones(room: Newsroom, server: Server) -> None:
    room.settle(lake(server, "first = 2"))
    old = [item(f"Old {day}", date=NOON - day * DAY) for day in range(5, 8)]
    server.put("/f", rss(item("Undated", date=None), *old, item("Second", date=NOON - DAY), item("First")))
    assert counts(room.poll("lake")) == {Verdict.NEW: 2}
    assert room.titles() == ["First", "Second"]

    edited = [each.replace("Calm", "Rough") for each in old]
    server.put("/f", rss(item("New", date=NOON + HOUR), *edited, item("Second", date=NOON - DAY)))
    assert counts(room.poll("lake", now=NOON + HOUR)) == {Verdict.NEW: 1}
    assert room.titles() == ["New", "First", "Second"]


def test_the_older_ones_stay_out_when_the_settings_change(room: Newsroom, server: Server) -> None:
    room.settle(lake(server, "first = 1"))
    server.put("/f", rss(item("First"), item("Old", date=NOON - DAY)))
    room.poll("lake")
    room.settle(lake(server, 'first = 1\ncategory = "Lakes"'))
    room.poll("lake", now=NOON + HOUR)
    assert room.titles() == ["First"]
    assert room.titles("lakes") == ["First"]


def test_what_is_new_in_a_source_that_is_known_comes_whole(room: Newsroom, server: Server) -> None:
    room.settle(lake(server, "first = 1"))
    server.put("/f", rss(item("First")))
    room.poll("lake")
    server.put("/f", rss(*(item(f"Next {number}", date=NOON + number * HOUR) for number in range(1, 4))))
    room.poll("lake", now=NOON + DAY)
    assert room.titles() == ["Next 3", "Next 2", "Next 1", "First"]


def test_a_feed_that_was_empty_at_first_is_new_when_it_is_filled(room: Newsroom, server: Server) -> None:
    room.settle(lake(server, "first = 1"))
    server.put("/f", rss())
    assert room.poll("lake").error is None
    server.put("/f", rss(item("Old", date=NOON - DAY), item("First")))
    room.poll("lake", now=NOON + HOUR)
    assert room.titles() == ["First"]


# ---------------------------------------------------------------- lifetimes


def test_absence_from_a_feed_withdraws_nothing(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    server.put("/f", rss(item("A"), item("B", date=NOON - HOUR)))
    room.poll("lake")
    server.put("/f", rss(item("C", date=NOON + HOUR)))
    room.poll("lake", now=NOON + HOUR)
    server.put("/f", rss())
    room.poll("lake", now=NOON + DAY)
    assert room.titles() == ["C", "A", "B"]
    assert "Calm water." in room.entries()[-1]["content_html"]


def test_an_edited_entry_is_an_update_with_the_same_id(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    server.put("/f", rss(item("A"), item("B", date=NOON - HOUR)))
    room.poll("lake")
    before = room.entries()
    server.put("/f", rss(item("A, corrected", guid="urn:A", body="<p>Rough water.</p>"), item("B", date=NOON - HOUR)))
    polled = room.poll("lake", now=NOON + HOUR)
    after = room.entries()
    assert counts(polled) == {Verdict.UPDATED: 1}
    assert [entry["id"] for entry in after] == [entry["id"] for entry in before]
    assert (after[0]["title"], after[0]["content_html"]) == ("A, corrected", "<p>Rough water.</p>")
    assert after[0]["date_modified"] == "2026-03-10T13:00:00Z"
    assert after[1] == before[1]


def test_an_entry_that_says_draft_is_withdrawn_and_may_return(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    server.put("/f", document("A"))
    room.poll("lake")
    [before] = room.entries()
    server.put("/f", document("A", more="draft: true"))
    assert counts(room.poll("lake", now=NOON + HOUR)) == {Verdict.WITHDRAWN: 1}
    assert room.titles() == []
    server.put("/f", document("A"))
    assert counts(room.poll("lake", now=NOON + 2 * HOUR)) == {Verdict.RETURNED: 1}
    assert room.entries() == [before]


@pytest.mark.parametrize(("policy", "left"), [("withdraw", []), ("keep", ["A"])])
def test_a_source_that_leaves_the_config(room: Newsroom, server: Server, policy: str, left: list[str]) -> None:
    (room.root / "tree").mkdir()
    room.settle(lake(server, f'on_remove = "{policy}"'), 'tree\npath = "tree"')
    server.put("/f", rss(item("A", body="<p>Kept as it was.</p>")))
    room.poll("lake", "tree")
    room.settle('tree\npath = "tree"', feeds='content = "summary"')
    room.poll("tree", now=NOON + HOUR)
    assert room.titles() == left
    assert all("Kept as it was." in entry["summary"] for entry in room.entries())


def test_a_source_that_comes_back_brings_its_newest_again(room: Newsroom, server: Server) -> None:
    (room.root / "tree").mkdir()
    room.settle(lake(server, "first = 1"), 'tree\npath = "tree"')
    server.put("/f", rss(item("A"), item("Old", date=NOON - DAY)))
    room.poll("lake")
    [before] = room.entries()
    room.settle('tree\npath = "tree"')
    room.poll("tree", now=NOON + HOUR)
    room.settle(lake(server, "first = 1"), 'tree\npath = "tree"')
    room.poll("lake", now=NOON + 2 * HOUR)
    assert room.entries() == [before]


def test_a_source_that_is_renamed_keeps_its_articles_and_their_ids(room: Newsroom, server: Server) -> None:
    room.settle(lake(server, "first = 1"))
    server.put("/f", rss(item("A"), item("Old", date=NOON - DAY)))
    room.poll("lake")
    before = room.files()
    room.settle(lake(server, 'first = 1\nwas = "lake"').replace("lake\n", "sea\n", 1))
    polled = room.poll("sea", now=NOON + HOUR)
    assert not polled.error
    assert room.files() == before


def test_takedowns_hold(room: Newsroom, server: Server) -> None:
    room.settle(lake(server), lake(server, path="/g").replace("lake\n", "copy\n", 1))
    server.put("/f", rss(item("A"), item("B")))
    server.put("/g", rss(item("A", guid="urn:other")))
    room.poll("lake")
    taken = next(entry["id"] for entry in room.entries() if entry["title"] == "A")
    with room.opened() as app:
        app.remove(taken, "by court order", NOON)
        app.publish(NOON, settle=timedelta())
    assert room.titles() == ["B"]
    server.put("/f", rss(item("A", body="<p>Edited.</p>"), item("B")))
    for name in ("copy", "lake"):
        room.poll(name, now=NOON + HOUR)
        assert room.titles() == ["B"]
    assert [each.id for each in takedowns.load(room.root / takedowns.NAME)] == [taken]


# ---------------------------------------------------------------- no news


def test_what_is_not_modified_is_no_news(room: Newsroom, server: Server) -> None:
    async def speak(asked: Asked, writer: Any) -> None:
        same = asked.headers.get("if-none-match") == '"1"'
        writer.write(answer(status=304) if same else answer(rss(item("A")), etag='"1"', last_modified="then"))

    server.let("/f", speak)
    room.settle(lake(server))
    room.poll("lake")
    before = room.files()
    polled = room.poll("lake", now=NOON + HOUR)
    assert (polled.places, polled.error, counts(polled), room.files()) == (0, None, {}, before)
    assert server.log[-1].headers["if-modified-since"] == "then"
    assert state(room).last_success == NOON + HOUR


def test_fault_31_not_modified_that_nobody_asked_for_is_a_failure(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    server.put("/f", status=304)
    assert "though no condition was sent" in (room.poll("lake").error or "")


def test_the_same_body_with_other_validators_is_no_news(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    server.put("/f", rss(item("A")), etag='"1"')
    room.poll("lake")
    server.put("/f", rss(item("A")), etag='"2"')
    polled = room.poll("lake", now=NOON + HOUR)
    assert (polled.places, polled.error) == (0, None)
    assert remembered(room).etag == '"2"'


def test_an_item_that_is_as_it_was_costs_no_decision(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    server.put("/f", rss(item("A"), item("B")))
    room.poll("lake")
    server.put("/f", rss(item("C"), item("A"), item("B"), title="Lake and Sea"))
    polled = room.poll("lake", now=NOON + HOUR)
    assert {status.value: count for status, count in polled.statuses.items()} == {"same": 2, "good": 1}


# ---------------------------------------------------------------- failures


BAD = {
    "login-page": answer(b"<!DOCTYPE html><html><form>Log in</form></html>"),
    "empty": answer(),
    "error": answer(rss(), status=500),
    "forbidden": answer(status=401),
    "gone": answer(status=410),
    "cut-short": answer(rss(item("X")), content_length="9999"),
    "other-document": answer(document("X")),
    "noise": b"\x00\x01\x02",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_faults_20_33_34_35_a_bad_answer_changes_nothing(room: Newsroom, server: Server, bad: bytes) -> None:
    room.settle(lake(server))
    server.put("/f", rss(item("A")), etag='"1"')
    room.poll("lake")
    before = room.files()
    server.say("/f", bad)
    polled = room.poll("lake", now=NOON + HOUR)
    assert polled.error is not None
    assert (counts(polled), room.files()) == ({}, before)
    assert state(room).failures == 1
    server.put("/f", rss(item("A"), item("B")), etag='"2"')
    assert room.poll("lake", now=NOON + DAY).before == polled.error
    assert sorted(room.titles()) == ["A", "B"]


def test_fault_35_what_is_gone_for_good_is_not_asked_again_unless_somebody_wants_it(
    room: Newsroom, server: Server
) -> None:
    room.settle(lake(server))
    server.put("/f", status=410)
    room.poll("lake")
    assert state(room).next_poll == NOON + GONE
    with room.opened(NOON + DAY) as app:
        app.recall(NOON + DAY)
        assert app.claim_due(NOON + DAY) == ()
        app.request_poll("lake", NOON + DAY)
    server.put("/f", rss(item("A")))
    assert room.poll("lake", now=NOON + DAY).error is None
    assert room.titles() == ["A"]


def test_another_address_is_asked_though_the_one_before_was_gone(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    server.put("/f", status=410)
    room.poll("lake")
    room.settle(lake(server, path="/g"))
    with room.opened(NOON + DAY) as app:
        assert app.claim_due(NOON + DAY) == ("lake",)


def test_fault_36_a_server_is_left_alone_for_as_long_as_it_wants(room: Newsroom, server: Server) -> None:
    room.settle(lake(server, 'min_interval = "1m"\ninterval = "1m"'))
    server.put("/f", status=503, retry_after="7200")
    room.poll("lake")
    assert state(room).next_poll == NOON + 2 * HOUR
    server.put("/f", status=429, retry_after="Fri, 31 Dec 2031 23:59:59 GMT")
    room.poll("lake")
    assert state(room).next_poll == NOON + DAY


def test_after_three_failures_a_source_is_found_out_anew(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    server.put("/f", rss(item("A")), etag='"1"')
    room.poll("lake")
    server.put("/f", document("B"))
    errors = [room.poll("lake", now=NOON + number * DAY).error for number in range(1, 5)]
    assert [bool(error) for error in errors] == [True, True, True, False]
    assert "if-none-match" not in server.log[-1].headers
    assert sorted(room.titles()) == ["A", "B"]


# ---------------------------------------------------------------- addresses


def test_a_permanent_redirect_is_followed_at_once_after_two_sightings(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    server.put("/f", status=301, location="/g")
    for number, body in enumerate("ABC"):
        server.put("/g", rss(item(body)))
        room.poll("lake", now=NOON + number * DAY)
    assert server.targets == ["/f", "/g", "/f", "/g", "/g"]
    server.put("/g", status=404)
    for number in range(3, 6):
        room.poll("lake", now=NOON + number * DAY)
    server.put("/f", rss(item("D")))
    assert room.poll("lake", now=NOON + 9 * DAY).error is None
    assert server.targets[-1] == "/f"


def test_what_is_gone_from_where_it_moved_to_is_looked_for_at_home(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    server.put("/f", status=308, location="/g")
    server.put("/g", rss(item("A")))
    room.poll("lake")
    room.poll("lake", now=NOON + DAY)
    server.put("/g", status=410)
    room.poll("lake", now=NOON + 2 * DAY)
    assert state(room).next_poll < NOON + 4 * DAY
    server.put("/f", rss(item("B")))
    assert room.poll("lake", now=NOON + 4 * DAY).error is None


def test_a_page_is_asked_once_where_its_feed_is(room: Newsroom, server: Server) -> None:
    page = b'<!DOCTYPE html><html><head><link rel="alternate" type="application/rss+xml" href="/g"></head></html>'
    room.settle(lake(server))
    server.put("/f", page)
    server.put("/g", rss(item("A")), etag='"1"')
    room.poll("lake")
    server.put("/g", rss(item("B")), etag='"2"')
    room.poll("lake", now=NOON + DAY)
    assert server.targets == ["/f", "/g", "/g"]
    assert server.log[-1].headers["if-none-match"] == '"1"'
    assert sorted(room.titles()) == ["A", "B"]


def test_a_feed_that_is_gone_before_it_was_read_does_not_end_its_page(room: Newsroom, server: Server) -> None:
    page = b'<!DOCTYPE html><html><head><link rel="alternate" type="application/rss+xml" href="/g"></head></html>'
    room.settle(lake(server))
    server.put("/f", page)
    server.put("/g", status=410)
    assert room.poll("lake").error
    assert state(room).next_poll < NOON + 2 * DAY


# ---------------------------------------------------------------- settings


def test_another_document_at_the_address_is_another_article(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    server.put("/f", document("Minutes of March", date=NOON - 30 * DAY))
    room.poll("lake")
    [old] = room.entries()
    server.put("/f", document("Minutes of April", date=NOON - DAY, body="A storm."))
    room.poll("lake", now=NOON + HOUR)
    [new] = room.entries()
    assert (new["title"], new["id"] != old["id"]) == ("Minutes of April", True)


def test_other_settings_have_everything_read_anew(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    server.put("/f", rss(item("A"), item("B", categories=("News",))), etag='"1"')
    room.poll("lake")
    before = {entry["id"] for entry in room.entries()}
    room.settle(lake(server, 'category = "Lakes"'))
    with room.opened(NOON + HOUR) as app:
        assert app.claim_due(NOON + HOUR) == ("lake",)
        question = app.questions(["lake"])["lake"]
    assert (question.etag, question.last_modified, question.digest) == (None, None, None)
    room.poll("lake", now=NOON + HOUR)
    assert {entry["id"] for entry in room.entries()} == before
    assert (room.titles("lakes"), room.titles("news")) == (["A"], ["B"])


def test_what_is_known_of_one_address_does_not_hold_for_another(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    server.put("/f", status=301, location="/moved")
    server.put("/moved", rss(item("A")))
    room.poll("lake")
    room.poll("lake", now=NOON + HOUR)
    room.settle(lake(server, path="/g"))
    server.put("/g", rss(item("B")))
    for number in range(2, 4):
        room.poll("lake", now=NOON + number * HOUR)
    assert server.targets[-2:] == ["/g", "/g"]


def test_articles_that_other_settings_make_one_are_one(room: Newsroom, server: Server) -> None:
    room.settle(lake(server), lake(server, path="/g").replace("lake\n", "copy\n", 1), feeds="")
    server.put("/f", rss(item("A", date="2026-03-10 23:30")))
    server.put("/g", rss(item("A", guid="urn:g", date="2026-03-11 00:30", body="<p>Other words.</p>")))
    room.poll("lake", "copy")
    assert room.titles() == ["A", "A"]
    other = lake(server, 'timezone = "Europe/Berlin"', path="/g").replace("lake\n", "copy\n", 1)
    room.settle(lake(server), other)
    room.poll("copy", now=NOON + DAY)
    assert room.titles() == ["A"]


# ---------------------------------------------------------------- categories


def test_a_source_brings_no_more_categories_than_it_may(room: Newsroom, server: Server) -> None:
    room.settle(lake(server, 'max_categories = 2\ncategory = "Own/Rest"'))
    feed = [item(name, categories=(name,)) for name in ("One", "Two", "Three")]
    server.put("/f", rss(*feed, item("Own", categories=())))
    room.poll("lake")
    assert room.categories() == ["one", "own", "own/rest", "two"]
    assert sorted(room.titles("own/rest")) == ["Own", "Three"]
    more = [item(name, categories=(name, "One")) for name in ("Four", "Five")]
    server.put("/f", rss(*more, *(each.replace("Calm", "Rough") for each in reversed(feed))))
    room.poll("lake", now=NOON + HOUR)
    assert room.categories() == ["one", "own", "own/rest", "two"]
    assert sorted(room.titles("one")) == ["Five", "Four", "One"]


def test_a_lower_limit_leaves_as_many_categories_as_it_says(room: Newsroom, server: Server) -> None:
    feed = rss(*(item(name, categories=(name,)) for name in ("A", "B", "C", "D")))
    room.settle(lake(server))
    server.put("/f", feed)
    room.poll("lake")
    assert room.categories() == ["a", "b", "c", "d"]
    room.settle(lake(server, "max_categories = 2"))
    room.poll("lake", now=NOON + HOUR)
    assert room.categories() == ["a", "b"]
    assert len(room.titles()) == 4


def test_an_archive_brings_no_more_categories_than_it_may(room: Newsroom, server: Server) -> None:
    room.settle(lake(server, 'max_categories = 2\ncategory = "Rest"'))
    names = ("One", "Two", "Three")
    server.put("/f", tar_gz({f"{number}.md": filed(name) for number, name in enumerate(names)}))
    room.poll("lake")
    assert room.categories() == ["one", "rest", "two"]
    assert room.titles("rest") == ["Three"]


def filed(name: str) -> bytes:
    return f"---\ntitle: {name}\ndate: 2026-03-10T12:00:00Z\ncategories: [{name}]\n---\nText.\n".encode()


# ---------------------------------------------------------------- bodies


def test_a_body_is_rendered_from_what_was_kept_long_after_its_entry_left(
    room: Newsroom, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.settle(lake(server))
    server.put("/f", rss(item("A", body='<p>Calm. <a href="more.html">More</a></p>')))
    room.poll("lake")
    before = room.files()
    server.put("/f", rss(item("B", date=NOON + HOUR)))
    room.poll("lake", now=NOON + HOUR)
    monkeypatch.setattr(html, "VERSION", html.VERSION + 1)
    monkeypatch.setattr(fingerprints, "RENDER_VERSION", fingerprints.RENDER_VERSION + 1)
    (room.public / "feed.json").unlink()
    room.poll("lake", now=NOON + 2 * HOUR)
    entry = room.entries()[-1]
    assert entry == json.loads(before["feed.json"])["items"][0]
    assert 'href="https://lake.example/more.html"' in entry["content_html"]


def test_a_body_whose_links_lead_elsewhere_is_cleaned_anew(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    feed = rss(item("A", body='<p><img src="a.png"></p>'))
    server.put("/f", feed)
    room.poll("lake")
    server.put("/f", feed.replace(b"<link>https://lake.example/", b"<link>https://sea.example/"))
    room.poll("lake", now=NOON + HOUR)
    server.put("/f", rss(item("B", date=NOON + HOUR)))
    room.poll("lake", now=NOON + 2 * HOUR)
    assert 'src="https://sea.example/a.png"' in room.entries()[-1]["content_html"]


def test_old_bodies_in_no_feed_are_forgotten_and_come_again_if_they_are_still_offered(
    room: Newsroom, server: Server
) -> None:
    few, many = 'entries = 1\nwindow = "0s"', 'entries = 9\nwindow = "0s"'
    offered = item("Offered", date=NOON - DAY, body="<p>Still there.</p>")
    gone = item("Gone", date=NOON - 2 * DAY, body="<p>Lost.</p>", more="<link>https://lake.example/gone</link>")
    room.settle(lake(server), feeds=few)
    server.put("/f", rss(item("Shown"), offered, gone))
    room.poll("lake")
    for days in (0, 20, 40):
        with room.opened() as app:
            app.prune(NOON + days * DAY)
        assert ask(room, "SELECT count(*) FROM documents") == (3 if days < 40 else 1)

    server.put("/f", rss(item("Shown"), offered))
    room.poll("lake", now=NOON + 41 * DAY)
    assert ask(room, "SELECT count(*) FROM documents") == 2

    room.settle(lake(server), feeds=many)
    polled = room.poll("lake", now=NOON + 42 * DAY)
    assert polled.error is None
    assert room.titles() == ["Shown", "Offered", "Gone"]
    assert "Still there." in room.entries()[1]["content_html"]
    lost = room.entries()[2]
    assert (lost["url"], "Lost" in json.dumps(lost)) == ("https://lake.example/gone", False)
    assert state(room).next_poll > NOON + 42 * DAY
    assert ask(room, "SELECT count(*) FROM marks") == 0


def test_bodies_of_sources_that_are_turned_off_and_of_what_is_held_are_not_forgotten(
    room: Newsroom, server: Server
) -> None:
    off = lake(server, path="/g").replace("lake\n", "off\n", 1)
    room.settle(lake(server), off)
    server.put("/f", rss(item("Held", date=NOON + 100 * DAY), item("Shown")))
    server.put("/g", rss(item("Off")))
    room.poll("lake", "off")
    room.settle(lake(server), off + "\nenabled = false")
    room.poll("lake", now=NOON + HOUR)
    assert room.titles() == ["Shown"]
    for days in (40, 50):
        with room.opened() as app:
            app.prune(NOON + days * DAY)
    assert ask(room, "SELECT count(*) FROM documents") == 3


# ---------------------------------------------------------------- copies


def test_one_article_of_several_sources_is_one_entry(room: Newsroom, server: Server) -> None:
    tree = room.root / "tree"
    tree.mkdir()
    (tree / "a.md").write_bytes(document("bridge  opens", body="From the tree.", more="categories: [Tree]"))
    room.settle(lake(server), lake(server, path="/g").replace("lake\n", "copy\n", 1), 'tree\npath = "tree"')
    server.put("/f", rss(item("Bridge Opens", body="<p>From the lake.</p>", categories=("Lake",))))
    server.put("/g", rss(item("BRIDGE OPENS", guid="urn:g", date=NOON + HOUR, categories=("Copy",))))
    room.poll("tree", "copy", "lake")
    [entry] = room.entries()
    assert (entry["title"], entry["content_html"]) == ("Bridge Opens", "<p>From the lake.</p>")
    assert room.categories() == ["copy", "lake", "tree"]


def test_fault_95_an_entry_with_the_id_of_another_source_cannot_take_its_place(room: Newsroom, server: Server) -> None:
    room.settle(lake(server), lake(server, path="/g").replace("lake\n", "liar\n", 1))
    server.put("/f", rss(item("Bridge opens", guid="urn:bridge", body="<p>True.</p>")))
    room.poll("lake")
    [before] = room.entries()
    lies = [
        item("Bridge is closed", guid="urn:bridge", date=NOON - HOUR, body="<p>Lie.</p>"),
        item("Buy this", guid=before["id"], date=NOON - DAY),
        item("Bridge opens", guid="urn:lie", body="<p>Lie as well.</p>"),
    ]
    server.put("/g", rss(*lies))
    room.poll("liar", now=NOON + HOUR)
    assert room.entries()[0] == before
    assert room.titles() == ["Bridge opens", "Bridge is closed", "Buy this"]
    assert len({entry["id"] for entry in room.entries()}) == 3


def test_fault_96_own_output_at_another_address_is_stable(room: Newsroom, server: Server) -> None:
    room.settle(lake(server), lake(server, path="/g").replace("lake\n", "mirror\n", 1))
    server.put("/f", rss(item("A", categories=("News",)), item("B", date=NOON - HOUR)))
    room.poll("lake")
    before = room.files()
    for number in range(1, 4):
        for name in ("atom.xml", "rss.xml", "feed.json"):
            server.put("/g", room.files()[name])
            room.poll("mirror", now=NOON + number * HOUR)
            assert room.files() == before


# ---------------------------------------------------------------- archives


def archive(*names: str) -> bytes:
    return tar_gz({f"{name}.md": document(name, body=f"Written for {name}.") for name in names})


def test_an_archive_is_read_like_a_directory(room: Newsroom, server: Server) -> None:
    room.settle(lake(server, 'withdraw_after = "0s"'))
    server.put("/f", archive("A", "B"), etag='"1"')
    room.poll("lake")
    assert sorted(room.titles()) == ["A", "B"]
    assert "Written for A." in json.dumps(room.entries())
    server.put("/f", archive("A"), etag='"2"')
    room.poll("lake", now=NOON + HOUR)
    assert sorted(room.titles()) == ["A", "B"]
    assert counts(room.poll("lake", now=NOON + 2 * HOUR)) == {Verdict.WITHDRAWN: 1}
    assert room.titles() == ["A"]


def test_articles_of_an_archive_from_the_web_are_republished_like_those_of_a_feed(
    room: Newsroom, server: Server
) -> None:
    room.settle(lake(server, 'content = "summary"'))
    body = f"{'It begins so. ' * 40}And ends so."
    server.put("/f", tar_gz({"a.md": document("A", body=body)}))
    room.poll("lake")
    [page] = [text for path, text in room.files().items() if path.startswith("articles/")]
    assert b'<meta name="robots" content="noindex">' in page
    assert b"And ends so." not in page


def test_an_archive_that_lost_all_is_in_doubt_until_somebody_accepts_it(room: Newsroom, server: Server) -> None:
    room.settle(lake(server, 'withdraw_after = "0s"'))
    server.put("/f", archive("A"), etag='"1"')
    room.poll("lake")
    server.put("/f", tar_gz({"b.txt.bak": b"no article"}))
    for number in range(1, 4):
        assert "vanished at once" in (room.poll("lake", now=NOON + number * HOUR).error or "")
    assert room.titles() == ["A"]
    with room.opened() as app, app.store.transaction():
        app.store.accept("lake", NOON)
    assert room.poll("lake", now=NOON + DAY).error is None
    assert room.titles() == []


def test_an_archive_whose_tree_was_removed_is_fetched_anew(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    server.put("/f", archive("A"), etag='"1"')
    room.poll("lake")
    shutil.rmtree(room.root / "archives")
    polled = room.poll("lake", now=NOON + HOUR)
    assert (polled.error, room.titles()) == (None, ["A"])
    assert "if-none-match" not in server.log[-1].headers


def test_an_archive_stays_one_while_its_server_fails(room: Newsroom, server: Server) -> None:
    room.settle(lake(server), feeds='entries = 1\nwindow = "0s"')
    server.put("/f", archive("A", "B"), etag='"1"')
    room.poll("lake")
    server.put("/f", status=500)
    for number in range(1, 5):
        assert room.poll("lake", now=NOON + number * DAY).error
    room.settle(lake(server))
    room.poll("lake", now=NOON + 9 * DAY)
    assert all(f"Written for {entry['title']}." in entry["content_html"] for entry in room.entries())
    assert sorted(room.titles()) == ["A", "B"]


def test_an_archive_that_becomes_a_feed_is_read_as_one(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    server.put("/f", archive("A"))
    room.poll("lake")
    server.put("/f", rss(item("B", body="<p>From a feed.</p>")))
    for number in range(1, 5):
        room.poll("lake", now=NOON + number * DAY)
    assert remembered(room).kind is SourceKind.FEED
    assert sorted(room.titles()) == ["A", "B"]
    assert "From a feed." in json.dumps(room.entries())
    assert "Written for A." in json.dumps(room.entries())


# ---------------------------------------------------------------- the state


def test_a_poll_that_the_state_cannot_take_in_changes_nothing_and_is_done_again(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    server.put("/f", rss(item("A")), etag='"1"')

    def refuse(_: object) -> None:
        with closing(sqlite3.connect(room.root / "state.db")) as connection, connection:
            connection.execute(
                "CREATE TRIGGER fault BEFORE UPDATE OF last_poll ON sources BEGIN SELECT RAISE(ABORT, 'no room'); END"
            )

    with pytest.raises(Exception, match="no room"):
        room.poll("lake", before=refuse)
    assert ask(room, "SELECT (SELECT count(*) FROM sightings) + (SELECT count(*) FROM documents)") == 0
    assert ask(room, "SELECT memo FROM sources") is None
    with closing(sqlite3.connect(room.root / "state.db")) as connection, connection:
        connection.execute("DROP TRIGGER fault")
    assert room.poll("lake").error is None
    assert room.titles() == ["A"]


def test_what_another_version_remembered_is_asked_for_again(room: Newsroom, server: Server) -> None:
    room.settle(lake(server))
    server.put("/f", rss(item("A")), etag='"1"')
    room.poll("lake")
    with closing(sqlite3.connect(room.root / "state.db")) as connection, connection:
        connection.execute("UPDATE sources SET memo = '{}'")
    assert room.poll("lake", now=NOON + HOUR).error is None
    assert "if-none-match" not in server.log[-1].headers


def test_the_config_refuses_what_this_site_publishes(room: Newsroom) -> None:
    room.settle('own\nurl = "https://feeds.example.org/atom.xml"')
    with pytest.raises(Exception, match=re.escape("is what this site publishes")):
        config.load(room.config)


# ---------------------------------------------------------------- what a hostile server makes up


def made_up(*numbers: int) -> bytes:
    return rss(*(item(f"Made up {number}", date=NOON - number * HOUR) for number in numbers))


def test_a_source_brings_no_more_in_a_day_than_the_state_can_bear(
    room: Newsroom, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MOST_NEW", 5)
    room.settle(lake(server, "first = 100"))
    taken = []
    for poll, now in enumerate((NOON, NOON + HOUR, NOON + 2 * HOUR, NOON + DAY)):
        server.put("/f", made_up(*range(3 * poll, 3 * poll + 3)))
        taken.append(room.poll("lake", now=now).verdicts[Verdict.NEW])
    assert taken == [3, 2, 0, 3]


def test_what_was_put_off_comes_the_next_day_from_the_same_answer(
    room: Newsroom, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MOST_NEW_BYTES", 2000)
    room.settle(lake(server, "first = 100"))
    server.put(
        "/f", rss(*(item(f"Long {n}", body="".join(map(chr, range(500 * n, 500 * n + 900)))) for n in range(1, 5)))
    )
    first = room.poll("lake").verdicts[Verdict.NEW]
    assert 0 < first < 4
    assert room.poll("lake", now=NOON + HOUR).verdicts[Verdict.NEW] == 0
    assert room.poll("lake", now=NOON + DAY).verdicts[Verdict.NEW] > 0


def test_failures_do_not_make_the_day_begin_anew() -> None:
    taken, spent = memory.spending(Memo(), [1] * 7, NOON)
    assert (taken, spent.new, spent.new_bytes) == (7, 7, 7)
    failed = memory.failed(spent, failures=memory.PATIENCE)
    assert (failed.new, failed.new_bytes, failed.day) == (7, 7, spent.day)
    assert memory.load(memory.dump(spent)) == spent


def test_a_source_changes_no_more_in_a_day_than_the_state_can_bear(
    room: Newsroom, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MOST_EDITS", 5)
    room.settle(lake(server, "first = 100"))
    changed = []
    for poll, now in enumerate((NOON, NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR, NOON + DAY)):
        server.put("/f", rss(*(item(f"Calm {n}", body=f"Edition {poll}.") for n in range(3))))
        changed.append(room.poll("lake", now=now).verdicts[Verdict.UPDATED])
    assert changed == [0, 3, 2, 0, 3]
