"""What comes from a feed of somebody else's, read and written again: a planet's planet credits the first of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from feed_values import DAILY, NOON, SITE, SOURCE, document, files

from feeder import html, plan
from feeder.model import (
    ContentPolicy,
    Enclosure,
    Entry,
    ForeignFeed,
    Origin,
    RawItem,
    Shown,
)
from feeder.normalize import normalize
from feeder.parse.feed import read_feed

URL = "https://planet.example/feed"
SONS = replace(SOURCE, name="gazette", url=URL, attribution="First in the Gazette")
ATOM = b"""<?xml version="1.0"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en-gb">
  <id>tag:planet.example,2020:feed</id><title>Planet</title><updated>2026-03-01T12:00:00Z</updated>
  <link rel="self" href="https://planet.example/feed"/><link href="https://planet.example/"/>
  <entry>
    <id>tag:gazette.example,2026:1</id><title>Bridge &amp; tunnel</title>
    <updated>2026-03-01T12:00:00Z</updated><author><name>Han Meimei</name></author>
    <link href="/bridge"/>
    <link rel="enclosure" href="/bridge.mp3" type="audio/mpeg" length="4096"/>
    <link rel="enclosure" href="/bridge.pdf" type="Application/PDF; x=y"/>
    <content type="html">&lt;p&gt;It is &lt;a href="/open"&gt;open&lt;/a&gt;.&lt;script&gt;x&lt;/script&gt;&lt;/p&gt;</content>
    <rights>CC BY 4.0</rights>
    <source>
      <id>tag:gazette.example,2020:feed</id><title>Gazette &amp; Sons</title><updated>2026-02-01T12:00:00Z</updated>
      <link rel="self" href="https://gazette.example/atom"/><link href="https://gazette.example/"/>
      <rights>All ours</rights>
    </source>
  </entry>
</feed>"""
RSS = b"""<?xml version="1.0"?>
<rss version="2.0"><channel>
  <title>Planet</title><link>https://planet.example/</link><description>All of it</description><language>en-gb</language>
  <item>
    <title>Bridge &amp;amp; tunnel</title><link>https://gazette.example/bridge</link><guid>1</guid>
    <pubDate>Sun, 01 Mar 2026 12:00:00 GMT</pubDate>
    <description>&lt;p&gt;It is open.&lt;/p&gt;</description>
    <enclosure url="https://gazette.example/bridge.mp3" type="audio/mpeg" length="4096"/>
    <source url="https://gazette.example/atom">Gazette</source>
  </item>
</channel></rss>"""


def read(body: bytes, media_type: str = "atom") -> tuple[ForeignFeed, RawItem]:
    feed = read_feed(body, url=f"{URL}.{media_type}", charset=None)
    (item,) = feed.items
    return feed, item


def republished(raw: RawItem) -> Entry:
    article = normalize(raw, SONS, SITE)
    shown = Shown(
        id=f"tag:{SITE.id}:article/aaaaaaaaaaaaaaaaaaaaaaaaaa",
        source=SONS.name,
        locator=raw.locator,
        article=article,
        published=article.published or NOON,
        updated=article.published or NOON,
        categories=(),
    )
    body = html.clean(raw.body, locator="x.html", base_url=raw.base_url)
    return plan.entry(shown, body, (DAILY,), source=SONS, site=SITE, content=ContentPolicy.FULL)


def test_an_entry_of_an_atom_feed_keeps_all_that_it_came_with() -> None:
    made = republished(read(ATOM)[1])
    assert made.origin == Origin(
        id="tag:gazette.example,2020:feed",
        title="Gazette & Sons",
        url="https://gazette.example/atom",
        home="https://gazette.example/",
        rights="All ours",
    )
    assert (made.rights, made.language, made.author) == ("CC BY 4.0", "en-GB", "Han Meimei")
    assert made.link == "https://planet.example/bridge"
    assert made.enclosures == (
        Enclosure(url="https://planet.example/bridge.mp3", media_type="audio/mpeg", length=4096),
        Enclosure(url="https://planet.example/bridge.pdf", media_type="application/pdf"),
    )
    assert made.content == (
        '<p>It is <a href="https://planet.example/open">open</a>.</p>\n'
        '<p><a href="https://planet.example/bridge">First in the Gazette</a></p>'
    )


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        pytest.param("atom.xml", {"origin", "rights", "language", "enclosures"}, id="atom"),
        pytest.param("rss.xml", {"rights", "language"}, id="rss"),
        pytest.param("feed.json", {"language", "enclosures"}, id="json"),
    ],
)
@pytest.mark.parametrize("written", [ATOM, RSS], ids=["from-atom", "from-rss"])
def test_what_we_write_we_read_back(written: bytes, name: str, kept: set[str]) -> None:
    first = republished(read(written)[1])
    feed, raw = read(files(document(first))[name], name)
    again = normalize(raw, SONS, SITE)
    assert (again.title, again.link, again.author) == (first.title, first.link, first.author)
    for field in kept:
        expected = getattr(first, field)
        if field == "origin" and expected:
            expected = replace(expected, id=expected.id or expected.url)
        assert getattr(again, field) == expected, field
    assert feed.origin.title == "金融 › R&D Daily – Example newsroom"


def test_rss_names_the_feed_and_encloses_what_is_to_be_heard() -> None:
    first = republished(read(ATOM)[1])
    again = normalize(read(files(document(first))["rss.xml"], "rss")[1], SONS, SITE)
    assert again.origin == Origin(title="Gazette & Sons", url="https://gazette.example/atom")
    assert again.enclosures == first.enclosures[:1]


def test_nothing_moves_when_only_the_time_of_the_original_feed_does() -> None:
    later = ATOM.replace(b"2026-02-01", b"2026-02-28").replace(
        b"<updated>2026-03-01T12:00:00Z", b"<updated>2026-03-09T12:00:00Z", 1
    )
    assert files(document(republished(read(later)[1]))) == files(document(republished(read(ATOM)[1])))
