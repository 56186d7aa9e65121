from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web import Web, serving

from feeder import adopt as adopting
from feeder import config
from feeder.adopt import Adoption, adopt
from feeder.config import Config
from feeder.errors import ParseError, StoreError
from feeder.opening import opened
from feeder.parse.published import PublishedEntry, feed_files, read_published
from feeder.pipeline.polling import Polled

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
CONFIG = """\
[site]
title = "Example"
url = "https://feeds.example.org/"
id = "feeds.example.org,2026"
timezone = "Asia/Shanghai"

[[source]]
name = "news"
path = "articles"
permalink = "https://example.org/{slug}/"
"""

HEXO_ATOM = """\
<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <title>Example</title>
  <link href="https://example.org/atom.xml" rel="self"/>
  <link href="http://example.org/"/>
  <updated>2026-03-03T02:00:00.000Z</updated>
  <id>http://example.org/</id>
  <generator uri="https://hexo.io/">Hexo</generator>
  <entry>
    <title>The old headline</title>
    <link href="http://example.org/bridge/index.html"/>
    <id>http://example.org/bridge/</id>
    <published>2026-03-03T01:00:00.000Z</published>
    <updated>2026-03-03T02:00:00.000Z</updated>
    <content type="html"><![CDATA[<p>It is open.</p>]]></content>
  </entry>
  <entry>
    <title>夜班</title>
    <link href="http://example.org/%e5%a4%9c/"/>
    <id>http://example.org/?p=7</id>
    <published>2026-03-01T18:30:00.000Z</published>
    <updated>2026-03-01T18:30:00.000Z</updated>
  </entry>
</feed>
"""

RSS = """\
<?xml version="1.0"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom">
<channel><title>Example</title><link>https://example.org/</link><description>News</description>
<item><title>Bread &amp;amp; roses</title><link>https://example.org/bread/</link>
  <guid isPermaLink="false">https://example.org/?p=1</guid><pubDate>Tue, 03 Mar 2026 09:00:00 +0800</pubDate></item>
<item><title>No guid</title><link>https://example.org/no-guid/</link><dc:date>2026-03-02</dc:date></item>
<item><title>WordPress</title><guid isPermaLink="false">123 at https://example.org</guid></item>
<item><title>A number</title><guid isPermaLink="false">42</guid></item>
</channel></rss>
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def article(home: Path, name: str, title: str, when: str | None, *, body: str = "Text.", head: str = "") -> Path:
    dated = f"date: {when}\n" if when else ""
    return write(home / "articles" / name, f"---\ntitle: {title}\n{dated}{head}---\n{body}\n")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write(tmp_path / "config.toml", CONFIG)
    (tmp_path / "articles").mkdir()
    return tmp_path


def loaded(home: Path) -> Config:
    return config.load(home / "config.toml")


def once(home: Path, now: datetime) -> Polled:
    """Poll and publish, as one run does."""
    with opened(loaded(home), workers=1) as app:
        app.prepare(now)
        polled = app.poll("news", now)
        assert app.publish(now, settle=timedelta()).failed == {}
    return polled


def adopted(home: Path, *feeds: Path | str, now: datetime = NOON) -> Adoption:
    return adopt(map(str, feeds), loaded(home), now=now)


def published(home: Path, name: str = "feed.json") -> dict[str, PublishedEntry]:
    entries = read_published(home / "public" / name)
    return {entry.title or "": entry for entry in entries}


def ids(home: Path, name: str = "feed.json") -> dict[str, str | None]:
    return {title: entry.guid for title, entry in published(home, name).items()}


def contents(home: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in (home / "public").rglob("*") if path.is_file())
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


# ---------------------------------------------------------------- reading what was published


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_an_atom_feed_is_read(tmp_path: Path) -> None:
    assert read_published(write(tmp_path / "atom.xml", HEXO_ATOM))[0] == PublishedEntry(
        guid="http://example.org/bridge/",
        link="http://example.org/bridge/index.html",
        title="The old headline",
        published=at("2026-03-03T01:00:00"),
        updated=at("2026-03-03T02:00:00"),
    )


def test_a_title_may_refer_to_a_character_that_does_not_exist(tmp_path: Path) -> None:
    number = "9" * 5000
    text = RSS.replace("Bread &amp;amp; roses", f"Bread &amp;#{number}; roses")
    assert read_published(write(tmp_path / "rss.xml", text))[0].title == "Bread \ufffd roses"


def test_an_rss_feed_is_read(tmp_path: Path) -> None:
    first, second, *_ = read_published(write(tmp_path / "rss.xml", RSS), zone=ZoneInfo("Asia/Shanghai"))
    assert first == PublishedEntry(
        guid="https://example.org/?p=1",
        link="https://example.org/bread/",
        title="Bread & roses",
        published=at("2026-03-03T01:00:00"),
    )
    assert second == PublishedEntry(
        guid="https://example.org/no-guid/",
        link="https://example.org/no-guid/",
        title="No guid",
        published=at("2026-03-01T16:00:00"),
    )


def test_an_rss_1_feed_is_read(tmp_path: Path) -> None:
    text = """\
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/">
<channel rdf:about="https://example.org/"><title>T</title></channel>
<item rdf:about="urn:x:1"><title>One</title><link>https://example.org/1</link>
<dc:date>2026-03-01T10:00:00+01:00</dc:date><dcterms:modified>2026-03-02T10:00:00Z</dcterms:modified></item>
</rdf:RDF>
"""
    assert read_published(write(tmp_path / "index.rdf", text)) == (
        PublishedEntry(
            guid="urn:x:1",
            link="https://example.org/1",
            title="One",
            published=at("2026-03-01T09:00:00"),
            updated=at("2026-03-02T10:00:00"),
        ),
    )


@pytest.mark.parametrize("version", ["https://jsonfeed.org/version/1", "https://jsonfeed.org/version/1.1"])
def test_a_json_feed_is_read(tmp_path: Path, version: str) -> None:
    items = [
        {
            "id": "https://example.org/1",
            "url": "https://example.org/one",
            "title": " One ",
            "date_published": "2026-03-01T10:00:00+01:00",
            "date_modified": "2026-03-02T10:00:00Z",
        },
        {"id": 7, "external_url": "https://example.org/7", "title": None, "date_published": 5},
    ]
    path = write(tmp_path / "feed.json", "\ufeff" + json.dumps({"version": version, "items": items}))
    assert read_published(path) == (
        PublishedEntry(
            guid="https://example.org/1",
            link="https://example.org/one",
            title="One",
            published=at("2026-03-01T09:00:00"),
            updated=at("2026-03-02T10:00:00"),
        ),
        PublishedEntry(guid="7", link="https://example.org/7"),
    )


@pytest.mark.parametrize(
    ("kind", "text", "title"),
    [
        ("", "AT&amp;amp;T", "AT&amp;T"),
        ('type="html"', "AT&amp;amp;T &lt;b&gt;bold&lt;/b&gt;", "AT&T bold"),
        ('type="xhtml"', '<div xmlns="http://www.w3.org/1999/xhtml">A <b>bold</b> one</div>', "A bold one"),
        ('type="text"', "<!-- never --><![CDATA[I <3 N.Y.]]>", "I <3 N.Y."),
    ],
)
def test_titles_of_atom_are_what_their_type_says(tmp_path: Path, kind: str, text: str, title: str) -> None:
    feed = f'<feed xmlns="http://www.w3.org/2005/Atom"><entry><title {kind}>{text}</title></entry></feed>'
    assert read_published(write(tmp_path / "a.xml", feed))[0].title == title


@pytest.mark.parametrize(
    ("links", "address"),
    [
        ('<link rel="self" href="/a.atom"/><link href="/a/"/>', "https://example.org/a/"),
        ('<link type="application/json" href="/a.json"/><link type="text/html" href="b"/>', "https://example.org/x/b"),
        ('<link rel="enclosure" href="/a.mp3"/>', None),
        ('<link href="mailto:a@example.org"/>', None),
    ],
)
def test_the_page_of_an_entry_is_its_alternate_link(tmp_path: Path, links: str, address: str | None) -> None:
    feed = (
        '<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://example.org/x/">'
        f"<entry><id>urn:a</id>{links}</entry></feed>"
    )
    assert read_published(write(tmp_path / "a.xml", feed))[0].link == address


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<rss>\n<channel>\n</rss>", "line 3: not valid XML"),
        ("", "line 1: not valid XML"),
        ("<opml><body/></opml>", "not an Atom, RSS or JSON feed"),
        ("<html><body/></html>", "a web page, not a feed"),
        ("\n<!DOCTYPE HTML><title>It works</title>", "a web page, not a feed"),
        ('<!DOCTYPE rss [<!ENTITY a "b">]><rss><channel/></rss>', "it holds a document type"),
        ('<!DOCTYPE rss SYSTEM "file:///etc/passwd"><rss><channel/></rss>', "it holds a document type"),
        ("<rss><channel><item><title>&nbsp;</title></item></channel></rss>", "line 1: not valid XML"),
        ('{"items":\n [,]}', "line 2: not valid JSON"),
        ('{"items": []}', "not a JSON Feed"),
        ('{"version": "https://jsonfeed.org/version/1", "items": {}}', "not a JSON Feed"),
        ('{"version": "https://jsonfeed.org/version/1", "items": [1]}', "an item is no object"),
        ('{"a":' * 100_000, "it goes too far"),
        ('{"a": ' + "1" * 5000 + "}", "it goes too far"),
    ],
)
def test_what_is_no_feed_is_refused_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ParseError, match=problem):
        read_published(write(tmp_path / "feed", text))


def test_text_that_is_no_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "feed.json").write_bytes(b'{\n"a": "\xff"}')
    with pytest.raises(ParseError, match="line 2: not UTF-8"):
        read_published(tmp_path / "feed.json")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="cannot be read: No such file"):
        read_published(tmp_path / "none.xml")


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "large.xml").open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(ParseError, match="larger than 64 MiB"):
        read_published(tmp_path / "large.xml")


def test_a_feed_in_another_encoding_is_read(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="gb18030"?><rss><channel><item><title>夜班</title></item></channel></rss>'
    (tmp_path / "rss.xml").write_bytes(text.encode("gb18030"))
    assert read_published(tmp_path / "rss.xml")[0].title == "夜班"


@settings(deadline=None, max_examples=60)
@given(body=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: ("{" + text).encode("utf-8", "replace")))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, body: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(body)
    for read in (read_published, feed_files):
        try:
            read(path)
        except ParseError as error:
            assert str(error)  # noqa: PT017 - to be refused with a reason is one of two good ends


def test_a_feed_stands_for_itself(tmp_path: Path) -> None:
    atom = write(tmp_path / "atom.xml", HEXO_ATOM)
    one = write(tmp_path / "feed.json", '{"items": []}')
    assert (feed_files(atom), feed_files(one)) == (((atom,),), ((one,),))


@pytest.mark.parametrize(
    ("feeds", "problem"),
    [
        ([{"urls": {"atom": "https://feeds.example.org/../../etc/passwd"}}], "not below its own home"),
        ([{"urls": {"atom": "https://feeds.example.org/%2e%2e/atom.xml"}}], "not below its own home"),
        ([{"urls": {"atom": "https://feeds.example.org//etc/passwd"}}], "not below its own home"),
        ([{"urls": {"atom": "https://elsewhere.example.org/atom.xml"}}], "not below its own home"),
        ([{"urls": {"atom": "https://feeds.example.org/%00"}}], "not below its own home"),
        ([{"urls": {}}], "without a URL"),
        ([{}], "without a URL"),
        ([1], "without a URL"),
    ],
)
def test_an_index_cannot_lead_elsewhere(tmp_path: Path, feeds: list[object], problem: str) -> None:
    index = {"home": "https://feeds.example.org/", "feeds": feeds}
    with pytest.raises(ParseError, match=problem):
        feed_files(write(tmp_path / "feeds.json", json.dumps(index)))


# ---------------------------------------------------------------- taking over


def test_articles_get_the_ids_that_their_subscribers_have(home: Path) -> None:
    article(home, "bridge.md", "The bridge is open", "2026-03-05 10:00:00 +0800")
    article(home, "night.md", "夜班", "2026-03-02 08:00:00 +0800")
    article(home, "new.md", "New", "2026-03-06 10:00:00 +0800")
    done = adopted(home, write(home / "atom.xml", HEXO_ATOM))
    polled = once(home, NOON)
    expected = {"The bridge is open": "http://example.org/bridge/", "夜班": "http://example.org/?p=7"}
    for name in ("atom.xml", "rss.xml", "feed.json"):
        found = ids(home, name)
        assert (found.pop("New") or "").startswith("tag:feeds.example.org,2026:article/")
        assert found == expected
    assert (done.read, done.adopted, done.known, done.refused) == (2, 2, 0, ())
    assert {verdict.value: count for verdict, count in polled.verdicts.items() if count} == {"returned": 2, "new": 1}


def test_what_cannot_be_an_id_is_refused_with_its_reason(home: Path) -> None:
    article(home, "bread.md", "Bread & roses", "2026-03-03 09:00:00 +0800")
    done = adopted(home, write(home / "rss.xml", RSS))
    once(home, NOON)
    assert ids(home) == {"Bread & roses": "https://example.org/?p=1"}
    assert [problem.where for problem in done.refused] == ["123 at https://example.org", "42"]
    assert {problem.reason.partition(",")[0] for problem in done.refused} == {"its id is no absolute IRI"}


def test_an_entry_is_one_article_only(home: Path) -> None:
    """Both are called so on that day, but the settings keep such titles apart."""
    write(home / "config.toml", CONFIG + 'dedup = "off"\n')
    article(home, "a.md", "夜班", "2026-03-02 08:00:00 +0800", body="One.")
    article(home, "b.md", "夜班", "2026-03-02 09:00:00 +0800", body="Two.")
    adopted(home, write(home / "atom.xml", HEXO_ATOM))
    once(home, NOON)
    found = [entry.guid for entry in read_published(home / "public/feed.json")]
    assert len(found) == 2
    assert found.count("http://example.org/?p=7") == 1


def test_a_link_counts_more_than_title_and_day(home: Path) -> None:
    article(home, "夜.md", "The old headline", "2026-03-03 09:00:00 +0800")
    adopted(home, write(home / "atom.xml", HEXO_ATOM))
    once(home, NOON)
    assert ids(home) == {"The old headline": "http://example.org/?p=7"}


@pytest.mark.parametrize("name", ["guid", "id", "uuid"])
def test_an_id_of_its_own_counts_more_than_a_link(home: Path, name: str) -> None:
    """Moved from elsewhere, renamed and dated anew, it still says which entry it is."""
    article(home, "夜.md", "Another", "2026-03-30 09:00:00 +0800", head=f"{name}: http://example.org/bridge/\n")
    done = adopted(home, write(home / "atom.xml", HEXO_ATOM))
    once(home, NOON)
    assert ids(home) == {"Another": "http://example.org/bridge/"}
    assert done.matches
    assert (done.matches.by_id, done.matches.by_link) == (1, 0)


def test_an_article_without_a_date_keeps_the_one_its_subscribers_have(home: Path) -> None:
    article(home, "x.md", "夜班", None)
    adopted(home, write(home / "atom.xml", HEXO_ATOM))
    once(home, NOON)
    entry = published(home)["夜班"]
    assert (entry.guid, entry.published) == ("http://example.org/?p=7", at("2026-03-01T18:30:00"))


@pytest.mark.parametrize(
    "date",
    ["2026-03-02 04:00:00 +0900", "2026-03-02 18:00:00 +0800", "2026-03-02 18:00:00", "2026-03-02 00:10:00 +0800"],
)
def test_the_date_of_an_article_beats_the_one_its_subscribers_have(home: Path, date: str) -> None:
    article(home, "x.md", "夜班", date)
    once(home, NOON)
    plain = published(home)["夜班"].published
    shutil.rmtree(home / "var")
    shutil.rmtree(home / "public")
    adopted(home, write(home / "atom.xml", HEXO_ATOM))
    once(home, NOON)
    assert (ids(home), published(home)["夜班"].published) == ({"夜班": "http://example.org/?p=7"}, plain)


def test_a_date_that_is_edited_after_adopting_is_followed(home: Path) -> None:
    article(home, "x.md", "夜班", "2026-03-02 02:30:00 +0800")
    adopted(home, write(home / "atom.xml", HEXO_ATOM))
    once(home, NOON)
    article(home, "x.md", "夜班", "2026-03-02 10:30:00 +0800")
    once(home, NOON + HOUR)
    assert published(home)["夜班"].published == at("2026-03-02T02:30:00")


def test_an_article_keeps_the_time_of_its_update(home: Path) -> None:
    article(home, "bridge.md", "The bridge is open", "2026-03-03 09:00:00 +0800")
    adopted(home, write(home / "atom.xml", HEXO_ATOM))
    once(home, NOON)
    assert published(home)["The bridge is open"].updated == at("2026-03-03T02:00:00")
    article(home, "bridge.md", "The bridge is open", "2026-03-03 09:00:00 +0800", body="Another text.")
    once(home, NOON + HOUR)
    assert published(home)["The bridge is open"].updated == NOON + HOUR


def test_an_article_without_a_link_keeps_the_one_its_subscribers_have(home: Path) -> None:
    write(home / "config.toml", CONFIG.replace("permalink", "#permalink"))
    article(home, "a.md", "The old headline", "2026-03-03 09:00:00 +0800")
    article(home, "b.md", "夜班", "2026-03-02 08:00:00 +0800", head="link: https://example.org/own/\n")
    adopted(home, write(home / "atom.xml", HEXO_ATOM))
    once(home, NOON)
    links = {title: entry.link for title, entry in published(home).items()}
    assert links == {"The old headline": "http://example.org/bridge/index.html", "夜班": "https://example.org/own/"}
    write(home / "config.toml", CONFIG)
    once(home, NOON + HOUR)
    assert published(home)["The old headline"].link == "https://example.org/a/"


def test_the_history_tells_that_an_article_returned(home: Path) -> None:
    article(home, "bridge.md", "The bridge is open", "2026-03-03 09:00:00 +0800")
    adopted(home, write(home / "atom.xml", HEXO_ATOM))
    once(home, NOON)
    with opened(loaded(home), workers=1) as app:
        assert [event.verdict for event in app.store.history("http://example.org/bridge/")] == ["returned"]


def test_adopting_twice_changes_nothing(home: Path) -> None:
    path = write(home / "atom.xml", HEXO_ATOM)
    adopted(home, path)
    again = adopted(home, path)
    assert (again.read, again.adopted, again.known) == (2, 0, 2)
    assert adopting.report(again) == (
        "2 entries read: 0 adopted, 2 known already, 0 refused",
        "Articles in the sources: 0 by id, 0 by link, 0 by title and day; 2 entries wait for an article",
        "  waiting: http://example.org/bridge/: The old headline",
        "  waiting: http://example.org/?p=7: 夜班",
    )


def test_a_feed_in_two_formats_is_read_once(home: Path) -> None:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "items": [{"id": "http://example.org/?p=7", "url": "https://example.org/seven/"}],
    }
    article(home, "seven.md", "夜班 (late)", "2026-03-02 08:00:00 +0800")
    rss = """<rss><channel><item><guid>http://example.org/?p=7</guid><title>夜班</title></item></channel></rss>"""
    files = [write(home / "feed.json", json.dumps(feed)), write(home / "rss.xml", rss)]
    assert adopted(home, *files).read == 1
    once(home, NOON)
    assert ids(home) == {"夜班 (late)": "http://example.org/?p=7"}


def test_articles_that_are_here_already_keep_their_ids(home: Path) -> None:
    article(home, "bridge.md", "The old headline", "2026-03-03 09:00:00 +0800")
    once(home, NOON)
    before = ids(home)
    done = adopted(home, write(home / "atom.xml", HEXO_ATOM))
    once(home, NOON + HOUR)
    assert ids(home) == before
    assert done.present == 1
    assert any(line.startswith("1 article was polled before") for line in adopting.report(done))


ENTRY = "<entry>{}</entry>"
FEED = '<feed xmlns="http://www.w3.org/2005/Atom">{}</feed>'
FACTS = "<title>T</title><published>2026-03-01T00:00:00Z</published>"


@pytest.mark.parametrize(
    ("entries", "where", "reason"),
    [
        (FACTS, "T", "it has neither an id nor a link"),
        ("<published>2026-03-01T00:00:00Z</published>", "an entry", "it has neither an id nor a link"),
        ("<id>urn:a</id>", "urn:a", "it has neither link nor title, so nobody can tell which article it is"),
        (f"<id>a b</id>{FACTS}", "a b", "its id is no absolute IRI"),
        (f"<id>/2026/a</id>{FACTS}", "/2026/a", "its id is no absolute IRI"),
        (f"<id>https://example.org/100%</id>{FACTS}", "https://example.org/100%", "its id is no absolute IRI"),
        (
            f"<id>urn:a</id>{FACTS}</entry><entry><id>urn:b</id>{FACTS}",
            "urn:b",
            "another entry has the same link, title and day",
        ),
        (
            f"<id>tag:feeds.example.org,2026:article/mine</id>{FACTS}",
            "tag:feeds.example.org,2026:article/mine",
            "it begins like an id that Feeder makes, and is none",
        ),
    ],
)
def test_an_entry_that_cannot_be_adopted_is_named(home: Path, entries: str, where: str, reason: str) -> None:
    done = adopted(home, write(home / "atom.xml", FEED.format(ENTRY.format(entries))))
    assert [(problem.where, problem.reason.startswith(reason)) for problem in done.refused] == [(where, True)]


def test_ids_that_are_iris_of_any_kind_are_adopted(home: Path) -> None:
    guids = ["urn:uuid:00000000-0000-0000-0000-00000000000a", "tag:e.org,2020:/新闻", "https://e.org/?a=b&amp;c#%E6"]
    entries = (f"<id>{guid}</id><title>{guid}</title>" for guid in guids)
    done = adopted(home, write(home / "atom.xml", FEED.format("".join(map(ENTRY.format, entries)))))
    assert (done.adopted, done.refused) == (3, ())


# ---------------------------------------------------------------- files that cannot be used


def test_nothing_is_taken_from_a_bad_file_and_the_good_ones_serve(home: Path) -> None:
    good, bad = write(home / "atom.xml", HEXO_ATOM), write(home / "rss.xml", RSS.replace("</rss>", ""))
    done = adopted(home, bad, good)
    assert (done.read, done.adopted) == (2, 2)
    [problem] = done.unread
    assert problem.where == str(bad)
    assert problem.reason.startswith("line ")


def test_without_a_good_file_there_is_no_state_afterwards(home: Path) -> None:
    bad = write(home / "rss.xml", "<rss>")
    with pytest.raises(ParseError, match=r"rss\.xml: line 1: not valid XML"):
        adopted(home, bad)
    assert not (home / "var").exists()


def test_an_index_that_cannot_be_read_is_named(home: Path) -> None:
    with pytest.raises(ParseError, match=r"feeds\.json: line 1: not valid JSON"):
        adopted(home, write(home / "feeds.json", "{"))


def test_without_an_entry_to_adopt_there_is_no_state_afterwards(home: Path) -> None:
    done = adopted(home, write(home / "rss.xml", "<rss><channel/></rss>"))
    assert (done.read, done.adopted) == (0, 0)
    assert not (home / "var").exists()


def test_a_running_feeder_is_not_disturbed(home: Path) -> None:
    path = write(home / "atom.xml", HEXO_ATOM)
    with opened(loaded(home), workers=1), pytest.raises(StoreError, match="in use by process"):
        adopted(home, path)


# ---------------------------------------------------------------- what matches


def test_what_matches_is_told_and_nothing_is_published(home: Path) -> None:
    article(home, "bridge.md", "Another headline", "2026-03-05 10:00:00 +0800")
    article(home, "night.md", "夜班", "2026-03-02 08:00:00 +0800")
    rss = write(home / "rss.xml", RSS)
    done = adopted(home, write(home / "atom.xml", HEXO_ATOM), rss)
    matches = done.matches
    assert matches
    assert (matches.by_link, matches.by_title, matches.unpolled) == (1, 1, ())
    assert [(each.where, each.reason) for each in matches.waiting] == [
        ("https://example.org/?p=1", "Bread & roses"),
        ("https://example.org/no-guid/", "No guid"),
    ]
    assert (
        "Articles in the sources: 0 by id, 1 by link, 1 by title and day; 2 entries wait for an article"
        in adopting.report(done)
    )
    assert not (home / "public").exists()
    assert {v.value: n for v, n in once(home, NOON).verdicts.items() if n} == {"returned": 2}
    assert adopted(home, rss).matches == replace(matches, by_link=0, by_title=0)


def test_articles_that_subscribers_never_had_are_counted(home: Path) -> None:
    for day in range(1, 6):
        article(home, f"{day}.md", f"From the archive {day}", f"2026-02-0{day} 10:00:00 +0800")
    article(home, "bridge.md", "Another headline", "2026-03-05 10:00:00 +0800")
    article(home, "news.md", "News", "2026-03-06 10:00:00 +0800")
    atom = write(home / "atom.xml", HEXO_ATOM)
    [told] = [line for line in adopting.report(adopted(home, atom)) if line.startswith("Of the")]
    assert told.startswith("Of the 50 newest articles, 5 are in none of these feeds: subscribers will see them as new.")
    write(home / "config.toml", CONFIG + '[feeds]\nentries = 2\nwindow = "0s"\n')
    assert not [line for line in adopting.report(adopted(home, atom)) if line.startswith("Of the")]


def test_a_source_that_cannot_be_read_is_named_and_its_articles_wait(home: Path) -> None:
    (home / "articles").rmdir()
    done = adopted(home, write(home / "atom.xml", HEXO_ATOM))
    assert done.matches
    assert [problem.where for problem in done.matches.unpolled] == ["news"]
    assert len(done.matches.waiting) == 2
    assert any(line.startswith("  not read: news: ") for line in adopting.report(done))


# ---------------------------------------------------------------- feeds on the web


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


def page(number: int, links: str = "") -> str:
    return f'<feed xmlns="http://www.w3.org/2005/Atom">{links}<entry><id>urn:{number}</id><title>{number}</title></entry></feed>'


def test_a_feed_on_the_web_is_adopted(home: Path, web: Web) -> None:
    article(home, "night.md", "夜班", "2026-03-02 08:00:00 +0800")
    web.put("/atom.xml", gzip.compress(HEXO_ATOM.encode()), content_encoding="gzip")
    adopted(home, web.put("/moved.xml", status=301, location="/atom.xml"))
    once(home, NOON)
    assert ids(home) == {"夜班": "http://example.org/?p=7"}


@pytest.mark.parametrize("rel", ["next", "prev-archive"])
def test_all_pages_of_a_feed_are_read(home: Path, web: Web, rel: str) -> None:
    web.put("/3", page(3))
    web.put("/old/2", page(2, f'<link rel="{rel}" href="../3"/>'))
    start = web.put("/1", page(1, f'<link rel="{rel}" href="{web.url}/old/2"/>'))
    done = adopted(home, start)
    assert (done.read, done.adopted, done.unread) == (3, 3, ())


def test_pages_of_rss_and_json_are_read(home: Path, web: Web) -> None:
    item = "<item><guid>urn:1</guid><title>1</title></item>"
    link = '<a:link xmlns:a="http://www.w3.org/2005/Atom" rel="next" href="?page=2"/>'
    start = web.put("/rss", f"<rss><channel>{link}{item}</channel></rss>")
    json_feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "next_url": "/3",
        "items": [{"id": "urn:2", "title": "2"}],
    }
    web.put("/rss?page=2", json.dumps(json_feed))
    web.put("/3", page(3))
    assert adopted(home, start).read == 3


def test_pages_that_go_round_in_circles_are_read_once(home: Path, web: Web) -> None:
    web.put("/2", page(2, '<link rel="next" href="/1"/>'))
    done = adopted(home, web.put("/1", page(1, '<link rel="next" href="/2"/>')))
    assert (done.read, done.unread, len(web.asked)) == (2, (), 2)


def test_pages_without_end_come_to_one(home: Path, web: Web) -> None:
    for number in range(1, 103):
        web.put(f"/{number}", page(number, f'<link rel="next" href="/{number + 1}"/>'))
    done = adopted(home, f"{web.url}/1")
    assert (done.read, len(web.asked)) == (100, 100)
    assert [(problem.where, problem.reason) for problem in done.unread] == [
        (f"{web.url}/101", "page 101 of a feed; no more are read")
    ]


def test_a_page_on_another_host_is_not_asked_for(home: Path, web: Web) -> None:
    with serving() as other:
        start = web.put("/1", page(1, f'<link rel="next" href="{other.url}/2"/>'))
        assert adopted(home, start).read == 1
        assert other.asked == []


def test_what_cannot_be_fetched_is_named_and_the_rest_serves(home: Path, web: Web) -> None:
    start = web.put("/1", page(1, '<link rel="next" href="/gone"/>'))
    done = adopted(
        home,
        web.put("/page", "<!doctype html><title>Sorry</title>"),
        start,
        web.put("/cut", "<rss>\n"),
        "gopher://example.org/",
    )
    assert (done.read, done.adopted) == (1, 1)
    assert [(problem.where, problem.reason) for problem in done.unread] == [
        (f"{web.url}/page", "a web page, not a feed"),
        (f"{web.url}/gone", "answers 404 Not Found"),
        (f"{web.url}/cut", "line 2: not valid XML: Premature end of data in tag rss line 1, line 2, column 1"),
        ("gopher://example.org/", "only http://… and https://… can be fetched"),
    ]


def test_without_a_feed_that_can_be_fetched_there_is_no_state_afterwards(home: Path, web: Web) -> None:
    with pytest.raises(ParseError, match=rf"^{web.url}/atom\.xml: answers 404 Not Found$"):
        adopted(home, f"{web.url}/atom.xml")
    assert not (home / "var").exists()


# ---------------------------------------------------------------- a lost state


@pytest.fixture
def lost(home: Path) -> Path:
    """Return a place where feeds were published for a month, and the state is gone."""
    article(home, "plain.md", "Plain", "2026-03-01 10:00:00 +0800", head="categories: [A, B]\n")
    article(home, "undated.md", "Undated", None, head="categories: [A]\n")
    article(home, "old.md", "Old name", "2026-03-02 10:00:00 +0800", body="Long.")
    article(home, "near.md", "A little ahead", "2026-03-04 22:00:00 +0800", body="Early.")
    article(home, "moved.md", "Moved", "2026-03-01 10:00:00 +0800", body="Wrong day.")
    article(home, "own.md", "Own", "2026-03-01 11:00:00 +0800", head="updated: 2026-03-03 09:00:00 +0800\n")
    first = at("2026-03-04T12:00:00")
    once(home, first)
    article(home, "old.md", "New name", "2026-03-02 10:00:00 +0800", body="Short.")
    article(home, "moved.md", "Moved", "2026-03-03 10:00:00 +0800", body="Wrong day.")
    once(home, first + DAY)
    (home / "articles/old.md").rename(home / "articles/new.md")
    once(home, first + 2 * DAY)
    once(home, first + 3 * DAY)
    shutil.rmtree(home / "var")
    return home


def test_a_lost_state_is_not_replaced_in_silence(lost: Path) -> None:
    with pytest.raises(StoreError, match=r"feeder adopt .*feeds\.json"):
        once(lost, NOON)


def test_a_lost_state_gets_ids_and_dates_back_from_the_feeds(lost: Path) -> None:
    before = contents(lost)
    done = adopted(lost, lost / "public/feeds.json")
    assert (done.read, done.adopted, done.refused) == (6, 6, ())
    once(lost, NOON)
    assert contents(lost) == before


def test_ids_come_back_that_nobody_could_derive(lost: Path) -> None:
    before = published(lost)
    adopted(lost, lost / "public/feeds.json")
    once(lost, NOON)
    with_new_ids = lost / "fresh"
    shutil.copytree(lost / "articles", with_new_ids / "articles")
    write(with_new_ids / "config.toml", CONFIG)
    once(with_new_ids, NOON)
    assert published(lost) == before
    assert published(with_new_ids)["New name"].guid != before["New name"].guid


def test_the_title_that_an_adopted_id_was_made_from_still_leads_to_it(lost: Path) -> None:
    adopted(lost, lost / "public/feeds.json")
    once(lost, NOON)
    article(lost, "copy.md", "Old name", "2026-03-02 10:00:00 +0800", body="Short.")
    polled = once(lost, NOON + HOUR)
    assert {verdict.value for verdict, count in polled.verdicts.items() if count} == {"merged"}


def test_a_lost_state_comes_back_under_another_site_id(lost: Path) -> None:
    before = ids(lost)
    write(lost / "config.toml", CONFIG.replace("feeds.example.org,2026", "other.example.org,2026"))
    adopted(lost, lost / "public/feeds.json")
    once(lost, NOON)
    assert ids(lost) == before


def test_another_format_serves_where_one_is_damaged(lost: Path) -> None:
    (lost / "public/atom.xml").write_text("<feed")
    (lost / "public/categories/a/atom.xml").unlink()
    done = adopted(lost, lost / "public/feeds.json")
    assert (done.adopted, done.unread) == (6, ())


def test_a_feed_that_is_damaged_in_all_formats_is_named(lost: Path) -> None:
    for name in ("atom.xml", "rss.xml", "feed.json"):
        (lost / "public/categories/a/b" / name).unlink()
    done = adopted(lost, lost / "public/feeds.json")
    assert done.adopted == 6  # the site's feed holds them too
    assert [problem.where for problem in done.unread] == [str(lost / "public/categories/a/b/atom.xml")]


# ---------------------------------------------------------------- reports


def test_the_report_counts_and_names(home: Path) -> None:
    items = "".join(f"<item><title>T{n}</title><guid>{n}</guid></item>" for n in range(25))
    rss = write(home / "rss.xml", f"<rss><channel>{items}</channel></rss>")
    bad = write(home / "bad.xml", "<rss>")
    lines = adopting.report(adopted(home, rss, bad, write(home / "atom.xml", HEXO_ATOM)))
    assert lines[0] == "27 entries read: 2 adopted, 0 known already, 25 refused"
    assert lines[1].startswith("  refused: 0: its id is no absolute IRI")
    assert "  … and 5 more" in lines
    assert any(line.startswith(f"  not read: {bad}: line 1") for line in lines)
    assert lines[-1] == "Their articles get these ids at the next poll, where they count as returned."
