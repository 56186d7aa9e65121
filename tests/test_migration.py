"""A move from another generator, by the commands that docs/migrating.md names: no subscriber sees an article twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import feedparser
import pytest
from desk import Desk

HEXO_CONFIG = """\
title: Harbour news
author: Desk
language: zh-CN
timezone: Asia/Shanghai
url: https://example.org
permalink: :year/:month/:day/:title/
category_map:
  金融: finance
"""
HEXO_FEED = """\
<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <title>Harbour news</title>
  <link href="https://example.org/atom.xml" rel="self"/>
  <link href="https://example.org/"/>
  <updated>2026-03-12T02:00:00.000Z</updated>
  <id>https://example.org/</id>
  <author><name>Desk</name></author>
  <generator uri="https://hexo.io/">Hexo</generator>
  <entry>
    <title>桥开放了 &amp; more</title>
    <link href="https://example.org/2026/03/11/%E6%A1%A5/"/>
    <id>https://example.org/2026/03/11/%E6%A1%A5/</id>
    <published>2026-03-10T22:30:00.000Z</published>
    <updated>2026-03-12T02:00:00.000Z</updated>
    <content type="html"><![CDATA[<p>Text.</p>]]></content>
    <category term="金融" scheme="https://example.org/categories/finance/"/>
  </entry>
  <entry>
    <title>Night bus</title>
    <link href="https://example.org/2026/03/09/night-bus/"/>
    <id>https://example.org/2026/03/09/night-bus/</id>
    <published>2026-03-09T04:00:00.000Z</published>
    <updated>2026-03-09T04:00:00.000Z</updated>
    <summary type="html">&lt;p&gt;Text.&lt;/p&gt;</summary>
  </entry>
</feed>
"""
JEKYLL_CONFIG = """\
title: Harbour news
url: "https://example.org"
baseurl: /blog
timezone: Europe/Berlin
plugins:
  - jekyll-feed
"""
JEKYLL_FEED = """\
<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><generator\
 uri="https://jekyllrb.com/" version="4.4.1">Jekyll</generator><link href="https://example.org/blog/feed.xml" rel="self"\
 type="application/atom+xml" /><link href="https://example.org/blog/" rel="alternate" type="text/html" hreflang="en"\
 /><updated>2026-03-12T09:00:00+01:00</updated><id>https://example.org/blog/feed.xml</id><title type="html">Harbour\
 news</title><entry><title type="html">Bread &amp;amp; roses</title><link\
 href="https://example.org/blog/city/2026/03/11/bread.html" rel="alternate" type="text/html" title="Bread &amp;amp; roses"\
 /><published>2026-03-11T23:30:00+01:00</published><updated>2026-03-11T23:30:00+01:00</updated>\
<id>https://example.org/blog/city/2026/03/11/bread</id><content type="html"\
 xml:base="https://example.org/blog/city/2026/03/11/bread.html">&lt;p&gt;Text.&lt;/p&gt;</content><author><name></name>\
</author><category term="city" /></entry><entry><title type="html">Night bus</title><link\
 href="https://example.org/blog/2026/03/09/night-bus.html" rel="alternate" type="text/html" title="Night bus" />\
<published>2026-03-09T00:00:00+01:00</published><updated>2026-03-10T08:00:00+01:00</updated>\
<id>https://example.org/blog/2026/03/09/night-bus</id><content type="html">&lt;p&gt;Text.&lt;/p&gt;</content></entry></feed>
"""
HUGO_CONFIG = """\
baseURL = "https://example.org/"
locale = "en-gb"
title = "Harbour news"
timeZone = "Europe/Berlin"
"""
HUGO_FEED = """\
<?xml version="1.0" encoding="utf-8" standalone="yes"?>
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom">
  <channel>
    <title>Harbour news</title>
    <link>https://example.org/</link>
    <description>Recent content on Harbour news</description>
    <generator>Hugo</generator>
    <language>en-gb</language>
    <lastBuildDate>Wed, 11 Mar 2026 23:30:00 +0100</lastBuildDate>
    <atom:link href="https://example.org/index.xml" rel="self" type="application/rss+xml" />
    <item>
      <title>Bread &amp; roses</title>
      <link>https://example.org/posts/bread/</link>
      <pubDate>Wed, 11 Mar 2026 23:30:00 +0100</pubDate>
      <guid>https://example.org/posts/bread/</guid>
      <description>&lt;p&gt;Text.&lt;/p&gt;</description>
    </item>
    <item>
      <title>Night bus</title>
      <link>https://example.org/posts/bus/</link>
      <pubDate>Mon, 09 Mar 2026 08:00:00 +0100</pubDate>
      <guid>https://example.org/posts/bus/</guid>
      <description>Text.</description>
    </item>
  </channel>
</rss>
"""
PELICAN_CONFIG = """\
AUTHOR = 'Desk'
SITENAME = 'Harbour news'
SITEURL = ''
PATH = 'content'
TIMEZONE = 'Europe/Lisbon'
DEFAULT_LANG = 'en'
DEFAULT_PAGINATION = 10
"""
PELICAN_FEED = """\
<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel><title>Harbour news</title>\
<link>https://example.org/</link><description/><atom:link href="https://example.org/feeds/all.rss.xml" rel="self"/>\
<lastBuildDate>Wed, 11 Mar 2026 23:30:00 +0000</lastBuildDate><item><title>São Paulo &amp;amp; more</title>\
<link>https://example.org/sao-paulo-more.html</link><description>&lt;p&gt;Text.&lt;/p&gt;</description>\
<dc:creator xmlns:dc="http://purl.org/dc/elements/1.1/">Desk</dc:creator><pubDate>Wed, 11 Mar 2026 23:30:00 +0000</pubDate>\
<guid isPermaLink="false">tag:example.org,2026-03-11:/sao-paulo-more.html</guid><category>City</category></item><item>\
<title>Night bus</title><link>https://example.org/bus.html</link><description>Text.</description>\
<pubDate>Mon, 09 Mar 2026 08:00:00 +0000</pubDate><guid isPermaLink="false">tag:example.org,2026-03-09:/bus.html</guid>\
</item></channel></rss>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A site of another generator, and what it published."""

    kind: str
    files: dict[str, str]
    published: str  # name of its feed
    feed: str
    new: str  # path of an article that it has not published
    fresh: str = "---\ntitle: New\ndate: 2026-03-20T08:00:00Z\n---\nText.\n"
    matched: str = "2 by link, 0 by title and day"
    categories: frozenset[str] = field(default_factory=frozenset)


PLACES = (
    Place(
        kind="hexo",
        files={
            "_config.yml": HEXO_CONFIG,
            "source/_posts/桥.md": "---\ntitle: 桥开放了 & more\ndate: 2026-03-11 06:30:00\n"
            "updated: 2026-03-12 10:00:00\ncategories: [金融]\n---\nText.\n",
            "source/_posts/night-bus.md": "---\ntitle: Night bus\ndate: 2026-03-09 12:00:00\n---\nText.\n",
        },
        published="public/atom.xml",
        feed=HEXO_FEED,
        new="source/_posts/new.md",
        categories=frozenset({"finance"}),
    ),
    Place(
        kind="jekyll",
        files={
            "_config.yml": JEKYLL_CONFIG,
            "_posts/2026-03-11-bread.md": '---\nlayout: post\ntitle: "Bread & roses"\ndate: 2026-03-11 23:30:00 +0100\n'
            "categories: city\n---\nText.\n",
            "_posts/2026-03-09-night-bus.md": "---\ntitle: Night bus\nlast_modified_at: 2026-03-10 08:00\n---\nText.\n",
        },
        published="_site/feed.xml",
        feed=JEKYLL_FEED,
        new="_posts/2026-03-20-new.md",
        matched="0 by link, 2 by title and day",  # its permalinks hold all categories
        categories=frozenset({"city"}),
    ),
    Place(
        kind="hugo",
        files={
            "hugo.toml": HUGO_CONFIG,
            "content/posts/_index.md": "---\ntitle: Posts\n---\n",
            "content/posts/bread.md": '+++\ntitle = "Bread & roses"\ndate = 2026-03-11T23:30:00\ncategories = ["City"]\n+++\nText.\n',
            "content/posts/bus/index.md": "---\ntitle: Night bus\ndate: 2026-03-09T08:00:00+01:00\n---\nText.\n",
        },
        published="public/index.xml",
        feed=HUGO_FEED,
        new="content/posts/new.md",
        categories=frozenset({"city"}),
    ),
    Place(
        kind="pelican",
        files={
            "pelicanconf.py": PELICAN_CONFIG,
            "publishconf.py": "from pelicanconf import *\nSITEURL = 'https://example.org'\n",
            "content/sp.md": "Title: São Paulo & more\nDate: 2026-03-11 23:30\nCategory: City\n\nText.\n",
            "content/bus.md": "Title: Night bus\nDate: 2026-03-09 08:00\nSlug: bus\n\nText.\n",
        },
        published="output/feeds/all.rss.xml",
        feed=PELICAN_FEED,
        new="content/new.md",
        fresh="Title: New\nDate: 2026-03-20 08:00\n\nText.\n",
        matched="0 by link, 2 by title and day",  # its slugs are made of titles
        categories=frozenset({"city"}),
    ),
)


def seen(path: Path) -> dict[str, str | None]:
    """Return what a feed reader goes by: the id of each entry, and where it leads."""
    return {entry.id: entry.get("link") for entry in feedparser.parse(path.read_bytes()).entries}


@pytest.mark.parametrize("place", [pytest.param(place, id=place.kind) for place in PLACES])
def test_nothing_is_new_for_a_subscriber_after_the_move(tmp_path: Path, place: Place) -> None:
    desk = Desk(tmp_path)
    for name, text in {**place.files, place.published: place.feed}.items():
        desk.put(name, text)
    before = seen(tmp_path / place.published)

    assert desk.call("init", "--from", place.kind, tmp_path, desk.config).code == 0
    assert desk.run("check").code == 0
    adopted = desk.run("adopt", tmp_path / place.published)
    assert (adopted.code, place.matched in adopted.out) == (0, True)
    assert "would write" in desk.run("once", "--dry-run").out
    assert desk.run("once").code == 0

    assert len(before) == 2
    assert seen(tmp_path / "feeds/atom.xml") == seen(tmp_path / "feeds/rss.xml") == before
    assert {path.name for path in (tmp_path / "feeds/categories").glob("*")} == place.categories

    desk.put(place.new, place.fresh)
    desk.run("once", "--all")
    after = seen(tmp_path / "feeds/atom.xml")
    assert {id_: after[id_] for id_ in before} == before
    assert len(after) == 3
