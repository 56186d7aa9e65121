"""Feeds of others, of every kind and in every state, to items."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder.errors import ParseError
from feeder.model import Enclosure, ForeignFeed, Origin, RawItem
from feeder.parse import loose
from feeder.parse.feed import read_feed
from feeder.parse.found import DAYS, MAX_ENTRIES, MAX_NAMES, as_html, with_items
from feeder.parse.tolerant import read_tolerantly
from feeder.parse.xml_feed import read_xml

URL = "https://lake.example/news/feed.xml"
NAMESPACES = (
    'xmlns:atom="http://www.w3.org/2005/Atom" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
    'xmlns:media="http://search.yahoo.com/mrss/" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" '
    'xmlns:feedburner="http://rssnamespace.org/feedburner/ext/1.0" '
    'xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"'
)


def rss(items: str, head: str = "<link>https://lake.example/</link>") -> str:
    return f'<rss version="2.0" {NAMESPACES}><channel><title>Lake</title>{head}{items}</channel></rss>'


def atom(entries: str, head: str = "", attributes: str = "") -> str:
    start = f'<feed xmlns="http://www.w3.org/2005/Atom" {attributes}><title>Lake</title><id>urn:lake</id>'
    return f"{start}{head}{entries}</feed>"


def rdf(items: str) -> str:
    return (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" '
        f'{NAMESPACES}><channel rdf:about="https://lake.example/"><title>Lake</title>'
        f"<link>https://lake.example/</link></channel>{items}</rdf:RDF>"
    )


def json_feed(*items: Any, **head: Any) -> str:
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "Lake", **head, "items": items})


def read(text: str | bytes, **options: Any) -> ForeignFeed:
    return read_feed(text.encode() if isinstance(text, str) else text, url=URL, **options)


def only(text: str | bytes, **options: Any) -> RawItem:
    (item,) = read(text, **options).items
    return item


# ---------------------------------------------------------------- kinds

BOAT = RawItem(
    locator="urn:boat",
    dialect=only(json_feed({"id": "x", "title": "x"})).dialect,
    title="A boat",
    date="2022-02-22T08:00:00Z",
    guid="urn:boat",
    link="https://lake.example/boat",
    body="<p>It sails.</p>",
    is_html=True,
    author="Ann",
    categories=("Water",),
)
KINDS = {
    "rss-2.0": rss(
        '<item><title>A boat</title><link>/boat</link><guid isPermaLink="false">urn:boat</guid>'
        "<pubDate>2022-02-22T08:00:00Z</pubDate><author>ann@lake.example (Ann)</author><category>Water</category>"
        "<description>&lt;p&gt;It sails.&lt;/p&gt;</description></item>"
    ),
    "rss-0.91": (
        '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/rss-0.91.dtd">'
        '<rss version="0.91"><channel><title>Lake</title><link>https://lake.example/</link><item><title>A boat</title>'
        "<guid>urn:boat</guid><link>https://lake.example/boat</link><pubDate>2022-02-22T08:00:00Z</pubDate>"
        "<author>Ann</author><category>Water</category><description><![CDATA[<p>It sails.</p>]]></description></item>"
        "</channel></rss>"
    ),
    "rss-without-rss": (
        "<channel><title>Lake</title><link>https://lake.example/</link><item><title>A boat</title><link>/boat</link>"
        "<guid>urn:boat</guid><pubDate>2022-02-22T08:00:00Z</pubDate><author>Ann</author><category>Water</category>"
        "<description><p>It sails.</p></description></item></channel>"
    ),
    "rss-in-a-namespace-of-its-own": (
        '<rss xmlns="urn:x"><channel><title>Lake</title><link>https://lake.example/</link><item><title>A boat</title>'
        "<link>/boat</link><guid>urn:boat</guid><pubDate>2022-02-22T08:00:00Z</pubDate><author>Ann</author>"
        "<category>Water</category><description>&lt;p&gt;It sails.&lt;/p&gt;</description></item></channel></rss>"
    ),
    "rss-1.0": rdf(
        '<item rdf:about="urn:boat"><title>A boat</title><link>https://lake.example/boat</link>'
        "<dc:date>2022-02-22T08:00:00Z</dc:date><dc:creator>Ann</dc:creator><dc:subject>Water</dc:subject>"
        "<content:encoded><![CDATA[<p>It sails.</p>]]></content:encoded></item>"
    ),
    "atom-1.0": atom(
        '<entry><id>urn:boat</id><title>A boat</title><link href="https://lake.example/boat"/><author><name>Ann</name>'
        '</author><published>2022-02-22T08:00:00Z</published><category term="w" label="Water"/>'
        '<content type="html">&lt;p&gt;It sails.&lt;/p&gt;</content></entry>',
        head='<link href="https://lake.example/"/>',
    ),
    "atom-0.3": (
        '<feed version="0.3" xmlns="http://purl.org/atom/ns#" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        '<title>Lake</title><link rel="alternate" type="text/html" href="https://lake.example/"/><entry>'
        '<title mode="escaped">A boat</title><id>urn:boat</id><issued>2022-02-22T08:00:00Z</issued>'
        '<link rel="alternate" type="text/html" href="https://lake.example/boat"/><author><name>Ann</name></author>'
        '<dc:subject>Water</dc:subject><content type="text/html" mode="escaped">&lt;p&gt;It sails.&lt;/p&gt;</content>'
        "</entry></feed>"
    ),
    "atom-without-a-namespace": (
        '<feed><title>Lake</title><link href="https://lake.example/"/><entry><id>urn:boat</id><title>A boat</title>'
        '<link href="/boat"/><author><name>Ann</name></author><published>2022-02-22T08:00:00Z</published>'
        '<category term="Water"/><content type="html">&lt;p&gt;It sails.&lt;/p&gt;</content></entry></feed>'
    ),
    "json-1.1": json_feed(
        {
            "id": "urn:boat", "title": "A boat", "url": "https://lake.example/boat", "authors": [{"name": "Ann"}],
            "date_published": "2022-02-22T08:00:00Z", "tags": ["Water"], "content_html": "<p>It sails.</p>",
        },
        home_page_url="https://lake.example/",
    ),
    "json-1.0": json_feed(
        {
            "id": "urn:boat", "title": "A boat", "url": "/boat", "author": {"name": "Ann"},
            "date_published": "2022-02-22T08:00:00Z", "tags": ["Water"], "content_html": "<p>It sails.</p>",
        },
        home_page_url="https://lake.example/", version="https://jsonfeed.org/version/1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", KINDS.values(), ids=KINDS)
def test_every_kind_of_feed_says_the_same(text: str) -> None:
    feed = read(text)
    assert [replace(item, base_url=None) for item in feed.items] == [BOAT]
    assert (feed.origin.title, feed.origin.url, feed.origin.home) == ("Lake", URL, "https://lake.example/")
    assert not feed.warnings


# ---------------------------------------------------------------- what an entry says


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("<title>A &amp;amp; B</title>", "A & B"),
        ("<title>A &amp; B</title>", "A & B"),
        ("<title>&lt;b&gt;Big&lt;/b&gt; news</title>", "Big news"),
        ("<title><![CDATA[<i>Big</i> &lt;b&gt;]]></title>", "Big <b>"),
        ("<title>List&lt;String&gt; and 1 &lt; 2 &gt; 0</title>", "List<String> and 1 < 2 > 0"),
        ("<title>\n two\n lines </title>", "two lines"),
        ("<title>x &amp;#8; y&amp;#x85;</title>", "x y…"),
        ("<title></title><media:group><media:title>M</media:title></media:group>", "M"),
        ("<title> </title><dc:title>D</dc:title>", "D"),
        ("<title>a<b>c</b></title>", "ac"),
        ("<itunes:title>T</itunes:title>", "T"),
    ],
)
def test_a_title_is_plain_text(written: str, title: str) -> None:
    assert only(rss(f"<item>{written}<link>/a</link></item>")).title == title


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("<title>1 &lt;b&gt; &amp;amp;</title>", "1 <b> &amp;"),
        ('<title type="html">&lt;b&gt;x&lt;/b&gt; &amp;lt;</title>', "x <"),
        ('<title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">x <b>&lt;i&gt;</b></div></title>', "x <i>"),
    ],
)
def test_a_title_of_atom_is_what_it_says(written: str, title: str) -> None:
    assert only(atom(f"<entry>{written}</entry>")).title == title


@pytest.mark.parametrize(
    ("written", "link"),
    [
        ("<link>/a</link>", "https://lake.example/a"),
        ("<link>\n https://x.example/a \n</link>", "https://x.example/a"),
        ('<link href="/a"/>', "https://lake.example/a"),
        ('<atom:link href="/a"/>', "https://lake.example/a"),
        ("<guid>https://x.example/g</guid>", "https://x.example/g"),
        ('<guid isPermaLink="true">https://x.example/g</guid><link/>', "https://x.example/g"),
        ('<guid isPermaLink="false">https://x.example/g</guid>', None),
        ('<guid isPermalink="False">https://x.example/g</guid>', None),
        ("<guid>77</guid>", None),
        ("<guid/><atom:id>https://x.example/g</atom:id>", "https://x.example/g"),
        ("<link>/a</link><feedburner:origLink>/o</feedburner:origLink>", "https://lake.example/o"),
        ('<enclosure url="/a.mp3"/>', None),
        ('<atom:link rel="enclosure" href="/a.mp3"/>', None),
        ("<link>javascript:alert(1)</link>", None),
    ],
)
def test_the_link_of_an_rss_item(written: str, link: str | None) -> None:
    assert only(rss(f"<item><title>T</title>{written}</item>")).link == link


def test_the_link_of_an_atom_entry_is_the_page_before_other_types() -> None:
    links = (
        '<link rel="self" href="/s"/><link rel="enclosure" href="/e.mp3"/><link type="application/pdf" href="/p"/>'
        '<link rel="http://www.iana.org/assignments/relation/alternate" type="text/html" href="/h"/>'
    )
    assert only(atom(f"<entry><title>T</title>{links}</entry>")).link == "https://lake.example/h"


@pytest.mark.parametrize(
    ("written", "date", "updated"),
    [
        ("<pubDate> 22 Feb 2022 </pubDate><dc:date>x</dc:date>", "22 Feb 2022", None),
        ("<pubdate>1</pubdate>", "1", None),
        ("<dcterms:issued>1</dcterms:issued><dcterms:modified>2</dcterms:modified>", "1", "2"),
        ("<atom:updated>2</atom:updated>", "2", "2"),
        ("<atom:published>1</atom:published><atom:updated>2</atom:updated>", "1", "2"),
        ("<pubDate/>", None, None),
    ],
)
def test_dates_stay_as_written(written: str, date: str | None, updated: str | None) -> None:
    item = only(rss(f"<item><title>T</title>{written}</item>"))
    assert (item.date, item.updated) == (date, updated)


@pytest.mark.parametrize(
    ("written", "body", "summary"),
    [
        ("<description>D</description><content:encoded>&lt;p>C</content:encoded>", "<p>C", "D"),
        ("<description>D</description><content:encoded> </content:encoded>", "D", None),
        ("<description>D</description><content:encoded>D</content:encoded>", "D", None),
        ("<description>a <b>bold</b> &lt;i></description>", "a <b>bold</b> &lt;i&gt;", None),
        ("<description>a<br/>b<p/></description>", "a<br/>b<p></p>", None),
        ("<itunes:summary>1 &lt; 2\n\nx\ny</itunes:summary>", "<p>1 &lt; 2</p><p>x<br>y</p>", None),
        ("<media:group><media:description>a &amp; b</media:description></media:group>", "a &amp; b", None),
        ('<media:description type="html">a &lt;i>b</media:description>', "a <i>b", None),
        ('<body xmlns="http://www.w3.org/1999/xhtml"><p>x</p></body>', "<p>x</p>", None),
        ('<h:body xmlns:h="http://www.w3.org/1999/xhtml"><h:p>x<h:br/></h:p></h:body>', "<p>x<br/></p>", None),
        ('<atom:content type="html">C</atom:content><description>D</description>', "C", "D"),
        ("<description/>", "", None),
    ],
)
def test_the_body_of_an_rss_item(written: str, body: str, summary: str | None) -> None:
    item = only(rss(f"<item><title>T</title>{written}</item>"))
    assert (item.body, item.summary) == (body, summary)


DIV = '<div xmlns="http://www.w3.org/1999/xhtml">'


@pytest.mark.parametrize(
    ("written", "body"),
    [
        ("<content>1 &lt; 2</content>", "1 &lt; 2"),
        ('<content type="text/plain">a\r\n\r\nb</content>', "<p>a</p><p>b</p>"),
        ('<content type="HTML">&lt;p>x</content>', "<p>x"),
        (f'<content type="xhtml">{DIV}<p title="&gt;">a &lt; b</p><script/></div></content>', None),
        (f'<content type="xhtml">{DIV}a</div>{DIV}b</div></content>', None),
        ('<content type="xhtml">bare</content>', "bare"),
        ('<content src="/x.mp4" type="video/mp4"/><summary>S</summary>', "S"),
        ('<content type="image/png">aGk=</content><summary type="html">&lt;i>S</summary>', "<i>S"),
    ],
)
def test_the_body_of_an_atom_entry(written: str, body: str | None) -> None:
    found = only(atom(f"<entry><title>T</title>{written}</entry>")).body
    if body is None:
        assert "<" in found
        assert "xmlns" not in found or "</div><div" in found
    else:
        assert found == body


def test_xhtml_is_written_as_html() -> None:
    markup = f'{DIV}<p title="&gt; x/">a &lt; b</p><script/><br/><a href="/x?a=1&amp;b"/></div>'
    item = only(atom(f'<entry><title>T</title><content type="xhtml">{markup}</content></entry>'))
    assert item.body == '<p title="&gt; x/">a &lt; b</p><script></script><br/><a href="/x?a=1&amp;b"></a>'


def test_bases_are_stacked() -> None:
    entry = (
        '<entry xml:base="2022/"><title>T</title><link href="boat"/>'
        '<content type="xhtml" xml:base="02/"><div xmlns="http://www.w3.org/1999/xhtml" xml:base="22/">x</div></content>'
        "</entry>"
    )
    item = only(atom(entry, attributes='xml:base="/base/"'))
    assert item.link == "https://lake.example/base/2022/boat"
    assert item.base_url == "https://lake.example/base/2022/02/22/"


@pytest.mark.parametrize(
    ("text", "base"),
    [
        (rss("<item><title>T</title></item>"), "https://lake.example/"),
        (rss("<item><title>T</title></item>", head=""), URL),
        (rss("<item xml:base='/b/'><title>T</title></item>"), "https://lake.example/b/"),
        (rss("<item><title xml:base='/b/'>T</title></item>"), "https://lake.example/"),
        (rss("<item xml:base='mailto:x'><title>T</title></item>"), "https://lake.example/"),
        (atom("<entry><title>T</title></entry>", head='<link href="/start/"/>'), URL),
        (json_feed({"title": "T"}, home_page_url="/start/"), "https://lake.example/start/"),
        (json_feed({"title": "T"}), URL),
    ],
)
def test_what_relative_addresses_are_relative_to(text: str, base: str) -> None:
    assert only(text).base_url == base


@pytest.mark.parametrize(
    ("written", "author"),
    [
        ("<author>ann@lake.example (Ann)</author>", "Ann"),
        ('<author>"Ann B." &lt;ann@lake.example&gt;</author>', "Ann B."),
        ("<author>ann@lake.example</author>", "ann@lake.example"),
        ("<dc:creator>Ann</dc:creator><author>x@lake.example</author>", "Ann"),
        ("<dc:creator>Ann</dc:creator><dc:creator>Bo</dc:creator><dc:creator>Ann</dc:creator>", "Ann, Bo"),
        ("<itunes:author>Pod &amp;amp; Cast</itunes:author>", "Pod & Cast"),
        ("<author><name>Ann</name></author>", "Ann"),
        ("<atom:author><atom:email>a@lake.example</atom:email></atom:author>", "a@lake.example"),
        ("<atom:author><atom:name/></atom:author>", "Ed"),
        ("", "Ed"),
    ],
)
def test_the_author_of_an_item(written: str, author: str) -> None:
    head = "<managingEditor>ed@lake.example (Ed)</managingEditor>"
    assert only(rss(f"<item><title>T</title>{written}</item>", head=head)).author == author


def test_every_category_is_kept_once_by_its_label() -> None:
    atoms = (
        '<category term="a" label="A"/><category term="b"/><category term="http://x.example/c"/><category term="b"/>'
    )
    assert only(atom(f"<entry><title>T</title>{atoms}</entry>")).categories == ("A", "b")
    items = "<category domain='x'>R&amp;amp;D</category><category>Re:Zero</category><dc:subject>S</dc:subject><itunes:category text='P'/><category/>"
    assert only(rss(f"<item><title>T</title>{items}</item>")).categories == ("R&D", "Re:Zero", "S", "P")
    assert only(json_feed({"title": "T", "tags": ["a", 7, None, {}]})).categories == ("a", "7")
    assert only(json_feed({"title": "T", "tags": "a"})).categories is None


def test_a_heap_of_categories_is_cut() -> None:
    heap = "".join(f"<category>{number}</category>" for number in range(2_000))
    assert only(rss(f"<item><title>T</title>{heap}</item>")).categories == tuple(map(str, range(MAX_NAMES)))


@pytest.mark.parametrize(
    ("written", "enclosures", "image"),
    [
        (
            '<enclosure url="/a.mp3" type="Audio/MPEG" length="12"/><media:content url="/a.mp3"/>',
            (("https://lake.example/a.mp3", "audio/mpeg", 12),),
            None,
        ),
        (
            '<atom:link rel="enclosure" href="/a.pdf" length="0"/><enclosure/><media:content url="/v.mp4" fileSize="9"/>',
            (("https://lake.example/a.pdf", None, None), ("https://lake.example/v.mp4", None, 9)),
            None,
        ),
        ('<media:content url="/a" medium="image"/>', (), "https://lake.example/a"),
        ('<media:content url="/a.jpg?x"/>', (), "https://lake.example/a.jpg?x"),
        ('<media:group><media:content url="/a" type="image/png"/></media:group>', (), "https://lake.example/a"),
        ('<media:content medium="video" url="/v"><media:thumbnail url="/t"/></media:content>', (("https://lake.example/v", None, None),), "https://lake.example/t"),
        ('<itunes:image href="/i.png"/>', (), "https://lake.example/i.png"),
        ('<media:content url="https://2.gravatar.com/avatar/0" medium="image"/><media:thumbnail/>', (), None),
        (
            '<enclosure url="/e.png" type="image/png" length="many"/>',
            (("https://lake.example/e.png", "image/png", None),),
            "https://lake.example/e.png",
        ),
    ],
)  # fmt: skip
def test_files_and_pictures(
    written: str, enclosures: tuple[tuple[str, str | None, int | None], ...], image: str | None
) -> None:
    item = only(rss(f"<item><title>T</title>{written}</item>"))
    assert item.enclosures == tuple(Enclosure(url=url, media_type=kind, length=size) for url, kind, size in enclosures)
    assert item.image == image


def test_files_and_pictures_of_json() -> None:
    files = [{"url": "/a.mp3", "mime_type": "audio/mpeg", "size_in_bytes": 5}, {"url": 7}, "x"]
    item = only(json_feed({"title": "T", "banner_image": "/b.png", "attachments": files}))
    assert item.enclosures == (Enclosure(url="https://lake.example/a.mp3", media_type="audio/mpeg", length=5),)
    assert item.image == "https://lake.example/b.png"


def test_the_feed_that_an_entry_was_copied_from_is_kept() -> None:
    source = (
        '<source><id>urn:origin</id><title>Hill</title><link rel="self" href="https://hill.example/f"/>'
        '<link href="https://hill.example/"/><author><name>Hal</name></author><rights>CC BY</rights></source>'
    )
    item = only(atom(f"<entry><title>T</title>{source}</entry>", head="<author><name>Ed</name></author>"))
    assert item.author == "Hal"
    assert item.origin == Origin(
        id="urn:origin", title="Hill", url="https://hill.example/f", home="https://hill.example/", author="Hal",
        rights="CC BY",
    )  # fmt: skip
    item = only(rss('<item><title>T</title><source url="https://hill.example/f">Hill</source></item>'))
    assert item.origin == Origin(title="Hill", url="https://hill.example/f")
    assert only(rss("<item><title>T</title><source>Hill</source></item>")).origin is None


def test_rights_and_languages() -> None:
    head = "<copyright>C</copyright><language>de</language>"
    feed = read(
        rss(
            "<item><title>a</title><dc:rights>R</dc:rights></item><item xml:lang='fr'><title>b</title></item>",
            head=head,
        )
    )
    assert feed.origin.rights == "C"
    assert [(item.rights, item.language) for item in feed.items] == [("R", "de"), (None, "fr")]
    assert only(atom("<entry><title>T</title></entry>", attributes='xml:lang="zh-CN"')).language == "zh-CN"
    assert only(json_feed({"title": "T"}, language="en")).language == "en"


# ---------------------------------------------------------------- what a feed says


def test_what_a_feed_says_of_itself() -> None:
    head = (
        '<link>/start/</link><atom:link rel="self" href="/f"/><atom:link rel="hub" href="https://hub.example/"/>'
        "<itunes:new-feed-url>https://new.example/f</itunes:new-feed-url><ttl>90</ttl>"
        "<skipHours><hour>0</hour><hour>24</hour><hour>5</hour><hour>x</hour><hour>777</hour></skipHours>"
        "<skipDays><day>Sunday</day><day>monday</day><day>Someday</day></skipDays>"
    )
    feed = read(rss("", head=head))
    assert feed.origin == Origin(title="Lake", url="https://lake.example/f", home="https://lake.example/start/")
    assert feed.moved_to == "https://new.example/f"
    assert feed.every == timedelta(minutes=90)
    assert (sorted(feed.skip_hours), sorted(feed.skip_days)) == ([0, 5], [0, 6])
    assert feed.items == ()


@pytest.mark.parametrize(
    ("written", "every"),
    [
        (
            "<sy:updatePeriod> hourly </sy:updatePeriod><sy:updateFrequency>2</sy:updateFrequency>",
            timedelta(minutes=30),
        ),
        ("<sy:updatePeriod>daily</sy:updatePeriod><ttl>5</ttl>", timedelta(days=1)),
        ("<sy:updatePeriod>never</sy:updatePeriod><ttl>soon</ttl>", None),
        ("<ttl>0</ttl>", None),
        ("<ttl>999999999999999</ttl>", timedelta(days=366)),
        ("<ttl>9999999999999999</ttl>", None),
    ],
)
def test_how_often_a_feed_wants_to_be_asked(written: str, every: timedelta | None) -> None:
    assert read(rss("", head=written)).every == every


def test_a_feed_that_would_never_be_asked_for_again_does_not_mean_it() -> None:
    hours = "".join(f"<hour>{hour}</hour>" for hour in range(24))
    days = "".join(f"<day>{day}</day>" for day in DAYS)
    feed = read(rss("", head=f"<skipHours>{hours}</skipHours><skipDays>{days}</skipDays>"))
    assert not feed.skip_hours
    assert not feed.skip_days


# ---------------------------------------------------------------- places of items


def test_an_item_is_at_its_guid_else_its_link_else_what_it_says() -> None:
    items = "<item><guid>g</guid><link>/a</link></item><item><link>/b</link></item><item><title>T</title></item>"
    first, second, third = read(rss(items)).items
    assert (first.locator, second.locator) == ("g", "https://lake.example/b")
    assert third.locator.startswith("entry:")


def test_an_item_without_guid_and_link_stays_where_it_is_when_its_text_is_edited() -> None:
    def place(date: str, text: str) -> str:
        return only(rss(f"<item><title>T</title>{date}<description>{text}</description></item>")).locator

    assert place("<pubDate>1</pubDate>", "a") == place("<pubDate>1</pubDate>", "b")
    assert place("<pubDate>1</pubDate>", "a") != place("<pubDate>2</pubDate>", "a")
    assert place("", "a") != place("", "b")


def test_a_long_guid_makes_a_short_place() -> None:
    assert len(only(rss(f"<item><guid>{'g' * 5000}</guid><title>T</title></item>")).locator) < 100


def test_entries_that_share_a_guid_are_told_apart_wherever_they_stand() -> None:
    one, two, three = (
        f"<item><guid>0</guid><title>{title}</title><description>{text}</description></item>"
        for title, text in [("a", "x"), ("b", "y"), ("b", "z")]
    )
    feed, turned = read(rss(one + two + three + one)), read(rss(three + two + one))
    assert len({item.locator for item in feed.items}) == 3
    assert {item.locator: item for item in feed.items} == {item.locator: item for item in turned.items}
    assert all(item.guid is None for item in feed.items)
    assert feed.warnings == ("1 entries are repeated word for word", "several entries share the id '0'")


def test_an_entry_that_says_nothing_is_left_out() -> None:
    feed = read(rss("<item/><item><guid>g</guid></item><item><title>T</title></item>"))
    assert [item.title for item in feed.items] == ["T"]
    assert feed.warnings == ("2 entries without title, text and link are left out",)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(rss("<item><title>T</title><guid>g</guid></item>" * 100_000), id="rss"),
        pytest.param(json_feed(*[{"title": "T", "id": "g"}] * 100_000), id="json"),
    ],
)
def test_fault_9_so_many_entries_are_read_and_no_more(text: str) -> None:
    feed = read(text)
    assert len(feed.items) == 1
    assert feed.warnings[0] == f"100000 entries: all after the first {MAX_ENTRIES} are left out"


# ---------------------------------------------------------------- what is no feed


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "nothing: it is empty"),
        (b" \r\n\xef\xbb\xbf", "nothing: it is empty"),
        (b"<!DOCTYPE html><title>Log in</title>", "a web page, not a feed"),
        (b"\n<!-- x --><HTML><body>", "a web page, not a feed"),
        (b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>', "a web page, not a feed"),
        (b"<a:html xmlns:a='urn:a'/>", "a web page, not a feed"),
        (b'<opml version="2.0"/>', "a list of feeds (OPML), not a feed"),
        (b'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"/>', "a sitemap, not a feed"),
        (b"<other/>", "XML that begins with <other>, not a feed"),
        (b"<other", "not valid XML"),
        (b"No such page", "a text that begins with 'No such page', not a feed"),
        (b'{"a": 1}', "JSON that is not a JSON Feed"),
        (b'{"version": "https://jsonfeed.org/version/1", "items": {}}', "JSON that is not a JSON Feed"),
        (b"[1]", "JSON that is not a JSON Feed"),
        (b'{"a": ', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON: it goes too far"),
        (b"[" + b"9" * 100_000 + b"]", "not valid JSON: it goes too far"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "a binary file"),
        (b"PK\0\0", "a binary file"),
        (b"<rss\0\0>", "no feed can be made out"),
        (b"<feed>" + b"<a/>" * 700_000, "no feed needs them"),
        (b"[" + b"0," * 500_000, "no feed needs them"),
        (b"<feed>" + b"<x>" * 200_000, "not valid XML: Excessive depth"),
        (b"<feed>" + b"x" * 11_000_000 + b"</feed>", "not valid XML: Resource limit exceeded"),
    ],
)
def test_what_is_no_feed_is_said(body: bytes, reason: str) -> None:
    with pytest.raises(ParseError) as caught:
        read(body)
    assert reason in str(caught.value)


def test_odd_items_of_json_are_left_out() -> None:
    feed = read(json_feed(None, [], {"title": "T", "id": True, "content_text": "a < b", "summary": "s"}))
    (item,) = feed.items
    assert (item.body, item.summary, item.guid) == ("a &lt; b", "s", None)
    assert feed.warnings == ("2 items that are no objects are left out",)


# ---------------------------------------------------------------- encodings

WORDS = {
    "gb18030": "湖边的一天，㐀𠀀记者看到了花",
    "gbk": "湖边的一天，记者看到了花",
    "gb2312": "湖边的一天，记者看到了花",
    "big5": "湖邊的一天，記者看到了花",
    "shift_jis": "湖畔の一日、記者は花を見た",
    "euc-jp": "湖畔の一日、記者は花を見た",
    "iso-2022-jp": "湖畔の一日、記者は花を見た",
    "euc-kr": "호숫가의 하루, 기자는 꽃을 보았다",
    "windows-1251": "День у озера",
    "koi8-r": "День у озера",
    "iso-8859-1": "L’été déjà".replace("’", "'"),
    "iso-8859-15": "L'été à 5 €",
    "windows-1252": "L’été déjà",
    "iso-8859-2": "Żółta łódź",
    "iso-8859-7": "Μια μέρα",
    "windows-1254": "Gölde bir gün, ışık",
    "tis-620": "วันหนึ่งที่ทะเลสาบ",
    "utf-16": "湖边的一天",
    "utf-8-sig": "湖边的一天",
}


def in_encoding(words: str, *, declared: str, written: str | None = None) -> bytes:
    text = rss(f"<item><title>{words}</title><description>{words * 20}</description></item>")
    return f'<?xml version="1.0" encoding="{declared}"?>{text}'.encode(written or declared)


@pytest.mark.parametrize("charset", [None, "utf-8", "iso-8859-1"])
@pytest.mark.parametrize("encoding", WORDS)
def test_faults_37_and_40_a_declared_encoding_is_believed_before_the_server(encoding: str, charset: str | None) -> None:
    declared = "utf-8" if encoding == "utf-8-sig" else encoding
    body = in_encoding(WORDS[encoding], declared=declared, written=encoding)
    assert only(body, charset=charset).title == WORDS[encoding]


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis", "koi8-r", "windows-1251", "euc-kr"])
def test_faults_38_and_39_bytes_that_are_not_what_they_say_are_still_read_right(encoding: str) -> None:
    body = in_encoding(WORDS[encoding], declared="utf-8", written=encoding)
    assert only(body, charset=encoding).title == WORDS[encoding]
    assert only(body, charset="iso-8859-1").title == WORDS[encoding]
    assert only(body).title == WORDS[encoding]


def test_good_utf_8_is_believed_whatever_is_said() -> None:
    body = in_encoding("Déjà vu à Genève", declared="iso-8859-1", written="utf-8")
    assert only(body, charset="gbk").title == "Déjà vu à Genève"


def test_a_character_that_is_cut_in_half_spoils_no_feed() -> None:
    body = in_encoding(WORDS["gbk"], declared="gbk").replace(b"</description>", b"\xb5</description>")
    feed = read(body)
    assert feed.items[0].title == WORDS["gbk"]
    assert feed.warnings == ("not valid gb18030",)


def test_what_can_be_read_in_no_encoding_is_refused() -> None:
    body = b"<rss><channel><item><title>" + bytes(range(128, 256)) * 30 + b"</title></item></channel></rss>"
    with pytest.raises(ParseError, match="another encoding than it says"):
        read(body, charset="no-such-charset\0")


def test_fault_42_an_overlong_character_is_no_tag() -> None:
    body = rss(f"<item><title>T {'é' * 60} \udcc0\udcbcb> \udced\udca0\udcbd</title></item>").encode(
        errors="surrogateescape"
    )
    title = only(body).title or ""
    assert title.startswith("T é")
    assert "<" not in title


# ---------------------------------------------------------------- mended


@pytest.mark.parametrize(
    ("written", "title"),
    [
        pytest.param("A\0B\x08C\x0b", "ABC", id="fault-41-control-characters"),
        pytest.param("A&#8;B&#xd800;C&#x110000;", "AB\ufffdC", id="fault-41-references-to-no-character"),
        pytest.param("Caf&eacute; &nbsp;&hellip; &lang;", "Café … ⟨", id="fault-43-names-of-html"),
        pytest.param("A & B &x; &unknown; &LT;i", "A & B &x; &unknown; <i", id="fault-43-ampersands"),
        pytest.param("<y:b>A</y:b> <b z:a='1'>B</b>", "A B", id="fault-43-unknown-prefixes"),
        pytest.param("<![CDATA[A & B &eacute;]]>", "A & B é", id="in-cdata"),
        pytest.param("<!-- & y:c --> A &", "A &", id="in-a-comment"),
    ],
)
def test_what_is_nearly_xml_is_mended(written: str, title: str) -> None:
    feed = read(rss(f"<item><title>{written}</title></item>"))
    assert [item.title for item in feed.items] == [title]
    assert not feed.warnings


@pytest.mark.parametrize(
    "frame",
    [
        "\r\n \ufeff<?xml version='1.0' encoding='utf-8'?>{}",
        "<br />\n<b>Warning</b>: no such file<br />{}",
        "{}<!-- made in 0.1 s --><script>x()</script>",
        "{}\n<b>Notice</b> & more",
        "<?xml version='1.1'?>{}",
        "<!DOCTYPE rss>{}",
        "<!DOCTYPE rss [<!-- ' > --><!ENTITY nbsp '&#160;'><!ENTITY % x SYSTEM 'file:///etc/passwd'> %x;]>{}",
        '<!DOCTYPE rss SYSTEM "http://x.example/a>b.dtd">{}',
    ],
)
def test_what_stands_around_a_feed_does_not_matter(frame: str) -> None:
    text = rss("<item><title>A&#38;B &lt;</title></item>").replace("xmlns:dc=", "xmlns:unused=", 1)
    assert only(frame.format(text)).title == "A&B <"


def test_fault_1_a_document_type_behind_what_only_looks_like_a_feed_is_refused() -> None:
    with pytest.raises(ParseError, match="declares an entity of its own"):
        read(f"<!-- <rss> --><!DOCTYPE rss [{BOMB}]>{rss('<item><title>&l11;&nbsp;<x></title></item>')}")


@pytest.mark.parametrize("before", ["", "&nbsp;"], ids=["well-formed", "mended"])
@pytest.mark.parametrize("quoted", ["<!DOCTYPE html><html><body>Hi</body></html>", "<!DOCTYPE html [<!ENTITY own '"])
def test_a_document_type_that_an_article_quotes_is_its_text(quoted: str, before: str) -> None:
    item = only(rss(f"<item><title>T{before}</title><description><![CDATA[{quoted}]]></description></item>"))
    assert item.body == quoted


def test_missing_prefixes_mean_what_they_always_mean() -> None:
    text = rss("<item><dc:title>T</dc:title><content:encoded>C</content:encoded></item>").replace(f" {NAMESPACES}", "")
    item = only(text)
    assert (item.title, item.body) == ("T", "C")


BOMB = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10 if n else 'ha'}'>" for n in range(12))


@pytest.mark.parametrize(
    "entities",
    [
        pytest.param(BOMB, id="fault-1-billion-laughs"),
        pytest.param(f"<!ENTITY l11 '{'x' * 10_000}'>", id="fault-2-quadratic"),
        pytest.param(f"<!ENTITY l11 '{'x' * 20_000}'>", id="fault-2-quadratic-and-large"),
        pytest.param(f"<!-- {'x' * 20_000} --><!ENTITY l11 'x'>", id="fault-2-far-down"),
        pytest.param("<!ENTITY l11 SYSTEM 'file:///etc/passwd'>", id="fault-3-external"),
    ],
)
def test_faults_1_to_3_a_feed_with_entities_of_its_own_is_refused(entities: str) -> None:
    with pytest.raises(ParseError, match="declares an entity of its own"):
        read(f"<!DOCTYPE rss [{entities}]>{rss('<item><title>' + '&l11;' * 1000 + '</title></item>')}")


def test_fault_1_a_document_type_further_down_is_refused() -> None:
    with pytest.raises(ParseError, match="document type"):
        read(f"<!--{' ' * 20_000}--><!DOCTYPE rss [{BOMB}]>{rss('<item><title>&l3;</title></item>')}")


def test_fault_4_a_document_type_on_the_network_is_not_asked_for() -> None:
    assert only(f'<!DOCTYPE rss SYSTEM "http://127.0.0.1:1/x.dtd">{rss("<item><title>T</title></item>")}').title == "T"


def test_fault_5_an_inclusion_is_inert() -> None:
    include = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'
    item = only(rss(f"<item><title>T</title><description>{include}</description></item>"))
    assert "root:" not in item.body


@pytest.mark.parametrize(
    "inside",
    [
        pytest.param("<author>" + "a@" * 500_000 + "</author>", id="addresses"),
        pytest.param("<dc:creator>" + "a " * 500_000 + "@</dc:creator>", id="blanks"),
        pytest.param("<title>" + "&lt;a " * 200_000 + "</title>", id="tags"),
        pytest.param("<description>" + "\n \n" * 200_000 + "</description>", id="lines"),
        pytest.param("<category>" + "a:" * 500_000 + "</category>", id="schemes"),
        pytest.param("<media:group>" * 200 + "<media:title/>" * 100_000 + "</media:group>" * 200, id="groups"),
        pytest.param("".join(f"<{'x' * 40_000}{n}/>" for n in range(100)), id="names"),
        pytest.param("&#1;" + "<!--" * 200_000, id="comments"),
        pytest.param("&#1;<![CDATA[" + "]]>&" * 200_000, id="sections"),
        pytest.param("&#1;" + "".join(f"<p{n}:x/>" for n in range(50_000)), id="prefixes"),
    ],
)
def test_nothing_takes_more_than_its_length_in_time(inside: str) -> None:
    assert read(rss(f"<item><link>/a</link></item><item>{inside}</item>")).items[0].link == "https://lake.example/a"


def test_fault_8_many_attributes_are_no_load() -> None:
    attributes = " ".join(f'a{number}="1"' for number in range(200_000))
    assert only(rss(f"<item {attributes}><title>T</title></item>")).title == "T"


# ---------------------------------------------------------------- read tolerantly

BROKEN = {
    "open-links": rss(
        "<item><title>A boat</title><link>/boat</link><enclosure url='/a.mp3'></item>", head="<atom:link rel='self' href='/f'>"
    ),
    "two-roots": "<feed/>" + atom("<entry><title>A boat</title><link href='/boat'/></entry>"),
    "bare-signs": rss("<item><title>A boat</title><link>/boat</link><description>1 < 2</description></item>"),
    "open-section": rss("<item><title>A boat</title><description><![CDATA[It sails</description></item>"),
    "unclosed-tags": rss("<item><title>A boat</title><description>It <b>sails</description></item>"),
    "crossed-tags": rss("<item><title>A boat</title><description><i><b>x</i></b></description></item>"),
    "bare-quotes": rss("<item x=1><title>A boat</title><guid isPermaLink=false>g</guid></item>"),
    "no-end": rss("<item><title>A boat</title></item>").removesuffix("</channel></rss>"),
}  # fmt: skip


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_fault_43_what_is_no_xml_is_read_as_far_as_it_goes(text: str) -> None:
    feed = read(text)
    assert [item.title for item in feed.items] == ["A boat"]
    assert feed.warnings == ("not valid XML: read as far as it can be made out",)


def test_an_entry_in_which_a_feed_breaks_off_is_left_out() -> None:
    feed = read(rss("<item><title>A boat</title></item><item><title>A br").removesuffix("</channel></rss>"))
    assert [item.title for item in feed.items] == ["A boat"]
    assert "breaks off" in feed.warnings[1]


def test_content_that_is_elsewhere_is_not_content() -> None:
    entry = "<entry><title>T</title><content src='/v.mp4' type='video/mp4'/><content/><summary>S</p></summary></entry>"
    assert only(atom(entry)).body.startswith("S")


def test_the_reader_of_broken_feeds_takes_so_many_entries_and_says_how_many_there_are() -> None:
    read = loose.found(rss("<item><title>T</title></item>" * (MAX_ENTRIES + 1)).encode(), URL)
    assert (len(read["entries"]), read["count"]) == (MAX_ENTRIES, MAX_ENTRIES + 1)


def test_what_only_looks_like_a_feed_is_refused() -> None:
    with pytest.raises(ParseError, match="no feed can be made out"):
        read_tolerantly("<p>x</b>", URL)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"cpu": 1}, "1 seconds of computing"),
        ({"wall": 0.5}, "within 0.5 seconds"),
        ({"memory": 1 << 20}, "more than can be read"),
    ],
)
def test_a_reader_that_takes_too_much_is_stopped(limits: dict[str, Any], reason: str) -> None:
    attributes = " ".join(f'a{number}="1"' for number in range(200_000))
    with pytest.raises(ParseError, match=reason):
        read_tolerantly(f"<rss><channel><item {attributes}><title>T</p>", URL, **limits)


RICH = rss(
    "<item><title>&lt;b>Boats&lt;/b> &amp;amp; more</title><guid>https://lake.example/1</guid><dc:date>2022-02-22</dc:date>"
    "<description>short</description><content:encoded><![CDATA[<p>Long &amp; <img src='a.png'></p>]]></content:encoded>"
    "<category domain='d'>Water</category><category>Sky</category><dc:creator>Ann</dc:creator><dc:creator>Bo</dc:creator>"
    "<enclosure url='/a.mp3' type='audio/mpeg' length='5'/><media:thumbnail url='/t.png'/>"
    "<source url='https://hill.example/f'>Hill</source></item>"
    "<item><title>二</title><link>/2?a=1&amp;b=2</link><feedburner:origLink>/3</feedburner:origLink><author>x@y.example (X)"
    "</author><pubDate>22 Feb</pubDate><description>&lt;i>only&lt;/i> &amp;lt;</description><itunes:summary>s</itunes:summary>"
    "<media:content url='/v.mp4' fileSize='3' type='video/mp4'/><media:content url='/p' medium='image'/></item>"
    "<item><title>no more</title><guid>urn:no-more</guid></item><item><title>relative</title><guid>9</guid></item>",
    head="<link>https://lake.example/</link><atom:link rel='self' href='/f'/><atom:link rel='hub' href='https://hub.example/'/>"
    "<ttl>30</ttl><language>de</language><copyright>C</copyright><managingEditor>e@lake.example (Ed)</managingEditor>"
    "<itunes:new-feed-url>https://new.example/f</itunes:new-feed-url>",
)
RICH_ATOM = atom(
    '<entry xml:base="2022/"><id>urn:1</id><title type="html">&lt;b>A&lt;/b> &amp;amp; b</title><link href="a.html"/>'
    '<link rel="enclosure" href="a.mp3" type="audio/mpeg" length="5"/><published>2022-02-22</published><updated>2022-02-23'
    '</updated><author><name>Ann</name></author><category term="w" label="Water"/><summary>1 &lt; 2</summary>'
    '<content type="html" xml:base="02/">&lt;p>x&lt;/p></content><rights>R</rights></entry>'
    "<entry><id>urn:2</id><title>1 &lt;b&gt; 2</title><updated>2022-02-23</updated><content>a &lt; b</content>"
    '<source><id>urn:o</id><title>Hill</title><author><name>Hal</name></author><link rel="self" href="https://hill.example/f"/>'
    "</source></entry>",
    head='<link href="https://lake.example/"/><link rel="self" href="https://lake.example/f"/><author><name>Ed</name></author>',
    attributes='xml:lang="de"',
)


@pytest.mark.parametrize(
    "text", [*(text for name, text in KINDS.items() if name[:4] != "json" and "without" not in name), RICH, RICH_ATOM]
)
def test_both_readers_of_xml_agree(text: str) -> None:
    body = text[text.index(">", text.index("<!DOCTYPE")) + 1 :] if "<!DOCTYPE" in text else text
    strict = with_items(read_xml(body.encode(), URL))
    tolerant = with_items(read_tolerantly(body, URL))
    assert tolerant.items == strict.items
    assert replace(tolerant, items=(), warnings=()) == replace(strict, items=())


# ---------------------------------------------------------------- laws

PIECES = st.sampled_from(
    [
        "<rss>",
        "<channel>",
        "<item>",
        "</item>",
        "<title>",
        "</title>",
        "<link>",
        "<guid>",
        "</guid>",
        "<feed",
        "<entry>",
        "xmlns='http://www.w3.org/2005/Atom'",
        "<content type='xhtml'>",
        "<content:encoded>",
        "&eacute;",
        "&#1;",
        "&",
        "<",
        ">",
        "]]>",
        "<![CDATA[",
        "<!--",
        "-->",
        "<!DOCTYPE x [",
        "]>",
        '{"version": "https://jsonfeed.org/version/1", ',
        '"items": [{"title": "\\ud800\\u0000"',
        "}]}",
        "<?xml encoding='gbk'?>",
        "xml:base='http://['",
        "/>",
        "x",
        "http://x.example/",
        "\udcff",
        "\x00",
        "\x7f",
        "\x85",
        "é",
    ]
)


CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from texts(list(value.values()))
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from texts(each)


def checked(body: bytes, charset: str | None = None) -> None:
    try:
        feed = read_feed(body, url=URL, charset=charset)
    except ParseError as error:
        feed = ForeignFeed(origin=Origin(title=str(error)), items=())
    assert not CONTROLS.search("".join(texts(asdict(feed))))
    assert len({item.locator for item in feed.items}) == len(feed.items)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=300), st.sampled_from([None, "utf-8", "gbk", "utf-16", "utf-7", "\0"]))
def test_no_bytes_do_harm(body: bytes, charset: str | None) -> None:
    checked(body, charset)


@settings(deadline=None, max_examples=40)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_no_text_does_harm(text: str) -> None:
    checked(text.encode("utf-8", "surrogateescape"))


@settings(deadline=None, max_examples=200)
@given(st.text(), st.text(), st.text())
def test_no_text_inside_of_a_json_feed_does_harm(title: str, body: str, guid: str) -> None:
    checked(
        json_feed({"title": title, "content_html": body, "id": guid, "tags": [title], "date_published": guid}).encode()
    )


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(codec="utf-8")))
def test_no_text_inside_of_a_feed_does_harm(text: str) -> None:
    checked(rss(f"<item><title>{as_html(text)}</title><description>{as_html(text)}</description></item>").encode())


BOMBS = {
    "tags": "b'<feed>' + b'<a/>' * 4_000_000",
    "attributes": "b'<feed ' + b' '.join(b'a%d=\"\"' % n for n in range(1_500_000)) + b'/>'",
    "attributes-with-blanks": "b'<feed ' + b' '.join(b'a%d = \"\"' % n for n in range(1_200_000)) + b'/>'",
    "json": "b'[' + b'{},' * 5_000_000",
    "quadratic": "b'<!DOCTYPE rss [<!ENTITY a \\'' + b'x' * 1_000_000 + b'\\'>]><rss><channel>' + b'&a;' * 1_000_000",
    "levels": "b'<rss>' + b'<x>' * 4_000_000",
    "laughs": f"({BOMB!r}).join(('<!DOCTYPE rss [', ']><rss><channel>&l11;</channel></rss>')).encode()",
    "text": "b'<rss><channel><title>' + b'x' * 15_000_000 + b'</title></channel></rss>'",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_no_bomb_takes_more_memory_and_computing_than_it_may(bomb: str) -> None:
    program = (
        "import resource\n"
        "from feeder.errors import ParseError\n"
        "from feeder.parse.feed import read_feed\n"
        "body = " + bomb + "\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (150 << 20),) * 2)\n"
        "spent = resource.getrusage(resource.RUSAGE_SELF)\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (int(spent.ru_utime + spent.ru_stime) + 9,) * 2)\n"
        "try:\n"
        "    read_feed(body, url='https://lake.example/')\n"
        "except ParseError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert done.stderr == ""
    assert done.stdout


@pytest.mark.parametrize("rest", ["<item><title>A" + "<" * 5000, "<item><description><![CDATA[Calm", "<item></item>"])
def test_a_feed_of_which_no_entry_can_be_read_is_no_feed_without_entries(rest: str) -> None:
    with pytest.raises(ParseError, match="none can be read"):
        read_feed(f'<rss version="2.0"><channel><title>Lake</title>{rest}'.encode(), url="https://lake.example/feed")
