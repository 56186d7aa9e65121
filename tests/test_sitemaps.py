"""Sitemaps: what they list, and what they are refused for."""

from __future__ import annotations

import gzip
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder.errors import ParseError
from feeder.parse.sitemap import MAX_BYTES, MAX_ENTRIES, Listed, Sitemap, read_sitemap

URL = "https://harbour.example/sitemap.xml"
SPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
PAGES = f"""<?xml version="1.0" encoding="UTF-8"?>
<urlset {SPACE} xmlns:n="http://www.google.com/schemas/sitemap-news/0.9"
  xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
 <url><image:image><image:loc>https://harbour.example/a.jpg</image:loc><image:title>A picture</image:title></image:image>
  <loc>
   https://harbour.example/ferry
  </loc><lastmod>2026-03-10T08:00:00+01:00</lastmod><priority>0.8</priority></url>
 <!-- the crane -->
 <url><loc>/crane</loc><n:news><n:publication><n:name>Desk</n:name></n:publication>
  <n:publication_date>2026-03-09</n:publication_date><n:title>A new
  crane &amp; more</n:title></n:news></url>
 <url><loc>/crane</loc></url> <url><loc>/pier</loc><lastmod></lastmod></url> <url><loc>javascript:x</loc></url> <url/> <other><loc>/other</loc></other>
</urlset>"""
INDEX = (
    f"""<sitemapindex {SPACE}><sitemap><loc>/news.xml.gz</loc><lastmod>2026-03-10</lastmod></sitemap></sitemapindex>"""
)


def read(body: str | bytes) -> Sitemap:
    return read_sitemap(body.encode() if isinstance(body, str) else body, url=URL)


@pytest.mark.parametrize("body", [PAGES.encode(), gzip.compress(PAGES.encode())])
def test_pages_are_listed_in_order_and_once(body: bytes) -> None:
    assert read(body) == Sitemap(
        pages=(
            Listed(url="https://harbour.example/ferry", lastmod="2026-03-10T08:00:00+01:00"),
            Listed(url="https://harbour.example/crane", title="A new crane & more", date="2026-03-09"),
            Listed(url="https://harbour.example/pier"),
        )
    )


@pytest.mark.parametrize("body", [INDEX, INDEX.replace(SPACE, ""), INDEX.encode("utf-16")])
def test_an_index_lists_further_sitemaps(body: str | bytes) -> None:
    assert read(body) == Sitemap(parts=(Listed(url="https://harbour.example/news.xml.gz", lastmod="2026-03-10"),))


def test_an_empty_sitemap_is_one() -> None:
    assert read(f"<urlset {SPACE}/>") == Sitemap()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param("", "not valid XML", id="empty"),
        pytest.param("<html><body/></html>", "not a sitemap: its first element is 'html'", id="page"),
        pytest.param(PAGES[:-20], "line .*not valid XML", id="cut"),
        pytest.param("<urlset><url></urlset>", "not valid XML", id="ill-formed"),
        pytest.param('<!DOCTYPE urlset [<!ENTITY a "b">]><urlset>&a;</urlset>', "document type", id="entity"),
        pytest.param("<urlset>" + "<url>" * 100_000, "not valid XML", id="deep"),
        pytest.param(gzip.compress(PAGES.encode())[:-9], "cut short", id="gzip-cut"),
        pytest.param(b"\x1f\x8bxxxxxxxxxxxxx", "not valid gzip", id="no-gzip"),
        pytest.param(b" " * (MAX_BYTES + 1), "larger than 50 MiB", id="large"),
        pytest.param(gzip.compress(b" " * (MAX_BYTES + 1), 1), "larger than 50 MiB", id="bomb"),
    ],
)
def test_what_is_no_sitemap_is_told(body: str | bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        read(body)


def test_no_more_are_read_than_a_sitemap_may_list() -> None:
    found = read(f"<urlset>{''.join(f'<url><loc>/{n}</loc></url>' for n in range(MAX_ENTRIES + 5))}</urlset>")
    assert len(found.pages) == MAX_ENTRIES
    assert found.warnings == (f"lists more than {MAX_ENTRIES} addresses; the others are not read",)


BOUNDED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
from feeder.parse.sitemap import read_sitemap
print(len(read_sitemap(sys.stdin.buffer.read(), url="https://a.example/").pages), end="")
"""


def test_a_large_sitemap_is_read_in_little_memory() -> None:
    filler = "<x/>" * 10
    body = f"<urlset>{''.join(f'<url><loc>/{n}</loc>{filler}</url>' for n in range(MAX_ENTRIES))}{'<y/>' * 100_000}</urlset>"
    done = subprocess.run([sys.executable, "-c", BOUNDED], input=body.encode(), capture_output=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", str(MAX_ENTRIES).encode())


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.sampled_from(
            [
                "<urlset>",
                "</urlset>",
                "<url>",
                "</url>",
                "<loc>",
                "</loc>",
                "/a",
                "&amp;",
                "&#0;",
                "<lastmod/>",
                "\0",
                "<?a?>",
            ]
        ),
        max_size=30,
    ).map(lambda parts: "".join(parts).encode())
    | st.binary(max_size=200)
)
def test_nothing_but_a_parse_error_comes_of_any_bytes(body: bytes) -> None:
    try:
        found = read(body)
    except ParseError:
        return
    assert all(page.url.startswith("http") for page in found.pages)
