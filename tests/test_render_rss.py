"""RSS 2.0: well-formed, by the profile, and read back as it was meant."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import feedparser
import pytest
from feed_values import (
    HOME,
    MONEY,
    NOON,
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

NAMES = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "media": "http://search.yahoo.com/mrss/",
}
HOME_URL = "https://feeds.example.org/categories/%E9%87%91%E8%9E%8D/"


def channel(made: FeedDocument) -> etree._Element:
    root = etree.fromstring(files(made)["rss.xml"])
    assert (root.tag, root.get("version"), [child.tag for child in root]) == ("rss", "2.0", ["channel"])
    return root[0]


def item(made: Entry) -> etree._Element:
    found = channel(document(made)).find("item")
    assert found is not None
    return found


def values(element: etree._Element, name: str) -> list[str | None]:
    return [each.text for each in element.findall(name, NAMES)]


def attributes(element: etree._Element, name: str) -> list[dict[str, str]]:
    return [{str(key): str(value) for key, value in each.attrib.items()} for each in element.findall(name, NAMES)]


def read_back(body: bytes) -> Any:
    return feedparser.parse(body, sanitize_html=False, resolve_relative_uris=False)


def test_the_channel_says_what_it_is() -> None:
    found = channel(document(entry(), category=MONEY))
    said = {name: values(found, name) for name in ("title", "link", "description", "language", "generator", "ttl")}
    assert said == {
        "title": ["金融 – Example newsroom"],
        "link": [HOME_URL],
        "description": ["金融 – Example newsroom"],
        "language": ["zh-CN"],
        "generator": ["Feeder"],
        "ttl": [],
    }
    assert values(found, "dc:creator") == ["The newsroom"]


def test_the_channel_links_itself() -> None:
    assert attributes(channel(document(category=MONEY)), "atom:link") == [
        {"href": f"{HOME_URL}rss.xml", "rel": "self", "type": "application/rss+xml"}
    ]


def test_the_channel_names_its_hub() -> None:
    made = document(entry(), category=MONEY, hub="https://hub.example.org/?a=1&b=2")
    assert attributes(channel(made), "atom:link")[1] == {"href": "https://hub.example.org/?a=1&b=2", "rel": "hub"}
    feed = read_back(files(made)["rss.xml"]).feed
    assert feed.link == HOME_URL
    assert [link.href for link in feed.links if link.rel == "hub"] == ["https://hub.example.org/?a=1&b=2"]


def test_readers_take_the_page_for_the_channels_link() -> None:
    assert read_back(files(document(entry(), category=MONEY))["rss.xml"]).feed.link == HOME_URL


def test_a_description_is_plain_text() -> None:
    described = Category(node=("a",), labels=("a",), slugs=("a",), description="Day & night")
    assert b"<description>Day &#x26; night</description>" in files(document(category=described))["rss.xml"]


def test_the_last_build_is_the_newest_change_and_not_the_clock() -> None:
    body = files(document(entry()))["rss.xml"]
    assert b"<lastBuildDate>Sun, 01 Mar 2026 13:00:00 GMT</lastBuildDate>" in body
    assert datetime.now(tz=UTC).strftime("%d %b %Y").encode() not in body
    assert b"python-feedgen" not in body


def test_the_locale_of_the_process_is_never_touched() -> None:
    called: list[str] = []

    def note(_frame: Any, event: str, argument: Any) -> None:
        called.append(getattr(argument, "__name__", "") if event == "c_call" else _frame.f_code.co_name)

    sys.setprofile(note)
    try:
        files(document(entry()))
    finally:
        sys.setprofile(None)
    assert "format_datetime" in called
    assert "setlocale" not in called


def test_an_item_has_a_permanent_id_that_is_no_link() -> None:
    found = item(entry())
    assert attributes(found, "guid") == [{"isPermaLink": "false"}]
    assert values(found, "guid") == [entry().id]
    assert values(found, "link") == ["https://news.example.org/markets"]


def test_input_14_an_item_without_link_has_none() -> None:
    assert values(item(entry(link=None)), "link") == []


def test_people_are_named_by_dublin_core() -> None:
    found = item(entry(rights="CC BY & more", language="en"))
    assert (values(found, "dc:creator"), values(found, "author")) == (["Li Lei"], [])
    assert (values(found, "dc:rights"), values(found, "dc:language")) == (["CC BY & more"], ["en"])
    assert values(item(entry(author=None)), "dc:creator") == []


def test_dates_are_english_and_in_utc() -> None:
    assert values(item(entry()), "pubDate") == ["Sun, 01 Mar 2026 12:00:00 GMT"]


def test_every_level_of_a_path_is_a_category_and_a_tag_is_a_bare_one() -> None:
    found = item(entry())
    assert values(found, "category") == ["金融", "R&D Daily", "rates"]
    assert attributes(found, "category") == [{"domain": "https://feeds.example.org/"}, {"domain": HOME_URL}, {}]


def test_a_description_is_the_summary_as_html_and_the_content_is_beside_it() -> None:
    found = item(entry(summary="1 < 2 & <b>"))
    assert values(found, "description") == ["1 &lt; 2 &amp; &lt;b&gt;"]
    assert values(found, "content:encoded") == ["<p>Rates fell &amp; rose.</p>"]


@pytest.mark.parametrize(
    ("made", "description"),
    [
        pytest.param(entry(content=None), ["Rates fell &amp; rose."], id="summary"),
        pytest.param(entry(summary=""), ["<p>Rates fell &amp; rose.</p>"], id="content"),
        pytest.param(entry(summary="", content=""), [], id="neither"),
        pytest.param(entry(summary="", content=None), [], id="title only"),
    ],
)
def test_one_text_is_the_description(made: Entry, description: list[str]) -> None:
    found = item(made)
    assert (values(found, "description"), values(found, "content:encoded")) == (description, [])


def test_an_enclosure_has_a_type_and_a_length() -> None:
    found = item(entry(picture=picture()))
    assert attributes(found, "enclosure") == [{"url": picture().url, "length": "0", "type": "image/png"}]
    assert attributes(found, "media:thumbnail") == [{"url": picture().url}]
    assert found.find("media:group", NAMES) is None


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(picture(in_content=True), id="16-shown-in-the-content"),
        pytest.param(picture(media_type=None), id="15-unknown-type"),
    ],
)
def test_input_15_and_16_no_enclosure_but_a_thumbnail(made: Any) -> None:
    found = item(entry(picture=made))
    assert attributes(found, "enclosure") == []
    assert attributes(found, "media:thumbnail") == [{"url": made.url}]


def test_plain_text_is_escaped_as_the_profile_wants_it() -> None:
    label = Category(node=("r&d",), labels=("R&D",), slugs=("r-d",))
    body = rendered(entry(title="AT&T <3 &lt;", author="A & B", categories=(label,)))[0].rss
    assert b"<title>AT&#x26;T &#x3C;3 &#x26;lt;</title>" in body
    assert b"<dc:creator>A &#x26; B</dc:creator>" in body
    assert b'<category domain="https://feeds.example.org/">R&#x26;D</category>' in body


AUDIO, VIDEO = enclosure(), enclosure(url="https://cdn.example/a.mp4", media_type="video/mp4")
IMAGE, PAPER = (
    enclosure(url=f"https://cdn.example/{name}", media_type=kind)
    for name, kind in (("a.png", "image/png"), ("a.pdf", "application/pdf"))
)
UNKNOWN = Enclosure(url="https://cdn.example/a")


@pytest.mark.parametrize(
    ("enclosed", "shown", "expected"),
    [
        pytest.param((PAPER, IMAGE, VIDEO, AUDIO), picture(), (VIDEO.url, "video/mp4", "4096"), id="to-be-seen"),
        pytest.param((PAPER, AUDIO, VIDEO), None, (AUDIO.url, "audio/mpeg", "4096"), id="to-be-heard"),
        pytest.param((PAPER, IMAGE), picture(), (IMAGE.url, "image/png", "4096"), id="a-picture"),
        pytest.param((PAPER,), picture(), (picture().url, "image/png", "0"), id="the-picture-of-the-article"),
        pytest.param((UNKNOWN, PAPER), None, (UNKNOWN.url, "application/octet-stream", "0"), id="of-unknown-type"),
    ],
)
def test_there_is_one_enclosure_and_it_has_all_attributes(
    enclosed: tuple[Enclosure, ...], shown: Any, expected: tuple[str, str, str]
) -> None:
    url, media_type, length = expected
    found = item(entry(enclosures=enclosed, picture=shown))
    assert attributes(found, "enclosure") == [{"url": url, "type": media_type, "length": length}]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(origin(), [("https://gazette.example/feed.xml?a=1&b=2", "Gazette & <Sons>")], id="all"),
        pytest.param(origin(title=None), [(origin().url, origin().url)], id="without-a-title"),
        pytest.param(origin(url=None), [], id="without-an-address"),
        pytest.param(None, [], id="of-ones-own"),
    ],
)
def test_the_original_feed_is_named_if_it_has_an_address(
    made: Origin | None, expected: list[tuple[str, str | None]]
) -> None:
    found = item(entry(origin=made)).findall("source")
    assert [(each.get("url"), each.text) for each in found] == expected


def test_the_name_of_an_original_feed_is_plain_text() -> None:
    assert b">Gazette &#x26; &#x3C;Sons&#x3E;</source>" in rendered(entry(origin=origin()))[0].rss


def test_prefixes_are_declared_once_on_the_root_whether_used_or_not() -> None:
    bare, full = (files(document(made))["rss.xml"] for made in (entry(), entry(picture=picture())))
    assert bare.count(b"xmlns:") == full.count(b"xmlns:") == 4
    assert bare.partition(b"<item>")[0] == full.partition(b"<item>")[0]


def test_a_text_that_looks_like_markup_of_ours_stays_where_it_is() -> None:
    odd = "></content:encoded></description></item></channel> <title>a &amp; b</title>"
    found = item(entry(title=odd, content=f"<p>{odd}</p>"))
    assert values(found, "title") == [odd]
    assert values(found, "content:encoded") == [f"<p>{odd}</p>"]


def test_item_bytes_stand_in_the_feed_as_they_are() -> None:
    pair = (entry(), entry(id="tag:a,2026:2"))
    body = files(document(*pair))["rss.xml"]
    assert body.endswith(b"".join(each.rss for each in rendered(*pair)) + b"  </channel>\n</rss>\n")
    assert body.startswith(b"<?xml version='1.0' encoding='UTF-8'?>\n<?xml-stylesheet ")


def test_an_empty_feed_is_well_formed() -> None:
    assert channel(document(category=HOME)).find("item") is None


@given(title=titles, summary=titles, content=titles, label=titles, author=titles, hours=st.integers(-200_000, 200_000))
@settings(deadline=None)
def test_whatever_is_written_is_well_formed_and_reads_back(
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
    found = item(made)
    assert (values(found, "title"), values(found, "category")) == ([title], [label, "rates"])
    assert parsedate_to_datetime(values(found, "pubDate")[0] or "") == made.published
    got = read_back(files(document(made))["rss.xml"])
    assert not got.bozo
    (back,) = got.entries
    assert (back.title, back.id, back.link, back.author) == (title.strip(), made.id, made.link, author.strip())
    assert back.content[0].value == content.strip()
    assert back.published_parsed[:6] == made.published.timetuple()[:6]
    assert [tag.term for tag in back.tags] == [label.strip(), "rates"]


@given(origin=origins, enclosed=enclosures, rights=st.none() | titles)
@settings(deadline=None)
def test_what_comes_from_others_reads_back(origin: Origin, enclosed: tuple[Enclosure, ...], rights: str | None) -> None:
    made = entry(origin=origin, enclosures=enclosed, rights=rights)
    found = read_back(files(document(made))["rss.xml"])
    assert not found.bozo
    (got,) = found.entries
    assert (got.title, got.id, got.link, got.author) == (made.title, made.id, made.link, made.author)
    assert got.get("rights") == (rights and rights.strip())
    assert len(got.enclosures) == min(len(enclosed), 1)
    assert {each.href for each in got.enclosures} <= {each.url for each in enclosed}
    source = got.get("source", {})
    told = (origin.url, (origin.title or origin.url).strip()) if origin.url else (None, None)
    assert (source.get("href"), source.get("title")) == told


@given(title=titles, description=texts)
@settings(deadline=None)
def test_the_channel_reads_back(title: str, description: str) -> None:
    category = Category(node=("a",), labels=("a",), slugs=("a",), title=title, description=description)
    found = channel(document(entry(), category=category))
    assert (values(found, "title"), values(found, "description")) == ([title], [description])
