"""Atom: valid by the grammar of RFC 4287, and read back as it was meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import feedparser
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
    origins,
    picture,
    rendered,
    texts,
    titles,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from feeder.model import Category, Enclosure, Entry, FeedDocument, Origin

GRAMMAR = etree.RelaxNG(etree.parse(Path(__file__).parent / "schemas" / "atom.rng"))
ATOM = {"a": "http://www.w3.org/2005/Atom", "media": "http://search.yahoo.com/mrss/"}
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def parsed(made: FeedDocument) -> etree._Element:
    root = etree.fromstring(files(made)["atom.xml"])
    GRAMMAR.assertValid(root)
    return root


def of_entry(made: Entry) -> etree._Element:
    found = parsed(document(made)).find("a:entry", ATOM)
    assert found is not None
    return found


def read_back(body: bytes) -> Any:
    return feedparser.parse(body, sanitize_html=False, resolve_relative_uris=False)


def attributes(element: etree._Element, name: str) -> list[dict[str, str]]:
    return [{str(key): str(value) for key, value in each.attrib.items()} for each in element.findall(name, ATOM)]


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(entry(), id="all"),
        pytest.param(entry(link=None), id="no link"),
        pytest.param(entry(content=None), id="summary"),
        pytest.param(entry(link=None, content=None), id="summary without link"),
        pytest.param(entry(link=None, content=None, summary=""), id="title only"),
        pytest.param(entry(content="", summary=""), id="empty"),
        pytest.param(entry(author=None, categories=(), tags=()), id="bare"),
        pytest.param(entry(picture=picture(), language="en", rights="CC BY"), id="picture, language, rights"),
        pytest.param(entry(picture=picture(media_type=None)), id="picture of unknown type"),
        pytest.param(entry(origin=origin(), enclosures=(enclosure(),)), id="from a feed of somebody else's"),
        pytest.param(entry(origin=Origin(author="Han Meimei")), id="from somebody"),
        pytest.param(entry(enclosures=(Enclosure(url="https://cdn.example/a"),)), id="file of unknown type"),
    ],
)
def test_every_kind_of_entry_is_valid(made: Entry) -> None:
    assert len(parsed(document(made))) > 0


def test_an_empty_feed_is_well_formed() -> None:
    assert parsed(document()).find("a:entry", ATOM) is None


def test_the_feed_says_what_it_is() -> None:
    root = parsed(document(entry()))
    said = {name: root.findtext(f"a:{name}", namespaces=ATOM) for name in ("id", "title", "updated", "generator")}
    assert said == {
        "id": f"tag:{SITE.id}:feed/%E9%87%91%E8%9E%8D/r%26d-daily",
        "title": "金融 › R&D Daily – Example newsroom",
        "updated": "2026-03-01T13:00:00+00:00",
        "generator": "Feeder",
    }
    assert root.findtext("a:author/a:name", namespaces=ATOM) == "The newsroom"
    assert root.get(XML_LANG) == "zh-CN"
    assert root.find("a:subtitle", ATOM) is None


def test_a_description_is_the_subtitle() -> None:
    described = Category(node=("a",), labels=("a",), slugs=("a",), description="Every day & night")
    root = parsed(document(entry(), category=described))
    assert root.findtext("a:subtitle", namespaces=ATOM) == "Every day & night"


def test_the_feed_links_itself_and_its_page_and_nothing_else() -> None:
    home = "https://feeds.example.org/categories/%E9%87%91%E8%9E%8D/"
    assert attributes(parsed(document(category=MONEY)), "a:link") == [
        {"href": f"{home}atom.xml", "rel": "self", "type": "application/atom+xml"},
        {"href": home, "rel": "alternate", "type": "text/html"},
    ]


def test_the_feed_names_its_hub() -> None:
    made = document(category=MONEY, hub="https://hub.example.org/?a=1&b=2")
    links = attributes(parsed(made), "a:link")
    assert {"href": "https://hub.example.org/?a=1&b=2", "rel": "hub"} in links
    assert len(links) == 3


def test_no_version_and_no_clock_is_written() -> None:
    body = files(document(entry()))["atom.xml"]
    assert b"python-feedgen" not in body
    assert b"version=" not in body.partition(b"?>")[2]
    assert str(datetime.now(tz=UTC).date()).encode() not in body


def test_an_enclosure_keeps_all_its_attributes() -> None:
    assert attributes(of_entry(entry(picture=picture())), "a:link") == [
        {"href": "https://news.example.org/markets", "rel": "alternate", "type": "text/html"},
        {"href": "https://img.example.org/a.png?x=1&y=2", "rel": "enclosure", "type": "image/png", "length": "0"},
    ]


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(picture(in_content=True), id="16-shown-in-the-content"),
        pytest.param(picture(media_type=None), id="15-unknown-type"),
    ],
)
def test_input_15_and_16_no_enclosure_but_a_thumbnail(made: Any) -> None:
    found = of_entry(entry(picture=made))
    assert [link["rel"] for link in attributes(found, "a:link")] == ["alternate"]
    assert attributes(found, "media:thumbnail") == [{"url": made.url}]
    assert found.find("media:group", ATOM) is None


def test_a_picture_that_is_enclosed_anyway_is_not_enclosed_twice() -> None:
    enclosed = enclosure(url=picture().url, media_type="image/png", length=70)
    found = of_entry(entry(picture=picture(), enclosures=(enclosed, enclosure())))
    assert attributes(found, "a:link")[1:] == [
        {"href": picture().url, "rel": "enclosure", "type": "image/png", "length": "70"},
        {"href": enclosure().url, "rel": "enclosure", "type": "audio/mpeg", "length": "4096"},
    ]


def test_of_an_enclosure_no_more_is_told_than_is_known() -> None:
    found = of_entry(entry(enclosures=(Enclosure(url="https://cdn.example/a"),)))
    assert attributes(found, "a:link")[1:] == [{"href": "https://cdn.example/a", "rel": "enclosure"}]


def test_the_head_of_the_original_feed_is_the_last_of_an_entry() -> None:
    found = of_entry(entry(origin=origin(), picture=picture()))
    source = found[-1]
    assert source.tag == "{http://www.w3.org/2005/Atom}source"
    texts = {name: source.findtext(f"a:{name}", namespaces=ATOM) for name in ("id", "title", "rights", "author/a:name")}
    assert list(texts.values()) == [origin().id, origin().title, origin().rights, origin().author]
    assert attributes(source, "a:link") == [
        {"rel": "self", "href": origin().url},
        {"rel": "alternate", "href": origin().home},
    ]
    assert source.find("a:updated", ATOM) is None


def test_a_feed_without_an_id_goes_by_its_address() -> None:
    source = of_entry(entry(origin=Origin(url="https://gazette.example/rss")))[-1]
    assert source.findtext("a:id", namespaces=ATOM) == "https://gazette.example/rss"


def test_an_article_of_ones_own_has_no_origin() -> None:
    assert of_entry(entry()).find("a:source", ATOM) is None


def test_without_a_picture_there_is_no_thumbnail() -> None:
    assert attributes(of_entry(entry()), "media:thumbnail") == []


def test_input_14_an_entry_without_link_has_content() -> None:
    found = of_entry(entry(link=None))
    assert attributes(found, "a:link") == []
    assert found.findtext("a:content", namespaces=ATOM) == "<p>Rates fell &amp; rose.</p>"


@pytest.mark.parametrize(
    ("made", "text"),
    [
        pytest.param(entry(link=None, content=None), "Rates fell & rose.", id="summary"),
        pytest.param(entry(link=None, content="", summary=""), "Markets & <rates>", id="title"),
    ],
)
def test_without_link_and_content_text_stands_in_once(made: Entry, text: str) -> None:
    found = of_entry(made)
    content = found.find("a:content", ATOM)
    assert content is not None
    assert (content.get("type"), content.text) == ("text", text)
    assert found.find("a:summary", ATOM) is None


def test_content_is_html_and_a_summary_is_text() -> None:
    found = of_entry(entry())
    assert attributes(found, "a:content") == [{"type": "html"}]
    assert attributes(found, "a:summary") == [{"type": "text"}]
    assert found.findtext("a:summary", namespaces=ATOM) == "Rates fell & rose."


def test_a_feed_of_summaries_has_no_content() -> None:
    assert of_entry(entry(content=None)).find("a:content", ATOM) is None


def test_every_level_of_a_path_is_a_category_and_a_tag_is_a_bare_one() -> None:
    assert attributes(of_entry(entry()), "a:category") == [
        {"term": "金融", "scheme": "https://feeds.example.org/", "label": "金融"},
        {
            "term": "R&D Daily",
            "scheme": "https://feeds.example.org/categories/%E9%87%91%E8%9E%8D/",
            "label": "金融 › R&D Daily",
        },
        {"term": "rates"},
    ]


def test_people_have_names_only() -> None:
    assert of_entry(entry()).findtext("a:author/a:name", namespaces=ATOM) == "Li Lei"
    assert of_entry(entry(author=None)).find("a:author", ATOM) is None


def test_dates_language_and_rights_of_an_entry() -> None:
    found = of_entry(entry(language="en", rights="CC BY"))
    assert found.findtext("a:published", namespaces=ATOM) == "2026-03-01T12:00:00+00:00"
    assert found.findtext("a:updated", namespaces=ATOM) == "2026-03-01T13:00:00+00:00"
    assert found.findtext("a:rights", namespaces=ATOM) == "CC BY"
    assert found.get(XML_LANG) == "en"


def test_prefixes_are_declared_once_on_the_root_whether_used_or_not() -> None:
    bare, full = (files(document(made))["atom.xml"] for made in (entry(), entry(picture=picture())))
    assert bare.count(b"xmlns") == full.count(b"xmlns") == 2
    assert bare.partition(b"<id>")[0] == full.partition(b"<id>")[0]


def test_a_text_that_looks_like_markup_of_ours_stays_where_it_is() -> None:
    odd = '<content type="html"/> xmlns:media="http://search.yahoo.com/mrss/"></entry></feed>'
    found = of_entry(entry(title=odd, summary=odd, content=f"<p>{odd}</p>"))
    assert found.findtext("a:title", namespaces=ATOM) == odd
    assert found.findtext("a:content", namespaces=ATOM) == f"<p>{odd}</p>"


def test_entries_stand_in_the_order_they_are_given() -> None:
    made = [entry(id=f"tag:a,2026:{number}", title=f"T{number}") for number in (2, 1, 3)]
    assert [each.id for each in read_back(files(document(*made))["atom.xml"]).entries] == [each.id for each in made]


def test_entry_bytes_stand_in_the_feed_as_they_are() -> None:
    made = rendered(entry(), entry(id="tag:a,2026:2"))
    body = files(document(entry(), entry(id="tag:a,2026:2")))["atom.xml"]
    assert made[0].atom + made[1].atom + b"</feed>\n" == body[-len(made[0].atom + made[1].atom) - 8 :]
    assert body.startswith(b"<?xml version='1.0' encoding='UTF-8'?>\n<?xml-stylesheet ")


@given(title=titles, summary=texts, content=texts, label=titles, author=titles, hours=st.integers(-200_000, 200_000))
@settings(deadline=None)
def test_whatever_is_written_is_valid_and_reads_back(
    *, title: str, summary: str, content: str, label: str, author: str, hours: int
) -> None:
    category = Category(node=(label,), labels=(label,), slugs=("x",))
    made = entry(
        title=title,
        summary=summary,
        content=content,
        author=author,
        categories=(category,),
        published=NOON + timedelta(hours=hours),
    )
    parsed(document(made, category=category))
    found = read_back(files(document(made, category=category))["atom.xml"])
    assert not found.bozo
    (got,) = found.entries
    assert (got.title, got.id, got.link, got.author) == (title.strip(), made.id, made.link, author.strip())
    assert got.content[0].value == content.strip()
    assert got.published_parsed[:6] == made.published.timetuple()[:6]
    assert [tag.term for tag in got.tags] == [label, "rates"]


@given(origin=origins, enclosed=enclosures, rights=st.none() | titles)
@settings(deadline=None)
def test_what_comes_from_others_reads_back(origin: Origin, enclosed: tuple[Enclosure, ...], rights: str | None) -> None:
    made = entry(origin=origin, enclosures=enclosed, rights=rights)
    parsed(document(made))
    found = read_back(files(document(made))["atom.xml"])
    assert not found.bozo
    (got,) = found.entries
    assert (got.title, got.id, got.link, got.author) == (made.title, made.id, made.link, made.author)
    assert got.get("rights") == (rights and rights.strip())
    # feedparser takes every link without a type for a page.
    assert [(each.href, each.type, each.get("length")) for each in got.enclosures] == [
        (each.url, each.media_type or "text/html", str(each.length) if each.length else None) for each in enclosed
    ]
    source = got.source
    assert (source.get("id"), source.get("title")) == (origin.id or origin.url, origin.title and origin.title.strip())
    assert source.get("rights") == (origin.rights and origin.rights.strip())
    assert {each.rel: each.href for each in source.get("links", [])} == {
        rel: href for rel, href in (("self", origin.url), ("alternate", origin.home)) if href
    }


@given(title=titles)
@settings(deadline=None)
def test_the_title_of_a_feed_reads_back(title: str) -> None:
    made = document(entry(), category=Category(node=("a",), labels=("a",), slugs=("a",), title=title))
    assert read_back(files(made)["atom.xml"]).feed.title == title.strip()


def test_the_site_has_a_feed_too() -> None:
    assert parsed(document(entry(), category=HOME)).findtext("a:title", namespaces=ATOM) == "Example newsroom"


def test_an_entry_of_many_categories_is_the_same_in_each_of_their_feeds() -> None:
    bodies = [files(document(entry(), category=each))["atom.xml"] for each in (HOME, MONEY, DAILY)]
    assert len({body.partition(b"<entry")[2] for body in bodies}) == 1
