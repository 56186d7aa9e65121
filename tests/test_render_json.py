"""JSON Feed 1.1 by its schema, and feeds.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from feed_values import (
    DAILY,
    HOME,
    MONEY,
    NOON,
    SITE,
    document,
    enclosure,
    enclosures,
    entry,
    files,
    origin,
    picture,
    rendered,
    texts,
    titles,
)
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from feeder import plan
from feeder.model import Enclosure, Entry, FeedDocument, FeedRecord
from feeder.render import render, render_indexes

SCHEMA = Draft202012Validator(json.loads((Path(__file__).parent / "schemas" / "jsonfeed.json").read_bytes()))


def parsed(made: FeedDocument) -> Any:
    feed = json.loads(files(made)["feed.json"])
    SCHEMA.validate(feed)
    return feed


def item(made: Entry) -> Any:
    (found,) = parsed(document(made))["items"]
    return found


def test_the_feed_names_its_hub() -> None:
    feed = parsed(document(category=MONEY, hub="https://hub.example.org/"))
    assert feed["hubs"] == [{"type": "WebSub", "url": "https://hub.example.org/"}]


def test_the_feed_says_what_it_is() -> None:
    feed = parsed(document(category=MONEY))
    home = "https://feeds.example.org/categories/%E9%87%91%E8%9E%8D/"
    assert feed == {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "金融 – Example newsroom",
        "home_page_url": home,
        "feed_url": f"{home}feed.json",
        "language": "zh-CN",
        "authors": [{"name": "The newsroom"}],
        "items": [],
    }


def test_an_item_says_all_of_its_entry() -> None:
    assert item(entry(picture=picture(), language="en")) == {
        "id": entry().id,
        "url": "https://news.example.org/markets",
        "title": "Markets & <rates>",
        "content_html": "<p>Rates fell &amp; rose.</p>",
        "summary": "Rates fell & rose.",
        "image": picture().url,
        "date_published": "2026-03-01T12:00:00Z",
        "date_modified": "2026-03-01T13:00:00Z",
        "authors": [{"name": "Li Lei"}],
        "tags": ["金融", "R&D Daily", "rates"],
        "language": "en",
    }


def test_what_an_entry_lacks_is_left_out() -> None:
    bare = item(entry(link=None, author=None, summary="", categories=(), tags=()))
    assert set(bare) == {"id", "title", "content_html", "date_published", "date_modified"}


@pytest.mark.parametrize(
    ("made", "content"),
    [
        pytest.param(entry(content=None), {"content_text": "Rates fell & rose."}, id="summary"),
        pytest.param(entry(content=None, summary=""), {"content_text": ""}, id="nothing"),
        pytest.param(entry(content="", summary=""), {"content_html": ""}, id="empty"),
    ],
)
def test_an_item_always_has_one_content(made: Entry, content: dict[str, str]) -> None:
    assert {name: text for name, text in item(made).items() if name.startswith("content")} == content


def test_a_tag_that_is_a_category_as_well_is_listed_once() -> None:
    assert item(entry(tags=("金融", "rates")))["tags"] == ["金融", "R&D Daily", "rates"]


def test_each_item_is_a_line_as_it_was_rendered() -> None:
    pair = (entry(), entry(id="tag:a,2026:2"))
    lines = files(document(*pair))["feed.json"].splitlines()
    assert [line.removesuffix(b",") for line in lines[1:-1]] == [each.json for each in rendered(*pair)]


@given(title=titles, summary=texts, content=texts, author=texts)
@settings(deadline=None)
def test_whatever_is_written_reads_back(title: str, summary: str, content: str, author: str) -> None:
    found = item(entry(title=title, summary=summary, content=content, author=author))
    assert (found["title"], found["summary"], found["content_html"]) == (title, summary, content)
    assert found["authors"] == [{"name": author}]


def test_enclosures_are_attachments() -> None:
    bare = Enclosure(url="https://cdn.example/a")
    assert item(entry(enclosures=(enclosure(), bare), picture=picture()))["attachments"] == [
        {"url": "https://cdn.example/a.mp3", "mime_type": "audio/mpeg", "size_in_bytes": 4096},
        {"url": "https://cdn.example/a", "mime_type": "application/octet-stream"},
    ]


def test_an_origin_has_no_place_here() -> None:
    assert item(entry(origin=origin())) == item(entry())


@given(enclosed=enclosures)
@settings(deadline=None)
def test_attachments_read_back(enclosed: tuple[Enclosure, ...]) -> None:
    found = item(entry(enclosures=enclosed)).get("attachments", [])
    assert [(each["url"], each.get("size_in_bytes")) for each in found] == [
        (each.url, each.length) for each in enclosed
    ]


def records() -> list[FeedRecord]:
    made = [document(entry(), category=category) for category in (DAILY, HOME, MONEY)]
    return [plan.record(each, render(each, SITE)) for each in made]


def index(of: list[FeedRecord]) -> Any:
    return json.loads(render_indexes(of, SITE)[0].body)


def test_the_index_lists_every_feed_by_node() -> None:
    found = index(records())
    assert [each["node"] for each in found["feeds"]] == [[], ["金融"], ["金融", "r&d-daily"]]
    assert (found["site"], found["id"], found["home"]) == (SITE.title, SITE.id, SITE.url)
    assert found["updated"] == "2026-03-01T13:00:00Z"


def test_the_index_holds_what_a_program_needs_of_a_feed() -> None:
    (kept,) = [record for record in records() if record.category == DAILY]
    home = "https://feeds.example.org/categories/%E9%87%91%E8%9E%8D/r-d-daily-1a2b3c4d/"
    assert index([kept])["feeds"] == [
        {
            "path": ["金融", "R&D Daily"],
            "node": ["金融", "r&d-daily"],
            "title": "金融 › R&D Daily – Example newsroom",
            "id": plan.feed_id(DAILY, SITE),
            "home": home,
            "urls": {"atom": f"{home}atom.xml", "rss": f"{home}rss.xml", "json": f"{home}feed.json"},
            "sha256": {format_.value: digest for format_, digest in kept.digests},
            "updated": "2026-03-01T13:00:00Z",
            "entries": 1,
        }
    ]


def test_an_index_without_feeds_is_whole() -> None:
    assert index([]) == {
        "site": SITE.title,
        "id": SITE.id,
        "home": SITE.url,
        "updated": "1970-01-01T00:00:00Z",
        "feeds": [],
    }


def test_years_have_four_digits() -> None:
    assert item(entry(published=NOON.replace(year=476)))["date_published"] == "0476-03-01T12:00:00Z"
