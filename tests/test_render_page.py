"""The pages of the site, of categories and of articles: plain HTML, a style and a script."""

from __future__ import annotations

import re
from dataclasses import replace
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
    entry,
    files,
    origin,
    origins,
    picture,
    rendered,
    rendered_entry,
    texts,
    titles,
)
from hypothesis import given, settings
from selectolax.lexbor import LexborHTMLParser, LexborNode

from feeder import plan
from feeder.model import Branch, Category, Entry, FeedDocument, FeedSettings, Origin, Site, Tally
from feeder.render import render, render_entries
from feeder.render.page import ENTRIES_OF_SITE

MONEY_URL = "https://feeds.example.org/categories/%E9%87%91%E8%9E%8D/"


def page(made: FeedDocument, site: Site = SITE) -> LexborHTMLParser:
    return LexborHTMLParser(render(made, site)[-1].body.decode())


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
    assert attribute(found, ".feeds a", "href") == ["atom.xml", "rss.xml", "feed.json"]
    assert attribute(found, 'link[rel="canonical"]', "href") == [MONEY_URL]


def test_the_page_says_what_it_is() -> None:
    made = replace(document(), subtitle='Every day & "night"')
    found = page(made)
    assert shown(found, "title") == ["金融 › R&D Daily – Example newsroom"]
    assert shown(found, "h1") == ["R&D Daily"]
    assert attribute(found, 'meta[name="description"]', "content") == ['Every day & "night"']
    assert attribute(found, "html", "lang") == ["zh-CN"]
    assert attribute(found, "meta[charset]", "charset") == ["utf-8"]
    assert found.css("h1[lang]") == []


def test_a_category_of_another_language_says_so() -> None:
    found = page(document(category=replace(DAILY, language="en", title="The daily")))
    assert (attribute(found, "html", "lang"), attribute(found, "h1", "lang")) == (["zh-CN"], ["en"])
    assert shown(found, "h1") == ["The daily"]


def branch(category: Category, *below: Branch, days: tuple[int, ...] = ()) -> Branch:
    return Branch(category=category, tally=tally(days=days), branches=below)


def tally(**changes: Any) -> Tally:
    return replace(Tally(articles=2, newest=NOON, title="Rates & <fees>"), **changes)


def categories(count: int, *above: str) -> list[Category]:
    names = [(*above, f"河口财经{number:04}") for number in range(count)]
    return [Category(node=name, labels=name, slugs=name) for name in names]


def of_site(*branches: Branch, **changes: Any) -> FeedDocument:
    return plan.document(HOME, (), site=SITE, settings=FeedSettings(), branches=branches, **changes)


def test_the_page_leads_up_and_down() -> None:
    made = plan.document(
        DAILY,
        (),
        site=SITE,
        settings=FeedSettings(),
        parents=(HOME, MONEY),
        branches=(branch(replace(DAILY, labels=(*DAILY.labels, "Rates"), slugs=(*DAILY.slugs, "rates"))),),
    )
    found = page(made)
    assert attribute(found, ".crumbs a", "href") == ["../../../", "../"]
    assert shown(found, ".crumbs a") == ["Example newsroom", "金融"]
    assert attribute(found, ".tree a", "href") == ["rates/"]
    assert (shown(found, ".tree a"), shown(found, ".tree b"), shown(found, ".tree small")) == (
        ["Rates"],
        ["2"],
        ["Rates & <fees>"],
    )
    assert shown(found, ".tree time") == ["2026-03-01"]


def test_the_page_of_the_site_shows_all_categories() -> None:
    found = page(of_site(branch(MONEY, branch(DAILY)), tally=tally()))
    assert attribute(found, ".tree a", "href") == ["categories/金融/", "categories/金融/r-d-daily-1a2b3c4d/"]
    assert shown(found, ".tree > ul > li > ul > li > a") == ["R&D Daily"]
    assert shown(found, ".facts") == ["2 篇文章 · 2 个分类 · 最新：2026年3月1日"]
    assert attribute(found, ".feeds a", "href")[-1] == "feeds.opml"


def test_the_days_of_the_site_are_a_chart_in_which_each_article_is_seen() -> None:
    found = page(of_site(branch(MONEY, days=(0, 2)), tally=tally(days=(0, 1, 400))))
    first, second = found.css("svg")
    assert first.css("path")[0].attributes["d"] == "M3 20v-1h2v1zM6 20v-20h2v20z"
    assert second.css("path")[0].attributes["d"] == "M3 20v-20h2v20z"
    assert attribute(found, "figure", "aria-label") == ["截至2026年3月1日的 30 天内每天的文章数"]


def test_one_article_makes_no_chart() -> None:
    assert page(of_site(branch(MONEY, days=(0, 1)), tally=tally(days=(0, 1)))).css("svg, figure") == []


def test_two_thousand_categories_are_a_page_of_300_kb_and_no_more() -> None:
    tops = categories(20)
    tree = [branch(top, *map(branch, categories(99, *top.labels)), days=(1,) * 30) for top in tops]
    entries = [entry(id=f"tag:a,2026:{number}", summary="长" * 300, title="题" * 60) for number in range(50)]
    made = plan.document(
        HOME, rendered(*entries), site=SITE, settings=FeedSettings(), tally=tally(days=(1,) * 30), branches=tree
    )
    body = render(made, SITE)[-1].body
    found = LexborHTMLParser(body.decode())
    assert len(found.css(".tree a")) == 2000
    assert len(found.css("main li")) == ENTRIES_OF_SITE
    assert found.css(".tree small, .tree svg") == []
    assert len(body) <= 300_000


def test_a_long_title_beside_a_category_is_cut() -> None:
    made = Branch(category=MONEY, tally=tally(title="长" * 10_000))
    assert len(shown(page(of_site(made)), ".tree small")[0]) <= 80


def test_a_page_at_the_end_of_the_tree_leads_nowhere_further() -> None:
    found = page(plan.document(HOME, (), site=SITE, settings=FeedSettings()))
    assert found.css(".crumbs, .tree, .chart, .facts") == []
    assert found.css('meta[name="description"]') == []


@pytest.mark.parametrize(
    ("language", "moment"),
    [
        ("zh-CN", "2026年3月1日 20:00"),
        ("en-GB", "1 March 2026, 20:00"),
        ("de", "1. März 2026, 20:00"),
        ("tlh", "1 March 2026, 20:00"),
    ],
)
def test_an_entry_is_shown_in_the_sites_time_and_language(language: str, moment: str) -> None:
    made = render_entries([entry()], replace(SITE, language=language), ())[0].page.decode()
    found = LexborHTMLParser(made)
    assert shown(found, "time") == [moment]
    assert attribute(found, "time", "datetime") == ["2026-03-01T20:00:00+08:00"]


def test_an_entry_says_its_language() -> None:
    assert item(entry(language="ar")).attributes["lang"] == "ar"


def test_a_picture_has_its_place_before_it_is_there() -> None:
    (found,) = item(entry(picture=picture())).css("img")
    assert found.attributes == {
        "class": "picture",
        "src": picture().url,
        "alt": "",
        "width": "144",
        "height": "108",
        "loading": "lazy",
        "decoding": "async",
        "referrerpolicy": "no-referrer",
    }


def test_a_title_is_linked_where_there_is_a_link() -> None:
    assert attribute(item(entry()), "h3 a", "href") == ["https://news.example.org/markets"]
    assert item(entry(link=None)).css("a") == []
    assert shown(item(entry(link=None)), "h3") == ["Markets & <rates>"]


def told(found: LexborNode) -> list[str]:
    """Return what stands below the title, after the time."""
    return [node.text().strip() for node in found.css(".by > span:not(.ago)")]


@pytest.mark.parametrize(
    ("made", "by", "summary"),
    [
        pytest.param(entry(), ["Li Lei"], ["Rates fell & rose."], id="all"),
        pytest.param(entry(author=None, summary=""), [], [], id="bare"),
    ],
)
def test_an_entry_is_told_in_short(made: Entry, by: list[str], summary: list[str]) -> None:
    assert (told(item(made)), shown(item(made), ".summary")) == (by, summary)


@pytest.mark.parametrize(
    ("made", "said", "addresses"),
    [
        pytest.param(origin(), "来自 Gazette & <Sons>", ["https://gazette.example/"], id="all"),
        pytest.param(origin(home=None), "来自 Gazette & <Sons>", [origin().url], id="no-home"),
        pytest.param(Origin(title="Gazette"), "来自 Gazette", [], id="title-only"),
        pytest.param(
            Origin(url="https://gazette.example/rss"),
            "来自 https://gazette.example/rss",
            ["https://gazette.example/rss"],
            id="address-only",
        ),
    ],
)
def test_an_entry_says_where_it_comes_from(made: Origin, said: str, addresses: list[str]) -> None:
    found = item(entry(origin=made))
    assert told(found) == ["Li Lei", said]
    assert attribute(found, ".by a", "href") == addresses


def test_an_author_that_is_the_origin_is_told_once() -> None:
    assert told(item(entry(author="Gazette", origin=Origin(title="Gazette")))) == ["来自 Gazette"]


def test_an_origin_without_name_and_address_is_not_spoken_of() -> None:
    assert told(item(entry(origin=Origin(rights="CC BY")))) == ["Li Lei"]


def test_the_page_runs_and_loads_nothing_but_its_own() -> None:
    body = files(document(entry(picture=picture()), category=MONEY))["index.html"].decode()
    found = LexborHTMLParser(body)
    assert found.css("style, iframe, object, embed, [style], script:not([src])") == []
    own = [*attribute(found, "script", "src"), *attribute(found, "link[rel=stylesheet], link[rel=icon]", "href")]
    assert [str(address).partition("?")[0] for address in own] == [
        "../../assets/site.js",
        "../../assets/icon.svg",
        "../../assets/site.css",
    ]
    assert re.findall(r"url\(|@import| on\w+=", body) == []
    assert "default-src 'none'; style-src 'self'; script-src 'self'; img-src * data:;" in body


# ---------------------------------------------------------------- pages of articles


def own_page(**changes: Any) -> LexborHTMLParser:
    made = entry(own_page="<p>Rates <b>fell</b>.</p>", link=f"{SITE.url}articles/a.html", **changes)
    return LexborHTMLParser(rendered_entry(made).article.decode())


def test_an_article_has_a_page_only_if_it_needs_one() -> None:
    assert rendered_entry(entry()).article == b""


def test_the_page_of_an_article_holds_it_and_credits_its_origin() -> None:
    found = own_page(origin=origin(), rights="CC BY", enclosures=(enclosure(),), language="en")
    assert (shown(found, "title"), shown(found, "h1")) == (
        ["Markets & <rates> – Example newsroom"],
        ["Markets & <rates>"],
    )
    assert shown(found, ".content b") == ["fell"]
    assert attribute(found, "article", "lang") == ["en"]
    assert attribute(found, 'link[rel="canonical"]', "href") == [f"{SITE.url}articles/a.html"]
    assert attribute(found, ".crumbs a", "href") == ["../"]
    assert attribute(found, ".credits a", "href") == [
        "https://gazette.example/",
        "../categories/金融/",
        "../categories/金融/r-d-daily-1a2b3c4d/",
        "https://cdn.example/a.mp3",
    ]


def test_a_bare_article_has_a_page_all_the_same() -> None:
    found = own_page(author=None, summary="", categories=())
    assert shown(found, ".credits") == [""]


def test_only_pages_of_republished_articles_are_kept_out_of_search_engines() -> None:
    robots = 'meta[name="robots"]'
    assert attribute(own_page(is_republished=True), robots, "content") == ["noindex"]
    assert own_page().css(robots) == []


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
    tags = [node.tag for node in item(entry(author=None, origin=made)).css(".by > span:not(.ago), .by a")]
    assert tags == ["span"] * bool(made.home or made.url or made.title) + ["a"] * bool(made.home or made.url)
