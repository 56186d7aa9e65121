"""Another `site.timezone` moves days: what falls onto one day becomes one article, and nothing else moves."""

from __future__ import annotations

import json
from itertools import chain, permutations
from pathlib import Path
from typing import Any

import pytest
from build import DAY, NOON, PREFIX, article, source
from desk import Desk

from feeder import dedup
from feeder.dedup import Rules
from feeder.model import Memory, Sighting

SHANGHAI = 'timezone = "Asia/Shanghai"'
RULES = Rules(prefix=PREFIX, ranks={"newsroom": 0, "partner": 1})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def entries(desk: Desk) -> dict[str, str]:
    """Return what the site's feed holds: id -> text."""
    items = json.loads((desk.folder / "public/feed.json").read_text("utf-8"))["items"]
    return {item["id"]: item["content_html"] for item in items}


def told(desk: Desk, word: str | Path) -> Any:
    return desk.run("explain", word, "--json").json


def settled_at_midnight(desk: Desk, *sources: str) -> tuple[Path, Path]:
    """Publish two articles of one title that are days apart in Shanghai, and not in UTC."""
    desk.settle(*sources, site=SHANGHAI)
    first = desk.write("newsroom/first.md", date="2026-03-10T15:30:00Z", body="First.")
    desk.run("once")
    second = desk.write("newsroom/second.md", date="2026-03-10T17:00:00Z", body="Second.")
    desk.run("once", "--all")
    assert len(entries(desk)) == 2
    return first, second


def test_articles_that_come_to_share_title_and_day_become_the_older_one(desk: Desk) -> None:
    first, second = settled_at_midnight(desk)
    older, younger = (told(desk, file)["id"] for file in (first, second))
    desk.settle()
    assert desk.run("once", "--dry-run", "--json").json["settings"]["merged"] == 1
    assert desk.run("once", "--all", "--json").json["merged"] == 1
    assert list(entries(desk)) == [older]
    assert [event["note"] for event in told(desk, second)["history"]] == [f"from {younger}"]
    assert told(desk, younger)["verdict"].startswith(f"Merged into {older}:")


def test_an_article_that_was_merged_stays_so_and_is_found_by_all_its_keys(desk: Desk) -> None:
    first, _ = settled_at_midnight(desk)
    older = told(desk, first)["id"]
    desk.settle()
    desk.run("once", "--all")
    copy = desk.write("newsroom/copy.md", date="2026-03-10T18:00:00Z", body="A copy.")
    for site in ("", SHANGHAI):
        desk.settle(site=site)
        desk.run("once", "--all")
        assert list(entries(desk)) == [older]
    assert told(desk, copy)["id"] == older


def test_articles_of_several_sources_are_compared_when_all_have_been_read_anew(desk: Desk) -> None:
    desk.settle("newsroom", "partner", site=SHANGHAI)
    desk.write("newsroom/a.md", title="Daily", date="2026-03-10T17:00:00Z", body="The eleventh.")
    desk.write("partner/a.md", title="Daily", date="2026-03-10T15:00:00Z", body="The tenth.")
    desk.write("partner/b.md", title="Daily", date="2026-03-09T15:00:00Z", body="The ninth.")
    desk.run("once")
    before = entries(desk)
    desk.settle("newsroom", "partner")
    assert desk.run("once", "--all", "--json").json["merged"] == 1
    assert set(entries(desk)) < set(before)
    assert sorted(entries(desk).values()) == ["<p>The eleventh.</p>", "<p>The ninth.</p>"]


def test_a_column_that_comes_every_day_loses_no_issue_and_gains_none(desk: Desk) -> None:
    desk.settle(site=SHANGHAI)
    for day in range(1, 6):
        desk.write(f"newsroom/{day}.md", title="早报", date=f"2026-03-0{day}T20:00:00Z", body=f"Issue {day}.")
    desk.run("once")
    before = entries(desk)
    desk.settle()
    assert desk.run("once", "--all", "--json").json["merged"] == 0
    assert entries(desk) == before
    desk.write("newsroom/6.md", title="早报", date="2026-03-06T20:00:00Z", body="Issue 6.")
    desk.write("newsroom/copy.md", title="早报", date="2026-03-05T21:00:00Z", body="Issue 5, edited.")
    done = desk.run("once", "--all", "--json").json
    assert (done["new"], done["merged"], len(entries(desk))) == (1, 1, 6)
    copies = {told(desk, desk.folder / f"newsroom/{name}.md")["id"] for name in ("5", "copy")}
    assert len(copies) == 1


def test_what_was_taken_down_draws_nothing_along(desk: Desk) -> None:
    first, second = settled_at_midnight(desk)
    left = told(desk, second)["id"]
    desk.run("remove", first)
    desk.settle()
    desk.run("once", "--all")
    assert list(entries(desk)) == [left]


# ---------------------------------------------------------------- the rule


def sighting(locator: str, id_: str, *, title: str = "Bridge opens", days: int = 0, by: str = "newsroom") -> Sighting:
    what = article(title, NOON + days * DAY)
    return Sighting(source=by, locator=locator, id=id_, article=what, first_seen=NOON, published=NOON)


def reunited(*found: Sighting, older: str = "", removed: str = "") -> dict[str, str]:
    memories = {
        s.id: Memory(id=s.id, first_seen=NOON - DAY if s.id == older else NOON, removed=s.id == removed) for s in found
    }
    sources = {"newsroom": source(), "partner": source("partner", 1)}
    return dict(dedup.reunite(found, memories, sources=sources, rules=RULES).merged)


def test_the_older_id_wins_then_the_copy_that_readers_would_see() -> None:
    pair = sighting("a.md", "urn:a"), sighting("b.md", "urn:b")
    for order in permutations(pair):
        assert reunited(*order) == {"urn:b": "urn:a"}
        assert reunited(*order, older="urn:b") == {"urn:a": "urn:b"}
    assert reunited(sighting("a.md", "urn:a", by="partner"), sighting("b.md", "urn:b")) == {"urn:a": "urn:b"}


def test_articles_that_share_a_day_with_a_third_are_one() -> None:
    chained = [
        sighting("a.md", "urn:a"),
        sighting("b.md", "urn:b"),
        sighting("c.md", "urn:b", days=1),
        sighting("d.md", "urn:c", days=1),
    ]
    for order in permutations(chained):
        assert reunited(*order) == {"urn:b": "urn:a", "urn:c": "urn:a"}
        assert reunited(*order, older="urn:c") == {"urn:a": "urn:c", "urn:b": "urn:c"}


@pytest.mark.parametrize(
    "apart",
    [
        (sighting("a.md", "urn:a"), sighting("b.md", "urn:b", days=1)),
        (sighting("a.md", "urn:a"), sighting("b.md", "urn:b", title="Tunnel opens")),
        (sighting("a.md", "urn:a"), sighting("b.md", "urn:a")),
    ],
)
def test_all_others_stay_as_they_are(apart: tuple[Sighting, ...]) -> None:
    assert reunited(*apart) == {}


def test_an_article_that_was_taken_down_is_left_alone() -> None:
    pair = sighting("a.md", "urn:a"), sighting("b.md", "urn:b")
    assert [reunited(*pair, removed=id_) for id_ in ("urn:a", "urn:b")] == [{}, {}]


def test_every_key_is_of_the_article_that_has_it_now() -> None:
    found = [sighting("a.md", "urn:a"), sighting("b.md", "urn:b"), sighting("c.md", "urn:c", days=1)]
    memories = {s.id: Memory(id=s.id, first_seen=NOON) for s in found}
    owners = dedup.reunite(found, memories, sources={"newsroom": source()}, rules=RULES).owners
    own = [dedup.keys(s.article, source=source(), locator=s.locator) for s in found]
    assert owners == dict(zip(chain(*own), ["urn:a", "urn:a", "urn:c"], strict=True))
