"""Where a category's files are."""

from __future__ import annotations

import re

import pytest
from feed_values import DAILY, HOME, MONEY, SITE
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder import dedup, urls
from feeder.model import Category, Format

MONEY_URL = "https://feeds.example.org/categories/%E9%87%91%E8%9E%8D/"


@pytest.mark.parametrize(
    ("category", "directory", "page", "parent"),
    [
        pytest.param(HOME, "", SITE.url, SITE.url, id="site"),
        pytest.param(MONEY, "categories/金融", MONEY_URL, SITE.url, id="top"),
        pytest.param(
            DAILY, "categories/金融/r-d-daily-1a2b3c4d", f"{MONEY_URL}r-d-daily-1a2b3c4d/", MONEY_URL, id="leaf"
        ),
    ],
)
def test_directories_are_raw_and_urls_encoded(category: Category, directory: str, page: str, parent: str) -> None:
    assert urls.directory(category) == directory
    assert urls.page_url(category, SITE) == page
    assert urls.parent_url(category, SITE) == parent


def test_the_feeds_of_a_category_lie_beside_its_page() -> None:
    assert urls.feed_urls(MONEY, SITE, Format) == (
        (Format.ATOM, f"{MONEY_URL}atom.xml"),
        (Format.RSS, f"{MONEY_URL}rss.xml"),
        (Format.JSON, f"{MONEY_URL}feed.json"),
    )


@pytest.mark.parametrize(
    ("category", "path"),
    [pytest.param(HOME, "rss.xml", id="site"), pytest.param(MONEY, "categories/金融/rss.xml", id="category")],
)
def test_files_lie_in_the_directory(category: Category, path: str) -> None:
    assert urls.file_path(category, "rss.xml") == path


@pytest.mark.parametrize(
    ("url", "encoded"),
    [
        pytest.param(
            "https://a.example/%E6%96%B0?q=1&r=a+b#top", "https://a.example/%E6%96%B0?q=1&r=a+b#top", id="as it is"
        ),
        pytest.param("https://a.example/新/ 闻", "https://a.example/%E6%96%B0/%20%E9%97%BB", id="path"),
        pytest.param("https://例子.example/", "https://xn--fsqu00a.example/", id="host"),
        pytest.param(f"https://{'例' * 70}.example/", f"https://{'%E4%BE%8B' * 70}.example/", id="no such host"),
        pytest.param("https://[::1]:8080/[a]", "https://[::1]:8080/%5Ba%5D", id="brackets"),
        pytest.param("https://a.example/100%", "https://a.example/100%25", id="lone percent"),
        pytest.param("HTTPS://A.example/A", "https://A.example/A", id="capitals"),
        pytest.param("/a b", "/a%20b", id="no host"),
    ],
)
def test_a_url_is_encoded_once(url: str, encoded: str) -> None:
    assert urls.encoded(url) == encoded


@given(st.text().map("https://a.example/".__add__))
@settings(deadline=None)
def test_encoding_twice_changes_nothing(url: str) -> None:
    assert urls.encoded(urls.encoded(url)) == urls.encoded(url)
    assert urls.encoded(url).isascii()


MINTED = dedup.mint(bytes.fromhex("00d1e7f8a9b2c3d4e5f60718293a4b5c"), f"tag:{SITE.id}:article/")


def test_the_page_of_an_article_is_called_after_its_id() -> None:
    assert urls.article_path(MINTED, SITE) == f"articles/{MINTED.rpartition('/')[2]}.html"


@pytest.mark.parametrize(
    "id_",
    [
        "https://example.org/?p=1",
        f"tag:{SITE.id}:article/../../x",
        "tag:other.example,2026:article/abcdefghijklmnopqrstuvwxyz",
    ],
)
def test_the_page_of_an_article_with_another_id_is_called_after_a_hash(id_: str) -> None:
    found = urls.article_path(id_, SITE)
    assert re.fullmatch(r"articles/[0-9a-v]{26}\.html", found)
    assert len({found, urls.article_path(f"{id_}x", SITE), urls.article_path(MINTED, SITE)}) == 3


@pytest.mark.parametrize(
    ("below", "is_own"),
    [
        ("", True),
        ("atom.xml", True),
        ("categories/a/", True),
        ("articles/a.html", True),
        ("assets/site.css", True),
        ("blog/atom.xml", False),
        ("articles", False),
    ],
)
def test_what_a_site_publishes_is_its_own(below: str, is_own: bool) -> None:  # noqa: FBT001 - a table's column
    assert urls.is_own(SITE.url + below, SITE) is is_own
