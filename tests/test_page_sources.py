"""Web pages as sources, and the feeds that they announce."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder.errors import ParseError
from feeder.markup import MOST_TAGS
from feeder.model import ForeignFeed, RawItem, Select
from feeder.parse.page import MAX_ITEMS, find_feed, guess_item, read_page

URL = "https://harbour.example/news/index.html"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Harbour
 news &amp; notes</title></head><body>
<nav><a href="/login">Log in</a></nav>
<ul>
 <li class="story">
  <a href="/2026/ferry"><img src="/thumb/loading.gif" data-src="/img/ferry.jpg"></a>
  <h2><a href="/2026/ferry?from=list">The <em>fer</em>ry<br>is back</a></h2>
  <time datetime="2026-03-10T08:00:00+01:00">today</time>
  <div class="text"><p>It sails <b>again</b>.</p></div><div class="text"><p>Twice a day.</p></div>
  <span class="tag">Transport</span> <span class="tag"> Sea </span>
 </li>
 <li class="story">
  <h2><a href="crane">A new crane</a></h2>
  <time>2026-03-09 12:00</time>
  <div class="text"><p>It lifts <a href="x.html">forty tons</a>.</p></div>
 </li>
</ul></body></html>"""


def page(markup: str | bytes = PAGE, *, url: str = URL, charset: str | None = None, **select: Any) -> ForeignFeed:
    body = markup.encode() if isinstance(markup, str) else markup
    return read_page(body, url=url, charset=charset, select=Select(**{"item": ".story", **select}))


def item(markup: str, **select: Any) -> RawItem:
    (found,) = page(f'<div class="story">{markup}</div>', **select).items
    return found


# ---------------------------------------------------------------- items


def test_a_page_is_read_in_its_order() -> None:
    found = page(body=".text", image="img", category=".tag")
    assert [(each.title, each.link, each.date) for each in found.items] == [
        ("The ferry is back", "https://harbour.example/2026/ferry?from=list", "2026-03-10T08:00:00+01:00"),
        ("A new crane", "https://harbour.example/news/crane", "2026-03-09 12:00"),
    ]
    assert found.origin.title == "Harbour news & notes"
    assert found.origin.home == URL
    assert found.warnings == ()


def test_an_item_has_its_body_picture_and_categories() -> None:
    first, second = page(body=".text", image="img", category=".tag").items
    assert first.body == (
        '<div class="text"><p>It sails <b>again</b>.</p></div>\n<div class="text"><p>Twice a day.</p></div>'
    )
    assert first.image == "https://harbour.example/img/ferry.jpg"
    assert first.categories == ("Transport", "Sea")
    assert (second.image, second.categories) == (None, None)
    assert first.is_html
    assert first.base_url == URL


def test_the_locator_is_the_link() -> None:
    assert [each.locator for each in page().items] == [each.link for each in page().items]


def test_without_a_link_the_locator_is_made_of_title_and_date() -> None:
    written = '<div class="story"><h3>{}</h3><time>{}</time></div>'
    several = [written.format(*each) for each in (("A", "1 May 2026"), ("B", "1 May 2026"), ("A", "2 May 2026"))]
    locators = [each.locator for each in page("".join(several)).items]
    assert len(set(locators)) == 3
    assert [each.locator for each in page("".join(reversed(several))).items] == locators[::-1]


@pytest.mark.parametrize(
    ("markup", "select"),
    [
        pytest.param(
            '<a href="/a"><img alt="A picture"></a><a href="/a">Tide</a>', {}, id="the-first-link-with-a-text"
        ),
        pytest.param('<a href="/b">Read on</a><h3><a href="/a">Tide</a></h3>', {}, id="that-of-the-title"),
        pytest.param('<a href="/a"><h3>Tide</h3></a>', {}, id="one-around-the-title"),
        pytest.param(
            '<h3></h3><h4>Tide</h4><a href="javascript:go()">x</a><a href="/a">on</a>', {}, id="after-a-script"
        ),
        pytest.param('<b data-href="/a">Tide</b>', {"title": "b", "link": "b"}, id="for-scripts"),
        pytest.param("<b>Tide</b><i>https://harbour.example/a</i>", {"title": "b", "link": "i"}, id="as-text"),
        pytest.param('<b>Tide</b><meta itemprop=url content="/a">', {"title": "b", "link": "meta"}, id="as-meta"),
        pytest.param(
            '<p class=l><a href="/a">Tide</a></p>', {"title": ".l", "link": ".l"}, id="inside-what-is-selected"
        ),
        pytest.param('<meta itemprop=name content="Tide"><a href="/a">x</a>', {"title": "meta"}, id="title-as-meta"),
        pytest.param('<h3><img src=x alt="Tide"></h3><a href="/a">x</a>', {}, id="title-as-a-picture"),
    ],
)
def test_title_and_link(markup: str, select: dict[str, str]) -> None:
    found = item(markup, **select)
    assert found.title == "Tide"
    assert found.link == "https://harbour.example/a"


def test_the_item_itself_may_be_the_link() -> None:
    found = page('<a class="story" href="/a">Tide</a><a class="story" href="/b">Wind</a>', link="a", title=".story")
    assert [(each.title, each.link) for each in found.items] == [
        ("Tide", "https://harbour.example/a"),
        ("Wind", "https://harbour.example/b"),
    ]
    assert page('<a class="story" href="/a">Tide</a>').items[0].title == "Tide"


def test_a_link_around_the_item_is_its_own() -> None:
    found = page('<a href="/a"><div class="story"><h3>Tide</h3></div></a>')
    assert found.items[0].link == "https://harbour.example/a"


def test_addresses_are_relative_to_the_base_of_the_page() -> None:
    found = page('<base href="//cdn.harbour.example/x/"><div class="story"><a href="a">Tide</a></div>')
    assert found.items[0].link == "https://cdn.harbour.example/x/a"
    assert found.items[0].base_url == "https://cdn.harbour.example/x/"


@pytest.mark.parametrize("base", ["javascript:alert(1)", "", "http://[", "a" * 5000])
def test_a_base_that_is_none_is_passed_over(base: str) -> None:
    assert page(f'<base href="{base}"><div class="story"><a href="a">Tide</a></div>').items[0].base_url in {
        URL,
        f"https://harbour.example/news/{base}",
    }


@pytest.mark.parametrize(
    ("markup", "date"),
    [
        ('<time datetime="2026-03-10">Tuesday</time>', "2026-03-10"),
        ('<time datetime="">10 March 2026</time>', "10 March 2026"),
        ("<time></time><time>10 March\n 2026</time>", "10 March 2026"),
        ("<time></time>", None),
        ("", None),
    ],
)
def test_dates_are_as_written(markup: str, date: str | None) -> None:
    assert item(f"<h3>Tide</h3>{markup}").date == date


def test_a_date_may_be_selected() -> None:
    assert item('<h3>Tide</h3><time>x</time><meta itemprop=datePublished content="2026-03-10">', date="meta").date == (
        "2026-03-10"
    )


@pytest.mark.parametrize(
    ("markup", "selector"),
    [
        ('<img src="/p.jpg">', "img"),
        ('<img data-original="/p.jpg" src="data:image/gif;base64,R0lGOD">', "img"),
        ('<img srcset="/s.jpg 100w, /p.jpg 800w">', "img"),
        ('<picture><source srcset="/s.webp 1x, /p.jpg 2x"><img src="/s.jpg"></picture>', "picture"),
        ('<a class="p" href="/p.jpg">Look</a>', ".p"),
        ("<i class=p style=\"height: 2px; background-image: url( '/p.jpg' )\"></i>", ".p"),
        ('<meta itemprop="image" content="/p.jpg">', "meta"),
        ('<figure><figcaption>x</figcaption><img src="/p.jpg"></figure>', "figure"),
        ('<img src=""><img src="/p.jpg">', "img"),
    ],
)
def test_pictures(markup: str, selector: str) -> None:
    assert item(f"<h3>Tide</h3>{markup}", image=selector).image == "https://harbour.example/p.jpg"


def test_what_is_no_picture_is_none() -> None:
    assert item('<h3>Tide</h3><img src="javascript:1">', image="img").image is None


def test_a_body_inside_a_body_comes_once() -> None:
    assert item("<h3>Tide</h3><div><div>High</div></div>", body="div").body == "<div><div>High</div></div>"


def test_an_item_inside_an_item_is_a_part_of_it() -> None:
    (found,) = page('<div class="story"><h2>Tide</h2><div class="story"><h3>Ebb</h3></div></div>').items
    assert found.title == "Tide"


def test_of_items_with_one_link_the_first_with_a_title_counts() -> None:
    story = '<div class="story"><a href="/{}">{}</a></div>'
    written = "".join(
        story.format(*each) for each in (("a", "<img src=x>"), ("b", "Wind"), ("a", "Tide"), ("a", "Ebb"))
    )
    assert [each.title for each in page(written).items] == ["Tide", "Wind"]


def test_items_that_all_have_one_link_are_told() -> None:
    found = page('<a class="story" href="/login">A</a><a class="story" href="/login">B</a>')
    assert len(found.items) == 1
    assert found.warnings == ("all items have the same link, so they are one",)


def test_an_item_that_cannot_be_named_is_left_out() -> None:
    found = page('<div class="story">Advertisement</div><div class="story"><h3>Tide</h3></div>')
    assert [each.title for each in found.items] == ["Tide"]
    assert found.warnings == ("1 items have neither a title nor a link; they are left out",)


# ---------------------------------------------------------------- a page that changed


@pytest.mark.parametrize("name", ["title", "link", "date", "body", "image", "category"])
def test_a_selector_that_matches_nothing_is_named(name: str) -> None:
    with pytest.raises(ParseError, match=rf"^select\.{name} matches nothing on the page: '\.gone'$"):
        page(**{name: ".gone"})


def test_a_page_without_items_is_an_error() -> None:
    with pytest.raises(ParseError, match=r"^select\.item matches nothing on the page: '\.gone'$"):
        page(item=".gone")


@pytest.mark.parametrize("body", ["", "story", "harbour.html", "https://harbour.example/", "{}", "<", "<!--"])
def test_what_holds_no_items_is_an_error(body: str) -> None:
    with pytest.raises(ParseError, match="matches nothing"):
        page(body)


def test_a_page_whose_items_cannot_be_named_is_an_error() -> None:
    with pytest.raises(ParseError, match="no item on the page has a title or a link"):
        page('<div class="story">Advertisement</div>')


@pytest.mark.parametrize("selector", ["li[", "", ":never", "li::before", "("])
def test_what_is_no_selector_is_told(selector: str) -> None:
    with pytest.raises(ParseError, match=r"^select\.date is no CSS selector: '"):
        page(date=selector)


def test_a_binary_file_is_no_page() -> None:
    with pytest.raises(ParseError):
        page(b"\x89PNG\r\n\0\0\0\rIHDR\0\0")


# ---------------------------------------------------------------- charsets

TIDE = '<meta charset="{}"><div class="story"><h3>港の潮 渡し船が戻る</h3></div>'


@pytest.mark.parametrize(
    ("encoding", "declared", "charset"),
    [
        pytest.param("utf-8", "utf-8", None, id="utf-8"),
        pytest.param("utf-8", "shift_jis", "euc-jp", id="utf-8-whatever-is-said"),
        pytest.param("utf-8-sig", "gbk", None, id="a-mark"),
        pytest.param("utf-16", "utf-8", None, id="utf-16"),
        pytest.param("shift_jis", "shift_jis", "utf-8", id="the-page-before-its-server"),
        pytest.param("euc-jp", "", "EUC-JP", id="the-server"),
        pytest.param("gb18030", "", "gb18030", id="the-server-gb18030"),
        pytest.param("euc-jp", "no-such", "x\0y", id="a-guess"),
    ],
)
def test_charsets(encoding: str, declared: str, charset: str | None) -> None:
    body = TIDE.format(declared)
    body += "<p>きょうの午後、港に渡し船が戻りました。潮が高いので、乗り場は北側です。</p>" * 5
    assert page(body.encode(encoding), charset=charset).items[0].title == "港の潮 渡し船が戻る"


# ---------------------------------------------------------------- hostile pages

HEAD = '<div class="story"><h3>Tide</h3></div>'
BOUNDED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
resource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20))
from feeder.errors import ParseError
from feeder.model import Select
from feeder.parse.page import read_page
select = Select(item=".story", title="li:nth-child(2) ~ p, h3", date="h3")
try:
    print(read_page(sys.stdin.buffer.read(), url="https://a.example/", charset=None, select=select).items[0].title, end="")
except ParseError as error:
    print(error, end="")
"""


@pytest.mark.parametrize(
    "markup",
    [
        pytest.param(HEAD + "<div>" * 200_000, id="deep"),
        pytest.param("<div>" * 200_000 + HEAD, id="items-in-the-deep"),
        pytest.param(HEAD + "<p " + "".join(f"a{n}=1 " for n in range(200_000)) + ">", id="attributes"),
        pytest.param(HEAD + "<i>x</i>" * 1_000_000, id="elements"),
        pytest.param(HEAD + "x" * 10_000_000, id="text"),
        pytest.param(HEAD + "<!--" * 1_000_000, id="comments"),
        pytest.param(HEAD + "<script>" + "if (a < b) {}" * 500_000, id="script"),
        pytest.param(HEAD + "&amp;" * 1_000_000, id="references"),
        pytest.param(HEAD + "<a href='" * 300_000, id="quotes"),
    ],
)
def test_a_hostile_page_is_read_within_bounds(markup: str) -> None:
    done = subprocess.run([sys.executable, "-c", BOUNDED], input=markup, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout in {"Tide", "select.item matches nothing on the page: '.story'"}  # as it lies too deep


def test_what_a_page_is_too_large_for_is_told() -> None:
    found = page("".join(f'<a class="story" href="/{n}">T{n}</a>' for n in range(MOST_TAGS + 10)))
    assert len(found.items) == MAX_ITEMS
    assert found.warnings == (
        "the page is too large; its end is not read",
        f"holds {MOST_TAGS} items; the first {MAX_ITEMS} are read",
    )


def test_scripts_are_no_part_of_a_page() -> None:
    assert item("<script>var a = '<h3>Trap</h3>'</script><h3>Tide</h3>").title == "Tide"


def test_endless_texts_and_addresses_are_cut() -> None:
    found = item(f'<h3>{"T" * 100_000}</h3><a href="/{"a" * 100_000}">x</a><a href="/{"b" * 100}">y</a>')
    assert len(found.title or "") == 2000
    assert found.link == f"https://harbour.example/{'b' * 100}"


@settings(deadline=None, max_examples=150)
@given(
    st.one_of(
        st.binary(max_size=400),
        st.text(max_size=300).map(lambda text: f'<div class="story">{text}</div>'.encode("utf-8", "replace")),
        st.lists(
            st.sampled_from(
                [
                    '<div class="story">',
                    "</div>",
                    "<a href=x>",
                    "</a>",
                    "<h2>",
                    "</h3>",
                    "T",
                    "<p",
                    "&#0;",
                    "&#xd800;",
                    "<time>",
                ]
            ),
            max_size=40,
        ).map(lambda parts: "".join(parts).encode()),
    )
)
def test_nothing_but_a_parse_error_comes_of_any_bytes(body: bytes) -> None:
    try:
        found = page(body, body="*")
    except ParseError:
        return
    assert found.items
    assert len({each.locator for each in found.items}) == len(found.items)
    assert all(each.locator and (each.title or each.link) for each in found.items)


# ---------------------------------------------------------------- feeds that a page announces


def feeds(*links: str, **more: Any) -> tuple[str, ...]:
    return find_feed(f"<html><head>{''.join(links)}</head><body>x".encode(), url=URL, charset=None, **more)


def link(kind: str, href: str, *, rel: str = "alternate", title: str = "") -> str:
    return f'<link rel="{rel}" type="{kind}" href="{href}" title="{title}">'


ATOM, RSS, JSON = "application/atom+xml", "application/rss+xml", "application/feed+json"


def test_atom_comes_before_rss_and_json_and_comments_last() -> None:
    assert feeds(
        link(ATOM, "/comments/feed/atom"),
        link(JSON, "/feed.json"),
        link(RSS, "/评论.xml", title="评论"),
        link(RSS, "rss.xml"),
        link(ATOM, "//cdn.example/atom.xml"),
        link(ATOM, "/second.atom"),
    ) == (
        "https://cdn.example/atom.xml",
        "https://harbour.example/second.atom",
        "https://harbour.example/news/rss.xml",
        "https://harbour.example/feed.json",
        "https://harbour.example/comments/feed/atom",
        "https://harbour.example/%E8%AF%84%E8%AE%BA.xml",
    )


@pytest.mark.parametrize(
    "written",
    [
        link("application/json", "/wp-json/"),
        link("text/html", "/en/"),
        link("", "/x"),
        link(RSS, "/x", rel="stylesheet"),
        link(RSS, "javascript:x"),
        link(RSS, ""),
        "<link rel=alternate>",
        '<script>document.write(\'<link rel="alternate" type="application/rss+xml" href="/x">\')</script>',
        '<!-- <link rel="alternate" type="application/rss+xml" href="/x"> -->',
    ],
)
def test_what_is_no_feed_is_passed_over(written: str) -> None:
    assert feeds(written) == ()


def test_a_feed_may_be_announced_otherwise() -> None:
    assert feeds(
        link("Application/RSS+XML; charset=utf-8", "/a", rel="home ALTERNATE"), link(ATOM, "/b", rel="feed")
    ) == (
        "https://harbour.example/b",
        "https://harbour.example/a",
    )


def test_feeds_are_relative_to_the_base() -> None:
    assert feeds('<base href="/x/">', link(RSS, "rss.xml")) == ("https://harbour.example/x/rss.xml",)


def test_a_feed_is_announced_once() -> None:
    assert feeds(link(RSS, "/a"), link(RSS, "/a")) == ("https://harbour.example/a",)


def test_a_header_may_announce_a_feed() -> None:
    links = (
        ("alternate", "https://harbour.example/feed/"),
        ("alternate", "https://harbour.example/de/"),
        ("feed", "https://harbour.example/a.atom"),
        ("next", "https://harbour.example/feed/2"),
    )
    assert feeds(link(RSS, "/a"), links=links) == (
        "https://harbour.example/a",
        "https://harbour.example/feed/",
        "https://harbour.example/a.atom",
    )


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=300))
def test_any_bytes_can_be_asked_for_feeds(body: bytes) -> None:
    try:
        assert isinstance(find_feed(body, url=URL, charset=None), tuple)
    except ParseError:
        return


def test_feeds_are_found_in_a_hostile_page() -> None:
    assert feeds(link(RSS, "/a"), "<div>" * 200_000) == ("https://harbour.example/a",)


# ---------------------------------------------------------------- guesses


@pytest.mark.parametrize(
    ("markup", "guess"),
    [
        ("<article><h2><a href='/{0}'>News {0}</a></h2></article>", "article"),
        ("<div class='post'><a href='/{0}'>News {0}</a></div>", ":is(.post, .entry, .story, .news-item)"),
        ("<li><a href='/{0}'>News {0}</a> <time>2026-03-10</time></li>", "li:has(time)"),
        ("<li><h3><a href='/{0}'>News {0}</a></h3></li>", "li:has(h2, h3, h4)"),
        ("<div><h3><a href='/{0}'>News {0}</a></h3></div>", "div:has(> h2, > h3)"),
        ("<p></p><h2><a href='/{0}'>News {0}</a></h2>", "h2:has(a)"),
    ],
)
def test_where_articles_are_is_guessed(markup: str, guess: str) -> None:
    page = "<nav><ul><li><a href='/'>Home</a></li></ul></nav>" + "".join(map(markup.format, range(3)))
    assert guess_item(page.encode(), url=URL, charset=None) == (guess, 3)


def test_nothing_is_guessed_of_one_link_again_and_again() -> None:
    assert guess_item(b"<article><a href='/'>Home</a></article>" * 3, url=URL, charset=None) is None
    assert guess_item(b"", url=URL, charset=None) is None
