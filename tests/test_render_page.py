"""The page of a category: plain HTML that needs nothing else."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from feed_values import DAILY, HOME, MONEY, SITE, document, entry, files, origin, origins, picture, texts, titles
from hypothesis import given, settings
from selectolax.lexbor import LexborHTMLParser, LexborNode

from feeder import plan
from feeder.model import Entry, FeedDocument, FeedSettings, Origin

MONEY_URL = "https://feeds.example.org/categories/%E9%87%91%E8%9E%8D/"


def page(made: FeedDocument) -> LexborHTMLParser:
    return LexborHTMLParser(files(made)["index.html"].decode())


def item(made: Entry) -> LexborNode:
    (found,) = page(document(made)).css("main li")
    return found


def shown(found: LexborNode | LexborHTMLParser, selector: str) -> list[str]:
    return [node.text().strip() for node in found.css(selector)]


def attribute(found: LexborNode | LexborHTMLParser, selector: str, name: str) -> list[str | None]:
    return [node.attributes[name] for node in found.css(selector)]


def test_every_feed_is_found_by_readers() -> None:
    found = page(document(category=MONEY))
    assert attribute(found, 'head link[rel="alternate"]', "type") == [
        "application/atom+xml",
        "application/rss+xml",
        "application/feed+json",
    ]
    urls = [f"{MONEY_URL}{name}" for name in ("atom.xml", "rss.xml", "feed.json")]
    assert attribute(found, 'head link[rel="alternate"]', "href") == urls
    assert attribute(found, 'nav[aria-label="Feeds"] a', "href") == urls


def test_the_page_says_what_it_is() -> None:
    made = replace(document(), subtitle='Every day & "night"')
    found = page(made)
    assert shown(found, "title") == shown(found, "h1") == ["金融 › R&D Daily – Example newsroom"]
    assert attribute(found, 'meta[name="description"]', "content") == ['Every day & "night"']
    assert attribute(found, "html", "lang") == ["zh-CN"]
    assert attribute(found, "meta[charset]", "charset") == ["utf-8"]


def test_the_page_leads_up_and_down() -> None:
    made = plan.document(MONEY, (), site=SITE, settings=FeedSettings(), parents=(HOME,), children=(DAILY,))
    found = page(made)
    assert attribute(found, "nav.above a", "href") == [SITE.url]
    assert attribute(found, 'nav[aria-label="Categories"] a', "href") == [f"{MONEY_URL}r-d-daily-1a2b3c4d/"]
    assert shown(found, 'nav[aria-label="Categories"] a') == ["R&D Daily"]


def test_a_page_at_the_end_of_the_tree_leads_nowhere_further() -> None:
    found = page(plan.document(HOME, (), site=SITE, settings=FeedSettings()))
    assert found.css("nav.above") == []
    assert found.css('nav[aria-label="Categories"]') == []
    assert found.css('meta[name="description"]') == []


def test_an_entry_is_shown_in_the_sites_time() -> None:
    found = item(entry())
    assert shown(found, "time") == ["2026-03-01 20:00"]
    assert attribute(found, "time", "datetime") == ["2026-03-01T20:00:00+08:00"]


def test_a_title_is_linked_where_there_is_a_link() -> None:
    assert attribute(item(entry()), "h2 a", "href") == ["https://news.example.org/markets"]
    assert item(entry(link=None)).css("a") == []
    assert shown(item(entry(link=None)), "h2") == ["Markets & <rates>"]


@pytest.mark.parametrize(
    ("made", "paragraphs"),
    [
        pytest.param(entry(), ["2026-03-01 20:00 · Li Lei", "Rates fell & rose."], id="all"),
        pytest.param(entry(author=None, summary=""), ["2026-03-01 20:00"], id="bare"),
    ],
)
def test_an_entry_is_told_in_short(made: Entry, paragraphs: list[str]) -> None:
    assert shown(item(made), "p") == paragraphs


@pytest.mark.parametrize(
    ("made", "said", "addresses"),
    [
        pytest.param(origin(), "from Gazette & <Sons>", ["https://gazette.example/"], id="all"),
        pytest.param(origin(home=None), "from Gazette & <Sons>", [origin().url], id="no-home"),
        pytest.param(Origin(title="Gazette"), "from Gazette", [], id="title-only"),
        pytest.param(
            Origin(url="https://gazette.example/rss"),
            "from https://gazette.example/rss",
            ["https://gazette.example/rss"],
            id="address-only",
        ),
    ],
)
def test_an_entry_says_where_it_comes_from(made: Origin, said: str, addresses: list[str]) -> None:
    found = item(entry(origin=made))
    assert shown(found, "p.by") == [f"2026-03-01 20:00 · Li Lei · {said}"]
    assert attribute(found, "p.by a", "href") == addresses


def test_an_author_that_is_the_origin_is_told_once() -> None:
    found = item(entry(author="Gazette", origin=Origin(title="Gazette")))
    assert shown(found, "p.by") == ["2026-03-01 20:00 · from Gazette"]


def test_an_origin_without_name_and_address_is_not_spoken_of() -> None:
    assert shown(item(entry(origin=Origin(rights="CC BY"))), "p.by") == ["2026-03-01 20:00 · Li Lei"]


def test_the_page_runs_and_loads_nothing() -> None:
    body = files(document(entry(picture=picture()), category=MONEY))["index.html"].decode()
    found = LexborHTMLParser(body)
    assert found.css("script, img, iframe, object, embed, link[rel=stylesheet], [style]") == []
    assert re.findall(r"url\(|@import| on\w+=", body) == []


def test_light_and_dark_are_both_styled() -> None:
    assert b"prefers-color-scheme: dark" in files(document())["index.html"]


@given(title=titles, summary=texts, author=texts)
@settings(deadline=None)
def test_no_text_becomes_markup(title: str, summary: str, author: str) -> None:
    odd, plain = (
        [node.tag for node in item(made).css("*")]
        for made in (entry(title=title, summary=summary, author=author), entry())
    )
    assert odd == plain


@given(made=origins)
@settings(deadline=None)
def test_no_text_of_an_origin_becomes_markup(made: Origin) -> None:
    tags = [node.tag for node in item(entry(origin=made)).css("p.by *")]
    assert tags == ["time", "a"] if made.home or made.url else ["time"]
